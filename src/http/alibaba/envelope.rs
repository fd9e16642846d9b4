//! The JSON or XML of every answer.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;

use super::{Product, Style, error};
use crate::domain::{Error, Result};
use crate::http::door;
use crate::http::request::xml;

static X_ACS_REQUEST_ID: HeaderName = HeaderName::from_static("x-acs-request-id");

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Json,
    Xml,
}

/// The shape of a call's answer, known before any work.
#[derive(Debug)]
pub(crate) struct Envelope {
    format: Format,
    style: Style,
    product: Product,
    /// The host as the client sent it: errors repeat it.
    host: String,
}

impl Envelope {
    /// Reads the envelope off what is known before any work. XML is only for clients that asked for
    /// it: most can't read it.
    pub(super) fn new(
        headers: &HeaderMap,
        format_parameter: Option<&str>,
        style: Style,
        product: Product,
        host: &str,
    ) -> Self {
        let accept = headers
            .get(header::ACCEPT)
            .and_then(|accept| accept.to_str().ok())
            .unwrap_or_default();
        let accepts_xml = (accept.contains("application/xml") || accept.contains("text/xml"))
            && !accept.contains("json");
        let format = match format_parameter {
            Some(format) if format.eq_ignore_ascii_case("xml") => Format::Xml,
            Some(format) if format.eq_ignore_ascii_case("json") => Format::Json,
            _ if accepts_xml => Format::Xml,
            _ => Format::Json,
        };
        Self {
            format,
            style,
            product,
            host: host.to_owned(),
        }
    }

    /// Answers with the output of an action, which names its element in XML.
    ///
    /// # Errors
    ///
    /// `Internal` when `output` can't be written.
    pub(super) fn respond(
        &self,
        action: &str,
        output: &impl Serialize,
        request_id: &str,
    ) -> Result<Response> {
        let written = match self.format {
            Format::Json => json(output),
            Format::Xml => xml::write(&format!("{action}Response"), None, output),
        };
        Ok(self.finish(StatusCode::OK, written?, request_id))
    }

    fn finish(&self, status: StatusCode, body: Vec<u8>, request_id: &str) -> Response {
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        // Both to the letter: the current SDKs parse XML errors only under exactly this type.
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static(match self.format {
                Format::Json => "application/json;charset=utf-8",
                Format::Xml => "text/xml;charset=utf-8",
            }),
        );
        if let Ok(id) = HeaderValue::from_str(request_id) {
            headers.insert(X_ACS_REQUEST_ID.clone(), id);
        }
        response
    }
}

impl door::Envelope for Envelope {
    fn refuse(&self, error: &Error, request_id: &str) -> Response {
        let answer = error::answer(error, self.style, self.product);
        let is_json = self.format == Format::Json;
        let refusal = Refusal {
            request_id,
            host_id: &self.host,
            code: &answer.code,
            message: &answer.message,
            // The documented XML has no such elements.
            recommend: is_json.then(|| {
                let (code, product) = (&answer.code, self.product.name());
                format!(
                    "https://api.aliyun.com/troubleshoot?q={code}&product={product}\
                     &requestId={request_id}"
                )
            }),
            access_denied_detail: is_json.then(|| error::detail_of_denial(error)).flatten(),
        };
        let written = match (self.format, self.style) {
            (Format::Xml, _) => xml::write("Error", None, &refusal),
            (Format::Json, Style::Rpc) => json(&refusal),
            (Format::Json, Style::Roa) => json(&BothSpellings {
                refusal: &refusal,
                code: &answer.code,
                message: &answer.message,
                request_id,
            }),
        };
        let mut response = self.finish(answer.status, written.unwrap_or_default(), request_id);
        if let Some(seconds) = answer.retry_after_seconds {
            // A positive number makes the current SDKs raise their throttling exception, and wait
            // so many milliseconds before they try again.
            let milliseconds = seconds.saturating_mul(1000);
            response
                .headers_mut()
                .insert("x-acs-retry-after", HeaderValue::from(milliseconds));
        }
        response
    }
}

fn json(output: &impl Serialize) -> Result<Vec<u8>> {
    let mut text = Vec::with_capacity(1024);
    serde_json::to_writer(&mut text, output).map_err(Error::internal)?;
    Ok(text)
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Refusal<'a> {
    request_id: &'a str,
    host_id: &'a str,
    code: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    recommend: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_denied_detail: Option<error::AccessDeniedDetail<'a>>,
}

/// An error of the path-style API. Its own errors are spelled in lower case and the gateway's in
/// upper case, and clients read one or the other: both stand there.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BothSpellings<'a> {
    #[serde(flatten)]
    refusal: &'a Refusal<'a>,
    code: &'a str,
    message: &'a str,
    request_id: &'a str,
}
