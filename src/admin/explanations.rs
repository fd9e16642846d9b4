//! Questions about rights: who may do what, and why.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::method::Method;
use super::operation::{Effect, Operation};
use super::text::{
    AccessKeyIdText, ActionText, AddressText, CredentialText, PrincipalText, ResourceText,
    SecretText, WhenText,
};
use crate::domain::{Error, Result};
use crate::service::{Call, HolderPosition, Question, RequestQuestion, Service, TokenInQuestion};
use crate::views;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Say whether a principal may do something, and which statement decides.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Explain {
    /// The principal.
    pub principal: Option<PrincipalText>,
    /// An OpenID Connect token, instead of a principal.
    pub token: Option<SecretText>,
    /// The role that the token logs in as; without it, the one that trusts the token.
    pub role: Option<String>,
    /// The action: pull, push, delete, list-catalog, or an action's name such as
    /// tcr:CreateInstanceToken.
    pub action: ActionText,
    /// The resource: an instance's id, or that and a repository.
    pub resource: ResourceText,
    /// The client's address; without it, no allow list matches.
    pub address: Option<AddressText>,
    /// The time: one such as 2025-01-02T03:04:05Z, a day or an age; without it, now.
    pub at: Option<WhenText>,
    /// The document of the session policy.
    pub session_policy: Option<String>,
    /// The access key that signs the call, or that asked for the credential.
    pub access_key: Option<AccessKeyIdText>,
    /// The long-term credential that logs in.
    pub credential: Option<CredentialText>,
    /// The owner of the credential or the service account that the action changes: tcr:owner and
    /// cr:Owner in policies.
    pub owner: Option<PrincipalText>,
}

impl Operation for Explain {
    const METHOD: Method = Method::Post;
    const PATH: &'static str = "/explain";
    const EFFECT: Effect = Effect::Reads;

    type Answer = views::Explained;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::Explained> {
        let question = Question {
            address: self.address.map(|address| address.0.0),
            at: self.at.map(|at| at.at(call.now)),
            session_policy: self.session_policy,
            owner: self.owner.map(|owner| owner.0),
            access_key: self.access_key.map(|id| id.to_string()),
            credential: self.credential.map(|id| id.0),
            ..self.resource.0.question(self.action.0)
        };
        let refuse = |field, why| Err(Error::invalid_parameter(field, why));
        let explained = match (&self.principal, &self.token) {
            (Some(_), Some(_)) => return refuse("token", "there is a principal, too"),
            (Some(_), None) if self.role.is_some() => {
                return refuse("role", "it goes with a token");
            }
            (Some(principal), None) => service.rights.explain(call, principal, &question).await?,
            (None, Some(token)) => {
                let asked = TokenInQuestion {
                    token: &token.0,
                    role: self.role.as_deref(),
                };
                service
                    .identity
                    .explain_token(call, &asked, &question)
                    .await?
            }
            (None, None) => return Err(Error::missing_parameter("principal or token")),
        };
        Ok(explained.into())
    }
}

/// Explain a request out of the audit, by the id that its client was told.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExplainRequest {
    /// The request's id.
    pub request_id: String,
    /// How far back the audit is searched: a time, a day or an age. Without it, a day.
    pub since: Option<WhenText>,
}

impl Operation for ExplainRequest {
    const METHOD: Method = Method::Get;
    const PATH: &'static str = "/explain/requests/{request_id}";
    const EFFECT: Effect = Effect::Reads;

    type Answer = views::ExplainedRequest;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::ExplainedRequest> {
        let now = call.now;
        let question = RequestQuestion {
            request_id: self.request_id,
            since: self
                .since
                .map_or_else(|| now.minus(DAY), |since| since.at(now)),
            // A line may be written by a clock that is a little ahead.
            until: now.plus(DAY),
        };
        let explained = service.operations.explain_request(call, &question).await?;
        Ok(explained.into())
    }
}

/// List who may do an action on a resource, page by page.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListRightHolders {
    /// The action.
    pub action: ActionText,
    /// The resource: an instance's id, or that and a repository.
    pub resource: ResourceText,
    /// The client's address; without it, no allow list matches.
    pub address: Option<AddressText>,
    /// The `next` of the page before.
    pub after: Option<String>,
}

impl Operation for ListRightHolders {
    const METHOD: Method = Method::Get;
    const PATH: &'static str = "/explain/holders";
    const EFFECT: Effect = Effect::Reads;

    type Answer = views::RightHolders;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::RightHolders> {
        let question = Question {
            address: self.address.map(|address| address.0.0),
            ..self.resource.0.question(self.action.0)
        };
        let after = self.after.as_deref().map(position).transpose()?;
        let page = service
            .rights
            .holders(call, &question, after.as_ref())
            .await?;
        let items = page.holders.into_iter().map(views::RightHolder::from);
        Ok(views::RightHolders {
            items: items.collect(),
            notes: page.notes,
            next: page.next.as_ref().map(cursor).transpose()?,
        })
    }
}

fn cursor(position: &HolderPosition) -> Result<String> {
    let text = serde_json::to_string(position).map_err(Error::internal)?;
    Ok(URL_SAFE_NO_PAD.encode(text))
}

fn position(cursor: &str) -> Result<HolderPosition> {
    URL_SAFE_NO_PAD
        .decode(cursor)
        .ok()
        .and_then(|text| serde_json::from_slice(&text).ok())
        .ok_or_else(|| {
            Error::invalid_parameter("after", "it is the `next` of a page of the same list")
        })
}

/// List what a principal may do, statement by statement.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListRights {
    /// The principal.
    pub principal: PrincipalText,
}

impl Operation for ListRights {
    const METHOD: Method = Method::Get;
    const PATH: &'static str = "/explain/rights";
    const EFFECT: Effect = Effect::Reads;

    type Answer = views::HeldRights;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::HeldRights> {
        let held = service.rights.held(call, &self.principal).await?;
        Ok(views::HeldRights {
            items: held
                .rights
                .into_iter()
                .map(views::HeldRight::from)
                .collect(),
            fault: held.fault,
        })
    }
}
