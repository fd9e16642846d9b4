//! `BatchGetImage`: manifests to the letter.

use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::Target;
use super::ids::{Failure, ImageId, sorted_out};
use crate::domain::{Error, Result};
use crate::http::aws::Authenticated;
use crate::http::aws::parameters::input;
use crate::service::FoundManifest;

/// The most media types of a call.
const MAX_TYPES: usize = 100;
/// The parameters' names, by the use case's.
const NAMES: [(&str, &str); 1] = [("images", "imageIds")];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    registry_id: Option<String>,
    repository_name: Option<String>,
    image_ids: Option<Vec<ImageId>>,
    accepted_media_types: Option<Vec<String>>,
}

#[derive(Serialize)]
struct Output {
    images: Vec<Image>,
    failures: Vec<Failure>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Image {
    registry_id: String,
    repository_name: String,
    image_id: ImageId,
    image_manifest: String,
    image_manifest_media_type: String,
}

impl Image {
    fn of(target: &Target<'_>, id: &ImageId, found: FoundManifest) -> Self {
        Self {
            registry_id: target.registry.id.clone(),
            repository_name: target.path.to_owned(),
            image_id: ImageId::new(Some(found.digest), id.tag().map(str::to_owned)),
            image_manifest: found.text,
            image_manifest_media_type: found.media_type,
        }
    }
}

pub(in crate::http::aws) async fn batch_get(call: Authenticated<'_>) -> Result<Response> {
    let input: Input = input(call.body)?;
    let (registry, path) = (input.registry_id.as_deref(), &input.repository_name);
    let target = Target::of(&call, registry, path.as_deref())?;
    let ids = input
        .image_ids
        .ok_or_else(|| Error::missing_parameter("imageIds"))?;
    let accepted = accepted(input.accepted_media_types)?;
    let (asked, references, mut failures) = sorted_out(&ids)?;
    let found = call
        .service
        .registry
        .manifests(
            call.call,
            &target.registry.instance,
            &target.choice,
            &references,
            &accepted,
        )
        .await
        .map_err(|error| target.worded(error).naming(&NAMES))?;
    let mut images = Vec::with_capacity(found.len());
    for (id, found) in asked.into_iter().zip(found) {
        match found {
            Ok(found) => images.push(Image::of(&target, id, found)),
            Err(fault) => failures.push(id.failure(fault)),
        }
    }
    call.reply.with(&Output { images, failures })
}

/// Returns the media types that the caller takes; none there takes all.
fn accepted(types: Option<Vec<String>>) -> Result<Vec<String>> {
    match types {
        None => Ok(Vec::new()),
        Some(types) if (1..=MAX_TYPES).contains(&types.len()) => Ok(types),
        Some(_) => Err(Error::invalid_parameter(
            "acceptedMediaTypes",
            format!("acceptedMediaTypes has 1 to {MAX_TYPES} media types."),
        )),
    }
}
