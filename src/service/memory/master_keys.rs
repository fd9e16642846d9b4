//! The master keys in memory, and the place where they are kept.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use zeroize::Zeroizing;

use crate::domain::clock::{Clock, Random, SystemClock};
use crate::domain::secret::Secret;
use crate::domain::wrapped::Wrapped;
use crate::domain::{Error, Result};
use crate::token::MasterKey;

/// The least time between two looks for a missing key at its place.
const MIN_RELOAD_INTERVAL: Duration = Duration::from_secs(1);

/// Where the master keys are kept, apart from the data.
pub trait MasterKeySource: Send + Sync {
    /// Reads the keys that are there, at least one.
    ///
    /// # Errors
    /// `Misconfigured` when the place can't be read, or what is there is no key.
    fn read(&self) -> Result<Vec<MasterKey>>;
    /// Says where that is, for messages: `the file /var/lib/transire/master.key`.
    fn place(&self) -> String;
    /// Whether this service may add and remove keys there; otherwise the operator does.
    fn is_ours(&self) -> bool {
        false
    }
    /// Keeps what `make` makes of the keys that are there, durably, before it returns; nothing when
    /// it makes nothing, or where the keys aren't ours.
    ///
    /// Nobody else changes the keys between.
    ///
    /// # Errors
    /// `Misconfigured` when the place can't be read or written.
    fn add(&self, _make: &mut dyn FnMut(&[MasterKey]) -> Option<MasterKey>) -> Result<()> {
        Ok(())
    }
    /// Takes a key away for good; tells whether it was there, and ours.
    ///
    /// # Errors
    /// `Misconfigured` when the place can't be read or written.
    fn remove(&self, _id: &str) -> Result<bool> {
        Ok(false)
    }
}

/// How far a rotation has wrapped the secrets anew: those of the holders before `place`, and of
/// this one up to the id `after`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::service) struct Progress {
    /// The place in [`Holder::ALL`].
    pub(in crate::service) place: usize,
    /// The id of the last row that was wrapped anew.
    pub(in crate::service) after: String,
}

/// A master key that was given at the start.
struct Given(Secret);

impl MasterKeySource for Given {
    fn read(&self) -> Result<Vec<MasterKey>> {
        MasterKey::parse_all(self.0.expose())
    }

    fn place(&self) -> String {
        "what this process was started with".to_owned()
    }
}

/// The master keys in memory: one wraps, and each unwraps the secrets that it wrapped.
pub struct MasterKeys {
    pub(in crate::service) source: Box<dyn MasterKeySource>,
    set: ArcSwap<KeySet>,
    /// The id of the key that the store names, while it isn't in memory.
    missing: Mutex<Option<String>>,
    clock: Arc<dyn Clock>,
    /// When the place was last read for a missing key, by the process's own time; locked while it
    /// is read. Not a single flight: unwrapping is synchronous.
    reloaded_at: Mutex<Option<Duration>>,
    /// The ids of the keys that the log has named.
    logged: Mutex<Vec<String>>,
    /// How far the rotation has come, and to which key.
    pub(in crate::service) rewrapped: Mutex<Option<(String, Progress)>>,
    /// Held while a rotation is resumed.
    pub(in crate::service) resuming: tokio::sync::Mutex<()>,
}

/// Keys; never none.
struct KeySet {
    keys: Vec<Arc<MasterKey>>,
    current: usize,
}

impl KeySet {
    fn place_of(&self, id: &str) -> Option<usize> {
        self.keys.iter().position(|key| key.id() == id)
    }
}

impl From<MasterKey> for MasterKeys {
    fn from(key: MasterKey) -> Self {
        Self::of(Box::new(Given(key.to_text())), vec![Arc::new(key)])
    }
}

impl MasterKeys {
    /// Reads the keys at their place.
    ///
    /// # Errors
    /// `Misconfigured` when there is no key, or the place can't be read.
    pub fn read(source: Box<dyn MasterKeySource>) -> Result<Self> {
        let keys: Vec<_> = source.read()?.into_iter().map(Arc::new).collect();
        if keys.is_empty() {
            return Err(Error::misconfigured(format!(
                "there is no master key in {}",
                source.place()
            )));
        }
        Ok(Self::of(source, keys))
    }

    /// Has these keys, of which the first wraps.
    fn of(source: Box<dyn MasterKeySource>, keys: Vec<Arc<MasterKey>>) -> Self {
        Self {
            source,
            set: ArcSwap::from_pointee(KeySet { keys, current: 0 }),
            missing: Mutex::default(),
            clock: Arc::new(SystemClock),
            reloaded_at: Mutex::default(),
            logged: Mutex::default(),
            rewrapped: Mutex::default(),
            resuming: tokio::sync::Mutex::default(),
        }
    }

    /// Takes the time from this clock.
    pub(in crate::service) fn timed_by(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// Returns the key that wraps.
    pub(in crate::service) fn current(&self) -> Arc<MasterKey> {
        let set = self.set.load();
        Arc::clone(&set.keys[set.current])
    }

    /// Wraps a secret; see [`MasterKey::wrap`].
    pub(in crate::service) fn wrap(
        &self,
        noun: &str,
        id: &str,
        plain: &[u8],
        random: &dyn Random,
    ) -> Wrapped {
        self.current().wrap(noun, id, plain, random)
    }

    /// Unwraps with the key that wrapped it; see [`MasterKey::unwrap`]. The place is read again
    /// for a key that isn't in memory.
    pub(in crate::service) fn unwrap(
        &self,
        noun: &str,
        id: &str,
        wrapped: &Wrapped,
    ) -> Result<Zeroizing<Vec<u8>>> {
        let wrapped_by = wrapped.master_key_id().unwrap_or_default();
        let key = self.find(&wrapped_by).or_else(|| {
            self.reload_if_due();
            self.find(&wrapped_by)
        });
        // The current key fails, and its error names both keys.
        key.unwrap_or_else(|| self.current())
            .unwrap(noun, id, wrapped.as_bytes())
    }

    pub(in crate::service) fn find(&self, id: &str) -> Option<Arc<MasterKey>> {
        let set = self.set.load();
        set.place_of(id).map(|place| Arc::clone(&set.keys[place]))
    }

    pub(in crate::service) fn ids(&self) -> Vec<String> {
        self.set
            .load()
            .keys
            .iter()
            .map(|key| key.id().to_owned())
            .collect()
    }

    /// Reads the place again for a missing key, unless that was done a moment ago. Callers that
    /// come meanwhile wait for the read.
    fn reload_if_due(&self) {
        let mut reloaded_at = self
            .reloaded_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if self.is_due(*reloaded_at) {
            self.reload();
            *reloaded_at = Some(self.clock.uptime());
        }
    }

    fn is_due(&self, reloaded_at: Option<Duration>) -> bool {
        reloaded_at.is_none_or(|reloaded_at| {
            self.clock.uptime().saturating_sub(reloaded_at) >= MIN_RELOAD_INTERVAL
        })
    }

    /// Tells whether the key that the store names is missing, and the place may be read again.
    pub(in crate::service) fn is_missing_and_due(&self) -> bool {
        self.missing().is_some()
            && self.is_due(
                *self
                    .reloaded_at
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner),
            )
    }

    /// Adds the keys that are at the place now. No key is dropped: the place may be half written,
    /// or away.
    pub(in crate::service) fn reload(&self) {
        match self.source.read() {
            Ok(read) => read.into_iter().for_each(|key| self.add(&Arc::new(key))),
            // Housekeeping's warning says it, once.
            Err(error) => tracing::debug!("the master keys can't be read again: {error}"),
        }
    }

    /// Names each key in the log once; returns the ids that it named.
    fn log_new(&self) -> Vec<String> {
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        let new: Vec<_> = self
            .ids()
            .into_iter()
            .filter(|id| !logged.contains(id))
            .collect();
        for id in &new {
            tracing::info!("knows the master key {id}");
        }
        logged.extend_from_slice(&new);
        new
    }

    /// Reads the place before anything needs a key that is new there, and names each key in the
    /// log once; returns the ids that it named.
    pub(in crate::service) fn reload_and_log(&self) -> Vec<String> {
        self.reload();
        self.log_new()
    }

    pub(in crate::service) fn add(&self, key: &Arc<MasterKey>) {
        self.set.rcu(|set| {
            let mut keys = set.keys.clone();
            if set.place_of(key.id()).is_none() {
                keys.push(Arc::clone(key));
            }
            KeySet {
                keys,
                current: set.current,
            }
        });
    }

    /// Wraps with the key of this id from now on; tells whether it is in memory.
    fn wrap_with(&self, id: &str) -> bool {
        if self.find(id).is_none() {
            self.reload_if_due();
        }
        self.set.rcu(|set| KeySet {
            keys: set.keys.clone(),
            current: set.place_of(id).unwrap_or(set.current),
        });
        self.find(id).is_some()
    }

    /// Wraps with the key of this id from now on, or says in the log, once, that it is missing.
    pub(in crate::service) fn select(&self, id: &str) {
        let found = self.wrap_with(id);
        let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        if !found && missing.as_deref() != Some(id) {
            tracing::error!(
                needed = id,
                held = self.ids().join(", "),
                "the store's master key was rotated and the new one isn't in {}: put it there. \
                 Until then this process goes on with what it has in memory, and a restart is \
                 refused",
                self.source.place()
            );
        }
        *missing = (!found).then(|| id.to_owned());
    }

    /// Returns the id of the key that the store names, if it isn't in memory.
    pub(in crate::service) fn missing(&self) -> Option<String> {
        self.missing
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Wraps with the key that the store names.
    ///
    /// # Errors
    /// `Misconfigured` when that key isn't in memory, or is another one of that id.
    pub(in crate::service) fn verify(&self, id: &str, check_value: &[u8]) -> Result<()> {
        self.wrap_with(id);
        self.current().verify_check_value(check_value)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::domain::clock::{SystemRandom, Timestamp};

    #[derive(Default)]
    struct Seconds(AtomicU64);

    impl Clock for Seconds {
        fn now(&self) -> Timestamp {
            Timestamp::default()
        }

        fn uptime(&self) -> Duration {
            Duration::from_secs(self.0.load(Ordering::Relaxed))
        }
    }

    /// The keys' texts, and how often they were read.
    #[derive(Default)]
    struct Place {
        texts: Mutex<Vec<String>>,
        reads: AtomicU64,
    }

    impl Place {
        fn put(&self, key: &MasterKey) {
            self.texts
                .lock()
                .unwrap()
                .push(key.to_text().expose().to_owned());
        }
    }

    impl MasterKeySource for Arc<Place> {
        fn read(&self) -> Result<Vec<MasterKey>> {
            self.reads.fetch_add(1, Ordering::Relaxed);
            MasterKey::parse_all(&self.texts.lock().unwrap().join("\n"))
        }

        fn place(&self) -> String {
            "the test".to_owned()
        }
    }

    fn master_keys() -> (Arc<Place>, Arc<Seconds>, MasterKeys) {
        let (place, clock) = (Arc::new(Place::default()), Arc::new(Seconds::default()));
        place.put(&MasterKey::generate(&SystemRandom));
        let keys = MasterKeys::read(Box::new(Arc::clone(&place)))
            .unwrap()
            .timed_by(Arc::clone(&clock) as Arc<dyn Clock>);
        (place, clock, keys)
    }

    #[test]
    fn a_missing_key_is_looked_for_once_a_second() {
        let (place, clock, keys) = master_keys();
        let new = MasterKey::generate(&SystemRandom);
        let wrapped = new.wrap("noun", "id", b"secret", &SystemRandom);
        for seconds in 1..4 {
            for _ in 0..10 {
                keys.select(new.id());
                assert!(keys.unwrap("noun", "id", &wrapped).is_err());
            }
            assert_eq!(place.reads.load(Ordering::Relaxed), 1 + seconds);
            assert!(!keys.is_missing_and_due());
            clock.0.fetch_add(1, Ordering::Relaxed);
            assert!(keys.is_missing_and_due());
        }
        place.put(&new);
        keys.select(new.id());
        assert!(keys.unwrap("noun", "id", &wrapped).is_ok() && keys.current().id() == new.id());
        clock.0.fetch_add(1, Ordering::Relaxed);
        assert!(!keys.is_missing_and_due());
    }

    #[test]
    fn a_new_key_is_read_before_it_is_needed_and_logged_once() {
        let (place, _, keys) = master_keys();
        assert_eq!(keys.reload_and_log(), keys.ids());
        let new = MasterKey::generate(&SystemRandom);
        place.put(&new);
        assert_eq!(keys.reload_and_log(), [new.id()]);
        assert!(keys.reload_and_log().is_empty() && keys.find(new.id()).is_some());
    }

    #[test]
    fn of_many_that_need_a_new_key_at_once_none_goes_without() {
        let (place, _, keys) = master_keys();
        let new = MasterKey::generate(&SystemRandom);
        let wrapped = new.wrap("noun", "id", b"secret", &SystemRandom);
        place.put(&new);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| assert!(keys.unwrap("noun", "id", &wrapped).is_ok()));
            }
        });
        assert_eq!(place.reads.load(Ordering::Relaxed), 2);
    }
}
