//! The views of what became of a thing.

view! {
    /// The state into which a thing was put.
    pub struct State {
        /// Its name.
        name: String,
        /// Its state now.
        state: String,
    }
}

impl State {
    /// Shows a state by its name.
    pub fn of(name: impl Into<String>, state: &str) -> Self {
        Self {
            name: name.into(),
            state: state.to_owned(),
        }
    }

    /// Shows that a thing is gone.
    pub fn deleted(name: impl Into<String>) -> Self {
        Self::of(name, "deleted")
    }
}

view! {
    /// A principal that was deleted.
    pub struct DeletedPrincipal {
        /// Its name.
        name: String,
        /// Its state: deleted.
        state: String,
        /// The service accounts that it made, which go on.
        service_accounts: Vec<String>,
    }
}

impl DeletedPrincipal {
    /// Shows a deleted principal, and the service accounts that it made.
    pub fn of(name: String, service_accounts: Vec<String>) -> Self {
        Self {
            name,
            state: "deleted".to_owned(),
            service_accounts,
        }
    }
}

view! {
    /// A thing whose document was changed.
    pub struct ChangedDocument {
        /// Its name.
        name: String,
        /// Remarks about the document.
        warnings: Vec<String>,
    }
}
