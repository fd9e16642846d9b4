//! Tencent's namespaces: their fields, lists and parameters.

use serde_json::{Value, json};
use transire::service::NewNamespace;

use crate::harness::App;
use crate::harness::tencent::{a_namespace_with_a_repository, names, with};

/// A namespace with a value in each documented field.
fn made() -> Value {
    json!({
        "NamespaceName": "team",
        "IsPublic": true,
        "IsAutoScan": true,
        "IsPreventVUL": false,
        "Severity": "high",
        "CVEWhitelistItems": [{ "CVEID": "CVE-2021-44228" }],
        "TagSpecification": {
            "ResourceType": "namespace",
            "Tags": [{ "Key": "env", "Value": "ci" }, { "Key": "empty" }],
        },
    })
}

/// The list that shows it, without its number.
fn shown() -> Value {
    json!({
        "NamespaceList": [{
            "Name": "team",
            "CreationTime": "2025-01-03T04:04:17Z",
            "Public": true,
            "NamespaceId": null,
            "TagSpecification": {
                "ResourceType": "namespace",
                "Tags": [{ "Key": "empty", "Value": "" }, { "Key": "env", "Value": "ci" }],
            },
            "Metadata": [
                { "Key": "auto_scan", "Value": "true" },
                { "Key": "prevent_vul", "Value": "false" },
            ],
            "CVEWhitelistItems": [{ "CVEID": "CVE-2021-44228" }],
            "AutoScan": true,
            "PreventVUL": false,
            "Severity": "high",
        }],
        "TotalCount": 1,
    })
}

#[tokio::test]
async fn a_namespace_has_the_documented_fields() {
    let app = App::new().await;
    assert_eq!(app.told("CreateNamespace", made()).await, json!({}));
    let mut said = app
        .told("DescribeNamespaces", json!({ "NamespaceName": "team" }))
        .await;
    let number = said["NamespaceList"][0]["NamespaceId"].take();
    assert!(number.as_i64().is_some_and(|number| number > 0));
    assert_eq!(said, shown());
}

#[tokio::test]
async fn a_field_that_is_not_given_stays() {
    let app = App::new().await;
    app.told("CreateNamespace", made()).await;
    assert_eq!(
        app.told("ModifyNamespace", json!({ "NamespaceName": "team" }))
            .await,
        json!({})
    );
    let mut said = app.told("DescribeNamespaces", json!({})).await;
    said["NamespaceList"][0]["NamespaceId"].take();
    assert_eq!(said, shown());
}

#[tokio::test]
async fn every_field_is_changed_and_given_tags_take_the_place_of_all() {
    let app = App::new().await;
    app.told("CreateNamespace", made()).await;
    let number =
        app.told("DescribeNamespaces", json!({})).await["NamespaceList"][0]["NamespaceId"].take();
    let change = json!({
        "NamespaceName": "team",
        "IsPublic": false,
        "IsAutoScan": false,
        "IsPreventVUL": true,
        "Severity": "",
        "CVEWhitelistItems": [],
        "TagSpecification": { "ResourceType": "namespace", "Tags": [] },
    });
    app.told("ModifyNamespace", change).await;
    let said = app.told("DescribeNamespaces", json!({})).await["NamespaceList"][0].take();
    assert_eq!(
        (&said["Public"], &said["AutoScan"], &said["PreventVUL"]),
        (&json!(false), &json!(false), &json!(true))
    );
    assert_eq!(
        (
            &said["Severity"],
            &said["CVEWhitelistItems"],
            &said["TagSpecification"]["Tags"]
        ),
        (&json!(""), &json!([]), &json!([]))
    );
    assert_eq!(said["NamespaceId"], number);
}

#[tokio::test]
async fn a_deleted_namespace_is_gone() {
    let app = App::new().await;
    app.told("CreateNamespace", made()).await;
    assert_eq!(
        app.told("DeleteNamespace", json!({ "NamespaceName": "team" }))
            .await,
        json!({})
    );
    assert_eq!(
        app.told("DescribeNamespaces", json!({})).await,
        json!({ "NamespaceList": [], "TotalCount": 0 })
    );
}

/// An app with the namespaces `team-0` to `team-4`, the oldest first.
async fn five_namespaces() -> App {
    let app = App::new().await;
    for number in 0..5 {
        app.make_namespace(NewNamespace::named(format!("team-{number}")))
            .await;
        app.wait(std::time::Duration::from_secs(1));
    }
    app
}

/// Returns the names that a call lists, and the total that it says.
async fn listed(app: &App, parameters: Value) -> (String, u64) {
    let said = app.told("DescribeNamespaces", parameters).await;
    let names = names(&said, "NamespaceList", "Name").join(" ");
    (names, said["TotalCount"].as_u64().unwrap())
}

#[tokio::test]
async fn namespaces_are_listed_by_pages_that_begin_at_zero() {
    let app = five_namespaces().await;
    let all = "team-0 team-1 team-2 team-3 team-4";
    for (parameters, names, total) in [
        (json!({}), all, 5),
        (json!({ "Offset": 0, "Limit": 2 }), "team-0 team-1", 5),
        (json!({ "Offset": 1, "Limit": 2 }), "team-2 team-3", 5),
        (json!({ "Offset": 2, "Limit": 2 }), "team-4", 5),
        (json!({ "Offset": 3, "Limit": 2 }), "", 5),
        // Terraform's first and second look.
        (json!({ "Offset": 0, "Limit": 200 }), all, 5),
        (json!({ "Offset": 200, "Limit": 200 }), "", 5),
        (json!({ "Offset": i64::MAX, "Limit": 1000 }), "", 5),
        (json!({ "Offset": 7, "Limit": 2, "All": true }), all, 5),
        (json!({ "NamespaceName": "team-3" }), "team-3", 1),
        (json!({ "NamespaceName": "team" }), "", 0),
        (json!({ "NamespaceName": "" }), all, 5),
        (json!({ "KmsSignPolicy": true }), "", 0),
    ] {
        assert_eq!(
            listed(&app, parameters.clone()).await,
            (names.to_owned(), total),
            "{parameters}"
        );
    }
}

#[tokio::test]
async fn a_page_outside_of_its_limits_is_refused() {
    let app = App::new().await;
    for bad in [
        json!({ "Limit": 0 }),
        json!({ "Limit": 1001 }),
        json!({ "Limit": -1 }),
        json!({ "Offset": -1 }),
    ] {
        assert_eq!(
            app.refused("DescribeNamespaces", bad).await,
            "InvalidParameterValue"
        );
    }
}

/// Gives two of the five namespaces a tag each.
async fn tag_two(app: &App) {
    for (name, tags) in [
        ("team-1", json!([{ "Key": "env", "Value": "ci" }])),
        ("team-2", json!([{ "Key": "env", "Value": "a:b" }])),
    ] {
        app.told(
            "ModifyNamespace",
            json!({ "NamespaceName": name, "TagSpecification": { "Tags": tags } }),
        )
        .await;
    }
}

/// A filter by tags.
fn by_tags(values: &[&str]) -> Value {
    json!({ "Name": "Tags", "Values": values })
}

#[tokio::test]
async fn filters_find_namespaces_by_their_tags() {
    let app = five_namespaces().await;
    tag_two(&app).await;
    for (filters, names, total) in [
        (json!([by_tags(&["env:ci"])]), "team-1", 1),
        (json!([by_tags(&["env:ci", "env:a:b"])]), "team-1 team-2", 2),
        (json!([by_tags(&["env:ci"]), by_tags(&["env:a:b"])]), "", 0),
        (json!([by_tags(&["env:"])]), "", 0),
    ] {
        assert_eq!(
            listed(&app, json!({ "Filters": filters })).await,
            (names.to_owned(), total),
            "{filters}"
        );
    }
    let second = json!({
        "Filters": [by_tags(&["env:ci", "env:a:b"])],
        "Offset": 1,
        "Limit": 1,
    });
    assert_eq!(listed(&app, second).await, ("team-2".to_owned(), 2));
}

#[tokio::test]
async fn a_filter_of_another_form_is_refused() {
    let app = App::new().await;
    for bad in [
        json!([{ "Name": "Colour", "Values": ["a:b"] }]),
        json!([by_tags(&["env"])]),
    ] {
        assert_eq!(
            app.refused("DescribeNamespaces", json!({ "Filters": bad }))
                .await,
            "InvalidParameterValue"
        );
    }
}

/// The parameters of a new namespace, with some more.
fn namespace(more: &Value) -> Value {
    with(&json!({ "NamespaceName": "new", "IsPublic": false }), more)
}

#[tokio::test]
async fn the_parameters_of_create_namespace_are_checked() {
    let app = a_namespace_with_a_repository().await;
    app.refuses(
        "CreateNamespace",
        [
            (json!({ "IsPublic": true }), "MissingParameter"),
            (json!({ "NamespaceName": "new" }), "MissingParameter"),
            (namespace(&json!({ "Colour": "red" })), "UnknownParameter"),
            (
                namespace(&json!({ "IsPublic": "true" })),
                "InvalidParameter",
            ),
            (
                namespace(&json!({ "NamespaceName": 7 })),
                "InvalidParameter",
            ),
            (
                namespace(&json!({ "NamespaceName": "a" })),
                "InvalidParameterValue",
            ),
            (
                namespace(&json!({ "NamespaceName": "Team" })),
                "InvalidParameterValue",
            ),
            (
                namespace(&json!({ "NamespaceName": "a/b" })),
                "InvalidParameterValue",
            ),
            (
                namespace(&json!({ "NamespaceName": "a".repeat(31) })),
                "InvalidParameterValue",
            ),
            (
                namespace(&json!({ "Severity": "critical" })),
                "InvalidParameterValue",
            ),
            (
                namespace(&json!({ "CVEWhitelistItems": [{ "CVEID": "1" }] })),
                "InvalidParameterValue",
            ),
            (
                namespace(&json!({ "CVEWhitelistItems": [{}] })),
                "MissingParameter",
            ),
            (
                namespace(&json!({ "CVEWhitelistItems": ["CVE-2021-44228"] })),
                "InvalidParameter",
            ),
            (
                json!({ "NamespaceName": "team", "IsPublic": true }),
                "InvalidParameter.ErrNamespaceExist",
            ),
        ],
    )
    .await;
    assert_eq!(
        app.told("DescribeNamespaces", json!({})).await["TotalCount"],
        1,
        "nothing was half done"
    );
}

#[tokio::test]
async fn the_tags_of_a_new_namespace_are_checked() {
    let app = a_namespace_with_a_repository().await;
    let tags = |tags: Value| namespace(&json!({ "TagSpecification": { "Tags": tags } }));
    let many: Vec<Value> = (0..21)
        .map(|number| json!({ "Key": format!("key-{number}"), "Value": "" }))
        .collect();
    app.refuses(
        "CreateNamespace",
        [
            (
                namespace(&json!({ "TagSpecification": [] })),
                "InvalidParameter",
            ),
            (
                namespace(&json!({ "TagSpecification": { "Tag": [] } })),
                "UnknownParameter",
            ),
            (
                namespace(&json!({ "TagSpecification": { "ResourceType": "cluster" } })),
                "InvalidParameterValue",
            ),
            (
                tags(json!([{ "Key": "aliyun" , "Value": "x" }])),
                "InvalidParameterValue",
            ),
            (
                tags(json!([{ "Key": "a", "Value": "x" }, { "Key": "a", "Value": "y" }])),
                "InvalidParameterValue",
            ),
            (tags(json!(many)), "InvalidParameter.ErrorTagOverLimit"),
        ],
    )
    .await;
    assert_eq!(
        app.told("DescribeNamespaces", json!({})).await["TotalCount"],
        1,
        "nothing was half done"
    );
}

#[tokio::test]
async fn the_parameters_of_modify_namespace_are_checked() {
    let app = a_namespace_with_a_repository().await;
    app.refuses(
        "ModifyNamespace",
        [(
            json!({ "NamespaceName": "nobody", "IsPublic": true }),
            "ResourceNotFound",
        )],
    )
    .await;
}

#[tokio::test]
async fn the_parameters_of_delete_namespace_are_checked() {
    let app = a_namespace_with_a_repository().await;
    app.refuses(
        "DeleteNamespace",
        [
            (json!({ "NamespaceName": "nobody" }), "ResourceNotFound"),
            (json!({}), "MissingParameter"),
        ],
    )
    .await;
}

#[tokio::test]
async fn the_parameters_of_describe_namespaces_are_checked() {
    let app = a_namespace_with_a_repository().await;
    app.refuses(
        "DescribeNamespaces",
        [
            (json!({ "Limit": "20" }), "InvalidParameter"),
            (
                json!({ "Filters": [{ "Values": ["a:b"] }] }),
                "MissingParameter",
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_namespace_is_in_an_instance_of_the_account() {
    let app = a_namespace_with_a_repository().await;
    let team = json!({ "NamespaceName": "team" });
    for (action, body) in [
        ("CreateNamespace", namespace(&json!({}))),
        ("DescribeNamespaces", json!({})),
        ("ModifyNamespace", team.clone()),
        ("DeleteNamespace", team),
    ] {
        app.refuses_other_instances(action, body).await;
    }
}
