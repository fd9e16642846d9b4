//! Scopes of a token request, and what narrows a credential.

use crate::domain::narrowing::Narrowing;
use crate::domain::scope::{Scope, Scopes};

pub(super) const SEEDS: &[&str] = &[
    "repository:team/app:pull,push",
    "repository:team/app:pull repository:team/base:pull\nrepository:other/app:push,delete",
    "registry:catalog:*",
    "repository(plugin):team/app:pull\nrepository:host:5000/team/app:*",
    "repository:team/app: repository::pull other:x:read,pull",
];
pub(super) const WORDS: &[&str] = &[
    "repository:",
    "registry:",
    "catalog",
    ":pull",
    ":push",
    ",delete",
    ":*",
    "(plugin)",
    "\n",
    " ",
];

/// Each line is a value of the parameter.
pub(super) fn check(input: &[u8]) -> Option<()> {
    let text = std::str::from_utf8(input).ok()?;
    let scopes = Scopes::parse(text.split('\n')).ok()?;
    let left_out: usize = scopes.left_out.iter().map(String::len).sum();
    assert!(left_out <= input.len(), "more is left out than was there");
    for (place, scope) in scopes.asked.iter().enumerate() {
        let others = &scopes.asked[..place];
        let is_new = !others.iter().any(|other| other.is_of_resource(scope));
        assert!(is_new, "{scope} is of a resource that is asked twice");
    }
    let printed: Vec<String> = scopes.asked.iter().map(Scope::to_string).collect();
    // Scopes of one resource, put together, may be longer than one may be.
    if printed
        .iter()
        .all(|text| text.len() <= Scope::MAX_CHARACTERS)
    {
        let again = Scopes::parse(printed.iter().map(String::as_str));
        let again = again.expect("printed scopes are read");
        assert_eq!(again.asked, scopes.asked, "{printed:?}");
        assert!(again.left_out.is_empty(), "{printed:?}");
    }
    let half = scopes.asked.len() / 2;
    let all = Narrowing::new(scopes.clone());
    if let Ok(all) = &all {
        narrows(all, all);
        let again = Scopes::parse([all.to_string().as_str()]).and_then(Narrowing::new);
        assert_eq!(again.ok().as_ref(), Some(all));
    }
    let (first, second) = scopes.asked.split_at(half);
    let (first, second) = (
        Narrowing::of(first.to_vec()),
        Narrowing::of(second.to_vec()),
    );
    for (inner, outer) in [(&first, &second), (&second, &first)] {
        if let (Some(inner), Some(outer)) = (inner, outer) {
            narrows(inner, outer);
        }
    }
    if let (Ok(all), Some(first)) = (&all, &first) {
        assert!(all.covers(first), "{all} allows less than its part {first}");
        narrows(first, all);
        narrows(all, first);
    }
    Some(())
}

/// Checks that one narrowed by another allows nothing that either doesn't.
fn narrows(inner: &Narrowing, outer: &Narrowing) {
    if let Some(left) = inner.within(outer) {
        assert!(outer.covers(&left), "{left} is more than {outer}");
        assert!(inner.covers(&left), "{left} is more than {inner}");
    }
}
