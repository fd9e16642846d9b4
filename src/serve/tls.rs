//! HTTPS: a certificate and its key, read from files and read again when these change.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use aws_lc_rs::digest::{Context, SHA256};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs as provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::config;
use crate::domain::clock::{Clock, SystemClock, Timestamp};
use crate::domain::secret::Secret;
use crate::domain::{Error, Result};
use crate::secret_files;
use crate::token::certificate_expires_at;

/// How often the files are looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(2);
/// How often a certificate that expires soon is warned of, in looks.
const LOOKS_BETWEEN_WARNINGS: u32 = 6 * 60 * 60 / 2;
/// How long before its expiry a certificate is warned of.
const WARNED_BEFORE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// The certificate and key of handshakes, which are replaced when their files change.
pub struct Tls {
    certificate_file: PathBuf,
    key_file: PathBuf,
    config: ArcSwap<ServerConfig>,
    /// When the certificate in use ends, in unix milliseconds; `i64::MAX` where that can't be read.
    expires_at: AtomicI64,
    /// The digest of the files that were read last, usable or not.
    seen: ArcSwap<Vec<u8>>,
}

/// The contents of both files at one moment.
struct Files {
    certificates: Vec<u8>,
    key: Secret,
}

/// The configuration that the files make, and the certificate's expiry.
struct Pair {
    config: ServerConfig,
    expires_at: Option<Timestamp>,
}

impl Tls {
    /// Reads the certificate and the key, if the settings name them.
    ///
    /// # Errors
    /// `Misconfigured` names the file that can't be read, doesn't belong to the other, or is open
    /// to others.
    pub fn load(settings: &config::Tls) -> Result<Option<Arc<Self>>> {
        let (certificate_file, key_file) = match (&settings.certificate_file, &settings.key_file) {
            (Some(certificate), Some(key)) => (certificate.clone(), key.clone()),
            (None, None) => return Ok(None),
            _ => {
                return Err(Error::misconfigured(
                    "tls.certificate_file and tls.key_file are set together or not at all",
                ));
            }
        };
        let files = Files::read(&certificate_file, &key_file)?;
        let pair = Pair::new(&files, &certificate_file, &key_file)?;
        warn_of_end(&certificate_file, pair.expires_at);
        let (config, seen, expires_at) = (
            ArcSwap::from_pointee(pair.config),
            ArcSwap::from_pointee(files.digest()),
            AtomicI64::new(millis(pair.expires_at)),
        );
        Ok(Some(Arc::new(Self {
            certificate_file,
            key_file,
            config,
            expires_at,
            seen,
        })))
    }

    /// Tells whether the settings name these files.
    pub(super) fn is_of(&self, settings: &config::Tls) -> bool {
        settings.certificate_file.as_ref() == Some(&self.certificate_file)
            && settings.key_file.as_ref() == Some(&self.key_file)
    }

    /// Returns when the certificate in use ends.
    pub fn expires_at(&self) -> Option<Timestamp> {
        let millis = self.expires_at.load(Ordering::Relaxed);
        (millis != i64::MAX).then(|| Timestamp::from_unix_millis(millis))
    }

    /// Accepts a handshake with the present certificate.
    pub(super) async fn accept(&self, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        TlsAcceptor::from(self.config.load_full())
            .accept(stream)
            .await
    }

    /// Reads the files again every two seconds, and replaces the pair when they changed. An
    /// unusable pair is logged once.
    pub(super) async fn keep_fresh(self: Arc<Self>) {
        let mut looks: u32 = 0;
        let mut was_unreadable = false;
        loop {
            tokio::time::sleep(LOOK_INTERVAL).await;
            looks = looks.wrapping_add(1);
            let tls = Arc::clone(&self);
            // The file system may be a remote one.
            let looked = tokio::task::spawn_blocking(move || {
                tls.look(looks.is_multiple_of(LOOKS_BETWEEN_WARNINGS))
            })
            .await;
            let unreadable = matches!(looked, Ok(Err(_)));
            if let Ok(Err(error)) = looked
                && !was_unreadable
            {
                tracing::error!(
                    cause = error.cause(),
                    "the old certificate is used on: {error}"
                );
            }
            was_unreadable = unreadable;
        }
    }

    /// Replaces the pair if the files changed. With `warn`, the end of one that didn't is warned
    /// of.
    ///
    /// # Errors
    /// As [`Self::load`]; the pair stays as it was.
    pub(super) fn look(&self, warn: bool) -> Result<()> {
        let files = Files::read(&self.certificate_file, &self.key_file)?;
        let digest = files.digest();
        if **self.seen.load() == digest {
            if warn {
                warn_of_end(&self.certificate_file, files.expires_at());
            }
            return Ok(());
        }
        let pair = Pair::new(&files, &self.certificate_file, &self.key_file)?;
        warn_of_end(&self.certificate_file, pair.expires_at);
        self.config.store(Arc::new(pair.config));
        self.expires_at
            .store(millis(pair.expires_at), Ordering::Relaxed);
        self.seen.store(Arc::new(digest));
        tracing::info!(
            expires_at = pair.expires_at.map(Timestamp::rfc3339),
            "a new certificate is used"
        );
        Ok(())
    }
}

impl Files {
    fn read(certificate_file: &Path, key_file: &Path) -> Result<Self> {
        let certificates = std::fs::read(certificate_file)
            .map_err(|error| unusable("certificate", certificate_file, &error))?;
        secret_files::check_key("the TLS key file", key_file)?;
        let key =
            std::fs::read_to_string(key_file).map_err(|error| unusable("key", key_file, &error))?;
        Ok(Self {
            certificates,
            key: Secret::new(key),
        })
    }

    /// Returns a digest of both. A file's time would say nothing when a link is changed, as
    /// Kubernetes does.
    fn digest(&self) -> Vec<u8> {
        let mut digest = Context::new(&SHA256);
        digest.update(&(self.certificates.len() as u64).to_be_bytes());
        digest.update(&self.certificates);
        digest.update(self.key.expose().as_bytes());
        digest.finish().as_ref().to_vec()
    }

    fn expires_at(&self) -> Option<Timestamp> {
        CertificateDer::pem_slice_iter(&self.certificates)
            .next()?
            .ok()
            .and_then(|leaf| certificate_expires_at(&leaf))
    }
}

impl Pair {
    fn new(files: &Files, certificate_file: &Path, key_file: &Path) -> Result<Self> {
        let chain: Vec<CertificateDer<'static>> =
            CertificateDer::pem_slice_iter(&files.certificates)
                .collect::<Result<_, _>>()
                .map_err(|error| unusable("certificate", certificate_file, &error))?;
        if chain.is_empty() {
            return Err(unusable(
                "certificate",
                certificate_file,
                &"there is no certificate in it; it has to be PEM, the server's own first",
            ));
        }
        let key = PrivateKeyDer::from_pem_slice(files.key.expose().as_bytes()).map_err(|_| {
            unusable(
                "key",
                key_file,
                &"there is no private key in it; it has to be PEM, and not encrypted",
            )
        })?;
        let mut config =
            ServerConfig::builder_with_provider(Arc::new(provider::default_provider()))
                .with_protocol_versions(&[&TLS13, &TLS12])
                .map_err(Error::internal)?
                .with_no_client_auth()
                .with_single_cert(chain, key)
                .map_err(|error| match error {
                    rustls::Error::InconsistentKeys(_) => Error::misconfigured(format!(
                        "the key {} does not belong to the certificate {}, whose first must be the \
                         server's own",
                        key_file.display(),
                        certificate_file.display()
                    )),
                    error => unusable("pair of certificate and key", certificate_file, &error),
                })?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config.ticketer = provider::Ticketer::new().map_err(Error::internal)?;
        Ok(Self {
            config,
            expires_at: files.expires_at(),
        })
    }
}

fn millis(expires_at: Option<Timestamp>) -> i64 {
    expires_at.map_or(i64::MAX, Timestamp::unix_millis)
}

fn unusable(what: &str, file: &Path, why: &dyn std::fmt::Display) -> Error {
    Error::misconfigured(format!(
        "the TLS {what} in {} can't be used: {why}",
        file.display()
    ))
}

fn warn_of_end(file: &Path, expires_at: Option<Timestamp>) {
    let Some(expires_at) = expires_at else { return };
    let (now, file) = (SystemClock.now(), file.display());
    if expires_at <= now {
        tracing::warn!(
            "the TLS certificate in {file} expired at {}: clients refuse it",
            expires_at.rfc3339()
        );
    } else if expires_at <= now.plus(WARNED_BEFORE) {
        tracing::warn!(
            "the TLS certificate in {file} expires at {}",
            expires_at.rfc3339()
        );
    }
}
