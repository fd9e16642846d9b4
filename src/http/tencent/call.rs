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

/// A request, as its operation needs it.
pub(super) struct Visit<'a> {
    pub(super) envelope: &'a Envelope,
    pub(super) record: &'a Record,
    /// The region that the client names; well-formed.
    pub(super) region: Option<String>,
}

impl Deref for Visit<'_> {
    type Target = Record;

    fn deref(&self) -> &Record {
        self.record
    }
}

/// Answers with an output.
///
/// # Errors
///
/// `Internal` when it can't be written.
pub(super) fn reply(output: &impl Serialize, visit: &Visit<'_>) -> Result<Response> {
    visit.envelope.respond(output, &visit.context.request_id)
}
