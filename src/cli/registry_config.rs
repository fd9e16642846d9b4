//! `transire registry-config`.

use std::path::{Path, PathBuf};

use clap::Args;

use super::session::Session;
use super::{arguments, output};
use crate::admin::{self, InstanceText, KindText, ShowRegistryConfig, TrustedKey};
use crate::domain::instance::RegistryKind;
use crate::domain::{Error, Result};
use crate::registry_config::{Overwrite, RegistryFile, absolute, utf8, write};
use crate::views;

#[derive(Args)]
pub(super) struct Command {
    /// The instance's tcr- or cri- id.
    #[arg(long)]
    instance: InstanceText,
    /// The kind of registry, which has to be the instance's own: distribution, zot or pulp.
    #[arg(long)]
    kind: KindText,
    /// The key of a zot or Pulp instance to write.
    #[arg(long, value_enum, default_value = "in-use")]
    key: TrustedKey,
    /// The directory to write into; `-` prints the configuration, with paths in the current
    /// directory.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The URL to which the registry sends its clients for a token; without it, public_url and
    /// /token.
    #[arg(long, value_name = "URL", value_parser = admin::realm)]
    realm: Option<String>,
    /// The address at which the registry listens.
    #[arg(
        long,
        default_value = admin::USUAL_LISTEN,
        value_name = "ADDR",
        value_parser = arguments::listen_address
    )]
    listen: String,
    /// The folder of the registry's images; without it, `storage` beside the configuration.
    #[arg(long, value_name = "DIR")]
    storage: Option<PathBuf>,
    /// Write the bundle alone, for a registry that has a configuration already.
    #[arg(long)]
    bundle_only: bool,
    /// Write the key alone, for a zot or a Pulp that has a configuration already.
    #[arg(long, conflicts_with = "bundle_only")]
    key_only: bool,
    /// Replace files that exist and differ.
    #[arg(long)]
    force: bool,
}

pub(super) async fn run(session: &Session, command: Command) -> Result<()> {
    command.check()?;
    let files = session.ask(command.asked()?).await?;
    for warning in &files.warnings {
        output::warn(warning);
    }
    let trusted_only = command.bundle_only || command.key_only;
    if command.is_printed() {
        return session.output().text(if trusted_only {
            &files.trusted.text
        } else {
            &files.config.text
        });
    }
    let overwrite = if command.force {
        Overwrite::Replace
    } else {
        Overwrite::Refuse
    };
    let trusted_name = trusted_name(command.kind.0);
    let mut fields = vec![(trusted_name, files.trusted.path.as_str().into())];
    let trusted = file(&files.trusted);
    if trusted_only {
        write(&[&trusted], overwrite)?;
    } else {
        write(&[&trusted, &file(&files.config)], overwrite)?;
        fields.insert(0, ("config", files.config.path.as_str().into()));
        fields.push(("realm", files.realm.as_str().into()));
        fields.push(("service", files.service.as_str().into()));
        fields.push(("issuer", files.issuer.as_str().into()));
    }
    session.output().one(fields)
}

impl Command {
    fn is_printed(&self) -> bool {
        self.out == Path::new("-")
    }

    /// Refuses an option of another kind.
    fn check(&self) -> Result<()> {
        let trusted_name = trusted_name(self.kind.0);
        for (given, option, name) in [
            (self.bundle_only, "bundle-only", "bundle"),
            (self.key_only, "key-only", "key"),
        ] {
            if given && name != trusted_name {
                let message = format!(
                    "a registry of the kind {} trusts a {trusted_name}: --{trusted_name}-only",
                    self.kind.name()
                );
                return Err(Error::invalid_parameter(option, message));
            }
        }
        Ok(())
    }

    /// Returns the operation, with paths as they are on this machine.
    fn asked(&self) -> Result<ShowRegistryConfig> {
        let directory = if self.is_printed() {
            Path::new(".")
        } else {
            &self.out
        };
        let storage = self.storage.as_deref().map(|folder| {
            let folder = std::path::absolute(folder).map_err(|error| {
                let folder = folder.display();
                Error::misconfigured(format!("{folder} can't be made absolute: {error}"))
            })?;
            utf8(&folder).map(str::to_owned)
        });
        Ok(ShowRegistryConfig {
            instance: self.instance.clone(),
            kind: self.kind.clone(),
            key: self.key,
            directory: utf8(&absolute(directory)?)?.to_owned(),
            realm: self.realm.clone(),
            listen: self.listen.clone(),
            storage: storage.transpose()?,
        })
    }
}

fn file(shown: &views::RegistryFile) -> RegistryFile {
    RegistryFile {
        path: PathBuf::from(&shown.path),
        text: shown.text.clone(),
    }
}

/// Returns the name, in options and answers, of what a registry trusts.
fn trusted_name(kind: RegistryKind) -> &'static str {
    match kind {
        RegistryKind::Distribution => "bundle",
        RegistryKind::Zot | RegistryKind::Pulp => "key",
    }
}
