//! The pages that a person sees here: "may this application have a key?", "which sign-in was it?" and "this
//! does not work".
//!
//! Guarantees: everything that came from outside is escaped; whatever an application says of itself stands in
//! a row of its own and is called its own word; every address is shown whole, with its host set off; no
//! script, nothing loaded.

use url::Url;

use super::budget::Budget;
use super::client::{Client, Identity};
use super::display_name::DisplayName;
use crate::html::escape;
use crate::loopback::is_loopback;

const STYLE: &str = include_str!("page.css");

/// What the consent page shows.
pub struct Consent<'a> {
    /// Who asks.
    pub client: &'a Client,
    /// Where the answer goes.
    pub redirect_uri: &'a str,
    /// Servers of others that will be given the key.
    pub receivers: &'a [String],
    /// OpenRouter's host.
    pub openrouter: &'a str,
    /// Limits that were asked for.
    pub budget: &'a Budget,
    /// Where the form goes.
    pub action: &'a str,
    /// Comes back with the form.
    pub sealed: &'a str,
}

/// The consent page.
pub fn consent(shown: &Consent<'_>) -> String {
    let mut rows = name_row(shown.client.name());
    rows.push_str(&row("Identity", &identity(shown.client, shown.redirect_uri)));
    rows.push_str(&row("Answer goes to", &target(shown.redirect_uri)));
    rows.push_str(&row("Can spend credits", &spenders(shown)));
    for (name, value) in shown.budget.rows() {
        rows.push_str(&row(name, &format!("<b>{}</b>", escape(&value))));
    }
    let (action, sealed) = (escape(shown.action), escape(shown.sealed));
    document(
        "Allow access?",
        &format!(
            "<h1>Give this application an OpenRouter key?</h1>\
             <p>If you did not just start this yourself, choose <b>Do not allow</b>.</p>\
             <dl>{rows}</dl>\
             <form method=\"post\" action=\"{action}\"><input type=\"hidden\" name=\"request\" value=\"{sealed}\">\
             <button name=\"decision\" value=\"deny\">Do not allow</button>\
             <button class=\"yes\" name=\"decision\" value=\"allow\">Continue to OpenRouter</button></form>\
             <p class=\"soft\">Next you choose the budget on OpenRouter’s page. This server keeps no key.</p>"
        ),
    )
}

/// A fault of a request whose client is known.
pub struct Fault<'a> {
    /// What is wrong.
    pub description: &'a str,
    /// The resource that there is no key for, as it was sent.
    pub resource: Option<&'a str>,
    /// What the client calls itself.
    pub client_name: Option<&'a str>,
    /// Where it wants to be answered.
    pub redirect_uri: &'a str,
    /// The same with the error.
    pub link: &'a str,
}

/// The page for such a fault. Nobody is sent on from here without a click.
pub fn fault(shown: &Fault<'_>) -> String {
    let words = match shown.resource {
        Some(resource) => format!(
            "<p>The application wants a key for <b>{}</b>. This server gives none for that server: \
             whoever runs it could spend your OpenRouter credits. If you only meant to sign in there, be careful with \
             it.</p>",
            escape(resource)
        ),
        None => format!(
            "<p>The application asked in a way that is not allowed: {}</p>",
            escape(shown.description)
        ),
    };
    let rows = name_row(shown.client_name) + &row("Answer would go to", &target(shown.redirect_uri));
    let link = escape(shown.link);
    document(
        "This sign-in cannot go on",
        &format!(
            "<h1>This sign-in cannot go on</h1>{words}<dl>{rows}</dl>\
             <p>You can close this page, or <a href=\"{link}\" rel=\"noreferrer\">tell the application</a>, which \
             leads to the address above.</p><p class=\"soft\">Nothing was given away.</p>"
        ),
    )
}

/// One of several sign-ins that are under way in this browser.
pub struct Choice<'a> {
    /// What the client calls itself.
    pub client_name: Option<&'a str>,
    /// Where it is answered.
    pub redirect_uri: &'a str,
    /// This server's own address that goes on with it.
    pub link: String,
}

/// The page that asks which sign-in OpenRouter has answered.
pub fn which(choices: &[Choice<'_>]) -> String {
    let links: String = choices
        .iter()
        .map(|choice| {
            let name = DisplayName::new(choice.client_name.unwrap_or("An application without a name"));
            let (link, name, target) =
                (escape(&choice.link), escape(&name.text), target(choice.redirect_uri));
            format!("<a href=\"{link}\"><bdi>{name}</bdi><br><span class=\"soft\">{target}</span></a>")
        })
        .collect();
    document(
        "Which sign-in was it?",
        &format!(
            "<h1>Which sign-in was it?</h1><p>Several are under way in this browser, and OpenRouter does not say which \
             one you have just agreed to.</p><nav>{links}</nav>\
             <p class=\"soft\">With a wrong choice nobody gets a key, and you have to start again.</p>"
        ),
    )
}

/// The page for a request that cannot be answered to the client.
pub fn wrong(words: &str) -> String {
    let words = escape(words);
    document(
        "This sign-in link does not work",
        &format!(
            "<h1>This sign-in link does not work</h1><p>{words}</p>\
             <p class=\"soft\">Nothing was given away. Go back to the application and start the sign-in again.</p>"
        ),
    )
}

fn row(name: &str, html: &str) -> String {
    format!("<div><dt>{name}</dt><dd>{html}</dd></div>")
}

/// The client's own name, which anybody can choose.
fn name_row(name: Option<&str>) -> String {
    let Some(name) = name else {
        return row("Calls itself", "nothing");
    };
    let shown = DisplayName::new(name);
    let letters = shown.letters.map(|letters| {
        format!(
            "<span class=\"warn\">Look closely: its letters are {}, and can look like others.</span>",
            escape(&letters)
        )
    });
    row("Calls itself", &format!("<b><bdi>{}</bdi></b>{}", escape(&shown.text), letters.unwrap_or_default()))
}

/// What is known of the client beside its own word.
fn identity(client: &Client, redirect_uri: &str) -> String {
    match client.identity() {
        // MCP, security considerations of 2026-07-28: a document cannot keep a local program from using its
        // id.
        Identity::Document(url) if is_local(redirect_uri) => format!(
            "described at {}<span class=\"warn\">Any program on this computer can pose as it.</span>",
            address(url)
        ),
        Identity::Document(url) => format!("described at {}", address(url)),
        Identity::Host(host) => format!("not checked; asks as <b>{}</b>", escape(host)),
        Identity::Registered => "not checked; the application chose the name".to_owned(),
    }
}

/// A redirect URI, and whether it stays on the person's computer.
fn target(redirect_uri: &str) -> String {
    let note =
        if is_local(redirect_uri) { " <span class=\"soft\">a program on this computer</span>" } else { "" };
    format!("{}{note}", address(redirect_uri))
}

fn is_local(redirect_uri: &str) -> bool {
    Url::parse(redirect_uri).is_ok_and(|url| is_loopback(&url))
}

/// An address, whole, with scheme, host and port set off.
fn address(text: &str) -> String {
    let Ok(url) = Url::parse(text) else {
        return escape(text);
    };
    let origin = url.origin().ascii_serialization();
    match text.strip_prefix(&origin) {
        Some(rest) => format!("<b>{}</b>{}", escape(&origin), escape(rest)),
        None => format!("<b>{}</b> ({})", escape(&origin), escape(text)),
    }
}

/// Everybody who will be able to spend the key (rule 24).
fn spenders(shown: &Consent<'_>) -> String {
    let mut spenders = "this application".to_owned();
    for receiver in shown.receivers {
        spenders.push_str(&format!(", and <span class=\"warn\">the server {}</span>", address(receiver)));
    }
    format!("{spenders}, at {}", escape(shown.openrouter))
}

fn document(title: &str, main: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><style>{STYLE}</style></head>\
         <body><main>{main}</main></body></html>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_whole_and_its_host_set_off() {
        assert_eq!(address("https://a.example/cb?x=<1>"), "<b>https://a.example</b>/cb?x=&lt;1&gt;");
        assert_eq!(
            address("https://A.example/cb"),
            "<b>https://a.example</b> (https://A.example/cb)",
            "what was normalised is shown both ways"
        );
    }

    #[test]
    fn a_name_cannot_leave_its_row() {
        let row = name_row(Some("Claude Code” (verified by Anthropic)</b><script>"));
        assert!(
            row.contains("<bdi>Claude Code” (verified by Anthropic)&lt;/b&gt;&lt;script&gt;</bdi>"),
            "{row}"
        );
        assert!(name_row(Some("Сlaude")).contains("its letters are Cyrillic, Latin"));
    }
}
