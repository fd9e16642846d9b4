//! The operator's view of requests: the log, and the counters that a monitoring system reads.

pub(crate) mod activity;
pub(crate) mod log;
pub(crate) mod metrics;
pub(crate) mod reloads;
pub(crate) mod trace;
