//! Sessions of the console: an operator in a browser, after a log-in.

use super::clock::{Random, Timestamp, random_text};
use super::credential::{BASE62, SecretKind};
use super::operator::OperatorId;
use super::secret::Secret;

/// How many random Base62 characters the secret of a session has: 43 of them hold 256 bits.
const RANDOM_LENGTH: usize = 43;

/// A session as it is stored: without the secret that its cookie holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsoleSession {
    /// SHA-256 of its secret.
    pub hash: [u8; 32],
    /// The operator who logged in.
    pub operator: OperatorId,
    /// SHA-256 of the token by which the operator logged in: the session ends with it.
    pub token_hash: [u8; 32],
    /// The time of the log-in.
    pub created_at: Timestamp,
    /// The last time at which the operator proved its token.
    pub authenticated_at: Timestamp,
    /// From this time on it is refused.
    pub ends_at: Timestamp,
}

/// Makes the secret of a new session.
pub fn console_secret(random: &dyn Random) -> Secret {
    SecretKind::Console.write(&random_text(random, BASE62, RANDOM_LENGTH))
}

/// Tells whether a text has the form of a session's secret: a made-up one costs no look-up.
pub fn is_console_secret(text: &str) -> bool {
    SecretKind::Console
        .read(text)
        .is_some_and(|body| body.len() == RANDOM_LENGTH)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::SystemRandom;

    #[test]
    fn a_secret_is_known_by_its_form_and_a_changed_one_is_not() {
        let secret = console_secret(&SystemRandom);
        assert!(is_console_secret(secret.expose()));
        let cut = &secret.expose()[..secret.expose().len() - 1];
        for other in ["", "trsc_", cut] {
            assert!(!is_console_secret(other), "{other}");
        }
    }
}
