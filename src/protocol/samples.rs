//! A full and a least sample of each shape, as serde writes it: `tests/nvim/lib/samples.json`, from which the
//! Lua tests' pretend backend answers, and which `make doc` compares with the fields that the source
//! declares.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::*;
use crate::credential::{BackendKind, Kind, Share};
use crate::error::{Code, Error};
use crate::login_id::LoginId;
use crate::secret::Secret;

mod doctor;
mod figures;
mod grants;
mod params;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/nvim/lib/samples.json");
/// An hour after the samples' now; the pretend backend moves it.
const END: i64 = 2_000_000_000;

fn pair(full: impl Serialize, least: impl Serialize) -> Value {
    json!({ "full": full, "least": least })
}

fn login() -> LoginId {
    "anthropic@work".parse().unwrap()
}

fn full_error() -> Error {
    error().with_hint("Try again.")
}

fn error() -> Error {
    Error::new(Code::Network, "The provider could not be reached.")
}

fn credential() -> Credential {
    Credential {
        token: Secret::new("tok-1"),
        kind: Kind::Oauth,
        share: Share::Any,
        headers: BTreeMap::from([("authorization".to_owned(), Secret::new("Bearer tok-1"))]),
        base_url: None,
        expires_at: None,
        use_until: None,
        source: "login".to_owned(),
        login: login(),
        identity: None,
        scopes: Vec::new(),
        revision: 1,
        lifetime: None,
    }
}

fn full_credential() -> Credential {
    Credential {
        base_url: Some("https://api.anthropic.com".to_owned()),
        expires_at: Some(END),
        use_until: Some(END),
        identity: Some("me@example.com".to_owned()),
        scopes: vec!["user:inference".to_owned()],
        ..credential()
    }
}

fn status() -> LoginStatus {
    LoginStatus {
        login: login(),
        provider: "anthropic".to_owned(),
        account: None,
        name: "Anthropic".to_owned(),
        state: State::Valid,
        method: None,
        kind: None,
        source: None,
        store: None,
        lender: None,
        gateway_only: false,
        base_url: None,
        identity: None,
        organization: None,
        scopes: Vec::new(),
        expires_at: None,
        revision: 1,
        error: None,
        needs_login: None,
    }
}

fn full_status() -> LoginStatus {
    LoginStatus {
        account: Some("work".to_owned()),
        method: Some("subscription".to_owned()),
        kind: Some(Kind::Oauth),
        source: Some("login".to_owned()),
        store: Some(BackendKind::LocalEncrypted),
        lender: Some("me@desk (laptop)".to_owned()),
        gateway_only: true,
        base_url: Some("https://api.anthropic.com".to_owned()),
        identity: Some("me@example.com".to_owned()),
        organization: Some("My Corp".to_owned()),
        scopes: vec!["user:inference".to_owned()],
        expires_at: Some(END),
        error: Some(full_error()),
        needs_login: Some("The provider no longer accepts the stored refresh token.".to_owned()),
        ..status()
    }
}

fn report() -> StoreReport {
    StoreReport { backend: BackendKind::Keyring, reason: "The settings say so.".to_owned(), problem: None }
}

fn method() -> Method {
    Method {
        id: "subscription".to_owned(),
        label: "Claude Pro or Max subscription".to_owned(),
        grant: Grant::AuthorizationCode,
        notice: None,
        notice_confirmed: false,
        terms: None,
        default: true,
        needs_browser: false,
        revocable: None,
        ends_others: None,
    }
}

fn provider() -> Provider {
    Provider {
        id: "anthropic".to_owned(),
        name: "Anthropic".to_owned(),
        builtin: true,
        methods: vec![method()],
        logins: vec!["anthropic".to_owned()],
        env: Vec::new(),
        sources: vec!["env:ANTHROPIC_OAUTH_TOKEN".to_owned(), "login".to_owned()],
        terms: None,
        usage: UsageSource::Headers,
        organization: None,
    }
}

fn notice(login: Option<LoginId>, error: Error) -> Notice {
    Notice { level: Level::Warn, error, login }
}

fn waiting() -> Waiting {
    Waiting { login: login(), program: "op".to_owned(), seconds: 30, done: false }
}

fn event(stage: Stage) -> LoginEvent {
    LoginEvent { id: 7, login: login(), method: "subscription".to_owned(), stage }
}

fn full_stages() -> Vec<Stage> {
    let url = || Secret::new("https://login.example/authorize?state=s");
    let qr = || Some(Qr::from_lines(vec!["█▀".to_owned(), "▄ ".to_owned()]));
    let text = |text: &str| Some(text.to_owned());
    vec![
        Stage::OpenUrl {
            url: url(),
            paste_url: Some(url()),
            input: Input::Code,
            loopback: true,
            port: Some(3000),
            notice: text("Port 3000 is taken."),
            qr: qr(),
            expires_at: END,
        },
        Stage::DeviceCode {
            user_code: Secret::new("WDJB-MJHT"),
            verification_uri: "https://login.example/device".to_owned(),
            verification_uri_complete: Some(url()),
            qr: qr(),
            interval: 5,
            expires_at: END,
            input: Input::None,
        },
        Stage::Waiting {
            input: Input::ApiKey,
            label: text("API key"),
            page: text("https://login.example/keys"),
            expires_at: END,
            ignored: 2,
            notice: text("An answer of another login was ignored."),
            error: Some(full_error()),
        },
        Stage::Exchanging,
        Stage::Done {
            identity: text("me@example.com"),
            kind: Kind::Oauth,
            expires_at: Some(END),
            store: BackendKind::Keyring,
            replaced: Some(replaced(text("https://login.example/keys"))),
            notices: vec!["`ANTHROPIC_API_KEY` is set.".to_owned()],
        },
        Stage::Failed { error: full_error() },
    ]
}

fn least_stages() -> Vec<Stage> {
    let mut stages = full_stages();
    for stage in &mut stages {
        match stage {
            Stage::OpenUrl { paste_url, port, notice, qr, .. } => {
                (*paste_url, *port, *notice, *qr) = (None, None, None, None);
            }
            Stage::DeviceCode { verification_uri_complete, qr, .. } => {
                (*verification_uri_complete, *qr) = (None, None);
            }
            Stage::Waiting { label, page, notice, error, .. } => {
                (*label, *page, *notice, *error) = (None, None, None, None);
            }
            Stage::Done { identity, expires_at, replaced, notices, .. } => {
                (*identity, *expires_at, *replaced, *notices) = (None, None, None, Vec::new());
            }
            Stage::Failed { error } => *error = self::error(),
            Stage::Exchanging => {}
        }
    }
    stages
}

fn replaced(page: Option<String>) -> Replaced {
    Replaced { revoked: Revoked::Unsupported, page, message: "The login before it still works.".to_owned() }
}

fn stages() -> Value {
    let pairs = full_stages().into_iter().zip(least_stages());
    let named = |(full, least)| {
        let pair = pair(event(full), event(least));
        (pair["full"]["stage"].as_str().unwrap().to_owned(), pair)
    };
    Value::Object(pairs.map(named).collect())
}

/// Answers, events and what they are made of, by the type's name.
fn shapes() -> Value {
    let report = |problem| StoreReport { problem, ..report() };
    let result = |page| LogoutResult {
        login: login(),
        revoked: Revoked::Unsupported,
        page,
        message: "Logged out of anthropic@work.".to_owned(),
    };
    let hello = |no_browser| HelloAnswer {
        protocol: PROTOCOL,
        version: "0.1.0",
        pid: 1,
        margin: 300,
        callback_port: 3000,
        no_browser,
    };
    let terms = || Some("Its terms allow no other program.".to_owned());
    let full_method = || Method {
        notice: terms(),
        terms: terms(),
        revocable: Some(true),
        ends_others: Some(true),
        ..method()
    };
    let full_provider = || Provider {
        terms: terms(),
        methods: vec![full_method()],
        organization: Some("workspace".to_owned()),
        ..provider()
    };
    let providers = |provider| ProvidersAnswer { providers: vec![provider] };
    let answer = |login, seq, store, gateway, grants, lender| StatusAnswer {
        logins: vec![login],
        seq,
        store,
        gateway,
        grants,
        lender,
    };
    let gateway = || GatewayReport { requests: 3, open: 1, refused: 0 };
    let changed = |login| Changed { logins: vec![login], seq: 1 };
    json!({
        "Error": pair(full_error(), error()),
        "HelloAnswer": pair(hello(Some("connected over SSH")), hello(None)),
        "ProvidersAnswer": pair(providers(full_provider()), providers(provider())),
        "Provider": pair(full_provider(), provider()),
        "Method": pair(full_method(), method()),
        "StatusAnswer": pair(
            answer(
                full_status(),
                Some(1),
                report(Some(full_error())),
                Some(gateway()),
                vec![grants::report(Some(END))],
                Some(grants::full_lender()),
            ),
            answer(status(), None, report(None), None, Vec::new(), None),
        ),
        "LoginStatus": pair(full_status(), status()),
        "StoreReport": pair(report(Some(full_error())), report(None)),
        "Credential": pair(full_credential(), credential()),
        "GatewayReport": pair(gateway(), gateway()),
        "GatewayOpened": pair(GatewayOpened { port: 4000 }, GatewayOpened { port: 4000 }),
        "LoginStarted": pair(LoginStarted { id: 7 }, LoginStarted { id: 7 }),
        "LogoutResult": pair(result(Some("https://login.example/keys".to_owned())), result(None)),
        "Replaced": pair(replaced(Some("https://login.example/keys".to_owned())), replaced(None)),
        "Nothing": pair(Nothing {}, Nothing {}),
        "Changed": pair(changed(full_status()), changed(status())),
        "Waiting": pair(waiting(), waiting()),
        "Notice": pair(notice(Some(login()), full_error()), notice(None, error())),
    })
}

struct Plain(Value);

impl ReadParams<serde_json::Error> for Plain {
    fn read<T: Params>(self) -> Result<T, serde_json::Error> {
        serde_json::from_value(self.0)
    }
}

fn read(method: &str, params: Value) -> Result<Call, serde_json::Error> {
    Call::read(method, Plain(params)).unwrap_or_else(|| panic!("no sample of `{method}`'s parameters fits"))
}

#[test]
fn the_samples_are_what_is_sent() {
    let answers: BTreeMap<_, _> = Call::NAMES.iter().zip(Call::ANSWERS).collect();
    let mut shapes = shapes();
    for mut more in [doctor::shapes(), figures::shapes(), grants::shapes()] {
        shapes.as_object_mut().unwrap().append(more.as_object_mut().unwrap());
    }
    let samples =
        json!({ "shapes": shapes, "stages": stages(), "params": params::all(), "answers": answers });
    let text = serde_json::to_string_pretty(&samples).unwrap() + "\n";
    if std::env::var_os("CONVOCATIONS_WRITE_SAMPLES").is_some() {
        std::fs::write(FILE, &text).unwrap();
    }
    let written = std::fs::read_to_string(FILE).unwrap_or_default();
    assert!(written == text, "a shape has changed: run `make doc`, and mend what the Lua tests say then");
}

#[test]
fn parameters_are_taken_in_full_and_at_least_and_with_nothing_unknown() {
    let params = params::all();
    for name in Call::NAMES {
        let sample = &params[*name];
        assert!(sample.is_object(), "`{name}` has no sample of its parameters");
        for (which, needed) in [("full", false), ("least", true)] {
            let fields = sample[which].as_object().unwrap();
            read(name, sample[which].clone()).unwrap_or_else(|error| panic!("{name}: {error}"));
            for field in fields.keys().filter(|_| needed) {
                let mut less = fields.clone();
                less.remove(field);
                assert!(read(name, less.into()).is_err(), "{name} without {field}");
            }
        }
        let mut more = sample["full"].as_object().unwrap().clone();
        more.insert("extra".to_owned(), json!(1));
        let error = read(name, more.into()).unwrap_err().to_string();
        assert!(error.contains("extra"), "{name}: {error}");
    }
    assert_eq!(params.as_object().unwrap().len(), Call::NAMES.len());
}
