//! One request of any API: its head, its body within limits, its sender, and the form of its
//! answer.
//!
//! Nothing here knows an API.

pub(crate) mod address;
pub(crate) mod basic;
pub(crate) mod body;
mod head;
pub(crate) mod host;
pub(crate) mod overload;
pub(crate) mod panic;
mod record;
pub(crate) mod respond;
mod turns;
pub(crate) mod xml;

pub(crate) use self::head::Head;
pub(crate) use self::record::{IssuedLongTerm, OperationRow, Record};
