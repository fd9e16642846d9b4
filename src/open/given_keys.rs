//! Master keys that are given to read a backup's secrets with.

use std::path::Path;

use super::key_file::{GivenKeys, Keeper, KeyFile};
use super::master_key_path;
use crate::config::Settings;
use crate::domain::Result;
use crate::domain::wrapped::Wrapped;
use crate::service::{self, MasterKeySource};
use crate::store::wrapped::Holder;
use crate::token::MasterKey;

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
}
