//! A real browser: headless Chromium goes through the consent page to ours, and we look at what a person sees
//! there.

use convocations::error::Code;

use crate::common::chromium::Browser;
use crate::desk::{Desk, person};

/// Opens the address, presses the button, and returns what stands on the page in the end.
fn through(url: String, button: &'static str, text: &'static str) -> Option<String> {
    let mut browser = Browser::start()?;
    browser.go(&url);
    browser.sees("OpenRouter");
    browser.press(button);
    let seen = browser.sees(text);
    assert!(!browser.overflows(), "the page is wider than its window");
    Some(seen)
}

fn skipped() {
    eprintln!("SKIPPED: no Chromium here; install the package `chromium` to look at the login's pages.");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_sees_that_it_worked() {
    let desk = Desk::new();
    let mut login = desk.start("openrouter", "browser");
    let url = login.opened().await.url;
    let Some(seen) = person(move || through(url, "approve", "You can close this tab")).await else {
        return skipped();
    };
    assert!(seen.contains("You are signed in to OpenRouter"), "{seen}");
    assert!(seen.contains("Kept in\nan encrypted file on this machine"), "{seen}");
    assert!(seen.contains("go back to Neovim"), "{seen}");
    let address = seen.lines().next().unwrap();
    assert!(
        !address.contains("code") && !address.contains('?'),
        "the code stays in the address bar: {address}"
    );
    login.done().await;
    login.over().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_sees_that_it_did_not() {
    let desk = Desk::new();
    desk.echo_state();
    let mut login = desk.start("openrouter", "browser");
    let url = login.opened().await.url;
    let Some(seen) = person(move || through(url, "deny", "You can close this tab")).await else {
        return skipped();
    };
    assert!(seen.contains("Signing in to OpenRouter did not work"), "{seen}");
    assert!(seen.contains("was not allowed") && seen.contains(":ConvLogin openrouter"), "{seen}");
    login.failed(Code::LoginDenied).await;
}
