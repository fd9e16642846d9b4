//! Old passwords: names and bcrypt hashes that were imported, and the passwords that may be theirs.

use super::credential::PasswordHash;
use super::ids::AccountId;
use super::password::has_own_prefix;
use super::printable::is_unprintable;
use super::service_account::ServiceAccount;

/// The highest cost of a bcrypt that is taken: checking one takes a core a quarter of a second.
pub const MAX_COST: u32 = 12;
/// The lowest cost that bcrypt has.
const MIN_COST: u32 = 4;
/// The bytes of a bcrypt's text form: version, cost, 22 letters of salt and 31 of hash.
const BCRYPT_LENGTH: usize = 60;
/// The most bytes of a password that is compared with a bcrypt: as many as `htpasswd` reads. Of
/// longer ones, versions `2a` and `2b` make different hashes.
const MAX_PASSWORD_BYTES: usize = 255;
/// The most bytes of an old name.
const MAX_NAME_BYTES: usize = 255;

/// The beginnings of hashes that are not taken, and what made them.
const OTHER_HASHES: &[(&str, &str)] = &[
    ("{SHA}", "SHA-1 without a salt"),
    ("{SSHA", "salted SHA"),
    ("$apr1$", "Apache's MD5"),
    ("$1$", "crypt's MD5"),
    ("$2x$", "a bcrypt version with a known fault"),
    ("$5$", "crypt's SHA-256"),
    ("$6$", "crypt's SHA-512"),
    ("$y$", "yescrypt"),
    ("$argon2", "another program's argon2"),
];

/// Returns the cost of a bcrypt; `None` for another hash.
pub fn bcrypt_cost(hash: &PasswordHash) -> Option<u32> {
    let rest = hash.as_str().strip_prefix("$2")?;
    rest.get(2..4)?.parse().ok()
}

/// Takes the hash of an old password: a bcrypt of version `2a`, `2b` or `2y`, and of a cost of at
/// most [`MAX_COST`].
///
/// # Errors
///
/// The reason why a hash isn't taken. It names the sort of hash, and never the hash itself, which
/// may be a password.
pub fn read_hash(text: &str) -> Result<PasswordHash, String> {
    if text.is_empty() {
        return Err("it has no password".to_owned());
    }
    let is_bcrypt = ["$2a$", "$2b$", "$2y$"]
        .iter()
        .any(|version| text.starts_with(version));
    if !is_bcrypt {
        return Err(other_hash(text));
    }
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'/';
    let hash = PasswordHash::new(text);
    let cost = match bcrypt_cost(&hash) {
        Some(cost)
            if text.len() == BCRYPT_LENGTH
                && text.as_bytes()[6] == b'$'
                && text.bytes().skip(7).all(is_letter) =>
        {
            cost
        }
        _ => return Err("its bcrypt hash is damaged".to_owned()),
    };
    match cost {
        ..MIN_COST => Err(format!(
            "its bcrypt has the cost {cost}, which there is not"
        )),
        MIN_COST..=MAX_COST => Ok(hash),
        _ => Err(format!(
            "its bcrypt has the cost {cost}, and at most {MAX_COST} is taken"
        )),
    }
}

/// Says what a hash is that is no bcrypt.
fn other_hash(text: &str) -> String {
    let known = OTHER_HASHES
        .iter()
        .find(|(beginning, _)| text.starts_with(beginning));
    match known {
        Some((_, made_by)) => format!("its hash is {made_by}, and only bcrypt is taken"),
        None if text.len() == 13 => {
            "its hash is crypt's DES or a plain text, and only bcrypt is taken".to_owned()
        }
        None => {
            "its password is plain text or an unknown hash, and only bcrypt is taken".to_owned()
        }
    }
}

/// Tells whether a text can be an old password. One with a NUL can't: bcrypt ends a password there,
/// and so another one would pass for it.
pub fn may_be_old(text: &str) -> bool {
    (1..=MAX_PASSWORD_BYTES).contains(&text.len()) && !text.contains('\0') && !has_own_prefix(text)
}

/// Tells whether a username is the account's root's or one of its users', in Alibaba's form: the
/// account's name or number, or `USER@` and one of these. Returns the user's part.
pub fn of_account<'a>(
    account: AccountId,
    account_name: &str,
    username: &'a str,
) -> Option<Option<&'a str>> {
    let is_account = |text: &str| text == account_name || text == account.to_string();
    match username.rsplit_once('@') {
        None => is_account(username).then_some(None),
        Some((name, of)) => is_account(of).then_some(Some(name)),
    }
}

/// Checks an old name of an account's user: 1 to 255 printable bytes without a colon, and nothing
/// that logs in by itself.
///
/// # Errors
///
/// The reason why it isn't taken.
pub fn check_name(account: AccountId, account_name: &str, name: &str) -> Result<(), String> {
    if !(1..=MAX_NAME_BYTES).contains(&name.len())
        || name.contains(|letter| letter == ':' || is_unprintable(letter))
    {
        return Err(format!(
            "a name has 1 to {MAX_NAME_BYTES} printable bytes, without a colon"
        ));
    }
    if name.starts_with(ServiceAccount::PREFIX) {
        return Err(format!(
            "names that begin with {} are service accounts'",
            ServiceAccount::PREFIX
        ));
    }
    if of_account(account, account_name, name).is_some() {
        return Err("this name logs in as the account's root or a user by itself".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BCRYPT: &str = "$2y$05$WuwBasGDAgr.QCbGIjKJaep4dhxeai9gNZdmBnQXqpKly57oNutya";

    #[test]
    fn a_bcrypt_of_any_right_version_is_taken() {
        for version in ["$2a$", "$2b$", "$2y$"] {
            for cost in ["04", "10", "12"] {
                let text = format!("{version}{cost}{}", &BCRYPT[6..]);
                let hash = read_hash(&text).unwrap();
                assert_eq!(hash.as_str(), text);
                assert_eq!(bcrypt_cost(&hash), cost.parse().ok());
            }
        }
        assert_eq!(bcrypt_cost(&PasswordHash::new("$argon2id$v=19$m=1")), None);
    }

    #[test]
    fn each_other_hash_is_refused_by_its_sort_and_never_shown() {
        for (text, sort) in [
            ("", "no password"),
            ("{SHA}2PRZAyDhNDqRW2OUFwZQqPNdaSY=", "SHA-1"),
            ("{SSHA512}abc", "salted SHA"),
            ("$apr1$x$TqI9WECO5LHZB2MqnB7k//", "Apache's MD5"),
            ("$1$abc$def", "crypt's MD5"),
            ("$5$abc$def", "SHA-256"),
            ("$6$abc$def", "SHA-512"),
            ("$y$j9T$abc", "yescrypt"),
            ("$argon2id$v=19$m=1", "argon2"),
            (
                "$2x$05$WuwBasGDAgr.QCbGIjKJaep4dhxeai9gNZdmBnQXqpKly57oNutya",
                "fault",
            ),
            ("rqXexS6ZhobKA", "DES"),
            ("Passw0rdEXAMPLE", "plain text"),
            (&BCRYPT[..59], "damaged"),
            (&BCRYPT.replace('W', "é"), "damaged"),
            (&BCRYPT.replace("$05$", "$05x"), "damaged"),
            (&BCRYPT.replace("$05$", "$-5$"), "damaged"),
            (&BCRYPT.replace("$05$", "$03$"), "cost 3"),
            (&BCRYPT.replace("$05$", "$13$"), "cost 13"),
            (&BCRYPT.replace("$05$", "$31$"), "cost 31"),
        ] {
            let why = read_hash(text).unwrap_err();
            assert!(why.contains(sort), "{text:?}: {why}");
            assert!(text.len() < 8 || !why.contains(text), "{why}");
        }
    }

    #[test]
    fn an_old_password_has_no_nul_and_is_none_of_this_service() {
        for good in ["1", "a b", "pässword", &"x".repeat(255)] {
            assert!(may_be_old(good), "{good:?}");
        }
        for bad in ["", "a\0a", "trsl_abc", "trsaPassw0rd", &"x".repeat(256)] {
            assert!(!may_be_old(bad), "{bad:?}");
        }
    }

    #[test]
    fn an_old_name_takes_no_name_that_logs_in_by_itself() {
        let check = |name: &str| check_name("100000000001".parse().unwrap(), "demo", name);
        for good in [
            "alice",
            "Alice.Smith",
            "a@example.com",
            "123",
            "ci_bot",
            "é",
        ] {
            assert_eq!(check(good), Ok(()), "{good:?}");
        }
        for bad in [
            "",
            "a:b",
            "a\nb",
            "a\u{202e}b",
            "tcr$robot",
            "demo",
            "100000000001",
            "alice@demo",
            "alice@100000000001",
            &"x".repeat(256),
        ] {
            assert!(check(bad).is_err(), "{bad:?} was taken");
        }
    }
}
