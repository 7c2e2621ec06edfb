//! Whom HTTPS trusts, the same for all of this program's clients.
//!
//! Guarantees: who this system trusts or, on a system that has no list of authorities at all (a minimal
//! container), Mozilla's list of the day this program was built. A list that the person named has to be
//! there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier};

/// Set once Mozilla's list had to be used.
static MOZILLA: AtomicBool = AtomicBool::new(false);

/// TLS for a client that offers these protocols (ALPN), best first.
///
/// # Errors
/// If there is no list of authorities to be read.
pub fn config(protocols: &[&str]) -> Result<ClientConfig, rustls::Error> {
    let provider = provider();
    let is_named = ["SSL_CERT_FILE", "SSL_CERT_DIR"].iter().any(|name| std::env::var_os(name).is_some());
    let mut config = match rustls_platform_verifier::Verifier::new(Arc::clone(&provider)) {
        Ok(verifier) => {
            let dangerous = with(provider)?.dangerous();
            dangerous.with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth()
        }
        Err(error) if is_named => return Err(error),
        Err(_) => {
            tracing::info!("this system has no list of authorities: Mozilla's is used");
            MOZILLA.store(true, Ordering::Relaxed);
            trusting(webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect())?
        }
    };
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    Ok(config)
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
