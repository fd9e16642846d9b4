//! Conditions: an operator, a key, and the values that it may have.
//!
//! Values of one key are alternatives; keys of one operator, and operators, must all hold. A
//! negated operator holds exactly when the operator without its `not` doesn't: so it holds when the
//! request lacks the key (for CAM and RAM that is not published; the other way, a denial by
//! `not_equal` could be escaped by leaving the key out). Sources: Tencent's document 598/58420,
//! Alibaba's "Policy elements".

use super::context::Context;
use super::json::Json;
use super::language::Language;
use super::operator::{Operator, Qualifier};
use super::values::{Actual, Values};
use super::variables::check_claim_name;
use super::words::{Effect, KeyType};

/// A key that conditions ask for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    CurrentTime,
    SourceIp,
    SecureTransport,
    MfaPresent,
    SourceVpc,
    PrincipalArn,
    /// The owner's numeric id and, where that is the caller, `self`.
    Owner,
    /// RAM: the value of the resource's tag of this key.
    ResourceTag(String),
    /// CAM: the resource's tags, each written `key&value`.
    ResourceTags,
    /// CAM: the request's tags, each written `key&value`.
    RequestTags,
    /// A claim of the caller's OpenID Connect token.
    Claim(String),
}

/// The sort of document that a condition is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DocumentKind {
    Permission,
    Trust,
}

const CAM_KEYS: &[(&str, Key)] = &[
    ("qcs:current_time", Key::CurrentTime),
    ("qcs:ip", Key::SourceIp),
    ("qcs:resource_tag", Key::ResourceTags),
    ("qcs:tag", Key::ResourceTags),
    ("qcs:request_tag", Key::RequestTags),
    ("tcr:owner", Key::Owner),
];

const RAM_KEYS: &[(&str, Key)] = &[
    ("acs:CurrentTime", Key::CurrentTime),
    ("acs:SourceIp", Key::SourceIp),
    ("acs:SecureTransport", Key::SecureTransport),
    ("acs:MFAPresent", Key::MfaPresent),
    ("acs:RAMMFAPresent", Key::MfaPresent),
    ("acs:SourceVpc", Key::SourceVpc),
    ("acs:PrincipalARN", Key::PrincipalArn),
    ("cr:Owner", Key::Owner),
];

/// The prefix of a claim's key.
const OIDC: &str = "oidc:";

/// The value of [`Key::Owner`] for what belongs to the caller. No numeric id is spelled so.
const OWN: &str = "self";

/// The prefix of a tag's key.
const RAM_RESOURCE_TAG: &str = "acs:ResourceTag/";

impl Key {
    /// Finds a key by its name, or says why there is none.
    fn named(name: &str, language: Language) -> Result<Self, String> {
        let keys = match language {
            Language::Cam => CAM_KEYS,
            Language::Ram => RAM_KEYS,
        };
        if let Some((_, key)) = keys.iter().find(|(known, _)| *known == name) {
            return Ok(key.clone());
        }
        if let Some(claim) = name.strip_prefix(OIDC) {
            return check_claim_name(claim).map(|()| Self::Claim(claim.to_owned()));
        }
        if let (Language::Ram, Some(tag)) = (language, name.strip_prefix(RAM_RESOURCE_TAG))
            && !tag.is_empty()
        {
            return Ok(Self::ResourceTag(tag.to_owned()));
        }
        let known = keys
            .iter()
            .map(|(known, _)| *known)
            .chain((language == Language::Ram).then_some("acs:ResourceTag/KEY"))
            .chain(["oidc:CLAIM"]);
        Err(format!(
            "there is no such condition key; there are {}",
            known.collect::<Vec<_>>().join(", ")
        ))
    }

    fn value_type(&self) -> KeyType {
        match self {
            Self::CurrentTime => KeyType::Time,
            Self::SourceIp => KeyType::Address,
            Self::SecureTransport | Self::MfaPresent => KeyType::Boolean,
            Self::SourceVpc
            | Self::PrincipalArn
            | Self::Owner
            | Self::ResourceTag(_)
            | Self::ResourceTags
            | Self::RequestTags
            | Self::Claim(_) => KeyType::Text,
        }
    }

    /// Calls `see` with each value that the request has, until one answers true; tells whether one
    /// did.
    fn any(&self, context: &Context<'_>, mut see: impl FnMut(&Actual<'_>) -> bool) -> bool {
        let mut text = |text: &str| see(&Actual::Text(text));
        match self {
            Self::CurrentTime => see(&Actual::Time(context.now.unix_seconds())),
            Self::SourceIp => context
                .source_ip
                .is_some_and(|ip| see(&Actual::Address(ip.to_canonical()))),
            Self::SecureTransport => see(&Actual::Boolean(context.secure_transport)),
            Self::MfaPresent => see(&Actual::Boolean(context.mfa_present)),
            Self::SourceVpc => context.source_vpc.is_some_and(text),
            Self::PrincipalArn => context.principal_arn.is_some_and(text),
            Self::Owner => context.owner.is_some_and(|owner| {
                text(owner) || context.principal_id == Some(owner) && text(OWN)
            }),
            Self::ResourceTag(key) => context
                .resource_tags
                .iter()
                .any(|(known, value)| known == key && text(value)),
            Self::ResourceTags => context
                .resource_tags
                .iter()
                .any(|(key, value)| text(&format!("{key}&{value}"))),
            Self::RequestTags => context
                .request_tags
                .iter()
                .any(|(key, value)| text(&format!("{key}&{value}"))),
            Self::Claim(name) => context
                .claims
                .and_then(|claims| claims.find(name))
                .is_some_and(|claim| claim.values().iter().any(|value| text(value))),
        }
    }

    fn is_missing(&self, context: &Context<'_>) -> bool {
        !self.any(context, |_| true)
    }
}

/// The condition of a statement: all clauses must hold.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub(super) struct Condition {
    clauses: Vec<Clause>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Clause {
    operator: Operator,
    key: Key,
    values: Values,
    /// `OPERATOR.KEY`, as the document writes it.
    place: String,
}

impl Condition {
    /// Tells whether a clause asks for the present time.
    pub(super) fn asks_for_time(&self) -> bool {
        self.clauses
            .iter()
            .any(|clause| clause.key == Key::CurrentTime)
    }

    /// Reads a condition that decides something here. A refusal names the place, relative to the
    /// condition.
    pub(super) fn parse(
        json: &Json,
        language: Language,
        kind: DocumentKind,
    ) -> Result<Self, (String, String)> {
        let mut clauses = Vec::new();
        each_clause(
            json,
            language,
            |operator, operator_name, key_name, values| {
                let at = format!("{operator_name}.{key_name}");
                let key = Key::named(key_name, language).map_err(|why| (at.clone(), why))?;
                operator
                    .test
                    .check_type(key.value_type(), language)
                    .map_err(|why| (at.clone(), why))?;
                let values = Values::parse(operator.test, values, language)
                    .map_err(|why| (at.clone(), why))?;
                if kind == DocumentKind::Trust && matches!(values, Values::Templates(_)) {
                    return Err((at, "a trust policy has no policy variables".to_owned()));
                }
                clauses.push(Clause {
                    operator,
                    key,
                    values,
                    place: at,
                });
                Ok(())
            },
        )?;
        Ok(Self { clauses })
    }

    /// Checks the shape and the operators of a condition that decides nothing here.
    pub(super) fn check_shape(json: &Json, language: Language) -> Result<(), (String, String)> {
        each_clause(json, language, |_, _, _, _| Ok(()))
    }

    /// Tells whether it asks nothing, and so always holds.
    pub(super) fn is_empty(&self) -> bool {
        self.clauses.is_empty()
    }

    /// Tells whether some clause asks for the owner.
    pub(super) fn asks_owner(&self) -> bool {
        self.clauses.iter().any(|clause| clause.key == Key::Owner)
    }

    /// Returns the names of the claims that it asks for.
    pub(super) fn claims(&self) -> impl Iterator<Item = &str> {
        self.clauses.iter().flat_map(|clause| {
            let key = match &clause.key {
                Key::Claim(name) => Some(name.as_str()),
                _ => None,
            };
            key.into_iter().chain(clause.values.claims())
        })
    }

    /// Returns the first clause that doesn't hold in a statement of that effect, as `OPERATOR.KEY`.
    pub(super) fn first_unmet(&self, context: &Context<'_>, effect: Effect) -> Option<&str> {
        self.clauses
            .iter()
            .find(|clause| !clause.holds(context, effect))
            .map(|clause| clause.place.as_str())
    }

    /// Tells whether some clause lets only certain texts of that key pass: by a positive operator,
    /// which no missing key satisfies, and by values that say more than wildcards do.
    pub(super) fn narrows(&self, key: &Key) -> bool {
        self.clauses.iter().any(|clause| {
            let Operator {
                negated,
                qualifier,
                if_exists,
                ..
            } = clause.operator;
            clause.key == *key
                && !negated
                && qualifier != Some(Qualifier::Every)
                && !if_exists
                && clause.values.say_more_than_wildcards()
        })
    }

    /// Tells whether one request may meet both conditions: unless they ask the same key for values
    /// that no text is among. A key with several values, such as a token's audiences, might meet
    /// both all the same.
    pub(super) fn may_hold_with(&self, other: &Self) -> bool {
        let asks = |clause: &&Clause| {
            let operator = clause.operator;
            !operator.negated && !operator.if_exists && operator.qualifier.is_none()
        };
        let excludes = |own: &Clause| {
            other
                .clauses
                .iter()
                .filter(asks)
                .any(|other| own.key == other.key && !own.values.may_overlap(&other.values))
        };
        !self.clauses.iter().filter(asks).any(excludes)
    }
}

/// Walks over a condition's clauses; `see` gets the operator, its name, the key's name and the
/// values.
fn each_clause(
    json: &Json,
    language: Language,
    mut see: impl FnMut(Operator, &str, &str, &[&Json]) -> Result<(), (String, String)>,
) -> Result<(), (String, String)> {
    let Json::Object(operators) = json else {
        return Err((
            String::new(),
            format!("it must be an object, not {}", json.kind()),
        ));
    };
    for (operator_name, keys) in operators {
        let operator =
            Operator::parse(operator_name, language).map_err(|why| (operator_name.clone(), why))?;
        let Json::Object(keys) = keys else {
            return Err((
                operator_name.clone(),
                format!(
                    "it must be an object of keys and values, not {}",
                    keys.kind()
                ),
            ));
        };
        if keys.is_empty() {
            return Err((operator_name.clone(), "it names no key".to_owned()));
        }
        for (key_name, values) in keys {
            let values: Vec<&Json> = match values {
                Json::List(values) => values.iter().collect(),
                value => vec![value],
            };
            if values.is_empty() {
                return Err((
                    format!("{operator_name}.{key_name}"),
                    "it has no value, so that nothing could meet it".to_owned(),
                ));
            }
            see(operator, operator_name, key_name, &values)?;
        }
    }
    Ok(())
}

impl Clause {
    /// Tells whether it holds. A claim or a variable that is missing holds in what denies, and in
    /// nothing that allows, whatever the operator; but for those that ask whether it is missing.
    fn holds(&self, context: &Context<'_>, effect: Effect) -> bool {
        let Operator {
            negated,
            qualifier,
            if_exists,
            ..
        } = self.operator;
        if let Values::Missing(missing) = self.values {
            return self.key.is_missing(context) == missing;
        }
        if if_exists && self.key.is_missing(context) {
            return true;
        }
        let lacks_claim = matches!(self.key, Key::Claim(_)) && self.key.is_missing(context);
        let Some(values) = self.values.fill(context).filter(|_| !lacks_claim) else {
            return effect == Effect::Deny;
        };
        match qualifier {
            // Not: none of the request's values is among the document's.
            None => self.key.any(context, |actual| values.admit(actual)) != negated,
            Some(Qualifier::Any) => self
                .key
                .any(context, |actual| values.admit(actual) != negated),
            // Of nothing, everything can be said.
            Some(Qualifier::Every) => !self
                .key
                .any(context, |actual| values.admit(actual) == negated),
        }
    }
}
