//! A time in whole seconds, as people write it: `90`, `5m`, `1h30m`, `7d`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

use super::{Error, Result};

/// The units, the largest first, with their seconds.
const UNITS: [(char, u64); 4] = [('d', 86_400), ('h', 3600), ('m', 60), ('s', 1)];

/// A number of whole seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seconds(u64);

impl Seconds {
    /// How it is written, in words that follow its name and "is".
    pub const FORM: &str = "a number of seconds, or a time such as 90s, 5m, 1h30m or 7d";

    /// Makes it from a number of seconds.
    pub const fn new(seconds: u64) -> Self {
        Self(seconds)
    }

    /// Returns the number of seconds.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Returns the number of seconds, or the largest number where it is larger.
    pub fn at_most_u32(self) -> u32 {
        u32::try_from(self.0).unwrap_or(u32::MAX)
    }

    /// Returns it as a duration.
    pub const fn duration(self) -> Duration {
        Duration::from_secs(self.0)
    }

    /// Reads numbers with units, such as `1h30m`: each unit at most once, the larger one first;
    /// `None` for anything else.
    pub fn with_units(text: &str) -> Option<Self> {
        let mut units = UNITS.iter();
        let (mut rest, mut total) = (text, 0_u64);
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let (number, behind) = rest.split_at(digits);
            let unit = behind.chars().next()?;
            // The search goes on behind the last unit.
            let (_, seconds) = units.find(|(known, _)| *known == unit)?;
            let number: u64 = number.parse().ok()?;
            total = total.checked_add(number.checked_mul(*seconds)?)?;
            rest = &behind[unit.len_utf8()..];
        }
        (!text.is_empty()).then_some(Self(total))
    }
}

impl FromStr for Seconds {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let read = if is_number {
            text.parse().ok().map(Self)
        } else {
            Self::with_units(text)
        };
        read.ok_or_else(|| Error::invalid_parameter("time", format!("it is {}", Self::FORM)))
    }
}

impl fmt::Display for Seconds {
    /// Writes it with units, such as `1h30m`, and nothing as `0`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0");
        }
        let mut rest = self.0;
        for (unit, seconds) in UNITS {
            if rest >= seconds {
                write!(f, "{}{unit}", rest / seconds)?;
                rest %= seconds;
            }
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Seconds {
    /// Reads a number, or text.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = Seconds;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(Seconds::FORM)
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Seconds, E> {
                Ok(Seconds(number))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Seconds, E> {
                u64::try_from(number)
                    .map(Seconds)
                    .map_err(|_| E::invalid_value(de::Unexpected::Signed(number), &self))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Seconds, E> {
                text.parse()
                    .map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ErrorKind;

    #[test]
    fn a_time_is_a_number_of_seconds_or_numbers_with_units() {
        for (text, seconds, shown) in [
            ("0", 0, "0"),
            ("0s", 0, "0"),
            ("90", 90, "1m30s"),
            ("90s", 90, "1m30s"),
            ("5m", 300, "5m"),
            ("1h30m", 5400, "1h30m"),
            ("90m", 5400, "1h30m"),
            ("7d", 604_800, "7d"),
            ("1d2h3m4s", 93_784, "1d2h3m4s"),
            ("0042", 42, "42s"),
        ] {
            let read: Seconds = text.parse().unwrap();
            assert_eq!((read.get(), read.to_string().as_str()), (seconds, shown));
            assert_eq!(read.to_string().parse::<Seconds>().unwrap(), read);
        }
    }

    #[test]
    fn any_other_time_is_refused_with_its_form() {
        for bad in [
            "",
            "m",
            "-5m",
            "+5",
            "5 m",
            "5M",
            "5y",
            "1.5h",
            "30m1h",
            "5m5m",
            "1h30",
            "５m",
            "99999999999999999999",
            "999999999999999999d",
            "213503982334601d1d",
        ] {
            let refused = bad.parse::<Seconds>().unwrap_err();
            let name = "time".to_owned();
            assert_eq!(
                refused.kind(),
                &ErrorKind::InvalidParameter { name },
                "{bad:?}"
            );
            assert!(refused.message().contains("1h30m"), "{refused}");
        }
    }
}
