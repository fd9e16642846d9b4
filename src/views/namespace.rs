//! The view of namespaces.

use crate::domain::namespace::Namespace as Stored;

view! {
    /// A namespace's record.
    pub struct Namespace by name {
        /// Its own id.
        id: String,
        /// Its numeric id, which Tencent's API shows.
        number: i64,
        /// Its name.
        name: String,
        /// Whether anybody may pull from it.
        visibility: String,
        /// Whether a push makes a repository that isn't recorded.
        auto_create: bool,
        /// The time at which it was made, as in RFC 3339.
        created_at: String,
    }
}

impl From<Stored> for Namespace {
    fn from(namespace: Stored) -> Self {
        Self {
            id: namespace.id.to_string(),
            number: namespace.number,
            name: namespace.name,
            visibility: namespace.visibility.name().to_owned(),
            auto_create: namespace.auto_create_repository.is_on(),
            created_at: namespace.created_at.rfc3339(),
        }
    }
}

view! {
    /// Whether namespaces of an instance that aren't recorded accept pushes.
    pub struct UnrecordedNamespaces {
        /// The instance's id at Tencent's API.
        instance: String,
        /// open or closed.
        unrecorded_namespaces: String,
    }
}
