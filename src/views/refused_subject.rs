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
