//! Operations on operators.

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::listing::Listing;
use super::method::Method;
use super::operation::{Effect, Operation, shown};
use super::text::{AccountText, Text, TimeText, id_of, some_text};
use crate::domain::Result;
use crate::domain::operator::{OperatorRole, OperatorState};
use crate::domain::seconds::Seconds;
use crate::service::{Call, Service};
use crate::views;

/// List the operators.
#[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListOperators {}

impl Listing for ListOperators {
    const PATH: &'static str = "/operators";

    type Item = views::Operator;

    async fn all(self, service: &Service, call: &Call<'_>) -> Result<Vec<views::Operator>> {
        let operators = service.identity.operators(call).await?;
        Ok(operators.into_iter().map(views::Operator::from).collect())
    }
}

/// A role, without the account that an account-admin is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OperatorRoleName {
    /// May do everything.
    Admin,
    /// Reads everything, and changes nothing.
    Auditor,
    /// Administers what is in one account.
    AccountAdmin,
}

impl OperatorRoleName {
    fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Auditor => "auditor",
            Self::AccountAdmin => "account-admin",
        }
    }
}

/// Make an operator. Its token is shown this once.
#[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateOperator {
    /// Its name.
    #[arg(long, value_parser = some_text)]
    pub name: String,
    /// The role. admin: everything. auditor: reads everything, and changes nothing.
    /// account-admin: what is in one account.
    #[arg(long, value_enum)]
    pub role: OperatorRoleName,
    /// The account of an account-admin.
    #[arg(long)]
    pub account: Option<AccountText>,
}

impl Operation for CreateOperator {
    const METHOD: Method = Method::Post;
    const PATH: &'static str = "/operators";
    const EFFECT: Effect = Effect::Makes;

    type Answer = views::OperatorToken;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::OperatorToken> {
        let account = id_of(self.account.as_ref(), service, call).await?;
        let role = OperatorRole::new(self.role.name(), account)?;
        let identity = &service.identity;
        let (operator, token) = identity.create_operator(call, &self.name, role).await?;
        Ok(views::OperatorToken::of(operator, &token))
    }

    async fn repeat(
        &self,
        service: &Service,
        call: &Call<'_>,
        _made: Option<&str>,
    ) -> Result<Value> {
        let name = self.name.clone();
        shown(ShowOperator { name }, service, call).await
    }
}

macro_rules! of_operator {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            /// Its name.
            #[arg(long, value_parser = some_text)]
            pub name: String,
        }
    };
}

of_operator! {
    /// Show an operator.
    ShowOperator
}
of_operator! {
    /// Refuse an operator's token until the operator is enabled again.
    DisableOperator
}
of_operator! {
    /// Take a disabled operator's token again.
    EnableOperator
}
of_operator! {
    /// Refuse an operator's token for ever.
    DeleteOperator
}

impl Operation for ShowOperator {
    const METHOD: Method = Method::Get;
    const PATH: &'static str = "/operators/{name}";
    const EFFECT: Effect = Effect::Reads;

    type Answer = views::Operator;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::Operator> {
        Ok(service.identity.operator(call, &self.name).await?.into())
    }
}

impl Operation for DisableOperator {
    const METHOD: Method = Method::Post;
    const PATH: &'static str = "/operators/{name}/disable";
    const EFFECT: Effect = Effect::Changes;

    type Answer = views::State;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::State> {
        set_state(service, call, self.name, OperatorState::Disabled).await
    }
}

impl Operation for EnableOperator {
    const METHOD: Method = Method::Post;
    const PATH: &'static str = "/operators/{name}/enable";
    const EFFECT: Effect = Effect::Changes;

    type Answer = views::State;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::State> {
        set_state(service, call, self.name, OperatorState::Active).await
    }
}

async fn set_state(
    service: &Service,
    call: &Call<'_>,
    name: String,
    state: OperatorState,
) -> Result<views::State> {
    let identity = &service.identity;
    identity.set_operator_state(call, &name, state).await?;
    Ok(views::State::of(name, state.name()))
}

impl Operation for DeleteOperator {
    const METHOD: Method = Method::Delete;
    const PATH: &'static str = "/operators/{name}";
    const EFFECT: Effect = Effect::Changes;

    type Answer = views::State;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::State> {
        service.identity.delete_operator(call, &self.name).await?;
        Ok(views::State::deleted(self.name))
    }
}

/// Give an operator another token, which is shown this once.
#[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotateOperator {
    /// Its name.
    #[arg(long, value_parser = some_text)]
    pub name: String,
    /// How long the previous token stays valid: at most 30d; with 0 it ends at once.
    #[arg(long, value_name = "TIME", default_value = "1d")]
    #[serde(default = "usual_grace")]
    pub grace: TimeText,
}

fn usual_grace() -> TimeText {
    Text(Seconds::new(24 * 60 * 60))
}

impl Operation for RotateOperator {
    const METHOD: Method = Method::Post;
    const PATH: &'static str = "/operators/{name}/rotate";
    /// Each rotation makes a token.
    const EFFECT: Effect = Effect::Makes;

    type Answer = views::OperatorToken;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::OperatorToken> {
        let grace = self.grace.duration();
        let identity = &service.identity;
        let (operator, token) = identity.rotate_operator(call, &self.name, grace).await?;
        Ok(views::OperatorToken::of(operator, &token))
    }

    async fn repeat(
        &self,
        service: &Service,
        call: &Call<'_>,
        _made: Option<&str>,
    ) -> Result<Value> {
        let name = self.name.clone();
        shown(ShowOperator { name }, service, call).await
    }
}
