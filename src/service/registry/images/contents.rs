//! The contents of an image, by digest: its manifest, its configuration, and for an index the
//! images that it names.

use aws_lc_rs::digest::{SHA256, SHA512, digest};
use quick_cache::sync::Cache;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::domain::clock::Timestamp;
use crate::domain::ids::InstanceId;
use crate::domain::image::{ImageContents, ImageDocuments, is_digest};
use crate::domain::{Error, Result};
use crate::remote::registry::{Manifest, RegistryClient};
use crate::service::registry::images::client::failed;

/// The images of an index that are read; the others count with the size of their manifest alone.
const MAX_INDEX_IMAGES: usize = 32;
/// The bytes of a configuration that is read.
const MAX_CONFIG_BYTES: u64 = 4 << 20;
/// The longest media type that is shown.
const MAX_MEDIA_TYPE: usize = 255;
/// The digests whose contents are kept: some 300 bytes each.
const CAPACITY: usize = 20_000;

/// Contents by digest, which never change. They are kept by instance as well, since a registry
/// answers for itself alone.
pub(super) struct KnownContents(Cache<(InstanceId, String), ImageContents>);

impl Default for KnownContents {
    fn default() -> Self {
        Self(Cache::new(CAPACITY))
    }
}

/// A manifest of any kind, as far as it is read.
#[derive(Deserialize)]
pub(super) struct Document {
    pub(super) config: Option<Descriptor>,
    pub(super) layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
    #[serde(rename = "artifactType")]
    artifact_type: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Descriptor {
    pub(super) digest: String,
    #[serde(default)]
    pub(super) size: u64,
    #[serde(default, rename = "mediaType")]
    media_type: Option<String>,
}

/// A configuration, as far as it is read; a push may have written anything.
#[derive(Default, Deserialize)]
struct Config<'a> {
    #[serde(borrow)]
    created: Option<&'a RawValue>,
    #[serde(borrow)]
    config: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
struct Settings {
    #[serde(rename = "Labels")]
    labels: Option<std::collections::BTreeMap<String, String>>,
}

impl Document {
    pub(super) fn read(manifest: &Manifest) -> Result<Self> {
        serde_json::from_slice(&manifest.body)
            .map_err(|error| useless(format!("a manifest can't be read: {error}")))
    }

    /// Returns the sizes of configuration and layers together.
    pub(super) fn own_size(&self) -> u64 {
        let layers = self.layers.iter().flatten();
        self.config
            .iter()
            .chain(layers)
            .fold(0, |sum, part| sum.saturating_add(part.size))
    }

    /// Returns the kind of thing that it is; nothing where that is unsaid, or no media type.
    fn artifact_type(&self) -> String {
        let config = self.config.as_ref();
        let said = self
            .artifact_type
            .as_ref()
            .or_else(|| config?.media_type.as_ref());
        let is_type = |text: &&String| {
            text.len() <= MAX_MEDIA_TYPE && text.bytes().all(|byte| byte.is_ascii_graphic())
        };
        said.filter(is_type).cloned().unwrap_or_default()
    }

    pub(super) fn images(&self) -> impl Iterator<Item = &Descriptor> {
        self.manifests
            .iter()
            .flatten()
            .filter(|part| is_digest(&part.digest))
    }
}

/// Reads the contents of a digest; nothing when the registry has it no more.
///
/// # Errors
/// `RegistryUnavailable` for a manifest that can't be used; those of the registry's answer.
pub(super) async fn contents(
    registry: &RegistryClient,
    known: &KnownContents,
    instance: &InstanceId,
    path: &str,
    digest: &str,
) -> Result<Option<ImageContents>> {
    let key = (instance.clone(), digest.to_owned());
    if let Some(contents) = known.0.get(&key) {
        return Ok(Some(contents));
    }
    let Some(document) = document(registry, path, digest).await? else {
        return Ok(None);
    };
    let mut contents = of_image(registry, path, &document).await?;
    if document.manifests.is_some() {
        digest.clone_into(&mut contents.image_id);
        contents.largest = 0;
        for (place, part) in document.images().enumerate() {
            let inner = match place {
                ..MAX_INDEX_IMAGES => self::document(registry, path, &part.digest).await?,
                _ => None,
            };
            let (size, created_at) = match inner {
                Some(inner) => {
                    let image = of_image(registry, path, &inner).await?;
                    (image.size, image.created_at)
                }
                // Only some of an index's images need be in a registry.
                None => (part.size, None),
            };
            contents.size = contents.size.saturating_add(size);
            contents.largest = contents.largest.max(size);
            contents.created_at = contents.created_at.max(created_at);
        }
    }
    known.0.insert(key, contents.clone());
    Ok(Some(contents))
}

async fn of_image(
    registry: &RegistryClient,
    path: &str,
    document: &Document,
) -> Result<ImageContents> {
    let (image_id, created_at) = match &document.config {
        Some(config) if is_digest(&config.digest) => {
            let text = config_text(registry, path, config).await?;
            (config.digest.clone(), text.as_deref().and_then(created_at))
        }
        _ => (String::new(), None),
    };
    let size = document.own_size();
    Ok(ImageContents {
        size,
        image_id,
        created_at,
        largest: size,
        artifact_type: document.artifact_type(),
    })
}

/// Reads the manifest and the configuration of an image; nothing when the registry has it no more.
///
/// # Errors
/// `RegistryUnavailable` for documents that can't be used; those of the registry's answer.
pub(super) async fn documents(
    registry: &RegistryClient,
    path: &str,
    digest: &str,
    contents: &ImageContents,
) -> Result<Option<ImageDocuments>> {
    let Some(manifest) = verified(registry, path, digest).await? else {
        return Ok(None);
    };
    let config = match Document::read(&manifest)?.config {
        Some(config) if is_digest(&config.digest) => config_text(registry, path, &config).await?,
        _ => None,
    };
    let manifest = String::from_utf8(manifest.body.into())
        .map_err(|_| useless("a manifest is no text".to_owned()))?;
    let config = config.unwrap_or_default();
    Ok(Some(ImageDocuments {
        manifest,
        labels: labels(&config),
        config,
        size: contents.size,
    }))
}

/// Returns the digests that an index names; none for an image.
///
/// # Errors
/// `RegistryUnavailable` for a manifest that can't be used; those of the registry's answer.
pub(super) async fn named_by(
    registry: &RegistryClient,
    path: &str,
    digest: &str,
) -> Result<Vec<String>> {
    let document = document(registry, path, digest).await?;
    Ok(document
        .iter()
        .flat_map(Document::images)
        .map(|part| part.digest.clone())
        .collect())
}

async fn document(registry: &RegistryClient, path: &str, digest: &str) -> Result<Option<Document>> {
    verified(registry, path, digest)
        .await?
        .as_ref()
        .map(Document::read)
        .transpose()
}

/// Gets a manifest, and checks its digest.
pub(super) async fn verified(
    registry: &RegistryClient,
    path: &str,
    digest: &str,
) -> Result<Option<Manifest>> {
    let manifest = registry.manifest(path, digest).await.map_err(failed)?;
    match &manifest {
        Some(manifest) if !is_of(digest, &manifest.body) => {
            Err(useless(format!("the manifest {digest} has another digest")))
        }
        _ => Ok(manifest),
    }
}

/// Gets a configuration as text; nothing when it is missing, larger than is read, or no JSON
/// object.
async fn config_text(
    registry: &RegistryClient,
    path: &str,
    config: &Descriptor,
) -> Result<Option<String>> {
    if config.size > MAX_CONFIG_BYTES {
        return Ok(None);
    }
    let Some(blob) = registry.blob(path, &config.digest).await.map_err(failed)? else {
        return Ok(None);
    };
    if !is_of(&config.digest, &blob) {
        return Err(useless(format!(
            "the configuration {} has another digest",
            config.digest
        )));
    }
    Ok(String::from_utf8(blob.into()).ok())
}

/// Tells whether content has a digest; a digest of an unknown algorithm isn't checked.
pub(super) fn is_of(expected: &str, content: &[u8]) -> bool {
    let algorithm = match expected.split_once(':') {
        Some(("sha256", _)) => &SHA256,
        Some(("sha512", _)) => &SHA512,
        _ => return true,
    };
    expected.ends_with(&format!(":{}", hex::encode(digest(algorithm, content))))
}

/// Returns the digest of a manifest, for a registry that doesn't name it.
pub(super) fn digest_of(manifest: &Manifest) -> String {
    format!("sha256:{}", hex::encode(digest(&SHA256, &manifest.body)))
}

pub(super) fn created_at(config: &str) -> Option<Timestamp> {
    let config: Config<'_> = serde_json::from_str(config).ok()?;
    let text: String = serde_json::from_str(config.created?.get()).ok()?;
    Timestamp::parse_rfc3339(&text)
}

pub(super) fn labels(config: &str) -> Vec<(String, String)> {
    let config: Config<'_> = serde_json::from_str(config).unwrap_or_default();
    let settings = config
        .config
        .and_then(|settings| serde_json::from_str::<Option<Settings>>(settings.get()).ok())
        .flatten();
    settings
        .and_then(|settings| settings.labels)
        .unwrap_or_default()
        .into_iter()
        .collect()
}

pub(super) fn useless(what: String) -> Error {
    Error::registry_unavailable("The registry behind the instance answers with what can't be used.")
        .caused_by(what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_labels_are_read_where_they_are_what_they_should_be() {
        for (config, expected) in [
            (
                r#"{"created":"2022-08-06T07:31:01.207374Z"}"#,
                Some(1_659_771_061_207),
            ),
            (r#"{"created":"1970-01-01T00:00:00Z","other":1}"#, Some(0)),
            (r#"{"created":"yesterday"}"#, None),
            (r#"{"created":7}"#, None),
            (r#"{"created":null}"#, None),
            ("{}", None),
            ("[]", None),
            ("", None),
        ] {
            assert_eq!(
                created_at(config).map(Timestamp::unix_millis),
                expected,
                "{config}"
            );
        }
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            labels(r#"{"config":{"Labels":{"b":"2","a":"1"}}}"#),
            [pair("a", "1"), pair("b", "2")]
        );
        for config in [
            r#"{"config":{"Labels":null}}"#,
            r#"{"config":null}"#,
            r#"{"config":{"Labels":{"a":1}}}"#,
            "{}",
            "rubbish",
        ] {
            assert_eq!(labels(config), [], "{config}");
        }
    }

    #[test]
    fn a_digest_is_checked_by_its_own_algorithm() {
        let manifest = Manifest {
            media_type: String::new(),
            body: b"{}".as_slice().into(),
        };
        let sha256 = digest_of(&manifest);
        assert_eq!(
            sha256,
            "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
        );
        assert!(is_of(&sha256, b"{}") && !is_of(&sha256, b"{ }"));
        assert!(
            is_of(
                &format!("sha512:{}", hex::encode(digest(&SHA512, b"{}"))),
                b"{}"
            ) && !is_of("sha512:00", b"{}")
        );
    }
}
