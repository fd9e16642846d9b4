//! Rules that each cloud's STS has for its sessions.

use crate::domain::credential::Cloud;
use crate::domain::{Error, Result};

/// The rules of one cloud's STS; each API states its own once.
#[derive(Debug)]
pub struct SessionRules {
    /// The cloud; its sessions sign at its API alone.
    pub cloud: Cloud,
    /// The names of sessions.
    pub name: NameRule,
    /// How long a role's session lives, in seconds.
    pub role_session: Durations,
    /// The longest that a role's session may live which another one opens, in seconds.
    pub max_chained_session: Option<u32>,
    /// Whether an account's root may assume a role.
    pub root_assumes_roles: bool,
}

/// Which names are allowed: letters, digits and some punctuation, of a length.
#[derive(Debug)]
pub struct NameRule {
    /// The most characters; the least are two.
    pub max_length: usize,
    /// The characters that are allowed besides letters and digits.
    pub punctuation: &'static str,
}

/// How long a session may live, in seconds.
#[derive(Clone, Copy, Debug)]
pub struct Durations {
    /// Where the call says nothing.
    pub default: u32,
    /// The shortest that a call may ask for.
    pub min: u32,
}

impl NameRule {
    /// Checks a name that a call gives.
    ///
    /// # Errors
    /// `InvalidParameter` of this parameter.
    pub(super) fn check(&self, parameter: &'static str, name: &str) -> Result<()> {
        let letters = name
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || self.punctuation.contains(letter));
        if letters && (2..=self.max_length).contains(&name.len()) {
            return Ok(());
        }
        Err(Error::invalid_parameter(
            parameter,
            format!(
                "It is 2 to {} letters, digits or any of {}",
                self.max_length, self.punctuation
            ),
        ))
    }
}

impl Durations {
    /// Returns how long a session lives: as the call asks, or the default where it asks for
    /// nothing, but never longer than `max`.
    ///
    /// # Errors
    /// `InvalidParameter` for a duration outside of `min` and `max`.
    pub(super) fn choose(self, asked: Option<i64>, max: u32) -> Result<u32> {
        let Some(asked) = asked else {
            return Ok(self.default.min(max));
        };
        u32::try_from(asked)
            .ok()
            .filter(|asked| (self.min..=max).contains(asked))
            .ok_or_else(|| {
                Error::invalid_parameter(
                    "DurationSeconds",
                    format!("It is {} to {max} seconds here.", self.min),
                )
            })
    }
}
