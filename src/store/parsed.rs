//! The index as this process last saw it, so that the same text is not parsed twice.
//!
//! Guarantees: what is handed out is what stands in the file now: the file is read at every call, and only
//! the same bytes are spared the parsing.

use std::fmt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use zeroize::Zeroizing;

use super::index::{self, Index};
use crate::error::Result;

/// The last text and what it says.
#[derive(Default)]
pub(super) struct Parsed(Mutex<Option<Known>>);

struct Known {
    bytes: Zeroizing<Vec<u8>>,
    index: Index,
}

impl fmt::Debug for Parsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Parsed(…)")
    }
}

impl Parsed {
    /// What the text of the file at `path` says.
    ///
    /// # Errors
    /// `store_unreadable`.
    pub fn of(&self, path: &Path, bytes: Zeroizing<Vec<u8>>) -> Result<Index> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.as_ref().filter(|known| known.bytes == bytes) {
            return Ok(known.index.clone());
        }
        let index = index::parse(path, &bytes)?;
        tracing::debug!(
            revision = index.last_revision,
            logins = index.logins.len(),
            "parsed credentials.toml"
        );
        *known = Some(Known { bytes, index: index.clone() });
        Ok(index)
    }

    /// Takes note of what this process writes itself, before whoever is woken by the change can ask for it.
    ///
    /// # Errors
    /// Those of `write`, which returns the text.
    pub fn write(&self, index: &Index, write: impl FnOnce() -> Result<String>) -> Result<()> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = write()?.into_bytes().into();
        tracing::debug!(revision = index.last_revision, "wrote credentials.toml");
        *known = Some(Known { bytes, index: index.clone() });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_text_is_parsed_and_what_was_written_is_known() {
        let (parsed, path) = (Parsed::default(), Path::new("credentials.toml"));
        let of = |text: &str| parsed.of(path, text.as_bytes().to_vec().into());
        assert_eq!(of("version = 1\nlast_revision = 7").unwrap().last_revision, 7);
        assert_eq!(of("version = 1\nlast_revision = 8").unwrap().last_revision, 8);
        assert!(of("version = 1\nlast_rev").is_err(), "what is damaged is no older text");
        let mut written = Index::default();
        written.store_id();
        let text = written.encode().unwrap();
        assert_eq!(
            index::parse(path, text.as_bytes()).unwrap(),
            written,
            "parsed or written, it is the same"
        );
        parsed.write(&written, || Ok(text.clone())).unwrap();
        assert_eq!(of(&text).unwrap(), written);
    }
}
