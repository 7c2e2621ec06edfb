//! Files that only their owner may read, written whole or not at all.
//!
//! Guarantees: 0600 in a 0700 folder from the first byte; a write is a temporary file, fsync, rename, fsync of the
//! folder, so a reader sees the old or the new content and a crash leaves one of the two; a symbolic link, a foreign
//! owner or a folder that others may write to is refused, a file that others may read is mended and reported.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use crate::error::{Code, Error, Result};

/// Longest file that is read, in bytes: a thousand logins are under 4 MiB.
const MAX_FILE: u64 = 16 << 20;
/// Marks our temporary files, so that those of a killed process are found again.
const TEMPORARY: &str = ".convocations-new-";
/// Temporary files of a killed process are removed when they are older than this many seconds.
const STALE_AFTER: u64 = 600;

/// A file's content, and whether its mode had to be mended.
pub struct Content {
    pub bytes: Vec<u8>,
    pub mended: bool,
}

/// Reads a private file; `None` if there is none.
///
/// # Errors
/// `store_unreadable` if it is there and cannot be read or trusted.
pub fn read(path: &Path) -> Result<Option<Content>> {
    let mut options = OpenOptions::new();
    options.read(true);
    no_follow(&mut options);
    let mut file = match options.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(path, &error)),
    };
    let metadata = file.metadata().map_err(|error| unreadable(path, &error))?;
    let mended = check_file(path, &file, &metadata)?;
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len().min(MAX_FILE)).unwrap_or(0));
    (&mut file).take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(|error| unreadable(path, &error))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(Error::new(Code::StoreUnreadable, format!("`{}` is far too large.", path.display()))
            .with_hint("Move it away and log in again; `convocations doctor` tells more."));
    }
    Ok(Some(Content { bytes, mended }))
}

/// Replaces a private file's content durably: when this returns, a power cut does not bring the old content back.
///
/// # Errors
/// `store_unwritable`; the old content is whole then, or the new one is there and may not outlive a power cut.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    ensure_folder(folder)?;
    let temporary = folder.join(format!("{TEMPORARY}{:016x}", rand::random::<u64>()));
    let result = write_new(&temporary, bytes).and_then(|()| std::fs::rename(&temporary, path));
    if let Err(error) = result {
        let _ = std::fs::remove_file(&temporary);
        return Err(unwritable(path, &error));
    }
    sync_folder(folder).map_err(|error| unconfirmed(path, &error))
}

/// Whether a file of this length could be written here now: writes one and removes it.
///
/// # Errors
/// `store_unwritable`.
pub fn rehearse(folder: &Path, length: usize) -> Result<()> {
    ensure_folder(folder)?;
    let temporary = folder.join(format!("{TEMPORARY}{:016x}", rand::random::<u64>()));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    private(&mut options);
    no_follow(&mut options);
    // Not all zeros: a file system may keep those without any room.
    let written = options.open(&temporary).and_then(|mut file| file.write_all(&vec![b'x'; length]));
    let removed = std::fs::remove_file(&temporary);
    written.and(removed).map_err(|error| unwritable(folder, &error))
}

/// Makes a private file unless there is one: `false` if somebody was faster.
///
/// # Errors
/// `store_unwritable`.
pub fn create(path: &Path, bytes: &[u8]) -> Result<bool> {
    let folder = path.parent().unwrap_or(Path::new("."));
    ensure_folder(folder)?;
    let temporary = folder.join(format!("{TEMPORARY}{:016x}", rand::random::<u64>()));
    // A link fails where a rename would replace: whole or not at all, and never over another's.
    let result = write_new(&temporary, bytes).and_then(|()| std::fs::hard_link(&temporary, path));
    let _ = std::fs::remove_file(&temporary);
    match result {
        Ok(()) => sync_folder(folder).map(|()| true).map_err(|error| unwritable(path, &error)),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(unwritable(path, &error)),
    }
}

/// Opens a lock file, making it if needed. It is never removed: a lock on a removed file protects nothing.
///
/// # Errors
/// `store_unwritable`.
pub fn open_lock(path: &Path) -> Result<File> {
    ensure_folder(path.parent().unwrap_or(Path::new(".")))?;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    private(&mut options);
    no_follow(&mut options);
    let file = options.open(path).map_err(|error| unwritable(path, &error))?;
    let metadata = file.metadata().map_err(|error| unwritable(path, &error))?;
    check_file(path, &file, &metadata)?;
    Ok(file)
}

/// Removes temporary files that a killed process left. Called with the store lock held.
pub fn clean(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(TEMPORARY));
        let age = entry.metadata().ok().and_then(|metadata| metadata.modified().ok()?.elapsed().ok());
        if ours && age.is_some_and(|age| age.as_secs() > STALE_AFTER) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Sets a damaged file aside under a name of its own and returns it.
///
/// # Errors
/// `store_unwritable`.
pub fn set_aside(path: &Path) -> Result<PathBuf> {
    for number in 1..1000 {
        let aside = path.with_extension(format!("damaged-{number}"));
        match std::fs::hard_link(path, &aside) {
            Ok(()) => {
                std::fs::remove_file(path).map_err(|error| unwritable(path, &error))?;
                return Ok(aside);
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(unwritable(path, &error)),
        }
    }
    Err(Error::new(Code::StoreUnwritable, "There are too many damaged files beside the store.")
        .with_hint("Remove the `*.damaged-*` files of the config folder."))
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    private(&mut options);
    no_follow(&mut options);
    let mut file = options.open(path)?;
    // A mask such as 0777 would leave a file that we could not read ourselves.
    set_private(&file)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};

    use super::*;

    pub fn private(options: &mut OpenOptions) {
        options.mode(0o600);
    }

    pub fn no_follow(options: &mut OpenOptions) {
        options.custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC);
    }

    pub fn set_private(file: &File) -> io::Result<()> {
        if file.metadata()?.permissions().mode() & 0o777 == 0o600 {
            return Ok(());
        }
        file.set_permissions(std::fs::Permissions::from_mode(0o600))
    }

    /// Refuses what is not ours alone to write; takes reading from others where they had it.
    pub fn check_file(path: &Path, file: &File, metadata: &Metadata) -> Result<bool> {
        if !metadata.is_file() {
            return Err(untrusted(path, "is not a plain file", "Move it away."));
        }
        check_owner(path, metadata)?;
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o022 != 0 {
            return Err(untrusted(
                path,
                "can be written by other users",
                "Check its content, then `chmod 600` it.",
            ));
        }
        if mode & 0o077 == 0 {
            return Ok(false);
        }
        let mended = file.set_permissions(std::fs::Permissions::from_mode(0o600));
        mended.map(|()| true).map_err(|error| unreadable(path, &error))
    }

    /// The folder, made 0700 if it is not there. A folder that others may write to would let them swap our files.
    pub fn ensure_folder(folder: &Path) -> Result<()> {
        let metadata = match std::fs::symlink_metadata(folder) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let mut builder = std::fs::DirBuilder::new();
                builder
                    .recursive(true)
                    .mode(0o700)
                    .create(folder)
                    .map_err(|error| unwritable(folder, &error))?;
                std::fs::symlink_metadata(folder).map_err(|error| unwritable(folder, &error))?
            }
            Err(error) => return Err(unwritable(folder, &error)),
        };
        // The folder itself may be a link that its owner set (dotfiles kept elsewhere); what it leads to must be ours.
        let metadata = match metadata.is_symlink() {
            true => std::fs::metadata(folder).map_err(|error| unwritable(folder, &error))?,
            false => metadata,
        };
        if !metadata.is_dir() {
            return Err(untrusted(folder, "is not a folder", "Move it away."));
        }
        check_owner(folder, &metadata)?;
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o022 != 0 {
            return Err(untrusted(
                folder,
                "can be written by other users",
                "Check its content, then `chmod 700` it.",
            ));
        }
        if mode & 0o055 != 0 {
            let private = std::fs::Permissions::from_mode(0o700);
            std::fs::set_permissions(folder, private).map_err(|error| unwritable(folder, &error))?;
        }
        Ok(())
    }

    fn check_owner(path: &Path, metadata: &Metadata) -> Result<()> {
        // SAFETY: geteuid takes nothing, touches no memory and cannot fail.
        let me = unsafe { libc::geteuid() };
        match metadata.uid() == me {
            true => Ok(()),
            false => {
                Err(untrusted(path, "belongs to another user", "Take it over with `chown`, or move it away."))
            }
        }
    }

    pub fn sync_folder(folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }
}

#[cfg(not(unix))]
mod unix {
    use super::*;

    pub fn private(_: &mut OpenOptions) {}
    pub fn no_follow(_: &mut OpenOptions) {}
    pub fn set_private(_: &File) -> io::Result<()> {
        Ok(())
    }
    pub fn check_file(_: &Path, _: &File, _: &Metadata) -> Result<bool> {
        Ok(false)
    }
    pub fn ensure_folder(folder: &Path) -> Result<()> {
        std::fs::create_dir_all(folder).map_err(|error| unwritable(folder, &error))
    }
    pub fn sync_folder(_: &Path) -> io::Result<()> {
        Ok(())
    }
}

pub use unix::ensure_folder;
use unix::{check_file, no_follow, private, set_private, sync_folder};

#[cfg_attr(not(unix), allow(dead_code))]
fn untrusted(path: &Path, what: &str, hint: &str) -> Error {
    Error::new(Code::StoreUnreadable, format!("`{}` {what}.", path.display())).with_hint(hint)
}

fn unreadable(path: &Path, error: &io::Error) -> Error {
    if is_link_refused(error) {
        return Error::new(Code::StoreUnreadable, format!("`{}` is a symbolic link.", path.display()))
            .with_hint(
                "Put the file itself there, or point `CONVOCATIONS_DIR` at the folder that holds it.",
            );
    }
    Error::new(Code::StoreUnreadable, format!("`{}` cannot be read: {}.", path.display(), cause(error)))
        .with_hint("Check the file's owner and mode; nothing was changed.")
}

fn unwritable(path: &Path, error: &io::Error) -> Error {
    if is_link_refused(error) {
        return Error::new(Code::StoreUnwritable, format!("`{}` is a symbolic link.", path.display()))
            .with_hint(
                "Put the file itself there, or point `CONVOCATIONS_DIR` at the folder that holds it.",
            );
    }
    Error::new(Code::StoreUnwritable, format!("`{}` cannot be written: {}.", path.display(), cause(error)))
        .with_hint("Check free space and the folder's owner and mode; what was stored before is still there.")
}

/// The new content is there for everybody to read; only the disk has not promised to keep it.
fn unconfirmed(path: &Path, error: &io::Error) -> Error {
    let message =
        format!("`{}` was written, but the disk does not confirm it: {}.", path.display(), cause(error));
    Error::new(Code::StoreUnwritable, message)
        .with_hint("It may be lost in a power cut. Check the disk, then do the same again.")
}

/// In a few words: those of Rust, or of the system where Rust has none (`Input/output error`).
fn cause(error: &io::Error) -> String {
    match error.kind().to_string() {
        none if none.starts_with("uncategorized") => error.to_string(),
        words => words,
    }
}

#[cfg(unix)]
fn is_link_refused(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ELOOP)
}

#[cfg(not(unix))]
fn is_link_refused(_: &io::Error) -> bool {
    false
}
