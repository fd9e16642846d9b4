//! Owners of things, and principals that act.

use std::fmt;
use std::str::FromStr;

use super::ids::{AccountId, InstanceId, RoleId, UserId};
use super::{Error, Result};

/// The principal that a call or a credential acts for, by ids: names can be given to somebody else
/// later.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Principal {
    /// The account itself: it may do everything on what it owns.
    Root(AccountId),
    /// A user of the account.
    User(AccountId, UserId),
    /// One session of a role of the account; the text is the session's name.
    RoleSession(AccountId, RoleId, String),
    /// One federated session, of the account's root or a user of it, narrowed by its own policy;
    /// the text is its name.
    FederatedSession(AccountId, Option<UserId>, String),
}

impl Principal {
    /// Returns the account that the principal belongs to.
    pub fn account(&self) -> AccountId {
        match self {
            Self::Root(account)
            | Self::User(account, _)
            | Self::RoleSession(account, ..)
            | Self::FederatedSession(account, ..) => *account,
        }
    }

    /// Returns the numeric id that the clouds show for the principal, and that logs in at a
    /// registry.
    pub fn numeric_id(&self) -> String {
        self.number().to_string()
    }

    /// Returns the numeric id as a number: no two accounts, users or roles share one. A session has
    /// its role's or user's.
    pub fn number(&self) -> i64 {
        match self {
            Self::Root(account) | Self::FederatedSession(account, None, _) => account.number(),
            Self::User(_, user) | Self::FederatedSession(_, Some(user), _) => user.number(),
            Self::RoleSession(_, role, _) => role.number(),
        }
    }

    /// Tells whether the principal is one session, whose rights end with it.
    pub fn is_session(&self) -> bool {
        matches!(self, Self::RoleSession(..) | Self::FederatedSession(..))
    }
}

/// How much somebody decides over what belongs to others in an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// A user or a session, as far as policies allow.
    User,
    /// The account's root, with its own access key.
    Root,
    /// The operator.
    Operator,
}

impl Level {
    /// All levels, the lowest first.
    pub const ALL: [Self; 3] = [Self::User, Self::Root, Self::Operator];

    /// Returns the name that the store uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Root => "root",
            Self::Operator => "operator",
        }
    }

    /// Tells whether this level may enable what `disabled_by` disabled: root and operator undo what
    /// either of them did, a user what users did.
    pub fn may_enable(self, disabled_by: Option<Self>) -> bool {
        self > Self::User || disabled_by.is_none_or(|by| by == Self::User)
    }
}

impl FromStr for Level {
    type Err = Error;

    /// Reads the store's name.
    ///
    /// # Errors
    /// `InvalidParameter` for another word.
    fn from_str(text: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|level| level.name() == text);
        found.ok_or_else(|| Error::invalid_parameter("level", "a level is user, root or operator"))
    }
}

impl fmt::Display for Principal {
    /// Writes the ids: `ACCOUNT:root`, `ACCOUNT:user#ID`, `ACCOUNT:role#ID/SESSION`,
    /// `ACCOUNT:federated#ID/NAME`.
    ///
    /// `#` keeps ids apart from the names that people write: `ACCOUNT:user/NAME`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root(account) => write!(f, "{account}:root"),
            Self::User(account, user) => write!(f, "{account}:user#{user}"),
            Self::RoleSession(account, role, name) => write!(f, "{account}:role#{role}/{name}"),
            Self::FederatedSession(account, None, name) => {
                write!(f, "{account}:federated#{account}/{name}")
            }
            Self::FederatedSession(account, Some(user), name) => {
                write!(f, "{account}:federated#{user}/{name}")
            }
        }
    }
}

impl FromStr for Principal {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let malformed = || {
            Error::invalid_parameter(
                "principal",
                "a principal's ids are written like ACCOUNT:root or ACCOUNT:user#ID",
            )
        };
        let (account, rest) = text.split_once(':').ok_or_else(malformed)?;
        let account: AccountId = account.parse()?;
        let Some((kind, rest)) = rest.split_once('#') else {
            return if rest == "root" {
                Ok(Self::Root(account))
            } else {
                Err(malformed())
            };
        };
        match (kind, rest.split_once('/')) {
            ("user", None) => Ok(Self::User(account, rest.parse()?)),
            ("role", Some((role, name))) => {
                Ok(Self::RoleSession(account, role.parse()?, name.to_owned()))
            }
            ("federated", Some((user, name))) => {
                let user = if user == account.to_string() {
                    None
                } else {
                    Some(user.parse()?)
                };
                Ok(Self::FederatedSession(account, user, name.to_owned()))
            }
            _ => Err(malformed()),
        }
    }
}

/// How people write a principal: `ACCOUNT:root`, `ACCOUNT:user/NAME`, `ACCOUNT:role/NAME`, and a
/// service account `ACCOUNT:service-account/INSTANCE/NAME`.
/// [`AnyPrincipal`](super::any_principal::AnyPrincipal) reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PrincipalName {
    /// The account itself.
    Root(AccountId),
    /// The user of this name.
    User(AccountId, String),
    /// The role of this name.
    Role(AccountId, String),
    /// The service account of this name, without `tcr$`, of an instance.
    ServiceAccount(AccountId, InstanceId, String),
}

impl PrincipalName {
    /// Returns the account that it names.
    pub fn account(&self) -> AccountId {
        match self {
            Self::Root(account)
            | Self::User(account, _)
            | Self::Role(account, _)
            | Self::ServiceAccount(account, ..) => *account,
        }
    }
}

impl fmt::Display for PrincipalName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root(account) => write!(f, "{account}:root"),
            Self::User(account, name) => write!(f, "{account}:user/{name}"),
            Self::Role(account, name) => write!(f, "{account}:role/{name}"),
            Self::ServiceAccount(account, instance, name) => {
                write!(f, "{account}:service-account/{instance}/{name}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_id_has_one_spelling() {
        assert_eq!(
            "100000000001".parse::<AccountId>().unwrap().to_string(),
            "100000000001"
        );
        for bad in [
            "",
            "0",
            "01",
            "+1",
            "-1",
            " 1",
            "1 ",
            "1234567890123456789",
            "１",
        ] {
            assert!(
                bad.parse::<AccountId>().is_err(),
                "{bad:?} was taken for an account id"
            );
        }
    }

    #[test]
    fn a_principal_prints_and_parses_back() {
        let (account, user, role) = (
            AccountId::new(1).unwrap(),
            UserId::new(2).unwrap(),
            RoleId::new(3).unwrap(),
        );
        for principal in [
            Principal::Root(account),
            Principal::User(account, user),
            Principal::RoleSession(account, role, "a/b:c#d".to_owned()),
            Principal::FederatedSession(account, None, "ci".to_owned()),
            Principal::FederatedSession(account, Some(user), "ci".to_owned()),
        ] {
            assert_eq!(
                principal.to_string().parse::<Principal>().unwrap(),
                principal
            );
        }
        for bad in [
            "",
            "1",
            "1:user/x",
            "1:user#x",
            "1:role#3",
            "x:root",
            "1:admin#2",
        ] {
            assert!(
                bad.parse::<Principal>().is_err(),
                "{bad:?} was taken for a principal"
            );
        }
    }
}
