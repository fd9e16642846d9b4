//! Accounts and instances as people write them: by an id, or by a name.

use std::fmt;
use std::str::FromStr;

use super::ids::AccountId;
use super::instance::AnyInstanceId;
use super::{Error, Result, name};

/// An account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountRef {
    /// The one with this id.
    Id(AccountId),
    /// The one with this name.
    Name(String),
}

/// An instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InstanceRef {
    /// The one with this id, of either cloud.
    Id(AnyInstanceId),
    /// The only one with this name.
    Name(String),
}

impl FromStr for AccountRef {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let is_id = text.bytes().all(|byte| byte.is_ascii_digit());
        if is_id || name::check_name("account", text).is_err() {
            return text.parse().map(Self::Id);
        }
        Ok(Self::Name(text.to_owned()))
    }
}

impl FromStr for InstanceRef {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let is_id = text.starts_with("tcr-") || text.starts_with("cri-");
        if is_id || name::check_name("instance", text).is_err() {
            return text.parse().map(Self::Id);
        }
        Ok(Self::Name(text.to_owned()))
    }
}

impl fmt::Display for AccountRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for InstanceRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_goes_before_a_name() {
        let id: AccountRef = "100000000001".parse().unwrap();
        assert!(matches!(id, AccountRef::Id(_)));
        assert_eq!(
            "acme".parse::<AccountRef>().unwrap(),
            AccountRef::Name("acme".to_owned())
        );
        assert!(matches!(
            "tcr-01234567".parse::<InstanceRef>().unwrap(),
            InstanceRef::Id(_)
        ));
        assert_eq!(
            "demo".parse::<InstanceRef>().unwrap(),
            InstanceRef::Name("demo".to_owned())
        );
    }

    #[test]
    fn neither_an_id_nor_a_name_is_refused() {
        for bad in ["", "0", "a\nb", "Acme", "a b"] {
            assert!(bad.parse::<AccountRef>().is_err(), "{bad:?}");
        }
        for bad in ["", "tcr-", "cri-!", "a\tb"] {
            assert!(bad.parse::<InstanceRef>().is_err(), "{bad:?}");
        }
    }
}
