//! The person at the browser: opens an authorize URL, reads the page, presses a button, and is sent back.

use std::process::Command;

use super::http::{self, Response};
use super::process::{Child, LIMIT, Ran, eventually};

/// A consent page that was opened.
#[derive(Debug)]
pub struct Page {
    /// Where the form goes.
    action: String,
    /// The hidden fields.
    hidden: Vec<(String, String)>,
    /// The page's HTML.
    pub html: String,
}

impl Page {
    /// Presses a button. The answer is a redirect back to the program, or a page that shows a code.
    pub fn press(&self, decision: &str, extra: &[(&str, &str)]) -> Response {
        let hidden = self.hidden.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let mut fields: Vec<(&str, &str)> = hidden.collect();
        fields.push(("decision", decision));
        fields.extend(extra);
        http::post_form(&self.action, &fields)
    }
}

/// Opens an authorize URL, following the provider's own redirects as a browser does. Panics with the page's
/// text if it is no consent page.
pub fn open(authorize_url: &str) -> Page {
    let mut url = authorize_url.to_owned();
    let mut response = http::get(&url);
    while response.status == 307 {
        url = url::Url::parse(&url).unwrap().join(&response.location()).unwrap().into();
        response = http::get(&url);
    }
    let html = response.text();
    assert_eq!(response.status, 200, "{url} shows: {html}");
    let action = attribute(&html, "<form", "action").unwrap_or_else(|| panic!("no form in {html}"));
    let action = url::Url::parse(&url).unwrap().join(&action).unwrap().into();
    let inputs = html.match_indices("<input type=\"hidden\"").map(|(at, _)| &html[at..]);
    let field =
        |input: &str| Some((attribute(input, "<input", "name")?, attribute(input, "<input", "value")?));
    let hidden = inputs.filter_map(field).collect();
    Page { action, hidden, html }
}

/// Approves, and returns the URL to which the browser is then sent (not requested yet: see [`visit`]).
pub fn approve(authorize_url: &str) -> String {
    open(authorize_url).press("approve", &[]).location()
}

/// Runs `convocations login …` with a person at the browser who approves, to its end.
pub fn log_in(command: &mut Command) -> Ran {
    log_in_by(command, approve)
}

/// The same; `person` gets the address that is shown and returns where the browser is then sent.
pub fn log_in_by(command: &mut Command, person: impl FnOnce(&str) -> String) -> Ran {
    let child = Child::spawn(command.env("BROWSER", "true"));
    arrive(&person(&shown_address(&child)));
    child.finish(LIMIT)
}

/// The address that a login shows, once it does.
pub fn shown_address(child: &Child) -> String {
    let address =
        |text: &str| text.lines().find(|line| line.starts_with("http://127.0.0.1")).map(str::to_owned);
    eventually("the address", || address(&child.stderr()))
}

/// Approves as another of the sandbox's people (`ada`, `grace`).
pub fn approve_as(authorize_url: &str, account: &str) -> String {
    open(authorize_url).press("approve", &[("account", account)]).location()
}

/// Denies, and returns the URL to which the browser is then sent.
pub fn deny(authorize_url: &str) -> String {
    open(authorize_url).press("deny", &[]).location()
}

/// Approves where the provider shows a code, and returns what stands there to be copied.
pub fn approve_and_copy(authorize_url: &str) -> String {
    let mut response = open(authorize_url).press("approve", &[]);
    if response.status == 303 {
        response = http::get(&response.location());
    }
    shown_code(&response.text())
}

/// Opens a device page, types the user code and approves as `account`. The page must then say that it is
/// done.
pub fn approve_device(verification_uri: &str, user_code: &str, account: &str) {
    let done = open(verification_uri).press("approve", &[("user_code", user_code), ("account", account)]);
    assert_eq!(done.status, 200, "{}", done.text());
}

/// The same, and denies.
pub fn deny_device(verification_uri: &str, user_code: &str) {
    let done = open(verification_uri).press("deny", &[("user_code", user_code)]);
    assert_eq!(done.status, 200, "{}", done.text());
}

/// The code that a page shows.
pub fn shown_code(html: &str) -> String {
    let (_, rest) = html.split_once("id=\"code\">").unwrap_or_else(|| panic!("no code in {html}"));
    unescape(rest.split('<').next().unwrap())
}

/// Requests a URL as the browser does when it is sent there.
pub fn visit(url: &str) -> Response {
    let headers = [
        ("accept", "text/html,application/xhtml+xml,*/*;q=0.8"),
        ("user-agent", "Mozilla/5.0 (sandbox)"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "document"),
    ];
    http::get_with(url, &headers)
}

/// The person in front of our authority: allows on its page, approves on OpenRouter's, and is sent back to
/// the client. Returns where to, or panics with the page where it ended.
pub fn sign_in_through_authority(authorize_url: &str) -> String {
    let page = http::get(authorize_url);
    assert_eq!(page.status, 200, "{}", page.text());
    let cookie = cookie_of(&page);
    let html = page.text();
    let sealed = html.split("name=\"request\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let endpoint = authorize_url.split('?').next().unwrap();
    let origin = endpoint.strip_suffix("/authorize").unwrap();
    let form = format!("request={sealed}&decision=allow");
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("cookie", cookie.as_str()),
        ("origin", origin),
        ("sec-fetch-site", "same-origin"),
    ];
    let away = http::request("POST", endpoint, &headers, form.as_bytes());
    let cookie = cookie_of(&away);
    let callback = approve(&away.location());
    http::request("GET", &callback, &[("cookie", &cookie)], b"").location()
}

fn cookie_of(response: &Response) -> String {
    let all = response.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
    let pairs = all.map(|(_, value)| value.split(';').next().unwrap()).filter(|pair| !pair.ends_with('='));
    pairs.collect::<Vec<_>>().join("; ")
}

/// Comes back to the program with the answer, as the browser does: requests the callback and then the page
/// that it is sent on to, for which the program waits a little at its end.
pub fn arrive(callback: &str) -> Response {
    let answer = visit(callback);
    let next = url::Url::parse(callback).unwrap().join(&answer.location()).unwrap();
    visit(next.as_str())
}

fn attribute(html: &str, tag: &str, name: &str) -> Option<String> {
    let (_, rest) = html.split_once(tag)?;
    let (inside, _) = rest.split_once('>')?;
    let (_, value) = inside.split_once(&format!(" {name}=\""))?;
    Some(unescape(value.split('"').next()?))
}

fn unescape(text: &str) -> String {
    let plain = text.replace("&quot;", "\"").replace("&#39;", "'");
    plain.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}
