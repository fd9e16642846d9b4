//! Accounts and principals as AWS names them.

use super::ids::AccountId;
use super::principal::Principal;

/// The partitions, of which each has regions of its own.
pub const PARTITIONS: [&str; 3] = ["aws", "aws-cn", "aws-us-gov"];
/// The digits of an account's id.
///
/// Divergence: this service's accounts may have up to 18, and such a one is written with all of
/// them.
const ACCOUNT_DIGITS: usize = 12;
/// The characters of a unique id after its prefix, as AWS's have: 5 bits each.
const UNIQUE_ID_LENGTH: u32 = 17;
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// A caller as conditions and variables of IAM documents have them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The account, as [`account`] writes it.
    pub account: String,
    /// The ARN; a role's session goes by its role.
    pub arn: String,
    /// The unique id.
    pub user_id: String,
    /// The sort of principal, such as `User`.
    pub kind: &'static str,
}

impl Caller {
    /// Describes a principal; `name` is that of the user or the role.
    pub fn of(principal: &Principal, name: Option<&str>) -> Self {
        let (arn, kind) = match principal {
            Principal::RoleSession(account, role, _) => {
                let id = role.to_string();
                let (account, name) = (self::account(*account), name.unwrap_or(&id));
                (format!("arn:aws:iam::{account}:role/{name}"), "AssumedRole")
            }
            Principal::Root(_) => (self::principal(principal, name), "Account"),
            Principal::User(..) => (self::principal(principal, name), "User"),
            Principal::FederatedSession(..) => (self::principal(principal, name), "FederatedUser"),
        };
        Self {
            account: account(principal.account()),
            arn,
            user_id: user_id(principal),
            kind,
        }
    }
}

/// Writes an account's id: twelve digits, leading zeros among them.
pub fn account(id: AccountId) -> String {
    format!("{:0width$}", id.number(), width = ACCOUNT_DIGITS)
}

/// Reads an account's id as [`account`] writes it.
pub fn read_account(text: &str) -> Option<AccountId> {
    let id = text.trim_start_matches('0').parse().ok()?;
    (account(id) == text).then_some(id)
}

/// Names a principal; `name` is that of the user or the role. Without it, its numeric id stands
/// there.
pub fn principal(principal: &Principal, name: Option<&str>) -> String {
    let (account, id) = (account(principal.account()), principal.numeric_id());
    let name = name.unwrap_or(&id);
    match principal {
        Principal::Root(_) => format!("arn:aws:iam::{account}:root"),
        Principal::User(..) => format!("arn:aws:iam::{account}:user/{name}"),
        Principal::RoleSession(_, _, session) => {
            format!("arn:aws:sts::{account}:assumed-role/{name}/{session}")
        }
        Principal::FederatedSession(_, _, session) => {
            format!("arn:aws:sts::{account}:federated-user/{session}")
        }
    }
}

/// Returns the unique id of a principal, as `GetCallerIdentity` tells it.
pub fn user_id(principal: &Principal) -> String {
    match principal {
        Principal::Root(account) => self::account(*account),
        Principal::User(_, user) => unique_id("AIDA", user.number()),
        Principal::RoleSession(_, role, session) => {
            format!("{}:{session}", unique_id("AROA", role.number()))
        }
        Principal::FederatedSession(account, _, session) => {
            format!("{}:{session}", self::account(*account))
        }
    }
}

/// Writes a numeric id in the form of AWS's unique ids.
fn unique_id(prefix: &str, number: i64) -> String {
    let number = number.unsigned_abs();
    let letters = (0..UNIQUE_ID_LENGTH).rev().map(|place| {
        let bits = number.checked_shr(5 * place).unwrap_or(0) & 31;
        char::from(BASE32[usize::try_from(bits).unwrap_or(0)])
    });
    prefix.chars().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{RoleId, UserId};

    #[test]
    fn an_accounts_leading_zeros_are_kept() {
        for (number, text) in [
            (1, "000000000001"),
            (100_000_000_001, "100000000001"),
            (1_234_567_890_123, "1234567890123"),
        ] {
            let id = AccountId::new(number).unwrap();
            assert_eq!(account(id), text);
            assert_eq!(read_account(text), Some(id));
        }
        for bad in [
            "",
            "1",
            "0000000000001",
            "00000000000x",
            "000000000000",
            "+00000000001",
        ] {
            assert_eq!(read_account(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn principals_are_named_as_aws_names_them() {
        let (of, user, role) = (
            AccountId::new(12).unwrap(),
            UserId::new(33).unwrap(),
            RoleId::new(34).unwrap(),
        );
        let unique = |prefix: &str, end: &str| format!("{prefix}{}{end}", "A".repeat(15));
        let bob = Principal::User(of, user);
        let cases = [
            (
                Principal::Root(of),
                None,
                "arn:aws:iam::000000000012:root",
                "000000000012".to_owned(),
            ),
            (
                bob.clone(),
                Some("bob"),
                "arn:aws:iam::000000000012:user/bob",
                unique("AIDA", "BB"),
            ),
            (
                bob,
                None,
                "arn:aws:iam::000000000012:user/33",
                unique("AIDA", "BB"),
            ),
            (
                Principal::RoleSession(of, role, "ci".to_owned()),
                Some("puller"),
                "arn:aws:sts::000000000012:assumed-role/puller/ci",
                unique("AROA", "BC:ci"),
            ),
            (
                Principal::FederatedSession(of, Some(user), "ci".to_owned()),
                None,
                "arn:aws:sts::000000000012:federated-user/ci",
                "000000000012:ci".to_owned(),
            ),
        ];
        for (who, name, arn, id) in cases {
            assert_eq!(principal(&who, name), arn);
            assert_eq!(user_id(&who), id);
        }
    }
}
