//! Who owns things, and who acts.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Error, Result};

/// A tenant's numeric id (Tencent's UIN, Alibaba's UID): 1 to 18 digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AccountId(i64);

impl AccountId {
    const LARGEST: i64 = 999_999_999_999_999_999;

    /// Makes an account id of a number between 1 and 999999999999999999.
    pub fn new(number: i64) -> Result<Self> {
        if (1..=Self::LARGEST).contains(&number) {
            Ok(Self(number))
        } else {
            Err(Error::invalid_parameter("account", "an account id is a number of 1 to 18 digits, such as 100000000001"))
        }
    }

    /// Returns the number.
    pub fn number(self) -> i64 {
        self.0
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl FromStr for AccountId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        // Signs and leading zeros would give one account several spellings.
        let canonical = !text.is_empty() && !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
        Self::new(if canonical { text.parse().unwrap_or(0) } else { 0 })
    }
}

/// Who a call or a credential acts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Principal {
    /// The account itself: it may do everything on what it owns.
    Root(AccountId),
}

impl Principal {
    /// Returns the account that the principal belongs to.
    pub fn account(self) -> AccountId {
        match self {
            Self::Root(account) => account,
        }
    }

    /// Returns the numeric id that the clouds show for the principal, and that logs in at a registry.
    pub fn numeric_id(self) -> String {
        match self {
            Self::Root(account) => account.to_string(),
        }
    }
}

impl fmt::Display for Principal {
    /// Writes `ACCOUNT:root`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root(account) => write!(f, "{account}:root"),
        }
    }
}

impl FromStr for Principal {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.split_once(':') {
            Some((account, "root")) => Ok(Self::Root(account.parse()?)),
            _ => Err(Error::invalid_parameter("principal", "a principal is written ACCOUNT:root")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_id_has_one_spelling() {
        assert_eq!("100000000001".parse::<AccountId>().unwrap().to_string(), "100000000001");
        for bad in ["", "0", "01", "+1", "-1", " 1", "1 ", "1234567890123456789", "１"] {
            assert!(bad.parse::<AccountId>().is_err(), "{bad:?} was taken for an account id");
        }
    }

    #[test]
    fn a_principal_prints_and_parses_back() {
        let root: Principal = "100000000001:root".parse().unwrap();
        assert_eq!(root.to_string(), "100000000001:root");
        assert_eq!(root.numeric_id(), "100000000001");
        assert!("100000000001:user/x".parse::<Principal>().is_err());
    }
}
