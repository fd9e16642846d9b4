//! The codes of the registry's own API, for each kind of error.

use http::StatusCode;

use crate::domain::ErrorKind;

/// How long a client should wait for a database that is away.
const STORE_RETRY_SECONDS: u32 = 5;

/// Returns the answer to a kind of error: status, code, and when to come back.
///
/// The store's failure is never 401: clients would throw a good credential away. Divergence: the
/// registry API has no code for a request that can't be read, so `INVALID_REQUEST` is our own.
pub(super) fn answer(kind: &ErrorKind) -> (StatusCode, &'static str, Option<u32>) {
    match kind {
        ErrorKind::BadCredentials
        | ErrorKind::MalformedAuthorization
        | ErrorKind::SignatureMethodRefused { .. }
        | ErrorKind::AccessKeyNotFound
        | ErrorKind::AccessKeyDisabled
        | ErrorKind::SessionTokenMissing
        | ErrorKind::SessionTokenMalformed
        | ErrorKind::SessionTokenMismatch
        | ErrorKind::SessionTokenExpired
        | ErrorKind::SignatureMismatch { .. }
        | ErrorKind::WebIdentity { .. } => (StatusCode::UNAUTHORIZED, "UNAUTHORIZED", None),
        ErrorKind::AccessDenied(_)
        | ErrorKind::OperatorDenied { .. }
        | ErrorKind::AddressRefused => (StatusCode::FORBIDDEN, "DENIED", None),
        ErrorKind::Unsupported | ErrorKind::UnsuitedKey { .. } => {
            (StatusCode::BAD_REQUEST, "UNSUPPORTED", None)
        }
        ErrorKind::MissingParameter { .. }
        | ErrorKind::UnknownParameter { .. }
        | ErrorKind::WrongType { .. }
        | ErrorKind::InvalidParameter { .. }
        | ErrorKind::SessionPolicyTooLong
        | ErrorKind::MalformedRequest
        | ErrorKind::RequestExpired { .. }
        | ErrorKind::MalformedTime
        | ErrorKind::Replayed
        | ErrorKind::UnknownAction { .. }
        | ErrorKind::UnknownVersion { .. } => (StatusCode::BAD_REQUEST, "INVALID_REQUEST", None),
        ErrorKind::InstanceNotFound | ErrorKind::NoDefaultInstance | ErrorKind::NotFound { .. } => {
            (StatusCode::BAD_REQUEST, "NAME_UNKNOWN", None)
        }
        ErrorKind::AlreadyExists { .. }
        | ErrorKind::QuotaExceeded { .. }
        | ErrorKind::PreconditionFailed { .. } => (StatusCode::CONFLICT, "INVALID_REQUEST", None),
        ErrorKind::RequestTooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "SIZE_INVALID", None),
        ErrorKind::RequestTimeout => (StatusCode::REQUEST_TIMEOUT, "INVALID_REQUEST", None),
        ErrorKind::Throttled { .. } | ErrorKind::NonceMemoryFull | ErrorKind::PasswordsBusy => {
            (StatusCode::TOO_MANY_REQUESTS, "TOOMANYREQUESTS", Some(1))
        }
        ErrorKind::AddressThrottled {
            retry_after_seconds,
        } => (
            StatusCode::TOO_MANY_REQUESTS,
            "TOOMANYREQUESTS",
            Some(*retry_after_seconds),
        ),
        ErrorKind::Overloaded => (StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", Some(1)),
        ErrorKind::StoreUnavailable | ErrorKind::AuditUnavailable => (
            StatusCode::SERVICE_UNAVAILABLE,
            "UNAVAILABLE",
            Some(STORE_RETRY_SECONDS),
        ),
        ErrorKind::RegistryUnavailable => (
            StatusCode::BAD_GATEWAY,
            "UNAVAILABLE",
            Some(STORE_RETRY_SECONDS),
        ),
        ErrorKind::Misconfigured | ErrorKind::Internal => {
            (StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN", None)
        }
    }
}
