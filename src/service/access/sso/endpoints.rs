//! The places of the issuer, which are asked for once an hour at most, and by one at a time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tracing::Instrument;

use super::{failed, unavailable};
use crate::domain::clock::Timestamp;
use crate::domain::{Error, Result};
use crate::remote::code::{Endpoints, find_endpoints};
use crate::service::access::Access;
use crate::service::memory::single_flight::{SingleFlight, Turn};

/// For how long the places are kept.
const KEPT: Duration = Duration::from_mins(60);
/// For how long they are used while newer ones can't be had.
const STALE_KEPT: Duration = Duration::from_hours(6);
/// How long the issuer is left alone after it failed to answer.
const PAUSE: Duration = Duration::from_secs(10);
/// How many may wait for the issuer at once: each holds a request.
const MAX_WAITING: usize = 32;

/// The issuer of single sign-on, as far as it was heard.
pub(in crate::service) struct SsoIssuer {
    heard: Mutex<Heard>,
    flight: SingleFlight,
    waiting: Semaphore,
}

impl Default for SsoIssuer {
    fn default() -> Self {
        Self {
            heard: Mutex::default(),
            flight: SingleFlight::default(),
            waiting: Semaphore::new(MAX_WAITING),
        }
    }
}

#[derive(Default)]
struct Heard {
    issuer: String,
    found: Option<(Arc<Endpoints>, Timestamp)>,
    /// When it last failed, and why, unless it answered since.
    failure: Option<(Timestamp, String)>,
}

impl SsoIssuer {
    /// Takes one of the places of those who wait for the issuer.
    ///
    /// # Errors
    /// That of an issuer that doesn't answer, where too many wait.
    pub(super) fn wait(&self) -> Result<SemaphorePermit<'_>> {
        let busy = |_| unavailable("too many log-ins wait for the issuer");
        self.waiting.try_acquire().map_err(busy)
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        // Each change is whole: it is right after any panic.
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Heard {
    /// Returns the places, or why there are none; nothing when the issuer is to be asked first.
    fn decide(&self, issuer: &str, now: Timestamp) -> Option<Result<Arc<Endpoints>>> {
        if self.issuer != issuer {
            return None;
        }
        let younger = |kept: Duration| {
            let found = self.found.as_ref();
            let found = found.filter(|(_, at)| at.distance(now) < kept);
            found.map(|(endpoints, _)| Ok(Arc::clone(endpoints)))
        };
        younger(KEPT).or_else(|| {
            let (failed_at, cause) = self.failure.as_ref()?;
            if failed_at.distance(now) >= PAUSE {
                return None;
            }
            younger(STALE_KEPT).or_else(|| Some(Err(unavailable(cause.clone()))))
        })
    }

    fn note(&mut self, issuer: &str, answer: Result<Endpoints>, now: Timestamp) {
        if self.issuer != issuer {
            *self = Self::default();
            issuer.clone_into(&mut self.issuer);
        }
        match answer {
            Ok(endpoints) => {
                (self.found, self.failure) = (Some((Arc::new(endpoints), now)), None);
            }
            Err(error) => self.failure = Some((now, error.cause().unwrap_or_default())),
        }
    }
}

impl Access {
    /// Returns the places of the issuer. The caller has a place among those who wait.
    ///
    /// # Errors
    /// That of an issuer that doesn't answer.
    pub(super) async fn sso_endpoints(&self, issuer: &str) -> Result<Arc<Endpoints>> {
        let known = Arc::clone(&self.issuers.sso);
        let decide = || known.heard().decide(issuer, self.base.now());
        let leader = match known.flight.join(decide).await {
            Turn::Known(decided) => return decided,
            Turn::Leads(leader) => leader,
        };
        let (remote, clock) = (Arc::clone(&self.remote), Arc::clone(&self.base.clock));
        let (asked, heard) = (issuer.to_owned(), Arc::clone(&known));
        // A task of its own: a browser that breaks off leaves the answer to the others.
        let ask = async move {
            let found = find_endpoints(&remote, &asked).await;
            let answer = found.map_err(|failure| failed(&asked, failure));
            heard.heard().note(&asked, answer, clock.now());
            drop(leader);
        };
        let ask = tokio::spawn(ask.in_current_span());
        ask.await.map_err(Error::internal)?;
        // Undecided again only when the clock jumped meanwhile.
        let decided = known.heard().decide(issuer, self.base.now());
        decided.unwrap_or_else(|| Err(unavailable("the clock jumped")))
    }
}
