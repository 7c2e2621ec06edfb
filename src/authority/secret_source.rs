//! Where the secret under the sealed values comes from: the environment, a file, or for a server that only
//! this machine can reach a file of our own making. Never the command line: arguments are visible to other
//! users.

use std::fs::OpenOptions;
use std::io::Read as _;
use std::path::Path;

use crate::error::{Code, Error, Result};
use crate::private_file;
use crate::secret::Secret;

/// Holds the secret; with `_PREVIOUS` behind it, the one before.
const VARIABLE: &str = "CONVOCATIONS_AUTHORITY_SECRET";
/// Its name until version 0.1. Other programs have a variable of this name too.
const OLD_VARIABLE: &str = "SECRET";

/// The current secret, and the one before while secrets are being rotated.
pub struct Secrets {
    /// Seals and opens.
    pub current: Secret,
    /// Still opens.
    pub previous: Option<Secret>,
    /// What the operator should change, if anything.
    pub warning: Option<&'static str>,
}

/// Longest secret file that is read, in bytes.
const MAX_FILE_LEN: u64 = 4096;

/// Finds the secrets: `CONVOCATIONS_AUTHORITY_SECRET` and `CONVOCATIONS_AUTHORITY_SECRET_PREVIOUS`, else
/// `file` (its first two lines), else the variables' old names, else, if `own` is given, that file, made with
/// mode 0600 and a random secret if it is not there yet.
///
/// # Errors
/// `config_invalid` if there is none; `store_unreadable` or `store_unwritable` if a file cannot be used.
pub fn find(file: Option<&Path>, own: Option<&Path>) -> Result<Secrets> {
    if let Some(secrets) = variables(VARIABLE, None) {
        return Ok(secrets);
    }
    if let Some(file) = file {
        return read(file);
    }
    let renamed = "`SECRET` is used as the authority's secret; call it `CONVOCATIONS_AUTHORITY_SECRET`, since other programs have a `SECRET` too.";
    if let Some(secrets) = variables(OLD_VARIABLE, Some(renamed)) {
        return Ok(secrets);
    }
    match own {
        Some(own) => make_or_read(own),
        None => Err(Error::new(Code::ConfigInvalid, "A server on a public address needs a secret.").with_hint(
            "Set `CONVOCATIONS_AUTHORITY_SECRET` to the output of `openssl rand -hex 32`, the same on every instance, or pass `--secret-file FILE`.",
        )),
    }
}

fn variables(name: &str, warning: Option<&'static str>) -> Option<Secrets> {
    let read = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty()).map(Secret::new);
    Some(Secrets { current: read(name)?, previous: read(&format!("{name}_PREVIOUS")), warning })
}

fn make_or_read(path: &Path) -> Result<Secrets> {
    if let Some(content) = private_file::read(path)? {
        return parse(path, &content.bytes);
    }
    let secret: String = rand::random::<[u8; 32]>().iter().map(|byte| format!("{byte:02x}")).collect();
    private_file::create(path, format!("{secret}\n").as_bytes())?;
    // Somebody may have been faster: what is there counts.
    let content = private_file::read(path)?;
    parse(path, &content.map(|content| content.bytes).unwrap_or_default())
}

/// An operator's file may be a link to where a secret manager keeps it, which a file of our own may not.
fn read(path: &Path) -> Result<Secrets> {
    let file = OpenOptions::new().read(true).open(path);
    let file = file.map_err(|_| unreadable(path, "cannot be read"))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let metadata = file.metadata().map_err(|_| unreadable(path, "cannot be read"))?;
        if metadata.permissions().mode() & 0o077 != 0 {
            return Err(unreadable(path, "can be read by other users"));
        }
    }
    let mut bytes = zeroize::Zeroizing::new(Vec::new());
    file.take(MAX_FILE_LEN).read_to_end(&mut bytes).map_err(|_| unreadable(path, "cannot be read"))?;
    parse(path, &bytes)
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Secrets> {
    let text = std::str::from_utf8(bytes).map_err(|_| unreadable(path, "is not text"))?;
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty()).map(Secret::new);
    let current = lines.next().ok_or_else(|| unreadable(path, "is empty"))?;
    Ok(Secrets { current, previous: lines.next(), warning: None })
}

fn unreadable(path: &Path, what: &str) -> Error {
    Error::new(Code::StoreUnreadable, format!("The secret file `{}` {what}.", path.display())).with_hint(
        "The first line is the current secret, the second (if any) the previous one; `chmod 600` the file.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_own_file_is_made_once_and_kept() {
        let folder = std::env::temp_dir().join(format!("authority-secret-{:016x}", rand::random::<u64>()));
        let path = folder.join("deep").join("authority.secret");
        let first = make_or_read(&path).unwrap();
        let second = make_or_read(&path).unwrap();
        assert!(first.current == second.current && first.current.expose().len() == 64);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
            assert_eq!(read(&path).err().unwrap().code(), Code::StoreUnreadable);
        }
        std::fs::remove_dir_all(folder).unwrap();
    }
}
