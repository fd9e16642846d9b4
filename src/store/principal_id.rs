//! The register of numeric ids: no two accounts, users or roles share one, and none is used again.

use crate::domain::Error;

use super::part::{Guarded, Rows};
use super::row::statements;

statements! { "principal_id";
    INSERT = "INSERT INTO principal_id (id) VALUES ($1)";
}

/// Takes a number for ever; `taken` is the error when any principal has or had it.
pub(super) fn register(number: i64, taken: impl Fn() -> Error + Send + Sync + 'static) -> Guarded {
    Guarded::new(INSERT, vec![number.into()], Rows::Exactly(1), taken)
}
