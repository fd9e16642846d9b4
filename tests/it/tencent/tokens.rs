//! Instance tokens at Tencent's door: listed, described, disabled, enabled, deleted.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::harness::documents::{allow, cam};
use crate::harness::identity::app_of_user;
use crate::harness::tencent::{done, refusal, refused, with};
use crate::harness::{ACCOUNT, App, Key, NOW};

#[tokio::test]
async fn a_listed_token_has_the_documented_fields_and_no_secret() {
    let app = App::new().await;
    assert_eq!(
        done(&app, "DescribeInstanceToken", &app.registry_id()).await,
        json!({ "TotalCount": 0, "Tokens": [] })
    );
    let (id, secret) = app.long_term("for ci").await;
    // In another second: a signature is bound to its action, and lists and credentials are asked
    // for with one body.
    app.wait(Duration::from_secs(1));
    app.temporary().await;
    let answer = app
        .tencent("DescribeInstanceToken", &app.registry_id())
        .send()
        .await;
    assert!(!answer.body.contains(&secret));
    let expected = json!({
        "Id": id,
        "Desc": "for ci",
        "RegistryId": app.instance.id.as_str(),
        "Enabled": true,
        "CreatedAt": "2025-01-03T12:04:17+08:00",
        "ExpiredAt": NOW.unix_millis() + 3650 * 24 * 3_600_000_i64,
    });
    assert_eq!(
        done(&app, "DescribeInstanceToken", &app.registry_id()).await,
        json!({ "TotalCount": 1, "Tokens": [expected] })
    );
}

#[tokio::test]
async fn tokens_are_listed_the_newest_first_by_item_and_all_without_a_limit() {
    let app = App::new().await;
    let mut ids = Vec::new();
    for number in 0..5 {
        ids.insert(0, app.long_term(&number.to_string()).await.0);
        app.wait(Duration::from_secs(1));
    }
    let listed = async |more: Value| {
        let output = done(
            &app,
            "DescribeInstanceToken",
            &with(&app.registry_id(), &more),
        )
        .await;
        assert_eq!(output["TotalCount"], 5);
        output["Tokens"]
            .as_array()
            .unwrap()
            .iter()
            .map(|token| token["Id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(listed(json!({})).await, ids);
    assert_eq!(listed(json!({ "Offset": 0, "Limit": 200 })).await, ids);
    assert_eq!(listed(json!({ "Offset": 1, "Limit": 2 })).await, ids[1..3]);
    assert_eq!(listed(json!({ "Offset": 3 })).await, ids[3..]);
    assert_eq!(listed(json!({ "Offset": 4, "Limit": 2 })).await, ids[4..]);
    assert!(
        listed(json!({ "Offset": 5, "Limit": 200 }))
            .await
            .is_empty()
    );
    assert!(listed(json!({ "Limit": 0 })).await.is_empty());
    // Flattened, everything is text.
    let mut call = app
        .tencent("DescribeInstanceToken", &json!({}))
        .header("content-type", Some("application/x-www-form-urlencoded"))
        .body("");
    (call.method, call.uri) = (
        Method::GET,
        format!("/?Limit=1&Offset=2&RegistryId={}", app.instance.id),
    );
    assert_eq!(
        call.send().await.json()["Response"]["Tokens"][0]["Id"],
        ids[2].as_str()
    );
}

#[tokio::test]
async fn a_token_is_described_or_disabled_and_the_field_of_the_other_is_ignored() {
    let app = App::new().await;
    let (id, secret) = app.long_term("old").await;
    let one = with(&app.registry_id(), &json!({ "TokenId": id }));
    let token = async || {
        let listed = done(&app, "DescribeInstanceToken", &app.registry_id()).await;
        (
            listed["Tokens"][0]["Desc"].as_str().unwrap().to_owned(),
            listed["Tokens"][0]["Enabled"].as_bool().unwrap(),
        )
    };
    // The first is the vendor's own example; the second Terraform's.
    for (more, description, enabled) in [
        (
            json!({ "ModifyFlag": 1, "Desc": "new", "Enable": false }),
            "new",
            true,
        ),
        (json!({ "Enable": false }), "new", false),
        (
            json!({ "ModifyFlag": 2, "Enable": true, "Desc": "ignored" }),
            "new",
            true,
        ),
        (json!({ "ModifyFlag": 2, "Enable": false }), "new", false),
        (json!({ "ModifyFlag": 1, "Desc": "" }), "", false),
        (json!({ "Enable": true }), "", true),
    ] {
        assert_eq!(
            done(&app, "ModifyInstanceToken", &with(&one, &more)).await,
            json!({})
        );
        assert_eq!(token().await, (description.to_owned(), enabled), "{more}");
        assert_eq!(
            app.status(ACCOUNT, &secret).await,
            if enabled { 200 } else { 401 },
            "{more}"
        );
    }
}

#[tokio::test]
async fn a_deleted_token_is_gone_from_the_list_and_refused_at_once() {
    let app = App::new().await;
    let ((id, secret), (_, kept)) = (app.long_term("").await, app.long_term("kept").await);
    assert_eq!(app.status(ACCOUNT, &secret).await, 200);
    let one = with(&app.registry_id(), &json!({ "TokenId": id }));
    assert_eq!(done(&app, "DeleteInstanceToken", &one).await, json!({}));
    assert_eq!(
        (
            app.status(ACCOUNT, &secret).await,
            app.status(ACCOUNT, &kept).await
        ),
        (401, 200)
    );
    let listed = done(&app, "DescribeInstanceToken", &app.registry_id()).await;
    assert_eq!(
        (&listed["TotalCount"], &listed["Tokens"][0]["Desc"]),
        (&json!(1), &json!("kept"))
    );
    assert_eq!(
        refusal(&app, "DeleteInstanceToken", &one).await,
        "InvalidParameter"
    );
}

/// Checks that an action is refused in each case, with the case's code.
async fn refuses<'a>(app: &App, action: &str, cases: impl IntoIterator<Item = (Value, &'a str)>) {
    for (body, expected) in cases {
        assert_eq!(
            refusal(app, action, &body).await,
            expected,
            "{action} {body}"
        );
        app.wait(Duration::from_secs(1));
    }
}

/// An app with a token, and the parameters that enable it.
async fn an_app_with_a_token() -> (App, Value) {
    let app = App::new().await;
    let (id, _) = app.long_term("").await;
    let one = with(
        &app.registry_id(),
        &json!({ "TokenId": id, "Enable": true }),
    );
    (app, one)
}

#[tokio::test]
async fn the_parameters_of_describe_instance_token_are_checked() {
    let app = App::new().await;
    let list = app.registry_id();
    let cases = [
        (json!({}), "MissingParameter"),
        (with(&list, &json!({ "Limit": "20" })), "InvalidParameter"),
        (
            with(&list, &json!({ "Limit": -1 })),
            "InvalidParameterValue",
        ),
        (
            with(&list, &json!({ "Offset": -1 })),
            "InvalidParameterValue",
        ),
        (
            with(&list, &json!({ "Offset": i64::MAX })),
            "InvalidParameterValue",
        ),
        (with(&list, &json!({ "Filters": [] })), "UnknownParameter"),
        (
            json!({ "RegistryId": "tcr-zzzzzzzz" }),
            "ResourceNotFound.TcrResourceNotFound",
        ),
        (
            json!({ "RegistryId": "demo" }),
            "ResourceNotFound.TcrResourceNotFound",
        ),
        (json!({ "RegistryId": 1 }), "InvalidParameter"),
        (
            json!({ "RegistryId": app.foreign_instance.id.as_str() }),
            "ResourceNotFound.TcrResourceNotFound",
        ),
    ];
    refuses(&app, "DescribeInstanceToken", cases).await;
}

#[tokio::test]
async fn the_parameters_of_modify_instance_token_are_checked() {
    let (app, one) = an_app_with_a_token().await;
    let cases = [
        (with(&one, &json!({ "TokenId": null })), "MissingParameter"),
        (with(&one, &json!({ "Enable": null })), "MissingParameter"),
        (with(&one, &json!({ "ModifyFlag": 1 })), "MissingParameter"),
        (
            with(&one, &json!({ "ModifyFlag": 3 })),
            "InvalidParameterValue",
        ),
        (
            with(&one, &json!({ "ModifyFlag": "1" })),
            "InvalidParameter",
        ),
        (with(&one, &json!({ "Enable": "true" })), "InvalidParameter"),
        (
            with(&one, &json!({ "ModifyFlag": 1, "Desc": "a\nb" })),
            "InvalidParameterValue",
        ),
        (
            with(&one, &json!({ "ModifyFlag": 1, "Desc": "a".repeat(256) })),
            "InvalidParameterValue",
        ),
        (with(&one, &json!({ "State": 1 })), "UnknownParameter"),
        (
            with(&one, &json!({ "TokenId": "v".repeat(20) })),
            "InvalidParameter",
        ),
        (
            with(&one, &json!({ "TokenId": "x" })),
            "InvalidParameterValue",
        ),
    ];
    refuses(&app, "ModifyInstanceToken", cases).await;
    assert_eq!(
        done(&app, "DescribeInstanceToken", &app.registry_id()).await["Tokens"][0]["Enabled"],
        true
    );
}

#[tokio::test]
async fn the_parameters_of_delete_instance_token_are_checked() {
    let (app, one) = an_app_with_a_token().await;
    let cases = [
        (
            with(&one, &json!({ "Enable": null, "RegistryId": null })),
            "MissingParameter",
        ),
        (one.clone(), "UnknownParameter"),
        // Of the other instance it is none.
        (
            json!({ "RegistryId": app.other_instance.id.as_str(), "TokenId": one["TokenId"] }),
            "InvalidParameter",
        ),
    ];
    refuses(&app, "DeleteInstanceToken", cases).await;
    assert_eq!(
        done(&app, "DescribeInstanceToken", &app.registry_id()).await["Tokens"][0]["Enabled"],
        true
    );
}

#[tokio::test]
async fn what_a_user_sees_and_changes_is_for_policies_on_the_instance_to_say() {
    let allow = |action: &str| cam(&json!([allow(action, "qcs::tcr:::instance/INSTANCE-TCR")]));
    let mut app = app_of_user(&[allow("tcr:DescribeInstanceToken")]).await;
    let root = root_key(&app).await;
    let user = std::mem::replace(&mut app.key, root);
    let (id, secret) = app.long_term("root's").await;
    let one = with(
        &app.registry_id(),
        &json!({ "TokenId": id, "Enable": false }),
    );
    app.key = user;
    // It sees what is the root's: the list is the instance's.
    assert_eq!(
        done(&app, "DescribeInstanceToken", &app.registry_id()).await["Tokens"][0]["Id"],
        id.as_str()
    );
    for (action, body) in [
        ("ModifyInstanceToken", one.clone()),
        (
            "DeleteInstanceToken",
            with(&one, &json!({ "Enable": null })),
        ),
    ] {
        let (code, message) = refused(&app.tencent(action, &body).send().await);
        assert_eq!(code, "AuthFailure.UnauthorizedOperation");
        assert!(message.contains(&format!("(tcr:{action})")), "{message}");
    }
    let other = json!({ "RegistryId": app.other_instance.id.as_str() });
    assert_eq!(
        refusal(&app, "DescribeInstanceToken", &other).await,
        "AuthFailure.UnauthorizedOperation"
    );
    assert_eq!(app.status(ACCOUNT, &secret).await, 200);
}

async fn root_key(app: &App) -> Key {
    let account = ACCOUNT.parse().unwrap();
    Key::permanent(
        app.service
            .identity
            .create_access_key(&app.operator(), account, None)
            .await
            .unwrap(),
    )
}

#[tokio::test]
async fn the_documented_rates_hold() {
    let app = App::new().await;
    for action in [
        "DescribeInstanceToken",
        "ModifyInstanceToken",
        "CreateServiceAccount",
        "ModifyServiceAccount",
    ] {
        let mut codes = Vec::new();
        for number in 0..21 {
            // Each is another request: the same one twice would do as well, but a signature is
            // bound to its action.
            codes.push(
                refusal(
                    &app,
                    action,
                    &json!({ "RegistryId": format!("tcr-{action}-{number}") }),
                )
                .await,
            );
        }
        let limited = codes
            .iter()
            .filter(|code| *code == "RequestLimitExceeded")
            .count();
        assert_eq!(limited, 1, "{action}: {codes:?}");
    }
}
