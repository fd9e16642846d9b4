//! The claims of a token, laid out flat as policies ask for them.

use serde_json::{Map, Value};

use crate::domain::claims::{Claim, Claims, MAX_NAME};

/// Lays out the claims of a token by the names of all their levels, joined by dots.
///
/// `null`, objects in lists, and names beyond [`MAX_NAME`] are left out, and so count as missing.
pub(super) fn flatten(members: Map<String, Value>) -> Claims {
    let mut claims = Vec::with_capacity(members.len());
    add_members("", members, &mut claims);
    Claims::new(claims)
}

fn add_members(within: &str, members: Map<String, Value>, claims: &mut Vec<(String, Claim)>) {
    for (name, value) in members {
        let name = if within.is_empty() {
            name
        } else {
            format!("{within}.{name}")
        };
        if name.len() > MAX_NAME {
            continue;
        }
        match value {
            Value::Object(nested) => add_members(&name, nested, claims),
            Value::Array(values) => {
                // A list of which one value can't be compared is not a shorter list.
                let values: Option<Vec<String>> = values.into_iter().map(text_of).collect();
                claims.extend(values.map(|values| (name, Claim::Many(values))));
            }
            value => claims.extend(text_of(value).map(|text| (name, Claim::One(text)))),
        }
    }
}

/// Returns the text of a value. A number beyond 64 bits, or with a fraction, has none: its text
/// would depend on who wrote it.
fn text_of(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(number) if number.is_i64() || number.is_u64() => Some(number.to_string()),
        Value::Number(_) | Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(json: Value) -> Claims {
        match json {
            Value::Object(members) => flatten(members),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn a_claim_has_the_names_of_its_levels() {
        let claims = claims(serde_json::json!({
            "sub": "system:serviceaccount:team:builder",
            "kubernetes.io": { "namespace": "team", "pod": { "name": "job-1" } },
        }));
        let value = |name| claims.variable(name);
        assert_eq!(value("kubernetes.io.namespace"), Some("team"));
        assert_eq!(value("kubernetes.io.pod.name"), Some("job-1"));
        assert_eq!(value("kubernetes.io.pod"), None);
        assert_eq!(value("kubernetes.io"), None);
    }

    #[test]
    fn two_ways_to_read_a_name_make_it_missing() {
        let claims = claims(serde_json::json!({
            "a.b": "literal", "a": { "b": "nested", "c": "only" },
        }));
        assert_eq!(claims.find("a.b"), None);
        assert_eq!(claims.variable("a.c"), Some("only"));
    }

    #[test]
    fn numbers_and_booleans_are_their_json_text() {
        let claims = claims(serde_json::json!({
            "repository_id": 456_789, "big": u64::MAX, "negative": -1, "protected": true,
            "fraction": 1.5, "exponent": 1e3, "nothing": null,
        }));
        assert_eq!(claims.variable("repository_id"), Some("456789"));
        assert_eq!(claims.variable("big"), Some("18446744073709551615"));
        assert_eq!(claims.variable("negative"), Some("-1"));
        assert_eq!(claims.variable("protected"), Some("true"));
        for name in ["fraction", "exponent", "nothing"] {
            assert_eq!(claims.find(name), None, "{name}");
        }
    }

    #[test]
    fn a_list_is_all_of_its_values_or_missing() {
        let claims = claims(serde_json::json!({
            "groups": ["a", 7, true], "mixed": ["a", { "b": 1 }], "none": [],
        }));
        assert_eq!(claims.find("groups").unwrap().values(), ["a", "7", "true"]);
        assert_eq!(claims.find("mixed"), None);
        assert!(claims.find("none").unwrap().values().is_empty());
    }

    #[test]
    fn names_that_no_policy_can_ask_for_are_left_out() {
        let long = "x".repeat(MAX_NAME);
        let claims = claims(serde_json::json!({ (long.as_str()): { "y": "z" }, "a": "b" }));
        assert_eq!(claims.iter().len(), 1);
    }
}
