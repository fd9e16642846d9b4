//! Token exchange: a log-in becomes a registry token with the rights that are both asked for and
//! held.
//!
//! Registries verify tokens offline, so a token's rights last as long as it does. The policies are
//! decided anew for each exchange, and token lifetimes are short.

mod ahead;
pub(super) mod decisions;
pub(super) mod log_ins;
pub(super) mod reductions;
pub(super) mod tokens;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;
use serde_json::value::RawValue;

use self::decisions::{Decision, Decisions, Digest, DigestKey};
use self::tokens::{GivenToken, SignedToken, SignedTokens};
use crate::domain::Result;
use crate::domain::clock::Timestamp;
use crate::domain::credential::SecretKind;
use crate::domain::instance::Instance;
use crate::domain::scope::{Action, ResourceType, Scope, Scopes};
use crate::domain::secret::Secret;
use crate::service::access::Access;
use crate::service::access::caller::Caller;
use crate::service::base::Base;
use crate::service::call::Call;
use crate::service::ledger::Ledger;
use crate::service::ledger::actions::AuditAction;
use crate::service::ledger::event::Event;
use crate::service::limits::Limits;
use crate::service::memory::Memory;
use crate::service::rights::Rights;
use crate::service::rights::verdict::everything;
use crate::token::{Dependency, Grant};

/// The scopes that are decided before the task yields to others: a request may have thousands.
const SCOPES_PER_YIELD: usize = 64;

/// Whether a refresh token is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offline {
    /// It is.
    Asked,
    /// It isn't.
    No,
}

/// A token that is asked for.
pub struct AskedToken<'a> {
    /// The scopes.
    pub scopes: &'a Scopes,
    /// Whether a refresh token is asked for, too.
    pub offline: Offline,
    /// A shorter life than the instance's tokens have.
    pub ttl: Option<Duration>,
}

/// The detail of an exchange's audit event: scopes, and the token that was given for them.
#[derive(Serialize)]
struct AskedAndGranted<'a> {
    asked: &'a [String],
    granted: &'a [String],
    /// The token's own id, which a registry's log may show.
    jti: &'a str,
    /// Whether an exchange of the last seconds got the same token.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    given_before: bool,
    /// The provider and the subject of the token that logged in.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    token: Option<LoggedInByToken<'a>>,
}

#[derive(Serialize)]
struct LoggedInByToken<'a> {
    oidc_provider: &'a str,
    subject: &'a str,
}

impl<'a> LoggedInByToken<'a> {
    /// Returns the token that a caller logged in with.
    fn of(caller: &'a Caller) -> Option<Self> {
        caller.token_log_in().map(|log_in| Self {
            oidc_provider: &log_in.provider,
            subject: &log_in.identity.subject,
        })
    }
}

/// The scopes that are asked for, and those of them that are held.
#[derive(Debug)]
pub(in crate::service) struct Granted {
    scopes: Vec<Scope>,
    /// Whether something that was asked for is missing.
    is_reduced: bool,
    /// The asked scopes, and those that are held, as texts.
    asked_texts: Vec<String>,
    texts: Vec<String>,
    /// Of all claims of a token for them, but for its times and its own id.
    claims: Digest,
}

impl Granted {
    /// Returns about how many bytes it takes.
    fn bytes(&self) -> usize {
        let texts = self.asked_texts.iter().chain(&self.texts);
        let of_texts = |bytes: usize, text: &String| bytes + size_of::<String>() + text.len();
        // Each scope has its name once more, and a set of actions.
        size_of::<Self>() + texts.fold(0, of_texts) * 2 + self.scopes.len() * 256
    }
}

/// A token, and what goes with it.
pub struct Exchanged {
    signed: Arc<SignedToken>,
    /// Its life, in seconds.
    pub expires_in_seconds: u32,
    /// When it was made.
    pub issued_at: Timestamp,
    /// The refresh token, when it was asked for, the instance gives them out, and a credential
    /// logged in.
    pub refresh_token: Option<Secret>,
    /// The scopes of the token: those that were asked for and are held.
    granted: Arc<Granted>,
}

impl Exchanged {
    /// Returns the token itself.
    pub fn token(&self) -> &str {
        &self.signed.token.text
    }

    /// Returns the token as a JSON string.
    pub fn token_as_json(&self) -> &RawValue {
        &self.signed.json
    }

    /// Tells whether nothing is granted.
    pub fn is_empty(&self) -> bool {
        self.granted.scopes.is_empty()
    }

    /// Returns the scopes that are granted, each as a text.
    pub fn granted(&self) -> &[String] {
        &self.granted.texts
    }
}

/// The figures of the memory of exchanges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExchangeFigures {
    /// About how many bytes it takes.
    pub bytes: u64,
    /// How many exchanges got a token that was given before, since the start.
    pub given_again: u64,
}

/// Exchanges credentials for registry tokens.
pub struct Exchange {
    pub(super) base: Arc<Base>,
    pub(super) limits: Arc<Limits>,
    pub(super) memory: Arc<Memory>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) access: Arc<Access>,
    pub(super) rights: Arc<Rights>,
    digest_key: DigestKey,
    decisions: Decisions,
    tokens: SignedTokens,
    given_again: AtomicU64,
}

impl Exchange {
    /// Makes the part, which remembers exchanges in so many bytes; with none it remembers nothing.
    pub(super) fn new(
        (base, limits, memory): (Arc<Base>, Arc<Limits>, Arc<Memory>),
        (ledger, access, rights): (Arc<Ledger>, Arc<Access>, Arc<Rights>),
        remembered_bytes: usize,
    ) -> Self {
        let half = remembered_bytes as u64 / 2;
        Self {
            digest_key: DigestKey::random(&*base.random),
            base,
            limits,
            memory,
            ledger,
            access,
            rights,
            decisions: Decisions::new(half),
            tokens: SignedTokens::new(half),
            given_again: AtomicU64::new(0),
        }
    }

    /// Exchanges a log-in for a token; rights that are missing are left out, without an error.
    ///
    /// # Errors
    ///
    /// `Throttled` when the credential asks too often; `InvalidParameter` of `scope` when the token
    /// would be larger than registries take; `AuditUnavailable` when the audit is required and has
    /// no room; `StoreUnavailable` when a policy that no cache has can't be read.
    pub async fn token(&self, call: &Call<'_>, asked: &AskedToken<'_>) -> Result<Exchanged> {
        // Before any policy is decided, which is the cost of a request with many scopes.
        self.count(call)?;
        let instance = call.caller.registry_instance()?;
        let granted = self.granted(call, instance, asked.scopes).await?;
        self.give(call, asked, Arc::new(granted)).await
    }

    /// As [`Self::token`], where it was decided a moment ago what is granted.
    ///
    /// # Errors
    ///
    /// Those of [`Self::token`].
    pub async fn token_again(
        &self,
        call: &Call<'_>,
        asked: &AskedToken<'_>,
        decision: &Decision,
    ) -> Result<Exchanged> {
        self.count(call)?;
        self.give(call, asked, Arc::clone(&decision.granted)).await
    }

    fn count(&self, call: &Call<'_>) -> Result<()> {
        match call.caller.credential() {
            Some(credential) => self.limits.tokens.count(credential, call.now),
            None => Ok(()),
        }
    }

    /// Returns the figures of the memory of exchanges.
    pub fn figures(&self) -> ExchangeFigures {
        ExchangeFigures {
            bytes: self.decisions.bytes() + self.tokens.bytes(),
            given_again: self.given_again.load(Ordering::Relaxed),
        }
    }

    async fn give(
        &self,
        call: &Call<'_>,
        asked: &AskedToken<'_>,
        granted: Arc<Granted>,
    ) -> Result<Exchanged> {
        let instance = call.caller.registry_instance()?;
        if granted.is_reduced {
            Box::pin(self.log_reductions(call, asked.scopes, &granted.scopes)).await?;
        }
        // Anybody may make an exchange that grants nothing. So it has no event of its own, and
        // takes no place in the audit queue from others.
        let permit = if call.caller.is_anonymous() && granted.scopes.is_empty() {
            None
        } else {
            Some(self.ledger.queue.reserve(call.caller.audit_share())?)
        };
        let ttl = token_ttl(call, instance, asked.ttl, self.base.now_elsewhere());
        let given = self.signed(call, instance, &granted, ttl).await?;
        self.given_again
            .fetch_add(u64::from(given.was_given), Ordering::Relaxed);
        let refresh_token = match (asked.offline, call.caller.grant()) {
            (Offline::Asked, Some(held)) if instance.refresh_tokens.is_on() => {
                Some(self.refresh_token(call.caller, instance, held)?)
            }
            _ => None,
        };
        match permit {
            Some(permit) => permit.record(&exchange_event(call, instance, &granted, &given)),
            None => self.ledger.count_ungranted(instance, call.request),
        }
        let token = &given.token.token;
        Ok(Exchanged {
            expires_in_seconds: if given.was_given {
                self.seconds_left(token)
            } else {
                ttl
            },
            issued_at: token.issued_at,
            signed: given.token,
            refresh_token,
            granted,
        })
    }

    /// Decides all scopes that a request asks for.
    ///
    /// # Errors
    ///
    /// `StoreUnavailable` when a policy that no cache has can't be read.
    async fn granted(
        &self,
        call: &Call<'_>,
        instance: &Instance,
        scopes: &Scopes,
    ) -> Result<Granted> {
        let mut held_scopes = Vec::with_capacity(scopes.asked.len());
        let mut is_reduced = !scopes.left_out.is_empty();
        for (place, scope) in scopes.asked.iter().enumerate() {
            if place % SCOPES_PER_YIELD == SCOPES_PER_YIELD - 1 {
                tokio::task::yield_now().await;
            }
            let held = self.held(call, instance, scope).await?;
            is_reduced |= !is_whole(scope, &held.actions);
            if !held.actions.is_empty() {
                held_scopes.push(held);
            }
        }
        let texts = |scopes: &[Scope]| scopes.iter().map(ToString::to_string).collect::<Vec<_>>();
        Ok(Granted {
            is_reduced,
            asked_texts: [texts(&scopes.asked), scopes.left_out.clone()].concat(),
            texts: texts(&held_scopes),
            claims: self.digest_of_claims(call, instance, &held_scopes),
            scopes: held_scopes,
        })
    }

    /// Returns the asked scope, with the actions that the caller holds.
    ///
    /// # Errors
    ///
    /// `StoreUnavailable` when a policy that no cache has can't be read.
    async fn held(&self, call: &Call<'_>, instance: &Instance, asked: &Scope) -> Result<Scope> {
        let mut wanted = Action::implied_by(&asked.actions);
        if let Some(narrowing) = call.caller.narrowing() {
            wanted = &wanted & &narrowing.actions_on(asked);
        }
        let mut actions = BTreeSet::new();
        for action in &wanted & &everything(&asked.resource_type, &asked.name) {
            let request = self.rights.request_for(call, action, asked, instance);
            if self
                .rights
                .verdict(call.caller.rights(), instance, &request)
                .await?
                .grants()
            {
                actions.insert(action);
            }
        }
        Ok(Scope {
            resource_type: asked.resource_type.clone(),
            name: asked.name.clone(),
            actions,
        })
    }

    /// Returns the caller's refresh token: the one that logged in, or one that lives as long as its
    /// credential.
    ///
    /// A refresh never returns a new refresh token: docker's engine ignores it and keeps the old
    /// one, so rotation would lock its user out.
    ///
    /// # Errors
    ///
    /// `Internal` when the refresh token can't be sealed.
    fn refresh_token(&self, caller: &Caller, instance: &Instance, held: &Grant) -> Result<Secret> {
        if let Some(presented) = caller.refresh_token() {
            return Ok(presented.clone());
        }
        let mut grant = held.clone();
        grant.dependencies.push((
            Dependency::RefreshTokens(instance.id.clone()),
            instance.refresh_generation,
        ));
        self.memory
            .keys
            .keyring
            .load()
            .seal(SecretKind::Refresh, &grant, &*self.base.random)
    }

    /// Returns the public signing keys that instances share as a JWK set, as JSON text.
    pub fn jwks(&self) -> String {
        self.memory.keys.keyring.load().jwks().to_string()
    }

    /// Returns the certificates that registries trust, as PEM.
    pub fn bundle_pem(&self) -> String {
        self.memory.keys.keyring.load().bundle_pem()
    }
}

/// Returns the life of a token in seconds: it ends with the OpenID Connect token that logged in.
fn token_ttl(call: &Call<'_>, instance: &Instance, asked: Option<Duration>, now: Timestamp) -> u32 {
    let seconds = |ttl: Duration| u32::try_from(ttl.as_secs().max(1)).unwrap_or(u32::MAX);
    let log_in = call.caller.token_log_in();
    let left = log_in.map(|log_in| now.until(log_in.identity.expires_at));
    let limits = [left, asked].into_iter().flatten().map(seconds);
    limits.fold(instance.token_ttl_seconds, u32::min)
}

/// Returns the audit event of an exchange.
fn exchange_event<'a>(
    call: &Call<'a>,
    instance: &'a Instance,
    granted: &Granted,
    given: &GivenToken,
) -> Event<'a> {
    let mut event = call
        .event(AuditAction::TokenExchange)
        .instance(instance)
        .detail(AskedAndGranted {
            asked: &granted.asked_texts,
            granted: &granted.texts,
            jti: &given.token.token.id,
            given_before: given.was_given,
            token: LoggedInByToken::of(call.caller),
        });
    if let Some(held) = call.caller.grant() {
        event = event.credential(&held.id);
    }
    if granted.is_reduced {
        event.outcome("reduced")
    } else {
        event
    }
}

/// Tells whether the caller holds each action that a scope asks for.
fn is_whole(asked: &Scope, held: &BTreeSet<Action>) -> bool {
    asked.actions.iter().all(|action| {
        held.contains(action) || *action == Action::All && holds_everything(asked, held)
    })
}

/// Tells whether the held actions are all that exist for a repository, which is what `*` means.
fn holds_everything(asked: &Scope, held: &BTreeSet<Action>) -> bool {
    asked.resource_type == ResourceType::Repository
        && everything(&asked.resource_type, &asked.name).is_subset(held)
}

/// Returns the asked actions that aren't held, with `*` written out.
pub(in crate::service) fn missing(asked: &Scope, held: &BTreeSet<Action>) -> BTreeSet<Action> {
    let mut missing = asked.actions.clone();
    if asked.resource_type == ResourceType::Repository && missing.remove(&Action::All) {
        missing.extend(everything(&asked.resource_type, &asked.name));
    }
    &missing - held
}
