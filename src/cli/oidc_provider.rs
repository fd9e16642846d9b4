//! `transire oidc-provider`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::output::Fields;
use super::{Context, Named, arguments};
use crate::domain::identity::{OidcAlgorithm, OidcProvider, OidcProviderChange};
use crate::domain::ids::AccountId;
use crate::domain::secret::Secret;
use crate::domain::{Error, Result};
use crate::service::{NewOidcProvider, OidcPreset, WebIdentity};
use crate::views;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Make a provider: an issuer whose tokens the account's roles may trust.
    Create(Create),
    /// List an account's providers.
    List {
        /// The account's id.
        #[arg(long)]
        account: AccountId,
    },
    /// Show a provider, with the keys that were given.
    Show(Named),
    /// Change a provider's keys, audiences or algorithms. Sessions go on.
    Update(Update),
    /// Say whether a token is accepted, and print its content.
    Check(Check),
    /// List the subjects that an account refuses: see `transire revoke --subject`.
    Refused {
        /// The account's id.
        #[arg(long)]
        account: AccountId,
    },
    /// Delete a provider: its tokens are refused from then on.
    Delete(Named),
}

#[derive(Args)]
pub(super) struct Create {
    #[command(flatten)]
    provider: Named,
    /// A platform, which fills in the issuer and the algorithms: github, gitlab, kubernetes,
    /// forgejo or buildkite. It suggests a trust policy, too.
    #[arg(long, value_name = "PLATFORM")]
    preset: Option<OidcPreset>,
    /// The issuer, exactly as in its tokens: an https URL.
    #[arg(long, value_name = "URL", required_unless_present = "preset")]
    issuer: Option<String>,
    /// An audience. A token must have one of them; the option may be repeated.
    #[arg(long, required = true)]
    audience: Vec<String>,
    /// A file with the issuer's public keys, a JWK set. Without it they are fetched from the
    /// issuer.
    #[arg(long, value_name = "FILE")]
    jwks: Option<PathBuf>,
    /// An algorithm that may sign tokens, such as RS256. The option may be repeated; without it
    /// and without a preset, all known ones may.
    #[arg(long, value_name = "ALG")]
    algorithm: Vec<OidcAlgorithm>,
}

#[derive(Args)]
pub(super) struct Update {
    #[command(flatten)]
    provider: Named,
    /// A file with the issuer's public keys, a JWK set, in place of those given or fetched. It may
    /// hold old and new keys.
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present_any = ["audience", "algorithm"]
    )]
    jwks: Option<PathBuf>,
    /// An audience. The option may be repeated; audiences that it doesn't name are removed.
    #[arg(long)]
    audience: Vec<String>,
    /// An algorithm that may sign tokens, such as RS256. The option may be repeated; algorithms
    /// that it doesn't name are removed.
    #[arg(long, value_name = "ALG")]
    algorithm: Vec<OidcAlgorithm>,
}

#[derive(Args)]
pub(super) struct Check {
    #[command(flatten)]
    provider: Named,
    /// The file with the token; - reads it from standard input.
    #[arg(long, value_name = "FILE")]
    token: PathBuf,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<()> {
    let (identity, call) = (&context.service.identity, &context.call());
    match command {
        Command::Create(new) => create(context, new).await,
        Command::List { account } => {
            let providers = identity.oidc_providers(call, account).await?;
            context
                .output
                .list(providers.into_iter().map(views::OidcProvider::from))
        }
        Command::Show(Named { account, name }) => {
            let provider = identity.oidc_provider(call, account, &name).await?;
            let (jwks, created_at) = (provider.jwks.clone(), provider.created_at.rfc3339());
            let mut fields = fields(provider);
            fields.extend([("created_at", created_at.into()), ("jwks", jwks.into())]);
            context.output.show(fields)
        }
        Command::Update(change) => update(context, change).await,
        Command::Check(token) => check(context, token).await,
        Command::Refused { account } => {
            let refused = identity.refused_subjects(call, account).await?;
            context
                .output
                .list(refused.into_iter().map(views::RefusedSubject::from))
        }
        Command::Delete(one) => {
            identity
                .delete_oidc_provider(call, one.account, &one.name)
                .await?;
            context
                .output
                .one(vec![("name", one.name.into()), ("state", "deleted".into())])
        }
    }
}

async fn create(context: &Context, create: Create) -> Result<()> {
    let issuer = match (create.issuer, create.preset) {
        (Some(issuer), _) => issuer,
        (None, Some(preset)) => preset.issuer()?.to_owned(),
        (None, None) => return Err(Error::missing_parameter("--issuer")),
    };
    let mut algorithms = create.algorithm;
    if let (true, Some(preset)) = (algorithms.is_empty(), create.preset) {
        algorithms = preset.algorithms().to_vec();
    }
    let new = NewOidcProvider {
        account: create.provider.account,
        name: create.provider.name,
        issuer,
        audiences: create.audience,
        jwks: read_keys(create.jwks)?,
        algorithms,
    };
    let provider = context
        .service
        .identity
        .create_oidc_provider(&context.call(), new)
        .await?;
    let suggestion = create.preset.map(|preset| preset.trust_policy(&provider));
    let account = provider.account;
    let mut fields = fields(provider);
    if let Some(policy) = suggestion {
        let next = format!(
            "put your own names into this trust policy, save it, and run `transire role create \
             --account {account} --name NAME --trust-policy FILE`"
        );
        fields.extend([("next", next.into()), ("trust_policy", policy.into())]);
    }
    context.output.one(fields)
}

async fn update(context: &Context, update: Update) -> Result<()> {
    let Named { account, name } = update.provider;
    let change = OidcProviderChange {
        jwks: read_keys(update.jwks)?,
        audiences: Some(update.audience).filter(|all| !all.is_empty()),
        algorithms: Some(update.algorithm).filter(|all| !all.is_empty()),
    };
    let provider = context
        .service
        .identity
        .update_oidc_provider(&context.call(), account, &name, change)
        .await?;
    context.output.one(fields(provider))
}

fn read_keys(file: Option<PathBuf>) -> Result<Option<String>> {
    file.map(|file| arguments::read_file("jwks", &file))
        .transpose()
}

fn fields(provider: OidcProvider) -> Fields {
    let shown = views::OidcProvider::from(provider);
    vec![
        ("name", shown.name.into()),
        ("issuer", shown.issuer.into()),
        ("audiences", shown.audiences.into()),
        ("algorithms", shown.algorithms.into()),
        ("keys", shown.keys.into()),
    ]
}

async fn check(context: &Context, Check { provider, token }: Check) -> Result<()> {
    let token = Secret::new(arguments::read_file("token", &token)?.trim());
    let identity = context
        .service
        .identity
        .check_web_identity(&context.call(), provider.account, &provider.name, &token)
        .await?;
    let claims = claims_of(&identity);
    context.output.show(vec![
        ("subject", identity.subject.into()),
        ("issuer", identity.issuer.into()),
        ("audiences", identity.audiences.into()),
        ("issued_at", identity.issued_at.rfc3339().into()),
        ("expires_at", identity.expires_at.rfc3339().into()),
        ("claims", claims.into()),
    ])
}

/// Writes each claim as `NAME=VALUE`, as policies ask for it.
fn claims_of(identity: &WebIdentity) -> Vec<String> {
    identity
        .claims
        .iter()
        .map(|(name, claim)| format!("{name}={}", claim.values().join(",")))
        .collect()
}
