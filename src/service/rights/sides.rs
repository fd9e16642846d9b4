//! The policies' part of a decision, in words: those of a caller's own, and those of its session.

use crate::domain::Result;
use crate::policy::{self, Circumstances, Decision, Documents, Missed, Outcome, Request, Side};
use crate::service::rights::steps::PlacedStatement;
use crate::service::rights::{Rights, Sources, Subject, repository_policies};

/// The decision of policies, side by side: each with its reason, in the words of the log.
pub(in crate::service) struct Sides {
    /// By a caller's own.
    pub(in crate::service) own: (Outcome, String),
    /// The statement that decided so among a caller's own.
    pub(in crate::service) statement: Option<PlacedStatement>,
    /// By the policy of the repository, if it decides something.
    pub(in crate::service) repository: Option<(Outcome, String)>,
    /// By those of its session, if it has one.
    pub(in crate::service) session: Option<(Outcome, String)>,
    /// The side that decided.
    pub(in crate::service) decided_by: Side,
}

impl Sides {
    fn own(own: (Outcome, String)) -> Self {
        Self {
            own,
            statement: None,
            repository: None,
            session: None,
            decided_by: Side::Identity,
        }
    }

    /// Returns the reason of the side that decided.
    fn into_reason(self) -> String {
        match (self.decided_by, self.session, self.repository) {
            (Side::Session, Some((_, reason)), _) => reason,
            (_, _, Some((_, reason))) => reason,
            (Side::Session | Side::Identity, _, None) => self.own.1,
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
            let together = sources.repository.map_or(first, |one| first.beside(one));
            let session = sources.session;
            let session = session.map(|session| policy::explain(session, request));
            let session = session.as_ref().map(say);
            let narrowed = session.as_ref().map(|(outcome, _)| *outcome);
            Sides {
                own: explained.as_ref().map_or_else(root, say),
                statement: explained
                    .zip(identity)
                    .and_then(|(explained, identity)| placed(&explained, identity.into())),
                repository: repository_policies::why(&together)
                    .filter(|_| together != first)
                    .map(|why| (together.outcome, why)),
                session,
                decided_by: match (identity, narrowed) {
                    (None, Some(_)) if together == first => Side::Session,
                    (_, narrowed) => Side::deciding(together.outcome, narrowed),
                },
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
