//! `transire policy explain`: the whole decision, as the service makes it.

use std::time::Duration;

use serde_json::json;
use transire::domain::allow_list::AllowEntry;
use transire::domain::any_principal::AnyPrincipal;
use transire::domain::identity::UserState;
use transire::domain::instance::UnrecordedNamespaces;
use transire::domain::namespace::Visibility;
use transire::domain::secret::Secret;
use transire::domain::switch::Switch;
use transire::domain::{ErrorKind, Noun};
use transire::service::{
    AccessKeyState, AuditFilter, Explained, InstanceChoice, Question, RequestContext,
    TokenInQuestion,
};

use crate::harness::documents::{allow, cam, deny};
use crate::harness::identity::app_of_user;
use crate::harness::issuer::{self, TestKey};
use crate::harness::keyless::{AUDIENCE, GITHUB, Keyless};
use crate::harness::operator::{account, context};
use crate::harness::registry::granted;
use crate::harness::tencent::succeeded;
use crate::harness::{ACCOUNT, App, NOW, SERVICE, Session};

/// Writes the steps, each as what was looked at and whether it passes.
fn steps(explained: &Explained) -> String {
    let steps = explained.steps.iter().map(|step| {
        format!(
            "{} {}",
            step.about,
            if step.passes { "passes" } else { "stops" }
        )
    });
    steps.collect::<Vec<_>>().join(", ")
}

#[tokio::test]
async fn it_says_of_every_right_what_the_exchange_does() {
    // It said "allowed" for pushes that the records of namespaces refuse.
    let documents = [
        cam(&json!([allow("tcr:CreateInstanceToken", "*")])),
        cam(&json!([
            allow(
                ["tcr:PullRepository", "tcr:PushRepository"],
                [
                    "qcs::tcr:::repository/INSTANCE-TCR/team/*",
                    "qcs::tcr:::repository/INSTANCE-TCR/closed/*",
                    "qcs::tcr:::repository/INSTANCE-TCR/nowhere/*",
                ],
            ),
            deny(
                "tcr:PullRepository",
                "qcs::tcr:::repository/INSTANCE-TCR/open/secret"
            ),
        ])),
    ];
    let app = app_of_user(&documents).await;
    app.record_namespace("team", Visibility::Private, Switch::On)
        .await;
    app.record_namespace("open", Visibility::Public, Switch::On)
        .await;
    app.record_namespace("closed", Visibility::Private, Switch::Off)
        .await;
    let choice = InstanceChoice::Tcr(app.instance.id.clone());
    let closed = UnrecordedNamespaces::Closed;
    app.service
        .registry
        .set_unrecorded_namespaces(&app.operator(), &choice, closed)
        .await
        .unwrap();
    let (username, secret) = app.temporary().await;
    let principal = format!("{ACCOUNT}:user/ci").parse().unwrap();
    for (path, action, expected) in [
        (
            "team/app",
            "pull",
            "address passes, principal passes, instance passes, policies passes",
        ),
        (
            "team/app",
            "push",
            "address passes, principal passes, instance passes, policies passes, records passes",
        ),
        (
            "team/app",
            "delete",
            "address passes, principal passes, instance passes, policies stops",
        ),
        (
            "open/app",
            "pull",
            "address passes, principal passes, instance passes, policies stops, public passes",
        ),
        (
            "open/app",
            "push",
            "address passes, principal passes, instance passes, policies stops",
        ),
        (
            "open/secret",
            "pull",
            "address passes, principal passes, instance passes, policies stops",
        ),
        (
            "closed/app",
            "push",
            "address passes, principal passes, instance passes, policies passes, records stops",
        ),
        (
            "nowhere/app",
            "push",
            "address passes, principal passes, instance passes, policies passes, records stops",
        ),
    ] {
        let explained = app
            .explain(&principal, action, &app.instance, path, &context())
            .await
            .unwrap();
        assert_eq!(steps(&explained), expected, "{action} {path}");
        let token = granted(
            &app,
            &username,
            &Secret::new(secret.expose()),
            &format!("repository:{path}:{action}"),
        )
        .await;
        let actions = token.rsplit_once(':').map_or("", |(_, actions)| actions);
        assert_eq!(
            explained.allowed,
            actions.split(',').any(|granted| granted == action),
            "{action} {path}: {token}"
        );
    }
}

#[tokio::test]
async fn an_allow_list_and_a_closed_endpoint_come_first() {
    // It said "allowed" for what they refuse.
    let app = App::new().await;
    let choice = InstanceChoice::Tcr(app.instance.id.clone());
    let entry = AllowEntry {
        cidr: "192.0.2.0/24".parse().unwrap(),
        written: "192.0.2.0/24".to_owned(),
        comment: String::new(),
    };
    app.service
        .registry
        .add_to_allow_list(&app.operator(), &choice, &[entry])
        .await
        .unwrap();
    let root = AnyPrincipal::Root(account());
    let at = async |address: Option<&str>| {
        let context = RequestContext {
            address: address.map(|address| address.parse().unwrap()),
            ..context()
        };
        let explained = app
            .explain(&root, "pull", &app.instance, "team/app", &context)
            .await
            .unwrap();
        (
            explained.allowed,
            explained.deciding().unwrap().reason.clone(),
        )
    };
    assert!(at(Some("192.0.2.7")).await.0);
    assert_eq!(
        at(Some("198.51.100.7")).await,
        (
            false,
            "the instance obeys an allow list, and 198.51.100.7 is not in it".to_owned()
        )
    );
    assert_eq!(
        at(None).await,
        (
            false,
            "the instance obeys an allow list: say by --address where the client is".to_owned()
        )
    );
    app.service
        .registry
        .set_public_endpoint(&app.operator(), &choice, Switch::Off, None)
        .await
        .unwrap();
    assert_eq!(
        at(Some("192.0.2.7")).await,
        (false, "the instance's public endpoint is closed".to_owned())
    );
    // A cloud's API is called from anywhere.
    let issue = app
        .explain(
            &root,
            "tcr:CreateInstanceToken",
            &app.instance,
            "",
            &context(),
        )
        .await
        .unwrap();
    assert_eq!(
        steps(&issue),
        "principal passes, instance passes, policies passes"
    );
}

#[tokio::test]
async fn a_principal_that_may_do_nothing_is_said_so_before_its_policies() {
    let app = app_of_user(&[cam(&json!([allow("tcr:*", "*")]))]).await;
    let principal = format!("{ACCOUNT}:user/ci").parse().unwrap();
    let foreign = app
        .explain(
            &principal,
            "pull",
            &app.foreign_instance,
            "team/app",
            &context(),
        )
        .await
        .unwrap();
    assert_eq!(
        foreign.deciding().unwrap().reason,
        "the instance belongs to another account, and no policy of the repository allows it"
    );
    app.service
        .identity
        .set_user_state(&app.operator(), account(), "ci", UserState::Disabled)
        .await
        .unwrap();
    let disabled = app
        .explain(&principal, "pull", &app.instance, "team/app", &context())
        .await
        .unwrap();
    assert_eq!(
        (
            disabled.allowed,
            disabled.deciding().unwrap().reason.as_str()
        ),
        (false, "the user is disabled")
    );
}

#[tokio::test]
async fn a_session_policy_narrows_what_is_asked_about() {
    let app = app_of_user(&[cam(&json!([allow("tcr:*", "*")]))]).await;
    let principal = format!("{ACCOUNT}:user/ci").parse().unwrap();
    let pull_only = cam(&json!([allow("tcr:PullRepository", "*")])).to_string();
    for (action, allowed) in [("pull", true), ("push", false)] {
        let question = Question {
            session_policy: Some(pull_only.clone()),
            ..Question::new(action.parse().unwrap(), app.choice(), "team/app")
        };
        let explained = app
            .service
            .rights
            .explain(&app.operator(), &principal, &question)
            .await
            .unwrap();
        assert_eq!(
            explained.allowed,
            allowed,
            "{action}: {:?}",
            explained.deciding()
        );
    }
}

#[tokio::test]
async fn a_session_policy_that_denies_is_a_step_of_its_own() {
    let app = app_of_user(&[cam(&json!([allow("tcr:PullRepository", "*")]))]).await;
    let principal = format!("{ACCOUNT}:user/ci").parse().unwrap();
    let narrow = cam(&json!([
        allow("tcr:PushRepository", "*"),
        deny("tcr:DeleteImage", "*"),
    ]));
    for (action, expected) in [
        ("pull", "policies passes, session-policy stops"),
        ("push", "policies stops"),
        ("delete", "policies stops, session-policy stops"),
    ] {
        let question = Question {
            session_policy: Some(narrow.to_string()),
            ..Question::new(action.parse().unwrap(), app.choice(), "team/app")
        };
        let explained = app
            .service
            .rights
            .explain(&app.operator(), &principal, &question)
            .await
            .unwrap();
        let expected = format!("address passes, principal passes, instance passes, {expected}");
        assert_eq!(steps(&explained), expected, "{action}");
        assert!(!explained.allowed);
    }
}

/// Explains a pull of team/app by a user, with more said of it.
async fn pull_with(
    app: &App,
    user: &str,
    more: impl FnOnce(&mut Question),
) -> transire::domain::Result<(String, String)> {
    let mut question = Question::new("pull".parse().unwrap(), app.choice(), "team/app");
    more(&mut question);
    let principal = format!("{ACCOUNT}:user/{user}").parse().unwrap();
    let explained = app
        .service
        .rights
        .explain(&app.operator(), &principal, &question)
        .await?;
    let step = explained.deciding().unwrap();
    Ok((step.about.to_owned(), step.reason.clone()))
}

#[tokio::test]
async fn the_state_of_an_access_key_is_a_step() {
    let app = App::new().await;
    let everything = cam(&json!([allow("tcr:*", "*")]));
    let key = app.user("ci", &everything).await;
    app.user("other", &everything).await;
    let asked = async |user: &str| {
        let id = Some(key.id.clone());
        pull_with(&app, user, |question| question.access_key = id)
            .await
            .unwrap()
    };
    assert_eq!(asked("ci").await.0, "policies");
    let (step, reason) = asked("other").await;
    assert_eq!(step, "access-key");
    assert!(reason.starts_with("the access key signs for"), "{reason}");
    let set = async |state| {
        app.service
            .identity
            .set_access_key_state(&app.operator(), &key.id, state)
            .await
            .unwrap();
    };
    set(AccessKeyState::Disabled).await;
    let disabled = (
        "access-key".to_owned(),
        "the access key is disabled".to_owned(),
    );
    assert_eq!(asked("ci").await, disabled);
    set(AccessKeyState::Active).await;
    assert_eq!(asked("ci").await.0, "policies");
}

#[tokio::test]
async fn the_state_of_a_credential_is_a_step() {
    let app = app_of_user(&[cam(&json!([allow("tcr:*", "*")]))]).await;
    let (id, _) = app.long_term_of(&app.key).await;
    let asked = async |id: &str| {
        let id = Some(id.parse().unwrap());
        pull_with(&app, "ci", |question| question.credential = id).await
    };
    assert_eq!(asked(&id).await.unwrap().0, "policies");
    let disable = json!({ "Enable": false });
    succeeded(
        &app.of_token(&app.key, "ModifyInstanceToken", &id, &disable)
            .await,
    );
    let disabled = (
        "credential".to_owned(),
        "the credential is disabled".to_owned(),
    );
    assert_eq!(asked(&id).await.unwrap(), disabled);
    let unknown = asked("00000000000000000000").await.unwrap_err();
    assert_eq!(
        unknown.kind(),
        &ErrorKind::NotFound {
            noun: Noun::Credential
        }
    );
}

#[tokio::test]
async fn a_user_that_is_gone_is_named_by_its_id() {
    let app = app_of_user(&[cam(&json!([allow("tcr:*", "*")]))]).await;
    let users = app
        .service
        .identity
        .users(&app.operator(), account())
        .await
        .unwrap();
    let principal = format!("{ACCOUNT}:user#{}", users[0].id).parse().unwrap();
    app.service
        .identity
        .delete_user(&app.operator(), account(), "ci")
        .await
        .unwrap();
    let explained = app
        .explain(&principal, "pull", &app.instance, "team/app", &context())
        .await
        .unwrap();
    assert_eq!(explained.deciding().unwrap().reason, "the user is gone");
}

#[test]
fn a_question_is_read_from_json_and_written_to_it() {
    let text = json!({
        "permission": "push",
        "instance": "tcr-abcd1234",
        "path": "team/app",
        "address": "192.0.2.7",
        "at": null,
        "session_policy": null,
        "owner": "100000000001:user/ci",
        "access_key": null,
        "credential": "00000000000000000000",
    });
    let question: Question = serde_json::from_value(text.clone()).unwrap();
    assert_eq!(serde_json::to_value(&question).unwrap(), text);
}

#[tokio::test]
async fn a_principal_is_taken_as_the_audit_and_the_clouds_write_it() {
    // Lists print `…role#ID`, and neither `policy explain` nor `revoke` took it.
    let app = App::new().await;
    let everything = cam(&json!([allow(["tcr:*", "sts:*"], "*")]));
    let user = app.user("ci", &everything).await;
    app.role("puller", &everything).await;
    let arn = format!("acs:ram::{ACCOUNT}:role/puller");
    let assume = [("RoleArn", arn.as_str()), ("RoleSessionName", "test")];
    let session = Session::of_alibaba(
        &app.alibaba_sts("AssumeRole", &assume)
            .by(&user)
            .send()
            .await,
    );
    let credential = app
        .alibaba(
            "GetAuthorizationToken",
            &[("InstanceId", app.instance.cri_id.as_str())],
        )
        .by(&session.key())
        .send()
        .await;
    let secret = credential.json()["AuthorizationToken"]
        .as_str()
        .unwrap()
        .to_owned();
    let identity = app
        .alibaba_sts("GetCallerIdentity", &[])
        .by(&session.key())
        .send()
        .await
        .json();
    app.tencent(
        "CreateInstanceToken",
        &json!({ "RegistryId": app.instance.id.as_str() }),
    )
    .by(&user)
    .send()
    .await;

    let logs_in = async || {
        app.registry(
            Some(("cr_temp_user", &secret)),
            &format!("service={SERVICE}"),
        )
        .await
        .status
            == 200
    };
    assert!(logs_in().await);
    app.service.ledger.close().await;
    let lines = crate::harness::audit::listed(
        &app.service,
        &AuditFilter::between(NOW, app.now().plus(std::time::Duration::from_secs(1))),
    )
    .await;
    let mut written: Vec<String> = lines
        .into_iter()
        .filter_map(|line| line.principal)
        .collect();
    written.push(identity["Arn"].as_str().unwrap().to_owned());
    assert!(
        ["role#", "user#", "operator", "assumed-role/"]
            .iter()
            .all(|part| written.iter().any(|text| text.contains(part))),
        "{written:?}"
    );
    for text in &written {
        let explained = app
            .explain(
                &text.parse().unwrap(),
                "pull",
                &app.instance,
                "team/app",
                &context(),
            )
            .await
            .unwrap();
        assert!(explained.allowed, "{text}: {explained:?}");
    }
    let of_session = written.iter().find(|text| text.contains("role#")).unwrap();
    let revoked = app
        .service
        .identity
        .revoke(&app.operator(), &of_session.parse().unwrap())
        .await
        .unwrap();
    assert_eq!(
        Some(revoked.principal.to_string().as_str()),
        of_session.split_once('/').map(|(role, _)| role)
    );
    assert!(!logs_in().await);
}

impl Keyless {
    /// Explains what the bearer of a token may do.
    async fn explain(&self, token: &str, role: Option<&str>, action: &str) -> Explained {
        let (app, token) = (&self.app, Secret::new(token));
        let question = Question::new(action.parse().unwrap(), app.choice(), "team/app");
        let asked = TokenInQuestion {
            token: &token,
            role,
        };
        app.service
            .identity
            .explain_token(&app.operator(), &asked, &question)
            .await
            .unwrap()
    }

    /// Asserts which steps lead to the decision about a push, and its reason.
    async fn decides(&self, token: &str, role: Option<&str>, expected: &str, reason: &str) {
        let explained = self.explain(token, role, "push").await;
        assert_eq!(steps(&explained), expected, "{explained:?}");
        let why = &explained.deciding().unwrap().reason;
        assert!(why.contains(reason), "{why}");
    }
}

#[tokio::test]
async fn of_a_token_it_says_provider_role_and_rights() {
    let keyless = Keyless::new().await;
    let token = keyless.token(GITHUB);
    let expected = "provider passes, role stops, role passes, address passes, principal passes, \
                    instance passes, policies passes, records passes";
    let explained = keyless.explain(&token, None, "push").await;
    assert_eq!(steps(&explained), expected);
    let reasons: Vec<&str> = explained
        .steps
        .iter()
        .take(3)
        .map(|step| step.reason.as_str())
        .collect();
    assert_eq!(
        reasons,
        [
            &format!("ci: the token is of {GITHUB}"),
            "nobody: its trust policy doesn't accept the token: \
             Statement[0].Condition.StringLike.oidc:sub",
            "builder: its trust policy accepts the token"
        ]
    );
    let denied = keyless.explain(&token, Some("builder"), "delete").await;
    assert_eq!(
        steps(&denied),
        "provider passes, role passes, address passes, principal passes, instance passes, \
         policies stops"
    );
    // At a cloud's door the instance's setting and its addresses don't matter.
    let called = keyless.explain(&token, None, "tcr:CreateInstanceToken");
    assert_eq!(
        steps(&called.await),
        "provider passes, role stops, role passes, principal passes, instance passes, \
         policies passes"
    );
}

#[tokio::test]
async fn of_a_token_that_is_refused_it_says_where() {
    let keyless = Keyless::new().await;
    let (job, other) = (
        keyless.token(GITHUB),
        keyless.token("repo:example-org/none:x"),
    );
    let claims = |issuer: &str, audience: &str| {
        let said = issuer::claims(issuer, GITHUB, audience, keyless.app.now());
        keyless.key.token(&said)
    };
    let elsewhere = claims("https://other.example.com", AUDIENCE);
    let unlike = claims(&keyless.issuer.url, "other.example.com");
    let own = "no provider of the account has the token's issuer";
    keyless
        .decides(&elsewhere, None, "provider stops", own)
        .await;
    keyless
        .decides(
            &unlike,
            None,
            "provider stops",
            "has one of the token's audiences",
        )
        .await;
    let forged = TestKey::generate("ES256", "one");
    let forged = forged.token(&keyless.issuer.claims(GITHUB, AUDIENCE, keyless.app.now()));
    keyless
        .decides(&forged, None, "provider stops", "signed by no key")
        .await;
    let none = "provider passes, role stops, role stops, role stops";
    keyless
        .decides(&other, None, none, "no trust policy accepts the token")
        .await;
    let missing = "provider passes, role stops";
    keyless
        .decides(&job, Some("missing"), missing, "isn't there")
        .await;
    // Roles are listed oldest first.
    keyless.app.wait(Duration::from_secs(1));
    keyless.role("deployer", &["repo:example-org/app:*"]).await;
    let several = "provider passes, role stops, role stops";
    keyless
        .decides(
            &job,
            None,
            several,
            "all accept the token: builder, deployer",
        )
        .await;
    keyless.revoke("builder").await;
    keyless
        .decides(&job, Some("builder"), missing, "the role was revoked")
        .await;
    keyless.refuse(GITHUB).await;
    keyless
        .decides(
            &job,
            Some("deployer"),
            missing,
            "the account refuses the subject",
        )
        .await;
}
