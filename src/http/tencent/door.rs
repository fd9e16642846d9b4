//! Recognises, reads and proves calls.

use axum::response::Response;
use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::call::{Authenticated, Reply};
use super::envelope::Envelope;
use super::operations::Operation;
use super::parameters::Parameters;
use super::{Product, Scheme, sts};
use crate::domain::name::check_region;
use crate::domain::{Error, ErrorKind, Result};
use crate::http::Settings;
use crate::http::door::operations::unserved;
use crate::http::door::signed::Signed;
use crate::http::door::{BodyRule, Door, Evidence, Incoming, Shared, Strength};
use crate::http::request::{Head, OperationRow, Record};
use crate::service::{AuditAction, Call, Caller, Language, Purpose, Service, is_action};
use crate::sign;

static X_TC_ACTION: HeaderName = HeaderName::from_static("x-tc-action");

/// The door of Tencent Cloud's clients.
#[derive(Debug)]
pub(crate) struct Tencent {
    scheme: Scheme,
    envelope: Envelope,
}

/// The marks of this API in a request.
#[derive(Default)]
struct Detected<'a> {
    authorization: Option<Scheme>,
    has_own_header: bool,
    names_key: bool,
    has_signature: bool,
    has_action: bool,
    version: Option<&'a str>,
    language: Option<&'a str>,
}

impl<'a> Detected<'a> {
    fn of(head: &Head<'a>) -> Self {
        let headers = &head.parts.headers;
        let authorization = match headers
            .get(header::AUTHORIZATION)
            .map_or(&b""[..], HeaderValue::as_bytes)
        {
            b"SKIP" => Some(Scheme::Unsigned),
            text if text.starts_with(b"TC3-") => Some(Scheme::Tc3),
            _ => None,
        };
        let mut detected = Self {
            authorization,
            has_own_header: headers.contains_key(&X_TC_ACTION),
            ..Self::default()
        };
        for (name, value) in head.parameters() {
            match name {
                b"SecretId" => detected.names_key = true,
                b"Signature" => detected.has_signature = true,
                b"Action" => detected.has_action = true,
                b"Version" => detected.version = std::str::from_utf8(value).ok(),
                b"Language" => detected.language = std::str::from_utf8(value).ok(),
                _ => {}
            }
        }
        detected
    }

    fn scheme(&self) -> Option<(Strength, Scheme)> {
        if let Some(scheme) = self.authorization {
            Some((Strength::Authorization, scheme))
        } else if self.names_key {
            Some((Strength::AccessKey, Scheme::V1))
        } else if self.has_own_header {
            // Its reader says that the Authorization header is missing.
            Some((Strength::OwnNames, Scheme::Tc3))
        } else if self.has_action
            && self
                .version
                .is_some_and(|version| Product::of_version(version).is_some())
        {
            Some((Strength::Version, Scheme::V1))
        } else {
            None
        }
    }
}

impl Tencent {
    fn authenticated<'a>(
        &'a self,
        service: &'a Service,
        call: &'a Call<'a>,
        parameters: Parameters,
        region: &'a str,
        record: &'a Record,
    ) -> Authenticated<'a> {
        let reply = Reply {
            envelope: &self.envelope,
            request_id: &call.request.request_id,
        };
        Authenticated {
            service,
            call,
            parameters,
            region,
            record,
            reply,
        }
    }

    /// Returns how the call is signed.
    #[cfg(test)]
    pub(crate) fn scheme(&self) -> Scheme {
        self.scheme
    }
}

impl Door for Tencent {
    const NAME: &'static str = "tencent";
    const OPERATIONS: &'static [OperationRow] = Operation::ROWS;

    type Envelope = Envelope;

    fn claims(head: &Head<'_>) -> Option<(Evidence, Self)> {
        let detected = Detected::of(head);
        let (strength, scheme) = detected.scheme()?;
        let evidence = Evidence {
            strength,
            is_signed_in_header: detected.authorization.is_some(),
            names_key: detected.names_key,
            is_signed_in_parameters: detected.names_key && detected.has_signature,
            has_own_header: detected.has_own_header,
        };
        let envelope = Envelope::new(
            scheme,
            &head.parts.headers,
            detected.language,
            detected.version,
        );
        Some((evidence, Self { scheme, envelope }))
    }

    fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    fn body_rule(&self, head: &Head<'_>, settings: &Settings) -> BodyRule {
        match self.scheme {
            Scheme::Tc3 => BodyRule::Signed {
                limit: settings.max_tc3_body_bytes.max(settings.max_body_bytes),
            },
            // It is refused as it stands, whatever its body holds.
            Scheme::Unsigned
                if unsigned_operation(&head.parts.headers).is_none()
                    && !head.may_be_signed_in_form() =>
            {
                BodyRule::Unread
            }
            Scheme::V1 | Scheme::Unsigned => BodyRule::Unsigned,
        }
    }

    fn preview<'a>(&self, head: &Head<'a>) -> Result<Option<sign::Preview<'a>>> {
        if self.scheme != Scheme::Tc3 {
            return Ok(None);
        }
        if let Some(preview) = sign::tc3::preview(&head.parts.headers) {
            return Ok(Some(preview));
        }
        // The scheme's reader says what is wrong with it, without the body.
        sign::tc3::read(&head.signed(b"")?)?;
        Err(Error::malformed_authorization(
            "The Authorization header can't be read.",
        ))
    }

    async fn answer(
        &self,
        incoming: Incoming<'_>,
        shared: &Shared<'_>,
        record: &mut Record,
    ) -> Result<Response> {
        let service = shared.service;
        let request = &incoming.head.signed(incoming.body)?;
        match self.scheme {
            Scheme::Tc3 => {
                let read = sign::tc3::read_previewed(request, incoming.preview)?;
                let named = Named {
                    scope: Some(&read.service),
                    action: read.action.as_deref(),
                    version: read.version.as_deref(),
                    region: read.region.as_deref(),
                    region_name: "X-TC-Region",
                };
                let (caller, operation) = admit(service, &read.unverified, &named, record).await?;
                let parameters = tc3_parameters(request)?;
                let region = named.region.unwrap_or_default();
                let call = &service.call(&caller, &record.context);
                operation
                    .run(self.authenticated(service, call, parameters, region, record))
                    .await
            }
            Scheme::V1 => {
                let read = sign::tencent_v1::read(request)?;
                let given = |name| read.parameters.get(name).filter(|value| !value.is_empty());
                let named = Named {
                    scope: None,
                    action: given("Action"),
                    version: given("Version"),
                    region: given("Region"),
                    region_name: "Region",
                };
                let (caller, operation) = admit(service, &read.unverified, &named, record).await?;
                let own = read
                    .parameters
                    .iter()
                    .filter(|(name, _)| !COMMON.contains(name));
                let parameters = Parameters::from_pairs(own)?;
                let region = named.region.unwrap_or_default();
                let call = &service.call(&caller, &record.context);
                operation
                    .run(self.authenticated(service, call, parameters, region, record))
                    .await
            }
            Scheme::Unsigned => unsigned(service, request, &self.envelope, record).await,
        }
    }

    fn audited_action(&self, head: &Head<'_>, record: &Record) -> Option<AuditAction> {
        // A call that was refused before its body was read may name one all the same.
        let operation = record
            .operation
            .or_else(|| named_by(&head.parts.headers).map(Operation::row));
        Some(AuditAction::Operation(
            operation.map_or("tencent:unknown", |operation| operation.counted_as),
        ))
    }
}

/// Returns the operation that headers name.
fn named_by(headers: &HeaderMap) -> Option<Operation> {
    let single = |name: &'static str| {
        let mut lines = headers.get_all(name).iter();
        lines
            .next()
            .filter(|_| lines.next().is_none())?
            .to_str()
            .ok()
    };
    let product = Product::of_version(single("x-tc-version")?)?;
    Operation::named(product.name(), single("x-tc-action")?)
}

/// Returns the operation that an unsigned call names, if it is one that needs no signature.
fn unsigned_operation(headers: &HeaderMap) -> Option<Operation> {
    named_by(headers).filter(|operation| *operation == Operation::AssumeRoleWithWebIdentity)
}

/// The operation that a call names, before anything of it is believed.
struct Named<'a> {
    /// The product in the credential scope; v1 has none.
    scope: Option<&'a str>,
    action: Option<&'a str>,
    version: Option<&'a str>,
    region: Option<&'a str>,
    /// The region's parameter, for messages.
    region_name: &'static str,
}

impl Named<'_> {
    /// Returns the operation that is called.
    fn operation(&self) -> Result<Operation> {
        let action = self
            .action
            .ok_or_else(|| Error::missing_parameter("Action"))?;
        let version = self
            .version
            .ok_or_else(|| Error::missing_parameter("Version"))?;
        let unknown = |kind| Err(Error::new(kind, "The action is not served here."));
        match Product::of_version(version) {
            None => unknown(ErrorKind::UnknownVersion {
                version: version.to_owned(),
            }),
            Some(product) => match Operation::named(product.name(), action) {
                Some(operation) => Ok(operation),
                None if is_action(Language::Cam, product.name(), action) => Err(unserved(action)),
                None => unknown(ErrorKind::UnknownAction {
                    action: action.to_owned(),
                    version: version.to_owned(),
                }),
            },
        }
    }

    /// Checks that a scope that names a product names the called one. Other scopes pass: Node
    /// writes its endpoint's first label there.
    ///
    /// Divergence: the code for it isn't known; the scope is part of the Authorization header, so
    /// it is `AuthFailure.InvalidAuthorization`.
    fn check_scope(&self) -> Result<()> {
        let scope = self.scope.and_then(Product::named);
        let called = self.version.and_then(Product::of_version);
        match (scope, called) {
            (Some(scope), Some(called)) if scope != called => {
                Err(Error::malformed_authorization(format!(
                    "The credential scope is for the service `{}`, but the version is one of `{}`.",
                    scope.name(),
                    called.name()
                )))
            }
            _ => Ok(()),
        }
    }

    /// Checks that a region is given; STS, which has none, needs none.
    ///
    /// Divergence: any well-formed region is taken; an instance is found by its id alone.
    fn check_region(&self, operation: Operation) -> Result<()> {
        match (self.region, operation) {
            (Some(region), _) => check_region(self.region_name, region),
            (None, operation) if operation.row().product == Product::Sts.name() => Ok(()),
            (None, _) => Err(Error::missing_parameter("Region")),
        }
    }
}

/// The parameters of a v1 call that aren't the action's.
const COMMON: [&str; 11] = [
    "Action",
    "Language",
    "Nonce",
    "Region",
    "RequestClient",
    "SecretId",
    "Signature",
    "SignatureMethod",
    "Timestamp",
    "Token",
    "Version",
];

/// Serves the operation that needs no signature: a token among the parameters proves the caller.
///
/// Its time and its region say nothing: the token has its own time.
async fn unsigned(
    service: &Service,
    request: &sign::Request<'_>,
    envelope: &Envelope,
    record: &mut Record,
) -> Result<Response> {
    let Some(operation) = unsigned_operation(request.headers) else {
        return Err(Error::malformed_authorization(
            "This action must be signed.",
        ));
    };
    record.operation = Some(operation.row());
    match request.method {
        "GET" => {}
        "POST" if request.query.is_empty() => {}
        _ => {
            return Err(Error::malformed_request(
                "The call is a GET with a query, or a POST with none.",
            ));
        }
    }
    let parameters = tc3_parameters(request)?;
    let reply = Reply {
        envelope,
        request_id: &record.context.request_id,
    };
    Box::pin(sts::assume_role_with_web_identity(
        service,
        parameters,
        Signed::No,
        record,
        reply,
    ))
    .await
}

/// Proves the caller, counts the call, and only then looks what it is.
async fn admit(
    service: &Service,
    unverified: &sign::Unverified,
    call: &Named<'_>,
    record: &mut Record,
) -> Result<(Caller, Operation)> {
    let operation = call.operation();
    match &operation {
        Ok(operation) => record.operation = Some(operation.row()),
        Err(_) => record.unknown_action = call.action.unwrap_or_default().to_owned(),
    }
    let purpose = record
        .operation
        .map_or(Purpose::Change, |operation| operation.purpose);
    let counted = record
        .operation
        .map_or("tcr:unknown", |operation| operation.counted_as);
    let caller = service
        .access
        .authenticate(unverified, purpose, counted, &record.context)
        .await;
    if caller.is_err() {
        record.claim_access_key(unverified.access_key_id());
    }
    let caller = caller?;
    record.note_principal(&caller);
    call.check_scope()?;
    service.access.throttle(&caller, counted)?;
    let operation = operation?;
    call.check_region(operation)?;
    Ok((caller, operation))
}

/// Reads the parameters of a TC3 call: JSON from POST, the query from GET.
fn tc3_parameters(request: &sign::Request<'_>) -> Result<Parameters> {
    if request.method == "GET" {
        return Parameters::from_pairs(sign::Parameters::parse(request.query.as_bytes())?);
    }
    let content_type = request
        .headers
        .get(header::CONTENT_TYPE)
        .map_or(&b""[..], HeaderValue::as_bytes);
    let media_type = content_type
        .split(|byte| *byte == b';')
        .next()
        .unwrap_or_default()
        .trim_ascii();
    if !media_type.eq_ignore_ascii_case(b"application/json") {
        // Forms belong to the older signatures, and no action here takes files.
        return Err(Error::malformed_request(
            "A POST signed with TC3 has the content type application/json.",
        ));
    }
    Parameters::from_json(request.body)
}
