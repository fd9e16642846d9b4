//! Transire gives out access credentials for container registries.

pub mod domain;
pub mod store;
