//! The rotation of the master key.
//!
//! A wrapped secret names its master key, so a process can have several in memory. A rotation has
//! four steps, each taken whole or not at all. The new key is put where the old one is kept. The
//! store names it as the current one. Everything under the old key is wrapped anew. The old key is
//! retired. The same command, or the running service, takes the next step after an interruption. A
//! write of a wrapped secret requires the current key
//! ([`Write::then_wrapped`](crate::store::Write::then_wrapped)), so nothing comes under the old key
//! once the store names the new one.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::clock::Timestamp;
use crate::domain::{Error, ErrorKind, Noun, Result};
use crate::service::call::Call;
use crate::service::keys::{Keys, SEALING_KEY, SIGNING_KEY};
use crate::service::ledger::actions::AuditAction;
use crate::service::memory::keyring::{ACCESS_KEY, AUTHORITY, INSTANCE_KEY, was_overtaken};
use crate::service::memory::master_keys::Progress;
use crate::store::wrapped::{self, Holder, WrappedRow};
use crate::store::{Entity, Part, Store, meta};
use crate::token::MasterKey;

/// How much is wrapped anew in one write: a few milliseconds of the database's writer.
const BATCH: u32 = 200;

/// The progress of a rotation, as the store keeps it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Rotation {
    from: String,
    to: String,
    switched_at: Timestamp,
    /// When the last of what the old key had wrapped was under the new one.
    rewrapped_at: Option<Timestamp>,
    /// When the old key was retired.
    finished_at: Option<Timestamp>,
    /// The keys that were ever retired: none of them is taken again.
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

/// What a step of a rotation did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MasterKeyStep {
    /// The new key wraps from now on.
    Switched {
        /// The id of the new key.
        to: String,
    },
    /// So much more is under the new key.
    Rewrapped {
        /// How many things.
        count: usize,
    },
    /// Everything is under the new key: the old one can be retired.
    Done {
        /// The id of the old key.
        from: String,
        /// The id of the new key.
        to: String,
    },
}

/// Where a master key stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MasterKeyState {
    /// It is held, and a rotation would take it.
    Next,
    /// It wraps.
    InUse,
    /// Another took its place; it is needed while something is under it, or to restore a backup.
    Old,
    /// It was retired.
    Retired,
    /// It wraps something, and isn't here.
    Missing,
}

impl MasterKeyState {
    /// Returns its name, as commands have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::InUse => "in use",
            Self::Old => "old",
            Self::Retired => "retired",
            Self::Missing => "missing",
        }
    }
}

/// A master key, without what is secret about it.
#[derive(Clone, Debug)]
pub struct MasterKeyInfo {
    /// Its id.
    pub id: String,
    /// Where it stands.
    pub state: MasterKeyState,
    /// Since when it wraps, as far as that is known.
    pub since: Option<Timestamp>,
    /// How much is under it that is to be wrapped anew; of the key in use that isn't counted.
    pub rows: Option<u64>,
}

/// What `transire keys rotate master --finish` did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retired {
    /// The ids of the keys that are needed no more.
    pub ids: Vec<String>,
    /// Whether they were taken away from the keys' place; otherwise the operator does that.
    pub removed: bool,
    /// Where the keys are kept.
    pub place: String,
}

impl Keys {
    /// Takes the next step of a rotation of the master key, or the first of a new one, to `given`
    /// or to the key that is there and was never used, or to one that is made. Call it until it is
    /// [`MasterKeyStep::Done`].
    ///
    /// # Errors
    ///
    /// `Unsupported` for a caller that isn't the operator. `Misconfigured` names the operator's
    /// next step, such as putting the new key where the old one is. `PreconditionFailed` when a
    /// rotation to another key has begun.
    pub async fn rotate_master_key(
        &self,
        call: &Call<'_>,
        given: Option<&MasterKey>,
    ) -> Result<MasterKeyStep> {
        call.caller.require_operator()?;
        self.memory.follow_master_key().await?;
        self.memory.require_master_key()?;
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
                let retired = last
                    .as_ref()
                    .map(|(last, _)| last.retired.clone())
                    .unwrap_or_default();
                let next = self.next_master_key(given, &retired)?;
                self.switch_master_key(call, &next, last).await
            }
        }
    }

    fn next_master_key(
        &self,
        given: Option<&MasterKey>,
        retired: &[String],
    ) -> Result<Arc<MasterKey>> {
        let current = self.memory.keys.master.current();
        let was_used = |id: &str| id == current.id() || retired.iter().any(|retired| retired == id);
        if given.is_some_and(|given| was_used(given.id())) {
            return Err(Error::misconfigured(
                "The new master key was used before: make another.",
            ));
        }
        let fits =
            |key: &MasterKey| given.map_or(!was_used(key.id()), |given| given.id() == key.id());
        if self.memory.keys.master.source.is_ours() {
            self.memory.keys.master.source.add(&mut |there| {
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
        // What is held but at its place no more would be lost with this process.
        let mut there = self.memory.keys.master.source.read()?;
        self.memory.keys.master.reload();
        let place = there.iter().position(fits);
        place.map(|place| Arc::new(there.swap_remove(place))).ok_or_else(|| {
            let what = given.map_or_else(
                || "There is no new master key".to_owned(),
                |given| format!("The new master key (id {}) isn't there yet", given.id()),
            );
            Error::misconfigured(format!(
                "{what}: add it as a line of its own, below the one that is there, to {} of every \
                 replica and of this command, see in each replica's log within a minute that it \
                 \"knows the master key\", or in `transire keys list`, and give the command again. \
                 Make one with: head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \\n'",
                self.memory.keys.master.source.place()
            ))
        })
    }

    async fn switch_master_key(
        &self,
        call: &Call<'_>,
        next: &Arc<MasterKey>,
        last: Option<(Rotation, Vec<u8>)>,
    ) -> Result<MasterKeyStep> {
        let current = self.memory.keys.master.current();
        let rotation = Rotation {
            from: current.id().to_owned(),
            to: next.id().to_owned(),
            switched_at: call.now,
            rewrapped_at: None,
            finished_at: None,
            retired: last.map(|(last, _)| last.retired).unwrap_or_default(),
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
            // Another command was as quick; its rotation is gone on with.
            Err(error) if was_overtaken(&error) => self.memory.follow_master_key().await?,
            outcome => outcome?,
        }
        Ok(MasterKeyStep::Switched {
            to: self.memory.keys.master.current().id().to_owned(),
        })
    }

    async fn rewrap_some(&self, rotation: Rotation, bytes: &[u8]) -> Result<MasterKeyStep> {
        let done = |rotation: Rotation| MasterKeyStep::Done {
            from: rotation.from,
            to: rotation.to,
        };
        if rotation.rewrapped_at.is_some() {
            return Ok(done(rotation));
        }
        let count = self.rewrap_batch().await?;
        if count > 0 {
            return Ok(MasterKeyStep::Rewrapped { count });
        }
        let rewrapped = Rotation {
            rewrapped_at: Some(self.base.now()),
            ..rotation
        };
        match self
            .base
            .store
            .apply(self.base.write().then(meta::replace(
                meta::MASTER_KEY_ROTATION,
                bytes,
                &rewrapped.bytes()?,
            )))
            .await
        {
            // Another process was as quick.
            Err(error) if matches!(error.kind(), ErrorKind::PreconditionFailed { .. }) => {}
            outcome => outcome?,
        }
        tracing::info!(
            from = rewrapped.from,
            to = rewrapped.to,
            "everything is wrapped by the new master key"
        );
        Ok(done(rewrapped))
    }

    /// Wraps anew some of what isn't under the key in use; returns how much, and 0 when there is
    /// nothing left.
    ///
    /// It goes on where the batch before it ended, and says that nothing is left only when it
    /// looked from the beginning: something may have come behind it. What can't be unwrapped is
    /// left out while there is anything else, and is the error then.
    async fn rewrap_batch(&self) -> Result<usize> {
        let current = self.memory.keys.master.current();
        let kept = self
            .memory
            .keys
            .master
            .rewrapped
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some((_, progress)) = kept.filter(|(by, _)| by == current.id())
            && let Ok(count @ 1..) = self.rewrap_from(&current, progress).await
        {
            return Ok(count);
        }
        self.rewrap_from(&current, Progress::default()).await
    }

    async fn rewrap_from(&self, current: &MasterKey, begin: Progress) -> Result<usize> {
        let mut failed = None;
        let mut after = begin.after;
        for (place, holder) in Holder::ALL.into_iter().enumerate().skip(begin.place) {
            loop {
                let rows =
                    wrapped::list_others(&self.base.store, holder, &current.head(), &after, BATCH)
                        .await?;
                let Some(last) = rows.last() else { break };
                after.clone_from(&last.id);
                let (mut write, mut count) = (self.base.write(), 0);
                for row in &rows {
                    match self.rewrap(current, holder, row) {
                        Ok(part) => (write, count) = (write.then(part), count + 1),
                        Err(error) => failed = failed.or(Some(error)),
                    }
                }
                if count > 0 {
                    self.base.store.apply(write).await?;
                    let progress = (current.id().to_owned(), Progress { place, after });
                    *self
                        .memory
                        .keys
                        .master
                        .rewrapped
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner) = Some(progress);
                    return Ok(count);
                }
            }
            after.clear();
        }
        failed.map_or(Ok(0), Err)
    }

    fn rewrap(&self, current: &MasterKey, holder: Holder, row: &WrappedRow) -> Result<Part> {
        let noun = match holder {
            Holder::SealingKey => SEALING_KEY,
            Holder::SigningKey => SIGNING_KEY,
            Holder::Authority => AUTHORITY,
            Holder::InstanceKey => INSTANCE_KEY,
            Holder::AccessKey => ACCESS_KEY,
        };
        let plain = self
            .memory
            .keys
            .master
            .unwrap(noun, &row.id, &row.wrapped)?;
        Ok(wrapped::rewrap(
            holder,
            row,
            &current.wrap(noun, &row.id, &plain, &*self.base.random),
        ))
    }

    /// Loads the master keys that were added at their place, ahead of a rotation, and logs their
    /// ids.
    pub fn load_master_keys(&self) {
        self.memory.keys.master.reload_and_log();
    }

    /// Resumes a rotation that a command began and didn't finish.
    ///
    /// # Errors
    ///
    /// `Misconfigured` without the current master key, `Internal` for a secret that can't be
    /// unwrapped, `StoreUnavailable`.
    pub async fn resume_rotation(&self) -> Result<()> {
        let Ok(_resuming) = self.memory.keys.master.resuming.try_lock() else {
            return Ok(());
        };
        loop {
            match Rotation::find(&self.base.store).await? {
                Some((rotation, bytes)) if rotation.rewrapped_at.is_none() => {
                    self.memory.follow_master_key().await?;
                    self.memory.require_master_key()?;
                    if let MasterKeyStep::Done { .. } = self.rewrap_some(rotation, &bytes).await? {
                        return Ok(());
                    }
                }
                _ => return Ok(()),
            }
        }
    }

    /// Retires the master key that was rotated away, and takes it away from where it is kept, if
    /// that is ours.
    ///
    /// # Errors
    ///
    /// `Unsupported` for a caller that isn't the operator, `Misconfigured` without the current
    /// master key. `PreconditionFailed` while a secret is wrapped under the old key, or when there
    /// is no rotation to finish.
    pub async fn finish_master_key(&self, call: &Call<'_>) -> Result<Retired> {
        call.caller.require_operator()?;
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
            let left =
                wrapped::count_others(&self.base.store, &self.memory.keys.master.current().head())
                    .await?;
            if rotation.rewrapped_at.is_none() || left > 0 {
                return Err(Error::precondition_failed(
                    Noun::MasterKey,
                    format!(
                        "{left} secrets are still under an old master key: give `transire keys \
                         rotate master` again first."
                    ),
                ));
            }
            let mut retired = Rotation {
                finished_at: Some(call.now),
                ..rotation
            };
            retired.retired.push(retired.from.clone());
            let event = call
                .event(AuditAction::MasterKeyRetire)
                .detail(serde_json::json!({ "key": retired.from }));
            self.ledger
                .change(
                    meta::replace(meta::MASTER_KEY_ROTATION, &bytes, &retired.bytes()?),
                    event,
                )
                .await?;
            retired
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

    /// Lists the master keys: the one in use first, then the others that are here or that wrap
    /// something.
    ///
    /// # Errors
    ///
    /// `Unsupported` for a caller that isn't the operator, `StoreUnavailable`.
    pub async fn master_keys(&self, call: &Call<'_>) -> Result<Vec<MasterKeyInfo>> {
        call.caller.require_operator()?;
        self.memory.follow_master_key().await?;
        let rotation = Rotation::find(&self.base.store)
            .await?
            .map(|(rotation, _)| rotation);
        let current = meta::find_text(&self.base.store, meta::MASTER_KEY_ID)
            .await?
            .unwrap_or_default();
        let mut ids = vec![current.clone()];
        self.memory.keys.master.reload();
        ids.extend(
            self.memory
                .keys
                .master
                .ids()
                .into_iter()
                .filter(|id| *id != current),
        );
        if let Some(rotation) = rotation
            .as_ref()
            .filter(|rotation| rotation.finished_at.is_none() && !ids.contains(&rotation.from))
        {
            ids.push(rotation.from.clone());
        }
        let mut infos = Vec::new();
        for id in ids {
            let here = self.memory.keys.master.find(&id).is_some();
            let retired = rotation
                .as_ref()
                .is_some_and(|rotation| rotation.retired.contains(&id));
            let old = rotation
                .as_ref()
                .filter(|rotation| rotation.finished_at.is_none() && rotation.from == id);
            let rows = match (old, self.memory.keys.master.find(&current)) {
                (Some(_), Some(current)) => {
                    Some(wrapped::count_others(&self.base.store, &current.head()).await?)
                }
                _ => None,
            };
            let state = match (here, old.is_some()) {
                (true, _) if id == current => MasterKeyState::InUse,
                (false, _) if id == current || rows.is_some_and(|rows| rows > 0) => {
                    MasterKeyState::Missing
                }
                (_, true) => MasterKeyState::Old,
                _ if retired => MasterKeyState::Retired,
                _ => MasterKeyState::Next,
            };
            let since = rotation
                .as_ref()
                .filter(|rotation| rotation.to == id)
                .map(|rotation| rotation.switched_at);
            infos.push(MasterKeyInfo {
                id,
                state,
                since,
                rows,
            });
        }
        Ok(infos)
    }

    /// Returns the warnings about the master key.
    ///
    /// # Errors
    ///
    /// `StoreUnavailable`.
    pub(super) async fn master_key_warnings(&self) -> Result<Vec<String>> {
        let mut warnings = Vec::new();
        if let Some(id) = self.memory.keys.master.missing() {
            warnings.push(format!(
                "the store's master key {id} isn't here: put it there before the next restart"
            ));
        } else {
            let current = self.memory.keys.master.current();
            match self.memory.keys.master.source.read() {
                Ok(keys) if keys.iter().any(|key| key.id() == current.id()) => {}
                _ => warnings.push(format!(
                    "the master key {} is in memory alone: put it back before the next restart",
                    current.id()
                )),
            }
        }
        let Some((rotation, _)) = Rotation::find(&self.base.store).await? else {
            return Ok(warnings);
        };
        if rotation.finished_at.is_some() {
            return Ok(warnings);
        }
        if rotation.rewrapped_at.is_none() && self.memory.keys.master.find(&rotation.from).is_none()
        {
            warnings.push(format!(
                "secrets are still under the master key {}, and it isn't here",
                rotation.from
            ));
        }
        let since = rotation.switched_at.until(self.base.now());
        match rotation.rewrapped_at {
            None if since >= HALF_ROTATED => warnings.push(
                "the master key is half rotated: see \
                 `transire keys list`"
                    .to_owned(),
            ),
            Some(_) if since >= UNFINISHED => warnings.push(format!(
                "the old master key {} is still in use: `transire keys rotate master \
                 --finish` retires it",
                rotation.from
            )),
            _ => {}
        }
        Ok(warnings)
    }
}

/// How long wrapping everything anew may take before it is reported: the running service does it in
/// minutes.
const HALF_ROTATED: Duration = Duration::from_hours(1);
/// How long an old master key may stay before it is reported.
const UNFINISHED: Duration = Duration::from_hours(7 * 24);
