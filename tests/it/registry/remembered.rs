//! Exchanges that are remembered: answered as if nothing were remembered, whatever changes.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::{Request, StatusCode, header};
use serde_json::{Value, json};
use transire::domain::clock::SystemRandom;
use transire::domain::credential::{CredentialId, SecretKind};
use transire::domain::identity::{Target, UserState};
use transire::domain::instance::Algorithm;
use transire::domain::namespace::Visibility;
use transire::domain::secret::Secret;
use transire::domain::switch::Switch;
use transire::service::{AccessKeyState, Attached, Contents, KeyKind, NewNamespace, Save, Service};

use crate::harness::audit::found;
use crate::harness::dice::Dice;
use crate::harness::documents::{allow, cam};
use crate::harness::exchange::log_in;
use crate::harness::operator::{account, operator_call};
use crate::harness::tencent::{credential, succeeded, with};
use crate::harness::{ACCOUNT, Answer, App, HOST, Key, Options, Peer, Replica, SERVICE};

const SCOPES: [&str; 3] = [
    "repository:team/app:pull,push",
    "repository:team/app:pull",
    "repository:team/base:pull,delete registry:catalog:*",
];
const ADDRESSES: [&str; 2] = ["192.0.2.7", "198.51.100.7"];

/// Limits that no test here reaches, because one side is asked twice as often as the other.
fn patient(options: &mut Options) {
    let limits = &mut options.service.limits;
    limits.token_requests_per_second = 1_000_000;
    limits.token_requests_burst = 1_000_000;
    limits.requests_per_second = 1_000_000;
    limits.refusals_per_second = 1_000_000;
    limits.refusals_burst = 1_000_000;
    limits.failed_log_ins = 1_000_000;
}

/// The documents that the user's policy may have: of all, of less, by the address, by the time.
fn documents() -> Vec<Value> {
    let of = |condition: Value| {
        let mut statement = allow(["tcr:*"], ["*"]);
        statement["condition"] = condition;
        cam(&json!([statement]))
    };
    vec![
        cam(&json!([allow(["tcr:*"], ["*"])])),
        cam(&json!([allow(
            ["tcr:PullRepository", "tcr:CreateInstanceToken"],
            ["*"]
        )])),
        of(json!({ "ip_equal": { "qcs:ip": "192.0.2.0/24" } })),
        of(json!({ "date_less_than": { "qcs:current_time": "2025-01-03T04:05:30Z" } })),
    ]
}

/// Two services over one store, of which one remembers nothing, and what logs in to both.
struct World {
    app: App,
    forgetful: Replica,
    user: Key,
    /// Each with a name for a failure's text.
    log_ins: Vec<(&'static str, String, Secret)>,
    /// The id of the long-term credential.
    long_term: String,
    others: usize,
}

impl World {
    async fn new() -> Self {
        let app = App::with(patient).await;
        let user = app.user("ci", &documents()[0]).await;
        let forgetful = app
            .replica_with(|settings| settings.limits.remembered_exchange_bytes = 0)
            .await;
        let mut world = Self {
            app,
            forgetful,
            user,
            log_ins: Vec::new(),
            long_term: String::new(),
            others: 0,
        };
        world.issue().await;
        world
    }

    /// Gets new credentials, as far as the user may have them now.
    async fn issue(&mut self) {
        self.app.wait(Duration::from_secs(1));
        let root = self.app.temporary().await;
        self.log_ins = vec![("root", root.0, root.1)];
        let registry = self.app.registry_id();
        let issued = self
            .app
            .tencent("CreateInstanceToken", &registry)
            .by(&self.user)
            .send()
            .await;
        if issued.json()["Response"].get("Error").is_none() {
            let (username, secret) = credential(&issued);
            let narrow = [("scope", "repository:team/app:pull")];
            let narrowed = self
                .app
                .exchange_credential(&(username.clone(), secret.clone()), &narrow)
                .await;
            self.log_ins.push(("temporary", username, secret));
            if narrowed.status == StatusCode::OK {
                let (username, secret) = log_in(&narrowed);
                self.log_ins.push(("narrowed", username, secret));
            }
        }
        let made = self.app.long_term("ci").await;
        self.long_term = made.0;
        let username = self.log_ins[0].1.clone();
        self.log_ins
            .push(("long-term", username, Secret::new(made.1)));
    }

    /// Changes something at a service, and says what.
    async fn change_at(&mut self, service: &Service, dice: &mut Dice) -> &'static str {
        let operator = operator_call(service);
        let identity = &service.identity;
        match dice.throw(9) {
            0 => {
                let state = *dice.one(&[UserState::Active, UserState::Active, UserState::Disabled]);
                let set = identity.set_user_state(&operator, account(), "ci", state);
                set.await.unwrap();
                "the user's state"
            }
            1 => {
                let (all, name) = (documents(), "of-user-ci");
                let text = dice.one(&all).to_string();
                let saved = identity.save_policy(&operator, account(), name, &text, Save::Update);
                saved.await.unwrap();
                "the policy"
            }
            2 => {
                let attached = *dice.one(&[Attached::Yes, Attached::Yes, Attached::No]);
                let user = Target::User("ci".to_owned());
                // Attached twice is refused.
                identity
                    .set_attached(&operator, account(), "of-user-ci", &user, attached)
                    .await
                    .unwrap_or_default();
                "the attachment"
            }
            3 => {
                let state = *dice.one(&[AccessKeyState::Active, AccessKeyState::Disabled]);
                let set = identity.set_access_key_state(&operator, &self.user.id, state);
                set.await.unwrap();
                "the access key's state"
            }
            4 => {
                let of = *dice.one(&["user/ci", "root"]);
                let principal = format!("{ACCOUNT}:{of}").parse().unwrap();
                identity.revoke(&operator, &principal).await.unwrap();
                "a principal's generation"
            }
            5 => {
                let id = self.id_of_root().await;
                let principal = format!("{ACCOUNT}:root").parse().unwrap();
                // One that is gone can't be revoked.
                let revoked = identity.revoke_credential(&operator, &principal, &id);
                revoked.await.unwrap_or_default();
                "a credential's revocation"
            }
            6 => {
                let kind = *dice.one(&[KeyKind::Sealing, KeyKind::Signing(Algorithm::Es256)]);
                service.keys.rotate_key(&operator, kind).await.unwrap();
                "a key"
            }
            7 => {
                self.others += 1;
                let name = format!("other-{}", self.others);
                let made = identity.create_user(&operator, account(), &name);
                made.await.unwrap();
                "another user"
            }
            _ => {
                let (choice, registry) = (self.app.choice(), &service.registry);
                let all = Contents::GoToo;
                let gone = registry.delete_namespace(&operator, &choice, "team", all);
                if gone.await.is_err() {
                    let visibility = *dice.one(&[Visibility::Public, Visibility::Private]);
                    let new = NewNamespace {
                        visibility,
                        auto_create_repository: Switch::On,
                        ..NewNamespace::named("team")
                    };
                    let made = registry.create_namespace(&operator, &choice, new);
                    made.await.unwrap();
                }
                "the namespace"
            }
        }
    }

    /// Returns the id of the root's temporary credential.
    async fn id_of_root(&self) -> CredentialId {
        let sealer = self.app.sealer().await;
        let opened = sealer.open(SecretKind::Temporary, self.log_ins[0].2.expose());
        // One of a newer sealing key can't be opened by the first.
        opened.map_or_else(|| CredentialId::random(&SystemRandom), |grant| grant.id)
    }

    /// Changes something, at one of the two services, or lets time pass; both know of it.
    async fn change(&mut self, dice: &mut Dice) -> &'static str {
        let app = std::sync::Arc::clone(&self.app.service);
        let forgetful = std::sync::Arc::clone(&self.forgetful.service);
        let changed = match dice.throw(12) {
            0 => {
                self.issue().await;
                "new credentials"
            }
            1 => {
                self.app.wait(Duration::from_secs(*dice.one(&[1, 9, 40])));
                "time"
            }
            2 => {
                self.app.set_back(Duration::from_secs(5));
                "the clock, set back"
            }
            3 => {
                let more = json!({ "TokenId": self.long_term, "Enable": dice.in_ten(5) });
                let body = with(&self.app.registry_id(), &more);
                self.app.wait(Duration::from_secs(1));
                let changed = self.app.tencent("ModifyInstanceToken", &body).send().await;
                succeeded(&changed);
                "the long-term credential's state"
            }
            4..8 => self.change_at(&app, dice).await,
            _ => self.change_at(&forgetful, dice).await,
        };
        app.memory.catch_up().await.unwrap();
        forgetful.memory.catch_up().await.unwrap();
        changed
    }

    /// Returns a request for a token, sometimes with a secret or a username that is wrong.
    fn question(&self, dice: &mut Dice) -> Question {
        let (name, username, secret) = dice.one(&self.log_ins);
        let mut secret = secret.expose().to_owned();
        let mut username = username.clone();
        match dice.throw(12) {
            0 => {
                let last = secret.pop();
                secret.push(if last == Some('A') { 'B' } else { 'A' });
            }
            1 => username.push('0'),
            _ => {}
        }
        Question {
            name,
            username,
            secret,
            scope: dice.one::<&str>(&SCOPES),
            address: dice.one::<&str>(&ADDRESSES),
        }
    }
}

/// A request for a token.
#[derive(Debug)]
struct Question {
    name: &'static str,
    username: String,
    secret: String,
    scope: &'static str,
    address: &'static str,
}

impl Question {
    fn request(&self) -> Request<axum::body::Body> {
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("service", SERVICE), ("scope", self.scope)])
            .finish();
        let pair = STANDARD.encode(format!("{}:{}", self.username, self.secret));
        let mut request = Request::post("/token")
            .header(header::HOST, HOST)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::AUTHORIZATION, format!("Basic {pair}"))
            .body(axum::body::Body::from(form))
            .unwrap();
        let peer = format!("{}:1", self.address).parse().unwrap();
        request.extensions_mut().insert(Peer(peer));
        request
    }
}

/// Returns what an answer says, without what differs between two tokens.
fn said(answer: &Answer) -> (StatusCode, Value) {
    let body = answer.json();
    let said = match body.get("scope") {
        Some(scope) => scope.clone(),
        None => body["errors"][0]["code"].clone(),
    };
    (answer.status, said)
}

fn claims(answer: &Answer) -> Value {
    let body = answer.json();
    let token = body["token"].as_str().unwrap();
    let claims = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
}

#[tokio::test]
async fn whatever_changes_an_exchange_is_answered_as_if_nothing_were_remembered() {
    #[expect(
        clippy::disallowed_methods,
        reason = "the length of the tests is no setting of the service"
    )]
    let is_long = std::env::var("TRANSIRE_TEST_LONG").is_ok();
    let (worlds, changes) = if is_long { (200, 60) } else { (6, 40) };
    let (mut granted, mut again) = (0, 0);
    for seed in 0..worlds {
        let (mut dice, mut world) = (Dice(seed), World::new().await);
        let mut history = Vec::new();
        for _ in 0..changes {
            history.push(world.change(&mut dice).await);
            for _ in 0..4 {
                let question = world.question(&mut dice);
                let expected = said(&world.forgetful.send(question.request()).await);
                let [first, second] = [
                    world.app.send(question.request()).await,
                    world.app.send(question.request()).await,
                ];
                for answer in [&first, &second] {
                    let of = question.name;
                    let context = format!("seed {seed}, {of}: {question:?} after {history:?}");
                    assert_eq!(said(answer), expected, "{context}");
                }
                if expected.0 == StatusCode::OK {
                    granted += 1;
                    again += usize::from(claims(&first)["jti"] == claims(&second)["jti"]);
                }
            }
        }
    }
    // Else it would be true of a service that remembers nothing.
    assert!(
        granted > 100 && again * 10 > granted * 9,
        "{again} of {granted}"
    );
}

/// Asks for a token by the app's own temporary credential.
async fn token(app: &App, (username, secret): &(String, Secret)) -> Answer {
    let question = Question {
        name: "own",
        username: username.clone(),
        secret: secret.expose().to_owned(),
        scope: SCOPES[0],
        address: ADDRESSES[0],
    };
    let answer = app.send(question.request()).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    answer
}

#[tokio::test]
async fn a_token_is_given_again_for_ten_seconds_and_says_honestly_how_long_it_lasts() {
    let app = App::new().await;
    let log_in = app.temporary().await;
    let first = token(&app, &log_in).await;
    app.wait(Duration::from_secs(9));
    let again = token(&app, &log_in).await;
    assert_eq!(claims(&first)["jti"], claims(&again)["jti"]);
    assert_eq!(first.json()["issued_at"], again.json()["issued_at"]);
    let seconds = |answer: &Answer| answer.json()["expires_in"].as_i64().unwrap();
    assert_eq!(seconds(&again), seconds(&first) - 9);
    app.wait(Duration::from_secs(1));
    let new = token(&app, &log_in).await;
    assert_ne!(claims(&first)["jti"], claims(&new)["jti"]);
    assert_eq!(seconds(&new), seconds(&first));
}

#[tokio::test]
async fn two_credentials_of_one_principal_get_one_token() {
    let app = App::new().await;
    let one = token(&app, &app.temporary().await).await;
    app.wait(Duration::from_secs(1));
    let other = token(&app, &app.temporary().await).await;
    assert_eq!(claims(&one)["jti"], claims(&other)["jti"]);
}

#[tokio::test]
async fn each_exchange_has_its_event_which_names_the_token() {
    let app = App::new().await;
    let log_in = app.temporary().await;
    let jti = claims(&token(&app, &log_in).await)["jti"].clone();
    token(&app, &log_in).await;
    let details = found(&app, |lines| {
        let exchanges = lines.iter().filter(|line| line.action == "token.exchange");
        let details: Vec<Value> = exchanges
            .map(|line| serde_json::from_str(&line.detail).unwrap())
            .collect();
        (details.len() == 2).then_some(details)
    })
    .await;
    assert!(details.iter().all(|detail| detail["jti"] == jti));
    let given_before = |detail: &&Value| detail["given_before"] == true;
    assert_eq!(details.iter().filter(given_before).count(), 1);
}

#[tokio::test]
async fn without_room_nothing_is_remembered() {
    let change = |options: &mut Options| options.service.limits.remembered_exchange_bytes = 0;
    let app = App::with(change).await;
    let log_in = app.temporary().await;
    let [one, other] = [token(&app, &log_in).await, token(&app, &log_in).await];
    assert_ne!(claims(&one)["jti"], claims(&other)["jti"]);
}
