//! What ships with the program, and what becomes of a description.

use std::collections::BTreeMap;

use url::Url;

use super::*;
use crate::config::Config;
use crate::error::Code;

#[test]
fn every_builtin_description_is_valid_and_can_log_in() {
    let config = Config::builtin();
    for (id, _) in builtin::ALL {
        let provider = config.provider(id).unwrap_or_else(|error| panic!("{id}: {error}"));
        assert!(!provider.methods.is_empty(), "{id} has a method");
        assert!(provider.sources.contains(&Source::Login), "{id} uses its login");
        assert!(provider.client_secret.is_none(), "{id} has a secret that everybody can read");
        for kind in [Kind::Oauth, Kind::ApiKey] {
            let tokens = Tokens::api_key(Secret::new("T"), 0);
            assert!(
                provider.headers(kind, &tokens).values().any(|value| value.expose().contains('T')),
                "{id}"
            );
        }
    }
    assert!(builtin::ALL.is_sorted(), "found by eye");
}

#[test]
fn anthropic_tokens_travel_by_kind() {
    let provider = Config::builtin().provider("anthropic").unwrap();
    let headers = |kind| provider.headers(kind, &Tokens::api_key(Secret::new("T"), 0));
    let oauth = headers(Kind::Oauth);
    assert_eq!(oauth["authorization"].expose(), "Bearer T");
    assert!(!oauth.contains_key("x-api-key") && oauth.contains_key("anthropic-beta"));
    let key = headers(Kind::ApiKey);
    assert_eq!(key["x-api-key"].expose(), "T");
    assert!(!key.contains_key("authorization"));
    assert_eq!(
        provider.sources[0],
        Source::Env { var: "ANTHROPIC_OAUTH_TOKEN".to_owned(), kind: Kind::Oauth }
    );
    assert!(provider.method("subscription").unwrap().notice.is_some());
    assert_ne!(provider.default_method().unwrap().id, "subscription");
}

/// `claude setup-token` prints one, and people put it where a key is asked for.
#[test]
fn a_token_of_the_other_kind_travels_as_what_it_is() {
    let provider = Config::builtin().provider("anthropic").unwrap();
    let credential = |token: &str, kind| {
        let tokens = Tokens::api_key(Secret::new(token), 0);
        provider.credential(&"anthropic".parse().unwrap(), "env:ANTHROPIC_API_KEY", kind, &tokens, 0)
    };
    let oauth = credential("sk-ant-oat01-x", Kind::ApiKey);
    assert_eq!(oauth.kind, Kind::Oauth);
    assert_eq!(oauth.headers["authorization"].expose(), "Bearer sk-ant-oat01-x");
    assert!(!oauth.headers.contains_key("x-api-key") && oauth.headers.contains_key("anthropic-beta"));
    assert_eq!(
        provider.exec_for(&oauth).keys().collect::<Vec<_>>(),
        ["ANTHROPIC_AUTH_TOKEN"],
        "and in variables too"
    );
    assert!(credential("sk-ant-api03-x", Kind::Oauth).headers.contains_key("x-api-key"));
    assert_eq!(credential("made-by-a-gateway", Kind::ApiKey).kind, Kind::ApiKey);
    assert_eq!(credential("made-by-a-gateway", Kind::Oauth).kind, Kind::Oauth);
}

#[test]
fn the_key_page_is_found_by_the_keys_digest() {
    let provider = Config::builtin().provider("openrouter").unwrap();
    let page = provider.key_page(&Tokens::api_key(Secret::new("abc"), 0)).unwrap();
    assert_eq!(
        page,
        "https://openrouter.ai/keys/ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
}

/// One line for each built-in provider: how one logs in by default, and the first place that is looked at.
#[test]
fn each_builtin_provider_is_what_its_line_says() {
    for (id, methods, source, base_url) in [
        ("anthropic", "console-key api-key subscription", "env:ANTHROPIC_OAUTH_TOKEN", "api.anthropic.com"),
        ("cerebras", "api-key", "env:CEREBRAS_API_KEY", "api.cerebras.ai"),
        ("deepseek", "api-key", "env:DEEPSEEK_API_KEY", "api.deepseek.com"),
        ("fireworks", "api-key", "env:FIREWORKS_API_KEY", "api.fireworks.ai"),
        ("gemini", "api-key", "env:GEMINI_API_KEY", "generativelanguage.googleapis.com"),
        ("github-copilot", "device direct", "env:COPILOT_GITHUB_TOKEN", "api.githubcopilot.com"),
        ("groq", "api-key", "env:GROQ_API_KEY", "api.groq.com"),
        ("huggingface", "api-key browser device", "env:HF_TOKEN", "router.huggingface.co"),
        ("kimi", "device api-key", "env:KIMI_API_KEY", "api.kimi.com"),
        ("kimi-ai", "device api-key", "login", "api.kimi.ai"),
        ("llmgateway", "browser api-key", "env:LLM_GATEWAY_API_KEY", "api.llmgateway.io"),
        ("mistral", "api-key", "env:MISTRAL_API_KEY", "api.mistral.ai"),
        ("moonshot", "api-key", "env:MOONSHOT_API_KEY", "api.moonshot.ai"),
        ("nanogpt", "device api-key", "env:NANOGPT_API_KEY", "nano-gpt.com"),
        ("openai", "chatgpt device api-key", "login", "api.openai.com"),
        ("openrouter", "browser code api-key", "env:OPENROUTER_API_KEY", "openrouter.ai"),
        ("poe", "api-key browser", "env:POE_API_KEY", "api.poe.com"),
        ("tetrate", "browser api-key", "env:TETRATE_API_KEY", "api.router.tetrate.ai"),
        ("together", "api-key", "env:TOGETHER_API_KEY", "api.together.xyz"),
        ("xai", "api-key", "env:XAI_API_KEY", "api.x.ai"),
    ] {
        let provider = Config::builtin().provider(id).unwrap();
        let names: Vec<&str> = provider.methods.iter().map(|method| method.id.as_str()).collect();
        assert_eq!(names.join(" "), methods, "{id}");
        assert_eq!(provider.sources[0].name(), source, "{id}");
        let url = Url::parse(provider.base_url.as_deref().unwrap()).unwrap();
        assert_eq!(url.host_str(), Some(base_url), "{id}");
    }
    assert_eq!(builtin::ALL.len(), 20, "each has its line");
}

/// Ways in, terms and where usage comes from, of each: in the README's table and in the help's list.
#[test]
fn the_documents_tell_of_each_builtin_provider() {
    let (readme, help) = (include_str!("../../README.md"), include_str!("../../doc/conv.txt"));
    let table = readme.split_once("| provider | ways in | usage |").unwrap().1.split_once("\n\n").unwrap().0;
    let list = help.split_once("*conv-providers-list*").unwrap().1.split_once("\n<\n").unwrap();
    let terms = list.1.split_once("*conv-usage*").unwrap().0.split_whitespace().collect::<Vec<_>>().join(" ");
    // What is indented deeper goes on with the line before.
    let list = list.0.replace("\n        ", " ");
    for (id, _) in builtin::ALL {
        let provider = Config::builtin().provider(id).unwrap();
        let (has_address, has_more) = (provider.usage.is_some(), provider.methods.len() > 1);
        assert!(provider.terms.as_ref().is_some_and(|terms| terms.ends_with('.')), "{id}: its terms");
        let row =
            table.lines().find(|row| row.contains(&format!("`{id}`"))).unwrap_or_else(|| panic!("{id}"));
        let [_, _, ways, usage, said, _] = row.split('|').map(str::trim).collect::<Vec<_>>()[..] else {
            panic!("{row}")
        };
        assert_eq!(usage.contains("its address"), has_address, "README: {row}");
        assert!(usage.contains("address") || usage.contains("headers"), "README: {row}");
        assert!(ways.contains("key") || *id == "github-copilot", "README: {row}");
        assert_eq!(ways != "key", has_more, "README: {row}");
        assert!(!said.is_empty(), "README: {row}");
        let of_it = |line: &&str| line.split([' ', ',']).any(|word| word == *id) && line.contains("usage: ");
        let line = list.lines().find(of_it).unwrap_or_else(|| panic!("the help does not list {id}"));
        assert_eq!(line.contains("usage: address"), has_address, "help: {line}");
        let family = match *id {
            "anthropic" => "Claude",
            "openai" => "ChatGPT",
            "huggingface" => "Hugging Face",
            "llmgateway" => "LLM Gateway",
            _ => provider.name.split(' ').next().unwrap(),
        };
        assert!(!has_more || terms.contains(family), "the help tells no terms of {id}");
    }
}

#[test]
fn options_fill_the_urls_of_a_login() {
    let config = Config::builtin();
    let provider = config.provider("github-copilot").unwrap();
    let url = |url: &Option<Url>| url.as_ref().unwrap().to_string();
    let device = provider.default_method().unwrap();
    assert_eq!(url(&device.token_url), "https://github.com/login/oauth/access_token");
    assert_eq!(url(&device.second_step_url), "https://api.github.com/copilot_internal/v2/token");
    let tokens = Tokens::api_key(Secret::new("T"), 0);
    assert_eq!(
        provider.key_page(&tokens).as_deref(),
        Some("https://github.com/settings/apps/authorizations")
    );
    let version = format!("convocations/{VERSION}");
    assert_eq!(device.request_headers["Editor-Plugin-Version"], version);
    assert_eq!(provider.headers(Kind::Oauth, &tokens)["Editor-Plugin-Version"].expose(), version);
}

#[test]
fn an_organization_that_is_a_host_has_its_own_addresses() {
    let config = Config::builtin();
    let own = config.provider_in("github-copilot", Some("corp.ghe.com")).unwrap();
    let url = |url: &Option<Url>| url.as_ref().unwrap().to_string();
    let device = own.default_method().unwrap();
    assert_eq!(url(&device.token_url), "https://corp.ghe.com/login/oauth/access_token");
    assert_eq!(url(&device.second_step_url), "https://api.corp.ghe.com/copilot_internal/v2/token");
    let page = own.key_page(&Tokens::api_key(Secret::new("T"), 0));
    assert_eq!(page.as_deref(), Some("https://corp.ghe.com/settings/apps/authorizations"));
    // Where it is no address, it changes none.
    let (plain, named) =
        (config.provider("anthropic").unwrap(), config.provider_in("anthropic", Some("My Corp")).unwrap());
    assert_eq!(plain.base_url, named.base_url);
    let error = config.provider_in("github-copilot", Some("a?b")).unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
}

#[test]
fn chatgpt_names_the_account_where_it_is_known() {
    let provider = Config::builtin().provider("openai").unwrap();
    let login: LoginId = "openai".parse().unwrap();
    let mut tokens = Tokens::api_key(Secret::new("T"), 0);
    let name = "ChatGPT-Account-Id";
    assert!(!provider.headers(Kind::Oauth, &tokens).contains_key(name));
    tokens.extra.insert("account_id".to_owned(), "acc".to_owned());
    let credential = provider.credential(&login, "login", Kind::Oauth, &tokens, 1);
    assert_eq!(credential.headers[name].expose(), "acc");
    assert_eq!(credential.base_url.as_deref(), Some("https://chatgpt.com/backend-api/codex"));
    let key = provider.credential(&login, "env:OPENAI_API_KEY", Kind::ApiKey, &tokens, 0);
    assert_eq!(key.base_url.as_deref(), Some("https://api.openai.com/v1"));
    assert!(!key.headers.contains_key(name));
}

#[test]
fn a_header_without_its_value_is_left_out() {
    let mut provider = (*Config::builtin().provider("anthropic").unwrap()).clone();
    let headers = BTreeMap::from([("x-account".to_owned(), "{account_id}".to_owned())]);
    provider.uses.insert(Kind::Oauth, Use { headers, base_url: None });
    let mut tokens = Tokens::api_key(Secret::new("T"), 0);
    assert!(provider.headers(Kind::Oauth, &tokens).is_empty());
    tokens.extra.insert("account_id".to_owned(), "7".to_owned());
    assert_eq!(provider.headers(Kind::Oauth, &tokens)["x-account"].expose(), "7");
}

#[test]
fn urls_must_be_https_or_loopback() {
    for good in ["https://a.example/x", "http://127.0.0.1:9/", "http://localhost/", "http://[::1]:1/"] {
        assert!(check_url("p", good).is_ok(), "{good}");
    }
    for bad in [
        "http://a.example/",
        "ftp://a.example/",
        "no url",
        "https://u:p@a.example/",
        "http://127.0.0.1.evil/",
    ] {
        let error = check_url("providers.x.token_url", bad).unwrap_err();
        assert_eq!(error.code(), Code::ConfigInvalid, "{bad}");
        assert!(error.message().contains("providers.x.token_url") && !error.message().contains(bad));
    }
}
