//! Exchanges: `POST /oauth/token`.

use axum::response::Response;
use http::{StatusCode, header};
use serde::Serialize;

use super::envelope::respond;
use super::parameters::{
    ACCESS_TOKEN, ExchangeRequest, REGISTRY_CREDENTIAL, Requested, client_authentication,
};
use crate::domain::narrowing::Narrowing;
use crate::domain::scope::Scopes;
use crate::domain::{Error, Result};
use crate::http::door::{Incoming, Shared};
use crate::http::request::Record;
use crate::service::{AskedLogIn, AskedToken, Call, Exchanged, LogIn, Offline, Service};

/// Serves `POST /oauth/token`.
///
/// # Errors
///
/// A fault of the request, `BadCredentials`, and others of the log-in and the exchange.
pub(super) async fn post(
    shared: &Shared<'_>,
    incoming: &Incoming<'_>,
    record: &mut Record,
) -> Result<Response> {
    let Incoming { head, body, .. } = *incoming;
    let parts = head.parts;
    if parts.headers.contains_key(header::AUTHORIZATION) {
        return Err(client_authentication());
    }
    if !head.has_form() || parts.uri.query().is_some_and(|query| !query.is_empty()) {
        return Err(Error::malformed_request(
            "The parameters are the body, a form (application/x-www-form-urlencoded); a query \
             would stand in logs.",
        ));
    }
    let request = ExchangeRequest::read(body)?;
    let scopes = Scopes::parse([request.scope.as_str()])?;
    let log_in = LogIn::Password {
        username: request.username,
        secret: request.subject_token,
        accepted: request.accepted,
    };
    let (service, registry) = (shared.service, &request.audience);
    if let Requested::Token = request.requested {
        let asked = AskedToken {
            scopes: &scopes,
            offline: Offline::No,
            ttl: request.expires_in,
        };
        let exchanged = record.exchange(service, registry, &log_in, &asked).await?;
        return answer_with_token(&exchanged);
    }
    let caller = record
        .log_in(service, registry, &log_in, &scopes.asked)
        .await?;
    let is_whole = scopes == Scopes::default();
    let narrowing = (!is_whole).then(|| Narrowing::new(scopes)).transpose()?;
    let asked = AskedLogIn {
        narrowing,
        ttl: request.expires_in,
    };
    let call = service.call(&caller, &record.context);
    answer_with_log_in(service, &call, &asked).await
}

fn answer_with_token(exchanged: &Exchanged) -> Result<Response> {
    let issued = Issued {
        access_token: exchanged.token(),
        issued_token_type: ACCESS_TOKEN,
        token_type: "Bearer",
        expires_in: exchanged.expires_in_seconds.into(),
        scope: Some(exchanged.granted().join(" ")),
        username: None,
    };
    respond(StatusCode::OK, &issued)
}

async fn answer_with_log_in(
    service: &Service,
    call: &Call<'_>,
    asked: &AskedLogIn,
) -> Result<Response> {
    let log_in = service.exchange.log_in(call, asked).await?;
    let issued = Issued {
        access_token: log_in.secret.expose(),
        issued_token_type: REGISTRY_CREDENTIAL,
        // It is no bearer token: registries take it only at their token server.
        token_type: "N_A",
        expires_in: call.now.until(log_in.expires_at).as_secs(),
        scope: log_in.narrowing.as_ref().map(ToString::to_string),
        username: Some(&log_in.username),
    };
    respond(StatusCode::OK, &issued)
}

/// The reply (RFC 8693, 2.2.1).
#[derive(Serialize)]
struct Issued<'a> {
    access_token: &'a str,
    issued_token_type: &'static str,
    token_type: &'static str,
    expires_in: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    /// The username of a registry log-in: a member of our own.
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<&'a str>,
}
