//! Alibaba's repositories: their fields, lists and parameters.

use serde_json::{Value, json};

use crate::harness::App;
use crate::harness::tencent::names;

const NAMES_OF_APP: [(&str, &str); 2] = [("RepoNamespaceName", "team"), ("RepoName", "app")];

/// An app with the repository `team/app`, a value in each documented field; returns its id.
async fn a_repository() -> (App, String) {
    let app = App::new().await;
    app.told_cr("CreateNamespace", &[("NamespaceName", "team")])
        .await;
    let said = [
        ("RepoType", "PRIVATE"),
        ("Summary", "short"),
        ("Detail", "long"),
        ("TagImmutability", "true"),
    ];
    let made = app
        .told_cr(
            "CreateRepository",
            &[NAMES_OF_APP, [said[0], said[1]], [said[2], said[3]]].concat(),
        )
        .await;
    let id = made["RepoId"].as_str().unwrap().to_owned();
    assert!(
        id.starts_with("crr-") && id.len() == 20 && made.as_object().unwrap().len() == 1,
        "{made}"
    );
    (app, id)
}

/// An app with the repositories `app` and, a second apart, `app-1` to `app-4`.
async fn five_repositories() -> App {
    let (app, _) = a_repository().await;
    for number in 1..5 {
        app.wait(std::time::Duration::from_secs(1));
        app.make_repository("team", &format!("app-{number}"), None)
            .await;
    }
    app
}

struct Listed {
    names: String,
    total: String,
    token: String,
    page: Value,
}

/// Returns a page of the list.
async fn page(app: &App, parameters: &[(&str, &str)]) -> Listed {
    let said = app.told_cr("ListRepository", parameters).await;
    Listed {
        names: names(&said, "Repositories", "RepoName").join(" "),
        total: said["TotalCount"].as_str().unwrap().to_owned(),
        token: said["NextToken"].as_str().unwrap().to_owned(),
        page: said["PageNo"].clone(),
    }
}

#[tokio::test]
async fn a_repository_has_the_documented_fields() {
    let (app, id) = a_repository().await;
    let mut expected = json!({
        "RepoId": id,
        "RepoName": "app",
        "RepoNamespaceName": "team",
        "InstanceId": app.instance.cri_id.as_str(),
        "RepoType": "PRIVATE",
        "RepoStatus": "NORMAL",
        "RepoBuildType": "MANUAL",
        "Summary": "short",
        "Detail": "long",
        "TagImmutability": true,
        "CreateTime": app.now().unix_millis(),
        "ModifiedTime": app.now().unix_millis(),
        "ResourceGroupId": "",
    });
    assert_eq!(app.told_cr("GetRepository", &NAMES_OF_APP).await, expected);
    assert_eq!(
        app.told_cr("GetRepository", &[("RepoId", &id)]).await,
        expected
    );
    expected.as_object_mut().unwrap().remove("Detail");
    let listed = app
        .told_cr("ListRepository", &[("RepoStatus", "ALL")])
        .await;
    let whole = json!({
        "PageNo": 1,
        "PageSize": 30,
        "MaxResults": 30,
        "NextToken": "",
        "TotalCount": "1",
        "Repositories": [expected],
    });
    assert_eq!(listed, whole);
}

#[tokio::test]
async fn repositories_are_listed_by_numbered_pages_whose_token_goes_on() {
    let app = five_repositories().await;
    let second = page(&app, &[("PageSize", "2"), ("PageNo", "2")]).await;
    assert_eq!(
        (second.names.as_str(), second.total.as_str(), second.page),
        ("app-2 app-3", "5", json!(2))
    );
    let after = [("MaxResults", "2"), ("NextToken", second.token.as_str())];
    assert_eq!(page(&app, &after).await.names, "app-4");
}

#[tokio::test]
async fn the_token_comes_before_the_number_of_a_page() {
    let app = five_repositories().await;
    let mut seen = Vec::new();
    let mut token = String::new();
    loop {
        let listed = page(
            &app,
            &[
                ("MaxResults", "2"),
                ("NextToken", &token),
                ("PageNo", "9"),
                ("PageSize", "1"),
            ],
        )
        .await;
        assert_eq!(listed.total, "5");
        seen.push(listed.names);
        token = listed.token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, ["app app-1", "app-2 app-3", "app-4"]);
}

#[tokio::test]
async fn after_the_last_repository_a_page_is_empty() {
    let app = five_repositories().await;
    let last = [("MaxResults", "1"), ("NextToken", "after-4294967295")];
    assert_eq!(page(&app, &last).await.names, "");
}

#[tokio::test]
async fn repositories_are_listed_by_name_and_status() {
    let app = five_repositories().await;
    let one = [("RepoNamespaceName", "team"), ("RepoName", "app-3")];
    assert_eq!(page(&app, &one).await.names, "app-3");
    for (parameters, total) in [
        ([("RepoNamespaceName", "nobody")], "0"),
        ([("RepoStatus", "DELETED")], "0"),
        ([("RepoStatus", "NORMAL")], "5"),
    ] {
        assert_eq!(page(&app, &parameters).await.total, total, "{parameters:?}");
    }
}

#[tokio::test]
async fn a_repository_is_changed_by_its_name_and_by_its_id() {
    let (app, id) = a_repository().await;
    app.wait(std::time::Duration::from_secs(1));
    let update = [("RepoType", "PUBLIC"), ("Summary", "other"), ("Detail", "")];
    app.told_cr("UpdateRepository", &[&NAMES_OF_APP[..], &update].concat())
        .await;
    let said = app.told_cr("GetRepository", &[("RepoId", &id)]).await;
    assert_eq!(
        (&said["RepoType"], &said["Summary"], &said["Detail"]),
        (&json!("PUBLIC"), &json!("other"), &json!(""))
    );
    assert_eq!(
        (&said["TagImmutability"], &said["ModifiedTime"]),
        (&json!(true), &json!(app.now().unix_millis()))
    );
    app.told_cr(
        "UpdateRepository",
        &[
            ("RepoId", id.as_str()),
            ("RepoType", "PRIVATE"),
            ("Summary", "x"),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_deleted_repository_is_gone() {
    let (app, id) = a_repository().await;
    assert_eq!(
        app.told_cr("DeleteRepository", &[("RepoId", &id)]).await,
        json!({})
    );
    for action in ["GetRepository", "DeleteRepository"] {
        assert_eq!(
            app.refused_cr(action, &NAMES_OF_APP).await,
            (404, "REPO_NOT_EXIST".to_owned())
        );
    }
}

#[tokio::test]
async fn a_namespace_with_repositories_is_not_deleted() {
    let (app, _) = a_repository().await;
    assert_eq!(
        app.refused_cr("DeleteNamespace", &[("NamespaceName", "team")])
            .await,
        (400, "PreconditionFailed".to_owned())
    );
}

/// The parameters of a new repository, and those of the one that is there.
const MADE: [(&str, &str); 4] = [
    ("RepoNamespaceName", "team"),
    ("RepoName", "app"),
    ("RepoType", "PRIVATE"),
    ("Summary", "x"),
];

/// An app with the namespace `team`, and in it the repository `app`.
async fn a_namespace_with_a_repository() -> App {
    let app = App::new().await;
    app.told_cr("CreateNamespace", &[("NamespaceName", "team")])
        .await;
    app.told_cr("CreateRepository", &MADE).await;
    app
}

#[tokio::test]
async fn the_parameters_of_create_repository_are_checked() {
    let app = a_namespace_with_a_repository().await;
    let nobody = ("RepoNamespaceName", "nobody");
    app.refuses_cr(
        "CreateRepository",
        &[
            (&MADE[1..], 400, "MissingRepoNamespaceName"),
            (&MADE[..3], 400, "MissingSummary"),
            (&MADE, 400, "REPO_ALREADY_EXIST"),
            (
                &[MADE[0], ("RepoName", "a"), MADE[2], MADE[3]],
                400,
                "InvalidRepoName",
            ),
            (
                &[MADE[0], MADE[1], ("RepoType", "SECRET"), MADE[3]],
                400,
                "InvalidRepoType",
            ),
            (
                &[nobody, MADE[1], MADE[2], MADE[3]],
                404,
                "NAMESPACE_NOT_EXIST",
            ),
        ],
    )
    .await;
    assert_eq!(
        app.told_cr("ListRepository", &[]).await["TotalCount"],
        "1",
        "nothing was half done"
    );
}

#[tokio::test]
async fn the_parameters_of_get_repository_are_checked() {
    let app = a_namespace_with_a_repository().await;
    app.refuses_cr(
        "GetRepository",
        &[
            (&[], 400, "MissingRepoId"),
            (&MADE[..1], 400, "MissingRepoName"),
            (&MADE[1..2], 400, "MissingRepoNamespaceName"),
            (&[("RepoId", "crr-0000000000000000")], 404, "REPO_NOT_EXIST"),
            (&[("RepoId", "nonsense")], 404, "REPO_NOT_EXIST"),
        ],
    )
    .await;
}

#[tokio::test]
async fn the_parameters_of_update_repository_are_checked() {
    let app = a_namespace_with_a_repository().await;
    let nobody = ("RepoNamespaceName", "nobody");
    app.refuses_cr(
        "UpdateRepository",
        &[
            (&MADE[..2], 400, "MissingRepoType"),
            (&[nobody, MADE[1], MADE[2], MADE[3]], 404, "REPO_NOT_EXIST"),
        ],
    )
    .await;
}

#[tokio::test]
async fn the_parameters_of_delete_repository_are_checked() {
    let app = a_namespace_with_a_repository().await;
    let nobody = ("RepoNamespaceName", "nobody");
    app.refuses_cr(
        "DeleteRepository",
        &[(&[nobody, MADE[1]], 404, "REPO_NOT_EXIST")],
    )
    .await;
}

#[tokio::test]
async fn the_parameters_of_list_repository_are_checked() {
    let app = a_namespace_with_a_repository().await;
    app.refuses_cr(
        "ListRepository",
        &[
            (&[("MaxResults", "101")], 400, "InvalidMaxResults"),
            (&[("NextToken", "7")], 400, "InvalidNextToken"),
            (&[("NextToken", "after-")], 400, "InvalidNextToken"),
            (
                &[("NextToken", "after-99999999999")],
                400,
                "InvalidNextToken",
            ),
            (&[("RepoStatus", "GONE")], 400, "InvalidRepoStatus"),
        ],
    )
    .await;
}

#[tokio::test]
async fn repositories_are_listed_in_an_instance_of_the_account() {
    let app = App::new().await;
    app.lists_in_own_instances_alone("ListRepository").await;
}
