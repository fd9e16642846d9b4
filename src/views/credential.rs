//! The view of long-term credentials.

use crate::domain::clock::Timestamp;
use crate::domain::credential::{CredentialId, LongTermCredential};

view! {
    /// A long-term credential, without its secret.
    pub struct Credential {
        /// Its own id.
        id: String,
        /// The username that it logs in with.
        username: String,
        /// The principal that it acts for.
        principal: String,
        /// Whether it may be used.
        state: String,
        /// The owner's description of it.
        description: String,
        /// The time at which it was made, as in RFC 3339.
        created_at: String,
        /// The time at which it ends, as in RFC 3339.
        expires_at: String,
        /// Until when the secret before the last rotation is taken, too, as in RFC 3339.
        older_secret_ends_at: Option<String>,
        /// The hour in which it was last used, as in RFC 3339; `null` before the first use.
        last_used_at: Option<String>,
    }
}

impl From<LongTermCredential> for Credential {
    fn from(credential: LongTermCredential) -> Self {
        Self {
            id: credential.id.to_string(),
            username: credential.username.of(&credential.principal),
            principal: credential.principal.to_string(),
            state: credential.state.name().to_owned(),
            description: credential.description,
            created_at: credential.created_at.rfc3339(),
            expires_at: credential.expires_at.rfc3339(),
            older_secret_ends_at: credential
                .older
                .map(|older| older.ends_at)
                .map(Timestamp::rfc3339),
            last_used_at: credential.last_used_at.map(Timestamp::rfc3339),
        }
    }
}

view! {
    /// The state into which a credential was put.
    pub struct CredentialState {
        /// Its own id.
        id: String,
        /// Its state now.
        state: String,
    }
}

impl CredentialState {
    /// Shows a state by its name.
    pub fn of(id: &CredentialId, state: &str) -> Self {
        Self {
            id: id.to_string(),
            state: state.to_owned(),
        }
    }
}
