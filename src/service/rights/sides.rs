//! The policies' part of a decision, in words: those of a caller's own, and those of its session.

use crate::domain::Result;
use crate::domain::error::PolicyKind;
use crate::policy::{
    self, Circumstances, Decision, Documents, Missed, Outcome, Request, Resource, ResourceSide,
};
use crate::service::rights::gathering::Sources;
use crate::service::rights::steps::PlacedStatement;
use crate::service::rights::{Rights, Subject, repository_policies};

/// The decision of policies, side by side: each with its reason, in the words of the log.
pub(in crate::service) struct Sides {
    /// By a caller's own.
    pub(in crate::service) own: (Outcome, String),
    /// The statement that decided so among a caller's own.
    pub(in crate::service) statement: Option<PlacedStatement>,
    /// By the policy of the repository, if it decides something.
    pub(in crate::service) resource: Option<(Outcome, String)>,
    /// By these together.
    pub(in crate::service) together: Outcome,
    /// By those of its session, if it has one.
    pub(in crate::service) session: Option<(Outcome, String)>,
    /// The policies that decided.
    pub(in crate::service) decided_by: PolicyKind,
}

impl Sides {
    fn own(own: (Outcome, String)) -> Self {
        Self {
            together: own.0,
            own,
            statement: None,
            resource: None,
            session: None,
            decided_by: PolicyKind::Identity,
        }
    }

    /// Returns the reason of the side that decided.
    fn into_reason(self) -> String {
        match (self.decided_by, self.session, self.resource) {
            (PolicyKind::Session, Some((_, reason)), _) => reason,
            (PolicyKind::Resource, _, Some((_, reason))) => reason,
            _ => self.own.1,
        }
    }
}

impl Rights {
    /// Says why a caller may or may not do something, in the words of the log and of `transire
    /// policy explain`.
    pub(in crate::service) async fn why(
        &self,
        subject: Subject<'_>,
        request: &Request<'_>,
    ) -> Result<String> {
        Ok(self.sides(subject, request).await?.into_reason())
    }

    /// Says how the policies of a caller's own decide, and how its session's do.
    pub(in crate::service) async fn sides(
        &self,
        subject: Subject<'_>,
        request: &Request<'_>,
    ) -> Result<Sides> {
        let root = || {
            let why = "the account's root may do everything on what the account owns";
            (Outcome::Allowed, why.to_owned())
        };
        let say = |explanation: &policy::Explanation<'_>| {
            (explanation.decision.outcome, reason(explanation))
        };
        let weigh = |sources: Sources<'_>, request: &Request<'_>| {
            let identity = sources.identity;
            let explained = identity.map(|identity| policy::explain(identity, request));
            let first = explained.map_or_else(Decision::of_root, |one| one.decision);
            let (together, by) = policy::weigh(first, sources.resource, None);
            let session = sources.session;
            let session = session.map(|session| policy::explain(session, request));
            let narrowing = session.as_ref().map(|session| session.decision);
            let decided_by = policy::weigh(first, sources.resource, narrowing).1;
            Sides {
                own: explained.as_ref().map_or_else(root, say),
                statement: explained
                    .zip(identity)
                    .and_then(|(explained, identity)| placed(&explained, identity.into())),
                resource: match sources.resource {
                    ResourceSide::Needed(decision) => {
                        let why = repository_policies::why(&decision);
                        let why = why.unwrap_or_else(|| unshared(&request.resource));
                        Some((decision.outcome, why))
                    }
                    ResourceSide::Beside(_) if by == PolicyKind::Resource => {
                        repository_policies::why(&together).map(|why| (together.outcome, why))
                    }
                    ResourceSide::Beside(_) | ResourceSide::Unasked => None,
                },
                together: together.outcome,
                decided_by: match (identity, narrowing) {
                    // That a root may do everything says nothing of its session.
                    (None, Some(_)) if decided_by == PolicyKind::Identity => PolicyKind::Session,
                    _ => decided_by,
                },
                session: session.as_ref().map(say),
            }
        };
        let everything = match subject {
            Subject::Administrator(_) => (
                Outcome::Allowed,
                "the operator may do everything".to_owned(),
            ),
            _ => root(),
        };
        let nothing = (Outcome::DeniedImplicitly, "it has no policies".to_owned());
        let without = (Sides::own(everything), Sides::own(nothing));
        self.weigh(Circumstances::Present, subject, request, without, weigh)
            .await
    }
}

/// Returns the statement that decided, or else the one that came closest.
fn placed(
    explanation: &policy::Explanation<'_>,
    documents: Documents<'_>,
) -> Option<PlacedStatement> {
    let decided = explanation.decision.statement;
    let statement = decided.or(explanation.closest.map(|(closest, _)| closest))?;
    let owner = documents.iter().find(|one| one.name == statement.document);
    Some(PlacedStatement {
        account: owner?.owner,
        policy: statement.document.to_owned(),
        index: statement.index,
    })
}

/// Says that another account doesn't share something.
fn unshared(resource: &Resource<'_>) -> String {
    let of_another = "the instance belongs to another account";
    match resource {
        Resource::Repository { .. } => {
            format!("{of_another}, and no policy of the repository allows it")
        }
        _ => of_another.to_owned(),
    }
}

fn reason(explanation: &policy::Explanation<'_>) -> String {
    let Decision { outcome, statement } = &explanation.decision;
    match (outcome, statement, &explanation.closest) {
        (Outcome::Allowed, Some(statement), _) => format!("allowed by {statement}"),
        (Outcome::DeniedExplicitly, Some(statement), _) => format!("denied by {statement}"),
        (_, _, Some((statement, missed))) => {
            let why = match missed {
                Missed::Action => "it is about other actions".to_owned(),
                Missed::Part(action) => format!("{action} is needed, too"),
                Missed::Resource => "it is about other resources".to_owned(),
                Missed::Variable(name) => {
                    format!("its policy variable {name} has no value that fits there")
                }
                Missed::Condition(place) => format!("its condition {place} does not hold"),
            };
            format!("no statement allows it; closest came {statement}, but {why}")
        }
        _ => "no statement allows it: no policy that is attached says anything of it".to_owned(),
    }
}
