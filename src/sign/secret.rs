//! An access key's secret, made ready to verify.

use std::fmt;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use crate::domain::secret::Secret;

/// How many derived keys are kept: two dates around midnight, and the few services that one access
/// key calls.
const DERIVED_KEYS: usize = 8;

/// An access key's secret made ready to verify: each HMAC key is made once and kept.
///
/// Keep it beside the access key: making the keys costs more than verifying with them.
pub struct SigningSecret {
    secret: Secret,
    plain_sha1: OnceLock<hmac::Key>,
    plain_sha256: OnceLock<hmac::Key>,
    ampersand_sha1: OnceLock<hmac::Key>,
    derived: RwLock<Vec<Derived>>,
}

/// Which HMAC a scheme makes of the secret.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum KeyForm {
    /// HMAC-SHA1 under the secret.
    PlainSha1,
    /// HMAC-SHA256 under the secret.
    PlainSha256,
    /// HMAC-SHA1 under the secret and `&`: Alibaba's RPC V1.
    AmpersandSha1,
}

/// The way from a secret to the signing key of a credential scope.
#[derive(Clone, Copy, Debug)]
pub(super) struct Derivation<'a> {
    /// The text before the secret, where the chain begins.
    pub(super) prefix: &'static str,
    /// The parts of the scope, each of which is a step of the chain.
    pub(super) parts: &'a [&'a str],
}

/// A signing key, and the credential scope that it was derived for.
struct Derived {
    scope: String,
    key: Arc<hmac::Key>,
}

impl SigningSecret {
    /// Takes a secret in.
    pub fn new(secret: Secret) -> Self {
        Self {
            secret,
            plain_sha1: OnceLock::new(),
            plain_sha256: OnceLock::new(),
            ampersand_sha1: OnceLock::new(),
            derived: RwLock::new(Vec::new()),
        }
    }

    /// Returns the HMAC of `message`.
    pub(super) fn sign(&self, form: KeyForm, message: &[u8]) -> hmac::Tag {
        let secret = self.secret.expose();
        let key = match form {
            KeyForm::PlainSha1 => self.plain_sha1.get_or_init(|| {
                hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.as_bytes())
            }),
            KeyForm::PlainSha256 => self
                .plain_sha256
                .get_or_init(|| hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes())),
            KeyForm::AmpersandSha1 => self.ampersand_sha1.get_or_init(|| {
                let secret = Zeroizing::new(format!("{secret}&"));
                hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.as_bytes())
            }),
        };
        hmac::sign(key, message)
    }

    /// Returns the signing key of a credential scope, when it was kept.
    pub(super) fn kept_key(&self, scope: &str) -> Option<Arc<hmac::Key>> {
        let kept = self.derived.read().unwrap_or_else(PoisonError::into_inner);
        find(&kept, scope).map(|derived| Arc::clone(&derived.key))
    }

    /// Derives the signing key of a credential scope: an HMAC for each of its parts.
    pub(super) fn derive_key(&self, derivation: Derivation<'_>) -> Arc<hmac::Key> {
        let root = Zeroizing::new(format!("{}{}", derivation.prefix, self.secret.expose()));
        let root = hmac::Key::new(hmac::HMAC_SHA256, root.as_bytes());
        let key = derivation.parts.iter().fold(root, |key, part| {
            let next = hmac::sign(&key, part.as_bytes());
            hmac::Key::new(hmac::HMAC_SHA256, next.as_ref())
        });
        Arc::new(key)
    }

    /// Keeps a signing key. Only who verified a signature with it may ask for that: the scope is
    /// the client's to choose, and strangers would drive the useful keys out.
    pub(super) fn keep_key(&self, scope: &str, key: &Arc<hmac::Key>) {
        let mut kept = self.derived.write().unwrap_or_else(PoisonError::into_inner);
        // Two requests may have derived it at the same time.
        if find(&kept, scope).is_none() {
            if kept.len() == DERIVED_KEYS {
                kept.remove(0);
            }
            kept.push(Derived {
                scope: scope.to_owned(),
                key: Arc::clone(key),
            });
        }
    }

    #[cfg(test)]
    pub(super) fn kept_keys(&self) -> usize {
        self.derived.read().unwrap().len()
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[signing secret]")
    }
}

fn find<'a>(kept: &'a [Derived], scope: &str) -> Option<&'a Derived> {
    kept.iter().find(|derived| derived.scope == scope)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sign::testing::tencent_vectors;

    #[test]
    fn the_key_chain_is_the_vectors() {
        let mut checked = 0;
        for vector in tencent_vectors()
            .iter()
            .filter(|vector| vector.json["k_date_hex"].is_string())
        {
            let (date, rest) = vector.text("credential_scope").split_once('/').unwrap();
            let service = rest.strip_suffix("/tc3_request").unwrap();
            let parts = [date, service, "tc3_request"];
            let secret = SigningSecret::new(Secret::new(vector.text("secret_key")));
            let fields = ["k_date_hex", "k_service_hex", "k_signing_hex"];
            for (place, field) in fields.into_iter().enumerate() {
                let prefix = "TC3";
                let parts = &parts[..=place];
                let key = secret.derive_key(Derivation { prefix, parts });
                let expected = hex::decode(vector.text(field)).unwrap();
                let expected = hmac::Key::new(hmac::HMAC_SHA256, &expected);
                // A key shows nothing but what it signs.
                assert_eq!(
                    hmac::sign(&key, b"x").as_ref(),
                    hmac::sign(&expected, b"x").as_ref(),
                    "{} {field}",
                    vector.name
                );
            }
            checked += 1;
        }
        assert_eq!(checked, 15);
    }

    #[test]
    fn kept_keys_are_few_and_the_newest() {
        let secret = SigningSecret::new(Secret::new("abcEXAMPLE"));
        for number in 0..20 {
            let scope = format!("2025-01-03/s{number}/tc3_request");
            let key = secret.derive_key(Derivation {
                prefix: "TC3",
                parts: &[&scope],
            });
            secret.keep_key(&scope, &key);
            secret.keep_key(&scope, &key);
            assert!(Arc::ptr_eq(&key, &secret.kept_key(&scope).unwrap()));
        }
        assert_eq!(secret.kept_keys(), DERIVED_KEYS);
    }

    #[test]
    fn a_signing_secret_never_prints_itself() {
        assert_eq!(
            format!("{:?}", SigningSecret::new(Secret::new("abcEXAMPLE"))),
            "[signing secret]"
        );
    }
}
