//! Product `tcr`, version 2019-09-24: one file for each sort of thing that its actions are about.

mod endpoints;
mod images;
mod instances;
mod namespaces;
mod replication;
mod repositories;
mod security_policies;
mod service_accounts;
mod tag_rules;
mod tokens;
mod webhooks;

use super::super::operation::areas;
use super::Proved;

areas! {
    Token: tokens,
    Namespace: namespaces,
    Repository: repositories,
    Instance: instances,
    SecurityPolicy: security_policies,
    ServiceAccount: service_accounts,
    Image: images,
    Endpoint: endpoints,
    Replication: replication,
    TagRule: tag_rules,
    Webhook: webhooks,
}

impl Operation {}
