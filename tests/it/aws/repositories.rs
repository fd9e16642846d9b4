//! Repositories as ECR's clients make, list and delete them.

use serde_json::{Value, json};
use transire::service::NewNamespace;

use crate::harness::aws::refused_by_ecr;
use crate::harness::documents::{allow, cam};
use crate::harness::{ACCOUNT, App, NOW, SERVICE};

/// Calls an operation that is served.
async fn told(app: &App, operation: &str, input: Value) -> Value {
    let answer = app.ecr(operation, &input).send().await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()
}

/// Calls an operation that is refused, and returns its code.
async fn refused(app: &App, operation: &str, input: Value) -> String {
    refused_by_ecr(&app.ecr(operation, &input).send().await).1
}

async fn app_with_a_namespace() -> App {
    let app = App::new().await;
    app.make_namespace(NewNamespace::named("team")).await;
    app
}

#[tokio::test]
async fn a_repository_is_made_and_described() {
    let app = app_with_a_namespace().await;
    let expected = json!({
        "repositoryArn": format!("arn:aws:ecr:us-east-1:{ACCOUNT}:repository/team/app"),
        "registryId": ACCOUNT,
        "repositoryName": "team/app",
        "repositoryUri": format!("{SERVICE}/team/app"),
        "createdAt": NOW.unix_seconds(),
        "imageTagMutability": "MUTABLE",
        "imageScanningConfiguration": { "scanOnPush": false },
        "encryptionConfiguration": { "encryptionType": "AES256" },
    });
    let name = json!({ "repositoryName": "team/app" });
    let made = told(&app, "CreateRepository", name.clone()).await;
    assert_eq!(made, json!({ "repository": expected }));
    assert_eq!(
        refused(&app, "CreateRepository", name.clone()).await,
        "InvalidSignatureException",
        "a signature makes one durable change"
    );
    let again = json!({ "repositoryName": "team/app", "registryId": ACCOUNT });
    assert_eq!(
        refused(&app, "CreateRepository", again).await,
        "RepositoryAlreadyExistsException"
    );
    let listed = json!({ "repositories": [expected] });
    for input in [json!({}), json!({ "repositoryNames": ["team/app"] })] {
        assert_eq!(told(&app, "DescribeRepositories", input).await, listed);
    }
    let arn = &expected["repositoryArn"];
    let tags = told(&app, "ListTagsForResource", json!({ "resourceArn": arn })).await;
    assert_eq!(tags, json!({ "tags": [] }));
    // Nobody knows whether it has images: the instance says of no registry.
    assert_eq!(
        refused(&app, "DeleteRepository", name).await,
        "UnsupportedOperationException"
    );
}

#[tokio::test]
async fn repositories_are_listed_by_pages() {
    let app = app_with_a_namespace().await;
    for name in ["one", "two", "three"] {
        app.make_repository("team", name, None).await;
    }
    let names = |answer: &Value| -> Vec<String> {
        let all = answer["repositories"].as_array().unwrap();
        let name = |one: &Value| one["repositoryName"].as_str().unwrap().to_owned();
        all.iter().map(name).collect()
    };
    let first = told(&app, "DescribeRepositories", json!({ "maxResults": 2 })).await;
    assert_eq!(names(&first).len(), 2);
    let next = json!({ "maxResults": 2, "nextToken": first["nextToken"] });
    let second = told(&app, "DescribeRepositories", next).await;
    assert_eq!(names(&second).len(), 1);
    assert!(second.get("nextToken").is_none());
    let mut all = [names(&first), names(&second)].concat();
    all.sort_unstable();
    assert_eq!(all, ["team/one", "team/three", "team/two"]);
    for input in [
        json!({ "maxResults": 0 }),
        json!({ "maxResults": 1001 }),
        json!({ "nextToken": "x" }),
        json!({ "nextToken": "" }),
        json!({ "repositoryNames": [] }),
        json!({ "repositoryNames": vec!["team/one"; 101] }),
        json!({ "repositoryNames": ["one"] }),
        json!({ "registryId": "x" }),
        json!({ "maxResults": -1 }),
        json!({ "repositoryNames": ["team/one"], "maxResults": 5 }),
        json!({ "repositoryNames": ["team/one"], "nextToken": "1" }),
    ] {
        assert_eq!(
            refused(&app, "DescribeRepositories", input.clone()).await,
            "InvalidParameterException",
            "{input}"
        );
    }
}

#[tokio::test]
async fn what_a_repository_lacks_or_can_not_have_is_said() {
    let app = app_with_a_namespace().await;
    for (operation, input, code) in [
        ("CreateRepository", json!({}), "InvalidParameterException"),
        (
            "CreateRepository",
            json!({ "repositoryName": "app" }),
            "InvalidParameterException",
        ),
        (
            "CreateRepository",
            json!({ "repositoryName": "none/app" }),
            "InvalidParameterException",
        ),
        (
            "CreateRepository",
            json!({ "repositoryName": "team/APP" }),
            "InvalidParameterException",
        ),
        (
            "CreateRepository",
            json!({ "repositoryName": "team/app", "imageTagMutability": "SOMETIMES" }),
            "InvalidParameterException",
        ),
        (
            "CreateRepository",
            json!({
                "repositoryName": "team/app",
                "encryptionConfiguration": { "encryptionType": "KMS" },
            }),
            "UnsupportedOperationException",
        ),
        (
            "CreateRepository",
            json!({ "repositoryName": "team/app", "encryptionConfiguration": {} }),
            "InvalidParameterException",
        ),
        (
            "CreateRepository",
            json!({
                "repositoryName": "team/app",
                "encryptionConfiguration": { "encryptionType": "ROT13" },
            }),
            "InvalidParameterException",
        ),
        (
            "CreateRepository",
            json!({
                "repositoryName": "team/app",
                "encryptionConfiguration": { "encryptionType": "AES256", "kmsKey": "alias/a" },
            }),
            "InvalidParameterException",
        ),
        (
            "DescribeRepositories",
            json!({ "repositoryNames": ["team/app"] }),
            "RepositoryNotFoundException",
        ),
        (
            "DeleteRepository",
            json!({ "repositoryName": "team/app" }),
            "RepositoryNotFoundException",
        ),
        (
            "ListTagsForResource",
            json!({ "resourceArn": "arn:aws:ecr:us-east-1:1:other/team/app" }),
            "InvalidParameterException",
        ),
        (
            "ListTagsForResource",
            json!({}),
            "InvalidParameterException",
        ),
    ] {
        assert_eq!(
            refused(&app, operation, input.clone()).await,
            code,
            "{input}"
        );
    }
}

#[tokio::test]
async fn a_user_needs_rights_for_each_operation() {
    let app = app_with_a_namespace().await;
    app.make_repository("team", "app", None).await;
    let nobody = app
        .user("nobody", &cam(&json!([allow("tcr:DescribeRegions", "*")])))
        .await;
    let reads = cam(&json!([allow("tcr:DescribeRepositories", "*")]));
    let reader = app.user("reader", &reads).await;
    let app_of_team = json!({ "repositoryName": "team/app" });
    for (operation, input) in [
        ("DescribeRepositories", json!({})),
        (
            "DescribeRepositories",
            json!({ "repositoryNames": ["team/app"] }),
        ),
        ("CreateRepository", json!({ "repositoryName": "team/new" })),
        ("DeleteRepository", app_of_team),
        ("DescribeRegistry", json!({})),
    ] {
        let answer = app.ecr(operation, &input).by(&nobody).send().await;
        let (_, code, message) = refused_by_ecr(&answer);
        assert_eq!(code, "AccessDeniedException", "{operation}");
        assert!(message.contains(&format!("ecr:{operation}")), "{message}");
        let answer = app.ecr(operation, &input).by(&reader).send().await;
        let is_read = operation == "DescribeRepositories";
        assert_eq!(answer.status == 200, is_read, "{operation} {}", answer.body);
    }
}

#[tokio::test]
async fn a_registry_is_the_accounts_and_copies_nothing() {
    let app = App::new().await;
    assert_eq!(
        told(&app, "DescribeRegistry", json!({})).await,
        json!({ "registryId": ACCOUNT, "replicationConfiguration": { "rules": [] } })
    );
}
