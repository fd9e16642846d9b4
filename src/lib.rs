//! Transire gives out access credentials for container registries.
//!
//! It has four front doors, all in [`http`]. At three of them cloud API calls come in, signed, in
//! Tencent Cloud's, Alibaba Cloud's and Amazon Web Services' dialects, and credentials go out. At
//! the fourth, registries' clients exchange those credentials for the tokens that the registries
//! trust.
//!
//! ```text
//! cloud API call                                   registry log-in
//! http      decode -> (sign::Unverified, call)     http      service, scopes, credential
//! service   authenticate -> Caller                 service   log in -> Caller
//!           authorise, issue                                 exchange: rights per scope, token
//! http      encode                                 http      {token, expires_in, issued_at}
//! ```
//!
//! Folders are layers: [`domain`] says what the words mean, [`sign`] and [`token`] are the
//! cryptography, [`store`] is the only SQL, [`remote`] asks others, [`shared`] is what replicas
//! tell each other at every call, [`telemetry`] sends traces, [`service`] holds every rule,
//! [`views`] says what operators are shown, [`admin`] has the operations that they ask for,
//! [`http`] and [`cli`] speak with the world, and [`serve`] ties them together. A test holds each
//! to what it may import.

pub mod admin;
pub mod cli;
pub mod client;
pub mod config;
pub mod domain;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
pub mod http;
pub mod import;
pub mod mock;
pub mod open;
pub mod policy;
pub mod quickstart;
pub mod registry_config;
pub mod registry_process;
pub mod remote;
mod secret_files;
pub mod serve;
pub mod service;
pub mod shared;
pub mod sign;
pub mod state;
pub mod store;
pub mod telemetry;
pub mod token;
pub mod transfer;
pub mod version;
pub mod views;
