//! The warnings about the master key.

use std::time::Duration;

use crate::domain::Result;
use crate::service::keys::Keys;
use crate::service::keys::master::Rotation;

/// How long wrapping the secrets anew may take before a warning; the running service needs minutes.
const HALF_ROTATED: Duration = Duration::from_hours(1);
/// How long an old master key may stay before a warning.
const UNFINISHED: Duration = Duration::from_hours(7 * 24);

impl Keys {
    /// Returns the warnings about the master key.
    ///
    /// # Errors
    ///
    /// `Internal` for a progress that can't be read, and those of the store.
    pub(in crate::service::keys) async fn master_key_warnings(&self) -> Result<Vec<String>> {
        let mut warnings: Vec<String> = self.current_key_warning().into_iter().collect();
        if let Some((rotation, _)) = Rotation::find(&self.base.store).await?
            && rotation.finished_at.is_none()
        {
            warnings.extend(self.rotation_warnings(&rotation));
        }
        Ok(warnings)
    }

    /// Tells whether the current key would be missing after a restart.
    fn current_key_warning(&self) -> Option<String> {
        let master = &self.memory.keys.master;
        if let Some(id) = master.missing() {
            return Some(format!(
                "the store's master key {id} isn't here: put it there before the next restart"
            ));
        }
        let current = master.current();
        match master.source.read() {
            Ok(keys) if keys.iter().any(|key| key.id() == current.id()) => None,
            _ => Some(format!(
                "the master key {} is in memory alone: put it back before the next restart",
                current.id()
            )),
        }
    }

    /// Tells of a rotation that isn't finished and can't go on, or takes too long.
    fn rotation_warnings(&self, rotation: &Rotation) -> Vec<String> {
        let mut warnings = Vec::new();
        if rotation.rewrapped_at.is_none() && self.memory.keys.master.find(&rotation.from).is_none()
        {
            warnings.push(format!(
                "secrets are still under the master key {}, and it isn't here",
                rotation.from
            ));
        }
        let since = rotation.switched_at.until(self.base.now());
        match rotation.rewrapped_at {
            None if since >= HALF_ROTATED => {
                warnings.push("the master key is half rotated: see `transire keys list`".to_owned())
            }
            Some(_) if since >= UNFINISHED => warnings.push(format!(
                "the old master key {} is still in use: `transire keys rotate master \
                 --finish` retires it",
                rotation.from
            )),
            _ => {}
        }
        warnings
    }
}
