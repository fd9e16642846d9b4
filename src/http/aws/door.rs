//! Recognises, reads and proves calls.

use axum::response::Response;
use http::{HeaderValue, header};

use super::call::{Authenticated, Reply};
use super::detected::Detected;
use super::envelope::Envelope;
use super::operations::{Operation, is_known};
use super::{AUTHORIZATION, ECR_TARGET, ECR_VERSION, Product, STS_VERSION, Scheme, sts};
use crate::domain::{Error, ErrorKind, Result};
use crate::http::Settings;
use crate::http::door::operations::unserved;
use crate::http::door::signed::Signed;
use crate::http::door::{BodyRule, Door, Evidence, Incoming, Shared};
use crate::http::request::{Head, OperationRow, Record};
use crate::service::{AuditAction, Caller, Purpose, Service};
use crate::sign::{self, Parameters, sigv4};

/// The door of Amazon Web Services' clients.
#[derive(Debug)]
pub(crate) struct Aws {
    scheme: Scheme,
    envelope: Envelope,
}

impl Aws {
    /// Returns how the call is signed.
    #[cfg(test)]
    pub(crate) fn scheme(&self) -> Scheme {
        self.scheme
    }
}

impl Door for Aws {
    const NAME: &'static str = "aws";
    const OPERATIONS: &'static [OperationRow] = Operation::ROWS;

    type Envelope = Envelope;

    fn claims(head: &Head<'_>) -> Option<(Evidence, Self)> {
        let detected = Detected::of(head);
        let (strength, scheme) = detected.scheme()?;
        let evidence = Evidence {
            strength,
            is_signed_in_header: detected.is_signed_in_header,
            names_key: detected.names_key,
            is_signed_in_parameters: detected.names_key && detected.has_signature,
            has_own_header: detected.has_own_header,
        };
        let envelope = detected.envelope();
        Some((evidence, Self { scheme, envelope }))
    }

    fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    fn body_rule(&self, head: &Head<'_>, settings: &Settings) -> BodyRule {
        match self.scheme {
            Scheme::Headers => BodyRule::Signed {
                limit: settings.max_body_bytes,
            },
            Scheme::Unsigned if head.may_be_signed_in_form() => BodyRule::Unsigned,
            // Of a signed query the body is empty.
            Scheme::Query | Scheme::Unsigned => BodyRule::Unread,
        }
    }

    fn preview<'a>(&self, head: &Head<'a>) -> Result<Option<sign::Preview<'a>>> {
        if self.scheme != Scheme::Headers {
            return Ok(None);
        }
        if let Some(preview) = sigv4::preview(&head.parts.headers) {
            return Ok(Some(preview));
        }
        // The scheme's reader says what is wrong with it, without the body.
        sigv4::read(&head.signed(b"")?)?;
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
        if self.scheme == Scheme::Unsigned {
            let operation = Detected::of(&incoming.head).operation();
            return unsigned(service, request, operation, &self.envelope, record).await;
        }
        let read = sigv4::read_previewed(request, incoming.preview)?;
        let (caller, operation) = admit(service, &read, request.method, record).await?;
        let call = &service.call(&caller, &record.context);
        let reply = Reply {
            envelope: &self.envelope,
            request_id: &call.request.request_id,
            operation: operation.row(),
        };
        operation
            .run(Authenticated {
                service,
                call,
                parameters: &read.parameters,
                body: incoming.body,
                region: &read.region,
                record,
                reply,
            })
            .await
    }

    fn audited_action(&self, head: &Head<'_>, record: &Record) -> Option<AuditAction> {
        // A call that was refused before its body was read may name one all the same.
        let operation = record.operation.or_else(|| {
            let named = Detected::of(head).operation();
            named.map(Operation::row)
        });
        Some(AuditAction::Operation(
            operation.map_or("aws:unknown", |operation| operation.counted_as),
        ))
    }
}

/// Serves the operation that needs no signature: a token among the parameters proves the caller.
async fn unsigned(
    service: &Service,
    request: &sign::Request<'_>,
    operation: Option<Operation>,
    envelope: &Envelope,
    record: &mut Record,
) -> Result<Response> {
    record.operation = operation.map(Operation::row);
    let Some(operation @ Operation::AssumeRoleWithWebIdentity) =
        operation.filter(|_| matches!(request.method, "GET" | "POST"))
    else {
        return Err(Error::missing_parameter(AUTHORIZATION));
    };
    let content_type = request.headers.get(header::CONTENT_TYPE);
    let form = if sign::is_form_type(content_type.map_or(b"", HeaderValue::as_bytes)) {
        request.body
    } else {
        b""
    };
    let parameters = Parameters::parse_all([request.query.as_bytes(), form])?;
    if parameters.get("Version") != Some(STS_VERSION) {
        return Err(Error::missing_parameter(AUTHORIZATION));
    }
    let reply = Reply {
        envelope,
        request_id: &record.context.request_id,
        operation: operation.row(),
    };
    Box::pin(sts::roles::assume_role_with_web_identity(
        service,
        &parameters,
        Signed::No,
        record,
        reply,
    ))
    .await
}

/// Returns the operation that a call names, before anything of it is believed.
fn operation(read: &sigv4::Read, method: &str) -> Result<Operation> {
    let unknown = |action: &str, version: &str| {
        let kind = ErrorKind::UnknownAction {
            action: action.to_owned(),
            version: version.to_owned(),
        };
        Err(Error::new(kind, "The operation is not served here."))
    };
    let (product, name, version) = match &read.target {
        Some(target) => match target.strip_prefix(ECR_TARGET) {
            Some(name) => (Product::Ecr, name, ECR_VERSION),
            None => return unknown(target, ""),
        },
        None => {
            let given = |name| read.parameters.get(name).filter(|value| !value.is_empty());
            let name = given("Action").ok_or_else(|| Error::missing_parameter("Action"))?;
            match given("Version") {
                Some(version @ STS_VERSION) => (Product::Sts, name, version),
                other => return unknown(name, other.unwrap_or_default()),
            }
        }
    };
    if method != "POST" && (product == Product::Ecr || method != "GET") {
        return Err(Error::malformed_request(
            "This HTTP method is not supported; use POST, or GET for STS.",
        ));
    }
    match Operation::named(product.name(), name) {
        Some(operation) => Ok(operation),
        None if is_known(product, name) => Err(unserved(name)),
        None => unknown(name, version),
    }
}

/// Checks that the credential scope is that of the operation's product, and that a signed query
/// asks for the one operation that is served so.
fn check_scope(read: &sigv4::Read, operation: Operation) -> Result<()> {
    let product = operation.row().product;
    if read.service != product {
        return Err(Error::malformed_authorization(format!(
            "Credential should be scoped to correct service: '{product}'."
        )));
    }
    if read.is_presigned && operation != Operation::GetCallerIdentity {
        return Err(Error::malformed_authorization(
            "A signature in the query serves GetCallerIdentity alone; sign the headers.",
        ));
    }
    Ok(())
}

/// Proves the caller, counts the call, and only then looks what it is.
async fn admit(
    service: &Service,
    read: &sigv4::Read,
    method: &str,
    record: &mut Record,
) -> Result<(Caller, Operation)> {
    let operation = operation(read, method);
    match &operation {
        Ok(operation) => record.operation = Some(operation.row()),
        Err(_) => {
            let named = read.target.as_deref().or(read.parameters.get("Action"));
            record.unknown_action = named.unwrap_or_default().to_owned();
        }
    }
    let purpose = record
        .operation
        .map_or(Purpose::Change, |operation| operation.purpose);
    let counted = record
        .operation
        .map_or("ecr:unknown", |operation| operation.counted_as);
    let caller = service
        .access
        .authenticate(&read.unverified, purpose, counted, &record.context)
        .await;
    if caller.is_err() {
        record.claim_access_key(read.unverified.access_key_id());
    }
    let caller = caller?;
    record.note_principal(&caller);
    service.access.throttle(&caller, counted)?;
    let operation = operation?;
    check_scope(read, operation)?;
    Ok((caller, operation))
}
