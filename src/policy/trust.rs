//! Trust policies: who may assume a role.
//!
//! They are written in the languages of the other documents, with a principal and without a
//! resource. An identity policy must allow a user or a role the same as the trust policy does
//! (`sts:AssumeRole` on the role); a caller with an OIDC token has no identity policy, so the trust
//! policy alone decides. Sources: Alibaba's "Policy elements" and its guide to OIDC roles,
//! Tencent's documents on role principals.

use super::condition::{Condition, Context, DocumentKind, Key, OidcClaims};
use super::document::{Limits, condition, effect, open, refused};
use super::elements::{Elements, Refusal, Words, join, strings};
use super::json::Json;
use super::language::Language;
use super::pattern::{Pattern, Wildcards};
use super::words::Effect;
use super::{Decision, Outcome, StatementRef};
use crate::domain::Result;
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
        claims: OidcClaims<'a>,
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

/// A principal of a trust policy.
#[derive(Clone, Debug, PartialEq)]
enum Trusted {
    /// Everyone in the account, as far as their own policies allow it.
    Account(AccountId),
    UserId(AccountId, String),
    UserName(AccountId, String),
    RoleId(AccountId, String),
    RoleName(AccountId, String),
    Provider(AccountId, String),
}

impl Trusted {
    fn is(&self, assumer: &Assumer<'_>) -> bool {
        match (self, assumer) {
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

    /// Reads a principal of `qcs` or `RAM`.
    fn parse_cloud(text: &str, language: Language) -> Option<Self> {
        let (account, rest) = split(text, language)?;
        Some(match (language, rest.split_once('/')) {
            (_, None) if rest == "root" => Self::Account(account),
            (Language::Cam, Some(("uin", id))) if id == account.to_string() => {
                Self::Account(account)
            }
            (Language::Cam, Some(("uin", id))) if is_number(id) => {
                Self::UserId(account, id.to_owned())
            }
            (Language::Cam, Some(("role", id))) if is_name(id) => {
                Self::RoleId(account, id.to_owned())
            }
            (Language::Cam, Some(("roleName", name))) if is_name(name) => {
                Self::RoleName(account, name.to_owned())
            }
            (Language::Ram, Some(("user", name))) if is_name(name) => {
                Self::UserName(account, name.to_owned())
            }
            (Language::Ram, Some(("role", name))) if is_name(name) => {
                Self::RoleName(account, name.to_owned())
            }
            _ => return None,
        })
    }

    /// Reads a principal of `federated` or `Federated`.
    fn parse_federated(text: &str, language: Language) -> Option<Self> {
        let (account, rest) = split(text, language)?;
        let name = rest
            .strip_prefix("oidc-provider/")
            .filter(|name| is_name(name))?;
        Some(Self::Provider(account, name.to_owned()))
    }
}

/// Divides `qcs::cam::uin/ACCOUNT:REST` or `acs:ram::ACCOUNT:REST`.
fn split(text: &str, language: Language) -> Option<(AccountId, &str)> {
    let rest = match language {
        Language::Cam => text.strip_prefix("qcs::cam::uin/")?,
        Language::Ram => text.strip_prefix("acs:ram::")?,
    };
    let (account, rest) = rest.split_once(':')?;
    Some((account.parse().ok()?, rest))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Tells whether it can be a name; wildcards can't: whom a role trusts is written out.
fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.@".contains(&byte))
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
    pub fn names_provider(&self, account: AccountId, name: &str) -> bool {
        let is_it = |trusted: &Trusted| match trusted {
            Trusted::Provider(own, own_name) => *own == account && own_name == name,
            _ => false,
        };
        self.statements.iter().any(|trust| {
            trust.effect == Effect::Allow && trust.federated && trust.principals.iter().any(is_it)
        })
    }

    /// Returns the language that it is written in.
    pub fn language(&self) -> Language {
        self.language
    }
}

/// Decides whether a role's trust policy lets someone assume it; `name` is how the decision speaks
/// of it.
///
/// The context's `oidc` is not read: what a token says comes with the assumer.
pub fn decide_trust<'a>(
    name: &'a str,
    policy: &'a TrustPolicy,
    assumer: &Assumer<'_>,
    context: &Context<'_>,
) -> Decision<'a> {
    let (oidc, federated) = match assumer {
        Assumer::Federated { claims, .. } => (Some(*claims), true),
        _ => (None, false),
    };
    let context = Context {
        oidc,
        ..context.clone()
    };
    let mut allowed = None;
    for (index, trust) in policy.statements.iter().enumerate() {
        let action = if federated {
            trust.federated
        } else {
            trust.signed
        };
        if !action
            || !trust.principals.iter().any(|trusted| trusted.is(assumer))
            || trust.condition.first_unmet(&context).is_some()
        {
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

fn read(text: &str, limits: Limits, warnings: &mut Vec<String>) -> Result<TrustPolicy, Refusal> {
    let (language, statements) = open(text, limits)?;
    let name = Words::of(language).statement;
    let read =
        |(index, json)| read_statement(json, &format!("{name}[{index}]"), language, warnings);
    let statements = statements
        .iter()
        .enumerate()
        .map(read)
        .collect::<Result<_, _>>()?;
    Ok(TrustPolicy {
        language,
        statements,
    })
}

fn read_statement(
    json: &Json,
    place: &str,
    language: Language,
    warnings: &mut Vec<String>,
) -> Result<Trust, Refusal> {
    let words = Words::of(language);
    if let Json::Object(fields) = json
        && fields.iter().any(|(name, _)| name == words.resource)
    {
        return Err(Refusal::new(
            join(place, words.resource),
            "a trust policy has no resource: it belongs to the role",
        ));
    }
    let elements = Elements::new(
        json,
        place,
        &[
            words.sid,
            words.effect,
            words.principal,
            words.action,
            words.condition,
        ],
    )?;
    let sid = elements
        .find(words.sid)
        .map(|_| elements.text(words.sid))
        .transpose()?
        .map(ToOwned::to_owned);
    let effect = effect(&elements, place, words)?;
    let (signed, federated) = read_actions(
        elements.get(words.action)?,
        &join(place, words.action),
        language,
    )?;
    let principals = read_principals(
        elements.get(words.principal)?,
        &join(place, words.principal),
        language,
        warnings,
    )?;
    let condition = condition(&elements, place, language, DocumentKind::Trust)?;
    let trusts_provider = principals
        .iter()
        .any(|trusted| matches!(trusted, Trusted::Provider(..)));
    if effect == Effect::Allow && trusts_provider {
        let at = join(place, words.condition);
        for (key, name, what) in [
            (Key::OidcAudience, "oidc:aud", "an audience"),
            (Key::OidcSubject, "oidc:sub", "a subject"),
        ] {
            if !condition.narrows(&key) {
                let why = format!(
                    "a statement that trusts an OIDC provider must name {what}: compare {name} \
                     with something other than wildcards"
                );
                return Err(Refusal::new(at, why));
            }
        }
    }
    Ok(Trust {
        sid,
        effect,
        signed,
        federated,
        principals,
        condition,
    })
}

/// Returns whether the actions name assuming by a signed call, and by an OIDC token.
fn read_actions(json: &Json, place: &str, language: Language) -> Result<(bool, bool), Refusal> {
    let (mut signed, mut federated) = (false, false);
    for (place, text) in strings(json, place)? {
        let bare = text
            .strip_prefix("name/")
            .filter(|_| language == Language::Cam)
            .unwrap_or(text);
        let pattern = match language {
            Language::Cam => Pattern::new(bare, Wildcards::of(language)),
            Language::Ram => Pattern::new(&bare.to_lowercase(), Wildcards::of(language)),
        };
        let (assume, by_token) = match language {
            // RAM has one name for both.
            Language::Ram => (
                pattern.matches("sts:assumerole"),
                pattern.matches("sts:assumerole"),
            ),
            Language::Cam => (
                pattern.matches("sts:AssumeRole"),
                pattern.matches("sts:AssumeRoleWithWebIdentity"),
            ),
        };
        if !assume && !by_token {
            let known = match language {
                Language::Cam => "name/sts:AssumeRole or name/sts:AssumeRoleWithWebIdentity",
                Language::Ram => "sts:AssumeRole",
            };
            return Err(Refusal::new(
                place,
                format!("the action of a trust policy is {known}"),
            ));
        }
        signed |= assume;
        federated |= by_token;
    }
    Ok((signed, federated))
}

fn read_principals(
    json: &Json,
    place: &str,
    language: Language,
    warnings: &mut Vec<String>,
) -> Result<Vec<Trusted>, Refusal> {
    let [cloud, provider, service] = match language {
        Language::Cam => ["qcs", "federated", "service"],
        Language::Ram => ["RAM", "Federated", "Service"],
    };
    let elements = Elements::new(json, place, &[cloud, provider, service])?;
    let mut principals = Vec::new();
    let mut read =
        |name: &str, parse: fn(&str, Language) -> Option<Trusted>, forms: &str| {
            let Some(json) = elements.find(name) else {
                return Ok(());
            };
            for (place, text) in strings(json, &join(place, name))? {
                principals.push(parse(text, language).ok_or_else(|| {
                    Refusal::new(place, format!("a principal is written {forms}"))
                })?);
            }
            Ok(())
        };
    match language {
        Language::Cam => {
            read(
                cloud,
                Trusted::parse_cloud,
                "qcs::cam::uin/ACCOUNT:root, qcs::cam::uin/ACCOUNT:uin/USER, or \
                 qcs::cam::uin/ACCOUNT:roleName/ROLE",
            )?;
            read(
                provider,
                Trusted::parse_federated,
                "qcs::cam::uin/ACCOUNT:oidc-provider/NAME",
            )?;
        }
        Language::Ram => {
            read(
                cloud,
                Trusted::parse_cloud,
                "acs:ram::ACCOUNT:root, acs:ram::ACCOUNT:user/NAME, or acs:ram::ACCOUNT:role/NAME",
            )?;
            read(
                provider,
                Trusted::parse_federated,
                "acs:ram::ACCOUNT:oidc-provider/NAME",
            )?;
        }
    }
    if let Some(json) = elements.find(service) {
        strings(json, &join(place, service))?;
        warnings.push(format!(
            "{}: no service of a cloud ever assumes a role here",
            join(place, service)
        ));
    } else if principals.is_empty() {
        return Err(Refusal::new(place, "it names nobody"));
    }
    Ok(principals)
}
