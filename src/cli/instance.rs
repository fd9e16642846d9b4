//! `transire instance`.

use clap::{Args, Subcommand};
use serde_json::Value;

use super::Context;
use crate::domain::Result;
use crate::domain::instance::{Algorithm, DefaultMark, Instance, KidFormat};
use crate::domain::principal::AccountId;
use crate::service::NewInstance;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Make an instance.
    Create(Create),
    /// List the instances.
    List,
}

#[derive(Args)]
pub(super) struct Create {
    /// The account that owns it.
    #[arg(long)]
    account: AccountId,
    /// Its name.
    #[arg(long)]
    name: String,
    /// The region that it says it is in.
    #[arg(long, default_value = "ap-guangzhou")]
    region: String,
    /// What the registry checks as a token's audience, such as its host name; no two instances share one, ever.
    #[arg(long)]
    service: String,
    /// Let it answer for the account's calls that name no instance.
    #[arg(long)]
    default: bool,
    /// What signs its tokens: ES256 or RS256.
    #[arg(long, default_value = "ES256")]
    alg: Algorithm,
    /// How long its tokens live, in seconds.
    #[arg(long, default_value_t = Instance::USUAL_TOKEN_TTL)]
    token_ttl: u32,
    /// How its tokens name their key: thumbprint (RFC 7638) or libtrust.
    #[arg(long, default_value = "thumbprint")]
    kid: KidFormat,
    /// Where the registry answers.
    #[arg(long)]
    registry_url: Option<String>,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<()> {
    match command {
        Command::Create(create) => {
            let new = NewInstance {
                account: create.account,
                name: create.name,
                region: create.region,
                service: create.service,
                algorithm: create.alg,
                kid_format: create.kid,
                token_ttl_seconds: create.token_ttl,
                registry_url: create.registry_url,
                default: if create.default { DefaultMark::Marked } else { DefaultMark::Unmarked },
            };
            let instance = context.service.create_instance(&context.operator, new, &context.request).await?;
            context.output.one(vec![
                ("tcr_id", instance.id.as_str().into()),
                ("cri_id", instance.cri_id.as_str().into()),
                ("service", instance.service.into()),
                ("realm", context.service.realm().into()),
            ])
        }
        Command::List => {
            let instances = context.service.instances(&context.operator).await?;
            let columns = [
                "tcr_id",
                "cri_id",
                "account_id",
                "name",
                "region",
                "service",
                "alg",
                "kid",
                "token_ttl",
                "default",
                "registry_url",
                "created_at",
            ];
            context.output.list(&columns, instances.into_iter().map(row).collect())
        }
    }
}

fn row(instance: Instance) -> Vec<Value> {
    vec![
        instance.id.as_str().into(),
        instance.cri_id.as_str().into(),
        instance.account.to_string().into(),
        instance.name.into(),
        instance.region.into(),
        instance.service.into(),
        instance.algorithm.name().into(),
        instance.kid_format.name().into(),
        instance.token_ttl_seconds.into(),
        (instance.default == DefaultMark::Marked).into(),
        instance.registry_url.into(),
        instance.created_at.rfc3339().into(),
    ]
}
