//! The spans of a document's parts in its text, for people who look for them.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::value::RawValue;

/// Returns the span of the part at a place, such as `statement[1].condition.ip_equal`, in a
/// document's text, in bytes. A part that isn't there has the span of the one around it.
///
/// Returns nothing for a text that is no JSON, and for a place outside of it.
pub fn span_of(text: &str, place: &str) -> Option<Range<usize>> {
    let whole: &RawValue = serde_json::from_str(text).ok()?;
    let (mut part, mut rest) = (whole.get(), place);
    while let Some((inner, left)) = step(part, rest) {
        (part, rest) = (inner, left);
    }
    let is_within = place.is_empty() || part.len() < whole.get().len();
    let begin = part.as_ptr().addr() - text.as_ptr().addr();
    is_within.then(|| begin..begin + part.len())
}

/// Goes a step into a value; returns what is there, and the rest of the place.
fn step<'t, 'p>(part: &'t str, place: &'p str) -> Option<(&'t str, &'p str)> {
    if let Some(rest) = place.strip_prefix('[') {
        let (index, rest) = rest.split_once(']')?;
        let list: Vec<&'t RawValue> = serde_json::from_str(part).ok()?;
        return Some((list.get(index.parse::<usize>().ok()?)?.get(), rest));
    }
    let place = place.strip_prefix('.').unwrap_or(place);
    let fields: BTreeMap<String, &'t RawValue> = serde_json::from_str(part).ok()?;
    // A name may have dots itself: the longest that fits is meant.
    let fitting = fields.iter().filter_map(|(name, value)| {
        let rest = place.strip_prefix(name.as_str())?;
        let ends = rest.is_empty() || rest.starts_with(['.', '[']);
        (ends && !name.is_empty()).then_some((name.len(), value.get(), rest))
    });
    let (_, inner, rest) = fitting.max_by_key(|(length, ..)| *length)?;
    Some((inner, rest))
}

/// Returns the line and the column of a byte in a text, both from 1; columns are characters.
pub fn position(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |end| end + 1);
    let column = before.get(start..).unwrap_or_default().chars().count() + 1;
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{
  "version": "2.0",
  "statement": [
    {"effect": "allow"},
    {"effect": "deny", "condition": {"string_equal": {"a.b": ["x", "y"]}}}
  ]
}"#;

    fn at(place: &str) -> Option<&'static str> {
        span_of(TEXT, place).map(|span| &TEXT[span])
    }

    #[test]
    fn a_part_is_found_by_its_place() {
        assert_eq!(at("version"), Some(r#""2.0""#));
        assert_eq!(at("statement[0]"), Some(r#"{"effect": "allow"}"#));
        assert_eq!(
            at("statement[1].condition.string_equal.a.b[1]"),
            Some(r#""y""#)
        );
    }

    #[test]
    fn a_part_that_is_missing_has_the_span_of_the_one_around_it() {
        assert_eq!(at("statement[0].action"), at("statement[0]"));
        assert_eq!(at("nothing"), None);
        assert_eq!(span_of("{", "statement"), None);
    }

    #[test]
    fn lines_and_columns_are_counted_from_one() {
        let begin = span_of(TEXT, "statement[1]").unwrap().start;
        assert_eq!(position(TEXT, begin), (5, 5));
        assert_eq!(position("äb", 2), (1, 2));
    }
}
