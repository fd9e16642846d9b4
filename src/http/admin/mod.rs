//! The admin API: the operations of `admin`, as JSON over HTTP, for operators with a token.

mod door;
mod envelope;
mod error;
mod given;
mod once;
mod openapi;
mod operations;

pub(crate) use door::Admin;
pub use openapi::document;
