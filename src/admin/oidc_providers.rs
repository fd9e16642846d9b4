//! Operations on OpenID Connect providers, and on the subjects that an account refuses.

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::listing::Listing;
use super::method::Method;
use super::operation::{Effect, Operation, of_named, shown};
use super::text::{AccountText, OidcAlgorithmText, PresetText, SecretText, some_text};
use crate::domain::identity::{OidcAlgorithm, OidcProviderChange};
use crate::domain::{Error, Result};
use crate::service::{Call, NewOidcProvider, Service};
use crate::views;

/// List an account's providers.
#[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListOidcProviders {
    /// The account's id or name.
    #[arg(long)]
    pub account: AccountText,
}

impl Listing for ListOidcProviders {
    const PATH: &'static str = "/accounts/{account}/oidc-providers";

    type Item = views::OidcProvider;

    async fn all(self, service: &Service, call: &Call<'_>) -> Result<Vec<views::OidcProvider>> {
        let identity = &service.identity;
        let providers = identity
            .oidc_providers(call, self.account.id(service, call).await?)
            .await?;
        let shown = providers.into_iter().map(views::OidcProvider::from);
        Ok(shown.collect())
    }
}

/// Make a provider: an issuer whose tokens the account's roles may trust.
#[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateOidcProvider {
    /// The account's id or name.
    #[arg(long)]
    pub account: AccountText,
    /// Its name.
    #[arg(long, value_parser = some_text)]
    pub name: String,
    /// A platform, which fills in the issuer and the algorithms: github, gitlab, kubernetes,
    /// forgejo or buildkite. It suggests a trust policy, too.
    #[arg(long, value_name = "PLATFORM")]
    pub preset: Option<PresetText>,
    /// The issuer, exactly as in its tokens: an https URL.
    #[arg(long, value_name = "URL", required_unless_present = "preset")]
    pub issuer: Option<String>,
    /// An audience. A token must have one of them; the option may be repeated.
    #[arg(long, required = true)]
    pub audience: Vec<String>,
    /// The issuer's public keys, a JWK set. Without it they are fetched from the issuer.
    #[arg(skip)]
    pub jwks: Option<String>,
    /// An algorithm that may sign tokens, such as RS256. The option may be repeated; without it
    /// and without a preset, all known ones may.
    #[arg(long, value_name = "ALG")]
    #[serde(default)]
    pub algorithm: Vec<OidcAlgorithmText>,
}

impl Operation for CreateOidcProvider {
    const METHOD: Method = Method::Post;
    const PATH: &'static str = "/accounts/{account}/oidc-providers";
    const EFFECT: Effect = Effect::Makes;

    type Answer = views::NewOidcProvider;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::NewOidcProvider> {
        let preset = self.preset.map(|preset| preset.0);
        let issuer = match (self.issuer, preset) {
            (Some(issuer), _) => issuer,
            (None, Some(preset)) => preset.issuer()?.to_owned(),
            (None, None) => return Err(Error::missing_parameter("issuer")),
        };
        let mut algorithms = algorithms(&self.algorithm);
        if let (true, Some(preset)) = (algorithms.is_empty(), preset) {
            algorithms = preset.algorithms().to_vec();
        }
        let new = NewOidcProvider {
            account: self.account.id(service, call).await?,
            name: self.name,
            issuer,
            audiences: self.audience,
            jwks: self.jwks,
            algorithms,
        };
        let provider = service.identity.create_oidc_provider(call, new).await?;
        let trust_policy = preset.map(|preset| preset.trust_policy(&provider));
        Ok((provider, trust_policy).into())
    }

    async fn repeat(
        &self,
        service: &Service,
        call: &Call<'_>,
        _made: Option<&str>,
    ) -> Result<Value> {
        let (account, name) = (self.account.clone(), self.name.clone());
        shown(ShowOidcProvider { account, name }, service, call).await
    }
}

fn algorithms(given: &[OidcAlgorithmText]) -> Vec<OidcAlgorithm> {
    given.iter().map(|algorithm| algorithm.0).collect()
}

of_named! {
    /// Show a provider, with the keys that were given.
    ShowOidcProvider
}
of_named! {
    /// Delete a provider: its tokens are refused from then on.
    DeleteOidcProvider
}

impl Operation for ShowOidcProvider {
    const METHOD: Method = Method::Get;
    const PATH: &'static str = "/accounts/{account}/oidc-providers/{name}";
    const EFFECT: Effect = Effect::Reads;

    type Answer = views::OidcProviderDetails;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::OidcProviderDetails> {
        let (account, name) = (self.account.id(service, call).await?, &self.name);
        let identity = &service.identity;
        Ok(identity.oidc_provider(call, account, name).await?.into())
    }
}

impl Operation for DeleteOidcProvider {
    const METHOD: Method = Method::Delete;
    const PATH: &'static str = "/accounts/{account}/oidc-providers/{name}";
    const EFFECT: Effect = Effect::Changes;

    type Answer = views::State;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::State> {
        let identity = &service.identity;
        identity
            .delete_oidc_provider(call, self.account.id(service, call).await?, &self.name)
            .await?;
        Ok(views::State::deleted(self.name))
    }
}

/// Change a provider's keys, audiences or algorithms. Sessions go on.
#[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateOidcProvider {
    /// The account's id or name.
    #[arg(long)]
    pub account: AccountText,
    /// Its name.
    #[arg(long, value_parser = some_text)]
    pub name: String,
    /// The issuer's public keys, a JWK set, in place of those given or fetched. It may hold old and
    /// new keys.
    #[arg(skip)]
    pub jwks: Option<String>,
    /// An audience. The option may be repeated; audiences that it doesn't name are removed.
    #[arg(long)]
    #[serde(default)]
    pub audience: Vec<String>,
    /// An algorithm that may sign tokens, such as RS256. The option may be repeated; algorithms
    /// that it doesn't name are removed.
    #[arg(long, value_name = "ALG")]
    #[serde(default)]
    pub algorithm: Vec<OidcAlgorithmText>,
}

impl Operation for UpdateOidcProvider {
    const METHOD: Method = Method::Patch;
    const PATH: &'static str = "/accounts/{account}/oidc-providers/{name}";
    const EFFECT: Effect = Effect::Changes;

    type Answer = views::ChangedOidcProvider;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::ChangedOidcProvider> {
        let change = OidcProviderChange {
            jwks: self.jwks,
            audiences: Some(self.audience).filter(|all| !all.is_empty()),
            algorithms: Some(algorithms(&self.algorithm)).filter(|all| !all.is_empty()),
        };
        if change.jwks.is_none() && change.audiences.is_none() && change.algorithms.is_none() {
            return Err(Error::missing_parameter("jwks, audience or algorithm"));
        }
        let (account, name) = (self.account.id(service, call).await?, &self.name);
        let identity = &service.identity;
        let changed = identity
            .update_oidc_provider(call, account, name, change)
            .await?;
        Ok(changed.into())
    }
}

/// Say whether a token is accepted, and show its content.
#[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckToken {
    /// The account's id or name.
    #[arg(long)]
    pub account: AccountText,
    /// The provider's name.
    #[arg(long, value_parser = some_text)]
    pub name: String,
    /// The token.
    #[arg(skip)]
    pub token: SecretText,
}

impl Operation for CheckToken {
    const METHOD: Method = Method::Post;
    const PATH: &'static str = "/accounts/{account}/oidc-providers/{name}/check";
    const EFFECT: Effect = Effect::Reads;

    type Answer = views::CheckedToken;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::CheckedToken> {
        let (account, name, token) = (
            self.account.id(service, call).await?,
            &self.name,
            &self.token.0,
        );
        let identity = &service.identity;
        let checked = identity.check_web_identity(call, account, name, token);
        Ok(checked.await?.into())
    }
}
