//! The keys of this service: made at the first start, loaded at every start, their leaf
//! certificates renewed in time.

pub(in crate::service) mod ca;
pub(super) mod instance;
mod leaf_certificates;
mod listing;
pub(super) mod master;
mod offline;
mod schedule;
pub(in crate::service) mod warnings;

use std::sync::Arc;
use std::time::Duration;

use self::ca::{BUNDLED_AFTER_USE, InUse};
use self::warnings::Warnings;
use crate::domain::clock::{Random, Timestamp};
use crate::domain::instance::Algorithm;
use crate::domain::operator::OperatorPermission;
use crate::domain::{Error, Noun, Result};
use crate::service::access::caller::Caller;
use crate::service::base::Base;
use crate::service::call::Call;
use crate::service::ledger::Ledger;
use crate::service::ledger::actions::AuditAction;
use crate::service::memory::Memory;
use crate::service::memory::keyring::{
    KNOWN_BEFORE_USE, SEALING_KEY, SIGNING_KEY, in_use, newest_first,
};
use crate::service::memory::master_keys::MasterKeys;
use crate::service::request::RequestContext;
use crate::service::rights::Rights;
use crate::store::key::{self, AuthorityState, SealingKeyRow, SigningKeyRow};
use crate::store::{Operation, Store, Write, audit_checkpoint, meta};
use crate::token::{AuditKey, Authority, SealingKey, SigningKeyPair};

pub use self::ca::{CaStep, NextStep};
pub use self::listing::{KeyInfo, KeyKind, KeyState, PrivatePart};
pub use self::master::{
    MasterKeyInfo, MasterKeyState, MasterKeyStep, Retired, has_sealed_backup, opens, seal_backup,
};
pub use self::offline::{ExportedCa, ImportedLeaf, SigningRequest};
pub use self::warnings::{Warning, WarningKind};

/// How long a signing key is published after another took its place: longer than any token lives.
const PUBLISHED_AFTER_USE: Duration = Duration::from_hours(48);

/// Returns the signing keys that sign, and those that will sign as soon as every replica knows
/// them.
fn used_soon(rows: &[SigningKeyRow], now: Timestamp) -> Vec<&SigningKeyRow> {
    let of = |algorithm| {
        let mut newest_first = newest_first(rows, algorithm);
        let times: Vec<_> = newest_first.iter().map(|row| row.ready_at()).collect();
        newest_first.truncate(in_use(&times, now) + 1);
        newest_first
    };
    Algorithm::ALL.into_iter().flat_map(of).collect()
}

/// Returns the signing key of an algorithm that waits for its certificate.
fn waiting(rows: &[SigningKeyRow], algorithm: Algorithm) -> Option<&SigningKeyRow> {
    rows.iter()
        .rev()
        .find(|row| row.algorithm == algorithm && !row.is_certified())
}

/// Returns the earliest time at which a key counts as newer than the newest there is, which may
/// have been made by a clock that is ahead.
fn behind(newest_made_at: Option<Timestamp>) -> Timestamp {
    newest_made_at
        .map(|made_at| made_at.plus(Duration::from_millis(1)))
        .unwrap_or_default()
}

/// Tells whether the store was set up: then its master key exists, and must be given.
///
/// # Errors
///
/// Those of the store.
pub async fn is_set_up(store: &Store) -> Result<bool> {
    Ok(meta::find(store, meta::MASTER_KEY_CHECK).await?.is_some())
}

/// Makes, rotates and retires the keys of this service.
pub struct Keys {
    pub(super) base: Arc<Base>,
    pub(super) memory: Arc<Memory>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) rights: Arc<Rights>,
    pub(super) warnings: Arc<Warnings>,
}

/// The times that follow if a key, or a CA, is replaced now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replacement {
    /// The time from which a new key is used.
    pub used_from: Timestamp,
    /// The time until which the old signing key is published.
    pub old_until: Timestamp,
    /// The time from which the old CA can be retired.
    pub ca_retired_from: Timestamp,
}

impl Keys {
    /// Returns the times that follow if a key, or a CA, is replaced at a moment.
    pub fn foresee(&self, now: Timestamp) -> Replacement {
        let used_from = now.plus(KNOWN_BEFORE_USE);
        Replacement {
            used_from,
            old_until: used_from.plus(PUBLISHED_AFTER_USE),
            ca_retired_from: now.plus(BUNDLED_AFTER_USE),
        }
    }

    /// Makes a signing key of this algorithm if there is none yet.
    ///
    /// # Errors
    ///
    /// `Misconfigured` while a key waits for its certificate from a CA that is kept elsewhere, or
    /// without the master key; those of the store.
    pub(in crate::service) async fn ensure_signing_key(
        &self,
        algorithm: Algorithm,
        context: &RequestContext,
    ) -> Result<()> {
        if self
            .memory
            .keys
            .keyring
            .load()
            .signing_key(algorithm)
            .is_ok()
        {
            return Ok(());
        }
        let rows = key::list_signing(&self.base.store).await?;
        if waiting(&rows, algorithm).is_none() {
            let id = self
                .make_key_now(
                    &Call {
                        caller: &Caller::operator(),
                        request: context,
                        now: self.base.now(),
                    },
                    KeyKind::Signing(algorithm),
                )
                .await?;
            if key::list_signing(&self.base.store)
                .await?
                .iter()
                .any(|row| row.id == id && row.is_certified())
            {
                return Ok(());
            }
        }
        Err(Error::misconfigured(format!(
            "The certificate authority is kept elsewhere, and the key for {} waits for its \
             certificate: `transire keys csr` writes what is to be signed, and `transire keys \
             import-leaf` takes the certificate. Then try again.",
            algorithm.name()
        )))
    }

    /// Makes a new key, which takes the place of the one in use when every replica knows it;
    /// returns its id.
    ///
    /// A signing key must be of an algorithm that some instance has.
    ///
    /// # Errors
    ///
    /// `OperatorDenied`, or `Unsupported` for no operator, `NotFound` for an algorithm without a
    /// key, `Misconfigured` without the master key, and those of the store.
    pub async fn rotate_key(&self, call: &Call<'_>, kind: KeyKind) -> Result<String> {
        call.caller.require(OperatorPermission::KeyRotate, None)?;
        if let KeyKind::Signing(algorithm) = kind
            && !key::list_signing(&self.base.store)
                .await?
                .iter()
                .any(|row| row.algorithm == algorithm)
        {
            return Err(Error::not_found(
                Noun::SigningKey,
                format!("for {}", algorithm.name()),
            ));
        }
        self.make_key_now(call, kind).await
    }

    async fn make_key_now(&self, call: &Call<'_>, kind: KeyKind) -> Result<String> {
        let because = serde_json::json!({});
        self.memory
            .wrapping(|| self.make_key(call, kind, self.base.write(), &because))
            .await
    }

    /// Makes a key of a kind in a write, and returns its id. `because` goes into the audit event.
    async fn make_key(
        &self,
        call: &Call<'_>,
        kind: KeyKind,
        write: Write,
        because: &serde_json::Value,
    ) -> Result<String> {
        let random = &*self.base.random;
        let (id, write, action) = match kind {
            KeyKind::Signing(algorithm) => {
                let rows = key::list_signing(&self.base.store).await?;
                let authority = InUse::load(&self.base.store, &self.memory.keys.master).await?;
                // A key that waits is as new as any; a second one would be a second request to
                // sign.
                if let Some(row) = waiting(&rows, algorithm).filter(|_| authority.signer.is_none())
                {
                    return Ok(row.id.clone());
                }
                let made_at = newest_first(&rows, algorithm)
                    .first()
                    .map(|row| row.ready_at());
                let mut row = new_signing_key(
                    algorithm,
                    &authority,
                    &self.memory.keys.master,
                    self.base.now_elsewhere(),
                    random,
                )?;
                row.created_at = call.now.max(behind(made_at));
                let write = write
                    .then(authority.hold())
                    .then_wrapped(key::insert_signing(&row));
                (row.id, write, AuditAction::SigningKeyCreate)
            }
            KeyKind::Sealing => {
                let made_at = key::list_sealing(&self.base.store)
                    .await?
                    .last()
                    .map(|row| row.created_at);
                let now = call.now.max(behind(made_at));
                let row = new_sealing_key(
                    &SealingKey::generate(random),
                    &self.memory.keys.master,
                    now,
                    random,
                );
                let write = write.then_wrapped(key::insert_sealing(&row));
                (row.id, write, AuditAction::SealingKeyCreate)
            }
            KeyKind::Audit => self.make_audit_key(write)?,
            KeyKind::Ca => return Ok(self.rotate_ca(call).await?.id),
        };
        let mut detail = because.clone();
        detail["key"] = id.as_str().into();
        let event = call.event(action).detail(detail).made(&id);
        self.ledger.record(write, event).await?;
        Ok(id)
    }

    /// Makes a key of checkpoints in a write.
    fn make_audit_key(&self, write: Write) -> Result<(String, Write, AuditAction)> {
        let row = self.ledger.new_audit_key(&AuditKey::generate()?)?;
        let write = write.then_wrapped(audit_checkpoint::insert_key(&row));
        Ok((row.id, write, AuditAction::AuditKeyCreate))
    }

    /// Deletes the signing keys whose last token has long expired.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub(in crate::service) async fn retire_signing_keys(&self) -> Result<()> {
        let rows = key::list_signing(&self.base.store).await?;
        for algorithm in Algorithm::ALL {
            let newest_first = newest_first(&rows, algorithm);
            for pair in newest_first.windows(2) {
                let [newer, older] = pair else { continue };
                if newer
                    .ready_at()
                    .plus(KNOWN_BEFORE_USE + PUBLISHED_AFTER_USE)
                    <= self.base.now()
                {
                    self.ledger
                        .apply(self.base.write().then(key::delete_signing(&older.id)))
                        .await?;
                    tracing::info!(
                        key = older.id,
                        "forgot a signing key that was replaced long ago"
                    );
                }
            }
        }
        Ok(())
    }
}

/// Writes the issuer and the first keys of a store, in one write.
///
/// # Errors
///
/// `AlreadyExists` for a store that is set up, `Internal` when no key can be made, and those of the
/// store.
pub async fn set_up(
    store: &Store,
    master: &MasterKeys,
    issuer: &str,
    authority: Authority,
    now: Timestamp,
    random: &dyn Random,
) -> Result<()> {
    let sealing_key = SealingKey::generate(random);
    let authority = InUse {
        row: ca::new_row(&authority, AuthorityState::InUse, master, now, random)?,
        signer: Some(authority),
    };
    let write = Write::new(Operation::new(random, now))
        .then(meta::put_if_absent(meta::ISSUER, issuer.as_bytes()))
        .then(meta::put_if_absent(
            meta::MASTER_KEY_ID,
            master.current().id().as_bytes(),
        ))
        .then(meta::put_if_absent(
            meta::MASTER_KEY_CHECK,
            &master.current().check_value(random),
        ))
        .then_wrapped(key::insert_sealing(&new_sealing_key(
            &sealing_key,
            master,
            now,
            random,
        )))
        .then_wrapped(key::insert_signing(&new_signing_key(
            Algorithm::Es256,
            &authority,
            master,
            now,
            random,
        )?))
        .then_wrapped(key::insert_authority(&authority.row));
    store.apply(write).await
}

fn new_sealing_key(
    key: &SealingKey,
    master: &MasterKeys,
    now: Timestamp,
    random: &dyn Random,
) -> SealingKeyRow {
    let wrapped = master.wrap(SEALING_KEY, key.id(), &*key.to_bytes(), random);
    SealingKeyRow {
        id: key.id().to_owned(),
        wrapped,
        created_at: now,
    }
}

fn new_signing_key(
    algorithm: Algorithm,
    authority: &InUse,
    master: &MasterKeys,
    now: Timestamp,
    random: &dyn Random,
) -> Result<SigningKeyRow> {
    let pair = SigningKeyPair::generate(algorithm)?;
    let leaf = authority
        .signer
        .as_ref()
        .map(|signer| signer.issue_leaf(&pair, now))
        .transpose()?;
    let (leaf_der, leaf_expires_at) =
        leaf.map_or((Vec::new(), now), |leaf| (leaf.der, leaf.expires_at));
    let id = hex::encode(crate::domain::clock::random_bytes::<8>(random));
    Ok(SigningKeyRow {
        wrapped_private: master.wrap(SIGNING_KEY, &id, &pair.private_pkcs8()?, random),
        id,
        algorithm,
        leaf_der,
        leaf_expires_at,
        created_at: now,
        next_leaf_der: None,
        certified_at: None,
    })
}
