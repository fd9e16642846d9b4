//! The username of a log-in with an OpenID Connect token: it names a role.

use super::any_principal::{AnyPrincipal, Written};
use super::ids::{AccountId, RoleId};
use super::name::is_name_in_arn;

/// The role that a token logs in as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoleName {
    /// The one role that trusts the token: `jwt`, `oidc`, `token` or nothing.
    Any,
    /// By its name: `role/NAME` of the instance's account, `ACCOUNT/role/NAME`, or an ARN.
    Name(Option<AccountId>, String),
    /// By its id: Tencent's ARN may have it.
    Id(AccountId, RoleId),
}

impl RoleName {
    /// The usernames that leave the role to the trust policies; no account is called so.
    pub const ANY: [&str; 3] = ["jwt", "oidc", "token"];

    /// Reads a username; none when it names no role.
    pub fn parse(username: &str) -> Option<Self> {
        if username.is_empty() || Self::ANY.contains(&username) {
            return Some(Self::Any);
        }
        if let Some((account, name)) = username.split_once("role/")
            && let Some(account) = match account.strip_suffix('/') {
                None if account.is_empty() => Some(None),
                None => None,
                Some(account) => account.parse().ok().map(Some),
            }
        {
            return is_name_in_arn(name).then(|| Self::Name(account, name.to_owned()));
        }
        match username.parse() {
            Ok(AnyPrincipal::Role(account, Written::Name(name), None)) => {
                Some(Self::Name(Some(account), name))
            }
            Ok(AnyPrincipal::Role(account, Written::Id(id), None)) => Some(Self::Id(account, id)),
            _ => None,
        }
    }

    /// Returns the account that the username says, if it says one.
    pub fn account(&self) -> Option<AccountId> {
        match self {
            Self::Any => None,
            Self::Name(account, _) => *account,
            Self::Id(account, _) => Some(*account),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_username_names_a_role_in_each_form() {
        let account: AccountId = "100000000001".parse().unwrap();
        let named = |account| Some(RoleName::Name(account, "ci".to_owned()));
        for (username, expected) in [
            ("jwt", Some(RoleName::Any)),
            ("oidc", Some(RoleName::Any)),
            ("token", Some(RoleName::Any)),
            ("", Some(RoleName::Any)),
            ("role/ci", named(None)),
            ("100000000001/role/ci", named(Some(account))),
            (
                "qcs::cam::uin/100000000001:roleName/ci",
                named(Some(account)),
            ),
            ("acs:ram::100000000001:role/ci", named(Some(account))),
            ("role/", None),
            ("role/ci/x", None),
            ("example/role/ci", None),
            ("x-role/ci", None),
            ("100000000001", None),
            ("JWT", None),
            ("acs:ram::100000000001:user/ci", None),
        ] {
            assert_eq!(RoleName::parse(username), expected, "{username}");
        }
    }

    #[test]
    fn tencents_arn_may_have_the_roles_id() {
        let parsed = RoleName::parse("qcs::cam::uin/100000000001:role/200000000002");
        assert!(matches!(parsed, Some(RoleName::Id(..))), "{parsed:?}");
    }
}
