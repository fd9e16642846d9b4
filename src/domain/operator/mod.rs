//! Operators: the people and programs that administer this service.
//!
//! A named operator has a role and a token. The local one runs the command line on the data, and
//! needs neither. Start with [`Administrator::require`].

mod permission;

use std::str::FromStr;

use super::clock::{Random, Timestamp, random_text};
use super::credential::{BASE62, SecretKind};
use super::ids::{AccountId, text_id};
use super::principal::Level;
use super::secret::Secret;
use super::{Error, Noun, Result, name};

pub use permission::{OperatorPermission, Reach};

text_id!(
    /// An operator's own id: `op-` and sixteen of `a-z0-9`. Never reused.
    OperatorId,
    "op-",
    16,
    Error::not_found(Noun::Operator, "of that id")
);

/// The beginning of ids, which tokens leave out.
const ID_PREFIX: &str = "op-";
/// How many characters an id has without it.
const ID_LENGTH: usize = 16;
/// How many random Base62 characters a token has: 32 of them hold 190 bits.
const RANDOM_LENGTH: usize = 32;
/// The name that stands for local operators in the audit.
const LOCAL: &str = "local";

/// Makes a token of the operator `id`: the id, then randomness.
pub fn operator_token(id: &OperatorId, random: &dyn Random) -> Secret {
    let mut body = id.as_str().trim_start_matches(ID_PREFIX).to_owned();
    body.push_str(&random_text(random, BASE62, RANDOM_LENGTH));
    SecretKind::Operator.write(&body)
}

/// Returns the operator that a token names; `None` when it isn't one, or was cut.
pub fn operator_of_token(token: &str) -> Option<OperatorId> {
    let body = SecretKind::Operator.read(token)?;
    let (id, rest) = body.split_at_checked(ID_LENGTH)?;
    (rest.len() == RANDOM_LENGTH).then(|| format!("{ID_PREFIX}{id}").parse().ok())?
}

/// Checks the name of an operator: 1 to 50 of `a-z`, `0-9`, `-`, and not `local`.
///
/// # Errors
/// `InvalidParameter` of `name`, with a message that says what is taken.
pub fn check_operator_name(text: &str) -> Result<()> {
    name::check_name("name", text)?;
    if text == LOCAL {
        return Err(Error::invalid_parameter(
            "name",
            "the audit calls who runs the command line local; choose another name",
        ));
    }
    Ok(())
}

/// The role of an operator, which says what it may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OperatorRole {
    /// It may do everything.
    Admin,
    /// It reads everything, changes nothing, and sees no secret.
    Auditor,
    /// It administers what is in one account.
    AccountAdmin(AccountId),
}

impl OperatorRole {
    /// The names of all roles.
    pub const NAMES: [&str; 3] = ["admin", "auditor", "account-admin"];

    /// Makes the role of that name; only an account-admin has an account.
    ///
    /// # Errors
    /// `InvalidParameter` for another name, for an account-admin without an account, or for an
    /// account of another role.
    pub fn new(name: &str, account: Option<AccountId>) -> Result<Self> {
        match (name, account) {
            ("admin", None) => Ok(Self::Admin),
            ("auditor", None) => Ok(Self::Auditor),
            ("account-admin", Some(account)) => Ok(Self::AccountAdmin(account)),
            ("account-admin", None) => Err(Error::invalid_parameter(
                "account",
                "an account-admin is of one account; name it",
            )),
            ("admin" | "auditor", Some(_)) => Err(Error::invalid_parameter(
                "account",
                "an admin or an auditor is of the whole service; leave the account out, or make an \
                 account-admin",
            )),
            _ => Err(Error::invalid_parameter(
                "role",
                "a role is admin, auditor or account-admin",
            )),
        }
    }

    /// Returns its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Auditor => "auditor",
            Self::AccountAdmin(_) => "account-admin",
        }
    }

    /// Returns the one account of an account-admin.
    pub fn account(self) -> Option<AccountId> {
        match self {
            Self::AccountAdmin(account) => Some(account),
            Self::Admin | Self::Auditor => None,
        }
    }

    /// Tells whether it has a permission, for a thing of `account`; without one, for a thing of the
    /// whole service.
    pub fn may(self, permission: OperatorPermission, account: Option<AccountId>) -> bool {
        match self {
            Self::Admin => true,
            Self::Auditor => permission.reach() == Reach::Read,
            Self::AccountAdmin(own) => permission.is_of_accounts() && account == Some(own),
        }
    }
}

/// Whether an operator's token is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperatorState {
    /// It is.
    Active,
    /// It isn't, until the operator is enabled again.
    Disabled,
}

impl OperatorState {
    /// Every value.
    pub const ALL: [Self; 2] = [Self::Active, Self::Disabled];

    /// Returns its name, as commands and the store have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
        }
    }
}

impl FromStr for OperatorState {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|state| state.name() == text);
        found.ok_or_else(|| Error::invalid_parameter("state", "an operator is active or disabled"))
    }
}

/// The token before the last rotation, which is taken until its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OlderToken {
    /// SHA-256 of it.
    pub hash: [u8; 32],
    /// From this time on it is refused.
    pub ends_at: Timestamp,
}

/// A named operator as it is stored: without its token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// Its own id.
    pub id: OperatorId,
    /// Its name, which no other operator has.
    pub name: String,
    /// Its role.
    pub role: OperatorRole,
    /// Whether its token is taken.
    pub state: OperatorState,
    /// SHA-256 of its token.
    pub token_hash: [u8; 32],
    /// The token before, while both are taken.
    pub older_token: Option<OlderToken>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A person who came by single sign-on, as the issuer names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SsoIdentity {
    /// The issuer.
    pub issuer: String,
    /// The subject, which the issuer never gives to another person.
    pub subject: String,
}

/// The operator who acts, after proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Administrator {
    /// The operator at the command line, on the data. It has every permission, since it can read
    /// the master key.
    Local {
        /// The name of the operating system's user; none where the service acts by itself.
        user: Option<String>,
    },
    /// An operator with a token.
    Named {
        /// Its own id.
        id: OperatorId,
        /// Its name.
        name: String,
        /// Its role.
        role: OperatorRole,
    },
    /// A person who came to the console by single sign-on.
    SignedOn {
        /// The person, as the issuer names it.
        identity: SsoIdentity,
        /// The person's name, as pages show it.
        name: String,
        /// The role that the claims give.
        role: OperatorRole,
    },
}

impl Administrator {
    /// Returns its name in the audit: `operator/NAME`, `operator/local/USER`,
    /// `operator/sso/SUBJECT@ISSUER`, or `operator`.
    pub fn audit_name(&self) -> String {
        match self {
            Self::Local { user: None } => "operator".to_owned(),
            Self::Local { user: Some(user) } => format!("operator/{LOCAL}/{user}"),
            Self::Named { name, .. } => format!("operator/{name}"),
            Self::SignedOn { identity, .. } => {
                format!("operator/sso/{}@{}", identity.subject, identity.issuer)
            }
        }
    }

    /// Returns the only account that it may act in; none where it is of the whole service.
    pub fn account(&self) -> Option<AccountId> {
        match self {
            Self::Local { .. } => None,
            Self::Named { role, .. } | Self::SignedOn { role, .. } => role.account(),
        }
    }

    /// Tells whether it has a permission, for a thing of `account`; without one, for a thing of the
    /// whole service.
    pub fn may(&self, permission: OperatorPermission, account: Option<AccountId>) -> bool {
        match self {
            Self::Local { .. } => true,
            Self::Named { role, .. } | Self::SignedOn { role, .. } => role.may(permission, account),
        }
    }

    /// Fails unless it has a permission, as [`Self::may`] says.
    ///
    /// # Errors
    /// `OperatorDenied`, whose message names the permission and the roles that have it.
    pub fn require(
        &self,
        permission: OperatorPermission,
        account: Option<AccountId>,
    ) -> Result<()> {
        if self.may(permission, account) {
            Ok(())
        } else {
            Err(Error::operator_denied(permission, self.account()))
        }
    }

    /// Returns how much it decides over what belongs to others in an account: an account-admin as
    /// much as the account's root, and an auditor nothing.
    pub fn level(&self) -> Level {
        match self {
            Self::Local { .. } => Level::Operator,
            Self::Named { role, .. } | Self::SignedOn { role, .. } => match role {
                OperatorRole::Admin => Level::Operator,
                OperatorRole::AccountAdmin(_) => Level::Root,
                OperatorRole::Auditor => Level::User,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ErrorKind;
    use crate::domain::clock::SystemRandom;

    fn accounts() -> [AccountId; 2] {
        [1, 2].map(|number| AccountId::new(number).unwrap())
    }

    #[test]
    fn a_token_names_its_operator_and_is_found_by_scanners() {
        let id = OperatorId::random(&SystemRandom);
        let token = operator_token(&id, &SystemRandom);
        assert_eq!(operator_of_token(token.expose()), Some(id));
        assert!(token.expose().starts_with("trso_"));
        // The published pattern asks for 48 characters behind the prefix.
        assert_eq!(token.expose().len(), "trso_".len() + 54);
    }

    #[test]
    fn a_token_that_was_cut_or_mistyped_or_is_of_another_kind_names_nobody() {
        let token = operator_token(&OperatorId::random(&SystemRandom), &SystemRandom);
        let other = SecretKind::LongTerm.write(&"a".repeat(ID_LENGTH + RANDOM_LENGTH));
        let short = SecretKind::Operator.write(&"a".repeat(ID_LENGTH + RANDOM_LENGTH - 1));
        for text in [
            &token.expose()[1..],
            &token.expose()[..token.expose().len() - 1],
            &token.expose().replacen("trso_", "trsl_", 1),
            other.expose(),
            short.expose(),
            "trso_",
            "",
        ] {
            assert_eq!(operator_of_token(text), None, "{text}");
        }
    }

    #[test]
    fn only_an_account_admin_has_an_account() {
        let [account, _] = accounts();
        for (name, of) in [
            ("admin", None),
            ("auditor", None),
            ("account-admin", Some(account)),
        ] {
            let role = OperatorRole::new(name, of).unwrap();
            assert_eq!((role.name(), role.account()), (name, of));
        }
        for (name, of, parameter) in [
            ("admin", Some(account), "account"),
            ("auditor", Some(account), "account"),
            ("account-admin", None, "account"),
            ("root", None, "role"),
        ] {
            let refused = OperatorRole::new(name, of).unwrap_err();
            let name = parameter.to_owned();
            assert_eq!(refused.kind(), &ErrorKind::InvalidParameter { name });
        }
    }

    #[test]
    fn an_admin_may_all_an_auditor_reads_and_an_account_admin_stays_in_its_account() {
        let [own, other] = accounts();
        for &permission in OperatorPermission::ALL {
            for account in [None, Some(own), Some(other)] {
                assert!(OperatorRole::Admin.may(permission, account));
                assert_eq!(
                    OperatorRole::Auditor.may(permission, account),
                    permission.reach() == Reach::Read,
                    "{}",
                    permission.name()
                );
                assert_eq!(
                    OperatorRole::AccountAdmin(own).may(permission, account),
                    permission.is_of_accounts() && account == Some(own),
                    "{}",
                    permission.name()
                );
            }
        }
    }

    #[test]
    fn a_denial_names_the_permission_and_who_has_it() {
        let [own, other] = accounts();
        let denied = |role, permission: OperatorPermission, account| {
            let named = Administrator::Named {
                id: OperatorId::random(&SystemRandom),
                name: "alice".to_owned(),
                role,
            };
            let error = named.require(permission, account).unwrap_err();
            assert_eq!(error.kind(), &ErrorKind::OperatorDenied { permission });
            error.message().to_owned()
        };
        assert_eq!(
            denied(
                OperatorRole::Auditor,
                OperatorPermission::UserCreate,
                Some(own)
            ),
            "The operator lacks the permission user.create. The role admin has it, and \
             account-admin has it in its own account."
        );
        assert_eq!(
            denied(
                OperatorRole::AccountAdmin(own),
                OperatorPermission::UserRead,
                Some(other)
            ),
            "The operator lacks the permission user.read outside account 1. The roles admin and \
             auditor have it."
        );
        assert_eq!(
            denied(
                OperatorRole::AccountAdmin(own),
                OperatorPermission::KeyRotate,
                None
            ),
            "The operator lacks the permission key.rotate. The role admin has it."
        );
    }

    #[test]
    fn nobody_is_called_as_local_operators_are() {
        assert!(check_operator_name("alice").is_ok());
        for name in ["local", "", "Alice", "a/b"] {
            let refused = check_operator_name(name).unwrap_err();
            assert!(matches!(refused.kind(), ErrorKind::InvalidParameter { .. }));
        }
    }
}
