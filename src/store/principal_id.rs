//! The register of numeric ids: no two accounts, users or roles share one, and none is used again.

use crate::domain::Error;
use crate::domain::principal::Principal;

use super::row::statements;
use super::write::{Guarded, Rows};
use super::{role, user};

statements! { "principal_id";
    INSERT = "INSERT INTO principal_id (id) VALUES ($1)";
}

/// Takes a number for ever; `taken` is the error when any principal has or had it.
pub(super) fn register(number: i64, taken: impl Fn() -> Error + Send + Sync + 'static) -> Guarded {
    Guarded::new(INSERT, vec![number.into()], Rows::Exactly(1), taken)
}

/// Refuses with `NotFound` when the user or role that the principal rests on is gone, and keeps it from going meanwhile.
///
/// A root rests on nothing but its account, which is never deleted.
pub(super) fn hold(principal: &Principal) -> Option<Guarded> {
    match principal {
        Principal::Root(_) | Principal::FederatedSession(_, None, _) => None,
        Principal::User(account, id) | Principal::FederatedSession(account, Some(id), _) => Some(user::hold(*account, *id)),
        Principal::RoleSession(account, id, _) => Some(role::hold(*account, *id)),
    }
}
