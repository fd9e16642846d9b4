//! The view of roles.

use crate::domain::identity::Role as Stored;

view! {
    /// A role, without its trust policy.
    pub struct Role by name {
        /// Its numeric id.
        role_id: String,
        /// Its name.
        name: String,
        /// The longest life of its sessions, in seconds.
        max_session_seconds: u32,
        /// The time at which it was made, as in RFC 3339.
        created_at: String,
    }
}

impl From<Stored> for Role {
    fn from(role: Stored) -> Self {
        Self {
            role_id: role.id.to_string(),
            name: role.name,
            max_session_seconds: role.max_session_seconds,
            created_at: role.created_at.rfc3339(),
        }
    }
}
