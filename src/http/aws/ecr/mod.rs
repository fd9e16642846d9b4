//! ECR: a file for each noun.

pub(super) mod images;
pub(super) mod lifecycle;
mod place;
pub(super) mod policies;
pub(super) mod registry;
pub(super) mod repositories;
pub(super) mod settings;
pub(super) mod tags;
pub(super) mod tokens;
