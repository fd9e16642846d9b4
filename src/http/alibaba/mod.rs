//! Alibaba Cloud's OpenAPI: ACS3-HMAC-SHA256, RPC signature V1, ROA signature V1.
//!
//! It decodes a call, hands it to a use case, and encodes the answer. What is called follows from version
//! and action, or version and path; the way of signing decides nothing but where those stand: current
//! SDKs call the old path-style API with ACS3.
//!
//! Start with [`answer`]; operations are in the file of their product ([`cr`], [`sts`]), errors in [`error`].

mod cr;
mod error;
mod sts;
mod xml;

use std::borrow::Cow;

use axum::body::Body;
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Serialize;

use crate::domain::{Error, ErrorKind, Result};
use crate::service::{Caller, Language, Purpose, Service, is_action};
use crate::sign::{self, Parameters};

use super::edge::{Door, Visit};
use super::operation::{self, unserved};

static X_ACS_REQUEST_ID: HeaderName = HeaderName::from_static("x-acs-request-id");

/// How a call is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    /// `Authorization: ACS3-…`.
    Acs3,
    /// Parameters, version 1.0.
    Rpc,
    /// `Authorization: acs …`.
    Roa,
    /// With a bearer token, which nothing here gives out.
    Bearer,
    /// Not at all.
    Unsigned,
}

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Json,
    Xml,
}

/// Which of the two generations of the API a call is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// An action's name says what is called.
    Rpc,
    /// Method and path say it.
    Roa,
}

/// What shapes the answer of a call, known before any work.
#[derive(Debug)]
pub(super) struct Envelope {
    format: Format,
    style: Style,
    product: Product,
    /// The host as the client sent it: errors repeat it.
    host: String,
}

impl Envelope {
    /// Reads the envelope off what is known before any work. XML is only for who asked for it: most
    /// clients can't read it.
    pub(super) fn new(headers: &HeaderMap, format_parameter: Option<&str>, style: Style, product: Product, host: &str) -> Self {
        let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
        let accepts_xml = (accept.contains("application/xml") || accept.contains("text/xml")) && !accept.contains("json");
        let format = match format_parameter {
            Some(format) if format.eq_ignore_ascii_case("xml") => Format::Xml,
            Some(format) if format.eq_ignore_ascii_case("json") => Format::Json,
            _ if accepts_xml => Format::Xml,
            _ => Format::Json,
        };
        Self { format, style, product, host: host.to_owned() }
    }

    /// Answers with an error.
    pub(super) fn refuse(&self, error: &Error, request_id: &str) -> Response {
        let answer = error::answer(error, self.style, self.product);
        let refusal = Refusal {
            request_id,
            host_id: &self.host,
            code: &answer.code,
            message: &answer.message,
            // The documented XML has no such element.
            recommend: (self.format == Format::Json).then(|| {
                let (code, product) = (&answer.code, self.product.name());
                format!("https://api.aliyun.com/troubleshoot?q={code}&product={product}&requestId={request_id}")
            }),
            access_denied_detail: (self.format == Format::Json).then(|| error::detail_of_denial(error)).flatten(),
        };
        let written = match (self.format, self.style) {
            (Format::Xml, _) => xml::write("Error", &refusal),
            (Format::Json, Style::Rpc) => json(&refusal),
            (Format::Json, Style::Roa) => {
                json(&BothSpellings { refusal: &refusal, code: &answer.code, message: &answer.message, request_id })
            }
        };
        let mut response = self.finish(answer.status, written.unwrap_or_default(), request_id);
        if let Some(seconds) = answer.retry_after_seconds {
            // A positive number makes the current SDKs raise their throttling exception.
            response.headers_mut().insert("x-acs-retry-after", HeaderValue::from(seconds));
        }
        response
    }

    /// Answers with an output.
    fn respond(&self, root: &'static str, output: &impl Serialize, request_id: &str) -> Result<Response> {
        let written = match self.format {
            Format::Json => json(output),
            Format::Xml => xml::write(root, output),
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

/// An error of the path-style API. Its own errors are spelled in lower case and the gateway's in upper
/// case, and clients read one or the other: both stand there.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BothSpellings<'a> {
    #[serde(flatten)]
    refusal: &'a Refusal<'a>,
    code: &'a str,
    message: &'a str,
    request_id: &'a str,
}

/// The version of the path-style API.
const ROA_VERSION: &str = "2016-06-07";
/// The version of the API of actions.
const RPC_VERSION: &str = "2018-12-01";
/// The version of STS.
const STS_VERSION: &str = "2015-04-01";

/// The products that are served, told apart by their version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Product {
    Cr,
    Sts,
}

impl Product {
    /// Returns the product of the API of `version`; errors about an unknown one are the registry's.
    pub(super) fn of_version(version: &[u8]) -> Self {
        if version == STS_VERSION.as_bytes() { Self::Sts } else { Self::Cr }
    }

    /// Returns the name in policies.
    fn service(self) -> &'static str {
        match self {
            Self::Cr => "cr",
            Self::Sts => "sts",
        }
    }

    /// Returns the name in the address of its help.
    fn name(self) -> &'static str {
        match self {
            Self::Cr => "cr",
            Self::Sts => "Sts",
        }
    }
}

/// A call whose caller is proved.
type Proved<'a> = operation::Proved<'a, &'a Parameters>;

/// What can be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Cr(cr::Operation),
    Sts(sts::Operation),
}

impl Operation {
    /// Returns the operation of an action of a version.
    fn of_action(version: &str, action: &str) -> Option<Self> {
        match Product::of_version(version.as_bytes()) {
            Product::Cr => cr::Operation::named(action).map(Self::Cr),
            Product::Sts => sts::Operation::of_action(action).map(Self::Sts),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Cr(operation) => operation.name(),
            Self::Sts(operation) => operation.name(),
        }
    }

    fn throttle(self) -> &'static str {
        match self {
            Self::Cr(operation) => operation.throttle(),
            Self::Sts(operation) => operation.throttle(),
        }
    }

    /// Runs the operation for a proved caller.
    ///
    /// Divergence: parameters that it doesn't have are let pass, as the old SDK's `RegionId` must be.
    async fn run(self, call: Proved<'_>) -> Result<Response> {
        check_format(call.parameters)?;
        match self {
            Self::Cr(operation) => operation.run(call).await,
            // Apart: what opens a session is large, and the other one is asked for far more often.
            Self::Sts(operation) => Box::pin(operation.run(call)).await,
        }
    }
}

impl Style {
    /// Returns the style of the API of `version`.
    pub(super) fn of_version(version: &[u8]) -> Self {
        if version == ROA_VERSION.as_bytes() { Self::Roa } else { Self::Rpc }
    }
}

/// What a call says about itself, before anything of it is believed.
#[derive(Clone, Copy)]
struct Call<'a> {
    action: Option<&'a str>,
    version: Option<&'a str>,
    method: &'a str,
    /// The path, where the signature covers it.
    path: Option<&'a str>,
}

impl Call<'_> {
    /// Returns the operation that is called.
    fn operation(&self) -> Result<Operation> {
        let version = self.version.ok_or_else(|| Error::missing_parameter("Version"))?;
        let unknown = |action: &str| {
            let kind = ErrorKind::UnknownAction { action: action.to_owned(), version: version.to_owned() };
            Err(Error::new(kind, "The API is not served here."))
        };
        match version {
            RPC_VERSION | STS_VERSION if matches!(self.path, None | Some("/")) => {
                let action = self.action.ok_or_else(|| Error::missing_parameter("Action"))?;
                // Divergence: the vendor's tables have two codes for this, and neither is sure.
                if !matches!(self.method, "GET" | "POST") {
                    return Err(Error::malformed_request("This HTTP method is not supported; use GET or POST."));
                }
                match Operation::of_action(version, action) {
                    Some(operation) => Ok(operation),
                    None if is_action(Language::Ram, Product::of_version(version.as_bytes()).service(), action) => Err(unserved(action)),
                    None => unknown(action),
                }
            }
            RPC_VERSION | STS_VERSION => unknown(self.path.unwrap_or_default()),
            ROA_VERSION if self.path.is_some() => {
                let path = self.path.unwrap_or_default();
                cr::Operation::of_path(self.method, path).map_or_else(|| unknown(path), |operation| Ok(Operation::Cr(operation)))
            }
            _ => {
                let kind = ErrorKind::UnknownVersion { version: version.to_owned() };
                Err(Error::new(kind, "The version is not served here."))
            }
        }
    }
}

/// Returns how the audit calls what the head of a call names, which may have been refused before its body was read.
pub(super) fn audited_action(parts: &Parts) -> Option<&'static str> {
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let (action, version) = (header("x-acs-action"), header("x-acs-version"));
    let call = Call { action, version, method: parts.method.as_str(), path: Some(parts.uri.path()) };
    call.operation().ok().map(Operation::throttle)
}

/// Serves a call.
pub(super) async fn answer(service: &Service, scheme: Scheme, request: &sign::Request<'_>, visit: &mut Visit) -> Result<Response> {
    match scheme {
        Scheme::Acs3 => {
            let read = sign::acs3::read(request)?;
            let call = Call { action: Some(&read.action), version: Some(&read.version), method: request.method, path: Some(request.path) };
            let (caller, operation) = admit(service, &read.unverified, call, visit).await?;
            operation.run(Proved { service, caller: &caller, parameters: &read.parameters, visit }).await
        }
        Scheme::Rpc => {
            let read = sign::alibaba_rpc::read(request)?;
            // This signature doesn't cover the path: nothing is called by it.
            let given = |name| read.parameters.get(name).filter(|value| !value.is_empty());
            let call = Call { action: given("Action"), version: given("Version"), method: request.method, path: None };
            let (caller, operation) = admit(service, &read.unverified, call, visit).await?;
            operation.run(Proved { service, caller: &caller, parameters: &read.parameters, visit }).await
        }
        Scheme::Roa => {
            let read = sign::alibaba_roa::read(request)?;
            // Signed, as every x-acs- header is in this scheme. Its action is not sent by every client.
            let version = request.headers.get("x-acs-version").and_then(|version| version.to_str().ok());
            let call = Call { action: None, version, method: request.method, path: Some(request.path) };
            let (caller, operation) = admit(service, &read.unverified, call, visit).await?;
            operation.run(Proved { service, caller: &caller, parameters: &read.parameters, visit }).await
        }
        Scheme::Bearer => Err(Error::signature_method_refused("BEARERTOKEN")),
        Scheme::Unsigned => unsigned(service, request, visit).await,
    }
}

/// Serves the operation that needs no signature: who calls is proved by a token among the parameters.
///
/// SDKs write action and version into headers and everything else into query and form, the credential
/// libraries everything into the query.
async fn unsigned(service: &Service, request: &sign::Request<'_>, visit: &mut Visit) -> Result<Response> {
    let form =
        if sign::is_form_type(request.headers.get(header::CONTENT_TYPE).map_or(b"", HeaderValue::as_bytes)) { request.body } else { b"" };
    let parameters = Parameters::parse_all([request.query.as_bytes(), form])?;
    let action = either(request.headers, "x-acs-action", &parameters, "Action")?;
    let version = either(request.headers, "x-acs-version", &parameters, "Version")?;
    visit.action = Cow::Owned(action.unwrap_or_default().to_owned());
    let operation = action.zip(version).and_then(|(action, version)| Operation::of_action(version, action));
    visit.called = operation.map(Operation::throttle);
    match operation {
        Some(Operation::Sts(sts::Operation::AssumeRoleWithOidc)) if matches!(request.method, "GET" | "POST") => {
            check_format(&parameters)?;
            Box::pin(sts::assume_role_with_oidc(service, None, &parameters, visit)).await
        }
        _ => Err(Error::missing_parameter("AccessKeyId")),
    }
}

/// Returns what stands in a header or a parameter; where it stands in both, it is the same.
fn either<'a>(headers: &'a HeaderMap, header: &'static str, parameters: &'a Parameters, name: &'static str) -> Result<Option<&'a str>> {
    let mut lines = headers.get_all(header).iter().map(HeaderValue::to_str);
    let line = lines.next().transpose().map_err(|_| Error::malformed_request(format!("The header {header} can't be read.")))?;
    match (line, given(parameters, name)) {
        (Some(line), Some(value)) if line != value => Err(Error::malformed_request(format!("{header} and {name} differ."))),
        _ if lines.next().is_some() => Err(Error::malformed_request(format!("The header {header} comes more than once."))),
        (line, value) => Ok(line.or(value)),
    }
}

/// Returns a parameter that has a value: Node writes `key=` for null.
fn given<'a>(parameters: &'a Parameters, name: &str) -> Option<&'a str> {
    parameters.get(name).filter(|value| !value.is_empty())
}

fn check_format(parameters: &Parameters) -> Result<()> {
    match given(parameters, "Format") {
        Some(format) if !format.eq_ignore_ascii_case("json") && !format.eq_ignore_ascii_case("xml") => {
            Err(Error::invalid_parameter("Format", "It is JSON or XML."))
        }
        _ => Ok(()),
    }
}

/// Returns the envelope of a visit to this door.
fn envelope(visit: &Visit) -> Result<&Envelope> {
    match &visit.door {
        Door::Alibaba(envelope) => Ok(envelope),
        Door::Tencent(_) | Door::Registry | Door::Plain => Err(Error::internal("an Alibaba call without an Alibaba envelope")),
    }
}

/// Proves who calls, counts the call, and only then looks what it is.
async fn admit(service: &Service, unverified: &sign::Unverified, call: Call<'_>, visit: &mut Visit) -> Result<(Caller, Operation)> {
    let operation = call.operation();
    visit.action = match &operation {
        Ok(operation) => Cow::Borrowed(operation.name()),
        Err(_) => Cow::Owned(call.action.or(call.path).unwrap_or_default().to_owned()),
    };
    // Every signature but the oldest has a nonce here, which is used once whatever the call is for.
    visit.called = operation.as_ref().ok().map(|operation| operation.throttle());
    let counted = visit.called.unwrap_or("cr:unknown");
    let caller = service.authenticate(unverified, Purpose::Change, counted, &visit.context).await;
    if caller.is_err() {
        visit.claim_access_key(unverified.access_key_id());
    }
    let caller = caller?;
    visit.principal = caller.principal().cloned();
    service.throttle(&caller, counted)?;
    Ok((caller, operation?))
}
