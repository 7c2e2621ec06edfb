//! Settings: built-in descriptions, under config.toml, under the editor's options.
//!
//! Guarantees: each layer is checked alone, so an error names the layer and the key's full path; the tables of the
//! Convocations app, which may share the file, are left alone; a provider is put together only when asked for.

#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
pub mod layer;
mod words;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value};

use crate::error::{Code, Error, Result};
use crate::login_id::is_name;
use crate::paths::Paths;
use crate::provider::{self, Provider};
use layer::Settings;

/// Which store new logins go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StoreBackend {
    /// The keyring if it works, else the encrypted file.
    #[default]
    Auto,
    /// The keyring, or an error.
    Keyring,
    /// The encrypted file.
    LocalEncrypted,
}

/// `[store]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreConfig {
    /// Which store new logins go to.
    pub backend: StoreBackend,
    /// Seconds for a keyring call that asks the person nothing.
    pub keyring_timeout: u64,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self { backend: StoreBackend::Auto, keyring_timeout: 5 }
    }
}

/// `[callback]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallbackConfig {
    /// Preferred loopback port where the provider takes any; 0 for no preference.
    pub port: u16,
    /// Seconds that a login may take.
    pub timeout: u64,
}

impl Default for CallbackConfig {
    fn default() -> Self {
        Self { port: 3000, timeout: 300 }
    }
}

/// `[refresh]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefreshConfig {
    /// Seconds before its end when a token no longer counts as fresh.
    pub margin: i64,
}

impl Default for RefreshConfig {
    fn default() -> Self {
        Self { margin: 300 }
    }
}

/// `[http]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpConfig {
    /// Seconds for one request.
    pub timeout: u64,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self { timeout: 30 }
    }
}

/// All settings. Cheap to clone. Its `Debug` shows no provider's settings and nothing of the app's: a person may have
/// put a secret there, wrong as that is.
#[derive(Clone)]
pub struct Config {
    /// Where secrets go.
    pub store: StoreConfig,
    /// Loopback listener.
    pub callback: CallbackConfig,
    /// Freshness.
    pub refresh: RefreshConfig,
    /// Requests.
    pub http: HttpConfig,
    providers: Arc<Providers>,
    app_key: Option<Arc<Value>>,
}

#[derive(Default)]
struct Providers {
    /// What config.toml and the options say, merged; the built-in text comes under it when a provider is asked for.
    described: BTreeMap<String, Value>,
    resolved: Mutex<BTreeMap<String, Arc<Provider>>>,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { store, callback, refresh, http, .. } = self;
        let mut shown = f.debug_struct("Config");
        shown.field("store", store).field("callback", callback).field("refresh", refresh).field("http", http);
        shown.finish_non_exhaustive()
    }
}

impl Config {
    /// Reads config.toml, if there is one, and puts `options` over it.
    ///
    /// # Errors
    /// `config_invalid` naming file or options, the key's full path and what is allowed.
    pub fn load(paths: &Paths, options: Option<&Value>) -> Result<Self> {
        let path = paths.config_file();
        Self::of_layers(&path.display().to_string(), layer::read_file(&path)?, options)
    }

    /// The layer of a file of this name, and the editor's over it.
    fn of_layers(name: &str, mut file: Value, options: Option<&Value>) -> Result<Self> {
        let app_key = layer::take_app_tables(&mut file);
        let mut settings = Settings::check(name, &file)?;
        let mut described = providers_of(&file);
        if let Some(options) = options {
            settings = settings.under(Settings::check("the options of conv.setup() or vim.g.conv", options)?);
            for (id, table) in providers_of(options) {
                layer::merge(described.entry(id).or_insert(Value::Object(Map::new())), table);
            }
        }
        let config = settings.finish(described.clone(), app_key)?;
        // A wrong description is told at once, and not when somebody asks for its provider.
        for id in described.keys() {
            config.provider(id)?;
        }
        Ok(config)
    }

    /// The defaults, with the built-in providers.
    pub fn builtin() -> Self {
        let settings = Settings::default();
        Self {
            store: settings.store(),
            callback: CallbackConfig::default(),
            refresh: RefreshConfig::default(),
            http: HttpConfig::default(),
            providers: Arc::default(),
            app_key: None,
        }
    }

    /// A provider, built in or described.
    ///
    /// # Errors
    /// `unknown_login` naming those that exist; `config_invalid` if its description is not valid.
    pub fn provider(&self, id: &str) -> Result<Arc<Provider>> {
        let mut resolved = self.providers.resolved.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(provider) = resolved.get(id) {
            return Ok(Arc::clone(provider));
        }
        let provider = Arc::new(self.resolve(id)?);
        resolved.insert(id.to_owned(), Arc::clone(&provider));
        Ok(provider)
    }

    /// Names of all providers, sorted.
    pub fn provider_ids(&self) -> Vec<String> {
        let builtin = provider::builtin::ALL.iter().map(|(id, _)| (*id).to_owned());
        let mut ids: Vec<String> = builtin.chain(self.providers.described.keys().cloned()).collect();
        ids.sort();
        ids.dedup();
        ids
    }

    /// `[runtime.openrouter_api_key]`, the app's reference to its own key, as it stands in config.toml.
    pub fn app_key_reference(&self) -> Option<&Value> {
        self.app_key.as_deref()
    }

    fn resolve(&self, id: &str) -> Result<Provider> {
        let builtin = provider::builtin::text(id);
        let described = self.providers.described.get(id);
        if builtin.is_none() && described.is_none() {
            return Err(self.unknown(id));
        }
        let mut table = match builtin {
            Some(text) => layer::parse_builtin(id, text)?,
            None => Value::Object(Map::new()),
        };
        if let Some(described) = described {
            layer::merge(&mut table, described.clone());
        }
        let path = format!("providers.{id}");
        let description = layer::describe("the description", &path, &table)?;
        provider::resolve(id, &path, builtin.is_some(), description)
    }

    fn unknown(&self, id: &str) -> Error {
        // A name that is none is not repeated: it may be a key that went astray.
        let message = match is_name(id) {
            true => format!("There is no provider `{id}`."),
            false => "There is no provider of this name.".to_owned(),
        };
        let known = self.provider_ids().join(", ");
        Error::new(Code::UnknownLogin, message).with_hint(format!(
            "Known are: {known}. Describe others in config.toml, under `[providers.NAME]`."
        ))
    }
}

fn providers_of(layer: &Value) -> BTreeMap<String, Value> {
    let table = layer.get("providers").and_then(Value::as_object).cloned().unwrap_or_default();
    table.into_iter().collect()
}
