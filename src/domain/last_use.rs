//! Last uses: the hour in which something that proves a caller last did so.

use std::time::Duration;

use super::clock::Timestamp;

/// How exactly a use is known.
pub const HOUR: Duration = Duration::from_hours(1);

/// A kind of thing whose last use is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UsedKind {
    /// An access key, by its id: it signed a call.
    AccessKey,
    /// A long-term credential, by its id: it logged in, or its refresh token did.
    Credential,
    /// A fixed password, by `INSTANCE/PRINCIPAL`: it logged in.
    FixedPassword,
    /// A service account, by its own id: it logged in.
    ServiceAccount,
}

impl UsedKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [
        Self::AccessKey,
        Self::Credential,
        Self::FixedPassword,
        Self::ServiceAccount,
    ];

    /// Returns its name, as reports and the store have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::AccessKey => "access-key",
            Self::Credential => "credential",
            Self::FixedPassword => "fixed-password",
            Self::ServiceAccount => "service-account",
        }
    }
}

/// A use of something, to the hour.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LastUse {
    /// The kind of thing.
    pub kind: UsedKind,
    /// Its id, as the kind has it.
    pub id: String,
    /// The beginning of the hour.
    pub at: Timestamp,
}

/// Returns the beginning of an hour.
pub fn hour_of(at: Timestamp) -> Timestamp {
    let (millis, hour) = (at.unix_millis(), 60 * 60 * 1000);
    Timestamp::from_unix_millis(millis - millis.rem_euclid(hour))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_use_is_known_to_the_hour() {
        for (at, hour) in [
            ("2025-01-02T03:04:05Z", "2025-01-02T03:00:00Z"),
            ("2025-01-02T03:00:00Z", "2025-01-02T03:00:00Z"),
            ("1969-12-31T23:59:59Z", "1969-12-31T23:00:00Z"),
        ] {
            let at = Timestamp::parse_rfc3339(at).unwrap();
            assert_eq!(hour_of(at).rfc3339(), hour);
        }
    }
}
