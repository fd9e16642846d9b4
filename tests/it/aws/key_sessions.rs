//! AWS's STS: sessions that act as their caller, and whose an access key is.

use std::time::Duration;

use http::StatusCode;
use serde_json::json;
use transire::domain::ErrorKind;
use transire::domain::secret::Secret;
use transire::service::{Caller, Purpose};
use transire::sign::sigv4;
use transire::store::access_key::AccessKeyState;

use crate::harness::aws::{element, log_in_of, refused_by_ecr, refused_by_sts, session_of};
use crate::harness::documents::{allow, cam, everything, ram};
use crate::harness::keyless::{GITHUB, Keyless};
use crate::harness::operator::context;
use crate::harness::registry::granted;
use crate::harness::{ACCOUNT, Answer, App, Key, NOW, to_sign};

const SCOPE: &str = "repository:team/app:pull,push";
const PULL: &str = "repository:team/app:pull";

/// A policy that leaves a session the log-in and pulls.
fn pulls() -> String {
    let statements = json!([
        allow("tcr:CreateInstanceToken", "*"),
        allow("tcr:PullRepository", "*")
    ]);
    cam(&statements).to_string()
}

/// A policy that gives nothing that a session here asks for.
fn nothing() -> serde_json::Value {
    cam(&json!([allow("tcr:DescribeRegions", "*")]))
}

async fn session_token(app: &App, key: &Key, more: &[(&str, &str)]) -> Answer {
    app.aws_sts("GetSessionToken", more).by(key).send().await
}

async fn scoped(app: &App, key: &Key, more: &[(&str, &str)]) -> Answer {
    let call = app.aws_sts("GetScopedCredentials", more).by(key);
    call.send().await
}

/// Returns the scope that a log-in of a key's gets at the registry.
async fn scope_of(app: &App, key: &Key) -> String {
    let call = app.ecr("GetAuthorizationToken", &json!({})).by(key);
    let (username, secret) = log_in_of(&call.send().await);
    granted(app, &username, &secret, SCOPE).await
}

/// Proves a call of a key's, as the door does.
async fn caller(app: &App, key: &Key) -> Caller {
    let call = app.aws_sts("GetCallerIdentity", &[]).by(key);
    let request = call.request();
    let signed = to_sign(
        request.method(),
        request.uri(),
        request.headers(),
        call.body.as_bytes(),
    );
    let read = sigv4::read(&signed).unwrap();
    let (access, context) = (&app.service.access, context());
    let proved = access.authenticate(
        &read.unverified,
        Purpose::Read,
        "sts:GetCallerIdentity",
        &context,
    );
    proved.await.unwrap()
}

#[tokio::test]
async fn a_session_of_a_users_own_acts_as_the_user() {
    let app = App::new().await;
    let user = app.user("ci", &everything()).await;
    for (key, arn, more, lasts) in [
        (&user, "user/ci", vec![], 43_200),
        (&user, "user/ci", vec![("DurationSeconds", "900")], 900),
        (
            &user,
            "user/ci",
            vec![("DurationSeconds", "129600")],
            129_600,
        ),
        // A root's lives for an hour at most, whatever it asks for.
        (&app.key, "root", vec![("DurationSeconds", "7200")], 3600),
    ] {
        let answer = session_token(&app, key, &more).await;
        let ends_at = NOW.plus(Duration::from_secs(lasts));
        assert_eq!(element(&answer, "Expiration"), ends_at.rfc3339());
        let session = session_of(&answer);
        assert!(session.id.starts_with("ASIA"), "{}", session.id);
        let of_session = session.key();
        let ask = async |key: &Key| {
            let call = app.aws_sts("GetCallerIdentity", &[]).by(key);
            call.send().await
        };
        let (identity, own) = (ask(&of_session).await, ask(key).await);
        assert_eq!(
            element(&identity, "Arn"),
            format!("arn:aws:iam::{ACCOUNT}:{arn}")
        );
        assert_eq!(element(&identity, "UserId"), element(&own, "UserId"));
        assert_eq!(scope_of(&app, &of_session).await, SCOPE);
        let call = app.ecr("GetAuthorizationToken", &json!({})).by(&of_session);
        let until = &call.send().await.json()["authorizationData"][0]["expiresAt"];
        let longest = NOW.plus(Duration::from_secs(lasts.min(43_200)));
        assert_eq!(*until, longest.unix_seconds());
        let alone = session.with_token(None);
        assert_eq!(refused_by_sts(&ask(&alone).await).1, "InvalidClientTokenId");
    }
    for (parameter, value, expected) in [
        ("DurationSeconds", "899", "ValidationError"),
        ("DurationSeconds", "129601", "ValidationError"),
        ("DurationSeconds", "-1", "ValidationError"),
        ("DurationSeconds", "x", "ValidationError"),
        ("MinimumSessionTokenSize", "4097", "ValidationError"),
        (
            "SerialNumber",
            "arn:aws:iam::1:mfa/x",
            "UnsupportedOperation",
        ),
        ("TokenCode", "123456", "UnsupportedOperation"),
    ] {
        let answer = session_token(&app, &user, &[(parameter, value)]).await;
        assert_eq!(refused_by_sts(&answer).1, expected, "{parameter} {value}");
    }
}

#[tokio::test]
async fn a_session_of_a_users_own_has_no_rights_but_the_users() {
    let app = App::new().await;
    let user = app.user("ci", &nothing()).await;
    let session = session_of(&session_token(&app, &user, &[]).await).key();
    let call = app.ecr("GetAuthorizationToken", &json!({})).by(&session);
    let (_, code, message) = refused_by_ecr(&call.send().await);
    assert_eq!(code, "AccessDeniedException");
    assert!(message.contains(&format!("{ACCOUNT}:user/")), "{message}");
}

#[tokio::test]
async fn what_a_session_may_not_do_a_users_own_may_not_either() {
    // Its principal is a plain user, by which sessions were told apart.
    let app = App::new().await;
    app.role("puller", &everything()).await;
    let user = app.user("ci", &everything()).await;
    let own = session_of(&session_token(&app, &user, &[]).await).key();
    let root = session_of(&session_token(&app, &app.key, &[]).await).key();
    for session in [&own, &root] {
        for (operation, more) in [
            ("GetSessionToken", vec![]),
            (
                "GetFederationToken",
                vec![("Name", "deploy"), ("Policy", "{}")],
            ),
        ] {
            let answer = app.aws_sts(operation, &more).by(session).send().await;
            let (status, code, message) = refused_by_sts(&answer);
            assert_eq!((status, code.as_str()), (403, "AccessDenied"));
            assert!(
                message.starts_with(&format!("Cannot call {operation} with session credentials")),
                "{message}"
            );
        }
        let (caller, context) = (caller(&app, session).await, context());
        let call = &app.service.call(&caller, &context);
        let (credentials, choice) = (&app.service.credentials, &app.choice());
        let chosen = Secret::new("a-Password-EXAMPLE-1");
        let set = credentials.set_fixed_password(call, choice, &chosen);
        assert_eq!(set.await.unwrap_err().kind(), &ErrorKind::Unsupported);
        let long = credentials.issue_long_term(call, choice, "");
        assert_eq!(long.await.unwrap_err().kind(), &ErrorKind::Unsupported);
        let made = credentials.create_service_account(call, choice, robot());
        let refused = made.await.unwrap_err();
        assert!(
            refused
                .message()
                .starts_with("A session makes, widens or gives"),
            "{refused}"
        );
    }
    // It assumes roles as the user does.
    let role = format!("arn:aws:iam::{ACCOUNT}:role/puller");
    let parameters = [("RoleArn", role.as_str()), ("RoleSessionName", "test")];
    let call = app.aws_sts("AssumeRole", &parameters).by(&own);
    let of_role = session_of(&call.send().await).key();
    assert_eq!(scope_of(&app, &of_role).await, SCOPE);
}

/// A service account with a right, which a session doesn't give.
fn robot() -> transire::service::NewServiceAccount {
    use transire::domain::service_account::{AccountAction, ServiceAccountState};
    transire::service::NewServiceAccount {
        name: "robot".to_owned(),
        description: String::new(),
        permissions: [("team".to_owned(), [AccountAction::Pull].into())].into(),
        validity: None,
        state: ServiceAccountState::Active,
    }
}

#[tokio::test]
async fn a_session_of_a_users_own_stops_with_its_key_and_with_its_user() {
    for end in [
        "disable key",
        "delete key",
        "disable user",
        "delete user",
        "time",
    ] {
        let app = App::new().await;
        let user = app.user("ci", &everything()).await;
        let life = [("DurationSeconds", "900")];
        let session = session_of(&session_token(&app, &user, &life).await).key();
        let narrower = scoped(&app, &session, &[("DurationSeconds", "800")]).await;
        let narrower = session_of(&narrower).key();
        let mut log_ins = Vec::new();
        for key in [&session, &narrower] {
            let call = app.ecr("GetAuthorizationToken", &json!({})).by(key);
            log_ins.push(log_in_of(&call.send().await));
        }
        let (identity, operator) = (&app.service.identity, app.operator());
        let account = ACCOUNT.parse().unwrap();
        let set_key = async |state| {
            identity
                .set_access_key_state(&operator, &user.id, state)
                .await
        };
        match end {
            "disable key" => set_key(AccessKeyState::Disabled).await.unwrap(),
            "delete key" => set_key(AccessKeyState::Deleted).await.unwrap(),
            "disable user" => {
                let state = transire::domain::identity::UserState::Disabled;
                let set = identity.set_user_state(&operator, account, "ci", state);
                set.await.unwrap();
            }
            "delete user" => {
                let deleted = identity.delete_user(&operator, account, "ci");
                deleted.await.map(drop).unwrap();
            }
            _ => app.later(Duration::from_secs(900)).await,
        }
        for key in [&session, &narrower] {
            let call = app.ecr("GetAuthorizationToken", &json!({})).by(key);
            let (_, code, _) = refused_by_ecr(&call.send().await);
            assert_eq!(code, "ExpiredTokenException", "{end}");
        }
        for (username, secret) in &log_ins {
            let query = "service=registry.example.com";
            let answer = app.registry(Some((username, secret.expose())), query).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{end}");
        }
    }
}

#[tokio::test]
async fn a_session_is_narrowed_by_a_policy_and_in_time() {
    let app = App::new().await;
    app.role("puller", &everything()).await;
    let user = app.user("ci", &everything()).await;
    let role = format!("arn:aws:iam::{ACCOUNT}:role/puller");
    let parameters = [("RoleArn", role.as_str()), ("RoleSessionName", "test")];
    let call = app.aws_sts("AssumeRole", &parameters).by(&user);
    let of_role = session_of(&call.send().await).key();
    let of_user = session_of(&session_token(&app, &user, &[]).await).key();
    let policy = pulls();
    let narrow = [("Policy", policy.as_str())];
    for session in [&of_role, &of_user] {
        let answer = scoped(&app, session, &narrow).await;
        let narrower = session_of(&answer).key();
        let ask = async |key: &Key| {
            let call = app.aws_sts("GetCallerIdentity", &[]).by(key);
            call.send().await
        };
        let identity = ask(session).await;
        assert_eq!(element(&answer, "Arn"), element(&identity, "Arn"));
        assert_eq!(
            element(&answer, "ScopedSessionId"),
            element(&identity, "UserId")
        );
        assert_eq!(
            element(&ask(&narrower).await, "Arn"),
            element(&answer, "Arn")
        );
        assert_eq!(scope_of(&app, session).await, SCOPE);
        assert_eq!(scope_of(&app, &narrower).await, PULL);
        // The policy goes along to a shorter session, and no second one is dropped.
        let shorter = scoped(&app, &narrower, &[("DurationSeconds", "60")]).await;
        assert_eq!(
            element(&shorter, "Expiration"),
            NOW.plus(Duration::from_mins(1)).rfc3339()
        );
        assert_eq!(scope_of(&app, &session_of(&shorter).key()).await, PULL);
        let (status, code, message) = refused_by_sts(&scoped(&app, &narrower, &narrow).await);
        assert_eq!((status, code.as_str()), (400, "UnsupportedOperation"));
        assert!(message.contains("docs/compatibility.md"), "{message}");
    }
    let same_end = scoped(&app, &of_role, &narrow).await;
    assert_eq!(
        element(&same_end, "Expiration"),
        NOW.plus(Duration::from_hours(1)).rfc3339()
    );
    for (more, expected) in [
        (vec![], "ValidationError"),
        (vec![("DurationSeconds", "0")], "ValidationError"),
        (vec![("DurationSeconds", "129601")], "ValidationError"),
        (
            vec![("DurationSeconds", "3601")],
            "InsufficientSessionLifetime",
        ),
        (vec![("Policy", "nonsense")], "MalformedPolicyDocument"),
        (
            vec![("DurationSeconds", "60"), ("ScopedSessionDescription", "x")],
            "ValidationError",
        ),
        (
            vec![
                ("DurationSeconds", "60"),
                ("ScopedSessionDescription", "a\u{7f}b"),
            ],
            "ValidationError",
        ),
    ] {
        let answer = scoped(&app, &of_role, &more).await;
        assert_eq!(refused_by_sts(&answer).1, expected, "{more:?}");
    }
    for key in [&user, &app.key] {
        let (status, code, message) = refused_by_sts(&scoped(&app, key, &narrow).await);
        assert_eq!((status, code.as_str()), (403, "AccessDenied"));
        assert!(
            message.starts_with("Cannot call GetScopedCredentials without session credentials"),
            "{message}"
        );
    }
}

#[tokio::test]
async fn a_policy_asks_for_no_claim_that_the_session_lost() {
    // A deny by a claim that isn't kept would never hold.
    let keyless = Keyless::new().await;
    let app = &keyless.app;
    let arn = format!("arn:aws:iam::{ACCOUNT}:role/builder");
    let token = keyless.token(GITHUB);
    let answer = app
        .aws_sts(
            "AssumeRoleWithWebIdentity",
            &[
                ("RoleArn", arn.as_str()),
                ("RoleSessionName", "build-7"),
                ("WebIdentityToken", token.as_str()),
            ],
        )
        .send()
        .await;
    let session = session_of(&answer).key();
    let by_claim = ram(&json!([{
        "Effect": "Deny",
        "Action": "cr:PushRepository",
        "Resource": "*",
        "Condition": { "StringEquals": { "oidc:actor": "mallory" } },
    }]));
    let answer = scoped(app, &session, &[("Policy", by_claim.to_string().as_str())]).await;
    let (_, code, message) = refused_by_sts(&answer);
    assert_eq!(code, "UnsupportedOperation", "{message}");
    assert!(message.contains("actor"), "{message}");
    session_of(&scoped(app, &session, &[("Policy", pulls().as_str())]).await);
}

#[tokio::test]
async fn the_account_of_an_access_key_is_told_to_who_knows_its_id() {
    let app = App::new().await;
    let user = app.user("ci", &nothing()).await;
    let foreign_account = app.foreign_instance.account;
    let identity = &app.service.identity;
    let operator = app.operator();
    let made = identity.create_access_key(&operator, foreign_account, None);
    let foreign = Key::permanent(made.await.unwrap());
    let session = session_of(&session_token(&app, &user, &[]).await);
    let of_session = session.key();
    let info = async |key: &Key, id: &str| {
        let call = app.aws_sts("GetAccessKeyInfo", &[("AccessKeyId", id)]);
        call.by(key).send().await
    };
    let foreign_account = foreign_account.to_string();
    for (key, id, account) in [
        (&user, user.id.as_str(), ACCOUNT),
        (&user, app.key.id.as_str(), ACCOUNT),
        (&user, foreign.id.as_str(), foreign_account.as_str()),
        (&of_session, user.id.as_str(), ACCOUNT),
        (&of_session, session.id.as_str(), ACCOUNT),
    ] {
        assert_eq!(element(&info(key, id).await, "Account"), account, "{id}");
    }
    for (id, status, code) in [
        ("AKIAUNKNOWNEXAMPLE00", 403, "InvalidClientTokenId"),
        ("ASIAUNKNOWNEXAMPLE00", 403, "InvalidClientTokenId"),
        ("AKID-UNKNOWNEXAMPLE0", 403, "InvalidClientTokenId"),
        ("STS.UNKNOWNEXAMPLE00", 403, "InvalidClientTokenId"),
        // Nothing of a session is stored.
        (session.id.as_str(), 403, "InvalidClientTokenId"),
        ("", 400, "ValidationError"),
        ("AKIATOOSHORT000", 400, "ValidationError"),
        (&"A".repeat(129), 400, "ValidationError"),
        ("AKIAEXAMPLE/EXAMPLE0", 400, "ValidationError"),
    ] {
        let (found_status, found, _) = refused_by_sts(&info(&user, id).await);
        assert_eq!((found_status, found.as_str()), (status, code), "{id}");
    }
}
