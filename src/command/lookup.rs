//! Which file a program's name stands for.
//!
//! Guarantees: absolute entries of `PATH` alone are searched, never the current directory (rule 23).

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::correct;
use crate::error::{Code, Error, Result};
use crate::provider::Program;

/// The file that a program's name, or its path, stands for.
///
/// # Errors
/// `config_invalid` if there is none.
pub fn find(program: &Program) -> Result<PathBuf> {
    let path = program.path();
    let found = match path.is_absolute() {
        true => Some(path).filter(|path| is_program(path)),
        false => entries().flat_map(|folder| candidates(&folder.join(&path))).find(|file| is_program(file)),
    };
    found.ok_or_else(|| {
        let message = format!("There is no program `{}` to ask for a credential.", program.name());
        let hint = format!("Install it, or see that `PATH` leads to it. {}", correct(program));
        Error::new(Code::ConfigInvalid, message).with_hint(hint)
    })
}

fn entries() -> impl Iterator<Item = PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let all: Vec<PathBuf> = std::env::split_paths(&path).filter(|folder| folder.is_absolute()).collect();
    all.into_iter()
}

/// `PATH` for the program itself, whose own programs are found the same way.
pub(super) fn absolute_entries() -> OsString {
    std::env::join_paths(entries()).unwrap_or_default()
}

/// The file itself, and where programs have extensions, with each of them.
fn candidates(file: &Path) -> Vec<PathBuf> {
    let mut all = vec![file.to_owned()];
    if cfg!(windows) && file.extension().is_none() {
        all.clear();
        for extension in ["exe", "com", "cmd", "bat"] {
            all.push(file.with_extension(extension));
        }
    }
    all
}

/// Whether it is one that this user may run: another's is passed over, as a shell does.
#[cfg(unix)]
fn is_program(file: &Path) -> bool {
    use rustix::fs::{Access, AtFlags, CWD, accessat};
    let may_run = || accessat(CWD, file, Access::EXEC_OK, AtFlags::EACCESS).is_ok();
    file.metadata().is_ok_and(|found| found.is_file()) && may_run()
}

#[cfg(not(unix))]
fn is_program(file: &Path) -> bool {
    file.is_file()
}
