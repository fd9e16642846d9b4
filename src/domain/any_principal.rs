//! A principal where it is an argument: every form that lists, the audit and the clouds print is
//! taken.

use std::fmt;
use std::str::FromStr;

use super::as_text::serde_as_text;
use super::aws;
use super::ids::{AccountId, InstanceId, RoleId, UserId};
use super::principal::{Principal, PrincipalName};
use super::{Error, Result};

/// A user or a role as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written<Id> {
    /// By its id, which stays when it is gone.
    Id(Id),
    /// By its name.
    Name(String),
}

/// A principal in any of the forms in which one is printed:
///
/// - `ACCOUNT` and `ACCOUNT:root`, `ACCOUNT:user/NAME`, `ACCOUNT:user#ID`, `ACCOUNT:role/NAME`,
///   `ACCOUNT:role#ID`, the last two with `/SESSION`, too, `ACCOUNT:federated#ID/NAME`,
///   `ACCOUNT:service-account/INSTANCE/NAME`, `ACCOUNT:oidc-provider/NAME/SUBJECT`;
/// - `operator/NAME`, `operator/local/USER`, and `operator` for any;
/// - Tencent's `qcs::cam::uin/ACCOUNT:` or `qcs::cam:ACCOUNT:` with `root`, `uin/ID`, `user/NAME`,
///   `role/ID` or `roleName/NAME`, and `qcs::sts:ACCOUNT:` with `assumed-role/ID` or
///   `federated-user/ID`;
/// - Alibaba's `acs:ram::ACCOUNT:` with `root`, `user/NAME`, `role/NAME`, `role/NAME/SESSION` or
///   `assumed-role/NAME/SESSION`, the last with `acs:sts::`, too;
/// - AWS's `arn:aws:iam::ACCOUNT:` with `root`, `user/NAME` or `role/NAME`, and
///   `arn:aws:sts::ACCOUNT:` with `assumed-role/NAME/SESSION`; a name of digits alone is an id, as
///   denials write it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnyPrincipal {
    /// The account itself.
    Root(AccountId),
    /// A user of the account.
    User(AccountId, Written<UserId>),
    /// A role of the account, or one session of it, by the session's name.
    Role(AccountId, Written<RoleId>, Option<String>),
    /// A federated session of the account's root or of a user of it, by the session's name.
    Federated(AccountId, Option<UserId>, String),
    /// A service account, by its name without `tcr$`, of an instance.
    ServiceAccount(AccountId, InstanceId, String),
    /// The bearer of a token of an OpenID Connect provider of the account: provider and subject.
    Bearer(AccountId, String, String),
    /// Any operator, or the service itself.
    Operator,
    /// The operator who runs the command line on the data, by the operating system's user.
    LocalOperator(String),
    /// An operator with a token, by its name.
    NamedOperator(String),
}

impl AnyPrincipal {
    /// Returns its account; an operator has none here.
    pub fn account(&self) -> Option<AccountId> {
        match self {
            Self::Root(account)
            | Self::User(account, _)
            | Self::Role(account, ..)
            | Self::Federated(account, ..)
            | Self::ServiceAccount(account, ..)
            | Self::Bearer(account, ..) => Some(*account),
            Self::Operator | Self::LocalOperator(_) | Self::NamedOperator(_) => None,
        }
    }

    /// Returns whose session it is: a role, a user or an account; itself when it is none.
    #[must_use]
    pub fn without_session(&self) -> Self {
        match self {
            Self::Role(account, role, Some(_)) => Self::Role(*account, role.clone(), None),
            Self::Federated(account, None, _) => Self::Root(*account),
            Self::Federated(account, Some(user), _) => Self::User(*account, Written::Id(*user)),
            other => other.clone(),
        }
    }
}

serde_as_text!(AnyPrincipal);

impl From<Principal> for AnyPrincipal {
    fn from(principal: Principal) -> Self {
        match principal {
            Principal::Root(account) => Self::Root(account),
            Principal::User(account, user) => Self::User(account, Written::Id(user)),
            Principal::RoleSession(account, role, session) => {
                Self::Role(account, Written::Id(role), Some(session))
            }
            Principal::FederatedSession(account, user, name) => {
                Self::Federated(account, user, name)
            }
        }
    }
}

impl From<PrincipalName> for AnyPrincipal {
    fn from(name: PrincipalName) -> Self {
        match name {
            PrincipalName::Root(account) => Self::Root(account),
            PrincipalName::User(account, name) => Self::User(account, Written::Name(name)),
            PrincipalName::Role(account, name) => Self::Role(account, Written::Name(name), None),
            PrincipalName::ServiceAccount(account, instance, name) => {
                Self::ServiceAccount(account, instance, name)
            }
        }
    }
}

impl fmt::Display for AnyPrincipal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root(account) => write!(f, "{account}:root"),
            Self::User(account, Written::Id(user)) => write!(f, "{account}:user#{user}"),
            Self::User(account, Written::Name(name)) => write!(f, "{account}:user/{name}"),
            Self::Role(account, role, session) => {
                match role {
                    Written::Id(role) => write!(f, "{account}:role#{role}")?,
                    Written::Name(name) => write!(f, "{account}:role/{name}")?,
                }
                session
                    .as_ref()
                    .map_or(Ok(()), |session| write!(f, "/{session}"))
            }
            Self::Federated(account, user, name) => {
                write!(
                    f,
                    "{}",
                    Principal::FederatedSession(*account, *user, name.clone())
                )
            }
            Self::ServiceAccount(account, instance, name) => {
                write!(f, "{account}:service-account/{instance}/{name}")
            }
            Self::Bearer(account, provider, subject) => {
                write!(f, "{account}:oidc-provider/{provider}/{subject}")
            }
            Self::Operator => f.write_str("operator"),
            Self::LocalOperator(user) => write!(f, "operator/local/{user}"),
            Self::NamedOperator(name) => write!(f, "operator/{name}"),
        }
    }
}

impl FromStr for AnyPrincipal {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let read = || {
            if text == "operator" {
                Some(Self::Operator)
            } else if let Some(user) = text.strip_prefix("operator/local/") {
                name(user).map(Self::LocalOperator)
            } else if let Some(operator) = text.strip_prefix("operator/") {
                name(operator).map(Self::NamedOperator)
            } else if let Some(rest) = text.strip_prefix("qcs::") {
                tencents(rest)
            } else if let Some(rest) = text.strip_prefix("acs:") {
                alibabas(rest)
            } else if let Some(rest) = text.strip_prefix("arn:") {
                awss(rest)
            } else {
                own(text)
            }
        };
        read().ok_or_else(|| {
            Error::invalid_parameter(
                "principal",
                "a principal is written ACCOUNT:root, ACCOUNT:user/NAME, ACCOUNT:role/NAME or \
                 ACCOUNT:service-account/INSTANCE/NAME with the instance's tcr- id, or as lists, \
                 the audit or the clouds have it: ACCOUNT:user#ID, ACCOUNT:role#ID/SESSION, \
                 qcs::cam::uin/ACCOUNT:uin/ID, acs:ram::ACCOUNT:user/NAME; an operator is \
                 written operator/NAME",
            )
        })
    }
}

/// Reads the forms of this service.
fn own(text: &str) -> Option<AnyPrincipal> {
    let Some((account, rest)) = text.split_once(':') else {
        return Some(AnyPrincipal::Root(text.parse().ok()?));
    };
    let account: AccountId = account.parse().ok()?;
    if rest == "root" {
        return Some(AnyPrincipal::Root(account));
    }
    let place = rest.find(['/', '#'])?;
    let (kind, named) = (&rest[..=place], &rest[place + 1..]);
    Some(match kind {
        "user/" => AnyPrincipal::User(account, Written::Name(name(named)?)),
        "user#" => AnyPrincipal::User(account, Written::Id(named.parse().ok()?)),
        "role/" => role(account, named, |role| Some(Written::Name(name(role)?)))?,
        "role#" => role(account, named, |role| Some(Written::Id(role.parse().ok()?)))?,
        "federated#" => federated(account, named)?,
        "service-account/" => {
            let (instance, account_name) = named.split_once('/')?;
            AnyPrincipal::ServiceAccount(account, instance.parse().ok()?, name(account_name)?)
        }
        "oidc-provider/" => {
            let (provider, subject) = named.split_once('/')?;
            AnyPrincipal::Bearer(account, name(provider)?, subject.to_owned())
        }
        _ => return None,
    })
}

/// Reads Tencent's forms, behind `qcs::`.
fn tencents(text: &str) -> Option<AnyPrincipal> {
    let rest = text
        .strip_prefix("cam:")
        .or_else(|| text.strip_prefix("sts:"))?;
    // A region comes first where the account is written uin/ACCOUNT; GetCallerIdentity writes
    // neither.
    let with_region = rest
        .split_once(":uin/")
        .and_then(|(_, rest)| rest.split_once(':'));
    let (account, path) = with_region.or_else(|| rest.split_once(':'))?;
    let account: AccountId = account.parse().ok()?;
    let Some((kind, named)) = path.split_once('/') else {
        return (path == "root").then_some(AnyPrincipal::Root(account));
    };
    Some(match kind {
        "uin" if named == account.to_string() => AnyPrincipal::Root(account),
        "uin" => AnyPrincipal::User(account, Written::Id(named.parse().ok()?)),
        "user" => AnyPrincipal::User(account, Written::Name(name(named)?)),
        "roleName" => role(account, named, |role| Some(Written::Name(name(role)?)))?,
        "role" | "assumed-role" => {
            role(account, named, |role| Some(Written::Id(role.parse().ok()?)))?
        }
        "federated-user" => federated(account, named)?,
        _ => return None,
    })
}

/// Reads Alibaba's forms, behind `acs:`.
fn alibabas(text: &str) -> Option<AnyPrincipal> {
    let (_region, rest) = text
        .strip_prefix("ram:")
        .or_else(|| text.strip_prefix("sts:"))?
        .split_once(':')?;
    let (account, path) = rest.split_once(':')?;
    by_name(account.parse().ok()?, path, |text| {
        Some(Written::Name(name(text)?))
    })
}

/// Reads AWS's forms, behind `arn:`.
fn awss(text: &str) -> Option<AnyPrincipal> {
    let (partition, rest) = text.split_once(':')?;
    let rest = rest
        .strip_prefix("iam::")
        .or_else(|| rest.strip_prefix("sts::"))
        .filter(|_| aws::PARTITIONS.contains(&partition))?;
    let (account, path) = rest.split_once(':')?;
    let is_id = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    match path.split_once('/') {
        Some(("user", id)) if is_id(id) => {
            let account = aws::read_account(account)?;
            Some(AnyPrincipal::User(account, Written::Id(id.parse().ok()?)))
        }
        _ => by_name(aws::read_account(account)?, path, |role| {
            Some(if is_id(role) {
                Written::Id(role.parse().ok()?)
            } else {
                Written::Name(name(role)?)
            })
        }),
    }
}

/// Reads `root`, a user, a role or a session of it.
fn by_name(
    account: AccountId,
    path: &str,
    read_role: impl Fn(&str) -> Option<Written<RoleId>>,
) -> Option<AnyPrincipal> {
    let Some((kind, named)) = path.split_once('/') else {
        return (path == "root").then_some(AnyPrincipal::Root(account));
    };
    Some(match kind {
        "user" => AnyPrincipal::User(account, Written::Name(name(named)?)),
        "role" | "assumed-role" => role(account, named, read_role)?,
        _ => return None,
    })
}

fn role(
    account: AccountId,
    text: &str,
    read: impl Fn(&str) -> Option<Written<RoleId>>,
) -> Option<AnyPrincipal> {
    let (role, session) = text
        .split_once('/')
        .map_or((text, None), |(role, session)| (role, Some(session)));
    Some(AnyPrincipal::Role(
        account,
        read(role)?,
        session.map(str::to_owned),
    ))
}

fn federated(account: AccountId, text: &str) -> Option<AnyPrincipal> {
    let (user, name) = text.split_once('/').unwrap_or((text, ""));
    let user = if user == account.to_string() {
        None
    } else {
        Some(user.parse().ok()?)
    };
    Some(AnyPrincipal::Federated(account, user, name.to_owned()))
}

fn name(text: &str) -> Option<String> {
    (!text.is_empty() && !text.contains('/')).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> AnyPrincipal {
        text.parse()
            .unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn the_clouds_own_forms_are_taken() {
        let (account, user, role) = (
            AccountId::new(1).unwrap(),
            UserId::new(2).unwrap(),
            RoleId::new(3).unwrap(),
        );
        let session = || Some("ci".to_owned());
        let named = |name: &str| Written::<RoleId>::Name(name.to_owned());
        for (text, principal) in [
            ("qcs::cam::uin/1:root", AnyPrincipal::Root(account)),
            ("qcs::cam::uin/1:uin/1", AnyPrincipal::Root(account)),
            ("qcs::cam:1:uin/1", AnyPrincipal::Root(account)),
            (
                "qcs::cam::uin/1:uin/2",
                AnyPrincipal::User(account, Written::Id(user)),
            ),
            (
                "qcs::cam:1:uin/2",
                AnyPrincipal::User(account, Written::Id(user)),
            ),
            (
                "qcs::cam::uin/1:role/3",
                AnyPrincipal::Role(account, Written::Id(role), None),
            ),
            (
                "qcs::cam::uin/1:roleName/puller",
                AnyPrincipal::Role(account, named("puller"), None),
            ),
            (
                "qcs::sts:1:assumed-role/3",
                AnyPrincipal::Role(account, Written::Id(role), None),
            ),
            (
                "qcs::sts:ap-guangzhou:uin/1:assumed-role/3/ci",
                AnyPrincipal::Role(account, Written::Id(role), session()),
            ),
            (
                "qcs::sts:1:federated-user/2",
                AnyPrincipal::Federated(account, Some(user), String::new()),
            ),
            ("acs:ram::1:root", AnyPrincipal::Root(account)),
            (
                "acs:ram::1:user/ci",
                AnyPrincipal::User(account, Written::Name("ci".to_owned())),
            ),
            (
                "acs:ram::1:role/puller",
                AnyPrincipal::Role(account, named("puller"), None),
            ),
            (
                "acs:ram::1:role/puller/ci",
                AnyPrincipal::Role(account, named("puller"), session()),
            ),
            (
                "acs:ram::1:assumed-role/puller/ci",
                AnyPrincipal::Role(account, named("puller"), session()),
            ),
            (
                "acs:sts::1:assumed-role/puller/ci",
                AnyPrincipal::Role(account, named("puller"), session()),
            ),
            (
                "arn:aws:iam::000000000001:root",
                AnyPrincipal::Root(account),
            ),
            (
                "arn:aws:iam::000000000001:user/ci",
                AnyPrincipal::User(account, Written::Name("ci".to_owned())),
            ),
            (
                "arn:aws:iam::000000000001:user/2",
                AnyPrincipal::User(account, Written::Id(user)),
            ),
            (
                "arn:aws-cn:iam::000000000001:role/puller",
                AnyPrincipal::Role(account, named("puller"), None),
            ),
            (
                "arn:aws:sts::000000000001:assumed-role/puller/ci",
                AnyPrincipal::Role(account, named("puller"), session()),
            ),
            ("1", AnyPrincipal::Root(account)),
            ("operator", AnyPrincipal::Operator),
            (
                "operator/local/root",
                AnyPrincipal::LocalOperator("root".to_owned()),
            ),
            (
                "operator/alice",
                AnyPrincipal::NamedOperator("alice".to_owned()),
            ),
        ] {
            assert_eq!(parse(text), principal, "{text}");
        }
        for bad in [
            "",
            ":",
            "x",
            "1:",
            "1:admin",
            "1:user",
            "1:user/",
            "1:user/a/b",
            "1:user#x",
            "1:group/x",
            "arn:aws:iam::1:root",
            "arn:other:iam::000000000001:root",
            "arn:aws:ecr::000000000001:root",
            "operator/",
            "operator/local/",
            "operator/local/a/b",
            "1:service-account/robot",
            "1:service-account/tcr-0example/",
            "qcs::cam::uin/1:",
            "qcs::cam::uin/x:root",
            "qcs::tcr::uin/1:root",
            "acs:ram::1:group/x",
            "acs:oss::1:root",
            "acs:ram:1:root",
        ] {
            let error = bad.parse::<AnyPrincipal>().unwrap_err();
            assert!(
                matches!(
                    error.kind(),
                    crate::domain::ErrorKind::InvalidParameter { .. }
                ),
                "{bad}"
            );
        }
    }

    fn principals() -> impl Strategy<Value = Principal> {
        let ids = (
            1..=999_999_999_999_999_999_i64,
            1..=999_999_999_999_999_999_i64,
            "[A-Za-z0-9_+=,.@-]{2,64}",
            0..5_u8,
        );
        ids.prop_map(|(account, id, session, kind)| {
            let (account, user, role) = (
                AccountId::new(account).unwrap(),
                UserId::new(id).unwrap(),
                RoleId::new(id).unwrap(),
            );
            match kind {
                0 => Principal::Root(account),
                1 => Principal::User(account, user),
                2 => Principal::RoleSession(account, role, session),
                3 => Principal::FederatedSession(account, None, session),
                _ => Principal::FederatedSession(
                    account,
                    Some(user).filter(|user| user.number() != account.number()),
                    session,
                ),
            }
        })
    }

    fn names() -> impl Strategy<Value = PrincipalName> {
        (
            1..=999_999_999_999_999_999_i64,
            "[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?",
            "[a-z0-9]{8}",
            0..4_u8,
        )
            .prop_map(|(account, name, id, kind)| {
                let account = AccountId::new(account).unwrap();
                match kind {
                    0 => PrincipalName::Root(account),
                    1 => PrincipalName::User(account, name),
                    2 => PrincipalName::Role(account, name),
                    _ => PrincipalName::ServiceAccount(
                        account,
                        format!("tcr-{id}").parse().unwrap(),
                        name,
                    ),
                }
            })
    }

    proptest! {
        #[test]
        fn a_principal_that_is_printed_parses_back(principal in principals()) {
            let any = parse(&principal.to_string());
            prop_assert_eq!(&any, &AnyPrincipal::from(principal.clone()));
            prop_assert_eq!(any.to_string(), principal.to_string());
        }

        #[test]
        fn the_name_of_a_principal_that_is_printed_parses_back(name in names()) {
            let any = parse(&name.to_string());
            prop_assert_eq!(&any, &AnyPrincipal::from(name.clone()));
            prop_assert_eq!(any.to_string(), name.to_string());
        }

        #[test]
        fn parsing_never_panics_and_what_it_takes_parses_back(
            text in "((qcs::(cam|sts)|acs:(ram|sts)):)?:?[0-9a-z:/#é-]{0,40}",
        ) {
            if let Ok(any) = text.parse::<AnyPrincipal>() {
                prop_assert_eq!(parse(&any.to_string()), any);
            }
        }
    }
}
