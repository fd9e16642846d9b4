//! The code and the text of each kind of error in Alibaba Cloud's words.
//!
//! Codes, statuses and texts are those of the gateway's and the product's documented tables (facts
//! section 5). Texts of our own follow a documented one where they help.

use std::borrow::Cow;

use http::StatusCode;
use serde::Serialize;

use crate::domain::error::WebIdentityFault;
use crate::domain::principal::Principal;
use crate::domain::{Error, ErrorKind, Noun};

use super::{Product, Style};

/// An error in this dialect's words.
pub(super) struct Answer<'a> {
    pub(super) status: StatusCode,
    pub(super) code: Cow<'static, str>,
    pub(super) message: Cow<'a, str>,
    /// When to come back, for throttling.
    pub(super) retry_after_seconds: Option<u32>,
}

/// Returns the answer to an error of a call to `product`.
pub(super) fn answer(error: &Error, style: Style, product: Product) -> Answer<'_> {
    if product == Product::Sts
        && let Some(answer) = answer_of_sts(error)
    {
        return answer;
    }
    let of = |status, code: &'static str, message: &'static str| Answer {
        status,
        code: Cow::Borrowed(code),
        message: Cow::Borrowed(message),
        retry_after_seconds: None,
    };
    let ours = |status, code: &'static str| Answer {
        message: Cow::Borrowed(error.message()),
        ..of(status, code, "")
    };
    let bad = StatusCode::BAD_REQUEST;
    // A documented text, and then our own, which has the figures.
    let with = |code, text: &str| Answer {
        message: Cow::Owned(format!("{text} {}", error.message())),
        ..of(bad, code, "")
    };
    match error.kind() {
        ErrorKind::MalformedAuthorization => Answer {
            message: Cow::Owned(format!(
                "The request signature does not conform to Aliyun standards. {}",
                error.message()
            )),
            ..of(bad, "IncompleteSignature", "")
        },
        ErrorKind::SignatureMethodRefused { .. } => of(
            bad,
            "InvalidSignatureMethod",
            "Specified signature method is not valid.",
        ),
        ErrorKind::AccessKeyNotFound => of(
            StatusCode::NOT_FOUND,
            "InvalidAccessKeyId.NotFound",
            "Specified access key is not found.",
        ),
        ErrorKind::AccessKeyDisabled => of(
            bad,
            "InvalidAccessKeyId.Inactive",
            "Specified access key is disabled.",
        ),
        // Divergence: the documented texts have no figure, and clients with a wrong clock look for
        // the fault elsewhere.
        ErrorKind::RequestExpired { .. } => with(
            "InvalidTimeStamp.Expired",
            "Specified time stamp or date value is expired.",
        ),
        ErrorKind::MalformedTime => with(
            "InvalidTimeStamp.Format",
            "Specified time stamp or date value is not well formatted.",
        ),
        ErrorKind::SessionTokenMissing => of(
            bad,
            "MissingSecurityToken",
            "SecurityToken is mandatory for this action.",
        ),
        ErrorKind::SessionTokenMalformed => of(
            bad,
            "InvalidSecurityToken.Malformed",
            "Specified SecurityToken is malformed.",
        ),
        ErrorKind::SessionTokenMismatch => of(
            bad,
            "InvalidSecurityToken.MismatchWithAccessKey",
            "Specified SecurityToken mismatch with the AccessKey.",
        ),
        ErrorKind::SessionTokenExpired => of(
            bad,
            "InvalidSecurityToken.Expired",
            "Specified SecurityToken is expired.",
        ),
        // The old Python SDK splits at the first colon, and falls over without one; what follows it
        // must be the server's string to sign, for it is compared with the client's.
        ErrorKind::SignatureMismatch { string_to_sign } => Answer {
            message: Cow::Owned(format!(
                "Specified signature is not matched with our calculation. server string to sign \
                 is:{string_to_sign}"
            )),
            ..of(bad, "SignatureDoesNotMatch", "")
        },
        ErrorKind::Replayed => Answer {
            message: Cow::Owned(format!(
                "Specified signature nonce was used already. {}",
                error.message()
            )),
            ..of(bad, "SignatureNonceUsed", "")
        },
        // A key that used up its nonces is throttled like one that used up its rate.
        ErrorKind::Throttled { .. } | ErrorKind::NonceMemoryFull => Answer {
            retry_after_seconds: Some(1),
            ..with(
                "Throttling.User",
                "Request was denied due to user flow control.",
            )
        },
        ErrorKind::AddressThrottled {
            retry_after_seconds,
        } => Answer {
            retry_after_seconds: Some(*retry_after_seconds),
            ..with(
                "Throttling",
                "Request was denied due to request throttling.",
            )
        },
        ErrorKind::PasswordsBusy => Answer {
            retry_after_seconds: Some(1),
            ..with(
                "Throttling",
                "Request was denied due to request throttling.",
            )
        },
        ErrorKind::Overloaded => of(
            StatusCode::SERVICE_UNAVAILABLE,
            "ServiceUnavailable",
            "The request has failed due to a temporary failure of the server.",
        ),
        // Divergence: neither code is documented.
        ErrorKind::RequestTooLarge { .. } => {
            ours(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge")
        }
        ErrorKind::RequestTimeout => ours(StatusCode::REQUEST_TIMEOUT, "RequestTimeout"),
        ErrorKind::UnknownAction { .. } => {
            let code = match style {
                Style::Rpc => "InvalidAction.NotFound",
                Style::Roa => "InvalidApi.NotFound",
            };
            of(
                StatusCode::NOT_FOUND,
                code,
                "Specified api is not found, please check your url and method.",
            )
        }
        ErrorKind::UnknownVersion { .. } => of(
            bad,
            "InvalidVersion",
            "Specified parameter Version is not valid.",
        ),
        ErrorKind::MissingParameter { name } => {
            let name = word(name);
            Answer {
                code: Cow::Owned(format!("Missing{name}")),
                message: Cow::Owned(format!("{name} is mandatory for this action.")),
                ..of(bad, "", "")
            }
        }
        ErrorKind::InvalidParameter { name } if name == "Format" => of(
            bad,
            "InvalidParameter.Format",
            "Specified parameter format is not valid.",
        ),
        ErrorKind::UnknownParameter { name }
        | ErrorKind::WrongType { name }
        | ErrorKind::InvalidParameter { name } => {
            let name = word(name);
            Answer {
                code: Cow::Owned(format!("Invalid{name}")),
                message: Cow::Owned(format!(
                    "Specified parameter {name} is not valid. {}",
                    error.message()
                )),
                ..of(bad, "", "")
            }
        }
        ErrorKind::SessionPolicyTooLong => ours(bad, "InvalidParameter.PolicySize"),
        ErrorKind::MalformedRequest => ours(bad, "InvalidParameter"),
        ErrorKind::AccessDenied(_) | ErrorKind::BadCredentials => of(
            StatusCode::FORBIDDEN,
            "NoPrivilege",
            "Access denied for this user.",
        ),
        ErrorKind::WebIdentity { fault } => {
            let unauthorized = StatusCode::UNAUTHORIZED;
            match fault {
                WebIdentityFault::NoSuchProvider => of(
                    unauthorized,
                    "AuthenticationFail.NoPermission",
                    "No such OIDC Provider registered.",
                ),
                WebIdentityFault::Expired => Answer {
                    status: unauthorized,
                    ..with(
                        "AuthenticationFail.OIDCToken.Expired",
                        "This JsonWebToken is expired.",
                    )
                },
                WebIdentityFault::AudienceNotMatched => of(
                    unauthorized,
                    "AuthenticationFail.OIDCToken.AudienceNotMatch",
                    "Invalid audience.",
                ),
                WebIdentityFault::BadSignature => of(
                    unauthorized,
                    "AuthenticationFail.OIDCToken.InvalidSignature",
                    "OIDC token validate failed: invalid signature.",
                ),
                WebIdentityFault::Malformed | WebIdentityFault::NotYetValid => {
                    ours(unauthorized, "AuthenticationFail.OIDCToken.Invalid")
                }
                WebIdentityFault::KeysUnavailable => {
                    ours(unauthorized, "AuthenticationFail.OIDCToken.HttpsUrlInvalid")
                }
            }
        }
        // Divergence: the code is what Terraform's provider looks for; status and text aren't
        // documented.
        ErrorKind::InstanceNotFound => ours(StatusCode::NOT_FOUND, "INSTANCE_NOT_EXIST"),
        // Divergence: in Alibaba's Personal Edition there is one registry for each account, always.
        ErrorKind::NoDefaultInstance => Answer {
            message: Cow::Borrowed(
                "This operation is of the Personal Edition (2016-06-07), which names no instance: \
                 it answers for the account's only instance, or for the one made with --default. \
                 This account has none, or several and no default; call GetAuthorizationToken of \
                 2018-12-01 with an InstanceId instead.",
            ),
            ..of(StatusCode::NOT_FOUND, "INSTANCE_NOT_EXIST", "")
        },
        ErrorKind::NotFound { noun: Noun::Role } => of(
            StatusCode::NOT_FOUND,
            "EntityNotExist.Role",
            "The specified Role not exists.",
        ),
        ErrorKind::NotFound { noun } => Answer {
            code: Cow::Owned(format!("{}_NOT_EXIST", noun_word(*noun))),
            ..ours(StatusCode::NOT_FOUND, "")
        },
        ErrorKind::AlreadyExists { noun } => Answer {
            code: Cow::Owned(format!("{}_ALREADY_EXIST", noun_word(*noun))),
            ..ours(bad, "")
        },
        ErrorKind::QuotaExceeded { .. } => ours(bad, "QuotaExceeded"),
        ErrorKind::PreconditionFailed { .. } => ours(bad, "PreconditionFailed"),
        ErrorKind::Unsupported => ours(bad, "UnsupportedOperation"),
        ErrorKind::AddressRefused => ours(StatusCode::FORBIDDEN, "NoPrivilege"),
        // Divergence: the documented text would keep from the operator's users what only the
        // operator can mend.
        ErrorKind::RegistryUnavailable => ours(StatusCode::INTERNAL_SERVER_ERROR, "SystemError"),
        ErrorKind::Misconfigured
        | ErrorKind::StoreUnavailable
        | ErrorKind::AuditUnavailable
        | ErrorKind::Internal => of(
            StatusCode::INTERNAL_SERVER_ERROR,
            "SystemError",
            "Unknown error.",
        ),
    }
}

/// Returns a noun's word in codes: clients look for `REPO_NOT_EXIST`.
fn noun_word(noun: Noun) -> String {
    if noun == Noun::Repository {
        "REPO".to_owned()
    } else {
        noun.words().to_ascii_uppercase().replace([' ', '-'], "_")
    }
}

/// Returns the answer of STS where it has its own.
fn answer_of_sts(error: &Error) -> Option<Answer<'_>> {
    let of = |status, code: Cow<'static, str>, message: String| {
        Some(Answer {
            status,
            code,
            message: Cow::Owned(message),
            retry_after_seconds: None,
        })
    };
    let (bad, own) = (StatusCode::BAD_REQUEST, error.message());
    match error.kind() {
        ErrorKind::MissingParameter { name } if name == "OIDCToken" => of(
            StatusCode::UNAUTHORIZED,
            "AuthenticationFail.OIDCToken.Invalid".into(),
            "The OIDCToken can not empty.".to_owned(),
        ),
        ErrorKind::InvalidParameter { name } => match name.as_str() {
            "OIDCToken" => of(
                StatusCode::UNAUTHORIZED,
                "AuthenticationFail.OIDCToken.Invalid".into(),
                own.to_owned(),
            ),
            // The documented text says 15 minutes to an hour, whatever the role's sessions may
            // last.
            "DurationSeconds" => of(
                bad,
                "InvalidParameter.DurationSeconds".into(),
                format!("The value of DurationSeconds is out of range. {own}"),
            ),
            "Policy" => of(
                bad,
                "InvalidParameter.PolicyGrammar".into(),
                format!("The parameter Policy has not passed grammar check. {own}"),
            ),
            // Divergence: of the last three no code is documented.
            "RoleArn" | "RoleSessionName" | "OIDCProviderArn" | "ExternalId" | "SourceIdentity" => {
                of(
                    bad,
                    format!("InvalidParameter.{name}").into(),
                    format!("The parameter {name} is wrongly formed. {own}"),
                )
            }
            _ => None,
        },
        ErrorKind::AccessDenied(denial) if denial.ram.0.starts_with("sts:") => {
            match denial.principal {
                // The only thing that a root may not do, and its text says so.
                Some(Principal::Root(_)) => {
                    of(StatusCode::FORBIDDEN, "NoPermission".into(), own.to_owned())
                }
                Some(_) => of(
                    StatusCode::FORBIDDEN,
                    "NoPermission".into(),
                    format!(
                        "You are not authorized to do this action. You should be authorized by \
                         RAM. {own}"
                    ),
                ),
                // A caller with an OpenID Connect token alone.
                None => of(
                    StatusCode::UNAUTHORIZED,
                    "AuthenticationFail.NoPermission".into(),
                    format!("There is no permission. {own}"),
                ),
            }
        }
        ErrorKind::Misconfigured
        | ErrorKind::StoreUnavailable
        | ErrorKind::AuditUnavailable
        | ErrorKind::Internal => of(
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalError".into(),
            "STS Server Internal Error happened.".to_owned(),
        ),
        _ => None,
    }
}

/// A denial for programs; the current SDKs show it as `access_denied_detail`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct AccessDeniedDetail<'a> {
    auth_action: &'a str,
    auth_principal_display_name: String,
    auth_principal_owner_id: String,
    auth_principal_type: &'static str,
    no_permission_type: &'static str,
    policy_type: &'static str,
}

/// Returns a denial's details; nothing of another error.
pub(super) fn detail_of_denial(error: &Error) -> Option<AccessDeniedDetail<'_>> {
    let ErrorKind::AccessDenied(denial) = error.kind() else {
        return None;
    };
    let principal = denial.principal.as_ref()?;
    Some(AccessDeniedDetail {
        auth_action: &denial.ram.0,
        auth_principal_display_name: principal.numeric_id(),
        auth_principal_owner_id: principal.account().to_string(),
        auth_principal_type: match principal {
            Principal::Root(_) => "Account",
            Principal::User(..) => "SubUser",
            Principal::RoleSession(..) | Principal::FederatedSession(..) => "AssumedRoleUser",
        },
        no_permission_type: if denial.explicit {
            "ExplicitDeny"
        } else {
            "ImplicitDeny"
        },
        policy_type: "AccountLevelIdentityBasedPolicy",
    })
}

/// Returns a parameter's name as far as it can stand in a code: it may be a client's text.
fn word(name: &str) -> String {
    let word: String = name
        .chars()
        .filter(|letter| letter.is_ascii_alphanumeric() || "._-".contains(*letter))
        .take(64)
        .collect();
    if word.is_empty() {
        "Parameter".to_owned()
    } else {
        word
    }
}
