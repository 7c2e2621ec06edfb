//! The pages that a person sees: plain, without script, and clear that nothing here is real.

use crate::account::ACCOUNTS;
use crate::reply::Reply;
use crate::request::Request;
use crate::routes::Route;
use crate::world::World;

/// The front page and the icon that browsers ask for.
pub const ROUTES: &[Route] = &[
    Route::new("pages.front", "GET", "/", front),
    Route::new("pages.favicon", "GET", "/favicon.ico", no_icon),
];

const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1f2430; --soft: #5c6476; --paper: #fff; --ground: #eef0f5; --line: #d9dde6; --accent: #3457d5 }
@media (prefers-color-scheme: dark) { :root { --ink: #e8eaf0; --soft: #a2a9b8; --paper: #1d212b; --ground: #12151c; --line: #333a48; --accent: #8ea6ff } }
* { box-sizing: border-box }
body { margin: 0; min-height: 100vh; display: grid; grid-template-rows: auto 1fr; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, sans-serif }
.ribbon { background: repeating-linear-gradient(45deg, #f7c948 0 18px, #f0b429 18px 36px); color: #302200; text-align: center; font-weight: 600; padding: .4rem 1rem }
main { place-self: center; width: min(30rem, calc(100vw - 2rem)); margin: 2rem 0; padding: 2rem; background: var(--paper); border: 1px solid var(--line); border-radius: 14px; box-shadow: 0 8px 30px #0001 }
h1 { font-size: 1.35rem; line-height: 1.3; margin: 0 0 .75rem } p { margin: 0 0 1rem } .soft { color: var(--soft) }
dl { display: grid; grid-template-columns: auto 1fr; gap: .25rem 1rem; margin: 0 0 1.25rem; font-size: .92rem } dt { color: var(--soft) } dd { margin: 0; overflow-wrap: anywhere }
ul { margin: 0 0 1.25rem; padding-left: 1.2rem } code, .code { font-family: ui-monospace, monospace; overflow-wrap: anywhere }
.code { display: block; padding: .9rem 1rem; border: 1px dashed var(--line); border-radius: 8px; background: var(--ground); user-select: all; margin: 0 0 1rem }
label { display: block; font-size: .92rem; color: var(--soft); margin: 0 0 1.25rem }
select, input { display: block; width: 100%; font: inherit; color: inherit; background: var(--ground); border: 1px solid var(--line); border-radius: 8px; padding: .55rem .7rem; margin-top: .25rem }
.buttons { display: flex; gap: .75rem } button { flex: 1; font: inherit; font-weight: 600; padding: .65rem 1rem; border-radius: 8px; border: 1px solid var(--line); background: none; color: inherit; cursor: pointer }
button.main { background: var(--accent); border-color: var(--accent); color: var(--paper) }
";

/// Text as it may stand in a page or in a quoted attribute.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// A whole page around a `<main>`. `main` is HTML; `title` is text.
pub fn page(status: u16, title: &str, main: &str) -> Reply {
    let title = escape(title);
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{title} (sandbox)</title><style>{STYLE}</style></head>\
         <body><div class=\"ribbon\">Sandbox: a pretend provider, no real account</div>\
         <main><h1>{title}</h1>{main}</main></body></html>"
    );
    let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
    Reply::html(status, html).with("content-security-policy", policy)
}

/// What a provider says about a request that it does not take.
pub fn problem(status: u16, provider: &str, message: &str) -> Reply {
    let main = format!(
        "<p class=\"problem\">{}</p><p class=\"soft\">Go back to the program that sent you here and start again.</p>",
        escape(message)
    );
    page(status, &format!("{provider} can't do that"), &main)
}

/// A consent page.
pub struct Ask<'a> {
    pub provider: &'a str,
    /// Who asks.
    pub app: &'a str,
    /// Names and values shown as facts.
    pub facts: &'a [(&'a str, &'a str)],
    /// What the program will be able to do.
    pub scopes: &'a [String],
    /// Where the form goes, and the id that it carries.
    pub action: &'a str,
    pub request: &'a str,
}

/// Asks the person.
pub fn ask(ask: &Ask<'_>) -> Reply {
    let title = format!("{} wants to use your {} account", ask.app, ask.provider);
    let facts: String = ask.facts.iter().map(|(name, value)| fact(name, value)).collect();
    let scopes: String =
        ask.scopes.iter().map(|scope| format!("<li><code>{}</code></li>", escape(scope))).collect();
    let scopes = match scopes.is_empty() {
        true => String::new(),
        false => format!("<p>It will be able to use:</p><ul>{scopes}</ul>"),
    };
    let main = format!(
        "<dl>{facts}</dl>{scopes}<form method=\"post\" action=\"{}\">{}\
         <input type=\"hidden\" name=\"request\" value=\"{}\">{}</form>",
        escape(ask.action),
        accounts(),
        escape(ask.request),
        buttons()
    );
    page(200, &title, &main)
}

/// The chooser of who approves.
pub fn accounts() -> String {
    let option = |account: &crate::account::Account| {
        let (value, name, email) = (escape(account.login), escape(account.name), escape(account.email));
        format!("<option value=\"{value}\">{name} ({email})</option>")
    };
    let options: String = ACCOUNTS.iter().map(option).collect();
    format!("<label>Signed in as<select name=\"account\">{options}</select></label>")
}

/// Deny and approve.
pub fn buttons() -> &'static str {
    "<div class=\"buttons\"><button name=\"decision\" value=\"deny\">Deny</button>\
     <button class=\"main\" name=\"decision\" value=\"approve\">Approve</button></div>"
}

fn fact(name: &str, value: &str) -> String {
    format!("<dt>{}</dt><dd>{}</dd>", escape(name), escape(value))
}

/// What stands above every authorization code that a person has to copy.
pub const PASTE: &str =
    "Paste this code into the program that asked for it. It works once, and for ten minutes.";

/// Shows a code to be copied. `id` marks it for whoever reads the page by program.
pub fn code(title: &str, words: &str, code: &str) -> Reply {
    let (words, code) = (escape(words), escape(code));
    page(200, title, &format!("<p>{words}</p><code class=\"code\" id=\"code\">{code}</code>"))
}

fn front(world: &mut World, _: &Request) -> Reply {
    let main = format!(
        "<p>The pretend providers of Convocations for Neovim are running here, at <code>{}</code>.</p>\
         <p class=\"soft\">Nothing leaves this machine, and nothing signed in here is worth anything.</p>",
        escape(&world.base)
    );
    page(200, "The sandbox", &main)
}

fn no_icon(_: &mut World, _: &Request) -> Reply {
    Reply { status: 204, ..Reply::default() }
}
