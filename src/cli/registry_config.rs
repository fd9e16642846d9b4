//! `transire registry-config`.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::Context;
use crate::domain::Result;
use crate::domain::instance::AnyInstanceId;
use crate::registry_config::{RegistryConfig, write};

#[derive(Args)]
pub(super) struct Command {
    /// The instance's tcr- or cri- id.
    #[arg(long)]
    instance: AnyInstanceId,
    /// Which registry to write for.
    #[arg(long, value_enum)]
    kind: Kind,
    /// The directory to write into.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Where the registry sends its clients for a token; without it, public_url and /token.
    #[arg(long, value_name = "URL")]
    realm: Option<String>,
    /// The address that the registry is to listen at.
    #[arg(long, default_value = "127.0.0.1:5000", value_name = "ADDR")]
    listen: String,
    /// Where the registry is to store its images; without it, `storage` beside the configuration.
    #[arg(long, value_name = "DIR")]
    storage: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    /// CNCF Distribution, also known as `registry:2`, `registry:3` and `docker-registry`.
    Distribution,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<()> {
    let Kind::Distribution = command.kind;
    let instance = context.service.instance(&context.operator, &command.instance.into()).await?;
    let realm = command.realm.unwrap_or_else(|| context.service.realm());
    let config = RegistryConfig {
        realm: &realm,
        service: &instance.service,
        issuer: context.service.issuer(),
        bundle_pem: &context.service.bundle_pem(),
        listen: &command.listen,
        storage: command.storage.as_deref(),
    };
    let files = write(&config, &command.out)?;
    let path = |path: &Path| path.display().to_string();
    context.output.one(vec![
        ("config", path(&files.config).into()),
        ("bundle", path(&files.bundle).into()),
        ("realm", realm.as_str().into()),
        ("service", instance.service.as_str().into()),
        ("issuer", context.service.issuer().into()),
    ])
}
