//! The usual troubles of what is lent, for `doctor`: folders that others may look into, sockets whose process
//! or file is gone, paths that no socket can have.
//!
//! Guarantees: nothing is changed but that what a dead process left is removed, which is said.

use std::path::Path;

use super::control::{NAME_BYTES, sockets};
use super::others::{Heard, hangs, hear};
use crate::error::{Code, Error};
use crate::gateway::MAX_SOCKET_PATH;
use crate::paths::Paths;
use crate::private_file;
use crate::protocol::GrantReport;

/// What was found.
#[derive(Debug, Default)]
pub struct Check {
    /// Grants that are served.
    pub grants: usize,
    /// What keeps one from working, or lets others near it.
    pub bad: Vec<Error>,
    /// What was left behind and was removed.
    pub removed: usize,
}

/// Looks at everything that is lent by this user.
pub async fn check(paths: &Paths) -> Check {
    let mut found = Check::default();
    let folders = paths.grants_dirs();
    let fits = |folder: &Path| folder.as_os_str().len() + 1 + NAME_BYTES <= MAX_SOCKET_PATH;
    if !folders.iter().any(|folder| fits(folder)) {
        found.bad.push(too_long(&folders[0]));
    }
    for folder in folders.iter().filter(|folder| folder.exists()) {
        found.bad.extend(private_file::check_closed(folder).err());
    }
    for socket in sockets(paths) {
        match hear(&socket).await {
            Heard::Grants(grants) => {
                found.grants += grants.len();
                found.bad.extend(grants.iter().filter_map(trouble));
            }
            Heard::Gone => found.removed += 1,
            Heard::Nothing => found.bad.push(hangs(&socket)),
        }
    }
    found
}

/// Why what reaches for a grant's socket finds nobody, or others find it too.
fn trouble(grant: &GrantReport) -> Option<Error> {
    let path = Path::new(grant.at.strip_prefix("unix:")?);
    let is_socket = |found: std::fs::Metadata| {
        use std::os::unix::fs::FileTypeExt as _;
        found.file_type().is_socket()
    };
    if !std::fs::symlink_metadata(path).is_ok_and(is_socket) {
        let message = format!("The socket of the grant {} is gone: `{}`.", grant.id, path.display());
        return Some(Error::new(Code::StoreUnreadable, message).with_hint(format!(
            "Something removed it: `convocations grants revoke {}`, and lend again.",
            grant.id
        )));
    }
    private_file::check_closed(path.parent()?).err()
}

fn too_long(folder: &Path) -> Error {
    let message = format!("The path `{}` is too long for a socket in it.", folder.display());
    Error::new(Code::InvalidArgument, message)
        .with_hint("Set `XDG_RUNTIME_DIR` to a short folder of your own; without one nothing can be lent.")
}
