//! Images of the registry behind the account's default instance: lists and descriptions.
//!
//! Divergence: a registry lists no manifest without a tag, and doesn't say when one was pushed. So
//! untagged images are described by their digest alone, and `imagePushedAt` is when the image says
//! that it was made.

pub(in crate::http::aws) mod deletion;
mod ids;
pub(in crate::http::aws) mod layers;
pub(in crate::http::aws) mod manifests;

use axum::response::Response;
use serde::{Deserialize, Serialize};

use self::ids::ImageId;
use super::place::Target;
use crate::domain::image::{TaggedImage, is_content_digest, is_tag};
use crate::domain::{Error, Result};
use crate::http::aws::Authenticated;
use crate::http::aws::parameters::{input, page_size};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Filter {
    tag_status: Option<String>,
    image_status: Option<String>,
}

/// The images that a filter takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taken {
    All,
    Tagged,
    Untagged,
    /// Nothing is archived here.
    None,
}

impl Taken {
    fn of(filter: Option<&Filter>) -> Result<Self> {
        let status = filter.and_then(|filter| filter.tag_status.as_deref());
        let taken = match status {
            None | Some("ANY") => Self::All,
            Some("TAGGED") => Self::Tagged,
            Some("UNTAGGED") => Self::Untagged,
            Some(_) => {
                return Err(Error::invalid_parameter(
                    "tagStatus",
                    "tagStatus is TAGGED, UNTAGGED or ANY.",
                ));
            }
        };
        match filter.and_then(|filter| filter.image_status.as_deref()) {
            None | Some("ACTIVE" | "ANY") => Ok(taken),
            Some("ARCHIVED" | "ACTIVATING") => Ok(Self::None),
            Some(_) => Err(Error::invalid_parameter(
                "imageStatus",
                "imageStatus is ACTIVE, ARCHIVED, ACTIVATING or ANY.",
            )),
        }
    }

    /// Tells whether images with a tag are among them.
    fn takes_tagged(self) -> bool {
        matches!(self, Self::All | Self::Tagged)
    }
}

/// Reads a `nextToken`: the last item of the page before.
fn after(token: Option<String>, is_one: impl Fn(&str) -> bool) -> Result<Option<String>> {
    match token {
        Some(token) if !is_one(&token) => Err(Error::invalid_parameter(
            "nextToken",
            "nextToken is one of an answer to this operation.",
        )),
        token => Ok(token),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct List {
    registry_id: Option<String>,
    repository_name: Option<String>,
    next_token: Option<String>,
    max_results: Option<i64>,
    filter: Option<Filter>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    image_ids: Vec<ImageId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

pub(in crate::http::aws) async fn list(call: Authenticated<'_>) -> Result<Response> {
    let input: List = input(call.body)?;
    let (registry, path) = (input.registry_id.as_deref(), &input.repository_name);
    let target = Target::of(&call, registry, path.as_deref())?;
    let taken = Taken::of(input.filter.as_ref())?;
    let size = page_size(input.max_results)?;
    let after = after(input.next_token, is_tag)?;
    // Asked for all the same: a caller who may not list hears that, and not that there are none.
    let size = if taken.takes_tagged() { size } else { 0 };
    let part = call
        .service
        .registry
        .tag_digests(
            call.call,
            &target.registry.instance,
            &target.choice,
            after,
            size as usize,
        )
        .await
        .map_err(|error| target.worded(error))?;
    let id = |(tag, digest)| ImageId::new(Some(digest), Some(tag));
    call.reply.with(&Listed {
        image_ids: part.items.into_iter().map(id).collect(),
        next_token: part.next,
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Describe {
    registry_id: Option<String>,
    repository_name: Option<String>,
    image_ids: Option<Vec<ImageId>>,
    next_token: Option<String>,
    max_results: Option<i64>,
    filter: Option<Filter>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Described<'a> {
    image_details: Vec<Detail<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Detail<'a> {
    registry_id: &'a str,
    repository_name: &'a str,
    image_digest: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    image_tags: &'a [String],
    image_size_in_bytes: u64,
    /// Unix seconds, a number; clients sort by it, so it is there where nothing is known.
    image_pushed_at: i64,
    #[serde(skip_serializing_if = "str::is_empty")]
    image_manifest_media_type: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    artifact_media_type: &'a str,
    image_status: &'static str,
}

impl<'a> Detail<'a> {
    fn of(target: &'a Target<'_>, image: &'a TaggedImage) -> Self {
        let created_at = image.contents.created_at.unwrap_or_default();
        Self {
            registry_id: &target.registry.id,
            repository_name: target.path,
            image_digest: &image.digest,
            image_tags: &image.tags,
            image_size_in_bytes: image.contents.largest,
            image_pushed_at: created_at.unix_seconds(),
            image_manifest_media_type: &image.media_type,
            artifact_media_type: &image.contents.artifact_type,
            image_status: "ACTIVE",
        }
    }
}

pub(in crate::http::aws) async fn describe(call: Authenticated<'_>) -> Result<Response> {
    let input: Describe = input(call.body)?;
    let (registry, path) = (input.registry_id.as_deref(), &input.repository_name);
    let target = Target::of(&call, registry, path.as_deref())?;
    let taken = Taken::of(input.filter.as_ref())?;
    let (images, next_token) = match &input.image_ids {
        Some(_) if input.next_token.is_some() || input.max_results.is_some() => {
            return Err(Error::invalid_parameter(
                "imageIds",
                "nextToken and maxResults are for lists; leave them out where imageIds are given.",
            ));
        }
        Some(ids) => (named(&call, &target, ids).await?, None),
        None => {
            let size = page_size(input.max_results)?;
            let after = after(input.next_token, is_content_digest)?;
            let size = if taken.takes_tagged() { size } else { 0 };
            let part = call
                .service
                .registry
                .tagged_images(
                    call.call,
                    &target.registry.instance,
                    &target.choice,
                    after,
                    size as usize,
                )
                .await
                .map_err(|error| target.worded(error))?;
            (part.items, part.next)
        }
    };
    let is_taken = |image: &&TaggedImage| match taken {
        Taken::All => true,
        Taken::Tagged => !image.tags.is_empty(),
        Taken::Untagged => image.tags.is_empty(),
        Taken::None => false,
    };
    let taken = images.iter().filter(is_taken);
    call.reply.with(&Described {
        image_details: taken.map(|image| Detail::of(&target, image)).collect(),
        next_token,
    })
}

/// Returns the images of these ids, all of which must be there.
async fn named(
    call: &Authenticated<'_>,
    target: &Target<'_>,
    ids: &[ImageId],
) -> Result<Vec<TaggedImage>> {
    ids::check_count(ids)?;
    let missing = |id: &ImageId| id.missing(target.path, &target.registry.id);
    let mut references = Vec::with_capacity(ids.len());
    for id in ids {
        id.check()?;
        references.push(id.reference().map_err(|_| missing(id))?);
    }
    let found = call
        .service
        .registry
        .named_images(
            call.call,
            &target.registry.instance,
            &target.choice,
            references,
        )
        .await
        .map_err(|error| target.worded(error))?;
    let pairs = found.into_iter().zip(ids);
    pairs
        .map(|(image, id)| image.map_err(|_| missing(id)))
        .collect()
}
