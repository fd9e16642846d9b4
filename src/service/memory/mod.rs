//! What this process knows: caches, the change feed that invalidates them, and keys.

pub(super) mod cache;
pub(super) mod first_seen;
pub(super) mod known_ids;
pub(super) mod master_keys;
pub(super) mod revocations;
pub(super) mod staleness;
