//! Encryption: whom is trusted, and what went wrong, in words. Moves no bytes.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig, ClientConnection, RootCertStore};

/// The rules by which servers are trusted: the system's certificates, and those of a file.
///
/// # Errors
/// What is wrong with the file, or that nobody at all would be trusted.
pub(super) fn client_config(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    for cause in &system.errors {
        log::warn!("some of the system's certificates can't be read: {cause}");
    }
    let (added, ignored) = roots.add_parsable_certificates(system.certs);
    log::debug!("{added} certificates of the system, {ignored} unusable ones");
    if let Some(path) = ca_file {
        let shown = path.display();
        let certificates = CertificateDer::pem_file_iter(path).map_err(|cause| format!("{shown}: {cause}"))?;
        let mut n_added = 0;
        for certificate in certificates {
            let certificate = certificate.map_err(|cause| format!("{shown}: {cause}"))?;
            roots.add(certificate).map_err(|cause| format!("{shown}: {cause}"))?;
            n_added += 1;
        }
        if n_added == 0 {
            return Err(format!("{shown}: no certificate in it, expected PEM"));
        }
    }
    if roots.is_empty() {
        let what = "the system has no certificates (on Debian: the package ca-certificates) and tls_ca_file is not set";
        return Err(what.to_owned());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|cause| cause.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// The client's side of a new connection to `host`.
pub(super) fn connection(config: &Arc<ClientConfig>, host: &str) -> Result<ClientConnection, String> {
    let name =
        ServerName::try_from(host.to_owned()).map_err(|cause| format!("{host:?} is no server's name: {cause}"))?;
    ClientConnection::new(Arc::clone(config), name).map_err(|cause| explain(&cause, host))
}

/// What went wrong, if it was the encryption.
pub(super) fn explain_io(cause: &std::io::Error, host: &str) -> Option<String> {
    cause.get_ref()?.downcast_ref::<rustls::Error>().map(|cause| explain(cause, host))
}

fn explain(cause: &rustls::Error, host: &str) -> String {
    match cause {
        rustls::Error::InvalidCertificate(fault) => match fault {
            CertificateError::NotValidForName => format!("the server's certificate is not for {host:?}"),
            CertificateError::NotValidForNameContext { presented, .. } => {
                let names = if presented.is_empty() { "no name".to_owned() } else { presented.join(", ") };
                format!("the server's certificate is not for {host:?}, but for {names}")
            }
            CertificateError::UnknownIssuer => {
                "the server's certificate is signed by nobody who is trusted here (tls_ca_file adds a signer)"
                    .to_owned()
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "the server's certificate has expired".to_owned()
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "the server's certificate is not valid yet (is this machine's clock right?)".to_owned()
            }
            other => format!("the server's certificate is not good: {other}"),
        },
        rustls::Error::InvalidMessage(_) => "what answers speaks no TLS: is this port http://?".to_owned(),
        other => other.to_string(),
    }
}
