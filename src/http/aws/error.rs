//! The code and the text of each kind of error in AWS's words.
//!
//! Codes and texts are those that clients know (facts section 4). Those of STS lack the
//! `Exception` of ECR's, and come with their own status.

use std::borrow::Cow;

use http::StatusCode;

use crate::domain::aws;
use crate::domain::error::{Denial, PolicyKind, WebIdentityFault};
use crate::domain::{Error, ErrorKind, Noun};
use crate::http::request::OperationRow;

use super::{AUTHORIZATION, Product};

const BAD: StatusCode = StatusCode::BAD_REQUEST;
const FORBIDDEN: StatusCode = StatusCode::FORBIDDEN;
const OURS: StatusCode = StatusCode::INTERNAL_SERVER_ERROR;

const INVALID_TOKEN: &str = "The security token included in the request is invalid.";
const MISMATCH: &str = "The request signature we calculated does not match the signature you \
                        provided. Check your AWS Secret Access Key and signing method. Consult \
                        the service documentation for details.";

/// An error in this dialect's words.
pub(super) struct Answer<'a> {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) message: Cow<'a, str>,
}

/// The same error at both APIs: ECR answers 400 to all that the client did.
struct Codes {
    ecr: &'static str,
    sts: (StatusCode, &'static str),
}

const fn codes(ecr: &'static str, status: StatusCode, sts: &'static str) -> Codes {
    Codes {
        ecr,
        sts: (status, sts),
    }
}

/// Returns the answer to an error of a call to `product`.
pub(super) fn answer<'a>(
    error: &'a Error,
    product: Product,
    operation: Option<&'static OperationRow>,
) -> Answer<'a> {
    let codes = codes_of(error.kind());
    let (status, code) = match product {
        Product::Sts => codes.sts,
        // A status of the client's fault is one, and ours are what they are.
        Product::Ecr if codes.sts.0.is_server_error() => (codes.sts.0, codes.ecr),
        Product::Ecr => (BAD, codes.ecr),
    };
    Answer {
        status,
        code,
        message: message(error, operation),
    }
}

fn codes_of(kind: &ErrorKind) -> Codes {
    match kind {
        ErrorKind::MissingParameter { name } if name == AUTHORIZATION => codes(
            "MissingAuthenticationTokenException",
            FORBIDDEN,
            "MissingAuthenticationToken",
        ),
        ErrorKind::MalformedAuthorization
        | ErrorKind::SignatureMethodRefused { .. }
        | ErrorKind::MalformedTime => codes(
            "IncompleteSignatureException",
            FORBIDDEN,
            "IncompleteSignature",
        ),
        ErrorKind::AccessKeyNotFound
        | ErrorKind::AccessKeyDisabled
        | ErrorKind::SessionTokenMissing
        | ErrorKind::SessionTokenMalformed
        | ErrorKind::SessionTokenMismatch => codes(
            "UnrecognizedClientException",
            FORBIDDEN,
            "InvalidClientTokenId",
        ),
        ErrorKind::SessionTokenExpired => codes("ExpiredTokenException", FORBIDDEN, "ExpiredToken"),
        ErrorKind::RequestExpired { .. }
        | ErrorKind::SignatureMismatch { .. }
        | ErrorKind::Replayed => codes(
            "InvalidSignatureException",
            FORBIDDEN,
            "SignatureDoesNotMatch",
        ),
        ErrorKind::Throttled { .. }
        | ErrorKind::NonceMemoryFull
        | ErrorKind::AddressThrottled { .. }
        | ErrorKind::PasswordsBusy => codes("ThrottlingException", BAD, "Throttling"),
        ErrorKind::Overloaded => codes(
            "ServiceUnavailableException",
            StatusCode::SERVICE_UNAVAILABLE,
            "ServiceUnavailable",
        ),
        // Divergence: neither code is documented.
        ErrorKind::RequestTooLarge { .. } => codes(
            "RequestEntityTooLargeException",
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestEntityTooLarge",
        ),
        ErrorKind::RequestTimeout => codes(
            "RequestTimeoutException",
            StatusCode::REQUEST_TIMEOUT,
            "RequestTimeout",
        ),
        ErrorKind::UnknownAction { .. } | ErrorKind::UnknownVersion { .. } => {
            codes("UnknownOperationException", BAD, "InvalidAction")
        }
        ErrorKind::MissingParameter { name } if name == "Action" => {
            codes("SerializationException", BAD, "MissingAction")
        }
        ErrorKind::MalformedRequest => codes("SerializationException", BAD, "MalformedQueryString"),
        ErrorKind::InvalidParameter { name } if name == "Policy" => {
            codes("InvalidParameterException", BAD, "MalformedPolicyDocument")
        }
        ErrorKind::InvalidParameter { name } if name == "tags" => {
            codes("InvalidTagParameterException", BAD, "ValidationError")
        }
        ErrorKind::SessionPolicyTooLong => {
            codes("InvalidParameterException", BAD, "PackedPolicyTooLarge")
        }
        ErrorKind::WebIdentity { fault } => codes_of_web_identity(*fault),
        ErrorKind::AccessDenied(_)
        | ErrorKind::OperatorDenied { .. }
        | ErrorKind::UnsuitedKey { .. }
        | ErrorKind::BadCredentials
        | ErrorKind::AddressRefused => codes("AccessDeniedException", FORBIDDEN, "AccessDenied"),
        ErrorKind::NotFound { noun } => codes_of_missing(*noun),
        ErrorKind::AlreadyExists {
            noun: Noun::Repository,
        } => codes("RepositoryAlreadyExistsException", BAD, "ValidationError"),
        ErrorKind::PreconditionFailed {
            noun: Noun::Repository,
        } => codes("RepositoryNotEmptyException", BAD, "ValidationError"),
        ErrorKind::QuotaExceeded { noun: Noun::Tag } => {
            codes("TooManyTagsException", BAD, "ValidationError")
        }
        // A session that ends before what it asks for.
        ErrorKind::PreconditionFailed {
            noun: Noun::Session,
        } => codes(
            "InvalidParameterException",
            BAD,
            "InsufficientSessionLifetime",
        ),
        ErrorKind::QuotaExceeded { .. } => codes("LimitExceededException", BAD, "LimitExceeded"),
        ErrorKind::MissingParameter { .. }
        | ErrorKind::UnknownParameter { .. }
        | ErrorKind::WrongType { .. }
        | ErrorKind::InvalidParameter { .. }
        | ErrorKind::InstanceNotFound
        | ErrorKind::NoDefaultInstance
        | ErrorKind::AlreadyExists { .. }
        | ErrorKind::PreconditionFailed { .. } => {
            codes("InvalidParameterException", BAD, "ValidationError")
        }
        // Divergence: AWS serves all of its operations, so it has no such code.
        ErrorKind::Unsupported => {
            codes("UnsupportedOperationException", BAD, "UnsupportedOperation")
        }
        ErrorKind::Misconfigured
        | ErrorKind::StoreUnavailable
        | ErrorKind::RegistryUnavailable
        | ErrorKind::AuditUnavailable
        | ErrorKind::Internal => codes("ServerException", OURS, "InternalFailure"),
    }
}

/// Returns the codes of something that isn't there.
///
/// Divergence: AWS's STS answers `AccessDenied` for a role that isn't there. A caller who may
/// assume it is told so here, and nobody else.
fn codes_of_missing(noun: Noun) -> Codes {
    match noun {
        Noun::Repository => codes("RepositoryNotFoundException", BAD, "ValidationError"),
        Noun::LifecyclePolicy => codes("LifecyclePolicyNotFoundException", BAD, "ValidationError"),
        Noun::RepositoryPolicy => {
            codes("RepositoryPolicyNotFoundException", BAD, "ValidationError")
        }
        Noun::Image | Noun::Tag => codes("ImageNotFoundException", BAD, "ValidationError"),
        Noun::AccessKey => codes(
            "InvalidParameterException",
            FORBIDDEN,
            "InvalidClientTokenId",
        ),
        Noun::Role => codes(
            "InvalidParameterException",
            StatusCode::NOT_FOUND,
            "NoSuchEntity",
        ),
        _ => codes("InvalidParameterException", BAD, "ValidationError"),
    }
}

fn codes_of_web_identity(fault: WebIdentityFault) -> Codes {
    match fault {
        WebIdentityFault::Expired => codes("ExpiredTokenException", BAD, "ExpiredTokenException"),
        WebIdentityFault::KeysUnavailable => codes("ServerException", BAD, "IDPCommunicationError"),
        WebIdentityFault::NoSuchProvider
        | WebIdentityFault::Malformed
        | WebIdentityFault::NotYetValid
        | WebIdentityFault::AudienceNotMatched
        | WebIdentityFault::BadSignature => {
            codes("InvalidParameterException", BAD, "InvalidIdentityToken")
        }
    }
}

/// Returns the text, which users search for where AWS has one.
fn message<'a>(error: &'a Error, operation: Option<&'static OperationRow>) -> Cow<'a, str> {
    let own = error.message();
    match error.kind() {
        ErrorKind::MissingParameter { name } if name == AUTHORIZATION => {
            Cow::Borrowed("Request is missing Authentication Token")
        }
        ErrorKind::AccessKeyNotFound
        | ErrorKind::AccessKeyDisabled
        | ErrorKind::SessionTokenMissing
        | ErrorKind::SessionTokenMalformed
        | ErrorKind::SessionTokenMismatch => Cow::Borrowed(INVALID_TOKEN),
        ErrorKind::SessionTokenExpired => {
            Cow::Borrowed("The security token included in the request is expired")
        }
        ErrorKind::SignatureMismatch { .. } => Cow::Borrowed(MISMATCH),
        // Divergence: AWS writes both times; the client knows its own.
        ErrorKind::RequestExpired { .. } => Cow::Owned(format!("Signature expired: {own}")),
        ErrorKind::Throttled { .. }
        | ErrorKind::NonceMemoryFull
        | ErrorKind::AddressThrottled { .. }
        | ErrorKind::PasswordsBusy => Cow::Owned(format!("Rate exceeded: {own}")),
        ErrorKind::UnknownAction { action, version } => Cow::Owned(format!(
            "Could not find operation {action} for version {version}; docs/compatibility.md lists \
             the operations of ECR and STS that are served."
        )),
        ErrorKind::NoDefaultInstance => Cow::Borrowed(
            "The account has no default registry: it has none, or several of which none was made \
             with `transire instance create --default`. ECR's calls mean the account's own, or \
             that of another account that registryIds or registryId names.",
        ),
        ErrorKind::AccessDenied(denial) => Cow::Owned(denied(denial, operation)),
        ErrorKind::UnsuitedKey { is_session } => {
            let action = operation.map_or("this operation", |named| named.name);
            let with = if *is_session { "with" } else { "without" };
            Cow::Owned(format!(
                "Cannot call {action} {with} session credentials. {own}"
            ))
        }
        // The operator's part of it is in the log.
        ErrorKind::Misconfigured => Cow::Borrowed("An internal error has occurred."),
        _ => Cow::Borrowed(own),
    }
}

/// Writes a denial as AWS does, and then what policies in the other languages name.
fn denied(denial: &Denial, operation: Option<&'static OperationRow>) -> String {
    let (cam, ram, (action, resource)) = (&denial.cam, &denial.ram, &denial.iam);
    // AWS names what was called, and policies may name a part of it.
    let action = operation.map_or(action.as_str(), |named| named.counted_as);
    // By its id: who was denied is known without a name.
    let who = denial.principal.as_ref().map_or_else(
        || "the bearer of the token".to_owned(),
        |principal| aws::principal(principal, None),
    );
    let policy = match denial.by {
        PolicyKind::Identity => "identity-based policy",
        PolicyKind::Resource => "resource-based policy",
        PolicyKind::Session => "session policy",
    };
    let why = match (denial.explicit, denial.by) {
        (true, PolicyKind::Identity) => format!("with an explicit deny in an {policy}"),
        (true, _) => format!("with an explicit deny in a {policy}"),
        (false, _) => format!("because no {policy} allows the {action} action"),
    };
    let rule = denial
        .rule
        .map(|rule| format!(" {rule}"))
        .unwrap_or_default();
    format!(
        "User: {who} is not authorized to perform: {action} on resource: {resource} {why}. In \
         policies this is also {} on {} (CAM), or {} on {} (RAM).{rule}",
        cam.0, cam.1, ram.0, ram.1
    )
}
