//! `Debug` of every public type that may hold a secret, and a look at the source for types that are new.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::Path;

use convocations::broker::{Broker, Event};
use convocations::config::Config;
use convocations::credential::{Binding, Kind, Share, Tokens};
use convocations::error::{Code, Error};
use convocations::gateway::Key;
use convocations::http::{Head, Http, Reply};
use convocations::oauth::device::{DeviceAuthorization, Poll};
use convocations::oauth::{
    AuthorizeRequest, Client, CodeExchange, Failure, Known, Pkce, Prepared, Registration, Registrations, Wire,
};
use convocations::protocol::{
    AgentOpened, AgentToken, Credential, GatewayAddress, GatewayListing, GatewayOpen, Hello, Input,
    Invalidate, LoginEvent, LoginInput, Qr, Stage,
};
use convocations::provider::ClientAuth;
use convocations::remote::{Address, Agent};
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
        use_until: None,
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

/// A value of each, by the type's path in the source.
fn values(dir: &TestDir) -> Vec<(&'static str, Box<dyn Debug>)> {
    let config = config(dir);
    let provider = config.provider("openrouter").unwrap();
    let method = provider.default_method().unwrap().clone();
    let store = Store::new(&dir.paths(), &config.store);
    let login = "openrouter".parse().unwrap();
    let new = NewLogin::new("browser", Kind::ApiKey, tokens());
    store.put(&login, new.clone()).unwrap();
    let change = Change::Login(Box::new(new.clone()));
    let stored: Stored = store.read(&login).unwrap().unwrap();
    let http = Http::new(std::time::Duration::from_secs(1), Default::default());
    let services = Services::new(config.clone(), store.clone());
    let broker = Broker::new(services.clone());
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
    let wire = Wire { provider: provider.clone(), http: http.clone(), clock: services.clock.clone() };
    let client = Client::of_login(wire.clone(), &method, None, &tokens()).unwrap();
    let prepared = Prepared { client: client.clone(), registration: Some(registration()) };
    let hello = Hello { protocol: 1, version: "1".into(), options: Some(json!({ "header": PLANTED })) };
    let rejected = Invalidate { login: "openrouter".into(), token: planted() };
    let opens = GatewayOpen { key: planted(), port: 1, logins: Vec::new(), socket: None };
    let gateway =
        || GatewayAddress { url: "http://127.0.0.1:1/openrouter".into(), key: planted(), socket: None };
    let listing = GatewayListing { logins: [("openrouter".parse().unwrap(), gateway())].into() };
    let address = format!("http://{PLANTED}@127.0.0.1:1");
    let failure = Failure::Refused(Error::new(Code::ProviderRefused, "No."));
    vec![
        ("broker::Broker", Box::new(broker)),
        ("broker::events::Event", Box::new(Event::Credential(Box::new(credential())))),
        ("config::Config", Box::new(config)),
        ("credential::Binding", Box::new(tokens().binding)),
        ("credential::Tokens", Box::new(tokens())),
        (
            "gateway::admit::Key",
            Box::new(Key::from_text(Secret::new(format!("conv-{}", PLANTED.repeat(4)))).unwrap()),
        ),
        ("http::Head", Box::new(head)),
        ("http::Http", Box::new(http)),
        ("http::Reply", Box::new(reply)),
        ("oauth::authorize::AuthorizeRequest", Box::new(authorize)),
        ("oauth::client::Client", Box::new(client)),
        ("oauth::client::Wire", Box::new(wire)),
        ("oauth::device::DeviceAuthorization", Box::new(device_code)),
        ("oauth::device::Poll", Box::new(Poll::Done(Box::new(tokens())))),
        ("oauth::failure::Failure", Box::new(failure)),
        ("oauth::pkce::Pkce", Box::new(Pkce::from_verifier(planted()))),
        ("oauth::prepare::Known", Box::new(known)),
        ("oauth::prepare::Prepared", Box::new(prepared)),
        ("oauth::registration::Registration", Box::new(registration())),
        ("oauth::registration::Registrations", Box::new(registrations)),
        ("oauth::token::CodeExchange", Box::new(code)),
        ("protocol::agent::AgentOpened", Box::new(AgentOpened { id: "1".into(), address: address.clone() })),
        (
            "protocol::agent::AgentToken",
            Box::new(AgentToken { min_validity: None, rejected: Some(planted()) }),
        ),
        ("protocol::call::GatewayOpen", Box::new(opens)),
        ("protocol::call::Hello", Box::new(hello)),
        ("protocol::call::Invalidate", Box::new(rejected)),
        ("protocol::call::LoginInput", Box::new(LoginInput { id: 1, text: planted() })),
        ("protocol::credential::Credential", Box::new(credential())),
        ("protocol::gateway::GatewayAddress", Box::new(gateway())),
        ("protocol::gateway::GatewayListing", Box::new(listing)),
        ("protocol::login::LoginEvent", Box::new(event)),
        ("protocol::login::Qr", Box::new(Qr::of(planted().expose()))),
        ("protocol::login::Stage", Box::new(vec![open, device])),
        ("provider::login_method::Method", Box::new(method)),
        ("provider::Provider", Box::new(provider)),
        ("remote::Agent", Box::new(Agent::new(Address::parse(&address).unwrap()))),
        ("remote::address::Address", Box::new(Address::parse(&address).unwrap())),
        ("secret::Secret", Box::new(planted())),
        ("services::Services", Box::new(services)),
        ("store::Store", Box::new(store)),
        ("store::Stored", Box::new(stored)),
        ("store::entry::Backend", Box::new(backend)),
        ("store::entry::Entry", Box::new(entry)),
        ("store::index::Index", Box::new(index)),
        ("store::change::Change", Box::new(change)),
        ("store::change::NewLogin", Box::new(new)),
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

/// Public types with a `Debug` that hold no secret: numbers, names, settings, other people's types of the
/// same kind.
const NOTHING_SECRET: &[&str] = &[
    "agent::check::Check",
    "agent::control::Ask",
    "agent::control::Asked",
    "agent::control::Done",
    "agent::grant::End",
    "agent::grant::Terms",
    "agent::lendable::Lendable",
    "agent::others::Elsewhere",
    "agent::program::Program",
    "authority::budget::Budget",
    "authority::client::Client",
    "authority::client::Identity",
    "authority::client::Registration",
    "authority::display_name::DisplayName",
    "authority::exchange::Forms",
    "authority::exchange::OAuthError",
    "authority::limit::Limited",
    "authority::limit::Rate",
    "authority::limit::RateChange",
    "authority::limit::Rates",
    "authority::resource::Receiver",
    "authority::route::Route",
    "authority::seal::SealKind",
    "authority::settings::Settings",
    "authority::upstream::UpstreamError",
    "bounded_server::Limits",
    "bounded_server::Stop",
    "bounded_server::accept::Bounds",
    "bounded_server::accept::Client",
    "bounded_server::accept::Listener",
    "bounded_server::accept::TurnedAway",
    "bounded_server::connections::Connections",
    "bounded_server::connections::RequestGuard",
    "bounded_server::connections::UnderWay",
    "broker::cache::CredentialCache",
    "broker::cache::Look",
    "broker::obtained::answers::Answers",
    "broker::obtained::attempt::Cancels",
    "broker::order::Order",
    "broker::usage::figures::Figures",
    "broker::usage::figures::Silence",
    "broker::usage::record::Record",
    "cli::layout::Size",
    "cli::ssh::line::Line",
    "cli::ssh::line::SshOption",
    "clock::Clock",
    "command::group::TerminalGivenAway",
    "config::CallbackConfig",
    "config::HttpConfig",
    "config::RefreshConfig",
    "config::StoreBackend",
    "config::StoreConfig",
    "config::layer::Settings",
    "credential::BackendKind",
    "credential::Kind",
    "credential::Organization",
    "credential::Share",
    "credential::Validity",
    "error::Ends",
    "error::Error",
    "error::Level",
    "gateway::Counts",
    "gateway::admit::Hosts",
    "gateway::admit::Refused",
    "gateway::socket::Socket",
    "gateway::target::BadTarget",
    "gateway::target::Base",
    "gateway::target::Target",
    "heap::Heap",
    "http::transport_error::BodyError",
    "http::transport_error::TransportError",
    "http::trust::Authorities",
    "http::trust::Trust",
    "login::events::LoginRequest",
    "login::registry::Logins",
    "login_id::LoginId",
    "oauth::device::Schedule",
    "oauth::discovery::StepUp",
    "oauth::prepare::Draft",
    "oauth::ready::Issuer",
    "oauth::revoke::Revocation",
    "oauth::survey::Survey",
    "paths::Paths",
    "private_file::Distrust",
    "protocol::agent::AgentAnswer",
    "protocol::agent::AgentAnswered",
    "protocol::agent::AgentFailure",
    "protocol::agent::AgentOpen",
    "protocol::agent::AgentRevoke",
    "protocol::agent::AgentStatus",
    "protocol::agent::EditorGrants",
    "protocol::agent::GrantAnswer",
    "protocol::agent::GrantPower",
    "protocol::agent::GrantQuestion",
    "protocol::agent::GrantQuestions",
    "protocol::agent::GrantReport",
    "protocol::agent::GrantUse",
    "protocol::agent::Grants",
    "protocol::agent::LenderReport",
    "protocol::call::CommandCancel",
    "protocol::call::GatewayOpened",
    "protocol::call::GatewayReport",
    "protocol::call::Get",
    "protocol::call::Grant",
    "protocol::call::HelloAnswer",
    "protocol::call::LoginCancel",
    "protocol::call::LoginStart",
    "protocol::call::LoginStarted",
    "protocol::call::Logout",
    "protocol::call::LogoutResult",
    "protocol::call::Method",
    "protocol::call::Nothing",
    "protocol::call::Provider",
    "protocol::call::Providers",
    "protocol::call::ProvidersAnswer",
    "protocol::call::Revoked",
    "protocol::call::Shutdown",
    "protocol::call::Status",
    "protocol::call::StatusAnswer",
    "protocol::doctor::DoctorAnswer",
    "protocol::doctor::Finding",
    "protocol::doctor::Mark",
    "protocol::doctor::Reach",
    "protocol::doctor::ReachStep",
    "protocol::doctor::Step",
    "protocol::login::Input",
    "protocol::login::Replaced",
    "protocol::mcp::ClientWay",
    "protocol::mcp::McpServer",
    "protocol::status::Changed",
    "protocol::status::LoginStatus",
    "protocol::status::Notice",
    "protocol::status::StoreReport",
    "protocol::status::Waiting",
    "protocol::status::Weight",
    "protocol::usage::Usage",
    "protocol::usage::UsageAnswer",
    "protocol::usage::UsageCredit",
    "protocol::usage::UsageOf",
    "protocol::usage::UsageSource",
    "protocol::usage::UsageWindow",
    "provider::Use",
    "provider::client_secret::ClientAuth",
    "provider::client_secret::ClientSecret",
    "provider::command::CommandCache",
    "provider::command::CommandFormat",
    "provider::command::CommandSource",
    "provider::command::Program",
    "provider::describe::CodeDescription",
    "provider::describe::CommandDescription",
    "provider::describe::CreditDescription",
    "provider::describe::Description",
    "provider::describe::MethodDescription",
    "provider::describe::OrganizationDescription",
    "provider::describe::PortsDescription",
    "provider::describe::ProgramDescription",
    "provider::describe::RedirectDescription",
    "provider::describe::UsageDescription",
    "provider::describe::UseDescription",
    "provider::describe::WindowDescription",
    "provider::describe::WorkloadDescription",
    "provider::login_method::CallbackBrings",
    "provider::login_method::DeviceDialect",
    "provider::login_method::Encoding",
    "provider::login_method::SecondStep",
    "provider::organization::Choice",
    "provider::organization::Organizations",
    "provider::redirect::CodeForm",
    "provider::redirect::Redirect",
    "provider::redirect::RedirectPorts",
    "provider::revocation::RevocationEnds",
    "provider::share::ApiShape",
    "provider::source::Source",
    "provider::usage::UsageQuery",
    "provider::workload::AssertionSource",
    "provider::workload::Workload",
    "provider::workload::WorkloadGrant",
    "remote::Known",
    "remote::offer::Offer",
    "signals::Asked",
    "store::Stamp",
    "store::change::Refusal",
    "store::change::Removed",
    "store::change::Updated",
    "store::keyring::Keyring",
    "store::keyring::KeyringError",
    "store::keyring::Patience",
    "store::lock::FiguresLock",
    "store::lock::LoginLock",
    "store::lock::StoreLock",
    "store::parsed::Parsed",
    "store::place::Cause",
    "store::place::Place",
    "store::place::Unplaced",
    "store::update::Current",
    "tasks::Executor",
    "wording::Face",
];

/// The path of each below `folder`, whose own path is `module`: two of one name are two.
fn public_types_with_debug(folder: &Path, module: &str, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let (path, name) = (entry.path(), entry.file_name().into_string().unwrap());
        let inner = match name.split('.').next().unwrap() {
            "mod" => module.to_owned(),
            stem if module.is_empty() => stem.to_owned(),
            stem => format!("{module}::{stem}"),
        };
        if path.is_dir() {
            public_types_with_debug(&path, &inner, found);
        } else if name.ends_with(".rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            found.extend(types_with_debug(&text).into_iter().map(|name| format!("{inner}::{name}")));
        }
    }
}

fn types_with_debug(text: &str) -> Vec<&str> {
    let (mut derives, mut found) = (false, Vec::new());
    for line in text.lines() {
        let name = ["pub struct ", "pub enum ", "impl fmt::Debug for "].iter().find_map(|start| {
            let is_own = derives || start.starts_with("impl");
            line.strip_prefix(start).filter(|_| is_own)
        });
        found.extend(name.map(|rest| rest.split(|c: char| !c.is_alphanumeric()).next().unwrap()));
        derives = line.starts_with("#[derive(") && line.contains("Debug")
            || derives && line.starts_with(['#', '/']);
    }
    found
}

#[test]
fn a_new_public_type_is_looked_at() {
    let (mut found, dir) = (Vec::new(), TestDir::new());
    public_types_with_debug(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "", &mut found);
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
