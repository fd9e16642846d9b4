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
/// The most lines with which the page begins.
const LINES: usize = 50;

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

/// Returns the events since a place, the newest first, and the place that was reached.
async fn news(
    visit: &Visit<'_>,
    filter: &[(String, String)],
    mut after: Option<String>,
) -> Result<(Vec<Line>, String)> {
    let (route, _) = named("FollowAudit").ok_or_else(|| Error::internal("no FollowAudit"))?;
    let mut lines = Vec::new();
    loop {
        let answer = follow(visit, route, filter, after.as_deref()).await?;
        let items = answer.get("items").and_then(Value::as_array);
        lines.extend(items.into_iter().flatten().map(|event| line(visit, event)));
        let reached = answer.get(AFTER).and_then(Value::as_str);
        let reached = reached.unwrap_or_default().to_owned();
        let has_more = answer.get("has_more").and_then(Value::as_bool);
        if has_more != Some(true) {
            lines.reverse();
            lines.truncate(LINES);
            return Ok((lines, reached));
        }
        after = Some(reached);
    }
}

async fn follow(
    visit: &Visit<'_>,
    route: &Route,
    filter: &[(String, String)],
    after: Option<&str>,
) -> Result<Value> {
    let mut fields: Map<String, Value> = filter
        .iter()
        .map(|(name, value)| (name.clone(), value.as_str().into()))
        .collect();
    fields.insert("since".to_owned(), BEGIN.into());
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
