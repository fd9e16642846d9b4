//! The live tail of the audit: new events are added at the top of the page.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::list::{asked, explanation_of};
use super::shown::text;
use super::ways::above;
use super::{Visit, field};
use crate::admin::Route;
use crate::domain::{Error, Result};
use crate::http::console::frame::{Frame, page};
use crate::http::operators::operations::named;

/// The field with the place in the audit that was reached.
const AFTER: &str = "after";
/// The age of the events with which the page begins.
const BEGIN: &str = "10m";
/// The most lines with which the page begins, and that are added at once.
const LINES: usize = 50;
/// The most batches of events that one look reads: the next look goes on.
const MAX_BATCHES: usize = 20;

#[derive(Template)]
#[template(path = "tail.html")]
struct TailPage {
    frame: Frame,
    filter: Vec<(String, String)>,
    after: String,
    lines: Vec<Line>,
    is_fragment: bool,
}

/// The new lines alone, for a page that is open.
#[derive(Template)]
#[template(path = "tail_lines.html")]
struct NewLines {
    after: String,
    lines: Vec<Line>,
    is_fragment: bool,
}

/// An event.
struct Line {
    at: String,
    action: String,
    outcome: String,
    principal: String,
    address: String,
    request_id: String,
    explanation: Option<String>,
}

/// Shows the newest events, and the place from which they are followed.
///
/// # Errors
/// Those of the operation.
pub(in crate::http::console) async fn show(visit: &Visit<'_>) -> Result<Response> {
    let filter: Vec<_> = filter(&visit.query).collect();
    let (lines, after) = news(visit, &filter, None).await?;
    written(visit, filter, lines, after)
}

/// Shows the events since a place: in a page of their own, or as lines for one that is open.
///
/// # Errors
/// Those of the operation.
pub(in crate::http::console) async fn act(
    visit: &Visit<'_>,
    form: &[(String, String)],
    is_fragment: bool,
) -> Result<Response> {
    let filter: Vec<_> = filter(form).collect();
    let after = field(form, AFTER).filter(|after| !after.is_empty());
    let (lines, after) = news(visit, &filter, after.map(str::to_owned)).await?;
    if !is_fragment {
        return written(visit, filter, lines, after);
    }
    page(
        StatusCode::OK,
        &NewLines {
            after,
            lines,
            is_fragment,
        },
    )
}

/// Returns the fields of the list of the audit that a follower may give.
fn filter(given: &[(String, String)]) -> impl Iterator<Item = (String, String)> {
    const FIELDS: [&str; 8] = [
        "principal",
        "action",
        "outcome",
        "credential",
        "access_key",
        "instance",
        "address",
        "request_id",
    ];
    asked(given).filter(|(name, _)| FIELDS.contains(&name.as_str()))
}

/// Returns the newest events since a place, the newest first, and the place that was reached.
async fn news(
    visit: &Visit<'_>,
    filter: &[(String, String)],
    mut after: Option<String>,
) -> Result<(Vec<Line>, String)> {
    let (route, _) = named("FollowAudit").ok_or_else(|| Error::internal("no FollowAudit"))?;
    let since = match after {
        Some(_) => BEGIN.to_owned(),
        None => beginning(visit, filter).await?,
    };
    let mut lines = Vec::new();
    for _ in 0..MAX_BATCHES {
        let answer = follow(visit, route, filter, (&since, after.as_deref())).await?;
        let items = answer.get("items").and_then(Value::as_array);
        lines.extend(items.into_iter().flatten().map(|event| line(visit, event)));
        lines.drain(..lines.len().saturating_sub(LINES));
        after = answer.get(AFTER).and_then(Value::as_str).map(str::to_owned);
        if answer.get("has_more").and_then(Value::as_bool) != Some(true) {
            break;
        }
    }
    lines.reverse();
    Ok((lines, after.unwrap_or_default()))
}

/// Returns the time from which on there are as many events as the page begins with. A busy service
/// has hundreds of thousands in ten minutes.
async fn beginning(visit: &Visit<'_>, filter: &[(String, String)]) -> Result<String> {
    let (route, _) = named("ListAudit").ok_or_else(|| Error::internal("no ListAudit"))?;
    let mut pairs = filter.to_vec();
    let limit = LINES.to_string();
    for (name, value) in [("since", BEGIN), ("reverse", "true"), ("limit", &limit)] {
        pairs.push((name.to_owned(), value.to_owned()));
    }
    let answer = visit.read(route, pairs).await?;
    let newest = answer.get("items").and_then(Value::as_array);
    let first = newest.and_then(|newest| newest.get(LINES - 1)?.get("at")?.as_str());
    Ok(first.unwrap_or(BEGIN).to_owned())
}

async fn follow(
    visit: &Visit<'_>,
    route: &Route,
    filter: &[(String, String)],
    (since, after): (&str, Option<&str>),
) -> Result<Value> {
    let mut fields: Map<String, Value> = filter
        .iter()
        .map(|(name, value)| (name.clone(), value.as_str().into()))
        .collect();
    fields.insert("since".to_owned(), since.into());
    let body = Map::from_iter([
        ("filter".to_owned(), Value::Object(fields)),
        (AFTER.to_owned(), json!(after)),
    ]);
    visit.send(route, body).await
}

fn line(visit: &Visit<'_>, event: &Value) -> Line {
    let field = |name: &str| text(visit.language, event.get(name).unwrap_or(&Value::Null));
    Line {
        at: field("at"),
        action: field("action"),
        outcome: field("outcome"),
        principal: field("principal"),
        address: field("address"),
        request_id: field("request_id"),
        explanation: explanation_of(event),
    }
}

fn written(
    visit: &Visit<'_>,
    filter: Vec<(String, String)>,
    lines: Vec<Line>,
    after: String,
) -> Result<Response> {
    let (language, words) = (visit.language, visit.language.words());
    let mut frame = Frame::of(visit.open, language, words.live.to_owned(), visit.here);
    if let Some((route, _)) = named("FollowAudit") {
        frame.above = above(visit, route, &[]);
    }
    page(
        StatusCode::OK,
        &TailPage {
            frame,
            filter,
            after,
            lines,
            is_fragment: false,
        },
    )
}
