//! The kubelet's exec protocol for credential providers (`credentialprovider.kubelet.k8s.io/v1`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::client::job_token::JobToken;
use crate::client::log_in::LogIn;
use crate::domain::clock::Timestamp;
use crate::domain::secret::Secret;
use crate::domain::{Error, Result};

const API_VERSION: &str = "credentialprovider.kubelet.k8s.io/v1";

/// The kubelet's question, as far as it is read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    kind: String,
    api_version: String,
    image: String,
    service_account_token: Option<String>,
}

/// A question of the kubelet's.
#[derive(Debug)]
pub struct Question {
    /// The registry of the image: host, and port where it has one.
    pub registry: String,
    /// The token of the pod's service account.
    pub token: Option<JobToken>,
}

impl Question {
    /// Reads the kubelet's request.
    ///
    /// # Errors
    /// `Misconfigured` for one of another protocol or version.
    pub fn read(text: &str) -> Result<Self> {
        let refuse = |why: String| {
            Error::misconfigured(format!("the request on standard input is not taken: {why}"))
        };
        // The parser's own words could quote the token.
        let request: Request = serde_json::from_str(text)
            .map_err(|_| refuse("it is no CredentialProviderRequest in JSON".to_owned()))?;
        if request.kind != "CredentialProviderRequest" || request.api_version != API_VERSION {
            return Err(refuse(format!(
                "it is a {} of {}; set apiVersion: {API_VERSION} in the kubelet's configuration",
                request.kind, request.api_version
            )));
        }
        let registry = request.image.split('/').next().unwrap_or_default();
        if registry.is_empty() {
            return Err(refuse("the image has no registry".to_owned()));
        }
        Ok(Self {
            registry: registry.to_owned(),
            token: request
                .service_account_token
                .filter(|token| !token.is_empty())
                .map(|token| JobToken {
                    token: Secret::new(token),
                    source: "the pod's service account".to_owned(),
                }),
        })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Response<'a> {
    kind: &'a str,
    api_version: &'a str,
    cache_key_type: &'a str,
    cache_duration: String,
    auth: BTreeMap<&'a str, Auth<'a>>,
}

#[derive(Serialize)]
struct Auth<'a> {
    username: &'a str,
    password: &'a str,
}

/// Writes the answer: the log-in of a registry, to be kept for half of its life.
pub fn answer(registry: &str, log_in: &LogIn, now: Timestamp) -> String {
    let kept = log_in.half_life(now);
    let auth = Auth {
        username: &log_in.username,
        password: log_in.secret.expose(),
    };
    let response = Response {
        kind: "CredentialProviderResponse",
        api_version: API_VERSION,
        cache_key_type: "Registry",
        cache_duration: format!("{}s", kept.as_secs()),
        auth: BTreeMap::from([(registry, auth)]),
    };
    // A map of texts can always be written.
    serde_json::to_string(&response).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::*;
    use crate::domain::ErrorKind;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_735_877_057);

    fn request(change: impl FnOnce(&mut Value)) -> String {
        let mut request = json!({
            "kind": "CredentialProviderRequest",
            "apiVersion": API_VERSION,
            "image": "registry.example.com:5000/team/app",
            "serviceAccountToken": "eyJ.EXAMPLE.token",
            "serviceAccountAnnotations": { "example.com/role": "builder" },
        });
        change(&mut request);
        request.to_string()
    }

    #[test]
    fn the_registry_is_what_the_image_begins_with() {
        let question = Question::read(&request(|_| {})).unwrap();
        assert_eq!(question.registry, "registry.example.com:5000");
        assert_eq!(question.token.unwrap().token.expose(), "eyJ.EXAMPLE.token");
    }

    #[test]
    fn a_pod_without_a_service_account_brings_no_token() {
        let without = request(|request| {
            request
                .as_object_mut()
                .unwrap()
                .remove("serviceAccountToken");
        });
        assert!(Question::read(&without).unwrap().token.is_none());
    }

    #[test]
    fn another_protocol_is_refused_without_the_token_in_the_message() {
        for text in [
            request(|request| {
                request["apiVersion"] = json!("credentialprovider.kubelet.k8s.io/v2")
            }),
            request(|request| request["kind"] = json!("Pod")),
            request(|request| request["image"] = json!("")),
            request(|request| request["image"] = json!(7)),
            "{ \"serviceAccountToken\": \"eyJ.EXAMPLE.token\"".to_owned(),
        ] {
            let error = Question::read(&text).unwrap_err();
            assert!(error.kind() == &ErrorKind::Misconfigured, "{text}");
            assert!(!error.to_string().contains("EXAMPLE"), "{error}");
        }
    }

    #[test]
    fn an_answer_is_kept_for_half_of_the_log_ins_life() {
        let log_in = |expires_at| LogIn {
            username: "jwt".to_owned(),
            secret: Secret::new("eyJ.EXAMPLE.token"),
            expires_at,
            source: String::new(),
        };
        let kept = |expires_at| {
            let text = answer("registry.example.com", &log_in(expires_at), NOW);
            let answer: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(answer["kind"], "CredentialProviderResponse");
            assert_eq!(answer["auth"]["registry.example.com"]["username"], "jwt");
            answer["cacheDuration"].as_str().unwrap().to_owned()
        };
        assert_eq!(kept(Some(NOW.plus(Duration::from_secs(3600)))), "1800s");
        assert_eq!(kept(Some(NOW.minus(Duration::from_secs(5)))), "0s");
        assert_eq!(kept(None), "60s");
    }
}
