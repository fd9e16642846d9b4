//! The JSON of ECR's answers, and the XML of those of STS.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::json;

use super::{Product, error};
use crate::domain::{Error, Result};
use crate::http::door;
use crate::http::request::{OperationRow, respond, xml};

static X_AMZN_REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
static X_AMZN_ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
/// The namespace of the XML of STS.
const NAMESPACE: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// The shape of a call's answer, known before any work.
#[derive(Debug)]
pub(crate) struct Envelope {
    product: Product,
    operation: Option<&'static OperationRow>,
}

impl Envelope {
    pub(super) fn new(product: Product, operation: Option<&'static OperationRow>) -> Self {
        Self { product, operation }
    }

    /// Answers with the output of an operation.
    ///
    /// # Errors
    ///
    /// `Internal` when `output` can't be written.
    pub(super) fn respond(
        &self,
        operation: &'static OperationRow,
        output: &impl Serialize,
        request_id: &str,
    ) -> Result<Response> {
        let written = match self.product {
            Product::Ecr => respond::json(output)?,
            Product::Sts => {
                let name = operation.name;
                let output = json!({
                    (format!("{name}Result")): output,
                    "ResponseMetadata": { "RequestId": request_id },
                });
                xml::write(&format!("{name}Response"), Some(NAMESPACE), &output)?
            }
        };
        Ok(self.finish(StatusCode::OK, written, request_id))
    }

    fn finish(&self, status: StatusCode, body: Vec<u8>, request_id: &str) -> Response {
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static(match self.product {
                Product::Ecr => "application/x-amz-json-1.1",
                Product::Sts => "text/xml",
            }),
        );
        if let Ok(id) = HeaderValue::from_str(request_id) {
            headers.insert(X_AMZN_REQUEST_ID.clone(), id);
        }
        response
    }
}

impl door::Envelope for Envelope {
    /// botocore reads the code from the body alone, and the newer SDKs from the header as well.
    fn refuse(&self, error: &Error, request_id: &str) -> Response {
        let answer = error::answer(error, self.product, self.operation);
        let (code, message) = (answer.code, &*answer.message);
        let written = match self.product {
            Product::Ecr => respond::json(&json!({ "__type": code, "message": message })),
            Product::Sts => {
                let blamed = if answer.status.is_server_error() {
                    "Receiver"
                } else {
                    "Sender"
                };
                let refusal = json!({
                    "Error": { "Type": blamed, "Code": code, "Message": message },
                    "RequestId": request_id,
                });
                xml::write("ErrorResponse", Some(NAMESPACE), &refusal)
            }
        };
        let mut response = self.finish(answer.status, written.unwrap_or_default(), request_id);
        if self.product == Product::Ecr {
            response
                .headers_mut()
                .insert(X_AMZN_ERROR_TYPE.clone(), HeaderValue::from_static(code));
        }
        response
    }
}
