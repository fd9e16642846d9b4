//! Signed tokens, and those of the last seconds: nothing costs an exchange as much as a signature.

use std::sync::Arc;
use std::time::Duration;

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use serde_json::value::RawValue;

use crate::domain::instance::{Instance, KidFormat};
use crate::domain::scope::Scope;
use crate::domain::{Error, Result};
use crate::service::call::Call;
use crate::service::exchange::decisions::{Digest, is_recent, usual_entries};
use crate::service::exchange::{Exchange, Granted};
use crate::service::memory::marks::Mark;
use crate::store::Entity;
use crate::token::{Access, Claims, SigningKey, Token};

/// The part of a token's life in which it is given again, as a divisor.
const PART_OF_LIFE: u32 = 10;
/// Bytes of a remembered token beside its text.
const TOKEN_BYTES: usize = 256;

/// A change of these may mean another key, or another certificate of the same key.
const OF_KEYS: [Entity; 3] = [Entity::SigningKey, Entity::Authority, Entity::MasterKey];

/// A signed token, and whether it was given before.
pub(super) struct GivenToken {
    pub(super) token: Arc<SignedToken>,
    pub(super) was_given: bool,
}

/// A token, by the key that signed it.
pub(super) struct SignedToken {
    pub(super) token: Token,
    /// Its text as JSON, made once: it is by far the longest part of an answer.
    pub(super) json: Box<RawValue>,
    key_id: String,
    /// The number of the last change before it was signed.
    changes: u64,
    signed_at_uptime: Duration,
}

/// The tokens of the last seconds, by a digest of their claims and their life; bounded in bytes.
pub(super) struct SignedTokens {
    by_claims: Cache<(Digest, u32), Arc<SignedToken>, ByBytes>,
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<(Digest, u32), Arc<SignedToken>> for ByBytes {
    fn weight(&self, _: &(Digest, u32), token: &Arc<SignedToken>) -> u64 {
        (TOKEN_BYTES + 2 * token.token.text.len()) as u64
    }
}

impl SignedTokens {
    /// Makes an empty memory of so many bytes.
    pub(super) fn new(max_bytes: u64) -> Self {
        Self {
            by_claims: Cache::with_weighter(usual_entries(max_bytes), max_bytes, ByBytes),
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.by_claims.weight()
    }
}

impl Exchange {
    /// Returns a token that grants these scopes and lives that long: one that was signed a moment
    /// ago for just these claims, or a new one.
    ///
    /// # Errors
    ///
    /// `InvalidParameter` of `scope` when the token would be larger than registries take;
    /// `StoreUnavailable` when the instance's signing key is unknown here and can't be read.
    pub(super) async fn signed(
        &self,
        call: &Call<'_>,
        instance: &Instance,
        granted: &Granted,
        ttl_seconds: u32,
    ) -> Result<GivenToken> {
        let keyring = self.memory.keys.keyring.load();
        if keyring.signing_key_of(instance).is_err() {
            drop(keyring);
            // Another replica may have created the instance and its key a moment ago.
            Box::pin(self.memory.catch_up()).await?;
        }
        let changes = self.memory.cache.marks.count();
        let keyring = self.memory.keys.keyring.load();
        let key = keyring.signing_key_of(instance)?;
        let place = (granted.claims, ttl_seconds);
        if self.remembers()
            && let Some(token) = self.tokens.by_claims.get(&place)
            && self.is_given_again(&token, key, ttl_seconds)
        {
            let was_given = true;
            return Ok(GivenToken { token, was_given });
        }
        let token = self.sign(call, instance, key, granted, ttl_seconds)?;
        // Its alphabet needs no escapes. A writer would look at each byte for them, which took a
        // quarter of all instructions beside the signature.
        let json = format!("\"{}\"", token.text);
        let token = Arc::new(SignedToken {
            token,
            json: RawValue::from_string(json).map_err(Error::internal)?,
            key_id: key.id().to_owned(),
            changes,
            signed_at_uptime: self.base.clock.uptime(),
        });
        if self.remembers() {
            self.tokens.by_claims.insert(place, Arc::clone(&token));
        }
        let was_given = false;
        Ok(GivenToken { token, was_given })
    }

    /// Tells whether a token is as good as a new one: of the same key and certificate, and at most
    /// a tenth of its life old.
    fn is_given_again(&self, signed: &SignedToken, key: &SigningKey, ttl_seconds: u32) -> bool {
        let (token, now) = (&signed.token, self.base.now_elsewhere());
        let marks = &self.memory.cache.marks;
        let young = Duration::from_secs(ttl_seconds.into()) / PART_OF_LIFE;
        signed.key_id == key.id()
            && marks.are_unchanged(&OF_KEYS.map(Mark::any), signed.changes)
            && is_recent(
                (token.issued_at, now),
                (signed.signed_at_uptime, self.base.clock.uptime()),
            )
            && token.issued_at.until(now) < young
    }

    fn sign(
        &self,
        call: &Call<'_>,
        instance: &Instance,
        key: &SigningKey,
        granted: &Granted,
        ttl_seconds: u32,
    ) -> Result<Token> {
        let access: Vec<Access> = granted
            .scopes
            .iter()
            .map(|scope| Access {
                resource_type: scope.resource_type.name().to_owned(),
                name: scope.name.clone(),
                actions: scope.actions.iter().map(|action| action.name()).collect(),
            })
            .collect();
        let subject = call.caller.subject();
        let claims = Claims {
            issuer: self.base.issuer_of(instance),
            subject: instance.kind.subject(&subject),
            audience: &instance.service,
            // The registry checks it, by its own clock.
            now: self.base.now_elsewhere(),
            ttl: Duration::from_secs(ttl_seconds.into()),
            access: &access,
        };
        key.sign(instance.kid_format, &claims, &*self.base.random)
    }

    /// Returns the digest of the claims that a token has, but for its times and its own id.
    pub(super) fn digest_of_claims(
        &self,
        call: &Call<'_>,
        instance: &Instance,
        scopes: &[Scope],
    ) -> Digest {
        let mut digest = self.digest_key.begin();
        digest.add(instance.id.as_str().as_bytes());
        digest.add(self.base.issuer_of(instance).as_bytes());
        digest.add(instance.kind.subject(&call.caller.subject()).as_bytes());
        digest.add(instance.service.as_bytes());
        digest.add(&[u8::from(instance.kid_format == KidFormat::Libtrust)]);
        for scope in scopes {
            digest.add(scope.resource_type.name().as_bytes());
            digest.add(scope.name.as_bytes());
            for action in &scope.actions {
                digest.add(action.name().as_bytes());
            }
            // No action is empty, so this ends the scope.
            digest.add(&[]);
        }
        digest.end()
    }

    /// Returns how many seconds a token has left, by the clock that registries go by.
    pub(super) fn seconds_left(&self, token: &Token) -> u32 {
        let left = self.base.now_elsewhere().until(token.expires_at).as_secs();
        u32::try_from(left).unwrap_or(u32::MAX)
    }
}
