//! What the words mean. Pure: no async, no input or output, no HTTP, no SQL.
//!
//! An *account* owns everything. A *principal* is who a call or a credential acts for. An *access key*
//! signs cloud API calls. An *instance* is one registry to log in to. A *credential* is a username and
//! a secret that log in to an instance: temporary (sealed, never stored) or long-term (stored as a
//! hash). A *token* is what a registry accepts, and a *scope* is what a token is asked for.
//!
//! Start with [`error`], then [`credential`].

pub mod access_key;
pub mod clock;
pub mod credential;
pub mod error;
pub mod identity;
pub mod instance;
pub mod name;
pub mod principal;
pub mod scope;
pub mod secret;

pub use error::{Error, ErrorKind, Result};
