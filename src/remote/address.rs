//! Where the agent is: what `CONVOCATIONS_AGENT` may hold.
//!
//! Guarantees: pure; a value of any other form is one error, which does not repeat it: it may hold a key.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use url::{Host, Url};

use crate::error::{Code, Error, Result};
use crate::secret::Secret;

/// The variable.
pub const VARIABLE: &str = "CONVOCATIONS_AGENT";
/// The link in the home folder that leads to the socket of the newest session: a shell that outlives its
/// connection, as those in tmux do, finds the next one's by it.
pub const LINK: &str = ".convocations-agent";

/// Bytes of a socket's path that the system takes: `sun_path` without the NUL (unix(7)).
const MAX_PATH: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// An agent's address. Its `Debug` shows no key.
#[derive(Clone, PartialEq, Eq)]
pub enum Address {
    /// `unix:PATH`.
    Socket(PathBuf),
    /// `http://KEY@127.0.0.1:PORT`.
    Port {
        /// On this machine.
        at: SocketAddr,
        /// What the agent wants to be shown.
        key: Secret,
    },
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

impl Address {
    /// Reads a value of the variable.
    ///
    /// # Errors
    /// `config_invalid`.
    pub fn parse(text: &str) -> Result<Self> {
        if let Some(path) = text.strip_prefix("unix:") {
            return socket(Path::new(path));
        }
        let url = Url::parse(text).map_err(|_| not_an_address())?;
        let is_bare = url.scheme() == "http"
            && url.password().is_none()
            && matches!(url.path(), "" | "/")
            && url.query().is_none()
            && url.fragment().is_none();
        let host = match url.host() {
            Some(Host::Domain("localhost")) => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            Some(Host::Ipv4(host)) => Some(IpAddr::V4(host)),
            Some(Host::Ipv6(host)) => Some(IpAddr::V6(host)),
            _ => None,
        };
        match (host.filter(IpAddr::is_loopback), url.port(), url.username()) {
            (Some(host), Some(port), key) if is_bare && !key.is_empty() => {
                Ok(Self::Port { at: SocketAddr::new(host, port), key: Secret::new(key) })
            }
            _ => Err(not_an_address()),
        }
    }

    /// What has to be shown there.
    pub const fn key(&self) -> Option<&Secret> {
        match self {
            Self::Socket(_) => None,
            Self::Port { key, .. } => Some(key),
        }
    }

    /// As a person reads it, without the key.
    pub fn shown(&self) -> String {
        match self {
            Self::Socket(path) => format!("unix:{}", path.display()),
            Self::Port { at, .. } => format!("http://{at}"),
        }
    }
}

fn socket(path: &Path) -> Result<Address> {
    if !path.is_absolute() {
        return Err(Error::new(Code::ConfigInvalid, format!("The path in `{VARIABLE}` is not absolute."))
            .with_hint("Give the socket's full path, such as `unix:/run/user/1000/agent.sock`."));
    }
    if path.as_os_str().len() > MAX_PATH {
        let message =
            format!("The path in `{VARIABLE}` is too long for a socket: the system takes {MAX_PATH} bytes.");
        return Err(Error::new(Code::ConfigInvalid, message)
            .with_hint("Have the socket made in a shorter folder, or point a short link at its folder."));
    }
    Ok(Address::Socket(path.to_owned()))
}

/// The variable holds something else.
pub fn not_an_address() -> Error {
    let message = format!("`{VARIABLE}` is neither `unix:PATH` nor `http://KEY@127.0.0.1:PORT`.");
    Error::new(Code::ConfigInvalid, message).with_hint(format!(
        "`convocations ssh` sets it; unset `{VARIABLE}` to use the logins of this machine."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder by its whole path.
    const FOLDER: &str = if cfg!(windows) { r"C:\run" } else { "/run/user/1" };

    #[test]
    fn two_forms_are_addresses() {
        let socket = Address::parse(&format!("unix:{FOLDER}/a.sock")).unwrap();
        assert_eq!(socket, Address::Socket(format!("{FOLDER}/a.sock").into()));
        for (text, at) in [
            ("http://conv-A_b-c@127.0.0.1:4711", "127.0.0.1:4711"),
            ("http://conv-A_b-c@localhost:4711/", "127.0.0.1:4711"),
            ("http://conv-A_b-c@[::1]:4711", "[::1]:4711"),
        ] {
            let found = Address::parse(text).unwrap();
            assert_eq!(found, Address::Port { at: at.parse().unwrap(), key: Secret::new("conv-A_b-c") });
            assert!(!format!("{found:?} {}", found.shown()).contains("conv-A"), "{text}");
        }
    }

    #[test]
    fn anything_else_is_one_error_that_repeats_nothing() {
        for text in [
            "",
            "x",
            "unix:",
            "unix:relative/planted",
            "/run/planted",
            "http://127.0.0.1:4711",
            "http://planted@127.0.0.1",
            "http://planted@example.com:80",
            "http://planted@10.0.0.1:80",
            "https://planted@127.0.0.1:80",
            "http://planted:word@127.0.0.1:80",
            "http://planted@127.0.0.1:80/path",
            "http://planted@127.0.0.1:80/?q",
        ] {
            let error = Address::parse(text).unwrap_err();
            assert_eq!(error.code(), Code::ConfigInvalid, "{text}");
            assert!(!format!("{error:?}").contains("planted"), "{error:?}");
            assert!(error.hint().is_some());
        }
        let long = Address::parse(&format!("unix:{FOLDER}/{}", "x".repeat(120))).unwrap_err();
        assert!(long.message().contains("too long"), "{long}");
    }
}
