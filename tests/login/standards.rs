//! A provider of one's own that follows the standards: discovery by issuer and by resource, registration,
//! PKCE, `iss`, device codes, and what is kept of all that for refresh and logout.

use convocations::credential::Tokens;
use convocations::error::Code;
use convocations::login::Stage;
use convocations::oauth::{Failure, Revocation};
use convocations::secret::Secret;
use convocations::store::NewLogin;
use serde_json::{Value, json};

use crate::common::{approve_device, fault, http};
use crate::fixture::{Fixture, approve, arrive, parameter, person, visit};

/// Five lines, as the help shows them.
fn by_issuer(url: &str) -> String {
    format!(
        "[providers.corp]\nname = \"Corp\"\nissuer = \"{url}/generic\"\nscopes = [\"openid\", \"offline_access\"]\n"
    )
}

fn by_resource(url: &str) -> String {
    format!("[providers.corp]\nname = \"Corp\"\nresource = \"{url}/generic/mcp\"\n")
}

async fn log_in(fixture: &Fixture) -> Tokens {
    let mut login = fixture.start("corp", "browser");
    let opened = login.opened().await;
    arrive(&approve(&opened.url).await).await;
    login.done().await;
    login.over().await;
    fixture.stored("corp").unwrap()
}

async fn refresh(fixture: &Fixture, tokens: &Tokens) -> Result<Tokens, Failure> {
    fixture.client("corp", tokens).refresh(tokens).await
}

/// What a login that fails before its first address is told as.
async fn hint(fixture: &Fixture, code: Code) -> String {
    let mut login = fixture.start("corp", "browser");
    let error = login.failed(code).await;
    format!("{error} {}", error.hint().unwrap())
}

fn last_field(fixture: &Fixture, route: &str, name: &str) -> Value {
    fixture.sandbox.calls_of(route).last().unwrap()["fields"][name].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_is_enough() {
    let fixture = Fixture::describing(by_issuer);
    let mut login = fixture.start("corp", "browser");
    let opened = login.opened().await;
    assert_eq!(parameter(&opened.url, "prompt").as_deref(), Some("consent"), "for offline_access");
    assert_eq!(parameter(&opened.url, "code_challenge_method").as_deref(), Some("S256"));
    assert!(parameter(&opened.url, "redirect_uri").unwrap().starts_with("http://127.0.0.1:"));
    arrive(&approve(&opened.url).await).await;
    let Stage::Done { identity, .. } = login.done().await.stage else { panic!() };
    assert_eq!(identity.as_deref(), Some("ada@sandbox.test"));
    assert_eq!(fixture.names(), ["corp", "corp@oauth-client"], "the registration is kept apart");
    assert_eq!(last_field(&fixture, "generic.register", "application_type"), "native");
    assert_eq!(last_field(&fixture, "generic.register", "token_endpoint_auth_method"), "none");

    let first = fixture.stored("corp").unwrap();
    let second = refresh(&fixture, &first).await.unwrap();
    assert_ne!(second.access_token, first.access_token);
    assert_ne!(second.refresh_token, first.refresh_token);
    assert_eq!(second.binding, first.binding);
    assert_eq!(last_field(&fixture, "generic.token", "scope"), Value::Null, "a refresh asks for no scope");
    assert_eq!(fixture.sandbox.count("generic.metadata"), 1, "a refresh asks for no document");
    let Err(Failure::Refused(_)) = refresh(&fixture, &first).await else { panic!("it was spent") };

    let revoked = fixture.client("corp", &second).revoke(&second).await.unwrap();
    assert_eq!(revoked, Revocation::Revoked);
    assert_eq!(fixture.sandbox.count("generic.revoke"), 2, "the refresh token, then the access token");
    let Err(Failure::Refused(_)) = refresh(&fixture, &second).await else { panic!("it was revoked") };
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_may_be_at_any_of_the_three_places() {
    for (place, route) in
        [("openid-inserted", "generic.openid"), ("openid-appended", "generic.openid-appended")]
    {
        let fixture = Fixture::describing(by_issuer);
        fixture.sandbox.switch(json!({ "generic": { "documents": [place] } }));
        log_in(&fixture).await;
        assert_eq!(fixture.sandbox.count(route), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_cannot_be_trusted_is_told_nothing() {
    for (switch, words) in [
        (json!({ "issuer": "wrong" }), "another issuer"),
        (json!({ "issuer": "slash" }), "slash"),
        (json!({ "pkce": "plain" }), "S256"),
        (json!({ "pkce": "absent" }), "S256"),
        (json!({ "documents": [] }), "does not describe itself"),
        (json!({ "registration": false }), "client id"),
    ] {
        let fixture = Fixture::describing(by_issuer);
        fixture.sandbox.switch(json!({ "generic": switch }));
        let told = hint(&fixture, Code::ConfigInvalid).await;
        assert!(told.contains(words), "{words}: {told}");
        assert!(fixture.names().is_empty());
        for route in ["generic.authorize", "generic.register", "generic.token"] {
            assert_eq!(fixture.sandbox.count(route), 0, "{words}: {route}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_in_trouble_is_not_a_missing_one() {
    let fixture = Fixture::describing(by_issuer);
    fixture.sandbox.switch(json!({ "generic": { "documents": ["rfc8414"] } }));
    fixture.sandbox.fault("generic.metadata", 1, fault::status(503));
    hint(&fixture, Code::ProviderError).await;
    log_in(&fixture).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_another_issuer_is_ignored() {
    for (switch, ends) in [
        (json!({ "iss": "wrong" }), false),
        (json!({ "iss": "absent", "iss_advertised": true }), false),
        (json!({ "iss": "absent", "iss_advertised": false }), true),
        (json!({ "iss": "wrong", "iss_advertised": false }), false),
    ] {
        let fixture = Fixture::describing(by_issuer);
        fixture.sandbox.switch(json!({ "generic": switch }));
        let mut login = fixture.start("corp", "browser");
        let opened = login.opened().await;
        let answer = visit(&approve(&opened.url).await).await;
        if ends {
            login.done().await;
        } else {
            assert_eq!(answer.status, 400, "{switch}");
            assert_eq!(fixture.sandbox.count("generic.token"), 0, "no code of it is sent");
            login.cancel();
            login.failed(Code::Cancelled).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registration_is_used_again_and_made_anew_once_the_server_has_forgotten_it() {
    let fixture = Fixture::describing(by_issuer);
    let device = async || {
        let mut login = fixture.start("corp", "device");
        let event = login.event().await;
        let Stage::DeviceCode { user_code, verification_uri, .. } = event.stage else { panic!("{event:?}") };
        person(move || approve_device(&verification_uri, user_code.expose(), "ada")).await;
        login.done().await;
        login.over().await;
    };
    fixture.sandbox.switch(json!({ "generic": { "interval": 1 } }));
    device().await;
    device().await;
    assert_eq!(fixture.sandbox.count("generic.register"), 1);

    // Trouble at the server says nothing about who asks.
    fixture.sandbox.fault("generic.device-code", 1, fault::status(503));
    let mut login = fixture.start("corp", "device");
    login.failed(Code::ProviderError).await;
    login.over().await;
    device().await;
    assert_eq!(fixture.sandbox.count("generic.register"), 1);

    let tokens = fixture.stored("corp").unwrap();
    // The server forgets its clients: the next login registers anew, without a vain attempt.
    fixture.sandbox.reset();
    fixture.sandbox.switch(json!({ "generic": { "interval": 1 } }));
    let Err(Failure::UnknownClient(error)) = refresh(&fixture, &tokens).await else {
        panic!("the login is kept")
    };
    assert!(error.hint().unwrap().contains(":ConvLogin corp"), "{error:?}");
    device().await;
    assert_eq!(fixture.sandbox.count("generic.register"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_makes_a_secret_gets_it_back() {
    let fixture = Fixture::describing(by_issuer);
    fixture.sandbox.switch(json!({ "generic": { "registration_secret": true } }));
    let tokens = log_in(&fixture).await;
    assert!(tokens.binding.as_ref().unwrap().client_secret.is_some());
    refresh(&fixture, &tokens).await.unwrap();
    let secret = tokens.binding.unwrap().client_secret.unwrap();
    assert!(!format!("{:?}", fixture.stored("corp")).contains(secret.expose()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_document_is_preferred_to_registration() {
    let document = "https://convocations.example/oauth-client.json";
    let fixture = Fixture::describing(|url| {
        by_issuer(url) + &format!("client_id_metadata_document = \"{document}\"\n")
    });
    fixture.sandbox.switch(json!({ "generic": { "cimd": true } }));
    log_in(&fixture).await;
    assert_eq!(fixture.sandbox.count("generic.register"), 0);
    assert_eq!(last_field(&fixture, "generic.token", "client_id"), document);
    fixture.sandbox.switch(json!({ "generic": { "cimd": false } }));
    log_in(&fixture).await;
    assert_eq!(fixture.sandbox.count("generic.register"), 1, "a server without them is registered with");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_secret_comes_from_the_store() {
    let confidential = "client_id = \"sandbox-confidential\"\nclient_secret = \"store\"\n";
    let fixture = Fixture::describing(|url| by_issuer(url) + confidential);
    let told = hint(&fixture, Code::ConfigInvalid).await;
    assert!(told.contains("secret set corp@oauth-client"), "{told}");
    enter_secret(&fixture, "sandbox-confidential-secret");
    let tokens = log_in(&fixture).await;
    assert!(
        !format!("{:?}", tokens.binding).contains("client_secret: Some"),
        "it is not kept with the login"
    );
    assert_eq!(fixture.names(), ["corp", "corp@oauth-client"]);
    // Entered anew, it counts at the next refresh.
    let (broker, login) = (fixture.broker(), "corp".parse().unwrap());
    enter_secret(&fixture, "a wrong one");
    broker.invalidate(&login, &tokens.access_token).await.unwrap_err();
    enter_secret(&fixture, "sandbox-confidential-secret");
    let newer = fixture.broker().invalidate(&login, &tokens.access_token).await.unwrap();
    assert_ne!(newer.token, tokens.access_token);
}

/// As `convocations secret set corp@oauth-client` does.
fn enter_secret(fixture: &Fixture, secret: &str) {
    let store = &fixture.services.store;
    let kind = convocations::credential::Kind::ApiKey;
    let secret = Tokens::api_key(Secret::new(secret), 0);
    store.put(&"corp@oauth-client".parse().unwrap(), NewLogin::new("api-key", kind, secret)).unwrap();
}

/// A secret that was changed counts at the next use, and no login keeps a copy of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_secret_that_was_changed_counts_at_once() {
    let confidential = "client_id = \"sandbox-confidential\"\nclient_secret = \"store\"\n";
    let fixture = Fixture::describing(|url| by_issuer(url) + confidential);
    let store = fixture.services.store.clone();
    let put = |secret: &str| {
        let tokens = Tokens::api_key(Secret::new(secret), 0);
        let kind = convocations::credential::Kind::ApiKey;
        let login = "corp@oauth-client".parse().unwrap();
        store.put(&login, NewLogin::new("api-key", kind, tokens)).unwrap();
    };
    put("sandbox-confidential-secret");
    let tokens = log_in(&fixture).await;
    assert_eq!(tokens.binding.unwrap().client_secret, None, "not in the login");
    let broker = convocations::broker::Broker::new(fixture.services.clone());
    let corp = "corp".parse().unwrap();
    put("changed-since");
    assert!(broker.invalidate(&corp, &tokens.access_token).await.is_err());
    let sent = fixture.sandbox.calls_of("generic.token").last().unwrap().to_string();
    assert!(sent.contains("changed-since") || sent.contains("Basic "), "{sent}");
    assert!(!sent.contains("sandbox-confidential-secret"), "{sent}");
    put("sandbox-confidential-secret");
    let _ = broker.logout(&corp).await.unwrap();
    assert_eq!(fixture.names(), ["corp@oauth-client"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clients_name_is_no_login() {
    let fixture = Fixture::describing(by_issuer);
    let error = fixture.try_start("corp@oauth-client", None, true, true).err().unwrap();
    assert_eq!(error.code(), Code::InvalidArgument);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_names_its_issuer() {
    for switch in [
        json!({ "resource_hint": true }),
        json!({ "resource_hint": false, "resource_document": "inserted" }),
        json!({ "resource_hint": false, "resource_document": "root" }),
    ] {
        let fixture = Fixture::describing(by_resource);
        fixture.sandbox.switch(json!({ "generic": switch }));
        let mut login = fixture.start("corp", "browser");
        let opened = login.opened().await;
        let resource = fixture.sandbox.at("/generic/mcp");
        assert_eq!(parameter(&opened.url, "resource").as_deref(), Some(&*resource));
        assert_eq!(
            parameter(&opened.url, "scope").as_deref(),
            Some("tools:read offline_access"),
            "what the refusal asks for, and what a refresh needs"
        );
        arrive(&approve(&opened.url).await).await;
        login.done().await;
        let tokens = fixture.stored("corp").unwrap();
        let tokens = refresh(&fixture, &tokens).await.unwrap();
        assert_eq!(last_field(&fixture, "generic.token", "resource"), resource.as_str());
        let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
        let bearer = format!("Bearer {}", tokens.access_token.expose());
        let answer =
            person(move || http::post_json_with(&resource, &[("authorization", bearer.as_str())], &list))
                .await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

/// The way out that the error names has to be one.
#[tokio::test(flavor = "multi_thread")]
async fn a_slash_too_many_between_resource_and_issuer_can_be_settled() {
    let fixture = Fixture::describing(by_resource);
    fixture.sandbox.switch(json!({ "generic": { "issuer": "slash" } }));
    let told = hint(&fixture, Code::ConfigInvalid).await;
    assert!(told.contains("write `issuer` as it does"), "{told}");
    let settled = |url: &str| format!("{}issuer = \"{url}/generic/\"\n", by_resource(url));
    let fixture = Fixture::describing(settled);
    fixture.sandbox.switch(json!({ "generic": { "issuer": "slash" } }));
    fixture.start("corp", "browser").opened().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_that_is_another_is_refused() {
    let fixture = Fixture::describing(by_resource);
    fixture.sandbox.switch(json!({ "generic": { "resource_matches": false } }));
    assert!(hint(&fixture, Code::ConfigInvalid).await.contains("another resource"));
    let silent = json!({ "resource_hint": false, "resource_document": "none", "resource_get": "open" });
    fixture.sandbox.switch(json!({ "generic": silent }));
    fixture.sandbox.fault_for_ever("generic.mcp", fault::status(200));
    assert!(hint(&fixture, Code::ConfigInvalid).await.contains("where its tokens come from"));
    let both = |url: &str| by_resource(url) + "issuer = \"https://other.example\"\n";
    assert!(hint(&Fixture::describing(both), Code::ConfigInvalid).await.contains("issuer that is set"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_issuer_is_a_network_error() {
    let fixture = Fixture::describing(|_| "[providers.corp]\nissuer = \"http://127.0.0.1:9\"\n".to_owned());
    let told = hint(&fixture, Code::Network).await;
    assert!(told.contains("127.0.0.1"), "{told}");
}

/// What the server says to a GET is its own affair; the refusal of a POST tells what is needed.
#[tokio::test(flavor = "multi_thread")]
async fn the_refusal_is_read_however_the_server_answers_a_get() {
    for get in ["refused", "missing", "not-allowed", "open"] {
        let fixture = Fixture::describing(by_resource);
        let switch = json!({ "resource_get": get, "resource_document": "none" });
        fixture.sandbox.switch(json!({ "generic": switch }));
        let opened = fixture.start("corp", "browser").opened().await;
        let scope = parameter(&opened.url, "scope");
        assert_eq!(scope.as_deref(), Some("tools:read offline_access"), "{get}: what the refusal asks for");
        assert_eq!(fixture.sandbox.count("generic.resource-hinted"), 1, "{get}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_an_issuer_the_resource_need_not_tell() {
    let both = |url: &str| format!("{}issuer = \"{url}/generic\"\n", by_resource(url));
    for get in ["missing", "silent"] {
        let fixture = Fixture::describing(both);
        let silent = json!({ "resource_hint": false, "resource_document": "none", "resource_get": get });
        fixture.sandbox.switch(json!({ "generic": silent }));
        let mut login = fixture.start("corp", "browser");
        let opened = login.opened().await;
        assert_eq!(parameter(&opened.url, "resource"), Some(fixture.sandbox.at("/generic/mcp")));
        arrive(&approve(&opened.url).await).await;
        login.done().await;
    }
}

/// MCP 2025-03-26: the resource tells nothing, and the server is at its origin.
#[tokio::test(flavor = "multi_thread")]
async fn an_mcp_server_of_2025_03_26_is_found_at_its_origin() {
    for (old, token) in [("described", "generic.token"), ("defaults", "generic.origin-token")] {
        let fixture = Fixture::describing(by_resource);
        let switch = json!({ "old_mcp": old, "iss": "absent", "iss_advertised": false });
        fixture.sandbox.switch(json!({ "generic": switch }));
        let mut login = fixture.start("corp", "browser");
        let opened = login.opened().await;
        assert_eq!(parameter(&opened.url, "resource"), None, "{old}: RFC 8707 is younger");
        assert_eq!(parameter(&opened.url, "code_challenge_method").as_deref(), Some("S256"));
        arrive(&approve(&opened.url).await).await;
        login.done().await;
        assert_eq!(fixture.sandbox.count(token), 1, "{old}");
        let (resource, tokens) = (fixture.sandbox.at("/generic/mcp"), fixture.stored("corp").unwrap());
        let bearer = format!("Bearer {}", tokens.access_token.expose());
        let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
        let answer =
            person(move || http::post_json_with(&resource, &[("authorization", bearer.as_str())], &list))
                .await;
        assert_eq!(answer.status, 200, "{old}: {}", answer.text());
    }
}
