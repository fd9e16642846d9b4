//! Requests that are made once: `Idempotency-Key` for what is made, `If-Match` for what is changed.

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use super::envelope::tag;
use crate::admin::routes::ROUTES;
use crate::admin::{Given, Method};
use crate::domain::{Error, ErrorKind, Noun, Result};
use crate::http::operators::operations::Found;
use crate::http::request::Record;
use crate::service::{Call, Caller, Service};

static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// The most bytes of a key.
const MAX_KEY_BYTES: usize = 255;
/// How often a change under `If-Match` is tried while others come in between.
const MAX_ATTEMPTS: usize = 20;

/// Returns the key under which the request makes one thing.
///
/// # Errors
/// `InvalidParameter` for a key that can't be taken.
pub(super) fn key(headers: &HeaderMap) -> Result<Option<String>> {
    let Some(given) = headers.get(&IDEMPOTENCY_KEY) else {
        return Ok(None);
    };
    let text = given.to_str().unwrap_or_default();
    if text.is_empty() || text.len() > MAX_KEY_BYTES {
        let why = format!("it is 1 to {MAX_KEY_BYTES} letters, digits and signs of ASCII");
        return Err(Error::invalid_parameter("Idempotency-Key", why));
    }
    Ok(Some(text.to_owned()))
}

/// Makes a change to something that is as its `If-Match` says.
///
/// The comparison and the change are as one: where anything is changed in between, both are done
/// again.
///
/// # Errors
/// `PreconditionFailed`, and those of the operation and of the one that shows the thing.
pub(super) async fn change(
    found: &Found,
    mut caller: Caller,
    fields: Given,
    wanted: &HeaderValue,
    service: &Service,
    record: &Record,
) -> Result<Value> {
    let mut turn = None;
    let mut attempts = 0;
    loop {
        let unchanged = service.access.watch_changes().await?;
        caller.only_if(&unchanged);
        let call = service.call(&caller, &record.context);
        check_unchanged(found, wanted, service, &call).await?;
        let made = (found.route.run)(service, &call, fields.clone()).await;
        let is_refused = made
            .as_ref()
            .is_err_and(|error| matches!(error.kind(), ErrorKind::PreconditionFailed { .. }));
        attempts += 1;
        if attempts == MAX_ATTEMPTS
            || !is_refused
            || !service.access.was_overtaken(&unchanged).await?
        {
            return made;
        }
        if turn.is_none() {
            turn = Some(service.ledger.take_turn().await);
        }
    }
}

/// Refuses a change to something that isn't as its `If-Match` says.
async fn check_unchanged(
    found: &Found,
    wanted: &HeaderValue,
    service: &Service,
    call: &Call<'_>,
) -> Result<()> {
    let shows = ROUTES
        .iter()
        .find(|route| route.method == Method::Get && route.path == found.route.path);
    let Some(shows) = shows else {
        return Err(Error::invalid_parameter(
            "If-Match",
            "no GET shows what this operation changes",
        ));
    };
    let fields = Given {
        pairs: found.fields.clone(),
        ..Given::default()
    };
    let now = tag(&(shows.run)(service, call, fields).await?);
    let is_there = wanted.to_str().is_ok_and(|wanted| {
        wanted
            .split(',')
            .any(|one| matches!(one.trim(), "*") || one.trim() == now)
    });
    if is_there {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::PreconditionFailed {
            noun: Noun::Setting,
        },
        "It was changed since If-Match's ETag was given: read it again.",
    ))
}
