//! The decisions of all policies that are asked, put together.

use super::{Decision, Outcome};
use crate::domain::error::PolicyKind;

/// The part of the resource's own policy in a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResourceSide<'a> {
    /// It isn't asked.
    Unasked,
    /// The caller is of the resource's account: either may allow, and either may deny.
    Beside(Decision<'a>),
    /// The caller is of another account: both must allow.
    Needed(Decision<'a>),
}

/// Returns the decision that counts, and the policies that made it: those of a caller's own, that
/// of the resource, and those that narrow the caller's session, if it has some.
pub fn weigh<'a>(
    identity: Decision<'a>,
    resource: ResourceSide<'a>,
    session: Option<Decision<'a>>,
) -> (Decision<'a>, PolicyKind) {
    let own = (identity, PolicyKind::Identity);
    let together = match resource {
        ResourceSide::Unasked => own,
        ResourceSide::Beside(other) => either(own, (other, PolicyKind::Resource)),
        ResourceSide::Needed(other) => both(own, (other, PolicyKind::Resource)),
    };
    match session {
        None => together,
        Some(session) => both(together, (session, PolicyKind::Session)),
    }
}

type Made<'a> = (Decision<'a>, PolicyKind);

fn either<'a>(first: Made<'a>, second: Made<'a>) -> Made<'a> {
    match (first.0.outcome, second.0.outcome) {
        (Outcome::DeniedExplicitly, _) => first,
        (_, Outcome::DeniedExplicitly) | (Outcome::DeniedImplicitly, Outcome::Allowed) => second,
        (Outcome::Allowed | Outcome::DeniedImplicitly, _) => first,
    }
}

fn both<'a>(first: Made<'a>, second: Made<'a>) -> Made<'a> {
    match (first.0.outcome, second.0.outcome) {
        (Outcome::DeniedExplicitly, _) => first,
        (_, Outcome::DeniedExplicitly) | (Outcome::Allowed, Outcome::DeniedImplicitly) => second,
        (Outcome::DeniedImplicitly, _) | (Outcome::Allowed, Outcome::Allowed) => first,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTCOMES: [Outcome; 3] = [
        Outcome::Allowed,
        Outcome::DeniedExplicitly,
        Outcome::DeniedImplicitly,
    ];

    fn made(outcome: Outcome) -> Decision<'static> {
        Decision {
            outcome,
            statement: None,
        }
    }

    #[test]
    fn a_denial_of_any_wins_and_another_account_needs_two_that_allow() {
        for own in OUTCOMES {
            for resource in OUTCOMES {
                for session in [
                    None,
                    Some(OUTCOMES[0]),
                    Some(OUTCOMES[1]),
                    Some(OUTCOMES[2]),
                ] {
                    let weighed = |side: fn(Decision<'static>) -> ResourceSide<'static>| {
                        weigh(made(own), side(made(resource)), session.map(made))
                            .0
                            .outcome
                    };
                    let (beside, needed) =
                        (weighed(ResourceSide::Beside), weighed(ResourceSide::Needed));
                    let all = [Some(own), Some(resource), session];
                    if all.contains(&Some(Outcome::DeniedExplicitly)) {
                        assert_eq!(beside, Outcome::DeniedExplicitly);
                        assert_eq!(needed, Outcome::DeniedExplicitly);
                        continue;
                    }
                    let session = session.is_none_or(|session| session == Outcome::Allowed);
                    let (own, resource) = (own == Outcome::Allowed, resource == Outcome::Allowed);
                    assert_eq!(beside == Outcome::Allowed, (own || resource) && session);
                    assert_eq!(needed == Outcome::Allowed, own && resource && session);
                }
            }
        }
    }

    #[test]
    fn the_policies_that_decided_are_told() {
        let [allowed, denied, none] = OUTCOMES.map(made);
        for (identity, resource, session, by) in [
            (allowed, ResourceSide::Unasked, None, PolicyKind::Identity),
            (
                none,
                ResourceSide::Unasked,
                Some(none),
                PolicyKind::Identity,
            ),
            (
                allowed,
                ResourceSide::Unasked,
                Some(none),
                PolicyKind::Session,
            ),
            (
                none,
                ResourceSide::Beside(allowed),
                None,
                PolicyKind::Resource,
            ),
            (
                allowed,
                ResourceSide::Beside(denied),
                None,
                PolicyKind::Resource,
            ),
            (none, ResourceSide::Beside(none), None, PolicyKind::Identity),
            (
                allowed,
                ResourceSide::Needed(none),
                None,
                PolicyKind::Resource,
            ),
            (
                none,
                ResourceSide::Needed(allowed),
                None,
                PolicyKind::Identity,
            ),
            (
                denied,
                ResourceSide::Needed(denied),
                None,
                PolicyKind::Identity,
            ),
        ] {
            assert_eq!(weigh(identity, resource, session).1, by);
        }
    }
}
