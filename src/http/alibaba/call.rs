//! A call whose caller is proved.

use std::ops::Deref;

use axum::response::Response;
use serde::Serialize;

use super::envelope::Envelope;
use crate::domain::Result;
use crate::http::door;
use crate::http::request::Record;
use crate::sign::Parameters;

/// A call whose caller is proved.
pub(super) type Proved<'a> = door::Proved<'a, &'a Parameters, Visit<'a>>;

/// A request, as its operation needs it.
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

/// Answers with an output as it is.
///
/// # Errors
///
/// `Internal` when it can't be written.
pub(super) fn respond_bare(output: &impl Serialize, visit: &Visit<'_>) -> Result<Response> {
    // The action in XML is that of the credential also where a path names it.
    let action = visit.operation.map_or("", |operation| operation.counted_as.split_once(':').map_or("", |(_, action)| action));
    visit.envelope.respond(&format!("{action}Response"), output, &visit.context.request_id)
}

/// Answers with an output of the product `cr`, of which every success says that it is one.
///
/// # Errors
///
/// `Internal` when it can't be written.
pub(super) fn respond(output: impl Serialize, visit: &Visit<'_>) -> Result<Response> {
    let success = Success { request_id: &visit.context.request_id, code: SUCCESS, is_success: true, output };
    respond_bare(&success, visit)
}

/// The code of a success: one client judges by it, whatever the status.
pub(super) const SUCCESS: &str = "success";

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Success<'a, T: Serialize> {
    request_id: &'a str,
    code: &'static str,
    is_success: bool,
    #[serde(flatten)]
    output: T,
}

/// The output of an action that says nothing of its own.
#[derive(Serialize)]
pub(super) struct Nothing {}
