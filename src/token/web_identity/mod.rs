//! Tokens of others: what OpenID Connect issuers sign (RFC 7515, RFC 7517, RFC 7519, OpenID Connect
//! Core 2).
//!
//! A token says itself by which algorithm and key it is to be checked, so none of that is taken
//! from it: the provider's list allows the algorithm, the issuer's set holds the key, and the
//! algorithm must fit both. A token that could be read in two ways is refused: a name that comes
//! twice, two keys that fit, or an extension that must be understood. Start with
//! [`UnverifiedToken`].
//!
//! Written on the cryptography library itself: the usual JWT library would bring a process-wide
//! choice of one, takes a name that comes twice, and leaves most of these rules to its caller.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use self::claims::flatten;
use self::jwk_set::Jwk;
pub use self::jwk_set::JwkSet;
use self::members::{Members, Strict};
use crate::domain::claims::Claims;
use crate::domain::clock::Timestamp;
use crate::domain::error::WebIdentityFault;
use crate::domain::identity::{OidcAlgorithm, OidcProvider};
use crate::domain::{Error, Result};

mod claims;
mod jwk_set;
mod members;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

/// The most characters of a token: both clouds' limit.
pub const MAX_TOKEN: usize = 20_000;
/// How far the issuer's clock may be off.
pub const LEEWAY: Duration = Duration::from_secs(60);
/// The most bytes of a subject (OpenID Connect Core, 2).
const MAX_SUBJECT: usize = 255;

/// The identity that a verified token names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebIdentity {
    /// The issuer.
    pub issuer: String,
    /// Of whom.
    pub subject: String,
    /// To whom it is said: all audiences of the token, one of which is the provider's.
    pub audiences: Vec<String>,
    /// When it was said.
    pub issued_at: Timestamp,
    /// Until when it may be believed.
    pub expires_at: Timestamp,
    /// All claims, these too, as policies ask for them.
    pub claims: Claims,
}

/// A token that can be read, and of which nothing is believed yet.
pub struct UnverifiedToken<'a> {
    unverified_algorithm: OidcAlgorithm,
    unverified_kid: Option<String>,
    unverified_claims: WebIdentity,
    unverified_members: Map<String, Value>,
    unverified_not_before: Option<Timestamp>,
    /// The signed text: header and claims as they came.
    signed: &'a str,
    signature: Vec<u8>,
}

impl<'a> UnverifiedToken<'a> {
    /// Reads a token.
    ///
    /// # Errors
    ///
    /// `WebIdentity` with [`WebIdentityFault::Malformed`]; the message says what can't be taken.
    pub fn parse(token: &'a str) -> Result<Self> {
        if !(4..=MAX_TOKEN).contains(&token.len()) {
            return Err(malformed(format!(
                "An OIDC token has 4 to {MAX_TOKEN} characters."
            )));
        }
        let (signed, signature) = token.rsplit_once('.').ok_or_else(not_three_parts)?;
        let (header, claims) = signed.split_once('.').ok_or_else(not_three_parts)?;
        if claims.contains('.') {
            return Err(not_three_parts());
        }
        let header = read_part(header, "header")?;
        let claims = read_part(claims, "claims")?;
        let signature = URL_SAFE_NO_PAD
            .decode(signature)
            .map_err(|_| malformed("The OIDC token's signature is not base64url."))?;
        // The effect of an extension on the signature isn't known here (RFC 7515, 4.1.11).
        if header.contains_key("crit") {
            return Err(malformed(
                "The OIDC token's header has extensions (crit) that are not understood here.",
            ));
        }
        // An issuer signs other things with the same keys, such as log-out tokens.
        let is_of_our_type = |typ: &Value| {
            typ.as_str().is_some_and(|typ| {
                ["JWT", "at+jwt"]
                    .iter()
                    .any(|ours| typ.eq_ignore_ascii_case(ours))
            })
        };
        if !header.get("typ").is_none_or(is_of_our_type) {
            return Err(malformed(
                "The OIDC token's header names another type (typ) than JWT.",
            ));
        }
        let algorithm = header
            .get("alg")
            .and_then(Value::as_str)
            .and_then(|name| name.parse().ok());
        let kid = match header.get("kid") {
            None => None,
            Some(Value::String(kid)) if !kid.is_empty() => Some(kid.clone()),
            Some(_) => return Err(malformed("The OIDC token's kid is not a text.")),
        };
        Ok(Self {
            unverified_algorithm: algorithm
                .ok_or_else(|| malformed("The OIDC token's algorithm (alg) is not accepted."))?,
            unverified_kid: kid,
            unverified_not_before: claims
                .get("nbf")
                .map(|_| time(&claims, "nbf"))
                .transpose()?,
            unverified_claims: WebIdentity {
                issuer: text(&claims, "iss", MAX_TOKEN)?,
                subject: text(&claims, "sub", MAX_SUBJECT)?,
                audiences: audiences(&claims)?,
                issued_at: time(&claims, "iat")?,
                expires_at: time(&claims, "exp")?,
                claims: Claims::default(),
            },
            unverified_members: claims,
            signed,
            signature,
        })
    }

    /// Tells whether the token says that it is of the provider's issuer.
    pub fn claims_issuer(&self, provider: &OidcProvider) -> bool {
        self.unverified_claims.issuer == provider.issuer
    }

    /// Tells whether the token says that it is for one of the provider's audiences.
    pub fn claims_audience_of(&self, provider: &OidcProvider) -> bool {
        self.unverified_claims
            .audiences
            .iter()
            .any(|audience| provider.audiences.contains(audience))
    }

    /// Tells whether one key of the set, and no other, is the one that the token names.
    pub fn finds_its_key_in(&self, keys: &JwkSet) -> bool {
        self.key_in(keys).is_some()
    }

    fn key_in<'k>(&self, keys: &'k JwkSet) -> Option<&'k Jwk> {
        keys.pick(self.unverified_algorithm, self.unverified_kid.as_deref())
    }

    /// Checks all but the signature: the algorithm, the issuer, an audience and the times. It
    /// proves nothing, and spares asking the issuer for keys that would help nobody.
    ///
    /// # Errors
    ///
    /// `WebIdentity` with the fault: malformed, audience not matched, expired or not yet valid.
    pub fn check_claims(&self, provider: &OidcProvider, now: Timestamp) -> Result<()> {
        let claims = &self.unverified_claims;
        if !provider.algorithms.contains(&self.unverified_algorithm) {
            return Err(malformed(format!(
                "The provider allows no OIDC token that is signed with {}.",
                self.unverified_algorithm
            )));
        }
        if !self.claims_issuer(provider) {
            return Err(malformed(
                "The OIDC token is another issuer's than the provider's.",
            ));
        }
        if !self.claims_audience_of(provider) {
            return Err(Error::web_identity(WebIdentityFault::AudienceNotMatched));
        }
        let begins_at = self
            .unverified_not_before
            .unwrap_or(claims.issued_at)
            .max(claims.issued_at);
        let out_of_time = |fault| {
            Err(Error::web_identity_out_of_time(
                fault,
                begins_at,
                claims.expires_at,
                now,
            ))
        };
        if claims.expires_at.plus(LEEWAY) <= now {
            return out_of_time(WebIdentityFault::Expired);
        }
        if begins_at > now.plus(LEEWAY) {
            return out_of_time(WebIdentityFault::NotYetValid);
        }
        Ok(())
    }

    /// Verifies the token, all of it, and returns what it says.
    ///
    /// # Errors
    ///
    /// `WebIdentity` with the fault; [`WebIdentityFault::BadSignature`] when no key of the set
    /// signed it.
    pub fn verify(
        self,
        keys: &JwkSet,
        provider: &OidcProvider,
        now: Timestamp,
    ) -> Result<WebIdentity> {
        self.check_claims(provider, now)?;
        let bad_signature = || Error::web_identity(WebIdentityFault::BadSignature);
        let key = self.key_in(keys).ok_or_else(bad_signature)?;
        if !key.verifies(
            self.unverified_algorithm,
            self.signed.as_bytes(),
            &self.signature,
        ) {
            return Err(bad_signature());
        }
        Ok(WebIdentity {
            claims: flatten(self.unverified_members),
            ..self.unverified_claims
        })
    }
}

impl fmt::Debug for UnverifiedToken<'_> {
    /// Shows nothing that would let somebody use the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnverifiedToken")
            .field("algorithm", &self.unverified_algorithm)
            .finish_non_exhaustive()
    }
}

fn malformed(why: impl Into<String>) -> Error {
    Error::malformed_web_identity(why)
}

fn not_three_parts() -> Error {
    malformed("An OIDC token has 3 parts, divided by '.'.")
}

fn read_part(part: &str, name: &str) -> Result<Map<String, Value>> {
    let bytes = URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| malformed(format!("The OIDC token's {name} is not base64url.")))?;
    let Members(members, _) = serde_json::from_slice::<Members<Strict>>(&bytes).map_err(|_| {
        malformed(format!(
            "The OIDC token's {name} is not a JSON object without repetitions."
        ))
    })?;
    Ok(members)
}

fn text(claims: &Map<String, Value>, name: &str, longest: usize) -> Result<String> {
    let text = claims
        .get(name)
        .and_then(Value::as_str)
        .filter(|text| (1..=longest).contains(&text.len()));
    // They go into audit lines and sessions' names.
    let text = text.filter(|text| !text.chars().any(char::is_control));
    text.map(ToOwned::to_owned).ok_or_else(|| {
        malformed(format!(
            "The OIDC token's {name} is not a text of 1 to {longest} bytes."
        ))
    })
}

fn audiences(claims: &Map<String, Value>) -> Result<Vec<String>> {
    let refused = || malformed("The OIDC token's aud is neither a text nor a list of texts.");
    match claims.get("aud") {
        Some(Value::String(one)) => Ok(vec![one.clone()]),
        Some(Value::Array(all)) if !all.is_empty() => all
            .iter()
            .map(|one| one.as_str().map(ToOwned::to_owned).ok_or_else(refused))
            .collect(),
        _ => Err(refused()),
    }
}

/// Reads a NumericDate: seconds, perhaps with a fraction (RFC 7519, 2), up to the year 9999.
fn time(claims: &Map<String, Value>, name: &str) -> Result<Timestamp> {
    const LATEST: f64 = 253_402_300_799.0;
    let seconds = claims
        .get(name)
        .and_then(Value::as_f64)
        .filter(|seconds| (0.0..=LATEST).contains(seconds));
    let seconds = seconds
        .ok_or_else(|| malformed(format!("The OIDC token's {name} is not a time in seconds.")))?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the range was checked, and what follows the point is to go"
    )]
    Ok(Timestamp::from_unix_seconds(seconds as i64))
}
