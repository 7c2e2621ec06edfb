//! Files that only their owner may read, written whole or not at all; and whom a file of the person's can be
//! trusted not to have been written by.
//!
//! Guarantees: 0600 in a 0700 folder from the first byte; a write is a temporary file, fsync, rename, fsync
//! of the folder, so a reader sees the old or the new content and a crash leaves one of the two; a symbolic
//! link, a foreign owner or a folder that others may write to is refused, on reading too; a file that others
//! may read is mended and reported, and so is a folder unless a link led to it. Knows no logins.

mod platform;

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::error::{Code, Error, Result};
use platform::{is_link_refused, no_follow, private, set_private, sync_folder};

/// Longest file that is read, in bytes: a thousand logins are under 4 MiB.
const MAX_FILE: u64 = 16 << 20;
/// Marks our temporary files, so that those of a killed process are found again.
const TEMPORARY: &str = ".convocations-new-";
/// Temporary files of a killed process are removed when they are older than this many seconds.
const STALE_AFTER: u64 = 600;

/// A file's content.
pub struct Content {
    /// What stands in it.
    pub bytes: Zeroizing<Vec<u8>>,
    /// Whether its mode had to be mended.
    pub mended: bool,
}

/// Why a file or folder may hold what somebody else has put there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Distrust {
    /// It is another user's.
    ForeignOwner,
    /// Other users may write it.
    Writable,
}

impl Distrust {
    /// What is wrong with `path`, as the end of a sentence, and what to do about it.
    pub fn words(self, is_folder: bool) -> (&'static str, &'static str) {
        match (self, is_folder) {
            (Self::ForeignOwner, _) => {
                ("belongs to another user", "Take it over with `chown`, or move it away.")
            }
            (Self::Writable, true) => {
                ("can be written by other users", "Check its content, then `chmod 700` it.")
            }
            (Self::Writable, false) => {
                ("can be written by other users", "Check its content, then `chmod 600` it.")
            }
        }
    }

    fn error(self, path: &Path, is_folder: bool) -> Error {
        let (what, hint) = self.words(is_folder);
        untrusted(path, what, hint)
    }
}

/// Reads a private file; `None` if there is none.
///
/// # Errors
/// `store_unreadable` if it is there and cannot be read or trusted, or its folder cannot be trusted.
pub fn read(path: &Path) -> Result<Option<Content>> {
    let mut options = OpenOptions::new();
    options.read(true);
    no_follow(&mut options);
    let file = match options.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(path, &error)),
    };
    check_folder(folder_of(path))?;
    let metadata = file.metadata().map_err(|error| unreadable(path, &error))?;
    let mended = check_file(path, &file, &metadata)?;
    let mut bytes =
        Zeroizing::new(Vec::with_capacity(usize::try_from(metadata.len().min(MAX_FILE)).unwrap_or(0)));
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(|error| unreadable(path, &error))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(Error::new(Code::StoreUnreadable, format!("`{}` is far too large.", path.display()))
            .with_hint("Move it away and log in again; `convocations doctor` tells more."));
    }
    Ok(Some(Content { bytes, mended }))
}

/// The begin of a private file as it is, for a guess alone: nothing is checked, mended or told.
pub fn glance(path: &Path) -> Option<Zeroizing<Vec<u8>>> {
    let mut options = OpenOptions::new();
    options.read(true);
    no_follow(&mut options);
    let mut bytes = Zeroizing::default();
    options.open(path).ok()?.take(16 << 10).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// Why somebody else may have written this file of the person's, which is theirs to keep where they like:
/// behind a link, or where the system's owner has put it. Names what is wrong: the file, or the folder that
/// it is in.
///
/// # Errors
/// That of the system, if the path leads nowhere.
pub fn distrust(path: &Path) -> io::Result<Option<(PathBuf, Distrust)>> {
    let file = std::fs::metadata(path)?;
    if let Some(why) = platform::distrust_but_root(&file) {
        return Ok(Some((path.to_owned(), why)));
    }
    let folder = folder_of(path);
    if let Some(why) = platform::distrust_but_root(&std::fs::metadata(folder)?) {
        return Ok(Some((folder.to_owned(), why)));
    }
    if !std::fs::symlink_metadata(path)?.is_symlink() {
        return Ok(None);
    }
    let target = std::fs::canonicalize(path)?;
    let folder = folder_of(&target);
    Ok(platform::may_others_replace_in(&std::fs::metadata(folder)?).map(|why| (folder.to_owned(), why)))
}

/// Replaces a private file's content durably: when this returns, a power cut does not bring the old content
/// back.
///
/// # Errors
/// `store_unwritable`; the old content is whole then, or the new one is there and may not outlive a power
/// cut.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = folder_of(path);
    ensure_folder(folder)?;
    let temporary = folder.join(format!("{TEMPORARY}{:016x}", rand::random::<u64>()));
    let result = write_new(&temporary, bytes).and_then(|()| platform::rename(&temporary, path));
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
pub fn check_writable(folder: &Path, length: usize) -> Result<()> {
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
    let folder = folder_of(path);
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
    ensure_folder(folder_of(path))?;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    private(&mut options);
    no_follow(&mut options);
    let file = options.open(path).map_err(|error| unwritable(path, &error))?;
    let metadata = file.metadata().map_err(|error| unwritable(path, &error))?;
    check_file(path, &file, &metadata)?;
    Ok(file)
}

/// Temporary files in a folder: of a write under way, or of a process that was killed in one.
pub fn temporaries(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let is_ours = |name: &std::ffi::OsStr| name.to_str().is_some_and(|name| name.starts_with(TEMPORARY));
    entries.filter(|entry| is_ours(&entry.file_name())).map(|entry| entry.path()).collect()
}

/// Gives a temporary file of a killed process the name it was written for, durably. Whether it is whole is
/// the caller's to know, and that its writer is gone.
pub fn take_up(temporary: &Path, path: &Path) -> bool {
    let on_disk = File::open(temporary).and_then(|file| file.sync_all());
    on_disk
        .and_then(|()| platform::rename(temporary, path))
        .and_then(|()| sync_folder(folder_of(path)))
        .is_ok()
}

/// Removes a temporary file of a killed process.
pub fn discard(temporary: &Path) -> bool {
    std::fs::remove_file(temporary).is_ok()
}

/// Removes temporary files that a killed process left some time ago. Called with the store lock held.
pub fn clean(folder: &Path) {
    for path in temporaries(folder) {
        let age = path.metadata().ok().and_then(|metadata| metadata.modified().ok()?.elapsed().ok());
        if age.is_some_and(|age| age.as_secs() > STALE_AFTER) {
            discard(&path);
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

/// What [`set_aside`] has made of a file, each time.
pub fn set_aside_before(path: &Path) -> Vec<PathBuf> {
    let stem = path.file_stem().and_then(std::ffi::OsStr::to_str).unwrap_or_default();
    let begin = format!("{stem}.damaged-");
    let entries = std::fs::read_dir(folder_of(path)).into_iter().flatten().flatten();
    let is_one = |name: &std::ffi::OsStr| name.to_str().is_some_and(|name| name.starts_with(&begin));
    entries.filter(|entry| is_one(&entry.file_name())).map(|entry| entry.path()).collect()
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

fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("."))
}

/// Refuses what is not ours alone to write; takes reading from others where they had it, and says whether
/// they had.
fn check_file(path: &Path, file: &File, metadata: &Metadata) -> Result<bool> {
    if !metadata.is_file() {
        return Err(untrusted(path, "is not a plain file", "Move it away."));
    }
    if let Some(why) = platform::distrust(metadata) {
        return Err(why.error(path, false));
    }
    match platform::is_loose(metadata) {
        true => set_private(file).map_err(|error| unreadable(path, &error)),
        false => Ok(false),
    }
}

/// A folder that others may write to would let them swap our files.
fn check_folder(folder: &Path) -> Result<Metadata> {
    let metadata = std::fs::metadata(folder).map_err(|error| unwritable(folder, &error))?;
    if !metadata.is_dir() {
        return Err(untrusted(folder, "is not a folder", "Move it away."));
    }
    match platform::distrust(&metadata) {
        Some(why) => Err(why.error(folder, true)),
        None => Ok(metadata),
    }
}

/// The folder, made 0700 if it is not there; `true` if others could list it until now. The folder may be a
/// link that its owner set (dotfiles kept elsewhere): what it leads to must be ours, and keeps its mode,
/// since other things than ours may be kept there.
///
/// # Errors
/// `store_unwritable` or `store_unreadable`.
pub fn ensure_folder(folder: &Path) -> Result<bool> {
    let is_link = match std::fs::symlink_metadata(folder) {
        Ok(metadata) => metadata.is_symlink(),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            platform::make_folder(folder).map_err(|error| unwritable(folder, &error))?;
            false
        }
        Err(error) => return Err(unwritable(folder, &error)),
    };
    let metadata = check_folder(folder)?;
    if is_link || !platform::is_loose(&metadata) {
        return Ok(false);
    }
    platform::close_folder(folder).map(|()| true).map_err(|error| unwritable(folder, &error))
}

/// Holds that a folder is this user's and that nobody else may look into it: made 0700 if it is not there,
/// and otherwise left as it is, since other things than ours may be kept there.
///
/// # Errors
/// `invalid_argument`.
pub fn check_closed(folder: &Path) -> Result<()> {
    let refused = |what: &str, hint: &str| {
        let message = format!("The folder `{}` {what}.", folder.display());
        Err(Error::new(Code::InvalidArgument, message).with_hint(hint))
    };
    if !folder.exists() && platform::make_folder(folder).is_err() {
        return refused("is not there and cannot be made", "Give a folder of your own.");
    }
    match std::fs::metadata(folder) {
        Ok(found) if !found.is_dir() => refused("is not a folder", "Give a folder of your own."),
        Ok(found) if platform::is_foreign(&found) => {
            refused("belongs to another user", "Give a folder of your own.")
        }
        Ok(found) if platform::is_loose(&found) => {
            refused("can be opened by other users", "`chmod 700` it, or give a folder of your own.")
        }
        Ok(_) => Ok(()),
        Err(_) => refused("cannot be looked at", "Give a folder of your own."),
    }
}

/// Whether files could be made in a folder, or the folder itself where it is not there yet; nothing is made.
///
/// # Errors
/// `store_unwritable` or `store_unreadable`.
pub fn may_write(folder: &Path) -> Result<()> {
    let there = folder.ancestors().find(|above| above.exists()).unwrap_or(folder);
    if there == folder {
        check_folder(folder)?;
    }
    platform::may_write(there).map_err(|error| unwritable(folder, &error))
}

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
