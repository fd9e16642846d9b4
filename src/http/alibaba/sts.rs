//! Product `Sts`, version 2015-04-01.

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
    AssumeRole, Durations, NameRule, NewSession, RoleChoice, Service, SessionRules, WebIdentity,
};
use crate::sign::Parameters;

use super::call::Reply;
use super::{Authenticated, given, required};

const RULES: SessionRules = SessionRules {
    cloud: Cloud::Alibaba,
    name: NameRule {
        max_length: 64,
        punctuation: "_.@-",
    },
    role_session: Durations {
        default: 3600,
        min: 900,
    },
    max_chained_session: None,
    root_assumes_roles: false,
};
/// The fewest and the most characters of an OIDC token.
const OIDC_TOKEN: std::ops::RangeInclusive<usize> = 4..=20_000;

/// A role's session, as both ways to it ask for it.
struct Wanted<'a> {
    account: AccountId,
    role_name: &'a str,
    call: AssumeRole<'a>,
}

impl<'a> Wanted<'a> {
    fn read(parameters: &'a Parameters) -> Result<Self> {
        let (account, role_name) = arn("RoleArn", "role", required(parameters, "RoleArn")?)?;
        let session_name = required(parameters, "RoleSessionName")?;
        let duration_seconds = given(parameters, "DurationSeconds").map(|text| {
            let number = Some(text)
                .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
                .and_then(|text| text.parse().ok());
            number.ok_or_else(|| {
                Error::invalid_parameter("DurationSeconds", "It is a whole number of seconds.")
            })
        });
        let call = AssumeRole {
            rules: &RULES,
            role: RoleChoice::Name(account, role_name.to_owned()),
            session_name,
            duration_seconds: duration_seconds.transpose()?,
            policy: given(parameters, "Policy"),
            source_identity: None,
            tags: &[],
            counted_as: None,
        };
        Ok(Self {
            account,
            role_name,
            call,
        })
    }
}

/// Reads `acs:ram::ACCOUNT:KIND/NAME`.
fn arn<'a>(
    parameter: &'static str,
    kind: &'static str,
    text: &'a str,
) -> Result<(AccountId, &'a str)> {
    let read = || {
        let (account, path) = text.strip_prefix("acs:ram::")?.split_once(':')?;
        let (of, name) = path.split_once('/')?;
        (of == kind && is_name_in_arn(name)).then_some((account.parse().ok()?, name))
    };
    read().ok_or_else(|| {
        Error::invalid_parameter(
            parameter,
            format!("It is written acs:ram::ACCOUNT:{kind}/NAME."),
        )
    })
}

/// Checks an external id: 2 to 1224 of `[A-Za-z0-9_+=,.@:/-]`.
///
/// Divergence: it changes nothing, because no trust policy can ask for one here.
fn check_external_id(parameters: &Parameters) -> Result<()> {
    let Some(id) = given(parameters, "ExternalId") else {
        return Ok(());
    };
    let letters = id
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"_+=,.@:/-".contains(&byte));
    if letters && (2..=1224).contains(&id.len()) {
        Ok(())
    } else {
        Err(Error::invalid_parameter(
            "ExternalId",
            "It is 2 to 1224 letters, digits or any of _+=,.@:/-",
        ))
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Assumed<'a> {
    request_id: &'a str,
    assumed_role_user: AssumedRoleUser,
    credentials: Credentials<'a>,
    #[serde(rename = "OIDCTokenInfo", skip_serializing_if = "Option::is_none")]
    oidc_token_info: Option<OidcTokenInfo<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_identity: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct AssumedRoleUser {
    arn: String,
    assumed_role_id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Credentials<'a> {
    access_key_id: &'a str,
    access_key_secret: &'a str,
    security_token: &'a str,
    expiration: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct OidcTokenInfo<'a> {
    subject: &'a str,
    issuer: &'a str,
    /// All audiences, divided by commas.
    client_ids: String,
    expiration_time: String,
    issuance_time: String,
    verification_info: &'static str,
}

impl<'a> OidcTokenInfo<'a> {
    fn of(identity: &'a WebIdentity) -> Self {
        Self {
            subject: &identity.subject,
            issuer: &identity.issuer,
            client_ids: identity.audiences.join(","),
            expiration_time: identity.expires_at.rfc3339(),
            issuance_time: identity.issued_at.rfc3339(),
            verification_info: "Success",
        }
    }
}

impl<'a> Assumed<'a> {
    fn of(wanted: &Wanted<'a>, session: &'a NewSession, request_id: &'a str) -> Self {
        let (account, role, name) = (wanted.account, wanted.role_name, wanted.call.session_name);
        Self {
            request_id,
            assumed_role_user: AssumedRoleUser {
                arn: format!("acs:ram::{account}:role/{role}/{name}"),
                assumed_role_id: format!("{}:{name}", session.principal.numeric_id()),
            },
            credentials: Credentials {
                access_key_id: &session.access_key.id,
                access_key_secret: session.access_key.secret.expose(),
                security_token: session.token.expose(),
                expiration: session.expires_at.rfc3339(),
            },
            oidc_token_info: None,
            source_identity: wanted.call.source_identity,
        }
    }
}

pub(crate) async fn assume_role(
    Authenticated {
        service,
        call,
        parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let mut wanted = Wanted::read(parameters)?;
    wanted.call.source_identity = given(parameters, "SourceIdentity");
    check_external_id(parameters)?;
    let session = service.sts.assume_role(call, &wanted.call).await?;
    let output = Assumed::of(&wanted, &session, reply.request_id);
    reply.bare(&output)
}

/// Serves a signed `AssumeRoleWithOIDC`. The signature is verified like any other, and gives no
/// right: the token alone says who gets the session.
pub(crate) async fn assume_signed_role_with_oidc(
    Authenticated {
        service,
        parameters,
        record,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    assume_role_with_oidc(service, parameters, Signed::Yes, record, reply).await
}

/// Opens a session for the bearer of a token.
pub(super) async fn assume_role_with_oidc(
    service: &Service,
    parameters: &Parameters,
    signed: Signed,
    record: &Record,
    reply: Reply<'_>,
) -> Result<Response> {
    let (account, provider) = arn(
        "OIDCProviderArn",
        "oidc-provider",
        required(parameters, "OIDCProviderArn")?,
    )?;
    let token = required(parameters, "OIDCToken")?;
    if !OIDC_TOKEN.contains(&token.len()) {
        let (least, most) = OIDC_TOKEN.into_inner();
        return Err(Error::invalid_parameter(
            "OIDCToken",
            format!("The OIDCToken has {least} to {most} characters."),
        ));
    }
    let mut wanted = Wanted::read(parameters)?;
    wanted.call.counted_as = signed.counted_as(record);
    let stranger = signed.stranger(record);
    let bearer = service
        .access
        .prove_web_identity(account, provider, &Secret::new(token), stranger)
        .await?;
    record.note_caller(&bearer);
    let session = service
        .sts
        .assume_role(&service.call(&bearer, &record.context), &wanted.call)
        .await?;
    let mut output = Assumed::of(&wanted, &session, reply.request_id);
    output.oidc_token_info = bearer.web_identity().map(OidcTokenInfo::of);
    reply.bare(&output)
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct CallerIdentity<'a> {
    request_id: &'a str,
    identity_type: &'static str,
    account_id: String,
    principal_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role_id: Option<String>,
    arn: String,
}

pub(crate) async fn get_caller_identity(
    Authenticated {
        service,
        call,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let identity = service.sts.caller_identity(call).await?;
    let (account, id) = (
        identity.principal.account(),
        identity.principal.numeric_id(),
    );
    let name = identity.name.as_deref().unwrap_or(&id);
    let (identity_type, principal_id, user_id, role_id, arn) = match &identity.principal {
        Principal::Root(_) => (
            "Account",
            id.clone(),
            Some(id),
            None,
            format!("acs:ram::{account}:root"),
        ),
        Principal::User(..) => (
            "RAMUser",
            id.clone(),
            Some(id.clone()),
            None,
            format!("acs:ram::{account}:user/{name}"),
        ),
        Principal::RoleSession(_, _, session) => (
            "AssumedRoleUser",
            format!("{id}:{session}"),
            None,
            Some(id.clone()),
            format!("acs:ram::{account}:assumed-role/{name}/{session}"),
        ),
        // Tencent's alone, and a session signs at its own cloud's door.
        Principal::FederatedSession(..) => {
            return Err(Error::internal("a federated session at Alibaba's door"));
        }
    };
    let request_id = reply.request_id;
    let output = CallerIdentity {
        request_id,
        identity_type,
        account_id: account.to_string(),
        principal_id,
        user_id,
        role_id,
        arn,
    };
    reply.bare(&output)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::ErrorKind;
    use crate::domain::claims::Claims;
    use crate::domain::clock::Timestamp;

    #[test]
    fn arns_are_taken_apart() {
        let account = "100000000001".parse().unwrap();
        assert_eq!(
            arn("RoleArn", "role", "acs:ram::100000000001:role/puller").unwrap(),
            (account, "puller")
        );
        assert_eq!(
            arn(
                "A",
                "oidc-provider",
                "acs:ram::100000000001:oidc-provider/GitHub.com"
            )
            .unwrap(),
            (account, "GitHub.com")
        );
        for bad in [
            "",
            "puller",
            "acs:ram::100000000001:role",
            "acs:ram::100000000001:role/",
            "acs:ram::100000000001:role/a/b",
            "acs:ram::100000000001:user/a",
            "acs:ram::x:role/a",
            "acs:ram:cn-hangzhou:100000000001:role/a",
            "qcs::cam::uin/100000000001:roleName/a",
        ] {
            assert_eq!(
                arn("RoleArn", "role", bad).unwrap_err().kind(),
                &ErrorKind::InvalidParameter {
                    name: "RoleArn".to_owned()
                },
                "{bad:?}"
            );
        }
    }

    #[test]
    fn what_a_token_says_is_told_as_the_sdks_read_it() {
        let identity = WebIdentity {
            issuer: "https://token.example.com".to_owned(),
            subject: "repo:acme/app".to_owned(),
            audiences: vec!["sts".to_owned(), "other".to_owned()],
            issued_at: Timestamp::from_unix_seconds(1_735_877_057),
            expires_at: Timestamp::from_unix_seconds(1_735_877_957),
            claims: Claims::default(),
        };
        let expected = json!({
            "Subject": "repo:acme/app",
            "Issuer": "https://token.example.com",
            "ClientIds": "sts,other",
            "ExpirationTime": "2025-01-03T04:19:17Z",
            "IssuanceTime": "2025-01-03T04:04:17Z",
            "VerificationInfo": "Success",
        });
        assert_eq!(
            serde_json::to_value(OidcTokenInfo::of(&identity)).unwrap(),
            expected
        );
    }
}
