//! The document of a lifecycle policy, as Amazon ECR takes it.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::evaluation::{Count, Rule, Selection};
use crate::domain::{Error, Result};
use crate::policy::pattern::{Pattern, Wildcards};

/// The characters of a document.
const LENGTHS: std::ops::RangeInclusive<usize> = 100..=30_720;
/// The most rules of a document.
const MAX_RULES: usize = 50;
/// The most prefixes or patterns of a rule, and the most characters of one.
const MAX_TAGS: usize = 100;
const MAX_TAG: usize = 128;
/// The most wildcards of a pattern.
const MAX_STARS: usize = 4;
/// The most characters of a description.
const MAX_DESCRIPTION: usize = 256;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenDocument {
    rules: Vec<WrittenRule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct WrittenRule {
    rule_priority: u32,
    description: Option<String>,
    selection: WrittenSelection,
    action: WrittenAction,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct WrittenSelection {
    tag_status: String,
    tag_prefix_list: Option<Vec<String>>,
    tag_pattern_list: Option<Vec<String>>,
    storage_class: Option<String>,
    count_type: String,
    count_unit: Option<String>,
    count_number: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct WrittenAction {
    r#type: String,
    target_storage_class: Option<String>,
}

/// Reads a document strictly; the rules come in the order of their priorities.
///
/// # Errors
/// `InvalidParameter` of `lifecyclePolicyText`, which says what about which rule.
pub(super) fn read(text: &str) -> Result<Vec<Rule>> {
    if !LENGTHS.contains(&text.chars().count()) {
        let (least, most) = (LENGTHS.start(), LENGTHS.end());
        return Err(refuse(&format!(
            "the document has {least} to {most} characters"
        )));
    }
    let written: WrittenDocument = serde_json::from_str(text).map_err(|error| {
        // The parser's own words could repeat what the client sent.
        refuse(&format!(
            "the document is not the JSON of a lifecycle policy, at line {} and column {}",
            error.line(),
            error.column()
        ))
    })?;
    if !(1..=MAX_RULES).contains(&written.rules.len()) {
        return Err(refuse(&format!("there are 1 to {MAX_RULES} rules")));
    }
    let mut rules = Vec::with_capacity(written.rules.len());
    for (place, rule) in written.rules.into_iter().enumerate() {
        let rule = rule
            .read()
            .map_err(|why| refuse(&format!("rule {} of the document: {why}", place + 1)))?;
        rules.push(rule);
    }
    rules.sort_by_key(|rule| rule.priority);
    check_together(&rules).map_err(refuse)?;
    Ok(rules)
}

fn refuse(why: &str) -> Error {
    Error::invalid_parameter(
        "lifecyclePolicyText",
        format!(
            "Invalid parameter at 'LifecyclePolicyText' failed to satisfy constraint: 'Lifecycle \
             policy validation failure: {why}'"
        ),
    )
}

/// Checks rules against each other.
fn check_together(rules: &[Rule]) -> Result<(), &'static str> {
    let (mut untagged, mut any) = (0, 0);
    let mut selected = BTreeSet::new();
    for pair in rules.windows(2) {
        if pair[0].priority == pair[1].priority {
            return Err("each rulePriority is used once");
        }
        if pair[0].selection == Selection::Any {
            return Err("the rule for any images has the highest rulePriority");
        }
    }
    for rule in rules {
        match &rule.selection {
            Selection::Any => any += 1,
            Selection::Untagged => untagged += 1,
            Selection::Prefixes(prefixes) => {
                let all: BTreeSet<_> = prefixes.iter().cloned().collect();
                if !selected.insert((false, all)) {
                    return Err("each set of tagPrefixList is used once");
                }
            }
            Selection::Patterns(patterns) => {
                let all = patterns.iter().map(|(text, _)| text.clone()).collect();
                if !selected.insert((true, all)) {
                    return Err("each set of tagPatternList is used once");
                }
            }
        }
    }
    if untagged > 1 {
        return Err("only one rule is for untagged images");
    }
    if any > 1 {
        return Err("only one rule is for any images");
    }
    Ok(())
}

impl WrittenRule {
    fn read(self) -> Result<Rule, &'static str> {
        if self.rule_priority == 0 {
            return Err("rulePriority is a whole number from 1");
        }
        let description = self.description.unwrap_or_default();
        if description.chars().count() > MAX_DESCRIPTION {
            return Err("description has at most 256 characters");
        }
        match (
            self.action.r#type.as_str(),
            self.action.target_storage_class,
        ) {
            ("expire", None) => {}
            ("expire", Some(_)) => return Err("targetStorageClass is not for expire"),
            ("transition", _) => return Err("the action transition is not served here"),
            _ => return Err("the action's type is expire"),
        }
        Ok(Rule {
            priority: self.rule_priority,
            count: self.selection.count()?,
            selection: self.selection.selection()?,
        })
    }
}

impl WrittenSelection {
    fn count(&self) -> Result<Count, &'static str> {
        if self.count_number == 0 {
            return Err("countNumber is a whole number from 1");
        }
        match (self.count_type.as_str(), self.count_unit.as_deref()) {
            ("imageCountMoreThan", None) => Ok(Count::MoreThan(self.count_number)),
            ("imageCountMoreThan", Some(_)) => Err("countUnit is for sinceImagePushed alone"),
            ("sinceImagePushed", Some("days")) => Ok(Count::OlderThanDays(self.count_number)),
            ("sinceImagePushed", _) => Err("countUnit is days, and required for sinceImagePushed"),
            ("sinceImagePulled" | "sinceImageTransitioned", _) => {
                Err("of the countTypes imageCountMoreThan and sinceImagePushed are served here")
            }
            _ => Err("countType is imageCountMoreThan or sinceImagePushed"),
        }
    }

    fn selection(self) -> Result<Selection, &'static str> {
        if self.storage_class.is_some_and(|class| class != "standard") {
            return Err("storageClass is standard here");
        }
        match (
            self.tag_status.as_str(),
            self.tag_prefix_list,
            self.tag_pattern_list,
        ) {
            ("any", None, None) => Ok(Selection::Any),
            ("untagged", None, None) => Ok(Selection::Untagged),
            ("any" | "untagged", _, _) => {
                Err("tagPrefixList and tagPatternList are for tagged images alone")
            }
            ("tagged", Some(prefixes), None) => {
                check_tags(&prefixes, |byte| b"._-".contains(&byte))?;
                Ok(Selection::Prefixes(prefixes))
            }
            ("tagged", None, Some(patterns)) => {
                check_tags(&patterns, |byte| b"._-*".contains(&byte))?;
                let stars = |text: &String| text.bytes().filter(|byte| *byte == b'*').count();
                if patterns.iter().any(|text| stars(text) > MAX_STARS) {
                    return Err("a pattern has at most four wildcards");
                }
                let compiled = |text: String| {
                    let pattern = Pattern::new(&text, Wildcards::Star);
                    (text, pattern)
                };
                Ok(Selection::Patterns(
                    patterns.into_iter().map(compiled).collect(),
                ))
            }
            ("tagged", _, _) => Err("tagged images have a tagPrefixList or a tagPatternList"),
            _ => Err("tagStatus is tagged, untagged or any"),
        }
    }
}

/// Checks prefixes or patterns of tags.
fn check_tags(tags: &[String], is_sign: impl Fn(u8) -> bool) -> Result<(), &'static str> {
    if !(1..=MAX_TAGS).contains(&tags.len()) {
        return Err("tagPrefixList and tagPatternList have 1 to 100 texts");
    }
    let is_taken = |byte: u8| byte.is_ascii_alphanumeric() || is_sign(byte);
    let is_tag = |tag: &String| (1..=MAX_TAG).contains(&tag.len()) && tag.bytes().all(is_taken);
    if tags.iter().all(is_tag) {
        Ok(())
    } else {
        Err("prefixes and patterns are 1 to 128 of the characters of tags")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// A rule that is right, with changes of its members; null takes one away.
    fn rule(changes: &Value) -> Value {
        let mut rule = json!({
            "rulePriority": 1,
            "description": "keeps the last ones",
            "selection": {
                "tagStatus": "tagged",
                "tagPrefixList": ["v"],
                "countType": "imageCountMoreThan",
                "countNumber": 3,
            },
            "action": { "type": "expire" },
        });
        merge(&mut rule, changes);
        rule
    }

    fn merge(into: &mut Value, changes: &Value) {
        for (name, value) in changes.as_object().unwrap() {
            match value {
                Value::Null => drop(into.as_object_mut().unwrap().remove(name)),
                Value::Object(_) if into[name].is_object() => merge(&mut into[name], value),
                value => into[name] = value.clone(),
            }
        }
    }

    fn document(rules: &[Value]) -> String {
        format!("{:>100}", json!({ "rules": rules }).to_string())
    }

    #[test]
    fn documents_of_ecrs_form_are_read_in_the_order_of_priorities() {
        let last = json!({
            "rulePriority": 70,
            "selection": {
                "tagStatus": "any", "tagPrefixList": null, "countType": "sinceImagePushed",
                "countUnit": "days", "countNumber": 14, "storageClass": "standard",
            },
        });
        let untagged = json!({
            "rulePriority": 9,
            "description": null,
            "selection": { "tagStatus": "untagged", "tagPrefixList": null },
        });
        let patterns = json!({
            "rulePriority": 2,
            "selection": { "tagPrefixList": null, "tagPatternList": ["*a*b*c*", "v"] },
        });
        let all = [&last, &untagged, &patterns, &json!({})].map(rule);
        let rules = read(&document(&all)).unwrap();
        let priorities: Vec<u32> = rules.iter().map(|rule| rule.priority).collect();
        assert_eq!(priorities, [1, 2, 9, 70]);
        assert_eq!(rules[0].count, Count::MoreThan(3));
        assert_eq!(rules[3].count, Count::OlderThanDays(14));
        assert_eq!(rules[2].selection, Selection::Untagged);
    }

    #[test]
    fn a_rule_that_can_not_be_is_refused_with_its_reason() {
        let selection = |changes: Value| json!({ "selection": changes });
        for (changes, why) in [
            (json!({ "rulePriority": 0 }), "rulePriority"),
            (json!({ "rulePriority": -1 }), "not the JSON"),
            (json!({ "rulePriority": 1.5 }), "not the JSON"),
            (json!({ "rulePriority": null }), "not the JSON"),
            (json!({ "description": "d".repeat(257) }), "description"),
            (json!({ "more": 1 }), "not the JSON"),
            (json!({ "action": null }), "not the JSON"),
            (json!({ "action": { "type": "delete" } }), "expire"),
            (json!({ "action": { "type": "transition" } }), "transition"),
            (
                json!({ "action": { "targetStorageClass": "archive" } }),
                "targetStorageClass",
            ),
            (selection(json!({ "tagStatus": "some" })), "tagStatus"),
            (selection(json!({ "tagStatus": "any" })), "tagged images"),
            (selection(json!({ "tagPrefixList": null })), "tagPrefixList"),
            (selection(json!({ "tagPrefixList": [] })), "1 to 100"),
            (
                selection(json!({ "tagPrefixList": vec!["a"; 101] })),
                "1 to 100",
            ),
            (selection(json!({ "tagPrefixList": [""] })), "1 to 128"),
            (selection(json!({ "tagPrefixList": ["v*"] })), "1 to 128"),
            (
                selection(json!({ "tagPrefixList": ["a".repeat(129)] })),
                "1 to 128",
            ),
            (
                selection(json!({ "tagPatternList": ["v"] })),
                "tagPrefixList or",
            ),
            (
                selection(json!({ "tagPrefixList": null, "tagPatternList": ["*1*2*3*4*"] })),
                "four wildcards",
            ),
            (
                selection(json!({ "tagPrefixList": null, "tagPatternList": ["v?"] })),
                "1 to 128",
            ),
            (selection(json!({ "countType": "size" })), "countType"),
            (
                selection(json!({ "countType": "sinceImagePulled" })),
                "served here",
            ),
            (selection(json!({ "countNumber": 0 })), "countNumber"),
            (selection(json!({ "countNumber": "3" })), "not the JSON"),
            (selection(json!({ "countUnit": "days" })), "countUnit"),
            (
                selection(json!({ "countType": "sinceImagePushed" })),
                "countUnit",
            ),
            (
                selection(json!({ "countType": "sinceImagePushed", "countUnit": "hours" })),
                "countUnit",
            ),
            (
                selection(json!({ "storageClass": "archive" })),
                "storageClass",
            ),
        ] {
            let error = read(&document(&[rule(&changes)])).unwrap_err();
            assert!(error.message().contains(why), "{changes} {error}");
        }
    }

    #[test]
    fn rules_that_can_not_be_together_are_refused() {
        let any = json!({
            "rulePriority": 2, "selection": { "tagStatus": "any", "tagPrefixList": null },
        });
        let untagged = |priority: u32| {
            rule(&json!({
                "rulePriority": priority,
                "selection": { "tagStatus": "untagged", "tagPrefixList": null },
            }))
        };
        let other = |priority: u32, prefixes: Value| {
            rule(&json!({
                "rulePriority": priority, "selection": { "tagPrefixList": prefixes },
            }))
        };
        for (rules, why) in [
            (vec![], "1 to 50 rules"),
            ((1..=51).map(untagged).collect(), "1 to 50 rules"),
            (
                vec![other(1, json!(["a"])), other(1, json!(["b"]))],
                "each rulePriority",
            ),
            (vec![rule(&any), other(3, json!(["a"]))], "highest"),
            (vec![untagged(1), untagged(2)], "only one"),
            (
                vec![other(1, json!(["a", "b"])), other(2, json!(["b", "a"]))],
                "tagPrefixList",
            ),
        ] {
            let error = read(&document(&rules)).unwrap_err();
            assert!(error.message().contains(why), "{rules:?} {error}");
        }
    }

    #[test]
    fn a_document_has_a_least_and_a_most() {
        let text = json!({ "rules": [rule(&json!({}))] }).to_string();
        assert!(read(&format!("{text:>30720}")).is_ok());
        for bad in ["", "{}", &format!("{text:>30721}")] {
            let error = read(bad).unwrap_err();
            assert!(error.message().contains("100 to 30720"), "{error}");
        }
        let doubled = text.replacen(r#""rules":"#, r#""rules":[],"rules":"#, 1);
        assert!(read(&doubled).is_err());
    }
}
