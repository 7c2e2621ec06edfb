//! The config.toml that points the built-in providers at this sandbox.

/// Every URL of the built-in descriptions that leads outside, replaced. The text of `config.toml` (DESIGN 2.6).
pub fn toml(base: &str) -> String {
    format!(
        r#"# The providers of the sandbox at {base}. Nothing here leads outside this machine.

[providers.openrouter]
base_url = "{base}/openrouter/api/v1"

[providers.openrouter.login.browser]
authorize_url = "{base}/openrouter/auth"
token_url = "{base}/openrouter/api/v1/auth/keys"

[providers.openrouter.login.code]
authorize_url = "{base}/openrouter/auth"
token_url = "{base}/openrouter/api/v1/auth/keys"

[providers.anthropic]
base_url = "{base}/anthropic"

[providers.anthropic.login.subscription]
authorize_url = "{base}/anthropic/oauth/authorize"
token_url = "{base}/anthropic/v1/oauth/token"
redirect = {{ page = "{base}/anthropic/oauth/code/callback" }}

[providers.anthropic.login.console-key]
authorize_url = "{base}/anthropic/console/oauth/authorize"
token_url = "{base}/anthropic/v1/oauth/token"
redirect = {{ page = "{base}/anthropic/oauth/code/callback" }}
"#
    )
}
