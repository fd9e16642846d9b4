//! The keys of this service: made at the first start, loaded at every one, leaves renewed in time.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arc_swap::ArcSwap;

use super::audit::Audit;
use super::catalog::Imports;
use super::directory::Directory;
use super::images::{Walks, registries};
use super::limits::{ActionLimits, AddressLimits};
use super::oidc::Issuers;
use super::replay::Replays;
use super::revocations::Revocations;
use super::{Caller, RequestContext, Service, Settings};
use crate::domain::clock::{Clock, Random, Timestamp};
use crate::domain::instance::Algorithm;
use crate::domain::{ErrorKind, Result};
use crate::remote;
use crate::store::key::{AuthorityRow, SealingKeyRow, SigningKeyRow};
use crate::store::{Operation, Store, Write, change, key, meta};
use crate::token::{Authority, Keyring, MasterKey, Sealer, SealingKey, SigningKey, SigningKeyPair};

/// What the master key knows each kind of key as.
const SEALING_KEY: &str = "sealing-key";
const SIGNING_KEY: &str = "signing-key";
const AUTHORITY: &str = "authority";

/// Tells whether the store was set up: then its master key exists, and must be given.
pub async fn is_set_up(store: &Store) -> Result<bool> {
    Ok(meta::find(store, meta::MASTER_KEY_CHECK).await?.is_some())
}

impl Service {
    /// Opens the service over a store, which is set up if it is new.
    ///
    /// [`ErrorKind::Misconfigured`] when `master` is not the master key of this store.
    pub async fn open(store: Store, master: MasterKey, settings: Settings, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Result<Self> {
        if !is_set_up(&store).await? {
            match set_up(&store, &master, &settings, clock.now(), &*random).await {
                // Another process was as quick; its setup is as good.
                Err(error) if matches!(error.kind(), ErrorKind::AlreadyExists { .. }) => {}
                outcome => outcome?,
            }
        }
        let unexpected = || super::unexpected("the store's setup is incomplete");
        master.verify_check_value(&meta::find(&store, meta::MASTER_KEY_CHECK).await?.ok_or_else(unexpected)?)?;
        let issuer = meta::find_text(&store, meta::ISSUER).await?.ok_or_else(unexpected)?;
        // Before the keys are read: a key that is made meanwhile is read again.
        let position = change::position(&store).await?;
        let keyring = load_keyring(&store, &master).await?;
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
            keyring: ArcSwap::from_pointee(keyring),
            keyring_read_at: AtomicU64::new(0),
            store,
            clock,
            random,
            settings,
            issuer,
            master,
        })
    }

    /// Reads the keys again, after another process changed them.
    pub(super) async fn reload_keyring(&self) -> Result<()> {
        self.keyring.store(Arc::new(load_keyring(&self.store, &self.master).await?));
        Ok(())
    }

    /// Makes a signing key of this algorithm if there is none yet.
    pub(super) async fn ensure_signing_key(&self, algorithm: Algorithm, context: &RequestContext) -> Result<()> {
        if self.keyring.load().signing_key(algorithm).is_ok() {
            return Ok(());
        }
        let authority = load_authority(&self.store, &self.master).await?;
        let row = new_signing_key(algorithm, &authority, &self.master, self.now(), &*self.random)?;
        let line = self.line("signing-key.create", &Caller::operator(), context).detail(serde_json::json!({ "kid": row.id }));
        self.change(key::insert_signing(&row), line).await
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
async fn set_up(store: &Store, master: &MasterKey, settings: &Settings, now: Timestamp, random: &dyn Random) -> Result<()> {
    let issuer = &settings.public_url;
    let sealing_key = SealingKey::generate(random);
    let authority = Authority::generate(issuer, now, random)?;
    let authority_id = hex::encode(crate::domain::clock::random_bytes::<8>(random));
    let write = Write::new(Operation::new(random, now))
        .then(meta::put_if_absent(meta::ISSUER, issuer.as_bytes()))
        .then(meta::put_if_absent(meta::MASTER_KEY_ID, master.id().as_bytes()))
        .then(meta::put_if_absent(meta::MASTER_KEY_CHECK, &master.check_value(random)))
        .then(key::insert_sealing(&SealingKeyRow {
            id: sealing_key.id().to_owned(),
            wrapped: master.wrap(SEALING_KEY, sealing_key.id(), &*sealing_key.to_bytes(), random),
            created_at: now,
        }))
        .then(key::insert_signing(&new_signing_key(Algorithm::Es256, &authority, master, now, random)?))
        .then(key::insert_authority(&AuthorityRow {
            wrapped_private: master.wrap(AUTHORITY, &authority_id, &authority.private_pkcs8()?, random),
            certificate_der: authority.certificate_der().to_vec(),
            id: authority_id,
            created_at: now,
        }));
    store.apply(write).await
}

fn new_signing_key(
    algorithm: Algorithm,
    authority: &Authority,
    master: &MasterKey,
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

async fn load_authority(store: &Store, master: &MasterKey) -> Result<Authority> {
    let row = key::list_authorities(store).await?.pop().ok_or_else(|| super::unexpected("there is no authority"))?;
    Authority::from_parts(&master.unwrap(AUTHORITY, &row.id, &row.wrapped_private)?, &row.certificate_der)
}

/// Reads the keys: of each kind the newest is used, and the older ones still open and verify.
async fn load_keyring(store: &Store, master: &MasterKey) -> Result<Keyring> {
    let mut sealing_keys = Vec::new();
    for row in key::list_sealing(store).await? {
        sealing_keys.push(SealingKey::from_bytes(&master.unwrap(SEALING_KEY, &row.id, &row.wrapped)?)?);
    }
    let newest = sealing_keys.pop().ok_or_else(|| super::unexpected("there is no sealing key"))?;
    let (mut current, mut others): (Vec<SigningKey>, Vec<SigningKey>) = Default::default();
    for row in key::list_signing(store).await?.into_iter().rev() {
        let private = master.unwrap(SIGNING_KEY, &row.id, &row.wrapped_private)?;
        let key = SigningKey::from_parts(row.id, row.algorithm, &private, &row.leaf_der, row.leaf_expires_at)?;
        let taken = current.iter().any(|newer: &SigningKey| newer.algorithm() == key.algorithm());
        if taken { others.push(key) } else { current.push(key) }
    }
    let authorities = key::list_authorities(store).await?.into_iter().map(|row| row.certificate_der).collect();
    Keyring::new(Sealer::new(newest, sealing_keys)?, current, others, authorities)
}
