//! Plain HTTP, as the quickstart's clients speak it.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::domain::{Error, Result};

/// The most bytes of an answer; the quickstart asks for small ones.
const MAX_ANSWER_BYTES: usize = 1 << 20;

/// A client without TLS, for servers on this machine.
pub(super) struct Http(Client<HttpConnector, Full<Bytes>>);

impl Http {
    pub(super) fn new() -> Self {
        Self(Client::builder(TokioExecutor::new()).build_http())
    }

    /// Sends a request and returns the whole answer.
    pub(super) async fn send(&self, request: Request<Vec<u8>>) -> Result<Response<Bytes>> {
        let whom = request.uri().to_string();
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
            Error::misconfigured(format!("{whom} does not answer")).caused_by(error)
        };
        let response = self
            .0
            .request(request.map(|body| Full::new(body.into())))
            .await
            .map_err(|error| failed(error.into()))?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, MAX_ANSWER_BYTES)
            .collect()
            .await
            .map_err(failed)?
            .to_bytes();
        Ok(Response::from_parts(head, body))
    }
}
