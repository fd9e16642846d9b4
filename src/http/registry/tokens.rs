//! Tokens: `GET` and `POST /token`.

use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use serde_json::value::RawValue;

use super::envelope::respond;
use super::parameters::TokenRequest;
use crate::domain::refusal::RefusalCause;
use crate::domain::scope::{Scope, Scopes};
use crate::domain::secret::Secret;
use crate::domain::{Error, ErrorKind, Result};
use crate::http::door::{Incoming, Shared};
use crate::http::request::Record;
use crate::http::request::basic::basic;
use crate::service::{AskedToken, Exchanged, LogIn, Offline};

/// Serves `GET /token`: the query asks, and HTTP Basic proves.
///
/// # Errors
///
/// A fault of the request, `BadCredentials`, and others of the log-in and the exchange.
pub(super) async fn get(
    shared: &Shared<'_>,
    parts: &Parts,
    record: &mut Record,
) -> Result<Response> {
    let request = TokenRequest::of_query(parts)?;
    let log_in = by_basic(&parts.headers, &request)?.unwrap_or(LogIn::Anonymous);
    exchange(
        shared,
        request,
        log_in,
        Reply::to_get(shared, parts),
        record,
    )
    .await
}

/// Serves `POST /token`: an OAuth 2 form asks and proves.
///
/// The form of some clients only asks, and HTTP Basic proves: VS Code's older Docker extension, and
/// people with curl, who may send no form at all.
///
/// # Errors
///
/// Those of [`get`].
pub(super) async fn post(
    shared: &Shared<'_>,
    incoming: &Incoming<'_>,
    record: &mut Record,
) -> Result<Response> {
    let Incoming { head, body, .. } = *incoming;
    let parts = head.parts;
    if !body.is_empty() && !head.has_form() {
        return Err(Error::malformed_request(
            "A POST to /token is a form: application/x-www-form-urlencoded.",
        ));
    }
    let mut request = if body.is_empty() {
        TokenRequest::of_query(parts)?
    } else {
        TokenRequest::read(body)?
    };
    let basic = if request.holds_credential() {
        None
    } else {
        by_basic(&parts.headers, &request)?
    };
    let log_in = match (request.grant_type.as_deref(), basic) {
        (None | Some("password"), Some(log_in)) => log_in,
        (Some("password"), None) => {
            let username = request
                .username
                .take()
                .ok_or_else(|| Error::missing_parameter("username"))?;
            let secret = request
                .password
                .take()
                .ok_or_else(|| Error::missing_parameter("password"))?;
            LogIn::password(username, secret)
        }
        (Some("refresh_token"), _) => {
            let token = request
                .refresh_token
                .take()
                .ok_or_else(|| Error::missing_parameter("refresh_token"))?;
            LogIn::Refresh { token }
        }
        (Some(_), _) => {
            return Err(Error::unsupported(
                "The grant_type is password or refresh_token; no other is served.",
            ));
        }
        (None, None) => return Err(Error::missing_parameter("grant_type")),
    };
    exchange(
        shared,
        request,
        log_in,
        Reply::to_post(shared, parts),
        record,
    )
    .await
}

/// Returns the log-in of HTTP Basic, if the request has one.
fn by_basic(headers: &HeaderMap, request: &TokenRequest) -> Result<Option<LogIn>> {
    let Some((username, secret)) = basic(headers)? else {
        return Ok(None);
    };
    // Docker, podman and regclient send the account beside the credential. Of a role's ARN they
    // send what is before its first colon.
    if request
        .account
        .as_ref()
        .is_some_and(|account| !account.is_empty() && !names(account, &username))
    {
        return Err(Error::invalid_parameter(
            "account",
            "The account is not the user who logs in.",
        ));
    }
    Ok(Some(LogIn::password(username, secret)))
}

/// Tells whether an account is the user who logs in.
fn names(account: &str, username: &str) -> bool {
    account == username
        || username
            .split_once(':')
            .is_some_and(|(first, _)| first == account)
}

/// How a token is answered with.
#[derive(Clone, Copy)]
struct Reply {
    /// Whether it says which scopes were granted: OAuth 2 replies must.
    has_scope: bool,
    /// Whether a web page reads it that may ask for tokens.
    is_for_page: bool,
}

impl Reply {
    fn to_get(shared: &Shared<'_>, parts: &Parts) -> Self {
        Self {
            has_scope: false,
            is_for_page: shared.settings.cors.allows(&parts.headers),
        }
    }

    fn to_post(shared: &Shared<'_>, parts: &Parts) -> Self {
        Self {
            has_scope: true,
            ..Self::to_get(shared, parts)
        }
    }

    fn with(self, exchanged: &Exchanged) -> Result<Response> {
        let granted = self.has_scope.then(|| exchanged.granted().join(" "));
        let token = Token {
            token: exchanged.token_as_json(),
            access_token: exchanged.token_as_json(),
            expires_in: exchanged.expires_in_seconds,
            issued_at: exchanged.issued_at.rfc3339(),
            refresh_token: exchanged.refresh_token.as_ref().map(Secret::expose),
            scope: granted,
        };
        respond(StatusCode::OK, &token)
    }
}

async fn exchange(
    shared: &Shared<'_>,
    request: TokenRequest,
    log_in: LogIn,
    reply: Reply,
    record: &mut Record,
) -> Result<Response> {
    let service = shared.service;
    let scopes = Scopes::parse(request.scopes.iter().map(String::as_str))?;
    let registry = request.service()?;
    let is_anonymous = matches!(log_in, LogIn::Anonymous);
    if is_anonymous {
        check_scopes_of_stranger(&scopes)?;
    }
    let offline = if request.offline {
        Offline::Asked
    } else {
        Offline::No
    };
    let asked = AskedToken {
        scopes: &scopes,
        offline,
        ttl: None,
    };
    let exchanged = record.exchange(service, registry, &log_in, &asked).await?;
    if reply.is_for_page && is_anonymous && exchanged.is_empty() {
        // A browser asks its user for a password when it is refused, and never otherwise. It was
        // counted among tokens for nobody.
        return Err(no_credential());
    }
    reply.with(&exchanged)
}

/// Checks the scopes of a request without a log-in.
fn check_scopes_of_stranger(scopes: &Scopes) -> Result<()> {
    if scopes.asked.len() > Scope::MAX_OF_STRANGERS {
        let message = format!(
            "Without a log-in a request has at most {} scopes; log in, or ask for fewer at once.",
            Scope::MAX_OF_STRANGERS
        );
        return Err(Error::invalid_parameter("scope", message));
    }
    if scopes.asked.is_empty() {
        // A log-in with nothing to log in with. A token here would make `docker login` believe that
        // it had worked.
        return Err(no_credential());
    }
    Ok(())
}

fn no_credential() -> Error {
    Error::new(
        ErrorKind::BadCredentials,
        "Log in with a username and a password.",
    )
    .caused_by(RefusalCause::NoCredential)
}

/// The reply. Some clients read `token`, some `access_token`, and one takes a missing `expires_in`
/// for "never".
#[derive(Serialize)]
struct Token<'a> {
    token: &'a RawValue,
    access_token: &'a RawValue,
    expires_in: u32,
    issued_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
}
