//! The integration tests: one binary, one file for each front door or rule.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

mod alibaba;
mod allow_lists;
mod audit;
mod authority;
mod captured;
mod commands;
mod cors;
mod docs;
mod durable_changes;
mod empty_lists;
mod errors;
mod explain;
mod foreign_ids;
mod guarantees;
mod harness;
mod hints;
mod images;
mod instances;
mod issuer;
mod key_schedule;
mod keyless;
mod keys;
mod layers;
mod log_in_matrix;
mod master_key;
mod metrics;
mod namespaces;
mod neighbours;
mod oidc;
mod outage;
mod passwords;
mod policies;
mod refusals;
mod registry;
mod replicas;
mod rights;
mod scope_forms;
mod serve;
mod service_accounts;
mod session_policies;
mod sts;
mod tencent;
mod tls;
mod tokens;
