//! Fuzzing of registries' manifests and configurations.

use super::contents::{Document, created_at, digest_of, is_of, labels};
use crate::domain::image::is_digest;
use crate::remote::registry::Manifest;

pub(crate) const SEEDS: &[&str] = &[
    r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[{"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":18446744073709551615}]}"#,
    r#"{"schemaVersion":2,"manifests":[{"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":7,"platform":{"os":"linux"}},{"digest":"x"}]}"#,
    r#"{"created":"2022-08-06T07:31:01.207374Z","config":{"Labels":{"b":"2","a":"1"}},"history":[]}"#,
];
pub(crate) const WORDS: &[&str] = &[
    "\"digest\":",
    "\"size\":",
    "\"config\":",
    "\"layers\":",
    "\"manifests\":",
    "\"created\":",
    "\"Labels\":",
    "sha256:",
    "sha512:",
    "null",
    "-1",
    "18446744073709551615",
    "[",
    "]",
    "{",
    "}",
];

/// Reads a manifest, and the same text as a configuration.
pub(crate) fn check(input: &[u8]) -> Option<()> {
    let manifest = Manifest {
        media_type: String::new(),
        body: input.to_vec().into(),
    };
    assert!(
        is_of(&digest_of(&manifest), input),
        "its own digest is another one"
    );
    if let Ok(document) = Document::read(&manifest) {
        let largest = document
            .config
            .iter()
            .chain(document.layers.iter().flatten());
        let largest = largest.map(|part| part.size).max().unwrap_or_default();
        assert!(
            document.own_size() >= largest,
            "an image is smaller than its parts"
        );
        let named = document.images().map(|part| &part.digest);
        for digest in named {
            assert!(is_digest(digest), "{digest} is asked for");
            assert!(
                !digest.contains(['/', '?', '#', '%', ' ']),
                "{digest} leads elsewhere"
            );
        }
    }
    if let Ok(text) = std::str::from_utf8(input) {
        created_at(text);
        let labels = labels(text);
        let length: usize = labels
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        assert!(length <= input.len(), "{length} bytes of labels");
    }
    Some(())
}
