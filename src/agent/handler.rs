//! The agent on the wire: `GET /v1/status`, `POST /v1/token/LOGIN`, and the gateway's `/LOGIN/…`.
//!
//! Guarantees: key, `Host` and `Origin` are looked at before anything else; what the grant does not allow is
//! refused before the broker is asked for a credential; a token leaves in the answer to `/v1/token` alone.

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use serde::Serialize;

use super::grant::Grant;
use super::home::{Home, Settled};
use super::program::Program;
use super::questions::Questions;
use crate::bounded_server::TurnedAway;
use crate::credential::Kind;
use crate::error::{Code, Error, Result};
use crate::gateway::{Body, Client, Handler, Hosts, Key, Refused, Target, admit, answer};
use crate::login_id::LoginId;
use crate::protocol::{AgentFailure, AgentStatus, AgentToken, Credential, GrantPower};
use crate::provider::ApiShape;
use crate::secret::Secret;
use crate::wording::Face;

/// Bytes of a request for a token that are read: it may hold a token that was refused.
const MAX_QUESTION: usize = 64 * 1024;

/// Answers for one grant.
pub struct GrantHandler {
    grant: Grant,
    home: Home,
    questions: Questions,
    key: Option<Key>,
    hosts: Hosts,
}

impl GrantHandler {
    /// Serves `grant` from `home`, to who shows `key` if there is one.
    pub fn new(grant: Grant, home: Home, questions: Questions, key: Option<Key>, hosts: Hosts) -> Self {
        Self { grant, home, questions, key, hosts }
    }
}

impl Handler for GrantHandler {
    async fn answer(&self, mut request: Request<Incoming>, client: Client) -> Response<Body> {
        if let Err(why) = admit(&mut request, self.key.as_ref(), self.hosts) {
            self.grant.count_refused(why.reason());
            return match why {
                Refused::Key => failure(&wrong_key(), StatusCode::UNAUTHORIZED),
                other => answer::refused(other),
            };
        }
        let path = request.uri().path().to_owned();
        match path.strip_prefix("/v1/") {
            Some("status") if request.method() == Method::GET => settle(self.status().await),
            Some("status") => wrong_method("GET"),
            Some(rest) => match rest.strip_prefix("token/") {
                Some(_) if request.method() != Method::POST => wrong_method("POST"),
                Some(login) => {
                    settle(self.token(login, request, client).await.inspect_err(|why| self.note(why)))
                }
                None => failure(&no_such_path(), StatusCode::NOT_FOUND),
            },
            None => self.forward(request, client).await,
        }
    }

    fn turned_away(&self, why: TurnedAway) {
        self.grant.count_refused(why.reason());
    }
}

impl GrantHandler {
    async fn status(&self) -> Result<AgentStatus> {
        let (home, terms) = (self.home.settled(), self.grant.terms());
        let mut logins = Vec::new();
        for login in &terms.logins {
            self.grant.check(login)?;
            logins.extend(home.broker.status(Some(login)).await?);
        }
        Ok(AgentStatus {
            version: env!("CARGO_PKG_VERSION"),
            id: self.grant.id().to_owned(),
            label: terms.label.clone(),
            home: whose(),
            power: terms.power,
            lasting: terms.lasting,
            confirm: terms.confirm,
            ends: terms.ends,
            logins,
        })
    }

    async fn token(&self, login: &str, request: Request<Incoming>, client: Client) -> Result<Credential> {
        let login: LoginId = login.replace("%40", "@").parse()?;
        self.grant.check(&login)?;
        if self.grant.terms().power != GrantPower::Token {
            return Err(no_token());
        }
        let program = Program::of(client);
        let AgentToken { min_validity, rejected } = read(request.into_body()).await?;
        let home = self.home.settled();
        // What would be refused in any case is no question for the person.
        let mut credential = self.fetch(&home, &login, min_validity, None).await?;
        if self.grant.terms().confirm || rejected.is_some() {
            self.permit(&login, GrantPower::Token, &program).await?;
            credential = self.fetch(&home, &login, min_validity, rejected).await?;
        }
        self.grant.check(&login)?;
        self.grant.count(&login, GrantPower::Token);
        Ok(credential)
    }

    /// A credential that the grant allows to be handed out.
    async fn fetch(
        &self,
        home: &Settled,
        login: &LoginId,
        min_validity: Option<i64>,
        rejected: Option<Secret>,
    ) -> Result<Credential> {
        let credential = match rejected {
            Some(rejected) => home.broker.invalidate(login, &rejected).await?,
            None => home.broker.get(login, min_validity).await?,
        };
        home.config.provider(login.provider())?.check_shared(&credential)?;
        let lasts = credential.kind == Kind::ApiKey || credential.expires_at.is_none();
        if lasts && !self.grant.terms().lasting {
            return Err(lasting_key(login));
        }
        Ok(credential)
    }

    async fn forward(&self, request: Request<Incoming>, client: Client) -> Response<Body> {
        let target = match Target::parse(request.uri().path(), request.uri().query()) {
            Ok(target) => target,
            Err(why) => {
                self.grant.count_refused("target");
                return answer::bad_target(why);
            }
        };
        let home = self.home.settled();
        let shape = home.config.provider(target.login.provider()).map_or(ApiShape::Openai, |found| found.api);
        let program = Program::of(client);
        if let Err(error) = self.may_use(&target.login, &program).await {
            self.note(&error);
            return answer::error(shape, &error, Face::Terminal);
        }
        self.grant.count(&target.login, GrantPower::Use);
        let cut = self.grant.cut_for_request();
        home.forwarder.forward(&target, request, Some(cut)).await
    }

    async fn may_use(&self, login: &LoginId, program: &Program) -> Result<()> {
        self.grant.check(login)?;
        self.permit(login, GrantPower::Use, program).await?;
        self.grant.check(login)
    }

    /// Asks the person, if the grant says so.
    async fn permit(&self, login: &LoginId, power: GrantPower, program: &Program) -> Result<()> {
        if !self.grant.terms().confirm {
            return Ok(());
        }
        self.questions.ask(&self.grant, login, power, program, &self.home.clock()).await
    }

    /// Counts what the grant refused; what failed at the provider or in the store is no refusal of ours.
    fn note(&self, error: &Error) {
        if matches!(error.code(), Code::LoginDenied | Code::UnknownLogin | Code::ProviderRefused) {
            self.grant.count_refused(error.code().as_str());
        }
    }
}

async fn read(body: Incoming) -> Result<AgentToken> {
    let wrong = || {
        Error::new(Code::InvalidArgument, "The request for a token is not of the allowed form.")
            .with_hint("Send nothing, or `{\"min_validity\": SECONDS, \"rejected\": TOKEN}`.")
    };
    let bytes = Limited::new(body, MAX_QUESTION).collect().await.map_err(|_| wrong())?.to_bytes();
    let bytes = zeroize::Zeroizing::new(bytes.to_vec());
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(AgentToken::default());
    }
    // serde's words may repeat the token.
    serde_json::from_slice(&bytes).map_err(|_| wrong())
}

fn settle<T: Serialize>(result: Result<T>) -> Response<Body> {
    match result {
        Ok(data) => json(&data, StatusCode::OK),
        Err(error) => failure(&error, answer::status_of(error.code())),
    }
}

fn failure(error: &Error, status: StatusCode) -> Response<Body> {
    json(&AgentFailure { error: error.clone() }, status)
}

fn json(data: &impl Serialize, status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::from(serde_json::to_vec(data).unwrap_or_default()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn wrong_method(allowed: &'static str) -> Response<Body> {
    let error = Error::new(Code::InvalidArgument, format!("This path takes {allowed} only."));
    let mut response = failure(&error, StatusCode::METHOD_NOT_ALLOWED);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

fn wrong_key() -> Error {
    Error::new(Code::InvalidArgument, "The agent needs the grant's key.")
        .with_hint("It stands in the address that `CONVOCATIONS_AGENT` holds, before the `@`.")
}

fn no_such_path() -> Error {
    Error::new(Code::InvalidArgument, "The agent has no such path.")
        .with_hint("`GET /v1/status`, `POST /v1/token/LOGIN`, or `/LOGIN/…` of the login's API.")
}

fn no_token() -> Error {
    Error::new(Code::LoginDenied, "This grant is for use at home only: no token is handed out.").with_hint(
        "Send requests through it (`convocations exec --gateway`), or make the grant with `--token`.",
    )
}

fn lasting_key(login: &LoginId) -> Error {
    Error::new(Code::LoginDenied, format!("What {login} has is a key that lasts, and is not handed out."))
        .with_hint("Send requests through the grant, or make it with `--token --lasting`.")
}

/// `USER@HOST` of this machine.
fn whose() -> String {
    let user = ["USER", "LOGNAME", "USERNAME"].iter().find_map(|name| std::env::var(name).ok());
    let host = host();
    user.filter(|user| !user.is_empty()).map_or_else(|| host.clone(), |user| format!("{user}@{host}"))
}

#[cfg(unix)]
fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(not(unix))]
fn host() -> String {
    std::env::var("COMPUTERNAME").unwrap_or_else(|_| "another machine".to_owned())
}
