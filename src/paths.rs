//! Where our files are (`:h conv-store`): in `dirs::config_dir()/convocations/`, or in `$CONVOCATIONS_DIR`.
//!
//! Guarantees: only names; nothing here reads, makes or checks a file.

use std::path::PathBuf;

use crate::error::{Code, Error, Result};

/// The name of the person's own settings, as hints give it.
pub const SETTINGS_FILE: &str = "convocations.toml";
/// The name of those that may be shared with the Convocations app.
pub const SHARED_SETTINGS_FILE: &str = "config.toml";

/// A path of the settings, if it is the same wherever the program is started: from `/` or `~/` on.
pub fn whole(path: &str) -> Option<PathBuf> {
    let path = match path.strip_prefix("~/") {
        Some(below) => dirs::home_dir()?.join(below),
        None => PathBuf::from(path),
    };
    path.is_absolute().then_some(path)
}

/// Folder and file names of one configuration.
#[derive(Debug, Clone)]
pub struct Paths {
    config: PathBuf,
    state: PathBuf,
    runtime: Option<PathBuf>,
}

impl Paths {
    /// The person's own folders, from the environment. Where there is no home folder, as for a container's
    /// nameless user, `CONVOCATIONS_DIR` holds the log too.
    ///
    /// # Errors
    /// `config_invalid` if `CONVOCATIONS_DIR` is not an absolute path, or if it is not set and there is no
    /// home folder.
    pub fn from_env() -> Result<Self> {
        let own = std::env::var_os("CONVOCATIONS_DIR").filter(|value| !value.is_empty()).map(PathBuf::from);
        if own.as_ref().is_some_and(|own| !own.is_absolute()) {
            return Err(Error::new(Code::ConfigInvalid, "`CONVOCATIONS_DIR` is not an absolute path.")
                .with_hint("Set it to a folder's full path, or unset it."));
        }
        // A relative `HOME` would be another folder in every working directory.
        let in_home = |dir: Option<PathBuf>| Some(dir?.join("convocations")).filter(|dir| dir.is_absolute());
        let config = own.or_else(|| in_home(dirs::config_dir())).ok_or_else(no_home)?;
        // macOS and Windows have no state folder; their local data folder is what programs use for logs.
        let state = in_home(dirs::state_dir().or_else(dirs::data_local_dir));
        let runtime = in_home(dirs::runtime_dir());
        Ok(Self { state: state.unwrap_or_else(|| config.clone()), config, runtime })
    }

    /// Folders named by the caller, for tests.
    pub fn new(config: impl Into<PathBuf>, state: impl Into<PathBuf>) -> Self {
        Self { config: config.into(), state: state.into(), runtime: None }
    }

    /// The folder that holds everything but the log.
    pub fn config_dir(&self) -> PathBuf {
        self.config.clone()
    }

    /// The person's settings; only ever read, but for an entry that they ask to be put behind the others.
    pub fn settings_file(&self) -> PathBuf {
        self.config.join(SETTINGS_FILE)
    }

    /// The file that the person's settings may share with the Convocations app, which writes it anew; only
    /// ever read.
    pub fn config_file(&self) -> PathBuf {
        self.config.join(SHARED_SETTINGS_FILE)
    }

    /// The index of logins.
    pub fn index_file(&self) -> PathBuf {
        self.config.join("credentials.toml")
    }

    /// The master key of the encrypted file.
    pub fn key_file(&self) -> PathBuf {
        self.config.join("secret.key")
    }

    /// Lock files.
    pub fn locks_dir(&self) -> PathBuf {
        self.config.join("locks")
    }

    /// Folders for the sockets by which processes see each other's grants, the better one first: the runtime
    /// folder is on this machine and gone after a restart, and its path is short.
    pub fn grants_dirs(&self) -> Vec<PathBuf> {
        self.runtime.iter().chain([&self.state]).map(|folder| folder.join("grants")).collect()
    }

    /// Folder of the log.
    pub fn log_dir(&self) -> PathBuf {
        self.state.clone()
    }

    /// Folder of the last figures of usage, which all processes share.
    pub fn usage_dir(&self) -> PathBuf {
        self.state.join("usage")
    }

    /// The log.
    pub fn log_file(&self) -> PathBuf {
        self.state.join("convocations.log")
    }
}

fn no_home() -> Error {
    Error::new(Code::ConfigInvalid, "There is no home folder to keep logins in.")
        .with_hint("Set `HOME`, or `CONVOCATIONS_DIR`, to a folder's full path.")
}
