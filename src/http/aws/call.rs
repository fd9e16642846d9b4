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
    /// The parameters of a call of STS.
    pub(super) parameters: &'a Parameters,
    /// The body of a call of ECR: JSON.
    pub(super) body: &'a [u8],
    /// The region that the call is signed for.
    pub(super) region: &'a str,
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
    /// Answers with an output.
    ///
    /// # Errors
    ///
    /// `Internal` when it can't be written.
    pub(super) fn with(&self, output: &impl Serialize) -> Result<Response> {
        self.envelope
            .respond(self.operation, output, self.request_id)
    }
}
