//! The status of each kind of error.

use http::StatusCode;

use crate::domain::ErrorKind;
use crate::domain::error::WebIdentityFault;

/// How long a client should wait for a database that is away.
const STORE_RETRY_SECONDS: u32 = 5;

/// Returns the answer to a kind of error: its status, and when to come back.
pub(crate) fn answer(kind: &ErrorKind) -> (StatusCode, Option<u32>) {
    let status = match kind {
        ErrorKind::InvalidParameter { .. }
        | ErrorKind::MissingParameter { .. }
        | ErrorKind::UnknownParameter { .. }
        | ErrorKind::WrongType { .. }
        | ErrorKind::SessionPolicyTooLong
        | ErrorKind::MalformedRequest
        | ErrorKind::MalformedTime
        | ErrorKind::NoDefaultInstance
        | ErrorKind::UnknownAction { .. }
        | ErrorKind::UnknownVersion { .. } => StatusCode::BAD_REQUEST,
        ErrorKind::BadCredentials
        | ErrorKind::MalformedAuthorization
        | ErrorKind::SignatureMethodRefused { .. }
        | ErrorKind::AccessKeyNotFound
        | ErrorKind::AccessKeyDisabled
        | ErrorKind::RequestExpired { .. }
        | ErrorKind::SessionTokenMissing
        | ErrorKind::SessionTokenMalformed
        | ErrorKind::SessionTokenMismatch
        | ErrorKind::SessionTokenExpired
        | ErrorKind::SignatureMismatch { .. } => StatusCode::UNAUTHORIZED,
        ErrorKind::AccessDenied(_)
        | ErrorKind::OperatorDenied { .. }
        | ErrorKind::AddressRefused
        | ErrorKind::Unsupported
        | ErrorKind::UnsuitedKey { .. } => StatusCode::FORBIDDEN,
        ErrorKind::InstanceNotFound | ErrorKind::NotFound { .. } => StatusCode::NOT_FOUND,
        ErrorKind::AlreadyExists { .. }
        | ErrorKind::QuotaExceeded { .. }
        | ErrorKind::PreconditionFailed { .. } => StatusCode::CONFLICT,
        ErrorKind::RequestTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorKind::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
        ErrorKind::Throttled { .. } | ErrorKind::NonceMemoryFull | ErrorKind::PasswordsBusy => {
            return (StatusCode::TOO_MANY_REQUESTS, Some(1));
        }
        ErrorKind::AddressThrottled {
            retry_after_seconds,
        } => return (StatusCode::TOO_MANY_REQUESTS, Some(*retry_after_seconds)),
        ErrorKind::Overloaded => return (StatusCode::SERVICE_UNAVAILABLE, Some(1)),
        ErrorKind::StoreUnavailable | ErrorKind::AuditUnavailable => {
            return (StatusCode::SERVICE_UNAVAILABLE, Some(STORE_RETRY_SECONDS));
        }
        ErrorKind::RegistryUnavailable
        | ErrorKind::WebIdentity {
            fault: WebIdentityFault::KeysUnavailable,
        } => {
            return (StatusCode::BAD_GATEWAY, Some(STORE_RETRY_SECONDS));
        }
        ErrorKind::Misconfigured | ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        // A repeated key with another body; a token that isn't believed.
        ErrorKind::Replayed | ErrorKind::WebIdentity { .. } => StatusCode::UNPROCESSABLE_ENTITY,
    };
    (status, None)
}
