//! The views of explanations: decisions, and the steps that lead to them.

use serde_json::Value;

use crate::service::{
    Effect, Explained as Decided, ExplainedPart, ExplainedRequest as Request, HeldRight as Held,
    Permission, PlacedStatement as Placed, RightHolder as Holder, Step as Checked,
};
use crate::views::AuditEvent;

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
        /// The statement that decided it, or came closest; null where no policy did.
        statement: Option<PlacedStatement>,
    }
}

view! {
    /// A statement of a policy.
    pub struct PlacedStatement {
        /// The account that has the policy.
        account: String,
        /// The policy's name.
        policy: String,
        /// The statement's place in it, from 0.
        index: usize,
    }
}

view! {
    /// A request out of the audit, and what would be decided about it now.
    pub struct ExplainedRequest {
        /// The id that the client was told.
        request_id: String,
        /// The time at which it came, as in RFC 3339.
        at: String,
        /// The action that was asked for.
        action: String,
        /// Its end, as it was recorded.
        outcome: String,
        /// The recorded cause of a refusal, or null.
        cause: Value,
        /// The recorded reason.
        recorded: Option<String>,
        /// The proved caller.
        principal: Option<String>,
        /// The caller that it claimed to be; or null.
        claimed: Value,
        /// The client's address.
        address: Option<String>,
        /// The registry's service that it concerned.
        service: Option<String>,
        /// The credential that it concerned.
        credential_id: Option<String>,
        /// The decisions about each part of it, as they would be made now.
        decisions: Vec<Decision>,
        /// The parts that can't be asked again, and facts that aren't known.
        notes: Vec<String>,
    }
}

view! {
    /// A decision about a part of a request.
    pub struct Decision {
        /// The permission, or `log-in`.
        action: String,
        /// The instance, or a repository in it.
        resource: String,
        /// Whether it was granted then.
        was_granted: bool,
        /// `allowed` or `denied`: what would be decided now.
        decision: String,
        /// The step that decides now.
        decided_by: String,
        /// The reason of that step.
        reason: String,
        /// The steps in the order in which the service decides.
        steps: Vec<Step>,
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

view! {
    /// A page of the principals who may do something.
    pub struct RightHolders {
        /// The principals.
        items: Vec<RightHolder>,
        /// Remarks that hold for all of them.
        notes: Vec<String>,
        /// The cursor of the next page, for `after`; null on the last page.
        next: Option<String>,
    }
}

view! {
    /// The statements that give a principal rights, or take them.
    pub struct HeldRights {
        /// The statements.
        items: Vec<HeldRight>,
        /// The reason why none of them holds now.
        fault: Option<String>,
    }
}

impl Explained {
    /// Tells whether it is allowed.
    pub fn is_allowed(&self) -> bool {
        self.decision == decision(true)
    }
}

impl ExplainedRequest {
    /// Tells whether all of it would be allowed now, or was then where nothing can be asked again.
    pub fn is_allowed(&self) -> bool {
        if self.decisions.is_empty() {
            return self.outcome == "ok";
        }
        self.decisions
            .iter()
            .all(|part| part.decision == decision(true))
    }
}

impl Decision {
    /// Writes the decision in one line.
    pub fn line(&self) -> String {
        let then = if self.was_granted {
            "granted"
        } else {
            "refused"
        };
        format!(
            "{} {}: {then} then, {} now by {}: {}",
            self.action, self.resource, self.decision, self.decided_by, self.reason
        )
    }
}

impl From<ExplainedPart> for Decision {
    fn from(part: ExplainedPart) -> Self {
        let now = Explained::from(part.now);
        Self {
            action: part
                .permission
                .map_or("log-in", Permission::word)
                .to_owned(),
            resource: part.resource,
            was_granted: part.was_granted,
            decision: now.decision,
            decided_by: now.decided_by,
            reason: now.reason,
            steps: now.steps,
        }
    }
}

impl From<Request> for ExplainedRequest {
    fn from(request: Request) -> Self {
        let event = AuditEvent::from(request.event);
        Self {
            request_id: event.request_id,
            at: event.at,
            action: event.action,
            outcome: event.outcome,
            cause: event.cause,
            recorded: request.recorded,
            principal: event.principal,
            claimed: event.claimed,
            address: event.address,
            service: event.service,
            credential_id: event.credential_id,
            decisions: request.parts.into_iter().map(Decision::from).collect(),
            notes: request.notes,
        }
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
            statement: step.statement.map(PlacedStatement::from),
        }
    }
}

impl From<Placed> for PlacedStatement {
    fn from(statement: Placed) -> Self {
        Self {
            account: statement.account.to_string(),
            policy: statement.policy,
            index: statement.index,
        }
    }
}

/// Returns the word for a decision.
pub(super) fn decision(allowed: bool) -> &'static str {
    if allowed { "allowed" } else { "denied" }
}
