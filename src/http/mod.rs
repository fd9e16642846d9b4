//! The front doors: the only part that knows HTTP.
//!
//! A dialect decodes a request, hands it to a use case, and encodes what comes back; it never opens the
//! store and never decides. The envelope is chosen before the work ([`router`]), so that whatever goes
//! wrong comes back in a shape that the client can read ([`edge`]).
//!
//! Start with [`router`], then [`tencent`], [`alibaba`] and [`registry`].

pub mod address;
pub mod alibaba;
mod body;
mod cors;
mod edge;
mod metrics;
mod operation;
mod overload;
mod plain;
pub mod registry;
mod router;
pub mod tencent;

use std::net::SocketAddr;
use std::time::Duration;

pub use address::Network;
pub use cors::{Cors, Origin};
pub use metrics::ConnectionCounts;
pub use router::{Front, Served, refusal, router};

/// The socket that a request came from, among the extensions of what the [`router`] gets.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// How a request came here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// As it is.
    Plain,
    /// By this service's own TLS.
    Tls,
}

/// What the front doors are told by the operator.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The largest body, in bytes.
    pub max_body_bytes: usize,
    /// The largest body of a request signed with TC3, in bytes: Tencent's contract has ten megabytes there.
    pub max_tc3_body_bytes: usize,
    /// How long a whole body may take to arrive.
    pub body_timeout: Duration,
    /// How many bytes of bodies may be in memory at once, over all requests: half of them for known keys,
    /// half for who is known only when the body is read.
    pub body_budget_bytes: usize,
    /// How many requests may be in work at once.
    pub most_in_work: usize,
    /// How long a request may wait for a processor before some are refused.
    pub longest_wait: Duration,
    /// The proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    /// The web pages that may ask for tokens.
    pub cors: Cors,
    /// Where clients reach this service, such as `http://localhost:8480`, without a slash at the end.
    pub public_url: String,
    /// Where the documentation is, for who came to the wrong door.
    pub documentation: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_body_bytes: 1024 * 1024,
            max_tc3_body_bytes: 1024 * 1024,
            body_timeout: Duration::from_secs(10),
            body_budget_bytes: 64 * 1024 * 1024,
            most_in_work: 1000,
            longest_wait: Duration::from_millis(5),
            trusted_proxies: Vec::new(),
            cors: Cors::default(),
            public_url: "http://localhost:8480".to_owned(),
            documentation: "see README.md and docs/ of transire".to_owned(),
        }
    }
}
