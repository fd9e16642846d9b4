//! Namespaces and repositories at the token exchange: auto-creation and visibility.

use serde_json::json;
use transire::domain::clock::{SystemClock, SystemRandom};
use transire::domain::instance::UnrecordedNamespaces;
use transire::domain::namespace::{NamespaceChange, Visibility};
use transire::domain::repository::{Repository, RepositoryId};
use transire::domain::secret::Secret;
use transire::service::{Contents, InstanceChoice, NewNamespace};
use transire::store::{self, Location, Open, Operation, Store, Write};

use crate::harness::App;
use crate::harness::documents::{allow, cam, deny};
use crate::harness::identity::app_of_user;
use crate::harness::registry::granted;

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

/// Asks to push and to pull.
fn both(path: &str) -> String {
    format!("repository:{path}:pull,push")
}

fn pull(path: &str) -> String {
    format!("repository:{path}:pull")
}

/// An app with the namespace `team`, in which a push makes no repository.
async fn a_namespace_without_auto_create() -> App {
    let app = App::new().await;
    app.told_cr(
        "CreateNamespace",
        &[("NamespaceName", "team"), ("AutoCreateRepo", "false")],
    )
    .await;
    app
}

#[tokio::test]
async fn without_auto_create_a_push_goes_only_to_repositories_that_are_recorded() {
    let app = App::new().await;
    let credential = app.temporary().await;
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
}

#[tokio::test]
async fn a_namespace_without_auto_create_closes_no_name_that_begins_like_it() {
    let app = a_namespace_without_auto_create().await;
    let credential = app.temporary().await;
    for path in ["team", "team-2/app", "other/team/app"] {
        assert_eq!(
            root_may(&app, &credential, path).await,
            both(path),
            "{path}"
        );
    }
}

#[tokio::test]
async fn auto_create_opens_a_namespace_again() {
    let app = a_namespace_without_auto_create().await;
    let credential = app.temporary().await;
    app.told_cr(
        "UpdateNamespace",
        &[("NamespaceName", "team"), ("AutoCreateRepo", "true")],
    )
    .await;
    assert_eq!(
        root_may(&app, &credential, "team/other").await,
        both("team/other")
    );
}

#[tokio::test]
async fn a_repository_that_is_not_recorded_any_more_takes_no_push() {
    let app = a_namespace_without_auto_create().await;
    let credential = app.temporary().await;
    app.told(
        "CreateRepository",
        json!({ "NamespaceName": "team", "RepositoryName": "app" }),
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
}

#[tokio::test]
async fn deleting_is_for_policies_alone() {
    let app = a_namespace_without_auto_create().await;
    let credential = app.temporary().await;
    let deleted = granted(
        &app,
        &credential.0,
        &credential.1,
        "repository:team/app:delete",
    )
    .await;
    assert_eq!(deleted, "repository:team/app:delete");
}

#[tokio::test]
async fn a_namespace_of_the_same_name_elsewhere_changes_nothing() {
    let app = a_namespace_without_auto_create().await;
    let credential = app.temporary().await;
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
        tag_exclusions: Vec::new(),
        scan_on_push: false.into(),
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

/// Asks for all that a repository has.
const EVERYTHING: &str = "pull,push,delete,*";

/// An app with public and private namespaces and repositories.
async fn some_public_names() -> App {
    let app = App::new().await;
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
    app
}

#[tokio::test]
async fn a_public_repository_is_pulled_without_a_credential() {
    let app = some_public_names().await;
    let pull = |path: &str| json!([{ "type": "repository", "name": path, "actions": ["pull"] }]);
    for path in [
        "open/app",
        "open/a/b",
        "team/shown",
        "made-open/app",
        "recorded/made",
    ] {
        assert_eq!(
            app.granted_to_nobody(&format!("repository:{path}:{EVERYTHING}"))
                .await,
            pull(path),
            "{path}"
        );
    }
}

#[tokio::test]
async fn nothing_else_is_granted_without_a_credential() {
    let app = some_public_names().await;
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
            app.granted_to_nobody(&format!("repository:{path}:{EVERYTHING}"))
                .await,
            json!([]),
            "{path}"
        );
    }
    assert_eq!(app.granted_to_nobody("registry:catalog:*").await, json!([]));
}

#[tokio::test]
async fn a_namespace_that_is_changed_or_forgotten_is_not_public_any_more() {
    let app = some_public_names().await;
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
