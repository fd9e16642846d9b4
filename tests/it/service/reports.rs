//! Reports: what isn't used, and what ends.

use std::time::Duration;

use serde_json::json;
use transire::domain::ErrorKind;
use transire::domain::operator::{OperatorPermission, OperatorRole};
use transire::domain::reported::Reported;
use transire::service::{Caller, RequestContext};

use crate::harness::operator::account;
use crate::harness::postgres::Database;
use crate::harness::{ACCOUNT, App};

const PASSWORD: &str = "Passw0rd-EXAMPLE";
const DAY: Duration = Duration::from_hours(24);

fn kinds(reported: &[Reported]) -> Vec<&'static str> {
    reported.iter().map(|one| one.kind.name()).collect()
}

/// Returns the kinds that weren't used for so many days.
async fn unused(app: &App, days: u32) -> Vec<&'static str> {
    app.service.write_last_uses().await.unwrap();
    let (call, account) = (app.operator(), Some(account()));
    let of = &app.service.operations;
    let found = of.unused_secrets(&call, account, days * DAY).await;
    kinds(&found.unwrap())
}

async fn what_is_unused_is_listed_longest_unused_first(app: App) {
    app.service.write_last_uses().await.unwrap();
    let (_, credential) = app.long_term("ci").await;
    app.later(DAY).await;
    let robot = app.create_robot(&json!({ "Duration": 3650 })).await;
    assert_eq!(app.reset_login_password(PASSWORD).await.status, 200);
    assert_eq!(unused(&app, 10).await, [""; 0]);
    app.later(9 * DAY).await;
    // Made a day before the others, and the key signed when they were made.
    assert_eq!(unused(&app, 10).await, ["credential"]);
    app.later(2 * DAY).await;
    let all = [
        "credential",
        "access-key",
        "fixed-password",
        "service-account",
    ];
    assert_eq!(unused(&app, 10).await, all);
    assert!(app.logs_in(ACCOUNT, &credential).await);
    assert_eq!(unused(&app, 10).await, all[1..]);
    assert!(app.logs_in("acme", PASSWORD).await && app.robot_logs_in(&robot).await);
    assert_eq!(unused(&app, 10).await, ["access-key"]);
    app.temporary().await;
    assert_eq!(unused(&app, 10).await, [""; 0]);
}

#[tokio::test]
async fn what_is_unused_is_listed_longest_unused_first_on_sqlite() {
    what_is_unused_is_listed_longest_unused_first(App::new().await).await;
}

#[tokio::test]
async fn what_is_unused_is_listed_longest_unused_first_on_postgres() {
    let Some(database) = Database::new().await else {
        return;
    };
    let app = App::at(Some(database.location()), |_| {}).await;
    what_is_unused_is_listed_longest_unused_first(app).await;
    database.remove().await;
}

#[tokio::test]
async fn nothing_is_called_unused_for_a_time_in_which_no_uses_were_recorded() {
    // After an upgrade every key would have been called unused, though each was in use.
    let app = App::new().await;
    app.later(100 * DAY).await;
    assert_eq!(unused(&app, 90).await, [""; 0]);
    app.later(91 * DAY).await;
    assert_eq!(unused(&app, 90).await, ["access-key"]);
}

#[tokio::test]
async fn what_ends_soon_is_listed_the_next_first() {
    let app = App::new().await;
    app.long_term("ci").await;
    app.create_robot(&json!({ "Duration": 10 })).await;
    let of = &app.service.operations;
    let ending = async |days: u32| {
        let found = of.expiring_secrets(&app.operator(), None, days * DAY).await;
        kinds(&found.unwrap())
    };
    assert_eq!(ending(9).await, [""; 0]);
    assert_eq!(ending(10).await, ["service-account"]);
    assert_eq!(ending(3650).await, ["service-account", "credential"]);
}

#[tokio::test]
async fn certificates_that_are_renewed_by_themselves_are_not_listed() {
    let app = App::new().await;
    let of = &app.service.keys;
    let ending = async |days: u32| {
        let found = of.expiring_certificates(&app.operator(), days * DAY).await;
        kinds(&found.unwrap())
    };
    assert_eq!(ending(365).await, [""; 0]);
    assert_eq!(ending(365 * 21).await, ["ca"]);
}

#[tokio::test]
async fn an_account_admin_sees_its_own_account_alone() {
    let app = App::new().await;
    let stranger = "100000000002".parse().unwrap();
    let role = OperatorRole::AccountAdmin(stranger);
    let identity = &app.service.identity;
    let made = identity.create_operator(&app.operator(), "bob", role).await;
    let token = made.unwrap().1;
    let request = RequestContext {
        request_id: "test".to_owned(),
        address: Some("127.0.0.1".parse().unwrap()),
        secure_transport: true,
    };
    let caller: Caller = app
        .service
        .access
        .authenticate_operator(&token, &request)
        .await
        .unwrap();
    let call = app.service.call(&caller, &request);
    let of = &app.service.operations;
    let own = of.unused_secrets(&call, None, Duration::ZERO).await;
    assert_eq!(kinds(&own.unwrap()), [""; 0]);
    let other = of.unused_secrets(&call, Some(account()), DAY).await;
    let refused = other.unwrap_err();
    let permission = OperatorPermission::AccessKeyRead;
    assert_eq!(refused.kind(), &ErrorKind::OperatorDenied { permission });
}
