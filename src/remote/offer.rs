//! What an agent answers, read.
//!
//! Guarantees: whatever comes is a value or an error; a text of the other machine's is shown short and
//! without what acts unseen, and nothing else of an answer is repeated.

use std::collections::BTreeMap;

use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use crate::credential::{Kind, Share};
use crate::error::{Code, Error, Result};
use crate::login_id::LoginId;
use crate::protocol::{Credential, GrantPower, LoginStatus, State};
use crate::secret::Secret;
use crate::text::{is_credential, short};

/// Characters of a name, and of a sentence, of the other machine's.
const MAX_NAME: usize = 80;
const MAX_SENTENCE: usize = 400;

/// What a grant lends, and who lends it.
#[derive(Debug, Clone, PartialEq)]
pub struct Offer {
    /// The machine that keeps the logins: `USER@HOST`.
    pub home: String,
    /// Whom the grant was made for.
    pub label: String,
    /// What it allows.
    pub power: GrantPower,
    /// Whether the person there is asked at each use.
    pub confirm: bool,
    /// Until when, Unix seconds; `None` if it ends with what serves it.
    pub ends: Option<i64>,
    /// Its logins, each as it is at home.
    pub logins: Vec<LoginStatus>,
}

impl Offer {
    /// Whether a login is among them.
    pub fn lends(&self, login: &LoginId) -> bool {
        self.logins.iter().any(|status| status.login == *login)
    }

    /// Who lends, in a few words.
    pub fn shown(&self) -> String {
        match self.label.is_empty() {
            true => self.home.clone(),
            false => format!("{} ({})", self.home, self.label),
        }
    }
}

/// The answer to `GET /v1/status`, as far as it matters here.
#[derive(Deserialize)]
struct Said {
    home: String,
    #[serde(default)]
    label: String,
    power: GrantPower,
    #[serde(default)]
    lasting: bool,
    #[serde(default)]
    confirm: bool,
    #[serde(default)]
    ends: Option<i64>,
    logins: Vec<SaidLogin>,
}

#[derive(Deserialize)]
struct SaidLogin {
    login: String,
    #[serde(default)]
    name: Option<String>,
    state: String,
    #[serde(default)]
    source: Option<String>,
    #[serde(default)]
    method: Option<String>,
    #[serde(default)]
    kind: Option<Kind>,
    #[serde(default)]
    identity: Option<String>,
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(default)]
    expires_at: Option<i64>,
    #[serde(default)]
    revision: u64,
    #[serde(default)]
    error: Option<SaidError>,
    #[serde(default)]
    needs_login: Option<String>,
    #[serde(default)]
    base_url: Option<String>,
    #[serde(default)]
    organization: Option<String>,
}

#[derive(Deserialize)]
struct SaidError {
    #[serde(default)]
    code: Value,
    #[serde(default)]
    message: String,
    #[serde(default)]
    hint: Option<String>,
}

#[derive(Deserialize)]
struct SaidFailure {
    error: SaidError,
}

/// A credential as it travels.
#[derive(Deserialize)]
struct SaidCredential {
    token: Secret,
    kind: Kind,
    #[serde(default)]
    share: Share,
    headers: BTreeMap<String, Secret>,
    #[serde(default)]
    base_url: Option<String>,
    #[serde(default)]
    expires_at: Option<i64>,
    #[serde(default)]
    use_until: Option<i64>,
    #[serde(default)]
    identity: Option<String>,
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(default)]
    revision: u64,
}

/// Reads what is lent.
///
/// # Errors
/// `bad_response`.
pub fn read(body: &[u8]) -> Result<Offer> {
    let said: Said = serde_json::from_slice(body).map_err(|_| unreadable())?;
    let lender = Offer {
        home: short(&said.home, MAX_NAME),
        label: short(&said.label, MAX_NAME),
        power: said.power,
        confirm: said.confirm,
        ends: said.ends,
        logins: Vec::new(),
    };
    // A name that this program knows no form of is of a newer one.
    let shown = lender.shown();
    let with_lender = |login| status(login, shown.clone(), said.power, said.lasting);
    let logins = said.logins.into_iter().filter_map(with_lender).collect();
    Ok(Offer { logins, ..lender })
}

fn status(said: SaidLogin, lender: String, power: GrantPower, lasting: bool) -> Option<LoginStatus> {
    let login: LoginId = said.login.parse().ok()?;
    let lasts = said.kind == Some(Kind::ApiKey) || said.expires_at.is_none();
    let name = said.name.map_or_else(|| login.provider().to_owned(), |name| short(&name, MAX_NAME));
    Some(LoginStatus {
        provider: login.provider().to_owned(),
        account: login.account().map(str::to_owned),
        name,
        state: State::from_name(&said.state).unwrap_or(State::Stored),
        method: said.method.map(|method| short(&method, MAX_NAME)),
        kind: said.kind,
        source: said.source.map(|_| SOURCE.to_owned()),
        store: None,
        lender: Some(lender),
        gateway_only: power == GrantPower::Use || (lasts && !lasting),
        base_url: said.base_url.filter(|url| is_credential(url)),
        identity: said.identity.map(|identity| short(&identity, MAX_NAME)),
        organization: said.organization.map(|organization| short(&organization, MAX_NAME)),
        scopes: said.scopes.iter().map(|scope| short(scope, MAX_NAME)).collect(),
        expires_at: said.expires_at,
        revision: said.revision,
        error: said.error.map(|said| failure(&said, Code::ProviderError)),
        needs_login: said.needs_login.map(|why| short(&why, MAX_SENTENCE)),
        login,
    })
}

/// What a credential's `source` is called that an agent lends.
pub const SOURCE: &str = "agent";

/// Reads a credential of this login.
///
/// # Errors
/// `bad_response`.
pub fn read_credential(login: &LoginId, body: &[u8]) -> Result<Credential> {
    let said: SaidCredential = serde_json::from_slice(body).map_err(|_| unreadable())?;
    if !said.headers.values().chain([&said.token]).all(|value| is_credential(value.expose())) {
        return Err(unreadable());
    }
    Ok(Credential {
        token: said.token,
        kind: said.kind,
        share: said.share,
        headers: said.headers,
        base_url: said.base_url,
        expires_at: said.expires_at,
        use_until: said.use_until,
        source: SOURCE.to_owned(),
        login: login.clone(),
        identity: said.identity.map(|identity| short(&identity, MAX_NAME)),
        scopes: said.scopes,
        revision: said.revision,
        lifetime: None,
    })
}

/// The error that an answer holds which is no success: the agent's own, or the gateway's in an API's shape.
pub fn read_failure(status: StatusCode, body: &[u8]) -> Error {
    let code = match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Code::ProviderRefused,
        StatusCode::NOT_FOUND => Code::UnknownLogin,
        _ => Code::BadResponse,
    };
    match serde_json::from_slice::<SaidFailure>(body) {
        Ok(said) if !said.error.message.is_empty() => failure(&said.error, code),
        _ => unreadable(),
    }
}

fn failure(said: &SaidError, otherwise: Code) -> Error {
    let code = said.code.as_str().and_then(Code::from_name).unwrap_or(otherwise);
    let error = Error::new(code, short(&said.message, MAX_SENTENCE));
    match &said.hint {
        Some(hint) => error.with_hint(short(hint, MAX_SENTENCE)),
        None => error,
    }
}

/// An answer that is none of an agent's.
pub fn unreadable() -> Error {
    Error::new(Code::BadResponse, "The agent's answer is not what it should be.").with_hint(
        "The two machines may have different versions of this program, or something else listens there.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lent_is_shown_as_the_other_machines() {
        let body = br#"{"version":"9","id":"g","label":"laptop","home":"me@desk","power":"use","lasting":false,
            "confirm":true,"ends":9,"new":1,"logins":[
            {"login":"openrouter","provider":"openrouter","name":"OpenRouter","state":"valid","source":"login",
             "store":"keyring","revision":3,"kind":"api-key","method":"sign-in"},
            {"login":"a@b","provider":"a","name":"A\u001b[2J","state":"newer","revision":0,
             "error":{"code":"network","message":"No\nway","hint":"h"}},
            {"login":"Not A Name","provider":"a","name":"A","state":"valid","revision":0}]}"#;
        let offer = read(body).unwrap();
        assert_eq!(
            (offer.shown().as_str(), offer.power, offer.ends),
            ("me@desk (laptop)", GrantPower::Use, Some(9))
        );
        assert_eq!(offer.logins.len(), 2);
        let (first, second) = (&offer.logins[0], &offer.logins[1]);
        assert_eq!((first.source.as_deref(), first.store, first.state), (Some("agent"), None, State::Valid));
        assert_eq!((first.lender.as_deref(), first.gateway_only), (Some("me@desk (laptop)"), true));
        assert_eq!((second.source.as_ref(), second.name.as_str()), (None, "A?[2J"));
        let error = second.error.as_ref().unwrap();
        assert_eq!((error.code(), error.message(), error.hint()), (Code::Network, "No?way", Some("h")));
        assert!(offer.lends(&"a@b".parse().unwrap()) && !offer.lends(&"a".parse().unwrap()));
    }

    #[test]
    fn a_credential_keeps_to_its_login_and_to_what_a_header_takes() {
        let login = "openrouter".parse().unwrap();
        let good = br#"{"token":"t","kind":"oauth","headers":{"authorization":"Bearer t"},"source":"login",
            "login":"openrouter","revision":7,"expires_at":5}"#;
        let credential = read_credential(&login, good).unwrap();
        assert_eq!((credential.source.as_str(), credential.revision), ("agent", 7));
        for bad in [
            "",
            "[]",
            r#"{"token":"","kind":"oauth","headers":{}}"#,
            r#"{"token":"a\nplanted","kind":"oauth","headers":{}}"#,
            r#"{"token":"t","kind":"oauth","headers":{"a":"b\r\nplanted: 1"}}"#,
        ] {
            let error = read_credential(&login, bad.as_bytes()).unwrap_err();
            assert_eq!(error.code(), Code::BadResponse);
            assert!(!format!("{error:?}").contains("planted"));
        }
    }

    #[test]
    fn a_failure_is_the_agents_or_a_gateways_or_nobodys() {
        let read = |status: u16, body: &str| {
            let error = read_failure(StatusCode::from_u16(status).unwrap(), body.as_bytes());
            (error.code(), error.message().to_owned(), error.hint().map(str::to_owned))
        };
        let own = read(403, r#"{"error":{"code":"login_denied","message":"No.","hint":"Ask."}}"#);
        assert_eq!(own, (Code::LoginDenied, "No.".into(), Some("Ask.".into())));
        let gateway =
            read(401, r#"{"error":{"message":"Needs its key.","type":"x","param":null,"code":"odd"}}"#);
        assert_eq!(gateway, (Code::ProviderRefused, "Needs its key.".into(), None));
        for body in ["", "<html>planted</html>", r#"{"error":{}}"#, r#"{"error":"planted"}"#] {
            let (code, message, _) = read(502, body);
            assert_eq!(code, Code::BadResponse);
            assert!(!message.contains("planted"));
        }
    }
}
