//! Machines without people: an identity token of the platform becomes an access token, and nothing is stored
//! (`:h conv-workload`).
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr)]

#[path = "common/backend.rs"]
mod backend;
mod common;

use std::process::Command;
use std::time::Duration;

use backend::Backend;
use common::http::post_json_with;
use common::{Ran, Sandbox, TestDir, fault, run};
use serde_json::{Value, json};

const ANTHROPIC: &str = "anthropic.token";

/// A runner of a build: no login, no person, and the settings that lead to the sandbox.
struct Runner {
    sandbox: Sandbox,
    dir: TestDir,
}

impl Runner {
    fn new(more: &str) -> Self {
        let runner = Self { sandbox: Sandbox::start(), dir: TestDir::new() };
        let store = "[store]\nbackend = \"local-encrypted\"\n";
        runner.dir.write_config(&format!("{}\n{store}{more}\n", runner.sandbox.config_toml()));
        runner
    }

    /// An identity token for somebody.
    fn identity(&self, audience: &str) -> String {
        self.identity_of(json!({ "audience": audience }))
    }

    fn identity_of(&self, wanted: Value) -> String {
        self.sandbox.control("assertion", wanted)["token"].as_str().unwrap().to_owned()
    }

    fn audience(&self, provider: &str) -> String {
        self.sandbox.at(&format!("/{provider}"))
    }

    fn command(&self, args: &str) -> Command {
        let mut command = self.dir.convocations(args.split_whitespace());
        command
            .env("ANTHROPIC_FEDERATION_RULE_ID", "fdrl_sandbox")
            .env("ANTHROPIC_ORGANIZATION_ID", "org-sandbox");
        command
    }

    fn token_with(&self, variables: &[(&str, &str)]) -> Ran {
        run(self.command("token anthropic").envs(variables.iter().copied()), "")
    }

    /// What no run may leave anywhere.
    fn leaves_nothing(&self) {
        let secrets = self.sandbox.secrets();
        assert!(!secrets.is_empty());
        assert_eq!(self.dir.files_with(&secrets), Vec::<std::path::PathBuf>::new());
        assert!(!self.dir.paths().index_file().exists(), "nothing is stored");
    }
}

#[track_caller]
fn fails(ran: &Ran, code: i32, words: &[&str]) {
    assert_eq!((ran.code(), ran.stdout.as_str()), (code, ""), "{ran:?}");
    for word in words {
        assert!(ran.stderr.contains(word), "{word}: {ran:?}");
    }
}

#[test]
fn a_job_is_told_of_identities_and_an_account_of_its_login() {
    let runner = Runner::new("");
    let in_job = |args: &str| run(runner.dir.convocations(args.split_whitespace()).env("CI", "true"), "");
    fails(&in_job("token anthropic"), 3, &["not logged in", "Give this job an identity", "conv-workload"]);
    fails(&in_job("token anthropic@work"), 3, &["not logged in", "convocations login anthropic@work"]);
    fails(&in_job("token openrouter@work"), 3, &["not logged in", "convocations login openrouter@work"]);
}

#[test]
fn anthropic_takes_a_variables_token_and_nothing_is_stored() {
    let runner = Runner::new("");
    let identity = runner.identity(&runner.audience("anthropic"));
    let ran = run(
        runner
            .command("token anthropic --json")
            .env("ANTHROPIC_IDENTITY_TOKEN", &identity)
            .env("ANTHROPIC_SERVICE_ACCOUNT_ID", "svac_1")
            .env("ANTHROPIC_WORKSPACE_ID", "default")
            .env("CONVOCATIONS_LOG", "debug"),
        "",
    )
    .ok();
    let credential: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(
        (credential["source"].as_str(), credential["kind"].as_str()),
        (Some("workload"), Some("oauth"))
    );
    assert_eq!(credential["share"], "any", "an organisation's own token");
    assert!(credential["expires_at"].is_i64(), "{credential}");
    let bearer = format!("Bearer {}", credential["token"].as_str().unwrap());
    let headers = [
        ("authorization", bearer.as_str()),
        ("anthropic-version", "2023-06-01"),
        ("anthropic-beta", credential["headers"]["anthropic-beta"].as_str().unwrap()),
    ];
    let body = json!({ "model": "m", "max_tokens": 9, "messages": [{ "role": "user", "content": "hi" }] });
    let answer = post_json_with(&runner.sandbox.at("/anthropic/v1/messages"), &headers, &body);
    assert_eq!(answer.status, 200, "{}", answer.text());
    runner.leaves_nothing();
}

#[test]
fn openai_and_openrouter_take_theirs() {
    let runner = Runner::new("");
    for (provider, variables, route) in [
        (
            "openai",
            vec![
                ("OPENAI_IDENTITY_PROVIDER_ID", "idp_sandbox"),
                ("OPENAI_SERVICE_ACCOUNT_ID", "svc_sandbox"),
            ],
            "/openai/v1/chat/completions",
        ),
        (
            "openrouter",
            vec![("OPENROUTER_FEDERATION_POLICY_ID", "pol_sandbox")],
            "/openrouter/api/v1/chat/completions",
        ),
    ] {
        let identity = runner.identity(&runner.audience(provider));
        let mut command = runner.command(&format!("token {provider} --json"));
        let ran = run(command.envs(variables).env("CONVOCATIONS_ID_TOKEN", &identity), "").ok();
        let credential: Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!(credential["source"], "workload");
        let authorization = credential["headers"]["authorization"].as_str().unwrap();
        let body = json!({ "model": "m", "messages": [{ "role": "user", "content": "hi" }] });
        let answer = post_json_with(&runner.sandbox.at(route), &[("authorization", authorization)], &body);
        assert_eq!(answer.status, 200, "{provider}: {}", answer.text());
    }
    runner.leaves_nothing();
}

#[test]
fn a_job_of_github_needs_no_more_than_its_permission() {
    let runner = Runner::new("");
    let url = runner.sandbox.at("/workload/github/token?api-version=2.0");
    let job = [
        ("GITHUB_ACTIONS", "true"),
        ("ACTIONS_ID_TOKEN_REQUEST_URL", url.as_str()),
        ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "sandbox-actions-request-token"),
    ];
    assert!(runner.token_with(&job).ok().stdout.starts_with("sk-ant-oat01-"));
    let asked = &runner.sandbox.calls_of("workload.github")[0];
    assert!(asked["query"].as_str().unwrap().contains("audience="), "{asked}");
    fails(&runner.token_with(&job[..1]), 2, &["This job may not ask GitHub", "id-token: write"]);
    let mut stranger = job;
    stranger[2].1 = "another";
    fails(&runner.token_with(&stranger), 2, &["This job may not ask GitHub"]);
    stranger[1].1 = "http://github.example/token?x=1";
    fails(&runner.token_with(&stranger), 2, &["`ACTIONS_ID_TOKEN_REQUEST_URL` is not valid", "https"]);
    runner.leaves_nothing();
}

#[test]
fn a_file_is_read_again_each_time() {
    let runner = Runner::new("");
    let file = runner.dir.home().join("token");
    let named = [("ANTHROPIC_IDENTITY_TOKEN_FILE", file.to_str().unwrap())];
    let mut backend = Backend::start(runner.command("").env(named[0].0, named[0].1), json!({}));
    std::fs::write(&file, runner.identity(&runner.audience("anthropic")) + "\n").unwrap();
    let first = backend.ok("get", json!({"login": "anthropic"}))["token"].clone();
    std::fs::write(&file, runner.identity_of(json!({"audience": "https://somebody.else"}))).unwrap();
    assert_eq!(backend.ok("get", json!({"login": "anthropic"}))["token"], first, "from memory");
    let refused =
        backend.fails("invalidate", json!({"login": "anthropic", "token": first}), "provider_refused");
    assert!(refused["hint"].as_str().unwrap().contains("another audience"), "{refused}");
    std::fs::write(&file, runner.identity(&runner.audience("anthropic"))).unwrap();
    // One that failed is left alone for a moment.
    let again = json!({"login": "anthropic", "token": first});
    let newer = common::eventually("a new one", || backend.call("invalidate", again.clone()).ok());
    assert_ne!(newer["token"], first);
    std::fs::remove_file(&file).unwrap();
    fails(&runner.token_with(&named), 2, &["cannot be read"]);
    // Kubernetes turns its file by a link to a folder's.
    let turned = runner.dir.home().join("turned");
    std::fs::create_dir(&turned).unwrap();
    std::fs::write(turned.join("token"), runner.identity(&runner.audience("anthropic"))).unwrap();
    std::os::unix::fs::symlink(turned.join("token"), &file).unwrap();
    runner.token_with(&named).ok();
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    fails(&runner.token_with(&named), 2, &["is not a file of at most 16 KiB"]);
    std::fs::remove_dir(&file).unwrap();
    std::fs::File::create(&file).unwrap().set_len(1 << 40).unwrap();
    fails(&runner.token_with(&named), 2, &["is not a file of at most 16 KiB"]);
    for content in ["not a token", "a.b.c d", "", "a.\u{e4}.c", &format!("a.{}.c", "x".repeat(20_000))] {
        std::fs::write(&file, content).unwrap();
        let ran = runner.token_with(&named);
        assert_eq!(ran.code(), 2, "{ran:?}");
        assert!(!ran.stderr.contains("xxxx") && !ran.stderr.contains("not a token"), "{ran:?}");
    }
    fails(
        &runner.token_with(&[("ANTHROPIC_IDENTITY_TOKEN_FILE", "token")]),
        2,
        &["not named by a whole path"],
    );
}

#[test]
fn any_server_takes_one_by_either_standard_and_from_a_command() {
    for (grant, scope) in [("token-exchange", "inference"), ("jwt-bearer", "")] {
        let runner = Runner::new("");
        let identity = runner.identity(&runner.sandbox.at("/workload"));
        let file = runner.dir.home().join("identity");
        std::fs::write(&file, &identity).unwrap();
        let scopes = if scope.is_empty() { "[]".to_owned() } else { format!("[\"{scope}\"]") };
        runner.dir.write_config(&format!(
            "[store]\nbackend = \"local-encrypted\"\n[providers.corp]\nsources = [\"workload\"]\n[providers.corp.workload]\n\
             grant = \"{grant}\"\ntoken_url = \"{}/workload/token\"\nassertion = [\"command\"]\nscopes = {scopes}\n\
             [providers.corp.workload.command]\nargv = [\"cat\", \"{}\"]\n",
            runner.sandbox.url(),
            file.display()
        ));
        let ran = run(&mut runner.command("token corp --json"), "").ok();
        let credential: Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!(credential["source"], "workload");
        assert!(credential["token"].as_str().unwrap().starts_with("workload-"));
        let fields = &runner.sandbox.calls_of("workload.token")[0]["fields"];
        let sent = fields.get("assertion").or_else(|| fields.get("subject_token"));
        assert!(sent.is_some(), "{fields}");
        std::fs::remove_file(&file).unwrap();
        fails(&run(&mut runner.command("token corp"), ""), 6, &["`cat` ended with exit status 1"]);
    }
}

/// A program that asks a person is waited for, said to be, and ended where nobody waits any more.
#[test]
fn a_program_that_takes_its_time_is_told_and_can_be_ended() {
    let runner = Runner::new("");
    let waits = runner.dir.home().join("waits");
    runner.dir.write_config(&format!(
        "[store]\nbackend = \"local-encrypted\"\n[providers.corp]\nsources = [\"workload\"]\n[providers.corp.workload]\n\
         token_url = \"{}/workload/token\"\nassertion = [\"command\"]\n[providers.corp.workload.command]\n\
         argv = [\"sh\", \"-c\", \"echo $$ > '{}'; exec sleep 600\"]\ntimeout = 600\n",
        runner.sandbox.url(),
        waits.display()
    ));
    let mut backend = Backend::start(&mut runner.command(""), json!({}));
    let get = backend.send("get", json!({ "login": "corp" }));
    let told = backend.event("waiting", |data| data["done"] == false);
    assert_eq!(told, json!({ "login": "corp", "program": "sh", "seconds": 600, "done": false }));
    backend.ok("command.cancel", json!({}));
    assert_eq!(backend.reply(get).unwrap_err()["code"], "cancelled");
    backend.event("waiting", |data| data["done"] == true);
    let process = std::fs::read_to_string(waits).unwrap();
    common::eventually("its end", || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.trim())).unwrap_or_default();
        (stat.is_empty() || stat.contains(") Z ")).then_some(())
    });
}

#[test]
fn one_editor_exchanges_once_and_again_before_the_end() {
    let runner = Runner::new("");
    runner.sandbox.switch(json!({"workload": {"lifetime": 12}}));
    let identity = runner.identity(&runner.audience("anthropic"));
    runner.sandbox.fault(ANTHROPIC, 1, fault::delay(200));
    let mut backend =
        Backend::start(runner.command("").env("ANTHROPIC_IDENTITY_TOKEN", &identity), json!({}));
    let asked: Vec<u64> = (0..30).map(|_| backend.send("get", json!({"login": "anthropic"}))).collect();
    let first = backend.reply(asked[0]).unwrap()["token"].clone();
    for id in &asked[1..] {
        assert_eq!(backend.reply(*id).unwrap()["token"], first);
    }
    assert_eq!(runner.sandbox.count(ANTHROPIC), 1);
    // Of a life that is shorter than the margin half has gone by, and somebody uses it.
    let pushed = backend.event("credential", |data| data["token"] != first);
    assert_eq!(pushed["source"], "workload");
}

#[test]
fn a_passing_failure_is_tried_again_and_told_without_a_login() {
    let runner = Runner::new("");
    let identity = runner.identity(&runner.audience("anthropic"));
    let named = [("ANTHROPIC_IDENTITY_TOKEN", identity.as_str())];
    runner.sandbox.fault(ANTHROPIC, 1, fault::status(503));
    runner.token_with(&named).ok();
    runner.sandbox.fault(ANTHROPIC, 2, fault::status(503));
    let ran = runner.token_with(&named);
    fails(&ran, 5, &["a fault of its own", "Try again in a moment"]);
    assert!(!ran.stderr.contains("your login"), "{ran:?}");
    runner.sandbox.fault(ANTHROPIC, 1, fault::rate_limited(60));
    fails(&runner.token_with(&named), 5, &["asks for fewer requests"]);
    assert!(ran.took < Duration::from_secs(10));
}

#[test]
fn a_refusal_says_what_to_do() {
    let runner = Runner::new("");
    let audience = runner.audience("anthropic");
    let ended = runner.identity_of(json!({"audience": audience, "lifetime": -5}));
    let refused = "does not accept the identity token of this machine";
    fails(&runner.token_with(&[("ANTHROPIC_IDENTITY_TOKEN", &ended)]), 4, &[refused, "It has ended"]);
    let anothers = runner.identity("https://somebody.else");
    let named = [("ANTHROPIC_IDENTITY_TOKEN", anothers.as_str())];
    fails(&runner.token_with(&named), 4, &[refused, "another audience", &audience]);
    let good = runner.identity(&audience);
    let mut named =
        vec![("ANTHROPIC_IDENTITY_TOKEN", good.as_str()), ("ANTHROPIC_FEDERATION_RULE_ID", "fdrl_x")];
    fails(&runner.token_with(&named), 4, &[refused, "the rule at Anthropic"]);
    named[1].1 = "";
    fails(&runner.token_with(&named), 3, &["not logged in"]);
    let half = [("ANTHROPIC_IDENTITY_TOKEN", good.as_str()), ("ANTHROPIC_ORGANIZATION_ID", "")];
    fails(&runner.token_with(&half), 2, &["lacks `organization_id`", "ANTHROPIC_ORGANIZATION_ID"]);
    fails(&runner.token_with(&[]), 2, &["no identity token to show", "`ANTHROPIC_IDENTITY_TOKEN`"]);
    runner.sandbox.switch(json!({"workload": {"once": true}}));
    let again = runner.identity(&audience);
    runner.token_with(&[("ANTHROPIC_IDENTITY_TOKEN", &again)]).ok();
    fails(&runner.token_with(&[("ANTHROPIC_IDENTITY_TOKEN", &again)]), 4, &[refused]);
}

#[test]
fn a_key_and_a_login_go_before_it_and_status_asks_nobody() {
    let runner = Runner::new("");
    let identity = runner.identity(&runner.audience("anthropic"));
    let key = [("ANTHROPIC_IDENTITY_TOKEN", identity.as_str()), ("ANTHROPIC_API_KEY", "sk-ant-api03-key")];
    assert_eq!(runner.token_with(&key).ok().stdout.trim(), "sk-ant-api03-key");
    let ran = run(runner.command("status anthropic --json").env(key[0].0, key[0].1), "").ok();
    let status: Value = serde_json::from_str(&ran.stdout).unwrap();
    let login = &status["logins"][0];
    assert_eq!((login["state"].as_str(), login["source"].as_str()), (Some("ready"), Some("workload")));
    assert_eq!(runner.sandbox.count(ANTHROPIC), 0);
}

/// An identity that was set up with care is of no use where a key that somebody forgot goes before it.
#[test]
fn doctor_says_that_something_hides_an_identity() {
    let runner = Runner::new("");
    let identity = runner.identity(&runner.audience("anthropic"));
    let doctor = |variables: &[(&str, &str)]| {
        let ran = run(runner.command("doctor").envs(variables.iter().copied()), "");
        assert!(!ran.stdout.contains(&identity), "{ran:?}");
        ran.stdout
    };
    let named = ("ANTHROPIC_IDENTITY_TOKEN", identity.as_str());
    let hidden = "This machine has an identity for `anthropic`, and ";
    assert!(!doctor(&[named]).contains(hidden), "it is what is used");
    assert!(
        !doctor(&[("ANTHROPIC_API_KEY", "sk-ant-api03-key")]).contains(hidden),
        "there is no identity token"
    );
    let told = doctor(&[named, ("ANTHROPIC_API_KEY", "sk-ant-api03-key")]);
    assert!(
        told.contains(&format!("{hidden}`ANTHROPIC_API_KEY` of the environment goes before it.")),
        "{told}"
    );
    assert!(told.contains("put \"workload\" first in `providers.anthropic.sources`"), "{told}");
    let half = [named, ("ANTHROPIC_API_KEY", "sk-ant-api03-key"), ("ANTHROPIC_ORGANIZATION_ID", "")];
    assert!(doctor(&half).contains("lacks `organization_id`"), "{}", doctor(&half));
    run(&mut runner.dir.convocations(["secret", "set", "anthropic"]), "sk-ant-api03-stored\n").ok();
    assert!(doctor(&[named]).contains(&format!("{hidden}the stored login goes before it.")));
    assert_eq!(runner.sandbox.count(ANTHROPIC), 0, "nobody was asked");
}

#[test]
fn its_settings_are_checked_and_come_from_files_alone() {
    let runner = Runner::new("");
    for (table, words) in [
        ("assertion = [\"env:X\"]", "`providers.corp.workload.token_url` is not valid: it is missing"),
        (
            "token_url = \"http://x.example/t\"\nassertion = [\"env:X\"]",
            "http is allowed for this machine only",
        ),
        (
            "token_url = \"https://x.example/t\"",
            "`providers.corp.workload.assertion` is not valid: it is missing",
        ),
        ("token_url = \"https://x.example/t\"\nassertion = [\"file:rel\"]", "a whole path"),
        ("token_url = \"https://x.example/t\"\nassertion = [\"vault\"]", "each must be \"env:VARIABLE\""),
        (
            "token_url = \"https://x.example/t\"\nassertion = [\"command\"]",
            "`providers.corp.workload.command`",
        ),
        (
            "token_url = \"https://x.example/t\"\nassertion = [\"env:X\"]\nrequired = [\"y\"]",
            "in neither `params`",
        ),
    ] {
        runner.dir.write_config(&format!("[providers.corp.workload]\n{table}\n"));
        fails(&run(&mut runner.command("token corp"), ""), 2, &[words]);
    }
    runner.dir.write_config("");
    let options = json!({"providers": {"anthropic": {"workload": {"assertion": ["file:/etc/passwd"]}}}});
    let mut backend = Backend::spawn(&mut runner.command(""));
    let hello = json!({"protocol": 1, "version": "test", "options": options});
    let error = backend.fails("hello", hello, "config_invalid");
    assert!(error["message"].as_str().unwrap().contains("a project may set these options"), "{error}");
}
