//! How long service accounts live.

use std::time::Duration;

use crate::domain::clock::Timestamp;
use crate::domain::{Error, Result};

/// The life of a service account that is made without one: 3650 days, as long as a long-term
/// credential's.
const USUAL_TTL: Duration = Duration::from_hours(24 * 3650);
/// The longest life, in days.
const MAX_DAYS: u64 = 36_500;

/// How long a service account is to live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// So many days from now.
    Days(i64),
    /// Until then.
    Until(Timestamp),
}

impl Validity {
    /// Returns the end of the usual life that begins `now`.
    pub(super) fn usual_end(now: Timestamp) -> Timestamp {
        now.plus(USUAL_TTL)
    }

    /// Returns the end of a life that begins `now`.
    ///
    /// # Errors
    /// `InvalidParameter` for a life that is over, or too long.
    pub(super) fn end(self, now: Timestamp) -> Result<Timestamp> {
        let of_days = |days: u64| now.plus(Duration::from_hours(24 * days));
        let (parameter, end) = match self {
            Self::Days(days) => {
                let days = u64::try_from(days).ok();
                let days = days.filter(|days| (1..=MAX_DAYS).contains(days));
                ("Duration", days.map(of_days))
            }
            Self::Until(at) => ("ExpiresAt", Some(at)),
        };
        let latest = of_days(MAX_DAYS);
        end.filter(|end| now < *end && *end <= latest).ok_or_else(|| {
            Error::invalid_parameter(
                parameter,
                "A service account lives 1 to 36500 days: a Duration of as many, or an ExpiresAt \
                 in that time, in unix milliseconds.",
            )
        })
    }
}
