//! Calls that a token among their parameters proves, whether or not they are signed as well.

use crate::http::request::Record;
use crate::service::RequestContext;

/// Whether a call is signed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signed {
    /// The signature was verified, and its account counted.
    Yes,
    /// It is a stranger's, and nothing of it is counted yet.
    No,
}

impl Signed {
    /// Returns the stranger to whom a refusal is charged, whose record is settled by that.
    pub(crate) fn stranger(self, record: &Record) -> Option<&RequestContext> {
        (self == Self::No).then(|| record.settle())
    }

    /// Returns the name under which the call is still to be counted.
    pub(crate) fn counted_as(self, record: &Record) -> Option<&'static str> {
        let operation = record.operation.filter(|_| self == Self::No)?;
        Some(operation.counted_as)
    }
}
