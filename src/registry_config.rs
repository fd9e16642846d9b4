//! What a registry needs to trust an instance's tokens, as its own configuration files.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::domain::instance::RegistryKind;
use crate::domain::{Error, Result};

/// What goes into a registry's configuration.
pub struct RegistryConfig<'a> {
    /// Which software it is.
    pub kind: RegistryKind,
    /// Where the registry sends its clients for a token.
    pub realm: &'a str,
    /// What it checks as a token's audience.
    pub service: &'a str,
    /// What it checks as a token's issuer.
    pub issuer: &'a str,
    /// What it trusts, PEM: authorities' certificates, or, for zot, one public key.
    pub trusted_pem: &'a str,
    /// The address that it listens at.
    pub listen: &'a str,
    /// Where it stores its images; without it, `storage` beside the configuration.
    pub storage: Option<&'a Path>,
}

/// The files that were written.
pub struct RegistryFiles {
    /// The configuration.
    pub config: PathBuf,
    /// What it trusts.
    pub trusted: PathBuf,
}

/// Writes the files of a registry into a directory, which is made if it is missing.
///
/// The configuration starts as it is: its paths are absolute, and deletion is enabled.
pub fn write(config: &RegistryConfig<'_>, directory: &Path) -> Result<RegistryFiles> {
    let unwritable = |error: std::io::Error| Error::misconfigured(format!("{} can't be written: {error}", directory.display()));
    std::fs::create_dir_all(directory).map_err(unwritable)?;
    let directory = directory.canonicalize().map_err(unwritable)?;
    let storage = match config.storage {
        Some(path) => std::path::absolute(path).map_err(unwritable)?,
        None => directory.join("storage"),
    };
    let (config_name, trusted_name) = match config.kind {
        RegistryKind::Distribution => ("config.yml", "bundle.pem"),
        RegistryKind::Zot => ("config.json", "key.pem"),
    };
    let files = RegistryFiles { config: directory.join(config_name), trusted: directory.join(trusted_name) };
    let text = match config.kind {
        RegistryKind::Distribution => distribution(config, &files.trusted, &storage)?,
        RegistryKind::Zot => zot(config, &files.trusted, &storage)?,
    };
    std::fs::write(&files.trusted, config.trusted_pem).map_err(unwritable)?;
    std::fs::write(&files.config, text).map_err(unwritable)?;
    Ok(files)
}

fn utf8(path: &Path) -> Result<&str> {
    path.to_str().ok_or_else(|| Error::misconfigured(format!("the path {} is not UTF-8", path.display())))
}

/// zot's configuration: `cert` is where the one key is that it trusts, and it checks neither issuer nor audience.
fn zot(config: &RegistryConfig<'_>, key: &Path, storage: &Path) -> Result<String> {
    let (address, port) = config
        .listen
        .rsplit_once(':')
        .filter(|(address, port)| !address.is_empty() && port.parse::<u16>().is_ok())
        .ok_or_else(|| Error::invalid_parameter("listen", "an address to listen at is HOST:PORT"))?;
    let settings = json!({
        "storage": { "rootDirectory": utf8(storage)? },
        "http": {
            "address": address.trim_start_matches('[').trim_end_matches(']'),
            "port": port,
            "auth": { "bearer": { "realm": config.realm, "service": config.service, "cert": utf8(key)? } },
        },
        "log": { "level": "info" },
    });
    Ok(format!("{settings:#}\n"))
}

fn distribution(config: &RegistryConfig<'_>, bundle: &Path, storage: &Path) -> Result<String> {
    // A JSON string is a YAML string, whatever is in it.
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let path = |path: &Path| utf8(path).map(quoted);
    let mut yaml = String::new();
    let lines = [
        "# A CNCF Distribution registry that trusts the tokens of transire.".to_owned(),
        "version: 0.1".to_owned(),
        "log:".to_owned(),
        "  level: info".to_owned(),
        "storage:".to_owned(),
        "  filesystem:".to_owned(),
        format!("    rootdirectory: {}", path(storage)?),
        "  delete:".to_owned(),
        "    enabled: true".to_owned(),
        "http:".to_owned(),
        format!("  addr: {}", quoted(config.listen)),
        "auth:".to_owned(),
        "  token:".to_owned(),
        format!("    realm: {}", quoted(config.realm)),
        format!("    service: {}", quoted(config.service)),
        format!("    issuer: {}", quoted(config.issuer)),
        "    # Certificates are read once, at the registry's start.".to_owned(),
        format!("    rootcertbundle: {}", path(bundle)?),
    ];
    for line in lines {
        // Writing to a string can't fail.
        writeln!(yaml, "{line}").ok();
    }
    Ok(yaml)
}
