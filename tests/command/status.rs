//! How a login is that comes from a command: said without running it.

use serde_json::Value;

use crate::vault::Vault;

fn of_openai(vault: &Vault) -> Value {
    let all: Value = serde_json::from_str(&vault.cli("status --json").ok().stdout).unwrap();
    let logins = all["logins"].as_array().unwrap().clone();
    logins.into_iter().find(|login| login["login"] == "openai").unwrap()
}

#[test]
fn it_is_ready_until_somebody_needs_it() {
    let vault = Vault::new("echo answer", "cache = \"store\"");
    let status = of_openai(&vault);
    assert_eq!((status["state"].as_str(), status["source"].as_str()), (Some("ready"), Some("command")));
    let text = vault.cli("status openai").ok().stdout;
    assert!(text.contains("ready") && text.contains("from command"), "{text}");
    let doctor = vault.cli("doctor");
    assert!(doctor.stdout.contains("`openai`: ready. The next use asks for it. (command)"), "{doctor:?}");
    assert_eq!(vault.runs(), 0);
    vault.token();
    assert_eq!(of_openai(&vault)["state"], "valid");
    assert_eq!(vault.runs(), 1);
}

#[test]
fn a_program_that_is_not_there_is_seen_before_it_is_needed() {
    let vault = Vault::new("true", "");
    vault.dir.write_config(
        "[providers.openai]\nsources = [\"command\"]\n[providers.openai.command]\nargv = [\"nosuchvault\"]\n",
    );
    let status = of_openai(&vault);
    assert_eq!(status["state"], "error");
    assert_eq!(status["error"]["message"], "There is no program `nosuchvault` to ask for a credential.");
    let doctor = vault.cli("doctor");
    assert_eq!(doctor.code(), 2, "{doctor:?}");
    assert!(doctor.stdout.contains("BAD"), "{doctor:?}");
}

#[test]
fn nothing_of_it_is_in_the_log_or_in_any_file() {
    let vault = Vault::new("echo planted-stderr >&2; cat \"$D/key\"", "cache = \"store\"");
    let key = vault.dir.path().join("key");
    std::fs::write(&key, "planted-answer-0123456789\n").unwrap();
    let mut command = vault.dir.convocations(["token", "openai"]);
    let ran = crate::common::run(command.env("CONVOCATIONS_LOG", "debug"), "").ok();
    assert_eq!((ran.stdout.trim(), ran.stderr.as_str()), ("planted-answer-0123456789", ""));
    let needles = ["planted-answer-0123456789".to_owned(), "planted-stderr".to_owned()];
    let found = vault.dir.files_with(&needles);
    assert!(found.iter().all(|path| *path == key || *path == vault.program()), "{found:?}");
    let log = std::fs::read_to_string(vault.dir.log()).unwrap();
    assert!(log.contains("a command gave a credential"), "{log}");
}
