//! Authentication: the one place where trust is made.
//!
//! A [`Caller`] comes from a verified signature, a registry log-in, an operator's token, a session
//! of the console, or the operator at the command line, and from nowhere else: its fields are
//! private to this folder.
//!
//! Signed calls are here, log-ins in [`log_in`], and what both rest on in [`standing`] and
//! [`session_policy`].

mod administrators;
pub(super) mod caller;
mod carried_log_in;
mod claimed;
mod console_sessions;
mod failures;
mod hashing_pool;
mod last_use;
pub(super) mod once;
mod operators;
pub(super) mod passwords;
pub(super) mod presented;
pub(super) mod reach;
mod refused_secrets;
mod registry_caller;
pub(super) mod signed_calls;
pub(super) mod validity;
pub(super) mod verified_tokens;
pub(super) mod web_identity;

pub(super) mod log_in;
mod session_policy;
mod sso;
pub(super) mod token_log_in;

pub use self::console_sessions::{NewConsole, OpenConsole};
pub use self::sso::{BegunSso, FinishedSso, SsoAnswer};
use std::sync::Arc;

use self::passwords::Passwords;
use self::verified_tokens::VerifiedTokens;
use self::web_identity::Issuers;
use crate::remote;
use crate::service::base::Base;
use crate::service::ledger::Ledger;
use crate::service::limits::Limits;
use crate::service::memory::Memory;

/// Proves who calls.
pub struct Access {
    pub(super) base: Arc<Base>,
    pub(super) limits: Arc<Limits>,
    pub(super) memory: Arc<Memory>,
    pub(super) passwords: Arc<Passwords>,
    pub(super) issuers: Issuers,
    pub(super) verified_tokens: VerifiedTokens,
    pub(super) ledger: Arc<Ledger>,
    pub(super) remote: Arc<remote::Client>,
}
