//! ECR: a file for each noun.

pub(super) mod tokens;
