//! Settings: built-in descriptions, under config.toml, under convocations.toml, under the editor's options.
//!
//! config.toml may be shared with the Convocations app, which leaves out what it does not know when it writes
//! it anew; convocations.toml beside it is ours alone.
//!
//! Guarantees: each layer is checked alone, so an error names the layer and the key's full path; a file that
//! somebody else may write is not believed (rule 20); a provider's mistake is that provider's alone, and a
//! setting that is not known is told and passed over; the app's tables are left alone; a provider is put
//! together only when asked for.

mod append;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
pub mod layer;
mod messages;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value};

use crate::error::{Code, Error, Result};
use crate::login_id::is_name;
use crate::paths::Paths;
use crate::provider::{self, Choice, Provider};
pub use append::append;
use layer::{Checked, Settings};

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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpConfig {
    /// Seconds for one request.
    pub timeout: u64,
    /// A file of authorities that are trusted beside the system's.
    pub ca_file: Option<PathBuf>,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self { timeout: 30, ca_file: None }
    }
}

impl HttpConfig {
    /// How long one request may take.
    pub const fn limit(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }
}

/// All settings. Cheap to clone. Its `Debug` shows no provider's settings and nothing of the app's: a person
/// may have put a secret there, wrong as that is.
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
    problems: Arc<Vec<Error>>,
    is_shared: bool,
}

#[derive(Default)]
struct Providers {
    /// What config.toml and the options say, merged; the built-in text comes under it when a provider is
    /// asked for.
    described: BTreeMap<String, Value>,
    /// What is wrong with a provider, by its name.
    broken: BTreeMap<String, Error>,
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
    /// Reads config.toml and convocations.toml, as far as they are there, and puts `options` over them.
    ///
    /// # Errors
    /// `config_invalid` naming file or options, the key's full path and what is allowed.
    pub fn load(paths: &Paths, options: Option<&Value>) -> Result<Self> {
        let read = |path: &Path| Ok((path.display().to_string(), layer::read_file(path)?));
        Self::of_layers(vec![read(&paths.config_file())?, read(&paths.settings_file())?], options)
    }

    /// The layers of these files, the first of which may be the app's too, and the editor's over them.
    fn of_layers(mut files: Vec<(String, Value)>, options: Option<&Value>) -> Result<Self> {
        let shared = files.first_mut().map(|(_, layer)| layer::take_app_tables(layer)).unwrap_or_default();
        let is_shared = shared.is_there && files.first().is_some_and(|(_, layer)| has_any(layer));
        let options =
            options.map(|options| ("the options of conv.setup() or vim.g.conv".to_owned(), options.clone()));
        if let Some((name, options)) = &options {
            layer::check_options(name, options)?;
        }
        let (mut settings, mut providers, mut problems) =
            (Settings::default(), Providers::default(), Vec::new());
        let in_files = files.len();
        for (number, (name, layer)) in files.into_iter().chain(options).enumerate() {
            let Checked { settings: over, providers: described, broken, unknown } =
                layer::check(&name, layer)?;
            // The plugin has checked its options: one that is not known here is a plugin's of another
            // version.
            if let Some(error) = unknown.first().filter(|_| number == in_files) {
                return Err(error.clone());
            }
            settings = settings.under(over);
            problems.extend(unknown);
            for (id, table) in described {
                layer::merge(providers.described.entry(id).or_insert(Value::Object(Map::new())), table);
            }
            providers.broken.extend(broken);
        }
        let mut config = settings.finish(providers, shared.key)?;
        // A wrong description is told at once, and not when somebody asks for its provider.
        problems.extend(config.providers.described.keys().filter_map(|id| config.provider(id).err()));
        (config.problems, config.is_shared) = (Arc::new(problems), is_shared);
        Ok(config)
    }

    /// What is wrong with the settings, and is passed over: settings that are not known, and providers that
    /// fail alone.
    pub fn problems(&self) -> &[Error] {
        &self.problems
    }

    /// Whether settings of ours stand in a file that the Convocations app writes anew, without them.
    pub fn is_shared_with_the_app(&self) -> bool {
        self.is_shared
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
            problems: Arc::default(),
            is_shared: false,
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
        let provider = Arc::new(self.resolve(id, None)?);
        resolved.insert(id.to_owned(), Arc::clone(&provider));
        Ok(provider)
    }

    /// A provider as it is for a login of this organization; as it is for all where that makes no difference.
    ///
    /// # Errors
    /// As for [`Config::provider`]; `invalid_argument` if no such organization can be.
    pub fn provider_in(&self, id: &str, organization: Option<&str>) -> Result<Arc<Provider>> {
        let plain = self.provider(id)?;
        let option = plain.organizations.as_ref().and_then(|all| match &all.choice {
            Choice::Option(option) => Some(option.as_str()),
            Choice::Page | Choice::Param(_) => None,
        });
        let (Some(option), Some(organization)) = (option, organization) else { return Ok(plain) };
        let own = self.resolve(id, Some((option, organization)));
        own.map(Arc::new).map_err(|_| {
            Error::new(Code::InvalidArgument, format!("This cannot be the {option} of {}.", plain.name))
                .with_hint("Give a host, such as `company.ghe.com`.")
        })
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

    fn resolve(&self, id: &str, option: Option<(&str, &str)>) -> Result<Provider> {
        if let Some(error) = self.providers.broken.get(id) {
            return Err(error.clone());
        }
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
        let mut description = layer::describe("the description", &path, &table)?;
        description.options.extend(option.map(|(name, value)| (name.to_owned(), value.to_owned())));
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
            "Known are: {known}. Describe others in convocations.toml, under `[providers.NAME]`."
        ))
    }
}

fn has_any(layer: &Value) -> bool {
    layer.as_object().is_some_and(|table| !table.is_empty())
}
