//! Pages for probes, registries and people.

use axum::response::Response;
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, header};
use serde::Serialize;

use crate::domain::{Error, Result};
use crate::http::Settings;
use crate::http::door::Shared;
use crate::http::request::Head;
use crate::http::request::respond::{TEXT, response};

/// The paths that this door serves.
#[derive(Clone, Copy, Debug)]
pub(super) enum Page {
    /// `/healthz`: the process lives.
    Health,
    /// `/readyz`: it can serve.
    Ready,
    /// `/.well-known/jwks.json`: the keys that sign tokens.
    Keys,
    /// `/.well-known/oauth-authorization-server`: the exchange of tokens (RFC 8414).
    OAuth,
    /// `/bundle.pem`: the certificates that registries trust.
    Bundle,
}

impl Page {
    /// Returns the page of a path.
    pub(super) fn of(path: &str) -> Option<Self> {
        match path {
            "/healthz" => Some(Self::Health),
            "/readyz" => Some(Self::Ready),
            "/.well-known/jwks.json" => Some(Self::Keys),
            "/.well-known/oauth-authorization-server" => Some(Self::OAuth),
            "/bundle.pem" => Some(Self::Bundle),
            _ => None,
        }
    }
}

/// The audience of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Audience {
    /// Anybody who reaches this service.
    Anybody,
    /// A monitoring system, at a listener of the operator's own.
    Monitor,
}

/// Serves a page.
///
/// # Errors
///
/// `Internal` when an answer can't be written.
pub(super) async fn page(
    page: Page,
    parts: &Parts,
    shared: &Shared<'_>,
    audience: Audience,
) -> Result<Response> {
    if parts.method != Method::GET && parts.method != Method::HEAD {
        let mut refusal = response(
            StatusCode::METHOD_NOT_ALLOWED,
            TEXT,
            "This page is only read.\n",
        );
        refusal
            .headers_mut()
            .insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return Ok(refusal);
    }
    let service = shared.service;
    let json = HeaderValue::from_static("application/json");
    Ok(match page {
        Page::Health => response(StatusCode::OK, TEXT, "ok\n"),
        Page::Ready => {
            let readiness = Readiness::of(shared, audience).await;
            let status = if readiness.ready {
                StatusCode::OK
            } else {
                StatusCode::SERVICE_UNAVAILABLE
            };
            response(
                status,
                json,
                serde_json::to_vec(&readiness).map_err(Error::internal)?,
            )
        }
        Page::Keys => response(StatusCode::OK, json, service.exchange.jwks()),
        Page::OAuth => {
            let metadata = AuthorizationServer::at(&shared.settings.public_url);
            let metadata = serde_json::to_vec(&metadata).map_err(Error::internal)?;
            response(StatusCode::OK, json, metadata)
        }
        Page::Bundle => response(
            StatusCode::OK,
            HeaderValue::from_static("application/x-pem-file"),
            service.exchange.bundle_pem(),
        ),
    })
}

/// The metadata of the token endpoint (RFC 8414, 2).
#[derive(Serialize)]
struct AuthorizationServer<'a> {
    issuer: &'a str,
    token_endpoint: String,
    jwks_uri: String,
    grant_types_supported: [&'static str; 1],
    /// There is no authorization endpoint, so there are none; the member is required.
    response_types_supported: [&'static str; 0],
    token_endpoint_auth_methods_supported: [&'static str; 1],
}

impl<'a> AuthorizationServer<'a> {
    fn at(public_url: &'a str) -> Self {
        Self {
            issuer: public_url,
            token_endpoint: format!("{public_url}/oauth/token"),
            jwks_uri: format!("{public_url}/.well-known/jwks.json"),
            grant_types_supported: ["urn:ietf:params:oauth:grant-type:token-exchange"],
            response_types_supported: [],
            token_endpoint_auth_methods_supported: ["none"],
        }
    }
}

#[derive(Serialize)]
struct Readiness {
    ready: bool,
    missing: Vec<String>,
    /// Conditions that the operator should look at, though it serves.
    warnings: Vec<String>,
}

impl Readiness {
    async fn of(
        Shared {
            service,
            is_closing,
            ..
        }: &Shared<'_>,
        audience: Audience,
    ) -> Self {
        let missing = if *is_closing {
            vec!["the service is shutting down".to_owned()]
        } else {
            service.operations.missing().await
        };
        let mut warnings: Vec<_> = service
            .keys
            .warnings()
            .iter()
            .map(|warning| {
                if audience == Audience::Monitor {
                    warning.text.clone()
                } else {
                    warning.kind.notice().to_owned()
                }
            })
            .collect();
        // Warnings of one kind follow each other.
        warnings.dedup();
        let about_notices = service.operations.notice_warnings().into_iter();
        warnings.extend(about_notices.map(|(text, public)| {
            if audience == Audience::Monitor {
                text
            } else {
                public.to_owned()
            }
        }));
        warnings.extend(service.limits.degraded().into_iter().map(ToOwned::to_owned));
        Self {
            ready: missing.is_empty(),
            missing,
            warnings,
        }
    }
}

/// Serves a monitoring system's probe; nothing at a path that is none.
///
/// # Errors
///
/// Those of [`page`].
pub(crate) async fn probe(head: &Head<'_>, shared: &Shared<'_>) -> Result<Option<Response>> {
    match Page::of(head.path()) {
        Some(probe @ (Page::Health | Page::Ready)) => {
            page(probe, head.parts, shared, Audience::Monitor)
                .await
                .map(Some)
        }
        Some(Page::Keys | Page::OAuth | Page::Bundle) | None => Ok(None),
    }
}

/// Answers a request at the wrong address: says what this is.
pub(super) fn wrong_door(settings: &Settings) -> Response {
    let body = format!(
        "This is transire, which gives out access credentials for container registries.\n\
         The request is no signed call of Tencent Cloud's TCR, Alibaba Cloud's ACR or Amazon's \
         ECR API, and {}/token is where registry clients log in.\n\
         Documentation: {}\n",
        settings.public_url, settings.documentation
    );
    response(StatusCode::NOT_FOUND, TEXT, body)
}
