//! The first exchange by a long-term credential, of which memory holds nothing.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{Request, StatusCode, header};
use serde_json::json;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Subscriber, subscriber};
use tracing_subscriber::Registry;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use transire::domain::identity::UserState;
use transire::domain::secret::Secret;
use transire::service::{NewNamespace, Save};

use crate::harness::documents::{allow, cam};
use crate::harness::operator::{account, operator_call};
use crate::harness::tencent::{credential, with};
use crate::harness::{App, HOST, Key, Replica, SERVICE};

const SCOPE: &str = "repository:team/app:pull,push";
/// The tables that are read to follow the change feed.
const FOLLOWED: [&str; 2] = ["change", "change_counter"];

/// The reads of the database: the table of each, or that several were asked together.
#[derive(Clone, Default)]
struct Looks(Arc<Mutex<Vec<String>>>);

impl Looks {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

#[derive(Default)]
struct Call {
    operation: String,
    table: Option<String>,
}

impl Visit for Call {
    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "db.operation.name" => value.clone_into(&mut self.operation),
            "db.collection.name" => self.table = Some(value.to_owned()),
            _ => {}
        }
    }
}

impl<S: Subscriber> Layer<S> for Looks {
    fn on_new_span(&self, attributes: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        if attributes.metadata().name() != "database" {
            return;
        }
        let mut call = Call::default();
        attributes.record(&mut call);
        let table = call.table.unwrap_or_else(|| "together".to_owned());
        if call.operation == "read" && !FOLLOWED.contains(&table.as_str()) {
            self.0.lock().unwrap().push(table);
        }
    }
}

/// Two services over one store, of which the other knows nothing yet.
struct World {
    app: App,
    other: Replica,
    looks: Looks,
    _listening: subscriber::DefaultGuard,
}

impl World {
    async fn new() -> Self {
        let app = App::new().await;
        let (choice, registry) = (app.choice(), &app.service.registry);
        let call = operator_call(&app.service);
        let made = registry.create_namespace(&call, &choice, NewNamespace::named("team"));
        made.await.unwrap();
        let other = app.replica().await;
        let looks = Looks::default();
        let listening = Registry::default().with(looks.clone());
        Self {
            app,
            other,
            looks,
            _listening: subscriber::set_default(listening),
        }
    }

    /// Makes a long-term credential of a key's owner.
    async fn long_term(&self, key: &Key) -> (String, Secret) {
        let body = with(&self.app.registry_id(), &json!({ "TokenType": "longterm" }));
        let issuing = self.app.tencent("CreateInstanceToken", &body).by(key);
        credential(&issuing.send().await)
    }

    /// Asks the other service for a token; returns the scopes that it grants, if it lets in, and
    /// how it looked at the database.
    async fn exchange(
        &self,
        log_in: &(String, Secret),
        scope: &str,
    ) -> (Option<String>, Vec<String>) {
        self.exchange_at(SERVICE, log_in, scope).await
    }

    /// As [`Self::exchange`], for a registry of another name.
    async fn exchange_at(
        &self,
        service: &str,
        (username, secret): &(String, Secret),
        scope: &str,
    ) -> (Option<String>, Vec<String>) {
        self.looks.take();
        let pair = STANDARD.encode(format!("{username}:{}", secret.expose()));
        let request = Request::post("/token")
            .header(header::HOST, HOST)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::AUTHORIZATION, format!("Basic {pair}"))
            .body(Body::from(format!("service={service}&scope={scope}")));
        let answer = self.other.send(request.unwrap()).await;
        let granted = match answer.status {
            StatusCode::OK => Some(answer.json()["scope"].as_str().unwrap().to_owned()),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => None,
            other => panic!("{other}"),
        };
        (granted, self.looks.take())
    }
}

#[tokio::test]
async fn a_first_exchange_looks_at_the_database_twice() {
    let world = World::new().await;
    let all = cam(&json!([allow(["tcr:*"], ["*"])]));
    let user = world.app.user("ci", &all).await;
    let of_user = world.long_term(&user).await;
    let of_root = world.long_term(&world.app.key).await;
    let (granted, looks) = world.exchange(&of_user, SCOPE).await;
    assert_eq!(granted.as_deref(), Some(SCOPE));
    // The ids of all credentials come first and once, in pages of which the last is empty.
    assert_eq!(looks, ["credential", "credential", "together", "together"]);
    let (granted, looks) = world.exchange(&of_user, SCOPE).await;
    assert_eq!(granted.as_deref(), Some(SCOPE));
    assert_eq!(looks, Vec::<String>::new());
    let (granted, looks) = world.exchange(&of_root, SCOPE).await;
    assert_eq!(granted.as_deref(), Some(SCOPE));
    // The instance, its namespaces and the repository are known.
    assert_eq!(looks, ["credential", "account"]);
}

#[tokio::test]
async fn what_is_read_ahead_follows_each_change() {
    let world = World::new().await;
    let (app, all) = (&world.app, cam(&json!([allow(["tcr:*"], ["*"])])));
    let user = app.user("ci", &all).await;
    let log_in = world.long_term(&user).await;
    assert_eq!(
        world.exchange(&log_in, SCOPE).await.0.as_deref(),
        Some(SCOPE)
    );
    let pull = cam(&json!([allow(["tcr:PullRepository"], ["*"])]));
    let operator = operator_call(&app.service);
    let identity = &app.service.identity;
    let text = pull.to_string();
    let saved = identity.save_policy(&operator, account(), "of-user-ci", &text, Save::Update);
    saved.await.unwrap();
    world.other.service.memory.catch_up().await.unwrap();
    let pulls = "repository:team/app:pull";
    assert_eq!(
        world.exchange(&log_in, SCOPE).await.0.as_deref(),
        Some(pulls)
    );
    let set = identity.set_user_state(&operator, account(), "ci", UserState::Disabled);
    set.await.unwrap();
    world.other.service.memory.catch_up().await.unwrap();
    assert_eq!(world.exchange(&log_in, SCOPE).await.0, None);
}

#[tokio::test]
async fn nothing_is_read_of_a_credential_for_who_may_not_come_in() {
    let world = World::new().await;
    let app = &world.app;
    let [first, second] = [world.long_term(&app.key).await, {
        app.wait(Duration::from_secs(1));
        world.long_term(&app.key).await
    }];
    let close = [
        ("InstanceId", app.instance.cri_id.as_str()),
        ("EndpointType", "internet"),
        ("Enable", "false"),
        ("ModuleName", "Registry"),
    ];
    let closed = app.cr("UpdateInstanceEndpointStatus", &close).await;
    assert_eq!(closed, json!({}));
    world.other.service.memory.catch_up().await.unwrap();
    assert_eq!(world.exchange(&first, SCOPE).await.0, None);
    let (granted, looks) = world.exchange(&second, SCOPE).await;
    assert_eq!((granted, looks), (None, Vec::<String>::new()));
}

#[tokio::test]
async fn a_registry_that_isnt_there_is_not_read_ahead_of_twice() {
    let world = World::new().await;
    let log_in = world.long_term(&world.app.key).await;
    let elsewhere = "elsewhere.example.com";
    let (granted, looks) = world.exchange_at(elsewhere, &log_in, SCOPE).await;
    assert_eq!(granted, None);
    assert!(looks.contains(&"together".to_owned()), "{looks:?}");
    let (granted, looks) = world.exchange_at(elsewhere, &log_in, SCOPE).await;
    assert_eq!((granted, looks), (None, vec!["instance".to_owned()]));
}
