//! Images: what the registry behind an instance has.

use std::collections::BTreeSet;

use axum::response::Response;
use serde::Serialize;

use crate::domain::image::{Image, ImageDocuments, is_digest};
use crate::domain::{Error, Result};
use crate::service::{ImageFilter, Listed, RepositoryChoice, TagFilter};

use super::place::{instance, registry_id, repository};
use crate::http::tencent::pager::Pager;
use crate::http::tencent::parameters::Parameters;
use crate::http::tencent::{Authenticated, Nothing};

/// The most tags of one `DeleteRepositoryTags`.
const MAX_TAGS: usize = 20;

/// Takes the repository of a call, and the id of its instance.
fn place(parameters: &mut Parameters) -> Result<(String, RepositoryChoice)> {
    Ok((registry_id(parameters)?, repository(parameters)?))
}

pub(crate) async fn describe(
    Authenticated {
        service,
        call,
        mut parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let (registry_id, repository) = place(&mut parameters)?;
    let version = parameters
        .text("ImageVersion")?
        .filter(|version| !version.is_empty());
    let exact = parameters.boolean("ExactMatch")?.unwrap_or(false);
    let digest = parameters
        .text("Digest")?
        .filter(|digest| !digest.is_empty());
    let page = Pager::IMAGES.take(&mut parameters)?;
    parameters.finish()?;
    if digest.as_deref().is_some_and(|digest| !is_digest(digest)) {
        return Err(Error::invalid_parameter(
            "Digest",
            "The parameter `Digest` is written like sha256:, and the hash in hexadecimal.",
        ));
    }
    let tag = match version {
        None => TagFilter::Any,
        Some(version) if exact => TagFilter::Exactly(version),
        Some(version) => TagFilter::Containing(version),
    };
    let filter = ImageFilter { tag, digest };
    let listed = service
        .registry
        .images(call, &instance(&registry_id)?, &repository, filter, page)
        .await?;
    reply.with(&Images::of(&listed))
}

pub(crate) async fn describe_manifests(
    Authenticated {
        service,
        call,
        mut parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let (registry_id, repository) = place(&mut parameters)?;
    let tag = parameters.required_text("ImageVersion")?;
    parameters.finish()?;
    let documents = service
        .registry
        .image_documents(call, &instance(&registry_id)?, &repository, &tag)
        .await?;
    reply.with(&Manifests::of(&documents))
}

pub(crate) async fn delete(
    Authenticated {
        service,
        call,
        mut parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let (registry_id, repository) = place(&mut parameters)?;
    let tags = BTreeSet::from([parameters.required_text("ImageVersion")?]);
    parameters.finish()?;
    service
        .registry
        .delete_images(call, &instance(&registry_id)?, &repository, &tags)
        .await?;
    reply.with(&Nothing {})
}

pub(crate) async fn delete_tags(
    Authenticated {
        service,
        call,
        mut parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let (registry_id, repository) = place(&mut parameters)?;
    let tags = parameters.texts("Tags")?;
    if tags.is_empty() {
        return Err(Error::missing_parameter("Tags"));
    }
    if tags.len() > MAX_TAGS {
        return Err(Error::invalid_parameter(
            "Tags",
            format!("The parameter `Tags` has at most {MAX_TAGS} tags."),
        ));
    }
    parameters.finish()?;
    let tags = tags.into_iter().collect();
    service
        .registry
        .delete_images(call, &instance(&registry_id)?, &repository, &tags)
        .await?;
    reply.with(&Nothing {})
}

/// The output of `DescribeImages`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Images<'a> {
    image_info_list: Vec<ImageInfo<'a>>,
    total_count: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ImageInfo<'a> {
    digest: &'a str,
    size: u64,
    image_version: &'a str,
    /// Divergence: registries don't say when a tag was pushed; it is when the image says that it
    /// was made.
    update_time: String,
    kind: String,
    /// Nothing here is signed by KMS.
    kms_signature: &'static str,
}

impl<'a> Images<'a> {
    fn of(listed: &'a Listed<Image>) -> Self {
        let info = |image: &'a Image| ImageInfo {
            digest: &image.digest,
            size: image.contents.size,
            image_version: &image.tag,
            update_time: image
                .contents
                .created_at
                .unwrap_or_default()
                .rfc3339_millis(),
            kind: format!("Artifact::{}", image.media_type),
            kms_signature: "",
        };
        Self {
            image_info_list: listed.items.iter().map(info).collect(),
            total_count: listed.total,
        }
    }
}

/// The output of `DescribeImageManifests`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Manifests<'a> {
    manifest: &'a str,
    config: &'a str,
    labels: Vec<KeyValue<'a>>,
    size: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct KeyValue<'a> {
    key: &'a str,
    value: &'a str,
}

impl<'a> Manifests<'a> {
    fn of(documents: &'a ImageDocuments) -> Self {
        let labels = documents
            .labels
            .iter()
            .map(|(key, value)| KeyValue { key, value })
            .collect();
        Self {
            manifest: &documents.manifest,
            config: &documents.config,
            labels,
            size: documents.size,
        }
    }
}
