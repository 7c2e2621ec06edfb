//! TLS, the same for all of this program's clients.
//!
//! Guarantees: who this system trusts or, on a system that has no list of authorities at all (a minimal
//! container), Mozilla's list of the day this program was built. A list that the person named has to be
//! there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};
use rustls_platform_verifier::Verifier;

/// Set once Mozilla's list had to be used.
static MOZILLA: AtomicBool = AtomicBool::new(false);

/// TLS for a client that offers these protocols (ALPN), best first, and trusts `own` beside the system's
/// list.
///
/// # Errors
/// If the environment names a list of authorities that cannot be read, and there are none of our own.
pub fn config(protocols: &[&str], own: &[CertificateDer<'static>]) -> Result<ClientConfig, rustls::Error> {
    let mut config = match system_verifier(own)? {
        Some(verifier) => {
            let dangerous = with(provider())?.dangerous();
            dangerous.with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth()
        }
        None => with_mozillas_list(own)?,
    };
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    Ok(config)
}

/// `None` on a system that has no list and where none was named.
fn system_verifier(own: &[CertificateDer<'static>]) -> Result<Option<Verifier>, rustls::Error> {
    let is_named = ["SSL_CERT_FILE", "SSL_CERT_DIR"].iter().any(|name| std::env::var_os(name).is_some());
    match Verifier::new(provider()) {
        Ok(verifier) if own.is_empty() => Ok(Some(verifier)),
        Err(error) if own.is_empty() && is_named => Err(error),
        Err(_) if !is_named => Ok(None),
        // Of a list that is named and of no use, ours take the place.
        _ => Verifier::new_with_extra_roots(own.iter().cloned(), provider()).map(Some),
    }
}

fn with_mozillas_list(own: &[CertificateDer<'static>]) -> Result<ClientConfig, rustls::Error> {
    tracing::info!("this system has no list of authorities: Mozilla's is used");
    MOZILLA.store(true, Ordering::Relaxed);
    let mut roots: RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
    roots.add_parsable_certificates(own.iter().cloned());
    trusting(roots)
}

/// TLS that trusts nobody, for a client that makes no use of it.
///
/// # Errors
/// None that can be met: the versions are rustls's own.
pub fn trusting_nobody() -> Result<ClientConfig, rustls::Error> {
    trusting(RootCertStore::empty())
}

/// Whether Mozilla's list had to be used.
pub fn uses_mozillas_list() -> bool {
    MOZILLA.load(Ordering::Relaxed)
}

fn trusting(roots: RootCertStore) -> Result<ClientConfig, rustls::Error> {
    Ok(with(provider())?.with_root_certificates(roots).with_no_client_auth())
}

fn with(provider: Arc<CryptoProvider>) -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, rustls::Error> {
    ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
