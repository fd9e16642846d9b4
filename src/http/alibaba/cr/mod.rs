//! Product `cr`, version 2018-12-01, and of 2016-06-07 what gives out credentials: one file for
//! each sort of thing that its actions are about.

pub(super) mod charts;
pub(super) mod endpoints;
pub(super) mod images;
pub(super) mod instances;
pub(super) mod namespaces;
pub(super) mod passwords;
mod place;
pub(super) mod repositories;
pub(super) mod resource_tags;
pub(super) mod rules;
pub(super) mod tokens;
