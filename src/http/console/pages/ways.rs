//! The ways from a page to others.

use super::Visit;
use crate::admin::Route;
use crate::http::console::tree::{self, Link};

/// Returns the way to an operation's form.
pub(super) fn link_to(visit: &Visit<'_>, action: &Route, values: &[&str]) -> Link {
    Link {
        text: visit.language.label(action.name()),
        path: tree::form(action, values.iter().copied()),
        is_here: false,
    }
}

/// Returns the ways to the pages above: each part of the path that has a page.
pub(super) fn above(visit: &Visit<'_>, route: &Route, values: &[&str]) -> Vec<Link> {
    let mut links = Vec::new();
    let mut pattern = route.path;
    while let Some((parent, _)) = pattern.rsplit_once('/') {
        if let Some(link) = tree::page_at(visit.language, parent, values) {
            links.push(link);
        }
        pattern = parent;
    }
    links.reverse();
    links
}
