//! Reads trust policies, strictly.

use super::{Trust, TrustPolicy, Trusted};
use crate::domain::aws;
use crate::domain::ids::AccountId;
use crate::domain::name::is_name_in_arn;
use crate::policy::condition::{Condition, DocumentKind};
use crate::policy::elements::{Elements, Refusal, Words, join, strings};
use crate::policy::json::Json;
use crate::policy::language::Language;
use crate::policy::parts::{Limits, condition, effect, open, sid};
use crate::policy::pattern::{Pattern, Wildcards};
use crate::policy::vocabulary::is_action;
use crate::policy::words::Effect;

/// Reads a trust policy; warns of parts that won't do what they seem to.
pub(super) fn read(
    text: &str,
    limits: Limits,
    warnings: &mut Vec<String>,
) -> Result<TrustPolicy, Refusal> {
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
    let elements = elements_of(json, place, words)?;
    let sid = sid(&elements, words)?;
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
        .any(|trusted| matches!(trusted, Trusted::Provider(..) | Trusted::Issuer(..)));
    if effect == Effect::Allow && trusts_provider {
        check_narrow(&condition, &join(place, words.condition), language)?;
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

/// Takes the elements of a statement, all of which must be known.
fn elements_of<'j>(json: &'j Json, place: &str, words: &Words) -> Result<Elements<'j>, Refusal> {
    if let Json::Object(fields) = json
        && fields.iter().any(|(name, _)| name == words.resource)
    {
        return Err(Refusal::new(
            join(place, words.resource),
            "a trust policy has no resource: it belongs to the role",
        ));
    }
    let known = [
        words.sid,
        words.effect,
        words.principal,
        words.action,
        words.condition,
    ];
    Elements::new(json, place, &known)
}

/// Checks that a condition narrows the tokens of a provider that is trusted.
fn check_narrow(condition: &Condition, place: &str, language: Language) -> Result<(), Refusal> {
    let whose = match language {
        Language::Cam | Language::Ram => "oidc",
        Language::Iam => "ISSUER",
    };
    for (claim, what) in [("aud", "an audience"), ("sub", "a subject")] {
        if !condition.narrows_claim(claim) {
            let why = format!(
                "a statement that trusts an OIDC provider must name {what}: compare \
                 {whose}:{claim} with something other than wildcards"
            );
            return Err(Refusal::new(place, why));
        }
    }
    Ok(())
}

/// Returns whether the actions name assuming by a signed call, and by an OIDC token.
fn read_actions(json: &Json, place: &str, language: Language) -> Result<(bool, bool), Refusal> {
    let (mut signed, mut federated) = (false, false);
    for (place, text) in strings(json, place)? {
        let bare = text
            .strip_prefix("name/")
            .filter(|_| language == Language::Cam)
            .unwrap_or(text);
        let folded = bare.to_lowercase();
        let matches = |action: &str| {
            let wildcards = Wildcards::of(language);
            if language.folds_actions() {
                Pattern::new(&folded, wildcards).matches(&action.to_lowercase())
            } else {
                Pattern::new(bare, wildcards).matches(action)
            }
        };
        let assume = matches("sts:AssumeRole");
        let by_token = match language {
            // RAM has one name for both.
            Language::Ram => assume,
            Language::Cam | Language::Iam => matches("sts:AssumeRoleWithWebIdentity"),
        };
        // Such as `sts:TagSession`, which IAM's samples name beside.
        let is_other = || match (language, text.split_once(':')) {
            (Language::Iam, Some(("sts", name))) => is_action(language, "sts", name),
            _ => false,
        };
        if !assume && !by_token && !is_other() {
            let known = match language {
                Language::Cam => "name/sts:AssumeRole or name/sts:AssumeRoleWithWebIdentity",
                Language::Ram => "sts:AssumeRole",
                Language::Iam => "sts:AssumeRole or sts:AssumeRoleWithWebIdentity",
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

/// Reads the principals of a statement.
pub(in crate::policy) fn read_principals(
    json: &Json,
    place: &str,
    language: Language,
    warnings: &mut Vec<String>,
) -> Result<Vec<Trusted>, Refusal> {
    if language == Language::Iam && *json == Json::Text("*".to_owned()) {
        return Ok(vec![Trusted::Anyone]);
    }
    let forms = Forms::of(language);
    let known = [forms.cloud, forms.provider, forms.service];
    let elements = Elements::new(json, place, &known)?;
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
    read(forms.cloud, Trusted::parse_cloud, forms.of_cloud)?;
    read(forms.provider, Trusted::parse_federated, forms.of_provider)?;
    if let Some(json) = elements.find(forms.service) {
        let place = join(place, forms.service);
        strings(json, &place)?;
        warnings.push(format!(
            "{place}: no service of a cloud ever assumes a role here"
        ));
    } else if principals.is_empty() {
        return Err(Refusal::new(place, "it names nobody"));
    }
    Ok(principals)
}

/// How a language names the kinds of principals, and writes those of each.
struct Forms {
    cloud: &'static str,
    provider: &'static str,
    service: &'static str,
    of_cloud: &'static str,
    of_provider: &'static str,
}

impl Forms {
    fn of(language: Language) -> &'static Self {
        match language {
            Language::Cam => &Self {
                cloud: "qcs",
                provider: "federated",
                service: "service",
                of_cloud: "qcs::cam::uin/ACCOUNT:root, qcs::cam::uin/ACCOUNT:uin/USER, or \
                           qcs::cam::uin/ACCOUNT:roleName/ROLE",
                of_provider: "qcs::cam::uin/ACCOUNT:oidc-provider/NAME",
            },
            Language::Ram => &Self {
                cloud: "RAM",
                provider: "Federated",
                service: "Service",
                of_cloud: "acs:ram::ACCOUNT:root, acs:ram::ACCOUNT:user/NAME, or \
                           acs:ram::ACCOUNT:role/NAME",
                of_provider: "acs:ram::ACCOUNT:oidc-provider/NAME",
            },
            Language::Iam => &Self {
                cloud: "AWS",
                provider: "Federated",
                service: "Service",
                of_cloud: "*, the twelve digits of an account, arn:aws:iam::ACCOUNT:root, \
                           arn:aws:iam::ACCOUNT:user/NAME, or arn:aws:iam::ACCOUNT:role/NAME",
                of_provider: "arn:aws:iam::ACCOUNT:oidc-provider/ISSUER, the issuer without \
                              https://",
            },
        }
    }
}

impl Trusted {
    /// Reads a principal of `qcs` or `RAM`.
    fn parse_cloud(text: &str, language: Language) -> Option<Self> {
        if language == Language::Iam && text == "*" {
            return Some(Self::Anyone);
        }
        if let (Language::Iam, Some(account)) = (language, aws::read_account(text)) {
            return Some(Self::Account(account));
        }
        let (account, rest) = split(text, language)?;
        Some(match (language, rest.split_once('/')) {
            (_, None) if rest == "root" => Self::Account(account),
            (Language::Cam, Some(("uin", id))) if id == account.to_string() => {
                Self::Account(account)
            }
            (Language::Cam, Some(("uin", id))) if is_number(id) => {
                Self::UserId(account, id.to_owned())
            }
            (Language::Cam, Some(("role", id))) if is_name_in_arn(id) => {
                Self::RoleId(account, id.to_owned())
            }
            (Language::Cam, Some(("roleName", name))) if is_name_in_arn(name) => {
                Self::RoleName(account, name.to_owned())
            }
            (Language::Ram | Language::Iam, Some(("user", name))) if is_name_in_arn(name) => {
                Self::UserName(account, name.to_owned())
            }
            (Language::Ram | Language::Iam, Some(("role", name))) if is_name_in_arn(name) => {
                Self::RoleName(account, name.to_owned())
            }
            _ => return None,
        })
    }

    /// Reads a principal of `federated` or `Federated`.
    fn parse_federated(text: &str, language: Language) -> Option<Self> {
        let (account, rest) = split(text, language)?;
        let name = rest.strip_prefix("oidc-provider/")?;
        match language {
            Language::Cam | Language::Ram => {
                is_name_in_arn(name).then(|| Self::Provider(account, name.to_owned()))
            }
            Language::Iam => {
                let is_issuer = !name.is_empty() && !name.contains(['*', '?', '$']);
                is_issuer.then(|| Self::Issuer(account, name.to_owned()))
            }
        }
    }
}

/// Divides `qcs::cam::uin/ACCOUNT:REST`, `acs:ram::ACCOUNT:REST` or `arn:aws:iam::ACCOUNT:REST`.
fn split(text: &str, language: Language) -> Option<(AccountId, &str)> {
    let rest = match language {
        Language::Cam => text.strip_prefix("qcs::cam::uin/")?,
        Language::Ram => text.strip_prefix("acs:ram::")?,
        Language::Iam => {
            let (partition, rest) = text.strip_prefix("arn:")?.split_once(":iam::")?;
            aws::PARTITIONS.contains(&partition).then_some(rest)?
        }
    };
    let (account, rest) = rest.split_once(':')?;
    let account = match language {
        Language::Cam | Language::Ram => account.parse().ok()?,
        Language::Iam => aws::read_account(account)?,
    };
    Some((account, rest))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
