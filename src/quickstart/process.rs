//! The registry that the quickstart starts beside the service.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use super::registry::Registry;
use super::{Quickstart, endpoint, say};
use crate::config::{self, Settings};
use crate::domain::instance::{Instance, RegistryKind};
use crate::domain::{Error, Result};
use crate::registry_config::{self, Overwrite, RegistryConfig};
use crate::service::Service;

/// How long the registry may take to start.
const REGISTRY_START: Duration = Duration::from_secs(20);
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// A registry that this process started; it ends with it.
pub(super) struct RunningRegistry {
    pub(super) host: String,
    _child: Child,
}

/// Starts a registry that trusts the instance; `None` when there is no program for it.
pub(super) async fn start_registry(
    service: &Service,
    settings: &Settings,
    options: &Quickstart,
    instance: &Instance,
    realm: &str,
) -> Result<Option<RunningRegistry>> {
    let named = settings
        .quickstart_registry
        .clone()
        .or_else(|| config::find_program(&["docker-registry", "registry"]));
    let Some(program) = named.filter(|program| program.is_file()) else {
        return Ok(None);
    };
    let listen = free_address(options.registry_listen.address()).await?;
    let directory = settings.data_dir.join("quickstart-registry");
    let config = RegistryConfig {
        kind: RegistryKind::Distribution,
        realm,
        service: &instance.service,
        issuer: service.base.issuer_of(instance),
        trusted_pem: &service.exchange.bundle_pem(),
        listen: &listen.to_string(),
        algorithm: instance.algorithm,
        storage: None,
    };
    let files = registry_config::files_for(&config, &directory)?;
    // The folder is its own, and its port may be another each time.
    registry_config::write(&[&files.trusted, &files.config], Overwrite::Replace)?;
    say(&format!(
        "transire registry-config --instance {} --kind distribution --out {}",
        instance.id,
        directory.display()
    ));
    let mut process = Process::start(&program, &files.config.path, &directory)?;
    let host = endpoint(listen);
    tokio::time::timeout(REGISTRY_START, process.until_up(&host))
        .await
        .map_err(|_| {
            Error::misconfigured(format!(
                "the registry does not answer at {listen}; its log is {}",
                process.log.display()
            ))
        })??;
    say(&format!("A registry that trusts it answers at {host}."));
    Ok(Some(RunningRegistry {
        host,
        _child: process.child,
    }))
}

/// A registry's process, which ends with it.
struct Process<'a> {
    program: &'a Path,
    child: Child,
    /// The file that has its output.
    log: PathBuf,
}

impl<'a> Process<'a> {
    fn start(program: &'a Path, config: &Path, directory: &Path) -> Result<Self> {
        let unusable = |error| unusable(program, &error);
        let log = directory.join("registry.log");
        let output = std::fs::File::create(&log).map_err(unusable)?;
        let child = Command::new(program)
            .arg("serve")
            .arg(config)
            // Variables such as REGISTRY_HTTP_ADDR would override the configuration.
            .env_clear()
            .stdin(Stdio::null())
            .stdout(output.try_clone().map_err(unusable)?)
            .stderr(output)
            .kill_on_drop(true)
            .spawn()
            .map_err(unusable)?;
        Ok(Self {
            program,
            child,
            log,
        })
    }

    /// Waits until it answers; fails when it ended before.
    async fn until_up(&mut self, host: &str) -> Result<()> {
        while !Registry::new(host).is_up().await {
            let ended = self.child.try_wait();
            if let Some(status) = ended.map_err(|error| unusable(self.program, &error))? {
                return Err(Error::misconfigured(format!(
                    "the registry ended at once ({status}); its log is {}",
                    self.log.display()
                )));
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        Ok(())
    }
}

fn unusable(program: &Path, error: &std::io::Error) -> Error {
    Error::misconfigured(format!(
        "the registry {} can't be started: {error}",
        program.display()
    ))
}

/// Returns the address itself, or with a free port in place of 0; fails when somebody listens
/// there.
async fn free_address(address: SocketAddr) -> Result<SocketAddr> {
    let taken = |error: std::io::Error| {
        Error::misconfigured(format!(
            "the registry can't listen at {address}: {error}; choose another --registry-listen \
             address"
        ))
    };
    TcpListener::bind(address)
        .await
        .and_then(|listener| listener.local_addr())
        .map_err(taken)
}
