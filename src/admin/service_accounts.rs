//! Operations on service accounts.

use clap::Args;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::listing::{Listing, Page, Selection};
use super::method::Method;
use super::operation::{Effect, Operation};
use super::text::{InstanceText, PrincipalText, some_text};
use super::window::{StoredListing, page_of};
use crate::domain::Result;
use crate::domain::reference::InstanceRef;
use crate::domain::service_account::ServiceAccountState;
use crate::service::{Call, ChangedServiceAccount, Listed, Page as Part, Service};
use crate::views;

/// List an instance's service accounts.
#[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListServiceAccounts {
    /// The instance's tcr- or cri- id, or its name.
    #[arg(long)]
    pub instance: InstanceText,
}

impl Listing for ListServiceAccounts {
    const PATH: &'static str = "/instances/{instance}/service-accounts";

    type Item = views::ServiceAccount;

    async fn all(self, service: &Service, call: &Call<'_>) -> Result<Vec<views::ServiceAccount>> {
        Ok(self.part(service, call, Part::ALL).await?.items)
    }

    async fn page(
        self,
        service: &Service,
        call: &Call<'_>,
        selection: &Selection,
    ) -> Result<Page<views::ServiceAccount>> {
        page_of(&self, service, call, selection).await
    }
}

impl StoredListing for ListServiceAccounts {
    async fn part(
        &self,
        service: &Service,
        call: &Call<'_>,
        part: Part,
    ) -> Result<Listed<views::ServiceAccount>> {
        let (credentials, choice) = (&service.credentials, self.instance.0.clone().into());
        let listed = credentials
            .service_accounts(call, &choice, None, part)
            .await?;
        Ok(listed.map(views::ServiceAccount::from))
    }
}

/// List the service accounts that a principal made, at any instance.
#[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListServiceAccountsOfMaker {
    /// The maker: ACCOUNT:root, ACCOUNT:user/NAME, ACCOUNT:role/NAME, or ACCOUNT:user#ID for a
    /// deleted user. Service accounts that its sessions made are listed, too.
    #[arg(long, value_name = "PRINCIPAL")]
    pub made_by: PrincipalText,
}

impl Listing for ListServiceAccountsOfMaker {
    const PATH: &'static str = "/service-accounts";

    type Item = views::ServiceAccount;

    async fn all(self, service: &Service, call: &Call<'_>) -> Result<Vec<views::ServiceAccount>> {
        let accounts = service
            .credentials
            .service_accounts_made_by(call, &self.made_by)
            .await?;
        let shown = accounts.into_iter().map(views::ServiceAccount::from);
        Ok(shown.collect())
    }
}

macro_rules! of_service_account {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            /// The instance's tcr- or cri- id, or its name.
            #[arg(long)]
            pub instance: InstanceText,
            /// Its name, with `tcr$` or without.
            #[arg(long, value_parser = some_text)]
            pub name: String,
        }
    };
}

of_service_account! {
    /// Show a service account, without its password and permissions.
    ShowServiceAccount
}
of_service_account! {
    /// Stop a service account. Only the account's root user and the operator can enable it again.
    DisableServiceAccount
}
of_service_account! {
    /// Let a disabled service account log in again.
    EnableServiceAccount
}

of_service_account! {
    /// Delete a service account for ever. Its name is free again.
    DeleteServiceAccount
}

impl Operation for DeleteServiceAccount {
    const METHOD: Method = Method::Delete;
    const PATH: &'static str = "/instances/{instance}/service-accounts/{name}";
    const EFFECT: Effect = Effect::Changes;

    type Answer = views::State;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::State> {
        let (credentials, choice) = (&service.credentials, self.instance.0.into());
        credentials
            .delete_service_account(call, &choice, &self.name)
            .await?;
        Ok(views::State::deleted(self.name))
    }
}

impl Operation for ShowServiceAccount {
    const METHOD: Method = Method::Get;
    const PATH: &'static str = "/instances/{instance}/service-accounts/{name}";
    const EFFECT: Effect = Effect::Reads;

    type Answer = views::ServiceAccount;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::ServiceAccount> {
        let (credentials, choice) = (&service.credentials, self.instance.0.into());
        let found = credentials
            .service_account(call, &choice, &self.name)
            .await?;
        Ok(found.into())
    }
}

impl Operation for DisableServiceAccount {
    const METHOD: Method = Method::Post;
    const PATH: &'static str = "/instances/{instance}/service-accounts/{name}/disable";
    const EFFECT: Effect = Effect::Changes;

    type Answer = views::State;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::State> {
        let (instance, state) = (self.instance.0, ServiceAccountState::Disabled);
        set_state(service, call, instance, self.name, state).await
    }
}

impl Operation for EnableServiceAccount {
    const METHOD: Method = Method::Post;
    const PATH: &'static str = "/instances/{instance}/service-accounts/{name}/enable";
    const EFFECT: Effect = Effect::Changes;

    type Answer = views::State;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::State> {
        let (instance, state) = (self.instance.0, ServiceAccountState::Active);
        set_state(service, call, instance, self.name, state).await
    }
}

async fn set_state(
    service: &Service,
    call: &Call<'_>,
    instance: InstanceRef,
    name: String,
    state: ServiceAccountState,
) -> Result<views::State> {
    let changed = ChangedServiceAccount {
        state: Some(state),
        ..ChangedServiceAccount::default()
    };
    let (credentials, choice) = (&service.credentials, instance.into());
    credentials
        .modify_service_account(call, &choice, &name, changed)
        .await?;
    Ok(views::State::of(name, state.name()))
}
