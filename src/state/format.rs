//! The form of a state's file. A field that is left out keeps its value where the thing is there,
//! and has its usual value where the thing is made.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, de};
use toml::Spanned;

use crate::domain::Error;
use crate::domain::allow_list::{AllowEntry, Cidr};
use crate::domain::identity::OidcAlgorithm;
use crate::domain::ids::AccountId;
use crate::domain::instance::{
    Algorithm, KidFormat, RegistryKind, Specification, UnrecordedNamespaces,
};
use crate::domain::name::check_description;
use crate::domain::namespace::Severity;
use crate::service::ServiceAccountGrant;

/// The names that a thing has attached to it or in it, each with its place.
pub(super) type Names = Vec<Spanned<String>>;

/// A value that is written as a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word<T>(pub(super) T);

impl<'de, T: FromStr<Err = Error>> Deserialize<'de> for Word<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let value = text.parse().map_err(|error: Error| said(error.message()))?;
        Ok(Self(value))
    }
}

/// Makes the reader's error of a message.
fn said<E: de::Error>(message: impl Display) -> E {
    E::custom(message)
}

/// The grant of an account's own, or `default` for that of the settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grant(pub(super) Option<ServiceAccountGrant>);

impl FromStr for Grant {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text == "default" {
            return Ok(Self(None));
        }
        let why = "a grant is own-rights, vendor or default";
        let parsed = text.parse().map(|grant| Self(Some(grant)));
        parsed.map_err(|_| Error::invalid_parameter("service_account_grant", why))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Content {
    #[serde(default)]
    pub(super) accounts: Vec<Account>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Account {
    /// 1 to 18 digits, as text.
    pub(super) id: Spanned<Word<AccountId>>,
    /// Without it, the id is the name of an account that is made.
    pub(super) name: Option<Spanned<String>>,
    pub(super) service_account_grant: Option<Word<Grant>>,
    #[serde(default)]
    pub(super) policies: Vec<Policy>,
    #[serde(default)]
    pub(super) users: Vec<User>,
    #[serde(default)]
    pub(super) groups: Vec<Group>,
    #[serde(default)]
    pub(super) access_keys: Vec<AccessKey>,
    #[serde(default)]
    pub(super) oidc_providers: Vec<OidcProvider>,
    #[serde(default)]
    pub(super) roles: Vec<Role>,
    #[serde(default)]
    pub(super) instances: Vec<Instance>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Policy {
    pub(super) name: Spanned<String>,
    /// The JSON text, in CAM, RAM or IAM.
    pub(super) document: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct User {
    pub(super) name: Spanned<String>,
    pub(super) disabled: Option<bool>,
    /// The policies that are attached to it, the account's own or built-in ones.
    pub(super) policies: Option<Names>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Group {
    pub(super) name: Spanned<String>,
    /// The users in it.
    pub(super) members: Option<Names>,
    /// As [`User::policies`].
    pub(super) policies: Option<Names>,
}

/// An access key, which a seed alone may have.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AccessKey {
    pub(super) id: Spanned<String>,
    pub(super) secret: String,
    /// The user whose key it is; without it, the account's root.
    pub(super) user: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OidcProvider {
    pub(super) name: Spanned<String>,
    pub(super) issuer: String,
    pub(super) audiences: Vec<String>,
    /// The JWK set, as JSON text; without it, the issuer is asked.
    pub(super) jwks: Option<String>,
    pub(super) algorithms: Option<Vec<Word<OidcAlgorithm>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Role {
    pub(super) name: Spanned<String>,
    /// The JSON text.
    pub(super) trust_policy: String,
    pub(super) max_session_seconds: Option<u32>,
    /// As [`User::policies`].
    pub(super) policies: Option<Names>,
}

impl Role {
    /// An hour, as at both clouds.
    pub(super) const USUAL_SESSION: u32 = 3600;
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Instance {
    pub(super) name: Spanned<String>,
    pub(super) service: String,
    pub(super) region: Option<String>,
    /// Both ids are given, or none.
    pub(super) tcr_id: Option<String>,
    pub(super) cri_id: Option<String>,
    pub(super) kind: Option<Word<RegistryKind>>,
    pub(super) issuer: Option<String>,
    pub(super) algorithm: Option<Word<Algorithm>>,
    pub(super) kid_format: Option<Word<KidFormat>>,
    pub(super) token_ttl_seconds: Option<u32>,
    /// Empty for none.
    pub(super) registry_url: Option<String>,
    /// Empty for none.
    pub(super) ecr_host: Option<String>,
    pub(super) specification: Option<Word<Specification>>,
    pub(super) default: Option<bool>,
    pub(super) deletion_protection: Option<bool>,
    pub(super) public_endpoint: Option<bool>,
    pub(super) refresh_tokens: Option<bool>,
    pub(super) token_log_in: Option<bool>,
    pub(super) unrecorded_namespaces: Option<Word<UnrecordedNamespaces>>,
    pub(super) tags: Option<BTreeMap<String, String>>,
    pub(super) allow_list: Option<AllowList>,
    #[serde(default)]
    pub(super) namespaces: Vec<Namespace>,
}

impl Instance {
    /// The region of an instance that is made without one.
    pub(super) const USUAL_REGION: &str = "ap-guangzhou";
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AllowList {
    /// Whether it is in force.
    #[serde(default = "yes")]
    pub(super) enabled: bool,
    pub(super) entries: Option<Vec<Entry>>,
}

fn yes() -> bool {
    true
}

/// An entry of an allow list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry(pub(super) AllowEntry);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenEntry {
    cidr: String,
    #[serde(default)]
    comment: String,
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let WrittenEntry { cidr, comment } = WrittenEntry::deserialize(from)?;
        check_description("comment", &comment).map_err(|error| said(error.message()))?;
        let range: Cidr = cidr.parse().map_err(|error: Error| said(error.message()))?;
        Ok(Self(AllowEntry {
            cidr: range,
            written: cidr,
            comment,
        }))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Namespace {
    pub(super) name: Spanned<String>,
    pub(super) public: Option<bool>,
    pub(super) auto_create_repository: Option<bool>,
    /// Without it, a namespace that is made has its own.
    pub(super) default_public: Option<bool>,
    pub(super) default_tag_immutability: Option<bool>,
    pub(super) auto_scan: Option<bool>,
    pub(super) prevent_vulnerable: Option<bool>,
    /// Empty for none.
    pub(super) severity: Option<Word<Severity>>,
    pub(super) allowed_cves: Option<Vec<String>>,
    pub(super) tags: Option<BTreeMap<String, String>>,
}
