//! The integration tests: one binary, one file for each front door or rule.

mod errors;
mod layers;
