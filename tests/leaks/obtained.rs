//! What nobody logs in for: a key that a command prints, and a token that this machine's identity is
//! exchanged for. Neither they nor what they are made of is in sight, whether they serve or fail.

use serde_json::{Value, json};

use crate::backend::Backend;
use crate::common::{Sandbox, TestDir};
use crate::rounds::{asked, programs, told};
use crate::search::{Places, secrets};
use crate::ways;

/// In the settings it stands in two parts, so that it is whole only once it is printed.
const PRINTED: [&str; 2] = ["sk-planted-by-a-", "command-0123456789"];
const HEADER: [&str; 2] = ["planted-header-", "0123456789abcdef"];
const ON_STDERR: [&str; 2] = ["planted-on-standard-", "error-0123456789"];

/// A whole life of a credential of `login`: used, refused, asked for by programs. Returns what came first.
fn round(
    sandbox: &Sandbox,
    dir: &TestDir,
    login: &str,
    variables: &[(&str, &str)],
    planted: &[String],
) -> Value {
    let mut places = Places::default();
    let mut start = dir.convocations(Vec::<String>::new());
    start.env("CONVOCATIONS_LOG", "debug").envs(variables.iter().copied());
    let mut backend = Backend::start(&mut start, json!({}));
    let mut ask = |method: &str, params: Value| {
        let id = backend.send(method, params);
        backend.reply(id).unwrap_or_else(|error| error)
    };
    let held = ask("get", json!({ "login": login }));
    let token = held["token"].as_str().unwrap_or("none");
    // A vault gives the same key again, and its API has refused that.
    ask("invalidate", json!({ "login": login, "token": token }));
    ask("usage", json!({ "login": login }));
    ask("status", json!({}));
    places.add_process("the backend", backend.id());
    programs(dir, login, variables, &mut places);
    places.add_files(dir);
    places.add("the backend's messages", told(&backend));
    places.add("the backend's standard error", backend.last_words());
    places.add("addresses that were asked, and the program's name for itself", asked(sandbox));
    let mut secrets = secrets(sandbox);
    secrets.extend(planted.iter().cloned());
    places.has("convocations.log").has("cmdline of the backend").hold_none_of(&secrets);
    held
}

#[test]
fn what_a_command_prints_is_left_nowhere() {
    let sandbox = ways::sandbox();
    let planted = [PRINTED, HEADER, ON_STDERR].map(|parts| parts.concat());
    let print = |parts: [&str; 2]| format!("printf %s%s {} {}", parts[0], parts[1]);
    let text = format!("{} >&2; {}", print(ON_STDERR), print(PRINTED));
    let json = format!(
        r#"printf '{{"token":"'; {}; printf '","headers":{{"x-org":"'; {}; printf '"}}}}'"#,
        print(PRINTED),
        print(HEADER)
    );
    for (script, more, serves) in [
        (text.clone(), "cache = \"memory\"", true),
        (text.clone(), "cache = \"store\"", true),
        (json.clone(), "format = \"json\"\ncache = \"store\"", true),
        (format!("{text}; exit 3"), "", false),
        (format!("{text}; echo; {text}"), "", false),
        (format!("{json}; echo x"), "format = \"json\"", false),
        (format!("{text}; sleep 600"), "timeout = 1", false),
    ] {
        let dir = ways::home(&sandbox);
        let settings = format!(
            "[providers.deepseek]\nsources = [\"command\"]\n[providers.deepseek.command]\n\
             argv = [\"sh\", \"-c\", '''{script}''']\n{more}\n"
        );
        std::fs::write(dir.config().join("convocations.toml"), settings).unwrap();
        let held = round(&sandbox, &dir, "deepseek", &[], &planted);
        assert_eq!(held["token"].as_str(), serves.then_some(planted[0].as_str()), "{script}: {held}");
    }
}

#[test]
fn what_a_machine_shows_and_gets_is_left_nowhere() {
    let sandbox = ways::sandbox();
    let audience = sandbox.at("/anthropic");
    let identity = |lifetime: i64| {
        let wanted = json!({ "audience": audience, "lifetime": lifetime });
        sandbox.control("assertion", wanted)["token"].as_str().unwrap().to_owned()
    };
    // The platform's own folder, which is none of ours.
    let platform = TestDir::new();
    let file = platform.path().join("identity");
    for (shown, serves) in
        [(identity(600), true), (identity(-5), false), (identity(600).replace('.', "-"), false)]
    {
        std::fs::write(&file, &shown).unwrap();
        let dir = ways::home(&sandbox);
        let variables = [
            ("ANTHROPIC_FEDERATION_RULE_ID", "fdrl_sandbox"),
            ("ANTHROPIC_ORGANIZATION_ID", "org-sandbox"),
            ("ANTHROPIC_IDENTITY_TOKEN_FILE", file.to_str().unwrap()),
        ];
        let held = round(&sandbox, &dir, "anthropic", &variables, &[shown]);
        assert_eq!(held["token"].is_string(), serves, "{held}");
        assert!(!dir.paths().index_file().exists(), "nothing is stored");
    }
}
