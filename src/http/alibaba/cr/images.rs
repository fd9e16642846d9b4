//! Tags of repositories: what the registry behind an instance has.

use std::collections::BTreeSet;

use axum::response::Response;
use serde::Serialize;

use super::place::{instance, instance_id};
use crate::domain::Result;
use crate::domain::image::Image;
use crate::http::alibaba::pager::{Part, Tokens};
use crate::http::alibaba::{Authenticated, Nothing, required};
use crate::service::{ImageFilter, Listed, RepositoryChoice};
use crate::sign::Parameters;

/// Returns the place of an image: an instance, and a repository by its id.
fn place(parameters: &Parameters) -> Result<(&str, &str)> {
    Ok((instance_id(parameters)?, required(parameters, "RepoId")?))
}

/// Returns the repository of an id; a malformed one is answered as one that isn't there.
fn repository(id: &str) -> Result<RepositoryChoice> {
    Ok(RepositoryChoice::WithId(id.parse()?))
}

pub(crate) async fn list(
    Authenticated {
        service,
        call,
        parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let (instance_id, repo_id) = place(parameters)?;
    let part = Tokens::IMAGES.read(parameters)?;
    let (instance, repository) = (instance(instance_id)?, repository(repo_id)?);
    let listed = service
        .registry
        .images(
            call,
            &instance,
            &repository,
            ImageFilter::default(),
            part.page(),
        )
        .await?;
    reply.success(List::of(&listed, part))
}

pub(crate) async fn get(
    Authenticated {
        service,
        call,
        parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let (instance_id, repo_id) = place(parameters)?;
    let tag = required(parameters, "Tag")?;
    let image = service
        .registry
        .image(call, &instance(instance_id)?, &repository(repo_id)?, tag)
        .await?;
    reply.success(Tag::of(&image, |millis| millis))
}

pub(crate) async fn delete(
    Authenticated {
        service,
        call,
        parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let (instance_id, repo_id) = place(parameters)?;
    let tags = BTreeSet::from([required(parameters, "Tag")?.to_owned()]);
    service
        .registry
        .delete_images(call, &instance(instance_id)?, &repository(repo_id)?, &tags)
        .await?;
    reply.success(Nothing {})
}

/// A tag; its times are texts in a list, and numbers alone.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Tag<'a, T> {
    tag: &'a str,
    /// Without the algorithm, like the image's id.
    digest: &'a str,
    image_id: &'a str,
    image_size: u64,
    /// Unix milliseconds. Divergence: registries don't say when a tag was pushed; both times are
    /// when the image says that it was made.
    image_create: T,
    image_update: T,
    status: &'static str,
}

impl<'a, T> Tag<'a, T> {
    fn of(image: &'a Image, time: impl Fn(i64) -> T) -> Self {
        let hash = |digest: &'a str| digest.split_once(':').map_or(digest, |(_, hash)| hash);
        let created_at = image.contents.created_at.unwrap_or_default().unix_millis();
        Self {
            tag: &image.tag,
            digest: hash(&image.digest),
            image_id: hash(&image.contents.image_id),
            image_size: image.contents.size,
            image_create: time(created_at),
            image_update: time(created_at),
            status: "NORMAL",
        }
    }
}

/// The output of `ListRepoTag`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct List<'a> {
    page_no: u32,
    page_size: u32,
    max_results: u32,
    next_token: String,
    /// A text.
    total_count: String,
    images: Vec<Tag<'a, String>>,
}

impl<'a> List<'a> {
    fn of(listed: &'a Listed<Image>, part: Part) -> Self {
        Self {
            page_no: part.number(),
            page_size: part.size,
            max_results: part.size,
            next_token: Tokens::IMAGES.next(part, listed.total),
            total_count: listed.total.to_string(),
            images: listed
                .items
                .iter()
                .map(|image| Tag::of(image, |millis| millis.to_string()))
                .collect(),
        }
    }
}
