//! Rotation: a new secret comes into use, and the one before is taken until its end.

use std::time::Duration;

use super::clock::Timestamp;
use super::{Error, Result};

/// For how long the secret before a rotation may be taken.
const MAX_GRACE: Duration = Duration::from_hours(30 * 24);

/// The secret before the last rotation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Older<S> {
    /// Its stored form.
    pub secret: S,
    /// From this time on it is refused.
    pub ends_at: Timestamp,
}

/// The secret of two that logs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presented {
    /// The one in use.
    Current,
    /// The one before the last rotation, which ends then.
    Older(Timestamp),
}

impl Presented {
    /// Tells whether its time is over.
    pub fn is_over(self, now: Timestamp) -> bool {
        match self {
            Self::Current => false,
            Self::Older(ends_at) => ends_at <= now,
        }
    }
}

/// Returns when the secret before a rotation ends; `None` for at once.
///
/// # Errors
/// `InvalidParameter` for a grace above 30 days.
pub fn older_end(grace: Duration, now: Timestamp) -> Result<Option<Timestamp>> {
    if grace > MAX_GRACE {
        return Err(Error::invalid_parameter(
            "grace",
            "both secrets are taken for 30d at most",
        ));
    }
    Ok((!grace.is_zero()).then(|| now.plus(grace)))
}
