//! A call whose caller is proved, and the way to answer it.

use axum::response::Response;
use serde::Serialize;

use super::envelope::Envelope;
use super::parameters::Parameters;
use crate::domain::Result;
use crate::http::request::Record;
use crate::service::{Call, Service};

/// A call whose caller is proved: all that an operation runs with.
pub(super) struct Authenticated<'a> {
    /// The use cases.
    pub(super) service: &'a Service,
    /// The caller, the request and the time.
    pub(super) call: &'a Call<'a>,
    /// The action's own parameters.
    pub(super) parameters: Parameters,
    /// The region that the client names, well-formed; empty where it names none.
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
}

impl Reply<'_> {
    /// Answers with an output.
    ///
    /// # Errors
    ///
    /// `Internal` when it can't be written.
    pub(super) fn with(&self, output: &impl Serialize) -> Result<Response> {
        self.envelope.respond(output, self.request_id)
    }
}
