//! Causes of refused requests: the operator learns them, and their clients don't.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use http::{Request, header};
use serde_json::{Value, json};
use transire::domain::any_principal::AnyPrincipal;
use transire::domain::clock::{SystemRandom, Timestamp};
use transire::domain::credential::{CredentialId, long_term_secret};
use transire::domain::identity::UserState;
use transire::domain::instance::OldRefreshTokens;
use transire::domain::refusal::RefusalCause;
use transire::domain::switch::Switch;
use transire::service::{AuditFilter, AuditMode, AuditRow, InstanceChoice};
use transire::store::access_key::AccessKeyState;

use crate::harness::audit::found;
use crate::harness::documents::{allow, cam};
use crate::harness::operator::{account, operator_call};
use crate::harness::tencent::{done, with};
use crate::harness::{ACCOUNT, Answer, App, HOST, Key, NOW, SERVICE, Session};

const PASSWORD: &str = "Passw0rd-EXAMPLE";

/// Returns the whole audit, once nothing waits for it any more.
async fn audit(app: &App) -> Vec<AuditRow> {
    app.service.ledger.close().await;
    crate::harness::audit::listed(
        &app.service,
        &AuditFilter::between(NOW, Timestamp::from_unix_millis(i64::MAX)),
    )
    .await
}

fn detail(line: &AuditRow) -> Value {
    serde_json::from_str(&line.detail).unwrap()
}

fn everything() -> Value {
    cam(&json!([allow(["tcr:*", "sts:*"], "*")]))
}

/// Log-ins that were refused, with the cause that each is to have.
struct LogIns<'a> {
    app: &'a App,
    answers: Vec<(RefusalCause, Answer)>,
}

impl LogIns<'_> {
    async fn at(&mut self, service: &str, username: &str, secret: &str, cause: RefusalCause) {
        // Each has a line of its own: an address gets one a second.
        self.app.wait(Duration::from_secs(1));
        let answer = self
            .app
            .registry(
                Some((username, secret)),
                &format!("service={service}&scope=repository:team/app:pull"),
            )
            .await;
        self.answers.push((cause, answer));
    }

    async fn fails(&mut self, username: &str, secret: &str, cause: RefusalCause) {
        self.at(SERVICE, username, secret, cause).await;
    }
}

/// Gets a temporary credential by a key.
async fn temporary(app: &App, key: &Key) -> (String, String) {
    let answer = app
        .tencent("CreateInstanceToken", &app.registry_id())
        .by(key)
        .send()
        .await
        .json();
    let text = |name: &str| {
        answer["Response"][name]
            .as_str()
            .unwrap_or_else(|| panic!("{answer}"))
            .to_owned()
    };
    (text("Username"), text("Token"))
}

#[tokio::test]
async fn every_cause_of_a_refused_log_in_is_in_the_audit_and_none_reaches_the_client() {
    // The audit had neither the username nor a cause: expired, disabled and mistyped looked alike
    // to the operator, too.
    use RefusalCause as Cause;
    let app = App::new().await;
    let service = &app.service;
    let choice = InstanceChoice::Tcr(app.instance.id.clone());
    let mut log_ins = LogIns {
        app: &app,
        answers: Vec::new(),
    };

    let (username, expired) = temporary(&app, &app.key).await;
    app.wait(Duration::from_secs(3600));
    log_ins.fails(&username, &expired, Cause::Expired).await;
    let (_, secret) = temporary(&app, &app.key).await;
    log_ins
        .at(
            "nobody.example.com",
            &username,
            &secret,
            Cause::UnknownService,
        )
        .await;
    log_ins
        .at(
            "other.example.com",
            &username,
            &secret,
            Cause::OtherInstance,
        )
        .await;
    log_ins
        .fails("cr_temp_user", &secret, Cause::OtherUsername)
        .await;
    log_ins
        .fails(
            &username,
            &secret[..secret.len() - 1],
            Cause::UnreadableSecret,
        )
        .await;
    let made_up = long_term_secret(&CredentialId::random(&SystemRandom), &SystemRandom);
    log_ins
        .fails(&username, made_up.expose(), Cause::UnknownCredential)
        .await;

    app.give_refresh_tokens().await;
    let refresh = app.refresh_token(&username, &secret).await;
    app.set_refresh_tokens(&app.instance.id, Switch::On, OldRefreshTokens::Refuse)
        .await;
    let form = format!("grant_type=refresh_token&service={SERVICE}&refresh_token={refresh}");
    log_ins
        .answers
        .push((Cause::RefreshTokensEnded, app.registry_form(&form).await));

    let made = done(
        &app,
        "CreateInstanceToken",
        &with(&app.registry_id(), &json!({ "TokenType": "longterm" })),
    )
    .await;
    let (id, long_term) = (
        made["TokenId"].as_str().unwrap().parse().unwrap(),
        made["Token"].as_str().unwrap(),
    );
    let disabled = transire::domain::credential::CredentialState::Disabled;
    service
        .credentials
        .set_credential_state(&operator_call(service), &choice, &id, disabled)
        .await
        .unwrap();
    log_ins
        .fails(&username, long_term, Cause::CredentialDisabled)
        .await;

    let robot = app.create_robot(&json!({})).await;
    log_ins
        .fails("tcr$nobody", &robot, Cause::UnknownUsername)
        .await;
    log_ins
        .fails("tcr$robot", PASSWORD, Cause::WrongSecret)
        .await;
    done(
        &app,
        "ModifyServiceAccount",
        &with(
            &app.registry_id(),
            &json!({ "Name": "robot", "Disable": true }),
        ),
    )
    .await;
    log_ins
        .fails("tcr$robot", &robot, Cause::ServiceAccountDisabled)
        .await;
    log_ins.fails("acme", PASSWORD, Cause::NoPassword).await;
    assert_eq!(app.reset_login_password(PASSWORD).await.status, 200);
    log_ins
        .fails("acme", "Passw0rd-EXAMPLF", Cause::WrongSecret)
        .await;
    log_ins
        .fails("nobody@acme", PASSWORD, Cause::UnknownUsername)
        .await;

    let key = Key::permanent(
        service
            .identity
            .create_access_key(&operator_call(service), account(), None)
            .await
            .unwrap(),
    );
    let (_, by_key) = temporary(&app, &key).await;
    for (state, cause) in [
        (AccessKeyState::Disabled, Cause::AccessKeyDisabled),
        (AccessKeyState::Active, Cause::AccessKeyRevoked),
        (AccessKeyState::Deleted, Cause::AccessKeyDeleted),
    ] {
        service
            .identity
            .set_access_key_state(&operator_call(service), &key.id, state)
            .await
            .unwrap();
        log_ins.fails(&username, &by_key, cause).await;
    }

    let user = app.user("ci", &everything()).await;
    app.role("puller", &everything()).await;
    let session = Session::of_tencent(
        &app.tencent_sts(
            "AssumeRole",
            &json!({
                "RoleArn": format!("qcs::cam::uin/{ACCOUNT}:roleName/puller"),
                "RoleSessionName": "test",
            }),
        )
        .by(&user)
        .send()
        .await,
    );
    let (of_session, by_session) = temporary(&app, &session.key()).await;
    let (of_user, by_user) = temporary(&app, &user).await;
    let root: AnyPrincipal = format!("{ACCOUNT}:root").parse().unwrap();
    let claimed = |lines: Vec<AuditRow>, action: &str| -> CredentialId {
        lines
            .into_iter()
            .rfind(|line| line.action == action)
            .unwrap()
            .credential_id
            .unwrap()
            .parse()
            .unwrap()
    };
    let (_, revoked) = temporary(&app, &app.key).await;
    // The exchange names the credential. Events of earlier requests may still wait to be written,
    // so the last one that is there could be another's.
    let exchanged = app
        .registry(Some((&username, &revoked)), &format!("service={SERVICE}"))
        .await;
    assert_eq!(exchanged.status, 200, "{}", exchanged.body);
    let request_id = exchanged.header("x-request-id").unwrap();
    let line = found(&app, |lines| {
        lines.into_iter().find(|line| line.request_id == request_id)
    })
    .await;
    let id: CredentialId = line.credential_id.unwrap().parse().unwrap();
    service
        .identity
        .revoke_credential(&operator_call(service), &root, &id)
        .await
        .unwrap();
    log_ins
        .fails(&username, &revoked, Cause::CredentialRevoked)
        .await;
    let id = claimed(
        crate::harness::audit::lines(&app, 0).await,
        "session.assume-role",
    );
    service
        .identity
        .revoke_credential(&operator_call(service), &root, &id)
        .await
        .unwrap();
    log_ins
        .fails(&of_session, &by_session, Cause::SessionRevoked)
        .await;
    service
        .identity
        .delete_role(&operator_call(service), account(), "puller")
        .await
        .unwrap();
    log_ins
        .fails(&of_session, &by_session, Cause::RoleDeleted)
        .await;
    service
        .identity
        .set_user_state(
            &operator_call(service),
            account(),
            "ci",
            UserState::Disabled,
        )
        .await
        .unwrap();
    log_ins.fails(&of_user, &by_user, Cause::UserDisabled).await;
    service
        .identity
        .delete_user(&operator_call(service), account(), "ci")
        .await
        .unwrap();
    log_ins.fails(&of_user, &by_user, Cause::UserDeleted).await;
    service
        .identity
        .revoke(&operator_call(service), &root)
        .await
        .unwrap();
    log_ins
        .fails(&username, &secret, Cause::PrincipalRevoked)
        .await;

    // All the same to the client, but for the id of the request.
    let shown = |answer: &Answer| {
        let headers: BTreeMap<String, String> = answer
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), format!("{value:?}")))
            .collect();
        let headers: Vec<_> = headers
            .into_iter()
            .filter(|(name, _)| name != "x-request-id")
            .collect();
        format!("{} {headers:#?} {}", answer.status, answer.body)
    };
    let answers: BTreeSet<String> = log_ins
        .answers
        .iter()
        .map(|(_, answer)| shown(answer))
        .collect();
    insta::assert_snapshot!(answers.into_iter().collect::<Vec<_>>().join("\n---\n"));

    // Two that say something else to the client, because it may know it.
    app.wait(Duration::from_secs(1));
    let nobody = app.registry(None, &format!("service={SERVICE}")).await;
    assert_eq!(nobody.status, 401);
    service
        .registry
        .set_public_endpoint(&operator_call(service), &choice, Switch::Off, None)
        .await
        .unwrap();
    let closed = app
        .registry(Some((&username, &secret)), &format!("service={SERVICE}"))
        .await;
    assert_eq!(closed.status, 403);
    let mut refused = log_ins.answers;
    refused.extend([
        (Cause::NoCredential, nobody),
        (Cause::EndpointClosed, closed),
    ]);
    let lines = audit(&app).await;
    for (cause, answer) in &refused {
        let id = answer.header("x-request-id").unwrap();
        let line = lines
            .iter()
            .find(|line| line.request_id == id)
            .unwrap_or_else(|| panic!("{cause} has no line"));
        assert_eq!(
            (
                line.action.as_str(),
                line.outcome.as_str(),
                line.principal.as_deref()
            ),
            ("registry.log-in", "refused", None)
        );
        assert_eq!(detail(line)["cause"], cause.name(), "{line:?}");
    }
    let seen: BTreeSet<Cause> = refused.iter().map(|(cause, _)| *cause).collect();
    // Two are shown by the tests of allow lists and of stored session policies, those of tokens by
    // `registry::token_log_in`, those of operators by `service::operators`, those of single sign-on
    // by `admin::sso`, and nobody can delete an account.
    let unseen: Vec<&Cause> = Cause::ALL
        .iter()
        .filter(|cause| !seen.contains(cause))
        .collect();
    assert_eq!(
        unseen,
        [
            &Cause::SessionPolicyGone,
            &Cause::AccountDeleted,
            &Cause::UnknownOperator,
            &Cause::OperatorDisabled,
            &Cause::SsoFlow,
            &Cause::SsoState,
            &Cause::SsoOtherIssuer,
            &Cause::SsoRefused,
            &Cause::SsoNonce,
            &Cause::SsoNotFresh,
            &Cause::SsoNoRole,
            &Cause::SsoOff,
            &Cause::TokenLogInOff,
            &Cause::RoleOfOtherAccount,
            &Cause::NoSuchProvider,
            &Cause::ProviderDeleted,
            &Cause::SeveralProviders,
            &Cause::WebIdentityMalformed,
            &Cause::WebIdentityExpired,
            &Cause::WebIdentityNotYetValid,
            &Cause::WebIdentityAudience,
            &Cause::WebIdentitySignature,
            &Cause::KeysUnavailable,
            &Cause::SubjectRefused,
            &Cause::NoRoleTrusts,
            &Cause::SeveralRolesTrust,
            &Cause::TooManyRoles,
            &Cause::NotInAllowList
        ]
    );
}

#[tokio::test]
async fn a_claimed_name_is_in_the_audit_and_never_as_the_principal() {
    let app = App::new().await;
    let (_, secret) = temporary(&app, &app.key).await;
    for (username, shown) in [
        (format!("{ACCOUNT}:root"), format!("{ACCOUNT}:root")),
        ("a\nb".to_owned(), "a\\nb".to_owned()),
        ("x".repeat(1000), format!("{}…", "x".repeat(64))),
        (
            secret.clone(),
            "(a temporary credential's secret)".to_owned(),
        ),
        (
            "Passw0rd-pasted-EXAMPLE".to_owned(),
            "(the secret)".to_owned(),
        ),
    ] {
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([
                ("grant_type", "password"),
                ("service", SERVICE),
                ("username", &username),
                ("password", "Passw0rd-pasted-EXAMPLE"),
            ])
            .finish();
        let answer = app.registry_form(&form).await;
        assert_eq!(answer.status, 401);
        let id = answer.header("x-request-id").unwrap().to_owned();
        let filter = AuditFilter {
            outcome: Some("refused".to_owned()),
            ..AuditFilter::between(NOW, Timestamp::from_unix_millis(i64::MAX))
        };
        let line = loop {
            let lines = crate::harness::audit::listed(&app.service, &filter).await;
            if let Some(line) = lines.into_iter().find(|line| line.request_id == id) {
                break line;
            }
            tokio::task::yield_now().await;
        };
        assert_eq!(
            (detail(&line)["claimed"].as_str(), line.principal.as_deref()),
            (Some(shown.as_str()), None)
        );
    }
    app.service.ledger.close().await;
    let data = app.files();
    for secret in [secret.as_str(), "Passw0rd-pasted-EXAMPLE"] {
        assert!(
            !data
                .windows(secret.len())
                .any(|window| window == secret.as_bytes()),
            "a secret stands in the data"
        );
    }
}

#[tokio::test]
async fn a_refused_signed_call_is_in_the_audit_with_its_action_and_who_it_was() {
    // The audit had no refused signed call at all, though its help says so.
    let app = App::with(|options| options.service.quotas.long_term_credentials = 0).await;
    let poor = app
        .user("poor", &cam(&json!([allow("sts:AssumeRole", "*")])))
        .await;
    app.role("closed", &everything()).await;
    app.service
        .identity
        .delete_role(&app.operator(), account(), "closed")
        .await
        .unwrap();
    let wrong = Key {
        secret: transire::sign::SigningSecret::new(transire::domain::secret::Secret::new("wrong")),
        ..key_of(&app)
    };
    let unknown = Key {
        id: "AKIDunknownEXAMPLE".to_owned(),
        ..key_of(&app)
    };
    let root = format!("{ACCOUNT}:root");
    let user = format!("{ACCOUNT}:user#");
    let role = json!({
        "RoleArn": format!("qcs::cam::uin/{ACCOUNT}:roleName/closed"),
        "RoleSessionName": "test",
    });
    let long = with(&app.registry_id(), &json!({ "TokenType": "longterm" }));
    let by_id = [("InstanceId", app.instance.cri_id.as_str())];

    let refused = [
        (
            app.tencent("CreateInstanceToken", &app.registry_id())
                .by(&wrong)
                .send()
                .await,
            "tcr:CreateInstanceToken",
            "refused",
            "signature-mismatch",
        ),
        (
            app.tencent("CreateInstanceToken", &app.registry_id())
                .by(&unknown)
                .send()
                .await,
            "tcr:CreateInstanceToken",
            "refused",
            "access-key-not-found",
        ),
        (
            app.alibaba("GetAuthorizationToken", &by_id)
                .by(&wrong)
                .send()
                .await,
            "cr:GetAuthorizationToken",
            "refused",
            "signature-mismatch",
        ),
        (
            app.tencent("CreateInstanceToken", &app.registry_id())
                .by(&poor)
                .send()
                .await,
            "tcr:CreateInstanceToken",
            "denied",
            "access-denied",
        ),
        (
            app.alibaba("GetAuthorizationToken", &by_id)
                .by(&poor)
                .send()
                .await,
            "cr:GetAuthorizationToken",
            "denied",
            "access-denied",
        ),
        (
            app.tencent_sts("AssumeRole", &role).by(&poor).send().await,
            "sts:AssumeRole",
            "refused",
            "not-found",
        ),
        (
            app.tencent("CreateInstanceToken", &long).send().await,
            "tcr:CreateInstanceToken",
            "refused",
            "quota-exceeded",
        ),
        (
            app.tencent("FlyInstance", &json!({})).send().await,
            "tencent:unknown",
            "refused",
            "unknown-action",
        ),
    ];
    let lines = audit(&app).await;
    for (place, (answer, action, outcome, cause)) in refused.iter().enumerate() {
        let body = answer.json();
        let id = [&body["Response"]["RequestId"], &body["RequestId"]]
            .into_iter()
            .find_map(Value::as_str)
            .unwrap();
        let line = lines
            .iter()
            .find(|line| line.request_id == id)
            .unwrap_or_else(|| panic!("{action} {cause} has no line: {body}"));
        assert_eq!(
            (line.action.as_str(), line.outcome.as_str()),
            (*action, *outcome),
            "{body}"
        );
        let detail = detail(line);
        assert_eq!(detail["cause"], *cause, "{body}");
        match place {
            0..=2 => {
                let claimed = if place == 1 { &unknown.id } else { &app.key.id };
                assert_eq!(
                    (
                        detail["claimed"].as_str(),
                        line.principal.as_deref(),
                        line.account
                    ),
                    (Some(claimed.as_str()), None, None)
                );
            }
            _ => {
                let principal = line.principal.as_deref().unwrap();
                assert!(
                    if place < 6 {
                        principal.starts_with(&user)
                    } else {
                        principal == root
                    },
                    "{line:?}"
                );
                assert_eq!(
                    (line.account, detail.get("claimed")),
                    (Some(account().number()), None)
                );
            }
        }
    }
}

fn key_of(app: &App) -> Key {
    Key {
        id: app.key.id.clone(),
        secret: transire::sign::SigningSecret::new(transire::domain::secret::Secret::new("wrong")),
        token: None,
    }
}

#[tokio::test]
async fn a_flood_of_refusals_is_told_of_together_and_counted_whole() {
    let app = App::new().await;
    for _ in 0..100 {
        app.registry_from(
            "192.0.2.7",
            Some(("ci", "trst_wrong-EXAMPLE")),
            &format!("service={SERVICE}"),
        )
        .await;
    }
    let lines = audit(&app).await;
    let refused: Vec<_> = lines
        .iter()
        .filter(|line| line.outcome == "refused")
        .collect();
    let (many, alone): (Vec<&AuditRow>, Vec<&AuditRow>) = refused
        .iter()
        .partition(|line| !detail(line)["more"].is_null());
    assert_eq!((many.len(), alone.len()), (1, 20), "{refused:?}");
    assert_eq!(many[0].address.as_deref(), Some("192.0.2.7"));
    assert_eq!(
        detail(many[0]),
        json!({ "cause": "unreadable-secret", "more": 80 })
    );
}

#[tokio::test]
async fn strangers_fill_a_part_of_the_audit_queue_and_refuse_nobody_else() {
    // With audit = "required", whoever sent enough bad passwords had everybody refused.
    let app = App::with(|options| {
        (options.service.audit.mode, options.service.audit.queue) = (AuditMode::Required, 8);
        options.service.limits.requests_per_second = 10_000;
    })
    .await;
    let (username, secret) = temporary(&app, &app.key).await;
    for number in 0..300 {
        let peer = format!("192.0.{}.{}", number / 100, number % 100);
        let answer = app
            .registry_from(
                &peer,
                Some(("ci", "trst_wrong-EXAMPLE")),
                &format!("service={SERVICE}"),
            )
            .await;
        assert_eq!(answer.status, 401, "what is refused stays so");
    }
    assert_eq!(
        app.registry(Some((&username, &secret)), &format!("service={SERVICE}"))
            .await
            .status,
        200
    );
    let lines = audit(&app).await;
    let count: u64 = lines
        .iter()
        .filter(|line| line.outcome == "refused")
        .map(|line| detail(line)["more"].as_u64().unwrap_or(1))
        .sum();
    assert!(count <= 300, "{count}");
    assert!(
        lines.iter().any(|line| line.action == "token.exchange"),
        "{lines:?}"
    );
}

#[tokio::test]
async fn an_unreadable_request_for_a_token_is_in_the_audit_and_people_with_a_browser_are_not() {
    let app = App::new().await;
    let request = Request::get(format!("/token?service={SERVICE}"))
        .header(header::HOST, HOST)
        .header(header::AUTHORIZATION, "Bearer abc");
    assert_eq!(
        app.send(request.body(Body::empty()).unwrap()).await.status,
        401
    );
    let request = Request::get("/")
        .header(header::HOST, HOST)
        .header(header::HOST, "other.example.com");
    app.send(request.body(Body::empty()).unwrap()).await;
    let lines = audit(&app).await;
    let refused: Vec<_> = lines
        .iter()
        .filter(|line| line.outcome == "refused")
        .collect();
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert_eq!(detail(refused[0])["cause"], "malformed-authorization");
}

#[tokio::test]
async fn a_token_for_less_than_was_asked_is_reduced_in_the_audit() {
    let app = App::new().await;
    let (username, secret) = temporary(&app, &app.key).await;
    let mut outcomes = Vec::new();
    for (scope, expected) in [
        ("repository:team/app:pull,push", "ok"),
        ("repository:team/app:*", "ok"),
        ("registry:catalog:*", "ok"),
        ("repository(plugin):team/app:pull", "ok"),
        ("", "ok"),
        ("registry:catalog:pull", "reduced"),
        ("registry:other:*", "reduced"),
        ("helm:team/app:*", "reduced"),
        (
            "repository:team/app:pull&scope=helm:team/app:pull",
            "reduced",
        ),
    ] {
        let answer = app
            .registry(
                Some((&username, &secret)),
                &format!("service={SERVICE}&scope={scope}"),
            )
            .await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        outcomes.push((
            answer.header("x-request-id").unwrap().to_owned(),
            scope,
            expected,
        ));
    }
    let lines = audit(&app).await;
    for (id, scope, expected) in outcomes {
        let line = lines.iter().find(|line| line.request_id == id).unwrap();
        assert_eq!(
            (line.action.as_str(), line.outcome.as_str()),
            ("token.exchange", expected),
            "{scope}"
        );
    }
}

/// Collects the log of this thread while it lives.
struct Logged {
    text: Arc<Mutex<Vec<u8>>>,
    _guard: tracing::subscriber::DefaultGuard,
}

impl Logged {
    fn begin() -> Self {
        let text = Arc::<Mutex<Vec<u8>>>::default();
        let writer = Arc::clone(&text);
        let log = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(move || Appending(Arc::clone(&writer)))
            .finish();
        Self {
            text,
            _guard: tracing::subscriber::set_default(log),
        }
    }

    /// Returns the lines since this was asked last.
    fn lines(&self) -> Vec<String> {
        String::from_utf8(std::mem::take(&mut self.text.lock().unwrap()))
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect()
    }
}

struct Appending(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Appending {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Asks for as many scopes as a request may have that nobody grants to a service account, each as
/// long as may be.
fn denied_scopes() -> String {
    (0..62)
        .map(|number| {
            format!(
                "&scope=repository:other/{number}-{}:pull,push,delete",
                "a".repeat(200)
            )
        })
        .collect()
}

#[tokio::test]
async fn a_request_has_one_line_in_the_log_of_bounded_length_however_much_its_token_lacks() {
    // A request with 62 denied scopes wrote 62 lines, and one connection 39 MB a second.
    let app = App::new().await;
    let password = app.create_robot(&json!({})).await;
    let log = Logged::begin();
    let answer = app
        .registry(
            Some(("tcr$robot", &password)),
            &format!("service={SERVICE}{}", denied_scopes()),
        )
        .await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let id = answer.header("x-request-id").unwrap();
    let lines: Vec<_> = log
        .lines()
        .into_iter()
        .filter(|line| line.contains(id))
        .collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].len() <= 4096, "{}", lines[0].len());
    assert!(
        lines[0].contains("scope=repository:other/0-") && lines[0].contains(" more=5"),
        "{}",
        lines[0]
    );
}

#[tokio::test]
async fn an_account_that_is_refused_all_the_time_logs_less_than_ten_kilobytes_a_second() {
    let app = App::with(|options| {
        (
            options.service.limits.token_requests_per_second,
            options.service.limits.token_requests_burst,
        ) = (100_000, 100_000);
        options.service.limits.requests_per_second = 100_000;
    })
    .await;
    let password = app.create_robot(&json!({})).await;
    let user = app.user("ci", &cam(&json!([allow("sts:*", "*")]))).await;
    let denied = denied_scopes();
    let busy = async || {
        for _ in 0..40 {
            app.registry(
                Some(("tcr$robot", &password)),
                &format!("service={SERVICE}{denied}"),
            )
            .await;
            app.tencent("CreateInstanceToken", &app.registry_id())
                .by(&user)
                .send()
                .await;
        }
    };
    // The lines that may be written at once are used up.
    busy().await;
    let log = Logged::begin();
    for _ in 0..10 {
        app.wait(Duration::from_secs(1));
        busy().await;
    }
    app.service.ledger.record_counted().await;
    let lines = log.lines();
    let bytes: usize = lines.iter().map(|line| line.len() + 1).sum();
    assert!(bytes < 10 * 10_000, "{bytes} bytes in ten seconds");
    let told = |more: &str| {
        lines
            .iter()
            .any(|line| line.contains("alike") && line.contains(more))
    };
    assert!(
        told("more=410") && told("more=320"),
        "what has no line is counted whole: {lines:?}"
    );
}

#[tokio::test]
async fn the_log_names_what_a_refused_call_was_about_and_cuts_it() {
    // The operator read that a call was denied, and not for which instance.
    let app = App::new().await;
    let user = app.user("ci", &cam(&json!([allow("sts:*", "*")]))).await;
    let log = Logged::begin();
    app.tencent("CreateInstanceToken", &app.registry_id())
        .by(&user)
        .send()
        .await;
    app.tencent(
        "CreateInstanceToken",
        &json!({ "RegistryId": "tcr-zzzzzzzz" }),
    )
    .send()
    .await;
    app.tencent(
        "CreateNamespace",
        &with(
            &app.registry_id(),
            &json!({ "NamespaceName": "n".repeat(5000), "IsPublic": false }),
        ),
    )
    .send()
    .await;
    let lines = log.lines();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(
        lines[0].contains("resource=") && lines[0].contains(app.instance.id.as_str()),
        "{}",
        lines[0]
    );
    assert!(
        lines[1].contains("decided=") && lines[1].contains("asked for tcr-zzzzzzzz"),
        "{}",
        lines[1]
    );
    assert!(lines.iter().all(|line| line.len() < 1024), "{lines:?}");
}
