//! The consequences that an operation would have, before its button.

use serde_json::{Map, Value, json};

use super::Visit;
use crate::admin::{Method, Route};
use crate::domain::{Error, Result};
use crate::http::operators::operations::named;
use crate::views::{Preview, filled};

/// Returns the consequences of an operation with these fields, in the language of the page. While
/// they can't be told, such as before a field is filled in, there are none.
pub(super) async fn of(
    visit: &Visit<'_>,
    route: &Route,
    fields: Map<String, Value>,
) -> Vec<String> {
    if route.method == Method::Get {
        return Vec::new();
    }
    let consequences = preview(visit, route, fields).await;
    let consequences = consequences.map_or_else(|_| Vec::new(), |found| found.consequences);
    let text = |pattern: &str, values: &[String]| filled(&visit.language.sentence(pattern), values);
    let texts = consequences.iter();
    texts.map(|one| text(&one.pattern, &one.values)).collect()
}

async fn preview(visit: &Visit<'_>, route: &Route, fields: Map<String, Value>) -> Result<Preview> {
    let (preview, _) = named("PreviewOperation").ok_or_else(|| Error::internal("no preview"))?;
    let body = Map::from_iter([
        ("operation".to_owned(), route.name().into()),
        ("fields".to_owned(), json!(fields)),
    ]);
    let answer = visit.send(preview, body).await?;
    serde_json::from_value(answer).map_err(Error::internal)
}
