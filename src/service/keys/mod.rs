//! The keys of this service: made at the first start, loaded at every one, leaves renewed in time.

mod alarms;
mod held;
mod master;
mod schedule;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::time::Duration;

use arc_swap::ArcSwap;

pub(super) use self::alarms::Alarms;
pub use self::alarms::{Alarm, AlarmKind};
pub use self::held::{MasterKeySource, MasterKeys};
pub(super) use self::master::unless_overtaken;
pub use self::master::{MasterKeyInfo, MasterKeyState, MasterKeyStep, Retired};
pub use self::schedule::KeySchedule;
use super::audit::Audit;
use super::catalog::Imports;
use super::directory::Directory;
use super::images::{Walks, registries};
use super::limits::{ActionLimits, AddressLimits};
use super::oidc::Issuers;
use super::passwords::Passwords;
use super::replay::Replays;
use super::revocations::Revocations;
use super::{Caller, RequestContext, Service, Settings};
use crate::domain::clock::{Clock, Random, Timestamp};
use crate::domain::instance::Algorithm;
use crate::domain::{Error, ErrorKind, Result};
use crate::remote;
use crate::store::key::{AuthorityRow, SealingKeyRow, SigningKeyRow};
use crate::store::{Operation, Store, Write, change, key, meta};
use crate::token::{Authority, Keyring, Sealer, SealingKey, SigningKey, SigningKeyPair};

/// What the master key knows each kind of key as.
const SEALING_KEY: &str = "sealing-key";
const SIGNING_KEY: &str = "signing-key";
const AUTHORITY: &str = "authority";

/// How long a new key is only known before it is used: a hundred times what a replica that reaches the database needs
/// to hear of it, so that none ever meets what it can't open or verify.
const KNOWN_BEFORE_USE: Duration = Duration::from_secs(30);
/// How long a signing key is published after another took its place: longer than any token lives.
const PUBLISHED_AFTER_USE: Duration = Duration::from_hours(48);

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// It signs the tokens of instances with this algorithm.
    Signing(Algorithm),
    /// It seals credentials and session tokens.
    Sealing,
}

/// Where a key stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// It was made a moment ago, and waits until every replica knows it.
    Next,
    /// It signs or seals.
    InUse,
    /// Another took its place; what it signed or sealed is still good.
    Old,
}

/// A key, without what is secret about it.
#[derive(Clone, Debug)]
pub struct KeyInfo {
    /// Its id.
    pub id: String,
    /// What it is for.
    pub kind: KeyKind,
    /// Where it stands.
    pub state: KeyState,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its certificate stops; a running service renews it in time.
    pub certificate_expires_at: Option<Timestamp>,
}

/// Returns the place of the key in use among keys of one kind, by the times they were made, newest first.
///
/// The oldest is in use whatever its age: before it there was none.
fn in_use(newest_first: &[Timestamp], now: Timestamp) -> usize {
    let old_enough = |created_at: &Timestamp| created_at.plus(KNOWN_BEFORE_USE) <= now;
    newest_first.iter().position(old_enough).unwrap_or(newest_first.len().saturating_sub(1))
}

/// Returns the signing keys of an algorithm, of rows that come oldest first.
fn newest_first(rows: &[SigningKeyRow], algorithm: Algorithm) -> Vec<&SigningKeyRow> {
    rows.iter().rev().filter(|row| row.algorithm == algorithm).collect()
}

fn state_at(place: usize, in_use: usize) -> KeyState {
    match place.cmp(&in_use) {
        std::cmp::Ordering::Less => KeyState::Next,
        std::cmp::Ordering::Equal => KeyState::InUse,
        std::cmp::Ordering::Greater => KeyState::Old,
    }
}

/// Tells whether the store was set up: then its master key exists, and must be given.
pub async fn is_set_up(store: &Store) -> Result<bool> {
    Ok(meta::find(store, meta::MASTER_KEY_CHECK).await?.is_some())
}

impl Service {
    /// Opens the service over a store, which is set up if it is new.
    ///
    /// [`ErrorKind::Misconfigured`] when the master key of this store is not among `master`.
    pub async fn open(
        store: Store,
        master: impl Into<MasterKeys>,
        settings: Settings,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Result<Self> {
        let master = master.into();
        if !is_set_up(&store).await? {
            match set_up(&store, &master, &settings, clock.now(), &*random).await {
                // Another process was as quick; its setup is as good.
                Err(error) if matches!(error.kind(), ErrorKind::AlreadyExists { .. }) => {}
                outcome => outcome?,
            }
        }
        let unexpected = || super::unexpected("the store's setup is incomplete");
        let master_key_id = meta::find_text(&store, meta::MASTER_KEY_ID).await?.ok_or_else(unexpected)?;
        master.verify(&master_key_id, &meta::find(&store, meta::MASTER_KEY_CHECK).await?.ok_or_else(unexpected)?)?;
        let issuer = meta::find_text(&store, meta::ISSUER).await?.ok_or_else(unexpected)?;
        // Before the keys are read: a key that is made meanwhile is read again.
        let position = change::position(&store).await?;
        let keyring = load_keyring(&store, &master, clock.now()).await?;
        Ok(Self {
            audit: Audit::start(settings.audit, settings.audit_queue, store.clone(), Arc::clone(&random)),
            action_limits: ActionLimits::new(settings.requests_per_second, settings.requests_per_second_by_action.clone()),
            address_limits: AddressLimits::new(settings.refusals_per_second, settings.refusals_burst),
            replays: Replays::new(settings.nonces_per_access_key),
            revocations: Revocations::load(&store).await?,
            remote: Arc::new(remote::Client::new(settings.outgoing.clone())),
            issuers: Issuers::default(),
            registries: Arc::new(remote::Client::new(registries(&settings.outgoing))),
            walks: Walks::default(),
            imports: Imports::default(),
            directory: Directory::new(position),
            passwords: Passwords::new(settings.password_threads, settings.password_queue, &*random),
            keyring: ArcSwap::from_pointee(keyring),
            alarms: Alarms::new(),
            caught_up_at: AtomicI64::new(clock.now().unix_millis()),
            keyring_read_at: AtomicU64::new(0),
            store,
            clock,
            random,
            settings,
            issuer,
            master,
        })
    }

    /// Reads the keys again: another process changed them, or the time of a new one has come.
    ///
    /// Returns whether that was possible: without a new master key, what was read before is gone on with.
    pub(super) async fn reload_keyring(&self) -> Result<bool> {
        self.follow_master_key().await?;
        match load_keyring(&self.store, &self.master, self.now()).await {
            Ok(keyring) => self.keyring.store(Arc::new(keyring)),
            Err(error) if matches!(error.kind(), ErrorKind::Misconfigured) => return Ok(false),
            Err(error) => return Err(error),
        }
        Ok(self.master.lacking().is_none())
    }

    /// Makes a signing key of this algorithm if there is none yet.
    pub(super) async fn ensure_signing_key(&self, algorithm: Algorithm, context: &RequestContext) -> Result<()> {
        if self.keyring.load().signing_key(algorithm).is_ok() {
            return Ok(());
        }
        let caller = Caller::operator();
        self.make_key_now(&caller, KeyKind::Signing(algorithm), context).await.map(drop)
    }

    /// Lists the keys that sign and seal, the newest of each kind first.
    pub async fn keys(&self, caller: &Caller) -> Result<Vec<KeyInfo>> {
        caller.require_operator()?;
        let now = self.now();
        let mut keys = Vec::new();
        let signing = key::list_signing(&self.store).await?;
        for algorithm in Algorithm::ALL {
            let newest_first = newest_first(&signing, algorithm);
            let used = in_use(&newest_first.iter().map(|row| row.created_at).collect::<Vec<_>>(), now);
            keys.extend(newest_first.iter().enumerate().map(|(place, row)| KeyInfo {
                id: row.id.clone(),
                kind: KeyKind::Signing(algorithm),
                state: state_at(place, used),
                created_at: row.created_at,
                certificate_expires_at: Some(row.leaf_expires_at),
            }));
        }
        let mut sealing = key::list_sealing(&self.store).await?;
        sealing.reverse();
        let used = in_use(&sealing.iter().map(|row| row.created_at).collect::<Vec<_>>(), now);
        keys.extend(sealing.into_iter().enumerate().map(|(place, row)| KeyInfo {
            id: row.id,
            kind: KeyKind::Sealing,
            state: state_at(place, used),
            created_at: row.created_at,
            certificate_expires_at: None,
        }));
        Ok(keys)
    }

    /// Makes a new key, which takes the place of the one in use when every replica knows it; returns its id.
    ///
    /// A signing key must be of an algorithm that some instance has.
    pub async fn rotate_key(&self, caller: &Caller, kind: KeyKind, context: &RequestContext) -> Result<String> {
        caller.require_operator()?;
        if let KeyKind::Signing(algorithm) = kind
            && self.keyring.load().signing_key(algorithm).is_err()
        {
            return Err(Error::not_found("signing key", format!("for {}", algorithm.name())));
        }
        self.make_key_now(caller, kind, context).await
    }

    async fn make_key_now(&self, caller: &Caller, kind: KeyKind, context: &RequestContext) -> Result<String> {
        let because = serde_json::json!({});
        let outcome = self.make_key(caller, kind, context, self.write(), &because).await;
        if self.was_overtaken(&outcome).await? { self.make_key(caller, kind, context, self.write(), &because).await } else { outcome }
    }

    /// Makes a key of a kind in a write, and returns its id.
    async fn make_key(
        &self,
        caller: &Caller,
        kind: KeyKind,
        context: &RequestContext,
        write: Write,
        because: &serde_json::Value,
    ) -> Result<String> {
        let (now, random) = (self.now(), &*self.random);
        let (id, part, action) = match kind {
            KeyKind::Signing(algorithm) => {
                let authority = load_authority(&self.store, &self.master).await?;
                let row = new_signing_key(algorithm, &authority, &self.master, now, random)?;
                let part = unless_overtaken(&row.wrapped_private).and(key::insert_signing(&row));
                (row.id, part, "signing-key.create")
            }
            KeyKind::Sealing => {
                let row = new_sealing_key(&SealingKey::generate(random), &self.master, now, random);
                let part = unless_overtaken(&row.wrapped).and(key::insert_sealing(&row));
                (row.id, part, "sealing-key.create")
            }
        };
        let mut detail = because.clone();
        detail["key"] = id.as_str().into();
        let line = self.line(action, caller, context).detail(detail).row(random);
        self.apply(write.then(part).audit(&line)).await?;
        Ok(id)
    }

    /// Forgets the signing keys whose last token has long expired.
    pub(super) async fn retire_signing_keys(&self) -> Result<()> {
        let rows = key::list_signing(&self.store).await?;
        for algorithm in Algorithm::ALL {
            let newest_first = newest_first(&rows, algorithm);
            for pair in newest_first.windows(2) {
                let [newer, older] = pair else { continue };
                if newer.created_at.plus(KNOWN_BEFORE_USE + PUBLISHED_AFTER_USE) <= self.now() {
                    self.apply(self.write().then(key::delete_signing(&older.id))).await?;
                    tracing::info!(key = older.id, "forgot a signing key that was replaced long ago");
                }
            }
        }
        Ok(())
    }

    /// Renews the certificates of the signing keys before they are half used up.
    pub async fn renew_leaves(&self) -> Result<()> {
        let keyring = self.keyring.load_full();
        let now = self.now();
        for signing_key in keyring.leaves_due(now) {
            let leaf = load_authority(&self.store, &self.master).await?.issue_leaf(signing_key.pair(), now)?;
            let replaced = key::replace_leaf(signing_key.id(), signing_key.leaf_expires_at(), &leaf.der, leaf.expires_at);
            match self.apply(self.write().then(replaced)).await {
                // Another replica was quicker; its leaf comes with the change feed.
                Err(error) if matches!(error.kind(), ErrorKind::AlreadyExists { .. }) => self.catch_up().await?,
                outcome => outcome?,
            }
            tracing::info!(kid = signing_key.id(), until = leaf.expires_at.rfc3339(), "renewed a signing certificate");
        }
        Ok(())
    }
}

/// Writes what a store needs before its first use, in one write: all of it or nothing.
async fn set_up(store: &Store, master: &MasterKeys, settings: &Settings, now: Timestamp, random: &dyn Random) -> Result<()> {
    let issuer = &settings.public_url;
    let sealing_key = SealingKey::generate(random);
    let authority = Authority::generate(issuer, now, random)?;
    let authority_id = hex::encode(crate::domain::clock::random_bytes::<8>(random));
    let write = Write::new(Operation::new(random, now))
        .then(meta::put_if_absent(meta::ISSUER, issuer.as_bytes()))
        .then(meta::put_if_absent(meta::MASTER_KEY_ID, master.current().id().as_bytes()))
        .then(meta::put_if_absent(meta::MASTER_KEY_CHECK, &master.current().check_value(random)))
        .then(key::insert_sealing(&new_sealing_key(&sealing_key, master, now, random)))
        .then(key::insert_signing(&new_signing_key(Algorithm::Es256, &authority, master, now, random)?))
        .then(key::insert_authority(&AuthorityRow {
            wrapped_private: master.wrap(AUTHORITY, &authority_id, &authority.private_pkcs8()?, random),
            certificate_der: authority.certificate_der().to_vec(),
            id: authority_id,
            created_at: now,
        }));
    store.apply(write).await
}

fn new_sealing_key(key: &SealingKey, master: &MasterKeys, now: Timestamp, random: &dyn Random) -> SealingKeyRow {
    let wrapped = master.wrap(SEALING_KEY, key.id(), &*key.to_bytes(), random);
    SealingKeyRow { id: key.id().to_owned(), wrapped, created_at: now }
}

fn new_signing_key(
    algorithm: Algorithm,
    authority: &Authority,
    master: &MasterKeys,
    now: Timestamp,
    random: &dyn Random,
) -> Result<SigningKeyRow> {
    let pair = SigningKeyPair::generate(algorithm)?;
    let leaf = authority.issue_leaf(&pair, now)?;
    let id = hex::encode(crate::domain::clock::random_bytes::<8>(random));
    Ok(SigningKeyRow {
        wrapped_private: master.wrap(SIGNING_KEY, &id, &pair.private_pkcs8()?, random),
        id,
        algorithm,
        leaf_der: leaf.der,
        leaf_expires_at: leaf.expires_at,
        created_at: now,
    })
}

async fn load_authority(store: &Store, master: &MasterKeys) -> Result<Authority> {
    let row = key::list_authorities(store).await?.pop().ok_or_else(|| super::unexpected("there is no authority"))?;
    Authority::from_parts(&master.unwrap(AUTHORITY, &row.id, &row.wrapped_private)?, &row.certificate_der)
}

/// Reads the keys: of each kind the newest is used that every replica knows, and the others still open and verify.
async fn load_keyring(store: &Store, master: &MasterKeys, now: Timestamp) -> Result<Keyring> {
    let (mut sealing_keys, mut made_at) = (Vec::new(), Vec::new());
    for row in key::list_sealing(store).await?.into_iter().rev() {
        sealing_keys.push(SealingKey::from_bytes(&master.unwrap(SEALING_KEY, &row.id, &row.wrapped)?)?);
        made_at.push(row.created_at);
    }
    if sealing_keys.is_empty() {
        return Err(super::unexpected("there is no sealing key"));
    }
    let sealing_key = sealing_keys.remove(in_use(&made_at, now));
    let (mut current, mut others): (Vec<SigningKey>, Vec<SigningKey>) = Default::default();
    let rows = key::list_signing(store).await?;
    for algorithm in Algorithm::ALL {
        let newest_first = newest_first(&rows, algorithm);
        let times: Vec<_> = newest_first.iter().map(|row| row.created_at).collect();
        for (place, row) in newest_first.into_iter().enumerate() {
            let private = master.unwrap(SIGNING_KEY, &row.id, &row.wrapped_private)?;
            let key = SigningKey::from_parts(row.id.clone(), row.algorithm, &private, &row.leaf_der, row.leaf_expires_at)?;
            if place == in_use(&times, now) { current.push(key) } else { others.push(key) }
        }
        made_at.extend(times);
    }
    let authorities = key::list_authorities(store).await?.into_iter().map(|row| row.certificate_der).collect();
    let next_at = made_at.into_iter().map(|made_at| made_at.plus(KNOWN_BEFORE_USE)).filter(|next_at| *next_at > now).min();
    Ok(Keyring::new(Sealer::new(sealing_key, sealing_keys)?, current, others, authorities)?.until(next_at))
}
