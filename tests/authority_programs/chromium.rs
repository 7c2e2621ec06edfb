//! What only a browser decides: redirects behind the consent form, tabs that share cookies, frames, and what
//! stands on the screen.

use crate::common::chromium::Browser;
use crate::sites::{authority, authorize_url, openrouter, page, site, to};

fn skipped() {
    eprintln!("SKIPPED: no Chromium here; install the package `chromium` to look at the authority's pages.");
}

const QUESTION: &str = "Give this application an OpenRouter key?";

#[test]
fn continue_leads_through_a_third_origin_and_back() {
    let Some(mut browser) = Browser::start() else { return skipped() };
    let (client, _) = site(|url| page(&format!("The client has {}", url.path())));
    let server = authority(&openrouter(true), |_| {});
    browser.go(&authorize_url(&server.issuer, &format!("{client}/cb"), "s"));
    browser.sees(QUESTION);
    browser.press("allow");
    let seen = browser.sees("The client has /cb");
    assert!(seen.contains("code=") && seen.contains("state=s") && seen.contains("iss="), "{seen}");
    assert_eq!(browser.console(), "", "no policy was in the way");
}

#[test]
fn a_denial_leads_on_to_wherever_the_client_sends_the_person() {
    let Some(mut browser) = Browser::start() else { return skipped() };
    let (third, _) = site(|_| page("The third origin"));
    let (client, _) = site(move |_| to(&third));
    let server = authority(&openrouter(true), |_| {});
    browser.go(&authorize_url(&server.issuer, &format!("{client}/cb"), "s"));
    browser.sees(QUESTION);
    browser.press("deny");
    browser.sees("The third origin");
    assert_eq!(browser.console(), "");
}

#[test]
fn a_denial_may_end_in_an_application_of_its_own_scheme() {
    let Some(mut browser) = Browser::start() else { return skipped() };
    let (client, seen) = site(|_| to("claude-test://denied"));
    let server = authority(&openrouter(true), |_| {});
    browser.go(&authorize_url(&server.issuer, &format!("{client}/cb"), "s"));
    browser.sees(QUESTION);
    browser.press("deny");
    crate::common::eventually("the client's redirect", || {
        seen.lock().unwrap().iter().find(|asked| asked.starts_with("/cb?error=access_denied")).cloned()
    });
    // Headless, nobody can take the address; what counts is that the policy of our page does not refuse it.
    browser.go("about:blank");
    browser.sees("about:blank");
    let console = browser.console();
    assert!(!console.contains("form-action") && !console.contains("violates"), "{console}");
}

#[test]
fn two_tabs_end_with_their_own_clients() {
    let Some(mut browser) = Browser::start() else { return skipped() };
    let clients = ["first", "second"].map(|name| site(move |_| page(&format!("The {name} client"))).0);
    let server = authority(&openrouter(true), |_| {});
    browser.go(&authorize_url(&server.issuer, &format!("{}/cb", clients[0]), "first"));
    browser.sees(QUESTION);
    let first = browser.open_tab();
    browser.go(&authorize_url(&server.issuer, &format!("{}/cb", clients[1]), "second"));
    browser.sees(QUESTION);
    let second = browser.switch_to(first);
    browser.press("allow");
    assert!(browser.sees("The first client").contains("state=first"));
    browser.switch_to(second);
    browser.press("allow");
    assert!(browser.sees("The second client").contains("state=second"));
}

#[test]
fn without_an_echoed_state_one_sign_in_ends_by_itself() {
    let Some(mut browser) = Browser::start() else { return skipped() };
    let (client, _) = site(|_| page("The client"));
    let server = authority(&openrouter(false), |_| {});
    browser.go(&authorize_url(&server.issuer, &format!("{client}/cb"), "s"));
    browser.sees(QUESTION);
    browser.press("allow");
    assert!(browser.sees("The client").contains("state=s"));
}

#[test]
fn the_page_cannot_be_framed() {
    let Some(mut browser) = Browser::start() else { return skipped() };
    let (client, _) = site(|_| page("The client"));
    let server = authority(&openrouter(true), |_| {});
    let framed = authorize_url(&server.issuer, &format!("{client}/cb"), "s").replace('&', "&amp;");
    let (evil, _) = site(move |_| page(&format!("Evil <iframe src=\"{framed}\"></iframe>")));
    browser.go(&evil);
    browser.sees("Evil");
    crate::common::eventually("the refusal to be framed", || {
        browser.console().contains("frame-ancestors").then_some(())
    });
}

#[test]
fn a_fault_leads_nowhere_without_a_click() {
    let Some(mut browser) = Browser::start() else { return skipped() };
    let (client, seen) = site(|_| page("The client"));
    let server = authority(&openrouter(true), |_| {});
    let url = authorize_url(&server.issuer, &format!("{client}/cb"), "s");
    browser.go(&format!("{url}&resource=https%3A%2F%2Fevil.example%2Fmcp"));
    let page = browser.sees("Nothing was given away");
    assert!(page.contains("https://evil.example/mcp") && page.contains(&client), "{page}");
    assert!(seen.lock().unwrap().is_empty());
    browser.evaluate("document.querySelector('a').click(), ''");
    assert!(browser.sees("The client").contains("error=invalid_target"));
}

#[test]
fn the_buttons_are_on_the_screen_of_a_phone() {
    let Some(mut browser) = Browser::start() else { return skipped() };
    let server = authority(&openrouter(true), |_| {});
    browser.go(&authorize_url(&server.issuer, "http://127.0.0.1:33418/oauth/callback", "s"));
    for (width, height) in [(320, 568), (1280, 800)] {
        browser.resize(width, height);
        let seen = browser.sees(QUESTION);
        assert!(seen.contains("$12.50, monthly") && seen.contains("31 January 2027, 23:00 UTC"), "{seen}");
        assert!(!browser.overflows(), "nothing sticks out at {width}");
        let below = "String(Math.max(...[...document.querySelectorAll('button')].map(b => b.getBoundingClientRect().bottom)))";
        let below: f64 = browser.evaluate(below).parse().unwrap();
        assert!(below <= f64::from(height), "the buttons end at {below} of {height}");
        let wraps = "String([...document.querySelectorAll('dt')].filter(t => t.getBoundingClientRect().height > 30).length)";
        assert_eq!(browser.evaluate(wraps), "0", "a row's name wraps at {width}");
        if let Ok(folder) = std::env::var("CONVOCATIONS_PICTURES") {
            std::fs::write(format!("{folder}/consent-{width}.png"), browser.picture(width, height)).unwrap();
        }
    }
}
