//! The first page: whether the service is well, and what it is.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use serde_json::Value;

use super::Visit;
use super::shown::{self, Field};
use crate::domain::Result;
use crate::http::console::frame::{Frame, page};
use crate::http::operators::operations::named;

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview {
    frame: Frame,
    warnings: Vec<String>,
    fields: Vec<Field>,
}

/// Shows the overview.
///
/// # Errors
/// Those of the use cases.
pub(in crate::http::console) async fn show(visit: &Visit<'_>) -> Result<Response> {
    let language = visit.language;
    let (mut warnings, mut fields) = (Vec::new(), Vec::new());
    // An account-admin sees its account alone.
    let status = named("ShowStatus").filter(|_| visit.open.caller.own_account().is_none());
    if let Some((route, _)) = status {
        let status = visit.read(route, Vec::new()).await?;
        let said = status.get("warnings").and_then(Value::as_array);
        let said = said.into_iter().flatten();
        warnings.extend(said.map(|one| shown::text(language, one)));
        fields = shown::fields(language, &status);
    }
    let title = language.words().overview.to_owned();
    let frame = Frame::of(visit.open, language, title, visit.here);
    page(
        StatusCode::OK,
        &Overview {
            frame,
            warnings,
            fields,
        },
    )
}
