//! A change and its record: writes, audit events, and what is said of refusals.

pub(super) mod anonymous;
pub(super) mod counted;
pub(super) mod event;
pub(super) mod queue;
pub(super) mod refusals;
pub(super) mod words;
