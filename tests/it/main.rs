//! The integration tests: one binary, one file for each front door or rule.

#![expect(clippy::unwrap_used, reason = "a test says what is wrong by panicking")]

mod alibaba;
mod audit;
mod docs;
mod errors;
mod guarantees;
mod harness;
mod images;
mod issuer;
mod layers;
mod oidc;
mod policies;
mod registry;
mod rights;
mod serve;
mod sts;
mod tencent;
