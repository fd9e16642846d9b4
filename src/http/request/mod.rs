//! One request, whatever API it is for: its head, its body within limits, where it comes from, and its answer's form.
//!
//! Nothing here knows an API.

pub(crate) mod address;
pub(crate) mod body;
mod head;
pub(crate) mod host;
pub(crate) mod overload;
pub(crate) mod panic;
mod record;
pub(crate) mod respond;

pub(crate) use self::head::Head;
pub(crate) use self::record::{OperationRow, Record};
