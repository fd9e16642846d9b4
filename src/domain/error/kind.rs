//! The kinds of errors, whose fault each is, and what some of them carry.

use crate::domain::clock::Timestamp;
use crate::domain::noun::Noun;
use crate::domain::operator::OperatorPermission;
use crate::domain::principal::Principal;

/// A kind of failure, in terms that every API can answer to.
///
/// Each API has an exhaustive table over this list: a new kind doesn't compile until all answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The authorization of the request can't be read, or lacks a part, or mixes two dialects.
    MalformedAuthorization,
    /// The signature method is unknown here, or turned off in the settings.
    SignatureMethodRefused {
        /// The method as the client named it.
        method: String,
    },
    /// No such access key, or it was deleted.
    AccessKeyNotFound,
    /// The access key is disabled.
    AccessKeyDisabled,
    /// The request's time is too far from the server's.
    RequestExpired {
        /// The server's time.
        server_time: Timestamp,
    },
    /// The request's time can't be read.
    MalformedTime,
    /// The access key belongs to a session, and the request lacks its session token.
    SessionTokenMissing,
    /// The session token is not one of ours, or was cut.
    SessionTokenMalformed,
    /// The session token is another access key's, or another cloud's.
    SessionTokenMismatch,
    /// The session is over: its time is up, or it was revoked.
    SessionTokenExpired,
    /// The signature is not the one that the request and the access key give.
    SignatureMismatch {
        /// The text that the server signed, for the clients whose contract shows it.
        string_to_sign: String,
    },
    /// A nonce came a second time, or a signature with something else than it was made for.
    Replayed,
    /// One account called one action too often.
    Throttled {
        /// Requests counted in the present second, this one included.
        measured: u32,
        /// Requests a second that are allowed.
        allowed: u32,
    },
    /// One access key used more nonces than are remembered.
    NonceMemoryFull,
    /// One client address was refused too often.
    AddressThrottled {
        /// When to come back, in seconds.
        retry_after_seconds: u32,
    },
    /// More work is in flight than the service takes on.
    Overloaded,
    /// More passwords wait to be hashed than may.
    PasswordsBusy,
    /// The request is larger than is allowed.
    RequestTooLarge {
        /// The largest body, in bytes.
        limit: usize,
    },
    /// The request didn't arrive in time.
    RequestTimeout,
    /// No such action in this product and version.
    UnknownAction {
        /// The action as the client named it.
        action: String,
        /// The version as the client named it.
        version: String,
    },
    /// No such version of this product.
    UnknownVersion {
        /// The version as the client named it.
        version: String,
    },
    /// A parameter that must be there is not.
    MissingParameter {
        /// The parameter's name at the wire.
        name: String,
    },
    /// A parameter that the action doesn't have.
    UnknownParameter {
        /// The parameter's name at the wire.
        name: String,
    },
    /// A parameter of the wrong type.
    WrongType {
        /// The parameter's name at the wire.
        name: String,
    },
    /// A parameter whose value can't be taken.
    InvalidParameter {
        /// The parameter's name at the wire or at the command line.
        name: String,
    },
    /// A session's policy is longer than is allowed.
    SessionPolicyTooLong,
    /// The request as a whole can't be read (bad JSON, bad encoding, a method that isn't served).
    MalformedRequest,
    /// The caller may not do this.
    AccessDenied(Box<Denial>),
    /// The operator's role lacks the permission.
    OperatorDenied {
        /// The permission that it lacks.
        permission: OperatorPermission,
    },
    /// No such instance, or none that the caller may know of.
    InstanceNotFound,
    /// The account has no default instance to answer for.
    NoDefaultInstance,
    /// No such thing of another noun.
    NotFound {
        /// The noun that was looked for.
        noun: Noun,
    },
    /// A thing of that name is there already, or was and its name can't be used again.
    AlreadyExists {
        /// The noun that was to be made.
        noun: Noun,
    },
    /// There are as many as there may be.
    QuotaExceeded {
        /// The noun whose quota is used up.
        noun: Noun,
    },
    /// The thing's present state forbids it: it isn't empty, it is protected, or it was changed
    /// meanwhile.
    PreconditionFailed {
        /// The noun that was to be changed.
        noun: Noun,
    },
    /// The action exists, but not for this caller or this thing.
    Unsupported,
    /// The action is not for this kind of access key: a session's, or a permanent one.
    UnsuitedKey {
        /// Whether the key is a session's.
        is_session: bool,
    },
    /// A registry client's address may not reach the instance.
    AddressRefused,
    /// A registry log-in failed; nothing says which part was wrong.
    BadCredentials,
    /// An OpenID Connect token, offered instead of a signature, isn't believed.
    WebIdentity {
        /// The fault.
        fault: WebIdentityFault,
    },
    /// The operator's settings, files or arguments don't fit together.
    Misconfigured,
    /// The database can't be reached, is full, or is busy for too long.
    StoreUnavailable,
    /// The registry behind an instance doesn't answer, or not so that anything can be made of it.
    RegistryUnavailable,
    /// The audit record can't be kept, and the settings require it.
    AuditUnavailable,
    /// Anything unexpected.
    Internal,
}

impl ErrorKind {
    /// Returns the kind's word in log and audit: without what it holds, which clients may have
    /// signed.
    pub fn name(&self) -> &'static str {
        match self {
            Self::MalformedAuthorization => "malformed-authorization",
            Self::SignatureMethodRefused { .. } => "signature-method-refused",
            Self::AccessKeyNotFound => "access-key-not-found",
            Self::AccessKeyDisabled => "access-key-disabled",
            Self::RequestExpired { .. } => "request-expired",
            Self::MalformedTime => "malformed-time",
            Self::SessionTokenMissing => "session-token-missing",
            Self::SessionTokenMalformed => "session-token-malformed",
            Self::SessionTokenMismatch => "session-token-mismatch",
            Self::SessionTokenExpired => "session-token-expired",
            Self::SignatureMismatch { .. } => "signature-mismatch",
            Self::Replayed => "replayed",
            Self::Throttled { .. } => "throttled",
            Self::NonceMemoryFull => "nonce-memory-full",
            Self::AddressThrottled { .. } => "address-throttled",
            Self::Overloaded => "overloaded",
            Self::PasswordsBusy => "passwords-busy",
            Self::RequestTooLarge { .. } => "request-too-large",
            Self::RequestTimeout => "request-timeout",
            Self::UnknownAction { .. } => "unknown-action",
            Self::UnknownVersion { .. } => "unknown-version",
            Self::MissingParameter { .. } => "missing-parameter",
            Self::UnknownParameter { .. } => "unknown-parameter",
            Self::WrongType { .. } => "wrong-type",
            Self::InvalidParameter { .. } => "invalid-parameter",
            Self::SessionPolicyTooLong => "session-policy-too-long",
            Self::MalformedRequest => "malformed-request",
            Self::AccessDenied(_) => "access-denied",
            Self::OperatorDenied { .. } => "operator-denied",
            Self::InstanceNotFound => "instance-not-found",
            Self::NoDefaultInstance => "no-default-instance",
            Self::NotFound { .. } => "not-found",
            Self::AlreadyExists { .. } => "already-exists",
            Self::QuotaExceeded { .. } => "quota-exceeded",
            Self::PreconditionFailed { .. } => "precondition-failed",
            Self::Unsupported => "unsupported",
            Self::UnsuitedKey { .. } => "unsuited-key",
            Self::AddressRefused => "address-refused",
            Self::BadCredentials => "bad-credentials",
            Self::WebIdentity { fault } => fault.name(),
            Self::Misconfigured => "misconfigured",
            Self::StoreUnavailable => "store-unavailable",
            Self::RegistryUnavailable => "registry-unavailable",
            Self::AuditUnavailable => "audit-unavailable",
            Self::Internal => "internal",
        }
    }

    /// Returns whose fault the error is: who has to do something about it.
    pub fn blame(&self) -> Blame {
        match self {
            Self::Internal
            | Self::Misconfigured
            | Self::StoreUnavailable
            | Self::AuditUnavailable => Blame::Operator,
            Self::NonceMemoryFull | Self::Overloaded | Self::PasswordsBusy => Blame::Load,
            Self::RegistryUnavailable
            | Self::WebIdentity {
                fault: WebIdentityFault::KeysUnavailable,
            } => Blame::Upstream,
            Self::MalformedAuthorization
            | Self::SignatureMethodRefused { .. }
            | Self::AccessKeyNotFound
            | Self::AccessKeyDisabled
            | Self::RequestExpired { .. }
            | Self::MalformedTime
            | Self::SessionTokenMissing
            | Self::SessionTokenMalformed
            | Self::SessionTokenMismatch
            | Self::SessionTokenExpired
            | Self::SignatureMismatch { .. }
            | Self::Replayed
            | Self::Throttled { .. }
            | Self::AddressThrottled { .. }
            | Self::RequestTooLarge { .. }
            | Self::RequestTimeout
            | Self::UnknownAction { .. }
            | Self::UnknownVersion { .. }
            | Self::MissingParameter { .. }
            | Self::UnknownParameter { .. }
            | Self::WrongType { .. }
            | Self::InvalidParameter { .. }
            | Self::SessionPolicyTooLong
            | Self::MalformedRequest
            | Self::AccessDenied(_)
            | Self::OperatorDenied { .. }
            | Self::InstanceNotFound
            | Self::NoDefaultInstance
            | Self::NotFound { .. }
            | Self::AlreadyExists { .. }
            | Self::QuotaExceeded { .. }
            | Self::PreconditionFailed { .. }
            | Self::Unsupported
            | Self::UnsuitedKey { .. }
            | Self::AddressRefused
            | Self::BadCredentials
            | Self::WebIdentity { .. } => Blame::Client,
        }
    }
}

/// The party that has to act on an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The client's: the same request will fail again.
    Client,
    /// The operator's, or the program's own.
    Operator,
    /// Nobody's: there is more to do than is taken on.
    Load,
    /// That of a server which is asked: an OpenID Connect issuer, or a registry.
    Upstream,
}

/// Why an OpenID Connect token isn't believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebIdentityFault {
    /// The account has no such provider.
    NoSuchProvider,
    /// It can't be read, or isn't the issuer's, or is signed in a way that the provider doesn't
    /// allow.
    Malformed,
    /// Its time is over.
    Expired,
    /// Its time has not come.
    NotYetValid,
    /// It is meant for others.
    AudienceNotMatched,
    /// No key of the issuer's signed it.
    BadSignature,
    /// The issuer's keys can't be fetched.
    KeysUnavailable,
}

impl WebIdentityFault {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::NoSuchProvider,
        Self::Malformed,
        Self::Expired,
        Self::NotYetValid,
        Self::AudienceNotMatched,
        Self::BadSignature,
        Self::KeysUnavailable,
    ];

    /// Returns the fault's word in log and audit.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoSuchProvider => "web-identity-no-such-provider",
            Self::Malformed => "web-identity-malformed",
            Self::Expired => "web-identity-expired",
            Self::NotYetValid => "web-identity-not-yet-valid",
            Self::AudienceNotMatched => "web-identity-audience-not-matched",
            Self::BadSignature => "web-identity-bad-signature",
            Self::KeysUnavailable => "web-identity-keys-unavailable",
        }
    }
}

/// The policies that decide, by what they belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyKind {
    /// Those of a principal's own; of a session, those of its role or user.
    Identity,
    /// That of the resource.
    Resource,
    /// Those that narrow a session.
    Session,
}

/// A denial, in the words of each policy language: each API shows its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// The action and the resource as CAM names them.
    pub cam: (String, String),
    /// The action and the resource as RAM names them.
    pub ram: (String, String),
    /// The action and the resource as IAM names them.
    pub iam: (String, String),
    /// The principal that was denied.
    pub principal: Option<Principal>,
    /// Whether a statement denied it, or none allowed it.
    pub explicit: bool,
    /// The policies that did, or lack such a statement.
    pub by: PolicyKind,
    /// The rule that denied it, and how to go on, where that isn't a policy's; shown after the
    /// API's own text.
    pub rule: Option<&'static str>,
}
