//! An entry more in the person's own settings.
//!
//! Guarantees: what stands there stays as it is, to the byte, comments and all.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::error::{Code, Error, Result};
use crate::private_file;

/// Puts an entry behind everything that stands in a file; what comes of it has to be settings still.
///
/// # Errors
/// `store_unwritable`, or `config_invalid` where nothing can be put behind what stands there; the hint has
/// the entry then.
pub fn append(path: &Path, entry: &str) -> Result<()> {
    let unwritable = |_| {
        Error::new(Code::StoreUnwritable, format!("`{}` cannot be written.", path.display()))
            .with_hint(format!("Put this into it yourself:\n{entry}"))
    };
    let old = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return private_file::create(path, entry.as_bytes()).map(drop);
        }
        Err(error) => return Err(unwritable(error)),
    };
    let gap = match old.as_str() {
        "" => "",
        text if text.ends_with('\n') => "\n",
        _ => "\n\n",
    };
    let new = format!("{gap}{entry}");
    if toml::from_str::<toml::Table>(&format!("{old}{new}")).is_err() {
        let message = format!("An entry cannot be put behind what stands in `{}`.", path.display());
        return Err(Error::new(Code::ConfigInvalid, message)
            .with_hint(format!("Write `providers` there as tables, and put this among them:\n{entry}")));
    }
    // Behind the end and in one write: the file keeps its place, its mode and whatever else is written now.
    let target: PathBuf = std::fs::canonicalize(path).map_err(unwritable)?;
    let mut file = std::fs::OpenOptions::new().append(true).open(target).map_err(unwritable)?;
    file.write_all(new.as_bytes()).and_then(|()| file.sync_all()).map_err(unwritable)
}
