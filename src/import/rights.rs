//! The rights of imported users, as policies in Alibaba's language: there a path is compared as it
//! is written, where Tencent's means all below it, too.

use serde_json::{Value, json};

use crate::domain::ids::CriId;
use crate::domain::{Error, Result, name};

/// The actions of a pull.
pub const PULL: &[&str] = &["cr:PullRepository"];
/// The actions of a push, which reads what is there.
pub const PUSH: &[&str] = &["cr:PullRepository", "cr:PushRepository"];

/// Returns a statement.
pub fn statement(effect: &str, actions: &[&str], resources: &[String]) -> Value {
    json!({ "Effect": effect, "Action": actions, "Resource": resources })
}

/// Returns the resource of the repositories of an instance that a pattern matches.
pub fn repositories(instance: &CriId, pattern: &str) -> String {
    format!("acs:cr:*:*:repository/{instance}/{pattern}")
}

/// Returns a policy's document.
pub fn document(statements: &[Value]) -> String {
    json!({ "Version": "1", "Statement": statements }).to_string()
}

/// Returns the policy of users that may pull from and push to namespaces; `*` is all of the
/// instance. `None` for no right at all.
pub fn of_namespaces(instance: &CriId, pull: &[String], push: &[String]) -> Option<String> {
    let statements: Vec<Value> = [(PULL, pull), (PUSH, push)]
        .into_iter()
        .filter(|(_, namespaces)| !namespaces.is_empty())
        .map(|(actions, namespaces)| {
            let resources: Vec<String> = namespaces
                .iter()
                .map(|namespace| match namespace.as_str() {
                    "*" => repositories(instance, "*"),
                    namespace => repositories(instance, &format!("{namespace}/*")),
                })
                .collect();
            statement("Allow", actions, &resources)
        })
        .collect();
    (!statements.is_empty()).then(|| document(&statements))
}

/// Reads the namespace of a right; `*` is all of an instance.
///
/// # Errors
///
/// `InvalidParameter` for what no repository's path begins with.
pub fn namespace(text: &str) -> Result<String> {
    if text == "*" || name::is_repository_path(text) {
        Ok(text.to_owned())
    } else {
        Err(Error::invalid_parameter(
            "namespace",
            "a namespace is written like team, and * is all of the instance",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Document, Limits};

    #[test]
    fn rights_on_namespaces_are_a_policy_without_warnings() {
        let instance: CriId = "cri-abcdefgh12345678".parse().unwrap();
        let some = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(of_namespaces(&instance, &[], &[]), None);
        for (pull, push) in [
            (&["team"][..], &[][..]),
            (&["*"], &["a", "b/c"]),
            (&[], &["*"]),
        ] {
            let text = of_namespaces(&instance, &some(pull), &some(push)).unwrap();
            let checked = Document::parse(&text, Limits::POLICY).unwrap();
            assert_eq!(checked.warnings, Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn a_namespace_is_the_beginning_of_a_path() {
        for good in ["*", "a", "team", "team/sub"] {
            assert!(namespace(good).is_ok(), "{good:?}");
        }
        for bad in ["", "team/", "te*", "Team", "a:b"] {
            assert!(namespace(bad).is_err(), "{bad:?} was taken");
        }
    }
}
