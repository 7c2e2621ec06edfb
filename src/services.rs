//! What everything that works on logins is given: settings, store, network and time.

use crate::clock::Clock;
use crate::config::Config;
use crate::http::Http;
use crate::store::Store;

/// The four of them; made once by a face. Cheap to clone.
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
}

impl Services {
    /// Those of these settings and this store, by the system's clock. Nothing is touched yet.
    pub fn new(config: Config, store: Store) -> Self {
        let http = Http::new(config.http.limit());
        Self { config, store, http, clock: Clock::System }
    }

    /// The same for what a person just asked for and waits for: a locked keyring may ask them.
    #[must_use]
    pub fn interactive(&self) -> Self {
        Self { store: self.store.interactive(), ..self.clone() }
    }
}
