//! The view of the checks of `transire doctor`.

use crate::service;

view! {
    /// A thing that was checked.
    pub struct Check {
        /// Its name.
        check: &'static str,
        /// The outcome: ok, warning or fault.
        state: &'static str,
        /// The finding.
        finding: String,
        /// The next step, if there is one.
        advice: Option<String>,
    }
}

impl From<service::Check> for Check {
    fn from(check: service::Check) -> Self {
        Self {
            check: check.name,
            state: check.state.name(),
            finding: check.finding,
            advice: check.advice,
        }
    }
}
