//! An OAuth 2.1 authorization server in front of OpenRouter's key flow, for MCP clients. The way in is
//! [`Authority`].
//!
//! Guarantees: no key, registration, request or code is stored; whatever has to come back travels sealed with
//! the client or the browser (`seal`), so instances share nothing but the secret. The key that a person makes
//! on OpenRouter's page is handed to the client that started the request, bound to its redirect URI and PKCE
//! challenge, for a resource that the page named, and to nobody else (rule 24). Knows nothing of Neovim, the
//! store or logins.
//!
//! | file | subject |
//! |---|---|
//! | `serve`, `settings`, `secret_source` | sockets, time limits, shutdown; what an operator chooses |
//! | `access` | the access log and the metrics |
//! | `server`, `route` | what all requests share, and which handler answers which address |
//! | `metadata`, `registration`, `authorize`, `consent`, `callback`, `token`, `me` | the endpoints |
//! | `client`, `redirect_uri`, `document`, `resource`, `budget` | who asks, where the answer may go, and for what |
//! | `pending`, `seal`, `cookies` | a request on its way, sealed, and how browsers carry it |
//! | `upstream`, `redemption` | OpenRouter, and the exchange of its codes |
//! | `exchange`, `pages`, `wrong`, `display_name`, `limit` | HTTP values, HTML, rate limits |

mod access;
mod authorize;
mod budget;
mod callback;
mod client;
mod consent;
mod cookies;
mod display_name;
mod document;
mod exchange;
mod limit;
mod me;
mod metadata;
mod pages;
mod pending;
mod redemption;
mod redirect_uri;
mod registration;
mod resource;
mod route;
mod seal;
mod secret_source;
mod serve;
mod server;
mod settings;
mod token;
mod upstream;
mod wrong;

pub use limit::{Limited, Rate, RateChange, Rates};
pub use serve::Authority;
pub use settings::Settings;

#[cfg(any(test, fuzzing))]
pub(crate) use redirect_uri::matches as redirect_uri_matches;
