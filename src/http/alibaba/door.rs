//! Recognises, reads and proves calls.

use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::call::{Authenticated, Reply};
use super::detected::{Detected, X_ACS_ACTION, X_ACS_VERSION};
use super::envelope::Envelope;
use super::operations::Operation;
use super::parameters::{check_format, either, given};
use super::{Product, ROA_VERSION, RPC_VERSION, STS_VERSION, Scheme, sts};
use crate::domain::{Error, ErrorKind, Result};
use crate::http::Settings;
use crate::http::door::operations::unserved;
use crate::http::door::signed::Signed;
use crate::http::door::{BodyRule, Door, Evidence, Incoming, Shared};
use crate::http::request::{Head, OperationRow, Record};
use crate::service::{AuditAction, Caller, Language, Purpose, Service, is_action};
use crate::sign::{self, Parameters};

/// The door of Alibaba Cloud's clients.
#[derive(Debug)]
pub(crate) struct Alibaba {
    scheme: Scheme,
    envelope: Envelope,
}

impl Alibaba {
    /// Returns how the call is signed.
    #[cfg(test)]
    pub(crate) fn scheme(&self) -> Scheme {
        self.scheme
    }
}

impl Door for Alibaba {
    const NAME: &'static str = "alibaba";
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
        Some((
            evidence,
            Self {
                scheme,
                envelope: detected.envelope(head, scheme),
            },
        ))
    }

    fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// This cloud's ids are upper-case.
    fn spell_request_id(id: &mut str) {
        id.make_ascii_uppercase();
    }

    fn body_rule(&self, head: &Head<'_>, settings: &Settings) -> BodyRule {
        match self.scheme {
            Scheme::Acs3 | Scheme::Roa => BodyRule::Signed {
                limit: settings.max_body_bytes,
            },
            // Without a signature, all that counts stands in the query or a form.
            Scheme::Bearer | Scheme::Unsigned if !head.may_be_signed_in_form() => BodyRule::Unread,
            Scheme::Rpc | Scheme::Bearer | Scheme::Unsigned => BodyRule::Unsigned,
        }
    }

    fn preview<'a>(&self, head: &Head<'a>) -> Result<Option<sign::Preview<'a>>> {
        let headers = &head.parts.headers;
        let preview = match self.scheme {
            Scheme::Acs3 => sign::acs3::preview(headers),
            Scheme::Roa => sign::alibaba_roa::preview(headers),
            Scheme::Rpc | Scheme::Bearer | Scheme::Unsigned => return Ok(None),
        };
        if preview.is_some() {
            return Ok(preview);
        }
        // The scheme's reader says what is wrong with it, without the body.
        let request = head.signed(b"")?;
        match self.scheme {
            Scheme::Roa => sign::alibaba_roa::read(&request).map(drop)?,
            _ => sign::acs3::read(&request).map(drop)?,
        }
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
        let request = &incoming.head.signed(incoming.body)?;
        let served = Served {
            service: shared.service,
            envelope: &self.envelope,
            record,
        };
        match self.scheme {
            Scheme::Acs3 => {
                let read = sign::acs3::read_previewed(request, incoming.preview)?;
                let call = Named {
                    action: Some(&read.action),
                    version: Some(&read.version),
                    method: request.method,
                    path: Some(request.path),
                };
                served.run(&read.unverified, call, &read.parameters).await
            }
            Scheme::Rpc => {
                let read = sign::alibaba_rpc::read(request)?;
                // This signature doesn't cover the path: nothing is called by it.
                let call = Named {
                    action: given(&read.parameters, "Action"),
                    version: given(&read.parameters, "Version"),
                    method: request.method,
                    path: None,
                };
                served.run(&read.unverified, call, &read.parameters).await
            }
            Scheme::Roa => {
                let read = sign::alibaba_roa::read(request)?;
                // Signed, as every x-acs- header is in this scheme. Its action is not sent by every
                // client.
                let call = Named {
                    action: None,
                    version: text_of(request.headers, &X_ACS_VERSION),
                    method: request.method,
                    path: Some(request.path),
                };
                served.run(&read.unverified, call, &read.parameters).await
            }
            Scheme::Bearer => Err(Error::signature_method_refused("BEARERTOKEN")),
            Scheme::Unsigned => served.run_unsigned(request).await,
        }
    }

    fn audited_action(&self, head: &Head<'_>, record: &Record) -> Option<AuditAction> {
        // A call that was refused before its body was read may name one all the same.
        let operation = record
            .operation
            .or_else(|| named_by(head.parts).map(Operation::row));
        Some(AuditAction::Operation(
            operation.map_or("alibaba:unknown", |operation| operation.counted_as),
        ))
    }
}

/// The operation that a call names, before anything of it is believed.
#[derive(Clone, Copy)]
struct Named<'a> {
    action: Option<&'a str>,
    version: Option<&'a str>,
    method: &'a str,
    /// The path, where the signature covers it.
    path: Option<&'a str>,
}

impl Named<'_> {
    /// Returns the operation that is called.
    fn operation(&self) -> Result<Operation> {
        let version = self
            .version
            .ok_or_else(|| Error::missing_parameter("Version"))?;
        let unknown = |action: &str| {
            let kind = ErrorKind::UnknownAction {
                action: action.to_owned(),
                version: version.to_owned(),
            };
            Err(Error::new(kind, "The API is not served here."))
        };
        match version {
            RPC_VERSION | STS_VERSION if matches!(self.path, None | Some("/")) => {
                let action = self
                    .action
                    .ok_or_else(|| Error::missing_parameter("Action"))?;
                // Divergence: the vendor's tables have two codes for this, and neither is sure.
                if !matches!(self.method, "GET" | "POST") {
                    return Err(Error::malformed_request(
                        "This HTTP method is not supported; use GET or POST.",
                    ));
                }
                match Operation::named(Product::of_version(version.as_bytes()).service(), action) {
                    Some(operation) => Ok(operation),
                    None if is_action(
                        Language::Ram,
                        Product::of_version(version.as_bytes()).service(),
                        action,
                    ) =>
                    {
                        Err(unserved(action))
                    }
                    None => unknown(action),
                }
            }
            RPC_VERSION | STS_VERSION => unknown(self.path.unwrap_or_default()),
            ROA_VERSION if self.path.is_some() => {
                let path = self.path.unwrap_or_default();
                Operation::of_path(self.method, path).map_or_else(|| unknown(path), Ok)
            }
            _ => {
                let kind = ErrorKind::UnknownVersion {
                    version: version.to_owned(),
                };
                Err(Error::new(kind, "The version is not served here."))
            }
        }
    }
}

/// Returns the operation that the head of a call names.
fn named_by(parts: &Parts) -> Option<Operation> {
    Named {
        action: text_of(&parts.headers, &X_ACS_ACTION),
        version: text_of(&parts.headers, &X_ACS_VERSION),
        method: parts.method.as_str(),
        path: Some(parts.uri.path()),
    }
    .operation()
    .ok()
}

/// Returns a header's value, where it is text.
fn text_of<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// A call that is being served.
struct Served<'a> {
    service: &'a Service,
    envelope: &'a Envelope,
    record: &'a mut Record,
}

impl Served<'_> {
    /// Proves a call's caller, and runs its operation.
    ///
    /// Divergence: parameters that the operation doesn't have are let pass, as the old SDK's
    /// `RegionId` must be.
    async fn run(
        self,
        unverified: &sign::Unverified,
        call: Named<'_>,
        parameters: &Parameters,
    ) -> Result<Response> {
        let Self {
            service,
            envelope,
            record,
        } = self;
        let (caller, operation) = admit(service, unverified, call, record).await?;
        check_format(parameters)?;
        let call = &service.call(&caller, &record.context);
        let reply = Reply {
            envelope,
            request_id: &call.request.request_id,
            operation: operation.row(),
        };
        operation
            .run(Authenticated {
                service,
                call,
                parameters,
                record,
                reply,
            })
            .await
    }

    /// Serves the operation that needs no signature: a token among the parameters proves the
    /// caller.
    ///
    /// SDKs write action and version into headers and everything else into query and form, the
    /// credential libraries everything into the query.
    async fn run_unsigned(self, request: &sign::Request<'_>) -> Result<Response> {
        let Self {
            service,
            envelope,
            record,
        } = self;
        let content_type = request.headers.get(header::CONTENT_TYPE);
        let form = if sign::is_form_type(content_type.map_or(b"", HeaderValue::as_bytes)) {
            request.body
        } else {
            b""
        };
        let parameters = Parameters::parse_all([request.query.as_bytes(), form])?;
        let action = either(request.headers, "x-acs-action", &parameters, "Action")?;
        let version = either(request.headers, "x-acs-version", &parameters, "Version")?;
        record.unknown_action = action.unwrap_or_default().to_owned();
        let operation = action.zip(version).and_then(|(action, version)| {
            Operation::named(Product::of_version(version.as_bytes()).service(), action)
        });
        record.operation = operation.map(Operation::row);
        let Some(operation @ Operation::AssumeRoleWithOIDC) =
            operation.filter(|_| matches!(request.method, "GET" | "POST"))
        else {
            return Err(Error::missing_parameter("AccessKeyId"));
        };
        check_format(&parameters)?;
        let reply = Reply {
            envelope,
            request_id: &record.context.request_id,
            operation: operation.row(),
        };
        Box::pin(sts::assume_role_with_oidc(
            service,
            &parameters,
            Signed::No,
            record,
            reply,
        ))
        .await
    }
}

/// Proves the caller, counts the call, and only then looks what it is.
async fn admit(
    service: &Service,
    unverified: &sign::Unverified,
    call: Named<'_>,
    record: &mut Record,
) -> Result<(Caller, Operation)> {
    let operation = call.operation();
    match &operation {
        Ok(operation) => record.operation = Some(operation.row()),
        Err(_) => record.unknown_action = call.action.or(call.path).unwrap_or_default().to_owned(),
    }
    let purpose = record
        .operation
        .map_or(Purpose::Change, |operation| operation.purpose);
    let counted = record
        .operation
        .map_or("cr:unknown", |operation| operation.counted_as);
    let caller = service
        .access
        .authenticate(unverified, purpose, counted, &record.context)
        .await;
    if caller.is_err() {
        record.claim_access_key(unverified.access_key_id());
    }
    let caller = caller?;
    record.note_principal(&caller);
    service.access.throttle(&caller, counted)?;
    Ok((caller, operation?))
}
