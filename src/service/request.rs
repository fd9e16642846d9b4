//! The facts of a request before anybody is trusted.

use std::net::IpAddr;

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
}
