//! A call whose caller is proved.

use std::ops::Deref;

use super::envelope::Envelope;
use crate::domain::Result;
use crate::http::operation;
use crate::http::request::Record;
use crate::sign::Parameters;

/// A call whose caller is proved.
pub(super) type Proved<'a> = operation::Proved<'a, &'a Parameters, Visit<'a>>;

/// What an operation knows of its request besides.
pub(super) struct Visit<'a> {
    pub(super) envelope: &'a Envelope,
    pub(super) record: &'a Record,
}

impl Deref for Visit<'_> {
    type Target = Record;

    fn deref(&self) -> &Record {
        self.record
    }
}

/// Returns the envelope of a call.
#[expect(clippy::unnecessary_wraps, reason = "its callers are to change")]
pub(super) fn envelope<'a>(visit: &Visit<'a>) -> Result<&'a Envelope> {
    Ok(visit.envelope)
}
