//! The view of service accounts.

use crate::domain::clock::Timestamp;
use crate::domain::principal::Principal;
use crate::domain::service_account::ServiceAccount as Stored;

view! {
    /// A service account, without its password and permissions.
    pub struct ServiceAccount by name {
        /// The instance that it logs in to.
        instance_id: String,
        /// The username that it logs in with.
        name: String,
        /// Whether it may log in.
        state: String,
        /// The level at which it was disabled.
        disabled_by: Option<String>,
        /// The principal that made it.
        made_by: Option<String>,
        /// The time at which it was made, as in RFC 3339.
        created_at: String,
        /// The time at which it ends, as in RFC 3339.
        expires_at: String,
        /// Until when the password before the last rotation is taken, too, as in RFC 3339.
        older_secret_ends_at: Option<String>,
        /// The hour in which it was last used, as in RFC 3339; `null` before the first use.
        last_used_at: Option<String>,
    }
}

impl From<Stored> for ServiceAccount {
    fn from(account: Stored) -> Self {
        Self {
            instance_id: account.instance.to_string(),
            name: account.username(),
            state: account.state.name().to_owned(),
            disabled_by: account.disabled_by.map(|level| level.name().to_owned()),
            made_by: account.maker.as_ref().map(Principal::to_string),
            created_at: account.created_at.rfc3339(),
            expires_at: account.expires_at.rfc3339(),
            older_secret_ends_at: account
                .older
                .map(|older| older.ends_at)
                .map(Timestamp::rfc3339),
            last_used_at: account.last_used_at.map(Timestamp::rfc3339),
        }
    }
}
