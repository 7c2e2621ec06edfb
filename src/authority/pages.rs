//! The two pages that a person sees here: "may this application have a key?" and "this link does not work".
//!
//! Guarantees: everything that came from outside is escaped; the redirect's host is always shown, since a name can
//! be chosen freely; no script, nothing loaded.

use super::client::Budget;
use super::exchange::escape;

const STYLE: &str = "\
:root{color-scheme:light dark;--line:#d5d9e0;--soft:#5b6472;--accent:#3557d6;--card:#fff;--back:#f4f6f9;--text:#1c2330}\
@media(prefers-color-scheme:dark){:root{--line:#343b49;--soft:#9aa4b5;--accent:#8ea6ff;--card:#1c212b;--back:#12151c;--text:#e8ebf1}}\
*{box-sizing:border-box}body{margin:0;min-height:100vh;display:grid;place-items:center;background:var(--back);color:var(--text);\
font:16px/1.5 system-ui,sans-serif;padding:1rem}main{max-width:30rem;width:100%;background:var(--card);border:1px solid var(--line);\
border-radius:14px;padding:2rem}h1{font-size:1.3rem;margin:0 0 1rem}p{margin:.6rem 0}.soft{color:var(--soft);font-size:.92rem}\
dl{margin:1rem 0;border-top:1px solid var(--line)}dl div{display:flex;gap:1rem;justify-content:space-between;padding:.5rem 0;\
border-bottom:1px solid var(--line)}dt{color:var(--soft)}dd{margin:0;text-align:right;overflow-wrap:anywhere;font-weight:600}\
form{display:flex;gap:.75rem;margin-top:1.5rem}button{flex:1;font:inherit;padding:.7rem;border-radius:9px;border:1px solid var(--line);\
background:transparent;color:inherit;cursor:pointer}button.yes{background:var(--accent);border-color:var(--accent);color:var(--card);font-weight:600}";

/// What the consent page shows.
pub struct Consent<'a> {
    /// What the client calls itself.
    pub client_name: &'a str,
    /// Scheme, host and port that get the answer.
    pub redirect_origin: &'a str,
    /// Limits that were asked for.
    pub budget: &'a Budget,
    /// Where the form goes.
    pub action: &'a str,
}

/// The consent page; `sealed` comes back with the form.
pub fn consent(shown: &Consent<'_>, sealed: &str) -> String {
    let name = escape(shown.client_name);
    let host = escape(shown.redirect_origin);
    let local =
        if shown.redirect_origin.starts_with("http://") { " (a program on this computer)" } else { "" };
    let rows = budget_rows(shown.budget);
    let action = escape(shown.action);
    let sealed = escape(sealed);
    document(
        "Allow access?",
        &format!(
            "<h1>Give “{name}” an OpenRouter key?</h1>\
             <p>If you did not just start this yourself, choose <b>Do not allow</b>.</p>\
             <dl><div><dt>Answer goes to</dt><dd>{host}{local}</dd></div>{rows}</dl>\
             <p class=\"soft\">The name is the application’s own word; the address above is what counts. Next you choose \
             the budget on OpenRouter’s page. This server keeps no key.</p>\
             <form method=\"post\" action=\"{action}\"><input type=\"hidden\" name=\"request\" value=\"{sealed}\">\
             <button name=\"decision\" value=\"deny\">Do not allow</button>\
             <button class=\"yes\" name=\"decision\" value=\"allow\">Continue to OpenRouter</button></form>"
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

fn budget_rows(budget: &Budget) -> String {
    let mut rows = String::new();
    let mut row = |name: &str, value: &str| {
        rows.push_str(&format!("<div><dt>{name}</dt><dd>{}</dd></div>", escape(value)));
    };
    if let Some(limit) = budget.limit {
        let each = budget.usage_limit_type.as_deref().map(|kind| format!(", {kind}")).unwrap_or_default();
        row("Asks for a limit of", &format!("${limit}{each}"));
    }
    if let Some(end) = &budget.expires_at {
        row("Asks for a key until", end);
    }
    if let Some(label) = &budget.key_label {
        row("Names the key", label);
    }
    rows
}

fn document(title: &str, main: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><style>{STYLE}</style></head>\
         <body><main>{main}</main></body></html>"
    )
}
