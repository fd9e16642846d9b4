//! Trust policies: who may assume a role.
//!
//! They are written in the languages of the other documents, with a principal and without a
//! resource. An identity policy must allow a user or a role the same as the trust policy does
//! (`sts:AssumeRole` on the role), but where an IAM trust policy names a principal of its own
//! account ([`TrustPolicy::suffices_for`]). A caller with an OIDC token has no identity policy, so
//! the trust policy alone decides. Sources: Alibaba's "Policy elements" and its guide to OIDC
//! roles, Tencent's documents on role principals, AWS's policy evaluation logic.

pub(super) mod read;

use self::read::read;
use super::condition::Condition;
use super::context::Context;
use super::elements::{Refusal, Words, join};
use super::key::is_of_issuer;
use super::language::Language;
use super::parts::{Limits, refused};
use super::words::Effect;
use super::{Decision, Outcome, StatementRef};
use crate::domain::Result;
use crate::domain::claims::Claims;
use crate::domain::identity::OidcProvider;
use crate::domain::ids::AccountId;

/// The caller that wants to assume a role.
#[derive(Clone, Copy, Debug)]
pub enum Assumer<'a> {
    /// An account itself.
    Root(AccountId),
    /// A user.
    User {
        /// Their account.
        account: AccountId,
        /// Their numeric id, by which CAM names them.
        id: &'a str,
        /// Their name, by which RAM names them.
        name: &'a str,
    },
    /// A session of another role.
    Role {
        /// The other role's account.
        account: AccountId,
        /// Its id, by which CAM may name it.
        id: &'a str,
        /// Its name.
        name: &'a str,
    },
    /// The bearer of an OIDC token that was verified.
    Federated {
        /// The account that the provider is registered in.
        account: AccountId,
        /// The provider's name there.
        provider: &'a str,
        /// The token's claims.
        claims: &'a Claims,
    },
}

/// A compiled trust policy.
#[derive(Clone, Debug, PartialEq)]
pub struct TrustPolicy {
    language: Language,
    statements: Vec<Trust>,
}

/// A trust policy that was read, and what its writer should know.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckedTrust {
    /// The policy.
    pub policy: TrustPolicy,
    /// Parts that won't do what they seem to, each with its place.
    pub warnings: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
struct Trust {
    sid: Option<String>,
    effect: Effect,
    /// Whether its actions name assuming by a signed call.
    signed: bool,
    /// Whether its actions name assuming by an OIDC token.
    federated: bool,
    principals: Vec<Trusted>,
    condition: Condition,
}

/// An OpenID Connect provider, as trust policies name it.
#[derive(Clone, Copy, Debug)]
pub struct TrustedProvider<'a> {
    /// The account that it is registered in.
    pub account: AccountId,
    /// Its name there, by which CAM and RAM name it.
    pub name: &'a str,
    /// Its issuer, by which IAM names it.
    pub issuer: &'a str,
}

impl<'a> From<&'a OidcProvider> for TrustedProvider<'a> {
    fn from(provider: &'a OidcProvider) -> Self {
        Self {
            account: provider.account,
            name: &provider.name,
            issuer: &provider.issuer,
        }
    }
}

/// A principal of a trust policy, or of a repository's.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Trusted {
    /// Every principal of every account.
    Anyone,
    /// Everyone in the account, as far as their own policies allow it.
    Account(AccountId),
    UserId(AccountId, String),
    UserName(AccountId, String),
    RoleId(AccountId, String),
    RoleName(AccountId, String),
    Provider(AccountId, String),
    /// The provider of an issuer, which is written without `https://`.
    Issuer(AccountId, String),
}

impl Trusted {
    /// Returns the account of those that it means; nothing where they are of every account.
    pub(super) fn account(&self) -> Option<AccountId> {
        match self {
            Self::Anyone => None,
            Self::Account(account)
            | Self::UserId(account, _)
            | Self::UserName(account, _)
            | Self::RoleId(account, _)
            | Self::RoleName(account, _)
            | Self::Provider(account, _)
            | Self::Issuer(account, _) => Some(*account),
        }
    }

    pub(super) fn is(&self, assumer: &Assumer<'_>) -> bool {
        match (self, assumer) {
            (Self::Anyone, assumer) => !matches!(assumer, Assumer::Federated { .. }),
            (
                Self::Issuer(own, issuer),
                Assumer::Federated {
                    account, claims, ..
                },
            ) => own == account && is_of_issuer(claims, issuer),
            (
                Self::Account(own),
                Assumer::Root(account)
                | Assumer::User { account, .. }
                | Assumer::Role { account, .. },
            ) => own == account,
            (Self::UserId(own, own_id), Assumer::User { account, id, .. }) => {
                own == account && own_id == id
            }
            (Self::UserName(own, own_name), Assumer::User { account, name, .. }) => {
                own == account && own_name == name
            }
            (Self::RoleId(own, own_id), Assumer::Role { account, id, .. }) => {
                own == account && own_id == id
            }
            (Self::RoleName(own, own_name), Assumer::Role { account, name, .. }) => {
                own == account && own_name == name
            }
            (
                Self::Provider(own, own_name),
                Assumer::Federated {
                    account, provider, ..
                },
            ) => own == account && own_name == provider,
            _ => false,
        }
    }

    /// Tells whether it names one principal, and not an account or more.
    pub(super) fn is_direct(&self) -> bool {
        !matches!(self, Self::Anyone | Self::Account(_))
    }

    /// Tells whether it is a provider.
    fn is_provider(&self, provider: &TrustedProvider<'_>) -> bool {
        match self {
            Self::Provider(own, name) => *own == provider.account && name == provider.name,
            Self::Issuer(own, issuer) => {
                let bare = provider.issuer.strip_prefix("https://");
                *own == provider.account && issuer == bare.unwrap_or(provider.issuer)
            }
            _ => false,
        }
    }
}

impl TrustPolicy {
    /// Reads a trust policy.
    ///
    /// A statement that trusts an OIDC provider must name an audience and a subject, neither by
    /// wildcards alone: the issuer of many tenants' tokens would else open the role to all of them.
    ///
    /// # Errors
    ///
    /// `InvalidParameter` of `document`: the message names the place, such as
    /// `statement[1].condition.ip_equal`, and the reason.
    pub fn parse(text: &str, limits: Limits) -> Result<CheckedTrust> {
        let mut warnings = Vec::new();
        match read(text, limits, &mut warnings) {
            Ok(policy) => Ok(CheckedTrust { policy, warnings }),
            Err(Refusal { place, why }) => Err(refused(&place, &why)),
        }
    }

    /// Tells whether a statement lets tokens of a provider assume the role, on whatever condition.
    pub fn names_provider(&self, provider: &TrustedProvider<'_>) -> bool {
        self.about_provider(provider).next().is_some()
    }

    /// Tells whether a token of a provider may be accepted by both policies: no two of their
    /// conditions exclude each other, as far as that can be decided. Denials aren't looked at.
    pub fn may_share_tokens(&self, other: &Self, provider: &TrustedProvider<'_>) -> bool {
        self.about_provider(provider).any(|own| {
            other
                .about_provider(provider)
                .any(|other| own.condition.may_hold_with(&other.condition))
        })
    }

    /// Returns the statements that let tokens of a provider assume the role.
    fn about_provider(&self, provider: &TrustedProvider<'_>) -> impl Iterator<Item = &Trust> {
        self.statements.iter().filter(|trust| {
            let names = |trusted: &Trusted| trusted.is_provider(provider);
            trust.effect == Effect::Allow && trust.federated && trust.principals.iter().any(names)
        })
    }

    /// Tells whether an assumer of the role's own account needs no policy of their own that allows
    /// it: an IAM trust policy that names them, and not just the account, suffices.
    pub fn suffices_for(&self, assumer: &Assumer<'_>, context: &Context<'_>) -> bool {
        let context = in_view_of(assumer, context);
        let names = |trusted: &Trusted| trusted.is_direct() && trusted.is(assumer);
        self.language == Language::Iam
            && self.statements.iter().any(|trust| {
                trust.effect == Effect::Allow
                    && trust.is_about(assumer)
                    && trust.principals.iter().any(names)
                    && trust
                        .condition
                        .first_unmet(&context, trust.effect)
                        .is_none()
            })
    }

    /// Returns the places of the conditions that keep statements which name the assumer from
    /// holding: `statement[0].condition.string_like.oidc:sub`.
    pub fn unmet(&self, assumer: &Assumer<'_>, context: &Context<'_>) -> Vec<String> {
        let context = in_view_of(assumer, context);
        let words = Words::of(self.language);
        self.statements
            .iter()
            .enumerate()
            .filter(|(_, trust)| trust.is_about(assumer))
            .filter_map(|(index, trust)| {
                let place = trust.condition.first_unmet(&context, trust.effect)?;
                let statement = format!("{}[{index}]", words.statement);
                Some(join(&join(&statement, words.condition), place))
            })
            .collect()
    }

    /// Returns the language that it is written in.
    pub fn language(&self) -> Language {
        self.language
    }
}

impl Trust {
    /// Tells whether the statement names the assumer, and the way in which it assumes the role.
    fn is_about(&self, assumer: &Assumer<'_>) -> bool {
        let by_its_way = match assumer {
            Assumer::Federated { .. } => self.federated,
            Assumer::Root(_) | Assumer::User { .. } | Assumer::Role { .. } => self.signed,
        };
        by_its_way && self.principals.iter().any(|trusted| trusted.is(assumer))
    }
}

/// Returns the context with the claims of the assumer's token.
fn in_view_of<'a>(assumer: &Assumer<'a>, context: &Context<'a>) -> Context<'a> {
    let claims = match assumer {
        Assumer::Federated { claims, .. } => Some(*claims),
        Assumer::Root(_) | Assumer::User { .. } | Assumer::Role { .. } => None,
    };
    Context {
        claims,
        ..context.clone()
    }
}

/// Decides whether a role's trust policy lets someone assume it; `name` is how the decision speaks
/// of it.
///
/// The context's claims are not read: those of a token come with the assumer.
pub fn decide_trust<'a>(
    name: &'a str,
    policy: &'a TrustPolicy,
    assumer: &Assumer<'_>,
    context: &Context<'_>,
) -> Decision<'a> {
    let context = in_view_of(assumer, context);
    let mut allowed = None;
    for (index, trust) in policy.statements.iter().enumerate() {
        let holds = || {
            trust
                .condition
                .first_unmet(&context, trust.effect)
                .is_none()
        };
        if !trust.is_about(assumer) || !holds() {
            continue;
        }
        let statement = StatementRef {
            document: name,
            language: policy.language,
            index,
            sid: trust.sid.as_deref(),
        };
        match trust.effect {
            Effect::Deny => {
                return Decision {
                    outcome: Outcome::DeniedExplicitly,
                    statement: Some(statement),
                };
            }
            Effect::Allow => allowed = allowed.or(Some(statement)),
        }
    }
    let outcome = if allowed.is_some() {
        Outcome::Allowed
    } else {
        Outcome::DeniedImplicitly
    };
    Decision {
        outcome,
        statement: allowed,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn trusting(condition: &serde_json::Value) -> TrustPolicy {
        let policy = json!({
            "Version": "1",
            "Statement": [{
                "Effect": "Allow",
                "Action": "sts:AssumeRole",
                "Principal": { "Federated": ["acs:ram::100000000001:oidc-provider/ci"] },
                "Condition": condition,
            }],
        });
        TrustPolicy::parse(&policy.to_string(), Limits::POLICY)
            .unwrap()
            .policy
    }

    #[test]
    fn two_policies_share_tokens_unless_their_conditions_exclude_each_other() {
        let named = |name: &'static str| TrustedProvider {
            account: "100000000001".parse().unwrap(),
            name,
            issuer: "https://ci.example.com",
        };
        let equals = |audience: &str, subject: &str| {
            json!({
                "StringEquals": { "oidc:aud": audience, "oidc:sub": subject },
            })
        };
        let like = |subjects: &[&str]| {
            json!({
                "StringEquals": { "oidc:aud": "sts" },
                "StringLike": { "oidc:sub": subjects },
            })
        };
        let in_environment = |environment: &str| {
            let mut condition = equals("sts", "a");
            condition["StringEquals"]["oidc:environment"] = json!(environment);
            condition
        };
        let both_forms = like(&["repo:team/app:*", "repo:team@1/app@2:*"]);
        for (one, other, expected) in [
            (equals("sts", "a"), equals("sts", "a"), true),
            (equals("sts", "a"), equals("sts", "b"), false),
            (equals("sts", "a"), equals("other", "a"), false),
            (
                equals("sts", "repo:team/app:ref:x"),
                both_forms.clone(),
                true,
            ),
            (
                equals("sts", "repo:team/other:ref:x"),
                both_forms.clone(),
                false,
            ),
            (like(&["repo:team/*"]), both_forms.clone(), true),
            (like(&["repo:team/tool:*"]), both_forms, false),
            (in_environment("prod"), in_environment("dev"), false),
            (in_environment("prod"), equals("sts", "a"), true),
            // A negated condition isn't looked at.
            (
                equals("sts", "a"),
                json!({
                    "StringEquals": { "oidc:aud": "sts", "oidc:sub": "a" },
                    "StringNotEquals": { "oidc:sub": "a" },
                }),
                true,
            ),
        ] {
            let [first, second] = [&one, &other].map(trusting);
            for (own, others) in [(&first, &second), (&second, &first)] {
                let shares = own.may_share_tokens(others, &named("ci"));
                assert_eq!(shares, expected, "{one} {other}");
                assert!(!own.may_share_tokens(others, &named("another")));
            }
        }
    }
}
