//! Cloud resource tags, which the clouds show.

use super::{Error, Result};

/// The most characters of the key and the value of a repository's tag, as at Amazon ECR.
const MAX_REPOSITORY_TAG_KEY: usize = 128;
const MAX_REPOSITORY_TAG_VALUE: usize = 256;
/// The beginning that such a key may not have, in any case: the cloud uses it itself.
const RESERVED_REPOSITORY_TAG: &str = "aws:";

/// A key and a value on an instance or a namespace; it grants nothing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag {
    /// Its key, unique on what it is on.
    pub key: String,
    /// Its value, perhaps empty.
    pub value: String,
}

impl Tag {
    /// How many tags one thing may have: 20 at Alibaba, more at Tencent.
    pub const MAX_COUNT: u32 = 20;
}

/// Checks a resource tag of a repository, as Amazon ECR takes it: a key of 1 to 128 letters,
/// digits, spaces and `_.:/=+-@` that doesn't begin with `aws:`, and a value of at most 256 of
/// them.
///
/// # Errors
///
/// `InvalidParameter` of `parameter`, with a message that says what is taken.
pub fn check_of_repository(parameter: &'static str, key: &str, value: &str) -> Result<()> {
    let is_taken = |character: char| {
        character.is_alphanumeric() || character == ' ' || "_.:/=+-@".contains(character)
    };
    let fits = |text: &str, most| text.chars().count() <= most && text.chars().all(is_taken);
    let is_reserved = key.to_lowercase().starts_with(RESERVED_REPOSITORY_TAG);
    if !key.is_empty()
        && fits(key, MAX_REPOSITORY_TAG_KEY)
        && fits(value, MAX_REPOSITORY_TAG_VALUE)
        && !is_reserved
    {
        return Ok(());
    }
    Err(Error::invalid_parameter(
        parameter,
        format!(
            "a tag has a key of 1 to {MAX_REPOSITORY_TAG_KEY} characters that doesn't begin with \
             {RESERVED_REPOSITORY_TAG}, and a value of at most {MAX_REPOSITORY_TAG_VALUE}; both \
             are of letters, digits, spaces and _.:/=+-@"
        ),
    ))
}

/// Checks the pattern of tags that are excepted from immutability, as Amazon ECR takes it: 1 to 128
/// of the characters of tags and `*`, of which at most two are `*`.
///
/// # Errors
///
/// `InvalidParameter` of `parameter`, with a message that says what is taken.
pub fn check_pattern(parameter: &'static str, pattern: &str) -> Result<()> {
    let is_taken = |byte: u8| byte.is_ascii_alphanumeric() || b"._-*".contains(&byte);
    let stars = pattern.bytes().filter(|byte| *byte == b'*').count();
    if (1..=128).contains(&pattern.len()) && pattern.bytes().all(is_taken) && stars <= 2 {
        return Ok(());
    }
    Err(Error::invalid_parameter(
        parameter,
        "a filter has 1 to 128 of the characters A-Z, a-z, 0-9, '.', '_', '-' and '*', of which at \
         most two are '*'",
    ))
}
