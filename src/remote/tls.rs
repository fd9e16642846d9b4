//! TLS to others, and the authorities that are trusted for it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use super::failure::Failure;

/// Reads the authorities' certificates, and makes what connects by TLS.
pub(super) async fn connector(ca_file: Option<PathBuf>) -> Result<TlsConnector, Failure> {
    let read = tokio::task::spawn_blocking(move || authorities(ca_file.as_deref()));
    let roots = read
        .await
        .map_err(|error| Failure::Authorities(error.to_string()))??;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::Authorities(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

/// Reads whom to trust: the system's authorities, and those of the file.
fn authorities(ca_file: Option<&Path>) -> Result<RootCertStore, Failure> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(system.certs);
    if let Some(path) = ca_file {
        let unreadable = |why: String| Failure::Authorities(format!("{}: {why}", path.display()));
        let mut count = 0;
        for certificate in
            CertificateDer::pem_file_iter(path).map_err(|error| unreadable(error.to_string()))?
        {
            let certificate = certificate.map_err(|error| unreadable(error.to_string()))?;
            roots
                .add(certificate)
                .map_err(|error| unreadable(error.to_string()))?;
            count += 1;
        }
        if count == 0 {
            return Err(unreadable("it holds no certificate in PEM".to_owned()));
        }
    }
    if roots.is_empty() {
        let why: Vec<String> = system.errors.iter().map(ToString::to_string).collect();
        let why = if why.is_empty() {
            "the system has none; install them, or set outgoing.ca_file".to_owned()
        } else {
            why.join("; ")
        };
        return Err(Failure::Authorities(why));
    }
    Ok(roots)
}
