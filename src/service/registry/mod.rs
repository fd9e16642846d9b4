//! The content of registries: instances, namespaces, repositories, images, tags and allow lists.

use std::sync::Arc;

use self::catalog::Imports;
use self::images::tag_listings::TagListings;
use crate::remote;
use crate::service::base::Base;
use crate::service::keys::Keys;
use crate::service::ledger::Ledger;
use crate::service::memory::Memory;
use crate::service::rights::Rights;

pub(super) mod allow_lists;
pub(super) mod catalog;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use self::images::fuzzing;
pub(super) mod images;
pub(super) mod instances;
pub(super) mod inventory;
mod issuers;
pub(super) mod lifecycle;
mod namespace_lists;
pub(super) mod namespaces;
pub(super) mod repositories;
pub(super) mod repository_policies;
mod repository_tags;
mod tag_texts;
pub(super) mod tags;
pub(super) mod within;

/// Instances, and the contents of the registries behind them.
pub struct Registry {
    pub(super) base: Arc<Base>,
    pub(super) memory: Arc<Memory>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) rights: Arc<Rights>,
    pub(super) keys: Arc<Keys>,
    pub(super) upstream: Upstream,
}

/// The registries behind instances.
pub(super) struct Upstream {
    pub(super) client: Arc<remote::Client>,
    pub(super) listings: TagListings,
    pub(super) imports: Imports,
}
