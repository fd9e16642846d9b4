//! The views of explanations: decisions, and the steps that lead to them.

use crate::service::{Explained as Decided, Step as Checked};

view! {
    /// A decision, and why.
    pub struct Explained {
        /// `allowed` or `denied`.
        decision: String,
        /// The step that decided.
        decided_by: String,
        /// The reason of that step.
        reason: String,
        /// The steps in the order in which the service decides.
        steps: Vec<Step>,
    }
}

view! {
    /// One step of a decision.
    pub struct Step {
        /// The part that was checked.
        step: String,
        /// `passes` or `stops`.
        result: String,
        /// Why.
        reason: String,
    }
}

impl Step {
    /// Writes the step in one line.
    pub fn line(&self) -> String {
        format!("{}: {}: {}", self.step, self.result, self.reason)
    }
}

impl From<Decided> for Explained {
    fn from(decided: Decided) -> Self {
        let (decided_by, reason) = decided
            .deciding()
            .map(|step| (step.about.to_owned(), step.reason.clone()))
            .unwrap_or_default();
        Self {
            decision: decision(decided.allowed).to_owned(),
            decided_by,
            reason,
            steps: decided.steps.into_iter().map(Step::from).collect(),
        }
    }
}

impl From<Checked> for Step {
    fn from(step: Checked) -> Self {
        let result = if step.passes { "passes" } else { "stops" };
        Self {
            step: step.about.to_owned(),
            result: result.to_owned(),
            reason: step.reason,
        }
    }
}

/// Returns the word for a decision.
pub(super) fn decision(allowed: bool) -> &'static str {
    if allowed { "allowed" } else { "denied" }
}
