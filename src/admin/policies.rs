//! Operations on policies.

use clap::{ArgGroup, Args, ValueEnum};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::listing::Listing;
use super::method::Method;
use super::operation::{Effect, Operation, of_named, shown};
use super::text::{AccountText, some_text};
use crate::domain::identity::Target;
use crate::domain::{Error, Result};
use crate::service::{Attached, Call, DocumentKind, Save, Service};
use crate::views;

/// List an account's policies, and the objects to which they are attached.
#[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListPolicies {
    /// The account's id or name.
    #[arg(long)]
    pub account: AccountText,
}

impl Listing for ListPolicies {
    const PATH: &'static str = "/accounts/{account}/policies";

    type Item = views::Policy;

    async fn all(self, service: &Service, call: &Call<'_>) -> Result<Vec<views::Policy>> {
        let (identity, account) = (&service.identity, self.account.id(service, call).await?);
        let attachments = identity.attachments(call, account).await?;
        let own = identity.policies(call, account).await?;
        Ok(views::Policy::list(own, &attachments))
    }
}

macro_rules! of_document {
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
            /// The document, in CAM (`"version": "2.0"`) or RAM (`"Version": "1"`).
            #[arg(skip)]
            pub document: String,
        }

        impl $name {
            async fn save(
                self,
                service: &Service,
                call: &Call<'_>,
                save: Save,
            ) -> Result<views::ChangedDocument> {
                let account = self.account.id(service, call).await?;
                let warnings = service
                    .identity
                    .save_policy(call, account, &self.name, &self.document, save)
                    .await?;
                let name = self.name;
                Ok(views::ChangedDocument { name, warnings })
            }
        }
    };
}

of_document! {
    /// Make a policy of a document.
    CreatePolicy
}
of_document! {
    /// Replace a policy's document.
    UpdatePolicy
}
of_named! {
    /// Show a policy's document; built-in policies work too.
    ShowPolicy
}
of_named! {
    /// Delete a policy, which must not be attached.
    DeletePolicy
}

impl Operation for CreatePolicy {
    const METHOD: Method = Method::Post;
    const PATH: &'static str = "/accounts/{account}/policies";
    const EFFECT: Effect = Effect::Makes;

    type Answer = views::ChangedDocument;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::ChangedDocument> {
        self.save(service, call, Save::Create).await
    }

    async fn repeat(
        &self,
        service: &Service,
        call: &Call<'_>,
        _made: Option<&str>,
    ) -> Result<Value> {
        let (account, name) = (self.account.clone(), self.name.clone());
        shown(ShowPolicy { account, name }, service, call).await
    }
}

impl Operation for UpdatePolicy {
    const METHOD: Method = Method::Patch;
    const PATH: &'static str = "/accounts/{account}/policies/{name}";
    const EFFECT: Effect = Effect::Changes;

    type Answer = views::ChangedDocument;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::ChangedDocument> {
        self.save(service, call, Save::Update).await
    }
}

impl Operation for ShowPolicy {
    const METHOD: Method = Method::Get;
    const PATH: &'static str = "/accounts/{account}/policies/{name}";
    const EFFECT: Effect = Effect::Reads;

    type Answer = views::PolicyDocument;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::PolicyDocument> {
        let (account, name) = (self.account.id(service, call).await?, self.name);
        let identity = &service.identity;
        let document = identity.policy_document(call, account, &name).await?;
        Ok(views::PolicyDocument { name, document })
    }
}

impl Operation for DeletePolicy {
    const METHOD: Method = Method::Delete;
    const PATH: &'static str = "/accounts/{account}/policies/{name}";
    const EFFECT: Effect = Effect::Changes;

    type Answer = views::State;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::State> {
        let identity = &service.identity;
        identity
            .delete_policy(call, self.account.id(service, call).await?, &self.name)
            .await?;
        Ok(views::State::deleted(self.name))
    }
}

/// The use of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DocumentUse {
    /// Attached to users, groups and roles.
    Policy,
    /// Given when a session is opened.
    Session,
    /// A role's trust policy.
    Trust,
}

impl From<DocumentUse> for DocumentKind {
    fn from(given: DocumentUse) -> Self {
        match given {
            DocumentUse::Policy => Self::Identity,
            DocumentUse::Session => Self::Session,
            DocumentUse::Trust => Self::Trust,
        }
    }
}

/// Check a document as it is checked when it is saved. Nothing is saved.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CheckPolicy {
    /// The document.
    pub document: String,
    /// Its use; without it, it is a policy.
    pub kind: Option<DocumentUse>,
}

impl Operation for CheckPolicy {
    const METHOD: Method = Method::Post;
    const PATH: &'static str = "/check-policy";
    const EFFECT: Effect = Effect::Reads;

    type Answer = views::CheckedPolicy;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::CheckedPolicy> {
        let kind = self.kind.unwrap_or(DocumentUse::Policy).into();
        let identity = &service.identity;
        let found = identity.check_document(call, &self.document, kind)?;
        Ok(found.into())
    }
}

macro_rules! of_attachment {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
        #[command(group = ArgGroup::new("target").required(true).args(["user", "group", "role"]))]
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
            pub user: Option<String>,
            /// The group's name.
            #[arg(long, value_parser = some_text)]
            pub group: Option<String>,
            /// The role's name.
            #[arg(long, value_parser = some_text)]
            pub role: Option<String>,
        }

        impl $name {
            async fn set(
                self,
                service: &Service,
                call: &Call<'_>,
                attached: Attached,
            ) -> Result<views::PolicyAttachment> {
                let account = self.account.id(service, call).await?;
                let target = target(self.user, self.group, self.role)?;
                service
                    .identity
                    .set_attached(call, account, &self.name, &target, attached)
                    .await?;
                Ok(views::PolicyAttachment {
                    name: self.name,
                    target: views::target_name(&target),
                    attached: attached == Attached::Yes,
                })
            }
        }
    };
}

of_attachment! {
    /// Attach one of the account's policies, or a built-in one, to a user, a group or a role.
    AttachPolicy
}
of_attachment! {
    /// Detach a policy.
    DetachPolicy
}

/// Returns the one target that is named.
fn target(user: Option<String>, group: Option<String>, role: Option<String>) -> Result<Target> {
    match (user, group, role) {
        (Some(name), None, None) => Ok(Target::User(name)),
        (None, Some(name), None) => Ok(Target::Group(name)),
        (None, None, Some(name)) => Ok(Target::Role(name)),
        (None, None, None) => Err(Error::missing_parameter("user, group or role")),
        _ => {
            let why = "give one of user, group and role";
            Err(Error::invalid_parameter("user", why))
        }
    }
}

impl Operation for AttachPolicy {
    const METHOD: Method = Method::Post;
    const PATH: &'static str = "/accounts/{account}/policies/{name}/attach";
    const EFFECT: Effect = Effect::Changes;

    type Answer = views::PolicyAttachment;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::PolicyAttachment> {
        self.set(service, call, Attached::Yes).await
    }
}

impl Operation for DetachPolicy {
    const METHOD: Method = Method::Post;
    const PATH: &'static str = "/accounts/{account}/policies/{name}/detach";
    const EFFECT: Effect = Effect::Changes;

    type Answer = views::PolicyAttachment;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::PolicyAttachment> {
        self.set(service, call, Attached::No).await
    }
}
