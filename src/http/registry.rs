//! The door of registry clients: `GET` and `POST /token`.
//!
//! A registry sends its clients here with a challenge; they bring a credential and scopes and take a token
//! back. Bad credentials are refused; missing rights are not, they only leave the token with less.
//! Sources: CNCF Distribution, `docs/content/spec/auth/token.md` and `oauth.md`; what clients really send
//! is in the facts, sections 1.3 to 1.7.

use axum::body::Body;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use form_urlencoded::parse;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::domain::refusal::RefusalCause;
use crate::domain::scope::{Scope, Scopes};
use crate::domain::secret::Secret;
use crate::domain::{Error, ErrorKind, Result};
use crate::service::{LogIn, Offline, Service};
use crate::sign;

use super::Settings;
use super::edge::Visit;
use super::plain::{json, response};

/// The most bytes of a form here: a catalogue mirror asks for hundreds of scopes, and a stranger who lets a form trickle
/// holds memory that others wait for. A query has the bound of heads, which is the same.
pub(super) const MAX_FORM_BYTES: usize = 64 << 10;

/// What a request for a token says, by query or by form.
#[derive(Default)]
struct Asked {
    service: Option<String>,
    /// Each may hold several scopes, divided by spaces: some clients repeat, some join, some do both.
    scopes: Vec<String>,
    account: Option<String>,
    offline: bool,
    grant_type: Option<String>,
    username: Option<String>,
    password: Option<Secret>,
    refresh_token: Option<Secret>,
}

impl Asked {
    /// Reads pairs; a name that can only be once and is twice, with different values, is refused.
    fn read(encoded: &[u8]) -> Result<Self> {
        let mut asked = Self::default();
        for (name, value) in parse(encoded) {
            match name.as_ref() {
                "scope" => asked.scopes.push(value.into_owned()),
                "service" => once(&mut asked.service, "service", value.into_owned())?,
                "account" => once(&mut asked.account, "account", value.into_owned())?,
                "grant_type" => once(&mut asked.grant_type, "grant_type", value.into_owned())?,
                "username" => once(&mut asked.username, "username", value.into_owned())?,
                "password" => once_secret(&mut asked.password, "password", value.into_owned())?,
                "refresh_token" => once_secret(&mut asked.refresh_token, "refresh_token", value.into_owned())?,
                "offline_token" => asked.offline |= value == "true",
                "access_type" => asked.offline |= value == "offline",
                // `client_id`, and whatever clients will think of.
                _ => {}
            }
        }
        Ok(asked)
    }

    /// Reads the query, without the credential that it may hold: it would stand in the logs of proxies, and nobody is to
    /// rely on it.
    fn of_query(parts: &Parts) -> Result<Self> {
        let asked = Self::read(parts.uri.query().unwrap_or_default().as_bytes())?;
        Ok(Self { grant_type: None, username: None, password: None, refresh_token: None, ..asked })
    }

    fn holds_credential(&self) -> bool {
        self.username.is_some() || self.password.is_some() || self.refresh_token.is_some()
    }

    fn service(&self) -> Result<&str> {
        self.service.as_deref().filter(|service| !service.is_empty()).ok_or_else(|| {
            Error::new(
                ErrorKind::MissingParameter { name: "service".to_owned() },
                "The parameter service is missing: it is the service that the registry names in its challenge.",
            )
        })
    }
}

fn twice(name: &'static str) -> Error {
    Error::invalid_parameter(name, format!("The parameter {name} is given twice, with different values."))
}

fn once(place: &mut Option<String>, name: &'static str, value: String) -> Result<()> {
    match place.replace(value) {
        Some(before) if place.as_ref() != Some(&before) => Err(twice(name)),
        _ => Ok(()),
    }
}

fn once_secret(place: &mut Option<Secret>, name: &'static str, value: String) -> Result<()> {
    match place {
        Some(before) if !before.matches(&value) => Err(twice(name)),
        _ => {
            *place = Some(Secret::new(value));
            Ok(())
        }
    }
}

/// Serves `GET /token`: the query asks, and HTTP Basic proves.
pub(super) async fn get(service: &Service, parts: &Parts, visit: &mut Visit) -> Result<Response> {
    let asked = Asked::of_query(parts)?;
    let log_in = by_basic(&parts.headers, &asked)?.unwrap_or(LogIn::Anonymous);
    exchange(service, asked, log_in, ScopeReply::No, visit).await
}

/// Serves `POST /token`: an OAuth 2 form asks and proves.
///
/// The form of some clients only asks, and HTTP Basic proves: VS Code's older Docker extension, and people with curl, who
/// may send no form at all.
pub(super) async fn post(service: &Service, parts: &Parts, body: &[u8], visit: &mut Visit) -> Result<Response> {
    if !body.is_empty() && !is_form(&parts.headers) {
        return Err(Error::malformed_request("A POST to /token is a form: application/x-www-form-urlencoded."));
    }
    let mut asked = if body.is_empty() { Asked::of_query(parts)? } else { Asked::read(body)? };
    let basic = if asked.holds_credential() { None } else { by_basic(&parts.headers, &asked)? };
    let log_in = match (asked.grant_type.as_deref(), basic) {
        (None | Some("password"), Some(log_in)) => log_in,
        (Some("password"), None) => {
            let username = asked.username.take().ok_or_else(|| Error::missing_parameter("username"))?;
            let secret = asked.password.take().ok_or_else(|| Error::missing_parameter("password"))?;
            LogIn::Password { username, secret }
        }
        (Some("refresh_token"), _) => {
            let token = asked.refresh_token.take().ok_or_else(|| Error::missing_parameter("refresh_token"))?;
            LogIn::Refresh { token }
        }
        (Some(_), _) => return Err(Error::unsupported("The grant_type is password or refresh_token; no other is served.")),
        (None, None) => return Err(Error::missing_parameter("grant_type")),
    };
    exchange(service, asked, log_in, ScopeReply::Yes, visit).await
}

/// Returns the log-in of HTTP Basic, if the request has one.
fn by_basic(headers: &HeaderMap, asked: &Asked) -> Result<Option<LogIn>> {
    let Some((username, secret)) = basic(headers)? else { return Ok(None) };
    // Docker, podman and regclient send the account beside the credential.
    if asked.account.as_ref().is_some_and(|account| !account.is_empty() && *account != username) {
        return Err(Error::invalid_parameter("account", "The account is not the user who logs in."));
    }
    Ok(Some(LogIn::Password { username, secret }))
}

/// Whether the reply says which scopes were granted: OAuth 2 replies must.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ScopeReply {
    Yes,
    No,
}

async fn exchange(service: &Service, asked: Asked, log_in: LogIn, scope_reply: ScopeReply, visit: &mut Visit) -> Result<Response> {
    let scopes = Scopes::parse(asked.scopes.iter().map(String::as_str))?;
    let registry = asked.service()?;
    let is_anonymous = matches!(log_in, LogIn::Anonymous);
    if is_anonymous && scopes.asked.len() > Scope::MAX_OF_STRANGERS {
        let message =
            format!("Without a log-in a request has at most {} scopes; log in, or ask for fewer at once.", Scope::MAX_OF_STRANGERS);
        return Err(Error::invalid_parameter("scope", message));
    }
    if is_anonymous && scopes.asked.is_empty() {
        // A log-in with nothing to log in with. A token here would make `docker login` believe that it
        // had worked.
        return Err(no_credential());
    }
    // What fails in it is counted there, by whom it concerns.
    let caller = service.log_in(registry, &log_in, visit.settle()).await;
    if caller.is_err() {
        visit.claim = Some(Box::new(service.claim(registry, &log_in, &scopes.asked)));
    }
    let caller = caller?;
    visit.principal = caller.principal().cloned();
    if visit.principal.is_none() {
        visit.note_caller(&caller);
    }
    let offline = if asked.offline { Offline::Asked } else { Offline::No };
    let exchanged = service.token(&caller, &scopes, offline, &visit.context).await?;
    if visit.by_page && is_anonymous && exchanged.granted.is_empty() {
        // A browser asks its user for a password when it is refused, and never otherwise. It was counted among tokens for
        // nobody.
        return Err(no_credential());
    }
    let granted = (scope_reply == ScopeReply::Yes).then(|| {
        let granted: Vec<String> = exchanged.granted.iter().map(ToString::to_string).collect();
        granted.join(" ")
    });
    // Written once for both names: it is by far the longest part.
    let token = serde_json::value::to_raw_value(&exchanged.token).map_err(Error::internal)?;
    let reply = Token {
        token: &token,
        access_token: &token,
        expires_in: exchanged.expires_in_seconds,
        issued_at: exchanged.issued_at.rfc3339(),
        refresh_token: exchanged.refresh_token.as_ref().map(Secret::expose),
        scope: granted,
    };
    respond(StatusCode::OK, &reply)
}

fn no_credential() -> Error {
    Error::new(ErrorKind::BadCredentials, "Log in with a username and a password.").caused_by(RefusalCause::NoCredential)
}

/// The reply. Some clients read `token`, some `access_token`, and one takes a missing `expires_in` for
/// "never".
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

/// Reads HTTP Basic. Only the first colon divides: an unreserved one can't be in a username, but a
/// password that someone chose may hold more.
fn basic(headers: &HeaderMap) -> Result<Option<(String, Secret)>> {
    let malformed = || Error::malformed_authorization("Log in with HTTP Basic: the header Authorization can't be read.");
    let mut lines = headers.get_all(header::AUTHORIZATION).iter();
    let Some(line) = lines.next() else { return Ok(None) };
    if lines.next().is_some() {
        // Every reader could go by another one.
        return Err(Error::malformed_authorization("Log in with one Authorization header: the request has several."));
    }
    let (scheme, encoded) = line.to_str().ok().and_then(|line| line.split_once(' ')).ok_or_else(malformed)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(malformed());
    }
    let decoded =
        STANDARD.decode(encoded.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok()).map(Secret::new).ok_or_else(malformed)?;
    let (username, secret) = decoded.expose().split_once(':').ok_or_else(malformed)?;
    Ok(Some((username.to_owned(), Secret::new(secret))))
}

/// Returns whether the body is a form, whatever its charset: it is read as UTF-8.
pub(super) fn is_form(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|content_type| sign::is_form_type(content_type.as_bytes()))
}

/// Tells whether a path is one at which registry clients read JSON, though nothing is there: one below `/token`, or of a
/// registry's own API.
pub(super) fn is_beside(path: &str) -> bool {
    path.starts_with("/token/") || path == "/v2" || path.starts_with("/v2/")
}

/// Answers who came beside the door: with what is wrong about the path.
pub(super) fn not_found(path: &str, settings: &Settings) -> Response {
    let message = if path.starts_with("/v2") {
        "This is the token server of registries, and no registry: use the registry's own address.".to_owned()
    } else {
        format!("Nothing is served at this path; registry clients get their tokens at {}/token.", settings.public_url)
    };
    refusal(StatusCode::NOT_FOUND, "UNSUPPORTED", &message)
}

/// Refuses a method that isn't served here.
pub(super) fn method_not_allowed(method: &Method) -> Response {
    let message = format!("The method {method} is not served here; use GET or POST.");
    let mut response = refusal(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", &message);
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, POST"));
    response
}

/// How long a client should wait for a database that is away.
const STORE_RETRY_SECONDS: u32 = 5;

/// Answers with an error, in the form of the registry's own API.
pub(super) fn refuse(error: &Error) -> Response {
    let (status, code, retry_after) = answer(error.kind());
    let message = match error.kind() {
        ErrorKind::Internal | ErrorKind::Misconfigured => "An internal error has occurred.",
        _ => error.message(),
    };
    let mut response = refusal(status, code, message);
    if status == StatusCode::UNAUTHORIZED {
        // Not for registry clients, who know how to log in: for people with a browser or curl.
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(r#"Basic realm="transire", charset="UTF-8""#));
    }
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// The door's table: status, code, and when to come back.
///
/// The store's failure is never 401: clients would throw a good credential away. Divergence: the registry API has
/// no code for a request that can't be read, so `INVALID_REQUEST` is our own.
fn answer(kind: &ErrorKind) -> (StatusCode, &'static str, Option<u32>) {
    match kind {
        ErrorKind::BadCredentials
        | ErrorKind::MalformedAuthorization
        | ErrorKind::SignatureMethodRefused { .. }
        | ErrorKind::AccessKeyNotFound
        | ErrorKind::AccessKeyDisabled
        | ErrorKind::SessionTokenMissing
        | ErrorKind::SessionTokenMalformed
        | ErrorKind::SessionTokenMismatch
        | ErrorKind::SessionTokenExpired
        | ErrorKind::SignatureMismatch { .. }
        | ErrorKind::WebIdentity { .. } => (StatusCode::UNAUTHORIZED, "UNAUTHORIZED", None),
        ErrorKind::AccessDenied(_) | ErrorKind::AddressRefused => (StatusCode::FORBIDDEN, "DENIED", None),
        ErrorKind::Unsupported => (StatusCode::BAD_REQUEST, "UNSUPPORTED", None),
        ErrorKind::MissingParameter { .. }
        | ErrorKind::UnknownParameter { .. }
        | ErrorKind::WrongType { .. }
        | ErrorKind::InvalidParameter { .. }
        | ErrorKind::SessionPolicyTooLong
        | ErrorKind::MalformedRequest
        | ErrorKind::RequestExpired { .. }
        | ErrorKind::MalformedTime
        | ErrorKind::Replayed
        | ErrorKind::UnknownAction { .. }
        | ErrorKind::UnknownVersion { .. } => (StatusCode::BAD_REQUEST, "INVALID_REQUEST", None),
        ErrorKind::InstanceNotFound | ErrorKind::NoDefaultInstance | ErrorKind::NotFound { .. } => {
            (StatusCode::BAD_REQUEST, "NAME_UNKNOWN", None)
        }
        ErrorKind::AlreadyExists { .. } | ErrorKind::QuotaExceeded { .. } | ErrorKind::PreconditionFailed { .. } => {
            (StatusCode::CONFLICT, "INVALID_REQUEST", None)
        }
        ErrorKind::RequestTooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "SIZE_INVALID", None),
        ErrorKind::RequestTimeout => (StatusCode::REQUEST_TIMEOUT, "INVALID_REQUEST", None),
        ErrorKind::Throttled { .. } | ErrorKind::NonceMemoryFull | ErrorKind::PasswordsBusy => {
            (StatusCode::TOO_MANY_REQUESTS, "TOOMANYREQUESTS", Some(1))
        }
        ErrorKind::AddressThrottled { retry_after_seconds } => {
            (StatusCode::TOO_MANY_REQUESTS, "TOOMANYREQUESTS", Some(*retry_after_seconds))
        }
        ErrorKind::Overloaded => (StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", Some(1)),
        ErrorKind::StoreUnavailable | ErrorKind::AuditUnavailable => {
            (StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", Some(STORE_RETRY_SECONDS))
        }
        ErrorKind::RegistryUnavailable => (StatusCode::BAD_GATEWAY, "UNAVAILABLE", Some(STORE_RETRY_SECONDS)),
        ErrorKind::Misconfigured | ErrorKind::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN", None),
    }
}

#[derive(Serialize)]
struct Errors<'a> {
    errors: [OneError<'a>; 1],
}

#[derive(Serialize)]
struct OneError<'a> {
    code: &'static str,
    message: &'a str,
    detail: Option<()>,
}

fn refusal(status: StatusCode, code: &'static str, message: &str) -> Response {
    let errors = Errors { errors: [OneError { code, message, detail: None }] };
    respond(status, &errors).unwrap_or_else(|_| Response::new(Body::empty()))
}

fn respond(status: StatusCode, body: &impl Serialize) -> Result<Response> {
    let body = json(body)?;
    let mut response = response(status, HeaderValue::from_static("application/json"), body);
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_authorization(line: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::AUTHORIZATION, HeaderValue::from_str(line).unwrap())])
    }

    #[test]
    fn basic_is_split_at_the_first_colon() {
        let (username, secret) = basic(&with_authorization(&format!("basic {}", STANDARD.encode("u:p:q")))).unwrap().unwrap();
        assert_eq!(username, "u");
        assert!(secret.matches("p:q"));
        assert!(basic(&HeaderMap::new()).unwrap().is_none());
        for bad in ["Basic", "Basic !!", "Bearer abc", &format!("Basic {}", STANDARD.encode("no colon"))] {
            assert!(basic(&with_authorization(bad)).is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn what_may_be_once_may_be_repeated_only_with_the_same_value() {
        assert!(Asked::read(b"service=a&service=a&scope=x&scope=y").is_ok());
        for bad in [&b"service=a&service=b"[..], b"password=a&password=b", b"account=a&account="] {
            assert!(Asked::read(bad).is_err(), "{} was taken", String::from_utf8_lossy(bad));
        }
    }

    #[test]
    fn offline_is_asked_either_way() {
        for (query, offline) in [("offline_token=true", true), ("access_type=offline", true), ("access_type=online", false), ("", false)] {
            assert_eq!(Asked::read(query.as_bytes()).unwrap().offline, offline, "{query}");
        }
    }
}
