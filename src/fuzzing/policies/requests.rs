//! Requests of which the slow evaluator knows every fact.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::reference::{PERMISSIONS, Plain};
use super::{INSTANCES, OWNER, REGION, owner};
use crate::domain::claims::{Claim, Claims};
use crate::domain::clock::Timestamp;
use crate::policy::{Context, InstanceRef, Request, Resource};

const PATHS: &[&str] = &[
    "team/app",
    "team/app",
    "team/apple",
    "other/app",
    "team/sub/app",
    "teams/app",
];
const TEXTS: &[&str] = &[
    "",
    "self",
    "blue",
    "Blue",
    "env&blue",
    "5",
    "4.5",
    "-1",
    "true",
    "2026-01-02T03:04:05Z",
    "中",
];
const CLAIMS: &[&str] = &[
    "team", "team/app", "blue", "5", "te*", "*", "Team", "../team", "/team",
];
const ADDRESSES: &[&str] = &["10.1.2.3", "192.168.1.77", "2001:db8::1", "2001:db9::1"];

/// Tells whether the slow evaluator knows a condition's key.
pub(super) fn known_key(key: &str) -> bool {
    const KEYS: &[&str] = &[
        "qcs:current_time",
        "acs:CurrentTime",
        "qcs:ip",
        "acs:SourceIp",
        "acs:SecureTransport",
        "acs:MFAPresent",
        "acs:RAMMFAPresent",
        "acs:SourceVpc",
        "acs:PrincipalARN",
        "tcr:owner",
        "cr:Owner",
        "qcs:resource_tag",
        "qcs:tag",
        "qcs:request_tag",
    ];
    let folded = key.to_ascii_lowercase();
    let is_tag = |prefix: &str| folded.len() > prefix.len() && folded.starts_with(prefix);
    KEYS.contains(&key)
        || IAM_KEYS.contains(&folded.as_str())
        || key.starts_with("oidc:")
        || key.starts_with("acs:ResourceTag/")
        || IAM_TAGS.iter().copied().any(is_tag)
}

/// IAM's, in lower case.
const IAM_KEYS: &[&str] = &[
    "aws:currenttime",
    "aws:epochtime",
    "aws:sourceip",
    "aws:securetransport",
    "aws:multifactorauthpresent",
    "aws:viaawsservice",
    "aws:sourcevpc",
    "aws:username",
    "aws:principalaccount",
    "aws:principalarn",
    "aws:userid",
    "aws:principaltype",
    "aws:requestedregion",
    "aws:resourceaccount",
    "aws:tagkeys",
    "aws:useragent",
    "transire:owner",
];
const IAM_TAGS: &[&str] = &["aws:resourcetag/", "ecr:resourcetag/", "aws:requesttag/"];

/// Draws that come again.
pub(super) struct Draws(pub(super) u64);

impl Draws {
    fn throw(&mut self, sides: usize) -> usize {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % sides as u64).unwrap_or_default()
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.throw(of.len())]
    }

    fn text(&mut self) -> Option<String> {
        (self.throw(3) > 0).then(|| self.one(TEXTS).to_owned())
    }

    fn tags(&mut self) -> Vec<(String, String)> {
        let tag = |draws: &mut Self| (draws.one(&["env", "Env"]), draws.one(TEXTS));
        (0..self.throw(3))
            .map(|_| tag(self))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect()
    }

    /// Draws a request; half of the time a claim has a value that the document names.
    pub(super) fn request(&mut self, document: &Value) -> Plain {
        let mut claims = BTreeMap::new();
        for name in ["env", "team", "list"] {
            let value = match self.throw(5) {
                0 => continue,
                1 => json!([self.one(CLAIMS), self.one(CLAIMS)]),
                2 => json!(self.one(TEXTS)),
                _ => json!(self.one(CLAIMS)),
            };
            claims.insert(name.to_owned(), value);
        }
        if let Some(text) = self.text_of(document) {
            claims.insert("env".to_owned(), text.into());
        }
        Plain {
            permission: PERMISSIONS[self.throw(PERMISSIONS.len())].0,
            instance: self.throw(INSTANCES.len()),
            path: self.one(PATHS).to_owned(),
            unix_seconds: 1_767_225_600 + 97_445 * i64::try_from(self.throw(3)).unwrap_or_default(),
            source_ip: (self.throw(5) > 0)
                .then(|| self.one(ADDRESSES).parse().ok())
                .flatten(),
            secure_transport: self.throw(2) == 0,
            mfa_present: self.throw(2) == 0,
            source_vpc: self.text(),
            principal_arn: self.text(),
            principal_id: self.text(),
            owner: self.text(),
            resource_tags: self.tags(),
            repository_tags: (self.throw(3) > 0).then(|| self.tags()),
            request_tags: self.tags(),
            user: self.text(),
            claims,
            aws: None,
        }
    }

    /// Draws one of a document's texts.
    fn text_of(&mut self, value: &Value) -> Option<String> {
        match value {
            Value::Object(fields) if !fields.is_empty() => {
                let place = self.throw(fields.len());
                self.text_of(fields.values().nth(place)?)
            }
            Value::Array(values) if !values.is_empty() => {
                let place = self.throw(values.len());
                self.text_of(&values[place])
            }
            Value::String(text) if self.throw(2) == 0 => Some(text.clone()),
            _ => None,
        }
    }
}

fn claims_of(plain: &Plain) -> Claims {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let claim = |value: &Value| match value {
        Value::Array(values) => Claim::Many(values.iter().map(text).collect()),
        value => Claim::One(text(value)),
    };
    let all = plain
        .claims
        .iter()
        .map(|(name, value)| (name.clone(), claim(value)));
    Claims::new(all.collect())
}

/// Asks the engine the same as the slow evaluator is asked.
pub(super) fn ask<T>(plain: &Plain, ask: impl FnOnce(&Request<'_>) -> T) -> T {
    fn borrow(tags: &[(String, String)]) -> Vec<(&str, &str)> {
        tags.iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect()
    }
    let (_, id, cri_id) = INSTANCES[plain.instance];
    let (id, cri_id) = (id.parse().expect("an id"), cri_id.parse().expect("an id"));
    let instance = InstanceRef {
        account: owner(),
        region: REGION,
        id: &id,
        cri_id: &cri_id,
    };
    let (resource_tags, request_tags) = (borrow(&plain.resource_tags), borrow(&plain.request_tags));
    let repository_tags = plain.repository_tags.as_deref().map(borrow);
    let (account, claims) = (OWNER.to_string(), claims_of(plain));
    ask(&Request {
        permission: plain.permission.parse().expect("a permission"),
        resource: Resource::Repository {
            instance,
            path: &plain.path,
        },
        context: Context {
            now: Timestamp::from_unix_seconds(plain.unix_seconds),
            source_ip: plain.source_ip,
            secure_transport: plain.secure_transport,
            mfa_present: plain.mfa_present,
            source_vpc: plain.source_vpc.as_deref(),
            principal_arn: plain.principal_arn.as_deref(),
            principal_id: plain.principal_id.as_deref(),
            owner: plain.owner.as_deref(),
            resource_tags: &resource_tags,
            repository_tags: repository_tags.as_deref(),
            request_tags: &request_tags,
            user: plain.user.as_deref(),
            account: Some(&account),
            claims: Some(&claims),
            aws: None,
            region: REGION,
            resource_account: Some(owner()),
        },
    })
}
