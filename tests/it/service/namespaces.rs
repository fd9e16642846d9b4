//! Namespaces and repositories: at both doors, and what they mean at the token exchange.

use serde_json::{Value, json};
use transire::domain::clock::{SystemClock, SystemRandom};
use transire::domain::instance::UnrecordedNamespaces;
use transire::domain::namespace::{NamespaceChange, Visibility};
use transire::domain::repository::{Repository, RepositoryId};
use transire::domain::secret::Secret;
use transire::service::{Contents, InstanceChoice, NewNamespace, Page, RepositoryFilter};
use transire::store::{self, Location, Open, Operation, Store, Write};

use crate::harness::App;
use crate::harness::documents::{allow, cam, deny, ram, ram_allow};
use crate::harness::identity::app_of_user;
use crate::harness::operator::account;
use crate::harness::registry::granted;
use crate::harness::tencent::code;

fn names<'a>(said: &'a Value, list: &str, name: &str) -> Vec<&'a str> {
    said[list]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item[name].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn tencents_namespaces_have_the_documented_fields() {
    let app = App::new().await;
    let made = json!({
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
    });
    assert_eq!(app.told("CreateNamespace", made).await, json!({}));
    let mut said = app
        .told("DescribeNamespaces", json!({ "NamespaceName": "team" }))
        .await;
    let number = said["NamespaceList"][0]["NamespaceId"].take();
    assert!(number.as_i64().is_some_and(|number| number > 0));
    let expected = json!({
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
    });
    assert_eq!(said, expected);

    // A field that isn't given stays, and given tags take the place of all.
    assert_eq!(
        app.told("ModifyNamespace", json!({ "NamespaceName": "team" }))
            .await,
        json!({})
    );
    let mut said = app.told("DescribeNamespaces", json!({})).await;
    said["NamespaceList"][0]["NamespaceId"].take();
    assert_eq!(said, expected);
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

#[tokio::test]
async fn tencents_namespaces_are_listed_by_pages_that_begin_at_zero() {
    let app = App::new().await;
    for number in 0..5 {
        app.make_namespace(NewNamespace::named(format!("team-{number}")))
            .await;
        app.wait(std::time::Duration::from_secs(1));
    }
    let listed = async |parameters: Value| {
        let said = app.told("DescribeNamespaces", parameters).await;
        let names: Vec<String> = names(&said, "NamespaceList", "Name")
            .into_iter()
            .map(ToOwned::to_owned)
            .collect();
        (names.join(" "), said["TotalCount"].as_u64().unwrap())
    };
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
            listed(parameters.clone()).await,
            (names.to_owned(), total),
            "{parameters}"
        );
    }
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
    let filter = |values: Value| json!({ "Name": "Tags", "Values": values });
    for (filters, names, total) in [
        (json!([filter(json!(["env:ci"]))]), "team-1", 1),
        (
            json!([filter(json!(["env:ci", "env:a:b"]))]),
            "team-1 team-2",
            2,
        ),
        (
            json!([filter(json!(["env:ci"])), filter(json!(["env:a:b"]))]),
            "",
            0,
        ),
        (json!([filter(json!(["env:"]))]), "", 0),
    ] {
        assert_eq!(
            listed(json!({ "Filters": filters })).await,
            (names.to_owned(), total),
            "{filters}"
        );
    }
    let second =
        json!({ "Filters": [filter(json!(["env:ci", "env:a:b"]))], "Offset": 1, "Limit": 1 });
    assert_eq!(listed(second).await, ("team-2".to_owned(), 2));
    for bad in [
        json!([{ "Name": "Colour", "Values": ["a:b"] }]),
        json!([filter(json!(["env"]))]),
    ] {
        assert_eq!(
            app.refused("DescribeNamespaces", json!({ "Filters": bad }))
                .await,
            "InvalidParameterValue"
        );
    }
}

#[tokio::test]
async fn tencents_repositories_have_the_documented_fields_and_pages_that_begin_at_one() {
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
    let app_is = json!({
        "Name": "team/app",
        "Namespace": "team",
        "CreationTime": "2025-01-03 04:04:17 +0000 UTC",
        "Public": false,
        "Description": "long\ntext",
        "BriefDescription": "short",
        "UpdateTime": "2025-01-03 04:04:17 +0000 UTC",
    });
    let tool_is = json!({
        "Name": "open/tool",
        "Namespace": "open",
        "CreationTime": "2025-01-03 04:04:18.5 +0000 UTC",
        "Public": true,
        "Description": "",
        "BriefDescription": "",
        "UpdateTime": "2025-01-03 04:04:18.5 +0000 UTC",
    });
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
    assert_eq!(
        app.refused("DescribeRepositories", json!({ "SortBy": "size" }))
            .await,
        "InvalidParameterValue"
    );

    app.wait(std::time::Duration::from_secs(1));
    let one = json!({ "NamespaceName": "team", "RepositoryName": "app" });
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

#[tokio::test]
async fn alibabas_namespaces_have_the_documented_fields() {
    let app = App::new().await;
    let cri = app.instance.cri_id.as_str();
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
    let mut said = app
        .told_cr("GetNamespace", &[("NamespaceName", "team")])
        .await;
    let id = said["NamespaceId"].as_str().unwrap().to_owned();
    assert!(id.starts_with("crn-") && id.len() == 20, "{id}");
    let team = json!({
        "InstanceId": cri,
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
    });
    assert_eq!(said, team);
    said = app
        .told_cr(
            "GetNamespace",
            &[("NamespaceId", &id), ("NamespaceName", "team")],
        )
        .await;
    assert_eq!(said, team);
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

    // A field that isn't given stays.
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

#[tokio::test]
async fn alibabas_repositories_have_the_documented_fields_and_both_ways_to_page() {
    let app = App::new().await;
    app.told_cr("CreateNamespace", &[("NamespaceName", "team")])
        .await;
    let names_of_app = [("RepoNamespaceName", "team"), ("RepoName", "app")];
    let said = [
        ("RepoType", "PRIVATE"),
        ("Summary", "short"),
        ("Detail", "long"),
        ("TagImmutability", "true"),
    ];
    let made = app
        .told_cr(
            "CreateRepository",
            &[names_of_app, [said[0], said[1]], [said[2], said[3]]].concat(),
        )
        .await;
    let id = made["RepoId"].as_str().unwrap().to_owned();
    assert!(
        id.starts_with("crr-") && id.len() == 20 && made.as_object().unwrap().len() == 1,
        "{made}"
    );
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
    assert_eq!(app.told_cr("GetRepository", &names_of_app).await, expected);
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

    for number in 1..5 {
        app.wait(std::time::Duration::from_secs(1));
        app.make_repository("team", &format!("app-{number}"), None)
            .await;
    }
    let page = async |parameters: &[(&str, &str)]| {
        let said = app.told_cr("ListRepository", parameters).await;
        let names = names(&said, "Repositories", "RepoName").join(" ");
        (
            names,
            said["TotalCount"].as_str().unwrap().to_owned(),
            said["NextToken"].as_str().unwrap().to_owned(),
            said["PageNo"].clone(),
        )
    };
    let (names_of_page, total, token, number) = page(&[("PageSize", "2"), ("PageNo", "2")]).await;
    assert_eq!(
        (names_of_page.as_str(), total.as_str(), number),
        ("app-2 app-3", "5", json!(2))
    );
    assert_eq!(
        page(&[("MaxResults", "2"), ("NextToken", &token)]).await.0,
        "app-4"
    );
    // The token's way comes first, whatever the other says.
    let mut seen = Vec::new();
    let mut token = String::new();
    loop {
        let (names, total, next, _) = page(&[
            ("MaxResults", "2"),
            ("NextToken", &token),
            ("PageNo", "9"),
            ("PageSize", "1"),
        ])
        .await;
        assert_eq!(total, "5");
        seen.push(names);
        token = next;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, ["app app-1", "app-2 app-3", "app-4"]);
    assert_eq!(
        page(&[("MaxResults", "1"), ("NextToken", "after-4294967295")])
            .await
            .0,
        ""
    );
    assert_eq!(
        page(&[("RepoNamespaceName", "team"), ("RepoName", "app-3")])
            .await
            .0,
        "app-3"
    );
    for (parameters, total) in [
        ([("RepoNamespaceName", "nobody")], "0"),
        ([("RepoStatus", "DELETED")], "0"),
        ([("RepoStatus", "NORMAL")], "5"),
    ] {
        assert_eq!(page(&parameters).await.1, total, "{parameters:?}");
    }

    let update = [("RepoType", "PUBLIC"), ("Summary", "other"), ("Detail", "")];
    app.told_cr("UpdateRepository", &[&names_of_app[..], &update].concat())
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
    assert_eq!(
        app.told_cr("DeleteRepository", &[("RepoId", &id)]).await,
        json!({})
    );
    for action in ["GetRepository", "DeleteRepository"] {
        assert_eq!(
            app.refused_cr(action, &names_of_app).await,
            (404, "REPO_NOT_EXIST".to_owned())
        );
    }
    assert_eq!(
        app.refused_cr("DeleteNamespace", &[("NamespaceName", "team")])
            .await,
        (400, "PreconditionFailed".to_owned())
    );
}

#[tokio::test]
async fn what_one_door_makes_the_other_lists() {
    let app = App::new().await;
    app.told(
        "CreateNamespace",
        json!({ "NamespaceName": "public", "IsPublic": true }),
    )
    .await;
    app.told_cr(
        "CreateNamespace",
        &[("NamespaceName", "team"), ("DefaultRepoType", "PRIVATE")],
    )
    .await;
    let create = |namespace, kind| {
        [
            ("RepoNamespaceName", namespace),
            ("RepoName", "app"),
            ("RepoType", kind),
            ("Summary", "short"),
        ]
    };
    app.told_cr("CreateRepository", &create("team", "PUBLIC"))
        .await;
    app.told(
        "CreateRepository",
        json!({ "NamespaceName": "public", "RepositoryName": "app" }),
    )
    .await;

    let said = app.told("DescribeNamespaces", json!({})).await;
    let mut all = names(&said, "NamespaceList", "Name");
    all.sort_unstable();
    assert_eq!(all, ["public", "team"]);
    assert_eq!(
        app.told_cr("GetNamespace", &[("NamespaceName", "public")])
            .await["DefaultRepoType"],
        "PUBLIC"
    );
    let described = app
        .told("DescribeRepositories", json!({ "NamespaceName": "team" }))
        .await["RepositoryList"][0]
        .take();
    let said = (
        &described["Name"],
        &described["Public"],
        &described["BriefDescription"],
    );
    assert_eq!(said, (&json!("team/app"), &json!(true), &json!("short")));

    // In a public namespace all is public, and nothing is called private.
    let refused = (400, "PreconditionFailed".to_owned());
    assert_eq!(
        app.refused_cr(
            "CreateRepository",
            &[
                ("RepoName", "two"),
                ("RepoNamespaceName", "public"),
                ("RepoType", "PRIVATE"),
                ("Summary", "x")
            ]
        )
        .await,
        refused
    );
    assert_eq!(
        app.refused_cr("UpdateRepository", &create("public", "PRIVATE"))
            .await,
        refused
    );
    app.told_cr(
        "CreateRepository",
        &[
            ("RepoName", "one"),
            ("RepoNamespaceName", "team"),
            ("RepoType", "PRIVATE"),
            ("Summary", "x"),
        ],
    )
    .await;
    app.told(
        "ModifyNamespace",
        json!({ "NamespaceName": "team", "IsPublic": true }),
    )
    .await;
    for repository in ["app", "one"] {
        let of = [("RepoNamespaceName", "team"), ("RepoName", repository)];
        assert_eq!(
            app.told_cr("GetRepository", &of).await["RepoType"],
            "PUBLIC"
        );
    }
    // Either door closes what the other one opened.
    app.told_cr(
        "UpdateNamespace",
        &[("NamespaceName", "team"), ("DefaultRepoType", "PRIVATE")],
    )
    .await;
    assert_eq!(
        app.told("DescribeNamespaces", json!({ "NamespaceName": "team" }))
            .await["NamespaceList"][0]["Public"],
        false
    );
    assert_eq!(
        app.told_cr(
            "GetRepository",
            &[("RepoNamespaceName", "team"), ("RepoName", "one")]
        )
        .await["RepoType"],
        "PRIVATE"
    );
}

#[tokio::test]
async fn tencents_parameters_are_checked() {
    let app = App::new().await;
    app.told(
        "CreateNamespace",
        json!({ "NamespaceName": "team", "IsPublic": false }),
    )
    .await;
    app.told(
        "CreateRepository",
        json!({ "NamespaceName": "team", "RepositoryName": "app" }),
    )
    .await;
    let namespace = |more: Value| {
        let mut body = json!({ "NamespaceName": "new", "IsPublic": false });
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        body
    };
    let tags = |tags: Value| namespace(json!({ "TagSpecification": { "Tags": tags } }));
    let many: Vec<Value> = (0..21)
        .map(|number| json!({ "Key": format!("key-{number}"), "Value": "" }))
        .collect();
    let repository = |name: &str| json!({ "NamespaceName": "team", "RepositoryName": name });
    for (action, parameters, expected) in [
        (
            "CreateNamespace",
            json!({ "IsPublic": true }),
            "MissingParameter",
        ),
        (
            "CreateNamespace",
            json!({ "NamespaceName": "new" }),
            "MissingParameter",
        ),
        (
            "CreateNamespace",
            namespace(json!({ "Colour": "red" })),
            "UnknownParameter",
        ),
        (
            "CreateNamespace",
            namespace(json!({ "IsPublic": "true" })),
            "InvalidParameter",
        ),
        (
            "CreateNamespace",
            namespace(json!({ "NamespaceName": 7 })),
            "InvalidParameter",
        ),
        (
            "CreateNamespace",
            namespace(json!({ "NamespaceName": "a" })),
            "InvalidParameterValue",
        ),
        (
            "CreateNamespace",
            namespace(json!({ "NamespaceName": "Team" })),
            "InvalidParameterValue",
        ),
        (
            "CreateNamespace",
            namespace(json!({ "NamespaceName": "a/b" })),
            "InvalidParameterValue",
        ),
        (
            "CreateNamespace",
            namespace(json!({ "NamespaceName": "a".repeat(31) })),
            "InvalidParameterValue",
        ),
        (
            "CreateNamespace",
            namespace(json!({ "Severity": "critical" })),
            "InvalidParameterValue",
        ),
        (
            "CreateNamespace",
            namespace(json!({ "CVEWhitelistItems": [{ "CVEID": "1" }] })),
            "InvalidParameterValue",
        ),
        (
            "CreateNamespace",
            namespace(json!({ "CVEWhitelistItems": [{}] })),
            "MissingParameter",
        ),
        (
            "CreateNamespace",
            namespace(json!({ "CVEWhitelistItems": ["CVE-2021-44228"] })),
            "InvalidParameter",
        ),
        (
            "CreateNamespace",
            namespace(json!({ "TagSpecification": [] })),
            "InvalidParameter",
        ),
        (
            "CreateNamespace",
            namespace(json!({ "TagSpecification": { "Tag": [] } })),
            "UnknownParameter",
        ),
        (
            "CreateNamespace",
            namespace(json!({ "TagSpecification": { "ResourceType": "cluster" } })),
            "InvalidParameterValue",
        ),
        (
            "CreateNamespace",
            tags(json!([{ "Key": "aliyun" , "Value": "x" }])),
            "InvalidParameterValue",
        ),
        (
            "CreateNamespace",
            tags(json!([{ "Key": "a", "Value": "x" }, { "Key": "a", "Value": "y" }])),
            "InvalidParameterValue",
        ),
        (
            "CreateNamespace",
            tags(json!(many)),
            "InvalidParameter.ErrorTagOverLimit",
        ),
        (
            "CreateNamespace",
            json!({ "NamespaceName": "team", "IsPublic": true }),
            "InvalidParameter.ErrNamespaceExist",
        ),
        (
            "ModifyNamespace",
            json!({ "NamespaceName": "nobody", "IsPublic": true }),
            "ResourceNotFound",
        ),
        (
            "DeleteNamespace",
            json!({ "NamespaceName": "nobody" }),
            "ResourceNotFound",
        ),
        ("DeleteNamespace", json!({}), "MissingParameter"),
        (
            "DescribeNamespaces",
            json!({ "Limit": "20" }),
            "InvalidParameter",
        ),
        (
            "DescribeNamespaces",
            json!({ "Filters": [{ "Values": ["a:b"] }] }),
            "MissingParameter",
        ),
        (
            "CreateRepository",
            repository("app"),
            "InvalidParameter.ErrRepoExist",
        ),
        (
            "CreateRepository",
            repository("ab"),
            "InvalidParameterValue",
        ),
        (
            "CreateRepository",
            repository("a/bc"),
            "InvalidParameterValue",
        ),
        (
            "CreateRepository",
            repository(&"a".repeat(65)),
            "InvalidParameterValue",
        ),
        (
            "CreateRepository",
            json!({ "NamespaceName": "nobody", "RepositoryName": "app" }),
            "ResourceNotFound",
        ),
        (
            "CreateRepository",
            json!({ "NamespaceName": "team" }),
            "MissingParameter",
        ),
        (
            "CreateRepository",
            json!({ "NamespaceName": "team", "RepositoryName": "new", "BriefDescription": "a\nb" }),
            "InvalidParameterValue",
        ),
        (
            "CreateRepository",
            json!({
                "NamespaceName": "team",
                "RepositoryName": "new",
                "Description": "a".repeat(2001),
            }),
            "InvalidParameterValue",
        ),
        (
            "ModifyRepository",
            json!({ "NamespaceName": "team", "RepositoryName": "app", "Description": "x" }),
            "MissingParameter",
        ),
        (
            "ModifyRepository",
            json!({
                "NamespaceName": "team",
                "RepositoryName": "new",
                "BriefDescription": "",
                "Description": "",
            }),
            "ResourceNotFound",
        ),
        (
            "DeleteRepository",
            json!({ "NamespaceName": "team", "RepositoryName": "app", "ForceDelete": "no" }),
            "InvalidParameter",
        ),
        (
            "DescribeRepositories",
            json!({ "NamespaceName": ["team"] }),
            "InvalidParameter",
        ),
    ] {
        assert_eq!(
            app.refused(action, parameters.clone()).await,
            expected,
            "{action} {parameters}"
        );
    }
    // Nothing of all that was half done.
    assert_eq!(
        app.told("DescribeNamespaces", json!({})).await["TotalCount"],
        1
    );
    assert_eq!(
        app.told("DescribeRepositories", json!({})).await["TotalCount"],
        1
    );

    let actions = [
        "CreateNamespace",
        "DescribeNamespaces",
        "ModifyNamespace",
        "DeleteNamespace",
    ];
    let repositories = [
        "CreateRepository",
        "DescribeRepositories",
        "ModifyRepository",
        "DeleteRepository",
    ];
    for action in actions.into_iter().chain(repositories) {
        let mut body = match action {
            "DescribeNamespaces" | "DescribeRepositories" => json!({}),
            "CreateNamespace" => namespace(json!({})),
            "ModifyRepository" => {
                json!({
                    "NamespaceName": "team",
                    "RepositoryName": "app",
                    "BriefDescription": "",
                    "Description": "",
                })
            }
            _ if repositories.contains(&action) => repository("app"),
            _ => json!({ "NamespaceName": "team" }),
        };
        for (id, expected) in [
            (
                json!(app.foreign_instance.id.as_str()),
                "ResourceNotFound.TcrResourceNotFound",
            ),
            (
                json!("tcr-00000000"),
                "ResourceNotFound.TcrResourceNotFound",
            ),
            (json!("nonsense"), "ResourceNotFound.TcrResourceNotFound"),
            (json!(null), "MissingParameter"),
        ] {
            body["RegistryId"] = id;
            assert_eq!(
                code(&app.call(action, &body).await),
                expected,
                "{action} {body}"
            );
        }
    }
}

#[tokio::test]
async fn alibabas_parameters_are_checked() {
    let app = App::new().await;
    app.told_cr("CreateNamespace", &[("NamespaceName", "team")])
        .await;
    let made = [
        ("RepoNamespaceName", "team"),
        ("RepoName", "app"),
        ("RepoType", "PRIVATE"),
        ("Summary", "x"),
    ];
    app.told_cr("CreateRepository", &made).await;
    let id = app
        .told_cr("GetNamespace", &[("NamespaceName", "team")])
        .await["NamespaceId"]
        .as_str()
        .unwrap()
        .to_owned();
    let new = ("NamespaceName", "new");
    let nobody = ("RepoNamespaceName", "nobody");
    for (action, parameters, status, expected) in [
        ("CreateNamespace", &[][..], 400, "MissingNamespaceName"),
        (
            "CreateNamespace",
            &[("NamespaceName", "Team")],
            400,
            "InvalidNamespaceName",
        ),
        (
            "CreateNamespace",
            &[("NamespaceName", &"a".repeat(31))],
            400,
            "InvalidNamespaceName",
        ),
        (
            "CreateNamespace",
            &[new, ("AutoCreateRepo", "yes")],
            400,
            "InvalidAutoCreateRepo",
        ),
        (
            "CreateNamespace",
            &[new, ("DefaultRepoType", "public")],
            400,
            "InvalidDefaultRepoType",
        ),
        (
            "CreateNamespace",
            &[new, ("DefaultRepoConfiguration", "{")],
            400,
            "InvalidDefaultRepoConfiguration",
        ),
        (
            "CreateNamespace",
            &[new, ("DefaultRepoConfiguration", r#"{"RepoType":"OPEN"}"#)],
            400,
            "InvalidDefaultRepoConfiguration",
        ),
        (
            "CreateNamespace",
            &[new, ("DefaultRepoConfiguration", r#"{"Colour":"red"}"#)],
            400,
            "InvalidDefaultRepoConfiguration",
        ),
        (
            "CreateNamespace",
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
            "CreateNamespace",
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
        (
            "CreateNamespace",
            &[("NamespaceName", "team")],
            400,
            "NAMESPACE_ALREADY_EXIST",
        ),
        ("GetNamespace", &[], 400, "MissingNamespaceName"),
        (
            "GetNamespace",
            &[("NamespaceName", "nobody")],
            404,
            "NAMESPACE_NOT_EXIST",
        ),
        (
            "GetNamespace",
            &[("NamespaceId", "crn-0000000000000000")],
            404,
            "NAMESPACE_NOT_EXIST",
        ),
        (
            "GetNamespace",
            &[("NamespaceId", "nonsense")],
            404,
            "NAMESPACE_NOT_EXIST",
        ),
        (
            "GetNamespace",
            &[("NamespaceId", &id), ("NamespaceName", "other")],
            400,
            "InvalidNamespaceName",
        ),
        ("ListNamespace", &[("PageNo", "0")], 400, "InvalidPageNo"),
        (
            "ListNamespace",
            &[("PageSize", "101")],
            400,
            "InvalidPageSize",
        ),
        (
            "ListNamespace",
            &[("PageSize", "+1")],
            400,
            "InvalidPageSize",
        ),
        (
            "ListNamespace",
            &[("NamespaceStatus", "GONE")],
            400,
            "InvalidNamespaceStatus",
        ),
        (
            "UpdateNamespace",
            &[("NamespaceName", "nobody")],
            404,
            "NAMESPACE_NOT_EXIST",
        ),
        (
            "DeleteNamespace",
            &[("NamespaceName", "nobody")],
            404,
            "NAMESPACE_NOT_EXIST",
        ),
        (
            "CreateRepository",
            &made[1..],
            400,
            "MissingRepoNamespaceName",
        ),
        ("CreateRepository", &made[..3], 400, "MissingSummary"),
        ("CreateRepository", &made, 400, "REPO_ALREADY_EXIST"),
        (
            "CreateRepository",
            &[made[0], ("RepoName", "a"), made[2], made[3]],
            400,
            "InvalidRepoName",
        ),
        (
            "CreateRepository",
            &[made[0], made[1], ("RepoType", "SECRET"), made[3]],
            400,
            "InvalidRepoType",
        ),
        (
            "CreateRepository",
            &[nobody, made[1], made[2], made[3]],
            404,
            "NAMESPACE_NOT_EXIST",
        ),
        ("GetRepository", &[], 400, "MissingRepoId"),
        ("GetRepository", &made[..1], 400, "MissingRepoName"),
        (
            "GetRepository",
            &made[1..2],
            400,
            "MissingRepoNamespaceName",
        ),
        (
            "GetRepository",
            &[("RepoId", "crr-0000000000000000")],
            404,
            "REPO_NOT_EXIST",
        ),
        (
            "GetRepository",
            &[("RepoId", "nonsense")],
            404,
            "REPO_NOT_EXIST",
        ),
        ("UpdateRepository", &made[..2], 400, "MissingRepoType"),
        (
            "UpdateRepository",
            &[nobody, made[1], made[2], made[3]],
            404,
            "REPO_NOT_EXIST",
        ),
        (
            "DeleteRepository",
            &[nobody, made[1]],
            404,
            "REPO_NOT_EXIST",
        ),
        (
            "ListRepository",
            &[("MaxResults", "101")],
            400,
            "InvalidMaxResults",
        ),
        (
            "ListRepository",
            &[("NextToken", "7")],
            400,
            "InvalidNextToken",
        ),
        (
            "ListRepository",
            &[("NextToken", "after-")],
            400,
            "InvalidNextToken",
        ),
        (
            "ListRepository",
            &[("NextToken", "after-99999999999")],
            400,
            "InvalidNextToken",
        ),
        (
            "ListRepository",
            &[("RepoStatus", "GONE")],
            400,
            "InvalidRepoStatus",
        ),
    ] {
        assert_eq!(
            app.refused_cr(action, parameters).await,
            (status, expected.to_owned()),
            "{action} {parameters:?}"
        );
    }
    // Nothing of all that was half done.
    assert_eq!(app.told_cr("ListNamespace", &[]).await["TotalCount"], "1");
    assert_eq!(app.told_cr("ListRepository", &[]).await["TotalCount"], "1");

    for action in ["ListNamespace", "ListRepository"] {
        for id in [
            app.foreign_instance.cri_id.as_str(),
            "cri-0000000000000000",
            "nonsense",
        ] {
            let answer = app.alibaba(action, &[("InstanceId", id)]).send().await;
            assert_eq!(
                (answer.status.as_u16(), answer.json()["Code"].clone()),
                (404, json!("INSTANCE_NOT_EXIST")),
                "{action} {id}"
            );
        }
        assert_eq!(
            app.alibaba(action, &[]).send().await.json()["Code"],
            "MissingInstanceId"
        );
    }
}

#[tokio::test]
async fn namespaces_and_repositories_have_quotas() {
    let app = App::with(|options| {
        options.service.quotas.namespaces.premium = 2;
        options.service.quotas.repositories.premium = 1;
    })
    .await;
    for name in ["one", "two"] {
        app.told(
            "CreateNamespace",
            json!({ "NamespaceName": name, "IsPublic": false }),
        )
        .await;
    }
    let third = json!({ "NamespaceName": "three", "IsPublic": false });
    assert_eq!(
        app.refused("CreateNamespace", third).await,
        "LimitExceeded.ErrNamespaceMaxLimit"
    );
    assert_eq!(
        app.refused_cr("CreateNamespace", &[("NamespaceName", "three")])
            .await,
        (400, "QuotaExceeded".to_owned())
    );
    app.told(
        "CreateRepository",
        json!({ "NamespaceName": "one", "RepositoryName": "app" }),
    )
    .await;
    let second = json!({ "NamespaceName": "two", "RepositoryName": "app" });
    assert_eq!(
        app.refused("CreateRepository", second).await,
        "LimitExceeded.ErrRepoMaxLimit"
    );
    let second = [
        ("RepoNamespaceName", "two"),
        ("RepoName", "app"),
        ("RepoType", "PRIVATE"),
        ("Summary", "x"),
    ];
    assert_eq!(
        app.refused_cr("CreateRepository", &second).await,
        (400, "QuotaExceeded".to_owned())
    );
    assert_eq!(
        app.told("DescribeNamespaces", json!({})).await["TotalCount"],
        2
    );
}

#[tokio::test]
async fn who_may_manage_one_namespace_manages_no_other() {
    let by_cam = cam(&json!([allow(
        ["tcr:*Namespace*", "tcr:*Repositor*"],
        [
            "qcs::tcr:::repository/INSTANCE-TCR/team",
            "qcs::tcr:::repository/INSTANCE-TCR/team/*"
        ],
    )]));
    let by_ram = ram(&json!([ram_allow(
        ["cr:GetNamespace", "cr:GetRepository"],
        [
            "acs:cr:*:*:repository/INSTANCE-CRI/ours",
            "acs:cr:*:*:repository/INSTANCE-CRI/ours/*"
        ],
    )]));
    let app = app_of_user(&[by_cam, by_ram]).await;
    for name in ["ours", "theirs"] {
        app.make_namespace(NewNamespace::named(name)).await;
        app.make_repository(name, "app", None).await;
    }
    app.told(
        "CreateNamespace",
        json!({ "NamespaceName": "team", "IsPublic": false }),
    )
    .await;
    app.told(
        "CreateRepository",
        json!({ "NamespaceName": "team", "RepositoryName": "app" }),
    )
    .await;
    assert_eq!(
        app.told("DescribeNamespaces", json!({ "NamespaceName": "team" }))
            .await["TotalCount"],
        1
    );
    assert_eq!(
        app.told("DescribeRepositories", json!({ "NamespaceName": "team" }))
            .await["TotalCount"],
        1
    );
    let both = json!({ "NamespaceName": "theirs", "RepositoryName": "app" });
    for (action, parameters) in [
        (
            "CreateNamespace",
            json!({ "NamespaceName": "nobody", "IsPublic": false }),
        ),
        ("DescribeNamespaces", json!({ "NamespaceName": "theirs" })),
        ("DescribeNamespaces", json!({})),
        (
            "ModifyNamespace",
            json!({ "NamespaceName": "theirs", "IsPublic": true }),
        ),
        ("DeleteNamespace", json!({ "NamespaceName": "theirs" })),
        // Whether there is such a one is nobody's business who may not see it.
        ("DeleteNamespace", json!({ "NamespaceName": "nobody" })),
        (
            "CreateRepository",
            json!({ "NamespaceName": "theirs", "RepositoryName": "new" }),
        ),
        (
            "CreateRepository",
            json!({ "NamespaceName": "nobody", "RepositoryName": "new" }),
        ),
        ("DescribeRepositories", json!({ "NamespaceName": "theirs" })),
        ("DescribeRepositories", both.clone()),
        ("DescribeRepositories", json!({ "RepositoryName": "app" })),
        (
            "ModifyRepository",
            json!({
                "NamespaceName": "theirs",
                "RepositoryName": "app",
                "BriefDescription": "",
                "Description": "",
            }),
        ),
        ("DeleteRepository", both),
    ] {
        assert_eq!(
            app.refused(action, parameters.clone()).await,
            "AuthFailure.UnauthorizedOperation",
            "{action} {parameters}"
        );
    }
    let id = app
        .told_cr("GetNamespace", &[("NamespaceName", "ours")])
        .await["NamespaceId"]
        .as_str()
        .unwrap()
        .to_owned();
    app.told_cr("GetNamespace", &[("NamespaceId", &id)]).await;
    let repository = app
        .told_cr(
            "GetRepository",
            &[("RepoNamespaceName", "ours"), ("RepoName", "app")],
        )
        .await;
    app.told_cr(
        "GetRepository",
        &[("RepoId", repository["RepoId"].as_str().unwrap())],
    )
    .await;
    let page = Page {
        offset: 0,
        limit: None,
    };
    let filter = RepositoryFilter {
        namespace: Some("theirs"),
        ..RepositoryFilter::default()
    };
    let theirs = app
        .service
        .registry
        .repositories(&app.operator(), &app.choice(), filter, page)
        .await
        .unwrap()
        .items
        .remove(0);
    let denied = (403, "NoPrivilege".to_owned());
    for (action, parameters) in [
        (
            "GetNamespace",
            &[("NamespaceId", "crn-0000000000000000")][..],
        ),
        ("GetNamespace", &[("NamespaceName", "theirs")]),
        (
            "GetNamespace",
            &[("NamespaceId", theirs.namespace.as_str())],
        ),
        ("GetRepository", &[("RepoId", "crr-0000000000000000")]),
        ("GetRepository", &[("RepoId", theirs.id.as_str())]),
        ("ListNamespace", &[]),
        ("ListNamespace", &[("NamespaceStatus", "DELETING")]),
        ("ListRepository", &[("RepoNamespaceName", "ours")]),
        (
            "UpdateNamespace",
            &[("NamespaceName", "ours"), ("AutoCreateRepo", "false")],
        ),
    ] {
        assert_eq!(
            app.refused_cr(action, parameters).await,
            denied,
            "{action} {parameters:?}"
        );
    }
}

/// The rights of the root's credential in a repository.
async fn root_may(app: &App, credential: &(String, Secret), path: &str) -> String {
    granted(
        app,
        &credential.0,
        &credential.1,
        &format!("repository:{path}:pull,push"),
    )
    .await
}

#[tokio::test]
async fn without_auto_create_a_push_goes_only_to_repositories_that_are_recorded() {
    let app = App::new().await;
    let credential = app.temporary().await;
    let both = |path: &str| format!("repository:{path}:pull,push");
    let pull = |path: &str| format!("repository:{path}:pull");
    assert_eq!(
        root_may(&app, &credential, "team/app").await,
        both("team/app")
    );
    app.told_cr(
        "CreateNamespace",
        &[("NamespaceName", "team"), ("AutoCreateRepo", "false")],
    )
    .await;
    for path in ["team/app", "team/app/deep"] {
        assert_eq!(
            root_may(&app, &credential, path).await,
            pull(path),
            "{path}"
        );
    }
    for path in ["team/App", "team/"] {
        assert_eq!(
            root_may(&app, &credential, path).await,
            "",
            "{path}: no registry has it"
        );
    }
    // The names of others begin like it, and are not it.
    for path in ["team", "team-2/app", "other/team/app"] {
        assert_eq!(
            root_may(&app, &credential, path).await,
            both(path),
            "{path}"
        );
    }
    app.told(
        "CreateRepository",
        json!({ "NamespaceName": "team", "RepositoryName": "app" }),
    )
    .await;
    assert_eq!(
        root_may(&app, &credential, "team/app").await,
        both("team/app")
    );
    assert_eq!(
        root_may(&app, &credential, "team/other").await,
        pull("team/other")
    );
    app.told_cr(
        "UpdateNamespace",
        &[("NamespaceName", "team"), ("AutoCreateRepo", "true")],
    )
    .await;
    assert_eq!(
        root_may(&app, &credential, "team/other").await,
        both("team/other")
    );
    app.told_cr(
        "UpdateNamespace",
        &[("NamespaceName", "team"), ("AutoCreateRepo", "false")],
    )
    .await;
    app.told(
        "DeleteRepository",
        json!({ "NamespaceName": "team", "RepositoryName": "app" }),
    )
    .await;
    assert_eq!(
        root_may(&app, &credential, "team/app").await,
        pull("team/app")
    );
    // Deleting is for policies alone.
    let deleted = granted(
        &app,
        &credential.0,
        &credential.1,
        "repository:team/app:delete",
    )
    .await;
    assert_eq!(deleted, "repository:team/app:delete");
    // A namespace of the same name elsewhere changes nothing here.
    app.told("DeleteNamespace", json!({ "NamespaceName": "team" }))
        .await;
    let other = InstanceChoice::Tcr(app.other_instance.id.clone());
    let new = NewNamespace {
        auto_create_repository: false.into(),
        ..NewNamespace::named("team")
    };
    app.service
        .registry
        .create_namespace(&app.operator(), &other, new)
        .await
        .unwrap();
    assert_eq!(
        root_may(&app, &credential, "team/app").await,
        both("team/app")
    );
}

#[tokio::test]
async fn records_are_read_from_memory_until_the_feed_says_that_they_changed() {
    let app = App::new().await;
    let credential = app.temporary().await;
    app.make_namespace(NewNamespace::named("team")).await;
    let pushes = async || {
        root_may(&app, &credential, "team/app")
            .await
            .ends_with(",push")
    };
    assert!(pushes().await);
    let place = Location::Directory(app.database().parent().unwrap().to_owned());
    let replica = Store::open(&place, Open::Command, &SystemClock, &SystemRandom)
        .await
        .unwrap();
    let write =
        |part| replica.apply(Write::new(Operation::new(&SystemRandom, app.now())).then(part));
    let team = store::namespace::find(&replica, &app.instance.id, "team")
        .await
        .unwrap()
        .unwrap();
    let closed = NamespaceChange {
        auto_create_repository: Some(false.into()),
        ..NamespaceChange::default()
    };
    let repository = Repository {
        id: RepositoryId::random(&SystemRandom),
        instance: team.instance.clone(),
        namespace: team.id.clone(),
        namespace_name: team.name.clone(),
        name: "app".to_owned(),
        visibility: Visibility::Private,
        summary: String::new(),
        detail: String::new(),
        tag_immutability: false.into(),
        created_at: app.now(),
        modified_at: app.now(),
    };
    for (part, expected) in [
        (store::namespace::update(&team, &closed, app.now()), false),
        (store::repository::insert(&team, &repository, 10), true),
        (store::repository::delete(&repository), false),
        (
            store::cascade::delete_namespace(&team, Contents::MustBeGone),
            true,
        ),
    ] {
        let before = pushes().await;
        write(part).await.unwrap();
        assert_eq!((pushes().await, before), (!expected, !expected));
        app.service.memory.catch_up().await.unwrap();
        assert_eq!(pushes().await, expected);
    }
}

#[tokio::test]
async fn an_instance_says_whether_namespaces_that_are_not_recorded_are_open() {
    let app = App::new().await;
    let credential = app.temporary().await;
    app.make_namespace(NewNamespace::named("team")).await;
    let set = async |unrecorded| {
        app.service
            .registry
            .set_unrecorded_namespaces(&app.operator(), &app.choice(), unrecorded)
            .await
            .unwrap();
    };
    let pushes = async |path: &str| root_may(&app, &credential, path).await.ends_with(",push");
    // A first record changes nothing for namespaces that have none.
    assert!(pushes("team/app").await && pushes("other/app").await && pushes("busybox").await);
    set(UnrecordedNamespaces::Closed).await;
    assert!(pushes("team/app").await && !pushes("other/app").await && !pushes("busybox").await);
    assert_eq!(
        root_may(&app, &credential, "other/app").await,
        "repository:other/app:pull"
    );
    set(UnrecordedNamespaces::Open).await;
    assert!(pushes("other/app").await);
}

#[tokio::test]
async fn what_is_public_is_pulled_without_a_credential_and_nothing_else_is() {
    let app = App::new().await;
    let pull = |path: &str| json!([{ "type": "repository", "name": path, "actions": ["pull"] }]);
    let everything = "pull,push,delete,*";
    let open = NewNamespace {
        visibility: Visibility::Public,
        ..NewNamespace::named("open")
    };
    let made_open = NewNamespace {
        default_visibility: Visibility::Public,
        ..NewNamespace::named("made-open")
    };
    let recorded_only = NewNamespace {
        auto_create_repository: false.into(),
        ..made_open.clone()
    };
    for new in [
        open,
        NewNamespace::named("team"),
        made_open,
        NewNamespace {
            name: "recorded".to_owned(),
            ..recorded_only
        },
    ] {
        app.make_namespace(new).await;
    }
    app.make_repository("team", "shown", Some(Visibility::Public))
        .await;
    app.make_repository("team", "hidden", None).await;
    app.make_repository("made-open", "hidden", Some(Visibility::Private))
        .await;
    app.make_repository("recorded", "made", None).await;
    for path in [
        "open/app",
        "open/a/b",
        "team/shown",
        "made-open/app",
        "recorded/made",
    ] {
        assert_eq!(
            app.granted_to_nobody(&format!("repository:{path}:{everything}"))
                .await,
            pull(path),
            "{path}"
        );
    }
    for path in [
        "team/hidden",
        "team/other",
        "made-open/hidden",
        "recorded/other",
        "other/app",
        "open",
        "open/",
        "/app",
        "open-2/app",
        "",
    ] {
        assert_eq!(
            app.granted_to_nobody(&format!("repository:{path}:{everything}"))
                .await,
            json!([]),
            "{path}"
        );
    }
    assert_eq!(app.granted_to_nobody("registry:catalog:*").await, json!([]));

    // A namespace that is changed or forgotten is not public any more.
    let change = NamespaceChange {
        visibility: Some(Visibility::Private),
        ..NamespaceChange::default()
    };
    app.service
        .registry
        .modify_namespace(&app.operator(), &app.choice(), "open", &change, None)
        .await
        .unwrap();
    assert_eq!(
        app.granted_to_nobody("repository:open/app:pull").await,
        json!([])
    );
    app.service
        .registry
        .delete_namespace(&app.operator(), &app.choice(), "team", Contents::GoToo)
        .await
        .unwrap();
    assert_eq!(
        app.granted_to_nobody("repository:team/shown:pull").await,
        json!([])
    );
    // Made again, it has nothing of what it had.
    app.make_namespace(NewNamespace::named("team")).await;
    assert_eq!(
        app.granted_to_nobody("repository:team/shown:pull").await,
        json!([])
    );
}

#[tokio::test]
async fn what_is_public_is_everyones_but_whom_a_policy_denies_it() {
    let issue = cam(&json!([allow("tcr:CreateInstanceToken", "*")]));
    let deny = cam(&json!([deny(
        "tcr:PullRepository",
        "qcs::tcr:::repository/INSTANCE-TCR/open/banned"
    )]));
    let app = app_of_user(&[issue, deny]).await;
    let credential = app.temporary().await;
    app.make_namespace(NewNamespace {
        visibility: Visibility::Public,
        ..NewNamespace::named("open")
    })
    .await;
    assert_eq!(
        root_may(&app, &credential, "open/app").await,
        "repository:open/app:pull"
    );
    assert_eq!(root_may(&app, &credential, "open/banned").await, "");
    assert_eq!(root_may(&app, &credential, "team/app").await, "");
}

#[tokio::test]
async fn every_change_of_a_namespace_or_a_repository_is_in_the_audit() {
    let app = App::new().await;
    app.told(
        "CreateNamespace",
        json!({ "NamespaceName": "team", "IsPublic": true }),
    )
    .await;
    app.told(
        "ModifyNamespace",
        json!({ "NamespaceName": "team", "IsPublic": false }),
    )
    .await;
    app.told(
        "CreateRepository",
        json!({ "NamespaceName": "team", "RepositoryName": "app" }),
    )
    .await;
    app.told_cr(
        "UpdateRepository",
        &[
            ("RepoNamespaceName", "team"),
            ("RepoName", "app"),
            ("RepoType", "PUBLIC"),
            ("Summary", "x"),
        ],
    )
    .await;
    app.told(
        "DeleteRepository",
        json!({ "NamespaceName": "team", "RepositoryName": "app" }),
    )
    .await;
    app.told("DeleteNamespace", json!({ "NamespaceName": "team" }))
        .await;
    let lines = crate::harness::audit::lines(&app, 12).await;
    let mut seen: Vec<(String, Value)> = lines
        .into_iter()
        .filter(|line| {
            line.action.starts_with("namespace.") || line.action.starts_with("repository.")
        })
        .map(|line| {
            assert_eq!(line.account, Some(account().number()));
            (line.action, serde_json::from_str(&line.detail).unwrap())
        })
        .collect();
    seen.sort_by(|one, other| one.0.cmp(&other.0));
    let expected = [
        (
            "namespace.create",
            json!({
                "namespace": "team",
                "visibility": "public",
                "auto_create_repository": true,
                "default_visibility": "public",
            }),
        ),
        ("namespace.delete", json!({ "namespace": "team" })),
        (
            "namespace.modify",
            json!({
                "namespace": "team",
                "visibility": "private",
                "auto_create_repository": null,
                "default_visibility": "private",
            }),
        ),
        (
            "repository.create",
            json!({ "repository": "team/app", "visibility": "private" }),
        ),
        ("repository.delete", json!({ "repository": "team/app" })),
        (
            "repository.modify",
            json!({ "repository": "team/app", "visibility": "public" }),
        ),
    ]
    .map(|(action, detail)| (action.to_owned(), detail));
    assert_eq!(seen, expected);
}
