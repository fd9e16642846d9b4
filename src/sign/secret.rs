//! An access key's secret, made ready to verify.

use std::fmt;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use crate::domain::secret::Secret;

/// How many TC3 keys are kept: two dates around midnight, and the few services that one key calls.
const DERIVED_KEYS: usize = 8;

/// An access key's secret made ready to verify: each HMAC key is made once and kept.
///
/// Keep it beside the access key: making the keys costs more than verifying with them.
pub struct SigningSecret {
    secret: Secret,
    plain_sha1: OnceLock<hmac::Key>,
    plain_sha256: OnceLock<hmac::Key>,
    ampersand_sha1: OnceLock<hmac::Key>,
    tc3: RwLock<Vec<Derived>>,
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

/// A TC3 signing key and what it was derived for.
struct Derived {
    date: String,
    service: String,
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
            tc3: RwLock::new(Vec::new()),
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

    /// Returns the TC3 key of a date and service, when it was kept.
    pub(super) fn kept_tc3_key(&self, date: &str, service: &str) -> Option<Arc<hmac::Key>> {
        let kept = self.tc3.read().unwrap_or_else(PoisonError::into_inner);
        find(&kept, date, service).map(|derived| Arc::clone(&derived.key))
    }

    /// Derives the TC3 key of a date and service: four HMACs.
    pub(super) fn derive_tc3_key(&self, date: &str, service: &str) -> Arc<hmac::Key> {
        let [_, _, signing] = tc3_key_chain(&self.secret, date, service);
        Arc::new(hmac::Key::new(hmac::HMAC_SHA256, signing.as_ref()))
    }

    /// Keeps a TC3 key. Only who verified a signature with it may ask for that: the service is the
    /// client's to choose, and strangers would drive the useful keys out.
    pub(super) fn keep_tc3_key(&self, date: &str, service: &str, key: &Arc<hmac::Key>) {
        let mut kept = self.tc3.write().unwrap_or_else(PoisonError::into_inner);
        // Two requests may have derived it at the same time.
        if find(&kept, date, service).is_none() {
            if kept.len() == DERIVED_KEYS {
                kept.remove(0);
            }
            kept.push(Derived {
                date: date.to_owned(),
                service: service.to_owned(),
                key: Arc::clone(key),
            });
        }
    }

    #[cfg(test)]
    pub(super) fn kept_tc3_keys(&self) -> usize {
        self.tc3.read().unwrap().len()
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[signing secret]")
    }
}

fn find<'a>(kept: &'a [Derived], date: &str, service: &str) -> Option<&'a Derived> {
    kept.iter()
        .find(|derived| derived.date == date && derived.service == service)
}

/// Returns TC3's key of the date, of the service, and the signing key.
fn tc3_key_chain(secret: &Secret, date: &str, service: &str) -> [hmac::Tag; 3] {
    let step = |key: &[u8], message: &str| {
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message.as_bytes())
    };
    let root = Zeroizing::new(format!("TC3{}", secret.expose()));
    let of_date = step(root.as_bytes(), date);
    let of_service = step(of_date.as_ref(), service);
    let signing = step(of_service.as_ref(), "tc3_request");
    [of_date, of_service, signing]
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
            let chain = tc3_key_chain(&Secret::new(vector.text("secret_key")), date, service)
                .map(|key| hex::encode(key.as_ref()));
            assert_eq!(
                chain,
                ["k_date_hex", "k_service_hex", "k_signing_hex"].map(|field| vector.text(field)),
                "{}",
                vector.name
            );
            checked += 1;
        }
        assert_eq!(checked, 15);
    }

    #[test]
    fn kept_keys_are_few_and_the_newest() {
        let secret = SigningSecret::new(Secret::new("abcEXAMPLE"));
        for number in 0..20 {
            let service = format!("s{number}");
            let key = secret.derive_tc3_key("2025-01-03", &service);
            secret.keep_tc3_key("2025-01-03", &service, &key);
            secret.keep_tc3_key("2025-01-03", &service, &key);
            assert!(Arc::ptr_eq(
                &key,
                &secret.kept_tc3_key("2025-01-03", &service).unwrap()
            ));
        }
        assert_eq!(secret.kept_tc3_keys(), DERIVED_KEYS);
    }

    #[test]
    fn a_signing_secret_never_prints_itself() {
        assert_eq!(
            format!("{:?}", SigningSecret::new(Secret::new("abcEXAMPLE"))),
            "[signing secret]"
        );
    }
}
