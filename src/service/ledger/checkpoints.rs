//! Checkpoints of the audit: signed statements about where its chains end.
//!
//! A chain alone shows that lines belong together. Somebody who may write in the database could
//! make another one, but sign no statement about it. Each checkpoint names the one before it, so a
//! copy of the newest outside of the database holds all of them.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::clock::Timestamp;
use crate::domain::{Error, Result};
use crate::service::ledger::Ledger;
use crate::service::ledger::checkpoint_sink::MadeCheckpoint;
use crate::service::memory::keyring::AUDIT_KEY;
use crate::service::memory::master_keys::MasterKeys;
use crate::store::audit_chain::{self, ChainHead};
use crate::store::audit_checkpoint::{self, AuditKeyRow, CheckpointRow};
use crate::store::{Operation, Store, Write};
use crate::token::{AuditKey, AuditPublicKey};

/// The shortest time between two checkpoints, of all replicas together.
const INTERVAL: Duration = Duration::from_secs(50);
/// How long a writer is named after its last line. Clocks of replicas may differ by five minutes.
const NAMED: Duration = Duration::from_secs(15 * 60);
/// How often the start moves on, while lines are deleted.
const START_INTERVAL: Duration = Duration::from_secs(60 * 60);

/// The place where all checkpoints are, as metrics name it.
const DATABASE: &str = "database";

/// The statement of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::service) struct Checkpoint {
    /// The issuer of this service, by which several are told apart.
    pub issuer: String,
    /// Its number, from 1.
    pub number: i64,
    /// When it was made.
    pub made_at: Timestamp,
    /// The SHA-256 of the checkpoint before it, signature and all, in hexadecimal.
    pub previous: Option<String>,
    /// When the first one was made: lines from before may have no chain.
    pub began_at: Timestamp,
    /// The start: lines from before may have been deleted, and no later ones.
    pub kept_since: Option<Timestamp>,
    /// The last line of each writer that wrote in the last quarter of an hour.
    pub heads: Vec<Head>,
    /// The key that signs from the next one on, as a JWK.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_key: Option<Value>,
}

/// The last line of a writer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::service) struct Head {
    /// The writer.
    pub writer: String,
    /// The number of the line.
    pub position: i64,
    /// Its link, in hexadecimal.
    pub link: String,
    /// When it was written.
    pub moved_at: Timestamp,
}

impl From<ChainHead> for Head {
    fn from(head: ChainHead) -> Self {
        Self {
            writer: head.writer,
            position: head.position,
            link: hex::encode(head.link),
            moved_at: head.moved_at,
        }
    }
}

impl Checkpoint {
    /// Reads a statement.
    pub(in crate::service) fn parse(statement: &[u8]) -> Option<Self> {
        serde_json::from_slice(statement).ok()
    }

    /// Tells whether it says that a key signs from the next one on.
    pub(in crate::service) fn announces(&self, key: &AuditPublicKey) -> bool {
        let announced = self.next_key.as_ref().and_then(AuditPublicKey::of_jwk);
        announced.as_ref() == Some(key)
    }
}

/// Returns the SHA-256 by which the next checkpoint names this one.
pub(in crate::service) fn hash_of(signed: &str) -> String {
    hex::encode(digest(&SHA256, signed.as_bytes()))
}

/// Reads the keys that sign checkpoints, the oldest first.
///
/// Nobody without the master key can add one that is among them.
///
/// # Errors
///
/// `Misconfigured` without the master key, and those of the store.
pub(in crate::service) async fn keys(store: &Store, master: &MasterKeys) -> Result<Vec<AuditKey>> {
    let rows = audit_checkpoint::list_keys(store).await?;
    let key = |row: &AuditKeyRow| {
        AuditKey::from_pkcs8(&master.unwrap(AUDIT_KEY, &row.id, &row.wrapped_private)?)
    };
    rows.iter().map(key).collect()
}

impl Ledger {
    /// Makes a checkpoint if lines were written since the last one, or the start moves on.
    ///
    /// Of many replicas that would make the same one, one does.
    ///
    /// # Errors
    ///
    /// `Misconfigured` without the master key, or where no key of this service signed the newest
    /// one; those of the store.
    pub async fn make_checkpoint(&self) -> Result<()> {
        let (store, now) = (&self.base.store, self.base.now());
        let keys = keys(store, &self.memory.keys.master).await?;
        let last = self.newest_checkpoint(&keys).await?;
        if let Some(last) = &last {
            let made_at = last.statement.made_at;
            self.hand_out(last.statement.number, made_at, &last.signed);
            if made_at <= now && made_at.until(now) < INTERVAL {
                return Ok(());
            }
        }
        let before = last.as_ref().map(|last| &last.statement);
        let heads = audit_chain::heads(store).await?.into_iter().map(Head::from);
        let heads: Vec<Head> = heads.collect();
        let kept_since = self.start_of_kept(now, before);
        let is_news = before.is_none_or(|before| {
            heads.iter().any(|head| !before.heads.contains(head)) || kept_since != before.kept_since
        });
        if !is_news {
            return Ok(());
        }
        let number = before.map_or(0, |before| before.number) + 1;
        let mut write = Write::new(Operation::named(format!("audit checkpoint {number}"), now));
        let (signing, next) = match keys_of_next(keys, last.as_ref()) {
            Some(keys) => keys,
            None => {
                let first = AuditKey::generate()?;
                let row = self.new_audit_key(&first)?;
                write = write.then_wrapped(audit_checkpoint::insert_key(&row));
                (first, None)
            }
        };
        let statement = Checkpoint {
            issuer: self.base.issuer.clone(),
            number,
            made_at: now,
            previous: last.as_ref().map(|last| hash_of(&last.signed)),
            began_at: before.map_or(now, |before| before.began_at),
            kept_since,
            heads,
            next_key: next.map(|next| next.public().jwk()),
        };
        let statement = serde_json::to_string(&statement).map_err(Error::internal)?;
        let made = CheckpointRow {
            number,
            made_at: now,
            signed: signing.sign(&statement)?,
        };
        let write = write
            .then(audit_checkpoint::insert(&made))
            .then(audit_chain::forget_idle(now.minus(NAMED)));
        store.apply(write).await?;
        // Another replica may have made the one of this number.
        if let Some(newest) = audit_checkpoint::newest(store).await? {
            self.hand_out(newest.number, newest.made_at, &newest.signed);
        }
        Ok(())
    }

    /// Gives a checkpoint to those who take it to other places, unless they have it.
    fn hand_out(&self, number: i64, made_at: Timestamp, signed: &str) {
        self.newest_checkpoints.note(DATABASE, Some(made_at));
        self.made_checkpoints.send_if_modified(|made| {
            let is_newer = made.as_ref().is_none_or(|made| made.number < number);
            if is_newer {
                *made = Some(MadeCheckpoint {
                    number,
                    made_at,
                    hash: hash_of(signed),
                    signed: signed.to_owned(),
                });
            }
            is_newer
        });
    }

    /// Returns the newest checkpoint. One that nobody signed isn't gone on from: what it says would
    /// be signed by the next.
    async fn newest_checkpoint(&self, keys: &[AuditKey]) -> Result<Option<SignedCheckpoint>> {
        let Some(newest) = audit_checkpoint::newest(&self.base.store).await? else {
            return Ok(None);
        };
        let opened = keys.iter().enumerate().find_map(|(place, key)| {
            let statement = Checkpoint::parse(&key.public().open(&newest.signed)?)?;
            Some((place, statement))
        });
        let Some((key, statement)) = opened else {
            return Err(Error::misconfigured(format!(
                "No key of this service signed the audit's checkpoint {}: somebody changed it, or \
                 the keys. `transire audit verify` says what else was changed; compare it with the \
                 checkpoints that you keep elsewhere.",
                newest.number
            )));
        };
        Ok(Some(SignedCheckpoint {
            statement,
            signed: newest.signed,
            key,
        }))
    }

    /// Returns the time before which lines may be deleted, as the newest checkpoint says.
    ///
    /// # Errors
    ///
    /// Those of [`Self::make_checkpoint`].
    pub(in crate::service) async fn kept_since(&self) -> Result<Option<Timestamp>> {
        let keys = keys(&self.base.store, &self.memory.keys.master).await?;
        let newest = self.newest_checkpoint(&keys).await?;
        Ok(newest.and_then(|newest| newest.statement.kept_since))
    }

    /// Returns the start of the next checkpoint, which never goes back.
    fn start_of_kept(&self, now: Timestamp, before: Option<&Checkpoint>) -> Option<Timestamp> {
        let last = before.and_then(|before| before.kept_since);
        let days = self.base.adjustable().audit_days;
        if days == 0 {
            return last;
        }
        let millis = i64::try_from(START_INTERVAL.as_millis()).unwrap_or(i64::MAX);
        let start = now.minus(Duration::from_secs(24 * 60 * 60) * days);
        let start = start.unix_millis();
        let start = Timestamp::from_unix_millis(start - start.rem_euclid(millis));
        Some(last.map_or(start, |last| last.max(start)))
    }

    /// Wraps a key to be stored.
    ///
    /// # Errors
    ///
    /// `Internal` when the key can't be written.
    pub(in crate::service) fn new_audit_key(&self, key: &AuditKey) -> Result<AuditKeyRow> {
        let id = key.public().id();
        let (master, random) = (&self.memory.keys.master, &*self.base.random);
        Ok(AuditKeyRow {
            id: id.to_owned(),
            wrapped_private: master.wrap(AUDIT_KEY, id, &key.private_pkcs8()?, random),
            created_at: self.base.now(),
        })
    }
}

/// A checkpoint that a key of this service signed.
struct SignedCheckpoint {
    statement: Checkpoint,
    signed: String,
    /// The place of the key.
    key: usize,
}

/// Returns the key that signs the checkpoint after `last`, and the one that it announces; nothing
/// where there is no key.
///
/// A new key signs once the one before it announced it. So the public key of the first holds all
/// that follow.
fn keys_of_next(
    mut keys: Vec<AuditKey>,
    last: Option<&SignedCheckpoint>,
) -> Option<(AuditKey, Option<AuditKey>)> {
    let newest = keys.pop()?;
    match last {
        Some(last) if last.key < keys.len() && !last.statement.announces(newest.public()) => {
            Some((keys.swap_remove(last.key), Some(newest)))
        }
        _ => Some((newest, None)),
    }
}
