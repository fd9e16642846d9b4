//! The recent tag listings of registries, by repository.
//!
//! One caller asks, and the others wait for the answer, which is kept for ten seconds. So pages
//! that are read one after another are pages of one listing, and their total is true.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::timeout;
use tracing::Instrument;

use crate::domain::clock::{Clock, Timestamp};
use crate::domain::{Error, ErrorKind, Result};
use crate::remote::registry::RegistryClient;
use crate::service::memory::single_flight::{Leader, Recent, RecentMap, SingleFlight};
use crate::service::registry::images::client::{PATIENCE, silent};
use crate::service::registry::images::contents::KnownContents;
use crate::service::registry::images::listing::{Key, Listing, Reader};

/// How long a listing is kept.
const TTL: Duration = Duration::from_secs(10);
/// How long a failure is kept: callers that waited for it share it.
const FAILURE_TTL: Duration = Duration::from_secs(1);
/// The repositories whose tags are kept at once: up to four megabytes each.
const CAPACITY: usize = 64;

/// The recent tag listings of registries.
pub(in crate::service) struct TagListings {
    repositories: RecentMap<Key, Repository>,
    contents: Arc<KnownContents>,
}

/// The last answer about one repository.
#[derive(Default)]
struct Repository {
    flight: SingleFlight,
    known: Mutex<Known>,
}

#[derive(Default)]
enum Known {
    #[default]
    Nothing,
    Listing(Timestamp, Listing),
    Failure(Timestamp, ErrorKind, String),
}

/// Keeps others from asking about a repository while its images change.
pub(super) struct Exclusive {
    repository: Arc<Recent<Repository>>,
    _leader: Leader,
}

impl Exclusive {
    /// Forgets the listing, because the images change.
    pub(super) fn forget(&self) {
        *self.repository.known() = Known::Nothing;
    }
}

impl Default for TagListings {
    fn default() -> Self {
        Self {
            repositories: RecentMap::new(CAPACITY, |_, _| true),
            contents: Arc::default(),
        }
    }
}

impl TagListings {
    /// Forgets the listings that weren't used lately.
    pub(in crate::service) fn forget(&self, now: Timestamp) {
        self.repositories.forget_unused(TTL, now);
    }

    fn repository(&self, key: &Key, now: Timestamp) -> Result<Arc<Recent<Repository>>> {
        let full = || {
            Error::new(
                ErrorKind::Overloaded,
                "Too many repositories are being asked for; try again in a moment.",
            )
        };
        self.repositories
            .get_or_make(key, now, |_| true, || Ok(Repository::default()))?
            .ok_or_else(full)
    }

    /// Waits until no other caller asks about a repository, and keeps the others waiting.
    ///
    /// # Errors
    /// `Overloaded` when too many repositories are asked for; `RegistryUnavailable` when it takes
    /// longer than [`PATIENCE`].
    pub(super) async fn lock(&self, key: &Key, now: Timestamp) -> Result<Exclusive> {
        let repository = self.repository(key, now)?;
        let leader = timeout(PATIENCE, repository.flight.lead())
            .await
            .map_err(|_| silent())?;
        Ok(Exclusive {
            repository,
            _leader: leader,
        })
    }

    /// Works with the listing of a repository, which is read if none is kept. The work goes on when
    /// the caller's connection ends.
    ///
    /// # Errors
    /// As [`Self::lock`]; those of the registry's answer; those of `work`.
    pub(super) async fn read<T, F>(
        &self,
        registry: Arc<RegistryClient>,
        key: &Key,
        clock: &Arc<dyn Clock>,
        work: impl FnOnce(Reader) -> F + Send + 'static,
    ) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = (Reader, Result<T>)> + Send + 'static,
    {
        let repository = self.repository(key, clock.now())?;
        let (contents, clock, key) = (Arc::clone(&self.contents), Arc::clone(clock), key.clone());
        let whole = async move {
            let leader = repository.flight.lead().await;
            let task = async move {
                let answer = async {
                    let (at, listing) = repository.listing(&registry, &key.1, &*clock).await?;
                    let reader = Reader {
                        listing,
                        registry,
                        contents,
                        key,
                    };
                    let (reader, answer) = work(reader).await;
                    if answer.is_ok() {
                        *repository.known() = Known::Listing(at, reader.listing);
                    }
                    answer
                };
                let answer = timeout(PATIENCE, answer)
                    .await
                    .unwrap_or_else(|_| Err(silent()));
                if let Err(error) = &answer {
                    repository.note_failure(error, clock.now());
                }
                drop(leader);
                answer
            };
            tokio::spawn(task.in_current_span())
                .await
                .map_err(Error::internal)?
        };
        timeout(PATIENCE, whole)
            .await
            .unwrap_or_else(|_| Err(silent()))
    }
}

impl Repository {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the listing that is kept, or reads one; or fails as it failed a moment ago.
    async fn listing(
        &self,
        registry: &RegistryClient,
        path: &str,
        clock: &dyn Clock,
    ) -> Result<(Timestamp, Listing)> {
        let now = clock.now();
        let known = std::mem::take(&mut *self.known());
        match known {
            Known::Listing(at, listing) if at.distance(now) < TTL => Ok((at, listing)),
            Known::Failure(at, kind, message) if at.distance(now) < FAILURE_TTL => {
                let error = Error::new(kind.clone(), message.clone());
                *self.known() = Known::Failure(at, kind, message);
                Err(error.caused_by("as it did a moment ago"))
            }
            _ => {
                let listing = Listing::read(registry, path).await?;
                Ok((clock.now(), listing))
            }
        }
    }

    fn note_failure(&self, error: &Error, now: Timestamp) {
        let mut known = self.known();
        // A failure keeps its time: it isn't kept for longer than [`FAILURE_TTL`].
        if matches!(*known, Known::Nothing) {
            *known = Known::Failure(now, error.kind().clone(), error.message().to_owned());
        }
    }
}
