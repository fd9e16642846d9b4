//! The circumstances of a request, which conditions ask for and variables are filled from.

use std::net::IpAddr;

use crate::domain::aws;
use crate::domain::claims::Claims;
use crate::domain::clock::Timestamp;
use crate::domain::ids::AccountId;

/// The facts of a request besides its permission and resource.
#[derive(Clone, Debug, Default)]
pub struct Context<'a> {
    /// When it is decided.
    pub now: Timestamp,
    /// The client's address, as far as it can be believed.
    pub source_ip: Option<IpAddr>,
    /// Whether it came by TLS.
    pub secure_transport: bool,
    /// Whether the caller showed a second factor.
    pub mfa_present: bool,
    /// The caller's virtual network, where one is known.
    pub source_vpc: Option<&'a str>,
    /// The caller as AWS names them.
    pub aws: Option<&'a aws::Caller>,
    /// The region of what the request is about; empty where it names none.
    pub region: &'a str,
    /// The account that owns what the request is about.
    pub resource_account: Option<AccountId>,
    /// The caller's Alibaba ARN.
    pub principal_arn: Option<&'a str>,
    /// The caller's numeric id.
    pub principal_id: Option<&'a str>,
    /// The numeric id of whom the credential or the service account belongs to that the request is
    /// about.
    pub owner: Option<&'a str>,
    /// Tags of the instance that the resource is, or is in: key and value.
    pub resource_tags: &'a [(&'a str, &'a str)],
    /// Tags of the repository that the resource is: key and value.
    pub repository_tags: Option<&'a [(&'a str, &'a str)]>,
    /// Tags that the request gives: key and value.
    pub request_tags: &'a [(&'a str, &'a str)],
    /// The name of the user who calls.
    pub user: Option<&'a str>,
    /// The number of the caller's account.
    pub account: Option<&'a str>,
    /// The claims of the OpenID Connect token by which the caller came, or those that its session
    /// kept.
    pub claims: Option<&'a Claims>,
}
