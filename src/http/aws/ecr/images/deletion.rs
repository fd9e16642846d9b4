//! `BatchDeleteImage`.

use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::Target;
use super::ids::{Failure, ImageId, sorted_out};
use crate::domain::{Error, Result};
use crate::http::aws::Authenticated;
use crate::http::aws::parameters::input;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    registry_id: Option<String>,
    repository_name: Option<String>,
    image_ids: Option<Vec<ImageId>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Output {
    image_ids: Vec<ImageId>,
    failures: Vec<Failure>,
}

pub(in crate::http::aws) async fn batch_delete(call: Authenticated<'_>) -> Result<Response> {
    let input: Input = input(call.body)?;
    let (registry, path) = (input.registry_id.as_deref(), &input.repository_name);
    let target = Target::of(&call, registry, path.as_deref())?;
    let ids = input
        .image_ids
        .ok_or_else(|| Error::missing_parameter("imageIds"))?;
    let (asked, references, mut failures) = sorted_out(&ids)?;
    let outcomes = call
        .service
        .registry
        .delete_references(
            call.call,
            &target.registry.instance,
            &target.choice,
            &references,
        )
        .await
        .map_err(|error| target.worded(error))?;
    let mut image_ids = Vec::new();
    for (id, outcome) in asked.into_iter().zip(outcomes) {
        match outcome {
            Ok(deleted) => {
                let id =
                    |one: crate::service::DeletedImage| ImageId::new(Some(one.digest), one.tag);
                image_ids.extend(deleted.into_iter().map(id));
            }
            Err(fault) => failures.push(id.failure(fault)),
        }
    }
    call.reply.with(&Output {
        image_ids,
        failures,
    })
}
