//! `transire policy explain --who` and `--what`: everybody who may do something, and everything
//! that somebody may do.

use std::time::Duration;

use serde_json::json;
use transire::domain::identity::UserState;
use transire::domain::namespace::Visibility;
use transire::domain::switch::Switch;
use transire::service::{HeldRights, Question, RightHolder};

use crate::harness::documents::{allow, cam, deny, everything};
use crate::harness::operator::account;
use crate::harness::{ACCOUNT, App};

/// Lists who may do something, page by page.
async fn who(app: &App, action: &str, path: &str) -> Vec<RightHolder> {
    let question = Question::new(action.parse().unwrap(), app.choice(), path);
    let (mut holders, mut after) = (Vec::new(), None);
    loop {
        let call = app.operator();
        let page = app.service.rights.holders(&call, &question, after.as_ref());
        let page = page.await.unwrap();
        holders.extend(page.holders);
        after = page.next;
        if after.is_none() {
            return holders;
        }
    }
}

/// Lists who may do something in short.
async fn who_in_short(app: &App, action: &str, path: &str) -> Vec<String> {
    let short = |holder: &RightHolder| {
        let named = holder.principal.split_once(':');
        let (_, name) = named.unwrap_or(("", &holder.principal));
        format!("{name} {}", holder.when.name())
    };
    who(app, action, path).await.iter().map(short).collect()
}

async fn what(app: &App, principal: &str) -> HeldRights {
    let principal = format!("{ACCOUNT}:{principal}").parse().unwrap();
    app.service
        .rights
        .held(&app.operator(), &principal)
        .await
        .unwrap()
}

#[tokio::test]
async fn those_who_may_are_listed_with_the_circumstances() {
    let app = App::new().await;
    let mut from_here = allow("tcr:PushRepository", "*");
    from_here["condition"] = json!({ "ip_equal": { "qcs:ip": ["192.0.2.0/24"] } });
    let mut not_from_there = deny("tcr:PushRepository", "*");
    not_from_there["condition"] = json!({ "ip_equal": { "qcs:ip": ["198.51.100.0/24"] } });
    let always = cam(&json!([allow(
        "tcr:PushRepository",
        "qcs::tcr:::repository/*/team/*"
    )]));
    for (name, document) in [
        ("always", always.clone()),
        ("from-here", cam(&json!([from_here]))),
        (
            "not-from-there",
            cam(&json!([allow("tcr:*", "*"), not_from_there])),
        ),
        ("never", cam(&json!([allow("tcr:PullRepository", "*")]))),
        (
            "denied",
            cam(&json!([
                allow("tcr:*", "*"),
                deny("tcr:PushRepository", "*")
            ])),
        ),
        ("disabled", always),
    ] {
        // Users are listed oldest first.
        app.wait(Duration::from_secs(1));
        app.user(name, &document).await;
    }
    app.service
        .identity
        .set_user_state(&app.operator(), account(), "disabled", UserState::Disabled)
        .await
        .unwrap();
    app.role("builder", &everything()).await;
    let push = json!([{ "Resource": "team", "Actions": ["tcr:PushRepository"] }]);
    app.create_robot(&json!({ "Permissions": push })).await;
    let robot = format!("service-account/{}/robot always", app.instance.id);
    let expected = [
        "root always",
        "user/always always",
        "user/from-here conditionally",
        "user/not-from-there now",
        "role/builder always",
        &robot,
    ];
    assert_eq!(who_in_short(&app, "push", "team/app").await, expected);
}

#[tokio::test]
async fn of_a_public_repository_anyone_is_listed_first() {
    let app = App::new().await;
    app.record_namespace("open", Visibility::Public, Switch::On)
        .await;
    let expected = ["anyone always", "root always"];
    assert_eq!(who_in_short(&app, "pull", "open/app").await, expected);
}

#[tokio::test]
async fn a_long_list_comes_in_pages_and_each_once() {
    let app = App::new().await;
    let everything = cam(&json!([allow("tcr:*", "*")]));
    for number in 0..300 {
        app.service
            .identity
            .create_user(&app.operator(), account(), &format!("user{number}"))
            .await
            .unwrap();
    }
    app.user("last", &everything).await;
    let expected = ["root always", "user/last always"];
    assert_eq!(who_in_short(&app, "pull", "team/app").await, expected);
}

#[tokio::test]
async fn what_somebody_may_do_is_said_statement_by_statement() {
    let app = App::new().await;
    let mut from_there = deny("tcr:PullRepository", "qcs::tcr:::repository/*/secret/*");
    from_there["condition"] = json!({ "ip_equal": { "qcs:ip": "198.51.100.0/24" } });
    let document = cam(&json!([
        allow(["tcr:PullRepository", "tcr:PushRepository"], "*"),
        deny("tcr:PushRepository", "*"),
        from_there,
    ]));
    app.user("ci", &document).await;
    let held = what(&app, "user/ci").await;
    assert_eq!(held.fault, None);
    let short: Vec<String> = held
        .rights
        .iter()
        .map(|right| {
            let words: Vec<&str> = right.permissions.iter().map(|one| one.word()).collect();
            format!(
                "{} {:?} {} on {} cut by {}",
                right.statement.as_deref().unwrap(),
                right.effect,
                words.join(","),
                right.resources.join(","),
                right.cut_by.join(", ")
            )
        })
        .collect();
    let expected = [
        "statement[0] Allow pull on * cut by of-user-ci statement[1], of-user-ci statement[2]",
        "statement[1] Deny push on * cut by ",
        "statement[2] Deny pull on qcs::tcr:::repository/*/secret/* cut by ",
    ];
    assert_eq!(short, expected);
    assert!(held.rights[2].condition.is_some());
}

#[tokio::test]
async fn of_somebody_disabled_it_says_that_nothing_holds() {
    let app = App::new().await;
    app.user("ci", &everything()).await;
    app.service
        .identity
        .set_user_state(&app.operator(), account(), "ci", UserState::Disabled)
        .await
        .unwrap();
    let held = what(&app, "user/ci").await;
    assert_eq!(held.fault.as_deref(), Some("the user is disabled"));
    assert_eq!(what(&app, "root").await.rights[0].policy, "root");
}
