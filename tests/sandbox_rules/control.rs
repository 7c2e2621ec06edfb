//! What `/_control` tells and turns.

use serde_json::{Value, json};

use crate::common::http::{get, post_json};
use crate::common::{Sandbox, approve, deny};
use crate::pkce::{challenge, param, with_query};

fn authorize(sandbox: &Sandbox) -> String {
    let challenge = challenge();
    let params = [("callback_url", "http://localhost:1/x"), ("code_challenge", challenge.as_str())];
    with_query(&sandbox.at("/openrouter/auth"), &params)
}

#[test]
fn calls_are_counted_by_route_and_grant_and_shown_whole() {
    let sandbox = Sandbox::start();
    let body = json!({ "grant_type": "refresh_token", "x": 1 });
    post_json(&sandbox.at("/anthropic/v1/oauth/token"), &body);
    get(&sandbox.at("/openrouter/api/v1/key?a=b"));
    let calls = sandbox.calls();
    assert_eq!(calls["total"], 2);
    assert_eq!(calls["grants"]["anthropic.token:refresh_token"], 1);
    let shown = &sandbox.calls_of("openrouter.key")[0];
    assert_eq!((&shown["query"], &shown["status"]), (&json!("a=b"), &json!(401)));
    assert_eq!(sandbox.calls_of("anthropic.token")[0]["fields"]["x"], 1);
    sandbox.forget_calls();
    assert_eq!(sandbox.calls()["total"], 0);
}

#[test]
fn a_post_says_how_long_it_is() {
    let sandbox = Sandbox::start();
    let mut stream = std::net::TcpStream::connect(sandbox.url().trim_start_matches("http://")).unwrap();
    std::io::Write::write_all(&mut stream, b"POST /anthropic/v1/oauth/token HTTP/1.1\r\nhost: x\r\n\r\n")
        .unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(stream), &mut line).unwrap();
    assert!(line.starts_with("HTTP/1.1 411 "), "{line}");
}

#[test]
fn a_test_can_wait_for_calls() {
    let sandbox = Sandbox::start();
    std::thread::scope(|scope| {
        scope.spawn(|| sandbox.wait_for_calls("openrouter.key", 2));
        get(&sandbox.at("/openrouter/api/v1/key"));
        get(&sandbox.at("/openrouter/api/v1/key"));
    });
    let late = get(&sandbox.at("/_control/wait?route=openrouter.key&count=3&ms=20"));
    assert_eq!((late.status, &late.json()["count"]), (408, &json!(2)));
}

#[test]
fn consent_may_be_given_or_refused_by_nobody() {
    let sandbox = Sandbox::start();
    sandbox.control("consent", json!({ "mode": "auto" }));
    assert!(param(&get(&authorize(&sandbox)).location(), "code").is_some());
    sandbox.control("consent", json!({ "mode": "deny" }));
    assert_eq!(param(&get(&authorize(&sandbox)).location(), "error").as_deref(), Some("access_denied"));
    sandbox.control("consent", json!({ "mode": "ask" }));
    assert_eq!(get(&authorize(&sandbox)).status, 200);
    assert!(param(&approve(&authorize(&sandbox)), "code").is_some());
    assert!(param(&deny(&authorize(&sandbox)), "code").is_none());
}

#[test]
fn tokens_shows_what_is_valid_and_what_ever_was() {
    let sandbox = Sandbox::start();
    let minted = sandbox.mint("anthropic", "oauth");
    let valid = |sandbox: &Sandbox| sandbox.tokens()["anthropic"]["tokens"]["access"].clone();
    assert_eq!(valid(&sandbox), json!([minted["access_token"]]));
    sandbox.control("expire", json!({ "provider": "anthropic", "token": minted["access_token"] }));
    assert_eq!(valid(&sandbox), json!([]));
    let secrets = sandbox.secrets();
    assert!(secrets.contains(&minted["access_token"].as_str().unwrap().to_owned()));
    assert!(secrets.contains(&minted["refresh_token"].as_str().unwrap().to_owned()));
}

#[test]
fn a_switch_is_kept_until_a_reset_and_a_wrong_one_changes_nothing() {
    let sandbox = Sandbox::start_with(&["--lifetime", "60", "--auto"]);
    let switches = || get(&sandbox.at("/_control/switches")).json();
    assert_eq!(
        (&switches()["consent"], &switches()["anthropic"]["tokens"]["lifetime"]),
        (&json!("auto"), &json!(60))
    );
    sandbox.switch(json!({ "consent": "deny", "anthropic": { "tokens": { "lifetime": 5 } } }));
    for wrong in
        [json!({ "consent": "no" }), json!({ "anthropic": { "tokns": {} } }), json!({ "delay_ms": "1" })]
    {
        assert_eq!(post_json(&sandbox.at("/_control/switches"), &wrong).status, 400, "{wrong}");
    }
    assert_eq!(switches()["consent"], "deny");
    sandbox.mint("anthropic", "api-key");
    sandbox.reset();
    assert_eq!(
        (&switches()["consent"], &switches()["anthropic"]["tokens"]["lifetime"]),
        (&json!("auto"), &json!(60))
    );
    assert_eq!(sandbox.tokens()["anthropic"]["keys"], json!([]));
}

#[test]
fn the_clock_moves_and_shows_in_the_date_header() {
    let sandbox = Sandbox::start();
    let before = get(&sandbox.at("/_control/clock")).json()["now"].as_i64().unwrap();
    sandbox.advance(86_400);
    let after = get(&sandbox.at("/_control/clock")).json()["now"].as_i64().unwrap();
    assert!((86_400..86_410).contains(&(after - before)));
    let shown = get(&sandbox.at("/openrouter/api/v1/key")).header("date").unwrap().to_owned();
    let shown = httpdate::parse_http_date(&shown).unwrap().duration_since(std::time::UNIX_EPOCH).unwrap();
    assert!(shown.as_secs().abs_diff(after.unsigned_abs()) < 10);
}

#[test]
fn wrong_methods_unknown_paths_and_unknown_controls_are_told_apart() {
    let sandbox = Sandbox::start();
    assert_eq!(get(&sandbox.at("/anthropic/v1/oauth/token")).status, 405);
    assert_eq!(get(&sandbox.at("/nowhere")).status, 404);
    assert_eq!(get(&sandbox.at("/_control/nothing")).status, 404);
    assert_eq!(post_json(&sandbox.at("/_control/clock"), &json!({ "back": 1 })).status, 400);
    let routes = get(&sandbox.at("/_control/routes")).json();
    assert!(routes.as_array().unwrap().iter().any(|route| route["name"] == "anthropic.token"));
}

#[test]
fn many_clients_at_once_are_served_and_one_refresh_token_works_once() {
    let sandbox = Sandbox::start();
    let body = json!({
        "grant_type": "refresh_token", "client_id": "9d1c250a-e61b-44d9-88ed-5944d1962f5e",
        "refresh_token": sandbox.mint("anthropic", "oauth")["refresh_token"],
    });
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let post = || post_json(&sandbox.at("/anthropic/v1/oauth/token"), &body).status;
        let threads: Vec<_> = (0..100).map(|_| scope.spawn(post)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1);
    assert_eq!(sandbox.refreshes("anthropic.token"), 100);
}

#[test]
fn it_ends_when_its_standard_input_ends() {
    use crate::common::process::Child;
    let program = std::env::var_os("CONVOCATIONS_SANDBOX").map_or_else(built, std::path::PathBuf::from);
    let mut child = Child::spawn(std::process::Command::new(program).args(["--stdin", "--config-toml"]));
    child.close();
    let ran = child.finish(std::time::Duration::from_secs(10)).ok();
    let line: Value = serde_json::from_str(ran.stdout.lines().next().unwrap()).unwrap();
    assert!(line["config_toml"].as_str().unwrap().contains(line["url"].as_str().unwrap()));
}

fn built() -> std::path::PathBuf {
    drop(Sandbox::start());
    let this = std::env::current_exe().unwrap();
    this.parent().unwrap().parent().unwrap().join("examples/sandbox")
}
