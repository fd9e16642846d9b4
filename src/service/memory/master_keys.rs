//! The master keys that a process holds, and where they are kept.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use zeroize::Zeroizing;

use crate::domain::clock::{Clock, Random, SystemClock};
use crate::domain::secret::Secret;
use crate::domain::wrapped::Wrapped;
use crate::domain::{Error, Result};
use crate::token::MasterKey;

/// How often at most a key that is lacking is looked for at its place.
const LOOKED_FOR: Duration = Duration::from_secs(1);

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

/// How far wrapping everything anew has come: whose holder is among those before, or is up to
/// `after`, was gone by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::service) struct Progress {
    /// The place in [`Holder::ALL`].
    pub(in crate::service) place: usize,
    /// The id of the last holder that was gone by.
    pub(in crate::service) after: String,
}

/// A master key that was given once and for all.
struct Given(Secret);

impl MasterKeySource for Given {
    fn read(&self) -> Result<Vec<MasterKey>> {
        MasterKey::parse_all(self.0.expose())
    }

    fn place(&self) -> String {
        "what this process was started with".to_owned()
    }
}

/// The master keys that a process holds: one wraps, each unwraps what it wrapped.
pub struct MasterKeys {
    pub(in crate::service) source: Box<dyn MasterKeySource>,
    held: ArcSwap<Held>,
    /// The id of the key that the store names and that isn't here.
    lacking: Mutex<Option<String>>,
    clock: Arc<dyn Clock>,
    /// When a key was last looked for, by the process's own time; held while one is.
    looked_at: Mutex<Option<Duration>>,
    /// The ids of the keys that the log names already.
    named: Mutex<Vec<String>>,
    /// Where wrapping everything anew goes on, and under which key.
    pub(in crate::service) rewrapped: Mutex<Option<(String, Progress)>>,
    /// Held while a rotation is gone on with.
    pub(in crate::service) going_on: tokio::sync::Mutex<()>,
}

/// Keys; never none.
struct Held {
    keys: Vec<Arc<MasterKey>>,
    current: usize,
}

impl Held {
    fn place_of(&self, id: &str) -> Option<usize> {
        self.keys.iter().position(|key| key.id() == id)
    }
}

impl From<MasterKey> for MasterKeys {
    fn from(key: MasterKey) -> Self {
        Self::holding(Box::new(Given(key.to_text())), vec![Arc::new(key)])
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
        Ok(Self::holding(source, keys))
    }

    /// Holds keys, of which the first wraps.
    fn holding(source: Box<dyn MasterKeySource>, keys: Vec<Arc<MasterKey>>) -> Self {
        Self {
            source,
            held: ArcSwap::from_pointee(Held { keys, current: 0 }),
            lacking: Mutex::default(),
            clock: Arc::new(SystemClock),
            looked_at: Mutex::default(),
            named: Mutex::default(),
            rewrapped: Mutex::default(),
            going_on: tokio::sync::Mutex::default(),
        }
    }

    /// Goes by this clock.
    pub(in crate::service) fn timed_by(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// Returns the key that wraps.
    pub(in crate::service) fn current(&self) -> Arc<MasterKey> {
        let held = self.held.load();
        Arc::clone(&held.keys[held.current])
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

    /// Unwraps by whichever key wrapped it; see [`MasterKey::unwrap`]. A key that isn't known is
    /// looked for at its place.
    pub(in crate::service) fn unwrap(
        &self,
        noun: &str,
        id: &str,
        wrapped: &Wrapped,
    ) -> Result<Zeroizing<Vec<u8>>> {
        let wrapped_by = wrapped.master_key_id().unwrap_or_default();
        let key = self.find(&wrapped_by).or_else(|| {
            self.look_again();
            self.find(&wrapped_by)
        });
        // Without it, the error names both keys.
        key.unwrap_or_else(|| self.current())
            .unwrap(noun, id, wrapped.as_bytes())
    }

    pub(in crate::service) fn find(&self, id: &str) -> Option<Arc<MasterKey>> {
        let held = self.held.load();
        held.place_of(id).map(|place| Arc::clone(&held.keys[place]))
    }

    pub(in crate::service) fn ids(&self) -> Vec<String> {
        self.held
            .load()
            .keys
            .iter()
            .map(|key| key.id().to_owned())
            .collect()
    }

    /// Looks for a key that is lacking, unless somebody did a moment ago; who comes meanwhile waits
    /// for what is found.
    fn look_again(&self) {
        let mut looked_at = self
            .looked_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if self.is_over(*looked_at) {
            self.reread();
            *looked_at = Some(self.clock.uptime());
        }
    }

    fn is_over(&self, looked_at: Option<Duration>) -> bool {
        looked_at
            .is_none_or(|looked_at| self.clock.uptime().saturating_sub(looked_at) >= LOOKED_FOR)
    }

    /// Tells whether the key that the store names isn't here, and it is time to look for it again.
    pub(in crate::service) fn is_to_be_looked_for(&self) -> bool {
        self.lacking().is_some()
            && self.is_over(
                *self
                    .looked_at
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner),
            )
    }

    /// Looks what is at the keys' place now. What is held stays held: the place may be half
    /// written, or away.
    pub(in crate::service) fn reread(&self) {
        match self.source.read() {
            Ok(read) => read.into_iter().for_each(|key| self.hold(&Arc::new(key))),
            // A warning says it, once.
            Err(error) => tracing::debug!("the master keys can't be read again: {error}"),
        }
    }

    /// Says in the log, once, which keys are known; returns those that it named.
    fn name(&self) -> Vec<String> {
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        let new: Vec<_> = self
            .ids()
            .into_iter()
            .filter(|id| !named.contains(id))
            .collect();
        for id in &new {
            tracing::info!("knows the master key {id}");
        }
        named.extend_from_slice(&new);
        new
    }

    /// Looks at the keys' place before anything needs a key that is new there, and says in the log
    /// what is known.
    pub(in crate::service) fn look_ahead(&self) -> Vec<String> {
        self.reread();
        self.name()
    }

    pub(in crate::service) fn hold(&self, key: &Arc<MasterKey>) {
        self.held.rcu(|held| {
            let mut keys = held.keys.clone();
            if held.place_of(key.id()).is_none() {
                keys.push(Arc::clone(key));
            }
            Held {
                keys,
                current: held.current,
            }
        });
    }

    /// Wraps with the key of this id from now on; tells whether it is here.
    fn choose(&self, id: &str) -> bool {
        if self.find(id).is_none() {
            self.look_again();
        }
        self.held.rcu(|held| Held {
            keys: held.keys.clone(),
            current: held.place_of(id).unwrap_or(held.current),
        });
        self.find(id).is_some()
    }

    /// Wraps with the key of this id from now on, or says in the log, once, that it isn't here.
    pub(in crate::service) fn select(&self, id: &str) {
        let found = self.choose(id);
        let mut lacking = self.lacking.lock().unwrap_or_else(PoisonError::into_inner);
        if !found && lacking.as_deref() != Some(id) {
            tracing::error!(
                needed = id,
                held = self.ids().join(", "),
                "the store's master key was rotated and the new one isn't in {}: put it there. \
                 Until then this process goes on with what it has in memory, and a restart is \
                 refused",
                self.source.place()
            );
        }
        *lacking = (!found).then(|| id.to_owned());
    }

    /// Returns the id of the key that the store names and that isn't here.
    pub(in crate::service) fn lacking(&self) -> Option<String> {
        self.lacking
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Wraps with the key that the store names; [`Error::misconfigured`] when that isn't here, or
    /// is another one of that id.
    pub(in crate::service) fn verify(&self, id: &str, check_value: &[u8]) -> Result<()> {
        self.choose(id);
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

    /// What was read at the last look, and how often one looked.
    #[derive(Default)]
    struct Place {
        texts: Mutex<Vec<String>>,
        looks: AtomicU64,
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
            self.looks.fetch_add(1, Ordering::Relaxed);
            MasterKey::parse_all(&self.texts.lock().unwrap().join("\n"))
        }

        fn place(&self) -> String {
            "the test".to_owned()
        }
    }

    fn held() -> (Arc<Place>, Arc<Seconds>, MasterKeys) {
        let (place, clock) = (Arc::new(Place::default()), Arc::new(Seconds::default()));
        place.put(&MasterKey::generate(&SystemRandom));
        let keys = MasterKeys::read(Box::new(Arc::clone(&place)))
            .unwrap()
            .timed_by(Arc::clone(&clock) as Arc<dyn Clock>);
        (place, clock, keys)
    }

    #[test]
    fn a_key_that_is_lacking_is_looked_for_once_a_second() {
        let (place, clock, keys) = held();
        let new = MasterKey::generate(&SystemRandom);
        let wrapped = new.wrap("noun", "id", b"secret", &SystemRandom);
        for seconds in 1..4 {
            for _ in 0..10 {
                keys.select(new.id());
                assert!(keys.unwrap("noun", "id", &wrapped).is_err());
            }
            assert_eq!(place.looks.load(Ordering::Relaxed), 1 + seconds);
            assert!(!keys.is_to_be_looked_for());
            clock.0.fetch_add(1, Ordering::Relaxed);
            assert!(keys.is_to_be_looked_for());
        }
        place.put(&new);
        keys.select(new.id());
        assert!(keys.unwrap("noun", "id", &wrapped).is_ok() && keys.current().id() == new.id());
        clock.0.fetch_add(1, Ordering::Relaxed);
        assert!(!keys.is_to_be_looked_for());
    }

    #[test]
    fn a_new_key_is_held_before_it_is_needed_and_named_once() {
        let (place, _, keys) = held();
        assert_eq!(keys.look_ahead(), keys.ids());
        let new = MasterKey::generate(&SystemRandom);
        place.put(&new);
        assert_eq!(keys.look_ahead(), [new.id()]);
        assert!(keys.look_ahead().is_empty() && keys.find(new.id()).is_some());
    }

    #[test]
    fn of_many_that_need_a_new_key_at_once_none_goes_without() {
        let (place, _, keys) = held();
        let new = MasterKey::generate(&SystemRandom);
        let wrapped = new.wrap("noun", "id", b"secret", &SystemRandom);
        place.put(&new);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| assert!(keys.unwrap("noun", "id", &wrapped).is_ok()));
            }
        });
        assert_eq!(place.looks.load(Ordering::Relaxed), 2);
    }
}
