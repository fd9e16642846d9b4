//! How often: rates of actions and addresses, back-off of log-ins, replays, and what replicas count together.

pub(super) mod back_off;
pub(super) mod gates;
pub(super) mod rates;
pub(super) mod replay;
pub(super) mod replicas;
