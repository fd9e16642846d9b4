//! The view of users.

use crate::domain::identity::User as Stored;

view! {
    /// A user of an account.
    pub struct User by name {
        /// Its numeric id.
        user_id: String,
        /// Its name.
        name: String,
        /// Whether it may act.
        state: String,
        /// The time at which it was made, as in RFC 3339.
        created_at: String,
    }
}

impl From<Stored> for User {
    fn from(user: Stored) -> Self {
        Self {
            user_id: user.id.to_string(),
            name: user.name,
            state: user.state.name().to_owned(),
            created_at: user.created_at.rfc3339(),
        }
    }
}

view! {
    /// A user that was just made.
    pub struct NewUser {
        /// Its numeric id.
        user_id: String,
        /// Its name.
        name: String,
    }
}

impl From<Stored> for NewUser {
    fn from(user: Stored) -> Self {
        Self {
            user_id: user.id.to_string(),
            name: user.name,
        }
    }
}
