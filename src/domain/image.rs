//! An image as its registry has it; nothing of it is stored here.

use super::clock::Timestamp;

/// A tag of a repository, and the image that it names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The tag.
    pub tag: String,
    /// The digest of its manifest, such as `sha256:…`.
    pub digest: String,
    /// Its manifest's media type.
    pub media_type: String,
    /// The facts that the digest gives.
    pub contents: ImageContents,
}

/// The facts of an image that never change for its digest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageContents {
    /// How large it is in the registry, in bytes: configuration and layers; for an index, of all
    /// images that it names.
    pub size: u64,
    /// The digest of its configuration; of an index, its own.
    pub image_id: String,
    /// When it was made, if it says so; of an index, its latest image.
    pub created_at: Option<Timestamp>,
    /// The size of the largest image that it names, for an index; its own for an image.
    pub largest: u64,
    /// The kind of thing that it is: the media type of its configuration, or the one that its
    /// manifest says. Empty where neither is said.
    pub artifact_type: String,
}

/// An image by its digest, with every tag that names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaggedImage {
    /// The digest of its manifest.
    pub digest: String,
    /// Its tags, by name; none for an image that is known by its digest alone.
    pub tags: Vec<String>,
    /// Its manifest's media type.
    pub media_type: String,
    /// The facts that the digest gives.
    pub contents: ImageContents,
}

impl TaggedImage {
    /// Tells whether it is an index, which names other images.
    pub fn is_index(&self) -> bool {
        is_index_type(&self.media_type)
    }
}

/// Tells whether a manifest of a media type names other images.
pub fn is_index_type(media_type: &str) -> bool {
    media_type.contains("index") || media_type.contains("list")
}

/// An image of a repository, as a call names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ImageReference {
    /// The one of a tag; and of this digest, where the call says it.
    Tag(String, Option<String>),
    /// The one of a digest.
    Digest(String),
}

impl ImageReference {
    /// Makes a reference of a tag, a digest or both.
    ///
    /// # Errors
    ///
    /// [`ImageFault::Missing`] for names that no registry has, and without either.
    pub fn new(tag: Option<String>, digest: Option<String>) -> Result<Self, ImageFault> {
        if !tag.as_deref().is_none_or(is_tag) || !digest.as_deref().is_none_or(is_content_digest) {
            return Err(ImageFault::Missing);
        }
        match (tag, digest) {
            (Some(tag), digest) => Ok(Self::Tag(tag, digest)),
            (None, Some(digest)) => Ok(Self::Digest(digest)),
            (None, None) => Err(ImageFault::Missing),
        }
    }
}

/// The reason for which nothing is done with one image of a call that names several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageFault {
    /// There is no such image.
    Missing,
    /// The tag names another digest.
    OtherDigest,
    /// Indexes that stay name it; some of their digests.
    NeededBy(Vec<String>),
    /// Its media type is none of those that the call takes.
    NotAccepted(String),
}

/// An image's own documents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageDocuments {
    /// The manifest, to the letter.
    pub manifest: String,
    /// The configuration, to the letter; empty where there is none.
    pub config: String,
    /// The labels of the configuration.
    pub labels: Vec<(String, String)>,
    /// How large the image is, in bytes.
    pub size: u64,
}

/// Tells whether a text can be a tag: 1 to 128 of `A-Z`, `a-z`, `0-9`, `_`, `.`, `-`, the last two
/// not first.
pub fn is_tag(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let mut bytes = text.bytes();
    text.len() <= 128
        && bytes.next().is_some_and(is_word)
        && bytes.all(|byte| is_word(byte) || byte == b'.' || byte == b'-')
}

/// Tells whether a text can be a digest: an algorithm and at least 32 hexadecimal digits in lower
/// case.
pub fn is_digest(text: &str) -> bool {
    let is_algorithm = |name: &str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    let is_hash = |hash: &str| {
        (32..=128).contains(&hash.len())
            && hash
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    text.split_once(':')
        .is_some_and(|(algorithm, hash)| is_algorithm(algorithm) && is_hash(hash))
}

/// Tells whether a text is a digest of an algorithm that registries have contents under.
pub fn is_content_digest(text: &str) -> bool {
    let length = match text.split_once(':') {
        Some(("sha256", hash)) => hash.len() == 64,
        Some(("sha512", hash)) => hash.len() == 128,
        _ => false,
    };
    length && is_digest(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_and_digests_are_told_from_what_could_lead_elsewhere() {
        for good in ["v1", "latest", "_", "1.0-rc.1", &"a".repeat(128)] {
            assert!(is_tag(good), "{good:?}");
        }
        for bad in [
            "",
            ".",
            "..",
            "-a",
            "a/b",
            "a b",
            "a:b",
            "ä",
            &"a".repeat(129),
        ] {
            assert!(!is_tag(bad), "{bad:?}");
        }
        let hash = "0123456789abcdef".repeat(4);
        assert!(is_digest(&format!("sha256:{hash}")) && is_digest(&format!("sha512:{hash}{hash}")));
        assert!(is_content_digest(&format!("sha256:{hash}")));
        for other in [format!("sha512:{hash}"), format!("md5:{hash}")] {
            assert!(is_digest(&other) && !is_content_digest(&other), "{other:?}");
        }
        for bad in [
            String::new(),
            hash.clone(),
            "sha256:".to_owned(),
            format!("sha256:{}", hash.to_uppercase()),
            format!("../a:{hash}"),
        ] {
            assert!(!is_digest(&bad), "{bad:?}");
        }
    }
}
