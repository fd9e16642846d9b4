//! One suite for both databases, and what is special to each.

mod access_keys;
mod accounts;
mod activity;
mod ahead;
mod audit;
mod audit_chain;
mod cascades;
mod connections;
mod credentials;
mod files;
mod groups;
mod identities;
mod instance_keys;
mod instance_names;
mod instances;
mod keys;
mod kills;
mod last_uses;
mod log_ins;
mod notices;
mod oidc_providers;
mod operators;
mod policies;
mod portable;
mod refused_subjects;
mod registry;
mod roles;
mod servers;
mod session_policies;
mod settings;
mod signed_changes;
mod sso_sessions;
mod upgrades;
mod users;
mod wrapped;
mod writes;

use std::path::PathBuf;
use std::time::Duration;

use crate::domain::clock::{Clock, SystemRandom, Timestamp, random_bytes};
use crate::domain::credential::{CredentialId, CredentialState, LongTermCredential, Username};
use crate::domain::ids::{AccountId, CriId, InstanceId};
use crate::domain::instance::{
    Algorithm, DefaultMark, Instance, KidFormat, Origin, RegistryKind, Specification,
    UnrecordedNamespaces,
};
use crate::domain::principal::{Level, Principal};
use crate::domain::switch::Switch;
use crate::domain::wrapped::Wrapped;
use crate::domain::{Error, ErrorKind, Noun, Result};

use super::access_key::{AccessKey, AccessKeyState};
use super::account::Account;
use super::cascade;
use super::change::{self, Changes};
use super::migrate;
use super::nouns::Entity;
use super::part::Guarded;
use super::row::{Statement, Value};
use super::{
    Isolation, Location, Open, Operation, Part, PostgresOptions, Statements, Store, Write,
};

/// Makes a test of each named case on either database.
macro_rules! on_both_databases {
    ($($case:ident)+) => {
        mod on_sqlite {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let place = crate::store::tests::Place::on_sqlite();
                    super::$case(&place).await;
                    place.remove().await;
                }
            )+
        }
        mod on_postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    if let Some(place) = crate::store::tests::Place::on_postgres().await {
                        super::$case(&place).await;
                        place.remove().await;
                    }
                }
            )+
        }
        mod on_serializable_postgres {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let place = crate::store::tests::Place::on_serializable_postgres().await;
                    if let Some(place) = place {
                        super::$case(&place).await;
                        place.remove().await;
                    }
                }
            )+
        }
        mod on_postgres_behind_a_pooler {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let place = crate::store::tests::Place::on_postgres_without_sessions().await;
                    if let Some(place) = place {
                        super::$case(&place).await;
                        place.remove().await;
                    }
                }
            )+
        }
    };
}
use on_both_databases;

/// A clock that stands still.
struct Stopped;

const NOW: Timestamp = Timestamp::from_unix_seconds(1_760_000_000);

/// A change, and what it does to what is expected.
type Step<C, T> = (C, fn(&mut T));

/// A quota that no test uses up by accident.
const QUOTA: u32 = 1000;

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        NOW
    }
}

/// An empty database of a test's own.
pub(crate) enum Place {
    Sqlite(PathBuf),
    Postgres {
        server: String,
        name: String,
        location: Location,
    },
}

impl Place {
    pub(crate) fn on_sqlite() -> Self {
        Self::Sqlite(std::env::temp_dir().join(unique("transire-store-test-")))
    }

    /// Makes a database on the server that the environment names; without one, a test is skipped,
    /// but fails in CI.
    pub(crate) async fn on_postgres() -> Option<Self> {
        Self::on_postgres_with(PostgresOptions::default()).await
    }

    async fn on_serializable_postgres() -> Option<Self> {
        Self::on_postgres_with(PostgresOptions {
            isolation: Isolation::Serializable,
            ..PostgresOptions::default()
        })
        .await
    }

    async fn on_postgres_without_sessions() -> Option<Self> {
        Self::on_postgres_with(PostgresOptions {
            statements: Statements::Unnamed,
            ..PostgresOptions::default()
        })
        .await
    }

    async fn on_postgres_with(options: PostgresOptions) -> Option<Self> {
        Self::on_postgres_made(options, "").await
    }

    /// Makes a database in which text sorts as people sort words, and not by its bytes.
    async fn on_postgres_that_sorts_by_language() -> Option<Self> {
        Self::on_postgres_made(
            PostgresOptions::default(),
            "TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US'",
        )
        .await
    }

    async fn on_postgres_made(options: PostgresOptions, how: &str) -> Option<Self> {
        let server = server()?;
        let name = unique("transire_test_");
        at_server(&server, &format!("CREATE DATABASE {name} {how}")).await;
        let mut url = url::Url::parse(&server).unwrap();
        url.set_path(&name);
        let options = PostgresOptions {
            connections: 8,
            start_timeout: Duration::ZERO,
            ..options
        };
        let location = Location::Postgres {
            url: crate::domain::secret::Secret::new(url),
            options,
        };
        Some(Self::Postgres {
            server,
            name,
            location,
        })
    }

    fn location(&self) -> Location {
        match self {
            Self::Sqlite(directory) => Location::Directory(directory.clone()),
            Self::Postgres { location, .. } => location.clone(),
        }
    }

    async fn try_open(&self, open: Open) -> Result<Store> {
        Store::open(&self.location(), open, &Stopped, &SystemRandom).await
    }

    pub(crate) async fn store(&self) -> Store {
        self.try_open(Open::Serve).await.unwrap()
    }

    /// Sets the database up as far as step `newest`, as an older build did, and puts something in.
    async fn fill_older(&self, newest: i64, text: &str) {
        let mut script = format!("{};\n", migrate::CREATE_VERSION);
        for step in migrate::MIGRATIONS
            .iter()
            .filter(|step| step.number <= newest)
        {
            let text = match self {
                Self::Sqlite(_) => step.sqlite,
                Self::Postgres { .. } => step.postgres,
            };
            let (number, name, checksum) = (step.number, step.name, migrate::checksum(text));
            script += &format!(
                "{text};\nINSERT INTO schema_version VALUES ({number}, '{name}', '{checksum}', \
                 0);\n"
            );
        }
        script += text;
        match self {
            Self::Sqlite(directory) => {
                std::fs::create_dir(directory).unwrap();
                rusqlite::Connection::open(directory.join("transire.db"))
                    .unwrap()
                    .execute_batch(&script)
                    .unwrap();
            }
            Self::Postgres {
                location: Location::Postgres { url, .. },
                ..
            } => at_server(url.expose(), &script).await,
            Self::Postgres { .. } => unreachable!(),
        }
    }

    pub(crate) async fn remove(self) {
        match self {
            Self::Sqlite(directory) => drop(std::fs::remove_dir_all(directory)),
            Self::Postgres { server, name, .. } => {
                at_server(&server, &format!("DROP DATABASE {name} WITH (FORCE)")).await
            }
        }
    }
}

/// Returns the server that the environment names.
#[expect(
    clippy::disallowed_methods,
    reason = "the tests' own server is no setting of the service"
)]
fn server() -> Option<String> {
    let server = std::env::var("TRANSIRE_TEST_POSTGRES").ok();
    if server.is_none() {
        assert!(
            std::env::var("CI").is_err(),
            "TRANSIRE_TEST_POSTGRES is missing: in CI the PostgreSQL half may not be skipped"
        );
        eprintln!("skipped: TRANSIRE_TEST_POSTGRES names no PostgreSQL server");
    }
    server
}

async fn at_server(server: &str, command: &str) {
    let (client, connection) = tokio_postgres::connect(server, tokio_postgres::NoTls)
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    client.batch_execute(command).await.unwrap();
    drop(client);
    connection.await.unwrap().unwrap();
}

fn unique(prefix: &str) -> String {
    format!(
        "{prefix}{:032x}",
        u128::from_be_bytes(random_bytes(&SystemRandom))
    )
}

fn write() -> Write {
    Write::new(Operation::new(&SystemRandom, NOW))
}

async fn apply(store: &Store, part: Part) -> Result<()> {
    store.apply(write().then(part)).await
}

/// A statement of a test's own.
fn raw(table: &'static str, text: &'static str) -> Part {
    Part::of([Guarded::unguarded(Statement { table, text }, Vec::new())])
}

async fn count(store: &Store, text: &'static str) -> i64 {
    let row = store
        .one(
            Statement {
                table: "a count",
                text,
            },
            Vec::<Value>::new(),
        )
        .await
        .unwrap();
    row.integer("count").unwrap()
}

fn kind(result: Result<()>) -> ErrorKind {
    result.unwrap_err().kind().clone()
}

/// Applies all parts in one write.
async fn all(store: &Store, parts: impl IntoIterator<Item = Part>) {
    store
        .apply(parts.into_iter().fold(write(), Write::then))
        .await
        .unwrap();
}

/// Applies a part, and returns what it announced.
async fn announced(store: &Store, part: Part) -> Vec<(Entity, String)> {
    let before = change::position(store).await.unwrap();
    apply(store, part).await.unwrap();
    let Changes::Next(next) = change::read(store, before, 100).await.unwrap() else {
        panic!("nothing was trimmed")
    };
    next.into_iter()
        .map(|change| (change.noun, change.id))
        .collect()
}

fn entry(noun: Entity, id: &str) -> (Entity, String) {
    (noun, id.to_owned())
}

async fn refusal(store: &Store, part: Part) -> (ErrorKind, String) {
    let error = apply(store, part).await.unwrap_err();
    (error.kind().clone(), error.message().to_owned())
}

fn not_found(noun: Noun, which: &str) -> (ErrorKind, String) {
    (
        ErrorKind::NotFound { noun },
        format!("There is no {noun} {which}."),
    )
}

fn unexpected() -> Error {
    Error::internal("not in this test")
}

fn account(number: i64) -> Account {
    Account {
        id: AccountId::new(number).unwrap(),
        name: format!("account-{number}"),
        generation: 1,
        created_at: NOW,
        service_account_grant: None,
    }
}

fn access_key(id: &str, account: &Account) -> AccessKey {
    AccessKey {
        id: id.to_owned(),
        principal: Principal::Root(account.id),
        sealed_secret: Wrapped::from_bytes(vec![0, 1, 254, 255]),
        state: AccessKeyState::Active,
        generation: 1,
        created_at: NOW,
        last_used_at: None,
    }
}

fn instance(account: &Account, name: &str) -> Instance {
    Instance {
        id: InstanceId::random(&SystemRandom),
        cri_id: CriId::random(&SystemRandom),
        account: account.id,
        name: name.to_owned(),
        region: "ap-guangzhou".to_owned(),
        service: format!("{name}.example.com"),
        kind: RegistryKind::Distribution,
        algorithm: Algorithm::Es256,
        kid_format: KidFormat::Libtrust,
        token_ttl_seconds: 300,
        registry_url: None,
        ecr_host: None,
        default: DefaultMark::Unmarked,
        specification: Specification::Standard,
        deletion_protection: Switch::Off,
        public_endpoint: Switch::On,
        allow_list: Switch::Off,
        origin: Origin::Operator,
        unrecorded_namespaces: UnrecordedNamespaces::Open,
        issuer: None,
        next_issuer: None,
        refresh_tokens: Switch::Off,
        refresh_generation: 0,
        token_log_in: Switch::On,
        created_at: NOW,
        modified_at: NOW,
    }
}

fn credential(instance: &Instance) -> LongTermCredential {
    LongTermCredential {
        id: CredentialId::random(&SystemRandom),
        instance: instance.id.clone(),
        principal: Principal::Root(instance.account),
        username: Username::NumericId,
        description: "a builder's — 中文".to_owned(),
        secret_hash: random_bytes(&SystemRandom),
        older: None,
        state: CredentialState::Active,
        generation: 0,
        created_at: NOW,
        expires_at: NOW.plus(Duration::from_secs(3600)),
        disabled_by: None,
        last_used_at: None,
    }
}
