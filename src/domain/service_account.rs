//! Service accounts: named log-ins of one instance, with permissions of their own.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

use super::clock::{Random, Timestamp, random_text};
use super::credential::{BASE62, PasswordHash, SecretKind, checksum};
use super::ids::InstanceId;
use super::ids::text_id;
use super::principal::{Level, Principal};
use super::rotation::{Older, Presented};
use super::secret::Secret;
use super::{Error, Noun, Result};

text_id!(
    /// A service account's own id: `sa-` and sixteen of `a-z0-9`. Never reused, and never shown.
    ServiceAccountId,
    "sa-",
    16,
    Error::not_found(Noun::ServiceAccount, "of that id")
);

/// Finds every password that this service makes for service accounts, for secret scanners.
pub const PASSWORD_PATTERN: &str = r"\btrsa[A-Za-z0-9]{28}\b";

/// The beginning of passwords made for service accounts: all of it is letters and digits, as their
/// contract has it.
pub(super) const PREFIX: &str = "trsa";
/// How many characters a made password has, prefix and checksum with it.
const PASSWORD_LENGTH: usize = 32;
/// How many of them are random: 131 bits.
const RANDOM_LENGTH: usize = PASSWORD_LENGTH - PREFIX.len() - SecretKind::CHECKSUM_LENGTH;

/// An action that a service account may take in a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AccountAction {
    /// Push images.
    Push,
    /// Pull images.
    Pull,
    /// Make repositories.
    CreateRepository,
    /// Make Helm charts.
    CreateChart,
    /// See Helm charts.
    DescribeCharts,
}

impl AccountAction {
    /// All actions.
    pub const ALL: [Self; 5] = [
        Self::Push,
        Self::Pull,
        Self::CreateRepository,
        Self::CreateChart,
        Self::DescribeCharts,
    ];

    /// Returns the name that the store uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Pull => "pull",
            Self::CreateRepository => "create_repository",
            Self::CreateChart => "create_chart",
            Self::DescribeCharts => "describe_charts",
        }
    }
}

impl FromStr for AccountAction {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|action| action.name() == text);
        found.ok_or_else(|| {
            Error::invalid_parameter("action", "no service account can be given such an action")
        })
    }
}

/// The permissions of a service account, by the names of namespaces.
pub type AccountPermissions = BTreeMap<String, BTreeSet<AccountAction>>;

/// The actions that a service account may take in one namespace, as people write them:
/// `team:pull,push`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespacePermission {
    /// The namespace.
    pub namespace: String,
    /// The actions in it.
    pub actions: BTreeSet<AccountAction>,
}

impl fmt::Display for NamespacePermission {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let actions: Vec<_> = self.actions.iter().map(|action| action.name()).collect();
        write!(formatter, "{}:{}", self.namespace, actions.join(","))
    }
}

impl FromStr for NamespacePermission {
    type Err = Error;

    /// Reads a namespace and actions.
    ///
    /// # Errors
    /// `InvalidParameter` for anything else.
    fn from_str(text: &str) -> Result<Self> {
        let unreadable = || {
            let actions = AccountAction::ALL.map(AccountAction::name).join(", ");
            Error::invalid_parameter(
                "permission",
                format!("it is written like team:pull,push; the actions are {actions}"),
            )
        };
        let (namespace, actions) = text.split_once(':').ok_or_else(unreadable)?;
        let actions: Option<_> = actions.split(',').map(|one| one.parse().ok()).collect();
        if namespace.is_empty() {
            return Err(unreadable());
        }
        Ok(Self {
            namespace: namespace.to_owned(),
            actions: actions.ok_or_else(unreadable)?,
        })
    }
}

/// Whether a service account may log in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceAccountState {
    /// It may, until it expires.
    Active,
    /// It may not, until it is enabled again.
    Disabled,
}

impl ServiceAccountState {
    /// Returns the name that the store uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Disabled => "disabled",
        }
    }
}

impl FromStr for ServiceAccountState {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "active" => Ok(Self::Active),
            "disabled" => Ok(Self::Disabled),
            _ => Err(Error::invalid_parameter(
                "state",
                "a service account is active or disabled",
            )),
        }
    }
}

/// The rights that a user may give a service account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceAccountGrant {
    /// Those that its own policies allow it without a condition; a session gives none.
    #[default]
    OwnRights,
    /// Any, as at Tencent Cloud, once a policy lets it make or change service accounts.
    Vendor,
}

impl ServiceAccountGrant {
    /// Both.
    pub const ALL: [Self; 2] = [Self::OwnRights, Self::Vendor];

    /// Returns the word of settings, arguments and the store.
    pub fn name(self) -> &'static str {
        match self {
            Self::OwnRights => "own-rights",
            Self::Vendor => "vendor",
        }
    }
}

impl fmt::Display for ServiceAccountGrant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl FromStr for ServiceAccountGrant {
    type Err = Error;

    /// Reads the word.
    ///
    /// # Errors
    /// `InvalidParameter` for another one.
    fn from_str(text: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|grant| grant.name() == text);
        found.ok_or_else(|| {
            Error::invalid_parameter("service-account-grant", "it is own-rights or vendor")
        })
    }
}

/// The stored form of a service account's password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountSecret {
    /// SHA-256 of a password that this service made.
    Made([u8; 32]),
    /// The slow hash of a password that a person chose.
    Chosen(PasswordHash),
}

/// A named log-in of one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceAccount {
    /// Its own id.
    pub id: ServiceAccountId,
    /// The one instance that it logs in to.
    pub instance: InstanceId,
    /// Its name, unique in its instance, without the `tcr$` that it logs in with; it never changes.
    pub name: String,
    /// The owner's description of it.
    pub description: String,
    /// Its permissions; no policy adds to these or takes from them.
    pub permissions: AccountPermissions,
    /// The stored form of its password.
    pub secret: AccountSecret,
    /// The password before the last rotation.
    pub older: Option<Older<AccountSecret>>,
    /// Whether it may log in.
    pub state: ServiceAccountState,
    /// At which level it was disabled; `None` while it is enabled, or when an earlier release
    /// disabled it.
    pub disabled_by: Option<Level>,
    /// Its maker; `None` when the operator or an earlier release made it.
    pub maker: Option<Principal>,
    /// The numeric ids of all principals that it came from: the maker's, and those that the maker's
    /// session came from.
    pub maker_ids: BTreeSet<i64>,
    /// The generation that a remembered log-in names; a new password and disabling raise it.
    pub generation: i64,
    /// Raised by every change.
    pub revision: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was made or last changed.
    pub modified_at: Timestamp,
    /// When it stops.
    pub expires_at: Timestamp,
    /// The hour in which it was last used, as of when it was read; never written with it.
    pub last_used_at: Option<Timestamp>,
}

impl ServiceAccount {
    /// The prefix that its name is shown and logs in with.
    pub const PREFIX: &str = "tcr$";

    /// Returns the username that it logs in with.
    pub fn username(&self) -> String {
        format!("{}{}", Self::PREFIX, self.name)
    }

    /// Tells whether it may log in.
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.state == ServiceAccountState::Active && now < self.expires_at
    }

    /// Returns the hashes of its passwords that this service made, each with which it is.
    pub fn made_hashes(&self) -> impl Iterator<Item = (&[u8; 32], Presented)> {
        self.secrets()
            .filter_map(|(secret, presented)| match secret {
                AccountSecret::Made(hash) => Some((hash, presented)),
                AccountSecret::Chosen(_) => None,
            })
    }

    /// Returns the hash of its chosen password, with which it is. There is one at most: a rotation
    /// makes a password, and to choose one ends the one before.
    pub fn chosen_hash(&self) -> Option<(&PasswordHash, Presented)> {
        self.secrets().find_map(|(secret, presented)| match secret {
            AccountSecret::Chosen(hash) => Some((hash, presented)),
            AccountSecret::Made(_) => None,
        })
    }

    fn secrets(&self) -> impl Iterator<Item = (&AccountSecret, Presented)> {
        let older = self.older.as_ref();
        std::iter::once((&self.secret, Presented::Current))
            .chain(older.map(|older| (&older.secret, Presented::Older(older.ends_at))))
    }

    /// Tells whether it may do this to the repository `path`, whose namespace is what stands before
    /// the first `/`.
    pub fn may(&self, action: AccountAction, path: &str) -> bool {
        let permitted = path
            .split_once('/')
            .and_then(|(namespace, _)| self.permissions.get(namespace));
        permitted.is_some_and(|actions| actions.contains(&action))
    }

    /// Returns what a change gives it that it didn't hold: all that it will hold, where it is
    /// enabled or lives longer by the change, and else what is new. `None` when the change only
    /// takes away.
    pub fn given_by(&self, change: &ServiceAccountChange) -> Option<AccountPermissions> {
        let after = change.permissions.as_ref().unwrap_or(&self.permissions);
        let is_enabled = self.state == ServiceAccountState::Disabled
            && change.state == Some(ServiceAccountState::Active);
        if is_enabled || change.expires_at.is_some_and(|end| end > self.expires_at) {
            return Some(after.clone());
        }
        let new = after.iter().map(|(namespace, actions)| {
            let held = self.permissions.get(namespace);
            let new = actions
                .iter()
                .copied()
                .filter(|action| held.is_none_or(|held| !held.contains(action)))
                .collect();
            (namespace.clone(), new)
        });
        let given: AccountPermissions = new
            .filter(|(_, actions): &(String, BTreeSet<AccountAction>)| !actions.is_empty())
            .collect();
        (!given.is_empty()).then_some(given)
    }

    /// Returns the name without the prefix, which callers leave out or not.
    pub fn bare_name(name: &str) -> &str {
        name.strip_prefix(Self::PREFIX).unwrap_or(name)
    }
}

/// A change of a service account; `None` leaves a field as it is.
#[derive(Clone, Debug, Default)]
pub struct ServiceAccountChange {
    /// The owner's description of it.
    pub description: Option<String>,
    /// All its permissions.
    pub permissions: Option<AccountPermissions>,
    /// Whether it may log in.
    pub state: Option<ServiceAccountState>,
    /// When it stops.
    pub expires_at: Option<Timestamp>,
}

/// Makes a password: 32 letters and digits, with a prefix and a checksum inside.
pub fn make_password(random: &dyn Random) -> Secret {
    let mut text = String::with_capacity(PASSWORD_LENGTH);
    text.push_str(PREFIX);
    text.push_str(&random_text(random, BASE62, RANDOM_LENGTH));
    let checksum = checksum(text.as_bytes());
    text.extend(checksum.map(char::from));
    Secret::new(text)
}

/// Tells whether a password is one that [`make_password`] made: any other is worth a slow hash.
pub fn is_made(password: &str) -> bool {
    let Some((text, given)) =
        password.split_at_checked(PASSWORD_LENGTH - SecretKind::CHECKSUM_LENGTH)
    else {
        return false;
    };
    text.starts_with(PREFIX) && checksum(text.as_bytes()) == given.as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::SystemRandom;

    #[test]
    fn a_made_password_is_known_and_a_typing_error_is_seen() {
        let password = make_password(&SystemRandom);
        let text = password.expose();
        assert_eq!(text.len(), 32);
        assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert!(is_made(text));
        for place in 0..text.len() {
            let mut bytes = text.as_bytes().to_vec();
            bytes[place] = if bytes[place] == b'x' { b'y' } else { b'x' };
            assert!(
                !is_made(&String::from_utf8(bytes).unwrap()),
                "a change at {place} went unseen"
            );
        }
        for other in [
            "",
            "trsa",
            &text[1..],
            &text[..31],
            "Passw0rdPassw0rd",
            &"é".repeat(20),
        ] {
            assert!(!is_made(other), "{other:?} was taken for a made password");
        }
        assert!(!is_made(&format!("{text}0")));
    }

    #[test]
    fn a_name_is_taken_with_its_prefix_and_without() {
        assert_eq!(ServiceAccount::bare_name("tcr$robot"), "robot");
        assert_eq!(ServiceAccount::bare_name("robot"), "robot");
    }

    #[test]
    fn the_names_of_actions_parse_back() {
        for action in AccountAction::ALL {
            assert_eq!(action.name().parse::<AccountAction>().unwrap(), action);
        }
        assert!("tcr:PushRepository".parse::<AccountAction>().is_err());
    }
}
