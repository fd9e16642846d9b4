//! OAuth's codes for each kind of error.

use http::StatusCode;

use crate::domain::ErrorKind;

/// How long a client should wait for a database that is away.
const STORE_RETRY_SECONDS: u32 = 5;

const INVALID_REQUEST: (StatusCode, &str, Option<u32>) =
    (StatusCode::BAD_REQUEST, "invalid_request", None);

/// Returns the answer to a kind of error: status, code, and when to come back.
///
/// RFC 6749, 5.2, has the codes, and RFC 8693, 2.2.2, has `invalid_target`. They know none for a
/// server that is busy or broken, so those are named as RFC 6749, 4.1.2.1, names them.
pub(super) fn answer(kind: &ErrorKind) -> (StatusCode, &'static str, Option<u32>) {
    match kind {
        ErrorKind::InvalidParameter { name } => (StatusCode::BAD_REQUEST, code_of(name), None),
        ErrorKind::MalformedAuthorization => (StatusCode::UNAUTHORIZED, "invalid_client", None),
        // RFC 8693: a subject that isn't accepted is a request that isn't valid.
        ErrorKind::BadCredentials
        | ErrorKind::WebIdentity { .. }
        | ErrorKind::SignatureMethodRefused { .. }
        | ErrorKind::AccessKeyNotFound
        | ErrorKind::AccessKeyDisabled
        | ErrorKind::SessionTokenMissing
        | ErrorKind::SessionTokenMalformed
        | ErrorKind::SessionTokenMismatch
        | ErrorKind::SessionTokenExpired
        | ErrorKind::SignatureMismatch { .. }
        | ErrorKind::Unsupported
        | ErrorKind::UnsuitedKey { .. }
        | ErrorKind::MissingParameter { .. }
        | ErrorKind::UnknownParameter { .. }
        | ErrorKind::WrongType { .. }
        | ErrorKind::SessionPolicyTooLong
        | ErrorKind::MalformedRequest
        | ErrorKind::RequestExpired { .. }
        | ErrorKind::MalformedTime
        | ErrorKind::Replayed
        | ErrorKind::UnknownAction { .. }
        | ErrorKind::UnknownVersion { .. }
        | ErrorKind::NotFound { .. }
        | ErrorKind::AlreadyExists { .. }
        | ErrorKind::QuotaExceeded { .. }
        | ErrorKind::PreconditionFailed { .. } => INVALID_REQUEST,
        ErrorKind::InstanceNotFound | ErrorKind::NoDefaultInstance => {
            (StatusCode::BAD_REQUEST, "invalid_target", None)
        }
        ErrorKind::AccessDenied(_)
        | ErrorKind::OperatorDenied { .. }
        | ErrorKind::AddressRefused => (StatusCode::FORBIDDEN, "unauthorized_client", None),
        ErrorKind::RequestTooLarge { .. } => {
            (StatusCode::PAYLOAD_TOO_LARGE, "invalid_request", None)
        }
        ErrorKind::RequestTimeout => (StatusCode::REQUEST_TIMEOUT, "invalid_request", None),
        ErrorKind::Throttled { .. } | ErrorKind::NonceMemoryFull | ErrorKind::PasswordsBusy => {
            busy(StatusCode::TOO_MANY_REQUESTS, 1)
        }
        ErrorKind::AddressThrottled {
            retry_after_seconds,
        } => busy(StatusCode::TOO_MANY_REQUESTS, *retry_after_seconds),
        ErrorKind::Overloaded => busy(StatusCode::SERVICE_UNAVAILABLE, 1),
        ErrorKind::StoreUnavailable | ErrorKind::AuditUnavailable => {
            busy(StatusCode::SERVICE_UNAVAILABLE, STORE_RETRY_SECONDS)
        }
        ErrorKind::RegistryUnavailable => busy(StatusCode::BAD_GATEWAY, STORE_RETRY_SECONDS),
        ErrorKind::Misconfigured | ErrorKind::Internal => {
            (StatusCode::INTERNAL_SERVER_ERROR, "server_error", None)
        }
    }
}

fn busy(status: StatusCode, retry_after: u32) -> (StatusCode, &'static str, Option<u32>) {
    (status, "temporarily_unavailable", Some(retry_after))
}

/// Returns the code of a parameter that can't be taken.
fn code_of(parameter: &str) -> &'static str {
    match parameter {
        "scope" => "invalid_scope",
        "audience" | "resource" => "invalid_target",
        "grant_type" => "unsupported_grant_type",
        _ => "invalid_request",
    }
}
