//! OpenID Connect providers, as the operator manages them; and whether a token is one of an
//! issuer's.
//!
//! A stranger offers a token, and makes us ask the issuer for its keys. So keys are kept for
//! a while, an issuer is asked again for an unknown key once a minute at most, by one caller while
//! the others wait for the answer, and after a failure it is left alone for longer and longer.
//! While it fails, keys that were good an hour ago are used on, for some hours.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::Instrument;

use crate::domain::clock::{Clock, Timestamp};
use crate::domain::error::WebIdentityFault;
use crate::domain::identity::OidcProvider;
use crate::domain::ids::AccountId;
use crate::domain::secret::Secret;
use crate::domain::{Error, Result};
use crate::remote;
use crate::remote::oidc::{FetchedKeys, fetch_keys};
use crate::service::access::Access;
use crate::service::access::sso::SsoIssuer;
use crate::service::limits::attempt::Attempt;
use crate::service::memory::single_flight::{Recent, RecentMap, SingleFlight, Turn};
use crate::token::{JwkSet, UnverifiedToken, WebIdentity};

/// How often at most an issuer is asked because a token names a key that it didn't give.
const REFETCH_INTERVAL: Duration = Duration::from_secs(60);
/// For how long keys are kept, at most and when the issuer says nothing; and at least, whatever it
/// says.
const LONGEST_KEPT: Duration = Duration::from_secs(60 * 60);
const SHORTEST_KEPT: Duration = REFETCH_INTERVAL;
/// For how long keys are used when no newer ones can be had.
const STALE_KEPT: Duration = Duration::from_secs(6 * 60 * 60);
/// How long an issuer is left alone after the first failure; each next one in a row doubles it, up
/// to [`REFETCH_INTERVAL`].
const FIRST_PAUSE: Duration = Duration::from_secs(10);
/// How many may wait for one issuer's answer at once; others are told that its keys can't be had.
const MAX_WAITING: usize = 64;
/// The issuers whose keys are kept: of 64 keys each at most, some 40 kB.
const CAPACITY: usize = 1000;

impl Access {
    /// Verifies a token that a stranger offers as one of a provider's.
    ///
    /// [`ErrorKind::WebIdentity`](crate::domain::ErrorKind::WebIdentity) says why it isn't
    /// believed. The bearer's rights are not decided here. The costs are charged to
    /// `attempt`: each kind of work is bounded by itself, so from a slowed address it is done all
    /// the same.
    pub(in crate::service) async fn verify_web_identity(
        &self,
        account: AccountId,
        provider: &str,
        token: &Secret,
        attempt: &mut Attempt,
    ) -> Result<(Arc<OidcProvider>, WebIdentity)> {
        let token = UnverifiedToken::parse(token.expose())?;
        let provider = match self.memory.cache.known_oidc_provider(account, provider) {
            Some(known) => Some(known),
            None => {
                let _permit = self.limits.lookup_permit(attempt).await?;
                self.memory
                    .cache
                    .oidc_provider(&self.base.store, account, provider)
                    .await?
            }
        };
        let provider =
            provider.ok_or_else(|| Error::web_identity(WebIdentityFault::NoSuchProvider))?;
        let (identity, _) = self.verify_token_of(&provider, token).await?;
        Ok((provider, identity))
    }

    /// Verifies a token of a provider, with the issuer's keys, which it returns too.
    ///
    /// # Errors
    /// `WebIdentity`, whose fault says why it isn't believed.
    pub(super) async fn verify_token_of(
        &self,
        provider: &Arc<OidcProvider>,
        token: UnverifiedToken<'_>,
    ) -> Result<(WebIdentity, Arc<JwkSet>)> {
        token.check_claims(provider, self.base.now_elsewhere())?;
        let issuer = self.issuers.issuer(provider, self.base.now())?;
        let keys = self.keys_for(&issuer, &token).await?;
        let identity = token.verify(&keys, provider, self.base.now_elsewhere())?;
        Ok((identity, keys))
    }

    /// Tells whether these are the keys with which a provider's tokens would be verified now.
    pub(super) fn are_current_keys(
        &self,
        provider: &Arc<OidcProvider>,
        keys: &Arc<JwkSet>,
    ) -> Result<bool> {
        let now = self.base.now();
        let issuer = self.issuers.issuer(provider, now)?;
        let are_same = |known: &Arc<JwkSet>| Arc::ptr_eq(known, keys);
        let decided = issuer.heard().decide(are_same, now);
        Ok(matches!(decided, Some(Ok(current)) if Arc::ptr_eq(&current, keys)))
    }

    /// Returns the keys among which the token's is, or the newest ones that may be had.
    async fn keys_for(
        &self,
        issuer: &Arc<Recent<Issuer>>,
        token: &UnverifiedToken<'_>,
    ) -> Result<Arc<JwkSet>> {
        if let Some(decided) = issuer.decide(token, self.base.now()) {
            return decided;
        }
        let busy = |_| Error::web_identity(WebIdentityFault::KeysUnavailable);
        let _waiting = issuer.waiting.try_acquire().map_err(busy)?;
        let leader = match issuer
            .flight
            .join(|| issuer.decide(token, self.base.now()))
            .await
        {
            Turn::Known(decided) => return decided,
            Turn::Leads(leader) => leader,
        };
        let (remote, clock, asked) = (
            Arc::clone(&self.remote),
            Arc::clone(&self.base.clock),
            Arc::clone(issuer),
        );
        // A task of its own: a caller who breaks off would else undo the memory of having asked.
        let ask = async move {
            asked.ask(&remote, &*clock).await;
            drop(leader);
        };
        let ask = tokio::spawn(ask.in_current_span());
        ask.await.map_err(Error::internal)?;
        // Undecided again only when the clock jumped meanwhile.
        issuer
            .decide(token, self.base.now())
            .unwrap_or_else(|| Err(Error::web_identity(WebIdentityFault::KeysUnavailable)))
    }
}

/// The issuers that were asked for keys, by provider: two accounts don't share what they hear of
/// one issuer.
pub(in crate::service) struct Issuers {
    of_providers: RecentMap<(AccountId, String), Issuer>,
    /// That of single sign-on for the console.
    pub(super) sso: Arc<SsoIssuer>,
}

impl Default for Issuers {
    fn default() -> Self {
        Self {
            // Never one that was asked lately gives way: many providers would else have us ask all
            // the time.
            of_providers: RecentMap::new(CAPACITY, Issuer::rested),
            sso: Arc::default(),
        }
    }
}

impl Issuers {
    /// Returns the issuer of a provider. One of a provider that was made again, or has other keys,
    /// is new. Another change leaves the keys that were fetched, so it refuses no token for want
    /// of an answer.
    fn issuer(&self, provider: &Arc<OidcProvider>, now: Timestamp) -> Result<Arc<Recent<Issuer>>> {
        let key = (provider.account, provider.name.clone());
        let is_same = |known: &Issuer| {
            let of = &known.provider;
            Arc::ptr_eq(of, provider)
                || (of.created_at, &of.issuer, &of.jwks)
                    == (provider.created_at, &provider.issuer, &provider.jwks)
        };
        self.of_providers
            .get_or_make(&key, now, is_same, || Issuer::new(Arc::clone(provider)))?
            .ok_or_else(|| Error::web_identity(WebIdentityFault::KeysUnavailable))
    }
}

/// An issuer, as far as it was heard.
struct Issuer {
    provider: Arc<OidcProvider>,
    heard: Mutex<Heard>,
    /// Questions to the issuer.
    flight: SingleFlight,
    /// Bounds those who wait: they are strangers, and each holds a request.
    waiting: tokio::sync::Semaphore,
}

#[derive(Default)]
struct Heard {
    keys: Option<FetchedSet>,
    asked_at: Option<Timestamp>,
    /// How often in a row it failed to answer, and why the last time.
    failures: u32,
    failure: String,
}

struct FetchedSet {
    keys: Arc<JwkSet>,
    /// When they came, and how long they are kept; keys that the operator gave are kept for ever.
    fetched: Option<(Timestamp, Duration)>,
}

impl Issuer {
    fn new(provider: Arc<OidcProvider>) -> Result<Self> {
        let given = provider.jwks.as_deref().map(JwkSet::parse).transpose();
        // It was checked when it was saved; a later version may be stricter.
        let given = given.map_err(|error| Error::internal(error.message().to_owned()))?;
        let keys = given.map(|keys| FetchedSet {
            keys: Arc::new(keys),
            fetched: None,
        });
        Ok(Self {
            provider,
            heard: Mutex::new(Heard {
                keys,
                ..Heard::default()
            }),
            flight: SingleFlight::default(),
            waiting: tokio::sync::Semaphore::new(MAX_WAITING),
        })
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        // Each change is whole: it is right after any panic.
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn decide(&self, token: &UnverifiedToken<'_>, now: Timestamp) -> Option<Result<Arc<JwkSet>>> {
        self.heard()
            .decide(|keys| token.finds_its_key_in(keys), now)
    }

    fn rested(&self, now: Timestamp) -> bool {
        self.heard().rested(now, REFETCH_INTERVAL)
    }

    /// Asks the issuer for its keys, and remembers the answer.
    async fn ask(&self, remote: &remote::Client, clock: &dyn Clock) {
        let asked_at = clock.now();
        let answer = fetch_keys(remote, &self.provider.issuer)
            .await
            .map_err(Error::internal)
            .and_then(|fetched| read(&fetched));
        if let Err(error) = &answer {
            let (account, provider) = (self.provider.account, &self.provider.name);
            tracing::warn!(
                %account,
                provider,
                cause = error.cause(),
                "the keys of an OIDC issuer can't be fetched"
            );
        }
        self.heard().note(answer, asked_at);
    }
}

impl Heard {
    /// Returns the keys to look in, or why none will do; nothing when the issuer is to be asked
    /// first. `has_key` tells whether the token's key is among them.
    fn decide(
        &self,
        has_key: impl Fn(&Arc<JwkSet>) -> bool,
        now: Timestamp,
    ) -> Option<Result<Arc<JwkSet>>> {
        let refuse = |fault| {
            let error = Error::web_identity(fault);
            Some(Err(if self.failures > 0 {
                error.caused_by(self.failure.clone())
            } else {
                error
            }))
        };
        let unknown = if self.failures > 0 {
            WebIdentityFault::KeysUnavailable
        } else {
            WebIdentityFault::BadSignature
        };
        let Some(FetchedSet { keys, fetched }) = &self.keys else {
            return if self.rested(now, self.pause()) {
                None
            } else {
                refuse(WebIdentityFault::KeysUnavailable)
            };
        };
        let found = has_key(keys);
        let (age, kept) = match fetched {
            Some((at, kept)) => (at.distance(now), *kept),
            None => {
                return if found {
                    Some(Ok(Arc::clone(keys)))
                } else {
                    refuse(WebIdentityFault::BadSignature)
                };
            }
        };
        let asks_again = if age >= kept {
            self.rested(now, self.pause())
        } else {
            !found && self.rested(now, REFETCH_INTERVAL)
        };
        if asks_again {
            None
        } else if age >= STALE_KEPT {
            refuse(WebIdentityFault::KeysUnavailable)
        } else if found {
            Some(Ok(Arc::clone(keys)))
        } else {
            refuse(unknown)
        }
    }

    /// Remembers an answer.
    fn note(&mut self, answer: Result<(JwkSet, Duration)>, asked_at: Timestamp) {
        self.asked_at = Some(asked_at);
        match answer {
            Ok((keys, kept)) => {
                self.keys = Some(FetchedSet {
                    keys: Arc::new(keys),
                    fetched: Some((asked_at, kept)),
                });
                (self.failures, self.failure) = (0, String::new());
            }
            Err(error) => {
                self.failures = self.failures.saturating_add(1);
                self.failure = error.cause().unwrap_or_else(|| error.message().to_owned());
            }
        }
    }

    /// Tells whether so much time has passed since the issuer was asked; a clock that was set back
    /// counts too.
    fn rested(&self, now: Timestamp, pause: Duration) -> bool {
        self.asked_at
            .is_none_or(|asked_at| asked_at.distance(now) >= pause)
    }

    /// Returns how long the issuer is left alone.
    fn pause(&self) -> Duration {
        match self.failures {
            0 => REFETCH_INTERVAL,
            failures => FIRST_PAUSE
                .saturating_mul(1 << (failures - 1).min(8))
                .min(REFETCH_INTERVAL),
        }
    }
}

/// Reads fetched keys, and how long they are kept.
fn read(fetched: &FetchedKeys) -> Result<(JwkSet, Duration)> {
    let keys = JwkSet::parse(&fetched.jwks)
        .map_err(|error| Error::internal(error.message().to_owned()))?;
    Ok((
        keys,
        fetched
            .max_age
            .unwrap_or(LONGEST_KEPT)
            .clamp(SHORTEST_KEPT, LONGEST_KEPT),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::identity::OidcAlgorithm;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_735_877_057);

    fn provider(name: &str) -> Arc<OidcProvider> {
        Arc::new(OidcProvider {
            account: "100000000001".parse().unwrap(),
            name: name.to_owned(),
            issuer: "https://issuer.example.com".to_owned(),
            audiences: vec!["sts.example.com".to_owned()],
            jwks: None,
            algorithms: OidcAlgorithm::ALL.to_vec(),
            created_at: NOW,
        })
    }

    #[test]
    fn pauses_grow_to_a_minute() {
        let mut heard = Heard::default();
        let pauses: Vec<u64> = (0..5)
            .map(|_| {
                heard.note(Err(Error::internal("it fails")), NOW);
                heard.pause().as_secs()
            })
            .collect();
        assert_eq!(pauses, [10, 20, 40, 60, 60]);
        heard.failures = u32::MAX;
        heard.note(Err(Error::internal("it fails")), NOW);
        assert_eq!(heard.pause(), REFETCH_INTERVAL);
    }

    #[test]
    fn an_issuer_that_was_asked_lately_is_not_forgotten_for_another() {
        let issuers = Issuers::default();
        for number in 0..CAPACITY {
            let issuer = issuers.issuer(&provider(&number.to_string()), NOW).unwrap();
            issuer.heard().note(Err(Error::internal("it fails")), NOW);
        }
        assert!(
            issuers
                .issuer(&provider("another"), NOW.plus(Duration::from_secs(59)))
                .is_err()
        );
        let busy = issuers.issuer(&provider("0"), NOW).unwrap();
        let minute_later = NOW.plus(Duration::from_secs(60));
        issuers.issuer(&provider("another"), minute_later).unwrap();
        let again = issuers.issuer(&provider("0"), minute_later).unwrap();
        assert!(Arc::ptr_eq(&again, &busy), "one in use was forgotten");
    }

    #[test]
    fn a_provider_that_was_made_again_or_has_other_keys_is_heard_anew() {
        let issuers = Issuers::default();
        let first = issuers.issuer(&provider("one"), NOW).unwrap();
        assert!(
            Arc::ptr_eq(&first, &issuers.issuer(&provider("one"), NOW).unwrap()),
            "the same, read again"
        );
        let again = OidcProvider {
            created_at: NOW.plus(Duration::from_secs(1)),
            ..(*provider("one")).clone()
        };
        let rekeyed = OidcProvider {
            jwks: Some(r#"{"keys":[]}"#.to_owned()),
            ..(*provider("one")).clone()
        };
        for changed in [again, rekeyed] {
            let heard = issuers.issuer(&Arc::new(changed), NOW).unwrap();
            assert!(!Arc::ptr_eq(&first, &heard));
        }
    }

    #[test]
    fn other_audiences_and_algorithms_leave_the_keys_that_were_fetched() {
        let issuers = Issuers::default();
        let first = issuers.issuer(&provider("one"), NOW).unwrap();
        let changed = Arc::new(OidcProvider {
            audiences: vec!["other.example.com".to_owned()],
            algorithms: vec![OidcAlgorithm::Es256],
            ..(*provider("one")).clone()
        });
        let heard = issuers.issuer(&changed, NOW).unwrap();
        assert!(Arc::ptr_eq(&first, &heard));
    }
}
