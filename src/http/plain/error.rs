//! The status of each kind of error.

use http::StatusCode;

use crate::domain::ErrorKind;

/// Returns the status of an error.
pub(super) fn status(kind: &ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::MalformedAuthorization
        | ErrorKind::SignatureMethodRefused { .. }
        | ErrorKind::RequestExpired { .. }
        | ErrorKind::MalformedTime
        | ErrorKind::Replayed
        | ErrorKind::UnknownVersion { .. }
        | ErrorKind::MissingParameter { .. }
        | ErrorKind::UnknownParameter { .. }
        | ErrorKind::WrongType { .. }
        | ErrorKind::InvalidParameter { .. }
        | ErrorKind::SessionPolicyTooLong
        | ErrorKind::MalformedRequest
        | ErrorKind::Unsupported
        | ErrorKind::UnsuitedKey { .. } => StatusCode::BAD_REQUEST,
        ErrorKind::AccessKeyNotFound
        | ErrorKind::AccessKeyDisabled
        | ErrorKind::SessionTokenMissing
        | ErrorKind::SessionTokenMalformed
        | ErrorKind::SessionTokenMismatch
        | ErrorKind::SessionTokenExpired
        | ErrorKind::SignatureMismatch { .. }
        | ErrorKind::BadCredentials
        | ErrorKind::WebIdentity { .. } => StatusCode::UNAUTHORIZED,
        ErrorKind::AccessDenied(_)
        | ErrorKind::OperatorDenied { .. }
        | ErrorKind::AddressRefused => StatusCode::FORBIDDEN,
        ErrorKind::UnknownAction { .. }
        | ErrorKind::InstanceNotFound
        | ErrorKind::NoDefaultInstance
        | ErrorKind::NotFound { .. } => StatusCode::NOT_FOUND,
        ErrorKind::AlreadyExists { .. }
        | ErrorKind::QuotaExceeded { .. }
        | ErrorKind::PreconditionFailed { .. } => StatusCode::CONFLICT,
        ErrorKind::RequestTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorKind::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
        ErrorKind::Throttled { .. }
        | ErrorKind::NonceMemoryFull
        | ErrorKind::AddressThrottled { .. }
        | ErrorKind::PasswordsBusy => StatusCode::TOO_MANY_REQUESTS,
        ErrorKind::Overloaded | ErrorKind::StoreUnavailable | ErrorKind::AuditUnavailable => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        ErrorKind::RegistryUnavailable => StatusCode::BAD_GATEWAY,
        ErrorKind::Misconfigured | ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
