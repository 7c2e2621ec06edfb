//! Where a credential may come from.

use crate::credential::Kind;
use crate::text::is_credential;

/// Where a credential may come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// An environment variable, and how its value travels.
    Env { var: String, kind: Kind },
    /// The stored login.
    Login,
    /// What a command prints: [`super::Provider::command`].
    Command,
    /// What this machine proves of itself: [`super::Provider::workload`].
    Workload,
    /// The key that the Convocations app keeps.
    App,
}

impl Source {
    /// The name of its variable, if it is one that has a value.
    pub fn variable_that_is_set(&self) -> Option<&str> {
        let Self::Env { var, .. } = self else { return None };
        let is_set = std::env::var(var).is_ok_and(|value| is_credential(value.trim()));
        is_set.then_some(var)
    }

    /// `env:VARIABLE`, `login`, `command`, `workload` or `app`.
    pub fn name(&self) -> String {
        match self {
            Self::Env { var, .. } => format!("env:{var}"),
            Self::Login => "login".to_owned(),
            Self::Command => "command".to_owned(),
            Self::Workload => "workload".to_owned(),
            Self::App => "app".to_owned(),
        }
    }
}
