//! A call whose caller is proved, and the way to answer it.

use axum::response::Response;
use serde::Serialize;

use super::envelope::Envelope;
use crate::domain::Result;
use crate::http::request::{OperationRow, Record};
use crate::service::{Call, Service};
use crate::sign::Parameters;

/// A call whose caller is proved: all that an operation runs with.
pub(super) struct Authenticated<'a> {
    /// The use cases.
    pub(super) service: &'a Service,
    /// The caller, the request and the time.
    pub(super) call: &'a Call<'a>,
    /// The action's own parameters.
    pub(super) parameters: &'a Parameters,
    /// The record of the request.
    pub(super) record: &'a Record,
    /// The way to answer.
    pub(super) reply: Reply<'a>,
}

/// The way to answer a call, in the shape that its client reads.
#[derive(Clone, Copy)]
pub(super) struct Reply<'a> {
    pub(super) envelope: &'a Envelope,
    /// The request's id, as the client knows it.
    pub(super) request_id: &'a str,
    pub(super) operation: &'static OperationRow,
}

impl Reply<'_> {
    /// Answers with an output as it is.
    ///
    /// # Errors
    ///
    /// `Internal` when it can't be written.
    pub(super) fn bare(&self, output: &impl Serialize) -> Result<Response> {
        // The action in XML is that of the credential also where a path names it.
        let action = self
            .operation
            .counted_as
            .split_once(':')
            .map_or("", |(_, action)| action);
        self.envelope.respond(action, output, self.request_id)
    }

    /// Answers with an output of the product `cr`, of which every success says that it is one.
    ///
    /// # Errors
    ///
    /// `Internal` when it can't be written.
    pub(super) fn success(&self, output: impl Serialize) -> Result<Response> {
        self.bare(&Success {
            request_id: self.request_id,
            code: SUCCESS,
            is_success: true,
            output,
        })
    }
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
