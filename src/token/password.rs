//! The slow hash of passwords that people choose: argon2id (RFC 9106), in the PHC text form.
//!
//! It takes a core some 20 milliseconds and 19 MiB: callers do it on a thread of its own, and few
//! at once.

use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use crate::domain::credential::PasswordHash;
use crate::domain::secret::Secret;
use crate::domain::{Error, Result};

/// Memory, in KiB. With two passes this is the first choice of OWASP's password storage cheat sheet
/// for argon2id.
///
/// RFC 9106's second choice (64 MiB, three passes) costs five times as much at every first log-in,
/// and memory for each that runs at once; what is guarded here can be guessed at through the door
/// only some twenty times a second, and at home only by a thief of the database, who wins little by
/// the weaker figure against a good password.
const MEMORY_KIB: u32 = 19 * 1024;
/// How often the memory is filled.
const PASSES: u32 = 2;
/// One lane: a log-in takes one core, not all of them.
const LANES: u32 = 1;
/// How long a salt is, in bytes.
pub const SALT_LENGTH: usize = 16;
/// How long the hash is, in bytes.
const HASH_LENGTH: usize = 32;

/// Hashes a password with a random salt.
///
/// # Errors
///
/// `Internal` when the hash can't be computed.
pub fn hash(password: &Secret, salt: [u8; SALT_LENGTH]) -> Result<PasswordHash> {
    let hash: phc::PasswordHash = hasher()?
        .hash_password_with_salt(password.expose().as_bytes(), &salt)
        .map_err(Error::internal)?;
    Ok(PasswordHash::new(hash.to_string()))
}

/// Tells whether a password is the one that was hashed, whatever figures it was hashed with.
///
/// # Errors
///
/// `Internal` when the stored hash can't be read.
pub fn verify(password: &Secret, hash: &PasswordHash) -> Result<bool> {
    let unreadable = |error: &dyn std::fmt::Display| {
        Error::internal(format!("a stored password hash can't be read: {error}"))
    };
    let hash = phc::PasswordHash::new(hash.as_str()).map_err(|error| unreadable(&error))?;
    if hash.salt.is_none() || hash.hash.is_none() {
        return Err(unreadable(&"it has no salt, or no hash"));
    }
    match hasher()?.verify_password(password.expose().as_bytes(), &hash) {
        Ok(()) => Ok(true),
        Err(argon2::password_hash::Error::PasswordInvalid) => Ok(false),
        Err(error) => Err(unreadable(&error)),
    }
}

/// Returns a hash that no password has: verifying against it costs what verifying against anybody's
/// does.
pub fn dummy_hash() -> PasswordHash {
    let text = |bytes: &[u8]| STANDARD_NO_PAD.encode(bytes);
    let (salt, hash) = (text(&[0; SALT_LENGTH]), text(&[0; HASH_LENGTH]));
    PasswordHash::new(format!(
        "$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}${salt}${hash}"
    ))
}

fn hasher() -> Result<Argon2<'static>> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(HASH_LENGTH))
        .map_err(|error| Error::internal(error.to_string()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_verifies_against_its_own_hash_alone() {
        let password = Secret::new("Passw0rdEXAMPLE");
        let hashes = [
            hash(&password, [1; SALT_LENGTH]).unwrap(),
            hash(&password, [2; SALT_LENGTH]).unwrap(),
        ];
        assert_ne!(hashes[0], hashes[1], "the salt changes nothing");
        for hash in &hashes {
            assert!(verify(&password, hash).unwrap());
            assert!(!verify(&Secret::new("Passw0rdEXAMPLF"), hash).unwrap());
        }
        assert!(!verify(&password, &dummy_hash()).unwrap());
    }

    #[test]
    fn the_dummy_hash_has_the_figures_of_everybodys() {
        let figures =
            |hash: &PasswordHash| hash.as_str().rsplitn(3, '$').last().unwrap().to_owned();
        let real = hash(&Secret::new("Passw0rdEXAMPLE"), [1; SALT_LENGTH]).unwrap();
        assert_eq!(figures(&real), "$argon2id$v=19$m=19456,t=2,p=1");
        assert_eq!(figures(&dummy_hash()), figures(&real));
        assert_eq!(dummy_hash().as_str().len(), real.as_str().len());
    }

    #[test]
    fn argon2id_is_the_one_that_others_compute() {
        // A vector of the reference implementation's own tests (phc-winner-argon2), with 64 MiB: a
        // hash brings its figures along.
        let known = PasswordHash::new(
            "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        );
        assert!(verify(&Secret::new("password"), &known).unwrap());
        assert!(!verify(&Secret::new("passwore"), &known).unwrap());
    }

    #[test]
    fn a_hash_that_can_not_be_read_is_an_error_and_no_refusal() {
        for bad in [
            "",
            "$argon2id$",
            "plain",
            "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA",
        ] {
            let outcome = verify(&Secret::new("Passw0rdEXAMPLE"), &PasswordHash::new(bad));
            assert!(outcome.is_err(), "{bad:?} was read");
        }
    }
}
