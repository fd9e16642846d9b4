//! Old passwords: bcrypt until the first log-in, and argon2id ever after.
//!
//! Checking a wrong password takes the same work whatever is stored, so that its time doesn't tell
//! which names there are: one argon2id, and bcrypt of the highest cost that is stored at the
//! instance. Work of the cost `n` takes `2^n` rounds. After a check of the cost `k`, checks of the
//! costs `k` to `n - 1` make that up.
//!
//! bcrypt takes the first 72 bytes of a password, as it did when the hash was made.

use crate::domain::credential::PasswordHash;
use crate::domain::old_password::bcrypt_cost;
use crate::domain::secret::Secret;
use crate::domain::{Error, Result};

use super::password::{self, SALT_LENGTH};

/// The outcome of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Checked {
    /// The password is another one.
    Wrong,
    /// It is the stored one.
    Right,
    /// It is the stored one, whose bcrypt this argon2id replaces.
    RightWith(PasswordHash),
}

/// Checks a password against the stored hash, or against none. `max_cost` is the highest cost of
/// the bcrypts that are stored beside it, and `salt` is for the hash that replaces a bcrypt.
///
/// # Errors
///
/// `Internal` when the stored hash can't be read, or the new one not be made.
pub fn check(
    given: &Secret,
    stored: Option<&PasswordHash>,
    max_cost: Option<u32>,
    salt: [u8; SALT_LENGTH],
) -> Result<Checked> {
    let dummy = password::dummy_hash();
    let cost = stored.and_then(bcrypt_cost);
    match (stored, cost) {
        (Some(hash), Some(cost)) => {
            if verify_bcrypt(given, hash)? {
                return password::hash(given, salt).map(Checked::RightWith);
            }
            password::verify(given, &dummy)?;
            for missing in cost..max_cost.unwrap_or(cost) {
                verify_bcrypt(given, &dummy_bcrypt(missing))?;
            }
        }
        (stored, _) => {
            if password::verify(given, stored.unwrap_or(&dummy))? && stored.is_some() {
                return Ok(Checked::Right);
            }
            if let Some(cost) = max_cost {
                verify_bcrypt(given, &dummy_bcrypt(cost))?;
            }
        }
    }
    Ok(Checked::Wrong)
}

fn verify_bcrypt(given: &Secret, hash: &PasswordHash) -> Result<bool> {
    bcrypt::verify(given.expose(), hash.as_str())
        .map_err(|error| Error::internal(format!("a stored bcrypt can't be read: {error}")))
}

/// Returns a bcrypt of this cost that no password has.
fn dummy_bcrypt(cost: u32) -> PasswordHash {
    PasswordHash::new(format!("$2b${cost:02}${}", ".".repeat(53)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: [u8; SALT_LENGTH] = [1; SALT_LENGTH];

    /// Hashes that others made of passwords: `htpasswd -B` of Apache 2.4.66, and the example of
    /// docker_auth's reference configuration, by PHP and Go.
    const KNOWN: &[(&str, &str)] = &[
        (
            "badmin",
            "$2y$05$LO.vzwpWC5LZGqThvEfznu8qhb5SGqvBSWY1J3yZ4AxtMRZ3kN5jC",
        ),
        (
            "123",
            "$2y$05$WuwBasGDAgr.QCbGIjKJaep4dhxeai9gNZdmBnQXqpKly57oNutya",
        ),
        (
            "",
            "$2a$06$DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkgY8jIucDrjc8deX1s.",
        ),
        (
            "a",
            "$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe",
        ),
    ];

    fn check(given: &str, stored: Option<&PasswordHash>) -> Checked {
        super::check(&Secret::new(given), stored, Some(6), SALT).unwrap()
    }

    #[test]
    fn a_right_password_brings_the_hash_that_replaces_its_bcrypt() {
        for (right, hash) in KNOWN {
            let stored = PasswordHash::new(*hash);
            let Checked::RightWith(renewed) = check(right, Some(&stored)) else {
                panic!("{right:?} is not the password of {hash}");
            };
            assert!(renewed.as_str().starts_with("$argon2id$"));
            assert_eq!(check(right, Some(&renewed)), Checked::Right);
            for stored in [&stored, &renewed] {
                assert_eq!(check("wrong", Some(stored)), Checked::Wrong);
            }
            assert_eq!(check(right, None), Checked::Wrong);
        }
    }

    #[test]
    fn a_bcrypt_compares_72_bytes_and_the_hash_that_replaces_it_all() {
        let long = "x".repeat(80);
        let hash = PasswordHash::new(bcrypt::hash_with_salt(&long, 4, SALT).unwrap().to_string());
        let Checked::RightWith(renewed) = check(&"x".repeat(72), Some(&hash)) else {
            panic!("72 bytes are not enough");
        };
        assert_eq!(check(&"x".repeat(71), Some(&hash)), Checked::Wrong);
        assert_eq!(check(&long, Some(&renewed)), Checked::Wrong);
    }

    #[test]
    fn a_hash_that_can_not_be_read_is_an_error_and_no_refusal() {
        for bad in ["", "plain", "$2b$05$short"] {
            let stored = PasswordHash::new(bad);
            let checked = super::check(&Secret::new("x"), Some(&stored), None, SALT);
            assert!(checked.is_err(), "{bad:?} was read");
        }
    }
}
