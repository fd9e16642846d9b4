//! Service accounts: Tencent's operations, and what they may do at the registry door.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use transire::domain::clock::{SystemClock, SystemRandom};
use transire::domain::instance::Instance;
use transire::domain::namespace::{Namespace, NamespaceId, Severity, Visibility};
use transire::domain::secret::Secret;
use transire::domain::switch::Switch;
use transire::domain::{ErrorKind, Noun};
use transire::service::AuditFilter;
use transire::store::cascade::Contents;
use transire::store::{self, Location, Open, Operation, Part, Store, Write};

use crate::harness::documents::{allow, cam};
use crate::harness::identity::app_of_user;
use crate::harness::operator::{account, context};
use crate::harness::registry::granted;
use crate::harness::tencent::{code, done, puller, refusal, refused, with};
use crate::harness::{ACCOUNT, App, NOW, SERVICE};

const DAY: i64 = 24 * 3_600_000;

/// Returns what a token's claims are.
fn claims(token: &str) -> Value {
    serde_json::from_slice(
        &URL_SAFE_NO_PAD
            .decode(token.split('.').nth(1).unwrap())
            .unwrap(),
    )
    .unwrap()
}

#[tokio::test]
async fn a_service_account_is_made_with_the_documented_fields() {
    let app = App::new().await;
    let created = done(
        &app,
        "CreateServiceAccount",
        &app.robot(&json!({ "Permissions": puller(), "Description": "pulls", "Duration": 10 })),
    )
    .await;
    let password = created["Password"].as_str().unwrap();
    assert!(
        password.len() == 32 && password.bytes().all(|byte| byte.is_ascii_alphanumeric()),
        "{password}"
    );
    let expected = json!({
        "Name": "tcr$robot",
        "Password": password,
        "ExpiresAt": NOW.unix_millis() + 10 * DAY,
        "CreateTime": "2025-01-03T12:04:17+08:00",
    });
    assert_eq!(created, expected);
    app.wait(Duration::from_secs(60));
    assert_eq!(
        done(
            &app,
            "ModifyServiceAccount",
            &app.robot(&json!({ "Description": "pulls more" }))
        )
        .await,
        json!({})
    );
    let listed = json!({
        "Name": "tcr$robot",
        "Description": "pulls more",
        "Disable": false,
        "ExpiresAt": NOW.unix_millis() + 10 * DAY,
        "CreateTime": "2025-01-03T12:04:17+08:00",
        "UpdateTime": "2025-01-03T12:05:17+08:00",
        "Permissions": puller(),
    });
    assert_eq!(
        app.accounts(&json!({ "EmbedPermission": true })).await,
        json!({ "ServiceAccounts": [listed], "TotalCount": 1 })
    );
    assert_eq!(
        app.accounts(&json!({})).await["ServiceAccounts"][0]["Permissions"],
        json!([])
    );
    assert!(
        !app.accounts(&json!({}))
            .await
            .to_string()
            .contains(password)
    );
    // Only the hash is stored.
    assert!(
        !app.files()
            .windows(32)
            .any(|bytes| bytes == password.as_bytes()),
        "the password stands in the data"
    );
}

#[tokio::test]
async fn it_does_in_each_namespace_what_its_own_permissions_say_and_nothing_else() {
    let app = App::new().await;
    let permissions = json!([
        { "Resource": "team", "Actions": ["tcr:PullRepository"] },
        { "Resource": "build", "Actions": ["tcr:PushRepository"] },
        { "Resource": "build", "Actions": ["tcr:PullRepository"] },
        { "Resource": "drop", "Actions": ["tcr:PushRepository"] },
        {
            "Resource": "charts",
            "Actions": ["tcr:CreateRepository", "tcr:CreateHelmChart", "tcr:DescribeHelmCharts"],
        },
    ]);
    let password = Secret::new(
        app.create_robot(&json!({ "Permissions": permissions }))
            .await,
    );
    for (scope, expected) in [
        (
            "repository:team/app:pull,push,delete",
            "repository:team/app:pull",
        ),
        (
            "repository:team/deep/app:pull",
            "repository:team/deep/app:pull",
        ),
        ("repository:build/app:*", "repository:build/app:pull,push"),
        ("repository:drop/app:pull,push", "repository:drop/app:push"),
        ("repository:charts/app:pull,push", ""),
        ("repository:teams/app:pull", ""),
        ("repository:team:pull", ""),
        ("repository:other/team/app:pull", ""),
        ("registry:catalog:*", ""),
    ] {
        assert_eq!(
            granted(&app, "tcr$robot", &password, scope).await,
            expected,
            "{scope}"
        );
    }
    // A change is obeyed at the next exchange; an empty list takes all away.
    for (permissions, expected) in [
        (
            json!([{
                "Resource": "other",
                "Actions": ["tcr:PullRepository", "tcr:PushRepository"],
            }]),
            "repository:other/app:pull,push",
        ),
        (json!([]), ""),
    ] {
        done(
            &app,
            "ModifyServiceAccount",
            &app.robot(&json!({ "Permissions": permissions })),
        )
        .await;
        assert_eq!(
            granted(
                &app,
                "tcr$robot",
                &password,
                "repository:other/app:pull,push"
            )
            .await,
            expected
        );
        assert_eq!(
            granted(&app, "tcr$robot", &password, "repository:team/app:pull").await,
            ""
        );
    }
}

#[tokio::test]
async fn its_token_is_its_own_and_it_gets_no_refresh_token() {
    let app = App::new().await;
    let password = app.create_robot(&json!({})).await;
    let query = format!(
        "service={SERVICE}&scope=repository:team/app:pull&offline_token=true&account=tcr%24robot"
    );
    let answer = app
        .registry(Some(("tcr$robot", &password)), &query)
        .await
        .json();
    assert_eq!(answer["refresh_token"], Value::Null);
    let claims = claims(answer["token"].as_str().unwrap());
    assert_eq!(
        (&claims["sub"], &claims["aud"]),
        (&json!("tcr$robot"), &json!(SERVICE))
    );
    assert_eq!(
        claims["access"],
        json!([{ "type": "repository", "name": "team/app", "actions": ["pull"] }])
    );
    app.service.ledger.close().await;
    let principal = format!("{ACCOUNT}:service-account/{}/robot", app.instance.id);
    let filter = AuditFilter {
        principal: Some(principal),
        ..AuditFilter::between(NOW, app.now().plus(Duration::from_secs(1)))
    };
    let lines = crate::harness::audit::listed(&app.service, &filter).await;
    assert_eq!(
        lines
            .iter()
            .map(|line| line.action.as_str())
            .collect::<Vec<_>>(),
        ["token.exchange"]
    );
    assert!(lines[0].account == Some(account().number()) && !lines[0].detail.contains(&password));
}

#[tokio::test]
async fn every_refusal_is_the_same() {
    let app = App::new().await;
    let password = app.create_robot(&json!({})).await;
    let foreign = done(
        &app,
        "CreateServiceAccount",
        &json!({
            "RegistryId": app.other_instance.id.as_str(),
            "Name": "robot",
            "Permissions": puller(),
        }),
    )
    .await;
    let foreign = foreign["Password"].as_str().unwrap();
    let body = async |username: &str, secret: &str, service: &str| {
        let answer = app
            .registry(Some((username, secret)), &format!("service={service}"))
            .await;
        assert_eq!(answer.status, 401, "{username} {}", answer.body);
        answer.body
    };
    let mistyped = format!(
        "{}{}",
        &password[..31],
        if password.ends_with('x') { 'y' } else { 'x' }
    );
    let expected = body(ACCOUNT, "trst_no", SERVICE).await;
    for (username, secret, service) in [
        ("tcr$nobody", &*password, SERVICE),
        ("tcr$", &password, SERVICE),
        ("tcr$tcr$robot", &password, SERVICE),
        ("robot", &password, SERVICE),
        ("TCR$robot", &password, SERVICE),
        (ACCOUNT, &password, SERVICE),
        ("tcr$robot", foreign, SERVICE),
        ("tcr$robot", &mistyped, SERVICE),
        ("tcr$robot", "", SERVICE),
        ("tcr$robot", "Passw0rdEXAMPLE", SERVICE),
        ("tcr$nobody", "Passw0rdEXAMPLE", SERVICE),
        ("tcr$robot", &"x".repeat(5000), SERVICE),
        ("tcr$robot", &password, "other.example.com"),
        ("tcr$robot", &password, "stranger.example.com"),
        ("tcr$robot", &password, "nowhere.example.com"),
    ] {
        assert_eq!(
            body(username, secret, service).await,
            expected,
            "{username}"
        );
    }
    assert_eq!(app.status("tcr$robot", &password).await, 200);
}

#[tokio::test]
async fn it_is_refused_while_it_is_disabled_and_for_ever_once_it_is_deleted() {
    let app = App::new().await;
    let password = app.create_robot(&json!({ "Disable": true })).await;
    assert_eq!(app.status("tcr$robot", &password).await, 401);
    for (disable, status) in [(false, 200), (true, 401), (false, 200)] {
        // A signature makes one change.
        app.wait(Duration::from_secs(1));
        done(
            &app,
            "ModifyServiceAccount",
            &app.robot(&json!({ "Disable": disable })),
        )
        .await;
        assert_eq!(
            app.status("tcr$robot", &password).await,
            status,
            "Disable: {disable}"
        );
        assert_eq!(
            app.accounts(&json!({})).await["ServiceAccounts"][0]["Disable"],
            disable
        );
    }
    assert_eq!(
        done(
            &app,
            "DeleteServiceAccount",
            &app.robot(&json!({ "Name": "tcr$robot" }))
        )
        .await,
        json!({})
    );
    assert_eq!(app.status("tcr$robot", &password).await, 401);
    assert_eq!(
        app.accounts(&json!({})).await,
        json!({ "ServiceAccounts": [], "TotalCount": 0 })
    );
    assert_eq!(
        refusal(&app, "DeleteServiceAccount", &app.robot(&json!({}))).await,
        "InvalidParameter"
    );
    // Its successor has a password of its own.
    let new = app.create_robot(&json!({})).await;
    assert_eq!(
        (
            app.status("tcr$robot", &password).await,
            app.status("tcr$robot", &new).await
        ),
        (401, 200)
    );
}

#[tokio::test]
async fn it_expires_by_its_duration_before_all_else_and_after_ten_years_when_nothing_is_said() {
    let app = App::new().await;
    let now = NOW.unix_millis();
    for (more, expected) in [
        (
            json!({ "Duration": 1, "ExpiresAt": now + 5 * DAY }),
            now + DAY,
        ),
        (json!({ "ExpiresAt": now + 5 * DAY + 7 }), now + 5 * DAY + 7),
        (json!({}), now + 3650 * DAY),
    ] {
        let name = format!("robot-{expected}");
        let created = done(
            &app,
            "CreateServiceAccount",
            &with(
                &app.robot(&json!({ "Permissions": puller(), "Name": name })),
                &more,
            ),
        )
        .await;
        assert_eq!(created["ExpiresAt"], expected, "{more}");
    }
    let password = app.create_robot(&json!({ "Duration": 1 })).await;
    app.wait(Duration::from_hours(24) - Duration::from_millis(1));
    assert_eq!(app.status("tcr$robot", &password).await, 200);
    app.wait(Duration::from_millis(1));
    assert_eq!(app.status("tcr$robot", &password).await, 401);
    // A new end brings it back: its password is as it was.
    done(
        &app,
        "ModifyServiceAccount",
        &app.robot(&json!({ "Duration": 1 })),
    )
    .await;
    assert_eq!(app.status("tcr$robot", &password).await, 200);
}

#[tokio::test]
async fn a_new_password_random_or_given_ends_the_old_one() {
    let app = App::new().await;
    let mut passwords = vec![app.create_robot(&json!({})).await];
    for (name, more, given) in [
        ("robot", json!({ "Random": true }), None),
        (
            "tcr$robot",
            json!({ "Random": false, "Password": "Passw0rd-EXAMPLE" }),
            Some("Passw0rd-EXAMPLE"),
        ),
        (
            "robot",
            json!({ "Random": false, "Password": "Passw0rd:EXAMPLE" }),
            Some("Passw0rd:EXAMPLE"),
        ),
        (
            "tcr$robot",
            json!({ "Random": true, "Password": "Ign0red-EXAMPLE" }),
            None,
        ),
    ] {
        let changed = done(
            &app,
            "ModifyServiceAccountPassword",
            &with(&app.robot(&more), &json!({ "Name": name })),
        )
        .await;
        let password = changed["Password"].as_str().unwrap();
        assert_eq!(changed, json!({ "Password": password }));
        match given {
            Some(given) => assert_eq!(password, given),
            None => assert!(
                password.len() == 32 && password.bytes().all(|byte| byte.is_ascii_alphanumeric())
            ),
        }
        // Twice: the second time the success of a chosen one is remembered.
        for _ in 0..2 {
            assert_eq!(app.status("tcr$robot", password).await, 200);
            for old in &passwords {
                assert_eq!(app.status("tcr$robot", old).await, 401);
            }
        }
        passwords.push(password.to_owned());
    }
    done(
        &app,
        "ModifyServiceAccountPassword",
        &app.robot(&json!({ "Random": false, "Password": passwords[2] })),
    )
    .await;
    assert_eq!(app.status("tcr$robot", &passwords[2]).await, 200);
    done(
        &app,
        "ModifyServiceAccount",
        &app.robot(&json!({ "Disable": true })),
    )
    .await;
    assert_eq!(
        app.status("tcr$robot", &passwords[2]).await,
        401,
        "what was remembered was believed"
    );
    assert!(
        !app.files()
            .windows(16)
            .any(|bytes| bytes == b"Passw0rd-EXAMPLE"),
        "a password stands in the data"
    );
}

#[tokio::test]
async fn service_accounts_are_listed_by_item_and_found_by_name() {
    let app = App::new().await;
    let mut names = Vec::new();
    for number in 0..22 {
        let name = format!("robot-{number}");
        app.create_robot(&json!({ "Name": name })).await;
        names.push(format!("tcr${name}"));
        app.wait(Duration::from_secs(1));
    }
    let listed = async |more: Value| {
        let output = app.accounts(&more).await;
        let names: Vec<String> = output["ServiceAccounts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|account| account["Name"].as_str().unwrap().to_owned())
            .collect();
        app.wait(Duration::from_secs(1));
        (names, output["TotalCount"].as_u64().unwrap())
    };
    assert_eq!(listed(json!({})).await, (names[..20].to_vec(), 22));
    assert_eq!(listed(json!({ "Limit": 200 })).await, (names.clone(), 22));
    assert_eq!(
        listed(json!({ "Offset": 20, "Limit": 20 })).await,
        (names[20..].to_vec(), 22)
    );
    assert_eq!(listed(json!({ "Offset": 40 })).await, (Vec::new(), 22));
    assert_eq!(
        listed(json!({ "Offset": 5, "Limit": 1, "All": true })).await,
        (names.clone(), 22)
    );
    let named = |names: &[&str]| json!({ "Name": "ServiceAccountName", "Values": names });
    let both = named(&["tcr$robot-3", "robot-1", "tcr$robot-1", "tcr$nobody"]);
    assert_eq!(
        listed(json!({ "Filters": [both] })).await,
        (vec![names[1].clone(), names[3].clone()], 2)
    );
    assert_eq!(
        listed(json!({ "Filters": [both], "Offset": 1, "Limit": 5 })).await,
        (vec![names[3].clone()], 2)
    );
    assert_eq!(
        listed(json!({ "Filters": [both, named(&["robot-3"])] })).await,
        (vec![names[3].clone()], 1)
    );
    assert_eq!(
        listed(json!({ "Filters": [named(&[])] })).await,
        (Vec::new(), 0)
    );
}

#[tokio::test]
async fn a_limit_beyond_a_hundred_counts_as_a_hundred() {
    let app = App::with(|options| options.service.quotas.service_accounts = 200).await;
    for number in 0..101 {
        app.create_robot(&json!({ "Name": format!("robot-{number}") }))
            .await;
        app.wait(Duration::from_millis(100));
    }
    assert_eq!(
        app.accounts(&json!({ "Limit": 200 })).await["ServiceAccounts"]
            .as_array()
            .unwrap()
            .len(),
        100
    );
    assert_eq!(
        app.accounts(&json!({ "All": true })).await["ServiceAccounts"]
            .as_array()
            .unwrap()
            .len(),
        101
    );
}

/// An app with the service account `taken`.
async fn an_app_with_the_robot_taken() -> App {
    let app = App::new().await;
    app.create_robot(&json!({ "Name": "taken" })).await;
    // The same call in the same second would have the same signature.
    app.wait(Duration::from_secs(1));
    app
}

/// Checks that an action is refused in each case, whose parameters are put over `body`; that no
/// answer shows a password; and that nothing was made or deleted.
async fn refuses<'a>(
    app: &App,
    action: &str,
    body: &Value,
    cases: impl IntoIterator<Item = (Value, &'a str)>,
) {
    for (more, expected) in cases {
        let body = with(body, &more);
        let answer = app.tencent(action, &body).send().await;
        assert_eq!(code(&answer), expected, "{action} {body}");
        assert!(!answer.body.contains("assw0rd"), "{}", answer.body);
        app.wait(Duration::from_millis(100));
    }
    assert_eq!(
        app.accounts(&json!({})).await["TotalCount"],
        1,
        "something was made or deleted"
    );
}

#[tokio::test]
async fn the_names_of_a_new_service_account_are_checked() {
    let app = an_app_with_the_robot_taken().await;
    let cases = [
        (json!({ "RegistryId": null }), "MissingParameter"),
        (json!({ "Name": null }), "MissingParameter"),
        (json!({ "Name": "Robot" }), "InvalidParameterValue"),
        (json!({ "Name": "a:b" }), "InvalidParameterValue"),
        (json!({ "Name": "tcr$" }), "InvalidParameterValue"),
        (json!({ "Name": "a".repeat(51) }), "InvalidParameterValue"),
        (
            json!({ "Name": "taken" }),
            "InvalidParameter.ErrorNameExists",
        ),
        (
            json!({ "Name": "tcr$taken" }),
            "InvalidParameter.ErrorNameExists",
        ),
        (json!({ "Description": "a\u{7}b" }), "InvalidParameterValue"),
        (json!({ "Disable": "no" }), "InvalidParameter"),
        (json!({ "Password": "Passw0rdEXAMPLE" }), "UnknownParameter"),
        (
            json!({ "RegistryId": "tcr-zzzzzzzz" }),
            "ResourceNotFound.TcrResourceNotFound",
        ),
        (
            json!({ "RegistryId": app.foreign_instance.id.as_str() }),
            "ResourceNotFound.TcrResourceNotFound",
        ),
    ];
    let new = app.robot(&json!({ "Permissions": puller() }));
    refuses(&app, "CreateServiceAccount", &new, cases).await;
}

#[tokio::test]
async fn the_permissions_of_a_new_service_account_are_checked() {
    let app = an_app_with_the_robot_taken().await;
    let permission = |resource: Value, actions: Value| {
        json!({
            "Permissions": [{ "Resource": resource, "Actions": actions }],
        })
    };
    let pull = json!(["tcr:PullRepository"]);
    let cases = [
        (json!({ "Permissions": null }), "MissingParameter"),
        (json!({ "Permissions": [] }), "MissingParameter"),
        (json!({ "Permissions": "team" }), "InvalidParameter"),
        (json!({ "Permissions": ["team"] }), "InvalidParameter"),
        (
            json!({ "Permissions": [{ "Actions": ["tcr:PullRepository"] }] }),
            "MissingParameter",
        ),
        (permission(json!("team"), json!([])), "MissingParameter"),
        (
            permission(json!("team"), json!(["cr:PullRepository"])),
            "InvalidParameterValue",
        ),
        (permission(json!("team"), json!([1])), "InvalidParameter"),
        (
            permission(json!("team/app"), pull.clone()),
            "InvalidParameterValue",
        ),
        (
            permission(json!("*"), pull.clone()),
            "InvalidParameterValue",
        ),
        (permission(json!(7), pull.clone()), "InvalidParameter"),
        (
            json!({ "Permissions": [{ "Resource": "team", "Actions": pull, "Effect": "allow" }] }),
            "UnknownParameter",
        ),
    ];
    let new = app.robot(&json!({ "Permissions": puller() }));
    refuses(&app, "CreateServiceAccount", &new, cases).await;
}

#[tokio::test]
async fn the_expiry_of_a_new_service_account_is_checked() {
    let app = an_app_with_the_robot_taken().await;
    let now = NOW.unix_millis();
    let cases = [
        (json!({ "Duration": 0 }), "InvalidParameterValue"),
        (json!({ "Duration": -1 }), "InvalidParameterValue"),
        (json!({ "Duration": i64::MAX }), "InvalidParameterValue"),
        (json!({ "Duration": "10" }), "InvalidParameter"),
        (json!({ "ExpiresAt": now }), "InvalidParameterValue"),
        (json!({ "ExpiresAt": i64::MIN }), "InvalidParameterValue"),
        (json!({ "ExpiresAt": i64::MAX }), "InvalidParameterValue"),
    ];
    let new = app.robot(&json!({ "Permissions": puller() }));
    refuses(&app, "CreateServiceAccount", &new, cases).await;
}

#[tokio::test]
async fn the_parameters_of_describe_service_accounts_are_checked() {
    let app = an_app_with_the_robot_taken().await;
    let filter =
        |name: &str, values: Value| json!({ "Filters": [{ "Name": name, "Values": values }] });
    let cases = [
        (json!({ "RegistryId": null }), "MissingParameter"),
        (json!({ "Limit": -1 }), "InvalidParameterValue"),
        (json!({ "All": 1 }), "InvalidParameter"),
        (json!({ "Name": "taken" }), "UnknownParameter"),
        (filter("Name", json!(["taken"])), "InvalidParameterValue"),
        (
            filter("ServiceAccountName", json!("taken")),
            "InvalidParameter",
        ),
        (
            filter(
                "ServiceAccountName",
                (0..101).map(|number| format!("robot-{number}")).collect(),
            ),
            "InvalidParameterValue",
        ),
        (
            json!({ "RegistryId": app.foreign_instance.id.as_str() }),
            "ResourceNotFound.TcrResourceNotFound",
        ),
    ];
    refuses(&app, "DescribeServiceAccounts", &app.registry_id(), cases).await;
}

#[tokio::test]
async fn the_parameters_of_modify_service_account_are_checked() {
    let app = an_app_with_the_robot_taken().await;
    let permission = |resource: Value, actions: Value| {
        json!({
            "Permissions": [{ "Resource": resource, "Actions": actions }],
        })
    };
    let now = NOW.unix_millis();
    let cases = [
        (json!({ "Name": null }), "MissingParameter"),
        (json!({ "Name": "nobody" }), "InvalidParameter"),
        (json!({ "Name": "No\nbody" }), "InvalidParameter"),
        (json!({ "Duration": 0 }), "InvalidParameterValue"),
        (json!({ "ExpiresAt": now - 1 }), "InvalidParameterValue"),
        (
            permission(json!("team"), json!(["*"])),
            "InvalidParameterValue",
        ),
        (
            json!({ "RegistryId": app.other_instance.id.as_str() }),
            "InvalidParameter",
        ),
    ];
    refuses(
        &app,
        "ModifyServiceAccount",
        &app.robot(&json!({ "Name": "taken" })),
        cases,
    )
    .await;
}

#[tokio::test]
async fn the_parameters_of_modify_service_account_password_are_checked() {
    let app = an_app_with_the_robot_taken().await;
    let cases = [
        (json!({}), "MissingParameter"),
        (json!({ "Random": "true" }), "InvalidParameter"),
        (json!({ "Random": false }), "MissingParameter"),
        (
            json!({ "Random": false, "Password": "passw0rd" }),
            "InvalidParameterValue",
        ),
        (
            json!({ "Random": false, "Password": "Passw0rd Passw0rd" }),
            "InvalidParameterValue",
        ),
        (
            json!({ "Random": false, "Password": format!("Passw0rd{}", "x".repeat(13)) }),
            "InvalidParameterValue",
        ),
        (
            json!({ "Random": false, "Password": "trsl_Passw0rd" }),
            "InvalidParameterValue",
        ),
        (
            json!({ "Random": true, "Name": "nobody" }),
            "InvalidParameter",
        ),
    ];
    refuses(
        &app,
        "ModifyServiceAccountPassword",
        &app.robot(&json!({ "Name": "taken" })),
        cases,
    )
    .await;
}

#[tokio::test]
async fn the_parameters_of_delete_service_account_are_checked() {
    let app = an_app_with_the_robot_taken().await;
    let cases = [
        (json!({ "Name": "nobody" }), "InvalidParameter"),
        (json!({ "Force": true }), "UnknownParameter"),
    ];
    refuses(&app, "DeleteServiceAccount", &app.robot(&json!({})), cases).await;
}

#[tokio::test]
async fn an_instance_has_no_more_service_accounts_than_its_quota() {
    let app = App::with(|options| options.service.quotas.service_accounts = 1).await;
    app.create_robot(&json!({})).await;
    let second = app.robot(&json!({ "Name": "second", "Permissions": puller() }));
    assert_eq!(
        refusal(&app, "CreateServiceAccount", &second).await,
        "OperationDenied.QuotaOverLimit"
    );
    done(&app, "DeleteServiceAccount", &app.robot(&json!({}))).await;
    done(&app, "CreateServiceAccount", &second).await;
}

#[tokio::test]
async fn who_may_manage_them_is_for_policies_and_what_they_may_do_is_not() {
    let create = cam(&json!([
        allow(
            "tcr:CreateServiceAccount",
            "qcs::tcr:::instance/INSTANCE-TCR"
        ),
        allow(
            "tcr:PullRepository",
            "qcs::tcr:::repository/INSTANCE-TCR/team/*"
        ),
    ]));
    let app = app_of_user(&[create]).await;
    let password = Secret::new(app.create_robot(&json!({})).await);
    for (action, more) in [
        ("DescribeServiceAccounts", json!({ "Name": null })),
        ("ModifyServiceAccount", json!({ "Disable": true })),
        ("ModifyServiceAccountPassword", json!({ "Random": true })),
        ("DeleteServiceAccount", json!({})),
        (
            "CreateServiceAccount",
            json!({ "RegistryId": app.other_instance.id.as_str(), "Permissions": puller() }),
        ),
    ] {
        let (code, message) = refused(&app.tencent(action, &app.robot(&more)).send().await);
        assert_eq!(code, "AuthFailure.UnauthorizedOperation", "{action}");
        assert!(message.contains(&format!("(tcr:{action})")), "{message}");
    }
    // Its maker may be gone.
    app.service
        .identity
        .delete_user(&app.operator(), account(), "ci")
        .await
        .unwrap();
    assert_eq!(
        granted(&app, "tcr$robot", &password, "repository:team/app:pull").await,
        "repository:team/app:pull"
    );
}

#[tokio::test]
async fn the_operator_hears_what_one_may_do_and_that_nothing_of_it_can_be_revoked() {
    let app = App::new().await;
    app.create_robot(&json!({ "Duration": 1 })).await;
    let principal = format!("{ACCOUNT}:service-account/{}/robot", app.instance.id)
        .parse()
        .unwrap();
    let explain = async |action: &str, path: &str, instance: &Instance| {
        let explained = app
            .explain(&principal, action, instance, path, &context())
            .await
            .unwrap();
        format!(
            "{} {}",
            explained.allowed,
            explained.deciding().unwrap().reason
        )
    };
    let own = app.instance.clone();
    let pull = "true allowed by its permissions in namespace team, which have tcr:PullRepository";
    assert_eq!(explain("pull", "team/app", &own).await, pull);
    assert_eq!(
        explain("push", "team/app", &own).await,
        "false its permissions in namespace team lack tcr:PushRepository"
    );
    assert_eq!(
        explain("pull", "other/app", &own).await,
        "false it has no permissions in namespace other"
    );
    assert_eq!(
        explain("delete", "team/app", &own).await,
        "false a service account may pull and push, and nothing else"
    );
    assert_eq!(
        explain("pull", "team/app", &app.other_instance).await,
        "false the service account logs in to another instance"
    );
    done(
        &app,
        "ModifyServiceAccount",
        &app.robot(&json!({ "Disable": true })),
    )
    .await;
    assert_eq!(
        explain("pull", "team/app", &own).await,
        "false the service account is disabled"
    );
    done(
        &app,
        "ModifyServiceAccount",
        &app.robot(&json!({ "Disable": false })),
    )
    .await;
    app.wait(Duration::from_hours(24));
    assert_eq!(
        explain("pull", "team/app", &own).await,
        "false the service account has expired"
    );

    let refused = app
        .service
        .identity
        .revoke(&app.operator(), &principal)
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), &ErrorKind::Unsupported);
    assert!(
        refused
            .message()
            .contains("disable it (ModifyServiceAccount with Disable)"),
        "{refused}"
    );
    for (instance, name, kind) in [
        (
            &app.instance,
            "nobody",
            ErrorKind::NotFound {
                noun: Noun::ServiceAccount,
            },
        ),
        (&app.foreign_instance, "robot", ErrorKind::InstanceNotFound),
    ] {
        let unknown = format!("{ACCOUNT}:service-account/{}/{name}", instance.id)
            .parse()
            .unwrap();
        assert_eq!(
            app.explain(&unknown, "pull", &own, "team/app", &context())
                .await
                .unwrap_err()
                .kind(),
            &kind
        );
    }
}

/// Opens the app's data once more, as another process does.
async fn another_process(app: &App) -> Store {
    let place = Location::Directory(app.database().parent().unwrap().to_owned());
    Store::open(&place, Open::Command, &SystemClock, &SystemRandom)
        .await
        .unwrap()
}

fn write(part: Part) -> Write {
    Write::new(Operation::new(&SystemRandom, NOW)).then(part)
}

#[tokio::test]
async fn a_deleted_namespace_takes_the_permissions_in_it_along_and_an_instance_its_accounts() {
    let app = App::new().await;
    let password = Secret::new(app.create_robot(&json!({})).await);
    let elsewhere = another_process(&app).await;
    let team = Namespace {
        id: NamespaceId::random(&SystemRandom),
        number: Namespace::random_number(&SystemRandom),
        instance: app.instance.id.clone(),
        name: "team".to_owned(),
        visibility: Visibility::Private,
        auto_create_repository: Switch::On,
        default_visibility: Visibility::Private,
        default_tag_immutability: Switch::Off,
        auto_scan: Switch::Off,
        prevent_vulnerable: Switch::Off,
        severity: Severity::High,
        allowed_cves: Vec::new(),
        created_at: NOW,
        modified_at: NOW,
    };
    elsewhere
        .apply(write(store::namespace::insert(&team, 10)))
        .await
        .unwrap();
    app.service.memory.catch_up().await.unwrap();
    assert_eq!(
        granted(&app, "tcr$robot", &password, "repository:team/app:pull").await,
        "repository:team/app:pull"
    );
    elsewhere
        .apply(write(store::cascade::delete_namespace(
            &team,
            Contents::MustBeGone,
        )))
        .await
        .unwrap();
    app.service.memory.catch_up().await.unwrap();
    // Its successor of the same name is somebody else's.
    elsewhere
        .apply(write(store::namespace::insert(&team, 10)))
        .await
        .unwrap();
    assert_eq!(
        granted(&app, "tcr$robot", &password, "repository:team/app:pull").await,
        ""
    );
    assert_eq!(app.status("tcr$robot", password.expose()).await, 200);
    assert_eq!(
        app.reset_login_password("Passw0rd-EXAMPLE").await.status,
        200
    );
    assert_eq!(app.status("acme", "Passw0rd-EXAMPLE").await, 200);

    elsewhere
        .apply(write(store::cascade::delete_instance(
            account(),
            &app.instance.id,
            Contents::GoToo,
            NOW,
        )))
        .await
        .unwrap();
    app.service.memory.catch_up().await.unwrap();
    assert_eq!(app.status("tcr$robot", password.expose()).await, 401);
    assert_eq!(app.status("acme", "Passw0rd-EXAMPLE").await, 401);
}
