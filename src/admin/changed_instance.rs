//! The operation that changes an instance.

use clap::Args;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::method::Method;
use super::operation::{Effect, Operation};
use super::text::{InstanceText, OnOff, OpenClosed, SpecificationText};
use crate::domain::instance::{InstanceChange, OldRefreshTokens};
use crate::domain::switch::Switch;
use crate::domain::{Error, Result};
use crate::service::{Call, InstanceChoice, Registry, Service};
use crate::views;

/// Change an instance.
#[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateInstance {
    /// The instance's tcr- or cri- id, or its name.
    #[arg(long)]
    pub instance: InstanceText,
    /// The URL at which the registry answers.
    #[arg(long, value_name = "URL")]
    pub registry_url: Option<String>,
    /// Remove the registry's URL.
    #[arg(long, conflicts_with = "registry_url")]
    #[serde(default)]
    pub no_registry_url: bool,
    /// The host that it answers to as an ECR registry, perhaps with a port.
    #[arg(long, value_name = "HOST")]
    pub ecr_host: Option<String>,
    /// Let it answer to its service as an ECR registry.
    #[arg(long, conflicts_with = "ecr_host")]
    #[serde(default)]
    pub no_ecr_host: bool,
    /// Its size, which decides its quotas: basic, standard or premium.
    #[arg(long)]
    pub specification: Option<SpecificationText>,
    /// Whether deletion is refused.
    #[arg(long, value_enum)]
    pub deletion_protection: Option<OnOff>,
    /// Whether clients can log in: the addresses of the allow list, or, without one, all.
    #[arg(long, value_enum)]
    pub public_endpoint: Option<OpenClosed>,
    /// Whether `docker login` gets a refresh token to store instead of the password. Issued ones
    /// stay good.
    #[arg(long, value_enum)]
    pub refresh_tokens: Option<OnOff>,
    /// Whether OpenID Connect tokens of the account's providers log in, as passwords.
    #[arg(long, value_enum)]
    pub token_log_in: Option<OnOff>,
    /// Prepare another issuer for its tokens: `registry-config` writes it, and `--activate`
    /// switches to it.
    #[arg(long, value_name = "URL")]
    pub issuer: Option<String>,
    /// Switch its tokens to the prepared issuer. Restart its registry with that issuer at the same
    /// moment.
    #[arg(long, conflicts_with_all = ["issuer", "cancel"])]
    #[serde(default)]
    pub activate: bool,
    /// Drop the prepared issuer.
    #[arg(long, conflicts_with = "issuer")]
    #[serde(default)]
    pub cancel: bool,
    /// Refuse all refresh tokens that were issued before, for ever. Their holders have to log in
    /// again.
    #[arg(long, requires = "refresh_tokens")]
    #[serde(default)]
    pub refuse_old: bool,
}

impl Operation for UpdateInstance {
    const METHOD: Method = Method::Patch;
    const PATH: &'static str = "/instances/{instance}";
    const EFFECT: Effect = Effect::Changes;

    type Answer = views::ChangedInstance;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::ChangedInstance> {
        self.check()?;
        let registry = &service.registry;
        let found = registry
            .shown_instance(call, &self.instance.0.clone().into())
            .await?;
        let choice = InstanceChoice::Tcr(found.id.clone());
        self.modify(registry, call, &choice).await?;
        self.change_log_ins(registry, call, &choice).await?;
        self.change_issuer(registry, call, &choice).await?;
        let now = registry.shown_instance(call, &choice).await?;
        Ok(views::ChangedInstance {
            tcr_id: now.id.to_string(),
            state: "updated".to_owned(),
            issuer: service.base.issuer_of(&now).to_owned(),
            next_issuer: now.next_issuer.clone(),
        })
    }
}

impl UpdateInstance {
    /// Refuses fields that exclude each other: a request doesn't come through the command line's
    /// rules.
    fn check(&self) -> Result<()> {
        let refuse = |one: &str, why: &str| Err(Error::invalid_parameter(one, why));
        if self.no_registry_url && self.registry_url.is_some() {
            return refuse("no_registry_url", "there is a registry_url, too");
        }
        if self.no_ecr_host && self.ecr_host.is_some() {
            return refuse("no_ecr_host", "there is an ecr_host, too");
        }
        let ways = [self.issuer.is_some(), self.activate, self.cancel];
        if ways.into_iter().filter(|is_given| *is_given).count() > 1 {
            return refuse("issuer", "give one of issuer, activate and cancel");
        }
        if self.refuse_old && self.refresh_tokens.is_none() {
            return refuse("refuse_old", "it goes with refresh_tokens");
        }
        if !(self.changes_settings() || self.changes_log_ins() || ways.contains(&true)) {
            return refuse(
                "update",
                "name a change; `transire instance update --help` lists the options",
            );
        }
        Ok(())
    }

    fn changes_settings(&self) -> bool {
        self.changes_url() || self.changes_ecr_host() || self.changes_own()
    }

    fn changes_ecr_host(&self) -> bool {
        self.ecr_host.is_some() || self.no_ecr_host
    }

    fn changes_url(&self) -> bool {
        self.registry_url.is_some() || self.no_registry_url
    }

    fn changes_own(&self) -> bool {
        self.specification.is_some()
            || self.deletion_protection.is_some()
            || self.token_log_in.is_some()
    }

    fn changes_log_ins(&self) -> bool {
        self.public_endpoint.is_some() || self.refresh_tokens.is_some()
    }

    /// Changes the URL and the settings of its own, as far as that is asked for.
    async fn modify(
        &self,
        registry: &Registry,
        call: &Call<'_>,
        choice: &InstanceChoice,
    ) -> Result<()> {
        if self.changes_url() {
            let url = self.registry_url.as_deref();
            registry.set_registry_url(call, choice, url).await?;
        }
        if self.changes_ecr_host() {
            let host = self.ecr_host.as_deref();
            registry.set_ecr_host(call, choice, host).await?;
        }
        if self.changes_own() {
            let change = InstanceChange {
                specification: self.specification.as_ref().map(|text| text.0),
                deletion_protection: self.deletion_protection.map(Switch::from),
                token_log_in: self.token_log_in.map(Switch::from),
            };
            registry.modify_instance(call, choice, change).await?;
        }
        Ok(())
    }

    /// Changes the endpoint and the refresh tokens, as far as that is asked for.
    async fn change_log_ins(
        &self,
        registry: &Registry,
        call: &Call<'_>,
        choice: &InstanceChoice,
    ) -> Result<()> {
        if let Some(wanted) = self.public_endpoint {
            let switch = Switch::from(matches!(wanted, OpenClosed::Open));
            registry
                .set_public_endpoint(call, choice, switch, None)
                .await?;
        }
        if let Some(wanted) = self.refresh_tokens {
            let old = if self.refuse_old {
                OldRefreshTokens::Refuse
            } else {
                OldRefreshTokens::Keep
            };
            registry
                .set_refresh_tokens(call, choice, wanted.into(), old)
                .await?;
        }
        Ok(())
    }

    /// Prepares another issuer, switches to it or drops it, as far as that is asked for.
    async fn change_issuer(
        &self,
        registry: &Registry,
        call: &Call<'_>,
        choice: &InstanceChoice,
    ) -> Result<()> {
        if let Some(issuer) = self.issuer.as_deref() {
            registry.prepare_issuer(call, choice, issuer).await?;
        }
        if self.activate {
            registry.activate_issuer(call, choice).await?;
        }
        if self.cancel {
            registry.cancel_issuer(call, choice).await?;
        }
        Ok(())
    }
}
