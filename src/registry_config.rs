//! The files with which a registry trusts an instance's tokens, in its own formats.

use std::fmt::Write as _;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::domain::instance::{Algorithm, RegistryKind};
use crate::domain::{Error, Noun, Result};

/// How long zot takes for one request's body, and for one answer: by itself it cuts both off after
/// a minute, long uploads too. Its versions before 2.1.17 have no such setting, and refuse to start
/// with it.
const ZOT_TRANSFER_TIMEOUT: &str = "6h";

/// The values in a registry's configuration.
pub struct RegistryConfig<'a> {
    /// The registry's software.
    pub kind: RegistryKind,
    /// The URL to which the registry sends its clients for a token.
    pub realm: &'a str,
    /// The audience that it requires of tokens.
    pub service: &'a str,
    /// The issuer that it requires of tokens.
    pub issuer: &'a str,
    /// The CA certificates that it trusts, PEM; for zot and Pulp one public key.
    pub trusted_pem: &'a str,
    /// The address at which it listens.
    pub listen: &'a str,
    /// The algorithm of its tokens' signatures.
    pub algorithm: Algorithm,
    /// Where its images are.
    pub storage: Storage<'a>,
}

/// Where a registry keeps its images.
#[derive(Clone, Copy, Debug)]
pub enum Storage<'a> {
    /// In `storage` beside the configuration.
    Beside,
    /// In this folder, by its absolute path.
    Folder(&'a Path),
    /// In memory, which CNCF Distribution alone can do; others keep them beside the configuration.
    Memory,
}

impl<'a> From<Option<&'a Path>> for Storage<'a> {
    /// Takes a folder, or the one beside the configuration.
    fn from(folder: Option<&'a Path>) -> Self {
        folder.map_or(Self::Beside, Self::Folder)
    }
}

/// A file that a registry reads.
pub struct RegistryFile {
    /// The absolute path.
    pub path: PathBuf,
    /// The contents.
    pub text: String,
}

/// The files of a registry.
pub struct RegistryFiles {
    /// The configuration.
    pub config: RegistryFile,
    /// The certificates or the key that it trusts.
    pub trusted: RegistryFile,
}

/// The treatment of a file that exists with other contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overwrite {
    /// Write nothing.
    Refuse,
    /// Replace it.
    Replace,
}

/// Returns the absolute path of a directory on this machine, without symbolic links where it is
/// there.
///
/// # Errors
/// `Misconfigured` for a path that can't be made absolute.
pub fn absolute(path: &Path) -> Result<PathBuf> {
    let found = path.canonicalize().or_else(|_| std::path::absolute(path));
    found.map_err(|error| {
        Error::misconfigured(format!(
            "{} can't be made absolute: {error}",
            path.display()
        ))
    })
}

/// Makes the files of a registry for a directory of this machine, and writes nothing.
///
/// # Errors
/// `Misconfigured` for a path that can't be made absolute, and those of [`files_in`].
pub fn files_for(config: &RegistryConfig<'_>, directory: &Path) -> Result<RegistryFiles> {
    files_in(config, &absolute(directory)?)
}

/// Makes the files of a registry for a directory of its machine, by its absolute path, and writes
/// nothing.
///
/// A registry starts with them as they are: paths are absolute, and deletion is enabled.
///
/// # Errors
/// `Misconfigured` for paths that aren't UTF-8, `InvalidParameter` for an address to listen at.
pub fn files_in(config: &RegistryConfig<'_>, directory: &Path) -> Result<RegistryFiles> {
    let beside = directory.join("storage");
    let storage = match config.storage {
        Storage::Beside => Some(beside.clone()),
        Storage::Folder(path) => Some(path.to_owned()),
        Storage::Memory => None,
    };
    let (config_name, trusted_name) = match config.kind {
        RegistryKind::Distribution => ("config.yml", "bundle.pem"),
        RegistryKind::Zot => ("config.json", "key.pem"),
        RegistryKind::Pulp => ("settings.py", "key.pem"),
    };
    let trusted = RegistryFile {
        path: directory.join(trusted_name),
        text: config.trusted_pem.to_owned(),
    };
    let text = match config.kind {
        RegistryKind::Distribution => distribution(config, &trusted.path, storage.as_deref())?,
        RegistryKind::Zot => zot(config, &trusted.path, &storage.unwrap_or(beside))?,
        RegistryKind::Pulp => pulp(config, &trusted.path)?,
    };
    Ok(RegistryFiles {
        config: RegistryFile {
            path: directory.join(config_name),
            text,
        },
        trusted,
    })
}

/// Writes files, and makes the directories that they are in.
///
/// # Errors
/// `PreconditionFailed` when one of them is there, holds something else and isn't to be replaced;
/// nothing is written then. `Misconfigured` when one can't be read or written.
pub fn write(files: &[&RegistryFile], overwrite: Overwrite) -> Result<()> {
    if overwrite == Overwrite::Refuse {
        let mut differing = Vec::new();
        for file in files {
            match std::fs::read(&file.path) {
                Ok(there) if there == file.text.as_bytes() => {}
                Ok(_) => differing.push(file.path.display().to_string()),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => {
                    return Err(Error::misconfigured(format!(
                        "{} is there and can't be read: {error}",
                        file.path.display()
                    )));
                }
            }
        }
        if !differing.is_empty() {
            return Err(Error::precondition_failed(
                Noun::OutputFile,
                format!(
                    "There already, with other contents: {}. Nothing was written. --out - prints \
                     what would be, --bundle-only or --key-only leaves the configuration out, and \
                     --force replaces what is there.",
                    differing.join(", ")
                ),
            ));
        }
    }
    for file in files {
        let unwritable = |error: std::io::Error| {
            Error::misconfigured(format!("{} can't be written: {error}", file.path.display()))
        };
        if let Some(directory) = file.path.parent() {
            std::fs::create_dir_all(directory).map_err(unwritable)?;
        }
        std::fs::write(&file.path, &file.text).map_err(unwritable)?;
    }
    Ok(())
}

/// Returns a path as text.
///
/// # Errors
/// `Misconfigured` for one that isn't UTF-8.
pub fn utf8(path: &Path) -> Result<&str> {
    path.to_str()
        .ok_or_else(|| Error::misconfigured(format!("the path {} is not UTF-8", path.display())))
}

/// zot's configuration: `cert` is where the one key is that it trusts, and it checks neither issuer
/// nor audience.
fn zot(config: &RegistryConfig<'_>, key: &Path, storage: &Path) -> Result<String> {
    let (address, port) = config
        .listen
        .rsplit_once(':')
        .filter(|(address, port)| !address.is_empty() && port.parse::<u16>().is_ok())
        .ok_or_else(|| {
            Error::invalid_parameter("listen", "an address to listen at is HOST:PORT")
        })?;
    let settings = json!({
        "storage": { "rootDirectory": utf8(storage)? },
        "http": {
            "address": address.trim_start_matches('[').trim_end_matches(']'),
            "port": port,
            // Without it zot answers docker's engine with 415: that pushes manifests of docker's
            // own type.
            "compat": ["docker2s2"],
            "readTimeout": ZOT_TRANSFER_TIMEOUT,
            "writeTimeout": ZOT_TRANSFER_TIMEOUT,
            "auth": {
                "bearer": { "realm": config.realm, "service": config.service, "cert": utf8(key)? },
            },
        },
        "log": { "level": "info" },
    });
    Ok(format!("{settings:#}\n"))
}
/// Pulp's settings of tokens; the rest is its own (pulp_container, `app/token_verification.py`).
fn pulp(config: &RegistryConfig<'_>, key: &Path) -> Result<String> {
    if config.realm != config.issuer {
        return Err(Error::invalid_parameter(
            "realm",
            format!(
                "Pulp has one setting for the realm and the issuer, and the instance's issuer is \
                 {}: make the realm its issuer, with `transire instance update --issuer {}`",
                config.issuer, config.realm
            ),
        ));
    }
    // A JSON string is a string of Python's, too.
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let key = quoted(utf8(key)?);
    Ok(format!(
        "# With these settings Pulp trusts the tokens of transire. Put them beside its others.\n\
         TOKEN_AUTH_DISABLED = False\n\
         # Where clients are sent for a token, and what a token names as its issuer.\n\
         TOKEN_SERVER = {}\n\
         TOKEN_SIGNATURE_ALGORITHM = {}\n\
         PUBLIC_KEY_PATH = {key}\n\
         # Pulp's own token endpoint would sign with it. Nobody is sent there, and its private key \
         is not here.\n\
         PRIVATE_KEY_PATH = {key}\n",
        quoted(config.issuer),
        quoted(config.algorithm.name()),
    ))
}

fn distribution(
    config: &RegistryConfig<'_>,
    bundle: &Path,
    storage: Option<&Path>,
) -> Result<String> {
    // A JSON string is a YAML string, whatever is in it.
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let path = |path: &Path| utf8(path).map(quoted);
    let mut yaml = String::new();
    let images = match storage {
        Some(folder) => format!("  filesystem:\n    rootdirectory: {}", path(folder)?),
        None => "  inmemory:".to_owned(),
    };
    let lines = [
        "# A CNCF Distribution registry that trusts the tokens of transire.".to_owned(),
        "version: 0.1".to_owned(),
        "log:".to_owned(),
        "  level: info".to_owned(),
        "storage:".to_owned(),
        images,
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
