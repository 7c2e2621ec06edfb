//! config.toml and the editor's options: what they change, and what a mistake in them is told like.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use convocations::config::{Config, StoreBackend};
use convocations::error::{Code, Error};
use convocations::paths::Paths;
use convocations::provider::{ClientSecret, Grant, RedirectPorts, Source};
use serde_json::{Value, json};

struct Folder(std::path::PathBuf);

impl Folder {
    fn new(config: &str) -> Self {
        let path = std::env::temp_dir().join(format!("convocations-config-{:016x}", rand::random::<u64>()));
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join("config.toml"), config).unwrap();
        Self(path)
    }

    fn load(&self, options: Option<&Value>) -> Result<Config, Error> {
        Config::load(&Paths::new(&self.0, &self.0), options)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn load(text: &str) -> Result<Config, Error> {
    Folder::new(text).load(None)
}

/// What is wrong with these settings: all of them, or one of them.
fn mistake(text: &str) -> Error {
    match load(text) {
        Err(error) => error,
        Ok(config) => config.problems().first().expect(text).clone(),
    }
}

#[test]
fn no_file_means_the_defaults() {
    let folder = Folder::new("");
    std::fs::remove_file(folder.0.join("config.toml")).unwrap();
    let config = folder.load(None).unwrap();
    assert_eq!((config.callback.port, config.refresh.margin, config.http.timeout), (3000, 300, 30));
    assert_eq!(config.store.backend, StoreBackend::Auto);
}

#[test]
fn one_url_of_a_builtin_provider_can_be_overridden() {
    let config =
        load("[providers.anthropic.login.subscription]\ntoken_url = \"http://127.0.0.1:9000/t\"").unwrap();
    let provider = config.provider("anthropic").unwrap();
    let method = provider.method("subscription").unwrap();
    assert_eq!(method.token_url.as_ref().unwrap().as_str(), "http://127.0.0.1:9000/t");
    assert_eq!(method.authorize_url.as_ref().unwrap().host_str(), Some("claude.ai"), "the rest stays");
    assert_eq!(provider.methods.len(), 3);
}

#[test]
fn the_editors_options_win() {
    let folder =
        Folder::new("[refresh]\nmargin = 100\n[providers.openrouter]\nbase_url = \"https://a.example\"");
    let options = json!({"refresh": {"margin": 50}, "providers": {"openrouter": {"name": "OR"}}});
    let config = folder.load(Some(&options)).unwrap();
    let provider = config.provider("openrouter").unwrap();
    assert_eq!(config.refresh.margin, 50);
    assert_eq!((provider.name.as_str(), provider.base_url.as_deref()), ("OR", Some("https://a.example")));
}

#[test]
fn the_apps_tables_are_left_alone() {
    let text = "schema_version = 1\n[runtime]\nopenrouter_model = \"m\"\n\
                [runtime.openrouter_api_key]\nbackend = \"keyring\"\naccount = \"a\"\n[ui]\nx = 1\n[[presets]]\ny = 2";
    let config = load(text).unwrap();
    assert_eq!(config.app_key_reference().unwrap()["backend"], "keyring");
}

#[test]
fn mistakes_are_named_by_file_and_path() {
    for (text, path, allowed) in [
        ("[store]\nbackend = \"plain\"", "store.backend", "local-encrypted"),
        ("[store]\nbakend = \"auto\"", "store.bakend", "did you mean `backend`?"),
        ("[refresh]\nmargin = \"soon\"", "refresh.margin", "a whole number"),
        ("[refresh]\nmargin = -1", "refresh.margin", "0 to 86400"),
        ("[callback]\nport = 70000", "callback.port", "65535"),
        ("[http]\ntimeout = 0", "http.timeout", "1 to 86400"),
        ("[http]\nca_file = \"ca.pem\"", "http.ca_file", "from `/` or `~/` on"),
        ("[cooking]\nx = 1", "cooking", "providers"),
        ("[providers.Bad]\nname = \"x\"", "providers", "a-z"),
        ("[providers.x]\nissuer = \"http://x.example\"", "providers.x.issuer", "https"),
        ("[providers.x]\nsources = [\"keychain\"]", "providers.x.sources", "env:VARIABLE"),
        ("[providers.x.login.a]\nlabel = \"x\"", "providers.x.login.a.grant", "device-code"),
        ("[providers.x.login.a]\ngrant = \"magic\"", "providers.x.login.a.grant", "api-key"),
        (
            "[providers.x.login.a]\ngrant = \"authorization-code\"",
            "providers.x.login.a.authorize_url",
            "issuer",
        ),
        (
            "[providers.x.use.api-key]\nheaders = { x = \"{\" }",
            "providers.x.use.api-key.headers.x",
            "{token}",
        ),
        ("[providers.openrouter.login.browser]\nredirect = { ports = \"some\" }", "redirect.ports", "any"),
        (
            "[providers.x.login.a]\ngrant = \"api-key\"\nsecond_step = \"dance\"",
            "second_step",
            "copilot-token",
        ),
        ("[providers.kimi.login.device.request_headers]\n\"a b\" = \"x\"", "request_headers", "header name"),
        ("[providers.x]\nissuer = \"https://x.example/?a=b\"", "providers.x.issuer", "query"),
        ("[store]\nbackend = 7", "store.backend", "a text"),
        ("[providers.openrouter]\nbase_url = \"https://{what}/v1\"", "providers.openrouter.base_url", "URL"),
        (
            "[providers.openrouter.login.browser]\ntoken_url = \"https://{what}/v1\"",
            "login.browser.token_url",
            "URL",
        ),
        ("[providers.x.exec.api-key]\n\"A=B\" = \"{token}\"", "providers.x.exec", "variable"),
        ("[providers.openrouter.login.browser.redirect]\npath = \"/é\"", "redirect.path", "URL"),
        ("[providers.openrouter.login.browser.redirect]\npath = \"/a/../b\"", "redirect.path", "URL"),
        ("[providers.openrouter.login.browser.redirect]\npath = \"@x\"", "redirect.path", "`/`"),
        ("[providers.openrouter]\nmethods = [\"telepathy\"]", "providers.openrouter.methods", "login"),
    ] {
        let error = mistake(text);
        assert_eq!(error.code(), Code::ConfigInvalid);
        assert!(error.message().contains(path), "{text:?} → {error}");
        assert!(error.message().contains(allowed), "{text:?} → {error}");
    }
}

#[test]
fn a_value_is_never_repeated() {
    for text in [
        "[store]\nbackend = \"sk-planted\"",
        "[providers.x]\nissuer = \"http://x.example/?k=sk-planted\"",
        "[store]\nkeyring_timeout = \"sk-planted\"",
        "x = sk-planted",
        "[providers.\"sk-planted sk-planted\"]\nname = 7",
    ] {
        let error = mistake(text);
        assert!(!error.message().contains("planted") || text.contains("providers.\""), "{error}");
    }
}

#[test]
fn broken_toml_is_named_by_its_line() {
    let error = load("[store]\nbackend = \"auto\"\n\nthis is no toml").unwrap_err();
    assert!(error.message().contains("line 4"), "{error}");
}

/// A pipe would be waited for.
#[cfg(unix)]
#[test]
fn what_is_no_file_is_not_read() {
    for make in ["mkfifo", "mkdir"] {
        let folder = Folder::new("");
        let path = folder.0.join("config.toml");
        std::fs::remove_file(&path).unwrap();
        assert!(std::process::Command::new(make).arg(&path).status().unwrap().success());
        let error = folder.load(None).unwrap_err();
        assert!(error.message().ends_with("is not a regular file."), "{make}: {error}");
    }
}

#[test]
fn wrong_options_are_not_blamed_on_the_file() {
    let error = Folder::new("").load(Some(&json!({"store": {"backend": 7}}))).unwrap_err();
    assert!(error.message().contains("setup()") && !error.message().contains("config.toml"), "{error}");
    let error = Folder::new("").load(Some(&json!("auto"))).unwrap_err();
    assert!(error.message().ends_with("what is there is not valid: it must be a table."), "{error}");
}

#[test]
fn five_lines_describe_a_provider_with_discovery() {
    let config = load(
        "[providers.mycorp]\nname = \"My Corp\"\nissuer = \"https://login.mycorp.example\"\n\
         scopes = [\"openid\", \"offline_access\"]",
    )
    .unwrap();
    let provider = config.provider("mycorp").unwrap();
    let method = provider.default_method().unwrap();
    assert_eq!((method.grant, method.discover), (Grant::AuthorizationCode, true));
    assert_eq!(method.scopes, ["openid", "offline_access"]);
    assert_eq!(method.redirect.as_ref().unwrap().ports, RedirectPorts::Any);
    assert_eq!(provider.sources, [Source::Login]);
    assert!(provider.method("device").is_some());
}

#[test]
fn an_enterprises_host_is_one_option() {
    for domain in ["octo.ghe.com", "https://octo.ghe.com/", " http://octo.ghe.com/login "] {
        let config = load(&format!("[providers.github-copilot.options]\ndomain = \"{domain}\"")).unwrap();
        let method = config.provider("github-copilot").unwrap().default_method().unwrap().clone();
        assert_eq!(method.token_url.unwrap().as_str(), "https://octo.ghe.com/login/oauth/access_token");
        assert_eq!(method.identity_url.unwrap().as_str(), "https://api.octo.ghe.com/user");
    }
    for none in ["", "a b", "https://", "x@octo.ghe.com", "octo.ghe.com?x"] {
        let error = mistake(&format!("[providers.github-copilot.options]\ndomain = \"{none}\""));
        assert!(error.message().contains("providers.github-copilot.options.domain"), "{none}: {error}");
    }
}

#[test]
fn a_client_secret_stays_out_of_the_file() {
    let with = |secret: &str| {
        load(&format!("[providers.x]\nissuer = \"https://x.example\"\nclient_secret = \"{secret}\""))
    };
    let source = |secret: &str| with(secret).unwrap().provider("x").unwrap().client_secret.clone();
    assert_eq!(source("store"), Some(ClientSecret::Store));
    assert_eq!(source("env:X_SECRET"), Some(ClientSecret::Env("X_SECRET".to_owned())));
    let error = with("planted").unwrap().provider("x").unwrap_err();
    assert!(error.message().contains("providers.x.client_secret") && !error.message().contains("planted"));
}

#[test]
fn an_unknown_provider_is_answered_with_the_known_ones() {
    let error = Config::builtin().provider("nobody").unwrap_err();
    assert_eq!(error.code(), Code::UnknownLogin);
    assert!(error.hint().unwrap().contains("openrouter"));
    let error = Config::builtin().provider("SK-planted").unwrap_err();
    assert!(!error.message().contains("planted"));
}

fn help() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/doc/conv.txt")).unwrap()
}

#[test]
fn every_example_of_the_help_is_valid() {
    let help = help();
    let examples: Vec<String> = help
        .split(">toml\n")
        .skip(1)
        .map(|rest| {
            rest.lines().take_while(|line| *line != "<").map(str::trim).collect::<Vec<_>>().join("\n")
        })
        .collect();
    assert!(examples.len() >= 5, "the help shows how to describe a provider");
    for example in examples {
        let config = load(&example).unwrap_or_else(|error| panic!("{error}\n{example}"));
        assert!(config.provider_ids().iter().all(|id| config.provider(id).is_ok()), "{example}");
    }
}

/// Each recipe for a vault can be put into the settings as it stands.
#[test]
fn every_recipe_of_the_help_is_a_command() {
    let help = help();
    let (_, block) = help.split_once("Recipes for `argv`: >\n").unwrap();
    let (block, _) = block.split_once("\n<\n").unwrap();
    let lines = block.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let all = lines.collect::<Vec<_>>().join(" ");
    let recipes: Vec<&str> = all.split_inclusive(']').map(str::trim).collect();
    for recipe in &recipes {
        let text = format!(
            "[providers.openai]\nsources = [\"login\", \"command\"]\n[providers.openai.command]\nargv = {recipe}\n"
        );
        let provider =
            load(&text).unwrap().provider("openai").unwrap_or_else(|error| panic!("{error}\n{recipe}"));
        assert!(provider.command.is_some() && provider.sources.contains(&Source::Command), "{recipe}");
    }
    for vault in ["op", "bw", "pass", "gopass", "vault", "secret-tool", "security", "age", "gcloud", "az"] {
        let is_told = recipes.iter().any(|recipe| recipe.starts_with(&format!("[\"{vault}\"")));
        assert!(is_told, "the help has no recipe for {vault}");
    }
}

#[test]
fn the_help_tells_each_default() {
    let (help, config) = (help(), Config::builtin());
    let defaults = [
        ("store.backend", "\"auto\"".to_owned()),
        ("store.keyring_timeout", config.store.keyring_timeout.to_string()),
        ("callback.port", config.callback.port.to_string()),
        ("callback.timeout", config.callback.timeout.to_string()),
        ("refresh.margin", config.refresh.margin.to_string()),
        ("http.timeout", config.http.timeout.to_string()),
        (
            "http.ca_file",
            config.http.ca_file.as_ref().map_or("none".to_owned(), |file| file.display().to_string()),
        ),
    ];
    for (key, default) in &defaults {
        let (_, entry) =
            help.split_once(&format!("*conv-option-{key}*\n")).unwrap_or_else(|| panic!("{key}"));
        let kind = entry.lines().next().unwrap();
        assert!(kind.ends_with(&format!("default {default}")), "{key}: {kind}");
    }
    // What the editor's schema has in a section goes to this program: each must be known here.
    let shown = help.split("*conv-option-").skip(1).filter_map(|rest| rest.split_once('*'));
    let shared: Vec<_> = shown.map(|(key, _)| key).filter(|key| key.contains('.')).collect();
    assert_eq!(shared, defaults.each_ref().map(|(key, _)| *key), "in the order of the help");
}

/// Any value at any key: settings, or one error that names a key and repeats no value.
#[test]
fn values_of_any_kind_are_settings_or_one_error() {
    let keys = [
        "store",
        "store.backend",
        "store.keyring_timeout",
        "callback.port",
        "refresh.margin",
        "http.timeout",
        "http.ca_file",
        "providers",
        "providers.x",
        "providers.anthropic.sources",
        "providers.x.issuer",
        "providers.x.scopes",
        "providers.openrouter.login",
        "providers.openrouter.login.browser.redirect.ports",
        "providers.openrouter.login.browser.authorize_params",
        "providers.openai.use.oauth.headers",
        "providers.openai.exec.api-key",
        "providers.openai.env_kinds",
        "providers.kimi.login.device.grant",
        "providers.github-copilot.options.domain",
        "providers.x.client_secret",
        "providers.x.base_url",
    ];
    let values = [
        json!(null),
        json!(true),
        json!(-1),
        json!(70000),
        json!(1.5),
        json!("planted-c0ffee"),
        json!(""),
        json!("{token"),
        json!("https://planted-c0ffee.example/\u{0}"),
        json!(["planted-c0ffee"]),
        json!([[1]]),
        json!({}),
        json!({ "planted-c0ffee": 1 }),
        json!({ "a": { "grant": "planted-c0ffee" } }),
        json!({ "oauth": [] }),
    ];
    let folder = Folder::new("");
    for key in keys {
        for value in &values {
            let nested = key.rsplit('.').fold(value.clone(), |inner, name| json!({ name: inner }));
            let Err(error) = folder.load(Some(&nested)) else { continue };
            assert_eq!(error.code(), Code::ConfigInvalid, "{key} {value}");
            assert!(error.message().contains(key.split('.').next().unwrap()), "{key} {value}: {error}");
            let is_key = value.get("planted-c0ffee").is_some();
            assert!(is_key || !error.message().contains("planted"), "{key} {value}: {error}");
        }
    }
}

/// A slip in one provider's table fails that provider, named; a setting that is not known fails nothing.
#[test]
fn a_mistake_fails_what_it_is_about_and_nothing_else() {
    let text = "[store]\nbakend = \"auto\"\nkeyring_timeout = 7\n[cooking]\nx = 1\n\
                [providers.mistral]\nbase_ulr = \"https://a.example\"\n\
                [providers.mine]\nissuer = \"ftp://a.example\"\n\
                [providers.groq]\nbase_url = \"https://b.example\"\n";
    let config = load(text).unwrap();
    assert_eq!(config.store.keyring_timeout, 7, "what is right beside it counts");
    assert_eq!(config.provider("groq").unwrap().base_url.as_deref(), Some("https://b.example"));
    config.provider("anthropic").unwrap();
    for (id, path) in [("mistral", "providers.mistral.base_ulr"), ("mine", "providers.mine.issuer")] {
        let error = config.provider(id).unwrap_err();
        assert!(error.code() == Code::ConfigInvalid && error.message().contains(path), "{error}");
    }
    let told: Vec<&str> = config.problems().iter().map(Error::message).collect();
    assert_eq!(told.len(), 4, "{told:#?}");
    for path in ["store.bakend", "cooking", "providers.mistral.base_ulr", "providers.mine.issuer"] {
        assert!(told.iter().any(|told| told.contains(path)), "{path}: {told:#?}");
    }
    assert!(load("[store]\nbackend = \"plain\"").is_err(), "what a wrong value was to say is not known");
}

/// The app writes config.toml anew without our settings: those in a file of our own stay.
#[test]
fn settings_of_our_own_file_win_and_stay_when_the_app_writes_its_own() {
    let folder =
        Folder::new("[runtime]\nopenrouter_model = \"m\"\n[refresh]\nmargin = 100\n[http]\ntimeout = 9\n");
    let own = folder.0.join("convocations.toml");
    std::fs::write(&own, "[refresh]\nmargin = 60\n[providers.openrouter]\nname = \"OR\"\n").unwrap();
    let config = folder.load(None).unwrap();
    assert_eq!((config.refresh.margin, config.http.timeout), (60, 9), "config.toml is read still");
    assert!(config.is_shared_with_the_app());
    std::fs::write(folder.0.join("config.toml"), "[runtime]\nopenrouter_model = \"m\"\n").unwrap();
    let config = folder.load(None).unwrap();
    assert_eq!((config.refresh.margin, config.http.timeout), (60, 30));
    assert_eq!(config.provider("openrouter").unwrap().name, "OR");
    assert!(!config.is_shared_with_the_app(), "nothing can be lost any more");
    std::fs::write(&own, "[runtime]\nx = 1\n").unwrap();
    let problems = folder.load(None).unwrap().problems().to_vec();
    assert!(problems[0].message().contains("convocations.toml") && problems[0].message().contains("runtime"));
}

/// Rule 20: settings say where refresh tokens go.
#[cfg(unix)]
#[test]
fn settings_that_somebody_else_may_write_are_refused() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let mode = |path: &std::path::Path, mode: u32| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    for name in ["config.toml", "convocations.toml"] {
        let folder = Folder::new("");
        let file = folder.0.join(name);
        std::fs::write(&file, "[http]\ntimeout = 9\n").unwrap();
        let refused = |what: &std::path::Path, words: &str| {
            let error = folder.load(None).unwrap_err();
            assert_eq!(error.code(), Code::ConfigInvalid);
            let named = error.message().contains(&format!("`{}` {words}", what.display()));
            assert!(named && error.hint().is_some(), "{error}");
        };
        mode(&file, 0o646);
        refused(&file, "can be written by other users");
        mode(&file, 0o644);
        assert_eq!(folder.load(None).unwrap().http.timeout, 9, "others may read it");
        mode(&folder.0, 0o757);
        refused(&folder.0, "can be written by other users");
        mode(&folder.0, 0o755);
        // A link of the person's own leads where the person likes; not where others could put another file.
        let elsewhere = Folder::new("");
        std::fs::rename(&file, elsewhere.0.join("settings")).unwrap();
        symlink(elsewhere.0.join("settings"), &file).unwrap();
        assert_eq!(folder.load(None).unwrap().http.timeout, 9);
        mode(&elsewhere.0, 0o777);
        refused(&std::fs::canonicalize(&elsewhere.0).unwrap(), "can be written by other users");
        mode(&elsewhere.0, 0o1777);
        assert_eq!(folder.load(None).unwrap().http.timeout, 9, "nobody can replace it there");
        mode(&elsewhere.0, 0o755);
        std::fs::remove_file(&file).unwrap();
        folder.load(None).unwrap();
    }
}

/// As root alone a file can be given to somebody else.
#[cfg(unix)]
#[test]
fn settings_of_another_user_are_refused() {
    let folder = Folder::new("[http]\ntimeout = 9\n");
    let file = folder.0.join("config.toml");
    match std::os::unix::fs::chown(&file, Some(1234), None) {
        Err(_) => eprintln!("skipped: only root can give a file away"),
        Ok(()) => {
            let error = folder.load(None).unwrap_err();
            assert!(error.message().contains("belongs to another user"), "{error}");
        }
    }
}
