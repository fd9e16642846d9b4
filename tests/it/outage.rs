//! The database is gone, or as good as gone: PostgreSQL behind a proxy that hangs up, or goes
//! silent.

use std::collections::HashSet;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use http::StatusCode;
use rusqlite::Connection;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use transire::config::Settings;
use transire::domain::clock::SystemRandom;
use transire::domain::credential::{CredentialId, PasswordHash, long_term_secret};
use transire::domain::secret::Secret;
use transire::service::{
    AccessKeyState, AuditFilter, ExistingUsers, ImportedUser, InstanceChoice, KeyKind, Service,
};
use transire::sign::SigningSecret;
use transire::store::Location;

use crate::harness::operator::operator_call;
use crate::harness::postgres::{self, Database};
use crate::harness::{ACCOUNT, App, Key, NOW, Options, SERVICE, until};

/// The proxy's treatment of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Open,
    /// It hangs up, on everyone who calls too.
    Cut,
    /// As a machine that vanished: whatever was connected never hears of anything again.
    Silent,
    /// It becomes [`Line::Cut`] once the commit of [`DISABLED`] was answered.
    CutAfterDisabled,
}

/// The audit action in the write that disables an access key; background tasks commit too.
const DISABLED: &[u8] = b"access-key.disable";

/// The message that commits.
const COMMIT: &[u8] = b"Q\0\0\0\x0bCOMMIT\0";

/// A database of a test's own, reached through a proxy.
struct Far {
    line: Arc<watch::Sender<Line>>,
    through: Location,
    direct: Location,
    database: Database,
    serving: JoinHandle<()>,
}

impl Far {
    /// Makes a database behind a proxy, if there is a server.
    async fn new() -> Option<Self> {
        let database = Database::new().await?;
        let direct = database.location();
        let mut url = database.url.clone();
        let address = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(5432));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(listener.local_addr().unwrap().port()))
            .unwrap();
        let line = Arc::new(watch::Sender::new(Line::Open));
        let serving = tokio::spawn(relay_all(listener, address, Arc::clone(&line)));
        Some(Self {
            line,
            through: postgres::location(&url),
            direct,
            database,
            serving,
        })
    }

    fn set(&self, line: Line) {
        self.line.send_replace(line);
    }

    async fn remove(self) {
        self.serving.abort();
        self.database.remove().await;
    }
}

async fn relay_all(listener: TcpListener, address: String, line: Arc<watch::Sender<Line>>) {
    let mut relays = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let (address, line) = (address.clone(), Arc::clone(&line));
        relays.spawn(async move { relay(client, &address, &line).await });
    }
}

async fn relay(mut client: TcpStream, address: &str, line: &watch::Sender<Line>) {
    let mut changes = line.subscribe();
    let first = *changes.borrow_and_update();
    if first == Line::Silent {
        // The kernel takes the call, and nobody ever answers.
        return std::future::pending().await;
    }
    if first == Line::Cut {
        return;
    }
    let mut server = TcpStream::connect(address).await.unwrap();
    let (mut from_client, mut from_server) = (vec![0; 65536], vec![0; 65536]);
    let mut disabled = false;
    loop {
        tokio::select! {
            biased;
            Ok(()) = changes.changed() => {
                let now = *changes.borrow_and_update();
                match now {
                    Line::Open | Line::CutAfterDisabled => {}
                    Line::Cut => return,
                    Line::Silent => return std::future::pending().await,
                }
            },
            read = client.read(&mut from_client) => {
                let Ok(length @ 1..) = read else { return };
                let said = &from_client[..length];
                server.write_all(said).await.unwrap();
                let says = |what: &[u8]| said.windows(what.len()).any(|part| part == what);
                disabled |= says(DISABLED);
                if disabled && says(COMMIT) && *line.borrow() == Line::CutAfterDisabled {
                    let length = server.read(&mut from_server).await.unwrap();
                    client.write_all(&from_server[..length]).await.unwrap();
                    line.send_replace(Line::Cut);
                    return;
                }
            },
            read = server.read(&mut from_server) => {
                let Ok(length @ 1..) = read else { return };
                if client.write_all(&from_server[..length]).await.is_err() {
                    return;
                }
            },
        }
    }
}

/// An app that follows the change feed, over a database behind a proxy.
struct Replica {
    app: App,
    housekeeper: JoinHandle<()>,
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.housekeeper.abort();
    }
}

impl Replica {
    async fn new(far: &Far, change: impl FnOnce(&mut Options)) -> Self {
        let app = App::at(Some(far.through.clone()), change).await;
        let housekeeper = tokio::spawn(Service::run_background(Arc::clone(&app.service)));
        Self { app, housekeeper }
    }

    async fn is_ready(&self) -> bool {
        self.app.service.operations.missing().await.is_empty()
    }

    /// Loses the database, and waits until that is noticed.
    async fn lose(&self, far: &Far, line: Line) {
        far.set(line);
        // Not only by who asked for readiness: nothing that this service never made is refused any
        // more.
        let unheard =
            async || self.exchange("trst_EXAMPLE").await == StatusCode::SERVICE_UNAVAILABLE;
        let noticed = until("the loss to be noticed", async || {
            !self.is_ready().await && unheard().await
        })
        .await;
        assert!(noticed < Duration::from_secs(5), "it took {noticed:?}");
    }

    /// Has the database again, and waits until that is noticed.
    async fn regain(&self, far: &Far) {
        far.set(Line::Open);
        let resumed = until("service to resume", async || self.is_ready().await).await;
        // Two seconds are promised; a busy machine gets more.
        assert!(resumed < Duration::from_secs(4), "it took {resumed:?}");
    }

    async fn issue(&self, token_type: &str) -> Value {
        // A signature makes one long-term credential, so each call has a second of its own.
        self.app.wait(Duration::from_secs(1));
        let body = json!({ "RegistryId": self.app.instance.id.as_str(), "TokenType": token_type });
        self.app
            .tencent("CreateInstanceToken", &body)
            .send()
            .await
            .json()["Response"]
            .clone()
    }

    async fn issued(&self, token_type: &str) -> String {
        let answer = self.issue(token_type).await;
        answer["Token"]
            .as_str()
            .unwrap_or_else(|| panic!("{answer}"))
            .to_owned()
    }

    async fn exchange(&self, secret: &str) -> StatusCode {
        exchange(&self.app, secret).await
    }

    async fn tencent_code(&self, key: &Key) -> String {
        let body = json!({ "RegistryId": self.app.instance.id.as_str() });
        let answer = self
            .app
            .tencent("CreateInstanceToken", &body)
            .by(key)
            .send()
            .await
            .json();
        answer["Response"]["Error"]["Code"]
            .as_str()
            .unwrap_or("none")
            .to_owned()
    }

    async fn alibaba_code(&self, key: &Key) -> String {
        let query = [("InstanceId", self.app.instance.cri_id.as_str())];
        let answer = self
            .app
            .alibaba("GetAuthorizationToken", &query)
            .by(key)
            .send()
            .await
            .json();
        if answer["IsSuccess"] == true {
            "none".to_owned()
        } else {
            answer["Code"].as_str().unwrap().to_owned()
        }
    }
}

async fn exchange(app: &App, secret: &str) -> StatusCode {
    let answer = app
        .registry(Some((ACCOUNT, secret)), &format!("service={SERVICE}"))
        .await;
    assert_eq!(
        answer.status == StatusCode::SERVICE_UNAVAILABLE,
        answer.header("retry-after").is_some(),
        "{}",
        answer.body
    );
    answer.status
}

async fn new_key(app: &App) -> Key {
    Key::permanent(
        app.service
            .identity
            .create_access_key(&app.operator(), ACCOUNT.parse().unwrap(), None)
            .await
            .unwrap(),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_known_goes_on_and_what_is_not_can_not_be_decided() {
    for line in [Line::Cut, Line::Silent] {
        let Some(far) = Far::new().await else { return };
        let replica = Replica::new(&far, |_| {}).await;
        let (known, unknown) = (
            replica.issued("longterm").await,
            replica.issued("longterm").await,
        );
        let unknown_key = new_key(&replica.app).await;
        let temporary = replica.issued("temp").await;
        for secret in [&known, &temporary] {
            assert_eq!(replica.exchange(secret).await, StatusCode::OK);
        }

        replica.lose(&far, line).await;
        let fresh = replica.issued("temp").await;
        for secret in [&known, &temporary, &fresh] {
            assert_eq!(replica.exchange(secret).await, StatusCode::OK, "{line:?}");
        }
        // Nobody knows: it is a good one, or never was.
        let mut made_up = fresh.clone();
        let last = if made_up.pop() == Some('A') { 'B' } else { 'A' };
        made_up.push(last);
        let begun = Instant::now();
        for secret in [&unknown, &made_up] {
            assert_eq!(
                replica.exchange(secret).await,
                StatusCode::SERVICE_UNAVAILABLE,
                "{line:?}"
            );
        }
        assert_eq!(
            replica.tencent_code(&unknown_key).await,
            "InternalError.DbError"
        );
        assert_eq!(replica.alibaba_code(&unknown_key).await, "SystemError");
        // A write fails whole, and at once: nobody has to wait to find out.
        assert_eq!(
            replica.issue("longterm").await["Error"]["Code"],
            "InternalError.DbError"
        );
        assert!(
            begun.elapsed() < Duration::from_secs(2),
            "{line:?}: it took {:?}",
            begun.elapsed()
        );
        assert_eq!(
            replica
                .app
                .send(http::Request::get("/healthz").body("".into()).unwrap())
                .await
                .status,
            StatusCode::OK
        );
        let readiness = replica
            .app
            .send(http::Request::get("/readyz").body("".into()).unwrap())
            .await;
        assert!(
            readiness.status == StatusCode::SERVICE_UNAVAILABLE
                && readiness.body.contains("does not answer"),
            "{}",
            readiness.body
        );

        // Nothing rests on memory for ever. The wall clock has no part in it.
        replica.app.wait(Duration::from_mins(30));
        assert_eq!(replica.exchange(&temporary).await, StatusCode::OK);
        replica.app.run_on(Duration::from_secs(301));
        for secret in [&known, &unknown, &temporary, &fresh] {
            assert_eq!(
                replica.exchange(secret).await,
                StatusCode::SERVICE_UNAVAILABLE,
                "{line:?}"
            );
        }
        assert_eq!(
            replica.tencent_code(&replica.app.key).await,
            "InternalError.DbError"
        );
        assert_eq!(replica.alibaba_code(&replica.app.key).await, "SystemError");
        let readiness = replica
            .app
            .send(http::Request::get("/readyz").body("".into()).unwrap())
            .await;
        assert!(
            readiness.body.contains("max_staleness_seconds"),
            "{}",
            readiness.body
        );

        replica.regain(&far).await;
        for secret in [&known, &unknown, &temporary, &fresh] {
            assert_eq!(replica.exchange(secret).await, StatusCode::OK, "{line:?}");
        }
        assert_eq!(replica.exchange(&made_up).await, StatusCode::UNAUTHORIZED);
        assert_eq!(replica.tencent_code(&unknown_key).await, "none");
        replica.issued("longterm").await;
        drop(replica);
        far.remove().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_refusal_could_not_change_stays_refused() {
    let Some(far) = Far::new().await else { return };
    let replica = Replica::new(&far, |_| {}).await;
    let known = replica.issue("longterm").await;
    let id: CredentialId = known["TokenId"].as_str().unwrap().parse().unwrap();
    let temporary = replica.issued("temp").await;
    assert_eq!(
        replica.exchange(known["Token"].as_str().unwrap()).await,
        StatusCode::OK
    );
    replica.lose(&far, Line::Cut).await;
    // The id of a known credential with another secret: another replica may have given it this one.
    let wrong = long_term_secret(&id, &SystemRandom);
    assert_eq!(
        replica.exchange(wrong.expose()).await,
        StatusCode::SERVICE_UNAVAILABLE
    );
    replica.app.wait(Duration::from_hours(2));
    assert_eq!(
        replica.exchange(&temporary).await,
        StatusCode::UNAUTHORIZED,
        "it expired, and its owner gets another"
    );
    let stranger = Key {
        id: replica.app.key.id.clone(),
        secret: SigningSecret::new(Secret::new("guessedEXAMPLE")),
        token: None,
    };
    assert_eq!(
        replica.tencent_code(&stranger).await,
        "AuthFailure.SignatureFailure"
    );
    drop(replica);
    far.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_no_staleness_allowed_a_loss_is_refused_as_soon_as_it_is_noticed() {
    let Some(far) = Far::new().await else { return };
    let replica = Replica::new(&far, |options| {
        options.service.max_staleness = Duration::ZERO
    })
    .await;
    let temporary = replica.issued("temp").await;
    assert_eq!(replica.exchange(&temporary).await, StatusCode::OK);
    replica.lose(&far, Line::Silent).await;
    assert_eq!(
        replica.exchange(&temporary).await,
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(
        replica.tencent_code(&replica.app.key).await,
        "InternalError.DbError"
    );
    replica.regain(&far).await;
    assert_eq!(replica.exchange(&temporary).await, StatusCode::OK);
    drop(replica);
    far.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chosen_passwords_are_guessed_no_faster_while_they_can_not_be_decided() {
    let Some(far) = Far::new().await else { return };
    // The wait for the loss fails log-ins itself, from elsewhere.
    let replica = Replica::new(&far, |options| {
        (
            options.service.limits.failed_log_ins,
            options.service.limits.failed_log_ins_per_minute,
        ) = (20, 1)
    })
    .await;
    replica.app.reset_login_password("Passw0rd-EXAMPLE").await;
    let try_at = async |peer: &str, secret: &str| {
        let query = format!("service={SERVICE}");
        replica
            .app
            .registry_from(peer, Some((ACCOUNT, secret)), &query)
            .await
            .status
            .as_u16()
    };
    assert_eq!(try_at("192.0.2.1", "Passw0rd-EXAMPLE").await, 200);
    replica.lose(&far, Line::Cut).await;
    let mut answers = Vec::new();
    while answers.last() != Some(&429) {
        answers.push(try_at("192.0.2.2", &format!("Passw0rd-wrong-{}", answers.len())).await);
        assert!(answers.len() < 50, "{answers:?}");
    }
    // Another replica may have heard of it: it is never said to be wrong.
    let last = answers.len() - 1;
    assert!(
        last > 1 && answers[..last].iter().all(|answer| *answer == 503),
        "{answers:?}"
    );
    assert_eq!(try_at("192.0.2.1", "Passw0rd-EXAMPLE").await, 200);
    // Generated secrets aren't guessed, so one that can't be read may be good.
    for number in 0..5 {
        assert_eq!(
            try_at("192.0.2.3", &format!("trst_EXAMPLE{number}")).await,
            503
        );
    }
    drop(replica);
    far.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_imported_password_logs_in_while_the_database_is_away_and_its_hash_is_replaced_later() {
    let Some(far) = Far::new().await else { return };
    let replica = Replica::new(&far, |_| {}).await;
    let app = &replica.app;
    let hash = PasswordHash::new("$2y$05$WuwBasGDAgr.QCbGIjKJaep4dhxeai9gNZdmBnQXqpKly57oNutya");
    let alice = ImportedUser {
        old_name: "Alice",
        user: "alice",
        hash: &hash,
        expires_at: None,
        policies: &[],
        existing: ExistingUsers::Refuse,
    };
    let elsewhere = ImportedUser {
        existing: ExistingUsers::Take,
        ..alice.clone()
    };
    for (instance, imported) in [(&app.instance, &alice), (&app.other_instance, &elsewhere)] {
        let (identity, call) = (&app.service.identity, &app.operator());
        identity
            .import_user(call, instance, imported)
            .await
            .unwrap();
    }
    let kind_of_hash = async || {
        let choice = InstanceChoice::Tcr(app.instance.id.clone());
        let call = app.operator();
        let listed = app.service.credentials.fixed_passwords(&call, &choice);
        listed.await.unwrap()[0].hash.as_str()[..4].to_owned()
    };
    // The user is known by a right log-in elsewhere, and the old hash here by a wrong one.
    let query = "service=other.example.com";
    let elsewhere = app.registry(Some(("Alice", "123")), query).await;
    assert_eq!(elsewhere.status, StatusCode::OK);
    assert_eq!(app.status("Alice", "wrong-123").await, 401);
    replica.lose(&far, Line::Cut).await;
    assert_eq!(app.status("Alice", "123").await, 200);
    replica.regain(&far).await;
    assert_eq!(kind_of_hash().await, "$2y$");
    app.wait(Duration::from_mins(6));
    assert_eq!(app.status("Alice", "123").await, 200);
    assert_eq!(kind_of_hash().await, "$arg");
    drop(replica);
    far.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_replica_sealed_and_changed_meanwhile_is_never_refused_as_wrong() {
    let Some(far) = Far::new().await else { return };
    let replica = Replica::new(&far, |_| {}).await;
    let disabled_before = new_key(&replica.app).await;
    replica
        .app
        .service
        .identity
        .set_access_key_state(
            &replica.app.operator(),
            &disabled_before.id,
            AccessKeyState::Disabled,
        )
        .await
        .unwrap();
    assert_eq!(
        replica.tencent_code(&disabled_before).await,
        "AuthFailure.SecretIdNotFound"
    );
    let known = replica.issued("temp").await;
    assert_eq!(replica.exchange(&known).await, StatusCode::OK);
    replica.lose(&far, Line::Silent).await;

    // Another replica goes on, with the same master key.
    let other = App::beside(&replica.app, far.direct.clone()).await;
    let (first, second) = (other.service.as_ref(), &replica);
    first
        .identity
        .set_access_key_state(
            &operator_call(first),
            &disabled_before.id,
            AccessKeyState::Active,
        )
        .await
        .unwrap();
    first
        .keys
        .rotate_key(&operator_call(first), KeyKind::Sealing)
        .await
        .unwrap();
    other.wait(Duration::from_secs(31));
    first.memory.catch_up().await.unwrap();
    let sealed_anew = other.temporary().await.1.expose().to_owned();
    assert_eq!(exchange(&other, &sealed_anew).await, StatusCode::OK);
    let body = json!({ "RegistryId": other.instance.id.as_str() });
    let answer = other
        .tencent("CreateInstanceToken", &body)
        .by(&disabled_before)
        .send()
        .await
        .json();
    let by_enabled = answer["Response"]["Token"]
        .as_str()
        .unwrap_or_else(|| panic!("{answer}"))
        .to_owned();

    assert_eq!(second.exchange(&known).await, StatusCode::OK);
    for secret in [&sealed_anew, &by_enabled] {
        assert_eq!(
            second.exchange(secret).await,
            StatusCode::SERVICE_UNAVAILABLE
        );
    }
    assert_eq!(
        second.tencent_code(&disabled_before).await,
        "InternalError.DbError"
    );
    second.regain(&far).await;
    second.app.wait(Duration::from_secs(31));
    for secret in [&known, &sealed_anew, &by_enabled] {
        assert_eq!(second.exchange(secret).await, StatusCode::OK);
    }
    drop((replica, other));
    far.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stored_session_policy_that_can_not_be_read_decides_nothing() {
    let Some(far) = Far::new().await else { return };
    let replica = Replica::new(&far, |_| {}).await;
    replica
        .app
        .role("open", &crate::harness::documents::everything())
        .await;
    let other = App::beside(&replica.app, far.direct.clone()).await;
    let session = async |policy| {
        other
            .tencent_session(&other.key, "open", &json!({ "Policy": policy }))
            .await
            .key()
    };
    let secret =
        async |key: &Key| crate::harness::tencent::credential(&other.tencent_credential(key).await);
    let ask = async |app: &App, got: &(String, Secret)| {
        app.registry(
            Some((&got.0, got.1.expose())),
            &format!("service={SERVICE}&scope=repository:team/app:pull"),
        )
        .await
        .status
    };
    let (short, long) = (
        session(crate::harness::documents::everything().to_string()).await,
        session(crate::harness::documents::long_policy(1)).await,
    );
    let (of_short, of_long) = (secret(&short).await, secret(&long).await);
    // All else that the second depends on is cached then. The replica refreshes first, because a
    // cache doesn't keep an entry that changed while it was read.
    replica.app.service.memory.catch_up().await.unwrap();
    assert_eq!(ask(&replica.app, &of_short).await, StatusCode::OK);
    replica.lose(&far, Line::Cut).await;
    assert_eq!(ask(&replica.app, &of_short).await, StatusCode::OK);
    assert_eq!(
        ask(&replica.app, &of_long).await,
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(replica.tencent_code(&long).await, "InternalError.DbError");
    replica.regain(&far).await;
    assert_eq!(ask(&replica.app, &of_long).await, StatusCode::OK);
    replica.lose(&far, Line::Cut).await;
    assert_eq!(
        ask(&replica.app, &of_long).await,
        StatusCode::OK,
        "what was read once goes on"
    );
    drop((replica, other));
    far.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_that_was_acknowledged_is_obeyed_though_the_feed_can_not_be_read_after_it() {
    let Some(far) = Far::new().await else { return };
    let replica = Replica::new(&far, |_| {}).await;
    let temporary = replica.issued("temp").await;
    assert_eq!(replica.exchange(&temporary).await, StatusCode::OK);
    far.set(Line::CutAfterDisabled);
    let id = &replica.app.key.id;
    replica
        .app
        .service
        .identity
        .set_access_key_state(&replica.app.operator(), id, AccessKeyState::Disabled)
        .await
        .unwrap();
    assert_eq!(
        replica.exchange(&temporary).await,
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(
        replica.tencent_code(&replica.app.key).await,
        "InternalError.DbError"
    );
    replica.regain(&far).await;
    assert_eq!(replica.exchange(&temporary).await, StatusCode::UNAUTHORIZED);
    drop(replica);
    far.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_a_database_that_went_silent_is_answered_within_seconds() {
    let Some(far) = Far::new().await else { return };
    let replica = Arc::new(
        Replica::new(&far, |options| {
            options.service.limits.requests_per_second = 10_000
        })
        .await,
    );
    replica.issued("longterm").await;
    far.set(Line::Silent);
    // At once, before the loss is noticed: they all wait for it.
    let mut asking = JoinSet::new();
    let begun = Instant::now();
    for _ in 0..200 {
        let replica = Arc::clone(&replica);
        asking.spawn(async move {
            replica.issue("longterm").await["Error"]["Code"]
                .as_str()
                .unwrap_or("none")
                .to_owned()
        });
    }
    let codes: HashSet<String> = asking.join_all().await.into_iter().collect();
    assert_eq!(codes, HashSet::from(["InternalError.DbError".to_owned()]));
    assert!(
        begun.elapsed() < Duration::from_secs(12),
        "it took {:?}",
        begun.elapsed()
    );
    replica.regain(&far).await;
    replica.issued("longterm").await;
    drop(replica);
    far.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_asks_for_readiness_has_nobody_ask_the_database() {
    let Some(far) = Far::new().await else { return };
    let replica = Replica::new(&far, |_| {}).await;
    replica.lose(&far, Line::Cut).await;
    replica.regain(&far).await;
    // Nobody probes any more, so nobody may know.
    replica.housekeeper.abort();
    until("the probes to end", async || {
        replica.housekeeper.is_finished()
    })
    .await;
    far.set(Line::Cut);
    assert!(replica.is_ready().await, "it asked");
    drop(replica);
    far.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_audit_lines_are_stored_when_the_database_is_back_in_time() {
    let Some(far) = Far::new().await else { return };
    let app = App::at(Some(far.through.clone()), |_| {}).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let mut running = tokio::spawn(transire::serve::run(
        Arc::clone(&app.service),
        Settings::default(),
        listener,
        stopped,
    ));
    // The caches suffice for another one.
    app.temporary().await;
    until("readiness", async || {
        app.service.operations.missing().await.is_empty()
    })
    .await;
    far.set(Line::Cut);
    until("the loss to be noticed", async || {
        !app.service.operations.missing().await.is_empty()
    })
    .await;
    app.temporary().await;
    stop.send(()).unwrap();
    // Nothing is under way that it could wait for otherwise.
    assert!(
        tokio::time::timeout(Duration::from_secs(1), &mut running)
            .await
            .is_err(),
        "it did not wait for the database"
    );
    far.set(Line::Open);
    running.await.unwrap();
    let direct = App::beside(&app, far.direct.clone()).await;
    let lines = crate::harness::audit::listed(
        &direct.service,
        &AuditFilter::between(NOW, NOW.plus(Duration::from_hours(1))),
    )
    .await;
    assert_eq!(
        lines
            .iter()
            .filter(|line| line.action == "credential.issue-temporary")
            .count(),
        2,
        "{lines:?}"
    );
    drop((app, direct));
    far.remove().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_file_stops_writes_alone_and_fails_them_fast() {
    let app = App::new().await;
    let housekeeper = tokio::spawn(Service::run_background(Arc::clone(&app.service)));
    let body = json!({ "RegistryId": app.instance.id.as_str(), "TokenType": "longterm" });
    for lock in ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"] {
        let other = rusqlite::Connection::open(app.database()).unwrap();
        other.execute_batch(lock).unwrap();
        let mut slowest = Duration::ZERO;
        for attempt in 0..5 {
            let begun = Instant::now();
            let answer = app
                .tencent("CreateInstanceToken", &body)
                .send()
                .await
                .json();
            assert_eq!(
                answer["Response"]["Error"]["Code"], "InternalError.DbError",
                "{lock}"
            );
            if attempt > 0 {
                slowest = slowest.max(begun.elapsed());
            }
            assert!(
                begun.elapsed() < Duration::from_secs(5),
                "{lock}: it took {:?}",
                begun.elapsed()
            );
        }
        assert!(
            slowest < Duration::from_secs(1),
            "{lock}: once it is known, it still took {slowest:?}"
        );
        let (_, secret) = app.temporary().await;
        assert_eq!(exchange(&app, secret.expose()).await, StatusCode::OK);
        other.execute_batch("ROLLBACK").unwrap();
        app.wait(Duration::from_secs(1));
        let answer = app
            .tencent("CreateInstanceToken", &body)
            .send()
            .await
            .json();
        assert!(answer["Response"]["Token"].is_string(), "{lock}: {answer}");
    }
    housekeeper.abort();
}

#[tokio::test]
async fn house_is_kept_on_when_the_clock_was_set_back_and_when_it_jumps_ahead() {
    // After a step back nothing was forgotten or renewed for as long as the step was.
    let app = App::new().await;
    let mut housekeeper = Box::pin(Arc::clone(&app.service).run_background());
    // Its times count from its first step. A spawned task may take that after the clock is set.
    std::future::poll_fn(|context| {
        assert!(housekeeper.as_mut().poll(context).is_pending());
        Poll::Ready(())
    })
    .await;
    let housekeeper = tokio::spawn(housekeeper);
    let database = Connection::open(app.database()).unwrap();
    let aged = "SELECT COUNT(*) FROM change WHERE changed_at = 0";
    let is_trimmed = async |when: &str| {
        until(&format!("something to be tidied up {when}"), async || {
            let count = database.query_row(aged, (), |row| row.get::<_, i64>(0));
            count.unwrap() == 0
        })
        .await;
    };
    let age = || {
        assert!(
            database
                .execute("UPDATE change SET changed_at = 0", ())
                .unwrap()
                > 0
        )
    };
    age();
    app.set_back(Duration::from_secs(30));
    app.run_on(Duration::from_secs(61));
    is_trimmed("once the clock was set back a little").await;
    app.service
        .identity
        .create_access_key(&app.operator(), ACCOUNT.parse().unwrap(), None)
        .await
        .unwrap();
    age();
    app.wait(Duration::from_secs(90));
    is_trimmed("once the clock jumped ahead").await;
    housekeeper.abort();
}
