//! The view of access keys.

use crate::domain::clock::Timestamp;
use crate::service::AccessKey as Stored;

view! {
    /// An access key, without its secret.
    pub struct AccessKey {
        /// Its id, which requests name.
        access_key_id: String,
        /// The account whose calls it signs.
        account_id: String,
        /// Whose calls it signs.
        principal: String,
        /// Whether it may sign.
        state: String,
        /// The time at which it was made, as in RFC 3339.
        created_at: String,
        /// The hour in which it was last used, as in RFC 3339; `null` before the first use.
        last_used_at: Option<String>,
    }
}

impl From<Stored> for AccessKey {
    fn from(key: Stored) -> Self {
        Self {
            account_id: key.principal.account().to_string(),
            principal: key.principal.to_string(),
            state: key.state.name().to_owned(),
            created_at: key.created_at.rfc3339(),
            last_used_at: key.last_used_at.map(Timestamp::rfc3339),
            access_key_id: key.id,
        }
    }
}

view! {
    /// An access key that was just made.
    pub struct NewAccessKey {
        /// Its id, which requests name.
        access_key_id: String,
        /// Its secret, which is shown this once.
        access_key_secret: String,
    }
}

view! {
    /// The state into which an access key was put.
    pub struct ChangedAccessKey {
        /// Its id.
        access_key_id: String,
        /// Its state now.
        state: String,
    }
}
