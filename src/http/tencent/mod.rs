//! Tencent Cloud's API 3.0: TC3-HMAC-SHA256, and the older HmacSHA1 and HmacSHA256.
//!
//! It decodes a call, hands it to a use case, and encodes the answer. One order of checks: the
//! caller is proved and counted before it hears anything about actions, versions or parameters.
//!
//! Start with [`door`] and the table in [`operations`]; the handlers are in a file for each noun
//! ([`tcr`], [`sts`]), errors in [`error`].

mod call;
mod door;
mod envelope;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod operations;
mod pager;
pub mod parameters;
mod sts;
mod tcr;
mod times;

use self::call::Authenticated;
pub(super) use self::door::Tencent;
use self::envelope::Nothing;

/// How a call is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// In the Authorization header.
    Tc3,
    /// In parameters.
    V1,
    /// `Authorization: SKIP`: not at all.
    Unsigned,
}

/// The language of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Language {
    English,
    Chinese,
}

/// The products that the clouds' own clients call here, told apart by their version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Product {
    Tcr,
    Sts,
    Cam,
}

impl Product {
    const ALL: [Self; 3] = [Self::Tcr, Self::Sts, Self::Cam];

    fn name(self) -> &'static str {
        match self {
            Self::Tcr => "tcr",
            Self::Sts => "sts",
            Self::Cam => "cam",
        }
    }

    fn version(self) -> &'static str {
        match self {
            Self::Tcr => "2019-09-24",
            Self::Sts => "2018-08-13",
            Self::Cam => "2019-01-16",
        }
    }

    fn of_version(version: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|product| product.version() == version)
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|product| product.name() == name)
    }
}
