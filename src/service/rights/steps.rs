//! The steps of an explanation.

use crate::domain::ids::AccountId;

/// A decision, with the steps that led to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// Whether it is allowed.
    pub allowed: bool,
    /// The steps in their order, as far as the service goes.
    pub steps: Vec<Step>,
    /// The place of the step that decided: the one that stops, or else the one that grants.
    pub decided_by: usize,
}

/// One step of a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The part that was checked.
    pub about: &'static str,
    /// Whether it lets the principal do it.
    pub passes: bool,
    /// Why.
    pub reason: String,
    /// The statement of a policy that decided it.
    pub statement: Option<PlacedStatement>,
}

/// A statement of a policy that an account has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacedStatement {
    /// The account.
    pub account: AccountId,
    /// The policy's name.
    pub policy: String,
    /// The statement's place in the policy, from 0.
    pub index: usize,
}

impl Explained {
    /// Returns the step that decided.
    pub fn deciding(&self) -> Option<&Step> {
        self.steps.get(self.decided_by)
    }
}

/// The steps so far.
#[derive(Default)]
pub(in crate::service) struct Steps {
    steps: Vec<Step>,
    granted_by: Option<usize>,
}

impl Steps {
    /// Adds a step that stops nothing.
    pub(in crate::service) fn pass(&mut self, about: &'static str, reason: impl Into<String>) {
        self.add(about, true, reason.into());
    }

    /// Adds the step that grants what no other step stops.
    pub(in crate::service) fn grant(&mut self, about: &'static str, reason: impl Into<String>) {
        self.granted_by = Some(self.steps.len());
        self.add(about, true, reason.into());
    }

    /// Adds a step that stops it, unless a later one grants it.
    pub(in crate::service) fn fail(&mut self, about: &'static str, reason: impl Into<String>) {
        self.add(about, false, reason.into());
    }

    fn add(&mut self, about: &'static str, passes: bool, reason: String) {
        self.steps.push(Step {
            about,
            passes,
            reason,
            statement: None,
        });
    }

    /// Names the statement that decided the last step.
    pub(in crate::service) fn decided_by(&mut self, statement: Option<PlacedStatement>) {
        if let Some(last) = self.steps.last_mut() {
            last.statement = statement;
        }
    }

    /// Tells whether the last step lets the principal do it.
    pub(in crate::service) fn passes(&self) -> bool {
        self.steps.last().is_some_and(|step| step.passes)
    }

    /// Ends with the steps of another explanation.
    pub(in crate::service) fn end_with(mut self, rest: Explained) -> Explained {
        let decided_by = self.steps.len() + rest.decided_by;
        self.steps.extend(rest.steps);
        Explained {
            allowed: rest.allowed,
            steps: self.steps,
            decided_by,
        }
    }

    /// Ends with the last step, which says whether it is allowed.
    pub(in crate::service) fn end(self) -> Explained {
        let (allowed, last) = (self.passes(), self.steps.len().saturating_sub(1));
        Explained {
            allowed,
            decided_by: self.granted_by.filter(|_| allowed).unwrap_or(last),
            steps: self.steps,
        }
    }
}
