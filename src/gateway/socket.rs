//! A unix socket that only this user reaches.
//!
//! Guarantees: mode 0600 from the first moment; one that a dead process left is replaced, one that somebody
//! listens on never; a file that is no socket is not touched. The file goes when the [`Socket`] is dropped.

use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::Mode;
use tokio::net::UnixListener;

use crate::error::{Code, Error, Result};

/// Bytes of a path that the system takes for a socket, without the NUL: `sun_path` is 108 on Linux, 104 on
/// macOS.
pub const MAX_PATH: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// How often, and how long after each other, a folder is tried in which somebody else makes a socket: that
/// takes a millisecond.
const TRIES: u32 = 50;
const PAUSE: Duration = Duration::from_millis(20);

/// A socket that is listened on.
#[derive(Debug)]
pub struct Socket {
    path: PathBuf,
}

/// Binds a socket. Needs a tokio runtime, and to be the only thread that makes files just then.
///
/// # Errors
/// `invalid_argument` for a path that is too long or where no socket can be; `busy` if somebody listens
/// there.
pub fn bind(path: &Path) -> Result<(UnixListener, Socket)> {
    let path = std::path::absolute(path).map_err(|error| cannot(path, &error))?;
    if path.as_os_str().len() > MAX_PATH {
        return Err(Error::new(Code::InvalidArgument, "The path of the socket is too long.")
            .with_hint(format!("It may have {MAX_PATH} bytes; use a short folder of your own.")));
    }
    let _alone = alone(&path)?;
    clear(&path)?;
    let before = rustix::process::umask(Mode::from_raw_mode(0o177));
    let bound = UnixListener::bind(&path);
    rustix::process::umask(before);
    let listener = bound.map_err(|error| cannot(&path, &error))?;
    Ok((listener, Socket { path }))
}

/// The folder, locked: of two that find a dead socket, the slower one would remove the living one of the
/// faster.
fn alone(path: &Path) -> Result<File> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let folder = File::open(folder).map_err(|error| cannot(path, &error))?;
    for _ in 0..TRIES {
        match folder.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
            // A file system without locks: as it was.
            Ok(()) | Err(TryLockError::Error(_)) => return Ok(folder),
        }
    }
    Err(Error::new(Code::Busy, format!("Another program makes a socket beside `{}`.", path.display()))
        .with_hint("Try again."))
}

/// Removes what a dead process left.
fn clear(path: &Path) -> Result<()> {
    let Ok(found) = std::fs::symlink_metadata(path) else { return Ok(()) };
    if !found.file_type().is_socket() {
        return Err(Error::new(
            Code::InvalidArgument,
            format!("`{}` is there and is not a socket.", path.display()),
        )
        .with_hint("Give the path of a new socket."));
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path).map_err(|error| cannot(path, &error))
        }
        _ => Err(Error::new(Code::Busy, format!("Somebody listens on `{}` already.", path.display()))
            .with_hint("Give another path, or end the one that listens.")),
    }
}

fn cannot(path: &Path, error: &io::Error) -> Error {
    Error::new(
        Code::InvalidArgument,
        format!("No socket can be made at `{}`: {}.", path.display(), error.kind()),
    )
    .with_hint("Its folder must be there and be yours.")
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_dead_socket_is_replaced_a_live_one_and_a_file_are_not() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _guard = runtime.enter();
        let folder = std::env::temp_dir().join(format!("conv-{:016x}", rand::random::<u64>()));
        std::fs::create_dir(&folder).unwrap();
        let path = folder.join("s");

        let (listener, socket) = bind(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(bind(&path).unwrap_err().code(), Code::Busy);
        drop(listener);
        std::mem::forget(socket);
        let (_listener, socket) = bind(&path).unwrap();
        drop(socket);
        assert!(!path.exists());

        std::fs::write(&path, "mine").unwrap();
        assert_eq!(bind(&path).unwrap_err().code(), Code::InvalidArgument);
        assert_eq!(std::fs::read(&path).unwrap(), b"mine");
        let long = folder.join("x".repeat(120));
        assert_eq!(bind(&long).unwrap_err().code(), Code::InvalidArgument);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
