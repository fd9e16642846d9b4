//! The policies' part of a decision, in words: those of a caller's own, and those of its session.

use crate::domain::Result;
use crate::policy::{
    self, Decision, Documents, Missed, NamedDocument, Outcome, PolicySet, Request, Side,
};
use crate::service::rights::steps::PlacedStatement;
use crate::service::rights::{Rights, Subject};

/// The decision of policies, side by side: each with its reason, in the words of the log.
pub(in crate::service) struct Sides {
    /// By a caller's own.
    pub(in crate::service) own: (Outcome, String),
    /// The statement that decided so among a caller's own.
    pub(in crate::service) statement: Option<PlacedStatement>,
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
            session: None,
            decided_by: Side::Identity,
        }
    }

    /// Returns the reason of the side that decided.
    fn into_reason(self) -> String {
        match (self.decided_by, self.session) {
            (Side::Session, Some((_, reason))) => reason,
            (Side::Session | Side::Identity, _) => self.own.1,
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
        let weigh = |identity: Option<&PolicySet>,
                     session: Option<&[NamedDocument<'_>]>,
                     request: &Request<'_>| match identity {
            Some(identity) => {
                let explained = policy::explain_session(identity, session, request);
                Sides {
                    own: say(&explained.identity),
                    statement: placed(&explained.identity, identity.into()),
                    session: explained.session.as_ref().map(say),
                    decided_by: explained.decided_by,
                }
            }
            None => {
                let session = policy::explain(session.unwrap_or_default(), request);
                Sides {
                    own: root(),
                    statement: None,
                    session: Some(say(&session)),
                    decided_by: Side::Session,
                }
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
        self.weigh(
            subject,
            request,
            Sides::own(everything),
            Sides::own(nothing),
            weigh,
        )
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
