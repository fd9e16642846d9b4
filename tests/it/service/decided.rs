//! Every kind of refusal, with its line in the audit, and what decided it there.

use std::collections::BTreeSet;
use std::time::Duration;

use http::HeaderValue;
use serde_json::{Value, json};
use transire::domain::clock::Timestamp;
use transire::domain::secret::Secret;
use transire::domain::switch::Switch;
use transire::domain::{Blame, Error, ErrorKind};
use transire::service::{
    AuditAction, AuditFilter, AuditRow, Claim, InstanceChoice, Refusal, RequestContext,
};
use transire::sign::SigningSecret;
use transire::store::access_key::AccessKeyState;

use crate::harness::audit::{found, listed};
use crate::harness::documents::{allow, cam, deny, trusting};
use crate::harness::keyless::{GITHUB, Keyless};
use crate::harness::kinds::every_kind;
use crate::harness::operator::account;
use crate::harness::tencent::with;
use crate::harness::{ACCOUNT, Answer, App, Key, SERVICE};

/// The APIs, as clients see them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Api {
    Tencent,
    Alibaba,
    Sts,
    Token,
    OAuth,
}

/// Where a kind of error is caused here, or why it isn't.
enum Row {
    At(&'static [Api]),
    Elsewhere(&'static str),
}

use Api::{Alibaba, OAuth, Sts, Tencent, Token};

/// Returns the row of a kind: a new kind doesn't compile until it has one.
fn row(kind: &ErrorKind) -> Row {
    match kind {
        ErrorKind::MalformedAuthorization => Row::At(&[Tencent, Token]),
        ErrorKind::SignatureMethodRefused { .. } | ErrorKind::MalformedTime => Row::At(&[Tencent]),
        ErrorKind::AccessKeyNotFound
        | ErrorKind::AccessKeyDisabled
        | ErrorKind::RequestExpired { .. }
        | ErrorKind::SessionTokenMissing
        | ErrorKind::SessionTokenMalformed
        | ErrorKind::SessionTokenMismatch
        | ErrorKind::SessionTokenExpired
        | ErrorKind::SignatureMismatch { .. }
        | ErrorKind::Replayed
        | ErrorKind::Throttled { .. }
        | ErrorKind::UnknownAction { .. }
        | ErrorKind::UnknownVersion { .. }
        | ErrorKind::MissingParameter { .. }
        | ErrorKind::InstanceNotFound => Row::At(&[Tencent, Alibaba]),
        ErrorKind::UnknownParameter { .. }
        | ErrorKind::WrongType { .. }
        | ErrorKind::InvalidParameter { .. }
        | ErrorKind::MalformedRequest
        | ErrorKind::NotFound { .. }
        | ErrorKind::AlreadyExists { .. }
        | ErrorKind::QuotaExceeded { .. }
        | ErrorKind::PreconditionFailed { .. } => Row::At(&[Tencent]),
        ErrorKind::AccessDenied(_) => Row::At(&[Tencent, Alibaba, Sts]),
        ErrorKind::SessionPolicyTooLong
        | ErrorKind::UnsuitedKey { .. }
        | ErrorKind::WebIdentity { .. } => Row::At(&[Sts]),
        ErrorKind::AddressThrottled { .. }
        | ErrorKind::RequestTooLarge { .. }
        | ErrorKind::AddressRefused => Row::At(&[Token]),
        ErrorKind::BadCredentials => Row::At(&[Token, OAuth]),
        ErrorKind::NonceMemoryFull => Row::Elsewhere("it takes thousands of nonces"),
        ErrorKind::Overloaded => Row::Elsewhere("it is counted: see below"),
        ErrorKind::PasswordsBusy => Row::Elsewhere("it takes many hashes at once"),
        ErrorKind::RequestTimeout => Row::Elsewhere("neighbours.rs has bodies that never come"),
        ErrorKind::NoDefaultInstance => Row::Elsewhere("the app has a default instance"),
        ErrorKind::Misconfigured => Row::Elsewhere("commands alone say it"),
        ErrorKind::StoreUnavailable => Row::Elsewhere("outage.rs takes the database away"),
        ErrorKind::RegistryUnavailable => Row::Elsewhere("images.rs has registries that fail"),
        ErrorKind::AuditUnavailable => Row::Elsewhere("the audit can't have it before it is back"),
        ErrorKind::Unsupported => Row::Elsewhere("it is about one operation each"),
        ErrorKind::OperatorDenied { .. } => Row::Elsewhere("operators alone meet it"),
        ErrorKind::Internal => Row::Elsewhere("nobody can cause it"),
    }
}

/// Its line named the principal alone, though the key had proved the call.
#[tokio::test]
async fn a_refused_call_of_a_proved_caller_names_its_access_key() {
    let app = App::new().await;
    let body = json!({ "RegistryId": app.foreign_instance.id.as_str() });
    app.tencent("CreateInstanceToken", &body).send().await;
    let line = found(&app, |lines| {
        lines.into_iter().find(|line| line.outcome == "refused")
    })
    .await;
    assert_eq!(line.access_key, Some(app.key.id.clone()));
}

/// A request that was refused, and what its line is to say.
struct Case {
    api: Api,
    /// The word of the error's kind.
    kind: &'static str,
    cause: &'static str,
    /// A part of what decided it; empty where nothing is to be said of a stranger's.
    decided: String,
    answer: Answer,
}

/// The refusals so far.
struct Walk {
    keyless: Keyless,
    cases: Vec<Case>,
}

impl Walk {
    async fn new() -> Self {
        let keyless = Keyless::with(|options| {
            let limits = &mut options.service.limits;
            (limits.anonymous_per_second, limits.anonymous_burst) = (1, 1);
            for action in ["tcr:DescribeInstances", "cr:ListInstance"] {
                limits
                    .requests_per_second_by_action
                    .insert(action.to_owned(), 1);
            }
            options.service.quotas.long_term_credentials = 0;
        })
        .await;
        Self {
            keyless,
            cases: Vec::new(),
        }
    }

    fn app(&self) -> &App {
        &self.keyless.app
    }

    /// Notes a refusal whose cause is its kind's word.
    fn is(&mut self, api: Api, kind: &'static str, decided: &str, answer: Answer) {
        self.because(api, (kind, kind), decided, answer);
    }

    /// Notes a refusal with another cause than its kind.
    fn because(
        &mut self,
        api: Api,
        (kind, cause): (&'static str, &'static str),
        decided: &str,
        answer: Answer,
    ) {
        self.cases.push(Case {
            api,
            kind,
            cause,
            decided: decided.to_owned(),
            answer,
        });
        // Each has a line of its own: an address gets one a second.
        self.app().wait(Duration::from_secs(1));
    }

    /// Calls Tencent's API.
    async fn tencent(&self, action: &str, body: &Value, key: &Key) -> Answer {
        self.app().tencent(action, body).by(key).send().await
    }

    /// Asks at Alibaba's API for a log-in to the instance.
    async fn alibaba(&self, key: &Key) -> Answer {
        self.app().get_token().by(key).send().await
    }
}

fn request_id(answer: &Answer) -> String {
    if let Some(id) = answer.header("x-request-id") {
        return id.to_owned();
    }
    let body = answer.json();
    [&body["Response"]["RequestId"], &body["RequestId"]]
        .into_iter()
        .find_map(Value::as_str)
        .unwrap_or_else(|| panic!("{body}"))
        .to_owned()
}

fn outcome(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::AccessDenied(_) | ErrorKind::OperatorDenied { .. } => "denied",
        kind if kind.blame() == Blame::Client => "refused",
        _ => "failed",
    }
}

fn detail(line: &AuditRow) -> Value {
    serde_json::from_str(&line.detail).unwrap()
}

/// A key of that id with a wrong secret.
fn wrong_key(id: &str) -> Key {
    Key {
        id: id.to_owned(),
        secret: SigningSecret::new(Secret::new("wrong-EXAMPLE")),
        token: None,
    }
}

/// Signatures, keys and times: all of strangers, until a signature is right.
async fn unproved(walk: &mut Walk) {
    let mut unreadable = walk_call(walk.app()).request();
    unreadable.headers_mut().insert(
        "authorization",
        HeaderValue::from_static("TC3-HMAC-SHA256 x"),
    );
    let unreadable = walk.app().send(unreadable).await;
    walk.is(Tencent, "malformed-authorization", "", unreadable);
    let mut other = walk_call(walk.app()).request();
    let line = other.headers()["authorization"].to_str().unwrap();
    let line = line.replace("TC3-HMAC-SHA256", "TC3-HMAC-SM3");
    other
        .headers_mut()
        .insert("authorization", line.parse().unwrap());
    let other = walk.app().send(other).await;
    walk.is(Tencent, "signature-method-refused", "", other);
    let mut untimed = walk_call(walk.app()).request();
    untimed
        .headers_mut()
        .insert("x-tc-timestamp", HeaderValue::from_static("yesterday"));
    let untimed = walk.app().send(untimed).await;
    walk.is(Tencent, "malformed-time", "", untimed);

    let early = walk.app().now().minus(Duration::from_hours(2));
    let mut late = walk_call(walk.app());
    late.signed_at = early;
    let late = late.send().await;
    walk.is(Tencent, "request-expired", &early.rfc3339(), late);
    let mut late = walk.app().get_token();
    late.signed_at = early;
    let late = late.send().await;
    walk.is(Alibaba, "request-expired", &early.rfc3339(), late);

    let off = walk
        .app()
        .user("off", &cam(&json!([allow("tcr:*", "*")])))
        .await;
    walk.app()
        .service
        .identity
        .set_access_key_state(&walk.app().operator(), &off.id, AccessKeyState::Disabled)
        .await
        .unwrap();
    let unknown = wrong_key("AKIDunknownEXAMPLE");
    let wrong = wrong_key(&walk.app().key.id);
    for (key, kind) in [
        (&unknown, "access-key-not-found"),
        (&off, "access-key-disabled"),
        (&wrong, "signature-mismatch"),
    ] {
        let answer = walk_call(walk.app()).by(key).send().await;
        walk.is(Tencent, kind, "", answer);
        let answer = walk.alibaba(key).await;
        walk.is(Alibaba, kind, "", answer);
    }
}

/// A call that is right in all but what a test changes.
fn walk_call(app: &App) -> crate::harness::tencent::TencentCall<'_> {
    app.tencent("CreateInstanceToken", &app.registry_id())
}

/// Sessions, whose keys sign with their tokens alone.
async fn sessions(walk: &mut Walk) {
    let user = walk
        .app()
        .user("assumer", &cam(&json!([allow("sts:*", "*")])))
        .await;
    walk.app()
        .role("any", &cam(&json!([allow(["tcr:*", "sts:*"], "*")])))
        .await;
    let more = json!({ "DurationSeconds": 3600 });
    let tencent = walk.app().tencent_session(&user, "any", &more).await;
    let other = walk.app().tencent_session(&user, "any", &more).await;
    let alibaba = walk
        .app()
        .alibaba_session(&user, "any", &[("DurationSeconds", "3600")])
        .await;
    for (token, kind) in [
        (None, "session-token-missing"),
        (Some("trss_cut"), "session-token-malformed"),
        (Some(other.token.as_str()), "session-token-mismatch"),
    ] {
        let answer = walk_call(walk.app())
            .by(&tencent.with_token(token))
            .send()
            .await;
        walk.is(Tencent, kind, "", answer);
        let answer = walk.alibaba(&alibaba.with_token(token)).await;
        walk.is(Alibaba, kind, "", answer);
    }
    let answer = walk
        .app()
        .tencent_sts(
            "GetFederationToken",
            &json!({ "Name": "test", "Policy": everything().to_string() }),
        )
        .by(&tencent.key())
        .send()
        .await;
    walk.is(
        Sts,
        "unsuited-key",
        "A session can't get a federation token",
        answer,
    );
    let ends_at = walk.app().now().plus(Duration::from_hours(1));
    walk.app().wait(Duration::from_hours(1));
    assert!(walk.app().now() >= ends_at.minus(Duration::from_mins(5)));
    let over = ("session-token-expired", "expired");
    let answer = walk_call(walk.app()).by(&tencent.key()).send().await;
    walk.because(Tencent, over, "it expired at 2025-01-03T", answer);
    let answer = walk.alibaba(&alibaba.key()).await;
    walk.because(Alibaba, over, "it expired at 2025-01-03T", answer);
}

fn everything() -> Value {
    cam(&json!([allow(["tcr:*", "sts:*"], "*")]))
}

/// Calls of a root that are wrong.
async fn wrong_calls(walk: &mut Walk) {
    let instance = walk.app().registry_id();
    let mut cases = Vec::new();
    for (action, body, kind, decided) in [
        (
            "FlyInstance",
            json!({}),
            "unknown-action",
            "no action FlyInstance",
        ),
        (
            "CreateInstanceToken",
            json!({}),
            "missing-parameter",
            "RegistryId",
        ),
        (
            "CreateInstanceToken",
            with(&instance, &json!({ "Wings": 2 })),
            "unknown-parameter",
            "Wings",
        ),
        (
            "CreateInstanceToken",
            json!({ "RegistryId": 5 }),
            "wrong-type",
            "RegistryId",
        ),
        (
            "CreateNamespace",
            with(
                &instance,
                &json!({ "NamespaceName": "A B", "IsPublic": false }),
            ),
            "invalid-parameter",
            "name",
        ),
        (
            "CreateInstanceToken",
            json!({ "RegistryId": "tcr-zzzzzzzz" }),
            "instance-not-found",
            "asked for tcr-zzzzzzzz",
        ),
        (
            "CreateInstanceToken",
            with(&instance, &json!({ "TokenType": "longterm" })),
            "quota-exceeded",
            "quotas.long_term_credentials is 0 here",
        ),
        (
            "DeleteNamespace",
            with(&instance, &json!({ "NamespaceName": "nowhere" })),
            "not-found",
            "nowhere",
        ),
    ] {
        let app = walk.app();
        let answer = app.tencent(action, &body).send().await;
        app.wait(Duration::from_secs(1));
        cases.push((kind, decided, answer));
    }
    for (kind, decided, answer) in cases {
        walk.is(Tencent, kind, decided, answer);
    }
    let answer = walk_call(walk.app()).body("not JSON").send().await;
    walk.is(Tencent, "malformed-request", "JSON", answer);
    let answer = walk_call(walk.app())
        .header("x-tc-version", Some("1999-01-01"))
        .send()
        .await;
    walk.is(Tencent, "unknown-version", "no version 1999-01-01", answer);

    let named = json!({ "NamespaceName": "team", "IsPublic": false });
    let make = walk
        .app()
        .tencent("CreateNamespace", &with(&instance, &named));
    let repeated = [make.request(), make.request()];
    let [first, second] = repeated;
    assert!(!walk.app().send(first).await.body.contains("Error"));
    let answer = walk.app().send(second).await;
    walk.is(Tencent, "replayed", "was carried out before", answer);
    let answer = walk
        .app()
        .tencent("CreateNamespace", &with(&instance, &named))
        .send()
        .await;
    walk.is(Tencent, "already-exists", "team", answer);
    let repository = json!({ "NamespaceName": "team", "RepositoryName": "app" });
    let made = walk
        .app()
        .tencent("CreateRepository", &with(&instance, &repository))
        .send()
        .await;
    assert!(!made.body.contains("Error"), "{}", made.body);
    let answer = walk
        .app()
        .tencent(
            "DeleteNamespace",
            &with(&instance, &json!({ "NamespaceName": "team" })),
        )
        .send()
        .await;
    walk.is(Tencent, "precondition-failed", "team", answer);

    walk.app()
        .tencent("DescribeInstances", &json!({}))
        .send()
        .await;
    let answer = walk
        .app()
        .tencent("DescribeInstances", &json!({}))
        .send()
        .await;
    walk.is(Tencent, "throttled", "tcr:DescribeInstances", answer);
}

/// The same at Alibaba's API, as far as it differs.
async fn wrong_calls_at_alibaba(walk: &mut Walk) {
    let app = walk.app();
    app.alibaba("ListInstance", &[]).send().await;
    let throttled = app.alibaba("ListInstance", &[]).send().await;
    let unknown = app.alibaba("FlyInstance", &[]).send().await;
    let mut old = app.get_token();
    "1999-01-01".clone_into(&mut old.version);
    let old = old.send().await;
    app.wait(Duration::from_secs(1));
    let missing = app.alibaba("GetAuthorizationToken", &[]).send().await;
    let nowhere = [("InstanceId", "cri-zzzzzzzzzzzzzzzz")];
    let nowhere = app.alibaba("GetAuthorizationToken", &nowhere).send().await;
    let mut again = app.get_token();
    "nonce-EXAMPLE".clone_into(&mut again.nonce);
    again.send().await;
    let mut again = app.alibaba("GetNamespace", &[("InstanceId", "x")]);
    "nonce-EXAMPLE".clone_into(&mut again.nonce);
    let again = again.send().await;
    walk.is(Alibaba, "throttled", "limits.actions", throttled);
    walk.is(Alibaba, "unknown-action", "no action FlyInstance", unknown);
    walk.is(Alibaba, "unknown-version", "no version 1999-01-01", old);
    walk.is(Alibaba, "missing-parameter", "InstanceId", missing);
    walk.is(
        Alibaba,
        "instance-not-found",
        "asked for cri-zzzzzzzzzzzzzzzz",
        nowhere,
    );
    walk.is(Alibaba, "replayed", "", again);
}

/// Denials: by each thing that denies.
async fn denials(walk: &mut Walk) {
    let app = walk.app();
    let poor = app
        .user("poor", &cam(&json!([allow("tcr:PullRepository", "*")])))
        .await;
    let denied = app
        .user(
            "denied",
            &cam(&json!([
                allow("tcr:*", "*"),
                deny("tcr:CreateInstanceToken", "*")
            ])),
        )
        .await;
    let assumer = app
        .user("caller", &cam(&json!([allow("sts:*", "*")])))
        .await;
    let trust = trusting(&format!("qcs::cam::uin/{ACCOUNT}:uin/999999999"));
    app.role_trusting("closed", &trust, &everything()).await;
    let word = "access-denied";
    let answer = walk
        .tencent("CreateInstanceToken", &walk.app().registry_id(), &poor)
        .await;
    let closest = "no statement allows it; closest came of-user-poor statement[0], but it is \
                   about other actions";
    walk.is(Tencent, word, closest, answer);
    let answer = walk
        .tencent("CreateInstanceToken", &walk.app().registry_id(), &denied)
        .await;
    walk.is(
        Tencent,
        word,
        "denied by of-user-denied statement[1]",
        answer,
    );
    let answer = walk
        .tencent("DescribeInstances", &json!({}), &assumer)
        .await;
    walk.is(Tencent, word, "no statement allows it", answer);
    let answer = walk.alibaba(&denied).await;
    walk.is(
        Alibaba,
        word,
        "denied by of-user-denied statement[1]",
        answer,
    );

    let answer = walk
        .app()
        .assume_at_tencent(&assumer, "closed", &json!({}))
        .await;
    let untrusting = "no statement of role closed's trust policy names the caller";
    walk.is(Sts, word, untrusting, answer);
    let answer = walk
        .app()
        .assume_at_tencent(&poor, "closed", &json!({}))
        .await;
    walk.is(Sts, word, "no statement allows it", answer);
    let policy = "%20".repeat(5000);
    let long = json!({ "Policy": format!("%7B{policy}%7D") });
    let answer = walk
        .app()
        .assume_at_tencent(&assumer, "closed", &long)
        .await;
    walk.is(Sts, "session-policy-too-long", "policy", answer);

    let token = walk.keyless.token(GITHUB);
    let unmet = "role nobody's trust policy names the caller, but \
                 Statement[0].Condition.StringLike.oidc:sub doesn't hold";
    let answer = walk.keyless.at_tencent(&token, "nobody").await;
    walk.is(Sts, word, unmet, answer);
    let answer = walk.keyless.at_alibaba(&token, "nobody").await;
    walk.is(Sts, word, unmet, answer);
    let answer = walk.keyless.at_alibaba("x.y.z", "builder").await;
    let malformed = "web-identity-malformed";
    walk.is(Sts, malformed, "", answer);
}

/// Log-ins, and requests for tokens.
async fn log_ins(walk: &mut Walk) {
    let app = walk.app();
    let (username, secret) = app.temporary().await;
    let query = format!("service={SERVICE}&scope=repository:team/app:pull");
    let ask = async |user: &str, secret: &str| app.registry(Some((user, secret)), &query).await;
    let mut said = Vec::new();
    let wrong = ask(&username, "trst_wrong-EXAMPLE").await;
    said.push(("unreadable-secret", String::new(), wrong));
    app.wait(Duration::from_secs(1));
    let other = ask("ci", secret.expose()).await;
    said.push(("other-username", format!("it logs in as {username}"), other));
    app.wait(Duration::from_secs(1));
    let elsewhere = app
        .registry(
            Some((&username, secret.expose())),
            "service=other.example.com",
        )
        .await;
    let own = format!("it is for {}", app.instance.id);
    said.push(("other-instance", own, elsewhere));
    app.wait(Duration::from_secs(1));
    let token = walk.keyless.token(GITHUB);
    let untrusted = ask("role/nobody", &token).await;
    let why = "Statement[0].Condition.StringLike.oidc:sub doesn't hold".to_owned();
    said.push(("no-role-trusts", why, untrusted));
    app.wait(Duration::from_hours(2));
    let expired = ask(&username, secret.expose()).await;
    said.push(("expired", "it expired at 2025-01-03T".to_owned(), expired));
    let request = http::Request::get(format!("/token?{query}"))
        .header("host", crate::harness::HOST)
        .header("authorization", "Bearer abc");
    let unreadable = app.send(request.body("".into()).unwrap()).await;
    let anonymous = format!("service={SERVICE}&scope=repository:team/app:pull");
    app.registry(None, &anonymous).await;
    let too_many = app.registry(None, &anonymous).await;
    app.wait(Duration::from_secs(1));
    let large = app.registry_form(&"a".repeat(70_000)).await;
    for (cause, decided, answer) in said {
        walk.because(Token, ("bad-credentials", cause), &decided, answer);
    }
    walk.is(Token, "malformed-authorization", "", unreadable);
    walk.is(
        Token,
        "address-throttled",
        "limits.anonymous_per_second",
        too_many,
    );
    walk.is(Token, "request-too-large", "65536 bytes", large);
    let answer = walk.app().exchange_token("x.y.z", &[]).await;
    let unread = ("bad-credentials", "unreadable-secret");
    walk.because(OAuth, unread, "", answer);

    let (username, secret) = walk.app().temporary().await;
    let choice = InstanceChoice::Tcr(walk.app().instance.id.clone());
    walk.app()
        .service
        .registry
        .set_public_endpoint(&walk.app().operator(), &choice, Switch::Off, None)
        .await
        .unwrap();
    let answer = walk
        .app()
        .registry(Some((&username, secret.expose())), &query)
        .await;
    let closed = ("address-refused", "endpoint-closed");
    walk.because(Token, closed, "", answer);
}

#[tokio::test]
async fn every_refusal_of_every_door_has_a_line_that_names_what_decided() {
    // A denial named no statement, a quota no setting, and an expired credential no time.
    let mut walk = Walk::new().await;
    unproved(&mut walk).await;
    wrong_calls(&mut walk).await;
    wrong_calls_at_alibaba(&mut walk).await;
    denials(&mut walk).await;
    log_ins(&mut walk).await;
    sessions(&mut walk).await;

    walk.app().service.ledger.close().await;
    let everything = AuditFilter::between(
        Timestamp::from_unix_millis(0),
        Timestamp::from_unix_millis(i64::MAX),
    );
    let lines = listed(&walk.app().service, &everything).await;
    let kinds = every_kind();
    let (mut caused, mut wrong) = (BTreeSet::new(), Vec::new());
    for case in &walk.cases {
        let id = request_id(&case.answer);
        let line = lines
            .iter()
            .find(|line| line.request_id == id)
            .unwrap_or_else(|| panic!("{:?} {} has no line", case.api, case.kind));
        let kind = kinds
            .iter()
            .find(|error| error.kind().name() == case.kind)
            .unwrap();
        let detail = detail(line);
        let told = (line.outcome.as_str(), detail["cause"].as_str().unwrap());
        let decided = detail["decided"].as_str().unwrap_or_default();
        let is_denial = detail["permission"].is_string() && detail["resource"].is_string();
        if told != (outcome(kind.kind()), case.cause)
            || !decided.contains(&case.decided)
            || decided.is_empty() != case.decided.is_empty()
            || is_denial != (case.kind == "access-denied")
        {
            let answered = &case.answer.body;
            wrong.push(format!(
                "{} ({}): {line:?} answered {answered}",
                case.cause, case.decided
            ));
        }
        let word = if case.kind.starts_with("web-identity") {
            "web-identity"
        } else {
            case.kind
        };
        caused.insert((word, case.api));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for error in &kinds {
        let word = match error.kind() {
            ErrorKind::WebIdentity { .. } => "web-identity",
            kind => kind.name(),
        };
        let here: Vec<Api> = caused
            .iter()
            .filter(|(kind, _)| *kind == word)
            .map(|(_, api)| *api)
            .collect();
        match row(error.kind()) {
            Row::At(apis) if here != apis => wrong.push(format!("{word}: {here:?}")),
            Row::At(_) => {}
            Row::Elsewhere(why) => assert!(here.is_empty() && !why.is_empty(), "{word}"),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn a_refusal_of_any_kind_is_recorded_of_a_proved_caller_with_its_reason_and_of_a_stranger() {
    let app = App::new().await;
    let claim = Claim::of_access_key("AKIDunknownEXAMPLE");
    let record = |error: &Error, number: usize, proved: bool| {
        app.wait(Duration::from_secs(1));
        let context = RequestContext::operator(format!("request-{number}-{proved}"));
        let refusal = Refusal {
            action: Some(AuditAction::RegistryLogIn),
            principal: proved.then(|| format!("{ACCOUNT}:root")),
            account: proved.then(account),
            access_key: None,
            claim: (!proved).then_some(&claim),
        };
        assert!(app.service.ledger.record_refusal(&refusal, error, &context));
    };
    let kinds = every_kind();
    for (number, error) in kinds.iter().enumerate() {
        record(error, number, true);
        record(error, number, false);
    }
    app.service.ledger.count_overloaded();
    app.service.ledger.close().await;
    let lines = found(&app, Some).await;
    for (number, error) in kinds.iter().enumerate() {
        let line = |proved: bool| {
            let id = format!("request-{number}-{proved}");
            let line = lines.iter().find(|line| line.request_id == id);
            line.unwrap_or_else(|| panic!("{id}: {:?} has no line", error.kind()))
        };
        let (proved, stranger) = (line(true), line(false));
        for line in [proved, stranger] {
            assert_eq!(line.outcome, outcome(error.kind()));
            assert_eq!(detail(line)["cause"], error.refusal_word());
        }
        let decided = detail(proved)["decided"].as_str().unwrap().to_owned();
        let is_about_call = matches!(
            error.kind(),
            ErrorKind::UnknownAction { .. } | ErrorKind::UnknownVersion { .. }
        );
        assert!(
            decided == error.message() || is_about_call && decided.contains("version"),
            "{decided}"
        );
        assert_eq!(
            (&detail(stranger)["decided"], &detail(stranger)["claimed"]),
            (&Value::Null, &json!("AKIDunknownEXAMPLE")),
            "a stranger chooses the text of its message"
        );
    }
    let together = lines.iter().find(|line| line.action == "several").unwrap();
    assert_eq!(
        (together.outcome.as_str(), detail(together)),
        ("failed", json!({ "cause": "overloaded", "more": 1 }))
    );
}

#[tokio::test]
async fn a_flood_of_denials_is_explained_as_often_as_it_is_recorded() {
    let app = App::with(|options| options.service.limits.requests_per_second = 10_000).await;
    let poor = app.user("poor", &cam(&json!([allow("sts:*", "*")]))).await;
    for _ in 0..100 {
        app.tencent("CreateInstanceToken", &app.registry_id())
            .by(&poor)
            .send()
            .await;
    }
    app.service.ledger.close().await;
    let lines = found(&app, Some).await;
    let denied: Vec<Value> = lines
        .iter()
        .filter(|line| line.outcome == "denied")
        .map(detail)
        .collect();
    let explained = |detail: &&Value| {
        let decided = detail["decided"].as_str();
        decided.is_some_and(|decided| decided.starts_with("no statement allows it"))
    };
    assert_eq!(denied.iter().filter(explained).count(), 20);
    let counted: Vec<_> = denied
        .iter()
        .filter_map(|detail| detail["more"].as_u64())
        .collect();
    assert_eq!((denied.len(), counted.as_slice()), (21, &[80][..]));
}
