//! What a login tells those who watch it.
//!
//! Guarantees: no event carries a code, verifier or token. The addresses and codes that a person needs do
//! travel, and only there: `Debug` shows none of them.

use std::fmt;

use serde::Serialize;

use super::Revoked;
use crate::credential::{BackendKind, Kind};
use crate::error::Error;
use crate::login_id::LoginId;
use crate::secret::{Secret, expose, expose_opt};

/// The lines of a QR code, all of one width, in half blocks. `Debug` does not draw them: the address may hold
/// a secret.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Qr(Vec<String>);

impl Qr {
    /// A code that has been drawn.
    pub fn from_lines(lines: Vec<String>) -> Self {
        Self(lines)
    }

    /// Line by line.
    pub fn lines(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Debug for Qr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Qr(…)")
    }
}

/// One event of one login.
#[derive(Debug, Clone, Serialize)]
pub struct LoginEvent {
    /// The number that the login was started under.
    pub id: u64,
    /// The login; in `done` it may be more precise than the one asked for.
    pub login: LoginId,
    /// The method in use.
    pub method: String,
    /// What happens.
    #[serde(flatten)]
    pub stage: Stage,
}

/// What can be typed or pasted while a login waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Input {
    /// A code, `code#state`, a query string or the whole callback address.
    Code,
    /// An API key.
    ApiKey,
    /// Nothing.
    None,
}

/// Where a login is. `Done` and `Failed` come exactly once and last.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "stage", rename_all = "kebab-case")]
pub enum Stage {
    /// The person is to visit `url`. Whoever shows this also opens it, if a browser is there.
    OpenUrl {
        /// The authorization address.
        #[serde(serialize_with = "expose")]
        url: Secret,
        /// The same login by a page that shows a code to paste, if the provider has one beside the loopback.
        #[serde(serialize_with = "expose_opt", skip_serializing_if = "Option::is_none")]
        paste_url: Option<Secret>,
        /// What may be pasted meanwhile.
        input: Input,
        /// Whether a loopback listener waits for the browser.
        loopback: bool,
        /// The port it listens on.
        #[serde(skip_serializing_if = "Option::is_none")]
        port: Option<u16>,
        /// Something to tell beside it: the preferred port was taken, or there is no listener.
        #[serde(skip_serializing_if = "Option::is_none")]
        notice: Option<String>,
        /// The address for another device's camera, where the answer is pasted anyway.
        #[serde(skip_serializing_if = "Option::is_none")]
        qr: Option<Qr>,
        /// When the login gives up, Unix seconds.
        expires_at: i64,
    },
    /// The person is to type `user_code` at `verification_uri` (RFC 8628).
    DeviceCode {
        /// The code to type.
        #[serde(serialize_with = "expose")]
        user_code: Secret,
        /// Where to type it.
        verification_uri: String,
        /// The same with the code in it: for a QR code or a click.
        #[serde(serialize_with = "expose_opt", skip_serializing_if = "Option::is_none")]
        verification_uri_complete: Option<Secret>,
        /// The address alone, never the code without it, for another device's camera.
        #[serde(skip_serializing_if = "Option::is_none")]
        qr: Option<Qr>,
        /// Seconds between two polls.
        interval: u64,
        /// When the code ends, Unix seconds.
        expires_at: i64,
        /// Always `none`.
        input: Input,
    },
    /// Nothing to do but wait, or type.
    Waiting {
        /// What may be typed.
        input: Input,
        /// The prompt for it.
        #[serde(skip_serializing_if = "Option::is_none")]
        label: Option<String>,
        /// Where the person finds what is to be typed.
        #[serde(skip_serializing_if = "Option::is_none")]
        page: Option<String>,
        /// When the login gives up, Unix seconds.
        expires_at: i64,
        /// How many stray requests the listener has turned away so far.
        ignored: u64,
        /// What the person should know: why an answer was ignored, or what may be the matter.
        #[serde(skip_serializing_if = "Option::is_none")]
        notice: Option<String>,
        /// What the provider said to the last answer, which did not end the login.
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<Error>,
    },
    /// The provider is being asked for the tokens. If it does not accept a pasted code, `waiting` comes
    /// again.
    Exchanging,
    /// Stored.
    Done {
        /// Who this is, if the provider told.
        #[serde(skip_serializing_if = "Option::is_none")]
        identity: Option<String>,
        /// How the credential travels.
        kind: Kind,
        /// Unix seconds; absent for a key that does not expire.
        #[serde(skip_serializing_if = "Option::is_none")]
        expires_at: Option<i64>,
        /// Where it is kept.
        store: BackendKind,
        /// What became of the login that it takes the place of, if there was one.
        #[serde(skip_serializing_if = "Option::is_none")]
        replaced: Option<Replaced>,
        /// Sentences to tell beside it.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        notices: Vec<String>,
    },
    /// Over without a login; what was stored before is as it was.
    Failed {
        /// Why.
        error: Error,
    },
}

/// What became of a login's tokens whose place another one has taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Replaced {
    /// Whether the provider took them back.
    pub revoked: Revoked,
    /// Where the person can revoke them, if the provider has a page for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
    /// One sentence.
    pub message: String,
}

impl Stage {
    /// Whether nothing comes after it.
    pub fn is_last(&self) -> bool {
        matches!(self, Self::Done { .. } | Self::Failed { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;

    fn event(stage: Stage) -> serde_json::Value {
        let login = "openrouter".parse().unwrap();
        let method = "browser".to_owned();
        serde_json::to_value(LoginEvent { id: 7, login, method, stage }).unwrap()
    }

    #[test]
    fn events_look_as_the_contract_says() {
        let url = Secret::new("https://example.com/auth?state=planted");
        let stage = Stage::OpenUrl {
            url,
            paste_url: None,
            input: Input::Code,
            loopback: true,
            port: Some(3000),
            notice: None,
            qr: None,
            expires_at: 9,
        };
        assert!(!format!("{stage:?}").contains("planted"));
        assert_eq!(
            event(stage),
            serde_json::json!({ "id": 7, "login": "openrouter", "method": "browser", "stage": "open-url",
                "url": "https://example.com/auth?state=planted", "input": "code", "loopback": true, "port": 3000,
                "expires_at": 9 })
        );
        let error = Error::new(Code::Cancelled, "The login was cancelled.");
        assert_eq!(
            event(Stage::Failed { error }),
            serde_json::json!({ "id": 7, "login": "openrouter", "method": "browser", "stage": "failed",
                "error": { "code": "cancelled", "message": "The login was cancelled." } })
        );
        assert_eq!(event(Stage::Exchanging)["stage"], "exchanging");
    }
}
