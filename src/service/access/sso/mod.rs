//! Single sign-on for the console: a browser is sent to an OpenID Connect issuer, and comes back
//! with a code for a token about its person (OpenID Connect Core 3.1, with PKCE).
//!
//! The service remembers nothing of a log-in under way: its secrets are sealed in the browser's
//! cookie. A code works once, as the issuer has it (RFC 6749, 4.1.2), and its token is for one
//! cookie alone. The token is verified as all others are, by [`web_identity`]. A session has the
//! claims that the rules looked at, and its role is found anew at each request. Start with
//! [`Access::begin_sso`].
//!
//! [`web_identity`]: super::web_identity

mod begin;
mod endpoints;
mod finish;
mod session;

use std::sync::Arc;

pub use self::begin::BegunSso;
pub(in crate::service) use self::endpoints::SsoIssuer;
pub use self::finish::{FinishedSso, SsoAnswer};
use crate::domain::error::WebIdentityFault;
use crate::domain::refusal::RefusalCause;
use crate::domain::{Error, ErrorKind, Result};
use crate::remote::Failure;
use crate::service::access::Access;
use crate::service::adjustable::Sso;

/// The settings of a single sign-on that is on.
struct Configured {
    sso: Arc<Sso>,
    issuer: String,
    client_id: String,
}

impl Access {
    /// Returns the name of single sign-on, as the button has it; none where it is off.
    pub fn sso_name(&self) -> Option<String> {
        self.sso_settings().ok().map(|on| on.sso.name.clone())
    }

    fn sso_settings(&self) -> Result<Configured> {
        let sso = Arc::clone(&self.base.adjustable().sso);
        match (sso.issuer.clone(), sso.client_id.clone()) {
            (Some(issuer), Some(client_id)) => Ok(Configured {
                sso,
                issuer,
                client_id,
            }),
            _ => Err(Error::unsupported(
                "Single sign-on is off: log in with an operator's token.",
            )),
        }
    }
}

/// Refuses a log-in: the browser is told what helps, and the audit the cause.
fn refused(cause: RefusalCause, message: impl Into<String>) -> Error {
    Error::new(ErrorKind::BadCredentials, message).caused_by(cause)
}

/// Returns the error of an issuer that doesn't answer as one.
fn unavailable(cause: impl Into<String>) -> Error {
    Error::new(
        ErrorKind::WebIdentity {
            fault: WebIdentityFault::KeysUnavailable,
        },
        "The issuer of single sign-on doesn't answer as it should: try again in a minute, or log \
         in with an operator's token. The service's log has the cause.",
    )
    .caused_by(cause.into())
}

/// Writes the failure of a request to the issuer to the log.
fn failed(issuer: &str, failure: Failure) -> Error {
    let error = Error::internal(failure);
    let cause = error.cause().unwrap_or_default();
    tracing::warn!(
        issuer,
        cause,
        "the issuer of single sign-on doesn't answer as it should"
    );
    unavailable(cause)
}
