//! The ways between pages, out of the table of operations.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::words::Language;
use crate::admin::routes::ROUTES;
use crate::admin::{Method, Route};

/// The beginning of the paths of all pages.
pub(super) const BASE: &str = "/console";

/// The signs that are written as they are in a part of a path.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// A way to another page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    /// The text.
    pub(super) text: String,
    /// The path.
    pub(super) path: String,
    /// Whether it leads to the page itself, or to one above it.
    pub(super) is_here: bool,
}

/// The live tail of the audit.
pub(super) const TAIL: &str = "/console/audit/live";
/// The page of explanations.
pub(super) const EXPLAIN: &str = "/console/explain";

/// The page of the state as a file, and of the backup.
pub(super) const STATE: &str = "/console/state";
/// The beginning of the steps of the CA, which has no page: they are on that of the keys.
const CA: &str = "/ca/";
const KEYS: &str = "/keys";

/// Returns the ways to the main pages: the overview, each list that needs no other page, the
/// explanations, and the state.
pub(super) fn ways(language: Language, here: &str) -> Vec<Link> {
    let overview = Link {
        text: language.words().overview.to_owned(),
        path: BASE.to_owned(),
        is_here: here == BASE,
    };
    let lists = ROUTES.iter().filter(|route| is_main(route));
    let links = lists.map(|route| {
        let path = format!("{BASE}{}", route.path);
        Link {
            text: language.label(route.path.rsplit('/').next().unwrap_or_default()),
            is_here: here == path || here.starts_with(&format!("{path}/")),
            path,
        }
    });
    let explain = Link {
        text: language.words().explain.to_owned(),
        path: EXPLAIN.to_owned(),
        is_here: here.starts_with(EXPLAIN),
    };
    let state = Link {
        text: language.words().state.to_owned(),
        path: STATE.to_owned(),
        is_here: here.starts_with(STATE),
    };
    let ends = [explain, state];
    std::iter::once(overview).chain(links).chain(ends).collect()
}

/// Tells whether a list is a main page: it needs nothing to be shown, and is no part of another.
fn is_main(route: &Route) -> bool {
    let is_part = || {
        let above = |other: &&Route| other.is_list && is_words_below(route.path, other.path);
        ROUTES.iter().any(|other| above(&other))
    };
    route.is_list && !route.path.contains('{') && !needs_field(route) && !is_part()
}

/// Tells whether an operation can't be done without a field that is not in its path.
fn needs_field(route: &Route) -> bool {
    let takes = serde_json::json!((route.describe)().takes);
    let required = takes.get("required").and_then(serde_json::Value::as_array);
    required.into_iter().flatten().any(|name| {
        let name = name.as_str().unwrap_or_default();
        !fields_of(route.path).any(|field| field == name)
    })
}

/// Returns the lists of what is in the thing at a path, and its name in the path.
pub(super) fn lists_below(pattern: &str) -> impl Iterator<Item = &'static Route> {
    ROUTES
        .iter()
        .filter(move |route| route.is_list && is_words_below(route.path, pattern))
}

/// Returns the operations that change the thing at a path, make an item of the list there, or do
/// something with it.
pub(super) fn actions_on(pattern: &str) -> impl Iterator<Item = &'static Route> {
    ROUTES.iter().filter(move |route| {
        let is_below = is_alike(route.path, pattern) || is_words_below(route.path, pattern);
        let of =
            |list: &Route| is_alike(route.path, list.path) || is_words_below(route.path, list.path);
        let is_below = is_below || pattern == KEYS && route.path.starts_with(CA);
        route.method != Method::Get && is_below && !lists_below(pattern).any(of)
    })
}

/// Returns the operation that shows the thing at a path.
pub(super) fn page_of(pattern: &str) -> Option<&'static Route> {
    let mut all = ROUTES.iter();
    all.find(|route| route.method == Method::Get && is_alike(route.path, pattern))
}

/// Returns the page of an item of the list at a path.
pub(super) fn item_of(pattern: &str) -> Option<&'static Route> {
    ROUTES.iter().find(|route| {
        let parent = route.path.rsplit_once("/{").map(|(parent, _)| parent);
        route.method == Method::Get
            && !route.is_list
            && parent.is_some_and(|parent| is_alike(parent, pattern))
    })
}

/// Returns the page at a pattern, filled by the first of the values; nothing where there is none.
pub(super) fn page_at(language: Language, pattern: &str, values: &[&str]) -> Option<Link> {
    let route = page_of(pattern)?;
    let count = fields_of(pattern).count();
    // A form may be reached before it is known which thing it is about.
    if values.iter().take(count).any(|value| value.is_empty()) {
        return None;
    }
    let name = match route.path.rsplit('/').next() {
        Some(part) if is_field(part) => (*values.get(count.checked_sub(1)?)?).to_owned(),
        part => language.label(part.unwrap_or_default()),
    };
    Some(Link {
        text: name,
        path: filled(pattern, values.iter().copied().take(count)),
        is_here: false,
    })
}

/// Tells whether two patterns are of the same paths, whatever their fields are called.
fn is_alike(one: &str, other: &str) -> bool {
    let (mut one, mut other) = (one.split('/'), other.split('/'));
    loop {
        match (one.next(), other.next()) {
            (None, None) => return true,
            (Some(one), Some(other)) if one == other || is_field(one) && is_field(other) => {}
            _ => return false,
        }
    }
}

/// Tells whether a pattern is another one and words after it.
fn is_words_below(pattern: &str, above: &str) -> bool {
    let mut pattern = pattern;
    while let Some((parent, word)) = pattern.rsplit_once('/') {
        if is_field(word) {
            return false;
        }
        if is_alike(parent, above) {
            return true;
        }
        pattern = parent;
    }
    false
}

fn is_field(part: &str) -> bool {
    part.starts_with('{')
}

/// Fills the fields of a pattern in their order. A field beyond the values stays empty.
pub(super) fn filled<'a>(pattern: &str, values: impl IntoIterator<Item = &'a str>) -> String {
    let mut values = values.into_iter();
    let parts = pattern.split('/').map(|part| {
        if is_field(part) {
            encoded(values.next().unwrap_or_default())
        } else {
            part.to_owned()
        }
    });
    let path: Vec<String> = parts.collect();
    format!("{BASE}{}", path.join("/"))
}

/// Returns the name of the list at a pattern: its words after the last field.
pub(super) fn list_name(pattern: &str) -> String {
    match pattern.rsplit_once("}/") {
        Some((_, words)) => words.replace('/', "-"),
        None => pattern.rsplit('/').next().unwrap_or_default().to_owned(),
    }
}

/// Returns the names of the fields of a pattern, in their order.
pub(super) fn fields_of(pattern: &str) -> impl Iterator<Item = &str> {
    let parts = pattern.split('/');
    parts.filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

/// Returns the path of an operation's form, with the fields of its path filled in their order.
pub(super) fn form<'a>(route: &Route, values: impl IntoIterator<Item = &'a str>) -> String {
    let pairs = fields_of(route.path).zip(values);
    let query: Vec<String> = pairs
        .map(|(name, value)| format!("{name}={}", encoded(value)))
        .collect();
    let mark = if query.is_empty() { "" } else { "?" };
    format!("{BASE}/do/{}{mark}{}", route.name(), query.join("&"))
}

/// Writes a text as a part of a path or a query.
pub(super) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_a_list_and_an_action_are_found_by_their_paths() {
        let item = item_of("/accounts/{account}/users").unwrap();
        assert_eq!(item.name(), "ShowUser");
        let lists: Vec<_> = lists_below("/accounts/{id}").map(Route::name).collect();
        assert!(lists.contains(&"ListUsers"), "{lists:?}");
        let actions: Vec<_> = actions_on(item.path).map(Route::name).collect();
        assert_eq!(actions, ["DisableUser", "EnableUser", "DeleteUser"]);
        let deep: Vec<_> = actions_on("/instances/{instance}")
            .map(Route::name)
            .collect();
        assert!(deep.contains(&"EnableAllowList"), "{deep:?}");
        assert!(!deep.contains(&"AddAllowEntry"), "{deep:?}");
        let keys: Vec<_> = actions_on("/keys").map(Route::name).collect();
        assert!(keys.contains(&"ActivateCa"), "{keys:?}");
        let made: Vec<_> = actions_on("/accounts/{account}/users").collect();
        assert_eq!(made[0].name(), "CreateUser");
    }

    #[test]
    fn a_page_of_a_thing_that_has_no_name_yet_is_nowhere() {
        let pattern = "/accounts/{account}/policies/{name}";
        let page =
            |values: &[&str]| page_at(Language::English, pattern, values).map(|link| link.path);
        assert_eq!(page(&["1", ""]), None);
        let found = "/console/accounts/1/policies/reader".to_owned();
        assert_eq!(page(&["1", "reader"]), Some(found));
    }

    #[test]
    fn a_list_in_another_one_and_a_list_that_needs_a_field_are_no_main_pages() {
        let main = |name: &str| {
            ROUTES
                .iter()
                .any(|route| route.name() == name && is_main(route))
        };
        assert!(main("ListKeys") && main("ListAudit") && main("ListAccessKeys"));
        assert!(!main("ListSigningRequests"), "it is a part of the keys");
        assert!(!main("ListServiceAccountsOfMaker"), "it needs a maker");
        let below: Vec<_> = lists_below("/keys").map(Route::name).collect();
        assert_eq!(below, ["ListSigningRequests"]);
    }

    #[test]
    fn a_value_in_a_path_can_not_leave_its_part() {
        let path = filled("/accounts/{account}/users/{name}", ["1", "../a?b#c%"]);
        assert_eq!(path, "/console/accounts/1/users/..%2Fa%3Fb%23c%25");
    }
}
