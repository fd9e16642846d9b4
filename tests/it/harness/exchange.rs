//! Exchanges at `/oauth/token`, as a client's library sends them.

use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{Request, StatusCode, header};
use serde_json::Value;
use transire::domain::secret::Secret;

use crate::harness::keyless::{KUBERNETES, Keyless};
use crate::harness::{Answer, App, HOST, SERVICE};

pub(crate) const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
pub(crate) const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
pub(crate) const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
pub(crate) const REGISTRY_CREDENTIAL: &str =
    "urn:transire:params:oauth:token-type:registry-credential";

pub(crate) const FEDERATION: &str = "/oauth2/federation/robot/token";

impl App {
    /// Sends a form to `/oauth/token`.
    pub(crate) async fn oauth(&self, parameters: &[(&str, &str)]) -> Answer {
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(parameters)
            .finish();
        let request = Request::post("/oauth/token")
            .header(header::HOST, HOST)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request.body(Body::from(form)).unwrap()).await
    }

    /// Asks at a host for a log-in, with a role and its token.
    pub(crate) async fn federate(&self, host: &str, role: &str, token: &str) -> Answer {
        let pair = STANDARD.encode(format!("{role}:{token}"));
        let request = Request::get(FEDERATION)
            .header(header::HOST, host)
            .header(header::AUTHORIZATION, format!("Basic {pair}"));
        self.send(request.body(Body::empty()).unwrap()).await
    }

    /// Exchanges a token, with more parameters.
    pub(crate) async fn exchange_token(&self, token: &str, more: &[(&str, &str)]) -> Answer {
        let usual = [
            ("grant_type", TOKEN_EXCHANGE),
            ("subject_token_type", JWT),
            ("subject_token", token),
            ("audience", SERVICE),
        ];
        self.oauth(&[&usual, more].concat()).await
    }

    /// Exchanges a credential, with more parameters.
    pub(crate) async fn exchange_credential(
        &self,
        (username, secret): &(String, Secret),
        more: &[(&str, &str)],
    ) -> Answer {
        let usual = [
            ("grant_type", TOKEN_EXCHANGE),
            ("subject_token_type", REGISTRY_CREDENTIAL),
            ("subject_token", secret.expose()),
            ("username", username),
            ("audience", SERVICE),
        ];
        self.oauth(&[&usual, more].concat()).await
    }
}

impl Keyless {
    /// Returns the JWT that a role gets for its token.
    pub(crate) async fn federated(&self, role: &str) -> String {
        let answer = self
            .app
            .federate(SERVICE, role, &self.token(KUBERNETES))
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        answer.json()["token"].as_str().unwrap().to_owned()
    }
}

/// Returns the log-in that an exchange gave.
pub(crate) fn log_in(answer: &Answer) -> (String, Secret) {
    let body = answer.json();
    assert_eq!(answer.status, StatusCode::OK, "{body}");
    assert_eq!(body["issued_token_type"], REGISTRY_CREDENTIAL);
    assert_eq!(body["token_type"], "N_A");
    let text = |name: &str| {
        body[name]
            .as_str()
            .unwrap_or_else(|| panic!("{body}"))
            .to_owned()
    };
    (text("username"), Secret::new(text("access_token")))
}

/// Returns the status, the code and the description of a refusal.
pub(crate) fn oauth_refusal(answer: &Answer) -> (u16, String, String) {
    let body: Value = answer.json();
    let text = |name: &str| {
        body[name]
            .as_str()
            .unwrap_or_else(|| panic!("{body}"))
            .to_owned()
    };
    (
        answer.status.as_u16(),
        text("error"),
        text("error_description"),
    )
}
