//! The one error of the service: a closed kind, a message that is always safe to show, and what is
//! never sent: a source, and what decided a refusal.

mod kind;

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use super::clock::Timestamp;
use super::ids::AccountId;
use super::noun::Noun;
use super::operator::OperatorPermission;
use super::refusal::RefusalCause;

pub use kind::{Blame, Denial, ErrorKind, PolicyKind, WebIdentityFault};

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error: a kind, a message for the caller, a source for the log, and what decided a refusal for
/// log and audit.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
    decided: Option<Box<str>>,
}

impl Error {
    /// Makes an error; the message is shown to the client, so it holds nothing that they may not
    /// know.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            source: None,
            decided: None,
        }
    }

    /// Adds what caused it, for the log alone.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Adds what decided a refusal, for log and audit alone: a statement, a limit, a time. It holds
    /// no text that a stranger chose.
    #[must_use]
    pub fn decided_by(mut self, what: impl Into<Box<str>>) -> Self {
        self.decided = Some(what.into());
        self
    }

    /// Returns what decided a refusal, if more of it is known than kind and cause say.
    pub fn decided(&self) -> Option<&str> {
        self.decided.as_deref()
    }

    /// Returns the kind.
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// Returns the message, which is always safe to show.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns the permission that was denied and the resource, as CAM names them.
    pub fn denied_request(&self) -> Option<(&str, &str)> {
        match &self.kind {
            ErrorKind::AccessDenied(denial) => Some((&denial.cam.0, &denial.cam.1)),
            _ => None,
        }
    }

    /// Returns the cause of a refusal that its client doesn't hear.
    pub fn refusal_cause(&self) -> Option<RefusalCause> {
        self.source
            .as_deref()
            .and_then(|source| source.downcast_ref())
            .copied()
    }

    /// Returns the word for why a request was refused, for log and audit: a cause that its client
    /// doesn't hear, or the kind.
    pub fn refusal_word(&self) -> &'static str {
        self.refusal_cause()
            .map_or_else(|| self.kind.name(), RefusalCause::name)
    }

    /// Returns the chain of causes as one line for the log.
    pub fn cause(&self) -> Option<String> {
        let source: &dyn StdError = self.source.as_deref()?;
        Some(with_causes(source))
    }
}

/// Returns an error and the chain of its causes as one line.
pub fn with_causes(error: &dyn StdError) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        line = format!("{line}: {next}");
        cause = next.source();
    }
    line
}

/// Constructors by kind, so that a message is the same wherever it is made.
impl Error {
    /// The authorization can't be read; `why` says what about it.
    pub fn malformed_authorization(why: impl Into<String>) -> Self {
        Self::new(ErrorKind::MalformedAuthorization, why)
    }

    /// The signature method `method` isn't taken.
    pub fn signature_method_refused(method: impl Into<String>) -> Self {
        let method = method.into();
        let message = format!("The signature method {method} is not accepted here.");
        Self::new(ErrorKind::SignatureMethodRefused { method }, message)
    }

    /// No such access key.
    pub fn access_key_not_found() -> Self {
        Self::new(ErrorKind::AccessKeyNotFound, "The access key is not found.")
    }

    /// The access key is disabled.
    pub fn access_key_disabled() -> Self {
        Self::new(ErrorKind::AccessKeyDisabled, "The access key is disabled.")
    }

    /// The request was made longer than `window` before or after `server_time`.
    pub fn request_expired(server_time: Timestamp, window: Duration) -> Self {
        Self::new(
            ErrorKind::RequestExpired { server_time },
            format!(
                "The server's time is {}, and a request's may differ from it by {} seconds; check \
                 the client's clock.",
                server_time.rfc3339(),
                window.as_secs()
            ),
        )
    }

    /// The request's time can't be read; `form` says how it is written.
    pub fn malformed_time(form: &str) -> Self {
        Self::new(
            ErrorKind::MalformedTime,
            format!("The request's time is written {form}."),
        )
    }

    /// A session's access key came without its session token.
    pub fn session_token_missing() -> Self {
        Self::new(
            ErrorKind::SessionTokenMissing,
            "The access key belongs to a session; send its session token with it.",
        )
    }

    /// The session token isn't one.
    pub fn session_token_malformed() -> Self {
        Self::new(
            ErrorKind::SessionTokenMalformed,
            "The session token is not one that this service gave out, or it was cut.",
        )
    }

    /// The session token isn't this access key's.
    pub fn session_token_mismatch() -> Self {
        Self::new(
            ErrorKind::SessionTokenMismatch,
            "The session token is not valid for this access key here.",
        )
    }

    /// The session is over.
    pub fn session_token_expired() -> Self {
        Self::new(
            ErrorKind::SessionTokenExpired,
            "The session expired or was revoked; get a new one.",
        )
    }

    /// The signature doesn't fit; `string_to_sign` is the server's.
    pub fn signature_mismatch(string_to_sign: impl Into<String>) -> Self {
        Self::new(
            ErrorKind::SignatureMismatch {
                string_to_sign: string_to_sign.into(),
            },
            "The signature is not the one that this request and this access key's secret give.",
        )
    }

    /// The nonce or the signature was used before.
    pub fn replayed() -> Self {
        Self::new(
            ErrorKind::Replayed,
            "The request's nonce was used already, or its signature with something else; sign the \
             request again, a second later.",
        )
    }

    /// A signed call comes again that was carried out: by the request of that id, which made the
    /// thing of the other id.
    pub fn repeated(request_id: &str, made: Option<&str>) -> Self {
        let result = made.map(|id| format!(" and made {id}")).unwrap_or_default();
        let message = format!(
            "This very request was carried out before, as request {request_id}{result}; nothing \
             was done now. To have it done once more, sign it again, a second later."
        );
        Self::new(ErrorKind::Replayed, message)
    }

    /// A required parameter is missing.
    pub fn missing_parameter(name: impl Into<String>) -> Self {
        let name = name.into();
        let message = format!("The parameter {name} is required.");
        Self::new(ErrorKind::MissingParameter { name }, message)
    }

    /// A parameter isn't one of the action's.
    pub fn unknown_parameter(name: impl Into<String>) -> Self {
        let name = name.into();
        let message = format!("The parameter {name} is not recognized.");
        Self::new(ErrorKind::UnknownParameter { name }, message)
    }

    /// A parameter is of the wrong type.
    pub fn wrong_type(name: impl Into<String>) -> Self {
        let name = name.into();
        let message = format!("The value type of the parameter {name} is not valid.");
        Self::new(ErrorKind::WrongType { name }, message)
    }

    /// A parameter's value can't be taken; `why` says what would be.
    pub fn invalid_parameter(name: impl Into<String>, why: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidParameter { name: name.into() }, why)
    }

    /// Names the parameter that the error is about as a dialect does: `names` has pairs of the use
    /// case's word and the dialect's. Another error stays as it is.
    #[must_use]
    pub fn naming(mut self, names: &[(&str, &str)]) -> Self {
        if let ErrorKind::InvalidParameter { name } = &mut self.kind
            && let Some((_, named)) = names.iter().find(|(word, _)| word == name)
        {
            (*named).clone_into(name);
        }
        self
    }

    /// The request can't be read; `why` says what about it.
    pub fn malformed_request(why: impl Into<String>) -> Self {
        Self::new(ErrorKind::MalformedRequest, why)
    }

    /// The operator's role lacks a permission; `own` is the one account of an account-admin.
    pub fn operator_denied(permission: OperatorPermission, own: Option<AccountId>) -> Self {
        let own = own.filter(|_| permission.is_of_accounts());
        let outside = own.map_or_else(String::new, |own| format!(" outside account {own}"));
        let message = format!(
            "The operator lacks the permission {}{outside}. {}",
            permission.name(),
            permission.holders(own.is_some())
        );
        Self::new(ErrorKind::OperatorDenied { permission }, message)
    }

    /// An operator's token isn't taken. Clients hear the same whatever the cause.
    pub fn bad_operator_token(cause: RefusalCause) -> Self {
        Self::new(
            ErrorKind::BadCredentials,
            "The operator's token is wrong, or was rotated, or the operator was disabled or \
             deleted.",
        )
        .caused_by(cause)
    }

    /// No such instance for this caller.
    pub fn instance_not_found() -> Self {
        Self::new(ErrorKind::InstanceNotFound, "The instance does not exist.")
    }

    /// No such thing.
    pub fn not_found(noun: Noun, id: impl fmt::Display) -> Self {
        Self::new(
            ErrorKind::NotFound { noun },
            format!("There is no {noun} {id}."),
        )
    }

    /// A thing of that name exists or existed; `why` says which name and what to do.
    pub fn already_exists(noun: Noun, why: impl Into<String>) -> Self {
        Self::new(ErrorKind::AlreadyExists { noun }, why)
    }

    /// A quota is used up; `why` says whose, and how many there may be.
    pub fn quota_exceeded(noun: Noun, why: impl Into<String>) -> Self {
        Self::new(ErrorKind::QuotaExceeded { noun }, why)
    }

    /// The thing is in a state that forbids it; `why` says which and what to do.
    pub fn precondition_failed(noun: Noun, why: impl Into<String>) -> Self {
        Self::new(ErrorKind::PreconditionFailed { noun }, why)
    }

    /// The operation isn't possible here; `why` says why.
    pub fn unsupported(why: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, why)
    }

    /// A session can't do this, since its outcome would outlive it; `why` says what to do instead.
    pub fn session_refused(why: impl Into<String>) -> Self {
        Self::new(ErrorKind::UnsuitedKey { is_session: true }, why)
    }

    /// Only a session can do this; `why` says how to get one.
    pub fn session_required(why: impl Into<String>) -> Self {
        Self::new(ErrorKind::UnsuitedKey { is_session: false }, why)
    }

    /// A registry client may not come from where it comes from; `why` names the address and what to
    /// do.
    pub fn address_refused(why: impl Into<String>) -> Self {
        Self::new(ErrorKind::AddressRefused, why)
    }

    /// A registry log-in failed. Clients hear the same whatever the cause.
    pub fn bad_credentials(cause: RefusalCause) -> Self {
        Self::new(
            ErrorKind::BadCredentials,
            "The username or the password is wrong, or the credential expired or was disabled.",
        )
        .caused_by(cause)
    }

    /// An OpenID Connect token isn't believed, for the reason that the fault names.
    pub fn web_identity(fault: WebIdentityFault) -> Self {
        Self::new(
            ErrorKind::WebIdentity { fault },
            match fault {
                WebIdentityFault::NoSuchProvider => "The account has no such OIDC provider.",
                WebIdentityFault::Malformed => "The OIDC token can't be read.",
                WebIdentityFault::Expired => "The OIDC token has expired.",
                WebIdentityFault::NotYetValid => "The OIDC token is not valid yet.",
                WebIdentityFault::AudienceNotMatched => {
                    "The OIDC token has none of the provider's audiences."
                }
                WebIdentityFault::BadSignature => {
                    "The OIDC token is signed by no key of the issuer's."
                }
                WebIdentityFault::KeysUnavailable => {
                    "The issuer's keys can't be fetched; try again in a minute."
                }
            },
        )
    }

    /// An OpenID Connect token is from after its time, or before: it is good `from` one time `to`
    /// another.
    pub fn web_identity_out_of_time(
        fault: WebIdentityFault,
        from: Timestamp,
        to: Timestamp,
        server_time: Timestamp,
    ) -> Self {
        let said = Self::web_identity(fault).message;
        let [from, to, now] = [from, to, server_time].map(Timestamp::rfc3339);
        let message = format!(
            "{said} It is good from {from} to {to}, and the server's time is {now}; get a new one, \
             or check the clocks."
        );
        Self::new(ErrorKind::WebIdentity { fault }, message)
    }

    /// An OpenID Connect token can't be taken; `why` says what about it.
    pub fn malformed_web_identity(why: impl Into<String>) -> Self {
        Self::new(
            ErrorKind::WebIdentity {
                fault: WebIdentityFault::Malformed,
            },
            why,
        )
    }

    /// The operator must mend something; `why` says what.
    pub fn misconfigured(why: impl Into<String>) -> Self {
        Self::new(ErrorKind::Misconfigured, why)
    }

    /// The database doesn't answer.
    pub fn store_unavailable(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(
            ErrorKind::StoreUnavailable,
            "The database is not available; try again later.",
        )
        .caused_by(source)
    }

    /// The registry behind an instance is of no help; `why` says how, without its address.
    pub fn registry_unavailable(why: impl Into<String>) -> Self {
        Self::new(ErrorKind::RegistryUnavailable, why)
    }

    /// Something unexpected; `source` goes to the log alone.
    pub fn internal(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(ErrorKind::Internal, "An internal error has occurred.").caused_by(source)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source
            .as_deref()
            .map(|source| source as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_never_holds_its_source() {
        let error = Error::internal("disk sector 7").caused_by("disk sector 8");
        assert_eq!(error.to_string(), "An internal error has occurred.");
        assert_eq!(error.cause().as_deref(), Some("disk sector 8"));
    }
}
