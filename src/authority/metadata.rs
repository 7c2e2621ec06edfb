//! The two well-known documents (RFC 8414, RFC 9728). They tell the truth only: every value here is enforced
//! by the endpoint it speaks of.

use serde_json::{Value, json};

/// The one scope: what a key may do is decided on OpenRouter's page, not by scopes.
pub const SCOPE: &str = "api";

/// Path of the resource that this server guards itself.
pub const ME: &str = "/me";

/// RFC 8414, section 2, for the issuer `issuer`.
pub fn authorization_server(issuer: &str) -> Value {
    json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "registration_endpoint": format!("{issuer}/register"),
        "scopes_supported": [SCOPE],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code"],
        "token_endpoint_auth_methods_supported": ["none"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
        "client_id_metadata_document_supported": true,
    })
}

/// RFC 9728, section 2: the resource `issuer` + `path`.
pub fn protected_resource(issuer: &str, path: &str) -> Value {
    json!({
        "resource": format!("{issuer}{path}"),
        "authorization_servers": [issuer],
        "scopes_supported": [SCOPE],
        "bearer_methods_supported": ["header"],
    })
}

/// What follows the well-known part for an issuer or resource with the path `issuer_path` (RFC 8414, 3.1: it
/// is inserted between host and path): the resource's own path below the issuer, if there is such a resource.
pub fn resource_path<'a>(issuer_path: &str, suffix: &'a str) -> Option<&'a str> {
    match suffix.strip_prefix(issuer_path)? {
        "" | "/" => Some(""),
        ME => Some(ME),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_name_real_resources_only() {
        assert_eq!(resource_path("", ""), Some(""));
        assert_eq!(resource_path("", "/me"), Some("/me"));
        assert_eq!(resource_path("/tenant", "/tenant/me"), Some("/me"));
        assert_eq!(resource_path("/tenant", "/tenant"), Some(""));
        assert_eq!(resource_path("/tenant", ""), None);
        assert_eq!(resource_path("", "/other"), None);
    }
}
