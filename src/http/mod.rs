//! HTTP: the only part that knows it.
//!
//! [`front`] serves a request in one order of steps. Its door, chosen by [`doors`] before any work,
//! is an API's way in: it decodes the request, hands it to a use case, and encodes the outcome, an
//! error too, in a shape that the client can read. It never opens the store and never decides.
//! Doors don't know each other.
//!
//! Start with [`front`], then [`door`], then [`tencent`], [`alibaba`], [`aws`] and [`registry`].

pub mod admin;
pub mod alibaba;
pub mod aws;
mod console;
mod door;
mod doors;
mod exchange;
mod front;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod mock;
mod oauth;
mod observe;
mod operators;
mod plain;
pub mod registry;
mod request;
pub mod tencent;

use std::net::IpAddr;
use std::time::Duration;

pub use exchange::refusal;
pub use front::{Served, Server};
pub use mock::Mock;
pub use observe::metrics::{ConnectionCounts, ProcessUsage, ServerMetrics, SpanCounts};
pub use registry::{Cors, Origin};
pub use request::address::Network;

/// How a request came here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// As it is.
    Plain,
    /// By this service's own TLS.
    Tls,
}

/// The listener that a request came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surface {
    /// That of cloud API calls and registries' clients.
    Clients,
    /// That of operators.
    Operators,
}

/// The way by which a request came.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// The address at the other end of the connection.
    pub peer: IpAddr,
    /// Whether it came by this service's own TLS.
    pub transport: Transport,
    /// The listener that it came to.
    pub surface: Surface,
}

/// The operator's settings of HTTP.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The largest body, in bytes.
    pub max_body_bytes: usize,
    /// The largest body of a request signed with TC3, in bytes: Tencent's contract has ten
    /// megabytes there.
    pub max_tc3_body_bytes: usize,
    /// How long a whole body may take to arrive.
    pub body_timeout: Duration,
    /// How many bytes of bodies may be in memory at once, over all requests: half of them for known
    /// keys, half for senders that only the body tells of.
    pub body_budget_bytes: usize,
    /// How many requests may be in work at once.
    pub max_in_work: usize,
    /// How long a request may wait for a processor before some are refused.
    pub max_wait: Duration,
    /// The proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<Network>,
    /// The web pages that may ask for tokens.
    pub cors: Cors,
    /// Whether the admin API is served at the listener of clients, too.
    pub admin_public: bool,
    /// The names, besides that of `public_url`, under which the console is served.
    pub admin_hosts: Vec<String>,
    /// Where clients reach this service, such as `http://localhost:8480`, without a slash at the
    /// end.
    pub public_url: String,
    /// Where the documentation is, for people at the wrong address.
    pub documentation: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_body_bytes: 1024 * 1024,
            max_tc3_body_bytes: 1024 * 1024,
            body_timeout: Duration::from_secs(10),
            body_budget_bytes: 64 * 1024 * 1024,
            max_in_work: 1000,
            max_wait: Duration::from_millis(5),
            trusted_proxies: Vec::new(),
            cors: Cors::default(),
            admin_public: false,
            admin_hosts: Vec::new(),
            public_url: "http://localhost:8480".to_owned(),
            documentation: "see README.md and docs/ of transire".to_owned(),
        }
    }
}
