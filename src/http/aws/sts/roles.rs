//! Sessions of roles.

use std::collections::BTreeMap;

use axum::response::Response;
use serde::Serialize;

use super::credentials::{Credentials, refuse_unserved};
use crate::domain::aws;
use crate::domain::credential::Cloud;
use crate::domain::ids::AccountId;
use crate::domain::secret::Secret;
use crate::domain::{Error, Result};
use crate::http::aws::Authenticated;
use crate::http::aws::arn;
use crate::http::aws::call::Reply;
use crate::http::aws::parameters::{given, integer, required};
use crate::http::door::signed::Signed;
use crate::http::request::Record;
use crate::service::{
    AssumeRole, Durations, NameRule, NewSession, RoleChoice, Service, SessionRules,
};
use crate::sign::Parameters;

const RULES: SessionRules = SessionRules {
    cloud: Cloud::Aws,
    name: NameRule {
        max_length: 64,
        punctuation: "_+=,.@-",
    },
    role_session: Durations {
        default: 3600,
        min: 900,
    },
    max_chained_session: Some(3600),
    root_assumes_roles: false,
};
/// The fewest and the most characters of an OpenID Connect token.
const WEB_IDENTITY_TOKEN: std::ops::RangeInclusive<usize> = 4..=20_000;
/// The most tags of a session, and characters of a tag's key and value.
const MAX_TAGS: usize = 50;
const MAX_TAG_KEY: usize = 128;
const MAX_TAG_VALUE: usize = 256;

/// A role's session, as both ways to it ask for it.
struct Wanted<'a> {
    account: AccountId,
    role_name: &'a str,
    call: AssumeRole<'a>,
}

impl<'a> Wanted<'a> {
    fn read(parameters: &'a Parameters, tags: &'a [(&'a str, &'a str)]) -> Result<Self> {
        refuse_unserved(parameters)?;
        let (account, role_name) = arn::read_role(required(parameters, "RoleArn")?)?;
        Ok(Self {
            account,
            role_name,
            call: AssumeRole {
                rules: &RULES,
                role: RoleChoice::Name(account, role_name.to_owned()),
                session_name: required(parameters, "RoleSessionName")?,
                duration_seconds: integer(parameters, "DurationSeconds")?,
                policy: given(parameters, "Policy"),
                source_identity: given(parameters, "SourceIdentity"),
                tags,
                counted_as: None,
            },
        })
    }
}

/// Checks an external id: 2 to 1224 of `[A-Za-z0-9_+=,.@:/-]`.
///
/// Divergence: it changes nothing, because no trust policy can ask for one here.
fn check_external_id(parameters: &Parameters) -> Result<()> {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@:/-".contains(&byte);
    match given(parameters, "ExternalId") {
        Some(id) if !(2..=1224).contains(&id.len()) || !id.bytes().all(is_letter) => {
            Err(Error::invalid_parameter(
                "ExternalId",
                "It is 2 to 1224 letters, digits or any of _+=,.@:/-",
            ))
        }
        _ => Ok(()),
    }
}

/// Reads `Tags.member.N.Key` and `Tags.member.N.Value`.
fn tags(parameters: &Parameters) -> Result<Vec<(&str, &str)>> {
    let wrong = |why: String| Err(Error::invalid_parameter("Tags", why));
    let mut members: BTreeMap<&str, (Option<&str>, Option<&str>)> = BTreeMap::new();
    for (name, value) in parameters.iter() {
        let Some(rest) = name.strip_prefix("Tags.member.") else {
            continue;
        };
        match rest.split_once('.') {
            Some((number, "Key")) => members.entry(number).or_default().0 = Some(value),
            Some((number, "Value")) => members.entry(number).or_default().1 = Some(value),
            _ => return wrong("A tag is Tags.member.N.Key and Tags.member.N.Value.".to_owned()),
        }
    }
    if members.len() > MAX_TAGS {
        return wrong(format!("A session has at most {MAX_TAGS} tags."));
    }
    let mut tags = Vec::with_capacity(members.len());
    for (key, value) in members.into_values() {
        let (Some(key), Some(value)) = (key, value) else {
            return wrong("Each tag has a Key and a Value.".to_owned());
        };
        let is_letter = |letter: char| {
            letter.is_alphanumeric() || letter.is_whitespace() || "_.:/=+-@".contains(letter)
        };
        if !key.chars().chain(value.chars()).all(is_letter) {
            return wrong(
                "A tag's key and value have letters, digits, spaces and any of _.:/=+-@".to_owned(),
            );
        }
        let is_short = key.chars().count() <= MAX_TAG_KEY && value.chars().count() <= MAX_TAG_VALUE;
        if key.is_empty() || !is_short {
            return wrong(format!(
                "A tag's key has 1 to {MAX_TAG_KEY} characters, its value at most {MAX_TAG_VALUE}."
            ));
        }
        if tags.iter().any(|(other, _)| *other == key) {
            return wrong("No two tags have the same key.".to_owned());
        }
        tags.push((key, value));
    }
    Ok(tags)
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct AssumedRoleUser {
    arn: String,
    assumed_role_id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Assumed<'a> {
    credentials: Credentials<'a>,
    assumed_role_user: AssumedRoleUser,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_identity: Option<&'a str>,
    #[serde(flatten)]
    token: Option<OfToken<'a>>,
}

/// The facts about the token that a session was opened with.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct OfToken<'a> {
    subject_from_web_identity_token: &'a str,
    provider: String,
    audience: &'a str,
}

impl<'a> Assumed<'a> {
    fn of(wanted: &Wanted<'a>, session: &'a NewSession) -> Self {
        Self {
            credentials: Credentials::of(session),
            assumed_role_user: AssumedRoleUser {
                arn: aws::principal(&session.principal, Some(wanted.role_name)),
                assumed_role_id: aws::user_id(&session.principal),
            },
            source_identity: wanted.call.source_identity,
            token: None,
        }
    }
}

pub(in crate::http::aws) async fn assume_role(
    Authenticated {
        service,
        call,
        parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    check_external_id(parameters)?;
    let tags = tags(parameters)?;
    let wanted = Wanted::read(parameters, &tags)?;
    let session = service.sts.assume_role(call, &wanted.call).await?;
    reply.with(&Assumed::of(&wanted, &session))
}

/// Serves a signed `AssumeRoleWithWebIdentity`. The signature is verified like any other, and gives
/// no right: the token alone says who gets the session.
pub(in crate::http::aws) async fn assume_signed_role_with_web_identity(
    Authenticated {
        service,
        parameters,
        record,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    assume_role_with_web_identity(service, parameters, Signed::Yes, record, reply).await
}

/// Opens a session for the bearer of a token, of whichever provider of the role's account it is.
pub(in crate::http::aws) async fn assume_role_with_web_identity(
    service: &Service,
    parameters: &Parameters,
    signed: Signed,
    record: &Record,
    reply: Reply<'_>,
) -> Result<Response> {
    let token = required(parameters, "WebIdentityToken")?;
    if !WEB_IDENTITY_TOKEN.contains(&token.len()) {
        let (least, most) = WEB_IDENTITY_TOKEN.into_inner();
        return Err(Error::invalid_parameter(
            "WebIdentityToken",
            format!("The WebIdentityToken has {least} to {most} characters."),
        ));
    }
    let mut wanted = Wanted::read(parameters, &[])?;
    wanted.call.source_identity = None;
    wanted.call.counted_as = signed.counted_as(record);
    let stranger = signed.stranger(record);
    let bearer = service
        .access
        .prove_web_identity_of_any(wanted.account, &Secret::new(token), stranger)
        .await?;
    record.note_caller(&bearer);
    let session = service
        .sts
        .assume_role(&service.call(&bearer, &record.context), &wanted.call)
        .await?;
    let mut output = Assumed::of(&wanted, &session);
    output.token = bearer.web_identity().map(|identity| OfToken {
        subject_from_web_identity_token: &identity.subject,
        provider: arn::provider(wanted.account, &identity.issuer),
        audience: identity.audiences.first().map_or("", String::as_str),
    });
    reply.with(&output)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ErrorKind;

    fn parameters(text: &str) -> Parameters {
        Parameters::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn tags_are_read_by_their_numbers() {
        let given = parameters(
            "Tags.member.2.Key=b&Tags.member.1.Value=1&Tags.member.1.Key=a&Tags.member.2.Value=",
        );
        assert_eq!(tags(&given).unwrap(), [("a", "1"), ("b", "")]);
        for bad in [
            "Tags.member.1.Key=a",
            "Tags.member.1.Value=a",
            "Tags.member.1.Key=&Tags.member.1.Value=a",
            "Tags.member.1.Other=a",
            "Tags.member.1=a",
            "Tags.member.1.Key=a!&Tags.member.1.Value=1",
            "Tags.member.1.Key=a&Tags.member.1.Value=%01",
            "Tags.member.1.Key=a&Tags.member.1.Value=1&Tags.member.2.Key=a&Tags.member.2.Value=2",
        ] {
            assert_eq!(
                tags(&parameters(bad)).unwrap_err().kind(),
                &ErrorKind::InvalidParameter {
                    name: "Tags".to_owned()
                },
                "{bad}"
            );
        }
    }
}
