//! Alibaba Cloud's OpenAPI: ACS3-HMAC-SHA256, RPC signature V1, ROA signature V1.
//!
//! It decodes a call, hands it to a use case, and encodes the answer. Version and action, or
//! version and path, say what is called. The way of signing decides only where those stand: current
//! SDKs call the old path-style API with ACS3.
//!
//! Start with [`door`] and the table in [`operations`]; the handlers are in a file for each noun
//! ([`cr`], [`sts`]), errors in [`error`].

mod call;
mod cr;
mod detected;
mod door;
mod envelope;
mod error;
mod operations;
mod pager;
mod parameters;
mod sts;

use self::call::{Authenticated, Nothing};
pub(super) use self::door::Alibaba;
use self::parameters::{given, required};

/// How a call is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// `Authorization: ACS3-…`.
    Acs3,
    /// Parameters, version 1.0.
    Rpc,
    /// `Authorization: acs …`.
    Roa,
    /// With a bearer token, which nothing here gives out.
    Bearer,
    /// Not at all.
    Unsigned,
}

/// The generation of the API that a call is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// An action's name says what is called.
    Rpc,
    /// Method and path say it.
    Roa,
}

impl Style {
    /// Returns the style of the API of `version`.
    fn of_version(version: &[u8]) -> Self {
        if version == ROA_VERSION.as_bytes() {
            Self::Roa
        } else {
            Self::Rpc
        }
    }
}

/// The version of the path-style API.
const ROA_VERSION: &str = "2016-06-07";
/// The version of the API of actions.
const RPC_VERSION: &str = "2018-12-01";
/// The version of STS.
const STS_VERSION: &str = "2015-04-01";

/// The products that are served, told apart by their version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Product {
    Cr,
    Sts,
}

impl Product {
    /// Returns the product of the API of `version`; errors about an unknown one are the registry's.
    fn of_version(version: &[u8]) -> Self {
        if version == STS_VERSION.as_bytes() {
            Self::Sts
        } else {
            Self::Cr
        }
    }

    /// Returns the name in policies.
    fn service(self) -> &'static str {
        match self {
            Self::Cr => "cr",
            Self::Sts => "sts",
        }
    }

    /// Returns the name in the address of its help.
    fn name(self) -> &'static str {
        match self {
            Self::Cr => "cr",
            Self::Sts => "Sts",
        }
    }
}
