//! Operations on users.

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::listing::Listing;
use super::method::Method;
use super::operation::{Effect, Operation, of_named, shown};
use super::text::AccountText;
use crate::domain::Result;
use crate::domain::identity::UserState;
use crate::domain::ids::AccountId;
use crate::service::{Call, Service};
use crate::views;

/// List an account's users.
#[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListUsers {
    /// The account's id or name.
    #[arg(long)]
    pub account: AccountText,
}

impl Listing for ListUsers {
    const PATH: &'static str = "/accounts/{account}/users";

    type Item = views::User;

    async fn all(self, service: &Service, call: &Call<'_>) -> Result<Vec<views::User>> {
        let users = service
            .identity
            .users(call, self.account.id(service, call).await?)
            .await?;
        Ok(users.into_iter().map(views::User::from).collect())
    }
}

of_named! {
    /// Make a user.
    CreateUser
}
of_named! {
    /// Show a user.
    ShowUser
}
of_named! {
    /// Stop a user, its access keys, and all credentials that it obtained.
    DisableUser
}
of_named! {
    /// Let a disabled user act again. Its temporary credentials stay stopped.
    EnableUser
}
of_named! {
    /// Delete a user, its access keys and its credentials. Service accounts that it made keep
    /// working, and are listed.
    DeleteUser
}

impl Operation for CreateUser {
    const METHOD: Method = Method::Post;
    const PATH: &'static str = "/accounts/{account}/users";
    const EFFECT: Effect = Effect::Makes;

    type Answer = views::NewUser;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::NewUser> {
        let (account, name) = (self.account.id(service, call).await?, &self.name);
        Ok(service
            .identity
            .create_user(call, account, name)
            .await?
            .into())
    }

    async fn repeat(
        &self,
        service: &Service,
        call: &Call<'_>,
        _made: Option<&str>,
    ) -> Result<Value> {
        let (account, name) = (self.account.clone(), self.name.clone());
        shown(ShowUser { account, name }, service, call).await
    }
}

impl Operation for ShowUser {
    const METHOD: Method = Method::Get;
    const PATH: &'static str = "/accounts/{account}/users/{name}";
    const EFFECT: Effect = Effect::Reads;

    type Answer = views::User;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::User> {
        let (account, name) = (self.account.id(service, call).await?, &self.name);
        Ok(service.identity.user(call, account, name).await?.into())
    }
}

impl Operation for DisableUser {
    const METHOD: Method = Method::Post;
    const PATH: &'static str = "/accounts/{account}/users/{name}/disable";
    const EFFECT: Effect = Effect::Changes;

    type Answer = views::State;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::State> {
        set_state(
            service,
            call,
            self.account.id(service, call).await?,
            self.name,
            UserState::Disabled,
        )
        .await
    }
}

impl Operation for EnableUser {
    const METHOD: Method = Method::Post;
    const PATH: &'static str = "/accounts/{account}/users/{name}/enable";
    const EFFECT: Effect = Effect::Changes;

    type Answer = views::State;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::State> {
        set_state(
            service,
            call,
            self.account.id(service, call).await?,
            self.name,
            UserState::Active,
        )
        .await
    }
}

async fn set_state(
    service: &Service,
    call: &Call<'_>,
    account: AccountId,
    name: String,
    state: UserState,
) -> Result<views::State> {
    let identity = &service.identity;
    identity.set_user_state(call, account, &name, state).await?;
    Ok(views::State::of(name, state.name()))
}

impl Operation for DeleteUser {
    const METHOD: Method = Method::Delete;
    const PATH: &'static str = "/accounts/{account}/users/{name}";
    const EFFECT: Effect = Effect::Changes;

    type Answer = views::DeletedPrincipal;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::DeletedPrincipal> {
        let identity = &service.identity;
        let made = identity
            .delete_user(call, self.account.id(service, call).await?, &self.name)
            .await?;
        Ok(views::DeletedPrincipal::of(self.name, made))
    }
}
