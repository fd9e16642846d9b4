//! Operations on long-term credentials, and on fixed passwords.

use clap::Args;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::listing::{Listing, Page, Selection};
use super::method::Method;
use super::operation::{Effect, Operation};
use super::text::{CredentialText, InstanceText, PrincipalText, credential_id};
use super::window::{StoredListing, page_of};
use crate::domain::Result;
use crate::domain::credential::CredentialState;
use crate::domain::reference::InstanceRef;
use crate::service::{Call, Listed, Page as Part, Service};
use crate::views;

/// List an instance's long-term credentials, the newest first.
#[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListCredentials {
    /// The instance's tcr- or cri- id, or its name.
    #[arg(long)]
    pub instance: InstanceText,
}

impl Listing for ListCredentials {
    const PATH: &'static str = "/instances/{instance}/credentials";

    type Item = views::Credential;

    async fn all(self, service: &Service, call: &Call<'_>) -> Result<Vec<views::Credential>> {
        Ok(self.part(service, call, Part::ALL).await?.items)
    }

    async fn page(
        self,
        service: &Service,
        call: &Call<'_>,
        selection: &Selection,
    ) -> Result<Page<views::Credential>> {
        page_of(&self, service, call, selection).await
    }
}

impl StoredListing for ListCredentials {
    async fn part(
        &self,
        service: &Service,
        call: &Call<'_>,
        part: Part,
    ) -> Result<Listed<views::Credential>> {
        let (credentials, choice) = (&service.credentials, self.instance.0.clone().into());
        let listed = credentials.credential_page(call, &choice, part).await?;
        Ok(listed.map(views::Credential::from))
    }
}

macro_rules! of_credential {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            /// The instance's tcr- or cri- id, or its name.
            #[arg(long)]
            pub instance: InstanceText,
            /// The credential's id.
            #[arg(long, value_parser = credential_id)]
            pub id: CredentialText,
        }
    };
}

of_credential! {
    /// Show a long-term credential, without its secret.
    ShowCredential
}
of_credential! {
    /// Stop a credential until it is enabled again.
    DisableCredential
}
of_credential! {
    /// Let a disabled credential log in again.
    EnableCredential
}
of_credential! {
    /// Delete a credential. Its secrets are refused for ever.
    DeleteCredential
}

impl Operation for ShowCredential {
    const METHOD: Method = Method::Get;
    const PATH: &'static str = "/instances/{instance}/credentials/{id}";
    const EFFECT: Effect = Effect::Reads;

    type Answer = views::Credential;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::Credential> {
        let (credentials, choice) = (&service.credentials, self.instance.0.into());
        let found = credentials.credential(call, &choice, &self.id).await?;
        Ok(found.into())
    }
}

impl Operation for DisableCredential {
    const METHOD: Method = Method::Post;
    const PATH: &'static str = "/instances/{instance}/credentials/{id}/disable";
    const EFFECT: Effect = Effect::Changes;

    type Answer = views::CredentialState;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::CredentialState> {
        let (instance, state) = (self.instance.0, CredentialState::Disabled);
        set_state(service, call, instance, self.id, state).await
    }
}

impl Operation for EnableCredential {
    const METHOD: Method = Method::Post;
    const PATH: &'static str = "/instances/{instance}/credentials/{id}/enable";
    const EFFECT: Effect = Effect::Changes;

    type Answer = views::CredentialState;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::CredentialState> {
        let (instance, state) = (self.instance.0, CredentialState::Active);
        set_state(service, call, instance, self.id, state).await
    }
}

async fn set_state(
    service: &Service,
    call: &Call<'_>,
    instance: InstanceRef,
    id: CredentialText,
    state: CredentialState,
) -> Result<views::CredentialState> {
    let (credentials, choice) = (&service.credentials, instance.into());
    credentials
        .set_credential_state(call, &choice, &id, state)
        .await?;
    Ok(views::CredentialState::of(&id, state.name()))
}

impl Operation for DeleteCredential {
    const METHOD: Method = Method::Delete;
    const PATH: &'static str = "/instances/{instance}/credentials/{id}";
    const EFFECT: Effect = Effect::Changes;

    type Answer = views::CredentialState;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::CredentialState> {
        let (credentials, choice) = (&service.credentials, self.instance.0.into());
        credentials
            .delete_credential(call, &choice, &self.id)
            .await?;
        Ok(views::CredentialState::of(&self.id, "deleted"))
    }
}

/// List an instance's fixed passwords, and which of them have their old hash still.
#[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListPasswords {
    /// The instance's tcr- or cri- id, or its name.
    #[arg(long)]
    pub instance: InstanceText,
}

impl Listing for ListPasswords {
    const PATH: &'static str = "/instances/{instance}/passwords";

    type Item = views::FixedPassword;

    async fn all(self, service: &Service, call: &Call<'_>) -> Result<Vec<views::FixedPassword>> {
        let (credentials, choice) = (&service.credentials, self.instance.0.into());
        let passwords = credentials.fixed_passwords(call, &choice).await?;
        let shown = passwords.into_iter().map(views::FixedPassword::from);
        Ok(shown.collect())
    }
}

/// Delete a fixed password, which its owner set with ResetLoginPassword and may set again.
#[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeletePassword {
    /// The instance's tcr- or cri- id, or its name.
    #[arg(long)]
    pub instance: InstanceText,
    /// The owner: ACCOUNT:root or ACCOUNT:user/NAME.
    #[arg(long)]
    pub principal: PrincipalText,
}

impl Operation for DeletePassword {
    const METHOD: Method = Method::Delete;
    const PATH: &'static str = "/instances/{instance}/passwords/{principal}";
    const EFFECT: Effect = Effect::Changes;

    type Answer = views::DeletedPassword;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::DeletedPassword> {
        let (credentials, choice) = (&service.credentials, self.instance.0.into());
        credentials
            .delete_fixed_password(call, &choice, &self.principal)
            .await?;
        Ok(views::DeletedPassword {
            principal: self.principal.to_string(),
            state: "deleted".to_owned(),
        })
    }
}
