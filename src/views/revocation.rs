//! The view of what was revoked.

use crate::domain::any_principal::AnyPrincipal;
use crate::domain::credential::CredentialId;
use crate::service::Revoked as Done;

view! {
    /// A principal whose credentials were revoked, or one credential of it.
    pub struct Revoked {
        /// The principal.
        principal: String,
        /// The one credential that stopped; null where all of them did.
        credential_id: Option<String>,
        /// Its state: revoked.
        state: String,
        /// The service accounts that came from it, and are disabled now.
        disabled_service_accounts: Vec<String>,
    }
}

impl Revoked {
    /// Shows that one credential stopped.
    pub fn credential(principal: &AnyPrincipal, id: &CredentialId) -> Self {
        Self {
            principal: principal.to_string(),
            credential_id: Some(id.to_string()),
            state: REVOKED.to_owned(),
            disabled_service_accounts: Vec::new(),
        }
    }
}

const REVOKED: &str = "revoked";

impl From<Done> for Revoked {
    fn from(done: Done) -> Self {
        Self {
            principal: done.principal.to_string(),
            credential_id: None,
            state: REVOKED.to_owned(),
            disabled_service_accounts: done.service_accounts,
        }
    }
}
