//! What every command works with: settings, store, network, time, and a runtime where one is needed.

use std::future::Future;
use std::ops::Deref;

use crate::broker::Broker;
use crate::config::Config;
use crate::error::{Code, Error, Result};
use crate::paths::Paths;
use crate::services::Services;
use crate::store::Store;

/// One command's services, by the settings files.
pub struct Context(Services);

impl Deref for Context {
    type Target = Services;

    fn deref(&self) -> &Services {
        &self.0
    }
}

impl Context {
    /// Those of these folders.
    ///
    /// # Errors
    /// `config_invalid`.
    pub fn new(paths: &Paths) -> Result<Self> {
        let config = Config::load(paths, None)?;
        let store = Store::new(paths, &config.store);
        Ok(Self(Services::new(config, store)))
    }

    /// The folders.
    pub fn paths(&self) -> &Paths {
        self.store.paths()
    }

    /// Who hands out credentials.
    pub fn broker(&self) -> Broker {
        Broker::new(self.0.clone())
    }

    /// Runs what needs a runtime. Threads that hang in a keyring do not hold up the exit.
    ///
    /// # Errors
    /// Those of `work`; `busy` if there can be no runtime.
    pub fn block_on<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|_| {
            Error::new(Code::Busy, "The runtime cannot be started.")
                .with_hint("The system may be out of threads.")
        })?;
        let result = runtime.block_on(work);
        runtime.shutdown_background();
        result
    }
}
