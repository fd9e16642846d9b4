//! The view of operators.

use crate::domain::clock::Timestamp;
use crate::domain::operator::Operator as Stored;
use crate::domain::secret::Secret;

view! {
    /// An operator, without its token.
    pub struct Operator by name {
        /// Its own id.
        operator_id: String,
        /// Its name.
        name: String,
        /// Its role.
        role: String,
        /// The one account of an account-admin.
        account: Option<String>,
        /// Whether its token is taken.
        state: String,
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
            role: operator.role.name().to_owned(),
            account: operator.role.account().map(|account| account.to_string()),
            state: operator.state.name().to_owned(),
            older_token_ends_at: operator
                .older_token
                .map(|older| older.ends_at)
                .map(Timestamp::rfc3339),
            created_at: operator.created_at.rfc3339(),
        }
    }
}

view! {
    /// An operator that was just given a token, which is shown this once.
    pub struct OperatorToken {
        /// Its own id.
        operator_id: String,
        /// Its name.
        name: String,
        /// Its role.
        role: String,
        /// The one account of an account-admin.
        account: Option<String>,
        /// Its token.
        token: String,
    }
}

impl OperatorToken {
    /// Shows an operator and its new token.
    pub fn of(operator: Stored, token: &Secret) -> Self {
        Self {
            operator_id: operator.id.to_string(),
            name: operator.name,
            role: operator.role.name().to_owned(),
            account: operator.role.account().map(|account| account.to_string()),
            token: token.expose().to_owned(),
        }
    }
}
