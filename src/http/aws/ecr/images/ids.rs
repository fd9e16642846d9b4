//! Images as calls name them, and the failures about single ones.

use serde::{Deserialize, Serialize};

use crate::domain::image::{ImageFault, ImageReference, is_tag};
use crate::domain::{Error, ErrorKind, Noun, Result};

/// The most images of a call.
const MAX_IDS: usize = 100;
/// The most characters of a tag, and of a digest.
const MAX_LENGTH: usize = 300;
const BOTH_MISSING: &str = "Invalid request parameters: both tag and digest cannot be null";
const DIGEST_FORM: &str = "Invalid request parameters: image digest should satisfy the regex \
                           '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'";
const TAG_FORM: &str = "Invalid request parameters: image tag should satisfy the regex \
                        '[a-zA-Z0-9_][a-zA-Z0-9-_.]{0,127}'";

/// An image's id.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ImageId {
    #[serde(skip_serializing_if = "Option::is_none")]
    image_digest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image_tag: Option<String>,
}

/// A failure about one image of a call.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Failure {
    image_id: ImageId,
    failure_code: &'static str,
    failure_reason: String,
}

/// Checks how many images a call names.
pub(super) fn check_count(ids: &[ImageId]) -> Result<()> {
    if (1..=MAX_IDS).contains(&ids.len()) {
        Ok(())
    } else {
        Err(Error::invalid_parameter(
            "imageIds",
            format!("imageIds has 1 to {MAX_IDS} images."),
        ))
    }
}

impl ImageId {
    pub(super) fn new(digest: Option<String>, tag: Option<String>) -> Self {
        Self {
            image_digest: digest,
            image_tag: tag,
        }
    }

    pub(super) fn tag(&self) -> Option<&str> {
        self.image_tag.as_deref()
    }

    /// Checks its form.
    ///
    /// # Errors
    ///
    /// `InvalidParameter`.
    pub(super) fn check(&self) -> Result<()> {
        self.check_lengths()?;
        match self.malformed() {
            Some((_, why)) => Err(Error::invalid_parameter("imageIds", why)),
            None => Ok(()),
        }
    }

    /// Checks that no part is longer than AWS takes it.
    ///
    /// # Errors
    ///
    /// `InvalidParameter`.
    pub(super) fn check_lengths(&self) -> Result<()> {
        let parts = [&self.image_tag, &self.image_digest];
        let fits = |part: &&String| (1..=MAX_LENGTH).contains(&part.len());
        if parts.into_iter().flatten().all(|part| fits(&part)) {
            return Ok(());
        }
        Err(Error::invalid_parameter(
            "imageIds",
            format!("imageTag and imageDigest have 1 to {MAX_LENGTH} characters."),
        ))
    }

    /// Returns the code and the reason of a malformed id.
    fn malformed(&self) -> Option<(&'static str, &'static str)> {
        match (&self.image_digest, &self.image_tag) {
            (None, None) => Some(("MissingDigestAndTag", BOTH_MISSING)),
            (Some(digest), _) if !is_any_digest(digest) => {
                Some(("InvalidImageDigest", DIGEST_FORM))
            }
            (_, Some(tag)) if !is_tag(tag) => Some(("InvalidImageTag", TAG_FORM)),
            _ => None,
        }
    }

    /// Returns what it refers to.
    pub(super) fn reference(&self) -> Result<ImageReference, ImageFault> {
        ImageReference::new(self.image_tag.clone(), self.image_digest.clone())
    }

    /// Returns what it refers to, or why it is refused alone.
    pub(super) fn reference_or_failure(&self) -> Result<ImageReference, Failure> {
        match self.malformed() {
            Some((failure_code, why)) => Err(Failure {
                image_id: self.clone(),
                failure_code,
                failure_reason: why.to_owned(),
            }),
            None => self.reference().map_err(|fault| self.failure(fault)),
        }
    }

    /// Writes a fault as AWS does.
    pub(super) fn failure(&self, fault: ImageFault) -> Failure {
        let (failure_code, failure_reason) = match fault {
            ImageFault::Missing => ("ImageNotFound", "Requested image not found".to_owned()),
            ImageFault::OtherDigest => (
                "ImageTagDoesNotMatchDigest",
                "Requested image tag does not match the digest".to_owned(),
            ),
            ImageFault::NeededBy(indexes) => (
                "ImageReferencedByManifestList",
                format!(
                    "Requested image referenced by manifest list: [{}]",
                    indexes.join(", ")
                ),
            ),
            // Divergence: AWS turns some manifests into another type, and has no such failure.
            ImageFault::NotAccepted(media_type) => (
                "ImageNotFound",
                format!(
                    "Requested image has the media type {media_type}, which is none of \
                     acceptedMediaTypes"
                ),
            ),
        };
        Failure {
            image_id: self.clone(),
            failure_code,
            failure_reason,
        }
    }

    /// Says that the image isn't there.
    pub(super) fn missing(&self, path: &str, registry: &str) -> Error {
        let part = |part: &Option<String>| match part {
            Some(text) => format!("'{text}'"),
            None => "null".to_owned(),
        };
        let (digest, tag) = (part(&self.image_digest), part(&self.image_tag));
        Error::new(
            ErrorKind::NotFound { noun: Noun::Image },
            format!(
                "The image with imageId {{imageDigest:{digest}, imageTag:{tag}}} does not exist \
                 within the repository with name '{path}' in the registry with id '{registry}'"
            ),
        )
    }
}

/// Tells whether a text has the form that AWS gives digests: an algorithm, and hexadecimal digits.
pub(super) fn is_any_digest(text: &str) -> bool {
    text.len() <= MAX_LENGTH
        && text.split_once(':').is_some_and(|(algorithm, hash)| {
            let is_word = |byte: u8| {
                byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'+' | b'.')
            };
            !algorithm.is_empty()
                && !hash.is_empty()
                && algorithm.bytes().all(is_word)
                && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
        })
}

/// Takes ids apart: those that can be asked for, with their references, and failures.
pub(super) fn sorted_out(
    ids: &[ImageId],
) -> Result<(Vec<&ImageId>, Vec<ImageReference>, Vec<Failure>)> {
    check_count(ids)?;
    let (mut asked, mut references, mut failures) = (Vec::new(), Vec::new(), Vec::new());
    for id in ids {
        id.check_lengths()?;
        match id.reference_or_failure() {
            Ok(reference) => {
                asked.push(id);
                references.push(reference);
            }
            Err(failure) => failures.push(failure),
        }
    }
    Ok((asked, references, failures))
}
