//! Master keys: the place where they are kept, and which of them wrap something.

use std::sync::{Arc, Mutex};

use rusqlite::Connection;
use transire::domain::Result;
use transire::domain::clock::SystemRandom;
use transire::domain::secret::Secret;
use transire::service::{MasterKeySource, MasterKeys};
use transire::token::MasterKey;

use crate::harness::App;

/// A place of master keys in memory: stands for a file on a disk.
#[derive(Clone, Default)]
pub(crate) struct Place {
    keys: Arc<Mutex<Vec<Secret>>>,
    /// Whether the operator alone changes it, as on several replicas.
    by_hand: bool,
}

impl Place {
    /// Holds these keys.
    pub(crate) fn of(keys: [&str; 2]) -> Self {
        Self {
            keys: Arc::new(Mutex::new(keys.map(Secret::new).into())),
            by_hand: false,
        }
    }

    pub(crate) fn with_one() -> Self {
        let place = Self::default();
        place.put(&MasterKey::generate(&SystemRandom));
        place
    }

    pub(crate) fn by_hand(self) -> Self {
        Self {
            by_hand: true,
            ..self
        }
    }

    /// A file of the same keys on another machine.
    pub(crate) fn copy(&self) -> Self {
        Self {
            keys: Arc::new(Mutex::new(self.keys.lock().unwrap().clone())),
            by_hand: self.by_hand,
        }
    }

    pub(crate) fn put(&self, key: &MasterKey) {
        self.keys.lock().unwrap().push(key.to_text());
    }

    pub(crate) fn ids(&self) -> Vec<String> {
        self.read()
            .unwrap()
            .iter()
            .map(|key| key.id().to_owned())
            .collect()
    }

    pub(crate) fn read_keys(&self) -> MasterKeys {
        MasterKeys::read(Box::new(self.clone())).unwrap()
    }
}

impl MasterKeySource for Place {
    fn read(&self) -> Result<Vec<MasterKey>> {
        self.keys
            .lock()
            .unwrap()
            .iter()
            .map(|text| MasterKey::parse(text.expose()))
            .collect()
    }

    fn place(&self) -> String {
        "the test".to_owned()
    }

    fn is_ours(&self) -> bool {
        !self.by_hand
    }

    fn add(&self, make: &mut dyn FnMut(&[MasterKey]) -> Option<MasterKey>) -> Result<()> {
        let mut keys = self.keys.lock().unwrap();
        let there: Vec<_> = keys
            .iter()
            .map(|text| MasterKey::parse(text.expose()).unwrap())
            .collect();
        keys.extend(make(&there).map(|key| key.to_text()));
        Ok(())
    }

    fn remove(&self, id: &str) -> Result<bool> {
        let mut keys = self.keys.lock().unwrap();
        let before = keys.len();
        keys.retain(|text| MasterKey::parse(text.expose()).unwrap().id() != id);
        Ok(keys.len() < before)
    }
}

impl App {
    /// Returns the ids of the master keys that wrap anything in the data.
    pub(crate) fn wrapping_ids(&self) -> Vec<String> {
        let database = Connection::open(self.database()).unwrap();
        let mut rows = database
            .prepare(
                "SELECT DISTINCT lower(hex(substr(wrapped, 2, 8))) FROM (
                     SELECT wrapped FROM sealing_key
                     UNION ALL SELECT wrapped_private FROM signing_key
                     UNION ALL SELECT wrapped_private FROM authority
                     UNION ALL SELECT wrapped_private FROM instance_key
                     UNION ALL SELECT value FROM meta WHERE name = 'master_key_check'
                     UNION ALL SELECT sealed_secret FROM access_key WHERE state <> 'deleted'
                 ) ORDER BY 1",
            )
            .unwrap();
        rows.query_map([], |row| row.get(0))
            .unwrap()
            .collect::<rusqlite::Result<_>>()
            .unwrap()
    }
}
