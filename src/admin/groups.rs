//! Operations on groups.

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::listing::Listing;
use super::method::Method;
use super::operation::{Effect, Operation, of_named, shown};
use super::text::{AccountText, some_text};
use crate::domain::Result;
use crate::service::{Call, Membership, Service};
use crate::views;

/// List an account's groups and their members.
#[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListGroups {
    /// The account's id or name.
    #[arg(long)]
    pub account: AccountText,
}

impl Listing for ListGroups {
    const PATH: &'static str = "/accounts/{account}/groups";

    type Item = views::Group;

    async fn all(self, service: &Service, call: &Call<'_>) -> Result<Vec<views::Group>> {
        let groups = service
            .identity
            .groups(call, self.account.id(service, call).await?)
            .await?;
        Ok(groups.into_iter().map(views::Group::from).collect())
    }
}

of_named! {
    /// Make a group.
    CreateGroup
}
of_named! {
    /// Show a group and its members.
    ShowGroup
}
of_named! {
    /// Delete a group; its members are not deleted.
    DeleteGroup
}

macro_rules! of_member {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            /// The account's id or name.
            #[arg(long)]
            pub account: AccountText,
            /// Its name.
            #[arg(long, value_parser = some_text)]
            pub name: String,
            /// The user's name.
            #[arg(long, value_parser = some_text)]
            pub user: String,
        }
    };
}

of_member! {
    /// Add a user to a group.
    AddMember
}
of_member! {
    /// Remove a user from a group.
    RemoveMember
}

impl Operation for CreateGroup {
    const METHOD: Method = Method::Post;
    const PATH: &'static str = "/accounts/{account}/groups";
    const EFFECT: Effect = Effect::Makes;

    type Answer = views::NewGroup;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::NewGroup> {
        let (account, name) = (self.account.id(service, call).await?, &self.name);
        let group = service.identity.create_group(call, account, name).await?;
        Ok(views::NewGroup { name: group.name })
    }

    async fn repeat(
        &self,
        service: &Service,
        call: &Call<'_>,
        _made: Option<&str>,
    ) -> Result<Value> {
        let (account, name) = (self.account.clone(), self.name.clone());
        shown(ShowGroup { account, name }, service, call).await
    }
}

impl Operation for ShowGroup {
    const METHOD: Method = Method::Get;
    const PATH: &'static str = "/accounts/{account}/groups/{name}";
    const EFFECT: Effect = Effect::Reads;

    type Answer = views::Group;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::Group> {
        let (account, name) = (self.account.id(service, call).await?, &self.name);
        Ok(service.identity.group(call, account, name).await?.into())
    }
}

impl Operation for DeleteGroup {
    const METHOD: Method = Method::Delete;
    const PATH: &'static str = "/accounts/{account}/groups/{name}";
    const EFFECT: Effect = Effect::Changes;

    type Answer = views::State;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::State> {
        let identity = &service.identity;
        identity
            .delete_group(call, self.account.id(service, call).await?, &self.name)
            .await?;
        Ok(views::State::deleted(self.name))
    }
}

impl Operation for AddMember {
    const METHOD: Method = Method::Put;
    const PATH: &'static str = "/accounts/{account}/groups/{name}/members/{user}";
    const EFFECT: Effect = Effect::Changes;

    type Answer = views::Member;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::Member> {
        let (account, group, user) = (self.account, self.name, self.user);
        set_member(service, call, account, group, user, Membership::In).await
    }
}

impl Operation for RemoveMember {
    const METHOD: Method = Method::Delete;
    const PATH: &'static str = "/accounts/{account}/groups/{name}/members/{user}";
    const EFFECT: Effect = Effect::Changes;

    type Answer = views::Member;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::Member> {
        let (account, group, user) = (self.account, self.name, self.user);
        set_member(service, call, account, group, user, Membership::Out).await
    }
}

async fn set_member(
    service: &Service,
    call: &Call<'_>,
    account: AccountText,
    name: String,
    user: String,
    membership: Membership,
) -> Result<views::Member> {
    let identity = &service.identity;
    identity
        .set_member(
            call,
            account.id(service, call).await?,
            &name,
            &user,
            membership,
        )
        .await?;
    Ok(views::Member {
        name,
        user,
        member: membership == Membership::In,
    })
}
