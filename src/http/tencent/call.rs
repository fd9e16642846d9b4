//! A call whose caller is proved.

use std::ops::Deref;

use axum::response::Response;
use serde::Serialize;

use super::envelope::Envelope;
use super::parameters::Parameters;
use crate::domain::Result;
use crate::http::door;
use crate::http::request::Record;

/// A call whose caller is proved.
pub(super) type Proved<'a> = door::Proved<'a, Parameters, Visit<'a>>;

/// What an operation knows of its request besides.
pub(super) struct Visit<'a> {
    pub(super) envelope: &'a Envelope,
    pub(super) record: &'a Record,
    /// The region that the client names; checked.
    pub(super) region: Option<String>,
}

impl Deref for Visit<'_> {
    type Target = Record;

    fn deref(&self) -> &Record {
        self.record
    }
}

/// Answers with an output.
pub(super) fn reply(output: &impl Serialize, visit: &Visit<'_>) -> Result<Response> {
    visit.envelope.respond(output, &visit.context.request_id)
}
