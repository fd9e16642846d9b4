//! STS: a file for each noun.

pub(super) mod identity;
pub(super) mod roles;
