//! The view of groups.

use crate::domain::identity::Group as Stored;

view! {
    /// A group of users.
    pub struct Group {
        /// Its name.
        name: String,
        /// The names of its users.
        members: Vec<String>,
        /// The time at which it was made, as in RFC 3339.
        created_at: String,
    }
}

impl From<(Stored, Vec<String>)> for Group {
    fn from((group, members): (Stored, Vec<String>)) -> Self {
        Self {
            name: group.name,
            members,
            created_at: group.created_at.rfc3339(),
        }
    }
}
