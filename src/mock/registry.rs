//! The registry beside a mock: it keeps its images in memory, and ends with the mock.

use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::Mock;
use crate::domain::clock::{SystemRandom, random_bytes};
use crate::domain::instance::{Instance, RegistryKind};
use crate::domain::{Error, Result};
use crate::registry_config::{self, Overwrite, RegistryConfig, Storage};
use crate::registry_process::{RegistryProcess, find_program, free_address};
use crate::service::Service;

/// A registry's program and its address, and the process once it runs.
pub(super) struct Registry {
    program: PathBuf,
    address: SocketAddr,
    process: Option<RegistryProcess>,
}

impl Registry {
    /// Finds the program and an address.
    ///
    /// # Errors
    /// `Misconfigured` when there is no program, or somebody listens at the address.
    pub(super) async fn find(options: &Mock) -> Result<Self> {
        let program = find_program(options.registry_program.clone()).ok_or_else(|| {
            Error::misconfigured(
                "there is no registry on this machine: install CNCF Distribution (Debian's \
                 package docker-registry), or name its program with --registry-program",
            )
        })?;
        Ok(Self {
            program,
            address: free_address(options.registry_listen.address()).await?,
            process: None,
        })
    }

    /// Returns the name by which clients reach it: docker takes `localhost` without TLS.
    pub(super) fn host(&self) -> String {
        if self.address.ip().is_loopback() {
            format!("localhost:{}", self.address.port())
        } else {
            self.address.to_string()
        }
    }

    /// Returns the URL at which the mock reaches it.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Starts it; it trusts the instance's tokens.
    ///
    /// # Errors
    /// `Misconfigured` when it can't be started.
    pub(super) async fn start(&mut self, service: &Service, instance: &Instance) -> Result<()> {
        // It reads its files once, so they needn't outlive its start.
        let folder = Folder::new()?;
        let config = RegistryConfig {
            kind: RegistryKind::Distribution,
            realm: &service.base.realm(),
            service: &instance.service,
            issuer: service.base.issuer_of(instance),
            trusted_pem: &service.exchange.bundle_pem(),
            listen: &self.address.to_string(),
            algorithm: instance.algorithm,
            storage: Storage::Memory,
        };
        let files = registry_config::files_for(&config, &folder.0)?;
        registry_config::write(&[&files.trusted, &files.config], Overwrite::Refuse)?;
        let silence = (Stdio::null(), Stdio::null());
        let process =
            RegistryProcess::start(&self.program, &files.config.path, self.address, silence)
                .await?;
        self.process = Some(process);
        Ok(())
    }

    /// Ends it.
    pub(super) async fn stop(self) {
        if let Some(process) = self.process {
            process.stop().await;
        }
    }
}

/// A folder for this process alone, which goes with this value.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self> {
        let name = hex::encode(random_bytes::<8>(&SystemRandom));
        let path = std::env::temp_dir().join(format!("transire-mock-{name}"));
        std::fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(|error| unusable(&path, &error))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!("{}", unusable(&self.0, &error));
        }
    }
}

fn unusable(path: &Path, error: &std::io::Error) -> Error {
    Error::misconfigured(format!(
        "the temporary folder {} can't be used: {error}",
        path.display()
    ))
}
