//! What networks and providers do to a refresh, through the real program: each is told by its own error, and
//! the login works once it has ended (rules 4 and 7).

use convocations::error::Code;
use serde_json::{Value, json};

use crate::backend::Backend;
use crate::common::{Sandbox, approve, fault, visit};
use crate::control::{NO_NAMES, WALL};
use crate::fixture::{Fixture, OTHER_KEY, each, is_good};
use crate::rude::{self, BEFORE_THE_BODY, IN_THE_BODY, IN_THE_HEAD, Manners};
use crate::table::{self, Row, Seen};

/// Seconds for one request. Two are made, so that what hangs costs a little more than twice as much.
const SETTINGS: &str = "[http]\ntimeout = 1\n";
/// Longest time that a provider is left alone because it asked for it, and a second.
const REST: i64 = 301;

/// Where a fault is.
enum At {
    /// The sandbox's answer to a refresh.
    Answer(Value),
    /// Another server in the provider's place.
    Server(Manners),
    /// The same, behind an `https:` address.
    TlsServer(Manners),
    /// A certificate that nobody trusts.
    Certificate,
    /// A host that has no address.
    Name,
}

/// The login is as it was and works again.
const KEPT: &str = "";
const SPENT: &str = "lost: the provider has spent the refresh token; the next call says so";

struct Case {
    fault: &'static str,
    at: At,
    code: Code,
    then: &'static str,
}

fn answer(fault: &'static str, planted: Value, code: Code) -> Case {
    Case { fault, at: At::Answer(planted), code, then: KEPT }
}

fn server(fault: &'static str, manners: Manners, code: Code) -> Case {
    Case { fault, at: At::Server(manners), code, then: KEPT }
}

fn connections() -> Vec<Case> {
    use Manners::*;
    let case = |fault, at, code| Case { fault, at, code, then: KEPT };
    vec![
        server("connection refused", Refuse, Code::Network),
        case("no address for the host", At::Name, Code::Network),
        server("reset in the request", ResetInTheRequest, Code::Network),
        server("reset after the request", ResetAfter(0), Code::Network),
        server("reset in the head of the answer", ResetAfter(IN_THE_HEAD), Code::Network),
        server("reset before the body", ResetAfter(BEFORE_THE_BODY), Code::Network),
        server("reset in the body", ResetAfter(IN_THE_BODY), Code::Network),
        answer("closed after the request", fault::dropped(), Code::Network),
        server("no answer", SilentAfter(0), Code::Timeout),
        server("no end of the head", SilentAfter(IN_THE_HEAD), Code::Timeout),
        server("no body", SilentAfter(BEFORE_THE_BODY), Code::Timeout),
        server("no end of the body", SilentAfter(IN_THE_BODY), Code::Timeout),
        server("one byte at a time", Drip, Code::Timeout),
        server("something that is not HTTP", Gibberish, Code::Network),
        case("a certificate that is not trusted", At::Certificate, Code::Network),
        case("no TLS where TLS is due", At::TlsServer(Gibberish), Code::Network),
        case("refused, behind TLS", At::TlsServer(Refuse), Code::Network),
        case("reset in the TLS handshake", At::TlsServer(ResetAfter(0)), Code::Network),
        case("silence in the TLS handshake", At::TlsServer(SilentAfter(0)), Code::Timeout),
    ]
}

fn answers() -> Vec<Case> {
    let limited = |after: Value| json!({"status": 429, "body": "", "retry_after": after});
    vec![
        answer("a captive portal (HTML at 200)", fault::shape("html"), Code::BadResponse),
        answer("HTML at 403", fault::json_body(403, json!("<html>")), Code::BadResponse),
        answer("HTML at 502", fault::json_body(502, json!("<html>")), Code::ProviderError),
        answer("a redirect (302)", fault::redirect("http://127.0.0.1:9/"), Code::BadResponse),
        answer(
            "a redirect (307)",
            json!({"status": 307, "body": "", "headers": {"location": "http://127.0.0.1:9/"}}),
            Code::BadResponse,
        ),
        answer("an empty body", fault::shape("empty"), Code::BadResponse).also(json!({"process": false})),
        answer("bytes that are no text", fault::shape("binary"), Code::BadResponse),
        answer("a body of 100 MB", fault::shape("huge"), Code::BadResponse),
        answer("a gzip bomb", fault::shape("gzip-bomb"), Code::BadResponse),
        answer("408", fault::status(408), Code::Timeout),
        answer("429, an hour in seconds", limited(json!(3600)), Code::RateLimited),
        answer("429, until a date", limited(json!({"date": 120})), Code::RateLimited),
        answer("429, without a time", fault::status(429), Code::RateLimited),
        answer("429, with a time that is none", limited(json!("soon")), Code::RateLimited),
        answer("500", fault::status(500), Code::ProviderError),
        answer("503, 60 s", json!({"status": 503, "body": "", "retry_after": 60}), Code::ProviderError),
        answer("529", fault::status(529), Code::ProviderError),
    ]
}

fn bodies() -> Vec<Case> {
    let body = |fault, body, code| answer(fault, fault::json_body(200, body), code);
    let error = |fault, status, error: Value, code| {
        answer(fault, fault::json_body(status, json!({ "error": error })), code)
    };
    let coded = |kind: &str| json!({"type": kind, "message": "planted"});
    vec![
        body("JSON that is a list", json!([1]), Code::BadResponse),
        body("JSON that is null", json!(null), Code::BadResponse),
        body("an answer without a token", json!({"expires_in": 60}), Code::BadResponse),
        body("a token that is a number", json!({"access_token": 7}), Code::BadResponse),
        body("a token that is empty", json!({"access_token": ""}), Code::BadResponse),
        body("half of an answer", json!("{\"access_token\":\"pla"), Code::BadResponse),
        error("`error` as text, passing", 400, json!("temporarily_unavailable"), Code::ProviderError),
        error("`error` as text, at 200", 200, json!("server_error"), Code::ProviderError),
        error("`error` as text, a setting", 401, json!("invalid_client"), Code::ProviderRefused),
        error("`error` as text, unknown", 400, json!("planted"), Code::ProviderRefused),
        error("`error` as an object", 400, coded("overloaded_error"), Code::ProviderError),
        error("`error` as an object, at 200", 200, coded("rate_limit_error"), Code::RateLimited),
        error("`error` as a number", 400, json!(7), Code::ProviderRefused),
    ]
}

fn all() -> Vec<Case> {
    let mut all = connections();
    all.extend(answers());
    all.extend(bodies());
    let lost = |fault, planted, code| Case { fault, at: At::Answer(planted), code, then: SPENT };
    all.push(lost("a reply lost after the provider rotated", fault::lost_reply(), Code::Network));
    all.push(lost("half a reply after the provider rotated", fault::shape("truncated"), Code::BadResponse));
    all
}

impl Case {
    fn also(mut self, fields: Value) -> Self {
        if let At::Answer(fault) = &mut self.at {
            fault.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        }
        self
    }

    /// A folder whose login has so many seconds left and meets the fault.
    fn fixture(&self, sandbox: &Sandbox, left: i64) -> Fixture {
        let config = format!("{}\n{SETTINGS}", sandbox.config_toml());
        let honest = sandbox.at("/anthropic/v1/oauth/token");
        assert!(config.contains(&honest), "{config}");
        let elsewhere = match &self.at {
            At::Answer(_) => honest.clone(),
            At::Server(manners) => format!("http://{}/token", rude::serve(*manners)),
            At::TlsServer(manners) => format!("https://{}/token", rude::serve(*manners)),
            At::Certificate => format!("{}/anthropic/v1/oauth/token", sandbox.tls().0),
            At::Name => "https://auth.example/token".to_owned(),
        };
        let fixture = Fixture::with(&config.replace(&honest, &elsewhere));
        fixture.unreliable.set(NO_NAMES, i64::from(matches!(self.at, At::Name)));
        fixture.put_key("openrouter", OTHER_KEY);
        fixture.put_login(sandbox, "anthropic", left);
        fixture
    }

    /// Ends the fault.
    fn end(&self, sandbox: &Sandbox, fixture: &Fixture) {
        sandbox.no_faults();
        let store = "[store]\nbackend = \"local-encrypted\"\n";
        fixture.dir.write_config(&format!("{}\n{SETTINGS}{store}", sandbox.config_toml()));
        fixture.unreliable.set(NO_NAMES, 0);
        // A provider's wish to be left alone outlives its fault.
        fixture.unreliable.set(WALL, REST);
    }
}

#[test]
fn every_fault_of_the_network_is_told_and_passes() {
    let row = |case: Case| Row { fault: case.fault.to_owned(), seen: meet(&case), then: case.then };
    table::check("Network", &each(all(), 8, row));
}

fn meet(case: &Case) -> Seen {
    let sandbox = Sandbox::start_with(if matches!(case.at, At::Certificate) { &["--tls"] } else { &[] });
    let plant = || {
        if let At::Answer(planted) = &case.at {
            sandbox.plant(json!({"route": "anthropic.token", "grant": "refresh_token", "fault": planted}));
        }
    };
    plant();
    let seen = in_the_editor(case, &sandbox);
    let fixture = case.fixture(&sandbox, -10);
    let before = fixture.logins();
    let ran = fixture.cli_unreliable("token anthropic", "");
    assert_eq!(Seen::failed(&fixture, &ran, case.code), seen, "{}", case.fault);
    assert_eq!(fixture.logins(), before, "{}", case.fault);
    assert!(!ran.stderr.contains("planted") && !ran.stderr.contains("://"), "{}: {ran:?}", case.fault);
    fixture.no_secret_wandered(&sandbox, &ran.stderr);
    while_the_old_token_lives(case, &sandbox);
    in_a_login(case, &sandbox);
    case.end(&sandbox, &fixture);
    let after = fixture.cli_unreliable("token anthropic", "");
    match case.then {
        KEPT => assert!(is_good(&sandbox, after.stdout.trim()), "{}: {after:?}", case.fault),
        _ => assert!(after.code() == 3 && after.took.as_secs() < 2, "{}: {after:?}", case.fault),
    }
    assert_eq!(fixture.cli("token openrouter", "").stdout.trim(), OTHER_KEY, "{}", case.fault);
    seen
}

fn in_the_editor(case: &Case, sandbox: &Sandbox) -> Seen {
    let fixture = case.fixture(sandbox, -10);
    let before = fixture.logins();
    let arguments: [&str; 0] = [];
    let mut command = fixture.dir.convocations(arguments);
    command.env("CONVOCATIONS_LOG", "debug");
    let mut backend = Backend::start(fixture.unreliable.under(&mut command), json!({}));
    let error = backend.fails("get", json!({"login": "anthropic"}), case.code.as_str());
    assert_eq!(fixture.logins(), before, "{}", case.fault);
    assert_eq!(backend.ok("get", json!({"login": "openrouter"}))["token"], OTHER_KEY, "{}", case.fault);
    fixture.no_secret_wandered(sandbox, &error.to_string());
    Seen::error(&fixture, &error)
}

/// The same fault in a login's exchange: the login fails with an error of its own, and the one before stays.
fn in_a_login(case: &Case, sandbox: &Sandbox) {
    if let At::Answer(planted) = &case.at {
        let grant = "authorization_code";
        sandbox.plant(json!({"route": "anthropic.token", "grant": grant, "fault": planted}));
    }
    let fixture = case.fixture(sandbox, 3600);
    let before = fixture.logins();
    let arguments: [&str; 0] = [];
    let mut command = fixture.dir.convocations(arguments);
    let mut backend = Backend::start(fixture.unreliable.under(&mut command), json!({}));
    backend.ok("login.start", json!({"login": "anthropic", "method": "subscription", "confirmed": true}));
    visit(&approve(backend.stage("open-url")["url"].as_str().unwrap()));
    let failed = backend.stage("failed")["error"].clone();
    let (code, hint) = (failed["code"].as_str().and_then(Code::from_name), failed["hint"].as_str());
    assert!(code.is_some_and(|code| code != Code::Cancelled) && hint.is_some(), "{}: {failed}", case.fault);
    assert_eq!(fixture.logins(), before, "{}", case.fault);
    fixture.no_secret_wandered(sandbox, &failed.to_string());
    assert_eq!(
        backend.ok("get", json!({"login": "anthropic"}))["token"],
        before["anthropic"].0,
        "{}",
        case.fault
    );
}

fn while_the_old_token_lives(case: &Case, sandbox: &Sandbox) {
    let fixture = case.fixture(sandbox, 60);
    let before = fixture.logins();
    let ran = fixture.cli_unreliable("token anthropic", "");
    let old = &before["anthropic"].0;
    assert_eq!((ran.code(), ran.stdout.trim(), ran.stderr.as_str()), (0, old.as_str(), ""), "{}", case.fault);
    assert_eq!(fixture.logins(), before, "{}", case.fault);
}
