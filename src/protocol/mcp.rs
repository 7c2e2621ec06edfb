//! What `convocations mcp` says of a server.

use serde::Serialize;

/// How a program becomes known to an authorization server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClientWay {
    /// It registers itself at its first login (RFC 7591).
    Registration,
    /// By the address of a document about it (Client ID Metadata Documents).
    Document,
    /// A person has to register it, and name its `client_id`.
    ByHand,
}

/// An MCP server that was looked at, and its entry in the settings. What `mcp --json` prints.
#[derive(Debug, Clone, Serialize)]
pub struct McpServer {
    /// The provider that stands for it, and so the login.
    pub provider: String,
    /// What people call it.
    pub name: String,
    /// Its address.
    pub resource: String,
    /// Who signs its tokens.
    pub issuer: String,
    /// What a login will ask for.
    pub scopes: Vec<String>,
    /// How this program becomes known to whoever signs them.
    pub client: ClientWay,
    /// The settings file that describes it.
    pub file: String,
    /// Whether the entry was written now; if not, it was there.
    pub added: bool,
    /// What goes among the `headers` of the server in mcphub's servers.json, as `Authorization`.
    pub authorization: String,
}
