//! The view of operators.

use crate::domain::clock::Timestamp;
use crate::domain::operator::Operator as Stored;

view! {
    /// An operator, without its token.
    pub struct Operator by name {
        /// Its own id.
        operator_id: String,
        /// Its name.
        name: String,
        /// Its role.
        role: &'static str,
        /// The one account of an account-admin.
        account: Option<String>,
        /// Whether its token is taken.
        state: &'static str,
        /// Until when the token before the last rotation is taken, too, as in RFC 3339.
        older_token_ends_at: Option<String>,
        /// The time at which it was made, as in RFC 3339.
        created_at: String,
    }
}

impl From<Stored> for Operator {
    fn from(operator: Stored) -> Self {
        Self {
            operator_id: operator.id.to_string(),
            name: operator.name,
            role: operator.role.name(),
            account: operator.role.account().map(|account| account.to_string()),
            state: operator.state.name(),
            older_token_ends_at: operator
                .older_token
                .map(|older| older.ends_at)
                .map(Timestamp::rfc3339),
            created_at: operator.created_at.rfc3339(),
        }
    }
}
