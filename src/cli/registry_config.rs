//! `transire registry-config`.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::{Context, arguments};
use crate::domain::instance::{AnyInstanceId, Instance, RegistryKind};
use crate::domain::url::HttpUrl;
use crate::domain::{Error, Noun, Result};
use crate::registry_config::{Overwrite, RegistryConfig, RegistryFile, files_for, write};
use crate::service::{InstanceChoice, KeyState};

#[derive(Args)]
pub(super) struct Command {
    /// The instance's tcr- or cri- id.
    #[arg(long)]
    instance: AnyInstanceId,
    /// The kind of registry, which has to be the instance's own: distribution, zot or pulp.
    #[arg(long)]
    kind: RegistryKind,
    /// The key of a zot or Pulp instance to write.
    #[arg(long, value_enum, default_value_t = Key::InUse)]
    key: Key,
    /// The directory to write into; `-` prints the configuration, with paths in the current
    /// directory.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The URL to which the registry sends its clients for a token; without it, public_url and
    /// /token.
    #[arg(long, value_name = "URL", value_parser = realm)]
    realm: Option<String>,
    /// The address at which the registry listens.
    #[arg(
        long,
        default_value = "127.0.0.1:5000",
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

/// Which key of an instance is written.
#[derive(Clone, Copy, ValueEnum)]
enum Key {
    /// The key that signs.
    InUse,
    /// The key that signs when it is activated.
    Next,
}

/// Reads the URL of a token endpoint.
fn realm(text: &str) -> Result<String> {
    HttpUrl::parse_place(text).map_err(|fault| {
        Error::invalid_parameter(
            "realm",
            fault.explain("the realm", "https://credentials.example.com/token"),
        )
    })?;
    Ok(text.to_owned())
}

pub(super) async fn run(context: &Context, command: Command) -> Result<()> {
    context.service.operations.refuse_published().await?;
    let choice = command.instance.clone().into();
    let instance = context
        .service
        .registry
        .instance(&context.call(), &choice)
        .await?;
    check(&command, &instance)?;
    let trusted_only = command.bundle_only || command.key_only;
    let issuer = issuer(context, &instance);
    let realm = command.realm.unwrap_or_else(|| match instance.kind {
        RegistryKind::Distribution | RegistryKind::Zot => context.service.base.realm(),
        RegistryKind::Pulp => issuer.to_owned(),
    });
    let trusted = trusted_pem(context, &choice, instance.kind, command.key).await?;
    let config = RegistryConfig {
        kind: instance.kind,
        realm: &realm,
        service: &instance.service,
        issuer,
        trusted_pem: &trusted,
        listen: &command.listen,
        algorithm: instance.algorithm,
        storage: command.storage.as_deref().into(),
    };
    let is_printed = command.out == Path::new("-");
    let files = files_for(
        &config,
        if is_printed {
            Path::new(".")
        } else {
            &command.out
        },
    )?;
    if is_printed {
        return context.output.text(if trusted_only {
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
    let path = |file: &RegistryFile| file.path.display().to_string();
    let mut fields = vec![(trusted_name(instance.kind), path(&files.trusted).into())];
    if trusted_only {
        write(&[&files.trusted], overwrite)?;
    } else {
        write(&[&files.trusted, &files.config], overwrite)?;
        fields.insert(0, ("config", path(&files.config).into()));
        fields.push(("realm", realm.as_str().into()));
        fields.push(("service", instance.service.as_str().into()));
        fields.push(("issuer", issuer.into()));
    }
    context.output.one(fields)
}

/// Refuses a kind that the instance isn't of, and an option of another kind.
fn check(command: &Command, instance: &Instance) -> Result<()> {
    if instance.kind != command.kind {
        let (is, asked) = (instance.kind.name(), command.kind.name());
        return Err(Error::precondition_failed(
            Noun::Instance,
            format!(
                "The instance {} is of the kind {is}: give --kind {is}. A {asked} registry needs \
                 an instance of its own kind, because what registries trust differs: `transire \
                 instance create --kind {asked}`.",
                instance.id
            ),
        ));
    }
    let trusted_name = trusted_name(instance.kind);
    for (given, option, name) in [
        (command.bundle_only, "bundle-only", "bundle"),
        (command.key_only, "key-only", "key"),
    ] {
        if given && name != trusted_name {
            let message = format!(
                "a registry of the kind {} trusts a {trusted_name}: --{trusted_name}-only",
                instance.kind.name()
            );
            return Err(Error::invalid_parameter(option, message));
        }
    }
    Ok(())
}

/// Returns the issuer that the configuration names, and warns where the operator has more to do for
/// it.
fn issuer<'a>(context: &'a Context, instance: &'a Instance) -> &'a str {
    if instance.issuer.is_none() && instance.next_issuer.is_none() {
        context.service.operations.warn_of_issuer();
    }
    let Some(next) = &instance.next_issuer else {
        return context.service.base.issuer_of(instance);
    };
    eprintln!(
        "transire: this is with the issuer that is prepared, {next}: restart the registry with it, \
         and at once `transire instance update --instance {} --activate`.",
        instance.id
    );
    next
}

/// Returns the certificates, or the key, that a registry of this kind trusts.
async fn trusted_pem(
    context: &Context,
    choice: &InstanceChoice,
    kind: RegistryKind,
    key: Key,
) -> Result<String> {
    match kind {
        RegistryKind::Distribution => Ok(context.service.exchange.bundle_pem()),
        RegistryKind::Zot | RegistryKind::Pulp => {
            let state = if matches!(key, Key::Next) {
                KeyState::Next
            } else {
                KeyState::InUse
            };
            context
                .service
                .keys
                .instance_public_key(&context.call(), choice, state)
                .await
        }
    }
}

/// Returns the name, in options and answers, of what a registry trusts.
fn trusted_name(kind: RegistryKind) -> &'static str {
    match kind {
        RegistryKind::Distribution => "bundle",
        RegistryKind::Zot | RegistryKind::Pulp => "key",
    }
}
