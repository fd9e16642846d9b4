//! Namespaces and repositories: at both doors, and what they mean at the token exchange.

use serde_json::{Value, json};
use transire::service::{NewNamespace, Page, RepositoryFilter};

use crate::harness::App;
use crate::harness::documents::{allow, cam, ram, ram_allow};
use crate::harness::identity::app_of_user;
use crate::harness::operator::account;
use crate::harness::tencent::names;

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

/// Alibaba's parameters of a repository `app`.
fn repository<'a>(namespace: &'a str, kind: &'a str) -> [(&'a str, &'a str); 4] {
    [
        ("RepoNamespaceName", namespace),
        ("RepoName", "app"),
        ("RepoType", kind),
        ("Summary", "short"),
    ]
}

/// An app with a public namespace and repository of Tencent's, and a private namespace of
/// Alibaba's with a public repository.
async fn a_namespace_of_each_door() -> App {
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
    app.told_cr("CreateRepository", &repository("team", "PUBLIC"))
        .await;
    app.told(
        "CreateRepository",
        json!({ "NamespaceName": "public", "RepositoryName": "app" }),
    )
    .await;

    app
}

#[tokio::test]
async fn each_door_lists_the_namespaces_and_repositories_of_the_other() {
    let app = a_namespace_of_each_door().await;
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
}

#[tokio::test]
async fn in_a_public_namespace_nothing_is_called_private() {
    let app = a_namespace_of_each_door().await;
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
        app.refused_cr("UpdateRepository", &repository("public", "PRIVATE"))
            .await,
        refused
    );
}

#[tokio::test]
async fn a_namespace_that_one_door_opens_is_open_at_the_other_which_closes_it() {
    let app = a_namespace_of_each_door().await;
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

/// An app whose user manages the namespace `team` by CAM and sees `ours` by RAM; `theirs` is there
/// as well.
async fn a_user_of_two_namespaces() -> App {
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
    app
}

#[tokio::test]
async fn a_user_manages_the_namespace_that_its_policy_names() {
    let app = a_user_of_two_namespaces().await;
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
}

#[tokio::test]
async fn at_tencents_door_a_user_manages_no_other_namespace() {
    let app = a_user_of_two_namespaces().await;
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
}

#[tokio::test]
async fn a_namespace_and_a_repository_are_seen_by_name_and_by_id() {
    let app = a_user_of_two_namespaces().await;
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
}

#[tokio::test]
async fn at_alibabas_door_a_user_sees_and_changes_no_other_namespace() {
    let app = a_user_of_two_namespaces().await;
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
