//! `transire instance`.

use clap::{Args, Subcommand, ValueEnum};

use super::{Context, output};
use crate::domain::ids::AccountId;
use crate::domain::instance::{
    Algorithm, AnyInstanceId, DefaultMark, InstanceChange, KidFormat, OldRefreshTokens,
    RegistryKind, Specification,
};
use crate::domain::name::doubt_of_service;
use crate::domain::seconds::Seconds;
use crate::domain::switch::Switch;
use crate::domain::{Error, Result};
use crate::service::{Call, Contents, InstanceChoice, NewInstance, Registry};
use crate::views;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Make an instance.
    Create(Create),
    /// Change an instance.
    Update(Update),
    /// Delete an instance for ever. No other instance can have its service.
    Delete {
        /// The instance's tcr- or cri- id.
        #[arg(long)]
        instance: AnyInstanceId,
        /// Delete its namespaces, repositories, long-term credentials and service accounts, too.
        #[arg(long)]
        with_contents: bool,
    },
    /// List the instances.
    List,
}

/// A switch, as it is given.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum OnOff {
    /// On.
    On,
    /// Off.
    Off,
}

impl From<OnOff> for Switch {
    fn from(given: OnOff) -> Self {
        match given {
            OnOff::On => Self::On,
            OnOff::Off => Self::Off,
        }
    }
}

/// An endpoint's state, as it is given.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum OpenClosed {
    /// Lets every address in, or those of the allow list.
    Open,
    /// Lets nobody in.
    Closed,
}

#[derive(Args)]
pub(super) struct Update {
    /// The instance's tcr- or cri- id.
    #[arg(long)]
    instance: AnyInstanceId,
    /// The URL at which the registry answers.
    #[arg(long, value_name = "URL")]
    registry_url: Option<String>,
    /// Remove the registry's URL.
    #[arg(long, conflicts_with = "registry_url")]
    no_registry_url: bool,
    /// Its size, which decides its quotas: basic, standard or premium.
    #[arg(long)]
    specification: Option<Specification>,
    /// Whether deletion is refused.
    #[arg(long, value_enum)]
    deletion_protection: Option<OnOff>,
    /// Whether clients can log in: the addresses of the allow list, or, without one, all.
    #[arg(long, value_enum)]
    public_endpoint: Option<OpenClosed>,
    /// Whether `docker login` gets a refresh token to store instead of the password. Issued ones
    /// stay good.
    #[arg(long, value_enum)]
    refresh_tokens: Option<OnOff>,
    /// Whether OpenID Connect tokens of the account's providers log in, as passwords.
    #[arg(long, value_enum)]
    token_log_in: Option<OnOff>,
    /// Prepare another issuer for its tokens: `registry-config` writes it, and `--activate`
    /// switches to it.
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// Switch its tokens to the prepared issuer. Restart its registry with that issuer at the same
    /// moment.
    #[arg(long, conflicts_with_all = ["issuer", "cancel"])]
    activate: bool,
    /// Drop the prepared issuer.
    #[arg(long, conflicts_with = "issuer")]
    cancel: bool,
    /// Refuse all refresh tokens that were issued before, for ever. Their holders have to log in
    /// again.
    #[arg(long, requires = "refresh_tokens")]
    refuse_old: bool,
}

#[derive(Args)]
pub(super) struct Create {
    /// The account that owns it.
    #[arg(long)]
    account: AccountId,
    /// Its name.
    #[arg(long)]
    name: String,
    /// The region that it reports.
    #[arg(long, default_value = "ap-guangzhou")]
    region: String,
    /// The registry's service name: a token's audience, and the service in the registry's
    /// challenge. Any text, such as its host name; no two instances share one, ever.
    #[arg(long)]
    service: String,
    /// The issuer that its tokens name. Without it, the store's; for pulp, its realm.
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// Use it for the account's calls that name no instance.
    #[arg(long)]
    default: bool,
    /// The software of its registry: distribution (CNCF Distribution, and software that checks
    /// tokens in the same way), zot or pulp. The last two get a signing key of their own.
    #[arg(long, default_value = "distribution")]
    kind: RegistryKind,
    /// The algorithm that signs its tokens: ES256 or RS256.
    #[arg(long, default_value = "ES256")]
    alg: Algorithm,
    /// The life of its tokens, such as 5m. Without it 5m, for zot 1h.
    #[arg(long, value_name = "TIME")]
    token_ttl: Option<Seconds>,
    /// The form of the key id in its tokens: thumbprint (RFC 7638) or libtrust.
    #[arg(long, default_value = "thumbprint")]
    kid: KidFormat,
    /// The URL at which the registry answers.
    #[arg(long)]
    registry_url: Option<String>,
    /// Its size, which decides its quotas: basic, standard or premium.
    #[arg(long, default_value = "premium")]
    specification: Specification,
    /// Whether `docker login` gets a refresh token to store instead of the password. Podman,
    /// buildah, skopeo, oras-py and Kubernetes' pull secrets can't use the file then.
    #[arg(long, value_enum, default_value = "off")]
    refresh_tokens: OnOff,
    /// Whether OpenID Connect tokens of the account's providers log in, as passwords.
    #[arg(long, value_enum, default_value = "on")]
    token_log_in: OnOff,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<()> {
    match command {
        Command::Create(new) => create(context, new).await,
        Command::Update(update) => change(context, update).await,
        Command::Delete {
            instance,
            with_contents,
        } => delete(context, instance, with_contents).await,
        Command::List => {
            let instances = context.service.registry.instances(&context.call()).await?;
            let shown = instances.into_iter().map(|instance| {
                let issuer = context.service.base.issuer_of(&instance).to_owned();
                views::Instance::of(instance, issuer)
            });
            context.output.list(shown)
        }
    }
}

async fn create(context: &Context, create: Create) -> Result<()> {
    let new = NewInstance {
        account: create.account,
        name: create.name,
        region: create.region,
        service: create.service,
        kind: create.kind,
        issuer: create.issuer,
        algorithm: create.alg,
        kid_format: create.kid,
        token_ttl_seconds: create.token_ttl.map(Seconds::at_most_u32),
        registry_url: create.registry_url,
        specification: create.specification,
        default: if create.default {
            DefaultMark::Marked
        } else {
            DefaultMark::Unmarked
        },
        refresh_tokens: create.refresh_tokens.into(),
        token_log_in: create.token_log_in.into(),
        ids: None,
    };
    let instance = context
        .service
        .registry
        .create_instance(&context.call(), new)
        .await?;
    if let Some(doubt) = doubt_of_service(&instance.service) {
        output::warn(doubt);
    }
    if instance.kind == RegistryKind::Zot {
        eprintln!(
            "transire: after a revocation, tokens that zot's clients hold work for up to {} \
             seconds (--token-ttl). They live that long because clients such as oras, crane and \
             helm fail when a token expires during a push.",
            instance.token_ttl_seconds
        );
    }
    context.output.one(vec![
        ("tcr_id", instance.id.as_str().into()),
        ("cri_id", instance.cri_id.as_str().into()),
        ("service", instance.service.as_str().into()),
        ("kind", instance.kind.name().into()),
        ("issuer", context.service.base.issuer_of(&instance).into()),
        ("token_ttl", instance.token_ttl_seconds.into()),
        ("realm", context.service.base.realm().into()),
    ])
}

async fn delete(context: &Context, instance: AnyInstanceId, with_contents: bool) -> Result<()> {
    let found = context
        .service
        .registry
        .instance(&context.call(), &instance.into())
        .await?;
    let contents = if with_contents {
        Contents::GoToo
    } else {
        Contents::MustBeGone
    };
    let choice = InstanceChoice::Tcr(found.id.clone());
    context
        .service
        .registry
        .delete_instance(&context.call(), &choice, contents)
        .await?;
    context.output.one(vec![
        ("tcr_id", found.id.as_str().into()),
        ("state", "deleted".into()),
    ])
}

async fn change(context: &Context, update: Update) -> Result<()> {
    let (service, call) = (&context.service, &context.call());
    let found = service
        .registry
        .instance(call, &update.instance.clone().into())
        .await?;
    let choice = InstanceChoice::Tcr(found.id.clone());
    let registry = &service.registry;
    let is_modified = modify(registry, call, &choice, &update).await?;
    let has_log_ins_changed = change_log_ins(registry, call, &choice, &update).await?;
    let has_issuer_changed = change_issuer(registry, call, &choice, &update).await?;
    if !(is_modified || has_log_ins_changed || has_issuer_changed) {
        return Err(Error::invalid_parameter(
            "update",
            "name a change; `transire instance update --help` lists the options",
        ));
    }
    let now = registry.instance(call, &choice).await?;
    context.output.one(vec![
        ("tcr_id", now.id.as_str().into()),
        ("state", "updated".into()),
        ("issuer", service.base.issuer_of(&now).into()),
        ("next_issuer", now.next_issuer.clone().into()),
    ])
}

/// Changes the URL and the settings of its own, as far as that is asked for; tells whether it was.
async fn modify(
    registry: &Registry,
    call: &Call<'_>,
    choice: &InstanceChoice,
    update: &Update,
) -> Result<bool> {
    let has_url = update.registry_url.is_some() || update.no_registry_url;
    if has_url {
        registry
            .set_registry_url(call, choice, update.registry_url.as_deref())
            .await?;
    }
    let has_change = update.specification.is_some()
        || update.deletion_protection.is_some()
        || update.token_log_in.is_some();
    if has_change {
        let change = InstanceChange {
            specification: update.specification,
            deletion_protection: update.deletion_protection.map(Switch::from),
            token_log_in: update.token_log_in.map(Switch::from),
        };
        registry.modify_instance(call, choice, change).await?;
    }
    Ok(has_url || has_change)
}

/// Changes the endpoint and the refresh tokens, as far as that is asked for; tells whether it was.
async fn change_log_ins(
    registry: &Registry,
    call: &Call<'_>,
    choice: &InstanceChoice,
    update: &Update,
) -> Result<bool> {
    if let Some(wanted) = update.public_endpoint {
        let switch = Switch::from(matches!(wanted, OpenClosed::Open));
        registry
            .set_public_endpoint(call, choice, switch, None)
            .await?;
    }
    if let Some(wanted) = update.refresh_tokens {
        let old = if update.refuse_old {
            OldRefreshTokens::Refuse
        } else {
            OldRefreshTokens::Keep
        };
        registry
            .set_refresh_tokens(call, choice, wanted.into(), old)
            .await?;
    }
    Ok(update.public_endpoint.is_some() || update.refresh_tokens.is_some())
}

/// Prepares another issuer, switches to it or drops it, as far as that is asked for; tells whether
/// it was.
async fn change_issuer(
    registry: &Registry,
    call: &Call<'_>,
    choice: &InstanceChoice,
    update: &Update,
) -> Result<bool> {
    if let Some(issuer) = update.issuer.as_deref() {
        registry.prepare_issuer(call, choice, issuer).await?;
    }
    if update.activate {
        registry.activate_issuer(call, choice).await?;
    }
    if update.cancel {
        registry.cancel_issuer(call, choice).await?;
    }
    Ok(update.issuer.is_some() || update.activate || update.cancel)
}
