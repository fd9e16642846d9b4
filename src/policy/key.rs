//! The keys of conditions: each language's names of a request's facts.

use super::context::Context;
use super::language::Language;
use super::values::Actual;
use super::variables::check_claim_name;
use super::words::KeyType;
use crate::domain::aws;
use crate::domain::claims::{Claim, Claims};

/// A key that conditions ask for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    CurrentTime,
    /// IAM: the present time in seconds since 1970.
    EpochTime,
    SourceIp,
    SecureTransport,
    MfaPresent,
    SourceVpc,
    /// RAM's ARN of the caller.
    PrincipalArn,
    /// The owner's numeric id and, where that is the caller, `self`.
    Owner,
    /// RAM: the value of the instance's tag of this key.
    ResourceTag(TagKey),
    /// IAM: the value of the resource's own tag of this key; a repository has its own.
    OwnTag(TagKey),
    /// IAM: the value of the request's tag of this key.
    RequestTag(TagKey),
    /// IAM: the keys of the request's tags.
    RequestTagKeys,
    /// CAM: the resource's tags, each written `key&value`.
    ResourceTags,
    /// CAM: the request's tags, each written `key&value`.
    RequestTags,
    /// A claim of the caller's OpenID Connect token.
    Claim(String),
    /// IAM: a claim of the caller's token, if that is of an issuer, written without `https://`.
    IssuersClaim(String, String),
    /// IAM: the name of the user who calls.
    UserName,
    /// IAM: what AWS calls the caller.
    Caller(CallersName),
    /// IAM: the region of what is asked for.
    Region,
    /// IAM: the account that owns what is asked for.
    ResourceAccount,
    /// IAM: whether a service of the cloud calls; none does here.
    ByService,
    /// IAM: what no request here has.
    Nothing,
}

/// The key of a tag.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct TagKey {
    text: String,
    /// IAM has no regard to the case of it.
    folds: bool,
}

impl TagKey {
    fn is(&self, key: &str) -> bool {
        self.text == key || self.folds && self.text.eq_ignore_ascii_case(key)
    }

    /// Calls `see` with each value that tags of the key have: where case doesn't count, there may
    /// be several.
    fn any(&self, tags: &[(&str, &str)], mut see: impl FnMut(&str) -> bool) -> bool {
        tags.iter().any(|(key, value)| self.is(key) && see(value))
    }
}

/// A name of the caller's at AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum CallersName {
    Arn,
    Account,
    Kind,
    UserId,
}

impl CallersName {
    fn of(self, caller: &aws::Caller) -> &str {
        match self {
            Self::Arn => &caller.arn,
            Self::Account => &caller.account,
            Self::Kind => caller.kind,
            Self::UserId => &caller.user_id,
        }
    }
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

/// AWS's global keys. Source: its reference of global condition context keys.
const IAM_KEYS: &[(&str, Key)] = &[
    ("aws:CurrentTime", Key::CurrentTime),
    ("aws:EpochTime", Key::EpochTime),
    ("aws:SourceIp", Key::SourceIp),
    ("aws:SecureTransport", Key::SecureTransport),
    ("aws:MultiFactorAuthPresent", Key::MfaPresent),
    ("aws:SourceVpc", Key::SourceVpc),
    ("aws:PrincipalArn", Key::Caller(CallersName::Arn)),
    ("aws:PrincipalAccount", Key::Caller(CallersName::Account)),
    ("aws:PrincipalType", Key::Caller(CallersName::Kind)),
    ("aws:userid", Key::Caller(CallersName::UserId)),
    ("aws:username", Key::UserName),
    ("aws:RequestedRegion", Key::Region),
    ("aws:ResourceAccount", Key::ResourceAccount),
    ("aws:TagKeys", Key::RequestTagKeys),
    ("aws:ViaAWSService", Key::ByService),
    ("aws:PrincipalIsAWSService", Key::ByService),
    ("transire:Owner", Key::Owner),
];

/// Those of AWS's global keys that no request here has.
const IAM_NOTHING: &[&str] = &[
    "aws:CalledVia",
    "aws:CalledViaFirst",
    "aws:CalledViaLast",
    "aws:FederatedProvider",
    "aws:MultiFactorAuthAge",
    "aws:PrincipalOrgID",
    "aws:PrincipalOrgPaths",
    "aws:PrincipalServiceName",
    "aws:PrincipalServiceNamesList",
    "aws:Referer",
    "aws:ResourceOrgID",
    "aws:ResourceOrgPaths",
    "aws:SourceAccount",
    "aws:SourceArn",
    "aws:SourceIdentity",
    "aws:SourceOrgID",
    "aws:SourceOrgPaths",
    "aws:SourceVpcArn",
    "aws:SourceVpce",
    "aws:TokenIssueTime",
    "aws:UserAgent",
    "aws:VpcSourceIp",
    "sts:ExternalId",
    "sts:RoleSessionName",
    "sts:SourceIdentity",
    "sts:TransitiveTagKeys",
];

/// The prefix of a claim's key.
const OIDC: &str = "oidc:";
/// The prefix of an issuer.
const HTTPS: &str = "https://";

/// The value of [`Key::Owner`] for what belongs to the caller. No numeric id is spelled so.
const OWN: &str = "self";

/// The prefix of a tag's key.
const RAM_RESOURCE_TAG: &str = "acs:ResourceTag/";
/// The prefixes of a tag's key, in lower case.
const IAM_RESOURCE_TAGS: [&str; 2] = ["aws:resourcetag/", "ecr:resourcetag/"];
const IAM_REQUEST_TAG: &str = "aws:requesttag/";
const IAM_PRINCIPAL_TAG: &str = "aws:principaltag/";

impl Key {
    /// Finds a key by its name, or says why there is none.
    pub(super) fn named(name: &str, language: Language) -> Result<Self, String> {
        if let Some(claim) = name.strip_prefix(OIDC) {
            return check_claim_name(claim).map(|()| Self::Claim(claim.to_owned()));
        }
        let (keys, tags) = match language {
            Language::Cam => (CAM_KEYS, None),
            Language::Ram => (RAM_KEYS, Some("acs:ResourceTag/KEY")),
            Language::Iam => return Self::named_in_iam(name),
        };
        if let Some((_, key)) = keys.iter().find(|(known, _)| *known == name) {
            return Ok(key.clone());
        }
        if let (Language::Ram, Some(tag)) = (language, name.strip_prefix(RAM_RESOURCE_TAG))
            && !tag.is_empty()
        {
            return Ok(Self::ResourceTag(TagKey {
                text: tag.to_owned(),
                folds: false,
            }));
        }
        Err(unknown(keys, tags))
    }

    /// Finds a key of IAM's, whose names have no case.
    fn named_in_iam(name: &str) -> Result<Self, String> {
        let is_named = |known: &str| known.eq_ignore_ascii_case(name);
        if let Some((_, key)) = IAM_KEYS.iter().find(|(known, _)| is_named(known)) {
            return Ok(key.clone());
        }
        if IAM_NOTHING.iter().copied().any(is_named) {
            return Ok(Self::Nothing);
        }
        let folded = name.to_ascii_lowercase();
        let tag = |prefix: &str| {
            let text = folded.strip_prefix(prefix).filter(|key| !key.is_empty())?;
            Some(TagKey {
                text: text.to_owned(),
                folds: true,
            })
        };
        if let Some(tag) = IAM_RESOURCE_TAGS.into_iter().find_map(tag) {
            return Ok(Self::OwnTag(tag));
        }
        if let Some(tag) = tag(IAM_REQUEST_TAG) {
            return Ok(Self::RequestTag(tag));
        }
        if tag(IAM_PRINCIPAL_TAG).is_some() {
            return Ok(Self::Nothing);
        }
        match name.rsplit_once(':') {
            // AWS names a provider by its issuer, which has a host.
            Some((issuer, claim)) if issuer.contains(['.', '/', ':']) || issuer == "localhost" => {
                check_claim_name(claim)?;
                Ok(Self::IssuersClaim(issuer.to_owned(), claim.to_owned()))
            }
            _ => Err(unknown(
                IAM_KEYS,
                Some("aws:ResourceTag/KEY, aws:RequestTag/KEY, ISSUER:CLAIM"),
            )),
        }
    }

    pub(super) fn value_type(&self) -> KeyType {
        match self {
            Self::CurrentTime => KeyType::Time,
            Self::EpochTime => KeyType::Seconds,
            Self::SourceIp => KeyType::Address,
            Self::SecureTransport | Self::MfaPresent | Self::ByService => KeyType::Boolean,
            Self::Nothing => KeyType::Any,
            Self::SourceVpc
            | Self::PrincipalArn
            | Self::Owner
            | Self::ResourceTag(_)
            | Self::OwnTag(_)
            | Self::RequestTag(_)
            | Self::RequestTagKeys
            | Self::ResourceTags
            | Self::RequestTags
            | Self::Claim(_)
            | Self::IssuersClaim(..)
            | Self::UserName
            | Self::Caller(_)
            | Self::Region
            | Self::ResourceAccount => KeyType::Text,
        }
    }

    /// Returns the name of the claim that it asks for.
    pub(super) fn claim(&self) -> Option<&str> {
        match self {
            Self::Claim(name) | Self::IssuersClaim(_, name) => Some(name),
            _ => None,
        }
    }

    /// Returns the names of the claims that decide it.
    pub(super) fn claims(&self) -> impl Iterator<Item = &str> {
        let issuer = matches!(self, Self::IssuersClaim(..)).then_some("iss");
        self.claim().into_iter().chain(issuer)
    }

    /// Tells whether both ask for one fact, in whatever language.
    pub(super) fn asks_the_same(&self, other: &Self) -> bool {
        self == other || self.claim().is_some() && self.claim() == other.claim()
    }

    /// Calls `see` with each value that the request has, until one answers true; tells whether one
    /// did.
    pub(super) fn any(
        &self,
        context: &Context<'_>,
        mut see: impl FnMut(&Actual<'_>) -> bool,
    ) -> bool {
        let mut text = |text: &str| see(&Actual::Text(text));
        match self {
            Self::CurrentTime | Self::EpochTime => see(&Actual::Time(context.now.unix_seconds())),
            Self::SourceIp => context
                .source_ip
                .is_some_and(|ip| see(&Actual::Address(ip.to_canonical()))),
            Self::SecureTransport => see(&Actual::Boolean(context.secure_transport)),
            Self::MfaPresent => see(&Actual::Boolean(context.mfa_present)),
            Self::ByService => see(&Actual::Boolean(false)),
            Self::SourceVpc => context.source_vpc.is_some_and(text),
            Self::PrincipalArn => context.principal_arn.is_some_and(text),
            Self::Owner => context.owner.is_some_and(|owner| {
                text(owner) || context.principal_id == Some(owner) && text(OWN)
            }),
            Self::ResourceTag(key) => key.any(context.resource_tags, text),
            Self::OwnTag(key) => {
                let own = context.repository_tags.unwrap_or(context.resource_tags);
                key.any(own, text)
            }
            Self::RequestTag(key) => key.any(context.request_tags, text),
            Self::RequestTagKeys => context.request_tags.iter().any(|(key, _)| text(key)),
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
            Self::IssuersClaim(issuer, name) => context
                .claims
                .filter(|claims| is_of_issuer(claims, issuer))
                .and_then(|claims| claims.find(name))
                .is_some_and(|claim| claim.values().iter().any(|value| text(value))),
            Self::UserName => context.user.is_some_and(text),
            Self::Caller(name) => context.aws.is_some_and(|caller| text(name.of(caller))),
            Self::Region => !context.region.is_empty() && text(context.region),
            Self::ResourceAccount => context
                .resource_account
                .is_some_and(|account| text(&aws::account(account))),
            Self::Nothing => false,
        }
    }

    pub(super) fn is_missing(&self, context: &Context<'_>) -> bool {
        !self.any(context, |_| true)
    }
}

/// Tells whether a token is of an issuer, which is written without `https://`.
pub(super) fn is_of_issuer(claims: &Claims, issuer: &str) -> bool {
    match claims.find("iss") {
        Some(Claim::One(own)) => own.strip_prefix(HTTPS).unwrap_or(own) == issuer,
        _ => false,
    }
}

/// Says that there is no such key, and which there are.
fn unknown(keys: &[(&str, Key)], tags: Option<&'static str>) -> String {
    let known = keys.iter().map(|(known, _)| *known);
    let known = known.chain(tags).chain(["oidc:CLAIM"]);
    format!(
        "there is no such condition key; there are {}",
        known.collect::<Vec<_>>().join(", ")
    )
}
