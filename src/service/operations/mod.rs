//! What the operator reads: the audit, metrics, and the state of commands.

pub(super) mod audit_log;
pub(super) mod command_state;
pub(super) mod metrics;
