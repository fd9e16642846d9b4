//! ARNs of roles and providers; [`crate::domain::aws`] has those of principals.

use crate::domain::aws::{PARTITIONS, account, read_account};
use crate::domain::ids::AccountId;
use crate::domain::name::is_name_in_arn;
use crate::domain::{Error, Result};

/// Reads a role, `arn:aws:iam::ACCOUNT:role/NAME`.
///
/// # Errors
///
/// `InvalidParameter` of `RoleArn`.
pub(super) fn read_role(text: &str) -> Result<(AccountId, &str)> {
    let read = || {
        let (partition, rest) = text.strip_prefix("arn:")?.split_once(":iam::")?;
        let (account, path) = rest.split_once(':')?;
        let name = path.strip_prefix("role/")?;
        let is_role = PARTITIONS.contains(&partition) && is_name_in_arn(name);
        is_role.then_some((read_account(account)?, name))
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
