//! Exchanges at `/oauth/token`, as a client's library sends them.

use axum::body::Body;
use http::{Request, StatusCode, header};
use serde_json::Value;
use transire::domain::secret::Secret;

use crate::harness::{Answer, App, HOST, SERVICE};

pub(crate) const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
pub(crate) const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
pub(crate) const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
pub(crate) const REGISTRY_CREDENTIAL: &str =
    "urn:transire:params:oauth:token-type:registry-credential";

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
