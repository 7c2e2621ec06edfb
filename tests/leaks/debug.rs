//! `Debug` of every public type that may hold a secret, and a look at the source for types that are new.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::Path;

use convocations::broker::{Broker, Event};
use convocations::config::Config;
use convocations::credential::{Binding, Kind, Share, Tokens};
use convocations::error::{Code, Error};
use convocations::http::{Head, Http, Reply};
use convocations::oauth::device::{DeviceAuthorization, Poll};
use convocations::oauth::{
    AuthorizeRequest, CodeExchange, Failure, Known, Pkce, Prepared, Registration, Registrations,
};
use convocations::protocol::{Credential, Input, LoginEvent, Qr, Stage};
use convocations::provider::ClientAuth;
use convocations::secret::Secret;
use convocations::services::Services;
use convocations::store::{Backend, Change, Entry, Index, NewLogin, Store, Stored};
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, HeaderValue};
use serde_json::json;

use crate::common::TestDir;

const PLANTED: &str = "planted-c0ffee";

fn planted() -> Secret {
    Secret::new(format!("sk-{PLANTED}"))
}

fn headers() -> HeaderMap {
    let value = HeaderValue::from_static("Bearer planted-c0ffee");
    [(reqwest::header::AUTHORIZATION, value)].into_iter().collect()
}

fn tokens() -> Tokens {
    let mut tokens = Tokens::api_key(planted(), 1);
    let secret = Some(planted());
    (tokens.refresh_token, tokens.id_token, tokens.base_token) =
        (secret.clone(), secret.clone(), secret.clone());
    tokens.binding = Some(Binding {
        token_url: "https://id.example/token".into(),
        revoke_url: None,
        client_id: Some("client".into()),
        client_secret: secret,
        basic_auth: true,
        resource: None,
    });
    tokens
}

fn credential() -> Credential {
    Credential {
        token: planted(),
        kind: Kind::Oauth,
        share: Share::Any,
        headers: BTreeMap::from([("authorization".into(), planted())]),
        base_url: None,
        expires_at: None,
        source: "login".into(),
        login: "anthropic".parse().unwrap(),
        identity: None,
        scopes: Vec::new(),
        revision: 1,
        lifetime: None,
    }
}

fn registration() -> Registration {
    Registration {
        issuer: "https://id.example".into(),
        client_id: "client".into(),
        client_secret: Some(planted()),
        client_auth: ClientAuth::ClientSecretPost,
        redirect_uris: Vec::new(),
        grants: Vec::new(),
        expires_at: None,
    }
}

fn stages() -> Vec<Stage> {
    let qr = Qr::of(planted().expose());
    let open = Stage::OpenUrl {
        url: planted(),
        paste_url: Some(planted()),
        input: Input::Code,
        loopback: true,
        port: None,
        notice: None,
        qr: qr.clone(),
        expires_at: 1,
    };
    let device = Stage::DeviceCode {
        user_code: planted(),
        verification_uri: "https://id.example/device".into(),
        verification_uri_complete: Some(planted()),
        qr,
        interval: 5,
        expires_at: 1,
        input: Input::None,
    };
    vec![open, device]
}

/// A value of each, by the type's name.
fn values(dir: &TestDir) -> Vec<(&'static str, Box<dyn Debug>)> {
    let config = config(dir);
    let provider = config.provider("openrouter").unwrap();
    let mut method = provider.default_method().unwrap().clone();
    method.client_secret = Some(planted());
    let store = Store::new(&dir.paths(), &config.store);
    let login = "openrouter".parse().unwrap();
    let new = NewLogin::new("browser", Kind::ApiKey, tokens());
    store.put(&login, new.clone()).unwrap();
    let change = Change::Login(Box::new(new.clone()));
    let stored: Stored = store.read(&login).unwrap().unwrap();
    let http = Http::new(std::time::Duration::from_secs(1));
    let broker = Broker::new(Services::new(config.clone(), store.clone()));
    let [open, device]: [Stage; 2] = stages().try_into().unwrap();
    let event = LoginEvent { id: 1, login: login.clone(), method: "browser".into(), stage: open.clone() };
    let body = json!({ "access_token": PLANTED }).to_string().into_bytes();
    let code = CodeExchange {
        code: planted(),
        code_verifier: planted(),
        redirect_uri: None,
        state: Some(planted()),
        nonce: Some(planted()),
    };
    let authorize = AuthorizeRequest {
        redirect_uri: None,
        state: Some(planted()),
        nonce: Some(planted()),
        code_challenge: "c".into(),
    };
    let device_code = DeviceAuthorization {
        device_code: planted(),
        user_code: planted(),
        verification_uri: "https://id.example/device".into(),
        verification_uri_complete: Some(planted()),
        interval: 5,
        expires_in: 600,
    };
    let entry: Entry = stored.entry.clone();
    let backend: Backend = entry.backend.clone();
    let index: Index = store.index().unwrap();
    let reply = Reply {
        status: StatusCode::OK,
        retry_after: None,
        date: None,
        headers: headers(),
        body: body.clone(),
    };
    let mut registrations = Registrations::default();
    registrations.add(registration());
    let known = Known { client_secret: Some(planted()), registrations: registrations.clone() };
    let head = Head { status: StatusCode::OK, headers: headers() };
    let prepared = Prepared { method: method.clone(), registration: Some(registration()) };
    let failure = Failure::Refused(Error::new(Code::ProviderRefused, "No."));
    vec![
        ("AuthorizeRequest", Box::new(authorize)),
        ("Backend", Box::new(backend)),
        ("Binding", Box::new(tokens().binding)),
        ("Broker", Box::new(broker)),
        ("CodeExchange", Box::new(code)),
        ("Config", Box::new(config)),
        ("Credential", Box::new(credential())),
        ("DeviceAuthorization", Box::new(device_code)),
        ("Entry", Box::new(entry)),
        ("Event", Box::new(Event::Credential(Box::new(credential())))),
        ("Failure", Box::new(failure)),
        ("Head", Box::new(head)),
        ("Http", Box::new(http)),
        ("Index", Box::new(index)),
        ("Known", Box::new(known)),
        ("LoginEvent", Box::new(event)),
        ("Method", Box::new(method)),
        ("NewLogin", Box::new(new)),
        ("Change", Box::new(change)),
        ("Pkce", Box::new(Pkce::from_verifier(planted()))),
        ("Poll", Box::new(Poll::Done(Box::new(tokens())))),
        ("Prepared", Box::new(prepared)),
        ("Provider", Box::new(provider)),
        ("Qr", Box::new(Qr::of(planted().expose()))),
        ("Registration", Box::new(registration())),
        ("Registrations", Box::new(registrations)),
        ("Reply", Box::new(reply)),
        ("Secret", Box::new(planted())),
        ("Stage", Box::new(vec![open, device])),
        ("Store", Box::new(store)),
        ("Stored", Box::new(stored)),
        ("Tokens", Box::new(tokens())),
    ]
}

/// Settings with a secret where none belongs, and one in the app's own table.
fn config(dir: &TestDir) -> Config {
    dir.write_config(&format!(
        "[store]\nbackend = \"local-encrypted\"\n[runtime.openrouter_api_key]\nbackend = \"{PLANTED}\"\n\
         [providers.mistral.use.api-key.headers]\nx-own = \"{PLANTED}\"\n"
    ));
    Config::load(&dir.paths(), None).unwrap()
}

#[test]
fn debug_of_no_public_type_shows_a_secret() {
    let dir = TestDir::new();
    let numbers = format!("{:?}", PLANTED.as_bytes());
    let numbers = numbers.trim_matches(['[', ']']);
    for (name, value) in values(&dir) {
        for shown in [format!("{value:?}"), format!("{value:#?}")] {
            assert!(!shown.contains(PLANTED), "{name}: {shown}");
            assert!(
                !shown.replace([' ', '\n'], "").contains(&numbers.replace(' ', "")),
                "{name} as numbers: {shown}"
            );
            assert!(!shown.contains(['█', '▀', '▄']), "{name} draws it: {shown}");
        }
    }
}

/// Public types with a `Debug` that hold no secret: numbers, names, settings, other people's types of the same kind.
const NOTHING_SECRET: &[&str] = &[
    "BackendKind",
    "Cause",
    "Current",
    "Distrust",
    "KeyringError",
    "Patience",
    "Place",
    "Unplaced",
    "Updated",
    "BodyError",
    "Budget",
    "CallbackConfig",
    "Client",
    "ClientAuth",
    "ClientSecret",
    "CodeDescription",
    "CodeForm",
    "Clock",
    "Description",
    "DeviceDialect",
    "DisplayName",
    "Draft",
    "Encoding",
    "Error",
    "Forms",
    "Grant",
    "HttpConfig",
    "Identity",
    "Input",
    "Kind",
    "Limited",
    "Limits",
    "LoginId",
    "LoginLock",
    "LoginRequest",
    "LoginStatus",
    "Logins",
    "Logout",
    "MethodDescription",
    "Notice",
    "OAuthError",
    "Paths",
    "PortsDescription",
    "Rate",
    "RateChange",
    "Rates",
    "Receiver",
    "Redirect",
    "RedirectDescription",
    "RedirectPorts",
    "RefreshConfig",
    "Refusal",
    "Removed",
    "Replaced",
    "Revocation",
    "Revoked",
    "Route",
    "Schedule",
    "SealKind",
    "SecondStep",
    "Settings",
    "Source",
    "Stamp",
    "State",
    "StepUp",
    "Stop",
    "StoreBackend",
    "StoreConfig",
    "StoreLock",
    "TransportError",
    "Trouble",
    "UpstreamError",
    "Use",
    "UseDescription",
    "Validity",
    "Keyring",
    "CredentialCache",
];

fn public_types_with_debug(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            public_types_with_debug(&path, found);
        } else {
            let text = std::fs::read_to_string(&path).unwrap();
            let mut derives = false;
            for line in text.lines() {
                let name = ["pub struct ", "pub enum ", "impl fmt::Debug for "].iter().find_map(|start| {
                    let is_own = derives || start.starts_with("impl");
                    line.strip_prefix(start).filter(|_| is_own)
                });
                found.extend(
                    name.map(|rest| rest.split(|c: char| !c.is_alphanumeric()).next().unwrap().to_owned()),
                );
                derives = line.starts_with("#[derive(") && line.contains("Debug")
                    || derives && line.starts_with(['#', '/']);
            }
        }
    }
}

#[test]
fn a_new_public_type_is_looked_at() {
    let (mut found, dir) = (Vec::new(), TestDir::new());
    public_types_with_debug(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    let built: Vec<&str> = values(&dir).into_iter().map(|(name, _)| name).collect();
    let known = |name: &String| built.contains(&name.as_str()) || NOTHING_SECRET.contains(&name.as_str());
    let new: Vec<&String> = found.iter().filter(|name| !known(name)).collect();
    assert!(
        new.is_empty(),
        "put these where they belong, with a value or among those without a secret: {new:?}"
    );
    let gone: Vec<_> =
        NOTHING_SECRET.iter().chain(&built).filter(|name| !found.iter().any(|have| have == **name)).collect();
    assert!(gone.is_empty(), "these are there no more: {gone:?}");
}
