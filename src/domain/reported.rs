//! Reports: what proves callers, and wasn't used for long or ends soon.

use super::clock::Timestamp;
use super::ids::{AccountId, InstanceId};
use super::last_use::UsedKind;

/// A kind of thing that a report has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportedKind {
    /// Something that logs in or signs calls.
    Used(UsedKind),
    /// A CA's certificate.
    Ca,
    /// A signing key's leaf certificate.
    LeafCertificate,
}

impl ReportedKind {
    /// Returns its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Used(kind) => kind.name(),
            Self::Ca => "ca",
            Self::LeafCertificate => "leaf-certificate",
        }
    }
}

/// A line of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reported {
    /// The kind of thing.
    pub kind: ReportedKind,
    /// Its id.
    pub id: String,
    /// The name of whoever it is of: a principal, or a service account's username.
    pub name: Option<String>,
    /// The account that it belongs to.
    pub account: Option<AccountId>,
    /// The instance that it logs in to.
    pub instance: Option<InstanceId>,
    /// When it was made; of a fixed password, when it was set.
    pub created_at: Timestamp,
    /// The hour in which it was last used.
    pub last_used_at: Option<Timestamp>,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
}
