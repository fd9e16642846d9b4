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

view! {
    /// A group that was just made.
    pub struct NewGroup {
        /// Its name.
        name: String,
    }
}

view! {
    /// A user, and whether it is in a group now.
    pub struct Member {
        /// The group's name.
        name: String,
        /// The user's name.
        user: String,
        /// Whether it is in the group.
        member: bool,
    }
}
