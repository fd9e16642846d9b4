//! The parts that the doors of operators share: the operations, what is made once, what is
//! downloaded, and the status of each error.

pub(crate) mod download;
pub(crate) mod error;
pub(crate) mod once;
pub(crate) mod operations;
