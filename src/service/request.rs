//! The facts of a request before anybody is trusted.

use std::net::IpAddr;

use crate::domain::clock::Timestamp;
use crate::policy;

/// The facts of a request before anybody is trusted.
#[derive(Clone, Debug)]
pub struct RequestContext {
    /// The id that the client sees and the log and the audit carry.
    pub request_id: String,
    /// The client's address; none at the command line.
    pub address: Option<IpAddr>,
    /// Whether it came by TLS, as far as that can be believed.
    pub secure_transport: bool,
}

impl RequestContext {
    /// Returns the facts of an operator's command.
    pub fn operator(request_id: String) -> Self {
        Self {
            request_id,
            address: None,
            secure_transport: false,
        }
    }

    /// Returns the facts that conditions of policies may ask for.
    pub(in crate::service) fn policy_context(&self, now: Timestamp) -> policy::Context<'static> {
        policy::Context {
            now,
            source_ip: self.address,
            secure_transport: self.secure_transport,
            ..Default::default()
        }
    }
}
