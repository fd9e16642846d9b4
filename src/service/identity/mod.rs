//! Accounts and who is in them: users, groups, roles, access keys, policies, OpenID Connect
//! providers. And operators, who administer them.

use std::sync::Arc;

use crate::service::access::Access;
use crate::service::base::Base;
use crate::service::ledger::Ledger;
use crate::service::memory::Memory;
use crate::service::rights::Rights;

pub(super) mod accounts;
pub(super) mod documents;
pub(super) mod explained_tokens;
pub(super) mod groups;
pub(super) mod imports;
pub(super) mod oidc_presets;
pub(super) mod oidc_providers;
pub(super) mod operators;
pub(super) mod policies;
pub(super) mod refused_subjects;
pub(super) mod revocations;
pub(super) mod roles;
pub(super) mod users;

/// Accounts, and the principals, keys and policies in them.
pub struct Identity {
    pub(super) base: Arc<Base>,
    pub(super) memory: Arc<Memory>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) rights: Arc<Rights>,
    pub(super) access: Arc<Access>,
}
