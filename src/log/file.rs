//! The log's file, which all our processes write at once.
//!
//! Guarantees: private to its owner, never through a link; opened at the first line, so that a process with
//! nothing to tell costs nothing; a line is one write, so that processes do not cut into each other's; set
//! aside when it is long, by one process of all, and the others go on in the new one. What cannot be written
//! is lost without a word.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::PathBuf;

use crate::paths::Paths;

/// Bytes after which the file is set aside as `convocations.log.1`, in place of the one before.
const MAX_LEN: u64 = 1 << 20;

/// Where lines go.
pub struct LogFile {
    folder: PathBuf,
    path: PathBuf,
    file: Option<File>,
}

impl LogFile {
    /// Nothing is opened or made yet.
    pub fn new(paths: &Paths) -> Self {
        Self { folder: paths.log_dir(), path: paths.log_file(), file: None }
    }

    /// Appends a line, which brings its own end.
    pub fn append(&mut self, line: &str) {
        if !self.is_current() {
            self.file = self.open();
        }
        if self.is_full() {
            self.set_aside();
            self.file = self.open();
        }
        if let Some(file) = &mut self.file {
            let _ = file.write_all(line.as_bytes());
        }
    }

    fn open(&self) -> Option<File> {
        crate::private_file::ensure_folder(&self.folder).ok()?;
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt as _;
            options.mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC);
        }
        options.open(&self.path).ok()
    }

    fn is_full(&self) -> bool {
        let length = self.file.as_ref().and_then(|file| file.metadata().ok());
        length.is_some_and(|metadata| metadata.len() > MAX_LEN)
    }

    /// Moves the file out of the way, unless another process has done so or is about to.
    #[cfg(unix)]
    fn set_aside(&self) {
        let Some(file) = &self.file else { return };
        if file.try_lock().is_ok() && self.is_current() {
            let _ = std::fs::rename(&self.path, self.path.with_extension("log.1"));
        }
    }

    /// The same, with a lock on a file of its own: on the log's it would keep the others from writing, and
    /// Windows gives none on a file that is only appended to.
    #[cfg(not(unix))]
    fn set_aside(&self) {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        let Ok(lock) = options.open(self.path.with_extension("log.lock")) else { return };
        let is_full = || std::fs::metadata(&self.path).is_ok_and(|named| named.len() > MAX_LEN);
        if lock.try_lock().is_ok() && is_full() {
            let _ = std::fs::rename(&self.path, self.path.with_extension("log.1"));
        }
    }

    /// Whether the file that is open is the one of this name: another process may have set it aside, a person
    /// removed it.
    #[cfg(unix)]
    fn is_current(&self) -> bool {
        use std::os::unix::fs::MetadataExt as _;
        let open = self.file.as_ref().and_then(|file| file.metadata().ok());
        let named = std::fs::symlink_metadata(&self.path).ok();
        let is_same = |(open, named): (std::fs::Metadata, std::fs::Metadata)| {
            (open.dev(), open.ino()) == (named.dev(), named.ino())
        };
        open.zip(named).is_some_and(is_same)
    }

    /// Files have no number here that can be had: it is opened anew for each line.
    #[cfg(not(unix))]
    fn is_current(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_who_write_one_sets_the_file_aside_and_no_line_is_lost() {
        let folder = std::env::temp_dir().join(format!("conv-log-{:016x}", rand::random::<u64>()));
        let paths = Paths::new(&folder, &folder);
        let line = format!("{}\n", "x".repeat(4095));
        let per_writer = usize::try_from(MAX_LEN).unwrap() / line.len() / 4 + 8;
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut log = LogFile::new(&paths);
                    (0..per_writer).for_each(|_| log.append(&line));
                });
            }
        });
        let written = |path: PathBuf| std::fs::read_to_string(path).unwrap();
        let (first, second) = (written(paths.log_file().with_extension("log.1")), written(paths.log_file()));
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(first.len() as u64 > MAX_LEN && !second.is_empty(), "{} {}", first.len(), second.len());
        assert!(first.lines().chain(second.lines()).all(|text| text.len() == 4095));
        assert_eq!(first.lines().count() + second.lines().count(), 4 * per_writer);
    }

    #[test]
    fn a_file_that_was_removed_is_made_again() {
        let folder = std::env::temp_dir().join(format!("conv-log-{:016x}", rand::random::<u64>()));
        let paths = Paths::new(&folder, &folder);
        let mut log = LogFile::new(&paths);
        log.append("first\n");
        std::fs::remove_dir_all(&folder).unwrap();
        log.append("second\n");
        let text = std::fs::read_to_string(paths.log_file()).unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(text, "second\n");
    }
}
