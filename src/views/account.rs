//! The view of accounts.

use crate::service::{Account as Stored, ServiceAccountGrant};

view! {
    /// An account.
    pub struct Account {
        /// Its numeric id.
        account_id: String,
        /// Its name.
        name: String,
        /// The time at which it was made, as in RFC 3339.
        created_at: String,
        /// The rights that its users may give service accounts.
        service_account_grant: String,
    }
}

impl From<Stored> for Account {
    fn from(account: Stored) -> Self {
        Self {
            account_id: account.id.to_string(),
            name: account.name,
            created_at: account.created_at.rfc3339(),
            service_account_grant: grant_name(account.service_account_grant).to_owned(),
        }
    }
}

/// Returns the name of an account's own grant, or `default` for that of the settings.
pub fn grant_name(grant: Option<ServiceAccountGrant>) -> &'static str {
    grant.map_or("default", ServiceAccountGrant::name)
}

view! {
    /// An account that was just made.
    pub struct NewAccount {
        /// Its numeric id.
        account_id: String,
        /// Its name.
        name: String,
    }
}

impl From<Stored> for NewAccount {
    fn from(account: Stored) -> Self {
        Self {
            account_id: account.id.to_string(),
            name: account.name,
        }
    }
}

view! {
    /// An account whose rights were changed.
    pub struct ChangedAccount {
        /// Its numeric id.
        account_id: String,
        /// The rights that its users may give service accounts.
        service_account_grant: String,
    }
}
