//! Cookies: several sign-ins in one browser, and cookies that somebody else put there.

use super::*;

/// The cookies of two answers, the later one's first.
fn both(later: &Response, earlier: &str) -> String {
    let (later, mut all) = (cookie(later), Vec::new());
    for pair in later.split("; ").chain(earlier.split("; ")).filter(|pair| !pair.is_empty()) {
        let name = pair.split('=').next().unwrap();
        if !all.iter().any(|known: &String| known.starts_with(&format!("{name}="))) {
            all.push(pair.to_owned());
        }
    }
    all.join("; ")
}

/// Goes through the page in a browser that carries `cookies`; returns the way upstream and the cookies then.
async fn consent(server: &Server, url: &Url, cookies: &str) -> (Url, String) {
    let page = server.http.get(url.as_str()).header("cookie", cookies).send().await.unwrap();
    let cookies = both(&page, cookies);
    let sealed = sealed_of(&page.text().await.unwrap());
    let away = server.post_decision(&sealed, "allow", &cookies, &server.base).await;
    assert_eq!(away.status(), StatusCode::SEE_OTHER);
    (location(&away), both(&away, &cookies))
}

#[tokio::test]
async fn two_tabs_of_one_browser_both_end_well() {
    let upstream = Upstream::start().await;
    let server = start(&upstream).await;
    let id = server.client_id().await;
    let url = |state| server.authorize_url(&id, &[("state", Some(state))]);
    // Both pages are open before either is answered.
    let old = server.get(url("old")).await;
    let cookies = cookie(&old);
    let old = sealed_of(&old.text().await.unwrap());
    let (new_away, cookies) = consent(&server, &url("new"), &cookies).await;
    let old_away = server.post_decision(&old, "allow", &cookies, &server.base).await;
    assert_eq!(old_away.status(), StatusCode::SEE_OTHER, "the older page still counts");
    let (old_away, cookies) = (location(&old_away), both(&old_away, &cookies));
    for (away, state) in [(&old_away, "old"), (&new_away, "new")] {
        let answer = format!("code=x&state={}", query(away, "state").unwrap());
        let back = location(&server.callback(&answer, &cookies).await);
        assert_eq!(query(&back, "state").as_deref(), Some(state));
    }
}

#[tokio::test]
async fn of_several_sign_ins_without_an_echoed_state_the_person_says_which() {
    let upstream = Upstream::start().await;
    let server = start(&upstream).await;
    let id = server.client_id().await;
    let (_, cookies) = consent(&server, &server.authorize_url(&id, &[("state", Some("one"))]), "").await;
    server.clock.advance(1);
    let (_, cookies) =
        consent(&server, &server.authorize_url(&id, &[("state", Some("two"))]), &cookies).await;
    let page = server.callback("code=upstream%26code", &cookies).await;
    assert_eq!(page.status(), StatusCode::OK);
    let html = page.text().await.unwrap();
    let links: Vec<String> = html
        .split("<a href=\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap().replace("&amp;", "&"))
        .collect();
    assert_eq!(links.len(), 2, "{html}");
    for (link, state) in links.iter().zip(["two", "one"]) {
        let answer = server.http.get(server.url(link)).header("cookie", &cookies).send().await.unwrap();
        assert_eq!(query(&location(&answer), "state").as_deref(), Some(state));
    }
}

#[tokio::test]
async fn a_flow_counts_only_in_the_browser_that_consented() {
    let upstream = Upstream::start().await;
    let server = start(&upstream).await;
    let id = server.client_id().await;
    let (_, attacker) = consent(&server, &server.authorize_url(&id, &[]), "").await;
    let planted = attacker.split("; ").find(|pair| pair.contains("flow-")).unwrap();
    let own = cookie(&server.get(server.authorize_url(&id, &[])).await);
    for cookies in [planted.to_owned(), format!("{own}; {planted}")] {
        let reply = server.callback("code=x", &cookies).await;
        assert_eq!(reply.status(), StatusCode::BAD_REQUEST);
        assert!(reply.headers().get("location").is_none());
    }
    let renamed = planted.replacen("flow-", "flow-x", 1);
    let own = attacker.split("; ").find(|pair| pair.contains("browser")).unwrap();
    assert_eq!(
        server.callback("code=x", &format!("{own}; {renamed}")).await.status(),
        StatusCode::BAD_REQUEST
    );
}

#[tokio::test]
async fn over_https_no_other_host_can_plant_a_cookie() {
    let upstream = Upstream::start().await;
    let mut settings = settings(&format!("http://{}", upstream.address));
    settings.public_url = Some("https://auth.example/tenant".to_owned());
    let mut server = start_with(settings, "k").await;
    // As the proxy in front of it would pass it on.
    let origin = "https://auth.example";
    server.base = format!("http://{}/tenant", server.address);
    let id = server.client_id().await;
    let page = server.get(server.authorize_url(&id, &[])).await;
    let cookies = cookie(&page);
    let sealed = sealed_of(&page.text().await.unwrap());
    let away = server.post_decision(&sealed, "allow", &cookies, origin).await;
    let set: Vec<String> =
        away.headers().get_all("set-cookie").iter().map(|value| value.to_str().unwrap().to_owned()).collect();
    assert_eq!(set.len(), 2);
    for line in set {
        assert!(line.starts_with("__Host-convocations-"), "{line}");
        assert!(line.contains("; Path=/; Secure;") && !line.contains("Domain"), "{line}");
    }
    let unprefixed = cookie(&away).replace("__Host-", "");
    assert_eq!(server.callback("code=x", &unprefixed).await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(server.callback("code=x", &cookie(&away)).await.status(), StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn however_many_sign_ins_begin_the_cookies_fit_into_a_header() {
    let upstream = Upstream::start().await;
    let server = start(&upstream).await;
    let id = server.client_id().await;
    let long = "s".repeat(1000);
    let mut jar: Vec<(String, String)> = vec![("convocations-flow-old".into(), "of an older secret".into())];
    for _ in 0..12 {
        let cookies =
            jar.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
        let page = server
            .http
            .get(server.authorize_url(&id, &[("state", Some(&long))]).as_str())
            .header("cookie", &cookies)
            .send()
            .await
            .unwrap();
        let cookies = both(&page, &cookies);
        let sealed = sealed_of(&page.text().await.unwrap());
        let away = server.post_decision(&sealed, "allow", &cookies, &server.base).await;
        for line in away.headers().get_all("set-cookie") {
            let (pair, rest) = line.to_str().unwrap().split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            jar.retain(|(known, _)| known != name);
            if !rest.contains("Max-Age=0") {
                jar.push((name.to_owned(), value.to_owned()));
            }
        }
        let length: usize = jar.iter().map(|(name, value)| name.len() + value.len() + 3).sum();
        assert!(length < 8000, "{length}");
        assert!(!jar.iter().any(|(name, _)| name.ends_with("-old")), "what does not open is dropped");
    }
    assert!(jar.iter().filter(|(name, _)| name.contains("flow-")).count() >= 2);
}
