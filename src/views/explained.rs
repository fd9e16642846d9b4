//! The views of explanations: decisions, and the steps that lead to them.

use serde_json::Value;

use crate::service::{
    Effect, Explained as Decided, HeldRight as Held, Permission, RightHolder as Holder,
    Step as Checked,
};

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

view! {
    /// A principal who may do something.
    pub struct RightHolder {
        /// The principal as commands take it, or `anyone`.
        principal: String,
        /// `always`, `now` or `conditionally`.
        when: String,
        /// The step that grants it.
        decided_by: String,
        /// Why.
        reason: String,
    }
}

view! {
    /// A statement that gives a principal rights, or takes them.
    pub struct HeldRight {
        /// The policy, or where else the right is from.
        policy: String,
        /// The statement's place in it, and its label.
        statement: Option<String>,
        /// `allow` or `deny`.
        effect: String,
        /// The permissions; `*` for all.
        actions: Vec<String>,
        /// The resources, as the document writes them.
        resources: Vec<String>,
        /// The condition, as the document writes it; or null.
        condition: Option<Value>,
        /// The statements that deny some of it.
        cut_by: Vec<String>,
    }
}

impl From<Holder> for RightHolder {
    fn from(holder: Holder) -> Self {
        Self {
            principal: holder.principal,
            when: holder.when.name().to_owned(),
            decided_by: holder.decided_by.to_owned(),
            reason: holder.reason,
        }
    }
}

impl From<Held> for HeldRight {
    fn from(held: Held) -> Self {
        let actions = if held.permissions.len() == Permission::all().count() {
            vec!["*".to_owned()]
        } else {
            held.permissions.iter().map(ToString::to_string).collect()
        };
        let effect = match held.effect {
            Effect::Allow => "allow",
            Effect::Deny => "deny",
        };
        Self {
            policy: held.policy,
            statement: held.statement,
            effect: effect.to_owned(),
            actions,
            resources: held.resources,
            condition: held.condition,
            cut_by: held.cut_by,
        }
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
