//! Images: what the registry behind an instance has.

use std::collections::BTreeSet;

use axum::response::Response;
use serde::Serialize;

use crate::domain::image::{Image, ImageDocuments, is_digest};
use crate::domain::{Error, Result};
use crate::service::{Caller, ImageFilter, InstanceChoice, Listed, Page, RepositoryChoice, Service, TagFilter};

use crate::http::operation::operations;
use crate::http::tencent::Visit;
use crate::http::tencent::parameters::Parameters;
use crate::http::tencent::{Proved, reply};

/// How many images a page has without a word, and at most: the vendor documents no most.
const USUAL_LIMIT: u32 = 20;
const LARGEST_LIMIT: u32 = 1000;
/// The most tags of one `DeleteRepositoryTags`.
const MOST_TAGS: usize = 20;

operations! { "tcr": DeleteImage, DeleteRepositoryTags, DescribeImageManifests, DescribeImages }

impl Operation {
    /// Runs the operation for a proved caller.
    pub(in super::super) async fn run(self, Proved { service, caller, mut parameters, visit }: Proved<'_>) -> Result<Response> {
        let registry_id = parameters.required_text("RegistryId")?;
        let namespace = parameters.required_text("NamespaceName")?;
        let name = parameters.required_text("RepositoryName")?;
        let place = Place { registry_id, repository: RepositoryChoice::Named { namespace, name } };
        match self {
            Self::DescribeImages => describe_images(service, caller, place, parameters, visit).await,
            Self::DescribeImageManifests => {
                let tag = parameters.required_text("ImageVersion")?;
                parameters.finish()?;
                let documents = service.image_documents(caller, &place.instance()?, &place.repository, &tag, &visit.context).await?;
                reply(&Manifests::of(&documents), visit)
            }
            Self::DeleteImage => {
                let tags = BTreeSet::from([parameters.required_text("ImageVersion")?]);
                parameters.finish()?;
                service.delete_images(caller, &place.instance()?, &place.repository, &tags, &visit.context).await?;
                reply(&Nothing {}, visit)
            }
            Self::DeleteRepositoryTags => {
                let tags = parameters.texts("Tags")?;
                if tags.is_empty() {
                    return Err(Error::missing_parameter("Tags"));
                }
                if tags.len() > MOST_TAGS {
                    return Err(Error::invalid_parameter("Tags", format!("The parameter `Tags` has at most {MOST_TAGS} tags.")));
                }
                parameters.finish()?;
                let tags = tags.into_iter().collect();
                service.delete_images(caller, &place.instance()?, &place.repository, &tags, &visit.context).await?;
                reply(&Nothing {}, visit)
            }
        }
    }
}

/// Which repository of which instance.
struct Place {
    registry_id: String,
    repository: RepositoryChoice,
}

impl Place {
    /// A malformed id can't name an instance; it is answered as one that isn't there.
    fn instance(&self) -> Result<InstanceChoice> {
        Ok(InstanceChoice::Tcr(self.registry_id.parse()?))
    }
}

async fn describe_images(
    service: &Service,
    caller: &Caller,
    place: Place,
    mut parameters: Parameters,
    visit: &Visit<'_>,
) -> Result<Response> {
    let version = parameters.text("ImageVersion")?.filter(|version| !version.is_empty());
    let exact = parameters.boolean("ExactMatch")?.unwrap_or(false);
    let digest = parameters.text("Digest")?.filter(|digest| !digest.is_empty());
    let page = page(parameters.integer("Offset")?, parameters.integer("Limit")?)?;
    parameters.finish()?;
    if digest.as_deref().is_some_and(|digest| !is_digest(digest)) {
        return Err(Error::invalid_parameter("Digest", "The parameter `Digest` is written like sha256:, and the hash in hexadecimal."));
    }
    let tag = match version {
        None => TagFilter::Any,
        Some(version) if exact => TagFilter::Exactly(version),
        Some(version) => TagFilter::Containing(version),
    };
    let filter = ImageFilter { tag, digest };
    let listed = service.images(caller, &place.instance()?, &place.repository, filter, page, &visit.context).await?;
    reply(&Images::of(&listed), visit)
}

/// Reads a page: `Offset` counts pages from 1, and 0 is the first too, as the vendor's own example has it.
fn page(offset: Option<i64>, limit: Option<i64>) -> Result<Page> {
    let limit = limit.map_or(Some(USUAL_LIMIT), |limit| u32::try_from(limit).ok()).filter(|limit| (1..=LARGEST_LIMIT).contains(limit));
    let limit = limit.ok_or_else(|| Error::invalid_parameter("Limit", format!("The parameter `Limit` is 1 to {LARGEST_LIMIT}.")))?;
    let number = u32::try_from(offset.unwrap_or(1))
        .map_err(|_| Error::invalid_parameter("Offset", "The parameter `Offset` is the number of a page, from 1."))?;
    Ok(Page { offset: number.saturating_sub(1).saturating_mul(limit), limit: Some(limit) })
}

#[derive(Serialize)]
struct Nothing {}

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
    /// Divergence: registries don't say when a tag was pushed; it is when the image says that it was made.
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
            update_time: image.contents.created_at.unwrap_or_default().rfc3339_millis(),
            kind: format!("Artifact::{}", image.media_type),
            kms_signature: "",
        };
        Self { image_info_list: listed.items.iter().map(info).collect(), total_count: listed.total }
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
        let labels = documents.labels.iter().map(|(key, value)| KeyValue { key, value }).collect();
        Self { manifest: &documents.manifest, config: &documents.config, labels, size: documents.size }
    }
}
