//! The view of repositories.

use crate::domain::repository::Repository as Stored;
use crate::service::Imported;

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

view! {
    /// A repository that an import recorded.
    pub struct ImportedRepository by name {
        /// Its own id.
        id: String,
        /// Its path: namespace and name.
        name: String,
    }
}

view! {
    /// The outcome of an import of repositories.
    pub struct ImportedRepositories {
        /// The repositories that it recorded.
        repositories: Vec<ImportedRepository>,
        /// The namespaces that it recorded for them.
        namespaces: Vec<String>,
        /// The paths of the registry that are not recorded: without a namespace, or with a name
        /// that can't be shown.
        left_out: Vec<String>,
        /// Whether all that the registry has was read, and everything new recorded.
        complete: bool,
    }
}

impl From<Imported> for ImportedRepositories {
    fn from(imported: Imported) -> Self {
        let repository = |one: Stored| ImportedRepository {
            id: one.id.to_string(),
            name: one.path(),
        };
        Self {
            repositories: imported.repositories.into_iter().map(repository).collect(),
            namespaces: imported.namespaces,
            left_out: imported.left_out,
            complete: imported.complete,
        }
    }
}
