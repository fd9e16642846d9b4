//! Quay's exchange: `GET /oauth2/federation/robot/token`.
//!
//! External Secrets' generator `QuayAccessToken` sends a role and a job's token by HTTP Basic. It
//! reads the end of the answer out of a JWT, and writes that with the role as a log-in. So the
//! answer is a JWT in its form alone: unsigned, with the sealed secret where a signature would be,
//! where scanners find it. Sources: Quay's `endpoints/oauth/robot_identity_federation.py`, and
//! External Secrets' `generators/v1/quay/quay.go`.

use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use serde::Serialize;

use super::envelope::respond;
use crate::domain::clock::Timestamp;
use crate::domain::secret::Secret;
use crate::domain::{Error, Result};
use crate::http::door::Shared;
use crate::http::request::basic::basic;
use crate::http::request::{Head, Record};
use crate::service::{Accepted, AskedLogIn, LogIn};

/// The header of the answer: its type is no other token's, and nothing signs it.
const HEADER: &str = r#"{"alg":"none","typ":"transire-log-in"}"#;

#[derive(Serialize)]
struct Answer<'a> {
    token: &'a str,
}

/// Serves `GET /oauth2/federation/robot/token`: the request's host is the service of the instance.
///
/// # Errors
///
/// `MalformedAuthorization` without HTTP Basic, `BadCredentials`, and others of the log-in and the
/// exchange.
pub(super) async fn get(
    shared: &Shared<'_>,
    head: &Head<'_>,
    record: &mut Record,
) -> Result<Response> {
    let host = head.host()?;
    let Some((username, secret)) = basic(&head.parts.headers)? else {
        return Err(Error::malformed_authorization(
            "Log in with HTTP Basic: the role is the username, and its token the password.",
        ));
    };
    let log_in = LogIn::Password {
        username,
        secret,
        accepted: Accepted::Tokens,
    };
    let service = shared.service;
    let caller = record.log_in(service, host, &log_in, &[]).await?;
    let asked = AskedLogIn {
        narrowing: None,
        ttl: None,
    };
    let call = service.call(&caller, &record.context);
    let issued = service.exchange.log_in(&call, &asked).await?;
    let token = carrying(&issued.secret, issued.expires_at);
    let answer = Answer {
        token: token.expose(),
    };
    respond(StatusCode::OK, &answer)
}

/// Writes a secret in the form of a JWT; `domain::jwt` takes it out again.
fn carrying(secret: &Secret, expires_at: Timestamp) -> Secret {
    let secret = secret.expose();
    let claims = format!(r#"{{"exp":{}}}"#, expires_at.unix_seconds());
    // No base64url is one longer than a multiple of four.
    let fill = if secret.len() % 4 == 1 { "-" } else { "" };
    Secret::new(format!(
        "{}.{}.{fill}{secret}",
        URL_SAFE_NO_PAD.encode(HEADER),
        URL_SAFE_NO_PAD.encode(claims)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::credential::SecretKind;
    use crate::domain::jwt;

    #[test]
    fn a_secret_of_any_length_is_carried_in_three_parts_of_base64url() {
        for length in 80..84 {
            let secret = SecretKind::Temporary.write(&"s".repeat(length));
            let carrying = carrying(&secret, Timestamp::from_unix_seconds(1_735_877_057));
            let text = carrying.expose();
            assert_eq!(jwt::carried_secret(text), Some(secret.expose()));
            let parts: Vec<_> = text.split('.').collect();
            assert_ne!(parts[2].len() % 4, 1, "{text}");
            let read = |part: &str| String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap());
            assert_eq!(read(parts[0]).unwrap(), HEADER);
            assert_eq!(read(parts[1]).unwrap(), r#"{"exp":1735877057}"#);
        }
    }
}
