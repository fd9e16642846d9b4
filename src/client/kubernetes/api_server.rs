//! The API server of a cluster.

use std::path::PathBuf;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::Value;

use crate::client::endpoint::{Endpoint, outgoing};
use crate::client::environment::{Environment, read};
use crate::client::headers;
use crate::domain::printable::escape;
use crate::domain::{Error, Result};
use crate::remote;

/// The account of a pod, where the kubelet puts it.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// The most bytes of an answer: a Secret has at most a megabyte, in Base64.
const MAX_ANSWER: usize = 2 << 20;

/// The way to an API server that the user names; the rest is the pod's own.
#[derive(Clone, Debug, Default)]
pub struct Way {
    /// The API server's URL.
    pub url: Option<String>,
    /// The file of the token that is sent to it.
    pub token_file: Option<PathBuf>,
    /// The certificates of its authority, PEM.
    pub ca_file: Option<PathBuf>,
}

/// An API server, called with the token of one account.
pub struct ApiServer {
    client: remote::Client,
    base: Endpoint,
    token_file: Option<PathBuf>,
}

/// The body of a request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Sent<'a> {
    /// Nothing.
    Nothing,
    /// An object.
    Object(&'a Value),
    /// The parts of an object that change; lists are merged by their elements' names.
    Patch(&'a Value),
}

/// An answer of the API server's.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    body: Value,
}

impl ApiServer {
    /// Finds the API server: the named one, or the one of the pod that this process runs in.
    ///
    /// # Errors
    /// `Misconfigured` outside of a pod, `InvalidParameter` for a URL that isn't taken.
    pub fn find(way: Way, environment: &Environment) -> Result<Self> {
        let in_pod = |name: &str| Some(PathBuf::from(ACCOUNT).join(name));
        let (base, token_file, ca_file) = match way.url {
            // A named server has a token of its own, or none (`kubectl proxy`).
            Some(url) => (
                Endpoint::parse_as("kube-api", &url)?,
                way.token_file,
                way.ca_file,
            ),
            None => (
                of_pod(environment)?,
                way.token_file.or_else(|| in_pod("token")),
                way.ca_file.or_else(|| in_pod("ca.crt")),
            ),
        };
        Ok(Self {
            client: outgoing(ca_file),
            base,
            token_file,
        })
    }

    /// Sends a request to a path below `/api/v1/namespaces/`.
    ///
    /// # Errors
    /// `Misconfigured` when there is no token, no answer, or none of an API server.
    pub(super) async fn call(&self, method: Method, path: &str, sent: Sent<'_>) -> Result<Reply> {
        let url = self.base.at(&format!("/api/v1/namespaces/{path}"))?;
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(file) = &self.token_file {
            // The kubelet replaces it before it ends, so it is read each time.
            let token = read(file)?;
            let bearer = headers::secret(&format!("Bearer {}", token.trim()))
                .map_err(|_| Error::misconfigured(format!("{} is no token", file.display())))?;
            headers.insert(AUTHORIZATION, bearer);
        }
        let (kind, body) = match sent {
            Sent::Nothing => (None, Bytes::new()),
            Sent::Object(object) => (Some("application/json"), object.to_string().into()),
            Sent::Patch(patch) => (
                Some("application/strategic-merge-patch+json"),
                patch.to_string().into(),
            ),
        };
        if let Some(kind) = kind {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        let answer = self
            .client
            .ask(method, &url, headers, body, MAX_ANSWER)
            .await
            .map_err(|failure| {
                Error::misconfigured(format!("the API server {} does not answer", self.base))
                    .caused_by(failure)
            })?;
        let body = serde_json::from_slice(answer.body()).map_err(|_| {
            Error::misconfigured(format!(
                "{} answers {} without JSON: it is no API server",
                self.base,
                answer.status()
            ))
        })?;
        Ok(Reply {
            status: answer.status(),
            body,
        })
    }
}

/// Returns the API server of the cluster whose pod this process runs in.
fn of_pod(environment: &Environment) -> Result<Endpoint> {
    let variable = |name| environment.variable(name);
    let (Some(host), Some(port)) = (
        variable("KUBERNETES_SERVICE_HOST"),
        variable("KUBERNETES_SERVICE_PORT"),
    ) else {
        return Err(Error::misconfigured(
            "this process runs in no pod (KUBERNETES_SERVICE_HOST): name the API server with \
             --kube-api, --kube-token-file and --kube-ca-file",
        ));
    };
    let host = if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    };
    Endpoint::parse_as("kube-api", &format!("https://{host}:{port}"))
}

impl Reply {
    /// Returns the object that was asked for or written.
    ///
    /// # Errors
    /// `Misconfigured` with the API server's own words when it refused.
    pub(super) fn object(self, what: &str) -> Result<Value> {
        if self.status.is_success() {
            return Ok(self.body);
        }
        let word = |name: &str| escape(self.body[name].as_str().unwrap_or_default()).into_owned();
        let advice = match self.status {
            StatusCode::UNAUTHORIZED => "; it doesn't accept the account's token",
            StatusCode::FORBIDDEN => {
                "; grant it to the account that this command runs as (docs/kubernetes.md)"
            }
            _ => "",
        };
        Err(Error::misconfigured(format!(
            "the API server refuses {what} with {}: {}{advice}",
            self.status,
            word("message")
        )))
    }

    /// Returns the object that was asked for, or nothing when there is none.
    ///
    /// # Errors
    /// As [`Self::object`].
    pub(super) fn object_if_there(self, what: &str) -> Result<Option<Value>> {
        match self.status {
            StatusCode::NOT_FOUND => Ok(None),
            _ => self.object(what).map(Some),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::ErrorKind;

    fn base(variables: [(&str, &str); 2]) -> Result<String> {
        ApiServer::find(Way::default(), &Environment::from(variables))
            .map(|server| server.base.to_string())
    }

    #[test]
    fn a_pod_knows_its_api_server() {
        for (host, expected) in [
            ("10.96.0.1", "https://10.96.0.1:6443"),
            ("fd00::1", "https://[fd00::1]:6443"),
        ] {
            let found = base([
                ("KUBERNETES_SERVICE_HOST", host),
                ("KUBERNETES_SERVICE_PORT", "6443"),
            ]);
            assert_eq!(found.unwrap(), expected);
        }
    }

    #[test]
    fn outside_of_a_pod_the_options_are_named() {
        let error = base([("HOME", "/"), ("PATH", "/")]).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Misconfigured);
        assert!(error.message().contains("--kube-api"));
    }

    #[test]
    fn a_named_server_gets_no_token_of_the_pods() {
        let way = Way {
            url: Some("http://127.0.0.1:8001".to_owned()),
            ..Way::default()
        };
        let server = ApiServer::find(way, &Environment::default()).unwrap();
        assert_eq!(server.token_file, None);
    }

    #[test]
    fn a_tokens_way_is_https() {
        let way = Way {
            url: Some("http://kube.example.com".to_owned()),
            ..Way::default()
        };
        let refused = ApiServer::find(way, &Environment::default()).map(|_| ());
        let expected = ErrorKind::InvalidParameter {
            name: "kube-api".to_owned(),
        };
        assert_eq!(refused.unwrap_err().kind(), &expected);
    }

    #[test]
    fn a_refusal_has_the_servers_words_and_what_to_do() {
        let refused = |code| Reply {
            status: StatusCode::from_u16(code).unwrap(),
            body: json!({ "kind": "Status", "message": "secrets is forbidden\u{1b}[2J" }),
        };
        let message = |code| refused(code).object("x").unwrap_err().message().to_owned();
        assert!(message(403).contains("secrets is forbidden\\u001b[2J; grant it"));
        assert!(message(401).contains("the account's token"));
        assert!(refused(404).object_if_there("x").unwrap().is_none());
        assert!(refused(403).object_if_there("x").is_err());
    }
}
