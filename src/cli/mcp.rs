//! `convocations mcp`: an MCP server becomes a provider in the settings, after a look at it.
//!
//! Guarantees: what stands in the settings stays as it is, comments and all: an entry is put behind it or
//! nothing is written; nobody's token is sent, and nothing is registered.

use std::io::IsTerminal as _;
use std::process::ExitCode;

use serde_json::json;
use url::Url;

use super::{Context, output, prompt};
use crate::config;
use crate::error::{Code, Error, Result};
use crate::login::{self, Survey};
use crate::login_id::is_name;
use crate::protocol::{ClientWay, McpServer};
use crate::provider::describe::Description;
use crate::provider::{self, Provider};
use crate::text::{is_hidden, short};

/// Longest name that is shown or made into a provider's, in characters.
const MAX_NAME: usize = 40;
/// What a server is called while it is asked.
const ASKED: &str = "mcp";
/// Parts of a host's name that say nothing of whose it is.
const COMMON: &[&str] = &["mcp", "www", "api", "app"];

/// What was typed.
#[derive(clap::Args)]
pub struct Wanted {
    /// The server's address
    pub url: String,
    /// What to call it here; made of its own name if left out
    #[arg(long)]
    pub name: Option<String>,
    /// The id under which you have registered this program with it, where it registers nobody by itself
    #[arg(long, value_name = "ID")]
    pub client_id: Option<String>,
    /// Ask nothing
    #[arg(long)]
    pub yes: bool,
    /// What was found, as JSON
    #[arg(long)]
    pub json: bool,
}

pub fn run(context: &Context, wanted: Wanted) -> Result<ExitCode> {
    let url = address(&wanted.url)?;
    if let Some(name) = wanted.name.as_deref().filter(|name| !is_name(name)) {
        let message = format!("`{}` is not a name for a provider.", short(name, MAX_NAME));
        return Err(Error::new(Code::InvalidArgument, message).with_hint("Use a-z, 0-9 and `-`."));
    }
    let known = described(context, &url);
    let host = url.host_str().unwrap_or_default().to_owned();
    output::progress(&[&format!("Asking {host} who signs its tokens …")]);
    let asked = provider_of(&url, &host, known.as_deref(), context)?;
    let found = context.block_on(login::survey(context, asked));
    output::progress(&[""]);
    let survey = found.map_err(about_the_address)?;
    let name = survey.name.clone().unwrap_or(host);
    let id = match (&known, &wanted.name) {
        (Some(id), _) => id.clone(),
        (None, Some(id)) => free(context, id)?,
        (None, None) => free(context, &id_of(&name, &url))?,
    };
    let server = McpServer {
        authorization: format!("Bearer ${{cmd: convocations token {id}}}"),
        file: context.paths().settings_file().display().to_string(),
        provider: id,
        name,
        resource: url.to_string(),
        issuer: survey.issuer.clone(),
        scopes: survey.scopes.clone(),
        client: survey.client,
        added: known.is_none(),
    };
    tell(&server, &survey);
    if server.added {
        if !wanted.yes && std::io::stdin().is_terminal() && !prompt::confirm("Write it to your settings?")? {
            return Err(Error::new(Code::Cancelled, "Nothing was written."));
        }
        config::append(&context.paths().settings_file(), &entry(&server, wanted.client_id.as_deref()))?;
    }
    show(&server, wanted.json)
}

/// An address that a token may be sent to.
fn address(text: &str) -> Result<Url> {
    let bad = || {
        Error::new(Code::InvalidArgument, "This is not an address of an MCP server.").with_hint(
            "Give its whole URL, such as `https://mcp.example.com/mcp`; http is for this machine only.",
        )
    };
    let url = provider::check_url("resource", text).map_err(|_| bad())?;
    match url.fragment().is_none() && url.query().is_none() {
        true => Ok(url),
        false => Err(bad()),
    }
}

/// The provider that stands for this very address already.
fn described(context: &Context, url: &Url) -> Option<String> {
    let same = |id: &String| {
        let provider = context.config.provider(id).ok();
        let resource = provider.and_then(|provider| Url::parse(provider.resource.as_deref()?).ok());
        resource.as_ref() == Some(url)
    };
    context.config.provider_ids().into_iter().find(same)
}

/// The provider to ask by: the one that there is, or one that knows the address alone.
fn provider_of(url: &Url, host: &str, known: Option<&str>, context: &Context) -> Result<Provider> {
    if let Some(known) = known {
        return context.config.provider(known).map(|provider| (*provider).clone());
    }
    let description = Description {
        name: Some(host.to_owned()),
        resource: Some(url.to_string()),
        ..Description::default()
    };
    provider::resolve(ASKED, &format!("providers.{ASKED}"), false, description)
}

/// What is wrong with settings that nobody has written yet is wrong with the address.
fn about_the_address(error: Error) -> Error {
    let unwritten = format!("[providers.{ASKED}]");
    match error.hint().is_some_and(|hint| hint.contains(&unwritten)) {
        true => error.with_hint(
            "Check the address: it has to be the one that the server gives itself (`localhost` is not `127.0.0.1`).",
        ),
        false => error,
    }
}

/// # Errors
/// `invalid_argument` if another provider has this name.
fn free(context: &Context, id: &str) -> Result<String> {
    if !context.config.provider_ids().iter().any(|known| known == id) {
        return Ok(id.to_owned());
    }
    Err(Error::new(
        Code::InvalidArgument,
        format!("There is a provider `{id}` already, and it is another one."),
    )
    .with_hint("Give this one a name of its own: `--name NAME`."))
}

/// A provider's name out of the server's own, or else out of its host.
fn id_of(name: &str, url: &Url) -> String {
    let labels = |text: &str| -> Vec<String> {
        let lower = text.to_ascii_lowercase();
        let words = lower.split(|c: char| !c.is_ascii_alphanumeric());
        words.filter(|word| !word.is_empty() && !COMMON.contains(word)).map(str::to_owned).collect()
    };
    let host = url.host_str().unwrap_or_default();
    let is_domain = url.domain().is_some() && host.contains('.');
    let of_host = || labels(host).into_iter().next().filter(|_| is_domain);
    let of_name = (name != host).then(|| labels(name).join("-"));
    let mut id = of_name.filter(|id| is_name(id)).or_else(of_host).unwrap_or_else(|| "mcp-server".to_owned());
    id.truncate(MAX_NAME);
    id.trim_end_matches('-').to_owned()
}

/// What was found, for a person.
fn tell(server: &McpServer, survey: &Survey) {
    let scopes = match survey.scopes.is_empty() {
        true => "nothing in particular".to_owned(),
        false => survey.scopes.join(" "),
    };
    let client = match survey.client {
        ClientWay::Registration => "registers itself at the first login",
        ClientWay::Document => "is known by the document that `client_id_metadata_document` names",
        ClientWay::ByHand => "has to be registered by hand: give its id as `client_id`",
    };
    for (what, text) in [
        ("Server", format!("{} ({})", server.name, server.resource)),
        ("Tokens by", survey.issuer.clone()),
        ("Asks for", scopes),
        ("This program", client.to_owned()),
        (
            "Name here",
            format!("{}{}", server.provider, if server.added { "" } else { " (described already)" }),
        ),
    ] {
        let shown: String = text.chars().filter(|c| !is_hidden(*c)).collect();
        output::note(&format!("{what:<13} {shown}"));
    }
}

/// The entry as it stands in the settings.
fn entry(server: &McpServer, client_id: Option<&str>) -> String {
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    let mut lines = vec![
        format!("[providers.{}]", server.provider),
        format!("name = {}", quoted(&server.name)),
        format!("resource = {}", quoted(&server.resource)),
    ];
    match (client_id, server.client) {
        (Some(id), _) => lines.push(format!("client_id = {}", quoted(id))),
        (None, ClientWay::ByHand) => {
            lines.push(
                "# client_id = \"…\"   # its server registers nobody: register this program there".to_owned(),
            );
        }
        (None, ClientWay::Document) => {
            lines.push("# client_id_metadata_document = \"https://…\"   # or client_id".to_owned());
        }
        (None, ClientWay::Registration) => {}
    }
    lines.join("\n") + "\n"
}

fn show(server: &McpServer, as_json: bool) -> Result<ExitCode> {
    if as_json {
        return output::json(server);
    }
    if server.added {
        output::note(&format!("Written to {}.", server.file));
    }
    output::note(&format!("Log in with `:ConvLogin {}`. For mcphub's servers.json:", server.provider));
    let headers = json!({ "Authorization": server.authorization });
    let text = json!({ "url": server.resource, "headers": headers });
    output::line(&format!("\"{}\": {text:#}", server.provider))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_made_of_what_the_server_says_or_of_its_host() {
        let id = |name: &str, url: &str| id_of(name, &Url::parse(url).unwrap());
        assert_eq!(id("Linear MCP", "https://mcp.linear.app/mcp"), "linear");
        assert_eq!(id("My Tools (beta)", "https://x.example/mcp"), "my-tools-beta");
        assert_eq!(id("mcp.linear.app", "https://mcp.linear.app/mcp"), "linear");
        assert_eq!(id("127.0.0.1", "http://127.0.0.1:3000/mcp"), "mcp-server");
        assert_eq!(id("localhost", "http://localhost:3000/mcp"), "mcp-server");
        assert_eq!(id("\u{202e}…", "https://www.corp.example/"), "corp");
        assert!(is_name(&id(&"x".repeat(300), "https://x.example/")));
    }

    #[test]
    fn an_address_is_one_that_a_token_may_go_to() {
        for bad in
            ["mcp", "http://mcp.example/", "https://mcp.example/?a=b", "https://mcp.example/#a", "file:///x"]
        {
            assert_eq!(address(bad).unwrap_err().code(), Code::InvalidArgument, "{bad}");
        }
        assert!(address("http://127.0.0.1:1/mcp").is_ok() && address("https://mcp.example/mcp").is_ok());
    }
}
