//! The table of operations, as log and metrics name them, and the one that a request asks for.

use http::Method;
use percent_encoding::percent_decode_str;

use crate::admin::routes::ROUTES;
use crate::admin::{Effect, MAX_DOCUMENT_BYTES, Route};
use crate::domain::{Error, Result};
use crate::http::Settings;
use crate::http::request::OperationRow;
use crate::service::Purpose;

/// The beginning of the paths of all operations of the admin API.
pub(crate) const BASE: &str = "/admin/v1";

/// The operations, in the order of [`ROUTES`].
pub(crate) const OPERATIONS: &[OperationRow] = &rows();

const fn rows() -> [OperationRow; ROUTES.len()] {
    let mut rows = [OperationRow {
        index: 0,
        action: None,
        product: "admin",
        name: "",
        counted_as: "",
        purpose: Purpose::Read,
    }; ROUTES.len()];
    let mut index = 0;
    while index < ROUTES.len() {
        rows[index].index = index;
        rows[index].name = ROUTES[index].audited_as;
        rows[index].counted_as = ROUTES[index].audited_as;
        if !matches!(ROUTES[index].effect, Effect::Reads) {
            rows[index].purpose = Purpose::Change;
        }
        index += 1;
    }
    rows
}

/// An operation that is asked for, and the fields that stand in its path.
pub(crate) struct Found {
    pub(crate) route: &'static Route,
    pub(crate) row: &'static OperationRow,
    pub(crate) fields: Vec<(String, String)>,
}

/// The answer to the search for an operation.
pub(crate) enum Search {
    Found(Found),
    /// The path has operations, by these methods.
    OtherMethods(Vec<&'static str>),
    Nothing,
}

/// Finds the operation of a method and a path below [`BASE`], still encoded.
///
/// # Errors
/// `MalformedRequest` for a path that can't be decoded.
pub(crate) fn find(method: &Method, path: &str) -> Result<Search> {
    let mut matches = Vec::new();
    for (route, row) in ROUTES.iter().zip(OPERATIONS) {
        if let Some(fields) = matched(route.path, path)? {
            matches.push(Found { route, row, fields });
        }
    }
    // A fixed word is another path than a field that may have its text.
    let fewest = matches.iter().map(|found| found.fields.len()).min();
    matches.retain(|found| Some(found.fields.len()) == fewest);
    let is_asked = |found: &Found| found.route.method.name() == method.as_str();
    if let Some(place) = matches.iter().position(is_asked) {
        return Ok(Search::Found(matches.swap_remove(place)));
    }
    let mut methods: Vec<_> = matches.iter().map(|one| one.route.method.name()).collect();
    methods.sort_unstable();
    methods.dedup();
    Ok(if methods.is_empty() {
        Search::Nothing
    } else {
        Search::OtherMethods(methods)
    })
}

/// Returns the fields of a path that is one of the pattern's.
fn matched(pattern: &str, path: &str) -> Result<Option<Vec<(String, String)>>> {
    let (mut parts, mut fields) = (path.split('/'), Vec::new());
    for wanted in pattern.split('/') {
        let Some(part) = parts.next() else {
            return Ok(None);
        };
        let name = wanted
            .strip_prefix('{')
            .and_then(|name| name.strip_suffix('}'));
        match name {
            Some(_) if part.is_empty() => return Ok(None),
            Some(name) => {
                let value = percent_decode_str(part).decode_utf8().map_err(|_| {
                    Error::malformed_request("The path holds bytes that are no UTF-8.")
                })?;
                fields.push((name.to_owned(), value.into_owned()));
            }
            None if wanted == part => {}
            None => return Ok(None),
        }
    }
    Ok(parts.next().is_none().then_some(fields))
}

/// Returns the most bytes of a request, which may bring the text of a file.
pub(crate) fn max_body_bytes(takes_document: bool, settings: &Settings) -> usize {
    if !takes_document {
        return settings.max_body_bytes;
    }
    // All bodies of proved callers have half of the budget together.
    MAX_DOCUMENT_BYTES
        .min(settings.body_budget_bytes / 2)
        .max(settings.max_body_bytes)
}

/// Returns the operation of a name, such as `CreateUser`.
pub(crate) fn named(name: &str) -> Option<(&'static Route, &'static OperationRow)> {
    ROUTES
        .iter()
        .zip(OPERATIONS)
        .find(|(route, _)| route.name() == name)
}
