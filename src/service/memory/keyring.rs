//! The keys that sign and seal, as this process knows them, and the master key that unwraps them.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::domain::clock::Timestamp;
use crate::domain::ids::InstanceId;
use crate::domain::instance::Algorithm;
use crate::domain::{Error, ErrorKind, Noun, Result};
use crate::service::memory::Memory;
use crate::service::memory::first_seen::Sightings;
use crate::service::memory::master_keys::MasterKeys;
use crate::store::instance_key::{self, InstanceKeyRow, InstanceKeyState};
use crate::store::key::{self, AuthorityState, SealingKeyRow, SigningKeyRow};
use crate::store::{Entity, Store, meta};
use crate::token::{Keyring, Sealer, SealingKey, SigningKey};

/// The name under which the master key wraps each kind of secret.
pub(in crate::service) const ACCESS_KEY: &str = "access-key";
pub(in crate::service) const AUDIT_KEY: &str = "audit-key";
pub(in crate::service) const INSTANCE_KEY: &str = "instance-key";
pub(in crate::service) const SEALING_KEY: &str = "sealing-key";
pub(in crate::service) const SIGNING_KEY: &str = "signing-key";
pub(in crate::service) const AUTHORITY: &str = "authority";

/// How long every replica knows a new key before one uses it: a hundred times what a replica that
/// reaches the database needs to read of it. So no replica meets a token that it can't open or
/// verify.
pub(in crate::service) const KNOWN_BEFORE_USE: Duration = Duration::from_secs(30);

/// The keys in memory.
pub(in crate::service) struct KnownKeys {
    pub(in crate::service) master: MasterKeys,
    pub(in crate::service) keyring: ArcSwap<Keyring>,
    /// The count of [`NounCache::key_changes`](super::cache::NounCache::key_changes) that the
    /// keyring was read at.
    pub(in crate::service) read_at: AtomicU64,
    /// Since when it knows each key.
    pub(in crate::service) first_seen: Sightings,
}

impl Memory {
    /// Reads the keys again: another process changed them, or the time of a new one has come.
    ///
    /// Returns whether every sealing key is here. Without a new master key the keys that were read
    /// before are used on; most often nothing but their wrapping has changed.
    pub(in crate::service) async fn reload_keyring(&self) -> Result<bool> {
        self.follow_master_key().await?;
        match load_keyring(
            &self.base.store.past_the_crowd(),
            &self.keys.master,
            &self.keys.first_seen,
            self.base.now(),
        )
        .await
        {
            Ok(keyring) => {
                self.keys.keyring.store(Arc::new(keyring));
                // After the feed told of it, decisions were made by the keyring before this one.
                self.cache.marks.note_any(Entity::SealingKey);
                self.cache.marks.note_any(Entity::SigningKey);
            }
            // The rest is read once the master key is found, which is looked for all the time.
            Err(error)
                if matches!(error.kind(), ErrorKind::Misconfigured)
                    && self.keys.master.missing().is_some() =>
            {
                let sealing = key::list_sealing(&self.base.store).await?;
                let keyring = self.keys.keyring.load();
                return Ok(sealing.iter().all(|row| keyring.sealer().holds(&row.id)));
            }
            Err(error) if matches!(error.kind(), ErrorKind::Misconfigured) => return Ok(false),
            Err(error) => return Err(error),
        }
        Ok(true)
    }

    /// Makes a write that holds a wrapped secret, and makes it once more where the master key was
    /// rotated in between.
    pub(in crate::service) async fn wrapping<T, F: Future<Output = Result<T>>>(
        &self,
        attempt: impl Fn() -> F,
    ) -> Result<T> {
        let outcome = attempt().await;
        if self.was_overtaken(&outcome).await? {
            attempt().await
        } else {
            outcome
        }
    }

    async fn was_overtaken<T>(&self, outcome: &Result<T>) -> Result<bool> {
        let overtaken = outcome.as_ref().is_err_and(was_overtaken);
        if overtaken {
            self.follow_master_key().await?;
            self.require_master_key()?;
        }
        Ok(overtaken)
    }

    /// Wraps with the key that the store names, if it is here.
    pub(in crate::service) async fn follow_master_key(&self) -> Result<()> {
        let id = meta::find_text(&self.base.store.past_the_crowd(), meta::MASTER_KEY_ID).await?;
        let id = id.ok_or_else(|| Error::internal("the store names no master key"))?;
        self.keys.master.select(&id);
        Ok(())
    }

    pub(in crate::service) fn require_master_key(&self) -> Result<()> {
        match self.keys.master.missing() {
            None => Ok(()),
            Some(id) => Err(Error::misconfigured(format!(
                "The store's master key has the id {id}, and it isn't in {}: put it there.",
                self.keys.master.source.place()
            ))),
        }
    }
}

pub(in crate::service) fn was_overtaken(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::PreconditionFailed {
            noun: Noun::CurrentMasterKey
        }
    )
}

/// Returns the place of the key in use among keys of one kind, by the times they were made, newest
/// first.
///
/// The oldest is in use whatever its age: before it there was none.
pub(in crate::service) fn in_use(newest_first: &[Timestamp], now: Timestamp) -> usize {
    let old_enough = |created_at: &Timestamp| created_at.plus(KNOWN_BEFORE_USE) <= now;
    newest_first
        .iter()
        .position(old_enough)
        .unwrap_or(newest_first.len().saturating_sub(1))
}

/// Returns the signing keys of an algorithm that have a certificate, of rows that come oldest
/// first.
pub(in crate::service) fn newest_first(
    rows: &[SigningKeyRow],
    algorithm: Algorithm,
) -> Vec<&SigningKeyRow> {
    let mut found: Vec<_> = rows
        .iter()
        .rev()
        .filter(|row| row.algorithm == algorithm && row.is_certified())
        .collect();
    // A key that waited for its certificate is as new as the certificate.
    found.sort_by_key(|row| std::cmp::Reverse(row.ready_at()));
    found
}

/// Reads the keys: of each kind the newest is used that every replica knows, and the others still
/// open and verify.
pub(in crate::service) async fn load_keyring(
    store: &Store,
    master: &MasterKeys,
    sightings: &Sightings,
    now: Timestamp,
) -> Result<Keyring> {
    let sealing = key::list_sealing(store).await?;
    let signing = key::list_signing(store).await?;
    let made = sealing
        .iter()
        .map(|row| (row.id.as_str(), row.created_at))
        .chain(
            signing
                .iter()
                .filter(|row| row.is_certified())
                .map(|row| (row.id.as_str(), row.ready_at())),
        );
    let known_since = sightings.known_since(made, now);
    let (current, others) = signing_keys(&signing, &known_since, master, now)?;
    let next_at = known_since
        .values()
        .map(|since| since.plus(KNOWN_BEFORE_USE))
        .filter(|next_at| *next_at > now)
        .min();
    let keyring = Keyring::new(
        sealer(&sealing, &known_since, master, now)?,
        current,
        others,
        certificates(store).await?,
    )?;
    Ok(keyring
        .with_instances(load_instance_keys(store, master).await?)
        .until(next_at))
}

/// The time since when this replica knows each key, by the key's id.
type KnownSince = HashMap<String, Timestamp>;

/// Unwraps the sealing keys, of which one seals and the others open; rows come oldest first.
fn sealer(
    rows: &[SealingKeyRow],
    known_since: &KnownSince,
    master: &MasterKeys,
    now: Timestamp,
) -> Result<Sealer> {
    let (mut keys, mut times) = (Vec::new(), Vec::new());
    for row in rows.iter().rev() {
        let plain = master.unwrap(SEALING_KEY, &row.id, &row.wrapped)?;
        keys.push(SealingKey::from_bytes(&plain)?);
        times.push(known_since[&row.id]);
    }
    if keys.is_empty() {
        return Err(Error::internal("there is no sealing key"));
    }
    let current = keys.remove(in_use(&times, now));
    Sealer::new(current, keys)
}

/// Unwraps the signing keys: the one in use of each algorithm, and the others.
fn signing_keys(
    rows: &[SigningKeyRow],
    known_since: &KnownSince,
    master: &MasterKeys,
    now: Timestamp,
) -> Result<(Vec<SigningKey>, Vec<SigningKey>)> {
    let (mut current, mut others) = (Vec::new(), Vec::new());
    for algorithm in Algorithm::ALL {
        let newest_first = newest_first(rows, algorithm);
        let times: Vec<_> = newest_first
            .iter()
            .map(|row| known_since[&row.id])
            .collect();
        for (place, row) in newest_first.into_iter().enumerate() {
            let private = master.unwrap(SIGNING_KEY, &row.id, &row.wrapped_private)?;
            let key = SigningKey::from_parts(
                row.id.clone(),
                row.algorithm,
                &private,
                &row.leaf_der,
                row.leaf_expires_at,
            )?;
            if place == in_use(&times, now) {
                current.push(key)
            } else {
                others.push(key)
            }
        }
    }
    Ok((current, others))
}

/// Reads the CA certificates in DER, the one in use first.
async fn certificates(store: &Store) -> Result<Vec<Vec<u8>>> {
    let mut authorities = key::list_authorities(store).await?;
    authorities.sort_by_key(|row| row.state != AuthorityState::InUse);
    Ok(authorities
        .into_iter()
        .map(|row| row.certificate_der)
        .collect())
}

/// Reads the keys that sign.
pub(in crate::service) async fn load_instance_keys(
    store: &Store,
    master: &MasterKeys,
) -> Result<HashMap<InstanceId, SigningKey>> {
    let rows = instance_key::list(store).await?;
    let in_use = rows
        .into_iter()
        .filter(|row| row.state == InstanceKeyState::InUse);
    in_use
        .map(|row| Ok((row.instance.clone(), instance_signing_key(&row, master)?)))
        .collect()
}

pub(in crate::service) fn instance_signing_key(
    row: &InstanceKeyRow,
    master: &MasterKeys,
) -> Result<SigningKey> {
    SigningKey::without_certificate(
        row.id.clone(),
        row.algorithm,
        &master.unwrap(INSTANCE_KEY, &row.id, &row.wrapped_private)?,
    )
}
