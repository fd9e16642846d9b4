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

impl<'a> Answer<'a> {
    /// A documented code and text.
    fn of(status: StatusCode, code: &'static str, message: &'static str) -> Self {
        Self {
            status,
            code: Cow::Borrowed(code),
            message: Cow::Borrowed(message),
            retry_after_seconds: None,
        }
    }

    /// A code with the error's own text.
    fn own(status: StatusCode, code: &'static str, error: &'a Error) -> Self {
        Self {
            message: Cow::Borrowed(error.message()),
            ..Self::of(status, code, "")
        }
    }

    /// A documented code and text of a bad request, and then the error's own text, which has the
    /// figures.
    fn documented(code: &'static str, text: &str, error: &Error) -> Self {
        Self {
            message: Cow::Owned(format!("{text} {}", error.message())),
            ..Self::of(StatusCode::BAD_REQUEST, code, "")
        }
    }
}

/// Returns the answer to an error of a call to `product`.
pub(super) fn answer(error: &Error, style: Style, product: Product) -> Answer<'_> {
    if product == Product::Sts
        && let Some(answer) = answer_of_sts(error)
    {
        return answer;
    }
    let of = Answer::of;
    let ours = |status, code| Answer::own(status, code, error);
    let with = |code, text| Answer::documented(code, text, error);
    let bad = StatusCode::BAD_REQUEST;
    match error.kind() {
        ErrorKind::MalformedAuthorization => with(
            "IncompleteSignature",
            "The request signature does not conform to Aliyun standards.",
        ),
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
        ErrorKind::Replayed => with(
            "SignatureNonceUsed",
            "Specified signature nonce was used already.",
        ),
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
        ErrorKind::Overloaded => Answer {
            retry_after_seconds: Some(1),
            ..of(
                StatusCode::SERVICE_UNAVAILABLE,
                "ServiceUnavailable",
                "The request has failed due to a temporary failure of the server.",
            )
        },
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
        ErrorKind::AccessDenied(_)
        | ErrorKind::OperatorDenied { .. }
        | ErrorKind::BadCredentials => of(
            StatusCode::FORBIDDEN,
            "NoPrivilege",
            "Access denied for this user.",
        ),
        ErrorKind::WebIdentity { fault } => answer_to_web_identity(*fault, error),
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
        ErrorKind::Unsupported | ErrorKind::UnsuitedKey { .. } => ours(bad, "UnsupportedOperation"),
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

/// Returns the answer to the token of an OpenID Connect issuer that can't be taken.
fn answer_to_web_identity(fault: WebIdentityFault, error: &Error) -> Answer<'_> {
    let of = |code, message| Answer::of(StatusCode::UNAUTHORIZED, code, message);
    let ours = |code| Answer::own(StatusCode::UNAUTHORIZED, code, error);
    match fault {
        WebIdentityFault::NoSuchProvider => of(
            "AuthenticationFail.NoPermission",
            "No such OIDC Provider registered.",
        ),
        WebIdentityFault::Expired => Answer {
            status: StatusCode::UNAUTHORIZED,
            ..Answer::documented(
                "AuthenticationFail.OIDCToken.Expired",
                "This JsonWebToken is expired.",
                error,
            )
        },
        WebIdentityFault::AudienceNotMatched => of(
            "AuthenticationFail.OIDCToken.AudienceNotMatch",
            "Invalid audience.",
        ),
        WebIdentityFault::BadSignature => of(
            "AuthenticationFail.OIDCToken.InvalidSignature",
            "OIDC token validate failed: invalid signature.",
        ),
        WebIdentityFault::Malformed | WebIdentityFault::NotYetValid => {
            ours("AuthenticationFail.OIDCToken.Invalid")
        }
        WebIdentityFault::KeysUnavailable => ours("AuthenticationFail.OIDCToken.HttpsUrlInvalid"),
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
    let (bad, own) = (StatusCode::BAD_REQUEST, error.message());
    let with = |code, text| Some(Answer::documented(code, text, error));
    match error.kind() {
        ErrorKind::MissingParameter { name } if name == "OIDCToken" => Some(Answer::of(
            StatusCode::UNAUTHORIZED,
            "AuthenticationFail.OIDCToken.Invalid",
            "The OIDCToken can not empty.",
        )),
        ErrorKind::InvalidParameter { name } => match name.as_str() {
            "OIDCToken" => Some(Answer::own(
                StatusCode::UNAUTHORIZED,
                "AuthenticationFail.OIDCToken.Invalid",
                error,
            )),
            // The documented text says 15 minutes to an hour, whatever the role's sessions may
            // last.
            "DurationSeconds" => with(
                "InvalidParameter.DurationSeconds",
                "The value of DurationSeconds is out of range.",
            ),
            "Policy" => with(
                "InvalidParameter.PolicyGrammar",
                "The parameter Policy has not passed grammar check.",
            ),
            // Divergence: of the last three no code is documented.
            "RoleArn" | "RoleSessionName" | "OIDCProviderArn" | "ExternalId" | "SourceIdentity" => {
                Some(Answer {
                    code: Cow::Owned(format!("InvalidParameter.{name}")),
                    message: Cow::Owned(format!("The parameter {name} is wrongly formed. {own}")),
                    ..Answer::of(bad, "", "")
                })
            }
            _ => None,
        },
        ErrorKind::AccessDenied(denial) if denial.ram.0.starts_with("sts:") => {
            Some(answer_to_denial_of_sts(denial.principal.as_ref(), error))
        }
        ErrorKind::Misconfigured
        | ErrorKind::StoreUnavailable
        | ErrorKind::AuditUnavailable
        | ErrorKind::Internal => Some(Answer::of(
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalError",
            "STS Server Internal Error happened.",
        )),
        _ => None,
    }
}

/// Returns the answer of STS to a caller who may not do this.
fn answer_to_denial_of_sts<'a>(principal: Option<&Principal>, error: &'a Error) -> Answer<'a> {
    let forbidden = StatusCode::FORBIDDEN;
    match principal {
        // The only thing that a root may not do, and its text says so.
        Some(Principal::Root(_)) => Answer::own(forbidden, "NoPermission", error),
        Some(_) => Answer {
            status: forbidden,
            ..Answer::documented(
                "NoPermission",
                "You are not authorized to do this action. You should be authorized by RAM.",
                error,
            )
        },
        // A caller with an OpenID Connect token alone.
        None => Answer {
            status: StatusCode::UNAUTHORIZED,
            ..Answer::documented(
                "AuthenticationFail.NoPermission",
                "There is no permission.",
                error,
            )
        },
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
