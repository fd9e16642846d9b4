//! The caller as a registry client: where it logged in, and by what.

use std::sync::Arc;

use crate::domain::instance::Instance;
use crate::domain::narrowing::Narrowing;
use crate::domain::secret::Secret;
use crate::domain::{Error, Result};
use crate::service::access::caller::{Caller, LoggedInBy, Proof, TokenLogIn};
use crate::token::Grant;

impl Caller {
    /// Returns the instance that a registry client logged in to.
    pub(in crate::service) fn registry_instance(&self) -> Result<&Arc<Instance>> {
        match self.proof() {
            Proof::LoggedIn { instance, .. }
            | Proof::WithPassword { instance, .. }
            | Proof::WithToken { instance, .. }
            | Proof::ServiceAccount { instance, .. }
            | Proof::Anonymous { instance } => Ok(instance),
            _ => Err(Error::unsupported("Only a registry client can do this.")),
        }
    }

    /// Returns what the credential that logged in says.
    pub(in crate::service) fn grant(&self) -> Option<&Grant> {
        match self.proof() {
            Proof::LoggedIn { grant, .. } => Some(grant),
            _ => None,
        }
    }

    /// Returns what the credential that logged in is narrowed to.
    pub(in crate::service) fn narrowing(&self) -> Option<&Narrowing> {
        self.grant().and_then(|grant| grant.narrowing.as_ref())
    }

    /// Returns the OpenID Connect token that logged in at a registry.
    pub(in crate::service) fn token_log_in(&self) -> Option<&TokenLogIn> {
        match self.proof() {
            Proof::WithToken { log_in, .. } => Some(log_in),
            _ => None,
        }
    }

    /// Returns what logged in at a registry; nothing when nobody did.
    pub(in crate::service) fn credential(&self) -> Option<LoggedInBy<'_>> {
        match self.proof() {
            Proof::LoggedIn { grant, .. } => Some(LoggedInBy::Credential(&grant.id)),
            Proof::WithPassword {
                instance,
                principal,
            } => Some(LoggedInBy::FixedPassword(&instance.id, principal)),
            Proof::ServiceAccount { account, .. } => Some(LoggedInBy::ServiceAccount(&account.id)),
            Proof::WithToken {
                principal, log_in, ..
            } => Some(LoggedInBy::Token(
                principal,
                &log_in.provider,
                &log_in.identity.subject,
            )),
            Proof::Signed(_)
            | Proof::InSession(_)
            | Proof::Bearer(_)
            | Proof::Anonymous { .. }
            | Proof::Administrator(_) => None,
        }
    }

    /// Returns the refresh token that logged in.
    pub(in crate::service) fn refresh_token(&self) -> Option<&Secret> {
        match self.proof() {
            Proof::LoggedIn { refresh_token, .. } => refresh_token.as_ref(),
            _ => None,
        }
    }

    /// Tells whether a registry client presented a credential's own secret, and no refresh token.
    pub(in crate::service) fn presented_own_secret(&self) -> bool {
        matches!(
            self.proof(),
            Proof::LoggedIn {
                refresh_token: None,
                ..
            }
        )
    }
}
