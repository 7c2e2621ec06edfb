//! What a key may be asked for, and who is named on the page (RFC 8707, rule 24).

use super::*;

/// An authority whose operator trusts one MCP server.
async fn with_listed(upstream: &Upstream) -> Server {
    let mut settings = settings(&format!("http://{}", upstream.address));
    settings.resources = vec!["https://mcp.example/mcp".to_owned()];
    start_with(settings, "k").await
}

#[tokio::test]
async fn a_key_for_a_server_of_somebody_else_is_refused_by_name() {
    let upstream = Upstream::start().await;
    let server = with_listed(&upstream).await;
    let id = server.client_id().await;
    for foreign in
        ["https://evil.example/mcp", "https://mcp.example/other", "https://openrouter.ai.evil.example"]
    {
        let url = server.authorize_url(&id, &[("resource", Some(foreign))]);
        let page = server.get(&url).await;
        assert_eq!(page.status(), StatusCode::BAD_REQUEST);
        let html = page.text().await.unwrap();
        assert!(html.contains(&format!("<b>{foreign}</b>")), "the page names it: {html}");
        let back = link(server.get(&url).await).await;
        assert_eq!(query(&back, "error").as_deref(), Some("invalid_target"));
        assert!(query(&back, "code").is_none());
    }
    let both = format!(
        "{}&resource=https://evil.example/",
        server.authorize_url(&id, &[("resource", Some(&server.base))])
    );
    assert_eq!(server.get(both).await.status(), StatusCode::BAD_REQUEST, "one foreign among ours is enough");
}

#[tokio::test]
async fn the_page_names_everybody_who_can_spend_the_key() {
    let upstream = Upstream::start().await;
    let server = with_listed(&upstream).await;
    let id = server.client_id().await;
    let page = |resource: String| {
        let url = server.authorize_url(&id, &[("resource", Some(resource.as_str()))]);
        let server = &server;
        async move {
            let page = server.get(url).await;
            assert_eq!(page.status(), StatusCode::OK, "{resource}");
            page.text().await.unwrap()
        }
    };
    let listed = page("https://mcp.example/mcp".to_owned()).await;
    assert!(listed.contains("this application, and"), "{listed}");
    assert!(listed.contains("<b>https://mcp.example</b>/mcp"), "{listed}");
    for own in [server.base.clone(), server.url("/me"), format!("http://{}/api/v1", upstream.address)] {
        let html = page(own).await;
        assert!(html.contains("this application, at") && !html.contains("mcp.example"), "{html}");
    }
}

#[tokio::test]
async fn several_resources_may_be_asked_for_and_some_of_them_fetched() {
    let upstream = Upstream::start().await;
    let server = with_listed(&upstream).await;
    let id = server.client_id().await;
    let twice = format!(
        "{}&resource=https://mcp.example/mcp",
        server.authorize_url(&id, &[("resource", Some(&server.url("/me")))])
    );
    let away = server.decide(&Url::parse(&twice).unwrap(), "allow").await;
    let back = server.callback("code=upstream-code", &cookie(&away)).await;
    let code = query(&location(&back), "code").unwrap();
    let fetch = |resource: &'static str| {
        let (server, code, id) = (&server, &code, &id);
        async move { server.token(&[("code", code), ("client_id", id), ("resource", resource)]).await }
    };
    assert_eq!(fetch("https://openrouter.invalid/").await.1["error"], "invalid_target");
    assert_eq!(
        fetch("https://mcp.example/mcp/").await.0,
        StatusCode::OK,
        "a slash at the end is no difference"
    );
}

#[tokio::test]
async fn a_resource_named_at_the_token_endpoint_alone_is_one_of_ours() {
    let upstream = Upstream::start().await;
    let server = with_listed(&upstream).await;
    let id = server.client_id().await;
    let code = server.code(&id, &[]).await;
    let fetch = |resource: String| {
        let (server, code, id) = (&server, &code, &id);
        async move { server.token(&[("code", code), ("client_id", id), ("resource", &resource)]).await }
    };
    let listed = fetch("https://mcp.example/mcp".to_owned()).await;
    assert_eq!(listed.1["error"], "invalid_target", "the page did not name it");
    assert_eq!(fetch(server.url("/me")).await.0, StatusCode::OK);
}
