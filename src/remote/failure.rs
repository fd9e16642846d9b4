//! Why a request to somebody else fails.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use thiserror::Error;

/// Why a request to somebody else failed. It tells about this machine's network: for the log and
/// the operator.
#[derive(Debug, Error)]
pub enum Failure {
    /// The URL can't be one of ours to ask.
    #[error("{url} is not taken: {why}")]
    Url {
        /// The URL as it was given.
        url: String,
        /// The reason.
        why: &'static str,
    },
    /// The name has no address.
    #[error("{host} can't be resolved")]
    Unresolved {
        /// The name.
        host: String,
        /// The resolver's error.
        source: io::Error,
    },
    /// The name has only addresses that aren't public.
    #[error("{host} has no public address, and {setting} is off")]
    NotPublic {
        /// The name.
        host: String,
        /// The setting that would let it be.
        setting: &'static str,
    },
    /// Nobody answers at the address.
    #[error("{address} can't be connected to")]
    Unreachable {
        /// The last address that was tried.
        address: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
    /// The certificates to trust can't be read.
    #[error("no authority's certificates can be read: {0}")]
    Authorities(String),
    /// The other side doesn't prove who it is, or speaks no TLS.
    #[error("TLS with {host} failed")]
    Tls {
        /// The name.
        host: String,
        /// The reason.
        source: io::Error,
    },
    /// The other side speaks no HTTP, or breaks off.
    #[error("the answer can't be read")]
    Http(#[source] hyper::Error),
    /// The answer has an end, but not soon enough.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
    /// The other side doesn't accept who asks.
    #[error("{url} answered {status}: it does not accept the token")]
    Refused {
        /// The URL that answered.
        url: String,
        /// With what status.
        status: http::StatusCode,
    },
    /// The answer did not come, or not all of it.
    #[error("there was no answer within {0:?}")]
    TimedOut(Duration),
    /// The answer isn't what was asked for.
    #[error("{url} answered {what}")]
    Unexpected {
        /// The URL that answered.
        url: String,
        /// With what.
        what: String,
    },
}
