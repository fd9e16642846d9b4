//! A large store: set up by the program itself, and filled by inserts in bulk.

use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, Transaction, params};
use transire::config::Settings;
use transire::domain::clock::{Clock, Random, SystemClock};
use transire::domain::credential::{CredentialId, long_term_secret};
use transire::domain::ids::{AccountId, InstanceId, UserId};
use transire::domain::instance::Instance;
use transire::domain::principal::Principal;
use transire::service::{Caller, NewAccessKey, NewInstance, RequestContext, Service};
use transire::sign::SigningSecret;
use transire::store::Open;

use crate::{Result, database};

/// How many accounts there are, each with an instance, a user and a policy.
pub(crate) const TENANTS: u64 = 10_000;
/// Scopes to ask for. Each is decided and signed anew for a credential that asked for another.
pub(crate) const SCOPES: [&str; 3] = [
    "repository%3Ateam%2Fapp%3Apull%2Cpush",
    "repository%3Ateam%2Fapp%3Apull",
    "repository%3Ateam%2Fapp%3Apush",
];
/// The account whose number is 0.
const FIRST_ACCOUNT: i64 = 100_000_000_000;
/// The user whose number is 0.
const FIRST_USER: i64 = 200_000_000_000;
const POLICY: &str = r#"{"version": "2.0", "statement": [
    {"effect": "allow", "action": ["tcr:*"], "resource": ["*"]}
]}"#;
/// Indices that are made anew once the rows are there.
const INDICES: &str = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = \
                       'credential' AND sql IS NOT NULL";
const ADD_CREDENTIAL: &str = "INSERT INTO credential (id, instance_id, principal, username, \
                              description, secret_hash, state, generation, created_at, \
                              expires_at) VALUES (?1, ?2, ?3, 'numeric_id', 'a build farm', ?4, \
                              'active', 0, ?5, ?6)";
const TEN_YEARS_MILLIS: i64 = 3650 * 24 * 60 * 60 * 1000;

/// An account's key, and instances.
pub(crate) struct Owner {
    pub(crate) access_key_id: String,
    pub(crate) secret: SigningSecret,
    pub(crate) instances: Vec<Instance>,
}

/// A credential whose secret is known.
pub(crate) struct LogIn {
    pub(crate) service: String,
    pub(crate) username: String,
    pub(crate) secret: String,
}

/// The same bytes for the same number.
struct Seeded(u64);

impl Random for Seeded {
    fn fill(&self, bytes: &mut [u8]) {
        for (place, byte) in bytes.iter_mut().enumerate() {
            *byte = mixed(self.0 ^ (place as u64) << 40) as u8;
        }
    }
}

/// SplitMix64.
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

/// Sets a store up, and fills it.
pub(crate) async fn fill(folder: &Path, credentials: u64) -> Result<()> {
    let owner = owner(folder, "prototype", 1).await?;
    let prototype = owner.instances.first().ok_or("no instance")?;
    let mut connection = open(folder)?;
    let writing = connection.transaction()?;
    tenants(&writing, prototype)?;
    let indices: Vec<(String, String)> = writing
        .prepare(INDICES)?
        .query_map((), |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (name, _) in &indices {
        writing.execute_batch(&format!("DROP INDEX {name}"))?;
    }
    let mut adding = writing.prepare(ADD_CREDENTIAL)?;
    let (now, width) = (SystemClock.now().unix_millis(), u64::MAX / credentials);
    for number in 0..credentials {
        // In the order of ids, though these are as if by chance.
        let id = id(number * width + mixed(number) % width);
        let principal = principal(number % TENANTS)?.to_string();
        let hash: [u8; 32] = if number < TENANTS {
            sha256(long_term_secret(&id, &Seeded(number)).expose())
        } else {
            let mut hash = [0; 32];
            Seeded(number).fill(&mut hash);
            hash
        };
        let created = now - i64::try_from(mixed(number) % 100_000_000)?;
        adding.execute(params![
            id.as_str(),
            instance_id(number % TENANTS),
            principal,
            hash,
            created,
            created + TEN_YEARS_MILLIS,
        ])?;
    }
    drop(adding);
    for (_, sql) in &indices {
        writing.execute_batch(sql)?;
    }
    writing.commit()?;
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?;
    Ok(())
}

/// Adds accounts, instances, users and policies.
fn tenants(writing: &Transaction<'_>, prototype: &Instance) -> Result<()> {
    writing.execute(
        "CREATE TEMP TABLE prototype AS SELECT * FROM instance WHERE id = ?1",
        [prototype.id.as_str()],
    )?;
    for number in 0..TENANTS {
        let (account, user) = ids(number)?;
        let (account, user, name) = (account.number(), user.number(), format!("bulk-{number}"));
        for id in [account, user] {
            writing.execute("INSERT INTO principal_id (id) VALUES (?1)", [id])?;
        }
        writing.execute(
            "INSERT INTO account (id, name, generation, created_at) VALUES (?1, ?2, 0, 0)",
            params![account, name],
        )?;
        writing.execute(
            "UPDATE temp.prototype SET id = ?1, cri_id = ?2, account_id = ?3, name = ?4, service \
             = ?5",
            params![
                instance_id(number),
                format!("cri-bulk{number:012}"),
                account,
                name,
                service(number)
            ],
        )?;
        writing.execute_batch("INSERT INTO instance SELECT * FROM temp.prototype")?;
        writing.execute(
            "INSERT INTO account_user (id, account_id, name, state, generation, created_at) \
             VALUES (?1, ?2, 'ci', 'active', 0, 0)",
            [user, account],
        )?;
        writing.execute(
            "INSERT INTO policy (account_id, name, document, changed_at) VALUES (?1, 'ci', ?2, 0)",
            params![account, POLICY],
        )?;
        writing.execute(
            "INSERT INTO policy_attachment (account_id, policy_name, policy_kind, user_id) VALUES \
             (?1, 'ci', 'own', ?2)",
            [account, user],
        )?;
    }
    writing.execute_batch("DROP TABLE temp.prototype")?;
    Ok(())
}

/// Makes an account with a key and so many instances, by the service itself.
pub(crate) async fn owner(folder: &Path, name: &str, instances: usize) -> Result<Owner> {
    let settings = Settings {
        data_dir: folder.to_owned(),
        ..Settings::default()
    };
    let service: Arc<Service> = Arc::new(transire::open::open(&settings, Open::Serve).await?);
    let (caller, context) = (
        Caller::operator(),
        RequestContext::operator(service.base.request_id()),
    );
    let call = || service.call(&caller, &context);
    let account = service
        .identity
        .create_account(&call(), None, name, None)
        .await?
        .id;
    let NewAccessKey { id, secret } = service
        .identity
        .create_access_key(&call(), account, None)
        .await?;
    let mut made = Vec::new();
    for number in 0..instances {
        let (title, host) = (
            format!("i-{number}"),
            format!("{name}-{number}.example.com"),
        );
        let new = NewInstance::named(account, &title, "ap-guangzhou", host);
        made.push(service.registry.create_instance(&call(), new).await?);
    }
    service.ledger.close().await;
    Ok(Owner {
        access_key_id: id,
        secret: SigningSecret::new(secret),
        instances: made,
    })
}

/// Opens the database as the store does.
pub(crate) fn open(folder: &Path) -> Result<Connection> {
    let connection = Connection::open(database(folder))?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.busy_timeout(std::time::Duration::from_secs(10))?;
    Ok(connection)
}

/// Adds credentials to an instance in transactions of so many.
pub(crate) fn add_credentials(
    connection: &mut Connection,
    instance: &str,
    numbers: std::ops::Range<u64>,
    of_transaction: usize,
) -> Result<()> {
    let (now, principal) = (SystemClock.now().unix_millis(), principal(0)?.to_string());
    let numbers: Vec<u64> = numbers.collect();
    for group in numbers.chunks(of_transaction) {
        let writing = connection.transaction()?;
        for number in group {
            let (id, end) = (id(mixed(*number)), now + TEN_YEARS_MILLIS);
            writing.prepare_cached(ADD_CREDENTIAL)?.execute(params![
                id.as_str(),
                instance,
                principal,
                [0_u8; 32],
                now,
                end
            ])?;
        }
        writing.commit()?;
    }
    Ok(())
}

/// Returns the log-in of a tenant's first credential.
pub(crate) fn log_in(number: u64, credentials: u64) -> Result<LogIn> {
    let width = u64::MAX / credentials;
    let id = id(number * width + mixed(number) % width);
    Ok(LogIn {
        service: service(number),
        username: principal(number)?.numeric_id(),
        secret: long_term_secret(&id, &Seeded(number)).expose().to_owned(),
    })
}

/// Returns so many log-ins, each of another tenant.
pub(crate) fn log_ins(count: u64, credentials: u64) -> Result<Vec<LogIn>> {
    (0..count)
        .map(|number| log_in(number * (TENANTS / count), credentials))
        .collect()
}

fn ids(number: u64) -> Result<(AccountId, UserId)> {
    let number = i64::try_from(number)?;
    Ok((
        AccountId::new(FIRST_ACCOUNT + number)?,
        UserId::new(FIRST_USER + number)?,
    ))
}

fn principal(number: u64) -> Result<Principal> {
    let (account, user) = ids(number)?;
    Ok(Principal::User(account, user))
}

/// Returns the id of a tenant's instance.
pub(crate) fn instance_id(number: u64) -> String {
    let id = format!("tcr-b{number:07}");
    debug_assert!(id.parse::<InstanceId>().is_ok());
    id
}

fn service(number: u64) -> String {
    format!("bulk-{number}.example.com")
}

/// Writes 60 bits as the beginning of a credential's id.
fn id(bits: u64) -> CredentialId {
    const DIGITS: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
    let digits = (0..12).map(|place| char::from(DIGITS[(bits >> (59 - 5 * place) & 31) as usize]));
    let text: String = digits.chain("mnopqrst".chars()).collect();
    text.parse().unwrap_or_else(|_| unreachable!())
}

fn sha256(text: &str) -> [u8; 32] {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest.as_ref());
    bytes
}
