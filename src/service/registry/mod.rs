//! What registries hold: instances, namespaces, repositories, images, tags and allow lists.

pub(super) mod allow_lists;
pub(super) mod catalog;
pub(super) mod images;
pub(super) mod instances;
pub(super) mod namespaces;
pub(super) mod quotas;
pub(super) mod repositories;
pub(super) mod tags;
pub(super) mod within;
