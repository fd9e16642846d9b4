//! Token requests, as registries' clients make them.

use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::{Method, Request, StatusCode, header};
use serde_json::Value;
use transire::domain::secret::Secret;

use crate::harness::{Answer, App, HOST, Key, Peer, SERVICE};

/// Returns what a token for `scope` may do, as the exchange says it.
pub(crate) async fn granted(app: &App, username: &str, secret: &Secret, scope: &str) -> String {
    let form = format!(
        "grant_type=password&service={SERVICE}&client_id=test&username={username}&password={}\
         &scope={scope}",
        secret.expose()
    );
    let answer = app.registry_form(&form).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["scope"].as_str().unwrap().to_owned()
}

/// Makes the request for a token as docker does.
pub(crate) fn as_docker_asks(credential: Option<(&str, &str)>, query: &str) -> Request<Body> {
    let mut request = Request::get(format!("/token?{query}")).header(header::HOST, HOST);
    if let Some((username, secret)) = credential {
        let encoded = STANDARD.encode(format!("{username}:{secret}"));
        request = request.header(header::AUTHORIZATION, format!("Basic {encoded}"));
    }
    request.body(Body::empty()).unwrap()
}

impl App {
    /// Asks for a token as docker does.
    pub(crate) async fn registry(&self, credential: Option<(&str, &str)>, query: &str) -> Answer {
        self.send(as_docker_asks(credential, query)).await
    }

    /// Asks for a token as docker does, from another address.
    pub(crate) async fn registry_from(
        &self,
        peer: &str,
        credential: Option<(&str, &str)>,
        query: &str,
    ) -> Answer {
        let mut request = as_docker_asks(credential, query);
        request
            .extensions_mut()
            .insert(Peer(format!("{peer}:1").parse().unwrap()));
        self.send(request).await
    }

    /// Asks for a token as containerd does.
    pub(crate) async fn registry_form(&self, form: &str) -> Answer {
        let request = Request::post("/token").header(header::HOST, HOST).header(
            header::CONTENT_TYPE,
            "application/x-www-form-urlencoded; charset=utf-8",
        );
        self.send(request.body(Body::from(form.to_owned())).unwrap())
            .await
    }

    pub(crate) async fn header(&self, service: &str, credential: &(String, Secret)) -> Value {
        let answer = self
            .registry(
                Some((&credential.0, credential.1.expose())),
                &format!("service={service}"),
            )
            .await;
        let token = answer.json()["token"]
            .as_str()
            .unwrap_or_else(|| panic!("{}", answer.body))
            .to_owned();
        serde_json::from_slice(
            &URL_SAFE_NO_PAD
                .decode(token.split('.').next().unwrap())
                .unwrap(),
        )
        .unwrap()
    }

    pub(crate) async fn leaf(&self) -> Vec<u8> {
        let credential = self.temporary().await;
        STANDARD
            .decode(
                self.header(SERVICE, &credential).await["x5c"][0]
                    .as_str()
                    .unwrap(),
            )
            .unwrap()
    }

    pub(crate) async fn by_page(
        &self,
        method: Method,
        origin: Option<&str>,
        query: &str,
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/token?{query}"))
            .header(header::HOST, HOST);
        for (name, value) in headers
            .iter()
            .copied()
            .chain(origin.map(|origin| ("origin", origin)))
        {
            request = request.header(name, value);
        }
        self.send(request.body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn preflight(&self, origin: &str) -> Answer {
        let asks = [
            ("access-control-request-method", "GET"),
            ("access-control-request-headers", "authorization"),
        ];
        self.by_page(Method::OPTIONS, Some(origin), "", &asks).await
    }

    pub(crate) async fn logs_in(&self, username: &str, secret: &str) -> bool {
        let answer = self
            .registry(Some((username, secret)), &format!("service={SERVICE}"))
            .await;
        assert!(
            matches!(answer.status, StatusCode::OK | StatusCode::UNAUTHORIZED),
            "{}",
            answer.body
        );
        answer.status == StatusCode::OK
    }

    pub(crate) async fn refresh_token(&self, username: &str, secret: &str) -> String {
        let answer = self
            .registry(
                Some((username, secret)),
                &format!("service={SERVICE}&offline_token=true"),
            )
            .await;
        answer.json()["refresh_token"]
            .as_str()
            .unwrap_or_else(|| panic!("{}", answer.body))
            .to_owned()
    }

    pub(crate) async fn refreshes(&self, token: &str) -> bool {
        let answer = self
            .registry_form(&format!(
                "grant_type=refresh_token&service={SERVICE}&refresh_token={token}"
            ))
            .await;
        assert!(
            matches!(answer.status, StatusCode::OK | StatusCode::UNAUTHORIZED),
            "{}",
            answer.body
        );
        answer.status == StatusCode::OK
    }

    /// Returns the id of the key that signs a token now.
    pub(crate) async fn kid(&self, credential: &(String, Secret)) -> String {
        let answer = self
            .registry(
                Some((&credential.0, credential.1.expose())),
                &format!("service={SERVICE}"),
            )
            .await;
        let token = answer.json()["token"]
            .as_str()
            .unwrap_or_else(|| panic!("{}", answer.body))
            .to_owned();
        let header = URL_SAFE_NO_PAD
            .decode(token.split('.').next().unwrap())
            .unwrap();
        serde_json::from_slice::<Value>(&header).unwrap()["kid"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// Signs a call with each key, gets a credential and exchanges it: nothing may fail.
    pub(crate) async fn all_log_in(&self, keys: &[Key]) {
        for key in keys.iter().chain([&self.key]) {
            let answer = self
                .tencent(
                    "CreateInstanceToken",
                    &serde_json::json!({ "RegistryId": self.instance.id.as_str() }),
                )
                .by(key)
                .send()
                .await
                .json();
            let text = |name: &str| {
                answer["Response"][name]
                    .as_str()
                    .unwrap_or_else(|| panic!("{answer}"))
                    .to_owned()
            };
            self.credential_logs_in(&(text("Username"), Secret::new(text("Token"))))
                .await;
        }
    }

    pub(crate) async fn credential_logs_in(&self, credential: &(String, Secret)) {
        let answer = self
            .registry(
                Some((&credential.0, credential.1.expose())),
                &format!("service={SERVICE}"),
            )
            .await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    /// Returns what a token for nobody may do, as the registry reads it.
    pub(crate) async fn granted_to_nobody(&self, scope: &str) -> Value {
        use base64::Engine;
        let answer = self
            .registry(None, &format!("service={SERVICE}&scope={scope}"))
            .await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let token = answer.json()["token"].as_str().unwrap().to_owned();
        let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD
            .decode(token.split('.').nth(1).unwrap())
            .unwrap();
        serde_json::from_slice::<Value>(&claims).unwrap()["access"].take()
    }

    pub(crate) async fn robot_logs_in(&self, password: &str) -> bool {
        self.status("tcr$robot", password).await == 200
    }

    /// Tells whether a credential logs in.
    pub(crate) async fn opens(&self, credential: &(String, Secret)) -> bool {
        self.registry(
            Some((&credential.0, credential.1.expose())),
            &format!("service={SERVICE}"),
        )
        .await
        .status
            == StatusCode::OK
    }

    /// Returns the status of a log-in.
    pub(crate) async fn status(&self, username: &str, secret: &str) -> u16 {
        self.registry(Some((username, secret)), &format!("service={SERVICE}"))
            .await
            .status
            .as_u16()
    }
}
