//! The span of a request to somebody else.

use bytes::Bytes;
use http::{Method, Response};
use tracing::Instrument;
use tracing::field::Empty;
use url::Url;

use super::failure::Failure;

/// Waits for an answer within a span, which has the host and neither path nor headers.
pub(super) async fn traced(
    method: &Method,
    url: &Url,
    asking: impl Future<Output = Result<Response<Bytes>, Failure>>,
) -> Result<Response<Bytes>, Failure> {
    let span = tracing::trace_span!(
        "upstream",
        span.kind = "client",
        span.failed = Empty,
        http.request.method = method.as_str(),
        server.address = url.host_str(),
        http.response.status_code = Empty,
    );
    let answer = asking.instrument(span.clone()).await;
    match &answer {
        Ok(answer) => span.record("http.response.status_code", answer.status().as_u16()),
        Err(_) => span.record("span.failed", true),
    };
    answer
}
