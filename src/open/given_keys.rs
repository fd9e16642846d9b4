//! Master keys that are given to seal a backup with, and to read one.

use std::path::Path;

use super::key_file::{GivenKeys, Keeper, KeyFile};
use super::master_key_path;
use crate::config::Settings;
use crate::domain::clock::SystemRandom;
use crate::domain::wrapped::Wrapped;
use crate::domain::{Error, Result};
use crate::service::{self, MasterKeySource};
use crate::store::portable::Seal;
use crate::store::wrapped::Holder;
use crate::token::MasterKey;

/// The meaning of a seal that isn't there.
const MAYBE_CHANGED: &str = "whoever made it had none, or somebody changed it and took the seal \
                             away. If you trust the file, say --unsealed";

/// Master keys, at least one.
pub struct KnownMasterKeys(Vec<MasterKey>);

impl KnownMasterKeys {
    /// Reads the keys in a file.
    ///
    /// # Errors
    /// `Misconfigured` when it can't be read, is open to others, or holds no key.
    pub fn of_file(path: &Path) -> Result<Self> {
        let file = KeyFile::new(path, Keeper::Operator);
        file.check_permissions()?;
        file.read().map(Self)
    }

    /// Reads the keys that the settings name; none where nothing is at their usual place.
    ///
    /// # Errors
    /// As [`Self::of_file`].
    pub fn of_settings(settings: &Settings) -> Result<Option<Self>> {
        if let Some(text) = &settings.master_key {
            return GivenKeys(text.0.clone())
                .read()
                .map(|keys| Some(Self(keys)));
        }
        let path = master_key_path(settings);
        if settings.master_key_file.is_none() && !path.exists() {
            return Ok(None);
        }
        Self::of_file(&path).map(Some)
    }

    /// Returns their ids.
    pub fn ids(&self) -> Vec<&str> {
        self.0.iter().map(MasterKey::id).collect()
    }

    /// Tells whether one of them opens a row's secret.
    pub fn open(&self, holder: Holder, id: &str, wrapped: &Wrapped) -> bool {
        self.0
            .iter()
            .any(|key| service::opens(key, holder, id, wrapped))
    }

    /// Returns what seals a backup with the key of this id; nothing when it isn't among them.
    pub fn into_seal(self, id: &str) -> Option<Seal> {
        let key = self.0.into_iter().find(|key| key.id() == id)?;
        Some(Box::new(move |digest| {
            service::seal_backup(&key, digest, &SystemRandom)
        }))
    }

    /// Requires that one of them sealed the backup of this digest, and returns its id.
    ///
    /// # Errors
    /// `Misconfigured` for a backup without a seal, with one of another key, or with one that was
    /// made for other data.
    pub fn require_seal(&self, file: &Path, digest: &str, seal: Option<&Wrapped>) -> Result<&str> {
        let refused = |why: String| {
            Err(Error::misconfigured(format!(
                "the backup {} {why}",
                file.display()
            )))
        };
        let Some(seal) = seal else {
            return refused(format!("isn't sealed by a master key: {MAYBE_CHANGED}"));
        };
        let id = seal.master_key_id().unwrap_or_default();
        match self.0.iter().find(|key| key.id() == id) {
            Some(key) if service::has_sealed_backup(key, digest, seal) => Ok(key.id()),
            Some(_) => refused(format!(
                "is not what the master key {id} sealed: somebody changed it"
            )),
            None => refused(format!(
                "was sealed by the master key {id}, and the key given is {}: name the file of \
                 that key with --master-key-file",
                self.ids().join(", ")
            )),
        }
    }
}
