//! Where the logins live that are lent: what answers for them, which may get other settings while grants are
//! served.

use std::sync::{Arc, PoisonError, RwLock};

use crate::broker::Broker;
use crate::clock::Clock;
use crate::config::Config;
use crate::gateway::Forwarder;
use crate::wording::Face;

/// The logins of this machine. Cheap to clone.
#[derive(Clone)]
pub struct Home {
    now: Arc<RwLock<Arc<Settled>>>,
    clock: Clock,
}

/// What holds until the next change of the settings.
pub struct Settled {
    /// Hands out credentials.
    pub broker: Broker,
    /// The settings.
    pub config: Config,
    /// Sends requests on.
    pub forwarder: Forwarder,
}

impl Home {
    /// Nothing is touched yet.
    pub fn new(broker: Broker, config: Config, clock: Clock) -> Self {
        let settled = Settled::new(broker, config);
        Self { now: Arc::new(RwLock::new(Arc::new(settled))), clock }
    }

    /// Goes on with other settings.
    pub fn reconfigure(&self, broker: Broker, config: Config) {
        let settled = Arc::new(Settled::new(broker, config));
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = settled;
    }

    /// What holds now.
    pub fn settled(&self) -> Arc<Settled> {
        Arc::clone(&self.now.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The time there.
    pub fn clock(&self) -> Clock {
        self.clock.clone()
    }
}

impl Settled {
    fn new(broker: Broker, config: Config) -> Self {
        let forwarder = Forwarder::new(broker.clone(), config.clone(), Face::Terminal);
        Self { broker, config, forwarder }
    }
}
