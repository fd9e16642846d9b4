//! The integration tests: one binary.
//!
//! - `tencent/`, `alibaba/`, `aws/`, `registry/`, `admin/`: one API each, a file a noun of that
//!   API.
//! - `service/`: the use cases, a file a noun, by whichever API a client would use.
//! - `policies/`: decisions by documents, without a server.
//! - Beside them: rules that hold for every API or for the whole program, and checks of the sources
//!   and documents.
//! - `harness/`: all that test files share. A test file imports no other.

#![expect(
    clippy::large_futures,
    reason = "a set-up that several tests share holds a whole app"
)]
#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

mod captured;
mod commands;
mod docs;
mod empty_lists;
mod errors;
mod foreign_ids;
mod guarantees;
mod harness;
mod hints;
mod layers;
mod log_texts;
mod metrics;
mod mock;
mod neighbours;
mod outage;
mod policies;
mod reload;
mod replicas;
mod serve;
mod setting_up;
mod sockets;
mod style;
mod supervisor;
mod tls;
mod version;

mod admin {
    mod activity;
    mod changes;
    mod requests;
    mod sso;
}

mod alibaba {
    mod instances;
    mod namespaces;
    mod passwords;
    mod repositories;
    mod requests;
    mod sts;
    mod tags;
}

mod aws {
    mod across_accounts;
    mod iam;
    mod images;
    mod key_sessions;
    mod lifecycle;
    mod repositories;
    mod repository_policies;
    mod requests;
    mod settings;
    mod sts;
}

mod registry {
    mod claims;
    mod cors;
    mod federation;
    mod first_use;
    mod log_in_matrix;
    mod namespaces;
    mod remembered;
    mod scope_forms;
    mod token_exchange;
    mod token_log_in;
    mod token_requests;
}

mod service {
    mod allow_lists;
    mod audit;
    mod audit_chain;
    mod audit_listing;
    mod authority;
    mod backups;
    mod decided;
    mod declare;
    mod durable_changes;
    mod explain;
    mod explained_requests;
    mod explained_worlds;
    mod images;
    mod imports;
    mod instances;
    mod key_schedule;
    mod keyless;
    mod keys;
    mod last_uses;
    mod master_key;
    mod namespaces;
    mod notices;
    mod oidc;
    mod operator_permissions;
    mod operators;
    mod own_rights;
    mod refusals;
    mod reports;
    mod right_holders;
    mod rights;
    mod roles;
    mod rotation;
    mod session_policies;
    mod sts;
    mod unsigned_calls;
}

mod tencent {
    mod instances;
    mod namespaces;
    mod repositories;
    mod requests;
    mod service_accounts;
    mod sts;
    mod tokens;
}
