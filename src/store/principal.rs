//! The rows that a principal depends on: whatever is added to it must hold them.

use crate::domain::principal::Principal;

use super::part::Guarded;
use super::{role, user};

/// Refuses with `NotFound` when the user or role that the principal depends on is gone, and keeps
/// it from going meanwhile.
///
/// A root depends on nothing but its account, which is never deleted.
pub(super) fn hold(principal: &Principal) -> Option<Guarded> {
    match principal {
        Principal::Root(_) | Principal::FederatedSession(_, None, _) => None,
        Principal::User(account, id) | Principal::FederatedSession(account, Some(id), _) => {
            Some(user::hold(*account, *id))
        }
        Principal::RoleSession(account, id, _) => Some(role::hold(*account, *id)),
    }
}
