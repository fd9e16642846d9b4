//! Events as they wait to be stored.

use crate::domain::clock::Timestamp;

/// The most bytes of an event as JSON, with its line feed: its detail, service and principal, and
/// some 500 for all that this service itself chooses.
pub(super) const MAX_EVENT_BYTES: usize = 2560;

/// An event as it waits in the queue: JSON, with its line feed.
pub(super) struct Encoded {
    pub(super) at: Timestamp,
    pub(super) text: Vec<u8>,
}
