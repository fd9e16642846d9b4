//! ECR: a file for each noun.

mod place;
pub(super) mod registry;
pub(super) mod repositories;
pub(super) mod tokens;
