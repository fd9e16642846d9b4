//! Resource tags of repositories as they are checked and stored.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use crate::domain::repository::Repository;
use crate::domain::tag::{self, Tag};
use crate::domain::{Error, Noun, Result};
use crate::store::Part;
use crate::store::repository as stored;

/// The tags of a repository, by key.
pub(super) type Tags = BTreeMap<String, String>;

/// Checks tags that are given to a repository.
///
/// # Errors
/// `InvalidParameter` of `tags`; `QuotaExceeded` for too many.
pub(super) fn check_tags(tags: &[Tag]) -> Result<()> {
    let mut keys = BTreeSet::new();
    for tag in tags {
        tag::check_of_repository("tags", &tag.key, &tag.value)?;
        if !keys.insert(&tag.key) {
            return Err(Error::invalid_parameter(
                "tags",
                "A key comes twice; give each key once.",
            ));
        }
    }
    check_count(keys.len())
}

/// Checks how many tags a repository has.
///
/// # Errors
/// `QuotaExceeded`.
pub(super) fn check_count(count: usize) -> Result<()> {
    if count <= Repository::MAX_TAGS {
        return Ok(());
    }
    Err(Error::quota_exceeded(
        Noun::Tag,
        format!(
            "A repository may have {} tags and no more; remove some.",
            Repository::MAX_TAGS
        ),
    ))
}

/// Returns the part of a write that gives tags to a repository that is made in the same write.
pub(super) fn first_tags(repository: &Repository, tags: &[Tag]) -> Part {
    let pair = |tag: &Tag| (tag.key.clone(), tag.value.clone());
    let all = tags.iter().map(pair).collect();
    stored::set_tags(repository, stored::NO_TAGS, &text(&all))
}

/// Writes tags as they are stored.
pub(super) fn text(tags: &Tags) -> String {
    json!(tags).to_string()
}

/// Checks the patterns of tags that are excepted from immutability.
///
/// # Errors
/// `InvalidParameter` of `exclusions`.
pub(super) fn check_exclusions(patterns: &[String]) -> Result<()> {
    for pattern in patterns {
        tag::check_pattern("exclusions", pattern)?;
    }
    if patterns.len() <= Repository::MAX_EXCLUSIONS {
        return Ok(());
    }
    Err(Error::invalid_parameter(
        "exclusions",
        format!("There are at most {} filters.", Repository::MAX_EXCLUSIONS),
    ))
}
