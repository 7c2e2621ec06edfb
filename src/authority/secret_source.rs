//! Where the secret under the sealed values comes from: the environment, a file, or for a server that only this
//! machine can reach a file of our own making. Never the command line: arguments are visible to other users.

use std::fs::OpenOptions;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use crate::error::{Code, Error, Result};
use crate::secret::Secret;

/// The current secret, and the one before while secrets are being rotated.
pub struct Secrets {
    /// Seals and opens.
    pub current: Secret,
    /// Still opens.
    pub previous: Option<Secret>,
}

/// Longest secret file that is read, in bytes.
const MAX_FILE_LEN: u64 = 4096;

/// Finds the secrets: `SECRET` and `SECRET_PREVIOUS`, else `file` (its first two lines), else, if `own` is given,
/// that file, made with mode 0600 and a random secret if it is not there yet.
///
/// # Errors
/// `config_invalid` if there is none; `store_unreadable` or `store_unwritable` if a file cannot be used.
pub fn find(file: Option<&Path>, own: Option<&Path>) -> Result<Secrets> {
    if let Some(current) = variable("SECRET") {
        return Ok(Secrets { current, previous: variable("SECRET_PREVIOUS") });
    }
    match (file, own) {
        (Some(file), _) => read(file),
        (None, Some(own)) => make_or_read(own),
        (None, None) => Err(Error::new(Code::ConfigInvalid, "A server on a public address needs a secret.").with_hint(
            "Set `SECRET` to the output of `openssl rand -hex 32`, the same on every instance, or pass `--secret-file FILE`.",
        )),
    }
}

fn variable(name: &str) -> Option<Secret> {
    std::env::var(name).ok().filter(|text| !text.is_empty()).map(Secret::new)
}

fn make_or_read(path: &Path) -> Result<Secrets> {
    if !path.exists() {
        make(path)?;
    }
    read(path)
}

/// Makes the file whole or not at all: written beside, then linked to its name only if nobody was faster.
fn make(path: &Path) -> Result<()> {
    let unwritable = |_| {
        Error::new(Code::StoreUnwritable, format!("The secret file `{}` cannot be written.", path.display()))
            .with_hint("Check the folder's owner and free space, or pass `--secret-file FILE`.")
    };
    if let Some(folder) = path.parent() {
        create_private_folder(folder).map_err(unwritable)?;
    }
    let secret: String = rand::random::<[u8; 32]>().iter().map(|byte| format!("{byte:02x}")).collect();
    let beside = temporary_beside(path);
    let mut file = private_options().write(true).create_new(true).open(&beside).map_err(unwritable)?;
    let written = file.write_all(format!("{secret}\n").as_bytes()).and_then(|()| file.sync_all());
    let linked = written.and_then(|()| match std::fs::hard_link(&beside, path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    });
    let _ = std::fs::remove_file(&beside);
    linked.map_err(unwritable)
}

fn temporary_beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{:016x}", rand::random::<u64>()));
    path.with_file_name(name)
}

fn create_private_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

#[cfg(unix)]
fn private_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// A user's own folders are private there.
#[cfg(not(unix))]
fn private_options() -> OpenOptions {
    OpenOptions::new()
}

fn read(path: &Path) -> Result<Secrets> {
    let unreadable = |message: String| {
        Error::new(Code::StoreUnreadable, message)
            .with_hint("The first line is the current secret, the second (if any) the previous one; `chmod 600` the file.")
    };
    let named = |what: &str| format!("The secret file `{}` {what}.", path.display());
    let file = OpenOptions::new().read(true).open(path).map_err(|_| unreadable(named("cannot be read")))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let metadata = file.metadata().map_err(|_| unreadable(named("cannot be read")))?;
        if metadata.permissions().mode() & 0o077 != 0 {
            return Err(unreadable(named("can be read by other users")));
        }
    }
    let mut text = zeroize::Zeroizing::new(String::new());
    file.take(MAX_FILE_LEN).read_to_string(&mut text).map_err(|_| unreadable(named("is not text")))?;
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let current = lines.next().map(Secret::new).ok_or_else(|| unreadable(named("is empty")))?;
    Ok(Secrets { current, previous: lines.next().map(Secret::new) })
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
