//! Tags of repositories: what the registry behind an instance has.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use axum::response::Response;
use serde::Serialize;

use crate::domain::image::Image;
use crate::domain::{Error, Result};
use crate::service::{ImageFilter, InstanceChoice, Listed, Page, RepositoryChoice};
use crate::sign::Parameters;

use crate::http::alibaba::{Proved, envelope, given};
use crate::http::operation::operations;

/// How many tags a page has without a word (as the documentation's example does), and at most.
const USUAL_SIZE: u32 = 30;
const SIZES: RangeInclusive<u32> = 1..=100;

operations! {
    #[expect(clippy::enum_variant_names, reason = "they are named as the cloud names them")]
    "cr": DeleteRepoTag, GetRepoTag, ListRepoTag
}

impl Operation {
    /// Runs the operation for a proved caller.
    pub(in super::super) async fn run(self, call: Proved<'_>) -> Result<Response> {
        let Proved { service, caller, parameters, visit } = call;
        let envelope = envelope(visit)?;
        let request_id = visit.context.request_id.as_str();
        let required = |name: &'static str| given(parameters, name).ok_or_else(|| Error::missing_parameter(name));
        let (instance_id, repo_id) = (required("InstanceId")?, required("RepoId")?);
        // Malformed ids can't name anything; they are answered as what isn't there.
        let place = || Ok::<_, Error>((InstanceChoice::Cri(instance_id.parse()?), RepositoryChoice::WithId(repo_id.parse()?)));
        match self {
            Self::ListRepoTag => {
                let paging = Paging::read(parameters)?;
                let (instance, repository) = place()?;
                let filter = ImageFilter::default();
                let listed = service.images(caller, &instance, &repository, filter, paging.page(), &visit.context).await?;
                envelope.respond("ListRepoTagResponse", &List::of(&listed, &paging, request_id), request_id)
            }
            Self::GetRepoTag => {
                let tag = required("Tag")?;
                let (instance, repository) = place()?;
                let image = service.image(caller, &instance, &repository, tag, &visit.context).await?;
                let one = One { outcome: Outcome::of(request_id), tag: Tag::of(&image, |millis| millis) };
                envelope.respond("GetRepoTagResponse", &one, request_id)
            }
            Self::DeleteRepoTag => {
                let tags = BTreeSet::from([required("Tag")?.to_owned()]);
                let (instance, repository) = place()?;
                service.delete_images(caller, &instance, &repository, &tags, &visit.context).await?;
                envelope.respond("DeleteRepoTagResponse", &Outcome::of(request_id), request_id)
            }
        }
    }
}

/// Reads a whole number.
fn number(parameters: &Parameters, name: &'static str, range: RangeInclusive<u32>) -> Result<Option<u32>> {
    let Some(text) = given(parameters, name) else { return Ok(None) };
    let read = Some(text).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit())).and_then(|text| text.parse().ok());
    let why = || format!("It is a whole number from {} to {}.", range.start(), range.end());
    read.filter(|number| range.contains(number)).map(Some).ok_or_else(|| Error::invalid_parameter(name, why()))
}

/// Which part of a list is asked for: by pages, or by the token that came with the part before, which goes first.
struct Paging {
    offset: u32,
    size: u32,
}

impl Paging {
    fn read(parameters: &Parameters) -> Result<Self> {
        let page_no = number(parameters, "PageNo", 1..=u32::MAX)?.unwrap_or(1);
        let page_size = number(parameters, "PageSize", SIZES)?.unwrap_or(USUAL_SIZE);
        let max_results = number(parameters, "MaxResults", SIZES)?;
        // The token is how many came before; nothing that it could be forged for.
        let next_token = number(parameters, "NextToken", 0..=u32::MAX)?;
        Ok(match (next_token, max_results) {
            (None, None) => Self { offset: (page_no - 1).saturating_mul(page_size), size: page_size },
            (offset, size) => Self { offset: offset.unwrap_or(0), size: size.unwrap_or(page_size) },
        })
    }

    fn page(&self) -> Page {
        Page { offset: self.offset, limit: Some(self.size) }
    }

    /// Returns the token of the next part; empty at the end.
    fn next_token(&self, total: u64) -> String {
        let next = self.offset.saturating_add(self.size);
        if u64::from(next) < total { next.to_string() } else { String::new() }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Outcome<'a> {
    request_id: &'a str,
    /// Exactly `success`: one client judges by it whatever the status.
    code: &'static str,
    is_success: bool,
}

impl<'a> Outcome<'a> {
    fn of(request_id: &'a str) -> Self {
        Self { request_id, code: "success", is_success: true }
    }
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
    /// Unix milliseconds. Divergence: registries don't say when a tag was pushed; both times are when the image says
    /// that it was made.
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

/// The output of `GetRepoTag`.
#[derive(Serialize)]
struct One<'a> {
    #[serde(flatten)]
    outcome: Outcome<'a>,
    #[serde(flatten)]
    tag: Tag<'a, i64>,
}

/// The output of `ListRepoTag`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct List<'a> {
    #[serde(flatten)]
    outcome: Outcome<'a>,
    page_no: u32,
    page_size: u32,
    max_results: u32,
    next_token: String,
    /// A text.
    total_count: String,
    images: Vec<Tag<'a, String>>,
}

impl<'a> List<'a> {
    fn of(listed: &'a Listed<Image>, paging: &Paging, request_id: &'a str) -> Self {
        Self {
            outcome: Outcome::of(request_id),
            page_no: paging.offset / paging.size + 1,
            page_size: paging.size,
            max_results: paging.size,
            next_token: paging.next_token(listed.total),
            total_count: listed.total.to_string(),
            images: listed.items.iter().map(|image| Tag::of(image, |millis| millis.to_string())).collect(),
        }
    }
}
