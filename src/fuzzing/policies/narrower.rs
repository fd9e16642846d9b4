//! Documents that allow less: with a denial more, or a permission less.

use serde_json::Value;

use super::reference::Plain;
use super::{ask, decide, named, read};
use crate::policy::{Document, decide_session};

/// The words of a language: of a document's statements, of an effect, and its two values.
struct Words {
    statement: &'static str,
    effect: &'static str,
    allow: &'static str,
    deny: &'static str,
}

const CAM: Words = Words {
    statement: "statement",
    effect: "effect",
    allow: "allow",
    deny: "deny",
};
/// IAM's, too.
const RAM: Words = Words {
    statement: "Statement",
    effect: "Effect",
    allow: "Allow",
    deny: "Deny",
};

/// Checks that no narrower document allows a request that the document doesn't.
pub(super) fn check_narrower(value: &Value, document: &Document, plain: &Plain, allowed: bool) {
    let words = if value.get("version").is_some() {
        CAM
    } else {
        RAM
    };
    let statements = match &value[words.statement] {
        Value::Array(statements) => statements.clone(),
        // IAM writes one without a list.
        statement => vec![statement.clone()],
    };
    let is_allowed = |document: &Document| {
        ask(plain, |request| {
            decide(&named(document), request).is_allowed()
        })
    };
    for (place, statement) in statements.iter().enumerate() {
        let mut fewer = statements.clone();
        let is_allow = statement[words.effect] == words.allow;
        if is_allow {
            fewer.remove(place);
        } else {
            // The same denial again, and first.
            fewer.insert(0, statement.clone());
        }
        let mut more = statements.clone();
        more.push(statement.clone());
        more[statements.len()][words.effect] = words.deny.into();
        for statements in [fewer, more] {
            let mut narrower = value.clone();
            narrower[words.statement] = statements.into();
            // A document without statements is refused.
            let Some(narrower) = read(&narrower.to_string()) else {
                continue;
            };
            assert!(
                allowed || !is_allowed(&narrower),
                "statement {place} widens\n{value:#}"
            );
            let session = ask(plain, |request| {
                decide_session(&named(document), Some(&named(&narrower)), request).is_allowed()
            });
            let both = allowed && is_allowed(&narrower);
            assert_eq!(session, both, "a session has other rights\n{value:#}");
        }
    }
}
