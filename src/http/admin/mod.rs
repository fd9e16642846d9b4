//! The admin API: the operations of `admin`, as JSON over HTTP, for operators with a token.

mod door;
mod envelope;
mod given;
mod once;
mod openapi;

pub(crate) use door::Admin;
pub use openapi::document;
