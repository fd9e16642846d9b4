//! The integration tests: one binary, one file for each front door or rule.

mod alibaba;
mod errors;
mod harness;
mod layers;
mod registry;
mod tencent;
