//! What a key may be asked for (RFC 8707).
//!
//! Guarantees (rule 24): a key is given for this server's own addresses, for OpenRouter's API and for what
//! the operator listed, and for nothing else; a server on that list is told apart, since the consent page has
//! to name it. Without this, an MCP server could name this server in its RFC 9728 document and be handed a
//! key by any honest client.

use url::Url;

use super::metadata::ME;
use crate::error::{Code, Error, Result};
use crate::loopback::is_loopback;

/// Longest `resource`, in bytes.
const MAX_LEN: usize = 512;

/// Who receives a key that is asked for a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Receiver {
    /// This server, which only tells about the key, or OpenRouter, which made it.
    Own,
    /// A server of somebody else, which the operator trusts with keys.
    Listed,
}

/// The resources of one server.
pub struct Resources {
    own: [String; 2],
    openrouter: Url,
    listed: Vec<String>,
}

impl Resources {
    /// The issuer and its `/me`, everything below OpenRouter's address, and the operator's list.
    ///
    /// # Errors
    /// `config_invalid` for a listed resource that is no https URL without a fragment.
    pub fn new(issuer: &str, openrouter: &Url, listed: &[String]) -> Result<Self> {
        let canonical = |text: &String| canonical(text).ok_or_else(|| invalid(text));
        let listed = listed.iter().map(canonical).collect::<Result<_>>()?;
        Ok(Self { own: [issuer.to_owned(), format!("{issuer}{ME}")], openrouter: openrouter.clone(), listed })
    }

    /// The one spelling of a requested resource and who receives its key; `None` if there is no key for it
    /// here.
    pub fn find(&self, text: &str) -> Option<(String, Receiver)> {
        let url = canonical(text)?;
        if self.own.contains(&url) || self.is_openrouter(&url) {
            return Some((url, Receiver::Own));
        }
        self.listed.contains(&url).then_some((url, Receiver::Listed))
    }

    fn is_openrouter(&self, text: &str) -> bool {
        let Ok(url) = Url::parse(text) else { return false };
        let below = url.path().strip_prefix(self.openrouter.path().trim_end_matches('/'));
        let is_below = below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        url.origin() == self.openrouter.origin() && url.query().is_none() && is_below
    }
}

/// RFC 8707, 2: an absolute URI without a fragment. A slash at the end makes no other resource.
fn canonical(text: &str) -> Option<String> {
    let url = Url::parse(text).ok().filter(|_| text.len() <= MAX_LEN)?;
    let fits = url.fragment().is_none() && url.username().is_empty() && url.password().is_none();
    let scheme_fits = url.scheme() == "https" || url.scheme() == "http" && is_loopback(&url);
    (fits && scheme_fits).then(|| url.as_str().trim_end_matches('/').to_owned())
}

fn invalid(text: &str) -> Error {
    Error::new(Code::ConfigInvalid, format!("`{text}` is not a resource."))
        .with_hint("Pass `--resource` the https URL of an MCP server, as its own metadata spells it.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_for_ourselves_openrouter_and_the_list() {
        let openrouter = Url::parse("https://openrouter.ai").unwrap();
        let listed = ["https://mcp.example/mcp/".to_owned()];
        let resources = Resources::new("https://auth.example/t", &openrouter, &listed).unwrap();
        for own in [
            "https://auth.example/t",
            "https://auth.example/t/",
            "https://AUTH.example:443/t/me",
            "https://openrouter.ai",
            "https://openrouter.ai/api/v1",
        ] {
            assert_eq!(resources.find(own).map(|found| found.1), Some(Receiver::Own), "{own}");
        }
        let found = resources.find("https://mcp.example/mcp");
        assert_eq!(found, Some(("https://mcp.example/mcp".to_owned(), Receiver::Listed)));
        for bad in [
            "https://evil.example/",
            "https://auth.example/",
            "https://auth.example/t/../x",
            "https://auth.example/t/me/x",
            "https://openrouter.ai.evil.example/api",
            "https://openrouter.ai@evil.example/",
            "http://openrouter.ai/api",
            "https://openrouter.ai/api?x=1",
            "https://openrouter.ai/#f",
            "https://mcp.example/mcp/x",
            "https://mcp.example/",
            "/me",
            "",
        ] {
            assert_eq!(resources.find(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_upstream_with_a_path_is_not_its_whole_host() {
        let openrouter = Url::parse("http://127.0.0.1:9/openrouter").unwrap();
        let resources = Resources::new("http://127.0.0.1:8", &openrouter, &[]).unwrap();
        assert!(resources.find("http://127.0.0.1:9/openrouter/api/v1").is_some());
        assert!(resources.find("http://127.0.0.1:9/openrouters").is_none());
        assert!(resources.find("http://127.0.0.1:9/").is_none());
    }

    #[test]
    fn a_listed_resource_must_be_one() {
        let openrouter = Url::parse("https://openrouter.ai").unwrap();
        for bad in ["http://mcp.example/", "mcp.example", "https://mcp.example/#x"] {
            assert!(Resources::new("https://a.example", &openrouter, &[bad.to_owned()]).is_err(), "{bad}");
        }
    }
}
