//! Alibaba's namespaces: their fields, lists and parameters.

use serde_json::{Value, json};

use crate::harness::App;
use crate::harness::tencent::names;

/// An app with the namespaces `team`, closed to new repositories and public by default, and
/// `other`, made by a configuration.
async fn two_namespaces() -> App {
    let app = App::new().await;
    let configuration = concat!(
        r#"{"RepoType":"PUBLIC","TagImmutability":true,"#,
        r#""ArtifactBuildRuleParameters":{"ImageIndexOnly":false}}"#,
    );
    app.told_cr(
        "CreateNamespace",
        &[
            ("NamespaceName", "team"),
            ("AutoCreateRepo", "false"),
            ("DefaultRepoType", "PUBLIC"),
        ],
    )
    .await;
    let made = app
        .told_cr(
            "CreateNamespace",
            &[
                ("NamespaceName", "other"),
                ("DefaultRepoConfiguration", configuration),
            ],
        )
        .await;
    assert_eq!(made, json!({}));
    app
}

/// Returns the id of `team`.
async fn id_of_team(app: &App) -> String {
    app.told_cr("GetNamespace", &[("NamespaceName", "team")])
        .await["NamespaceId"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// `team` as calls show it.
fn team(app: &App, id: &str) -> Value {
    json!({
        "InstanceId": app.instance.cri_id.as_str(),
        "NamespaceId": id,
        "NamespaceName": "team",
        "NamespaceStatus": "NORMAL",
        "AutoCreateRepo": false,
        "DefaultRepoType": "PUBLIC",
        "ResourceGroupId": "",
        "DefaultRepoConfiguration": {
            "RepoType": "PUBLIC",
            "TagImmutability": false,
            "ArtifactBuildRuleParameters": { "ImageIndexOnly": false },
        },
    })
}

#[tokio::test]
async fn a_namespace_has_the_documented_fields() {
    let app = two_namespaces().await;
    let mut said = app
        .told_cr("GetNamespace", &[("NamespaceName", "team")])
        .await;
    let id = said["NamespaceId"].as_str().unwrap().to_owned();
    assert!(id.starts_with("crn-") && id.len() == 20, "{id}");
    let team = team(&app, &id);
    assert_eq!(said, team);
    said = app
        .told_cr(
            "GetNamespace",
            &[("NamespaceId", &id), ("NamespaceName", "team")],
        )
        .await;
    assert_eq!(said, team);
}

#[tokio::test]
async fn the_configuration_of_a_new_namespace_sets_its_defaults() {
    let app = two_namespaces().await;
    let mut listed = app.told_cr("ListNamespace", &[]).await;
    let other = listed["Namespaces"]
        .as_array_mut()
        .unwrap()
        .iter_mut()
        .find(|one| one["NamespaceName"] == "other")
        .unwrap()
        .take();
    assert_eq!(
        (&other["AutoCreateRepo"], &other["DefaultRepoType"]),
        (&json!(true), &json!("PUBLIC"))
    );
    assert_eq!(other["DefaultRepoConfiguration"]["TagImmutability"], true);
}

#[tokio::test]
async fn namespaces_are_listed_by_name_and_status() {
    let app = two_namespaces().await;
    let team = team(&app, &id_of_team(&app).await);
    let one = app
        .told_cr(
            "ListNamespace",
            &[("NamespaceName", "team"), ("NamespaceStatus", "NORMAL")],
        )
        .await;
    assert_eq!(
        one,
        json!({ "PageNo": 1, "PageSize": 30, "TotalCount": "1", "Namespaces": [team] })
    );
}

#[tokio::test]
async fn namespaces_are_listed_by_pages() {
    let app = two_namespaces().await;
    for (parameters, names_are, total) in [
        (&[("PageSize", "1")][..], 1, "2"),
        (&[("PageSize", "1"), ("PageNo", "2")], 1, "2"),
        (&[("PageSize", "1"), ("PageNo", "3")], 0, "2"),
        (&[("PageSize", "100"), ("PageNo", "2147483647")], 0, "2"),
        (&[("NamespaceName", "nobody")], 0, "0"),
        (&[("NamespaceStatus", "DELETING")], 0, "0"),
    ] {
        let said = app.told_cr("ListNamespace", parameters).await;
        assert_eq!(
            (
                names(&said, "Namespaces", "NamespaceName").len(),
                &said["TotalCount"]
            ),
            (names_are, &json!(total)),
            "{parameters:?}"
        );
    }
}

#[tokio::test]
async fn a_field_that_is_not_given_stays() {
    let app = two_namespaces().await;
    let id = id_of_team(&app).await;
    app.told_cr(
        "UpdateNamespace",
        &[("NamespaceName", "team"), ("AutoCreateRepo", "true")],
    )
    .await;
    let said = app.told_cr("GetNamespace", &[("NamespaceId", &id)]).await;
    assert_eq!(
        (&said["AutoCreateRepo"], &said["DefaultRepoType"]),
        (&json!(true), &json!("PUBLIC"))
    );
    app.told_cr(
        "UpdateNamespace",
        &[("NamespaceName", "team"), ("DefaultRepoType", "PRIVATE")],
    )
    .await;
    let said = app.told_cr("GetNamespace", &[("NamespaceId", &id)]).await;
    assert_eq!(
        (&said["AutoCreateRepo"], &said["DefaultRepoType"]),
        (&json!(true), &json!("PRIVATE"))
    );
}

#[tokio::test]
async fn a_deleted_namespace_is_gone() {
    let app = two_namespaces().await;
    let id = id_of_team(&app).await;
    assert_eq!(
        app.told_cr("DeleteNamespace", &[("NamespaceName", "team")])
            .await,
        json!({})
    );
    assert_eq!(
        app.refused_cr("GetNamespace", &[("NamespaceId", &id)])
            .await,
        (404, "NAMESPACE_NOT_EXIST".to_owned())
    );
}

/// An app with the namespace `team`, and in it the repository `app`.
async fn a_namespace_with_a_repository() -> App {
    let app = App::new().await;
    app.told_cr("CreateNamespace", &[("NamespaceName", "team")])
        .await;
    app.make_repository("team", "app", None).await;
    app
}

#[tokio::test]
async fn the_parameters_of_create_namespace_are_checked() {
    let app = a_namespace_with_a_repository().await;
    let new = ("NamespaceName", "new");
    app.refuses_cr(
        "CreateNamespace",
        &[
            (&[][..], 400, "MissingNamespaceName"),
            (&[("NamespaceName", "Team")], 400, "InvalidNamespaceName"),
            (
                &[("NamespaceName", &"a".repeat(31))],
                400,
                "InvalidNamespaceName",
            ),
            (
                &[new, ("AutoCreateRepo", "yes")],
                400,
                "InvalidAutoCreateRepo",
            ),
            (
                &[new, ("DefaultRepoType", "public")],
                400,
                "InvalidDefaultRepoType",
            ),
            (
                &[new, ("DefaultRepoConfiguration", "{")],
                400,
                "InvalidDefaultRepoConfiguration",
            ),
            (
                &[new, ("DefaultRepoConfiguration", r#"{"RepoType":"OPEN"}"#)],
                400,
                "InvalidDefaultRepoConfiguration",
            ),
            (
                &[new, ("DefaultRepoConfiguration", r#"{"Colour":"red"}"#)],
                400,
                "InvalidDefaultRepoConfiguration",
            ),
            (
                &[
                    new,
                    ("DefaultRepoType", "PUBLIC"),
                    (
                        "DefaultRepoConfiguration",
                        r#"{"RepoType":"PRIVATE","TagImmutability":false}"#,
                    ),
                ],
                400,
                "InvalidDefaultRepoConfiguration",
            ),
            (
                &[
                    new,
                    (
                        "DefaultRepoConfiguration",
                        r#"{"ArtifactBuildRuleParameters":{"ImageIndexOnly":true}}"#,
                    ),
                ],
                400,
                "UnsupportedOperation",
            ),
            (&[("NamespaceName", "team")], 400, "NAMESPACE_ALREADY_EXIST"),
        ],
    )
    .await;
    assert_eq!(
        app.told_cr("ListNamespace", &[]).await["TotalCount"],
        "1",
        "nothing was half done"
    );
}

#[tokio::test]
async fn the_parameters_of_get_namespace_are_checked() {
    let app = a_namespace_with_a_repository().await;
    let id = id_of_team(&app).await;
    app.refuses_cr(
        "GetNamespace",
        &[
            (&[], 400, "MissingNamespaceName"),
            (&[("NamespaceName", "nobody")], 404, "NAMESPACE_NOT_EXIST"),
            (
                &[("NamespaceId", "crn-0000000000000000")],
                404,
                "NAMESPACE_NOT_EXIST",
            ),
            (&[("NamespaceId", "nonsense")], 404, "NAMESPACE_NOT_EXIST"),
            (
                &[("NamespaceId", &id), ("NamespaceName", "other")],
                400,
                "InvalidNamespaceName",
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn the_parameters_of_list_namespace_are_checked() {
    let app = a_namespace_with_a_repository().await;
    app.refuses_cr(
        "ListNamespace",
        &[
            (&[("PageNo", "0")], 400, "InvalidPageNo"),
            (&[("PageSize", "101")], 400, "InvalidPageSize"),
            (&[("PageSize", "+1")], 400, "InvalidPageSize"),
            (
                &[("NamespaceStatus", "GONE")],
                400,
                "InvalidNamespaceStatus",
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn the_parameters_of_update_namespace_are_checked() {
    let app = a_namespace_with_a_repository().await;
    app.refuses_cr(
        "UpdateNamespace",
        &[(&[("NamespaceName", "nobody")], 404, "NAMESPACE_NOT_EXIST")],
    )
    .await;
}

#[tokio::test]
async fn the_parameters_of_delete_namespace_are_checked() {
    let app = a_namespace_with_a_repository().await;
    app.refuses_cr(
        "DeleteNamespace",
        &[(&[("NamespaceName", "nobody")], 404, "NAMESPACE_NOT_EXIST")],
    )
    .await;
}

#[tokio::test]
async fn namespaces_are_listed_in_an_instance_of_the_account() {
    let app = App::new().await;
    app.lists_in_own_instances_alone("ListNamespace").await;
}
