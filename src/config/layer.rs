//! One layer of settings: read, checked alone, merged.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Map, Value};
use serde_path_to_error::Segment;

use super::messages::{allowed, unknown_field};
use super::{CallbackConfig, Config, HttpConfig, Providers, RefreshConfig, StoreBackend, StoreConfig};
use crate::error::{Code, Error, Result};
use crate::login_id::is_name;
use crate::paths::{SETTINGS_FILE, whole};
use crate::private_file;
use crate::provider::describe::Description;
use crate::text::short;

/// Longest file of settings that is read, in bytes: a person's file has a few thousand.
const MAX_FILE: u64 = 1 << 20;

/// Longest path of a setting and longest name that are repeated, in characters.
const MAX_PATH: usize = 160;
const MAX_NAME: usize = 64;

/// What the Convocations app keeps in the same file.
const APP_TABLES: &[&str] = &["schema_version", "runtime", "ui", "presets"];

/// One layer, every key optional.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    store: StoreSection,
    callback: CallbackSection,
    refresh: RefreshSection,
    http: HttpSection,
    /// Taken out before; named here for the list of what is known.
    #[serde(rename = "providers")]
    _providers: IgnoredAny,
}

/// A layer that was checked.
#[derive(Default)]
pub struct Checked {
    /// The settings that are valid.
    pub settings: Settings,
    /// What it says of each provider, as it stands.
    pub providers: BTreeMap<String, Value>,
    /// What is wrong with a provider, by its name: it alone fails.
    pub broken: BTreeMap<String, Error>,
    /// Settings that are not known, and are passed over.
    pub unknown: Vec<Error>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct StoreSection {
    backend: Option<StoreBackend>,
    keyring_timeout: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct CallbackSection {
    port: Option<u16>,
    timeout: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RefreshSection {
    margin: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct HttpSection {
    timeout: Option<u64>,
    ca_file: Option<String>,
}

impl Settings {
    fn check_values(&self, name: &str) -> Result<()> {
        for (path, seconds) in [
            ("store.keyring_timeout", self.store.keyring_timeout),
            ("callback.timeout", self.callback.timeout),
            ("http.timeout", self.http.timeout),
        ] {
            if seconds.is_some_and(|seconds| !(1..=86_400).contains(&seconds)) {
                return Err(invalid(name, path, "it must be 1 to 86400 seconds."));
            }
        }
        if self.refresh.margin.is_some_and(|margin| !(0..=86_400).contains(&margin)) {
            return Err(invalid(name, "refresh.margin", "it must be 0 to 86400 seconds."));
        }
        if self.http.ca_file.as_deref().is_some_and(|file| whole(file).is_none()) {
            return Err(invalid(name, "http.ca_file", "it must be a whole path, from `/` or `~/` on."));
        }
        Ok(())
    }

    /// Puts `over` over this layer; providers are merged elsewhere, as text.
    pub fn under(self, over: Self) -> Self {
        Self {
            store: StoreSection {
                backend: over.store.backend.or(self.store.backend),
                keyring_timeout: over.store.keyring_timeout.or(self.store.keyring_timeout),
            },
            callback: CallbackSection {
                port: over.callback.port.or(self.callback.port),
                timeout: over.callback.timeout.or(self.callback.timeout),
            },
            refresh: RefreshSection { margin: over.refresh.margin.or(self.refresh.margin) },
            http: HttpSection {
                timeout: over.http.timeout.or(self.http.timeout),
                ca_file: over.http.ca_file.or(self.http.ca_file),
            },
            _providers: IgnoredAny,
        }
    }

    /// `[store]` with its defaults.
    pub fn store(&self) -> StoreConfig {
        let default = StoreConfig::default();
        StoreConfig {
            backend: self.store.backend.unwrap_or(default.backend),
            keyring_timeout: self.store.keyring_timeout.unwrap_or(default.keyring_timeout),
        }
    }

    /// The settings with their defaults.
    pub(super) fn finish(self, providers: Providers, app_key: Option<Value>) -> Result<Config> {
        let (callback, refresh) = (CallbackConfig::default(), RefreshConfig::default());
        Ok(Config {
            store: self.store(),
            callback: CallbackConfig {
                port: port_from_environment()?.or(self.callback.port).unwrap_or(callback.port),
                timeout: self.callback.timeout.unwrap_or(callback.timeout),
            },
            refresh: RefreshConfig { margin: self.refresh.margin.unwrap_or(refresh.margin) },
            http: HttpConfig {
                timeout: self.http.timeout.unwrap_or(HttpConfig::default().timeout),
                ca_file: self.http.ca_file.as_deref().and_then(whole),
            },
            providers: Arc::new(providers),
            app_key: app_key.map(Arc::new),
            problems: Arc::default(),
            is_shared: false,
        })
    }
}

/// Checks a layer; `name` says in an error which one it is. A wrong value is an error of the whole, since
/// what it was to say is not known; a setting that is not known is passed over, and a provider's mistake is
/// that provider's.
pub fn check(name: &str, mut layer: Value) -> Result<Checked> {
    let table = layer.as_object_mut().and_then(|layer| layer.remove("providers"));
    let mut checked = Checked::default();
    loop {
        match serde_path_to_error::deserialize::<_, Settings>(&layer) {
            Ok(settings) => {
                settings.check_values(name)?;
                checked.settings = settings;
                break;
            }
            Err(error) => {
                let told = told(name, "", &error);
                if !forget_unknown(&mut layer, &error) {
                    return Err(told);
                }
                checked.unknown.push(told);
            }
        }
    }
    let providers: BTreeMap<String, Value> = match table {
        None => BTreeMap::new(),
        Some(Value::Object(table)) => table.into_iter().collect(),
        Some(_) => return Err(invalid(name, "providers", "it must be a table.")),
    };
    for (id, table) in providers {
        let path = format!("providers.{id}");
        if !is_name(&id) {
            let words = format!("`{}` is not a provider name; use a-z, 0-9 and `-`.", short(&id, MAX_NAME));
            checked.unknown.push(invalid(name, "providers", &words));
            continue;
        }
        if let Err(error) = describe(name, &path, &table) {
            checked.broken.insert(id.clone(), error);
        }
        checked.providers.insert(id, table);
    }
    Ok(checked)
}

/// What only the person's own files may say: the editor's options may come with a project (rule 23).
const ONLY_IN_FILES: &[&str] = &["command", "client_secret_command", "workload"];

/// Refuses what the editor's options may not say.
pub fn check_options(name: &str, options: &Value) -> Result<()> {
    let providers = options.get("providers").and_then(Value::as_object);
    for (id, table) in providers.into_iter().flatten() {
        if let Some(key) = ONLY_IN_FILES.iter().find(|key| table.get(**key).is_some()) {
            let path = format!("providers.{id}.{key}");
            return Err(invalid(name, &path, "a project may set these options, and this has to be yours.")
                .with_hint(format!(
                    "Put it into {SETTINGS_FILE}, which nobody else writes: `:h conv-command`."
                )));
        }
    }
    Ok(())
}

/// Takes a setting that is not known out of a layer; `false` if the mistake is another.
fn forget_unknown(layer: &mut Value, error: &serde_path_to_error::Error<serde_json::Error>) -> bool {
    let message = error.inner().to_string();
    let Some(field) = unknown_field(&message) else { return false };
    let keys = error.path().iter().filter_map(|segment| match segment {
        Segment::Map { key } => Some(key.as_str()),
        _ => None,
    });
    let mut table = layer;
    for key in keys {
        if key == field && table.get(key).is_some() {
            break;
        }
        match table.get_mut(key) {
            Some(inner) => table = inner,
            None => return false,
        }
    }
    table.as_object_mut().is_some_and(|table| table.remove(field).is_some())
}

/// `RCONV_HTTP_PORT`, the Convocations app's variable, wins over the files.
fn port_from_environment() -> Result<Option<u16>> {
    match std::env::var("RCONV_HTTP_PORT") {
        Ok(text) if !text.is_empty() => match text.trim().parse() {
            Ok(port) => Ok(Some(port)),
            Err(_) => {
                Err(invalid("the environment", "RCONV_HTTP_PORT", "it must be a port from 0 to 65535."))
            }
        },
        _ => Ok(None),
    }
}

/// The file as JSON; an empty object if there is none.
pub fn read_file(path: &Path) -> Result<Value> {
    let unreadable = |what: &str| {
        Error::new(Code::ConfigInvalid, format!("The file `{}` {what}.", path.display()))
            .with_hint("Correct the file or move it away; nothing was changed.")
    };
    match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Value::Object(Map::new())),
        Err(_) => return Err(unreadable("cannot be read")),
        // A pipe would be waited for, and a device may have no end.
        Ok(metadata) if !metadata.is_file() => return Err(unreadable("is not a regular file")),
        Ok(metadata) if metadata.len() > MAX_FILE => return Err(unreadable("is larger than 1 MiB")),
        Ok(_) => {}
    }
    match private_file::distrust(path) {
        Ok(None) => {}
        // Rule 20: it says where refresh tokens go.
        Ok(Some((which, why))) => {
            let (what, hint) = why.words(which != path);
            let message = format!("`{}` {what}, and its settings are not used.", which.display());
            return Err(Error::new(Code::ConfigInvalid, message).with_hint(hint));
        }
        Err(_) => return Err(unreadable("cannot be read")),
    }
    let text = std::fs::read_to_string(path).map_err(|_| unreadable("cannot be read as UTF-8 text"))?;
    parse(&text).map_err(|what| unreadable(&what))
}

/// The text of a file as JSON, or what is wrong with it.
pub fn parse(text: &str) -> Result<Value, String> {
    let table: toml::Table = toml::from_str(text).map_err(|error| {
        // Only the place is told: the line itself could hold a key that somebody put there.
        let start = error.span().map_or(0, |span| span.start.min(text.len()));
        format!(
            "is not valid TOML at line {}",
            text.as_bytes()[..start].iter().filter(|b| **b == b'\n').count() + 1
        )
    })?;
    serde_json::to_value(table).map_err(|_| "holds a value that settings cannot have".to_owned())
}

/// What the Convocations app keeps in a layer.
#[derive(Default)]
pub struct AppTables {
    /// Whether there is anything of the app's.
    pub is_there: bool,
    /// The reference to its key.
    pub key: Option<Value>,
}

/// Takes the Convocations app's tables out of a layer.
pub fn take_app_tables(layer: &mut Value) -> AppTables {
    let Some(table) = layer.as_object_mut() else { return AppTables::default() };
    let taken: Map<String, Value> =
        APP_TABLES.iter().filter_map(|name| Some(((*name).to_owned(), table.remove(*name)?))).collect();
    let key = taken.get("runtime").and_then(|runtime| runtime.get("openrouter_api_key").cloned());
    AppTables { is_there: !taken.is_empty(), key }
}

/// A built-in description as JSON.
pub fn parse_builtin(id: &str, text: &str) -> Result<Value> {
    let broken = || Error::new(Code::ConfigInvalid, format!("The built-in description of `{id}` is broken."));
    let table: toml::Table = toml::from_str(text).map_err(|_| broken())?;
    serde_json::to_value(table).map_err(|_| broken())
}

/// Reads a provider's description out of a merged table.
pub fn describe(name: &str, path: &str, table: &Value) -> Result<Description> {
    decode(name, path, table)
}

/// Puts `over` over `under`: tables key by key, everything else as a whole.
pub fn merge(under: &mut Value, over: Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (key, value) in over {
                merge(under.entry(key).or_insert(Value::Null), value);
            }
        }
        (under, over) => *under = over,
    }
}

fn decode<T: DeserializeOwned>(name: &str, prefix: &str, value: &Value) -> Result<T> {
    serde_path_to_error::deserialize(value).map_err(|error| told(name, prefix, &error))
}

/// A mistake in words.
fn told(name: &str, prefix: &str, error: &serde_path_to_error::Error<serde_json::Error>) -> Error {
    let path = match (prefix, error.path().to_string()) {
        ("", path) => path,
        (prefix, path) if path == "." => prefix.to_owned(),
        (prefix, path) => format!("{prefix}.{path}"),
    };
    invalid(name, &path, &allowed(&error.inner().to_string()))
}

fn invalid(name: &str, path: &str, words: &str) -> Error {
    let what = match path {
        // The layer as a whole.
        "." => "what is there".to_owned(),
        path => format!("the setting `{}`", short(path, MAX_PATH)),
    };
    Error::new(Code::ConfigInvalid, format!("In {name}, {what} is not valid: {words}"))
        .with_hint("`:h conv-options` lists every setting.")
}
