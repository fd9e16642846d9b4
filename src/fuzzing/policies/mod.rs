//! Policy documents of all languages, and the decisions by them.
//!
//! An input is eight bytes, which draw requests, and a document. Each decision is compared with
//! that of the slow evaluator of the integration tests, where that knows all the words of the
//! document. Of what a narrower document allows, the document allows all.

mod narrower;
#[path = "../../../tests/it/policies/reference.rs"]
#[expect(clippy::unwrap_used, reason = "it is of the integration tests")]
mod reference;
mod requests;

use serde_json::Value;

use self::narrower::check_narrower;
use self::reference::decide as decide_slowly;
use self::requests::{Draws, ask, known_key};
use crate::domain::ids::AccountId;
use crate::fuzzing::seeds::policy_files;
use crate::policy::{
    Circumstances, Document, Language, Limits, NamedDocument, Outcome, PolicySet, Request, decide,
    decide_in, decide_unconditionally, explain,
};

const OWNER: i64 = 100_000_000_001;
const REGION: &str = "ap-guangzhou";
const INSTANCES: [(&str, &str, &str); 2] = [
    ("demo", "tcr-abcd1234", "cri-abcdefgh12345678"),
    ("other", "tcr-zyxw9876", "cri-zyxwvuts87654321"),
];
/// How many requests each document is asked.
const REQUESTS: usize = 3;
/// How often a document is repeated, so that its statements are indexed.
const REPEATED: usize = 16;
/// The most wildcards of a text that the slow evaluator is asked about.
const MAX_WILDCARDS: usize = 5;

pub(super) const CAM_WORDS: &[&str] = &[
    "\"effect\":\"deny\"",
    "\"action\":",
    "\"resource\":",
    "\"condition\":",
    "name/tcr:",
    "tcr:*",
    "qcs::tcr:",
    "repository/tcr-abcd1234/",
    "${oidc:env}",
    "${user}",
    "*",
    "?",
    "_if_exist",
    "for_any_value:",
    "for_all_value:",
    "string_like",
    "ip_equal",
    "date_less_than",
    "null_equal",
    "uin/100000000001",
    "\"10.0.0.0/8\"",
    "numeric_equal",
    "qcs:ip",
    "\\u002a",
    "/*",
    ":",
    ",",
];
pub(super) const RAM_WORDS: &[&str] = &[
    "\"Effect\":\"Deny\"",
    "\"Action\":",
    "\"NotAction\":",
    "\"Resource\":",
    "\"Condition\":",
    "cr:*",
    "acs:cr:",
    "repository/cri-abcdefgh12345678/",
    "${oidc:team}",
    "${account}",
    "*",
    "?",
    "StringLike",
    "NotIpAddress",
    "DateGreaterThan",
    "NumericLessThan",
    "Bool",
    "acs:SourceIp",
    "acs:CurrentTime",
    "\"2001:db8::/32\"",
    "acs:ResourceTag/env",
    "100000000001",
    "/*",
    ":",
    ",",
];

pub(super) const IAM_WORDS: &[&str] = &[
    "\"Effect\":\"Deny\"",
    "\"Action\":",
    "\"NotAction\":",
    "\"Resource\":",
    "\"NotResource\":",
    "\"Condition\":",
    "ecr:*",
    "ecr:BatchGetImage",
    "ecr:GetDownloadUrlForLayer",
    "arn:aws:ecr:",
    "repository/",
    "${aws:username}",
    "${aws:PrincipalTag/team, 'team'}",
    "${*}",
    "*",
    "?",
    "StringLike",
    "ArnNotLike",
    "ForAllValues:",
    "ForAnyValue:",
    "IfExists",
    "Null",
    "DateGreaterThan",
    "NumericLessThan",
    "aws:EpochTime",
    "aws:SourceIp",
    "aws:ResourceTag/env",
    "aws:PrincipalArn",
    "2008-10-17",
    "100000000001",
    ":",
    ",",
];

/// Returns the documents of the integration tests in a language, each with other requests.
pub(super) fn seeds(language: Language) -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for file in policy_files("decisions") {
        for named in ["documents", "session"]
            .iter()
            .flat_map(|name| file[*name].as_array())
        {
            let documents = named.iter().map(|named| &named["document"]);
            let is_written = |document: &&Value| {
                let read = read(&document.to_string());
                read.is_some_and(|document| document.language() == language)
            };
            for document in documents.filter(is_written) {
                let draw = (seeds.len() as u64).to_be_bytes();
                seeds.push([&draw, document.to_string().as_bytes()].concat());
            }
        }
    }
    seeds
}

/// Reads a document as it is saved.
fn read(text: &str) -> Option<Document> {
    let checked = Document::parse(
        text,
        Limits {
            cam: 65_536,
            ram: 65_536,
            iam: 65_536,
            may_be_indented: false,
        },
    );
    checked.ok().map(|checked| checked.document)
}

fn owner() -> AccountId {
    AccountId::new(OWNER).expect("an account's number")
}

fn named(document: &Document) -> [NamedDocument<'_>; 1] {
    [NamedDocument {
        name: "fuzzed",
        owner: owner(),
        document,
    }]
}

pub(super) fn check(input: &[u8]) -> Option<()> {
    let (draw, text) = input.split_first_chunk::<8>()?;
    let text = std::str::from_utf8(text).ok()?;
    let document = read(text)?;
    let value: Value = serde_json::from_str(text).expect("a document is JSON");
    let repeated = (0..REPEATED).map(|place| (place.to_string(), document.clone()));
    let set = PolicySet::new(owner(), repeated.collect());
    let is_known = is_known(&value);
    let mut draws = Draws(u64::from_be_bytes(*draw));
    for _ in 0..REQUESTS {
        let plain = draws.request(&value);
        let outcome = ask(&plain, |request| {
            decide_in_all_ways(&document, &set, request)
        });
        if is_known {
            let expected = match decide_slowly(std::slice::from_ref(&value), &plain) {
                (_, true) => Outcome::DeniedExplicitly,
                (true, false) => Outcome::Allowed,
                (false, false) => Outcome::DeniedImplicitly,
            };
            assert_eq!(outcome, expected, "{plain:#?}\n{value:#}");
        }
        check_narrower(&value, &document, &plain, outcome == Outcome::Allowed);
    }
    Some(())
}

/// Decides by each way that there is, and returns the outcome that they share.
fn decide_in_all_ways(document: &Document, set: &PolicySet, request: &Request<'_>) -> Outcome {
    let listed = &named(document);
    let outcome = decide(listed, request).outcome;
    assert_eq!(
        decide(set, request).outcome,
        outcome,
        "the index decides otherwise"
    );
    assert_eq!(
        explain(listed, request).decision.outcome,
        outcome,
        "it is explained otherwise"
    );
    let is_allowed = outcome == Outcome::Allowed;
    let always = decide_unconditionally(listed, request).is_allowed();
    let at_best = decide_in(Circumstances::Best, listed, request).is_allowed();
    assert!(
        is_allowed || !always,
        "it is allowed in every circumstance but this one"
    );
    assert!(
        at_best || !is_allowed,
        "it is allowed, and in no circumstance"
    );
    outcome
}

/// Tells whether the slow evaluator knows all the words of a document.
fn is_known(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.iter().all(|(name, value)| match name.as_str() {
            "condition" | "Condition" => conditions_are_known(value),
            _ => is_known(value),
        }),
        Value::Array(values) => values.iter().all(is_known),
        Value::String(text) => text_is_known(text),
        _ => false,
    }
}

fn text_is_known(text: &str) -> bool {
    let wildcards = text.matches(['*', '?']).count() + text.matches("${").count();
    let is_variable = |piece: &str| {
        let name = piece.split_once('}').map(|(name, _)| name);
        name.is_some_and(|name| {
            matches!(name, "user" | "account" | "aws:username" | "*" | "?")
                || name.starts_with("oidc:")
        })
    };
    wildcards <= MAX_WILDCARDS && text.len() < 200 && text.split("${").skip(1).all(is_variable)
}

fn conditions_are_known(condition: &Value) -> bool {
    let operators = condition.as_object().into_iter().flatten();
    let mut keys = operators.flat_map(|(_, keys)| keys.as_object().into_iter().flatten());
    keys.all(|(key, values)| {
        known_key(key)
            && match values {
                Value::Array(values) => values.iter().all(is_known),
                value => is_known(value),
            }
    })
}
