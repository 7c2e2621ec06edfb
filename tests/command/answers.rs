//! What a command prints, and what becomes of it.

use std::time::Duration;

use convocations::broker::Broker;
use convocations::clock::Clock;
use convocations::config::Config;
use convocations::secret::Secret;
use convocations::services::Services;
use convocations::store::Store;
use serde_json::Value;

use crate::common::{TestDir, run};
use crate::vault::{Vault, fails};

fn json(vault: &Vault) -> Value {
    serde_json::from_str(&vault.cli("token openai --json").ok().stdout).unwrap()
}

#[test]
fn one_line_is_the_credential() {
    let vault = Vault::new("echo sk-proj-from-the-vault", "");
    assert_eq!(vault.token(), "sk-proj-from-the-vault");
    let credential = json(&vault);
    assert_eq!(credential["source"], "command");
    assert_eq!(credential["kind"], "api-key");
    assert_eq!(credential["headers"]["authorization"], "Bearer sk-proj-from-the-vault");
    assert!(credential.get("expires_at").is_none(), "a key has no end: {credential}");
    let until = credential["use_until"].as_i64().unwrap() - Clock::System.now();
    assert!((800..=900).contains(&until), "its use has: {until}");
    for body in [r"printf 'sk-1\n'", r"printf 'sk-1\r\n'", "printf sk-1", r"printf ' sk-1 \n'"] {
        vault.says(body);
        assert_eq!(vault.token(), "sk-1", "{body}");
    }
}

#[test]
fn an_object_may_have_an_end_and_headers() {
    let end = Clock::System.now() + 5000;
    let body = format!(
        "echo '{{\"token\":\"T1\",\"expires_at\":{end},\"headers\":{{\"Authorization\":\"Own T1\",\"x-org\":\"o1\"}},\"more\":1}}'"
    );
    let vault = Vault::new(&body, "format = \"json\"\nkind = \"oauth\"");
    let credential = json(&vault);
    assert_eq!((credential["token"].as_str(), credential["expires_at"].as_i64()), (Some("T1"), Some(end)));
    assert_eq!((credential["kind"].as_str(), credential.get("use_until")), (Some("oauth"), None));
    let headers = credential["headers"].as_object().unwrap();
    assert_eq!((headers["Authorization"].as_str(), headers["x-org"].as_str()), (Some("Own T1"), Some("o1")));
    assert!(!headers.contains_key("authorization"), "twice: {headers:?}");
}

#[test]
fn whatever_else_it_prints_or_does_is_one_sentence_and_a_hint() {
    let past = Clock::System.now() - 5;
    for (format, body, code, words) in [
        ("text", "true", 6, "`vault` prints nothing."),
        ("text", "echo '   '", 6, "`vault` prints nothing."),
        ("text", "printf 'planted\\nuser: me\\n'", 5, "prints several lines"),
        ("text", "printf 'planted\\0x'", 5, "with a NUL in it"),
        ("text", "printf 'planted\\377'", 5, "that is not UTF-8"),
        ("text", "printf 'planted\\033[1m'", 5, "characters that no credential has"),
        ("text", "head -c 70000 /dev/zero | tr '\\0' p", 5, "prints more than 64 KiB"),
        ("text", "head -c 1048576 /dev/zero | tr '\\0' p", 5, "prints more than 64 KiB"),
        ("text", "yes planted", 5, "prints more than 64 KiB"),
        ("text", "echo planted; exec 1>&-; exit 7", 6, "ended with exit status 7"),
        ("json", "head -c 60000 /dev/zero | tr '\\0' '['", 5, "no JSON object with a `token`"),
        ("text", "echo planted; false", 6, "ended with exit status 1"),
        ("text", "echo planted; kill -9 $$", 6, "was ended by signal 9"),
        ("text", "exit 130", 130, "was cancelled"),
        ("json", "echo planted", 5, "no JSON object with a `token`"),
        ("json", "echo '{\"toke\":\"planted\"}'", 5, "no JSON object with a `token`"),
        ("json", "echo '{\"token\":\"\"}'", 5, "characters that no credential has"),
        (
            "json",
            "echo '{\"token\":\"planted\",\"expires_at\":\"soon\"}'",
            5,
            "no JSON object with a `token`",
        ),
        ("json", "echo '{\"token\":\"planted\",\"expires_at\":1900000000000}'", 5, "that is no time"),
        (
            "json",
            &format!("echo '{{\"token\":\"planted\",\"expires_at\":{past}}}'"),
            5,
            "a token that has ended",
        ),
        (
            "json",
            "echo '{\"token\":\"planted\",\"headers\":{\"Host\":\"planted\"}}'",
            5,
            "headers that no request",
        ),
        (
            "json",
            "printf '%s' '{\"token\":\"planted\",\"headers\":{\"x\":\"a\\nplanted\"}}'",
            5,
            "headers that no request",
        ),
    ] {
        let vault = Vault::new(body, &format!("format = \"{format}\""));
        let ran = vault.cli("token openai");
        fails(&ran, code, words);
        assert!(!ran.stderr.contains("planted"), "{ran:?}");
        assert_eq!(vault.runs(), 1, "{body}");
    }
}

#[test]
fn a_failure_is_no_reason_to_use_the_next_source() {
    let vault = Vault::new("exit 1", "");
    let config = std::fs::read_to_string(vault.dir.config().join("config.toml")).unwrap();
    vault.dir.write_config(&config.replace("\"command\"]", "\"command\", \"env:OPENAI_API_KEY\"]"));
    let mut command = vault.dir.convocations(["token", "openai"]);
    fails(&run(command.env("OPENAI_API_KEY", "sk-proj-paid"), ""), 6, "ended with exit status 1");
}

#[test]
fn a_stored_login_goes_before_it_where_the_settings_say_so() {
    let vault = Vault::new("echo from-the-vault", "");
    let set = run(&mut vault.dir.convocations(["secret", "set", "openai"]), "sk-proj-stored\n").ok();
    assert_eq!((vault.token(), vault.runs()), ("sk-proj-stored".to_owned(), 0), "{set:?}");
    let removed = vault.cli("logout openai").ok();
    assert!(!removed.stderr.contains("sk-proj"), "{removed:?}");
    assert_eq!((vault.token(), vault.runs()), ("from-the-vault".to_owned(), 1));
}

#[test]
fn with_nothing_but_a_command_logout_says_what_is_used() {
    let vault = Vault::new("echo from-the-vault", "");
    fails(&vault.cli("logout openai"), 3, "take \"command\" out of its `sources`");
    assert_eq!(vault.runs(), 0);
}

#[test]
fn what_is_kept_is_sealed_bound_to_its_command_and_no_login() {
    let vault = Vault::new("echo planted-answer-$$", "cache = \"store\"");
    let first = vault.token();
    assert_eq!((vault.token(), vault.runs()), (first.clone(), 1));
    assert!(vault.dir.files_with(&["planted-answer".to_owned()]).is_empty_but_for(&vault), "sealed");
    assert!(!vault.cli("status --json").ok().stdout.contains("command-answer"));
    assert!(!vault.cli("providers --json").ok().stdout.contains("command-answer"));
    fails(&vault.cli("token openai@command-answer"), 3, "not logged in");
    fails(&vault.cli("login openai@command-answer"), 2, "is not an account of OpenAI");
    let refused = run(&mut vault.dir.convocations(["secret", "set", "openai@command-answer"]), "k\n");
    assert_ne!(refused.code(), 0, "{refused:?}");
    vault.configure("cache = \"store\"\nkind = \"oauth\"");
    assert_ne!(vault.token(), first, "another command's answer is not used");
    assert_eq!(vault.runs(), 2);
    vault.configure("");
    vault.token();
    let index = std::fs::read_to_string(vault.dir.config().join("credentials.toml")).unwrap();
    assert!(!index.contains("command-answer"), "left behind: {index}");
}

#[test]
fn a_logout_forgets_what_is_kept() {
    let vault = Vault::new("echo answer-$$", "cache = \"store\"");
    let first = vault.token();
    vault.cli("logout openai");
    assert_ne!(vault.token(), first);
}

trait ButFor {
    fn is_empty_but_for(&self, vault: &Vault) -> bool;
}

impl ButFor for Vec<std::path::PathBuf> {
    /// The script itself says what it prints.
    fn is_empty_but_for(&self, vault: &Vault) -> bool {
        self.iter().all(|path| *path == vault.program())
    }
}

/// A broker of this home by a clock that stands.
fn broker(dir: &TestDir, clock: &Clock) -> Broker {
    let config = Config::load(&dir.paths(), None).unwrap();
    let store = Store::new(&dir.paths(), &config.store);
    Broker::new(Services { clock: clock.clone(), ..Services::new(config, store) })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_is_used_for_its_time_and_then_asked_for_again() {
    for cache in ["memory", "store"] {
        let vault = Vault::new("echo answer-$$", &format!("ttl = 60\ncache = \"{cache}\""));
        let clock = Clock::manual(Clock::System.now());
        let broker = broker(&vault.dir, &clock);
        let login = "openai".parse().unwrap();
        let first = broker.get(&login, None).await.unwrap().token;
        clock.advance(59);
        assert_eq!(broker.get(&login, None).await.unwrap().token, first, "{cache}");
        assert_eq!(vault.runs(), 1);
        clock.advance(1);
        assert_ne!(broker.get(&login, None).await.unwrap().token, first, "{cache}");
        assert_eq!(vault.runs(), 2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_401_it_is_run_once_more() {
    let vault = Vault::new("echo answer-$(wc -l < \"$D/runs\" | tr -d ' ')", "");
    let clock = Clock::manual(Clock::System.now());
    let (broker, login) = (broker(&vault.dir, &clock), "openai".parse().unwrap());
    let old = broker.get(&login, None).await.unwrap().token;
    let all = (0..10).map(|_| {
        let (broker, login, old) = (broker.clone(), "openai".parse().unwrap(), old.clone());
        let _: &convocations::login_id::LoginId = &login;
        tokio::spawn(async move { broker.invalidate(&login, &old).await.unwrap().token })
    });
    for one in all.collect::<Vec<_>>() {
        assert_eq!(one.await.unwrap().expose(), "answer-2");
    }
    assert_eq!(vault.runs(), 2, "ten plugins that meet one 401");
    assert_eq!(broker.get(&login, None).await.unwrap().token.expose(), "answer-2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vault_that_goes_on_giving_a_refused_key_is_not_asked_for_ever() {
    let vault = Vault::new("echo the-same", "");
    let (broker, login) =
        (broker(&vault.dir, &Clock::manual(Clock::System.now())), "openai".parse().unwrap());
    broker.get(&login, None).await.unwrap();
    for _ in 0..3 {
        let error = broker.invalidate(&login, &Secret::new("the-same")).await.unwrap_err();
        assert_eq!(error.code().as_str(), "provider_refused");
        assert!(error.hint().unwrap().contains("run again"), "{error:?}");
    }
    assert_eq!(vault.runs(), 2);
    let vault = Vault::new("echo the-same", "");
    let ran = run(&mut vault.dir.convocations(["token", "openai", "--rejected"]), "the-same");
    fails(&ran, 4, "refuses the key");
    assert_eq!(vault.runs(), 1, "a process that had nothing asks once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_fails_is_left_alone_for_a_moment() {
    let vault = Vault::new("exit 3", "");
    let (broker, login) =
        (broker(&vault.dir, &Clock::manual(Clock::System.now())), "openai".parse().unwrap());
    for _ in 0..20 {
        assert_eq!(broker.get(&login, None).await.unwrap_err().code().as_str(), "store_unreadable");
    }
    assert!(vault.runs() <= 3, "{} runs", vault.runs());
    vault.says("echo well-again");
    let end = std::time::Instant::now() + Duration::from_secs(20);
    while broker.get(&login, None).await.is_err() {
        assert!(std::time::Instant::now() < end, "it is asked again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
