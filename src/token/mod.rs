//! Everything that this service signs and seals. Pure: no async, no input or output; time and
//! chance are parameters, except that keys and signatures draw on the cryptography library's own
//! generator.
//!
//! A *master key* wraps secrets at rest ([`master`]). A *sealing key* makes secrets that carry what
//! they grant ([`sealed`]). A *signing key* signs registry tokens ([`jwt`]) under a leaf
//! certificate of the *authority* that registries trust ([`authority`]; [`certificates`] where it
//! is kept elsewhere). The *keyring* is all that a running process signs and seals with
//! ([`keyring`]). Tokens of other issuers are verified in [`web_identity`]; the passwords that
//! people choose are hashed in [`password`], and imported ones checked in [`old_password`].
//!
//! Nothing here decides who may have what, or whether a grant is still valid: callers do.
//! Start with [`keyring`].

pub mod authority;
pub mod certificates;
mod cipher;
pub mod jwt;
pub mod keyring;
pub mod master;
pub mod old_password;
pub mod password;
pub mod sealed;
pub mod web_identity;
mod x509;

pub use authority::{Authority, Leaf};
pub use jwt::{
    Access, AuditKey, AuditPublicKey, Claims, SigningKey, SigningKeyPair, Token,
    unverified_statement,
};
pub use keyring::Keyring;
pub use master::MasterKey;
pub use sealed::{
    Dependency, Flow, Grant, MAX_CLAIMS, MAX_EXCHANGES, MAX_PROVIDER_NAME, MAX_REGISTRY_SECRET,
    MAX_SESSION_DEPENDENCIES, MAX_SESSION_POLICY_BYTES, MAX_SESSION_POLICY_CHARACTERS, OidcSubject,
    PolicyDigest, Sealer, SealingKey, Session, SessionPolicy, SubjectDigest, longest_secret_of,
    longest_secret_of_session,
};
pub use web_identity::{JwkSet, LEEWAY, UnverifiedToken, WebIdentity};
pub use x509::certificate_expires_at;

#[cfg(test)]
pub(crate) mod testing {
    use std::sync::atomic::{AtomicU64, Ordering};

    use aws_lc_rs::digest;

    use crate::domain::clock::Random;

    /// Gives the same bytes in every run: SHA-256 of the seed and a counter.
    pub(crate) struct Seeded {
        seed: u64,
        drawn: AtomicU64,
    }

    impl Seeded {
        pub(crate) fn new(seed: u64) -> Self {
            Self {
                seed,
                drawn: AtomicU64::new(0),
            }
        }
    }

    impl Random for Seeded {
        fn fill(&self, bytes: &mut [u8]) {
            for chunk in bytes.chunks_mut(32) {
                let drawn = self.drawn.fetch_add(1, Ordering::Relaxed);
                let block = digest::digest(
                    &digest::SHA256,
                    &[self.seed.to_be_bytes(), drawn.to_be_bytes()].concat(),
                );
                chunk.copy_from_slice(&block.as_ref()[..chunk.len()]);
            }
        }
    }
}
