//! The integration tests: one binary, one file for each front door or rule.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

mod alibaba;
mod audit;
mod docs;
mod errors;
mod guarantees;
mod harness;
mod issuer;
mod keyless;
mod layers;
mod oidc;
mod passwords;
mod policies;
mod registry;
mod rights;
mod serve;
mod service_accounts;
mod sts;
mod tencent;
mod tokens;
