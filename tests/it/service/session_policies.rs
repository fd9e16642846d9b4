//! Session policies that are too long for a log-in secret: stored once, and the secret holds their
//! digest.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use rusqlite::Connection;
use serde_json::{Value, json};
use transire::domain::identity::Target;
use transire::domain::secret::Secret;
use transire::service::{Attached, AuditFilter, Save};

use crate::harness::alibaba::alibaba_code;
use crate::harness::documents::{allow, cam, everything, long_policy, trusting};
use crate::harness::registry::granted;
use crate::harness::tencent::{credential, refused, served};
use crate::harness::{ACCOUNT, App, HOST, Key, NOW, SERVICE, Session, until};

/// The most characters of a log-in secret, and of a session token.
const MAX_REGISTRY_SECRET: usize = 1000;
const MAX_SESSION_TOKEN: usize = 1040;
const SCOPE: &str = "repository:team/app:pull,push";
const NARROWED: &str = "repository:team/app:pull";

/// Returns the stored policies: whom each is charged to, and when its last session ends.
fn stored(app: &App) -> Vec<(String, i64)> {
    let database = Connection::open(app.database()).unwrap();
    let mut rows = database
        .prepare("SELECT charged_to, ends_at FROM session_policy ORDER BY created_at, charged_to")
        .unwrap();
    rows.query_map((), |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect()
}

async fn federate(app: &App, key: &Key, policy: &str) -> Value {
    let body = json!({ "Name": "g".repeat(128), "Policy": policy });
    app.tencent_sts("GetFederationToken", &body)
        .by(key)
        .send()
        .await
        .json()
}

async fn refresh_token(app: &App, (username, secret): &(String, Secret)) -> String {
    let answer = app
        .registry(
            Some((username, secret.expose())),
            &format!("service={SERVICE}&offline_token=true"),
        )
        .await;
    answer.json()["refresh_token"]
        .as_str()
        .unwrap_or_else(|| panic!("{}", answer.body))
        .to_owned()
}

/// Shows that what a session gets is narrowed, and no longer than promised.
async fn check(app: &App, session: &Session, got: (String, Secret)) {
    app.give_refresh_tokens().await;
    assert!(
        session.token.len() <= MAX_SESSION_TOKEN,
        "{}",
        session.token.len()
    );
    let refresh = refresh_token(app, &got).await;
    for secret in [got.1.expose(), &refresh] {
        assert!(secret.len() <= MAX_REGISTRY_SECRET, "{}", secret.len());
    }
    assert_eq!(granted(app, &got.0, &got.1, SCOPE).await, NARROWED);
    let form = format!(
        "grant_type=refresh_token&service={SERVICE}&client_id=test&refresh_token={refresh}\
         &scope={SCOPE}"
    );
    assert_eq!(app.registry_form(&form).await.json()["scope"], NARROWED);
}

#[tokio::test]
async fn no_session_policy_makes_a_log_in_secret_longer_than_1000_characters_at_tencents_door() {
    // They had up to 3,026. The longest names, and the longest chain of roles that there can be.
    let app = App::new().await;
    for name in ["one", "two", "three"] {
        app.role(name, &everything()).await;
    }
    let user = app.user("ci", &everything()).await;
    let named = json!({ "RoleSessionName": "n".repeat(128), "SourceIdentity": "s".repeat(128) });
    let first = app.tencent_session(&user, "one", &named).await;
    let second = app.tencent_session(&first.key(), "two", &named).await;
    for policy in [long_policy(1), long_policy(2)] {
        let mut narrow = named.clone();
        narrow["Policy"] = json!(policy);
        let third = app.tencent_session(&second.key(), "three", &narrow).await;
        let got = credential(&app.tencent_credential(&third.key()).await);
        check(&app, &third, got).await;
    }
    for key in [&user, &app.key] {
        let answer = federate(&app, key, &long_policy(3)).await;
        let text = |name: &str| {
            answer["Response"]["Credentials"][name]
                .as_str()
                .unwrap_or_else(|| panic!("{answer}"))
                .to_owned()
        };
        let session = Session {
            id: text("TmpSecretId"),
            secret: text("TmpSecretKey"),
            token: text("Token"),
        };
        let got = credential(&app.tencent_credential(&session.key()).await);
        check(&app, &session, got).await;
    }
}

#[tokio::test]
async fn no_session_policy_makes_a_log_in_secret_longer_than_1000_characters_at_alibabas_door() {
    let app = App::new().await;
    for name in ["one", "two", "three"] {
        app.role(name, &everything()).await;
    }
    let user = app.user("ci", &everything()).await;
    let name = "n".repeat(64);
    let named = [("RoleSessionName", name.as_str())];
    let first = app.alibaba_session(&user, "one", &named).await;
    let second = app.alibaba_session(&first.key(), "two", &named).await;
    let policy = long_policy(1);
    let third = app
        .alibaba_session(
            &second.key(),
            "three",
            &[("RoleSessionName", &name), ("Policy", &policy)],
        )
        .await;
    let call = app
        .alibaba(
            "GetAuthorizationToken",
            &[("InstanceId", app.instance.cri_id.as_str())],
        )
        .by(&third.key())
        .send()
        .await
        .json();
    let got = (
        "cr_temp_user".to_owned(),
        Secret::new(
            call["AuthorizationToken"]
                .as_str()
                .unwrap_or_else(|| panic!("{call}")),
        ),
    );
    check(&app, &third, got).await;
}

#[tokio::test]
async fn a_policy_is_stored_only_where_it_does_not_fit_and_once_until_its_last_session_ends() {
    let app = App::new().await;
    app.role("open", &everything()).await;
    let user = app.user("ci", &everything()).await;
    let narrow =
        |policy: &str, seconds: u32| json!({ "Policy": policy, "DurationSeconds": seconds });
    // As written, and deflated.
    let repeated = cam(&json!([allow(vec!["tcr:PullRepository"; 60], "*")])).to_string();
    for policy in [&everything().to_string(), &repeated] {
        app.tencent_session(&user, "open", &narrow(policy, 7200))
            .await;
    }
    assert_eq!(stored(&app), []);
    let policy = long_policy(1);
    let ends = |seconds| app.now().plus(Duration::from_secs(seconds)).unix_millis();
    let charged = |app: &App| stored(app).into_iter().map(|row| row.1).collect::<Vec<_>>();
    for (seconds, expected) in [(7200, 7200), (3600, 7200), (43_200, 43_200)] {
        app.tencent_session(&user, "open", &narrow(&policy, seconds))
            .await;
        assert_eq!(charged(&app), [ends(expected)]);
    }
    let housekeeper = tokio::spawn(Arc::clone(&app.service).run_background());
    app.tencent_session(&user, "open", &narrow(&long_policy(2), 60))
        .await;
    assert_eq!(stored(&app).len(), 2);
    app.wait(Duration::from_hours(2));
    until("what ended to be dropped", async || {
        charged(&app).len() == 1
    })
    .await;
    app.wait(Duration::from_hours(12));
    until("the last one to be dropped", async || {
        charged(&app).is_empty()
    })
    .await;
    housekeeper.abort();
}

#[tokio::test]
async fn one_caller_takes_a_quarter_of_the_quota_and_others_the_rest() {
    let app = App::with(|options| options.service.quotas.session_policies = 4).await;
    for name in ["open", "further"] {
        app.role(name, &everything()).await;
    }
    let mut users = Vec::new();
    for name in ["a", "b", "c", "d"] {
        users.push(app.user(name, &everything()).await);
    }
    let with = |seed| json!({ "Policy": long_policy(seed) });
    let first = app.tencent_session(&users[0], "open", &with(1)).await;
    // By itself, at the other door, and through a role that it assumed.
    let (code, message) = refused(&app.assume_at_tencent(&users[0], "open", &with(2)).await);
    assert_eq!(code, "LimitExceeded");
    assert!(
        message.contains("quotas.session_policies")
            && message.contains("may have 1 different ones"),
        "{message}"
    );
    let policy = long_policy(2);
    assert_eq!(
        alibaba_code(
            &app.assume_at_alibaba(&users[0], "open", &[("Policy", &policy)])
                .await
        ),
        (400, "QuotaExceeded".to_owned())
    );
    assert_eq!(
        refused(
            &app.assume_at_tencent(&first.key(), "further", &with(2))
                .await
        )
        .0,
        "LimitExceeded"
    );
    // A policy that is stored already, or is too short to be stored, takes nothing.
    app.tencent_session(&users[0], "open", &with(1)).await;
    app.tencent_session(
        &users[0],
        "open",
        &json!({ "Policy": everything().to_string() }),
    )
    .await;
    for (user, seed) in users[1..].iter().zip(2..) {
        app.tencent_session(user, "open", &with(seed)).await;
        app.tencent_session(user, "open", &with(1)).await;
    }
    let (code, message) = refused(&app.assume_at_tencent(&app.key, "open", &with(5)).await);
    assert_eq!(code, "LimitExceeded");
    assert!(
        message.contains("sessions of one account may have 4 different ones"),
        "{message}"
    );
    assert_eq!(stored(&app).len(), 4);
}

#[tokio::test]
async fn users_of_another_account_share_one_quarter() {
    let app = App::with(|options| options.service.quotas.session_policies = 4).await;
    let stranger = "100000000002".parse().unwrap();
    let trust = trusting("qcs::cam::uin/100000000002:root");
    app.role_trusting("guest", &trust, &everything()).await;
    let mut keys = Vec::new();
    for name in ["a", "b"] {
        app.service
            .identity
            .create_user(&app.operator(), stranger, name)
            .await
            .unwrap();
        let assume = cam(&json!([allow("sts:*", "*")])).to_string();
        app.service
            .identity
            .save_policy(&app.operator(), stranger, name, &assume, Save::Create)
            .await
            .unwrap();
        let target = Target::User(name.to_owned());
        app.service
            .identity
            .set_attached(&app.operator(), stranger, name, &target, Attached::Yes)
            .await
            .unwrap();
        keys.push(Key::permanent(
            app.service
                .identity
                .create_access_key(&app.operator(), stranger, Some(name))
                .await
                .unwrap(),
        ));
    }
    app.tencent_session(&keys[0], "guest", &json!({ "Policy": long_policy(1) }))
        .await;
    let answer = app
        .assume_at_tencent(&keys[1], "guest", &json!({ "Policy": long_policy(2) }))
        .await;
    assert_eq!(refused(&answer).0, "LimitExceeded");
    assert_eq!(stored(&app)[0].0, "100000000002");
}

#[tokio::test]
async fn two_accounts_never_share_a_stored_policy() {
    let app = App::new().await;
    let stranger = "100000000002".parse().unwrap();
    let key = Key::permanent(
        app.service
            .identity
            .create_access_key(&app.operator(), stranger, None)
            .await
            .unwrap(),
    );
    for key in [&app.key, &key] {
        federate(&app, key, &long_policy(1)).await;
    }
    let charged: Vec<_> = stored(&app).into_iter().map(|row| row.0).collect();
    assert_eq!(
        charged,
        [format!("{ACCOUNT}:root"), "100000000002:root".to_owned()]
    );
}

#[tokio::test]
async fn another_replica_knows_a_stored_policy_at_once() {
    let app = App::new().await;
    app.role("open", &everything()).await;
    let replica = app.replica().await;
    let session = app
        .tencent_session(&app.key, "open", &json!({ "Policy": long_policy(1) }))
        .await
        .key();
    let call = app
        .tencent(
            "CreateInstanceToken",
            &json!({ "RegistryId": app.instance.id.as_str() }),
        )
        .by(&session)
        .request();
    let got = served(&replica.send(call).await);
    assert!(got["Token"].as_str().unwrap().len() <= MAX_REGISTRY_SECRET);
    let (name, secret) = (
        got["Username"].as_str().unwrap(),
        Secret::new(got["Token"].as_str().unwrap()),
    );
    assert_eq!(granted(&app, name, &secret, SCOPE).await, NARROWED);
}

#[tokio::test]
async fn without_its_stored_policy_a_session_and_what_it_got_is_refused() {
    let app = App::new().await;
    app.role("open", &everything()).await;
    let policy = long_policy(1);
    let (tencent, alibaba) = (
        app.tencent_session(&app.key, "open", &json!({ "Policy": policy }))
            .await
            .key(),
        app.alibaba_session(
            &app.user("ci", &everything()).await,
            "open",
            &[("Policy", &policy)],
        )
        .await
        .key(),
    );
    let (name, secret) = credential(&app.tencent_credential(&tencent).await);
    let ask = async |app: &App| {
        // This one has read nothing yet.
        let replica = app.replica().await;
        app.wait(Duration::from_secs(1));
        let request = http::Request::post("/token")
            .header("host", HOST)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(
                format!(
                    "grant_type=password&service={SERVICE}&client_id=t&username={name}&password={}",
                    secret.expose()
                )
                .into(),
            )
            .unwrap();
        let log_in = replica.send(request).await;
        let call = app
            .tencent(
                "CreateInstanceToken",
                &json!({ "RegistryId": app.instance.id.as_str() }),
            )
            .by(&tencent)
            .request();
        let at_tencent = replica.send(call).await.json()["Response"]["Error"]["Code"].clone();
        let call = app
            .alibaba_sts("GetCallerIdentity", &[])
            .by(&alibaba)
            .request();
        let at_alibaba = replica.send(call).await.json()["Code"].clone();
        replica.service.ledger.close().await;
        (log_in.status, at_tencent, at_alibaba)
    };
    assert_eq!(ask(&app).await, (StatusCode::OK, Value::Null, Value::Null));
    let database = Connection::open(app.database()).unwrap();
    database
        .execute("UPDATE session_policy SET document = '{}'", ())
        .unwrap();
    assert_eq!(
        ask(&app).await,
        (
            StatusCode::INTERNAL_SERVER_ERROR,
            json!("InternalError.Unknown"),
            json!("InternalError")
        )
    );
    database.execute("DELETE FROM session_policy", ()).unwrap();
    let refused = (
        StatusCode::UNAUTHORIZED,
        json!("AuthFailure.TokenFailure"),
        json!("InvalidSecurityToken.Expired"),
    );
    assert_eq!(ask(&app).await, refused);
    let everything = AuditFilter::between(NOW, app.now().plus(Duration::from_secs(1)));
    let lines = crate::harness::audit::listed(&app.service, &everything).await;
    let log_in = lines
        .iter()
        .rfind(|line| line.action == "registry.log-in")
        .unwrap();
    assert!(log_in.detail.contains("session-policy-gone"), "{log_in:?}");
    // Opened anew, the same policy is there again, and so is all that rests on it.
    app.tencent_session(&app.key, "open", &json!({ "Policy": policy }))
        .await;
    assert_eq!(ask(&app).await, (StatusCode::OK, Value::Null, Value::Null));
}
