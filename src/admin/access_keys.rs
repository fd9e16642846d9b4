//! Operations on access keys.

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::listing::Listing;
use super::method::Method;
use super::operation::{Effect, Operation, shown};
use super::text::{AccessKeyIdText, AccountText, Text, id_of, some_text};
use crate::domain::Result;
use crate::service::{AccessKeyState, Call, Service};
use crate::views;

/// List the access keys.
#[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListAccessKeys {
    /// List only this account's keys.
    #[arg(long)]
    pub account: Option<AccountText>,
}

impl Listing for ListAccessKeys {
    const PATH: &'static str = "/access-keys";

    type Item = views::AccessKey;

    async fn all(self, service: &Service, call: &Call<'_>) -> Result<Vec<views::AccessKey>> {
        let account = id_of(self.account.as_ref(), service, call).await?;
        let keys = service.identity.access_keys(call, account).await?;
        Ok(keys.into_iter().map(views::AccessKey::from).collect())
    }
}

/// Make an access key of an account's root user or of another user. Its secret is shown this once.
#[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateAccessKey {
    /// The account's id or name.
    #[arg(long)]
    pub account: AccountText,
    /// The user's name; without it, the key is the root user's.
    #[arg(long, value_parser = some_text)]
    pub user: Option<String>,
}

impl Operation for CreateAccessKey {
    const METHOD: Method = Method::Post;
    const PATH: &'static str = "/access-keys";
    const EFFECT: Effect = Effect::Makes;

    type Answer = views::NewAccessKey;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::NewAccessKey> {
        let (account, user) = (self.account.id(service, call).await?, self.user.as_deref());
        let key = service
            .identity
            .create_access_key(call, account, user)
            .await?;
        Ok(views::NewAccessKey {
            access_key_id: key.id,
            access_key_secret: key.secret.expose().to_owned(),
        })
    }

    async fn repeat(
        &self,
        service: &Service,
        call: &Call<'_>,
        made: Option<&str>,
    ) -> Result<Value> {
        let id = Text(made.unwrap_or_default().parse()?);
        shown(ShowAccessKey { id }, service, call).await
    }
}

macro_rules! of_key {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            /// The access key's id.
            #[arg(long)]
            pub id: AccessKeyIdText,
        }
    };
}

of_key! {
    /// Show an access key, without its secret.
    ShowAccessKey
}
of_key! {
    /// Stop an access key and the temporary credentials that it obtained. The audit lists its
    /// long-term ones.
    DisableAccessKey
}
of_key! {
    /// Let a disabled access key sign again.
    EnableAccessKey
}
of_key! {
    /// Stop an access key for ever, and the temporary credentials that it obtained.
    DeleteAccessKey
}

impl Operation for ShowAccessKey {
    const METHOD: Method = Method::Get;
    const PATH: &'static str = "/access-keys/{id}";
    const EFFECT: Effect = Effect::Reads;

    type Answer = views::AccessKey;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::AccessKey> {
        let key = service.identity.access_key(call, self.id.as_str()).await?;
        Ok(key.into())
    }
}

impl Operation for DisableAccessKey {
    const METHOD: Method = Method::Post;
    const PATH: &'static str = "/access-keys/{id}/disable";
    const EFFECT: Effect = Effect::Changes;

    type Answer = views::ChangedAccessKey;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::ChangedAccessKey> {
        set_state(service, call, &self.id, AccessKeyState::Disabled).await
    }
}

impl Operation for EnableAccessKey {
    const METHOD: Method = Method::Post;
    const PATH: &'static str = "/access-keys/{id}/enable";
    const EFFECT: Effect = Effect::Changes;

    type Answer = views::ChangedAccessKey;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::ChangedAccessKey> {
        set_state(service, call, &self.id, AccessKeyState::Active).await
    }
}

impl Operation for DeleteAccessKey {
    const METHOD: Method = Method::Delete;
    const PATH: &'static str = "/access-keys/{id}";
    const EFFECT: Effect = Effect::Changes;

    type Answer = views::ChangedAccessKey;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::ChangedAccessKey> {
        set_state(service, call, &self.id, AccessKeyState::Deleted).await
    }
}

async fn set_state(
    service: &Service,
    call: &Call<'_>,
    id: &AccessKeyIdText,
    state: AccessKeyState,
) -> Result<views::ChangedAccessKey> {
    let identity = &service.identity;
    identity
        .set_access_key_state(call, id.as_str(), state)
        .await?;
    Ok(views::ChangedAccessKey {
        access_key_id: id.to_string(),
        state: state.name().to_owned(),
    })
}
