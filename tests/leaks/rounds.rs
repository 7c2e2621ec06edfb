//! A whole life of a login by every way: in, used, refreshed, used by programs, out. Nothing of it is left in
//! sight.

use serde_json::{Value, json};

use crate::backend::{Backend, Message};
use crate::common::{Sandbox, TestDir, run};
use crate::search::{Places, secrets, shown};
use crate::ways::{self, KEY, Person, WAYS, Way};

/// What the backend said, without what is meant for the person's eyes (an address to open, a code to type)
/// and without the tokens that were asked for.
pub fn told(backend: &Backend) -> Vec<u8> {
    let is_meant = |message: &Message| match message {
        Message::Reply(_, _, result) => result["token"].is_string(),
        Message::Event(name, data) => {
            name == "credential" || data["stage"] == "open-url" || data["stage"] == "device-code"
        }
    };
    let heard = backend.heard();
    let rest = heard.iter().filter(|message| !is_meant(message));
    rest.flat_map(|message| match message {
        Message::Reply(_, error, result) => [shown(error), shown(result)].concat(),
        Message::Event(_, data) => shown(data),
    })
    .collect()
}

/// What proxies and logs of servers see of the requests that were ours, and not the browser's: address and
/// name.
pub fn asked(sandbox: &Sandbox) -> Vec<u8> {
    let calls = sandbox.calls();
    let ours = calls["list"].as_array().unwrap().iter().filter_map(|call| {
        let name = call["headers"]["user-agent"].as_str().filter(|name| name.starts_with("convocations/"))?;
        assert!(call["headers"]["referer"].is_null(), "{call}");
        Some(format!("{name} {}?{}\n", call["path"], call["query"]))
    });
    ours.collect::<String>().into_bytes()
}

/// What programs outside the editor say, but for the token on standard output.
pub fn programs(dir: &TestDir, login: &str, variables: &[(&str, &str)], places: &mut Places) {
    for args in ["token", "token --json", "status --json", "status", "providers --json", "doctor"] {
        let mut args: Vec<&str> = args.split(' ').collect();
        if args[0] == "token" {
            args.insert(1, login);
        }
        let mut command = dir.convocations(&args);
        let ran = run(command.env("CONVOCATIONS_LOG", "debug").envs(variables.iter().copied()), "");
        places.add(format!("standard error of {args:?}"), ran.stderr);
        if args[0] != "token" {
            places.add(format!("standard output of {args:?}"), ran.stdout);
        }
    }
}

fn round(sandbox: &Sandbox, way: Way) {
    let dir = ways::home(sandbox);
    let mut places = Places::default();
    let mut backend = ways::backend(&dir);
    ways::log_in(&mut backend, way);
    let mut held = backend.ok("get", json!({ "login": way.login }));
    if way.refresh.is_some() {
        held = backend.ok("invalidate", json!({ "login": way.login, "token": held["token"] }));
    }
    let headers = held["headers"].as_object().unwrap().values();
    let token = held["token"].as_str().unwrap();
    assert!(
        headers.filter_map(Value::as_str).any(|value| value.contains(token)),
        "{way:?}: it is handed out"
    );
    backend.ok("status", json!({}));
    places.add_process("the backend", backend.id());
    places.add_files(&dir);
    programs(&dir, way.login, &[], &mut places);
    backend.ok("logout", json!({ "login": way.login }));
    backend.fails("get", json!({ "login": way.login }), "not_logged_in");
    places.add_files(&dir);
    places.add("the backend's messages", told(&backend));
    places.add("the backend's standard error", backend.last_words());
    places.add("addresses that were asked, and the program's name for itself", asked(sandbox));
    let mut secrets = secrets(sandbox);
    secrets.insert(KEY.to_owned());
    assert!(secrets.contains(token), "{way:?}: the token itself is searched for");
    places
        .has("convocations.log")
        .has("credentials.toml")
        .has("cmdline of the backend")
        .hold_none_of(&secrets);
}

/// Two at a time: most of each is waiting.
fn rounds(ways: &[Way]) {
    std::thread::scope(|scope| {
        for half in ways.chunks(ways.len().div_ceil(3)) {
            scope.spawn(move || {
                let sandbox = ways::sandbox();
                half.iter().for_each(|way| round(&sandbox, *way));
            });
        }
    });
}

#[test]
fn every_way_in_leaves_nothing_in_sight() {
    rounds(WAYS);
}

#[test]
fn a_key_of_ones_own_is_left_nowhere_whatever_the_provider() {
    let sandbox = ways::sandbox();
    let listed = run(&mut ways::home(&sandbox).convocations(["providers", "--json"]), "").ok().stdout;
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let all = listed.as_array().or_else(|| listed["providers"].as_array()).unwrap();
    let takes_keys = |provider: &&Value| {
        provider["methods"].as_array().unwrap().iter().any(|method| method["id"] == "api-key")
    };
    let ids = all.iter().filter(takes_keys).map(|provider| ways::text(provider, "id").leak() as &str);
    let ways: Vec<Way> =
        ids.map(|login| Way { login, method: "api-key", person: Person::Key, refresh: None }).collect();
    assert!(ways.len() > 8, "{ways:?}");
    rounds(&ways);
}
