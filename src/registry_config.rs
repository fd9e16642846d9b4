//! What a registry needs to trust an instance's tokens, as its own configuration files.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::domain::{Error, Result};

/// What goes into a registry's configuration.
pub struct RegistryConfig<'a> {
    /// Where the registry sends its clients for a token.
    pub realm: &'a str,
    /// What it checks as a token's audience.
    pub service: &'a str,
    /// What it checks as a token's issuer.
    pub issuer: &'a str,
    /// The certificates that it trusts.
    pub bundle_pem: &'a str,
    /// The address that it listens at.
    pub listen: &'a str,
    /// Where it stores its images; without it, `storage` beside the configuration.
    pub storage: Option<&'a Path>,
}

/// The files that were written.
pub struct RegistryFiles {
    /// The configuration.
    pub config: PathBuf,
    /// The certificates.
    pub bundle: PathBuf,
}

/// Writes the files of a CNCF Distribution registry into a directory, which is made if it is missing.
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
    let files = RegistryFiles { config: directory.join("config.yml"), bundle: directory.join("bundle.pem") };
    std::fs::write(&files.bundle, config.bundle_pem).map_err(unwritable)?;
    std::fs::write(&files.config, distribution(config, &files.bundle, &storage)?).map_err(unwritable)?;
    Ok(files)
}

fn distribution(config: &RegistryConfig<'_>, bundle: &Path, storage: &Path) -> Result<String> {
    // A JSON string is a YAML string, whatever is in it.
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let path =
        |path: &Path| path.to_str().map(quoted).ok_or_else(|| Error::misconfigured(format!("the path {} is not UTF-8", path.display())));
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
