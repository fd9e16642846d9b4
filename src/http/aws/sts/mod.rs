//! STS: a file for each noun.

mod credentials;
pub(super) mod federation;
pub(super) mod identity;
pub(super) mod key_sessions;
pub(super) mod roles;
