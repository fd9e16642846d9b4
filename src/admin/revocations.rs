//! Operations that stop what was issued: credentials of principals, and tokens of subjects.

use clap::Args;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::listing::Listing;
use super::method::Method;
use super::operation::{Effect, Operation};
use super::text::{AccountText, CredentialText, PrincipalText};
use crate::domain::{Error, Result};
use crate::service::{Call, Service, TokenIssuer};
use crate::views;

/// Stop every temporary credential, session and refresh token of a principal, and the service
/// accounts that it made. Or stop one credential.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Revoke {
    /// The principal. For a session, everything of its role or its user stops, unless a credential
    /// is named.
    pub principal: PrincipalText,
    /// Stop only this credential or session, by its id from the audit. A long-term credential is
    /// disabled.
    pub credential: Option<CredentialText>,
}

impl Operation for Revoke {
    const METHOD: Method = Method::Post;
    const PATH: &'static str = "/revoke";
    const EFFECT: Effect = Effect::Changes;

    type Answer = views::Revoked;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::Revoked> {
        let (identity, principal) = (&service.identity, self.principal.0);
        let Some(id) = self.credential else {
            return Ok(identity.revoke(call, &principal).await?.into());
        };
        identity.revoke_credential(call, &principal, &id).await?;
        Ok(views::Revoked::credential(&principal, &id))
    }
}

/// List the subjects that an account refuses: see `transire revoke --subject`.
#[derive(Args, Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListRefusedSubjects {
    /// The account's id or name.
    #[arg(long)]
    pub account: AccountText,
}

impl Listing for ListRefusedSubjects {
    const PATH: &'static str = "/accounts/{account}/refused-subjects";

    type Item = views::RefusedSubject;

    async fn all(self, service: &Service, call: &Call<'_>) -> Result<Vec<views::RefusedSubject>> {
        let identity = &service.identity;
        let refused = identity
            .refused_subjects(call, self.account.id(service, call).await?)
            .await?;
        let shown = refused.into_iter().map(views::RefusedSubject::from);
        Ok(shown.collect())
    }
}

macro_rules! of_subject {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            /// The id of the account.
            pub account: AccountText,
            /// The subject, whole and without wildcards.
            pub subject: String,
            /// The provider of the tokens.
            pub oidc_provider: Option<String>,
            /// Their issuer, where the account has no provider of it.
            pub issuer: Option<String>,
        }

        impl $name {
            fn issuer(&mut self) -> Result<TokenIssuer> {
                match (self.oidc_provider.take(), self.issuer.take()) {
                    (Some(name), None) => Ok(TokenIssuer::OfProvider(name)),
                    (None, Some(url)) => Ok(TokenIssuer::Url(url)),
                    (None, None) => {
                        Err(Error::missing_parameter("--oidc-provider or --issuer"))
                    }
                    (Some(_), Some(_)) => {
                        let why = "there is a provider, too";
                        Err(Error::invalid_parameter("issuer", why))
                    }
                }
            }
        }
    };
}

of_subject! {
    /// Refuse the OpenID Connect tokens of a subject, until that is taken back.
    RefuseSubject
}
of_subject! {
    /// Accept a refused subject again.
    AcceptSubject
}

impl Operation for RefuseSubject {
    const METHOD: Method = Method::Post;
    const PATH: &'static str = "/accounts/{account}/refused-subjects";
    const EFFECT: Effect = Effect::Changes;

    type Answer = views::SubjectState;

    async fn run(mut self, service: &Service, call: &Call<'_>) -> Result<views::SubjectState> {
        let (identity, issuer) = (&service.identity, self.issuer()?);
        let refused = identity
            .create_refused_subject(
                call,
                self.account.id(service, call).await?,
                issuer,
                &self.subject,
            )
            .await?;
        Ok(views::SubjectState::of(refused, "refused"))
    }
}

impl Operation for AcceptSubject {
    const METHOD: Method = Method::Delete;
    const PATH: &'static str = "/accounts/{account}/refused-subjects";
    const EFFECT: Effect = Effect::Changes;

    type Answer = views::SubjectState;

    async fn run(mut self, service: &Service, call: &Call<'_>) -> Result<views::SubjectState> {
        let (identity, issuer) = (&service.identity, self.issuer()?);
        let accepted = identity
            .delete_refused_subject(
                call,
                self.account.id(service, call).await?,
                issuer,
                &self.subject,
            )
            .await?;
        Ok(views::SubjectState::of(accepted, "accepted"))
    }
}
