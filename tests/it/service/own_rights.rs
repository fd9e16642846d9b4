//! The rights that a caller may give to others: no more than his own, and for no longer.

use std::time::Duration;

use serde_json::{Value, json};
use transire::domain::identity::{Target, UserState};
use transire::domain::{ErrorKind, Noun};
use transire::service::{
    Attached, AuditFilter, InstanceChoice, Question, Save, ServiceAccountGrant,
};

use crate::harness::documents::{allow, cam, deny, everything, ram, ram_allow};
use crate::harness::downgrade::downgrade;
use crate::harness::identity::app_of_user;
use crate::harness::operator::account;
use crate::harness::tencent::{refused, succeeded, with};
use crate::harness::{ACCOUNT, Answer, App, Key, NOW, Session};

const DENIED: &str = "AuthFailure.UnauthorizedOperation";
const DAY: i64 = 24 * 3_600_000;

fn team(actions: &[&str]) -> Value {
    json!([{ "Resource": "team", "Actions": actions }])
}

fn pull() -> Value {
    team(&["tcr:PullRepository"])
}

fn push_and_pull() -> Value {
    team(&["tcr:PullRepository", "tcr:PushRepository"])
}

/// Lets manage service accounts and long-term credentials, and nothing at the registry.
fn manage() -> Value {
    allow(["tcr:*ServiceAccount*", "tcr:*InstanceToken"], "*")
}

/// Lets pull from `team`.
fn pull_team() -> Value {
    allow(
        "tcr:PullRepository",
        "qcs::tcr:::repository/INSTANCE-TCR/team/*",
    )
}

/// An app whose user manages service accounts and pulls from `team`, with a key of the root's.
async fn app_of_puller() -> (App, Key) {
    app_of(&[cam(&json!([manage(), pull_team()]))]).await
}

async fn app_of(policies: &[Value]) -> (App, Key) {
    // Apart: it is large.
    let app = Box::pin(app_of_user(policies)).await;
    let root = app
        .service
        .identity
        .create_access_key(&app.operator(), account(), None)
        .await
        .unwrap();
    (app, Key::permanent(root))
}

/// Fails unless the call was refused by a rule of what may be given; returns the text.
fn withheld(answer: &Answer) -> String {
    let (code, message) = refused(answer);
    assert_eq!(code, DENIED, "{message}");
    assert!(
        message.contains("service_accounts.grant = \"own-rights\"")
            && message.contains("--service-account-grant vendor"),
        "{message}"
    );
    message
}

#[tokio::test]
async fn a_user_makes_a_service_account_that_may_what_its_own_policies_allow_and_no_more() {
    // The right to make one was every push and pull, past an explicit deny on the caller.
    let (app, _) = app_of_puller().await;
    app.robot_of(&app.key, &pull()).await;
    for (permissions, action, path) in [
        (push_and_pull(), "tcr:PushRepository", "team/*"),
        (
            json!([
                { "Resource": "team", "Actions": ["tcr:PullRepository"] },
                { "Resource": "other", "Actions": ["tcr:PullRepository"] },
            ]),
            "tcr:PullRepository",
            "other/*",
        ),
        (
            team(&["tcr:CreateRepository"]),
            "tcr:CreateRepository",
            "team/*",
        ),
        (
            team(&["tcr:CreateHelmChart"]),
            "tcr:PushRepository",
            "team/*",
        ),
        (
            json!([{ "Resource": "teams", "Actions": ["tcr:PullRepository"] }]),
            "tcr:PullRepository",
            "teams/*",
        ),
    ] {
        let more = json!({ "Name": "other", "Permissions": permissions });
        let message = withheld(&app.of_robot(&app.key, "CreateServiceAccount", &more).await);
        let resource = format!("repository/{}/{path})", app.instance.id);
        assert!(
            message.contains(&format!("({action})")) && message.contains(&resource),
            "{message}"
        );
    }
    let charts = json!({ "Name": "charts", "Permissions": team(&["tcr:DescribeHelmCharts"]) });
    succeeded(
        &app.of_robot(&app.key, "CreateServiceAccount", &charts)
            .await,
    );
}

#[tokio::test]
async fn what_policies_allow_under_a_condition_or_deny_anywhere_in_the_namespace_is_not_given_on() {
    let anywhere = json!({ "ip_equal": { "qcs:ip": ["0.0.0.0/0", "::/0"] } });
    let later = json!({ "date_greater_than": { "qcs:current_time": "2020-01-01T00:00:00Z" } });
    let at = |condition: &Value, effect: &str, resource: &str| {
        json!({
            "effect": effect,
            "action": "tcr:PullRepository",
            "resource": resource,
            "condition": condition,
        })
    };
    let ram_statement = |effect: &str, condition: Value| {
        let mut statement =
            json!({ "Effect": effect, "Action": "cr:PullRepository", "Resource": "*" });
        if !condition.is_null() {
            statement["Condition"] = condition;
        }
        ram(&json!([statement]))
    };
    for (documents, gives) in [
        (
            vec![cam(&json!([manage(), at(&anywhere, "allow", "*")]))],
            false,
        ),
        (
            vec![cam(&json!([manage(), at(&later, "allow", "*")]))],
            false,
        ),
        (
            vec![cam(&json!([
                manage(),
                pull_team(),
                at(&later, "allow", "*")
            ]))],
            true,
        ),
        (
            vec![cam(&json!([
                manage(),
                pull_team(),
                at(
                    &json!({ "ip_equal": { "qcs:ip": "192.0.2.0/24" } }),
                    "deny",
                    "*"
                )
            ]))],
            false,
        ),
        (
            vec![
                cam(&json!([manage(), pull_team()])),
                ram_statement(
                    "Deny",
                    json!({ "Bool": { "acs:SecureTransport": "false" } }),
                ),
            ],
            false,
        ),
        (
            vec![
                cam(&json!([manage()])),
                ram_statement("Allow", json!({ "Bool": { "acs:MFAPresent": "false" } })),
            ],
            false,
        ),
        (
            vec![
                cam(&json!([manage()])),
                ram_statement(
                    "Allow",
                    json!({ "StringEquals": { "acs:ResourceTag/env": "dev" } }),
                ),
            ],
            false,
        ),
        (
            vec![cam(&json!([manage()])), ram_statement("Allow", Value::Null)],
            true,
        ),
        (
            vec![cam(&json!([
                manage(),
                allow("tcr:PullRepository", "*"),
                deny(
                    "tcr:PullRepository",
                    "qcs::tcr:::repository/INSTANCE-TCR/team/secret"
                ),
            ]))],
            false,
        ),
        (
            vec![cam(&json!([
                manage(),
                allow(
                    "tcr:PullRepository",
                    "qcs::tcr:::repository/INSTANCE-TCR/team/app"
                ),
            ]))],
            false,
        ),
    ] {
        let (app, _) = app_of(&documents).await;
        let answer = app
            .of_robot(
                &app.key,
                "CreateServiceAccount",
                &json!({ "Permissions": pull() }),
            )
            .await;
        if gives {
            succeeded(&answer);
        } else {
            assert!(
                withheld(&answer).contains("(tcr:PullRepository)"),
                "{documents:?}"
            );
        }
    }
}

#[tokio::test]
async fn the_root_gives_anything_and_a_session_of_it_or_of_a_role_nothing() {
    // A session of thirty minutes made one for a hundred years.
    let app = App::new().await;
    app.role("open", &everything()).await;
    let policy = json!({ "Name": "ci", "Policy": everything().to_string() });
    let federated =
        Session::of_tencent(&app.tencent_sts("GetFederationToken", &policy).send().await).key();
    let role = app
        .tencent_session(&app.key, "open", &json!({}))
        .await
        .key();
    let user = app.user("ci", &everything()).await;
    let of_user = app.tencent_session(&user, "open", &json!({})).await.key();
    let password = app.robot_of(&app.key, &push_and_pull()).await;
    succeeded(
        &app.of_robot(&app.key, "ModifyServiceAccount", &json!({ "Duration": 30 }))
            .await,
    );
    for session in [&federated, &role, &of_user] {
        for (action, more) in [
            (
                "CreateServiceAccount",
                json!({ "Name": "new", "Permissions": pull() }),
            ),
            (
                "ModifyServiceAccount",
                json!({
                    "Permissions": [{ "Resource": "more", "Actions": ["tcr:PullRepository"] }],
                }),
            ),
            ("ModifyServiceAccount", json!({ "Duration": 36_500 })),
            (
                "ModifyServiceAccount",
                json!({ "ExpiresAt": NOW.unix_millis() + 40 * DAY }),
            ),
            ("ModifyServiceAccountPassword", json!({ "Random": true })),
            (
                "ModifyServiceAccountPassword",
                json!({ "Random": false, "Password": "Ch0senEXAMPLE" }),
            ),
        ] {
            let message = withheld(&app.of_robot(session, action, &more).await);
            assert!(
                message
                    .contains("A session makes, widens or gives a password to no service account"),
                "{message}"
            );
        }
        // It may take away.
        for more in [
            json!({ "Description": "less" }),
            json!({ "Permissions": pull() }),
            json!({ "Duration": 20 }),
            json!({ "Disable": true }),
        ] {
            succeeded(&app.of_robot(session, "ModifyServiceAccount", &more).await);
        }
        withheld(
            &app.of_robot(
                session,
                "ModifyServiceAccount",
                &json!({ "Disable": false }),
            )
            .await,
        );
        let back = json!({ "Permissions": push_and_pull(), "Duration": 30, "Disable": false });
        succeeded(&app.of_robot(&app.key, "ModifyServiceAccount", &back).await);
        assert!(app.robot_logs_in(&password).await);
    }
    succeeded(
        &app.of_robot(&role, "DeleteServiceAccount", &json!({}))
            .await,
    );
}

#[tokio::test]
async fn whoever_widens_a_service_account_holds_what_it_gets_and_whoever_narrows_it_needs_not() {
    let (app, root) = app_of_puller().await;
    app.robot_of(&root, &pull()).await;
    let modify =
        async |key: &Key, more: Value| app.of_robot(key, "ModifyServiceAccount", &more).await;
    // All that it holds is the user's own.
    for more in [
        json!({ "Duration": 36_500 }),
        json!({ "Disable": true }),
        json!({ "Disable": false }),
        json!({ "Permissions": [] }),
    ] {
        succeeded(&modify(&app.key, more).await);
    }
    succeeded(&modify(&app.key, json!({ "Permissions": pull() })).await);
    withheld(&modify(&app.key, json!({ "Permissions": push_and_pull() })).await);
    // Now it holds more.
    succeeded(
        &modify(
            &root,
            json!({ "Permissions": push_and_pull(), "Duration": 30 }),
        )
        .await,
    );
    for more in [
        json!({ "Duration": 31 }),
        json!({ "Permissions": push_and_pull(), "Duration": 31 }),
    ] {
        assert!(withheld(&modify(&app.key, more).await).contains("(tcr:PushRepository)"));
    }
    for more in [
        json!({ "Description": "" }),
        json!({ "Duration": 29 }),
        json!({ "Permissions": push_and_pull() }),
        json!({ "Disable": true }),
    ] {
        succeeded(&modify(&app.key, more).await);
    }
    withheld(&modify(&app.key, json!({ "Disable": false })).await);
    // A right that is taken away in the same call need not be held.
    succeeded(
        &modify(
            &app.key,
            json!({ "Disable": false, "Permissions": pull(), "Duration": 40 }),
        )
        .await,
    );
}

#[tokio::test]
async fn who_sets_a_password_holds_all_that_the_service_account_does() {
    // The right to set passwords alone took every service account over.
    let (app, root) = app_of_puller().await;
    let password = app.robot_of(&root, &push_and_pull()).await;
    for more in [
        json!({ "Random": true }),
        json!({ "Random": false, "Password": "Ch0senEXAMPLE" }),
    ] {
        let message = withheld(
            &app.of_robot(&app.key, "ModifyServiceAccountPassword", &more)
                .await,
        );
        assert!(message.contains("(tcr:PushRepository)"), "{message}");
    }
    // Disabled or not: somebody could enable it later.
    succeeded(
        &app.of_robot(&root, "ModifyServiceAccount", &json!({ "Disable": true }))
            .await,
    );
    withheld(
        &app.of_robot(
            &app.key,
            "ModifyServiceAccountPassword",
            &json!({ "Random": true }),
        )
        .await,
    );
    succeeded(
        &app.of_robot(&root, "ModifyServiceAccount", &json!({ "Disable": false }))
            .await,
    );
    assert!(app.robot_logs_in(&password).await);
    succeeded(
        &app.of_robot(
            &root,
            "ModifyServiceAccount",
            &json!({ "Permissions": pull() }),
        )
        .await,
    );
    let new = succeeded(
        &app.of_robot(
            &app.key,
            "ModifyServiceAccountPassword",
            &json!({ "Random": true }),
        )
        .await,
    );
    assert!(
        !app.robot_logs_in(&password).await
            && app.robot_logs_in(new["Password"].as_str().unwrap()).await
    );
}

#[tokio::test]
async fn the_operator_lets_users_and_sessions_give_anything_everywhere_or_in_one_account() {
    let mut app =
        App::with(|options| options.service.service_account_grant = ServiceAccountGrant::Vendor)
            .await;
    app.role("manager", &cam(&json!([manage()]))).await;
    let user = app.user("ci", &cam(&json!([manage()]))).await;
    let session = app
        .tencent_session(&app.key, "manager", &json!({}))
        .await
        .key();
    for (grant, key, is_given) in [
        (None, &user, true),
        (None, &session, true),
        (Some(ServiceAccountGrant::OwnRights), &user, false),
        (Some(ServiceAccountGrant::OwnRights), &session, false),
        (Some(ServiceAccountGrant::Vendor), &user, true),
        (Some(ServiceAccountGrant::Vendor), &session, true),
        (None, &session, true),
    ] {
        app.allow_anything_in(grant).await;
        let made = app
            .of_robot(
                key,
                "CreateServiceAccount",
                &json!({ "Permissions": push_and_pull(), "Duration": 36_500 }),
            )
            .await;
        if !is_given {
            withheld(&made);
            continue;
        }
        succeeded(&made);
        succeeded(
            &app.of_robot(
                key,
                "ModifyServiceAccountPassword",
                &json!({ "Random": true }),
            )
            .await,
        );
        succeeded(
            &app.of_robot(&app.key, "DeleteServiceAccount", &json!({}))
                .await,
        );
    }
    // Another account goes by the settings.
    app.allow_anything_in(Some(ServiceAccountGrant::OwnRights))
        .await;
    let accounts = app
        .service
        .identity
        .accounts(&app.operator())
        .await
        .unwrap();
    let own: Vec<_> = accounts
        .iter()
        .map(|account| account.service_account_grant)
        .collect();
    assert_eq!(own, [Some(ServiceAccountGrant::OwnRights), None]);
    let restarted = app.replica().await.service;
    app.go_on_with(restarted);
    withheld(
        &app.of_robot(
            &user,
            "CreateServiceAccount",
            &json!({ "Permissions": pull() }),
        )
        .await,
    );
}

#[tokio::test]
async fn revoking_a_principal_disables_what_it_made_until_the_root_or_the_operator_enables_it() {
    // A service account went on after its maker was revoked.
    let app =
        App::with(|options| options.service.service_account_grant = ServiceAccountGrant::Vendor)
            .await;
    app.role("open", &everything()).await;
    let (ci, colleague) = (
        app.user("ci", &everything()).await,
        app.user("colleague", &everything()).await,
    );
    let session = app.tencent_session(&ci, "open", &json!({})).await.key();
    let policy = json!({ "Name": "ci", "Policy": everything().to_string() });
    let federated = Session::of_tencent(
        &app.tencent_sts("GetFederationToken", &policy)
            .by(&ci)
            .send()
            .await,
    )
    .key();
    let mut passwords = Vec::new();
    for (name, key) in [
        ("own", &ci),
        ("session", &session),
        ("federated", &federated),
        ("other", &colleague),
        ("root", &app.key),
    ] {
        let made = succeeded(
            &app.of_robot(
                key,
                "CreateServiceAccount",
                &json!({ "Name": name, "Permissions": pull() }),
            )
            .await,
        );
        passwords.push((
            format!("tcr${name}"),
            made["Password"].as_str().unwrap().to_owned(),
        ));
    }
    let working = async || {
        let mut working = Vec::new();
        for (name, password) in &passwords {
            if app.status(name, password).await == 200 {
                working.push(name.trim_start_matches("tcr$"));
            }
        }
        working.join(" ")
    };
    assert_eq!(working().await, "own session federated other root");
    let revoked = app
        .service
        .identity
        .revoke(
            &app.operator(),
            &format!("{ACCOUNT}:user/ci").parse().unwrap(),
        )
        .await
        .unwrap();
    let named = |name: &str| format!("{ACCOUNT}:service-account/{}/{name}", app.instance.id);
    assert_eq!(
        revoked.service_accounts,
        ["federated", "own", "session"].map(named)
    );
    assert_eq!(working().await, "other root");

    // Its own key still signs, but doesn't undo that, and neither does a colleague's.
    for key in [&ci, &colleague] {
        let (code, message) = refused(
            &app.of_robot(
                key,
                "ModifyServiceAccount",
                &json!({ "Name": "own", "Disable": false }),
            )
            .await,
        );
        assert_eq!(code, DENIED);
        assert!(
            message.contains("only the root and the operator enable it again"),
            "{message}"
        );
        // To disable it once more is none of the operator's doing undone.
        succeeded(
            &app.of_robot(
                key,
                "ModifyServiceAccount",
                &json!({ "Name": "own", "Disable": true }),
            )
            .await,
        );
    }
    refused(
        &app.of_robot(
            &ci,
            "ModifyServiceAccount",
            &json!({ "Name": "own", "Disable": false }),
        )
        .await,
    );
    succeeded(
        &app.of_robot(
            &app.key,
            "ModifyServiceAccount",
            &json!({ "Name": "own", "Disable": false }),
        )
        .await,
    );
    assert_eq!(working().await, "own other root");
    let role = format!("{ACCOUNT}:role/open").parse().unwrap();
    assert_eq!(
        app.service
            .identity
            .revoke(&app.operator(), &role)
            .await
            .unwrap()
            .service_accounts,
        [named("session")]
    );
    let all = app
        .service
        .identity
        .revoke(&app.operator(), &format!("{ACCOUNT}:root").parse().unwrap())
        .await
        .unwrap();
    assert_eq!(all.service_accounts, [named("root")]);
    assert_eq!(working().await, "own other");
}

#[tokio::test]
async fn what_users_disabled_users_enable_and_what_the_root_or_the_operator_did_they_do_not() {
    let (app, root) = app_of_puller().await;
    let password = app.robot_of(&app.key, &pull()).await;
    let set = async |key: &Key, disable: bool| {
        app.of_robot(key, "ModifyServiceAccount", &json!({ "Disable": disable }))
            .await
    };
    succeeded(&set(&app.key, true).await);
    succeeded(&set(&app.key, false).await);
    succeeded(&set(&root, true).await);
    assert_eq!(refused(&set(&app.key, false).await).0, DENIED);
    succeeded(&set(&root, false).await);
    assert!(app.robot_logs_in(&password).await);
    // Made disabled by the root, it waits for the root.
    succeeded(
        &app.of_robot(
            &root,
            "CreateServiceAccount",
            &json!({ "Name": "idle", "Permissions": pull(), "Disable": true }),
        )
        .await,
    );
    assert_eq!(
        refused(
            &app.of_robot(
                &app.key,
                "ModifyServiceAccount",
                &json!({ "Name": "idle", "Disable": false })
            )
            .await
        )
        .0,
        DENIED
    );
}

#[tokio::test]
async fn deleting_a_user_lists_what_it_made_and_that_can_be_stopped_afterwards() {
    let (app, _) = app_of_puller().await;
    let password = app.robot_of(&app.key, &pull()).await;
    let user = app
        .service
        .identity
        .users(&app.operator(), account())
        .await
        .unwrap()
        .remove(0)
        .id;
    let made = app
        .service
        .identity
        .delete_user(&app.operator(), account(), "ci")
        .await
        .unwrap();
    let robot = format!("{ACCOUNT}:service-account/{}/robot", app.instance.id);
    assert_eq!(made, std::slice::from_ref(&robot));
    assert!(
        app.robot_logs_in(&password).await,
        "somebody may rest on it: the operator is told, and decides"
    );
    let gone = format!("{ACCOUNT}:user#{user}").parse().unwrap();
    assert_eq!(
        app.service
            .credentials
            .service_accounts_made_by(&app.operator(), &gone)
            .await
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        app.service
            .identity
            .revoke(&app.operator(), &gone)
            .await
            .unwrap()
            .service_accounts,
        std::slice::from_ref(&robot)
    );
    assert!(!app.robot_logs_in(&password).await);
    let nobody = format!("{ACCOUNT}:user#299999999999").parse().unwrap();
    let refused = app
        .service
        .identity
        .revoke(&app.operator(), &nobody)
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), &ErrorKind::NotFound { noun: Noun::User });
    app.service.ledger.close().await;
    let lines = crate::harness::audit::listed(
        &app.service,
        &AuditFilter::between(NOW, app.now().plus(Duration::from_secs(1))),
    )
    .await;
    for action in ["user.delete", "principal.revoke"] {
        let line = lines
            .iter()
            .find(|line| line.action == action && line.outcome == "ok")
            .unwrap();
        assert!(line.detail.contains(&robot), "{}", line.detail);
    }
}

#[tokio::test]
async fn what_the_root_the_operator_or_revoke_disabled_of_long_term_credentials_only_they_enable() {
    // The right to modify one undid what the operator had disabled.
    let (app, root) = app_of_puller().await;
    let (id, secret) = app.long_term_of(&app.key).await;
    let enable = async |key: &Key, enabled: bool| {
        app.of_token(
            key,
            "ModifyInstanceToken",
            &id,
            &json!({ "Enable": enabled }),
        )
        .await
    };
    let user = app
        .service
        .identity
        .users(&app.operator(), account())
        .await
        .unwrap()
        .remove(0)
        .id
        .to_string();
    let works = async || app.status(&user, &secret).await == 200;
    succeeded(&enable(&app.key, false).await);
    succeeded(&enable(&app.key, true).await);
    assert!(works().await);
    let choice = InstanceChoice::Tcr(app.instance.id.clone());
    let credential = id.parse().unwrap();
    for stop in ["root", "operator", "revoke"] {
        match stop {
            "root" => drop(succeeded(&enable(&root, false).await)),
            "operator" => {
                let disabled = transire::domain::credential::CredentialState::Disabled;
                app.service
                    .credentials
                    .set_credential_state(&app.operator(), &choice, &credential, disabled)
                    .await
                    .unwrap();
            }
            _ => {
                let principal = format!("{ACCOUNT}:user/ci").parse().unwrap();
                app.service
                    .identity
                    .revoke_credential(&app.operator(), &principal, &credential)
                    .await
                    .unwrap();
            }
        }
        succeeded(&enable(&app.key, false).await);
        let (code, message) = refused(&enable(&app.key, true).await);
        assert_eq!(code, DENIED);
        assert!(
            message.contains("only the root and the operator enable it again"),
            "{message}"
        );
        assert!(!works().await, "{stop}");
        succeeded(&enable(&root, true).await);
        assert!(works().await, "{stop}");
    }
}

#[tokio::test]
async fn a_policy_restricts_changes_to_ones_own_in_either_language() {
    // Changing and deleting worked on everybody's in the instance, and no policy could say
    // otherwise.
    let others = json!({ "string_not_equal": { "tcr:owner": "self" } });
    let own_in_cam = cam(&json!([
        manage(),
        pull_team(),
        {
            "effect": "deny",
            "resource": "*",
            "condition": others,
            "action": [
                "tcr:ModifyInstanceToken",
                "tcr:DeleteInstanceToken",
                "tcr:ModifyServiceAccount",
                "tcr:ModifyServiceAccountPassword",
                "tcr:DeleteServiceAccount",
            ],
        },
    ]));
    let own_in_ram = ram(&json!([
        {
            "Effect": "Allow",
            "Resource": "*",
            "Condition": { "StringEquals": { "cr:Owner": "self" } },
            "Action": [
                "cr:UpdateInstanceToken",
                "cr:DeleteInstanceToken",
                "cr:UpdateServiceAccount",
                "cr:DeleteServiceAccount",
            ],
        },
        ram_allow(
            ["cr:CreateInstanceToken", "cr:CreateServiceAccount", "cr:PullRepository"],
            "*",
        ),
    ]));
    for policy in [own_in_cam, own_in_ram] {
        let (app, root) = app_of(&[policy]).await;
        app.robot_of(&app.key, &pull()).await;
        succeeded(
            &app.of_robot(
                &root,
                "CreateServiceAccount",
                &json!({ "Name": "roots", "Permissions": pull() }),
            )
            .await,
        );
        let (own, roots) = (
            app.long_term_of(&app.key).await.0,
            app.long_term_of(&root).await.0,
        );
        for (action, more) in [
            ("ModifyInstanceToken", json!({ "Enable": false })),
            ("DeleteInstanceToken", json!({})),
        ] {
            let nobodys = "v".repeat(20);
            for id in [&roots, &nobodys] {
                assert_eq!(
                    refused(&app.of_token(&app.key, action, id, &more).await).0,
                    DENIED,
                    "{action}"
                );
            }
            succeeded(&app.of_token(&app.key, action, &own, &more).await);
        }
        for (action, more) in [
            ("ModifyServiceAccount", json!({ "Disable": true })),
            ("ModifyServiceAccountPassword", json!({ "Random": true })),
            ("DeleteServiceAccount", json!({})),
        ] {
            for name in ["roots", "nobody"] {
                let of_other = with(&more, &json!({ "Name": name }));
                assert_eq!(
                    refused(&app.of_robot(&app.key, action, &of_other).await).0,
                    DENIED,
                    "{action} {name}"
                );
            }
            succeeded(&app.of_robot(&app.key, action, &more).await);
        }
    }
}

#[tokio::test]
async fn a_session_of_a_user_owns_what_is_the_users() {
    let others = json!({ "string_not_equal": { "tcr:owner": "self" } });
    let (app, root) = app_of(&[cam(&json!([
        allow(["tcr:*", "sts:*"], "*"),
        {
            "effect": "deny",
            "resource": "*",
            "condition": others,
            "action": "tcr:DeleteInstanceToken",
        },
    ]))])
    .await;
    let (own, roots) = (
        app.long_term_of(&app.key).await.0,
        app.long_term_of(&root).await.0,
    );
    let policy = json!({ "Name": "ci", "Policy": everything().to_string() });
    let federated =
        Session::of_tencent(&app.tencent_sts("GetFederationToken", &policy).send().await).key();
    assert_eq!(
        refused(
            &app.of_token(&federated, "DeleteInstanceToken", &roots, &json!({}))
                .await
        )
        .0,
        DENIED
    );
    succeeded(
        &app.of_token(&federated, "DeleteInstanceToken", &own, &json!({}))
            .await,
    );
}

#[tokio::test]
async fn an_explanation_knows_the_owner_and_what_a_session_may_not_give() {
    let others = json!({ "string_not_equal": { "tcr:owner": "self" } });
    let (app, _) = app_of(&[cam(&json!([
        manage(),
        {
            "effect": "deny",
            "resource": "*",
            "condition": others,
            "action": "tcr:DeleteInstanceToken",
        },
    ]))])
    .await;
    app.role("manager", &cam(&json!([manage()]))).await;
    let explain = async |principal: &str, action: &str, owner: Option<&str>| {
        let principal = format!("{ACCOUNT}:{principal}").parse().unwrap();
        let owner = owner.map(|owner| format!("{ACCOUNT}:{owner}").parse().unwrap());
        let question = Question {
            owner,
            ..Question::new(action.parse().unwrap(), app.choice(), "")
        };
        let explained = app
            .service
            .rights
            .explain(&app.operator(), &principal, &question)
            .await
            .unwrap();
        let step = explained.deciding().unwrap();
        (explained.allowed, step.about, step.reason.clone())
    };
    assert!(
        explain("user/ci", "delete-long-term", Some("user/ci"))
            .await
            .0
    );
    assert!(!explain("user/ci", "delete-long-term", Some("root")).await.0);
    assert!(!explain("user/ci", "delete-long-term", None).await.0);
    for (principal, action, allowed, says) in [
        (
            "user/ci",
            "create-service-account",
            true,
            "what its policies allow without a condition",
        ),
        (
            "role/manager",
            "create-service-account",
            false,
            "a session gives nothing",
        ),
        (
            "role/manager",
            "set-service-account-password",
            false,
            "a session gives nothing",
        ),
        (
            "role/manager",
            "modify-service-account",
            true,
            "may take away",
        ),
    ] {
        let (is_allowed, about, reason) = explain(principal, action, None).await;
        assert_eq!(
            (is_allowed, about),
            (allowed, "grant"),
            "{principal} {action}"
        );
        assert!(reason.contains(says), "{reason}");
    }
    assert_eq!(
        explain("root", "create-service-account", None).await.1,
        "policies"
    );
    app.allow_anything_in(Some(ServiceAccountGrant::Vendor))
        .await;
    assert!(
        explain("role/manager", "create-service-account", None)
            .await
            .0
    );
}

#[tokio::test]
async fn a_user_who_lost_a_right_gives_it_no_more_and_what_it_made_keeps_it() {
    let (app, _) = app_of_puller().await;
    let password = app.robot_of(&app.key, &pull()).await;
    let none = cam(&json!([manage()])).to_string();
    app.service
        .identity
        .save_policy(&app.operator(), account(), "policy-0", &none, Save::Update)
        .await
        .unwrap();
    withheld(
        &app.of_robot(
            &app.key,
            "ModifyServiceAccountPassword",
            &json!({ "Random": true }),
        )
        .await,
    );
    withheld(
        &app.of_robot(
            &app.key,
            "CreateServiceAccount",
            &json!({ "Name": "second", "Permissions": pull() }),
        )
        .await,
    );
    assert!(app.robot_logs_in(&password).await);
    let user = Target::User("ci".to_owned());
    app.service
        .identity
        .set_attached(
            &app.operator(),
            account(),
            "AdministratorAccess",
            &user,
            Attached::Yes,
        )
        .await
        .unwrap();
    succeeded(
        &app.of_robot(
            &app.key,
            "CreateServiceAccount",
            &json!({ "Name": "second", "Permissions": push_and_pull() }),
        )
        .await,
    );
    // A disabled user's keys sign nothing; what it made is its own affair no more.
    app.service
        .identity
        .set_user_state(&app.operator(), account(), "ci", UserState::Disabled)
        .await
        .unwrap();
    assert!(app.robot_logs_in(&password).await);
}

#[tokio::test]
async fn a_store_of_an_earlier_release_has_the_new_rule_and_its_service_accounts_go_on() {
    let (mut app, root) = app_of(&[cam(&json!([manage(), allow("sts:*", "*")]))]).await;
    let password = app.robot_of(&root, &push_and_pull()).await;
    let (id, secret) = app.long_term_of(&root).await;
    succeeded(
        &app.of_token(
            &root,
            "ModifyInstanceToken",
            &id,
            &json!({ "Enable": false }),
        )
        .await,
    );
    // As the release before left it.
    app.service.ledger.close().await;
    downgrade(
        &app,
        11,
        "ALTER TABLE account DROP COLUMN service_account_grant;
         ALTER TABLE service_account DROP COLUMN maker;
         ALTER TABLE service_account DROP COLUMN maker_ids;
         ALTER TABLE service_account DROP COLUMN revision;
         ALTER TABLE service_account DROP COLUMN disabled_by;
         ALTER TABLE credential DROP COLUMN disabled_by;
         DROP INDEX audit_page_wide;
         DROP INDEX audit_page_by_time;
         ALTER TABLE audit_page DROP COLUMN bytes;
         ALTER TABLE audit_page DROP COLUMN contents;
         CREATE INDEX audit_page_by_time ON audit_page (first_at, id, last_at);",
    );
    let upgraded = app.upgraded().await;
    app.go_on_with(upgraded);
    assert!(app.robot_logs_in(&password).await);
    for (action, more) in [
        (
            "CreateServiceAccount",
            json!({ "Name": "new", "Permissions": pull() }),
        ),
        ("ModifyServiceAccountPassword", json!({ "Random": true })),
        ("ModifyServiceAccount", json!({ "Duration": 36_500 })),
    ] {
        withheld(&app.of_robot(&app.key, action, &more).await);
    }
    // Nobody knows who disabled this one, so that the right to modify it enables it, as before.
    succeeded(
        &app.of_token(
            &app.key,
            "ModifyInstanceToken",
            &id,
            &json!({ "Enable": true }),
        )
        .await,
    );
    assert_eq!(app.status(ACCOUNT, &secret).await, 200);
    succeeded(
        &app.of_robot(
            &app.key,
            "ModifyServiceAccount",
            &json!({ "Disable": true }),
        )
        .await,
    );
    succeeded(
        &app.of_robot(&root, "ModifyServiceAccount", &json!({ "Disable": false }))
            .await,
    );
    let revoked = app
        .service
        .identity
        .revoke(&app.operator(), &format!("{ACCOUNT}:root").parse().unwrap())
        .await
        .unwrap();
    assert!(
        revoked.service_accounts.is_empty(),
        "who made them was not recorded"
    );
    assert!(app.robot_logs_in(&password).await);
}
