//! The first page: whether the service is well, what it did, its keys, and what it is.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use serde_json::Value;

use super::Visit;
use super::charts::{self, Chart, Charts};
use super::list::Cell;
use super::shown::{self, Field};
use crate::domain::Result;
use crate::domain::clock::Timestamp;
use crate::http::console::frame::{Frame, page};
use crate::http::console::tree::{self, Link};
use crate::http::operators::operations::named;

/// The columns of a key that the overview shows, before its age.
const KEY_COLUMNS: [&str; 5] = [
    "key_id",
    "kind",
    "algorithm",
    "state",
    "certificate_expires_at",
];
const DAY_SECONDS: u64 = 24 * 60 * 60;

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview {
    frame: Frame,
    warnings: Vec<String>,
    charts: Vec<Chart>,
    spans: Vec<Link>,
    key_labels: Vec<String>,
    keys: Vec<Vec<Cell>>,
    fields: Vec<Field>,
}

/// Shows the overview.
///
/// # Errors
/// Those of the use cases.
pub(in crate::http::console) async fn show(visit: &Visit<'_>) -> Result<Response> {
    let language = visit.language;
    let words = language.words();
    let frame = Frame::of(visit.open, language, words.overview.to_owned(), tree::BASE);
    let mut overview = Overview {
        frame,
        warnings: Vec::new(),
        charts: Vec::new(),
        spans: Vec::new(),
        key_labels: Vec::new(),
        keys: Vec::new(),
        fields: Vec::new(),
    };
    // An account-admin sees its account alone.
    if visit.open.caller.own_account().is_none() {
        let Charts { charts, spans } = charts::read(visit).await?;
        (overview.charts, overview.spans) = (charts, spans);
        overview.key_labels = KEY_COLUMNS.map(|column| language.label(column)).to_vec();
        overview.key_labels.push(words.age.to_owned());
        overview.keys = keys(visit).await?;
        let mut status = read(visit, "ShowStatus").await?;
        let said = status
            .as_object_mut()
            .and_then(|all| all.remove("warnings"));
        let said = said
            .as_ref()
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        overview.warnings = said.map(|one| shown::text(language, one)).collect();
        overview.fields = shown::fields(language, &status);
    }
    page(StatusCode::OK, &overview)
}

async fn read(visit: &Visit<'_>, operation: &str) -> Result<Value> {
    match named(operation) {
        Some((route, _)) => visit.read(route, Vec::new()).await,
        None => Ok(Value::Null),
    }
}

/// Reads the keys, each with its age in days.
async fn keys(visit: &Visit<'_>) -> Result<Vec<Vec<Cell>>> {
    let answer = read(visit, "ListKeys").await?;
    let keys = answer.get("items").and_then(Value::as_array);
    let now = visit.service.base.now();
    let rows = keys.into_iter().flatten().map(|key| {
        let text = |column: &str| {
            let value = key.get(column).unwrap_or(&Value::Null);
            shown::text(visit.language, value)
        };
        let cell = |column: &str| Cell {
            text: match column {
                "kind" | "state" => visit.language.label(&text(column)),
                _ => text(column),
            },
            path: (column == "key_id").then(|| tree::filled("/keys/{id}", [&*text(column)])),
        };
        let made = Timestamp::parse_rfc3339(&text("created_at"));
        let age = made.map(|made| made.until(now).as_secs() / DAY_SECONDS);
        let age = Cell {
            text: age.map(|days| days.to_string()).unwrap_or_default(),
            path: None,
        };
        KEY_COLUMNS.into_iter().map(cell).chain([age]).collect()
    });
    Ok(rows.collect())
}
