//! Tencent Cloud's API 3.0: TC3-HMAC-SHA256, and the older HmacSHA1 and HmacSHA256.
//!
//! It decodes a call, hands it to a use case, and encodes the answer. One order of checks: the caller is
//! proved and counted before it hears anything about actions, versions or parameters.
//!
//! Start with [`answer`]; an operation is in the file of its product ([`tcr`], [`sts`]), its errors in [`error`].

mod error;
pub mod parameters;
mod sts;
mod tcr;
mod times;

use std::borrow::Cow;

use axum::body::Body;
use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde::Serialize;

use crate::domain::name::check_region;
use crate::domain::{Error, ErrorKind, Result};
use crate::service::{Caller, Language as PolicyLanguage, Purpose, Service, is_action};
use crate::sign;

use self::parameters::Parameters;
use super::edge::{Door, Visit};
use super::operation::{self, unserved};

static X_TC_VERSION: HeaderName = HeaderName::from_static("x-tc-version");

/// How a call is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    /// In the Authorization header.
    Tc3,
    /// In parameters.
    V1,
    /// `Authorization: SKIP`: not at all.
    Unsigned,
}

/// The language of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Language {
    English,
    Chinese,
}

/// What shapes the answer of a call, known before any work.
#[derive(Debug)]
pub(super) struct Envelope {
    scheme: Scheme,
    language: Language,
    product: Option<Product>,
    /// Goes back as it came: Node's SDK puts it into its error objects.
    trace_id: Option<HeaderValue>,
}

impl Envelope {
    /// Reads the envelope off the headers; v1 calls name language and version in parameters instead.
    pub(super) fn new(scheme: Scheme, headers: &HeaderMap, language_parameter: Option<&str>, version_parameter: Option<&str>) -> Self {
        let language = headers.get("x-tc-language").map(HeaderValue::as_bytes).or(language_parameter.map(str::as_bytes));
        let version = match scheme {
            Scheme::V1 => version_parameter,
            Scheme::Tc3 | Scheme::Unsigned => headers.get(&X_TC_VERSION).and_then(|version| version.to_str().ok()),
        };
        Self {
            scheme,
            product: version.and_then(Product::of_version),
            language: if language == Some(b"zh-CN") { Language::Chinese } else { Language::English },
            trace_id: headers.get("x-tc-traceid").filter(|id| id.len() <= 128).cloned(),
        }
    }

    /// Answers with an error.
    pub(super) fn refuse(&self, error: &Error, request_id: &str) -> Response {
        let (code, message) = error::answer(error, self.scheme, self.language, self.product);
        let refusal = Refusal { error: CodeAndMessage { code, message } };
        self.respond(&refusal, request_id).unwrap_or_else(|_| Response::new(Body::empty()))
    }

    /// Wraps an output. The status is 200 whatever is inside, or clients don't look inside; and the
    /// content type has no charset, or Python's SDK takes errors for successes (facts 0.1 and 0.2).
    fn respond(&self, output: &impl Serialize, request_id: &str) -> Result<Response> {
        let mut body = Vec::with_capacity(1024);
        serde_json::to_writer(&mut body, &Reply { response: Fields { output, request_id } }).map_err(Error::internal)?;
        let mut response = Response::new(Body::from(body));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(trace_id) = &self.trace_id {
            headers.insert("x-tc-traceid", trace_id.clone());
        }
        Ok(response)
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
struct Nothing {}

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

/// The products that the clouds' own clients call here, told apart by their version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Product {
    Tcr,
    Sts,
    Cam,
}

impl Product {
    const ALL: [Self; 3] = [Self::Tcr, Self::Sts, Self::Cam];

    fn name(self) -> &'static str {
        match self {
            Self::Tcr => "tcr",
            Self::Sts => "sts",
            Self::Cam => "cam",
        }
    }

    fn version(self) -> &'static str {
        match self {
            Self::Tcr => "2019-09-24",
            Self::Sts => "2018-08-13",
            Self::Cam => "2019-01-16",
        }
    }

    fn of_version(version: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|product| product.version() == version)
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|product| product.name() == name)
    }
}

/// Returns whether `version` is one of Tencent's, for unsigned requests that name nothing else.
pub(super) fn knows_version(version: &str) -> bool {
    Product::of_version(version).is_some()
}

/// A call whose caller is proved.
type Proved<'a> = operation::Proved<'a, Parameters>;

/// What can be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Tcr(tcr::Operation),
    Sts(sts::Operation),
}

impl Operation {
    /// Returns the operation of an action's exact name.
    fn named(product: Product, action: &str) -> Option<Self> {
        match product {
            Product::Tcr => tcr::Operation::named(action).map(Self::Tcr),
            Product::Sts => sts::Operation::named(action).map(Self::Sts),
            Product::Cam => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Tcr(operation) => operation.name(),
            Self::Sts(operation) => operation.name(),
        }
    }

    fn throttle(self) -> &'static str {
        match self {
            Self::Tcr(operation) => operation.throttle(),
            Self::Sts(operation) => operation.throttle(),
        }
    }

    /// Returns what the operation is for: Tencent names those that only read so.
    fn purpose(self) -> Purpose {
        let reads = ["Describe", "Check", "GetCallerIdentity"];
        if reads.iter().any(|word| self.name().starts_with(word)) { Purpose::Read } else { Purpose::Change }
    }

    /// Runs the operation for a proved caller.
    async fn run(self, call: Proved<'_>) -> Result<Response> {
        match self {
            Self::Tcr(operation) => operation.run(call).await,
            // Apart: what opens a session is large, and the other one is asked for far more often.
            Self::Sts(operation) => Box::pin(operation.run(call)).await,
        }
    }
}

/// Returns the operation that headers name.
fn named_by(headers: &HeaderMap) -> Option<Operation> {
    let single = |name: &'static str| {
        let mut lines = headers.get_all(name).iter();
        lines.next().filter(|_| lines.next().is_none())?.to_str().ok()
    };
    let product = Product::of_version(single("x-tc-version")?)?;
    Operation::named(product, single("x-tc-action")?)
}

/// Returns how the audit calls what the headers of a call name, which may have been refused before its body was read.
pub(super) fn audited_action(headers: &HeaderMap) -> Option<&'static str> {
    named_by(headers).map(Operation::throttle)
}

/// Returns the operation that an unsigned call names, if it is one that needs no signature.
pub(super) fn unsigned_operation(headers: &HeaderMap) -> Option<&'static str> {
    let operation = named_by(headers)?;
    (operation == Operation::Sts(sts::Operation::AssumeRoleWithWebIdentity)).then(|| operation.name())
}

fn reply(output: &impl Serialize, visit: &Visit) -> Result<Response> {
    match &visit.door {
        Door::Tencent(envelope) => envelope.respond(output, &visit.context.request_id),
        Door::Alibaba(_) | Door::Registry | Door::Plain => Err(Error::internal("a Tencent call without a Tencent envelope")),
    }
}

/// What a call says about itself, before anything of it is believed.
struct Call<'a> {
    /// The product in the credential scope; v1 has none.
    scope: Option<&'a str>,
    action: Option<&'a str>,
    version: Option<&'a str>,
    region: Option<&'a str>,
    /// What the region's parameter is called in messages.
    region_name: &'static str,
}

impl Call<'_> {
    /// Returns the operation that is called.
    fn operation(&self) -> Result<Operation> {
        let action = self.action.ok_or_else(|| Error::missing_parameter("Action"))?;
        let version = self.version.ok_or_else(|| Error::missing_parameter("Version"))?;
        let unknown = |kind| Err(Error::new(kind, "The action is not served here."));
        match Product::of_version(version) {
            None => unknown(ErrorKind::UnknownVersion { version: version.to_owned() }),
            Some(product) => match Operation::named(product, action) {
                Some(operation) => Ok(operation),
                None if is_action(PolicyLanguage::Cam, product.name(), action) => Err(unserved(action)),
                None => unknown(ErrorKind::UnknownAction { action: action.to_owned(), version: version.to_owned() }),
            },
        }
    }

    /// Checks that a scope that names a product names the called one. Other scopes pass: Node writes its
    /// endpoint's first label there.
    ///
    /// Divergence: the code for it isn't known; the scope is part of the Authorization header, so it is
    /// `AuthFailure.InvalidAuthorization`.
    fn check_scope(&self) -> Result<()> {
        let scope = self.scope.and_then(Product::named);
        let called = self.version.and_then(Product::of_version);
        match (scope, called) {
            (Some(scope), Some(called)) if scope != called => Err(Error::malformed_authorization(format!(
                "The credential scope is for the service `{}`, but the version is one of `{}`.",
                scope.name(),
                called.name()
            ))),
            _ => Ok(()),
        }
    }

    /// Checks that a region is given; STS, which has none, needs none.
    ///
    /// Divergence: any well-formed region is taken; an instance is found by its id alone.
    fn check_region(&self, operation: Operation) -> Result<()> {
        match (self.region, operation) {
            (Some(region), _) => check_region(self.region_name, region),
            (None, Operation::Sts(_)) => Ok(()),
            (None, Operation::Tcr(_)) => Err(Error::missing_parameter("Region")),
        }
    }
}

/// The parameters of a v1 call that aren't the action's.
const COMMON: [&str; 11] =
    ["Action", "Language", "Nonce", "Region", "RequestClient", "SecretId", "Signature", "SignatureMethod", "Timestamp", "Token", "Version"];

/// Serves a call; `preview` is what was read of it before its body.
pub(super) async fn answer<'a>(
    service: &Service,
    scheme: Scheme,
    request: &sign::Request<'a>,
    preview: Option<sign::Preview<'a>>,
    visit: &mut Visit,
) -> Result<Response> {
    match scheme {
        Scheme::Tc3 => {
            let read = sign::tc3::read_previewed(request, preview)?;
            let call = Call {
                scope: Some(&read.service),
                action: read.action.as_deref(),
                version: read.version.as_deref(),
                region: read.region.as_deref(),
                region_name: "X-TC-Region",
            };
            let (caller, operation) = admit(service, &read.unverified, &call, visit).await?;
            let parameters = tc3_parameters(request)?;
            operation.run(Proved { service, caller: &caller, parameters, visit }).await
        }
        Scheme::V1 => {
            let read = sign::tencent_v1::read(request)?;
            let given = |name| read.parameters.get(name).filter(|value| !value.is_empty());
            let call =
                Call { scope: None, action: given("Action"), version: given("Version"), region: given("Region"), region_name: "Region" };
            let (caller, operation) = admit(service, &read.unverified, &call, visit).await?;
            let own = read.parameters.iter().filter(|(name, _)| !COMMON.contains(name));
            let parameters = Parameters::from_pairs(own)?;
            operation.run(Proved { service, caller: &caller, parameters, visit }).await
        }
        Scheme::Unsigned => unsigned(service, request, visit).await,
    }
}

/// Serves the operation that needs no signature: who calls is proved by a token among the parameters.
///
/// Its time and its region say nothing: the token has its own time.
async fn unsigned(service: &Service, request: &sign::Request<'_>, visit: &mut Visit) -> Result<Response> {
    let Some(name) = unsigned_operation(request.headers) else {
        return Err(Error::malformed_authorization("This action must be signed."));
    };
    visit.action = Cow::Borrowed(name);
    visit.called = audited_action(request.headers);
    match request.method {
        "GET" => {}
        "POST" if request.query.is_empty() => {}
        _ => return Err(Error::malformed_request("The call is a GET with a query, or a POST with none.")),
    }
    let parameters = tc3_parameters(request)?;
    Box::pin(sts::assume_role_with_web_identity(service, None, parameters, visit)).await
}

/// Proves who calls, counts the call, and only then looks what it is.
async fn admit(service: &Service, unverified: &sign::Unverified, call: &Call<'_>, visit: &mut Visit) -> Result<(Caller, Operation)> {
    let operation = call.operation();
    visit.action = match &operation {
        Ok(operation) => Cow::Borrowed(operation.name()),
        Err(_) => Cow::Owned(call.action.unwrap_or_default().to_owned()),
    };
    let purpose = operation.as_ref().map_or(Purpose::Change, |operation| operation.purpose());
    visit.called = operation.as_ref().ok().map(|operation| operation.throttle());
    let counted = visit.called.unwrap_or("tcr:unknown");
    let caller = service.authenticate(unverified, purpose, counted, &visit.context).await;
    if caller.is_err() {
        visit.claim_access_key(unverified.access_key_id());
    }
    let caller = caller?;
    visit.principal = caller.principal().cloned();
    call.check_scope()?;
    service.throttle(&caller, counted)?;
    let operation = operation?;
    call.check_region(operation)?;
    visit.region = call.region.map(str::to_owned);
    Ok((caller, operation))
}

/// Reads the parameters of a TC3 call: JSON from POST, the query from GET.
fn tc3_parameters(request: &sign::Request<'_>) -> Result<Parameters> {
    if request.method == "GET" {
        return Parameters::from_pairs(sign::Parameters::parse(request.query.as_bytes())?);
    }
    let content_type = request.headers.get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let media_type = content_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    if !media_type.eq_ignore_ascii_case(b"application/json") {
        // Forms belong to the older signatures, and no action here takes files.
        return Err(Error::malformed_request("A POST signed with TC3 has the content type application/json."));
    }
    Parameters::from_json(request.body)
}
