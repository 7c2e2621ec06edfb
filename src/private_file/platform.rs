//! What the operating system is asked about files: modes, owners, links.

#[cfg(unix)]
pub use unix::*;

#[cfg(not(unix))]
pub use not_unix::*;

#[cfg(unix)]
mod unix {
    use std::fs::{File, Metadata, OpenOptions, Permissions};
    use std::io;
    use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
    use std::path::Path;

    use rustix::fs::{Access, OFlags};

    use super::super::Distrust;

    /// Makes new files 0600 from their first byte.
    pub fn private(options: &mut OpenOptions) {
        options.mode(0o600);
    }

    /// Opens no symbolic link, and waits for nobody at the other end of a pipe.
    pub fn no_follow(options: &mut OpenOptions) {
        let flags = OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        options.custom_flags(i32::try_from(flags.bits()).unwrap_or(0));
    }

    /// Whether an open failed because of [`no_follow`].
    pub fn is_link_refused(error: &io::Error) -> bool {
        error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
    }

    /// Takes all rights of others from a file, and gives its owner theirs; `true` if it had others.
    pub fn set_private(file: &File) -> io::Result<bool> {
        if file.metadata()?.permissions().mode() & 0o777 == 0o600 {
            return Ok(false);
        }
        file.set_permissions(Permissions::from_mode(0o600)).map(|()| true)
    }

    /// Whether others may read it, or list it.
    pub fn is_loose(metadata: &Metadata) -> bool {
        metadata.permissions().mode() & 0o077 != 0
    }

    /// Whether it is another user's.
    pub fn is_foreign(metadata: &Metadata) -> bool {
        metadata.uid() != rustix::process::geteuid().as_raw()
    }

    /// Takes all rights of others from a folder.
    pub fn close_folder(folder: &Path) -> io::Result<()> {
        std::fs::set_permissions(folder, Permissions::from_mode(0o700))
    }

    /// Makes a folder, 0700, and those above it.
    pub fn make_folder(folder: &Path) -> io::Result<()> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
    }

    /// Gives a file the name of another, which it replaces at once and whole.
    pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    /// Makes what was renamed or linked into a folder outlast a power cut.
    pub fn sync_folder(folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }

    /// Whether this process may make files in a folder.
    pub fn may_write(folder: &Path) -> io::Result<()> {
        rustix::fs::access(folder, Access::WRITE_OK | Access::EXEC_OK).map_err(io::Error::from)
    }

    /// Why others could write this, by its owner and mode.
    pub fn distrust(metadata: &Metadata) -> Option<Distrust> {
        if metadata.uid() != rustix::process::geteuid().as_raw() {
            return Some(Distrust::ForeignOwner);
        }
        may_others_write(metadata).then_some(Distrust::Writable)
    }

    /// The same where the system's owner is as good as this user: a file that a distribution or its tools put
    /// there.
    pub fn distrust_but_root(metadata: &Metadata) -> Option<Distrust> {
        match metadata.uid() {
            0 => may_others_write(metadata).then_some(Distrust::Writable),
            _ => distrust(metadata),
        }
    }

    /// Whether others may make files in a folder without being kept from replacing ours (the sticky bit).
    pub fn may_others_replace_in(folder: &Metadata) -> Option<Distrust> {
        let is_sticky = folder.permissions().mode() & 0o1000 != 0;
        if is_sticky { None } else { distrust_but_root(folder) }
    }

    fn may_others_write(metadata: &Metadata) -> bool {
        let mode = metadata.permissions().mode();
        mode & 0o002 != 0 || (mode & 0o020 != 0 && !is_own_group(metadata.gid()))
    }

    /// Whether a group is this user's alone: many systems give each user one, and a mask that lets it write.
    fn is_own_group(gid: u32) -> bool {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let me = rustix::process::geteuid().as_raw();
        super::group_is_private(&read("/etc/passwd"), &read("/etc/group"), me, gid)
    }
}

/// Whether a group is the primary one of this user and of nobody else, bears the user's name, and has no
/// other member: by the text of passwd(5) and group(5).
#[cfg(unix)]
fn group_is_private(passwd: &str, group: &str, me: u32, gid: u32) -> bool {
    let field = |line: &str, at: usize| line.split(':').nth(at).unwrap_or_default().to_owned();
    let (me, gid) = (me.to_string(), gid.to_string());
    let mut primary = passwd.lines().filter(|line| field(line, 3) == gid);
    let (Some(user), None) = (primary.next(), primary.next()) else { return false };
    let name = field(user, 0);
    let Some(line) = group.lines().find(|line| field(line, 2) == gid) else { return false };
    let has_others = field(line, 3).split(',').any(|member| !member.is_empty() && member != name);
    field(user, 2) == me && field(line, 0) == name && !has_others
}

#[cfg(not(unix))]
mod not_unix {
    use std::fs::{File, Metadata, OpenOptions};
    use std::io;
    use std::path::Path;
    use std::time::{Duration, Instant};

    use super::super::Distrust;

    /// How long a file that others have open is tried to be replaced: each of them has read it in
    /// milliseconds, but where twenty processes wait for one refresh somebody always reads.
    const REPLACE_TRIES: Duration = Duration::from_secs(5);
    /// What Windows says where somebody has a file open and shares it with nobody (winerror.h), for which
    /// [`io::ErrorKind`] has no name.
    const SHARING_VIOLATION: i32 = 32;

    /// Windows may refuse to replace a file while anybody has it open: a reader of ours, a virus scanner.
    pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
        let end = Instant::now() + REPLACE_TRIES;
        loop {
            match std::fs::rename(from, to) {
                Err(error) if is_open_elsewhere(&error) && Instant::now() < end => {
                    std::thread::sleep(Duration::from_millis(u64::from(rand::random::<u8>() % 8) + 1));
                }
                result => return result,
            }
        }
    }

    pub(super) fn is_open_elsewhere(error: &io::Error) -> bool {
        error.kind() == io::ErrorKind::PermissionDenied || error.raw_os_error() == Some(SHARING_VIOLATION)
    }

    pub fn private(_: &mut OpenOptions) {}
    pub fn no_follow(_: &mut OpenOptions) {}
    pub fn is_link_refused(_: &io::Error) -> bool {
        false
    }
    pub fn set_private(_: &File) -> io::Result<bool> {
        Ok(false)
    }
    pub fn is_loose(_: &Metadata) -> bool {
        false
    }
    pub fn is_foreign(_: &Metadata) -> bool {
        false
    }
    pub fn close_folder(_: &Path) -> io::Result<()> {
        Ok(())
    }
    pub fn make_folder(folder: &Path) -> io::Result<()> {
        std::fs::create_dir_all(folder)
    }
    pub fn sync_folder(_: &Path) -> io::Result<()> {
        Ok(())
    }
    pub fn may_write(folder: &Path) -> io::Result<()> {
        std::fs::metadata(folder).map(drop)
    }
    pub fn distrust(_: &Metadata) -> Option<Distrust> {
        None
    }
    pub fn distrust_but_root(_: &Metadata) -> Option<Distrust> {
        None
    }
    pub fn may_others_replace_in(_: &Metadata) -> Option<Distrust> {
        None
    }
}

#[cfg(all(test, windows))]
mod tests {
    use std::fs::OpenOptions;
    use std::os::windows::fs::OpenOptionsExt as _;

    use super::not_unix::{is_open_elsewhere, rename};

    #[test]
    fn a_file_that_a_stranger_has_open_is_replaced_once_they_are_done() {
        let folder = std::env::temp_dir().join(format!("conv-rename-{:016x}", rand::random::<u64>()));
        std::fs::create_dir(&folder).unwrap();
        let (old, new) = (folder.join("old"), folder.join("new"));
        std::fs::write(&old, "old").unwrap();
        std::fs::write(&new, "new").unwrap();
        let stranger = OpenOptions::new().read(true).share_mode(0).open(&old).unwrap();
        assert!(is_open_elsewhere(&std::fs::rename(&new, &old).unwrap_err()));
        let replaced = std::thread::scope(|scope| {
            let replacing = scope.spawn(|| rename(&new, &old));
            drop(stranger);
            replacing.join().unwrap()
        });
        let text = std::fs::read_to_string(&old);
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(replaced.is_ok(), "{replaced:?}");
        assert_eq!(text.unwrap(), "new");
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::group_is_private;

    #[test]
    fn a_group_is_private_only_if_nobody_else_is_in_it() {
        let passwd = "root:x:0:0::/root:/bin/sh\nada:x:1000:1000::/home/ada:/bin/sh\nben:x:1001:100::/:/bin/sh\neve:x:1002:100::/:/bin/sh\n";
        let group = "root:x:0:\nada:x:1000:\nusers:x:100:\nwheel:x:10:ada,ben\n";
        let is = |me, gid| group_is_private(passwd, group, me, gid);
        assert!(is(1000, 1000));
        assert!(!is(1001, 1000), "another's");
        assert!(!is(1001, 100) && !is(1000, 10) && !is(1000, 7), "shared, or not known");
        assert!(!group_is_private(passwd, "ada:x:1000:eve\n", 1000, 1000), "somebody was put into it");
        assert!(!group_is_private(passwd, "team:x:1000:\n", 1000, 1000), "of another name");
        assert!(group_is_private(passwd, "ada:x:1000:ada\n", 1000, 1000));
    }
}
