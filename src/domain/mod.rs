//! The meaning of the words. Pure: no async, no input or output, no HTTP, no SQL.
//!
//! An *account* owns everything. A *principal* is who a call or a credential acts for. An *access
//! key* signs cloud API calls. An *instance* is one registry to log in to. A *credential* is a
//! username and a secret that log in to an instance: temporary (sealed, never stored) or long-term
//! (stored as a hash); or a *service account* with permissions of its own, or a *fixed password*
//! that a person chose. *Namespaces* and *repositories* are names inside an instance. A *token* is
//! what a registry accepts, and a *scope* is what a token is asked for.
//!
//! Start with [`error`], then [`credential`].

pub mod access_key;
pub mod activity;
pub mod allow_list;
pub mod any_principal;
pub(crate) mod as_text;
pub mod aws;
pub mod claims;
pub mod clock;
pub mod console_session;
pub mod credential;
pub mod error;
pub mod identity;
pub mod ids;
pub mod image;
pub mod instance;
pub mod jwt;
pub mod last_use;
pub mod name;
pub mod namespace;
pub mod narrowing;
pub mod nearest;
pub mod notice;
mod noun;
pub mod old_password;
pub mod operator;
pub mod password;
pub mod principal;
pub mod printable;
pub mod published;
pub mod reference;
pub mod refusal;
pub mod reported;
pub mod repository;
pub mod role_name;
pub mod rotation;
pub mod scope;
pub mod seconds;
pub mod secret;
pub mod service_account;
pub mod sso;
pub mod switch;
pub mod tag;
pub mod url;
pub mod wrapped;

pub use error::{Blame, Error, ErrorKind, Result};
pub use noun::Noun;
