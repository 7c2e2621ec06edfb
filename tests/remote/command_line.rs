//! The command line on a machine that logins are lent to.

use std::time::Duration;

use serde_json::Value;

use crate::common::dir::contains;
use crate::common::{Child, Sandbox, eventually, run};
use crate::far::{Far, Recorder, UP};
use crate::gateway::{SECRET, home_with_key, home_with_login};
use crate::lent::{Lent, discreet, grants, secrets};

const SOON: Duration = Duration::from_secs(10);

#[test]
fn with_tokens_lent_each_command_has_the_login_of_home_and_nothing_is_written_here() {
    let sandbox = Sandbox::start();
    let (upstream, heard) = discreet();
    let home = home_with_login(&upstream, &sandbox);
    let lent = Lent::start(&home, &["mycorp", "--token", "--label", "laptop"]);
    let far = Far::new(&lent.address);
    let token = secrets(&home, "mycorp")[0].clone();

    assert_eq!(far.run(&["token", "mycorp"]).ok().stdout, format!("{token}\n"));
    let json: Value = serde_json::from_str(&far.run(&["token", "mycorp", "--json"]).ok().stdout).unwrap();
    assert_eq!((&json["token"], &json["source"]), (&token.as_str().into(), &"agent".into()));
    let status = far.run(&["status"]).ok();
    assert!(status.stdout.contains("mycorp") && status.stdout.contains("lent by"), "{status:?}");
    assert!(status.stdout.contains("(laptop)") && status.stderr.contains("lends logins here"), "{status:?}");
    far.run(&["status", "mycorp"]).ok();
    let answer: Value = serde_json::from_str(&far.run(&["status", "--json"]).ok().stdout).unwrap();
    assert_eq!(
        (&answer["logins"][0]["source"], &answer["lender"]["label"]),
        (&"agent".into(), &"laptop".into())
    );
    assert!(answer["logins"][0]["store"].is_null() && answer["lender"]["home"].is_string(), "{answer}");

    // The API refused it: refreshed at home, once.
    sandbox.expire("generic");
    let newer = far.run_with(&["token", "mycorp", "--rejected"], &token).ok().stdout;
    assert_ne!(newer.trim(), token);
    assert_eq!(far.run(&["token", "mycorp"]).ok().stdout, newer);
    assert_eq!(sandbox.refreshes("generic.token"), 1);

    far.run(&["exec", "--gateway", "mycorp", "--", "sh", "-c", "curl -sf $OPENAI_BASE_URL/models"]);
    let _ = heard.try_iter().count();
    assert_eq!(far.files(), Vec::<std::path::PathBuf>::new(), "nothing is kept here");
    let report = &grants(&home)[0];
    assert!(report["uses"].as_u64() >= Some(4), "{report}");
}

#[test]
fn for_use_alone_requests_pass_and_no_byte_of_a_secret_does() {
    let sandbox = Sandbox::start();
    let (upstream, heard) = discreet();
    let home = home_with_login(&upstream, &sandbox);
    let lent = Lent::start(&home, &["mycorp"]);
    let wire = Recorder::start(home.path().join("wire"), lent.path());
    let far = Far::new(format!("unix:{}", wire.path.display()));
    let mut all = secrets(&home, "mycorp");

    let refused = far.run(&["token", "mycorp"]);
    assert_eq!((refused.code(), refused.stdout.as_str()), (4, ""), "{refused:?}");
    assert!(refused.stderr.contains("no token is handed out"), "{refused:?}");
    let status = far.run(&["status"]).ok();
    assert!(status.stdout.contains("through the gateway only"), "{status:?}");

    let mut command = far.command(&["gateway", "mycorp", "--json"]);
    let gateway = Child::spawn(&mut command);
    let line = eventually("the line", || gateway.stdout().lines().next().map(str::to_owned));
    let doors: Value = serde_json::from_str(&line).unwrap();
    let text = |name: &str| doors["logins"]["mycorp"][name].as_str().unwrap().to_owned();
    let (url, key) = (text("url"), text("key"));
    let ask = || {
        let header = format!("authorization: Bearer {key}");
        run(
            std::process::Command::new("curl").args([
                "-s",
                "-d",
                "a question",
                "-H",
                &header,
                &format!("{url}/chat?a=b"),
            ]),
            "",
        )
    };
    assert_eq!(ask().ok().stdout, "answered");
    let first = heard.recv_timeout(SOON).unwrap();
    assert_eq!(first.line, "POST /base/chat?a=b HTTP/1.1");
    assert_eq!(first.header("authorization"), Some(format!("Bearer {}", all[0]).as_str()), "added at home");

    // It is refreshed at home, and here nothing is different.
    sandbox.expire("generic");
    home.command("true");
    let revoked = all[0].clone();
    run(&mut home.convocations(["token", "mycorp", "--rejected"]), &revoked).ok();
    all.extend(secrets(&home, "mycorp"));
    assert_eq!(ask().ok().stdout, "answered");
    let second = heard.recv_timeout(SOON).unwrap();
    let newest =
        format!("Bearer {}", run(&mut home.convocations(["token", "mycorp"]), "").ok().stdout.trim());
    assert_eq!(second.header("authorization"), Some(newest.as_str()));
    assert_ne!(second.header("authorization"), first.header("authorization"));

    let passed = wire.passed();
    assert!(contains(&passed, b"a question") && contains(&passed, b"answered"), "the recorder hears");
    assert!(all.len() >= 4, "{}", all.len());
    for secret in &all {
        assert!(!contains(&passed, secret.as_bytes()), "a secret passed the socket");
    }
    for place in ["environ", "cmdline"] {
        let seen = std::fs::read(format!("/proc/{}/{place}", gateway.id())).unwrap_or_default();
        assert!(all.iter().all(|secret| !contains(&seen, secret.as_bytes())), "{place}");
    }
    assert!(far.dir.files_with(&all).is_empty());
}

#[test]
fn a_program_gets_the_gateway_of_a_lent_key_and_the_key_itself_only_where_that_is_granted() {
    let (upstream, heard) = discreet();
    let home = home_with_key(&upstream.url());
    let lent = Lent::start(&home, &["up", "--token"]);
    let far = Far::new(&lent.address);
    far.dir.write_config(UP);
    let ran = far.run(&[
        "exec",
        "--gateway",
        "up",
        "--",
        "sh",
        "-c",
        "env; curl -s $OPENAI_BASE_URL/models -H \"x-api-key: $OPENAI_API_KEY\"",
    ]);
    assert!(ran.stdout.ends_with("answered") && !ran.stdout.contains(SECRET), "{ran:?}");
    assert_eq!(
        heard.recv_timeout(SOON).unwrap().header("authorization"),
        Some(format!("Bearer {SECRET}").as_str())
    );
    let refused = far.run(&["exec", "up", "--", "env"]);
    assert!(refused.code() == 4 && refused.stderr.contains("a key that lasts"), "{refused:?}");

    let lasting = Lent::of(
        home.convocations(["agent", "--json", "up", "--token", "--lasting", "--socket"])
            .arg(home.path().join("t/s")),
    );
    let far = Far { agent: lasting.address.clone(), ..far };
    let ran = far.run(&["exec", "up", "--", "env"]).ok();
    assert!(ran.stdout.contains(&format!("UP_KEY={SECRET}")), "{ran:?}");
}

#[test]
fn a_lent_login_is_not_made_changed_or_removed_here() {
    let (upstream, _heard) = discreet();
    let home = home_with_key(&upstream.url());
    let lent = Lent::start(&home, &["up"]);
    let far = Far::new(&lent.address);
    far.dir.write_config(UP);
    for args in
        [&["login", "up"][..], &["logout", "up"], &["secret", "set", "up"], &["secret", "clear", "up"]]
    {
        let ran = far.run_with(args, "sk-other-0123456789\n");
        assert_eq!(ran.code(), 2, "{ran:?}");
        assert!(ran.stderr.contains("is kept on") && ran.stderr.contains("only lent here"), "{ran:?}");
    }
    run(&mut home.convocations(["token", "up"]), "").ok();
    assert_eq!(far.files(), [far.dir.config().join("config.toml")]);
}

#[test]
fn what_is_not_lent_is_this_machines_own() {
    let (upstream, _heard) = discreet();
    let home = home_with_key(&upstream.url());
    let lent = Lent::start(&home, &["up"]);
    let far = Far::new(&lent.address);
    far.dir.write_config(&UP.replace("providers.up", "providers.own"));
    far.run_with(&["secret", "set", "own"], "sk-own-0123456789\n").ok();
    assert_eq!(far.run(&["token", "own"]).ok().stdout, "sk-own-0123456789\n");
    let status = far.run(&["status"]).ok().stdout;
    assert!(status.contains("own ") && status.contains("up "), "{status}");
}

#[test]
fn an_address_of_another_form_is_one_error_without_the_value() {
    for bad in ["/run/planted.sock", "http://planted@example.com:1", "unix:planted", "planted"] {
        let ran = Far::new(bad).run(&["token", "openrouter"]);
        assert_eq!(ran.code(), 2, "{ran:?}");
        assert!(ran.stderr.contains("CONVOCATIONS_AGENT") && !ran.stderr.contains("planted"), "{ran:?}");
    }
}
