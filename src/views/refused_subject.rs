//! The view of refused subjects.

use crate::domain::identity::RefusedSubject as Stored;

view! {
    /// A subject of an OpenID Connect issuer that is refused.
    pub struct RefusedSubject by subject {
        /// The issuer.
        issuer: String,
        /// The subject of its tokens.
        subject: String,
        /// The time at which it was refused, as in RFC 3339.
        refused_at: String,
    }
}

impl From<Stored> for RefusedSubject {
    fn from(refused: Stored) -> Self {
        Self {
            issuer: refused.issuer,
            subject: refused.subject,
            refused_at: refused.refused_at.rfc3339(),
        }
    }
}

view! {
    /// The state into which a subject was put.
    pub struct SubjectState by subject {
        /// The account.
        account: String,
        /// The issuer.
        issuer: String,
        /// The subject of its tokens.
        subject: String,
        /// Its state now: refused or accepted.
        state: String,
    }
}

impl SubjectState {
    /// Shows a subject in a state.
    pub fn of(subject: Stored, state: &str) -> Self {
        Self {
            account: subject.account.to_string(),
            issuer: subject.issuer,
            subject: subject.subject,
            state: state.to_owned(),
        }
    }
}
