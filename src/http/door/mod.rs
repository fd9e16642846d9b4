//! The contract of an API that is served: how its requests are recognised, read and answered.
//!
//! A *door* is an API's way in: a dialect of a cloud, the token server's protocol, or plain pages.
//! A door decodes a request, hands it to a use case and encodes the outcome; it never opens the
//! store and never decides. No door knows another one: `http::doors` lists them. Start with
//! [`Door`].

pub(crate) mod operations;
pub(crate) mod signed;

use axum::response::Response;

use super::Settings;
use super::request::{Head, OperationRow, Record};
use crate::domain::{Error, Result};
use crate::service::{AuditAction, Service};
use crate::sign;

/// The shape that a client can read, known before any work is done.
pub(crate) trait Envelope {
    /// Answers with `error`.
    fn refuse(&self, error: &Error, request_id: &str) -> Response;
}

/// An API's way in.
pub(crate) trait Door: Sized {
    /// The name in the log and in metrics.
    const NAME: &'static str;
    /// The operations that are counted apart.
    const OPERATIONS: &'static [OperationRow] = &[];
    /// The action in metrics of a request that names none that is served.
    const UNNAMED_ACTION: &'static str = "";
    /// Whether an address that was refused too often hears that, instead of what was wrong.
    const TELLS_THROTTLED: bool = true;

    /// The shape of the answers.
    type Envelope: Envelope;

    /// Recognises a request, by its head and by the form that is its body, as far as that was read.
    fn claims(head: &Head<'_>) -> Option<(Evidence, Self)>;

    /// Returns the shape of the answer.
    fn envelope(&self) -> &Self::Envelope;

    /// Writes a request's id as this API's clients know it.
    fn spell_request_id(_id: &mut str) {}

    /// Answers what needs neither a body nor a place among the requests in work, and is answered
    /// under load, too.
    ///
    /// # Errors
    ///
    /// The request's own faults.
    async fn answer_at_once(
        &self,
        _head: &Head<'_>,
        _shared: &Shared<'_>,
    ) -> Result<Option<Response>> {
        Ok(None)
    }

    /// Returns how the body is read.
    fn body_rule(&self, head: &Head<'_>, settings: &Settings) -> BodyRule;

    /// Checks which host the request is for.
    ///
    /// # Errors
    ///
    /// Those of [`Head::host`].
    fn check_host(&self, head: &Head<'_>) -> Result<()> {
        head.host().map(drop)
    }

    /// Reads the signer off the headers, where they carry the signature, so that a stranger's body
    /// takes no memory.
    ///
    /// # Errors
    ///
    /// The fault that keeps the headers from being read.
    fn preview<'a>(&self, _head: &Head<'a>) -> Result<Option<sign::Preview<'a>>> {
        Ok(None)
    }

    /// Proves the caller by the head alone, before a body of [`BodyRule::Proved`] takes memory.
    ///
    /// # Errors
    ///
    /// Those of the proof.
    async fn prove(
        &self,
        _head: &Head<'_>,
        _shared: &Shared<'_>,
        _record: &mut Record,
    ) -> Result<()> {
        Ok(())
    }

    /// Serves a request whose body is there.
    ///
    /// # Errors
    ///
    /// The request's own faults, and those of its use case.
    async fn answer(
        &self,
        request: Incoming<'_>,
        shared: &Shared<'_>,
        record: &mut Record,
    ) -> Result<Response>;

    /// Returns the audit's name for a request that failed; nothing where it isn't audited.
    fn audited_action(&self, head: &Head<'_>, record: &Record) -> Option<AuditAction>;

    /// Adds the headers that this API's clients read in every answer.
    fn complete(
        &self,
        _head: &Head<'_>,
        _shared: &Shared<'_>,
        _record: &Record,
        _response: &mut Response,
    ) {
    }
}

/// The parts of a process that all doors share.
#[derive(Clone, Copy)]
pub(crate) struct Shared<'a> {
    /// The use cases.
    pub(crate) service: &'a Service,
    /// The operator's settings.
    pub(crate) settings: &'a Settings,
    /// Whether the process is about to end.
    pub(crate) is_closing: bool,
}

/// A request whose body is there.
#[derive(Clone, Copy)]
pub(crate) struct Incoming<'a> {
    /// The head, with the form if there is one.
    pub(crate) head: Head<'a>,
    /// The whole body.
    pub(crate) body: &'a [u8],
    /// The signer, as [`Door::preview`] read it before the body came.
    pub(crate) preview: Option<sign::Preview<'a>>,
}

/// How a request's body is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyRule {
    /// Not at all: the answer is known without.
    Unread,
    /// To a limit in bytes, once the access key in the headers is known.
    Signed {
        /// The most bytes.
        limit: usize,
    },
    /// To a limit in bytes, once [`Door::prove`] knows the caller.
    Proved {
        /// The most bytes.
        limit: usize,
    },
    /// As a stranger's: the headers carry no signature.
    Unsigned,
    /// As a stranger's form, which may tell whose request it is.
    Unrecognised,
}

/// How surely a request is one of an API's: the surest is believed. The clouds' parameters share
/// names (`Signature`, `Action`, `Version`, `Timestamp`); the parameter that names the access key
/// tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Strength {
    /// It is nobody else's.
    Rest,
    /// Its path is one that this API's clients ask for by mistake.
    NearPath,
    /// By parameters whose names others have, too.
    SharedParameters,
    /// By a version that is one of this API's.
    Version,
    /// By headers or parameters of its own.
    OwnNames,
    /// By the parameter that names the access key.
    AccessKey,
    /// By what the Authorization header announces.
    Authorization,
    /// By its path, whatever else it has.
    Path,
}

/// The marks by which a request is one of an API's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Evidence {
    /// How sure it is.
    pub(crate) strength: Strength,
    /// Whether the Authorization header is of one of its schemes.
    pub(crate) is_signed_in_header: bool,
    /// Whether parameters name an access key as it does.
    pub(crate) names_key: bool,
    /// Whether parameters carry a signature as well.
    pub(crate) is_signed_in_parameters: bool,
    /// Whether a header is there that only it has.
    pub(crate) has_own_header: bool,
}

impl Evidence {
    /// Evidence that has nothing to do with signatures.
    pub(crate) fn unsigned(strength: Strength) -> Self {
        Self {
            strength,
            is_signed_in_header: false,
            names_key: false,
            is_signed_in_parameters: false,
            has_own_header: false,
        }
    }
}
