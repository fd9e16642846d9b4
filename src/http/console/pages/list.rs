//! The page of a list: its filter, its items, and what can be made in it.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use serde_json::Value;

use super::ways::{above, link_to};
use super::{Visit, shown};
use crate::admin::{Description, Effect, Route};
use crate::domain::Result;
use crate::http::console::frame::{Frame, page};
use crate::http::console::tree::{self, Link};
use crate::http::operators::operations::{Found, named};

/// The items of a page.
const ITEMS: &str = "50";

#[derive(Template)]
#[template(path = "list.html")]
struct ListPage {
    frame: Frame,
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
    filters: Vec<Filter>,
    lists: Vec<Link>,
    actions: Vec<Link>,
    next: Option<String>,
}

/// A column, and the way to the list in its order.
struct Column {
    label: String,
    path: Option<String>,
    /// `ascending`, `descending` or `none`, as pages say it to screen readers.
    order: &'static str,
}

/// A value of an item, and the way to its page.
pub(super) struct Cell {
    pub(super) text: String,
    pub(super) path: Option<String>,
}

/// A field by which the list is narrowed.
struct Filter {
    name: String,
    label: String,
    value: String,
    choices: Vec<String>,
}

/// Shows a list.
///
/// # Errors
/// Those of the operation.
pub(in crate::http::console) async fn show(visit: &Visit<'_>, found: &Found) -> Result<Response> {
    let (route, language) = (found.route, visit.language);
    let mut pairs = found.fields.clone();
    pairs.extend(asked(&visit.query));
    if route.name() == "ListAudit" && !pairs.iter().any(|(name, _)| name == "reverse") {
        pairs.push(("reverse".to_owned(), "true".to_owned()));
    }
    if !pairs.iter().any(|(name, _)| name == "limit") {
        pairs.push(("limit".to_owned(), ITEMS.to_owned()));
    }
    let answer = visit.read(route, pairs).await?;
    let described = (route.describe)();
    let sorting = described.columns.unwrap_or_default();
    let values: Vec<&str> = found.fields.iter().map(|(_, value)| &**value).collect();
    let title = language.label(&tree::list_name(route.path));
    let mut frame = Frame::of(visit.open, language, title, visit.here);
    frame.above = above(visit, route, &values);
    let next = answer.get("next").and_then(Value::as_str);
    page(
        StatusCode::OK,
        &ListPage {
            frame,
            columns: columns(visit, &described),
            rows: rows_of(visit, route, &values, &answer),
            filters: filters(visit, found, sorting),
            lists: lists(visit, route, &values),
            actions: tree::actions_on(route.path)
                .filter(|action| action.effect != Effect::Reads)
                .map(|action| link_to(visit, action, &values))
                .collect(),
            next: next.map(|next| with(visit, "after", next)),
        },
    )
}

/// Returns the items of a list's answer, each value with the way to its page.
pub(super) fn rows_of(
    visit: &Visit<'_>,
    route: &Route,
    values: &[&str],
    answer: &Value,
) -> Vec<Vec<Cell>> {
    let described = (route.describe)();
    let (item, is_audit) = (tree::item_of(route.path), route.name() == "ListAudit");
    let items = answer.get("items").and_then(Value::as_array);
    let rows = items.into_iter().flatten().map(|one| {
        let name = one.get(described.name_column).and_then(Value::as_str);
        let cell = |column: &&str| Cell {
            text: shown::text(visit.language, one.get(*column).unwrap_or(&Value::Null)),
            path: item
                .zip(name)
                .filter(|_| *column == described.name_column)
                .map(|(item, name)| tree::filled(item.path, values.iter().copied().chain([name])))
                .or_else(|| explanation_of(one).filter(|_| is_audit && *column == "outcome")),
        };
        described.item_columns.iter().map(cell).collect()
    });
    rows.collect()
}

/// Returns the labels of a list's columns.
pub(super) fn columns_of(visit: &Visit<'_>, described: &Description) -> Vec<String> {
    let names = described.item_columns.iter();
    names.map(|name| visit.language.label(name)).collect()
}

/// Returns the part of a query that has values: a form sends its empty fields, too.
pub(super) fn asked(query: &[(String, String)]) -> impl Iterator<Item = (String, String)> {
    query.iter().filter(|(_, value)| !value.is_empty()).cloned()
}

/// Returns the ways to the lists in what a path shows, and to the audit's live tail.
pub(super) fn lists(visit: &Visit<'_>, route: &Route, values: &[&str]) -> Vec<Link> {
    let below = tree::lists_below(route.path).map(|list| Link {
        text: visit.language.label(&tree::list_name(list.path)),
        path: tree::filled(list.path, values.iter().copied()),
        is_here: false,
    });
    let live = (route.name() == "ListAudit").then(|| Link {
        text: visit.language.words().live.to_owned(),
        path: with_query(tree::TAIL, asked(&visit.query)),
        is_here: false,
    });
    below.chain(live).collect()
}

/// Returns the way to the explanation of an event of the audit, if the request got less than it
/// asked for.
pub(super) fn explanation_of(event: &Value) -> Option<String> {
    let field = |name: &str| event.get(name).and_then(Value::as_str);
    let (outcome, request_id) = (field("outcome")?, field("request_id")?);
    let (route, _) = named("ExplainRequest")?;
    let is_explained = matches!(outcome, "denied" | "refused" | "reduced");
    is_explained.then(|| {
        let since = field("at").map(|at| ("since".to_owned(), at.to_owned()));
        with_query(&tree::filled(route.path, [request_id]), since.into_iter())
    })
}

/// Returns the page's path with a field of the query changed.
fn with(visit: &Visit<'_>, name: &str, value: &str) -> String {
    let path = visit.here.split('?').next().unwrap_or_default();
    let kept = asked(&visit.query).filter(|(given, _)| given != name && given != "after");
    with_query(path, kept.chain([(name.to_owned(), value.to_owned())]))
}

/// Returns a path with a query.
pub(super) fn with_query(path: &str, pairs: impl Iterator<Item = (String, String)>) -> String {
    let query =
        pairs.map(|(name, value)| format!("{}={}", tree::encoded(&name), tree::encoded(&value)));
    let query: Vec<_> = query.collect();
    let mark = if query.is_empty() { "" } else { "?" };
    format!("{path}{mark}{}", query.join("&"))
}

fn columns(visit: &Visit<'_>, described: &Description) -> Vec<Column> {
    let sorting = described.columns.unwrap_or_default();
    let sorted = visit.value("sort");
    let column = |name: &&str| {
        let (order, other) = if sorted == *name {
            ("ascending", format!("-{name}"))
        } else if sorted.strip_prefix('-') == Some(*name) {
            ("descending", (*name).to_owned())
        } else {
            ("none", (*name).to_owned())
        };
        Column {
            label: visit.language.label(name),
            path: sorting.contains(name).then(|| with(visit, "sort", &other)),
            order,
        }
    };
    described.item_columns.iter().map(column).collect()
}

/// Returns the fields by which the list is narrowed: its own, and its columns.
fn filters(visit: &Visit<'_>, found: &Found, columns: &[&str]) -> Vec<Filter> {
    let own = super::form::inputs_of(found.route);
    let own = own
        .into_iter()
        .filter(|input| !found.fields.iter().any(|(name, _)| *name == input.name))
        .map(|input| (input.name, input.choices));
    let columns = columns.iter().map(|name| ((*name).to_owned(), Vec::new()));
    let mut filters: Vec<Filter> = Vec::new();
    for (name, choices) in own.chain(columns) {
        if filters.iter().any(|filter| filter.name == name) {
            continue;
        }
        filters.push(Filter {
            label: visit.language.label(&name),
            value: visit.value(&name).to_owned(),
            choices,
            name,
        });
    }
    filters
}
