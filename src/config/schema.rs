//! Every setting of config.toml with type, default and meaning: the help's table is made from this list.

/// One setting.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub struct Setting {
    /// Full key path.
    pub key: &'static str,
    /// What it takes.
    pub kind: &'static str,
    /// What it is if nobody says.
    pub default: &'static str,
    /// What it does.
    pub meaning: &'static str,
}

const fn setting(
    key: &'static str,
    kind: &'static str,
    default: &'static str,
    meaning: &'static str,
) -> Setting {
    Setting { key, kind, default, meaning }
}

/// All of them, in the help's order.
pub const SETTINGS: &[Setting] = &[
    setting(
        "store.backend",
        "\"auto\"|\"keyring\"|\"local-encrypted\"",
        "\"auto\"",
        "Where new logins are kept; auto: the keyring if it works, else the encrypted file.",
    ),
    setting("store.keyring_timeout", "seconds", "5", "Limit of a keyring call that asks you nothing."),
    setting(
        "callback.port",
        "port",
        "3000",
        "Preferred loopback port where the provider takes any; `RCONV_HTTP_PORT` wins.",
    ),
    setting("callback.timeout", "seconds", "300", "How long a login may take."),
    setting("refresh.margin", "seconds", "300", "A token with less time left is refreshed first."),
    setting("http.timeout", "seconds", "30", "Limit of one request to a provider."),
    setting(
        "providers.NAME",
        "table",
        "-",
        "Overrides a built-in provider down to one URL, or describes one of your own.",
    ),
];
