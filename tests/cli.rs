//! The command line: what each command prints where, and its exit status.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::process::Command;
use std::time::Duration;

use common::{Child, Ran, Sandbox, TestDir, approve, browser, eventually, fault, run};
use serde_json::{Value, json};

const KEY: &str = "sk-or-v1-0123456789abcdef";

fn dir() -> TestDir {
    let dir = TestDir::new();
    dir.write_config("[store]\nbackend = \"local-encrypted\"\n[callback]\nport = 0\n");
    dir
}

fn sandboxed(sandbox: &Sandbox) -> TestDir {
    let dir = dir();
    let config = sandbox.config_toml();
    dir.write_config(&format!("{config}\n[store]\nbackend = \"local-encrypted\"\n[callback]\nport = 0\n"));
    dir
}

fn cli(dir: &TestDir, args: &str) -> Ran {
    with_input(dir, args, "")
}

fn with_input(dir: &TestDir, args: &str, input: &str) -> Ran {
    run(&mut dir.convocations(args.split_whitespace()), input)
}

fn fails(ran: &Ran, status: i32, words: &str) {
    assert_eq!(ran.code(), status, "{ran:?}");
    assert_eq!(ran.stdout, "", "nothing on standard output");
    assert!(ran.stderr.contains(words), "{ran:?}");
    assert!(ran.stderr.lines().count() <= 2, "one line, and the hint: {ran:?}");
}

/// The person has agreed to what a subscription's login says of its terms.
fn agree_to_subscription(dir: &TestDir) {
    let index = dir.config().join("credentials.toml");
    std::fs::create_dir_all(dir.config()).unwrap();
    std::fs::write(&index, "version = 1\nconfirmed_notices = [\"anthropic/subscription\"]\n").unwrap();
}

/// A login through the command line, the browser played by the test.
fn log_in(dir: &TestDir, args: &str) -> Ran {
    common::log_in(&mut dir.convocations(args.split_whitespace()))
}

#[test]
fn a_key_is_set_used_and_cleared() {
    let dir = dir();
    fails(&cli(&dir, "token openrouter"), 3, "not logged in");
    let set = with_input(&dir, "secret set-openrouter-key", &format!("{KEY}\n"));
    assert_eq!((set.code(), set.stdout.as_str()), (0, ""));
    assert!(!set.stderr.contains(KEY) && set.stderr.contains("local-encrypted"));
    let token = cli(&dir, "token openrouter");
    assert_eq!((token.stdout.as_str(), token.stderr.as_str()), (format!("{KEY}\n").as_str(), ""));
    let json: Value = serde_json::from_str(&cli(&dir, "token openrouter --json").stdout).unwrap();
    assert_eq!((&json["token"], &json["kind"]), (&KEY.into(), &"api-key".into()));
    assert!(json.get("expires_at").is_none());
    assert_eq!(cli(&dir, "secret clear-openrouter-key").code(), 0);
    fails(&cli(&dir, "token openrouter"), 3, "not logged in");
    assert_eq!(cli(&dir, "secret clear openrouter").code(), 0, "twice is no fault");
}

#[test]
fn a_bad_key_or_none_stores_nothing() {
    let dir = dir();
    let endless = "x".repeat(1 << 20);
    for input in ["", "\n", "two words\n", "k\u{7}ey-with-a-bell\n", &endless] {
        let ran = with_input(&dir, "secret set openrouter", input);
        assert_eq!((ran.code(), ran.stdout.as_str()), (2, ""), "{} bytes: {ran:?}", input.len());
    }
    let mut command = dir.command("sh");
    let program = env!("CARGO_BIN_EXE_convocations");
    let line = format!("ulimit -v 2000000; {program} secret set openrouter </dev/zero");
    assert_eq!(run(command.args(["-c", &line]), "").code(), 2, "what never ends is not read to its end");
    fails(&cli(&dir, "token openrouter"), 3, "not logged in");
}

#[test]
fn a_key_is_asked_for_without_a_word_about_browsers() {
    let dir = dir();
    for args in ["login groq", "login openrouter --method api-key"] {
        let mut command = dir.convocations(args.split(' '));
        let ran = run(command.env("SSH_CONNECTION", "192.0.2.1 5 192.0.2.2 22"), &format!("{KEY}\n"));
        assert_eq!(ran.code(), 0, "{ran:?}");
        assert!(!ran.stderr.contains("browser"), "{ran:?}");
    }
}

#[test]
fn mistakes_are_usage_errors_and_never_repeated() {
    let dir = dir();
    for args in [
        "",
        "tokn",
        "token",
        "token a b",
        "token openrouter --jsn",
        "logout",
        "token sk-planted-KEY",
        "secret set",
    ] {
        let ran = cli(&dir, args);
        assert_eq!((ran.code(), ran.stdout.as_str()), (2, ""), "{args}: {ran:?}");
        assert!(!ran.stderr.contains("planted"), "{ran:?}");
    }
    fails(&cli(&dir, "token nobody"), 2, "no provider `nobody`");
    fails(&cli(&dir, "token"), 2, "<LOGIN> is missing.\n  Usage: convocations token <LOGIN>");
    fails(&cli(&dir, "token a --min-validity planted"), 2, "The value of --min-validity <SECONDS> is not");
    fails(&cli(&dir, "completions fsh"), 2, "one of bash, elvish, fish,");
    fails(&cli(&dir, "logn"), 2, "There is no such command; did you mean `login`?");
    fails(&cli(&dir, "token a --jsn"), 2, "There is no such argument; did you mean `--json`?");
    assert!(cli(&dir, "help token").ok().stdout.contains("PROVIDER or PROVIDER@ACCOUNT"));
    assert_eq!(cli(&dir, "--help").code(), 0);
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    assert_eq!(dir.convocations(["--help"]).stdout(full).status().unwrap().code(), Some(6));
    assert!(cli(&dir, "--version").stdout.starts_with("convocations "));
}

#[test]
fn the_environment_comes_first_where_the_provider_says_so() {
    let sandbox = Sandbox::start();
    let dir = sandboxed(&sandbox);
    assert_eq!(log_in(&dir, "login anthropic --method console-key").code(), 0);
    let stored = cli(&dir, "token anthropic").stdout;
    let token = |variables: &[(&str, &str)], login: &str| {
        let mut command = dir.convocations(["token", login, "--json"]);
        let ran = run(command.envs(variables.iter().copied()), "");
        serde_json::from_str::<Value>(&ran.stdout).unwrap_or_default()
    };
    let oauth =
        token(&[("ANTHROPIC_OAUTH_TOKEN", "env-oauth"), ("ANTHROPIC_API_KEY", "env-key")], "anthropic");
    assert_eq!(
        (&oauth["token"], &oauth["source"]),
        (&"env-oauth".into(), &"env:ANTHROPIC_OAUTH_TOKEN".into())
    );
    assert_eq!(oauth["headers"]["authorization"], "Bearer env-oauth");
    let login = token(&[("ANTHROPIC_API_KEY", "env-key")], "anthropic");
    assert_eq!((login["token"].as_str().unwrap(), &login["source"]), (stored.trim(), &"login".into()));
    assert_eq!(cli(&dir, "logout anthropic").code(), 0);
    for none in [" ", "two\nlines", "a\tb", "é"] {
        let key = token(&[("ANTHROPIC_API_KEY", "env-key"), ("ANTHROPIC_OAUTH_TOKEN", none)], "anthropic");
        assert_eq!((&key["token"], &key["headers"]["x-api-key"]), (&"env-key".into(), &"env-key".into()));
    }
    assert_eq!(token(&[("ANTHROPIC_API_KEY", "env-key")], "anthropic@work"), Value::Null, "no account's");
    let ran = run(dir.convocations(["logout", "anthropic"]).env("ANTHROPIC_API_KEY", "x"), "");
    assert!(ran.code() == 3 && ran.stderr.contains("ANTHROPIC_API_KEY"), "{ran:?}");
}

#[test]
fn login_by_callback_by_paste_and_logout() {
    let sandbox = Sandbox::start();
    let dir = sandboxed(&sandbox);
    let ran = log_in(&dir, "login openrouter --method browser");
    assert!(ran.code() == 0 && ran.stderr.contains("Logged in to openrouter"), "{ran:?}");
    assert_eq!(ran.stdout, "");
    let key = cli(&dir, "token openrouter").stdout;
    let mut child = Child::spawn(&mut dir.convocations(["login", "openrouter", "--method", "code"]));
    let url = common::shown_address(&child);
    child.say("https://elsewhere.example/callback?code=x\n");
    eventually("the refusal", || child.stderr().contains("convocations:").then_some(()));
    child.say(&format!("{}\n", browser::approve_and_copy(&url)));
    let ran = child.finish(Duration::from_secs(30));
    assert_eq!(ran.code(), 0, "{ran:?}");
    assert_ne!(cli(&dir, "token openrouter").stdout, key, "replaced");
    let out = cli(&dir, "logout openrouter");
    assert!(out.code() == 0 && out.stderr.contains("/keys/"), "{out:?}");
    fails(&cli(&dir, "logout openrouter"), 3, "no stored login");
}

/// D1: no shell in between, which would cut the address at `&`, or do what stands in it.
fn own_group(process: u32) -> String {
    let ran = run(Command::new("ps").args(["-o", "pgid=", "-p", &process.to_string()]), "");
    ran.ok().stdout.trim().to_owned()
}

#[test]
fn the_browser_gets_the_address_as_one_argument_and_no_ctrl_c() {
    let sandbox = Sandbox::start();
    let dir = sandboxed(&sandbox);
    let (browser, seen) = (dir.path().join("browser"), dir.path().join("seen"));
    let script =
        "#!/bin/sh\n(for word; do echo \"$word\"; done; ps -o pgid= $$) >'SEEN.new'\nmv 'SEEN.new' 'SEEN'\n";
    std::fs::write(&browser, script.replace("SEEN", &seen.display().to_string())).unwrap();
    std::fs::set_permissions(&browser, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let mut command = dir.convocations(["login", "openrouter", "--method", "browser"]);
    // A list, of which the first cannot be started.
    let browsers = format!("/nonexistent/browser:{}", browser.display());
    let child = Child::spawn(command.env("BROWSER", browsers));
    let url = common::shown_address(&child);
    let opened = eventually("the browser", || std::fs::read_to_string(&seen).ok());
    let (address, group) = opened.trim_end().split_once('\n').unwrap();
    assert_eq!(address, url);
    assert_ne!(group.trim(), own_group(child.id()), "Ctrl-C goes to the terminal's group");
    assert!(url.contains('&'), "{url}");
}

#[test]
fn a_login_that_only_typing_can_finish_ends_with_its_input() {
    let sandbox = Sandbox::start();
    let dir = sandboxed(&sandbox);
    for way in ["openrouter --method code", "openrouter --method api-key", "mistral"] {
        let ran = cli(&dir, &format!("login {way}"));
        assert_eq!(ran.code(), 2, "{ran:?}");
        assert!(ran.stderr.contains("Standard input ended"), "{ran:?}");
    }
    // One line is enough, though nothing comes after it.
    with_input(&dir, "login mistral", &format!("{KEY}\n")).ok();
    // A browser may come without a word.
    let mut command = dir.convocations(["login", "openrouter", "--method", "browser"]);
    let mut child = Child::spawn(command.env("BROWSER", "true"));
    child.close();
    let url = common::shown_address(&child);
    common::arrive(&approve(&url));
    child.finish(Duration::from_secs(10)).ok();
}

#[test]
fn interrupting_a_login_leaves_nothing() {
    let sandbox = Sandbox::start();
    let dir = sandboxed(&sandbox);
    let child = Child::spawn(&mut dir.convocations(["login", "anthropic", "--method", "console-key"]));
    common::shown_address(&child);
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let ran = child.finish(Duration::from_secs(10));
    assert!(ran.code() == 130 && ran.stderr.contains("ancel"), "{ran:?}");
    assert!(!dir.config().join("credentials.toml").exists());
}

/// `nohup make test`, a job in the background: what the tests start is ended by signals all the same.
#[test]
fn the_tests_can_be_started_with_signals_ignored() {
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' INT HUP QUIT TERM; exec \"$@\"", "sh"]).arg(std::env::current_exe().unwrap());
    let ran = run(shell.args(["--exact", "interrupting_a_login_leaves_nothing"]), "");
    assert!(ran.code() == 0 && ran.stdout.contains("1 passed"), "{ran:?}");
}

#[test]
fn a_denied_login_is_exit_four_and_keeps_the_old_one() {
    let sandbox = Sandbox::start();
    sandbox.switch(json!({"openrouter": {"echo_state": true}}));
    let dir = sandboxed(&sandbox);
    with_input(&dir, "secret set openrouter", &format!("{KEY}\n"));
    let mut command = dir.convocations(["login", "openrouter", "--method", "browser"]);
    assert_eq!(browser::log_in_by(&mut command, common::deny).code(), 4);
    assert_eq!(cli(&dir, "token openrouter").stdout.trim(), KEY);
}

#[test]
fn an_expired_token_is_refreshed_and_a_refused_login_is_exit_three() {
    let sandbox = Sandbox::start();
    let dir = sandboxed(&sandbox);
    sandbox.lifetime(100);
    log_in_to_subscription(&dir);
    let one = cli(&dir, "token anthropic --min-validity 0").stdout;
    assert_eq!(cli(&dir, "token anthropic --min-validity 0").stdout, one);
    assert_eq!(
        cli(&dir, "token anthropic").stdout,
        one,
        "half of its life, where the margin is longer than all of it"
    );
    let other = cli(&dir, "token anthropic --min-validity 200").stdout;
    assert_ne!(other, one, "less than that was left");
    let rejected = with_input(&dir, "token anthropic --rejected", &other).stdout;
    assert_ne!(rejected, other);
    assert_eq!(
        with_input(&dir, "token anthropic --rejected --min-validity 0", &one).stdout,
        rejected,
        "a newer one is there"
    );
    fails(&with_input(&dir, "token anthropic --rejected", ""), 2, "no token on standard input");
    sandbox.fault_refresh("anthropic.token", 2, fault::status(503));
    let hidden = with_input(&dir, "token anthropic --rejected", &rejected);
    fails(&hidden, 5, "a fault of its own");
    let calls = sandbox.refreshes("anthropic.token");
    sandbox.revoke_all("anthropic");
    fails(&with_input(&dir, "token anthropic --rejected", &rejected), 3, "expired");
    assert_eq!(sandbox.refreshes("anthropic.token"), calls + 1);
    sandbox.advance(200);
    let status = cli(&dir, "status");
    assert!(status.stdout.contains("anthropic"), "{status:?}");
}

/// The notice is accepted beforehand, as an earlier login would have.
fn log_in_to_subscription(dir: &TestDir) {
    agree_to_subscription(dir);
    let ran = log_in(dir, "login anthropic --method subscription");
    assert_eq!(ran.code(), 0, "{ran:?}");
}

#[test]
fn exec_hands_over_variables_and_the_exit_status() {
    let dir = dir();
    with_input(&dir, "secret set openrouter", &format!("{KEY}\n"));
    let ran = run(
        &mut dir.convocations(["exec", "openrouter", "--", "sh", "-c", "echo $OPENROUTER_API_KEY; exit 7"]),
        "",
    );
    assert_eq!((ran.code(), ran.stdout.trim()), (7, KEY));
    let limits = |command: &mut Command| run(command.arg("ulimit -c; ulimit -Hc"), "").ok().stdout;
    let own = limits(dir.command("sh").arg("-c"));
    assert_eq!(limits(&mut dir.convocations(["exec", "openrouter", "--", "sh", "-c"])), own);
    fails(&cli(&dir, "exec openrouter -- nosuchprogram"), 127, "There is no program `nosuchprogram`.");
    fails(&cli(&dir, "exec openrouter -- /no/such/program"), 127, "Check its path.");
    fails(&cli(&dir, "exec openrouter -- /etc/passwd"), 126, "`/etc/passwd` cannot be run");
    fails(&cli(&dir, "exec anthropic -- true"), 3, "not logged in");
}

#[test]
fn status_providers_and_completions_are_for_programs_too() {
    let dir = dir();
    assert!(cli(&dir, "status").stdout.contains("not logged in"));
    with_input(&dir, "secret set openrouter@work", &format!("{KEY}\n"));
    let status: Value = serde_json::from_str(&cli(&dir, "status --json").stdout).unwrap();
    assert_eq!(status["logins"][0]["login"], "openrouter@work");
    assert_eq!(status["store"]["backend"], "local-encrypted");
    let providers: Value = serde_json::from_str(&cli(&dir, "providers --json").stdout).unwrap();
    let methods = |id: &str| {
        let found =
            providers["providers"].as_array().unwrap().iter().find(|provider| provider["id"] == id).unwrap();
        found["methods"]
            .as_array()
            .unwrap()
            .iter()
            .map(|m| m["id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(methods("openrouter"), ["browser", "code", "api-key"]);
    for shell in ["bash", "zsh", "fish"] {
        assert!(cli(&dir, &format!("completions {shell}")).stdout.contains("convocations"), "{shell}");
    }
    let mut bash = Command::new("bash");
    let checked = run(bash.arg("-n"), &cli(&dir, "completions bash").stdout);
    assert_eq!(checked.code(), 0, "{checked:?}");
}

#[test]
fn logout_all_removes_every_login() {
    let dir = dir();
    for login in ["openrouter", "openrouter@work", "anthropic"] {
        assert_eq!(with_input(&dir, &format!("secret set {login}"), &format!("{KEY}\n")).code(), 0);
    }
    assert_eq!(cli(&dir, "logout --all").code(), 0);
    assert!(cli(&dir, "status").stdout.contains("not logged in"));
    assert_eq!(cli(&dir, "logout --all").code(), 0);
}

#[test]
fn doctor_names_each_trouble_and_what_to_do() {
    let dir = dir();
    with_input(&dir, "secret set openrouter", &format!("{KEY}\n"));
    let fine = run(dir.convocations(["doctor"]).env("SSH_CONNECTION", "x"), "");
    assert_eq!(fine.code(), 0, "{fine:?}");
    assert!(
        fine.stdout.contains("SSH")
            && fine.stdout.contains("`openrouter`: logged in. Its token is good. (local-encrypted)")
    );
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let Ok(taken) = std::net::TcpListener::bind(address) else { continue };
        let port = taken.local_addr().unwrap().port();
        let ran = run(dir.convocations(["doctor"]).env("RCONV_HTTP_PORT", port.to_string()), "");
        assert!(ran.stdout.contains(&format!("port {port} is taken")), "{ran:?}");
    }
    let config = convocations::config::Config::load(&dir.paths(), None).unwrap();
    let store = convocations::store::Store::new(&dir.paths(), &config.store);
    let held = store.try_lock_login(&"openrouter".parse().unwrap()).unwrap();
    let refreshing = cli(&dir, "doctor").stdout;
    assert!(refreshing.contains("Another process is refreshing `openrouter`."), "{refreshing}");
    if cfg!(target_os = "linux") {
        assert!(refreshing.contains(&format!("It is process {}.", std::process::id())), "{refreshing}");
    }
    drop(held);
    with_input(&dir, "secret set groq", &format!("{KEY}\n"));
    let key = dir.config().join("secret.key");
    std::fs::rename(&key, dir.path().join("moved")).unwrap();
    let lost = cli(&dir, "doctor");
    assert_eq!((lost.code(), lost.stdout.matches("missing").count()), (6, 1), "told once: {lost:?}");
    dir.write_config("[store]\nbackend = \"plain\"\n");
    let wrong = cli(&dir, "doctor");
    assert!(wrong.code() == 2 && wrong.stdout.contains("store.backend"), "{wrong:?}");
}

#[test]
fn nobody_reading_is_no_fault() {
    let dir = dir();
    let program = env!("CARGO_BIN_EXE_convocations");
    let mut shell = dir.command("bash");
    shell.args(["-c", &format!("set -o pipefail; {program} providers --json | head -c 1")]);
    let ran = run(&mut shell, "");
    assert!(ran.code() == 0 && !ran.stderr.contains("panic"), "{ran:?}");
}

/// `client_secret = "store"`: kept where logins are kept, without being one.
#[test]
fn a_client_secret_is_stored_and_is_no_login() {
    let (sandbox, dir) = (Sandbox::start(), dir());
    let own = format!(
        "[store]\nbackend = \"local-encrypted\"\n[callback]\nport = 0\n[providers.corp]\nissuer = \"{}/generic\"\n\
         scopes = [\"openid\", \"offline_access\"]\nclient_id = \"sandbox-confidential\"\nclient_secret = \"store\"\n",
        sandbox.url()
    );
    dir.write_config(&own);
    let input = "sandbox-confidential-secret\n";
    fails(&with_input(&dir, "secret set openrouter@oauth-client", input), 2, "takes no client secret");
    fails(&with_input(&dir, "secret set corp", input), 2, "takes no key");
    assert_eq!(with_input(&dir, "secret set corp@oauth-client", input).code(), 0);
    fails(&cli(&dir, "token corp@oauth-client"), 3, "not logged in");
    let refused = cli(&dir, "login corp@oauth-client");
    assert!(refused.code() == 2 && refused.stderr.contains("not an account"), "{refused:?}");
    assert!(!cli(&dir, "status --json").stdout.contains("oauth-client"));

    assert_eq!(log_in(&dir, "login corp --method browser").code(), 0);
    assert_eq!(cli(&dir, "token corp").code(), 0);
    let sent = &sandbox.calls_of("generic.token")[0]["fields"];
    assert_eq!(sent["client_secret"], input.trim());
    assert_eq!(cli(&dir, "logout --all").code(), 0);
    assert_eq!(log_in(&dir, "login corp --method browser").code(), 0, "the client outlives its logins");
    assert_eq!(cli(&dir, "secret clear corp@oauth-client").code(), 0);
}

/// As in a container whose user has no name: the folder that is named holds everything.
#[test]
fn without_a_home_the_named_folder_is_enough() {
    let dir = dir();
    let homeless = |args: &[&str]| {
        let mut command = dir.convocations(args);
        for name in ["XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME"] {
            command.env_remove(name);
        }
        command.env("HOME", "relative");
        command
    };
    let doctor = run(&mut homeless(&["doctor"]), "").ok().stdout;
    assert!(doctor.contains(&format!("`{}/convocations.log`", dir.config().display())), "{doctor}");
    let ran = run(homeless(&["status"]).env_remove("CONVOCATIONS_DIR"), "");
    fails(&ran, 2, "no home folder to keep logins in.\n  Set `HOME`");
}

/// The line of the log that has `words`, which must come behind the one before.
fn follows<'a>(lines: &mut impl Iterator<Item = &'a str>, words: &str) -> &'a str {
    lines.find(|line| line.contains(words)).unwrap_or_else(|| panic!("no line `{words}` behind the others"))
}

#[test]
fn the_log_tells_the_whole_story_of_a_refresh_at_debug_and_only_troubles_by_itself() {
    let sandbox = Sandbox::start();
    let dir = sandboxed(&sandbox);
    log_in_to_subscription(&dir);
    assert_eq!(cli(&dir, "token anthropic").code(), 0);
    assert!(!dir.log().exists(), "nothing went wrong: the log is not even opened");
    let mut command = dir.convocations(["token", "anthropic", "--min-validity", "999999"]);
    let token = run(command.env("CONVOCATIONS_LOG", "debug"), "").ok().stdout;
    let log = std::fs::read_to_string(dir.log()).unwrap();
    let mut lines = log.lines();
    follows(&mut lines, " INFO cli: began command=token version=");
    follows(&mut lines, "locked login=anthropic");
    follows(&mut lines, "refreshes login=anthropic fingerprint=");
    follows(&mut lines, "DEBUG http: request endpoint=");
    follows(&mut lines, " status=200 ms=");
    follows(&mut lines, "refreshed login=anthropic fingerprint=");
    follows(&mut lines, "stored login=anthropic revision=2 backend=local-encrypted");
    let handed_out = follows(&mut lines, "handed out login=anthropic source=login revision=2 expires_at=");
    follows(&mut lines, " INFO cli: ended");
    let mut words = handed_out.split(' ');
    let (time, pid) = (words.next().unwrap(), words.next().unwrap());
    assert!(humantime::parse_rfc3339(time).is_ok() && pid.parse::<u32>().is_ok(), "{handed_out}");
    assert!(!log.contains(token.trim()), "{log}");
    assert_eq!(parses_and_writes(&log), (1, 1), "{log}");
}

/// How often the log says that credentials.toml was parsed and written.
fn parses_and_writes(log: &str) -> (usize, usize) {
    (log.matches(" parsed credentials.toml ").count(), log.matches(" wrote credentials.toml ").count())
}

#[test]
fn the_log_tells_a_login_step_by_step_and_no_secret_of_it() {
    let sandbox = Sandbox::start();
    let dir = sandboxed(&sandbox);
    log_in_to_subscription(&dir);
    let mut command = dir.convocations(["login", "anthropic", "--method", "subscription"]);
    let child = Child::spawn(command.env("BROWSER", "true").env("CONVOCATIONS_LOG", "debug"));
    let url = common::shown_address(&child);
    let callback = approve(&url);
    let stray = callback.replace("state=", "state=another");
    browser::visit(&stray);
    common::arrive(&callback);
    child.finish(Duration::from_secs(30)).ok();
    let log = std::fs::read_to_string(dir.log()).unwrap();
    let mut lines = log.lines();
    let waits =
        follows(&mut lines, " INFO login::methods::browser: waits login=anthropic method=subscription");
    let (shown, _) = url.split_once('?').unwrap();
    assert!(waits.contains(&format!("address={shown}")) && waits.contains(" port="), "{waits}");
    follows(&mut lines, "a callback was ignored why=");
    follows(&mut lines, "a callback came with the right state");
    follows(&mut lines, "exchanges the code login=anthropic");
    follows(&mut lines, " status=200 ms=");
    follows(&mut lines, "logged in login=anthropic store=local-encrypted");
    assert_eq!(parses_and_writes(&log), (1, 1), "{log}");
    let sent = &sandbox.calls_of("anthropic.token")[0]["fields"];
    let mut secrets = sandbox.secrets();
    secrets.extend(["code", "code_verifier", "state"].map(|name| sent[name].as_str().unwrap().to_owned()));
    assert!(secrets.len() > 4, "{secrets:?}");
    for secret in secrets {
        assert!(secret.len() > 10 && !log.contains(&secret), "{log}");
    }
}

#[test]
fn a_level_that_is_none_is_named_and_off_writes_nothing() {
    let dir = dir();
    let log_at = |level: &str| {
        let mut command = dir.convocations(["token", "openrouter"]);
        assert_eq!(run(command.env("CONVOCATIONS_LOG", level), "").code(), 3);
        std::fs::read_to_string(dir.log()).unwrap_or_default()
    };
    assert_eq!(log_at("off"), "");
    assert_eq!(log_at("WARN"), "");
    let log = log_at("loud");
    assert!(log.lines().count() == 1 && log.contains("`CONVOCATIONS_LOG` is not one of debug"), "{log}");
    let log = log_at("info");
    assert!(
        log.contains("INFO cli: failed: You are not logged in to OpenRouter. error=not_logged_in"),
        "{log}"
    );
}

/// What a shell is offered behind `line`, whose last word is being typed.
fn offered(dir: &TestDir, line: &str) -> Vec<String> {
    let words: Vec<&str> = line.split(' ').collect();
    let mut command = dir.convocations(["--"].iter().chain(&words));
    command.env("CONVOCATIONS_COMPLETE", "fish").env("GROQ_API_KEY", KEY);
    let shown = run(&mut command, "").ok().stdout;
    let names = shown.lines().map(|line| line.split('\t').next().unwrap().to_owned());
    names.filter(|name| !name.starts_with('-')).collect()
}

#[test]
fn a_shell_is_offered_logins_providers_and_methods() {
    let dir = dir();
    with_input(&dir, "secret set openrouter@work", &format!("{KEY}\n"));
    assert_eq!(offered(&dir, "convocations tok"), ["token"]);
    assert_eq!(offered(&dir, "convocations logout "), ["openrouter@work"]);
    assert_eq!(offered(&dir, "convocations token "), ["groq", "openrouter@work"]);
    assert_eq!(offered(&dir, "convocations login open"), ["openai", "openrouter", "openrouter@work"]);
    assert_eq!(offered(&dir, "convocations login openrouter --method "), ["api-key", "browser", "code"]);
    assert_eq!(offered(&dir, "convocations login openrouter@work --method c"), ["code"]);
    std::fs::write(dir.config().join("config.toml"), "[").unwrap();
    assert_eq!(offered(&dir, "convocations login "), [""; 0], "and nothing on standard error");
}

/// By bash itself, as the README has it.
#[test]
fn bash_completes_by_what_it_reads_from_completions() {
    let dir = dir();
    with_input(&dir, "secret set openrouter@work", &format!("{KEY}\n"));
    let folder = std::path::Path::new(env!("CARGO_BIN_EXE_convocations")).parent().unwrap();
    let script = r#"PATH="$1:$PATH"; source <(convocations completions bash); shift
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        _convocations convocations "$REPLACED" token; echo "${COMPREPLY[@]}""#;
    // As bash splits a line, and what it then replaces.
    for (words, replaced, completed) in [
        (vec!["convocations", "token", "o"], "o", "openrouter@work"),
        (vec!["convocations", "token", "openrouter", "@"], "@", "@work"),
        (vec!["convocations", "token", "openrouter", "@", "w"], "@w", "@work"),
        (vec!["convocations", "token", "openrouter", "@", "w"], "w", "work"),
        (vec!["convocations", "logout", "openrouter", "@", "work", "--al"], "--al", "--all"),
        (vec!["convocations", "l"], "l", "login logout"),
    ] {
        let mut bash = dir.command("bash");
        let ran =
            run(bash.env("REPLACED", replaced).args(["-c", script, "bash"]).arg(folder).args(&words), "");
        assert_eq!((ran.stdout.trim(), ran.stderr.as_str()), (completed, ""), "{words:?}");
    }
}

#[test]
fn man_pages_and_the_help_say_what_each_exit_status_means() {
    let dir = dir();
    let folder = dir.path().join("man");
    let mut command = dir.convocations(["man", "--dir"]);
    run(command.arg(&folder), "").ok();
    assert!(folder.join("convocations-secret-set.1").exists());
    let page = std::fs::read_to_string(folder.join("convocations.1")).unwrap();
    assert!(page == cli(&dir, "man").ok().stdout && page.starts_with(".ie"));
    let help = cli(&dir, "--help").ok().stdout;
    let statuses = convocations::error::Code::ALL.iter().map(|code| code.exit_status());
    for status in statuses.chain([0, 126, 127]) {
        let in_help = help.lines().any(|line| line.trim().starts_with(&format!("{status} ")));
        assert!(in_help && page.contains(&format!(".TP\n{status}\n")), "{status}: {help}");
    }
}

/// What the editor reads of a program that it has downloaded: version, commit, target.
#[test]
fn the_version_names_the_commit_and_the_target_and_the_pages_only_the_version() {
    let dir = dir();
    let said = cli(&dir, "--version").ok().stdout;
    let words: Vec<&str> = said.trim_end().split([' ', '(', ')']).filter(|word| !word.is_empty()).collect();
    let [name, version, commit, target] = words[..] else { panic!("{said}") };
    assert_eq!((name, version), ("convocations", env!("CARGO_PKG_VERSION")), "{said}");
    assert!(!commit.is_empty() && target.starts_with(std::env::consts::ARCH), "{said}");
    let page = cli(&dir, "man").ok().stdout;
    assert!(page.contains(&format!("convocations {version}\"")) && !page.contains(target), "{page}");
}

#[test]
fn clearing_a_key_says_which_other_one_is_still_used() {
    let dir = dir();
    let cleared = cli(&dir, "secret clear-openrouter-key").ok().stderr;
    assert_eq!(cleared, "Nothing is stored for openrouter.\n");
    let app = dir.app_key("sk-or-v1-app");
    let field = |name: &str| format!("{name} = {}\n", app[name]);
    let table = ["backend", "nonce", "ciphertext"].map(field).concat();
    dir.write_config(&format!(
        "[store]\nbackend = \"local-encrypted\"\n[runtime.openrouter_api_key]\n{table}"
    ));
    assert_eq!(cli(&dir, "token openrouter").stdout, "sk-or-v1-app\n");
    let cleared = cli(&dir, "secret clear-openrouter-key").ok().stderr;
    assert!(
        cleared.contains("key of the Convocations app is used") && cleared.contains("remove it in"),
        "{cleared}"
    );
    let mut command = dir.convocations(["secret", "clear-openrouter-key"]);
    let cleared = run(command.env("OPENROUTER_API_KEY", KEY), "").ok().stderr;
    assert!(cleared.contains("`OPENROUTER_API_KEY` of the environment is used for openrouter."), "{cleared}");
}

#[test]
fn of_the_apps_key_status_and_token_say_the_same_in_whatever_form_it_is_kept() {
    let dir = dir();
    let sealed = dir.app_key("sk-or-v1-app");
    let field = |name: &str| format!("{name} = {}\n", sealed[name]);
    let sealed = ["backend", "nonce", "ciphertext"].map(field).concat();
    let (used, none) = ("is the key of the Convocations app", "lists the logins");
    for (app, status, hint) in [
        ("[runtime]\nopenrouter_api_key = \"sk-or-v1-app\"\n".to_owned(), 3, none),
        ("[runtime.openrouter_api_key]\nvalue = \"sk-or-v1-app\"\n".to_owned(), 3, none),
        ("[runtime.openrouter_api_key]\nbackend = \"keyring\"\n".to_owned(), 6, used),
        (format!("[runtime.openrouter_api_key]\n{sealed}"), 0, used),
    ] {
        dir.write_config(&format!("[store]\nbackend = \"local-encrypted\"\n{app}"));
        let (shown, token) = (cli(&dir, "status openrouter"), cli(&dir, "token openrouter"));
        assert_eq!((shown.code(), token.code()), (status, status), "{app} {shown:?} {token:?}");
        assert_eq!(shown.stdout.contains("from app"), status == 0, "{shown:?}");
        fails(&cli(&dir, "logout openrouter"), 3, hint);
    }
}

#[test]
fn storing_a_key_or_logging_in_says_what_goes_before_it() {
    let sandbox = Sandbox::start();
    let dir = sandboxed(&sandbox);
    let mut set = dir.convocations(["secret", "set-openrouter-key"]);
    let said = run(set.env("OPENROUTER_API_KEY", "sk-or-v1-other"), &format!("{KEY}\n")).ok().stderr;
    assert!(
        said.contains("Stored") && said.contains("`OPENROUTER_API_KEY` of the environment goes before it"),
        "{said}"
    );
    assert!(!with_input(&dir, "secret set-openrouter-key", &format!("{KEY}\n")).stderr.contains("before"));
    let mut login = dir.convocations(["login", "openrouter", "--method", "browser"]);
    let said = common::log_in(login.env("OPENROUTER_API_KEY", "sk-or-v1-other")).ok().stderr;
    assert!(
        said.contains("Logged in") && said.contains("`OPENROUTER_API_KEY` of the environment goes"),
        "{said}"
    );
}

#[test]
fn the_status_of_one_login_has_the_exit_status_that_its_token_has() {
    let sandbox = Sandbox::start();
    let dir = sandboxed(&sandbox);
    let agree = |login: &str, status: i32| {
        let shown = cli(&dir, &format!("status {login}"));
        assert_eq!(
            (shown.code(), cli(&dir, &format!("token {login}")).code()),
            (status, status),
            "{shown:?}"
        );
        assert!(status == 2 || shown.stdout.contains(login), "{shown:?}");
    };
    agree("openrouter", 3);
    agree("nobody", 2);
    log_in_to_subscription(&dir);
    with_input(&dir, "secret set openrouter@work", &format!("{KEY}\n"));
    agree("openrouter@work", 0);
    let json: Value = serde_json::from_str(&cli(&dir, "status openrouter@work --json").stdout).unwrap();
    assert_eq!(json["logins"].as_array().unwrap().len(), 1, "{json}");
    agree("anthropic", 0);
    sandbox.revoke_all("anthropic");
    let token = cli(&dir, "token anthropic").stdout;
    fails(&with_input(&dir, "token anthropic --rejected", &token), 3, "expired");
    agree("anthropic", 3);
    std::fs::remove_file(dir.config().join("secret.key")).unwrap();
    agree("openrouter@work", 6);
}

/// Root writes everywhere, so there the program runs as nobody.
#[test]
fn doctor_says_that_the_folder_cannot_be_written() {
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::process::CommandExt as _;
    const NOBODY: u32 = 65_534;
    let dir = dir();
    let is_root = run(dir.command("id").arg("-u"), "").ok().stdout.trim() == "0";
    if is_root {
        run(dir.command("chown").args(["-R", &NOBODY.to_string()]).arg(dir.path()), "").ok();
    }
    let doctor = || {
        let mut command = dir.convocations(["doctor"]);
        if is_root {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    };
    if !doctor().output().is_ok_and(|ran| ran.status.success()) {
        eprintln!("skipped: the program is where nobody but root may run it");
        return;
    }
    let set_mode =
        |mode| std::fs::set_permissions(dir.config(), std::fs::Permissions::from_mode(mode)).unwrap();
    set_mode(0o500);
    let ran = run(&mut doctor(), "");
    set_mode(0o700);
    assert_eq!(ran.code(), 6, "{ran:?}");
    assert!(ran.stdout.contains("cannot be written") && ran.stdout.contains("owner and mode"), "{ran:?}");
}
