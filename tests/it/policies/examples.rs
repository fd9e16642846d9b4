//! The policies that are there to be copied, in `docs/examples/policies`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use transire::policy::{Document, Language, Limits, NamedDocument, decide};

use super::{Asked, owner};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/examples/policies")
}

fn all() -> Vec<PathBuf> {
    let entries = fs::read_dir(folder()).unwrap();
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Returns requests, each with whether a policy allows it.
fn cases(policy: &str) -> Vec<(Value, bool)> {
    let of = |permission: &str, repository: &str| {
        let mut asked = json!({ "permission": permission });
        asked["repository"] = repository.into();
        asked
    };
    let get = json!({ "permission": "issue-temporary" });
    let foreign = json!({ "permission": "pull", "repository": "team/app", "instance": "other" });
    let at = |time: &str, address: &str| {
        let mut asked = json!({ "permission": "push", "repository": "a/b" });
        asked["at"] = time.into();
        asked["source_ip"] = address.into();
        asked
    };
    match policy {
        "read-only-ci" => vec![
            (get, true),
            (of("pull", "team/app"), true),
            (of("push", "team/app"), false),
            (of("delete", "team/app"), false),
            (foreign, false),
        ],
        "push-one-namespace" => vec![
            (get, true),
            (of("pull", "team/app"), true),
            (of("push", "team/app"), true),
            (of("push", "teams/app"), false),
            (of("pull", "other/app"), false),
            (of("delete", "team/app"), false),
            (foreign, false),
        ],
        "one-team" => vec![
            (get, true),
            (of("pull", "other/app"), true),
            (of("push", "team/app"), true),
            (of("delete", "team/app"), true),
            (of("push", "other/app"), false),
            (of("delete", "other/app"), false),
            (foreign, false),
        ],
        "break-glass" => vec![
            (at("2030-01-02T05:59:59Z", "192.0.2.7"), true),
            (at("2030-01-02T06:00:00Z", "192.0.2.7"), false),
            (at("2030-01-02T05:59:59Z", "198.51.100.7"), false),
        ],
        "auditor" => vec![
            (json!({ "permission": "list-long-term" }), true),
            (json!({ "permission": "describe-instance" }), true),
            (json!({ "permission": "list-service-accounts" }), true),
            (get, false),
            (of("pull", "team/app"), false),
            (of("push", "team/app"), false),
            (json!({ "permission": "modify-long-term" }), false),
        ],
        unknown => panic!("{unknown} has no cases"),
    }
}

#[test]
fn each_policy_to_copy_allows_what_its_name_says_and_no_more() {
    assert_eq!(all().len(), 10);
    for path in all() {
        let file = path.file_name().unwrap().to_str().unwrap();
        let (policy, language) = file.strip_suffix(".json").unwrap().split_once('.').unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let checked = Document::parse(&text, Limits::POLICY).unwrap();
        assert_eq!(checked.warnings, Vec::<String>::new(), "{file}");
        let written = match checked.document.language() {
            Language::Cam => "cam",
            Language::Ram => "ram",
            Language::Iam => "iam",
        };
        assert_eq!(written, language, "{file}");
        let documents = [NamedDocument {
            name: policy,
            owner: owner(),
            document: &checked.document,
        }];
        for (asked, allowed) in cases(policy) {
            let request: Asked = serde_json::from_value(asked.clone()).unwrap();
            let is_allowed = request.with(|request| decide(&documents, request).is_allowed());
            assert_eq!(is_allowed, allowed, "{file}: {asked}");
        }
    }
}

fn check(arguments: &[&str], files: &[PathBuf]) -> (i32, Value) {
    let documents = files
        .iter()
        .flat_map(|file| ["--document".into(), file.clone().into_os_string()]);
    let output = Command::new(env!("CARGO_BIN_EXE_transire"))
        .env_clear()
        .args(["--output", "json", "policy", "check"])
        .args(arguments)
        .args(documents)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let printed = serde_json::from_slice(&output.stdout);
    let printed: Value = printed.unwrap_or_else(|error| panic!("{error}: {said}"));
    (output.status.code().unwrap(), printed["items"].clone())
}

#[test]
fn policy_check_takes_each_policy_to_copy_without_a_warning() {
    let (status, checked) = check(&[], &all());
    assert_eq!((status, checked.as_array().unwrap().len()), (0, 10));
    for document in checked.as_array().unwrap() {
        assert_eq!(document["valid"], true, "{document}");
        assert_eq!(document["warnings"], json!([]), "{document}");
    }
}

#[test]
fn policy_check_says_no_with_the_place_of_a_fault() {
    let files = all();
    let (status, checked) = check(&["--language", "cam"], &files[..2]);
    assert_eq!(
        (status, &checked[0]["valid"], &checked[1]["valid"]),
        (1, &json!(true), &json!(false))
    );
    let error = checked[1]["error"].as_str().unwrap();
    assert!(error.contains("written in RAM"), "{error}");
    let (status, checked) = check(&["--kind", "trust"], &files[..1]);
    let error = checked[0]["error"].as_str().unwrap();
    assert_eq!(
        (status, error.starts_with("statement[0]")),
        (1, true),
        "{error}"
    );
}
