//! The client's side: how a person or a machine comes to a credential.
//!
//! It needs neither the data nor the master key: it speaks to a service's public API. A token or a
//! signature goes only to an endpoint that the user named, in a command, a variable or the profile.

pub mod auth_file;
pub mod cloud;
pub mod credentials;
pub mod endpoint;
pub mod environment;
pub mod exchange;
mod files;
pub mod headers;
pub mod health;
pub mod job_token;
pub mod kept;
pub mod keys;
pub mod kubelet;
pub mod kubernetes;
pub mod log_in;
pub mod profile;
pub mod registry;
pub mod signed;
#[cfg(test)]
mod testing;
