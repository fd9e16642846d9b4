//! Passwords that people choose: the rules for them, and how they are told from what this service
//! makes.

use std::ops::RangeInclusive;

use super::credential::SecretKind;
use super::secret::Secret;
use super::{Error, Result, service_account};

/// How long a fixed password is, as Alibaba's contract has it; none that is chosen is shorter or
/// longer.
const LENGTHS: RangeInclusive<usize> = 8..=32;
/// How long a service account's chosen password is, as Tencent's contract has it.
const ACCOUNT_LENGTHS: RangeInclusive<usize> = 8..=20;

/// Tells whether a text begins as every secret of this service's does.
pub fn has_own_prefix(text: &str) -> bool {
    text.starts_with(service_account::PREFIX)
        || SecretKind::ALL
            .iter()
            .any(|kind| text.starts_with(kind.prefix()))
}

/// Tells whether a text can be a chosen password: only such a one is worth a slow hash.
pub fn may_be_chosen(text: &str) -> bool {
    LENGTHS.contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic())
        && !has_own_prefix(text)
}

/// Checks a fixed password: 8 to 32 characters, of at least two of letters, digits and others.
///
/// # Errors
///
/// `InvalidParameter` of `parameter`, with a message that says what is taken.
pub fn check_fixed(parameter: &'static str, password: &Secret) -> Result<()> {
    let text = password.expose();
    let sorts: [fn(&u8) -> bool; 3] = [
        u8::is_ascii_alphabetic,
        u8::is_ascii_digit,
        u8::is_ascii_punctuation,
    ];
    let mixed = sorts
        .iter()
        .filter(|sort| text.as_bytes().iter().any(sort))
        .count()
        >= 2;
    if may_be_chosen(text) && mixed {
        Ok(())
    } else {
        Err(Error::invalid_parameter(
            parameter,
            "A password has 8 to 32 characters of at least two sorts: letters, digits, and others \
             of ASCII but space; and it doesn't begin like the secrets that this service makes.",
        ))
    }
}

/// Checks a password that is chosen for a service account: 8 to 20 characters, with a capital, a
/// small letter and a digit.
///
/// # Errors
///
/// `InvalidParameter` of `parameter`, with a message that says what is taken.
pub fn check_of_account(parameter: &'static str, password: &Secret) -> Result<()> {
    let text = password.expose();
    let sorts: [fn(&u8) -> bool; 3] = [
        u8::is_ascii_uppercase,
        u8::is_ascii_lowercase,
        u8::is_ascii_digit,
    ];
    let mixed = sorts.iter().all(|sort| text.as_bytes().iter().any(sort));
    if ACCOUNT_LENGTHS.contains(&text.len()) && may_be_chosen(text) && mixed {
        Ok(())
    } else {
        Err(Error::invalid_parameter(
            parameter,
            "A password has 8 to 20 characters of ASCII but space, with a capital letter, a small \
             one and a digit; and it doesn't begin like the secrets that this service makes.",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::SystemRandom;
    use crate::domain::credential::{CredentialId, long_term_secret};
    use crate::domain::service_account::make_password;

    #[test]
    fn a_fixed_password_has_two_sorts_of_characters() {
        for good in [
            "letters1",
            "12345678!",
            "pass-word",
            "a:b:c:d:1",
            &format!("{}1", "a".repeat(31)),
        ] {
            assert!(
                check_fixed("Password", &Secret::new(good)).is_ok(),
                "{good:?} was refused"
            );
        }
        for bad in [
            "",
            "short-1",
            "onlyletters",
            "12345678",
            "!!!!!!!!",
            "with space1",
            "pässword1",
            "tab\tword1",
            &format!("{}1", "a".repeat(32)),
        ] {
            assert!(
                check_fixed("Password", &Secret::new(bad)).is_err(),
                "{bad:?} was taken"
            );
        }
    }

    #[test]
    fn a_service_accounts_password_has_three() {
        for good in ["Passw0rd", "Passw0rdPassw0rdPass", "aA1-----"] {
            assert!(
                check_of_account("Password", &Secret::new(good)).is_ok(),
                "{good:?} was refused"
            );
        }
        for bad in [
            "",
            "Passw0r",
            "passw0rd",
            "PASSW0RD",
            "Password",
            "Passw0rd Passw0rd",
            "Passw0rdPassw0rdPassw",
        ] {
            assert!(
                check_of_account("Password", &Secret::new(bad)).is_err(),
                "{bad:?} was taken"
            );
        }
    }

    #[test]
    fn what_this_service_makes_can_be_chosen_by_nobody_and_is_never_hashed_slowly() {
        let made = [
            make_password(&SystemRandom),
            long_term_secret(&CredentialId::random(&SystemRandom), &SystemRandom),
        ];
        let begun = [
            "trst_Passw0rd",
            "trsr_Passw0rd",
            "trss_Passw0rd",
            "trsaPassw0rd",
        ]
        .map(Secret::new);
        for secret in made.iter().chain(&begun) {
            assert!(has_own_prefix(secret.expose()) && !may_be_chosen(secret.expose()));
            assert!(
                check_fixed("Password", secret).is_err()
                    && check_of_account("Password", secret).is_err()
            );
        }
    }
}
