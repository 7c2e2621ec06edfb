//! How much is used: asked when somebody looks and no oftener, told with its age, and never a fault of the
//! login.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "common/backend.rs"]
mod backend;
mod common;

use std::sync::Arc;
use std::time::Duration;

use backend::Backend;
use common::{Child, Ran, Sandbox, TestDir, approve_device, eventually, fault, http, run};
use convocations::broker::Broker;
use convocations::clock::Clock;
use convocations::config::Config;
use convocations::http::{Http, Trust};
use convocations::protocol::Usage;
use convocations::services::Services;
use convocations::store::Store;
use serde_json::{Value, json};

/// A home with the sandbox's providers.
struct Home {
    sandbox: Sandbox,
    dir: TestDir,
}

impl Home {
    fn new() -> Self {
        let (sandbox, dir) = (Sandbox::start(), TestDir::new());
        let config = sandbox.config_toml();
        dir.write_config(&format!(
            "{config}\n[store]\nbackend = \"local-encrypted\"\n[callback]\nport = 0\n"
        ));
        Self { sandbox, dir }
    }

    fn cli(&self, args: &[&str], input: &str) -> Ran {
        run(&mut self.dir.convocations(args), input)
    }

    /// A key that the sandbox's provider of this name takes.
    fn key(&self, login: &str, provider: &str) -> String {
        let key = self.sandbox.mint(provider, "api-key")["key"].as_str().unwrap().to_owned();
        self.cli(&["secret", "set", login], &format!("{key}\n")).ok();
        key
    }

    fn json(&self, login: &str) -> Value {
        serde_json::from_str(&self.cli(&["usage", login, "--json"], "").ok().stdout).unwrap()
    }

    /// A login by device code at the command line.
    fn device(&self, login: &str) {
        let child =
            Child::spawn(&mut self.dir.convocations(["login", login, "--method", "device", "--no-browser"]));
        let word = |text: &str| {
            let page = text.split_whitespace().find(|word| word.starts_with(self.sandbox.url()))?.to_owned();
            let is_code = |word: &&str| word.len() == 9 && word.as_bytes().get(4) == Some(&b'-');
            Some((page, text.split_whitespace().find(is_code)?.to_owned()))
        };
        let (page, code) = eventually("the code", || word(&child.stderr()));
        approve_device(&page, &code, "ada");
        assert_eq!(child.finish(Duration::from_secs(30)).code(), 0);
    }

    /// A broker of its own, as in another process, by this clock.
    fn broker(&self, clock: &Clock) -> Broker {
        let config = Config::load(&self.dir.paths(), None).unwrap();
        Broker::new(Services {
            agent: None,
            store: Store::new(&self.dir.paths(), &config.store),
            http: Http::new(config.http.limit(), Trust::default()),
            clock: clock.clone(),
            config,
        })
    }
}

#[test]
fn a_provider_with_an_address_is_asked_once_a_minute_by_all_processes() {
    let home = Home::new();
    home.key("openrouter", "openrouter");
    let data = json!({ "data": { "limit": 20, "limit_remaining": 12.5, "usage_daily": 0.5,
        "free_model_daily_requests": { "used": 5, "limit": 50, "remaining": 45 } } });
    home.sandbox.fault_for_ever("openrouter.key", fault::set(data));
    let told = home.json("openrouter");
    assert_eq!((&told["source"], &told["credit"]["remaining"]), (&json!("endpoint"), &json!(12.5)));
    assert_eq!(told["credit"]["unit"], "USD");
    let names: Vec<&str> =
        told["windows"].as_array().unwrap().iter().map(|window| window["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["1 d", "1 d free"], "what is not told is not there");
    let ran = home.cli(&["usage"], "").ok();
    assert!(ran.stdout.contains("12.50 of 20.00 USD left"), "{ran:?}");
    assert!(ran.stdout.contains("[##..................]  10 %  5 of 50 requests"), "{ran:?}");
    assert!(ran.stdout.lines().all(|line| line.chars().count() <= 80), "{ran:?}");
    let mut backend = Backend::start(&mut home.dir.convocations(Vec::<String>::new()), json!({}));
    assert_eq!(backend.ok("usage", json!({ "login": "openrouter" }))["short"], "1 d free 5/50");
    backend.fails("usage", json!({ "login": "openrouter", "more": 1 }), "invalid_argument");
    assert_eq!(home.sandbox.count("openrouter.key"), 1, "three processes, one question");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_keeps_the_last_figures_and_is_none_of_the_login() {
    let home = Home::new();
    home.key("openrouter", "openrouter");
    let (clock, login) = (Clock::manual(1_800_000_000), "openrouter".parse().unwrap());
    home.sandbox.fault("openrouter.key", 1, fault::set(json!({ "data": { "limit_remaining": 3 } })));
    let first = home.broker(&clock).usage(&login).await.unwrap();
    assert_eq!((first.at, first.error), (Some(1_800_000_000), None));
    for (planted, code) in [
        (fault::status(503), "provider_error"),
        (fault::status(401), "provider_refused"),
        (fault::rate_limited(3600), "rate_limited"),
        (fault::shape("html"), "bad_response"),
        (fault::dropped(), "network"),
        (fault::hang(), "timeout"),
    ] {
        clock.advance(61);
        home.sandbox.fault_for_ever("openrouter.key", planted.clone());
        let (asked, broker) = (home.sandbox.count("openrouter.key"), home.broker(&clock));
        let told = broker.usage(&login).await.unwrap();
        assert_eq!(told.error.unwrap().code().as_str(), code, "{planted}");
        assert_eq!((told.at, &told.credit), (Some(1_800_000_000), &first.credit), "as it was told last");
        let status = broker.status(Some(&login)).await.unwrap().remove(0);
        assert_eq!((status.state.as_str(), status.error), ("valid", None), "{planted}");
        assert!(broker.get(&login, None).await.is_ok());
        // A failure is an answer too: nobody asks again at once, and everybody is told why.
        let told = home.broker(&clock).usage(&login).await.unwrap();
        assert_eq!(told.error.unwrap().code().as_str(), code, "{planted}: in another process");
        assert_eq!(home.sandbox.count("openrouter.key"), asked + 1, "{planted}");
        home.sandbox.no_faults();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_are_one_question() {
    let home = Home::new();
    home.key("deepseek", "key");
    let (broker, login) = (Arc::new(home.broker(&Clock::System)), "deepseek".parse().unwrap());
    home.sandbox.fault_for_ever("deepseek.balance", fault::delay(200));
    let ask = || {
        let (broker, login) = (Arc::clone(&broker), convocations::login_id::LoginId::clone(&login));
        tokio::spawn(async move { broker.usage(&login).await.unwrap() })
    };
    let all: Vec<_> = (0..20).map(|_| ask()).collect();
    for one in all {
        let told: Usage = one.await.unwrap();
        assert_eq!(told.credit.unwrap().unit.as_deref(), Some("CNY"));
    }
    assert_eq!(home.sandbox.count("deepseek.balance"), 1);
}

/// Terminals that ask in the same instant: one of them does, and the others have its answer.
#[test]
fn processes_that_ask_at_once_share_one_question() {
    let home = Home::new();
    home.key("deepseek", "key");
    home.sandbox.fault_for_ever("deepseek.balance", fault::delay(700));
    let ask = || Child::spawn(&mut home.dir.convocations(["usage", "deepseek", "--json"]));
    let all: Vec<Child> = (0..8).map(|_| ask()).collect();
    for child in all {
        let told = child.finish(Duration::from_secs(60)).ok();
        let told: Value = serde_json::from_str(&told.stdout).unwrap();
        assert_eq!((&told["credit"]["unit"], told.get("error")), (&json!("CNY"), None), "{told}");
    }
    assert_eq!(home.sandbox.count("deepseek.balance"), 1);
    // One that is stopped in the middle of it keeps nobody waiting for ever, and a killed one for no time.
    std::fs::remove_file(home.dir.paths().usage_dir().join("deepseek.json")).unwrap();
    home.sandbox.no_faults();
    home.sandbox.fault("deepseek.balance", 1, fault::hang());
    let mut killed = ask();
    home.sandbox.wait_for_calls("deepseek.balance", 2);
    std::fs::remove_file(home.dir.paths().usage_dir().join("deepseek.json")).unwrap();
    let after = ask();
    killed.kill();
    let told: Value = serde_json::from_str(&after.finish(Duration::from_secs(60)).ok().stdout).unwrap();
    assert_eq!(told["credit"]["unit"], "CNY", "{told}");
}

/// What is answered with 200 and tells nothing takes nothing away, and what was told is shown.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_figures_keeps_the_last_ones() {
    let home = Home::new();
    home.key("openrouter", "openrouter");
    let (clock, login) = (Clock::manual(1_800_000_000), "openrouter".parse().unwrap());
    home.sandbox.fault("openrouter.key", 1, fault::set(json!({ "data": { "limit_remaining": 3 } })));
    let first = home.broker(&clock).usage(&login).await.unwrap();
    for odd in [
        json!({ "error": { "message": "planted-words", "code": 500 } }),
        json!({ "data": null }),
        json!({ "data": { "limit_remaining": 1e300, "limit": -1 } }),
        json!({ "data": { "limit_remaining": [3], "limit": "none" } }),
    ] {
        clock.advance(61);
        home.sandbox.fault("openrouter.key", 1, fault::json_body(200, odd.clone()));
        let told = home.broker(&clock).usage(&login).await.unwrap();
        let error = told.error.unwrap();
        assert_eq!(error.code().as_str(), "bad_response", "{odd}");
        assert!(!format!("{error:?}").contains("planted"), "{error:?}");
        assert_eq!(
            (told.at, &told.credit, told.short),
            (first.at, &first.credit, first.short.clone()),
            "{odd}"
        );
    }
}

/// A plan that is over leaves no figures of it.
#[test]
fn nanogpt_tells_of_a_plan() {
    let home = Home::new();
    let key = home.key("nanogpt", "key");
    let told = home.json("nanogpt");
    assert_eq!((&told["windows"][0]["name"], &told["windows"][0]["used"]), (&json!("1 d"), &json!(5.0)));
    assert!(told["windows"][0]["resets_at"].as_i64().unwrap() < 10_000_000_000, "seconds: {told}");
    assert_eq!(
        home.sandbox.calls_of("nanogpt.usage")[0]["headers"]["authorization"],
        format!("Bearer {key}").as_str()
    );
    home.sandbox.switch(json!({ "nanogpt": { "plan": false } }));
    std::fs::remove_file(home.dir.paths().usage_dir().join("nanogpt.json")).unwrap();
    let told = home.json("nanogpt");
    assert_eq!((&told["error"]["code"], told.get("at")), (&json!("provider_refused"), None), "{told}");
    assert!(home.cli(&["usage", "nanogpt"], "").ok().stdout.contains("this login has none now"));
}

/// Two terminals may have two keys in the same variable.
#[test]
fn a_variables_figures_are_those_of_its_key() {
    let home = Home::new();
    let keys = [0, 1].map(|_| home.sandbox.mint("openrouter", "api-key")["key"].as_str().unwrap().to_owned());
    for (count, key) in [(1, &keys[0]), (1, &keys[0]), (2, &keys[1])] {
        let mut command = home.dir.convocations(["usage", "openrouter", "--json"]);
        let told: Value =
            serde_json::from_str(&run(command.env("OPENROUTER_API_KEY", key), "").ok().stdout).unwrap();
        assert_eq!((told.get("error"), home.sandbox.count("openrouter.key")), (None, count), "{told}");
    }
    assert!(home.dir.files_with(&keys).is_empty());
}

#[test]
fn each_address_is_asked_as_it_wants_to_be() {
    let home = Home::new();
    home.sandbox.switch(json!({ "github": { "interval": 1 }, "kimi": { "interval": 1 } }));
    home.key("moonshot", "key");
    assert_eq!(home.json("moonshot")["lines"], json!(["credit           49.59 (currency not told) left"]));
    home.device("github-copilot");
    let told = home.json("github-copilot");
    assert_eq!(told["windows"][0]["name"], "month premium");
    assert_eq!((&told["windows"][0]["used"], &told["windows"][0]["limit"]), (&json!(1.0), &json!(300.0)));
    let call = &home.sandbox.calls_of("github.copilot-user")[0];
    let sent = call["headers"]["authorization"].as_str().unwrap();
    assert!(sent.starts_with("token ghu_"), "GitHub's own token, in GitHub's way");
    home.device("kimi-ai");
    let told = home.json("kimi-ai");
    assert_eq!((&told["windows"][0]["name"], &told["windows"][1]["name"]), (&json!("7 d"), &json!("5 h")));
    assert_eq!((home.sandbox.count("kimi.usages"), home.sandbox.count("kimi-ai.usages")), (0, 1));
}

/// No token is fetched to draw a number; the next look after a refresh has one.
#[test]
fn an_ended_token_is_not_refreshed_for_it() {
    let home = Home::new();
    home.sandbox.switch(json!({ "kimi": { "interval": 1, "tokens": { "lifetime": 1 } } }));
    home.device("kimi");
    let polls = home.sandbox.count("kimi.token");
    std::thread::sleep(Duration::from_millis(1100));
    let told = home.json("kimi");
    assert_eq!((&told["error"]["code"], told.get("at")), (&json!("login_expired"), None));
    assert_eq!((home.sandbox.count("kimi.token"), home.sandbox.count("kimi.usages")), (polls, 0));
    let text = home.cli(&["usage", "kimi"], "").ok().stdout;
    assert!(text.contains("unknown"), "{text}");
}

/// A base token goes where its login was made and nowhere else (rule 20).
#[tokio::test(flavor = "multi_thread")]
async fn githubs_token_goes_to_github_alone() {
    let home = Home::new();
    home.sandbox.switch(json!({ "github": { "interval": 1 } }));
    home.device("github-copilot");
    let elsewhere = Sandbox::start();
    let config = home.sandbox.config_toml();
    let place = home.sandbox.at("/github/api/copilot_internal/user");
    let moved = config.replace(&place, &elsewhere.at("/github/api/copilot_internal/user"));
    assert_ne!(moved, config);
    home.dir.write_config(&format!("{moved}\n[store]\nbackend = \"local-encrypted\"\n"));
    let login = "github-copilot".parse().unwrap();
    let told = home.broker(&Clock::System).usage(&login).await.unwrap();
    assert!(told.error.unwrap().message().contains("was made at"), "and says so");
    assert_eq!(elsewhere.count("github.copilot-user"), 0);
}

/// The gateway of one process, read by another; of a provider that has no address of its own.
#[test]
fn what_passes_the_gateway_is_known_to_all_processes() {
    let home = Home::new();
    let key = home.key("groq", "key");
    let unknown = home.json("groq");
    assert_eq!(
        (&unknown["source"], unknown.get("at"), unknown.get("short")),
        (&json!("headers"), None, None)
    );
    let text = home.cli(&["usage", "groq"], "").ok().stdout;
    assert!(text.contains("unknown: told by answers that pass the gateway"), "{text}");

    let child = Child::spawn(&mut home.dir.convocations(["gateway", "groq", "--json"]));
    let line = eventually("the line", || Some(child.stdout()).filter(|line| line.ends_with('\n')));
    let door = serde_json::from_str::<Value>(&line).unwrap()["logins"]["groq"].clone();
    let headers = json!({ "x-ratelimit-limit-requests": "1000", "x-ratelimit-remaining-requests": "380",
        "x-ratelimit-reset-requests": "2m59.56s", "x-ratelimit-limit-tokens": "6000" });
    home.sandbox.fault_for_ever("key.models", json!({ "headers": headers, "process": true }));
    let bearer = format!("Bearer {}", door["key"].as_str().unwrap());
    let url = format!("{}/models", door["url"].as_str().unwrap());
    assert_eq!(http::get_with(&url, &[("authorization", &bearer)]).status, 200);
    let told = eventually("the figures", || Some(home.json("groq")).filter(|told| told.get("at").is_some()));
    assert_eq!(told["windows"][0]["used"], 620.0);
    assert!(told["windows"][0]["resets_at"].as_i64().unwrap() > told["at"].as_i64().unwrap());
    assert_eq!(told["short"], "requests 620/1000");
    let file = home.dir.paths().usage_dir().join("groq.json");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    assert!(home.dir.files_with(&[key]).is_empty(), "figures only");
    drop(child);

    // Another key's figures are not this one's; a damaged file is as good as none.
    home.key("groq", "key");
    assert_eq!(home.json("groq").get("at"), None);
    std::fs::write(&file, "{").unwrap();
    assert_eq!(home.json("groq").get("at"), None);
}

#[test]
fn nobody_is_asked_about_what_is_not_there() {
    let home = Home::new();
    let ran = home.cli(&["usage", "openrouter"], "");
    assert_eq!(ran.code(), 3, "{ran:?}");
    assert_eq!(home.cli(&["usage", "nobody"], "").code(), 2);
    let none = home.cli(&["usage"], "").ok();
    assert!(none.stdout.contains("not logged in anywhere"), "{none:?}");
    let providers: Value = serde_json::from_str(&home.cli(&["providers", "--json"], "").ok().stdout).unwrap();
    let all = providers["providers"].as_array().unwrap();
    let source = |id: &str| all.iter().find(|one| one["id"] == id).unwrap()["usage"].clone();
    for id in ["openrouter", "github-copilot", "deepseek", "moonshot", "kimi", "kimi-ai", "nanogpt"] {
        assert_eq!(source(id), "endpoint", "{id}");
    }
    assert_eq!(source("groq"), "headers");
    let is_told = |one: &Value| {
        let terms = one["terms"].as_str().is_some_and(|terms| !terms.is_empty());
        terms && !one["methods"].as_array().unwrap().is_empty() && one["usage"].is_string()
    };
    assert!(all.iter().all(is_told), "ways in, terms, usage of each: {all:?}");
    assert_eq!(home.sandbox.count("openrouter.key"), 0);
}
