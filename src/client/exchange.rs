//! Log-ins that are narrower or shorter than their proof: the service's `/oauth/token` (RFC 8693).

use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use serde::Deserialize;
use url::form_urlencoded::Serializer;

use crate::client::endpoint::Endpoint;
use crate::client::log_in::LogIn;
use crate::domain::clock::{Clock, SystemClock};
use crate::domain::printable::escape;
use crate::domain::secret::Secret;
use crate::domain::{Error, Result};
use crate::remote;

/// The most bytes of an answer.
const MAX_ANSWER: usize = 64 << 10;

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
const REGISTRY_CREDENTIAL: &str = "urn:transire:params:oauth:token-type:registry-credential";

/// The terms of a log-in, where it is to be less than its proof.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// The scopes, such as `repository:team/app:pull`.
    pub scopes: Vec<String>,
    /// The life.
    pub ttl: Option<Duration>,
}

impl Terms {
    /// Tells whether there are any, which takes an exchange.
    pub fn are_set(&self) -> bool {
        !self.scopes.is_empty() || self.ttl.is_some()
    }
}

/// The proof that is exchanged.
pub enum Subject<'a> {
    /// An OpenID Connect token, and the role that it names.
    Token(&'a Secret, Option<&'a str>),
    /// A credential of the service's.
    Credential(&'a LogIn),
}

/// Exchanges a proof for a log-in to an instance, on these terms.
///
/// # Errors
/// `Misconfigured` with the service's own words when it refuses, or doesn't answer.
pub async fn exchange(
    client: &remote::Client,
    endpoint: &Endpoint,
    instance: &str,
    subject: &Subject<'_>,
    terms: &Terms,
) -> Result<LogIn> {
    let mut headers = HeaderMap::new();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/x-www-form-urlencoded"),
    );
    let body = Bytes::from(form(instance, subject, terms));
    let url = endpoint.at("/oauth/token")?;
    let asked_at = SystemClock.now();
    let answer = client
        .post(&url, headers, body, MAX_ANSWER)
        .await
        .map_err(|failure| endpoint.silent().caused_by(failure))?;
    if !answer.status().is_success() {
        return Err(refused(endpoint, answer.body()));
    }
    let issued: Issued = serde_json::from_slice(answer.body())
        .map_err(|_| Error::misconfigured(format!("{endpoint} answered without a log-in")))?;
    Ok(LogIn {
        username: issued.username,
        secret: Secret::new(issued.access_token),
        expires_at: Some(asked_at.plus(Duration::from_secs(issued.expires_in))),
        source: String::new(),
    })
}

#[derive(Deserialize)]
struct Issued {
    access_token: String,
    username: String,
    expires_in: u64,
}

fn form(instance: &str, subject: &Subject<'_>, terms: &Terms) -> String {
    let mut form = Serializer::new(String::new());
    form.append_pair("grant_type", GRANT_TYPE)
        .append_pair("audience", instance)
        .append_pair("requested_token_type", REGISTRY_CREDENTIAL);
    match subject {
        Subject::Token(token, role) => {
            form.append_pair("subject_token_type", JWT)
                .append_pair("subject_token", token.expose())
                .append_pair("role", role.unwrap_or_default());
        }
        Subject::Credential(log_in) => {
            form.append_pair("subject_token_type", REGISTRY_CREDENTIAL)
                .append_pair("subject_token", log_in.secret.expose())
                .append_pair("username", &log_in.username);
        }
    }
    form.append_pair("scope", &terms.scopes.join(" "));
    if let Some(ttl) = terms.ttl {
        form.append_pair("expires_in", &ttl.as_secs().to_string());
    }
    form.finish()
}

/// Returns the error of a service that refuses, in its own words.
fn refused(endpoint: &Endpoint, answer: &[u8]) -> Error {
    #[derive(Deserialize)]
    struct Refusal {
        error: String,
        #[serde(default)]
        error_description: String,
    }
    match serde_json::from_slice::<Refusal>(answer) {
        Ok(refusal) => Error::misconfigured(format!(
            "the exchange was refused: {} {}",
            escape(&refusal.error),
            escape(&refusal.error_description)
        )),
        Err(_) => Error::misconfigured(format!(
            "{endpoint} exchanges nothing: --scope and --ttl need a service of this version"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_names_the_proof_and_the_terms() {
        let terms = Terms {
            scopes: vec![
                "repository:team/app:pull".to_owned(),
                "repository:b:pull".to_owned(),
            ],
            ttl: Some(Duration::from_mins(10)),
        };
        let token = Secret::new("eyJ.EXAMPLE.token");
        let form = form(
            "tcr-abcd1234",
            &Subject::Token(&token, Some("role/ci")),
            &terms,
        );
        for pair in [
            "audience=tcr-abcd1234",
            "subject_token=eyJ.EXAMPLE.token",
            "role=role%2Fci",
            "scope=repository%3Ateam%2Fapp%3Apull+repository%3Ab%3Apull",
            "expires_in=600",
        ] {
            assert!(form.split('&').any(|found| found == pair), "{pair}: {form}");
        }
    }

    #[test]
    fn terms_are_set_by_a_scope_or_a_life() {
        assert!(!Terms::default().are_set());
        let by_life = Terms {
            ttl: Some(Duration::from_mins(10)),
            ..Terms::default()
        };
        assert!(by_life.are_set());
    }
}
