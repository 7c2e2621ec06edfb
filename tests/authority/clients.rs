//! What clients of others send: lists with redirects that are not allowed, scopes of their own, bodies
//! without a client, and names made to be mistaken.

use super::*;

async fn registered(server: &Server, body: Value) -> Value {
    let reply = server.register(body).await;
    assert_eq!(reply.status(), StatusCode::CREATED);
    reply.json().await.unwrap()
}

#[tokio::test]
async fn redirects_that_are_not_allowed_are_left_out_of_a_registration() {
    let upstream = Upstream::start().await;
    let server = start(&upstream).await;
    let uris = [
        "cursor://anysphere.cursor-mcp/oauth/callback",
        REDIRECT,
        "http://evil.example/",
        "https://vscode.dev/redirect",
    ];
    let reply = registered(&server, json!({ "redirect_uris": uris, "scope": "read write" })).await;
    assert_eq!(reply["redirect_uris"], json!([REDIRECT, "https://vscode.dev/redirect"]));
    assert_eq!(reply["scope"], "api");
    let id = reply["client_id"].as_str().unwrap();
    assert_eq!(server.get(server.authorize_url(id, &[])).await.status(), StatusCode::OK);
    let left_out = server.authorize_url(id, &[("redirect_uri", Some(uris[0]))]);
    assert_eq!(server.get(left_out).await.status(), StatusCode::BAD_REQUEST);
    let none_left = server.register(json!({ "redirect_uris": [uris[0]] })).await;
    let error: Value = none_left.json().await.unwrap();
    assert_eq!(error["error"], "invalid_redirect_uri");
    assert!(error["error_description"].as_str().unwrap().contains("https"), "{error}");
}

#[tokio::test]
async fn unknown_scopes_are_ignored_and_the_answer_says_so() {
    let upstream = Upstream::start().await;
    let server = start(&upstream).await;
    let id = server.client_id().await;
    let code = server.code(&id, &[("scope", Some("mcp:tools openid offline_access"))]).await;
    let (status, body) = server.token(&[("code", &code), ("client_id", &id)]).await;
    assert_eq!((status, &body["scope"]), (StatusCode::OK, &json!("api")));
}

#[tokio::test]
async fn a_token_request_needs_no_client_id_but_no_other_one() {
    let upstream = Upstream::start().await;
    let server = start(&upstream).await;
    let (id, other) = (server.client_id().await, server.client_id().await);
    let code = server.code(&id, &[]).await;
    assert_eq!(server.token(&[("code", &code), ("client_id", &other)]).await.1["error"], "invalid_grant");
    assert_eq!(server.token(&[("code", &code)]).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_redirect_uri_that_was_not_asked_for_need_not_be_repeated() {
    let upstream = Upstream::start().await;
    let server = start(&upstream).await;
    let id = server.client_id().await;
    let code = server.code(&id, &[("redirect_uri", None)]).await;
    let wrong = [("code", code.as_str()), ("client_id", &id), ("redirect_uri", "http://127.0.0.1:9/cb")];
    assert_eq!(server.token(&wrong).await.1["error"], "invalid_grant");
    let without = [("code", code.as_str()), ("client_id", &id), ("redirect_uri", "-")];
    assert_eq!(server.token(&without).await.0, StatusCode::OK);
}

#[tokio::test]
async fn nobody_is_redirected_by_a_fault_whoever_registered() {
    let upstream = Upstream::start().await;
    let server = start(&upstream).await;
    let evil = "https://evil.example/login?x=1";
    let id = registered(&server, json!({ "redirect_uris": [evil] })).await["client_id"]
        .as_str()
        .unwrap()
        .to_owned();
    for id in ["evil.example", &id] {
        let url = server.authorize_url(id, &[("redirect_uri", Some(evil)), ("response_type", Some("x"))]);
        let html = server.get(&url).await.text().await.unwrap();
        assert!(
            html.contains("<b>https://evil.example</b>/login?x=1"),
            "it says where the link goes: {html}"
        );
        assert!(link(server.get(&url).await).await.as_str().starts_with(evil));
    }
}

#[tokio::test]
async fn a_name_is_shown_so_that_nobody_is_taken_for_another() {
    let upstream = Upstream::start().await;
    let server = start(&upstream).await;
    for (name, shown) in [
        ("Claude Code” (verified by Anthropic)", "<bdi>Claude Code” (verified by Anthropic)</bdi>"),
        ("Сlaude Code", "its letters are Cyrillic, Latin"),
        ("Claude\u{2060} Code\u{3164}\u{61c}", "Claude⟨U+2060⟩ Code⟨U+3164⟩⟨U+061C⟩"),
        ("\u{202e}edoC edualC", "⟨U+202E⟩edoC edualC"),
    ] {
        let redirect = "https://app.example/deep/callback?next=/home";
        let body = json!({ "redirect_uris": [redirect], "client_name": name });
        let reply = registered(&server, body).await;
        let id = reply["client_id"].as_str().unwrap();
        let page = server.get(server.authorize_url(id, &[("redirect_uri", Some(redirect))])).await;
        let html = page.text().await.unwrap();
        assert!(html.contains(shown), "{html}");
        assert!(html.contains("not checked") && html.contains("<dt>Calls itself</dt>"), "{html}");
        let whole = "<b>https://app.example</b>/deep/callback?next=/home";
        assert!(html.contains(whole), "the whole redirect: {html}");
        let heading = html.split("<h1>").nth(1).unwrap().split("</h1>").next().unwrap();
        assert!(!heading.contains("Claude"), "no word of the application in ours: {heading}");
    }
}

#[tokio::test]
async fn a_script_sees_what_is_not_here() {
    let upstream = Upstream::start().await;
    let server = start(&upstream).await;
    let wrong_method = server.get(server.url("/token")).await;
    let nothing = server.get(server.url("/.well-known/openid-configuration")).await;
    let too_large = server.http.post(server.url("/token")).body("x".repeat(40_000)).send().await.unwrap();
    for (reply, status) in [(wrong_method, 405), (nothing, 404), (too_large, 413)] {
        assert_eq!(reply.status().as_u16(), status);
        assert_eq!(reply.headers()["access-control-allow-origin"], "*", "{status}");
    }
    let preflight =
        server.http.request(reqwest::Method::OPTIONS, server.url("/nothing")).send().await.unwrap();
    assert_eq!(preflight.status(), StatusCode::NO_CONTENT);
    let page = server.get(server.authorize_url(&server.client_id().await, &[])).await;
    assert!(page.headers().get("access-control-allow-origin").is_none(), "no script reads the page");
}

#[tokio::test]
async fn a_body_of_thousands_of_parameters_is_read_in_one_pass() {
    let upstream = Upstream::start().await;
    let server = start(&upstream).await;
    let many: String = (0..6000).map(|at| format!("{at}&")).collect();
    let form =
        server.http.post(server.url("/token")).header("content-type", "application/x-www-form-urlencoded");
    let reply: Value = form.body(many).send().await.unwrap().json().await.unwrap();
    assert_eq!(reply["error_description"], "The parameter grant_type is missing.");
}
