//! STS: sessions, and a caller's own identity.
//!
//! A session is sealed into its token: its access key signs only together with the token, only at
//! the API of the cloud that issued it, and only while everything that it depends on is valid.
//! Nothing of it is stored, but for a session policy that is too long for a log-in secret (decision
//! 0013).

pub(super) mod assume_role;
pub(super) mod federation;
pub(super) mod key_sessions;
pub(super) mod rules;
pub(super) mod session;

use std::sync::Arc;
use std::time::Duration;

use crate::domain::Result;
use crate::domain::principal::{Principal, PrincipalName};
use crate::service::base::Base;
use crate::service::call::Call;
use crate::service::ledger::Ledger;
use crate::service::memory::Memory;
use crate::service::rights::Rights;
use crate::token::Dependency;

/// How long the policy of a session is kept beyond the session's end: longer than clocks differ.
pub(in crate::service) const POLICIES_KEPT: Duration = Duration::from_hours(1);

/// The identity of a caller, with its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallerIdentity {
    /// The caller.
    pub principal: Principal,
    /// The name of the user or the role; none for an account itself.
    pub name: Option<String>,
    /// The numeric id of the user or the account whose permanent key the caller's sessions began
    /// with; the account's where they began without one.
    pub key_owner: String,
}

/// Opens sessions: assumed roles, federated users, and those that act as their caller.
pub struct Sts {
    pub(super) base: Arc<Base>,
    pub(super) limits: Arc<crate::service::limits::Limits>,
    pub(super) memory: Arc<Memory>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) rights: Arc<Rights>,
}

impl Sts {
    /// Returns the caller's own identity, which every caller may know.
    ///
    /// # Errors
    /// `Unsupported` for calls that aren't signed; those of the store.
    pub async fn caller_identity(&self, call: &Call<'_>) -> Result<CallerIdentity> {
        let signer = call.caller.signer()?;
        let principal = signer.principal.clone();
        let key_owner = signer
            .dependencies
            .iter()
            .find_map(|(dependency, _)| match dependency {
                Dependency::Root(account) => Some(account.to_string()),
                Dependency::User(user) => Some(user.to_string()),
                Dependency::Role(_)
                | Dependency::AccessKey(_)
                | Dependency::LongTerm(_)
                | Dependency::Session(_)
                | Dependency::RefreshTokens(_)
                | Dependency::Temporary(_)
                | Dependency::OidcSubject(_) => None,
            });
        let name = match self.rights.principal_name(&principal).await? {
            Some(PrincipalName::User(_, name) | PrincipalName::Role(_, name)) => Some(name),
            Some(PrincipalName::Root(_) | PrincipalName::ServiceAccount(..)) | None => None,
        };
        let key_owner = key_owner.unwrap_or_else(|| principal.account().to_string());
        Ok(CallerIdentity {
            principal,
            name,
            key_owner,
        })
    }
}
