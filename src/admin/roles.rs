//! Operations on roles.

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::listing::Listing;
use super::method::Method;
use super::operation::{Effect, Operation, of_named, shown};
use super::text::{AccountText, SecretText, Text, TimeText, some_text};
use crate::domain::seconds::Seconds;
use crate::domain::{Error, ErrorKind, Result};
use crate::service::{Call, RoleChange, Service};
use crate::views;

/// List an account's roles.
#[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListRoles {
    /// The account's id or name.
    #[arg(long)]
    pub account: AccountText,
}

impl Listing for ListRoles {
    const PATH: &'static str = "/accounts/{account}/roles";

    type Item = views::Role;

    async fn all(self, service: &Service, call: &Call<'_>) -> Result<Vec<views::Role>> {
        let roles = service
            .identity
            .roles(call, self.account.id(service, call).await?)
            .await?;
        Ok(roles.into_iter().map(views::Role::from).collect())
    }
}

/// Make a role. The principals that its trust policy names may assume it.
#[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateRole {
    /// The account's id or name.
    #[arg(long)]
    pub account: AccountText,
    /// Its name.
    #[arg(long, value_parser = some_text)]
    pub name: String,
    /// The trust policy, in CAM's or RAM's language: it names the principals that may assume the
    /// role.
    #[arg(skip)]
    pub trust_policy: String,
    /// The maximum life of a session: 1h to 12h.
    #[arg(long, value_name = "TIME", default_value_t = usual_session())]
    #[serde(default = "usual_session")]
    pub max_session: TimeText,
}

fn usual_session() -> TimeText {
    Text(Seconds::new(7200))
}

impl Operation for CreateRole {
    const METHOD: Method = Method::Post;
    const PATH: &'static str = "/accounts/{account}/roles";
    const EFFECT: Effect = Effect::Makes;

    type Answer = views::NewRole;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::NewRole> {
        let (account, name) = (self.account.id(service, call).await?, &self.name);
        let (policy, life) = (&self.trust_policy, self.max_session.at_most_u32());
        let made = service
            .identity
            .create_role(call, account, name, policy, life)
            .await
            .map_err(of_document)?;
        Ok(made.into())
    }

    async fn repeat(
        &self,
        service: &Service,
        call: &Call<'_>,
        _made: Option<&str>,
    ) -> Result<Value> {
        let (account, name) = (self.account.clone(), self.name.clone());
        shown(ShowRole { account, name }, service, call).await
    }
}

of_named! {
    /// Show a role, with its trust policy.
    ShowRole
}
of_named! {
    /// Delete a role. Its sessions stop, and all credentials that they obtained.
    DeleteRole
}

impl Operation for ShowRole {
    const METHOD: Method = Method::Get;
    const PATH: &'static str = "/accounts/{account}/roles/{name}";
    const EFFECT: Effect = Effect::Reads;

    type Answer = views::RoleDetails;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::RoleDetails> {
        let (account, name) = (self.account.id(service, call).await?, &self.name);
        Ok(service.identity.role(call, account, name).await?.into())
    }
}

impl Operation for DeleteRole {
    const METHOD: Method = Method::Delete;
    const PATH: &'static str = "/accounts/{account}/roles/{name}";
    const EFFECT: Effect = Effect::Changes;

    type Answer = views::DeletedPrincipal;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::DeletedPrincipal> {
        let (account, name) = (self.account.id(service, call).await?, &self.name);
        let made = service.identity.delete_role(call, account, name).await?;
        Ok(views::DeletedPrincipal::of(self.name, made))
    }
}

/// Change a role's trust policy, or the longest life of its sessions. Its sessions go on.
#[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateRole {
    /// The account's id or name.
    #[arg(long)]
    pub account: AccountText,
    /// Its name.
    #[arg(long, value_parser = some_text)]
    pub name: String,
    /// Another trust policy.
    #[arg(skip)]
    pub trust_policy: Option<String>,
    /// The maximum life of a session: 1h to 12h.
    #[arg(long, value_name = "TIME")]
    pub max_session: Option<TimeText>,
}

impl Operation for UpdateRole {
    const METHOD: Method = Method::Patch;
    const PATH: &'static str = "/accounts/{account}/roles/{name}";
    const EFFECT: Effect = Effect::Changes;

    type Answer = views::ChangedDocument;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::ChangedDocument> {
        if self.trust_policy.is_none() && self.max_session.is_none() {
            return Err(Error::missing_parameter("trust_policy"));
        }
        let change = RoleChange {
            trust_policy: self.trust_policy.as_deref(),
            max_session_seconds: self.max_session.map(|life| life.at_most_u32()),
        };
        let warnings = service
            .identity
            .update_role(
                call,
                self.account.id(service, call).await?,
                &self.name,
                change,
            )
            .await
            .map_err(of_document)?;
        let name = self.name;
        Ok(views::ChangedDocument { name, warnings })
    }
}

/// The document of a role is its trust policy.
fn of_document(error: Error) -> Error {
    match error.kind() {
        ErrorKind::InvalidParameter { name } if name == "document" => {
            Error::invalid_parameter("trust-policy", error.message())
        }
        _ => error,
    }
}

/// Say whether a role accepts an OpenID Connect token, and which conditions it doesn't meet.
#[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TestRole {
    /// The account's id or name.
    #[arg(long)]
    pub account: AccountText,
    /// Its name.
    #[arg(long, value_parser = some_text)]
    pub name: String,
    /// The token.
    #[arg(skip)]
    pub token: SecretText,
}

impl Operation for TestRole {
    const METHOD: Method = Method::Post;
    const PATH: &'static str = "/accounts/{account}/roles/{name}/test";
    const EFFECT: Effect = Effect::Reads;

    type Answer = views::RoleTest;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::RoleTest> {
        let tested = service
            .identity
            .test_role(
                call,
                self.account.id(service, call).await?,
                &self.name,
                &self.token.0,
            )
            .await
            .map_err(of_token)?;
        Ok(tested.into())
    }
}

/// Says why a token is no account's: a stranger isn't told, and an operator is.
pub(super) fn of_token(error: Error) -> Error {
    match (error.kind(), error.cause()) {
        (ErrorKind::BadCredentials, Some(cause)) => {
            Error::invalid_parameter("token", format!("the account takes no such token: {cause}"))
        }
        _ => error,
    }
}
