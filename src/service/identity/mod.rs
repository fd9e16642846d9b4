//! Accounts and who is in them: users, groups, roles, access keys, policies, OpenID Connect providers.

pub(super) mod accounts;
pub(super) mod policies;
pub(super) mod users;
