//! The claims of a log-in that was refused, for log and audit.

use crate::domain::credential::{self, CredentialId, SecretKind};
use crate::domain::refusal::ClaimedName;
use crate::domain::scope::Scope;
use crate::domain::secret::Secret;
use crate::service::access::Access;
use crate::service::access::presented::LogIn;
use crate::service::ledger::refusals::Claim;

impl Access {
    /// Returns what a log-in that was refused claims; nothing of it need be true.
    pub fn claim(&self, service: &str, log_in: &LogIn, scopes: &[Scope]) -> Claim {
        let name = match log_in {
            LogIn::Password {
                username, secret, ..
            } => Some(ClaimedName::of(username, Some(secret))),
            LogIn::Anonymous | LogIn::Refresh { .. } => None,
        };
        Claim::of_log_in(name, self.claimed_credential(log_in), service, scopes)
    }

    /// Returns the credential that a log-in claims to be of; nothing about it need be true any
    /// more.
    fn claimed_credential(&self, log_in: &LogIn) -> Option<CredentialId> {
        let sealed = |kind, secret: &Secret| {
            self.memory
                .keys
                .keyring
                .load()
                .open(kind, secret.expose())
                .map(|grant| grant.id)
        };
        match log_in {
            LogIn::Anonymous => None,
            LogIn::Password { secret, .. } => credential::long_term_id(secret.expose())
                .or_else(|| sealed(SecretKind::Temporary, secret)),
            LogIn::Refresh { token } => sealed(SecretKind::Refresh, token),
        }
    }
}
