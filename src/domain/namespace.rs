//! A namespace of an instance: the first part of its repositories' names.

use std::str::FromStr;

use super::clock::{Random, Timestamp, random_bytes};
use super::ids::InstanceId;
use super::ids::text_id;
use super::switch::Switch;
use super::{Error, Noun, Result};

text_id!(
    /// A namespace's own id, which is also its Alibaba id: `crn-` and sixteen of `a-z0-9`. Never
    /// reused.
    NamespaceId,
    "crn-",
    16,
    Error::not_found(Noun::Namespace, "of that id")
);

/// Whether anybody may pull without logging in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Visibility {
    /// Anyone.
    Public,
    /// Nobody.
    Private,
}

impl Visibility {
    /// Returns that of something which is public, or isn't.
    pub fn of(is_public: bool) -> Self {
        if is_public {
            Self::Public
        } else {
            Self::Private
        }
    }

    /// Returns the name that the store uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Private => "private",
        }
    }
}

impl FromStr for Visibility {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "public" => Ok(Self::Public),
            "private" => Ok(Self::Private),
            _ => Err(Error::invalid_parameter(
                "visibility",
                "a namespace or a repository is public or private",
            )),
        }
    }
}

/// From which severity of its vulnerabilities on an image is said to be blocked; shown, and not
/// enforced here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Severity {
    /// None was said.
    Unset,
    /// Low.
    Low,
    /// Medium.
    Medium,
    /// High.
    High,
}

impl Severity {
    const ALL: [Self; 4] = [Self::Unset, Self::Low, Self::Medium, Self::High];

    /// Returns the name at the wire and in the store: empty when unset.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unset => "",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

impl FromStr for Severity {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL
            .into_iter()
            .find(|severity| severity.name() == text)
            .ok_or_else(|| {
                Error::invalid_parameter("severity", "a severity is low, medium or high, or empty")
            })
    }
}

/// A namespace of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// Its own id.
    pub id: NamespaceId,
    /// Its numeric id, which Tencent shows; unique over all instances.
    pub number: i64,
    /// Where it is.
    pub instance: InstanceId,
    /// Its name, unique in its instance; it never changes.
    pub name: String,
    /// Whether anybody may pull from all its repositories without logging in.
    pub visibility: Visibility,
    /// Whether a push makes a repository that isn't recorded.
    pub auto_create_repository: Switch,
    /// The visibility of a repository that is made without one.
    pub default_visibility: Visibility,
    /// Whether the tags of a repository that is made without saying are immutable.
    pub default_tag_immutability: Switch,
    /// Whether images are said to be scanned; shown, and not done here.
    pub auto_scan: Switch,
    /// Whether vulnerable images are said to be blocked; shown, and not done here.
    pub prevent_vulnerable: Switch,
    /// From which severity on.
    pub severity: Severity,
    /// The ids of the vulnerabilities that are said to be let through.
    pub allowed_cves: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was made or last changed.
    pub modified_at: Timestamp,
}

impl Namespace {
    /// Makes a numeric id: positive and below 2^52, so that no JSON reader rounds it.
    pub fn random_number(random: &dyn Random) -> i64 {
        let [_, low @ ..] = random_bytes::<8>(random);
        let number = low
            .into_iter()
            .fold(0_i64, |number, byte| number << 8 | i64::from(byte));
        (number & ((1 << 52) - 1)).max(1)
    }
}

/// A change of a namespace; `None` leaves a setting as it is.
#[derive(Clone, Debug, Default)]
pub struct NamespaceChange {
    /// Whether anybody may pull from all its repositories without logging in.
    pub visibility: Option<Visibility>,
    /// Whether a push makes a repository that isn't recorded.
    pub auto_create_repository: Option<Switch>,
    /// The visibility of a repository that is made without one.
    pub default_visibility: Option<Visibility>,
    /// Whether the tags of a repository that is made without saying are immutable.
    pub default_tag_immutability: Option<Switch>,
    /// Whether images are said to be scanned.
    pub auto_scan: Option<Switch>,
    /// Whether vulnerable images are said to be blocked.
    pub prevent_vulnerable: Option<Switch>,
    /// From which severity on.
    pub severity: Option<Severity>,
    /// The ids of the vulnerabilities that are said to be let through.
    pub allowed_cves: Option<Vec<String>>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::SystemRandom;

    struct Bytes(u8);

    impl Random for Bytes {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0);
        }
    }

    #[test]
    fn a_number_is_positive_and_survives_a_double() {
        assert_eq!(Namespace::random_number(&Bytes(0)), 1);
        assert_eq!(Namespace::random_number(&Bytes(0xff)), (1 << 52) - 1);
        assert_ne!(
            Namespace::random_number(&SystemRandom),
            Namespace::random_number(&SystemRandom)
        );
    }

    #[test]
    fn an_id_and_the_names_of_settings_parse_back() {
        let id = NamespaceId::random(&SystemRandom);
        assert_eq!(id.as_str().parse::<NamespaceId>().unwrap(), id);
        for bad in [
            "",
            "crn-",
            "crr-0123456789abcdef",
            "crn-0123456789abcdeF",
            "crn-0123456789abcdef0",
        ] {
            assert!(
                bad.parse::<NamespaceId>().is_err(),
                "{bad:?} was taken for a namespace's id"
            );
        }
        for severity in Severity::ALL {
            assert_eq!(severity.name().parse::<Severity>().unwrap(), severity);
        }
        for visibility in [Visibility::Public, Visibility::Private] {
            assert_eq!(visibility.name().parse::<Visibility>().unwrap(), visibility);
        }
        assert!("PUBLIC".parse::<Visibility>().is_err() && "critical".parse::<Severity>().is_err());
    }
}
