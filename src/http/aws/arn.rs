//! Accounts, principals and roles as AWS names them.

use crate::domain::ids::AccountId;
use crate::domain::name::is_name_in_arn;
use crate::domain::principal::Principal;
use crate::domain::{Error, Result};

/// The digits of an account's id.
///
/// Divergence: this service's accounts may have up to 18, and such a one is written with all of
/// them.
const ACCOUNT_DIGITS: usize = 12;
/// The characters of a unique id after its prefix, as AWS's have: 5 bits each.
const UNIQUE_ID_LENGTH: u32 = 17;
/// The beginning of a role's ARN in each partition.
const ROLES: [&str; 3] = ["arn:aws:iam::", "arn:aws-cn:iam::", "arn:aws-us-gov:iam::"];
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Writes an account's id: twelve digits, leading zeros among them.
pub(super) fn account(id: AccountId) -> String {
    format!("{:0width$}", id.number(), width = ACCOUNT_DIGITS)
}

/// Reads an account's id as [`account`] writes it.
pub(super) fn read_account(text: &str) -> Option<AccountId> {
    let id = text.trim_start_matches('0').parse().ok()?;
    (account(id) == text).then_some(id)
}

/// Names a principal; `name` is that of the user or the role. Without it, its numeric id stands
/// there.
pub(super) fn principal(principal: &Principal, name: Option<&str>) -> String {
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

/// Reads a role, `arn:aws:iam::ACCOUNT:role/NAME`.
///
/// # Errors
///
/// `InvalidParameter` of `RoleArn`.
pub(super) fn read_role(text: &str) -> Result<(AccountId, &str)> {
    let read = || {
        let rest = ROLES
            .into_iter()
            .find_map(|beginning| text.strip_prefix(beginning))?;
        let (account, path) = rest.split_once(':')?;
        let name = path.strip_prefix("role/")?;
        is_name_in_arn(name).then_some((read_account(account)?, name))
    };
    read().ok_or_else(|| {
        Error::invalid_parameter(
            "RoleArn",
            "RoleArn is written arn:aws:iam::ACCOUNT:role/NAME, with 12 digits of the account; \
             roles have no paths here.",
        )
    })
}

/// Names the provider of an OpenID Connect issuer.
pub(super) fn provider(of: AccountId, issuer: &str) -> String {
    let issuer = issuer.strip_prefix("https://").unwrap_or(issuer);
    format!("arn:aws:iam::{}:oidc-provider/{issuer}", account(of))
}

/// Returns the unique id of a principal, as `GetCallerIdentity` tells it.
pub(super) fn user_id(principal: &Principal) -> String {
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
    fn a_role_is_read_from_its_arn() {
        let of = AccountId::new(12).unwrap();
        for arn in [
            "arn:aws:iam::000000000012:role/puller",
            "arn:aws-cn:iam::000000000012:role/puller",
        ] {
            assert_eq!(read_role(arn).unwrap(), (of, "puller"));
        }
        for bad in [
            "",
            "puller",
            "arn:aws:iam::12:role/puller",
            "arn:aws:iam::000000000012:role/",
            "arn:aws:iam::000000000012:role/a/b",
            "arn:aws:iam::000000000012:user/a",
            "arn:aws:sts::000000000012:role/a",
            "arn:aws-other:iam::000000000012:role/a",
            "acs:ram::100000000001:role/puller",
        ] {
            assert_eq!(
                read_role(bad).unwrap_err().kind(),
                &crate::domain::ErrorKind::InvalidParameter {
                    name: "RoleArn".to_owned()
                },
                "{bad:?}"
            );
        }
        assert_eq!(
            provider(of, "https://token.example.com/a"),
            "arn:aws:iam::000000000012:oidc-provider/token.example.com/a"
        );
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
