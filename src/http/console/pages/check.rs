//! The findings in a document while somebody writes it.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use serde_json::Value;

use super::{Visit, field};
use crate::domain::{Error, Result};
use crate::http::console::frame::page;
use crate::http::console::words::Words;
use crate::http::operators::operations::named;
use crate::service::span_of;

#[derive(Template)]
#[template(path = "check.html")]
struct Findings {
    words: &'static Words,
    language: String,
    faults: Vec<Finding>,
    warnings: Vec<Finding>,
}

/// A finding, and the lines that it is about.
struct Finding {
    line: usize,
    column: usize,
    place: String,
    reason: String,
    before: String,
    marked: String,
    after: String,
}

/// Shows the findings in the document of a form, whose field the query names.
///
/// # Errors
/// Those of the operation.
pub(in crate::http::console) async fn act(
    visit: &Visit<'_>,
    form: &[(String, String)],
) -> Result<Response> {
    let written = field(form, visit.value("field"));
    let document = written.unwrap_or_default().replace("\r\n", "\n");
    let (route, _) = named("CheckPolicy").ok_or_else(|| Error::internal("no CheckPolicy"))?;
    let pairs = [
        ("document", document.as_str()),
        ("kind", visit.value("kind")),
    ];
    let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let answer = visit.read(route, pairs.to_vec()).await?;
    let all = |name: &str| -> Vec<Finding> {
        let found = answer.get(name).and_then(Value::as_array);
        let found = found.into_iter().flatten();
        found.map(|one| finding(one, &document)).collect()
    };
    let language = answer.get("language").and_then(Value::as_str);
    page(
        StatusCode::OK,
        &Findings {
            words: visit.language.words(),
            language: language.unwrap_or_default().to_owned(),
            faults: all("faults"),
            warnings: all("warnings"),
        },
    )
}

fn finding(found: &Value, document: &str) -> Finding {
    let number = |name: &str| {
        let value = found.get(name).and_then(Value::as_u64);
        value
            .and_then(|value| usize::try_from(value).ok())
            .unwrap_or(1)
    };
    let text = |name: &str| {
        let value = found.get(name).and_then(Value::as_str);
        value.unwrap_or_default().to_owned()
    };
    let (line, column, place) = (number("line"), number("column"), text("place"));
    let (before, marked, after) = lines_of(document, &place, line, column);
    Finding {
        line,
        column,
        reason: text("reason"),
        place,
        before,
        marked,
        after,
    }
}

/// Returns the lines of a part of a document: what is before the part on its first line, the part,
/// and the rest of its last line.
fn lines_of(document: &str, place: &str, line: usize, column: usize) -> (String, String, String) {
    let span = span_of(document, place).filter(|_| !place.is_empty());
    let span = span.unwrap_or_else(|| {
        let begin: usize = document
            .split_inclusive('\n')
            .take(line - 1)
            .map(str::len)
            .sum();
        let rest = document.get(begin..).unwrap_or_default();
        let mut signs = rest.char_indices().skip(column.saturating_sub(1));
        match signs.next() {
            Some((offset, sign)) => begin + offset..begin + offset + sign.len_utf8(),
            None => document.len()..document.len(),
        }
    });
    let before = document.get(..span.start).unwrap_or_default();
    let after = document.get(span.end..).unwrap_or_default();
    (
        before.rsplit('\n').next().unwrap_or_default().to_owned(),
        document.get(span).unwrap_or_default().to_owned(),
        after.split('\n').next().unwrap_or_default().to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_shown_in_its_line() {
        let document = "{\n \"version\" 2}";
        let (before, marked, after) = lines_of(document, "", 2, 12);
        assert_eq!((&*before, &*marked, &*after), (" \"version\" ", "2", "}"));
        let past = lines_of("{", "", 1, 2);
        assert_eq!(past, ("{".to_owned(), String::new(), String::new()));
    }
}
