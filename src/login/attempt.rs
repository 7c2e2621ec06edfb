//! What one login is about: who, where, by which method, with which settings.

use std::sync::Arc;

use crate::login_id::LoginId;
use crate::oauth::{StepUp, Wire};
use crate::provider::{Method, Provider, Redirect, RedirectPorts};
use crate::services::Services;
use crate::wording::Face;

use super::callback::port::Ports;

/// A login in progress, as far as it concerns neither the person nor the browser.
pub(super) struct Attempt {
    pub services: Services,
    pub provider: Arc<Provider>,
    /// As described; what discovery finds is the client's.
    pub method: Method,
    pub login: LoginId,
    /// Whether a browser can be opened on this machine.
    pub browser: bool,
    /// Where the person is.
    pub place: Face,
    /// The method's notice was shown and accepted.
    pub confirmed: bool,
    /// What to go on with if `method` turns out not to be offered: see `method_selection::fallback`.
    pub fallback: Option<Method>,
    /// Which of the person's organizations was asked for, if the provider can be asked.
    pub organization: Option<String>,
    /// More rights than the login has, which an API asked for.
    pub step_up: Option<StepUp>,
    /// What is to be told beside the next address.
    pub notice: Option<String>,
    /// The client id that registration brought, if this login uses such a one.
    pub registered: Option<String>,
}

impl Attempt {
    /// The ports that the provider takes and the person prefers.
    pub fn ports(&self, redirect: &Redirect) -> Ports {
        match &redirect.ports {
            RedirectPorts::Any => Ports::Any { preferred: self.services.config.callback.port },
            RedirectPorts::Fixed(list) => Ports::Fixed(list.clone()),
        }
    }

    /// How the provider is asked.
    pub fn wire(&self) -> Wire {
        let (http, clock) = (self.services.http.clone(), self.services.clock.clone());
        Wire { provider: Arc::clone(&self.provider), http, clock }
    }

    /// The time, Unix seconds.
    pub fn now(&self) -> i64 {
        self.services.clock.now()
    }
}
