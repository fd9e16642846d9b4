//! Tencent's repositories: their fields, lists and parameters.

use serde_json::{Value, json};

use crate::harness::App;
use crate::harness::tencent::{a_namespace_with_a_repository, names, with};

/// An app with the repositories `team/app` and, 1.5 s younger, the public `open/tool`.
async fn two_repositories() -> App {
    let app = App::new().await;
    app.told(
        "CreateNamespace",
        json!({ "NamespaceName": "team", "IsPublic": false }),
    )
    .await;
    app.told(
        "CreateNamespace",
        json!({ "NamespaceName": "open", "IsPublic": true }),
    )
    .await;
    let made = json!({
        "NamespaceName": "team",
        "RepositoryName": "app",
        "BriefDescription": "short",
        "Description": "long\ntext",
    });
    assert_eq!(app.told("CreateRepository", made).await, json!({}));
    app.wait(std::time::Duration::from_millis(1500));
    app.told(
        "CreateRepository",
        json!({ "NamespaceName": "open", "RepositoryName": "tool" }),
    )
    .await;
    app
}

/// `team/app` as lists show it.
fn app_is() -> Value {
    json!({
        "Name": "team/app",
        "Namespace": "team",
        "CreationTime": "2025-01-03 04:04:17 +0000 UTC",
        "Public": false,
        "Description": "long\ntext",
        "BriefDescription": "short",
        "UpdateTime": "2025-01-03 04:04:17 +0000 UTC",
    })
}

/// `open/tool` as lists show it.
fn tool_is() -> Value {
    json!({
        "Name": "open/tool",
        "Namespace": "open",
        "CreationTime": "2025-01-03 04:04:18.5 +0000 UTC",
        "Public": true,
        "Description": "",
        "BriefDescription": "",
        "UpdateTime": "2025-01-03 04:04:18.5 +0000 UTC",
    })
}

#[tokio::test]
async fn repositories_have_the_documented_fields_and_pages_that_begin_at_one() {
    let app = two_repositories().await;
    let (app_is, tool_is) = (app_is(), tool_is());
    let list =
        |items: &[&Value], total: u64| json!({ "RepositoryList": items, "TotalCount": total });
    let (both, one, none) = (
        list(&[&app_is, &tool_is], 2),
        list(&[&app_is], 2),
        list(&[], 2),
    );
    for (parameters, expected) in [
        (json!({}), &both),
        // Terraform begins at zero with 200, and Harbor at one with 20.
        (json!({ "Offset": 0, "Limit": 200 }), &both),
        (json!({ "Offset": 200, "Limit": 200 }), &none),
        (json!({ "Offset": 1, "Limit": 20 }), &both),
        (json!({ "Offset": 1, "Limit": 1 }), &one),
        (json!({ "Offset": 2, "Limit": 1 }), &list(&[&tool_is], 2)),
        (json!({ "Offset": 3, "Limit": 1 }), &none),
        (json!({ "NamespaceName": "team" }), &list(&[&app_is], 1)),
        (
            json!({ "NamespaceName": "team", "RepositoryName": "app" }),
            &list(&[&app_is], 1),
        ),
        (json!({ "RepositoryName": "tool" }), &list(&[&tool_is], 1)),
        (json!({ "NamespaceName": "nobody" }), &list(&[], 0)),
        (
            json!({ "SortBy": "-creation_time" }),
            &list(&[&tool_is, &app_is], 2),
        ),
        (json!({ "SortBy": "-name" }), &list(&[&app_is, &tool_is], 2)),
        (json!({ "SortBy": "name" }), &list(&[&tool_is, &app_is], 2)),
        (
            json!({ "SortBy": "-update_time" }),
            &list(&[&tool_is, &app_is], 2),
        ),
    ] {
        assert_eq!(
            &app.told("DescribeRepositories", parameters.clone()).await,
            expected,
            "{parameters}"
        );
    }
}

#[tokio::test]
async fn an_order_by_another_field_is_refused() {
    let app = App::new().await;
    assert_eq!(
        app.refused("DescribeRepositories", json!({ "SortBy": "size" }))
            .await,
        "InvalidParameterValue"
    );
}

#[tokio::test]
async fn a_repository_is_changed_at_its_time() {
    let app = two_repositories().await;
    app.wait(std::time::Duration::from_secs(1));
    let change = json!({
        "NamespaceName": "team",
        "RepositoryName": "app",
        "BriefDescription": "",
        "Description": "other",
    });
    assert_eq!(app.told("ModifyRepository", change).await, json!({}));
    let said = app
        .told("DescribeRepositories", json!({ "SortBy": "-update_time" }))
        .await;
    assert_eq!(
        names(&said, "RepositoryList", "Name"),
        ["team/app", "open/tool"]
    );
    let app_is = &said["RepositoryList"][0];
    assert_eq!(
        (&app_is["BriefDescription"], &app_is["Description"]),
        (&json!(""), &json!("other"))
    );
    assert_eq!(app_is["UpdateTime"], "2025-01-03 04:04:19.5 +0000 UTC");
}

#[tokio::test]
async fn a_repository_is_deleted_once_and_before_its_namespace() {
    let app = two_repositories().await;
    let one = json!({ "NamespaceName": "team", "RepositoryName": "app" });
    // Whether it has images is for the registry to say.
    let careful = json!({ "NamespaceName": "team", "RepositoryName": "app", "ForceDelete": false });
    assert_eq!(
        app.refused("DeleteRepository", careful).await,
        "UnsupportedOperation"
    );
    assert_eq!(
        app.refused("DeleteNamespace", json!({ "NamespaceName": "team" }))
            .await,
        "FailedOperation.PreconditionFailed"
    );
    assert_eq!(app.told("DeleteRepository", one.clone()).await, json!({}));
    assert_eq!(
        app.refused("DeleteRepository", one).await,
        "ResourceNotFound"
    );
    app.told("DeleteNamespace", json!({ "NamespaceName": "team" }))
        .await;
}

/// The parameters of a repository in `team`.
fn repository(name: &str) -> Value {
    json!({ "NamespaceName": "team", "RepositoryName": name })
}

#[tokio::test]
async fn the_parameters_of_create_repository_are_checked() {
    let app = a_namespace_with_a_repository().await;
    app.refuses(
        "CreateRepository",
        [
            (repository("app"), "InvalidParameter.ErrRepoExist"),
            (repository("ab"), "InvalidParameterValue"),
            (repository("a/bc"), "InvalidParameterValue"),
            (repository(&"a".repeat(65)), "InvalidParameterValue"),
            (
                json!({ "NamespaceName": "nobody", "RepositoryName": "app" }),
                "ResourceNotFound",
            ),
            (json!({ "NamespaceName": "team" }), "MissingParameter"),
            (
                json!({
                    "NamespaceName": "team",
                    "RepositoryName": "new",
                    "BriefDescription": "a\nb",
                }),
                "InvalidParameterValue",
            ),
            (
                json!({
                    "NamespaceName": "team",
                    "RepositoryName": "new",
                    "Description": "a".repeat(2001),
                }),
                "InvalidParameterValue",
            ),
        ],
    )
    .await;
    assert_eq!(
        app.told("DescribeRepositories", json!({})).await["TotalCount"],
        1,
        "nothing was half done"
    );
}

#[tokio::test]
async fn the_parameters_of_modify_repository_are_checked() {
    let app = a_namespace_with_a_repository().await;
    app.refuses(
        "ModifyRepository",
        [
            (
                json!({ "NamespaceName": "team", "RepositoryName": "app", "Description": "x" }),
                "MissingParameter",
            ),
            (
                json!({
                    "NamespaceName": "team",
                    "RepositoryName": "new",
                    "BriefDescription": "",
                    "Description": "",
                }),
                "ResourceNotFound",
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn the_parameters_of_delete_repository_are_checked() {
    let app = a_namespace_with_a_repository().await;
    app.refuses(
        "DeleteRepository",
        [(
            json!({ "NamespaceName": "team", "RepositoryName": "app", "ForceDelete": "no" }),
            "InvalidParameter",
        )],
    )
    .await;
}

#[tokio::test]
async fn the_parameters_of_describe_repositories_are_checked() {
    let app = a_namespace_with_a_repository().await;
    app.refuses(
        "DescribeRepositories",
        [(json!({ "NamespaceName": ["team"] }), "InvalidParameter")],
    )
    .await;
}

#[tokio::test]
async fn a_repository_is_in_an_instance_of_the_account() {
    let app = a_namespace_with_a_repository().await;
    let changed = with(
        &repository("app"),
        &json!({ "BriefDescription": "", "Description": "" }),
    );
    for (action, body) in [
        ("CreateRepository", repository("app")),
        ("DescribeRepositories", json!({})),
        ("ModifyRepository", changed),
        ("DeleteRepository", repository("app")),
    ] {
        app.refuses_other_instances(action, body).await;
    }
}
