//! Fuzzing of what registries and issuers answer with.

use http::header::{CACHE_CONTROL, HeaderMap, HeaderValue, LINK};
use url::Url;

use super::oidc::max_age;
use super::registry::{Page, next_query};

pub(crate) const SEEDS: &[&str] = &[
    "</v2/_catalog?n=100&last=x>; rel=\"next\"\n{\"repositories\":[\"team/app\",\"team/base\"]}",
    "<https://elsewhere.example/v2/a/tags/list?last=%20>; title=\"<x>\", <y>; REL=next\n\
     {\"name\":\"a\",\"tags\":[\"1.0\",\"latest\"]}",
    "max-age=300, public\n{\"tags\":null}",
    "no-store\n{}",
];
pub(crate) const WORDS: &[&str] = &[
    "rel=next",
    "rel=\"next\"",
    "<",
    ">",
    ";",
    ",",
    "?",
    "#",
    "//",
    "http://",
    "@",
    "max-age=",
    "no-cache",
    "\"tags\":",
    "\"repositories\":",
    "null",
    "[",
    "]",
];

/// Reads a line as a header of links and of caching, and the rest as a page of names.
pub(crate) fn check(input: &[u8]) -> Option<()> {
    let end = input
        .iter()
        .position(|byte| *byte == b'\n')
        .unwrap_or(input.len());
    let body = input.get(end + 1..).unwrap_or_default();
    let line = HeaderValue::from_bytes(&input[..end]).ok()?;
    let base = Url::parse("https://registry.example/prefix/v2/_catalog?n=1000");
    let base = base.expect("the base is a URL");
    let headers = HeaderMap::from_iter([(LINK, line.clone()), (CACHE_CONTROL, line)]);
    max_age(&headers);
    if let Some(query) = next_query(&base, &headers) {
        // The token goes with it: only the query may be another one.
        let mut next = base.clone();
        next.set_query(Some(&query));
        let place = |url: &Url| {
            (
                url.origin(),
                url.path().to_owned(),
                url.username().to_owned(),
            )
        };
        assert_eq!(place(&next), place(&base), "{query} leads elsewhere");
        assert!(next.fragment().is_none(), "{query} has a fragment");
        assert!(
            query.len() <= 3 * input.len(),
            "{} bytes of a query",
            query.len()
        );
    }
    if let Ok(page) = serde_json::from_slice::<Page>(body) {
        let length: usize = page.names.iter().flatten().map(String::len).sum();
        assert!(length <= body.len(), "{length} bytes of names");
    }
    Some(())
}
