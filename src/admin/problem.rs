//! Errors as problem details (RFC 9457), written by the service and read by its command line.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::operation::MAX_DOCUMENT_BYTES;
use crate::domain::error::WebIdentityFault;
use crate::domain::{Error, ErrorKind, Noun};

/// The media type of problem details.
pub const PROBLEM_TYPE: &str = "application/problem+json";

/// An error, as clients of the admin API read it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// The kind of problem as a URI: `about:blank`, because `kind` has it.
    #[serde(rename = "type")]
    pub of: String,
    /// The phrase of the status.
    pub title: String,
    /// The status.
    pub status: u16,
    /// The reason, and how to go on.
    pub detail: String,
    /// The kind's word, such as `not-found`, which stays the same.
    pub kind: String,
    /// The field that can't be taken.
    pub parameter: Option<String>,
    /// The noun that wasn't found, or is there already.
    pub noun: Option<String>,
    /// The request's id, which log and audit have, too.
    pub request_id: String,
}

/// The part of a problem that every failure has.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Failure {
    /// The reason, and how to go on.
    pub detail: String,
    /// The kind's word, such as `not-found`, which stays the same.
    pub kind: String,
    /// The field that can't be taken.
    pub parameter: Option<String>,
    /// The noun that wasn't found, or is there already.
    pub noun: Option<String>,
}

impl Problem {
    /// Says what an error is about, under the status that it is answered with.
    pub fn of(error: &Error, status: u16, title: &str, request_id: &str) -> Self {
        let Failure {
            detail,
            kind,
            parameter,
            noun,
        } = Failure::of(error);
        Self {
            of: "about:blank".to_owned(),
            title: title.to_owned(),
            status,
            detail,
            kind,
            parameter,
            noun,
            request_id: request_id.to_owned(),
        }
    }

    /// Returns the error that the service had, as far as a command tells errors apart.
    pub fn into_error(self) -> Error {
        let Self {
            detail,
            kind,
            parameter,
            noun,
            ..
        } = self;
        let failure = Failure {
            detail,
            kind,
            parameter,
            noun,
        };
        failure.into_error()
    }
}

impl Failure {
    /// Says what an error is about.
    pub fn of(error: &Error) -> Self {
        let (parameter, noun) = match error.kind() {
            ErrorKind::InvalidParameter { name }
            | ErrorKind::MissingParameter { name }
            | ErrorKind::UnknownParameter { name }
            | ErrorKind::WrongType { name } => (Some(name.clone()), None),
            ErrorKind::NotFound { noun }
            | ErrorKind::AlreadyExists { noun }
            | ErrorKind::QuotaExceeded { noun }
            | ErrorKind::PreconditionFailed { noun } => (None, Some(noun.words().to_owned())),
            ErrorKind::InstanceNotFound => (None, Some(Noun::Instance.words().to_owned())),
            _ => (None, None),
        };
        let detail = match error.kind() {
            ErrorKind::Internal => Cow::Borrowed(
                "An internal error has occurred; the log has its cause under this request id.",
            ),
            _ => Cow::Borrowed(error.message()),
        };
        Self {
            detail: detail.into_owned(),
            kind: error.kind().name().to_owned(),
            parameter,
            noun,
        }
    }

    /// Returns the error that the service had, as far as a command tells errors apart.
    pub fn into_error(self) -> Error {
        let noun = || {
            let named = Noun::ALL
                .iter()
                .find(|noun| Some(noun.words()) == self.noun.as_deref());
            named.copied().unwrap_or(Noun::Setting)
        };
        let name = || self.parameter.clone().unwrap_or_default();
        let kind = match self.kind.as_str() {
            "invalid-parameter" | "wrong-type" => ErrorKind::InvalidParameter { name: name() },
            "missing-parameter" => ErrorKind::MissingParameter { name: name() },
            "unknown-parameter" => ErrorKind::UnknownParameter { name: name() },
            "not-found" => ErrorKind::NotFound { noun: noun() },
            "instance-not-found" => ErrorKind::InstanceNotFound,
            "already-exists" => ErrorKind::AlreadyExists { noun: noun() },
            "quota-exceeded" => ErrorKind::QuotaExceeded { noun: noun() },
            "precondition-failed" => ErrorKind::PreconditionFailed { noun: noun() },
            "bad-credentials" => ErrorKind::BadCredentials,
            "store-unavailable" => ErrorKind::StoreUnavailable,
            "audit-unavailable" => ErrorKind::AuditUnavailable,
            "registry-unavailable" => ErrorKind::RegistryUnavailable,
            "request-too-large" => ErrorKind::RequestTooLarge {
                limit: MAX_DOCUMENT_BYTES,
            },
            "overloaded" => ErrorKind::Overloaded,
            "misconfigured" => ErrorKind::Misconfigured,
            "internal" => ErrorKind::Internal,
            kind => WebIdentityFault::ALL
                .into_iter()
                .find(|fault| fault.name() == kind)
                .map_or(ErrorKind::Unsupported, |fault| ErrorKind::WebIdentity {
                    fault,
                }),
        };
        Error::new(kind, self.detail)
    }
}
