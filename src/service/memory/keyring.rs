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
use crate::store::key::{self, AuthorityState, SigningKeyRow};
use crate::store::{Store, meta};
use crate::token::{Keyring, Sealer, SealingKey, SigningKey};

/// The name under which the master key wraps each kind of secret.
pub(in crate::service) const ACCESS_KEY: &str = "access-key";
pub(in crate::service) const INSTANCE_KEY: &str = "instance-key";
pub(in crate::service) const SEALING_KEY: &str = "sealing-key";
pub(in crate::service) const SIGNING_KEY: &str = "signing-key";
pub(in crate::service) const AUTHORITY: &str = "authority";

/// How long a new key is only known before it is used: a hundred times what a replica that reaches
/// the database needs to hear of it, so that none ever meets what it can't open or verify.
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
    /// Returns whether all of them are here that anything may be sealed under: without a new master
    /// key, what was read before is gone on with, and most often nothing but its wrapping has
    /// changed.
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
            Ok(keyring) => self.keys.keyring.store(Arc::new(keyring)),
            // The rest is read once the key is found, which is looked for all the time.
            Err(error)
                if matches!(error.kind(), ErrorKind::Misconfigured)
                    && self.keys.master.lacking().is_some() =>
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

    /// Does what wraps something and stores it, and once again where the master key was changed in
    /// between.
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
        match self.keys.master.lacking() {
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
    // What waited for its certificate takes its turn when it has it.
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
    let (sealing, rows) = (
        key::list_sealing(store).await?,
        key::list_signing(store).await?,
    );
    let made = sealing
        .iter()
        .map(|row| (row.id.as_str(), row.created_at))
        .chain(
            rows.iter()
                .filter(|row| row.is_certified())
                .map(|row| (row.id.as_str(), row.ready_at())),
        );
    let known = sightings.known_since(made, now);
    let (mut sealing_keys, mut known_since) = (Vec::new(), Vec::new());
    for row in sealing.into_iter().rev() {
        sealing_keys.push(SealingKey::from_bytes(&master.unwrap(
            SEALING_KEY,
            &row.id,
            &row.wrapped,
        )?)?);
        known_since.push(known[&row.id]);
    }
    if sealing_keys.is_empty() {
        return Err(Error::internal("there is no sealing key"));
    }
    let sealing_key = sealing_keys.remove(in_use(&known_since, now));
    let (mut current, mut others): (Vec<SigningKey>, Vec<SigningKey>) = Default::default();
    for algorithm in Algorithm::ALL {
        let newest_first = newest_first(&rows, algorithm);
        let times: Vec<_> = newest_first.iter().map(|row| known[&row.id]).collect();
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
        known_since.extend(times);
    }
    let mut authorities = key::list_authorities(store).await?;
    authorities.sort_by_key(|row| row.state != AuthorityState::InUse);
    let authorities = authorities
        .into_iter()
        .map(|row| row.certificate_der)
        .collect();
    let next_at = known_since
        .into_iter()
        .map(|since| since.plus(KNOWN_BEFORE_USE))
        .filter(|next_at| *next_at > now)
        .min();
    let keyring = Keyring::new(
        Sealer::new(sealing_key, sealing_keys)?,
        current,
        others,
        authorities,
    )?;
    Ok(keyring
        .with_instances(load_instance_keys(store, master).await?)
        .until(next_at))
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
