//! Where new logins go, and what is wrong with that place.

use super::Store;
use super::keyring::KeyringError;
use crate::config::StoreBackend;
use crate::credential::BackendKind;
use crate::private_file;
use crate::protocol::StoreReport;

impl Store {
    /// Where new logins go, and why; and whether they could be written there. Asks the keyring: not for
    /// startup.
    pub fn backend_report(&self) -> StoreReport {
        let mut report = self.chosen_backend();
        let folder = private_file::may_write(&self.shared.paths.config_dir());
        report.problem = report.problem.or(folder.err());
        report
    }

    fn chosen_backend(&self) -> StoreReport {
        let report = |backend: BackendKind, reason: &str, problem| StoreReport {
            backend,
            reason: reason.to_owned(),
            problem,
        };
        if self.shared.backend == StoreBackend::LocalEncrypted {
            return report(BackendKind::LocalEncrypted, "The settings say so.", None);
        }
        let chosen = self.shared.backend == StoreBackend::Keyring;
        match (self.shared.keyring.probe(), chosen) {
            (Ok(()), true) => report(BackendKind::Keyring, "The settings say so, and it answers.", None),
            (Ok(()), false) => report(BackendKind::Keyring, "The keyring answers.", None),
            (Err(why), true) => report(BackendKind::Keyring, "The settings say so.", Some(why.error())),
            (Err(why), false) => fallback(why),
        }
    }
}

fn fallback(why: KeyringError) -> StoreReport {
    let reason = why.error().message().to_owned();
    StoreReport { backend: BackendKind::LocalEncrypted, reason, problem: None }
}
