//! The view of repositories.

use crate::domain::repository::Repository as Stored;

view! {
    /// A repository's record.
    pub struct Repository by name {
        /// Its own id.
        id: String,
        /// Its path: namespace and name.
        name: String,
        /// Whether anybody may pull from it.
        visibility: String,
        /// The time at which it was made, as in RFC 3339.
        created_at: String,
    }
}

impl From<Stored> for Repository {
    fn from(repository: Stored) -> Self {
        Self {
            id: repository.id.to_string(),
            name: repository.path(),
            visibility: repository.visibility.name().to_owned(),
            created_at: repository.created_at.rfc3339(),
        }
    }
}
