//! A log-in of a registry, as a client holds it.

use std::time::Duration;

use crate::domain::clock::Timestamp;
use crate::domain::secret::Secret;

/// How long a log-in is kept whose end isn't known.
const UNKNOWN_LIFE: Duration = Duration::from_secs(60);

/// A log-in of a registry.
#[derive(Debug)]
pub struct LogIn {
    /// The username.
    pub username: String,
    /// The password.
    pub secret: Secret,
    /// When it stops to log in; none where that isn't known.
    pub expires_at: Option<Timestamp>,
    /// The key or the token that it came from, for people.
    pub source: String,
}

impl LogIn {
    /// Returns how long it may be kept or left as it is: half of the life that it has left.
    pub fn half_life(&self, now: Timestamp) -> Duration {
        self.expires_at
            .map_or(UNKNOWN_LIFE, |end| now.until(end) / 2)
    }
}
