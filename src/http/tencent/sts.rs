//! Product `sts`, version 2018-08-13.

use std::collections::BTreeMap;

use axum::response::Response;
use serde::Serialize;

use crate::domain::credential::Cloud;
use crate::domain::ids::AccountId;
use crate::domain::name::is_name_in_arn;
use crate::domain::principal::Principal;
use crate::domain::secret::Secret;
use crate::domain::{Error, Result};
use crate::http::door::signed::Signed;
use crate::http::request::Record;
use crate::service::{
    AssumeRole, Durations, FederationLife, FederationToken, NameRule, NewSession, RoleChoice,
    Service, SessionRules,
};
use crate::sign;

use super::call::Reply;
use super::parameters::Parameters;
use crate::http::tencent::Authenticated;

const RULES: SessionRules = SessionRules {
    cloud: Cloud::Tencent,
    name: NameRule {
        max_length: 128,
        punctuation: "_+=,.@-",
    },
    role_session: Durations {
        default: 7200,
        min: 1,
    },
    max_chained_session: None,
    root_assumes_roles: true,
};
const FEDERATION: FederationLife = FederationLife {
    durations: Durations {
        default: 1800,
        min: 1,
    },
    max_of_root: 7200,
    max_of_user: 129_600,
};
/// The most tags of a session.
const MAX_TAGS: usize = 50;
/// The most characters of a tag's key and of its value.
const MAX_TAG_KEY_LENGTH: usize = 128;
const MAX_TAG_VALUE_LENGTH: usize = 256;

/// A session with its secrets.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Session<'a> {
    credentials: Credentials<'a>,
    /// Unix seconds, a number: tccli and the SDKs reckon with it.
    expired_time: i64,
    expiration: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Credentials<'a> {
    token: &'a str,
    tmp_secret_id: &'a str,
    tmp_secret_key: &'a str,
}

impl<'a> Session<'a> {
    fn of(session: &'a NewSession) -> Self {
        Self {
            credentials: Credentials {
                token: session.token.expose(),
                tmp_secret_id: &session.access_key.id,
                tmp_secret_key: session.access_key.secret.expose(),
            },
            expired_time: session.expires_at.unix_seconds(),
            expiration: session.expires_at.rfc3339(),
        }
    }
}

pub(crate) async fn assume_role(
    Authenticated {
        service,
        call,
        mut parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let (_, role) = role(&parameters.required_text("RoleArn")?)?;
    let session_name = parameters.required_text("RoleSessionName")?;
    let duration_seconds = parameters.integer("DurationSeconds")?;
    let policy = parameters
        .text("Policy")?
        .map(|text| decoded_policy(&text))
        .transpose()?;
    check_external_id(parameters.text("ExternalId")?.as_deref())?;
    let tags = tags(&mut parameters)?;
    let tags: Vec<_> = tags
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    let source_identity = parameters.text("SourceIdentity")?;
    let device = (
        parameters.text("SerialNumber")?,
        parameters.text("TokenCode")?,
    );
    parameters.finish()?;
    if device != (None, None) {
        // To take a code that nobody looked at would say that it was right.
        return Err(Error::unsupported(
            "There are no MFA devices here; leave SerialNumber and TokenCode out.",
        ));
    }
    let asked = AssumeRole {
        rules: &RULES,
        role,
        session_name: &session_name,
        duration_seconds,
        policy: policy.as_deref(),
        source_identity: source_identity.as_deref(),
        tags: &tags,
        counted_as: None,
    };
    let session = service.sts.assume_role(call, &asked).await?;
    reply.with(&Session::of(&session))
}

/// Serves a signed `AssumeRoleWithWebIdentity`. The signature is verified like any other, and gives
/// no right: the token alone says who gets the session.
pub(crate) async fn assume_signed_role_with_web_identity(
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

/// Opens a session for the bearer of a token.
pub(super) async fn assume_role_with_web_identity(
    service: &Service,
    mut parameters: Parameters,
    signed: Signed,
    record: &Record,
    reply: Reply<'_>,
) -> Result<Response> {
    let provider = parameters.required_text("ProviderId")?;
    let token = Secret::new(parameters.required_text("WebIdentityToken")?);
    let (account, role) = role(&parameters.required_text("RoleArn")?)?;
    let session_name = parameters.required_text("RoleSessionName")?;
    let duration_seconds = parameters.integer("DurationSeconds")?;
    parameters.finish()?;
    // A provider is named without its account: it is the role's.
    let stranger = signed.stranger(record);
    let bearer = service
        .access
        .prove_web_identity(account, &provider, &token, stranger)
        .await?;
    record.note_caller(&bearer);
    let asked = AssumeRole {
        rules: &RULES,
        role,
        session_name: &session_name,
        duration_seconds,
        policy: None,
        source_identity: None,
        tags: &[],
        counted_as: signed.counted_as(record),
    };
    let session = service
        .sts
        .assume_role(&service.call(&bearer, &record.context), &asked)
        .await?;
    reply.with(&Session::of(&session))
}

pub(crate) async fn get_federation_token(
    Authenticated {
        service,
        call,
        mut parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let name = parameters.required_text("Name")?;
    let policy = decoded_policy(&parameters.required_text("Policy")?)?;
    let duration_seconds = parameters.integer("DurationSeconds")?;
    parameters.finish()?;
    let asked = FederationToken {
        rules: &RULES,
        life: &FEDERATION,
        name: &name,
        duration_seconds,
        policy: &policy,
    };
    let session = service.sts.federation_token(call, &asked).await?;
    reply.with(&Session::of(&session))
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct CallerIdentity {
    arn: String,
    account_id: String,
    user_id: String,
    /// Of the user or the account whose permanent key it all began with.
    principal_id: String,
    #[serde(rename = "Type")]
    kind: &'static str,
}

pub(crate) async fn get_caller_identity(
    Authenticated {
        service,
        call,
        parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    parameters.finish()?;
    let identity = service.sts.caller_identity(call).await?;
    let (account, id) = (
        identity.principal.account(),
        identity.principal.numeric_id(),
    );
    let (kind, arn, user_id) = match &identity.principal {
        Principal::Root(_) | Principal::User(..) => {
            ("CAMUser", format!("qcs::cam:{account}:uin/{id}"), id)
        }
        Principal::RoleSession(_, _, name) => (
            "CAMRole",
            format!("qcs::sts:{account}:assumed-role/{id}"),
            format!("{id}:{name}"),
        ),
        Principal::FederatedSession(_, _, name) => (
            "CAMUser",
            format!("qcs::sts:{account}:federated-user/{id}"),
            format!("{id}:{name}"),
        ),
    };
    reply.with(&CallerIdentity {
        arn,
        account_id: account.to_string(),
        user_id,
        principal_id: identity.key_owner,
        kind,
    })
}

/// Reads which role an ARN means: `qcs::cam::uin/ACCOUNT:role/ID` or
/// `qcs::cam::uin/ACCOUNT:roleName/NAME`.
fn role(arn: &str) -> Result<(AccountId, RoleChoice)> {
    let read = || {
        let (account, path) = arn.strip_prefix("qcs::cam::uin/")?.split_once(':')?;
        let account = account.parse().ok()?;
        let choice = match path.split_once('/')? {
            ("roleName", name) if is_name_in_arn(name) => {
                RoleChoice::Name(account, name.to_owned())
            }
            ("role", rest) => match rest.split_once('/') {
                // An id of more digits than ours have is a role's of the cloud; no name has a
                // slash.
                None if rest.len() > 18 && rest.bytes().all(|byte| byte.is_ascii_digit()) => {
                    RoleChoice::Name(account, path.to_owned())
                }
                None => RoleChoice::Id(account, rest.parse().ok()?),
                // The roles of the cloud's own services: none is here, and no role's name has a
                // slash.
                Some(("tencentcloudServiceRole" | "tencentcloudServiceRoleName", name))
                    if is_name_in_arn(name) =>
                {
                    RoleChoice::Name(account, rest.to_owned())
                }
                Some(_) => return None,
            },
            _ => return None,
        };
        Some((account, choice))
    };
    read().ok_or_else(|| {
        Error::invalid_parameter(
            "RoleArn",
            "A role is written qcs::cam::uin/ACCOUNT:role/ID or \
             qcs::cam::uin/ACCOUNT:roleName/NAME.",
        )
    })
}

/// Decodes a policy, which the contract wants URL-encoded once more than everything else.
///
/// Divergence: plain JSON is taken, too; its first character tells.
fn decoded_policy(text: &str) -> Result<String> {
    if text.trim_start().starts_with('{') {
        return Ok(text.to_owned());
    }
    let malformed =
        || Error::invalid_parameter("Policy", "The parameter `Policy` is JSON, URL-encoded.");
    // One pair of a query: its name is ours, and its value ends with the text.
    let pair = format!("Policy={}", text.replace('&', "%26"));
    let decoded = sign::Parameters::parse(pair.as_bytes())
        .map_err(|_| malformed())?
        .take("Policy");
    decoded
        .filter(|policy| policy.trim_start().starts_with('{'))
        .ok_or_else(malformed)
}

/// Checks an external id: 2 to 128 of `[A-Za-z0-9_+=,.@:/-]`.
///
/// Divergence: it changes nothing, because no trust policy can ask for one here.
fn check_external_id(id: Option<&str>) -> Result<()> {
    let Some(id) = id else { return Ok(()) };
    let letters = id
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"_+=,.@:/-".contains(&byte));
    if letters && (2..=128).contains(&id.len()) {
        Ok(())
    } else {
        Err(Error::invalid_parameter(
            "ExternalId",
            "The parameter `ExternalId` is 2 to 128 letters, digits or any of _+=,.@:/-",
        ))
    }
}

/// Takes the tags that a call gives, no key twice.
///
/// Divergence: policies may ask for them when the session is opened; the session itself has none.
fn tags(parameters: &mut Parameters) -> Result<BTreeMap<String, String>> {
    let wrong = |why| Err(Error::invalid_parameter("Tags", why));
    let given = parameters.structures("Tags")?;
    if given.len() > MAX_TAGS {
        return wrong(format!("A session has at most {MAX_TAGS} tags."));
    }
    let mut tags = BTreeMap::new();
    for mut tag in given {
        // An empty value is one; where everything is text, it counts as absent.
        let (key, value) = (
            tag.required_text("Key")?,
            tag.text("Value")?.unwrap_or_default(),
        );
        tag.finish()?;
        if key.chars().count() > MAX_TAG_KEY_LENGTH || value.chars().count() > MAX_TAG_VALUE_LENGTH
        {
            return wrong(format!(
                "A tag's key has at most {MAX_TAG_KEY_LENGTH} characters, its value \
                 {MAX_TAG_VALUE_LENGTH}."
            ));
        }
        if tags.insert(key, value).is_some() {
            return wrong("No two tags have the same key.".to_owned());
        }
    }
    Ok(tags)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ErrorKind;

    #[test]
    fn a_role_is_meant_by_its_id_or_its_name() {
        let account = "100000000001".parse().unwrap();
        let named = |name: &str| (account, RoleChoice::Name(account, name.to_owned()));
        for (arn, expected) in [
            (
                "qcs::cam::uin/100000000001:role/400000000000000001",
                (
                    account,
                    RoleChoice::Id(account, "400000000000000001".parse().unwrap()),
                ),
            ),
            (
                "qcs::cam::uin/100000000001:roleName/puller",
                named("puller"),
            ),
            (
                "qcs::cam::uin/100000000001:role/4611686018427397919",
                named("role/4611686018427397919"),
            ),
            (
                "qcs::cam::uin/100000000001:role/tencentcloudServiceRole/4611686018427397920",
                named("tencentcloudServiceRole/4611686018427397920"),
            ),
            (
                "qcs::cam::uin/100000000001:role/tencentcloudServiceRoleName/x",
                named("tencentcloudServiceRoleName/x"),
            ),
        ] {
            assert_eq!(role(arn).unwrap(), expected);
        }
        for bad in [
            "",
            "puller",
            "qcs::cam::uin/100000000001:role/puller",
            "qcs::cam::uin/100000000001:roleName/",
            "qcs::cam::uin/100000000001:roleName/a/b",
            "qcs::cam::uin/100000000001:role/other/b",
            "qcs::cam::uin/x:roleName/a",
            "qcs::cam:ap-guangzhou:uin/100000000001:roleName/a",
            "acs:ram::100000000001:role/puller",
        ] {
            assert_eq!(
                role(bad).unwrap_err().kind(),
                &ErrorKind::InvalidParameter {
                    name: "RoleArn".to_owned()
                },
                "{bad:?}"
            );
        }
    }

    #[test]
    fn a_policy_is_decoded_once_or_taken_plain() {
        for text in [
            "%7B%22a%22%3A%22b+c%2Bd%26e%3D%25f%22%7D",
            "%7B%22a%22%3A%22b%20c%2Bd&e=%25f%22%7D",
            r#"{"a":"b c+d&e=%f"}"#,
        ] {
            assert_eq!(
                decoded_policy(text).unwrap(),
                r#"{"a":"b c+d&e=%f"}"#,
                "{text}"
            );
        }
        for bad in ["", "nonsense", "%7", "%FF%7B", "%257B%257D"] {
            assert_eq!(
                decoded_policy(bad).unwrap_err().kind(),
                &ErrorKind::InvalidParameter {
                    name: "Policy".to_owned()
                },
                "{bad:?}"
            );
        }
    }
}
