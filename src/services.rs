//! What everything that works on logins is given: settings, store, network, time, and who lends logins.

use crate::clock::Clock;
use crate::config::Config;
use crate::http::{Http, Trust};
use crate::remote::Agent;
use crate::store::Store;

/// All of them; made once by a face. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Services {
    /// Settings and providers.
    pub config: Config,
    /// Where logins are kept.
    pub store: Store,
    /// How providers are asked.
    pub http: Http,
    /// The time.
    pub clock: Clock,
    /// The machine that lends logins here, if there is one.
    pub agent: Option<Agent>,
}

impl Services {
    /// Those of these settings and this store, by the system's clock; nobody lends logins. Nothing is touched
    /// yet.
    pub fn new(config: Config, store: Store) -> Self {
        let http = Http::new(config.http.limit(), Trust::new(config.http.ca_file.as_deref()));
        Self { config, store, http, clock: Clock::System, agent: None }
    }

    /// The same for what a person just asked for and waits for: a locked keyring may ask them.
    #[must_use]
    pub fn interactive(&self) -> Self {
        Self { store: self.store.interactive(), ..self.clone() }
    }
}
