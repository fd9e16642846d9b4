//! Product `tcr`, version 2019-09-24: one file for each sort of thing that its actions are about.

pub(super) mod endpoints;
pub(super) mod images;
pub(super) mod instances;
pub(super) mod namespaces;
mod place;
pub(super) mod replication;
pub(super) mod repositories;
pub(super) mod security_policies;
pub(super) mod service_accounts;
pub(super) mod tag_rules;
pub(super) mod tokens;
pub(super) mod webhooks;
