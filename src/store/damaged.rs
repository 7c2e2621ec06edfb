//! An index that is damaged beyond reading: it is set aside, and logins that are forgotten are forgotten
//! there too.
//!
//! Guarantees: nobody's logins are lost with a file that no program can read; what is logged out of opens in
//! no copy of ours any more.

use std::path::{Path, PathBuf};

use super::encrypted::MasterKey;
use crate::error::Result;
use crate::login_id::LoginId;
use crate::paths::Paths;
use crate::private_file;

/// Sets a damaged index aside under a name of its own, and returns that.
///
/// # Errors
/// `store_unwritable`.
pub fn set_aside(index: &Path) -> Result<PathBuf> {
    private_file::set_aside(index)
}

/// Takes what there is of a login out of every index that was set aside.
///
/// # Errors
/// `store_unreadable` or `store_unwritable`, of the first file with which it cannot be done.
pub fn forget(paths: &Paths, login: &LoginId) -> Result<()> {
    let index = paths.index_file();
    for path in private_file::set_aside_before(&index) {
        let Some(content) = private_file::read(&path)? else { continue };
        let key = MasterKey::read(&paths.key_file()).ok();
        let kept = without(&content.bytes, login, key.as_ref());
        if kept.len() < content.bytes.len() {
            private_file::write(&path, &kept)?;
        }
    }
    Ok(())
}

/// The bytes of a damaged index without the parts that are this login's: from the line with its name to the
/// next such line; and parts whose own such line is lost, but in which something opens as this login's.
fn without(bytes: &[u8], login: &LoginId, key: Option<&MasterKey>) -> Vec<u8> {
    let names = [format!("[logins.{login}]"), format!("[logins.\"{login}\"]")];
    let is_own = |part: &[&[u8]]| {
        let first =
            part.first().map(|line| String::from_utf8_lossy(line).trim().to_owned()).unwrap_or_default();
        names.contains(&first) || key.is_some_and(|key| opens(part, login, key))
    };
    parts(bytes).iter().filter(|part| !is_own(part)).flat_map(|part| part.concat()).collect()
}

/// The lines, parted before each that begins a table.
fn parts(bytes: &[u8]) -> Vec<Vec<&[u8]>> {
    let mut parts: Vec<Vec<&[u8]>> = vec![Vec::new()];
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        if line.first() == Some(&b'[') {
            parts.push(Vec::new());
        }
        if let Some(part) = parts.last_mut() {
            part.push(line);
        }
    }
    parts
}

fn opens(part: &[&[u8]], login: &LoginId, key: &MasterKey) -> bool {
    let text = String::from_utf8_lossy(&part.concat()).into_owned();
    let quoted: Vec<&str> = text.split('"').skip(1).step_by(2).collect();
    quoted.windows(2).any(|pair| key.open(login, pair[0], pair[1]).is_ok())
}
