//! Operations on accounts.

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::listing::Listing;
use super::method::Method;
use super::operation::{Effect, Operation, shown};
use super::text::{AccountIdText, AccountText, Grant, GrantOrDefault, OrDefault, Text};
use crate::domain::{Error, Result};
use crate::service::{Call, Service};
use crate::views;

/// List the accounts.
#[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListAccounts {}

impl Listing for ListAccounts {
    const PATH: &'static str = "/accounts";

    type Item = views::Account;

    async fn all(self, service: &Service, call: &Call<'_>) -> Result<Vec<views::Account>> {
        let accounts = service.identity.accounts(call).await?;
        Ok(accounts.into_iter().map(views::Account::from).collect())
    }
}

/// Make an account.
#[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateAccount {
    /// Its name.
    #[arg(long)]
    pub name: String,
    /// Its numeric id; without it, a random one.
    #[arg(long)]
    pub id: Option<AccountIdText>,
    /// The rights that its users may grant to service accounts. own-rights: those that their
    /// policies allow them without a condition. vendor: any. [default: as the settings say]
    #[arg(long, value_name = "GRANT")]
    pub service_account_grant: Option<Grant>,
}

impl Operation for CreateAccount {
    const METHOD: Method = Method::Post;
    const PATH: &'static str = "/accounts";
    const EFFECT: Effect = Effect::Makes;

    type Answer = views::NewAccount;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::NewAccount> {
        let (id, grant) = (
            self.id.map(|id| id.0),
            self.service_account_grant.map(|grant| grant.0),
        );
        let identity = &service.identity;
        let account = identity.create_account(call, id, &self.name, grant).await?;
        Ok(account.into())
    }

    async fn repeat(
        &self,
        service: &Service,
        call: &Call<'_>,
        made: Option<&str>,
    ) -> Result<Value> {
        let made = made.ok_or_else(|| Error::internal("an account was made without its id"))?;
        let id = Text(made.parse()?);
        shown(ShowAccount { id }, service, call).await
    }
}

/// Show an account.
#[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShowAccount {
    /// Its numeric id.
    #[arg(long)]
    pub id: AccountText,
}

impl Operation for ShowAccount {
    const METHOD: Method = Method::Get;
    const PATH: &'static str = "/accounts/{id}";
    const EFFECT: Effect = Effect::Reads;

    type Answer = views::Account;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::Account> {
        Ok(service
            .identity
            .account(call, self.id.id(service, call).await?)
            .await?
            .into())
    }
}

/// Change the rights of an account's users.
#[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateAccount {
    /// Its numeric id.
    #[arg(long)]
    pub id: AccountText,
    /// The rights that its users may grant to service accounts: own-rights, vendor, or default
    /// (as the settings say).
    #[arg(long, value_name = "GRANT")]
    pub service_account_grant: GrantOrDefault,
}

impl Operation for UpdateAccount {
    const METHOD: Method = Method::Patch;
    const PATH: &'static str = "/accounts/{id}";
    const EFFECT: Effect = Effect::Changes;

    type Answer = views::ChangedAccount;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::ChangedAccount> {
        let Text(OrDefault(grant)) = self.service_account_grant;
        let identity = &service.identity;
        identity
            .set_service_account_grant(call, self.id.id(service, call).await?, grant)
            .await?;
        Ok(views::ChangedAccount {
            account_id: self.id.to_string(),
            service_account_grant: views::grant_name(grant).to_owned(),
        })
    }
}
