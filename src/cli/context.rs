//! What every command works with: settings, store, network, time, and a runtime where one is needed.

use std::future::Future;
use std::ops::Deref;

use crate::broker::{self, Broker};
use crate::config::Config;
use crate::error::{Code, Error, Result};
use crate::login_id::LoginId;
use crate::paths::Paths;
use crate::protocol::Credential;
use crate::remote::Agent;
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
        Ok(Self(Services { agent: Agent::from_env()?, ..Services::new(config, store) }))
    }

    /// The folders.
    pub fn paths(&self) -> &Paths {
        self.store.paths()
    }

    /// Who hands out credentials.
    pub fn broker(&self) -> Broker {
        Broker::new(self.0.clone())
    }

    /// A credential that is good already, without a runtime; `None` where more has to be done than reading,
    /// as where another machine may lend it.
    ///
    /// # Errors
    /// As for [`Broker::get`].
    pub fn token_now(&self, login: &LoginId, min_validity: Option<i64>) -> Result<Option<Credential>> {
        match self.agent {
            Some(_) => Ok(None),
            None => broker::token_now(&self.config, &self.store, &self.clock, login, min_validity),
        }
    }

    /// Holds that a login can be made, changed or removed here: that no other machine lends it.
    ///
    /// # Errors
    /// As for [`Broker::check_kept_here`].
    pub fn check_kept_here(&self, login: &LoginId) -> Result<()> {
        match self.agent {
            Some(_) => self.block_on(async { self.broker().check_kept_here(login).await }),
            None => Ok(()),
        }
    }

    /// Runs what needs a runtime. Threads that hang in a keyring do not hold up the exit.
    ///
    /// # Errors
    /// Those of `work`; `busy` if there can be no runtime.
    pub fn block_on<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let runtime = crate::tasks::runtime().map_err(|_| {
            Error::new(Code::Busy, "The runtime cannot be started.")
                .with_hint("The system may be out of threads.")
        })?;
        let result = runtime.block_on(work);
        runtime.shutdown_background();
        result
    }
}
