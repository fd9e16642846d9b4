//! `BatchCheckLayerAvailability`.

use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::Target;
use super::ids::is_any_digest;
use crate::domain::{Error, Result};
use crate::http::aws::Authenticated;
use crate::http::aws::parameters::input;

/// The most layers of a call, and the most characters of one.
const MAX_LAYERS: usize = 100;
const MAX_LENGTH: usize = 1000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    registry_id: Option<String>,
    repository_name: Option<String>,
    layer_digests: Option<Vec<String>>,
}

#[derive(Serialize)]
struct Output {
    layers: Vec<Layer>,
    failures: Vec<Failure>,
}

/// A layer. Divergence: a registry doesn't know a blob's media type, so there is no `mediaType`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Layer {
    layer_digest: String,
    layer_availability: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    layer_size: Option<u64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Failure {
    layer_digest: String,
    failure_code: &'static str,
    failure_reason: &'static str,
}

/// Returns the code and the reason of a digest that can't be one.
fn malformed(digest: &str) -> Option<(&'static str, &'static str)> {
    match digest {
        "" => Some(("MissingLayerDigest", "Layer digest is empty")),
        digest if !is_any_digest(digest) => Some((
            "InvalidLayerDigest",
            "Layer digest should satisfy the regex '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+'",
        )),
        _ => None,
    }
}

pub(in crate::http::aws) async fn batch_check(call: Authenticated<'_>) -> Result<Response> {
    let input: Input = input(call.body)?;
    let (registry, path) = (input.registry_id.as_deref(), &input.repository_name);
    let target = Target::of(&call, registry, path.as_deref())?;
    let digests = input
        .layer_digests
        .ok_or_else(|| Error::missing_parameter("layerDigests"))?;
    let is_short = digests.iter().all(|digest| digest.len() <= MAX_LENGTH);
    if !(1..=MAX_LAYERS).contains(&digests.len()) || !is_short {
        return Err(Error::invalid_parameter(
            "layerDigests",
            format!(
                "layerDigests has 1 to {MAX_LAYERS} digests of at most {MAX_LENGTH} characters."
            ),
        ));
    }
    let (mut asked, mut failures) = (Vec::new(), Vec::new());
    for layer_digest in digests {
        match malformed(&layer_digest) {
            Some((failure_code, failure_reason)) => failures.push(Failure {
                layer_digest,
                failure_code,
                failure_reason,
            }),
            None => asked.push(layer_digest),
        }
    }
    let found = call
        .service
        .registry
        .layers(call.call, &target.registry.instance, &target.choice, &asked)
        .await
        .map_err(|error| target.worded(error))?;
    let layer = |(layer_digest, presence): (String, Option<Option<u64>>)| Layer {
        layer_digest,
        layer_availability: match presence {
            Some(_) => "AVAILABLE",
            None => "UNAVAILABLE",
        },
        layer_size: presence.flatten(),
    };
    call.reply.with(&Output {
        layers: asked.into_iter().zip(found).map(layer).collect(),
        failures,
    })
}
