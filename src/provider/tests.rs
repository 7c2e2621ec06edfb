use std::collections::BTreeMap;

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

#[test]
fn the_key_page_is_found_by_the_keys_digest() {
    let provider = Config::builtin().provider("openrouter").unwrap();
    let page = provider.key_page(&Tokens::api_key(Secret::new("abc"), 0)).unwrap();
    assert_eq!(
        page,
        "https://openrouter.ai/keys/ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
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
