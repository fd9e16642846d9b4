//! A repository that is recorded: its registry may have it or not.

use super::Error;
use super::clock::Timestamp;
use super::ids::InstanceId;
use super::ids::text_id;
use super::namespace::{NamespaceId, Visibility};
use super::switch::Switch;
use crate::domain::Noun;

text_id!(
    /// A repository's own id, which is also its Alibaba id: `crr-` and sixteen of `a-z0-9`. Never
    /// reused.
    RepositoryId,
    "crr-",
    16,
    Error::not_found(Noun::Repository, "of that id")
);

/// A repository of a namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repository {
    /// Its own id.
    pub id: RepositoryId,
    /// Where it is.
    pub instance: InstanceId,
    /// Which namespace it is in.
    pub namespace: NamespaceId,
    /// That namespace's name, which never changes.
    pub namespace_name: String,
    /// Its name without the namespace, unique in its namespace; it never changes.
    pub name: String,
    /// Whether anybody may pull from it without logging in.
    pub visibility: Visibility,
    /// A short description: `Summary` at Alibaba, `BriefDescription` at Tencent.
    pub summary: String,
    /// A long description: `Detail` at Alibaba, `Description` at Tencent.
    pub detail: String,
    /// Whether its tags are said to be immutable; shown, and the registry's to enforce.
    pub tag_immutability: Switch,
    /// The tags that are excepted from that: patterns with `*`.
    pub tag_exclusions: Vec<String>,
    /// Whether it is said that images are scanned when they are pushed; nothing is scanned here.
    pub scan_on_push: Switch,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was made or last changed.
    pub modified_at: Timestamp,
}

impl Repository {
    /// How many resource tags it may have, as at Amazon ECR.
    pub const MAX_TAGS: usize = 50;
    /// How many patterns of tags may be excepted from immutability, as there.
    pub const MAX_EXCLUSIONS: usize = 5;

    /// Returns its name in the registry: `namespace/name`.
    pub fn path(&self) -> String {
        format!("{}/{}", self.namespace_name, self.name)
    }
}

/// A change of a repository; `None` leaves a field as it is.
#[derive(Clone, Debug, Default)]
pub struct RepositoryChange {
    /// Whether anybody may pull from it without logging in.
    pub visibility: Option<Visibility>,
    /// A short description.
    pub summary: Option<String>,
    /// A long description.
    pub detail: Option<String>,
    /// Whether its tags are said to be immutable.
    pub tag_immutability: Option<Switch>,
    /// The tags that are excepted from that.
    pub tag_exclusions: Option<Vec<String>>,
    /// Whether it is said that images are scanned when they are pushed.
    pub scan_on_push: Option<Switch>,
}
