//! Everything that a running process signs and seals with. It never changes: when a key does, the
//! process makes a new keyring and puts it in the old one's place.

use std::collections::HashMap;
use std::fmt;

use serde_json::{Value, json};

use super::jwt::SigningKey;
use super::sealed::{Grant, Sealer, Session};
use super::x509::{self, Certificate};
use crate::domain::clock::{Random, Timestamp};
use crate::domain::credential::SecretKind;
use crate::domain::ids::InstanceId;
use crate::domain::instance::{Algorithm, Instance, RegistryKind};
use crate::domain::secret::Secret;
use crate::domain::{Error, Result};

/// Everything this process signs and seals with.
pub struct Keyring {
    sealer: Sealer,
    current: Vec<SigningKey>,
    others: Vec<SigningKey>,
    of_instances: HashMap<InstanceId, SigningKey>,
    authorities: Vec<Vec<u8>>,
    until: Option<Timestamp>,
}

impl Keyring {
    /// Takes the sealer, the signing keys that sign (one an algorithm), the others that are only
    /// published (not yet used, or with tokens still about), and the DER certificates of the
    /// authorities.
    ///
    /// # Errors
    ///
    /// `Internal` when two keys would sign with one algorithm.
    pub fn new(
        sealer: Sealer,
        current: Vec<SigningKey>,
        others: Vec<SigningKey>,
        authorities: Vec<Vec<u8>>,
    ) -> Result<Self> {
        for algorithm in Algorithm::ALL {
            if current
                .iter()
                .filter(|key| key.algorithm() == algorithm)
                .count()
                > 1
            {
                return Err(Error::internal(format!(
                    "two signing keys are current for {}",
                    algorithm.name()
                )));
            }
        }
        Ok(Self {
            sealer,
            current,
            others,
            of_instances: HashMap::new(),
            authorities,
            until: None,
        })
    }

    /// Adds the keys that sign for one instance alone. None is ever published among the others: a
    /// registry that trusts one of them asks nothing further of a token, so a registry that trusted
    /// the published set would open all to all.
    #[must_use]
    pub fn with_instances(mut self, of_instances: HashMap<InstanceId, SigningKey>) -> Self {
        self.of_instances = of_instances;
        self
    }

    /// Says until when these keys sign and seal: then the time of a newer one has come.
    #[must_use]
    pub fn until(mut self, until: Option<Timestamp>) -> Self {
        self.until = until;
        self
    }

    /// Tells whether the time of a newer key has come, so that the keys must be read again.
    pub fn is_out_of_date(&self, now: Timestamp) -> bool {
        self.until.is_some_and(|until| until <= now)
    }

    /// Returns what seals and opens.
    pub fn sealer(&self) -> &Sealer {
        &self.sealer
    }

    /// Seals a grant with the current sealing key.
    ///
    /// # Errors
    ///
    /// Those of [`Sealer::seal`].
    pub fn seal(&self, kind: SecretKind, grant: &Grant, random: &dyn Random) -> Result<Secret> {
        self.sealer.seal(kind, grant, random)
    }

    /// Opens a secret that any known sealing key sealed as this kind; see [`Sealer::open`].
    pub fn open(&self, kind: SecretKind, secret: &str) -> Option<Grant> {
        self.sealer.open(kind, secret)
    }

    /// Seals a session into its token with the current sealing key.
    ///
    /// # Errors
    ///
    /// Those of [`Sealer::seal_session`].
    pub fn seal_session(&self, session: &Session, random: &dyn Random) -> Result<Secret> {
        self.sealer.seal_session(session, random)
    }

    /// Opens a session token that any known sealing key sealed; see [`Sealer::open_session`].
    pub fn open_session(&self, token: &str) -> Option<Session> {
        self.sealer.open_session(token)
    }

    /// Returns the key that signs with this algorithm.
    ///
    /// # Errors
    ///
    /// `Internal` when there is none.
    pub fn signing_key(&self, algorithm: Algorithm) -> Result<&SigningKey> {
        self.current
            .iter()
            .find(|key| key.algorithm() == algorithm)
            .ok_or_else(|| {
                Error::internal(format!("there is no signing key for {}", algorithm.name()))
            })
    }

    /// Returns the key that signs this instance's tokens: its own and no other, or the one of its
    /// algorithm that it shares.
    ///
    /// # Errors
    ///
    /// `Internal` when there is none.
    pub fn signing_key_of(&self, instance: &Instance) -> Result<&SigningKey> {
        match instance.kind {
            RegistryKind::Distribution => self.signing_key(instance.algorithm),
            RegistryKind::Zot | RegistryKind::Pulp => {
                self.of_instances.get(&instance.id).ok_or_else(|| {
                    Error::internal(format!(
                        "there is no signing key of instance {}",
                        instance.id
                    ))
                })
            }
        }
    }

    /// Returns the keys that sign, one an algorithm.
    pub fn signing_keys(&self) -> &[SigningKey] {
        &self.current
    }

    /// Returns when the first of the authorities ends that vouch for the keys that sign.
    pub fn authority_expires_at(&self) -> Option<Timestamp> {
        let authorities: Vec<_> = self
            .authorities
            .iter()
            .filter_map(|der| Certificate::parse(der))
            .collect();
        let leaves = self
            .current
            .iter()
            .filter_map(|key| Certificate::parse(key.leaf_der()));
        let vouching = leaves.filter_map(|leaf| {
            authorities
                .iter()
                .find(|authority| leaf.is_issued_by(authority))
        });
        vouching.map(|authority| authority.expires_at).min()
    }

    /// Returns the public keys that instances share as a JWK set (RFC 7517), those that sign first.
    pub fn jwks(&self) -> Value {
        let keys: Vec<_> = self
            .current
            .iter()
            .chain(&self.others)
            .map(SigningKey::jwk)
            .collect();
        json!({ "keys": keys })
    }

    /// Returns the authorities' certificates as PEM, one after another: a registry's
    /// `rootcertbundle`.
    pub fn bundle_pem(&self) -> String {
        self.authorities.iter().map(|der| x509::pem(der)).collect()
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyring")
            .field("sealer", &self.sealer)
            .field("current", &self.current)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::SystemRandom;
    use crate::domain::instance::KidFormat;
    use crate::token::authority::{Authority, LEAF_TTL};
    use crate::token::jwt::SigningKeyPair;
    use crate::token::sealed::SealingKey;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_735_787_045);

    fn sealer() -> Sealer {
        Sealer::new(SealingKey::generate(&SystemRandom), Vec::new()).unwrap()
    }

    fn signing_key(authority: &Authority, algorithm: Algorithm) -> SigningKey {
        let pair = SigningKeyPair::generate(algorithm).unwrap();
        let leaf = authority.issue_leaf(&pair, NOW).unwrap();
        SigningKey::from_parts(
            algorithm.name(),
            algorithm,
            &pair.private_pkcs8().unwrap(),
            &leaf.der,
            leaf.expires_at,
        )
        .unwrap()
    }

    #[test]
    fn the_current_keys_sign_and_all_are_published() {
        let old = Authority::generate("old", NOW.minus(LEAF_TTL), &SystemRandom).unwrap();
        let new = Authority::generate("new", NOW, &SystemRandom).unwrap();
        let current: Vec<_> = Algorithm::ALL
            .iter()
            .map(|algorithm| signing_key(&new, *algorithm))
            .collect();
        let retired = signing_key(&old, Algorithm::Es256);
        let kids: Vec<_> = current
            .iter()
            .chain([&retired])
            .map(|key| key.kid(KidFormat::Thumbprint).to_owned())
            .collect();
        let certificates = vec![
            new.certificate_der().to_vec(),
            old.certificate_der().to_vec(),
        ];
        let keyring = Keyring::new(sealer(), current, vec![retired], certificates).unwrap();
        for algorithm in Algorithm::ALL {
            assert_eq!(
                keyring.signing_key(algorithm).unwrap().algorithm(),
                algorithm
            );
        }
        assert_eq!(
            keyring
                .signing_key(Algorithm::Es256)
                .unwrap()
                .kid(KidFormat::Thumbprint),
            kids[0]
        );
        let jwks = keyring.jwks();
        let published: Vec<_> = jwks["keys"]
            .as_array()
            .unwrap()
            .iter()
            .map(|jwk| jwk["kid"].as_str().unwrap())
            .collect();
        assert_eq!(published, kids);
        assert_eq!(
            keyring.bundle_pem(),
            new.certificate_pem() + &old.certificate_pem()
        );
        assert_eq!(
            keyring.authority_expires_at(),
            Some(new.expires_at()),
            "the old one vouches for no key that signs"
        );
        assert!(keyring.signing_keys().iter().all(
            |key| !key.leaf_renewal_is_due(NOW) && key.leaf_renewal_is_due(NOW.plus(LEAF_TTL))
        ));
    }

    #[test]
    fn every_thread_may_use_the_keys() {
        fn shared<T: Send + Sync>() {}
        shared::<Keyring>();
        shared::<Authority>();
        shared::<crate::token::MasterKey>();
    }

    #[test]
    fn one_key_signs_for_an_algorithm() {
        let authority = Authority::generate("test", NOW, &SystemRandom).unwrap();
        let key = || signing_key(&authority, Algorithm::Es256);
        assert!(Keyring::new(sealer(), vec![key(), key()], Vec::new(), Vec::new()).is_err());
        let keyring = Keyring::new(sealer(), vec![key()], vec![key()], Vec::new()).unwrap();
        assert!(keyring.signing_key(Algorithm::Rs256).is_err());
    }
}
