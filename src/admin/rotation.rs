//! Operations that make the secrets of credentials and service accounts, and replace them.

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::credentials::ShowCredential;
use super::method::Method;
use super::operation::{Effect, Operation, shown};
use super::service_accounts::ShowServiceAccount;
use super::text::{
    CredentialText, InstanceText, PermissionText, Text, TimeText, credential_id, some_text,
};
use crate::domain::seconds::Seconds;
use crate::domain::service_account::{AccountPermissions, ServiceAccountState};
use crate::domain::{Result, name};
use crate::service::{Call, NewServiceAccount, Service, Validity};
use crate::views;

/// How long the previous secret stays valid, unless the operator says otherwise.
const USUAL_GRACE: Seconds = Seconds::new(7 * 24 * 60 * 60);

fn usual_grace() -> TimeText {
    Text(USUAL_GRACE)
}

/// Make a long-term credential of an account's root user or of another user. Its secret is shown
/// this once.
#[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateCredential {
    /// The instance's tcr- or cri- id.
    #[arg(long)]
    pub instance: InstanceText,
    /// The user's name; without it, the credential is the root user's.
    #[arg(long, value_parser = some_text)]
    pub user: Option<String>,
    /// A description of it.
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
}

impl Operation for CreateCredential {
    const METHOD: Method = Method::Post;
    const PATH: &'static str = "/instances/{instance}/credentials";
    const EFFECT: Effect = Effect::Makes;

    type Answer = views::CredentialSecret;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::CredentialSecret> {
        let (choice, user) = (self.instance.0.into(), self.user.as_deref());
        let instance = service.registry.shown_instance(call, &choice).await?;
        let description = self.description.unwrap_or_default();
        let (stored, secret) = service
            .credentials
            .create_credential(call, &choice, user, &description)
            .await?;
        Ok(views::CredentialSecret::of(stored, &secret, &instance))
    }

    async fn repeat(
        &self,
        service: &Service,
        call: &Call<'_>,
        made: Option<&str>,
    ) -> Result<Value> {
        let instance = self.instance.clone();
        let id = made.unwrap_or_default().parse()?;
        shown(ShowCredential { instance, id }, service, call).await
    }
}

/// Give a long-term credential another secret, which is shown this once. One from before the last
/// rotation is refused at once.
#[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateCredential {
    /// The instance's tcr- or cri- id.
    #[arg(long)]
    pub instance: InstanceText,
    /// The credential's id.
    #[arg(long, value_parser = credential_id)]
    pub id: CredentialText,
    /// How long the previous secret stays valid: at most 30d; with 0 it ends at once.
    #[arg(long, value_name = "TIME", default_value = "7d")]
    #[serde(default = "usual_grace")]
    pub grace: TimeText,
}

impl Operation for RotateCredential {
    const METHOD: Method = Method::Post;
    const PATH: &'static str = "/instances/{instance}/credentials/{id}/rotate";
    /// Each rotation makes a secret.
    const EFFECT: Effect = Effect::Makes;

    type Answer = views::CredentialSecret;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::CredentialSecret> {
        let (choice, grace) = (self.instance.0.into(), self.grace.duration());
        let instance = service.registry.shown_instance(call, &choice).await?;
        let (stored, secret) = service
            .credentials
            .rotate_credential(call, &choice, &self.id, grace)
            .await?;
        Ok(views::CredentialSecret::of(stored, &secret, &instance))
    }

    async fn repeat(
        &self,
        service: &Service,
        call: &Call<'_>,
        _made: Option<&str>,
    ) -> Result<Value> {
        let (instance, id) = (self.instance.clone(), self.id.clone());
        shown(ShowCredential { instance, id }, service, call).await
    }
}

/// Make a service account. Its password is shown this once.
#[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateServiceAccount {
    /// The instance's tcr- or cri- id.
    #[arg(long)]
    pub instance: InstanceText,
    /// Its name, with `tcr$` or without.
    #[arg(long, value_parser = some_text)]
    pub name: String,
    /// A namespace, and the actions that it may take there: team:pull,push.
    #[arg(long, value_name = "NAMESPACE:ACTIONS", required = true)]
    pub permission: Vec<PermissionText>,
    /// A description of it.
    #[arg(long, value_name = "TEXT")]
    pub description: Option<String>,
    /// How long it lives; without it, 3650 days.
    #[arg(long, value_name = "TIME")]
    pub expires_in: Option<TimeText>,
}

impl CreateServiceAccount {
    fn permissions(&self) -> AccountPermissions {
        let mut permissions = AccountPermissions::new();
        for Text(one) in &self.permission {
            let actions = permissions.entry(one.namespace.clone()).or_default();
            actions.extend(one.actions.iter().copied());
        }
        permissions
    }
}

impl Operation for CreateServiceAccount {
    const METHOD: Method = Method::Post;
    const PATH: &'static str = "/instances/{instance}/service-accounts";
    const EFFECT: Effect = Effect::Makes;

    type Answer = views::ServiceAccountPassword;

    async fn run(
        self,
        service: &Service,
        call: &Call<'_>,
    ) -> Result<views::ServiceAccountPassword> {
        let permissions = self.permissions();
        name::check_service_account("name", &self.name)?;
        let description = self.description.unwrap_or_default();
        name::check_description("description", &description)?;
        let choice = self.instance.0.into();
        let instance = service.registry.shown_instance(call, &choice).await?;
        let ends = self.expires_in.map(|time| call.now.plus(time.duration()));
        let new = NewServiceAccount {
            name: self.name,
            description,
            permissions,
            validity: ends.map(Validity::Until),
            state: ServiceAccountState::Active,
        };
        let (account, password) = service
            .credentials
            .create_service_account(call, &choice, new)
            .await?;
        let view = views::ServiceAccountPassword::of(account, &password, &instance);
        Ok(view)
    }

    async fn repeat(
        &self,
        service: &Service,
        call: &Call<'_>,
        _made: Option<&str>,
    ) -> Result<Value> {
        let (instance, name) = (self.instance.clone(), self.name.clone());
        shown(ShowServiceAccount { instance, name }, service, call).await
    }
}

/// Give a service account another password, which is shown this once. One from before the last
/// rotation is refused at once.
#[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateServiceAccount {
    /// The instance's tcr- or cri- id.
    #[arg(long)]
    pub instance: InstanceText,
    /// Its name, with `tcr$` or without.
    #[arg(long, value_parser = some_text)]
    pub name: String,
    /// How long the previous password stays valid: at most 30d; with 0 it ends at once.
    #[arg(long, value_name = "TIME", default_value = "7d")]
    #[serde(default = "usual_grace")]
    pub grace: TimeText,
}

impl Operation for RotateServiceAccount {
    const METHOD: Method = Method::Post;
    const PATH: &'static str = "/instances/{instance}/service-accounts/{name}/rotate";
    /// Each rotation makes a password.
    const EFFECT: Effect = Effect::Makes;

    type Answer = views::ServiceAccountPassword;

    async fn run(
        self,
        service: &Service,
        call: &Call<'_>,
    ) -> Result<views::ServiceAccountPassword> {
        let (choice, grace) = (self.instance.0.into(), self.grace.duration());
        let instance = service.registry.shown_instance(call, &choice).await?;
        let (account, password) = service
            .credentials
            .rotate_service_account(call, &choice, &self.name, grace)
            .await?;
        let view = views::ServiceAccountPassword::of(account, &password, &instance);
        Ok(view)
    }

    async fn repeat(
        &self,
        service: &Service,
        call: &Call<'_>,
        _made: Option<&str>,
    ) -> Result<Value> {
        let (instance, name) = (self.instance.clone(), self.name.clone());
        shown(ShowServiceAccount { instance, name }, service, call).await
    }
}
