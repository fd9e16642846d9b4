//! The master keys, as commands list them.

use crate::domain::Result;
use crate::domain::clock::Timestamp;
use crate::domain::operator::OperatorPermission;
use crate::service::call::Call;
use crate::service::keys::Keys;
use crate::service::keys::master::Rotation;
use crate::store::{meta, wrapped};

/// The state of a master key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MasterKeyState {
    /// It is in memory, and the next rotation would take it.
    Next,
    /// It wraps.
    InUse,
    /// Another took its place; it is needed while a secret is wrapped by it, or to restore a
    /// backup.
    Old,
    /// It was retired.
    Retired,
    /// Secrets are wrapped by it, and it isn't here.
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
    /// Its state.
    pub state: MasterKeyState,
    /// Since when it wraps, if the last rotation chose it.
    pub since: Option<Timestamp>,
    /// The number of secrets that are still to be wrapped anew; known of a key that a rotation
    /// replaces.
    pub rows: Option<u64>,
}

impl Keys {
    /// Lists the master keys: the current one first, then the others that are in memory or that
    /// still wrap secrets.
    ///
    /// # Errors
    ///
    /// `OperatorDenied`, or `Unsupported` for no operator, `Internal` for a progress that can't be
    /// read, and those of the store.
    pub async fn master_keys(&self, call: &Call<'_>) -> Result<Vec<MasterKeyInfo>> {
        call.caller
            .require(OperatorPermission::MasterKeyRead, None)?;
        self.memory.follow_master_key().await?;
        let rotation = Rotation::find(&self.base.store).await?;
        let rotation = rotation.as_ref().map(|(rotation, _)| rotation);
        let current = meta::find_text(&self.base.store, meta::MASTER_KEY_ID)
            .await?
            .unwrap_or_default();
        self.memory.keys.master.reload();
        let mut infos = Vec::new();
        for id in self.listed_ids(&current, rotation) {
            infos.push(self.master_key_info(id, &current, rotation).await?);
        }
        Ok(infos)
    }

    /// Returns the ids of the current key, of the others in memory, and of the one that a rotation
    /// replaces.
    fn listed_ids(&self, current: &str, rotation: Option<&Rotation>) -> Vec<String> {
        let mut ids = self.memory.keys.master.ids();
        ids.retain(|id| id != current);
        ids.insert(0, current.to_owned());
        if let Some(rotation) = rotation.filter(|rotation| rotation.finished_at.is_none())
            && !ids.contains(&rotation.from)
        {
            ids.push(rotation.from.clone());
        }
        ids
    }

    async fn master_key_info(
        &self,
        id: String,
        current: &str,
        rotation: Option<&Rotation>,
    ) -> Result<MasterKeyInfo> {
        let master = &self.memory.keys.master;
        let is_here = master.find(&id).is_some();
        let is_current = id == current;
        let is_old = rotation.is_some_and(|it| it.finished_at.is_none() && it.from == id);
        let is_retired = rotation.is_some_and(|it| it.retired.contains(&id));
        let rows = match master.find(current) {
            Some(current) if is_old => {
                Some(wrapped::count_others(&self.base.store, &current.head()).await?)
            }
            _ => None,
        };
        let is_needed = is_current || rows.is_some_and(|rows| rows > 0);
        let state = if is_here && is_current {
            MasterKeyState::InUse
        } else if !is_here && is_needed {
            MasterKeyState::Missing
        } else if is_old {
            MasterKeyState::Old
        } else if is_retired {
            MasterKeyState::Retired
        } else {
            MasterKeyState::Next
        };
        let since = rotation
            .filter(|rotation| rotation.to == id)
            .map(|rotation| rotation.switched_at);
        Ok(MasterKeyInfo {
            id,
            state,
            since,
            rows,
        })
    }
}
