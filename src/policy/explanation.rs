//! Decisions with their reasons: what decided, and else what came closest.

use super::resource::{Asked, Facts};
use super::set::{Documents, NamedDocument};
use super::vocabulary::Permission;
use super::words::Effect;
use super::{
    Decision, Outcome, Request, ResourceSide, StatementRef, Targets, decide, refer, weigh,
};
use crate::domain::error::PolicyKind;

/// Why a statement that allows didn't apply. In this order it came closer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Missed<'a> {
    /// It is about other actions.
    Action,
    /// It allows some of what is needed, and not this action.
    Part(&'static str),
    /// It is about other resources.
    Resource,
    /// This policy variable of its resources has no value, or none that fits its place.
    Variable(&'a str),
    /// Its condition doesn't hold; the first part that doesn't, as `OPERATOR.KEY`.
    Condition(&'a str),
}

/// A decision, and what came closest when nothing decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explanation<'a> {
    /// The decision.
    pub decision: Decision<'a>,
    /// For an implicit denial: the allowing statement that came closest, and why it didn't apply.
    pub closest: Option<(StatementRef<'a>, Missed<'a>)>,
}

/// The decision of a session, side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionExplanation<'a> {
    /// By the policies of its role, or of the user that it acts for.
    pub identity: Explanation<'a>,
    /// By its own policies; none when it has none.
    pub session: Option<Explanation<'a>>,
    /// The policies that decided.
    pub decided_by: PolicyKind,
}

impl<'a> SessionExplanation<'a> {
    /// Returns the explanation of the side that decided.
    pub fn deciding(&self) -> &Explanation<'a> {
        match (self.decided_by, &self.session) {
            (PolicyKind::Session, Some(session)) => session,
            _ => &self.identity,
        }
    }
}

/// Decides as [`decide`] does and, when nothing decided, looks for what came closest.
pub fn explain<'a>(documents: impl Into<Documents<'a>>, request: &Request<'_>) -> Explanation<'a> {
    let documents = documents.into();
    let decision = decide(documents, request);
    if decision.outcome != Outcome::DeniedImplicitly {
        return Explanation {
            decision,
            closest: None,
        };
    }
    let mut targets = Targets::default();
    let mut closest: Option<(StatementRef<'a>, Missed<'a>)> = None;
    for named in documents.iter() {
        let language = named.document.language();
        let target = targets.of(language, request);
        let parts = request.permission.parts(language);
        for (index, statement) in named.document.statements().iter().enumerate() {
            if statement.effect == Effect::Deny {
                continue;
            }
            let asked = Asked {
                target,
                owner: named.owner,
                facts: Facts::Present(&request.context),
            };
            let missed = if let Err(unfilled) = statement.match_resource(&asked) {
                unfilled.map_or(Missed::Resource, Missed::Variable)
            } else if let Some(place) = statement
                .condition
                .first_unmet(&request.context, statement.effect)
            {
                Missed::Condition(place)
            } else {
                let lacking = |part: &&Permission| !statement.permissions.has(**part);
                let lacking = parts.iter().find(lacking);
                Missed::Part(lacking.map_or("", |part| part.name(language)))
            };
            let missed = if statement.speaks_of(parts) {
                missed
            } else {
                Missed::Action
            };
            let rank = |missed: &Missed<'_>| match missed {
                Missed::Action => 0,
                Missed::Resource => 1,
                Missed::Variable(_) => 2,
                Missed::Condition(_) => 3,
                Missed::Part(_) => 4,
            };
            if closest
                .as_ref()
                .is_none_or(|(_, known)| rank(known) < rank(&missed))
            {
                closest = Some((refer(&named, index, statement), missed));
            }
        }
    }
    Explanation { decision, closest }
}

/// Explains each side of a decision that [`decide_session`] makes, and says which decided.
pub fn explain_session<'a>(
    identity: impl Into<Documents<'a>>,
    session: Option<&'a [NamedDocument<'a>]>,
    request: &Request<'_>,
) -> SessionExplanation<'a> {
    let identity = explain(identity, request);
    let session = session.map(|session| explain(session, request));
    let narrowing = session.as_ref().map(|session| session.decision);
    SessionExplanation {
        decided_by: weigh(identity.decision, ResourceSide::Unasked, narrowing).1,
        identity,
        session,
    }
}
