//! Operations on instances.

use std::sync::Arc;

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::listing::Listing;
use super::method::Method;
use super::operation::{Effect, Operation, shown};
use super::text::{
    AccountText, AlgorithmText, InstanceText, KidText, KindText, OnOff, SpecificationText, Text,
    TimeText,
};
use crate::domain::Result;
use crate::domain::ids::AccountId;
use crate::domain::instance::{
    Algorithm, DefaultMark, Instance, KidFormat, RegistryKind, Specification,
};
use crate::domain::reference::InstanceRef;
use crate::service::{Call, Contents, NewInstance, Service};
use crate::views;

/// List the instances.
#[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListInstances {}

impl Listing for ListInstances {
    const PATH: &'static str = "/instances";

    type Item = views::Instance;

    async fn all(self, service: &Service, call: &Call<'_>) -> Result<Vec<views::Instance>> {
        let instances = service.registry.instances(call).await?;
        let shown = instances.into_iter().map(|one| view(service, one));
        Ok(shown.collect())
    }
}

fn view(service: &Service, instance: Instance) -> views::Instance {
    let issuer = service.base.issuer_of(&instance).to_owned();
    views::Instance::of(instance, issuer)
}

/// Show an instance.
#[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShowInstance {
    /// The instance's tcr- or cri- id, or its name.
    #[arg(long)]
    pub instance: InstanceText,
}

impl Operation for ShowInstance {
    const METHOD: Method = Method::Get;
    const PATH: &'static str = "/instances/{instance}";
    const EFFECT: Effect = Effect::Reads;

    type Answer = views::Instance;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::Instance> {
        let choice = self.instance.0.into();
        let instance = service.registry.shown_instance(call, &choice).await?;
        Ok(view(service, Arc::unwrap_or_clone(instance)))
    }
}

/// Make an instance.
#[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateInstance {
    /// The account that owns it.
    #[arg(long)]
    pub account: AccountText,
    /// Its name.
    #[arg(long)]
    pub name: String,
    /// The region that it reports.
    #[arg(long, default_value = USUAL_REGION)]
    #[serde(default = "usual_region")]
    pub region: String,
    /// The registry's service name: a token's audience, and the service in the registry's
    /// challenge. Any text, such as its host name; no two instances share one, ever.
    #[arg(long)]
    pub service: String,
    /// The issuer that its tokens name. Without it, the store's; for pulp, its realm.
    #[arg(long, value_name = "URL")]
    pub issuer: Option<String>,
    /// Use it for the account's calls that name no instance.
    #[arg(long)]
    #[serde(default)]
    pub default: bool,
    /// The software of its registry: distribution (CNCF Distribution, and software that checks
    /// tokens in the same way), zot or pulp. The last two get a signing key of their own.
    #[arg(long, default_value = "distribution")]
    #[serde(default = "usual_kind")]
    pub kind: KindText,
    /// The algorithm that signs its tokens: ES256 or RS256.
    #[arg(long, default_value = "ES256")]
    #[serde(default = "usual_algorithm")]
    pub alg: AlgorithmText,
    /// The life of its tokens, such as 5m. Without it 5m, for zot 1h.
    #[arg(long, value_name = "TIME")]
    pub token_ttl: Option<TimeText>,
    /// The form of the key id in its tokens: thumbprint (RFC 7638) or libtrust.
    #[arg(long, default_value = "thumbprint")]
    #[serde(default = "usual_kid")]
    pub kid: KidText,
    /// The URL at which the registry answers.
    #[arg(long)]
    pub registry_url: Option<String>,
    /// The host that it answers to as an ECR registry, perhaps with a port. Without it, the
    /// service.
    #[arg(long, value_name = "HOST")]
    pub ecr_host: Option<String>,
    /// Its size, which decides its quotas: basic, standard or premium.
    #[arg(long, default_value = "premium")]
    #[serde(default = "usual_specification")]
    pub specification: SpecificationText,
    /// Whether `docker login` gets a refresh token to store instead of the password. Podman,
    /// buildah, skopeo, oras-py and Kubernetes' pull secrets can't use the file then.
    #[arg(long, value_enum, default_value = "off")]
    #[serde(default = "off")]
    pub refresh_tokens: OnOff,
    /// Whether OpenID Connect tokens of the account's providers log in, as passwords.
    #[arg(long, value_enum, default_value = "on")]
    #[serde(default = "on")]
    pub token_log_in: OnOff,
}

const USUAL_REGION: &str = "ap-guangzhou";

fn usual_region() -> String {
    USUAL_REGION.to_owned()
}

fn usual_kind() -> KindText {
    Text(RegistryKind::Distribution)
}

fn usual_algorithm() -> AlgorithmText {
    Text(Algorithm::Es256)
}

fn usual_kid() -> KidText {
    Text(KidFormat::Thumbprint)
}

fn usual_specification() -> SpecificationText {
    Text(Specification::Premium)
}

fn off() -> OnOff {
    OnOff::Off
}

fn on() -> OnOff {
    OnOff::On
}

impl CreateInstance {
    /// Returns what is to be made for an account.
    fn of(self, account: AccountId) -> NewInstance {
        let create = self;
        NewInstance {
            account,
            name: create.name,
            region: create.region,
            service: create.service,
            kind: create.kind.0,
            issuer: create.issuer,
            algorithm: create.alg.0,
            kid_format: create.kid.0,
            token_ttl_seconds: create.token_ttl.map(|ttl| ttl.at_most_u32()),
            registry_url: create.registry_url,
            ecr_host: create.ecr_host,
            specification: create.specification.0,
            default: if create.default {
                DefaultMark::Marked
            } else {
                DefaultMark::Unmarked
            },
            refresh_tokens: create.refresh_tokens.into(),
            token_log_in: create.token_log_in.into(),
            ids: None,
        }
    }
}

impl Operation for CreateInstance {
    const METHOD: Method = Method::Post;
    const PATH: &'static str = "/instances";
    const EFFECT: Effect = Effect::Makes;

    type Answer = views::NewInstance;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::NewInstance> {
        let account = self.account.id(service, call).await?;
        let instance = service
            .registry
            .create_instance(call, self.of(account))
            .await?;
        Ok(views::NewInstance {
            tcr_id: instance.id.to_string(),
            cri_id: instance.cri_id.to_string(),
            issuer: service.base.issuer_of(&instance).to_owned(),
            kind: instance.kind.name().to_owned(),
            token_ttl: instance.token_ttl_seconds,
            service: instance.service,
            realm: service.base.realm(),
        })
    }

    async fn repeat(
        &self,
        service: &Service,
        call: &Call<'_>,
        made: Option<&str>,
    ) -> Result<Value> {
        let id: InstanceRef = made.unwrap_or_default().parse()?;
        let instance = Text(id);
        shown(ShowInstance { instance }, service, call).await
    }
}

/// Delete an instance for ever. No other instance can have its service.
#[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteInstance {
    /// The instance's tcr- or cri- id, or its name.
    #[arg(long)]
    pub instance: InstanceText,
    /// Delete its namespaces, repositories, long-term credentials and service accounts, too.
    #[arg(long)]
    #[serde(default)]
    pub with_contents: bool,
}

impl Operation for DeleteInstance {
    const METHOD: Method = Method::Delete;
    const PATH: &'static str = "/instances/{instance}";
    const EFFECT: Effect = Effect::Changes;

    type Answer = views::DeletedInstance;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::DeletedInstance> {
        let (registry, choice) = (&service.registry, self.instance.0.into());
        let found = registry.shown_instance(call, &choice).await?;
        let contents = if self.with_contents {
            Contents::GoToo
        } else {
            Contents::MustBeGone
        };
        registry.delete_instance(call, &choice, contents).await?;
        Ok(views::DeletedInstance {
            tcr_id: found.id.to_string(),
            state: "deleted".to_owned(),
        })
    }
}
