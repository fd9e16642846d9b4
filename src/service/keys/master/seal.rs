//! The seal of a backup: a master key's word that it is as it was made.

use crate::domain::clock::Random;
use crate::domain::wrapped::Wrapped;
use crate::token::MasterKey;

/// The noun that seals are bound to.
const BACKUP: &str = "backup";

/// Seals a backup by its digest. Nothing is wrapped: the tag is a MAC of the digest.
pub fn seal_backup(key: &MasterKey, digest: &str, random: &dyn Random) -> Wrapped {
    key.wrap(BACKUP, digest, &[], random)
}

/// Tells whether a master key made the seal, and for a backup of this digest.
pub fn has_sealed_backup(key: &MasterKey, digest: &str, seal: &Wrapped) -> bool {
    let opened = key.unwrap(BACKUP, digest, seal.as_bytes());
    opened.is_ok_and(|plain| plain.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::SystemRandom;

    #[test]
    fn a_seal_is_of_one_digest_by_one_key() {
        let (key, other) = (
            MasterKey::generate(&SystemRandom),
            MasterKey::generate(&SystemRandom),
        );
        let seal = seal_backup(&key, "00ff", &SystemRandom);
        assert!(has_sealed_backup(&key, "00ff", &seal));
        assert!(!has_sealed_backup(&key, "00fe", &seal));
        assert!(!has_sealed_backup(&other, "00ff", &seal));
        // A secret that the key wraps for the store is no seal.
        let secret = key.wrap("sealing_key", "00ff", &[], &SystemRandom);
        assert!(!has_sealed_backup(&key, "00ff", &secret));
        let mut bytes = seal.as_bytes().to_vec();
        for place in 0..bytes.len() {
            bytes[place] ^= 1;
            let changed = Wrapped::from_bytes(bytes.clone());
            assert!(!has_sealed_backup(&key, "00ff", &changed), "{place}");
            bytes[place] ^= 1;
        }
    }
}
