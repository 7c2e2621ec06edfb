//! What each power lets out, byte for byte.

use serde_json::json;

use crate::common::Sandbox;
use crate::fixture::{Answer, Lent, discreet, secrets};
use crate::gateway::{SECRET, home_with_key, home_with_login};

fn assert_without(answers: &[Answer], secrets: &[String]) {
    assert!(secrets.len() >= 2, "an access and a refresh token: {}", secrets.len());
    for answer in answers {
        for secret in secrets {
            assert!(!answer.whole.contains(secret.as_str()), "{}", answer.whole);
        }
    }
}

#[test]
fn by_use_alone_no_byte_of_a_secret_passes_the_socket() {
    let sandbox = Sandbox::start();
    let (upstream, heard) = discreet();
    let dir = home_with_login(&upstream, &sandbox);
    let lent = Lent::start(&dir, &["mycorp"]);
    let mut all = secrets(&dir, "mycorp");
    let access = all[0].clone();
    let rejected = json!({ "rejected": access, "min_validity": 60 }).to_string();
    let mut answers = vec![
        lent.get("/v1/status").expect(200),
        lent.token("mycorp", "").expect(403),
        lent.token("mycorp", &rejected).expect(403),
        lent.token("mycorp", "{").expect(403),
        lent.get("/v1/token/mycorp").expect(405),
        lent.get("/mycorp/models").expect(200),
        lent.ask("POST", "/mycorp/chat", "authorization: Bearer dummy\r\nx-api-key: dummy\r\n", "hello")
            .expect(200),
        lent.get("/mycorp/../x").expect(400),
        lent.get("/openrouter/x").expect(404),
        lent.get("/v1/else").expect(404),
        lent.ask("TRACE", "/mycorp/x", "", "").expect(405),
    ];
    for _ in 0..2 {
        let head = heard.recv_timeout(std::time::Duration::from_secs(10)).unwrap();
        assert_eq!(head.header("authorization"), Some(format!("Bearer {access}").as_str()), "added at home");
        assert_eq!(head.header("x-api-key"), None, "what the client showed stays behind");
    }
    // A refresh at home changes nothing over there, and lets nothing out either.
    sandbox.expire("generic");
    sandbox.advance(7200);
    answers.push(lent.get("/mycorp/models").expect(200));
    all.extend(secrets(&dir, "mycorp"));
    assert_without(&answers, &all);
    assert_eq!(answers[1].code(), "login_denied");
    let status = answers[0].json();
    assert_eq!((&status["power"], &status["logins"][0]["state"]), (&json!("use"), &json!("valid")));
    assert_eq!(status["id"], lent.id.as_str());
}

#[test]
fn with_tokens_an_access_token_is_handed_out_and_never_what_renews_it() {
    let sandbox = Sandbox::start();
    let (upstream, _heard) = discreet();
    let dir = home_with_login(&upstream, &sandbox);
    let lent = Lent::start(&dir, &["mycorp", "--token"]);
    let before = secrets(&dir, "mycorp");
    let first = lent.token("mycorp", "").expect(200);
    assert_eq!(first.json()["token"], before[0].as_str());
    assert_eq!(first.json()["headers"]["authorization"], format!("Bearer {}", before[0]));
    let again = lent.token("mycorp", &json!({ "rejected": before[0] }).to_string()).expect(200);
    let after = secrets(&dir, "mycorp");
    assert_ne!(before[0], after[0], "refreshed, since the API had refused it");
    assert_eq!(again.json()["token"], after[0].as_str());
    assert_eq!(sandbox.refreshes("generic.token"), 1);
    let answers = [first, again, lent.get("/v1/status").expect(200), lent.get("/mycorp/x").expect(200)];
    let renewing: Vec<String> = before[1..].iter().chain(&after[1..]).cloned().collect();
    assert_without(&answers, &renewing);
}

#[test]
fn a_key_that_lasts_leaves_only_where_the_person_said_so() {
    let (upstream, heard) = discreet();
    let dir = home_with_key(&upstream.url());
    let lent = Lent::start(&dir, &["up", "--token"]);
    let refused = lent.token("up", "").expect(403);
    assert_eq!(refused.code(), "login_denied");
    assert!(!refused.whole.contains(SECRET), "{}", refused.whole);
    assert!(refused.json()["error"]["hint"].as_str().unwrap().contains("--lasting"), "{}", refused.whole);
    lent.get("/up/x").expect(200);
    assert_eq!(heard.recv().unwrap().header("authorization"), Some(format!("Bearer {SECRET}").as_str()));
    drop(lent);
    let lent = Lent::start(&dir, &["up", "--token", "--lasting"]);
    assert_eq!(lent.token("up", "").expect(200).json()["token"], SECRET);
}

#[test]
fn a_login_that_its_vendor_keeps_to_its_own_programs_is_refused_with_that_reason() {
    let (upstream, _heard) = discreet();
    let dir = home_with_key(&upstream.url());
    let settings = std::fs::read_to_string(dir.config().join("config.toml")).unwrap();
    dir.write_config(&format!("{settings}share = \"editor\"\n"));
    let path = crate::fixture::socket(&dir);
    let mut command = dir.convocations(["agent", "up", "--socket", path.to_str().unwrap()]);
    let ran = crate::common::run(&mut command, "");
    assert_eq!(ran.code(), 4, "{ran:?}");
    assert!(ran.stderr.contains("does not allow this kind of login to be used by other programs"), "{ran:?}");
    assert!(!path.exists());
}

#[test]
fn sixty_four_on_an_expired_login_cost_one_refresh_and_none_fails() {
    let sandbox = Sandbox::start_with(&["--lifetime", "100"]);
    let (upstream, _heard) = discreet();
    let dir = home_with_login(&upstream, &sandbox);
    sandbox.lifetime(3600);
    let lent = std::sync::Arc::new(Lent::start(&dir, &["mycorp", "--token"]));
    let clients: Vec<_> = (0..64)
        .map(|number| {
            let lent = std::sync::Arc::clone(&lent);
            std::thread::spawn(move || match number % 2 {
                0 => lent.token("mycorp", "").status,
                _ => lent.token("mycorp", r#"{"min_validity":200}"#).status,
            })
        })
        .collect();
    let statuses: Vec<u16> = clients.into_iter().map(|client| client.join().unwrap()).collect();
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    assert_eq!(sandbox.refreshes("generic.token"), 1);
    assert_eq!(lent.report(&dir).unwrap()["by_login"][0]["tokens"], 64);
}
