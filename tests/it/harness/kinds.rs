//! An error of every kind, which no other kind can be forgotten beside.

use std::time::Duration;

use transire::domain::error::{Denial, PolicyKind, WebIdentityFault};
use transire::domain::operator::OperatorPermission;
use transire::domain::refusal::RefusalCause;
use transire::domain::{Error, ErrorKind, Noun};

use crate::harness::NOW;

/// Lists every kind once. The patterns are matched exhaustively: a new kind doesn't compile until
/// it is here, and then every snapshot lacks it.
macro_rules! every_kind {
    ($($pattern:pat => $error:expr,)*) => {
        pub(crate) fn every_kind() -> Vec<Error> {
            // The check that each error is of the kind it stands for.
            vec![$({
                let error = $error;
                assert!(
                    matches!(error.kind(), $pattern),
                    "{:?} stands in the wrong place",
                    error.kind()
                );
                error
            }),*]
        }

        pub(crate) fn is_listed(kind: &ErrorKind) -> bool {
            match kind { $($pattern => true,)* }
        }
    };
}

fn text(text: &str) -> String {
    text.to_owned()
}

fn out_of_time(fault: WebIdentityFault) -> Error {
    Error::web_identity_out_of_time(
        fault,
        NOW,
        NOW.plus(Duration::from_mins(5)),
        NOW.plus(Duration::from_mins(9)),
    )
}

every_kind! {
    ErrorKind::MalformedAuthorization =>
        Error::malformed_authorization("The Authorization header is missing."),
    ErrorKind::SignatureMethodRefused { .. } => Error::signature_method_refused("HMAC-MD5"),
    ErrorKind::AccessKeyNotFound => Error::access_key_not_found(),
    ErrorKind::AccessKeyDisabled => Error::access_key_disabled(),
    ErrorKind::RequestExpired { .. } => Error::request_expired(NOW, Duration::from_mins(5)),
    ErrorKind::MalformedTime => Error::malformed_time("in unix seconds, such as 1735877057"),
    ErrorKind::SessionTokenMissing => Error::session_token_missing(),
    ErrorKind::SessionTokenMalformed => Error::session_token_malformed(),
    ErrorKind::SessionTokenMismatch => Error::session_token_mismatch(),
    ErrorKind::SessionPolicyTooLong => Error::new(
        ErrorKind::SessionPolicyTooLong,
        "A session's policy has at most 2048 characters.",
    ),
    ErrorKind::SessionTokenExpired => Error::session_token_expired(),
    ErrorKind::SignatureMismatch { .. } =>
        Error::signature_mismatch("GET&%2F&A%3D<1>\nsecond \"line\""),
    ErrorKind::Replayed => Error::replayed(),
    ErrorKind::Throttled { .. } =>
        Error::new(ErrorKind::Throttled { measured: 101, allowed: 100 }, "Too many requests."),
    ErrorKind::NonceMemoryFull => Error::new(
        ErrorKind::NonceMemoryFull,
        "The access key used too many nonces; try again in a moment.",
    ),
    ErrorKind::AddressThrottled { .. } => Error::new(
        ErrorKind::AddressThrottled { retry_after_seconds: 7 },
        "This address was refused too often; try again later.",
    ),
    ErrorKind::PasswordsBusy => Error::new(
        ErrorKind::PasswordsBusy,
        "Too many passwords are being checked; try again in a moment.",
    ),
    ErrorKind::Overloaded => Error::new(
        ErrorKind::Overloaded,
        "Too many requests are being received; try again in a moment.",
    ),
    ErrorKind::RequestTooLarge { .. } => Error::new(
        ErrorKind::RequestTooLarge { limit: 1_048_576 },
        "The request's body is larger than 1048576 bytes.",
    ),
    ErrorKind::RequestTimeout =>
        Error::new(ErrorKind::RequestTimeout, "The request's body did not arrive in time."),
    ErrorKind::UnknownAction { .. } => Error::new(
        ErrorKind::UnknownAction { action: text("FlyInstance"), version: text("2019-09-24") },
        "The action is not served here.",
    ),
    ErrorKind::UnknownVersion { .. } => Error::new(
        ErrorKind::UnknownVersion { version: text("1999-01-01") },
        "The version is not served here.",
    ),
    ErrorKind::MissingParameter { .. } => Error::missing_parameter("InstanceId"),
    ErrorKind::UnknownParameter { .. } => Error::unknown_parameter("Wings"),
    ErrorKind::WrongType { .. } => Error::wrong_type("Filters.0.Name"),
    ErrorKind::InvalidParameter { .. } =>
        Error::invalid_parameter("ExpiresInHours", "It is a whole number of hours from 1 to 24."),
    ErrorKind::MalformedRequest =>
        Error::malformed_request("The request's body is not a JSON object."),
    ErrorKind::AccessDenied(_) => Error::new(
        ErrorKind::AccessDenied(Box::new(Denial {
            rule: None,
            cam: (
                text("tcr:CreateInstanceToken"),
                text("qcs::tcr:ap-guangzhou:uin/100000000001:instance/tcr-abcd1234"),
            ),
            ram: (text("cr:GetAuthorizationToken"), text("*")),
            iam: (text("ecr:GetAuthorizationToken"), text("*")),
            principal: Some("100000000001:user#200000000001".parse().unwrap()),
            explicit: false,
            by: PolicyKind::Identity,
        })),
        "The caller may not do this.",
    ),
    ErrorKind::OperatorDenied { .. } =>
        Error::operator_denied(OperatorPermission::UserCreate, None),
    ErrorKind::InstanceNotFound => Error::instance_not_found(),
    ErrorKind::NoDefaultInstance =>
        Error::new(ErrorKind::NoDefaultInstance, "The account has no default instance."),
    ErrorKind::NotFound { .. } => Error::not_found(Noun::Account, "100000000001"),
    ErrorKind::AlreadyExists { .. } =>
        Error::already_exists(Noun::Instance, "An instance of that name exists."),
    ErrorKind::QuotaExceeded { .. } =>
        Error::quota_exceeded(Noun::Namespace, "The instance may have 50 namespaces and no more."),
    ErrorKind::PreconditionFailed { .. } =>
        Error::precondition_failed(Noun::Namespace, "The namespace team has repositories."),
    ErrorKind::Unsupported => Error::unsupported(
        "The grant_type is password or refresh_token; no other is served.",
    ),
    ErrorKind::UnsuitedKey { .. } =>
        Error::session_refused("Ask with a permanent access key."),
    ErrorKind::AddressRefused =>
        Error::address_refused("192.0.2.7 is not in the allow list of the instance."),
    ErrorKind::BadCredentials => Error::bad_credentials(RefusalCause::WrongSecret),
    ErrorKind::WebIdentity { fault: WebIdentityFault::NoSuchProvider } =>
        Error::web_identity(WebIdentityFault::NoSuchProvider),
    ErrorKind::WebIdentity { fault: WebIdentityFault::Malformed } =>
        Error::malformed_web_identity("The OIDC token's sub is not a text of 1 to 255 bytes."),
    ErrorKind::WebIdentity { fault: WebIdentityFault::Expired } =>
        out_of_time(WebIdentityFault::Expired),
    ErrorKind::WebIdentity { fault: WebIdentityFault::NotYetValid } =>
        out_of_time(WebIdentityFault::NotYetValid),
    ErrorKind::WebIdentity { fault: WebIdentityFault::AudienceNotMatched } =>
        Error::web_identity(WebIdentityFault::AudienceNotMatched),
    ErrorKind::WebIdentity { fault: WebIdentityFault::BadSignature } =>
        Error::web_identity(WebIdentityFault::BadSignature),
    ErrorKind::WebIdentity { fault: WebIdentityFault::KeysUnavailable } =>
        Error::web_identity(WebIdentityFault::KeysUnavailable),
    ErrorKind::Misconfigured =>
        Error::misconfigured("The file /etc/transire/master.key is not readable."),
    ErrorKind::StoreUnavailable => Error::store_unavailable("disk sector 7"),
    ErrorKind::RegistryUnavailable =>
        Error::registry_unavailable("The registry behind the instance does not answer.")
            .caused_by("sector 8"),
    ErrorKind::AuditUnavailable =>
        Error::new(ErrorKind::AuditUnavailable, "The audit record can't be kept; try again later."),
    ErrorKind::Internal => Error::internal("table leg broke"),
}
