//! Amazon Web Services' APIs of ECR and STS, signed with Signature Version 4.
//!
//! Both answer at any path. ECR's calls are JSON and name their operation in `X-Amz-Target`; those
//! of STS are forms, or queries, and answer in XML.
//!
//! Start with [`door`] and the table in [`operations`]; the handlers are in a folder for each API
//! ([`ecr`], [`sts`]), errors in [`error`].

mod arn;
mod call;
mod detected;
mod door;
mod ecr;
mod envelope;
mod error;
mod operations;
mod parameters;
mod sts;

use self::call::Authenticated;
pub(super) use self::door::Aws;

/// How a call is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// `Authorization: AWS4-…`.
    Headers,
    /// `X-Amz-Signature` and others in the query.
    Query,
    /// Not at all.
    Unsigned,
}

/// The APIs that are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Product {
    /// Elastic Container Registry: JSON 1.1.
    Ecr,
    /// Security Token Service: forms and XML.
    Sts,
}

impl Product {
    /// Returns the name in credential scopes and in policies.
    fn name(self) -> &'static str {
        match self {
            Self::Ecr => "ecr",
            Self::Sts => "sts",
        }
    }
}

/// The beginning of ECR's targets; the operation's name follows.
const ECR_TARGET: &str = "AmazonEC2ContainerRegistry_V20150921.";
/// The version of ECR's API.
const ECR_VERSION: &str = "2015-09-21";
/// The header that a call lacks which isn't signed.
const AUTHORIZATION: &str = "Authorization";
/// The version of STS.
const STS_VERSION: &str = "2011-06-15";
