//! The code and the text of each kind of error in Tencent's words.
//!
//! Texts that stand in public reports are kept to the letter, in Chinese too where one is known
//! (facts section 5); every other message is our own, in English.

use std::borrow::Cow;

use crate::domain::{Error, ErrorKind, Noun};

use super::{Language, Product, Scheme};

/// Returns the code and the message of an error of a call to `product`, as far as that is known.
pub(super) fn answer(
    error: &Error,
    scheme: Scheme,
    language: Language,
    product: Option<Product>,
) -> (&'static str, Cow<'_, str>) {
    let pick = |english: &'static str, chinese: &'static str| {
        Cow::Borrowed(match language {
            Language::English => english,
            Language::Chinese => chinese,
        })
    };
    let own = || Cow::Borrowed(error.message());
    // The code doesn't name the parameter, and a text that is shared with other APIs can't either.
    let of = |name: &str| match error.message() {
        message if message.contains(name) => Cow::Borrowed(message),
        message => Cow::Owned(format!("The parameter `{name}` is not valid: {message}")),
    };
    match error.kind() {
        ErrorKind::MalformedAuthorization
        | ErrorKind::SignatureMethodRefused { .. }
        | ErrorKind::BadCredentials => ("AuthFailure.InvalidAuthorization", own()),
        ErrorKind::AccessKeyNotFound | ErrorKind::AccessKeyDisabled => (
            "AuthFailure.SecretIdNotFound",
            pick(
                "The SecretId is not found, please ensure that your SecretId is correct.",
                "SecretId不存在，请输入正确的密钥。",
            ),
        ),
        // As in jeessy2/ddns-go#999; no Chinese text is known.
        ErrorKind::RequestExpired { server_time } => (
            "AuthFailure.SignatureExpire",
            Cow::Owned(format!(
                "Signature expired. Please use local time and enable NTP service for time \
                 synchronization to avoid a deviation between `Timestamp` and the server time {}.",
                server_time.unix_seconds()
            )),
        ),
        ErrorKind::SessionTokenMissing
        | ErrorKind::SessionTokenMalformed
        | ErrorKind::SessionTokenMismatch
        | ErrorKind::SessionTokenExpired => ("AuthFailure.TokenFailure", own()),
        ErrorKind::SignatureMismatch { .. } => (
            "AuthFailure.SignatureFailure",
            pick(
                "The provided credentials could not be validated. Please check your signature is \
                 correct.",
                "请求签名验证失败，请检查您的签名计算是否正确。",
            ),
        ),
        // Divergence: Tencent's signature leaves action, version, region and session token out, and
        // what it does about that isn't known; here a signature goes with those that it first came
        // with.
        ErrorKind::Replayed => ("AuthFailure.SignatureFailure", own()),
        ErrorKind::Throttled { measured, allowed } => (
            "RequestLimitExceeded",
            Cow::Owned(match language {
                Language::English => format!(
                    "Your current request times equals to `{measured}` in a second, which exceeds \
                     the frequency limit `{allowed}` for a second. Please reduce the frequency of \
                     calls."
                ),
                Language::Chinese => format!(
                    "您当前每秒请求 `{measured}` 次，超过了每秒频率上限 `{allowed}`，请稍后重试。"
                ),
            }),
        ),
        ErrorKind::NonceMemoryFull
        | ErrorKind::AddressThrottled { .. }
        | ErrorKind::Overloaded
        | ErrorKind::PasswordsBusy => ("RequestLimitExceeded", own()),
        ErrorKind::RequestTooLarge { .. } if scheme == Scheme::V1 => (
            "AuthFailure.SignatureFailure",
            Cow::Borrowed(
                "The provided credentials could not be validated because of exceeding request size \
                 limit, please use new signature method `TC3-HMAC-SHA256`.",
            ),
        ),
        ErrorKind::RequestTooLarge { .. } => ("RequestSizeLimitExceeded", own()),
        ErrorKind::RequestTimeout => ("InvalidRequest", own()),
        ErrorKind::UnknownAction { action, version } => {
            let service = Product::of_version(version).map_or("", Product::name);
            let text = format!(
                "The request action=`{action}` is invalid or not found in service=`{service}` and \
                 version=`{version}`."
            );
            ("InvalidAction", Cow::Owned(text))
        }
        ErrorKind::UnknownVersion { version } => (
            "NoSuchVersion",
            Cow::Owned(format!("The version `{version}` does not exist.")),
        ),
        ErrorKind::MissingParameter { name } => (
            "MissingParameter",
            Cow::Owned(format!(
                "The request is missing a required parameter `{name}`."
            )),
        ),
        ErrorKind::UnknownParameter { name } => (
            "UnknownParameter",
            Cow::Owned(format!("The parameter `{name}` is not recognized")),
        ),
        ErrorKind::WrongType { name } => (
            "InvalidParameter",
            Cow::Owned(match language {
                Language::English => format!("The value type of parameter `{name}` is not valid."),
                Language::Chinese => format!("参数 `{name}` 取值类型错误。"),
            }),
        ),
        ErrorKind::InvalidParameter { name } if name == "X-TC-Region" || name == "Region" => (
            "InvalidParameterValue",
            Cow::Owned(format!(
                "A value specified in `{name}` is not valid, is unsupported, or cannot be used."
            )),
        ),
        ErrorKind::InvalidParameter { name } if name == "RegistryName" => {
            ("InvalidParameter.ErrorRegistryName", of(name))
        }
        ErrorKind::InvalidParameter { name } if product == Some(Product::Sts) => {
            (code_of_sts(name), of(name))
        }
        ErrorKind::InvalidParameter { name } => ("InvalidParameterValue", of(name)),
        ErrorKind::MalformedTime => ("InvalidParameterValue", own()),
        ErrorKind::SessionPolicyTooLong => ("InvalidParameter.PolicyTooLong", own()),
        ErrorKind::MalformedRequest => ("InvalidParameter", own()),
        ErrorKind::AccessDenied(denial) => {
            let (action, resource) = &denial.cam;
            let rule = denial
                .rule
                .map(|rule| format!(" {rule}"))
                .unwrap_or_default();
            let detail = format!(
                "you are not authorized to perform operation ({action})\nresource ({resource}) has \
                 no permission\n"
            );
            let text = match language {
                Language::English => format!(
                    "You are not authorized to perform this operation. Check your CAM policies, \
                     and ensure that you are using the correct access keys. [{detail}]{rule}"
                ),
                Language::Chinese => format!("操作未授权，请检查CAM策略。[{detail}]{rule}"),
            };
            ("AuthFailure.UnauthorizedOperation", Cow::Owned(text))
        }
        // One code for all that can be wrong with the token (its spelling is the vendor's); the
        // message says what.
        ErrorKind::WebIdentity { .. } => ("InvalidParameter.WebIdentityTokenError", own()),
        ErrorKind::InstanceNotFound | ErrorKind::NoDefaultInstance => {
            ("ResourceNotFound.TcrResourceNotFound", own())
        }
        ErrorKind::NotFound { noun: Noun::Role } => ("ResourceNotFound.RoleNotFound", own()),
        // The operations that name one list no ResourceNotFound (facts 4.6).
        ErrorKind::NotFound {
            noun: Noun::Credential | Noun::ServiceAccount,
        } => ("InvalidParameter", own()),
        // Terraform takes exactly this code, without a second half, for "gone".
        ErrorKind::NotFound { .. } => ("ResourceNotFound", own()),
        ErrorKind::AlreadyExists {
            noun: Noun::Namespace,
        } => ("InvalidParameter.ErrNamespaceExist", own()),
        ErrorKind::AlreadyExists {
            noun: Noun::Repository,
        } => ("InvalidParameter.ErrRepoExist", own()),
        ErrorKind::AlreadyExists {
            noun: Noun::Instance | Noun::ServiceAccount,
        } => ("InvalidParameter.ErrorNameExists", own()),
        ErrorKind::AlreadyExists { .. } => ("ResourceInUse", own()),
        ErrorKind::QuotaExceeded {
            noun: Noun::Namespace,
        } => ("LimitExceeded.ErrNamespaceMaxLimit", own()),
        ErrorKind::QuotaExceeded {
            noun: Noun::Repository,
        } => ("LimitExceeded.ErrRepoMaxLimit", own()),
        ErrorKind::QuotaExceeded { noun: Noun::Tag } => {
            ("InvalidParameter.ErrorTagOverLimit", own())
        }
        ErrorKind::QuotaExceeded {
            noun: Noun::Instance | Noun::ServiceAccount,
        } => ("OperationDenied.QuotaOverLimit", own()),
        ErrorKind::QuotaExceeded { .. } => ("LimitExceeded", own()),
        ErrorKind::PreconditionFailed {
            noun: Noun::Instance,
        } => ("OperationDenied", own()),
        ErrorKind::PreconditionFailed { .. } => ("FailedOperation.PreconditionFailed", own()),
        ErrorKind::Unsupported | ErrorKind::UnsuitedKey { .. } => ("UnsupportedOperation", own()),
        ErrorKind::OperatorDenied { .. } => ("AuthFailure.UnauthorizedOperation", own()),
        ErrorKind::AddressRefused => ("IpNotInWhitelist", own()),
        ErrorKind::StoreUnavailable => ("InternalError.DbError", own()),
        ErrorKind::RegistryUnavailable => ("InternalError.ErrorTcrInternal", own()),
        ErrorKind::AuditUnavailable => ("InternalError", own()),
        // The operator's part of it is in the log.
        ErrorKind::Misconfigured => (
            "InternalError",
            Cow::Borrowed("An internal error has occurred."),
        ),
        ErrorKind::Internal => ("InternalError.Unknown", own()),
    }
}

/// Returns the code of STS for a parameter whose value can't be taken.
fn code_of_sts(name: &str) -> &'static str {
    match name {
        "DurationSeconds" => "InvalidParameter.OverTimeError",
        "Policy" => "InvalidParameter.StrategyFormatError",
        "WebIdentityToken" => "InvalidParameter.WebIdentityTokenError",
        _ => "InvalidParameter.ParamError",
    }
}
