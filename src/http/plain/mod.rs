//! The door of what is neither a cloud's call nor a registry's client: probes, keys, and people at
//! the wrong address.

mod door;
mod envelope;
mod error;
mod pages;

pub(super) use self::door::Plain;
pub(super) use self::pages::probe;
