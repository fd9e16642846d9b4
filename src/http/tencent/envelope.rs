//! The JSON around every answer: `{"Response": {…, "RequestId": …}}`.

use std::borrow::Cow;

use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde::Serialize;

use super::{Language, Product, Scheme, error};
use crate::domain::{Error, Result};
use crate::http::door;

static X_TC_VERSION: HeaderName = HeaderName::from_static("x-tc-version");

/// The shape of a call's answer, known before any work.
#[derive(Debug)]
pub(crate) struct Envelope {
    scheme: Scheme,
    language: Language,
    product: Option<Product>,
    /// Goes back as it came: Node's SDK puts it into its error objects.
    trace_id: Option<HeaderValue>,
}

impl Envelope {
    /// Reads the envelope off the headers; v1 calls name language and version in parameters
    /// instead.
    pub(super) fn new(
        scheme: Scheme,
        headers: &HeaderMap,
        language_parameter: Option<&str>,
        version_parameter: Option<&str>,
    ) -> Self {
        let language = headers
            .get("x-tc-language")
            .map(HeaderValue::as_bytes)
            .or(language_parameter.map(str::as_bytes));
        let version = match scheme {
            Scheme::V1 => version_parameter,
            Scheme::Tc3 | Scheme::Unsigned => headers
                .get(&X_TC_VERSION)
                .and_then(|version| version.to_str().ok()),
        };
        Self {
            scheme,
            product: version.and_then(Product::of_version),
            language: if language == Some(b"zh-CN") {
                Language::Chinese
            } else {
                Language::English
            },
            trace_id: headers
                .get("x-tc-traceid")
                .filter(|id| id.len() <= 128)
                .cloned(),
        }
    }

    /// Answers with an output. The status is 200 whatever is inside, or clients don't look inside;
    /// and the content type has no charset, or Python's SDK takes errors for successes (facts 0.1
    /// and 0.2).
    ///
    /// # Errors
    ///
    /// `Internal` when `output` can't be written.
    pub(super) fn respond(&self, output: &impl Serialize, request_id: &str) -> Result<Response> {
        let mut body = Vec::with_capacity(1024);
        serde_json::to_writer(
            &mut body,
            &Reply {
                response: Fields { output, request_id },
            },
        )
        .map_err(Error::internal)?;
        let mut response = Response::new(Body::from(body));
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        if let Some(trace_id) = &self.trace_id {
            headers.insert("x-tc-traceid", trace_id.clone());
        }
        Ok(response)
    }
}

impl door::Envelope for Envelope {
    fn refuse(&self, error: &Error, request_id: &str) -> Response {
        let (code, message) = error::answer(error, self.scheme, self.language, self.product);
        let refusal = Refusal {
            error: CodeAndMessage { code, message },
        };
        self.respond(&refusal, request_id)
            .unwrap_or_else(|_| Response::new(Body::empty()))
    }
}

#[derive(Serialize)]
struct Reply<'a, T: Serialize> {
    #[serde(rename = "Response")]
    response: Fields<'a, T>,
}

#[derive(Serialize)]
struct Fields<'a, T: Serialize> {
    #[serde(flatten)]
    output: &'a T,
    #[serde(rename = "RequestId")]
    request_id: &'a str,
}

/// The output of an operation that answers with a request id alone.
#[derive(Serialize)]
pub(super) struct Nothing {}

#[derive(Serialize)]
struct Refusal<'a> {
    #[serde(rename = "Error")]
    error: CodeAndMessage<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct CodeAndMessage<'a> {
    code: &'static str,
    message: Cow<'a, str>,
}
