//! The registry that the quickstart starts beside the service.

use std::process::Stdio;

use super::{Quickstart, endpoint, say};
use crate::config::Settings;
use crate::domain::instance::{Instance, RegistryKind};
use crate::domain::{Error, Result};
use crate::registry_config::{self, Overwrite, RegistryConfig, Storage};
use crate::registry_process::{RegistryProcess, find_program, free_address};
use crate::service::Service;

/// A registry that this process started; it ends with it.
pub(super) struct RunningRegistry {
    pub(super) host: String,
    _process: RegistryProcess,
}

/// Starts a registry that trusts the instance; `None` when there is no program for it.
pub(super) async fn start_registry(
    service: &Service,
    settings: &Settings,
    options: &Quickstart,
    instance: &Instance,
    realm: &str,
) -> Result<Option<RunningRegistry>> {
    let Some(program) = find_program(settings.quickstart_registry.clone()) else {
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
        storage: Storage::Beside,
    };
    let files = registry_config::files_for(&config, &directory)?;
    // The folder is its own, and its port may be another each time.
    registry_config::write(&[&files.trusted, &files.config], Overwrite::Replace)?;
    say(&format!(
        "transire registry-config --instance {} --kind distribution --out {}",
        instance.id,
        directory.display()
    ));
    let log = directory.join("registry.log");
    let unwritable = |error: std::io::Error| {
        Error::misconfigured(format!("{} can't be written: {error}", log.display()))
    };
    let output = std::fs::File::create(&log).map_err(unwritable)?;
    let copy = output.try_clone().map_err(unwritable)?;
    let output: (Stdio, Stdio) = (output.into(), copy.into());
    let process = RegistryProcess::start(&program, &files.config.path, listen, output)
        .await
        .map_err(|error| {
            let (message, log) = (error.message(), log.display());
            Error::misconfigured(format!("{message}; its log is {log}"))
        })?;
    let host = endpoint(listen);
    say(&format!("A registry that trusts it answers at {host}."));
    Ok(Some(RunningRegistry {
        host,
        _process: process,
    }))
}
