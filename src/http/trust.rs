//! Whom HTTPS trusts: the authorities of this system, or of the file that `SSL_CERT_FILE` names; where there
//! are none (a minimal container) Mozilla's, of the day this program was built; and beside them those of
//! `http.ca_file`.
//!
//! Guarantees: a file that the person named and that cannot be used is an error which names it and says what
//! is wrong, and HTTPS is not spoken without it; `http.ca_file` counts whatever `SSL_CERT_FILE` says.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use reqwest::{Client, ClientBuilder};
use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::{certificate, tls};
use crate::error::{Code, Error, Result};
use crate::private_file;

/// Longest file of authorities that is read, in bytes: a system's whole list has 250 KB.
const MAX_FILE: u64 = 4 << 20;
/// What the setting is called.
const SETTING: &str = "http.ca_file";

/// Whom HTTPS trusts. Cheap to clone; no file is read before a client is made.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    ca_file: Option<Arc<Path>>,
}

/// What a file of authorities holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorities {
    /// The file.
    pub file: PathBuf,
    /// How many certificates are in it.
    pub count: usize,
    /// When the last of them ends, Unix seconds; absent where none of them tells.
    pub end: Option<i64>,
}

impl Trust {
    /// The system's authorities, and those of `http.ca_file` if there is one.
    pub fn new(ca_file: Option<&Path>) -> Self {
        Self { ca_file: ca_file.map(Into::into) }
    }

    /// Makes a client that trusts them.
    ///
    /// # Errors
    /// As for [`Trust::tls`]; `network` if a proxy cannot be set up.
    pub fn build(&self, builder: ClientBuilder) -> Result<Client> {
        let tls = self.tls(&["http/1.1"])?;
        builder.tls_backend_preconfigured(tls).build().map_err(|_| no_client())
    }

    /// TLS for a client that offers these protocols (ALPN), best first.
    ///
    /// # Errors
    /// `network`: what is wrong with a file that the person named; or that TLS cannot be set up.
    pub fn tls(&self, protocols: &[&str]) -> Result<ClientConfig> {
        let own = self.ca_file.as_deref().map(|file| read(file, SETTING)).transpose()?.unwrap_or_default();
        tls::config(protocols, &own).map_err(|_| why_no_list())
    }

    /// What `http.ca_file` holds; `None` if it is not set.
    ///
    /// # Errors
    /// `network`: why it cannot be used.
    pub fn authorities(&self) -> Result<Option<Authorities>> {
        let Some(file) = self.ca_file.as_deref() else { return Ok(None) };
        let own = read(file, SETTING)?;
        let end = own.iter().filter_map(|one| certificate::end(one)).max();
        Ok(Some(Authorities { file: file.to_owned(), count: own.len(), end }))
    }

    /// Whether HTTPS stands on the list within this program, since the system has none.
    ///
    /// # Errors
    /// As for [`Trust::tls`].
    pub fn uses_own_roots(&self) -> Result<bool> {
        self.tls(&["http/1.1"])?;
        Ok(tls::uses_mozillas_list())
    }
}

/// Why the list that the environment names is of no use.
fn why_no_list() -> Error {
    let file = std::env::var_os("SSL_CERT_FILE").map(PathBuf::from);
    file.and_then(|file| read(&file, "SSL_CERT_FILE").err()).unwrap_or_else(no_client)
}

/// TLS cannot be set up.
pub fn no_client() -> Error {
    Error::new(Code::Network, "The HTTPS client cannot be set up.")
        .with_hint("Check what `SSL_CERT_FILE` and `SSL_CERT_DIR` name, and the proxy variables.")
}

/// The certificates of a file, or what is wrong with it; `name` is what names the file.
fn read(file: &Path, name: &str) -> Result<Vec<CertificateDer<'static>>> {
    let wrong = |what: &str, hint: &str| {
        let message = format!("The file `{}`, which `{name}` names, {what}.", file.display());
        Error::new(Code::Network, message).with_hint(hint)
    };
    let hint = format!("Give `{name}` the PEM file with the authority of your network, or take it away.");
    let unreadable = |error: &std::io::Error| match error.kind() {
        ErrorKind::NotFound => wrong("is not there", &hint),
        ErrorKind::PermissionDenied => wrong("may not be read by you", &hint),
        _ => wrong("cannot be read", &hint),
    };
    let metadata = std::fs::metadata(file).map_err(|error| unreadable(&error))?;
    if !metadata.is_file() || metadata.len() > MAX_FILE {
        return Err(wrong("is not a file of certificates", &hint));
    }
    // Who may write it may read every secret that HTTPS carries (rule 20). Variables are their setter's
    // affair.
    if name == SETTING
        && let Some((which, why)) = private_file::distrust(file).map_err(|error| unreadable(&error))?
    {
        let (what, hint) = why.words(which != file);
        return Err(wrong(&format!("{what}, and is not used"), hint));
    }
    let bytes = std::fs::read(file).map_err(|error| unreadable(&error))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    let readable = |all: &Vec<CertificateDer<'static>>| {
        all.iter().all(|one| rustls::RootCertStore::empty().add(one.clone()).is_ok())
    };
    match found {
        Ok(found) if found.is_empty() => Err(wrong(
            "holds no certificate in PEM form",
            "PEM begins with `-----BEGIN CERTIFICATE-----`; `openssl x509 -inform der -in FILE` makes it of the binary form.",
        )),
        Ok(found) if readable(&found) => Ok(found),
        _ => Err(wrong("holds a certificate that is damaged", &hint)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_trouble_of_a_file_is_named() {
        let folder = std::env::temp_dir().join(format!("conv-ca-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let file = folder.join("ca.pem");
        let mut told = Vec::new();
        let mut tell = || told.push(read(&file, SETTING).unwrap_err().message().to_owned());
        tell();
        for text in [
            "",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "-----BEGIN CERTIFICATE-----\n!\n",
        ] {
            std::fs::write(&file, text).unwrap();
            tell();
        }
        std::fs::remove_file(&file).unwrap();
        std::fs::create_dir(&file).unwrap();
        tell();
        std::fs::remove_dir_all(&folder).unwrap();
        let ends = [
            "is not there",
            "no certificate in PEM form",
            "is damaged",
            "is damaged",
            "is not a file of certificates",
        ];
        for (told, end) in told.iter().zip(ends) {
            assert!(told.contains("http.ca_file") && told.contains(end), "{told} / {end}");
        }
        assert_eq!(told.len(), ends.len());
    }
}
