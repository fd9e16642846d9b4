//! Tags and settings of repositories, as ECR's clients set and read them.

use serde_json::{Value, json};
use transire::service::{NewNamespace, Permission};

use crate::harness::aws::refused_by_ecr;
use crate::harness::documents::{allow, cam};
use crate::harness::{ACCOUNT, App};

const NAME: &str = "team/app";

/// Returns an ARN of a repository of the account.
fn arn(path: &str) -> String {
    format!("arn:aws:ecr:us-east-1:{ACCOUNT}:repository/{path}")
}

/// Calls an operation that is served.
async fn told(app: &App, operation: &str, input: Value) -> Value {
    let answer = app.ecr(operation, &input).send().await;
    assert_eq!(answer.status, 200, "{operation} {}", answer.body);
    answer.json()
}

/// Calls an operation that is refused, and returns its code.
async fn refused(app: &App, operation: &str, input: &Value) -> String {
    refused_by_ecr(&app.ecr(operation, input).send().await).1
}

async fn stock() -> App {
    let app = App::new().await;
    app.make_namespace(NewNamespace::named("team")).await;
    app.make_repository("team", "app", None).await;
    app
}

fn tags(pairs: &[(&str, &str)]) -> Value {
    let tag = |(key, value): &(&str, &str)| json!({ "Key": key, "Value": value });
    pairs.iter().map(tag).collect()
}

async fn tags_of(app: &App, path: &str) -> Value {
    let input = json!({ "resourceArn": arn(path) });
    told(app, "ListTagsForResource", input).await["tags"].take()
}

#[tokio::test]
async fn tags_are_set_listed_and_removed() {
    let app = stock().await;
    assert_eq!(tags_of(&app, NAME).await, json!([]));
    let first = tags(&[("team", "a"), ("cost centre", "12/34 + ü@x")]);
    let input = json!({ "resourceArn": arn(NAME), "tags": first });
    assert_eq!(told(&app, "TagResource", input).await, json!({}));
    let input = json!({ "resourceArn": arn(NAME), "tags": tags(&[("team", "b"), ("z", "")]) });
    told(&app, "TagResource", input).await;
    assert_eq!(
        tags_of(&app, NAME).await,
        tags(&[("cost centre", "12/34 + ü@x"), ("team", "b"), ("z", "")])
    );
    let input = json!({ "resourceArn": arn(NAME), "tagKeys": ["team", "none"] });
    assert_eq!(told(&app, "UntagResource", input).await, json!({}));
    assert_eq!(
        tags_of(&app, NAME).await,
        tags(&[("cost centre", "12/34 + ü@x"), ("z", "")])
    );
}

#[tokio::test]
async fn a_repository_is_made_with_its_tags_and_settings_and_they_end_with_it() {
    let app = stock().await;
    let filters = json!([{ "filterType": "WILDCARD", "filter": "dev-*" }]);
    let made = json!({
        "repositoryName": "team/new",
        "tags": tags(&[("a", "b")]),
        "imageTagMutability": "IMMUTABLE_WITH_EXCLUSION",
        "imageTagMutabilityExclusionFilters": filters,
        "imageScanningConfiguration": { "scanOnPush": true },
        "encryptionConfiguration": { "encryptionType": "AES256" },
    });
    let answer = told(&app, "CreateRepository", made).await;
    let name = json!({ "repositoryNames": ["team/new"] });
    let described = told(&app, "DescribeRepositories", name).await;
    assert_eq!(described["repositories"][0], answer["repository"]);
    let shown = &answer["repository"];
    assert_eq!(shown["imageTagMutability"], "IMMUTABLE_WITH_EXCLUSION");
    assert_eq!(shown["imageTagMutabilityExclusionFilters"], filters);
    assert_eq!(shown["imageScanningConfiguration"]["scanOnPush"], true);
    assert_eq!(tags_of(&app, "team/new").await, tags(&[("a", "b")]));
    let gone = json!({ "repositoryName": "team/new", "force": true });
    told(&app, "DeleteRepository", gone).await;
    let input = json!({ "resourceArn": arn("team/new") });
    assert_eq!(
        refused(&app, "ListTagsForResource", &input).await,
        "RepositoryNotFoundException"
    );
    told(
        &app,
        "CreateRepository",
        json!({ "repositoryName": "team/new" }),
    )
    .await;
    assert_eq!(tags_of(&app, "team/new").await, json!([]));
}

#[tokio::test]
async fn settings_go_round() {
    let app = stock().await;
    let described = async |field: &str| {
        let mut answer = told(&app, "DescribeRepositories", json!({})).await;
        answer["repositories"][0][field].take()
    };
    let filter = json!([{ "filterType": "WILDCARD", "filter": "v*" }]);
    for (mutability, filters) in [
        ("IMMUTABLE", None),
        ("IMMUTABLE_WITH_EXCLUSION", Some(&filter)),
        ("MUTABLE_WITH_EXCLUSION", Some(&filter)),
        ("MUTABLE", None),
    ] {
        let mut input = json!({ "repositoryName": NAME, "imageTagMutability": mutability });
        let mut expected = json!({
            "registryId": ACCOUNT, "repositoryName": NAME, "imageTagMutability": mutability,
        });
        if let Some(filters) = filters {
            input["imageTagMutabilityExclusionFilters"] = filters.clone();
            expected["imageTagMutabilityExclusionFilters"] = filters.clone();
        }
        assert_eq!(told(&app, "PutImageTagMutability", input).await, expected);
        assert_eq!(described("imageTagMutability").await, mutability);
        let shown = described("imageTagMutabilityExclusionFilters").await;
        assert_eq!(shown, filters.cloned().unwrap_or_default());
    }
    for scans in [true, false] {
        let setting = json!({ "scanOnPush": scans });
        let input = json!({ "repositoryName": NAME, "imageScanningConfiguration": setting });
        let mut expected = input.clone();
        expected["registryId"] = ACCOUNT.into();
        assert_eq!(
            told(&app, "PutImageScanningConfiguration", input).await,
            expected
        );
        assert_eq!(described("imageScanningConfiguration").await, setting);
        let input = json!({ "repositoryNames": [NAME, "team/none"] });
        let frequency = if scans { "SCAN_ON_PUSH" } else { "MANUAL" };
        assert_eq!(
            told(&app, "BatchGetRepositoryScanningConfiguration", input).await,
            json!({
                "scanningConfigurations": [{
                    "repositoryArn": arn(NAME),
                    "repositoryName": NAME,
                    "scanOnPush": scans,
                    "scanFrequency": frequency,
                    "appliedScanFilters": [],
                }],
                "failures": [{
                    "repositoryName": "team/none",
                    "failureCode": "REPOSITORY_NOT_FOUND",
                    "failureReason": format!(
                        "The repository with name 'team/none' does not exist in the registry with \
                         id '{ACCOUNT}'"
                    ),
                }],
            })
        );
    }
    assert_eq!(
        told(&app, "GetRegistryScanningConfiguration", json!({})).await,
        json!({
            "registryId": ACCOUNT,
            "scanningConfiguration": { "scanType": "BASIC", "rules": [] },
        })
    );
    let input = json!({ "name": "REGISTRY_POLICY_SCOPE" });
    assert_eq!(
        told(&app, "GetAccountSetting", input).await,
        json!({ "name": "REGISTRY_POLICY_SCOPE", "value": "V2" })
    );
}

#[tokio::test]
async fn a_rule_that_another_door_sets_has_no_exceptions() {
    let app = stock().await;
    let input = json!({
        "repositoryName": NAME,
        "imageTagMutability": "IMMUTABLE_WITH_EXCLUSION",
        "imageTagMutabilityExclusionFilters": [{ "filterType": "WILDCARD", "filter": "v*" }],
    });
    told(&app, "PutImageTagMutability", input).await;
    let change = transire::domain::repository::RepositoryChange {
        tag_immutability: Some(transire::domain::switch::Switch::On),
        ..Default::default()
    };
    let which = transire::service::RepositoryChoice::Named {
        namespace: "team".to_owned(),
        name: "app".to_owned(),
    };
    app.service
        .registry
        .modify_repository(
            &app.operator(),
            &app.choice(),
            &which,
            (Permission::ModifyRepository, &change),
        )
        .await
        .unwrap();
    let answer = told(&app, "DescribeRepositories", json!({})).await;
    assert_eq!(answer["repositories"][0]["imageTagMutability"], "IMMUTABLE");
}

#[tokio::test]
async fn tags_that_can_not_be_are_refused() {
    let app = stock().await;
    let many = |count: usize| -> Value {
        let tag = |number| json!({ "Key": format!("k{number}"), "Value": "" });
        (0..count).map(tag).collect()
    };
    let bad = [
        json!([{ "Key": "a" }]),
        json!([{ "Value": "a" }]),
        tags(&[("", "a")]),
        tags(&[("aws:a", "a")]),
        tags(&[("AWS:a", "a")]),
        tags(&[(&"k".repeat(129), "a")]),
        tags(&[("a", &"v".repeat(257))]),
        tags(&[("a*", "a")]),
        tags(&[("a", "a\nb")]),
        tags(&[("a", "1"), ("a", "2")]),
    ];
    for tags in bad {
        for (operation, input) in [
            (
                "TagResource",
                json!({ "resourceArn": arn(NAME), "tags": tags }),
            ),
            (
                "CreateRepository",
                json!({ "repositoryName": "team/new", "tags": tags }),
            ),
        ] {
            assert_eq!(
                refused(&app, operation, &input).await,
                "InvalidTagParameterException",
                "{input}"
            );
        }
    }
    let input = json!({ "resourceArn": arn(NAME), "tags": many(51) });
    assert_eq!(
        refused(&app, "TagResource", &input).await,
        "TooManyTagsException"
    );
    let input = json!({ "repositoryName": "team/new", "tags": many(51) });
    assert_eq!(
        refused(&app, "CreateRepository", &input).await,
        "TooManyTagsException"
    );
    let input = json!({ "resourceArn": arn(NAME), "tags": many(50) });
    told(&app, "TagResource", input).await;
    let input = json!({ "resourceArn": arn(NAME), "tags": tags(&[("more", "")]) });
    assert_eq!(
        refused(&app, "TagResource", &input).await,
        "TooManyTagsException"
    );
    let input = json!({ "resourceArn": arn(NAME), "tagKeys": ["aws:a"] });
    assert_eq!(
        refused(&app, "UntagResource", &input).await,
        "InvalidTagParameterException"
    );
}

#[tokio::test]
async fn resources_that_can_not_be_are_refused() {
    let app = stock().await;
    let bad = [
        json!(null),
        json!(""),
        json!(NAME),
        json!(arn("app")),
        json!(arn("team/../app")),
        json!(arn(NAME).replace("us-east-1", "eu-west-1")),
        json!(arn(NAME).replace(ACCOUNT, "1")),
        json!(arn(NAME).replace("arn:aws:ecr", "arn:aws:s3")),
    ];
    for (operation, more) in [
        ("ListTagsForResource", json!({})),
        ("TagResource", json!({ "tags": tags(&[("a", "b")]) })),
        ("UntagResource", json!({ "tagKeys": ["a"] })),
    ] {
        for arn in &bad {
            let mut input = more.clone();
            input["resourceArn"] = arn.clone();
            assert_eq!(
                refused(&app, operation, &input).await,
                "InvalidParameterException",
                "{operation} {arn}"
            );
        }
        let mut input = more.clone();
        input["resourceArn"] = arn("team/none").into();
        assert_eq!(
            refused(&app, operation, &input).await,
            "RepositoryNotFoundException"
        );
    }
    for (operation, missing) in [
        ("TagResource", json!({ "resourceArn": arn(NAME) })),
        ("UntagResource", json!({ "resourceArn": arn(NAME) })),
        (
            "UntagResource",
            json!({ "resourceArn": arn(NAME), "tagKeys": vec!["a"; 51] }),
        ),
    ] {
        assert_eq!(
            refused(&app, operation, &missing).await,
            "InvalidParameterException",
            "{missing}"
        );
    }
}

#[tokio::test]
async fn settings_that_can_not_be_are_refused() {
    let app = stock().await;
    let filter = |kind: &str, pattern: &str| json!({ "filterType": kind, "filter": pattern });
    let excluded = |filters: Value| {
        json!({
            "imageTagMutability": "IMMUTABLE_WITH_EXCLUSION",
            "imageTagMutabilityExclusionFilters": filters,
        })
    };
    let mutabilities = [
        json!({ "imageTagMutability": "SOMETIMES" }),
        json!({ "imageTagMutability": "IMMUTABLE_WITH_EXCLUSION" }),
        json!({
            "imageTagMutability": "IMMUTABLE",
            "imageTagMutabilityExclusionFilters": [filter("WILDCARD", "a")],
        }),
        json!({ "imageTagMutabilityExclusionFilters": [filter("WILDCARD", "a")] }),
        excluded(json!([])),
        excluded(json!([filter("REGEX", "a")])),
        excluded(json!([{ "filterType": "WILDCARD" }])),
        excluded(json!([filter("WILDCARD", "")])),
        excluded(json!([filter("WILDCARD", "a b")])),
        excluded(json!([filter("WILDCARD", "*a*b*")])),
        excluded(json!([filter("WILDCARD", &"a".repeat(129))])),
        excluded(json!(vec![filter("WILDCARD", "a"); 6])),
    ];
    for operation in ["CreateRepository", "PutImageTagMutability"] {
        for settings in &mutabilities {
            let mut input = settings.clone();
            input["repositoryName"] = NAME.into();
            assert_eq!(
                refused(&app, operation, &input).await,
                "InvalidParameterException",
                "{operation} {input}"
            );
        }
    }
    for (operation, input) in [
        ("PutImageTagMutability", json!({ "repositoryName": NAME })),
        (
            "PutImageTagMutability",
            json!({ "imageTagMutability": "MUTABLE" }),
        ),
        (
            "PutImageTagMutability",
            json!({
                "repositoryName": NAME, "imageTagMutability": "MUTABLE", "registryId": "1",
            }),
        ),
        (
            "PutImageScanningConfiguration",
            json!({ "repositoryName": NAME }),
        ),
        (
            "PutImageScanningConfiguration",
            json!({ "repositoryName": "app", "imageScanningConfiguration": {} }),
        ),
        ("BatchGetRepositoryScanningConfiguration", json!({})),
        (
            "BatchGetRepositoryScanningConfiguration",
            json!({ "repositoryNames": [] }),
        ),
        (
            "BatchGetRepositoryScanningConfiguration",
            json!({ "repositoryNames": vec![NAME; 26] }),
        ),
        (
            "BatchGetRepositoryScanningConfiguration",
            json!({ "repositoryNames": ["app"] }),
        ),
        ("GetAccountSetting", json!({})),
        ("GetAccountSetting", json!({ "name": "OTHER" })),
    ] {
        assert_eq!(
            refused(&app, operation, &input).await,
            "InvalidParameterException",
            "{operation} {input}"
        );
    }
}

#[tokio::test]
async fn each_setting_wants_its_right() {
    let app = stock().await;
    let settings = [
        (
            "TagResource",
            json!({ "resourceArn": arn(NAME), "tags": tags(&[("a", "b")]) }),
            "tcr:ModifyRepository",
        ),
        (
            "UntagResource",
            json!({ "resourceArn": arn(NAME), "tagKeys": ["a"] }),
            "tcr:ModifyRepository",
        ),
        (
            "PutImageTagMutability",
            json!({ "repositoryName": NAME, "imageTagMutability": "IMMUTABLE" }),
            "tcr:ModifyRepository",
        ),
        (
            "PutImageScanningConfiguration",
            json!({ "repositoryName": NAME, "imageScanningConfiguration": {} }),
            "tcr:ModifyRepository",
        ),
        (
            "ListTagsForResource",
            json!({ "resourceArn": arn(NAME) }),
            "tcr:DescribeRepositories",
        ),
        (
            "BatchGetRepositoryScanningConfiguration",
            json!({ "repositoryNames": [NAME] }),
            "tcr:DescribeRepositories",
        ),
        (
            "GetAccountSetting",
            json!({ "name": "BASIC_SCAN_TYPE_VERSION" }),
            "tcr:DescribeInstances",
        ),
    ];
    for wanted in [
        "tcr:ModifyRepository",
        "tcr:DescribeRepositories",
        "tcr:DescribeInstances",
    ] {
        let policy = cam(&json!([allow(wanted, "*")]));
        let name = wanted.trim_start_matches("tcr:").to_lowercase();
        let user = app.user(&name, &policy).await;
        for (operation, input, needed) in &settings {
            let answer = app.ecr(operation, input).by(&user).send().await;
            if *needed == wanted {
                assert_eq!(answer.status, 200, "{operation} {}", answer.body);
            } else {
                let (_, code, _) = refused_by_ecr(&answer);
                assert_eq!(code, "AccessDeniedException", "{operation} by {wanted}");
            }
        }
    }
}
