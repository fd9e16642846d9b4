//! The rotation of the master key.
//!
//! A wrapped secret names its master key, so a process can have several in memory. A rotation has
//! four steps, each taken whole or not at all. The new key is put where the old one is kept. The
//! store names it as the current one. Every secret under the old key is wrapped anew. The old key
//! is retired. The same command, or the running service, takes the next step after an interruption.
//! A write of a wrapped secret requires the current key
//! ([`Write::then_wrapped`](crate::store::Write::then_wrapped)), so nothing comes under the old key
//! once the store names the new one.

mod listing;
mod rewrap;
mod seal;
mod warnings;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::domain::clock::Timestamp;
use crate::domain::operator::OperatorPermission;
use crate::domain::{Error, Noun, Result};
use crate::service::call::Call;
use crate::service::keys::Keys;
use crate::service::ledger::actions::AuditAction;
use crate::service::memory::keyring::was_overtaken;
use crate::store::{Entity, Store, meta, wrapped};
use crate::token::MasterKey;

pub use self::listing::{MasterKeyInfo, MasterKeyState};
pub use self::rewrap::opens;
pub use self::seal::{has_sealed_backup, seal_backup};

/// The progress of a rotation, as the store keeps it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Rotation {
    from: String,
    to: String,
    switched_at: Timestamp,
    /// When the last secret of the old key was wrapped by the new one.
    rewrapped_at: Option<Timestamp>,
    /// When the old key was retired.
    finished_at: Option<Timestamp>,
    /// The ids of all the keys that were ever retired: none of them is taken again.
    retired: Vec<String>,
}

impl Rotation {
    async fn find(store: &Store) -> Result<Option<(Self, Vec<u8>)>> {
        let Some(bytes) = meta::find(store, meta::MASTER_KEY_ROTATION).await? else {
            return Ok(None);
        };
        let rotation = serde_json::from_slice(&bytes).map_err(|error| {
            Error::internal(format!(
                "table meta, column value, id {}: {error}",
                meta::MASTER_KEY_ROTATION
            ))
        })?;
        Ok(Some((rotation, bytes)))
    }

    fn bytes(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self).map_err(Error::internal)
    }
}

/// The outcome of a step of a rotation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MasterKeyStep {
    /// The new key wraps from now on.
    Switched {
        /// The id of the new key.
        to: String,
    },
    /// A batch was wrapped anew.
    Rewrapped {
        /// The number of secrets in it.
        count: usize,
    },
    /// Every secret is wrapped by the new key: the old one can be retired.
    Done {
        /// The id of the old key.
        from: String,
        /// The id of the new key.
        to: String,
    },
}

/// The outcome of `transire keys rotate master --finish`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retired {
    /// The ids of the keys that are needed no more.
    pub ids: Vec<String>,
    /// Whether they were removed from the keys' place; otherwise the operator removes them.
    pub removed: bool,
    /// Where the keys are kept.
    pub place: String,
}

/// Tells the operator to put a new key where the old one is.
fn not_there(given: Option<&MasterKey>, place: &str) -> Error {
    let missing = given.map_or_else(
        || "There is no new master key".to_owned(),
        |given| format!("The new master key (id {}) isn't there yet", given.id()),
    );
    Error::misconfigured(format!(
        "{missing}: add it as a line of its own, below the one that is there, to {place} of every \
         replica and of this command, see in each replica's log within a minute that it \"knows \
         the master key\", or in `transire keys list`, and give the command again. Make one with \
         `transire keys generate-master FILE`"
    ))
}

impl Keys {
    /// Takes the next step of a rotation, or the first step of a new one. Call it until it is
    /// [`MasterKeyStep::Done`].
    ///
    /// A new rotation goes to `given`, else to the unused key at the keys' place, else to a key
    /// that is made.
    ///
    /// # Errors
    ///
    /// `OperatorDenied`, or `Unsupported` for no operator. `Misconfigured` names the operator's
    /// next step, such as putting the new key where the old one is. `PreconditionFailed` when a
    /// rotation to another key has begun. `Internal` for a secret that can't be unwrapped, and
    /// those of the store.
    pub async fn rotate_master_key(
        &self,
        call: &Call<'_>,
        given: Option<&MasterKey>,
    ) -> Result<MasterKeyStep> {
        call.caller
            .require(OperatorPermission::MasterKeyRotate, None)?;
        self.memory.follow_master_key().await?;
        self.memory.require_master_key()?;
        // Before the rotation is read: where that says that none is open, a switch from this key
        // overwrites none that another process has begun since.
        let current = self.memory.keys.master.current();
        match Rotation::find(&self.base.store).await? {
            Some((rotation, bytes)) if rotation.finished_at.is_none() => {
                if given.is_some_and(|given| given.id() != rotation.to) {
                    return Err(Error::precondition_failed(
                        Noun::MasterKey,
                        format!(
                            "A rotation to the master key {} has begun; finish that one first, \
                             without a new key.",
                            rotation.to
                        ),
                    ));
                }
                self.rewrap_some(rotation, &bytes).await
            }
            last => {
                let retired = last.map(|(last, _)| last.retired).unwrap_or_default();
                let next = self.next_master_key(&current, given, &retired)?;
                self.switch_master_key(call, &current, &next, retired).await
            }
        }
    }

    /// Finds the key that a new rotation goes to, at the keys' place, and adds it there if that is
    /// ours.
    fn next_master_key(
        &self,
        current: &MasterKey,
        given: Option<&MasterKey>,
        retired: &[String],
    ) -> Result<Arc<MasterKey>> {
        let was_used = |id: &str| id == current.id() || retired.iter().any(|retired| retired == id);
        if given.is_some_and(|given| was_used(given.id())) {
            return Err(Error::misconfigured(
                "The new master key was used before: make another.",
            ));
        }
        let fits =
            |key: &MasterKey| given.map_or(!was_used(key.id()), |given| given.id() == key.id());
        let master = &self.memory.keys.master;
        if master.source.is_ours() {
            master.source.add(&mut |there| {
                if there.iter().any(fits) {
                    return None;
                }
                // A key's own text is always one.
                given.map_or_else(
                    || Some(MasterKey::generate(&*self.base.random)),
                    |given| MasterKey::parse(given.to_text().expose()).ok(),
                )
            })?;
        }
        // A key in memory that is gone from its place would be lost with this process.
        let there = master.source.read()?;
        master.reload();
        there
            .into_iter()
            .find(fits)
            .map(Arc::new)
            .ok_or_else(|| not_there(given, &master.source.place()))
    }

    async fn switch_master_key(
        &self,
        call: &Call<'_>,
        current: &MasterKey,
        next: &Arc<MasterKey>,
        retired: Vec<String>,
    ) -> Result<MasterKeyStep> {
        let rotation = Rotation {
            from: current.id().to_owned(),
            to: next.id().to_owned(),
            switched_at: call.now,
            rewrapped_at: None,
            finished_at: None,
            retired,
        };
        self.memory.keys.master.add(next);
        let event = call
            .event(AuditAction::MasterKeyRotate)
            .detail(serde_json::json!({ "from": rotation.from, "to": rotation.to }));
        let write = self
            .base
            .write()
            .then(meta::replace(
                meta::MASTER_KEY_ID,
                current.id().as_bytes(),
                next.id().as_bytes(),
            ))
            .then(meta::put(
                meta::MASTER_KEY_CHECK,
                &next.check_value(&*self.base.random),
            ))
            .then(meta::put(meta::MASTER_KEY_ROTATION, &rotation.bytes()?))
            .changes(Entity::MasterKey, next.id());
        match self.ledger.record(write, event).await {
            // Another command was quicker: its rotation goes on.
            Err(error) if was_overtaken(&error) => self.memory.follow_master_key().await?,
            outcome => outcome?,
        }
        Ok(MasterKeyStep::Switched {
            to: self.memory.keys.master.current().id().to_owned(),
        })
    }

    /// Loads the master keys that were added at their place, ahead of a rotation, and logs their
    /// ids.
    pub fn load_master_keys(&self) {
        self.memory.keys.master.reload_and_log();
    }

    /// Retires the master key that was replaced, and removes it from its place, if that is ours.
    ///
    /// # Errors
    ///
    /// `OperatorDenied`, or `Unsupported` for no operator. `Misconfigured` without the current
    /// master key, or when the keys' place can't be written. `PreconditionFailed` while a secret is
    /// wrapped by the old key, or when there is no rotation to finish. `Internal` for a progress
    /// that can't be read, and those of the store.
    pub async fn finish_master_key(&self, call: &Call<'_>) -> Result<Retired> {
        call.caller
            .require(OperatorPermission::MasterKeyRotate, None)?;
        self.memory.follow_master_key().await?;
        self.memory.require_master_key()?;
        let Some((rotation, bytes)) = Rotation::find(&self.base.store).await? else {
            return Err(Error::precondition_failed(
                Noun::MasterKey,
                "The master key was never rotated.",
            ));
        };
        let retired = if rotation.finished_at.is_some() {
            rotation
        } else {
            self.require_all_rewrapped(&rotation).await?;
            self.retire_master_key(call, rotation, &bytes).await?
        };
        let source = &self.memory.keys.master.source;
        if source.is_ours() {
            // All of them: an earlier command may have been interrupted between the store and the
            // file.
            for id in &retired.retired {
                source.remove(id)?;
            }
        }
        Ok(Retired {
            ids: retired.retired,
            removed: source.is_ours(),
            place: source.place(),
        })
    }
    async fn require_all_rewrapped(&self, rotation: &Rotation) -> Result<()> {
        let current = self.memory.keys.master.current();
        let left = wrapped::count_others(&self.base.store, &current.head()).await?;
        if rotation.rewrapped_at.is_some() && left == 0 {
            return Ok(());
        }
        Err(Error::precondition_failed(
            Noun::MasterKey,
            format!(
                "{left} secrets are still under an old master key: give `transire keys rotate \
                 master` again first."
            ),
        ))
    }

    async fn retire_master_key(
        &self,
        call: &Call<'_>,
        rotation: Rotation,
        bytes: &[u8],
    ) -> Result<Rotation> {
        let mut retired = Rotation {
            finished_at: Some(call.now),
            ..rotation
        };
        retired.retired.push(retired.from.clone());
        let event = call
            .event(AuditAction::MasterKeyRetire)
            .detail(serde_json::json!({ "key": retired.from }));
        let part = meta::replace(meta::MASTER_KEY_ROTATION, bytes, &retired.bytes()?);
        self.ledger.change(part, event).await?;
        Ok(retired)
    }
}
