//! Calls at Tencent's API, signed as its SDKs sign, and its answers.

use std::time::Duration;

use axum::body::Body;
use http::{HeaderValue, Method, Request, StatusCode, header};
use serde_json::{Value, json};
use transire::domain::clock::Timestamp;
use transire::domain::secret::Secret;
use transire::sign::{self, Parameters};

use crate::harness::{ACCOUNT, Answer, App, HOST, Key, Session, headers, to_sign};

/// A call signed with TC3 when it is sent.
pub(crate) struct TencentCall<'a> {
    app: &'a App,
    key: &'a Key,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) method: Method,
    pub(crate) uri: String,
    pub(crate) body: String,
    pub(crate) signed_at: Timestamp,
    pub(crate) scope: &'static str,
}

impl<'a> TencentCall<'a> {
    /// Signs with another key.
    pub(crate) fn by(self, key: &'a Key) -> Self {
        Self { key, ..self }
    }

    /// Replaces a header, or takes it away.
    pub(crate) fn header(mut self, name: &'static str, value: Option<&str>) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self.headers
            .extend(value.map(|value| (name, value.to_owned())));
        self
    }

    pub(crate) fn body(mut self, body: &str) -> Self {
        body.clone_into(&mut self.body);
        self
    }

    /// Signs the call.
    pub(crate) fn request(&self) -> Request<Body> {
        let uri: http::Uri = self.uri.parse().unwrap();
        let mut all = headers(&self.headers);
        all.insert(
            "x-tc-timestamp",
            HeaderValue::from(self.signed_at.unix_seconds()),
        );
        if let Some(token) = &self.key.token {
            all.insert("x-tc-token", HeaderValue::from_str(token).unwrap());
        }
        let signed = to_sign(&self.method, &uri, &all, self.body.as_bytes());
        let line = sign::tc3::authorization(
            &signed,
            "content-type;host",
            self.scope,
            &self.key.signer(),
            self.signed_at,
        )
        .unwrap();
        all.insert(header::AUTHORIZATION, HeaderValue::from_str(&line).unwrap());
        let mut request = Request::builder()
            .method(self.method.clone())
            .uri(uri)
            .body(Body::from(self.body.clone()))
            .unwrap();
        *request.headers_mut() = all;
        request
    }

    pub(crate) async fn send(self) -> Answer {
        self.app.send(self.request()).await
    }
}

/// Returns the output of a call that succeeded.
pub(crate) fn succeeded(answer: &Answer) -> Value {
    let output = answer.json()["Response"].clone();
    assert!(output.get("Error").is_none(), "{}", answer.body);
    output
}

pub(crate) fn puller() -> Value {
    json!([{ "Resource": "team", "Actions": ["tcr:PullRepository"] }])
}

/// Returns a credential that was issued at Tencent's door.
pub(crate) fn credential(answer: &Answer) -> (String, Secret) {
    let output = served(answer);
    (
        output["Username"].as_str().unwrap().to_owned(),
        Secret::new(output["Token"].as_str().unwrap()),
    )
}

/// Checks the envelope and returns the error's code and message.
pub(crate) fn refused(answer: &Answer) -> (String, String) {
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let body = answer.json();
    let response = &body["Response"];
    assert_eq!(
        response["RequestId"].as_str().map(str::len),
        Some(36),
        "{body}"
    );
    let text = |name: &str| {
        response["Error"][name]
            .as_str()
            .unwrap_or_else(|| panic!("no error: {body}"))
            .to_owned()
    };
    (text("Code"), text("Message"))
}

pub(crate) fn code(answer: &Answer) -> String {
    refused(answer).0
}

/// Checks the envelope and returns the output.
pub(crate) fn served(answer: &Answer) -> Value {
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let body = answer.json();
    let response = body["Response"].clone();
    assert!(response.get("Error").is_none(), "{body}");
    assert_eq!(
        response["RequestId"].as_str().map(str::len),
        Some(36),
        "{body}"
    );
    assert!(
        response["Token"].is_string()
            && response["TokenId"].is_string()
            && response["ExpTime"].is_i64(),
        "{body}"
    );
    response
}

/// Calls an operation that succeeds, and returns its output without the request id.
pub(crate) async fn done(app: &App, action: &str, body: &Value) -> Value {
    let answer = app.tencent(action, body).send().await;
    let mut output = answer.json()["Response"].clone();
    let fields = output.as_object_mut().unwrap();
    assert!(
        fields.get("Error").is_none(),
        "{action} {body}: {}",
        answer.body
    );
    assert_eq!(
        fields.remove("RequestId").unwrap().as_str().map(str::len),
        Some(36)
    );
    output
}

/// Calls an operation that is refused, and returns the code.
pub(crate) async fn refusal(app: &App, action: &str, body: &Value) -> String {
    code(&app.tencent(action, body).send().await)
}

/// Puts `more` over `body`; null takes a field away.
pub(crate) fn with(body: &Value, more: &Value) -> Value {
    let mut body = body.clone();
    for (name, value) in more.as_object().unwrap() {
        match value {
            Value::Null => drop(body.as_object_mut().unwrap().remove(name)),
            value => body[name] = value.clone(),
        }
    }
    body
}

/// Returns a field of each item of a list.
pub(crate) fn names<'a>(said: &'a Value, list: &str, name: &str) -> Vec<&'a str> {
    said[list]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item[name].as_str().unwrap())
        .collect()
}

impl App {
    /// Calls an action at the Tencent door, as the SDKs do; what they send is there to be changed
    /// first.
    pub(crate) fn tencent(&self, action: &str, body: &Value) -> TencentCall<'_> {
        TencentCall {
            app: self,
            key: &self.key,
            headers: vec![
                ("host", HOST.to_owned()),
                ("content-type", "application/json".to_owned()),
                ("x-tc-action", action.to_owned()),
                ("x-tc-version", "2019-09-24".to_owned()),
                ("x-tc-region", "ap-guangzhou".to_owned()),
                ("x-tc-language", "en-US".to_owned()),
            ],
            method: Method::POST,
            uri: "/".to_owned(),
            body: body.to_string(),
            signed_at: self.now(),
            scope: "tcr",
        }
    }

    /// Calls an action of Tencent's STS, which has no region.
    pub(crate) fn tencent_sts(&self, action: &str, body: &Value) -> TencentCall<'_> {
        let mut call = self
            .tencent(action, body)
            .header("x-tc-version", Some("2018-08-13"))
            .header("x-tc-region", None);
        call.scope = "sts";
        call
    }

    /// Gets a temporary credential of the Tencent door.
    pub(crate) async fn temporary(&self) -> (String, Secret) {
        let answer = self
            .tencent(
                "CreateInstanceToken",
                &serde_json::json!({ "RegistryId": self.instance.id.as_str() }),
            )
            .send()
            .await
            .json();
        let text = |name: &str| {
            answer["Response"][name]
                .as_str()
                .unwrap_or_else(|| panic!("{answer}"))
                .to_owned()
        };
        (text("Username"), Secret::new(text("Token")))
    }

    pub(crate) async fn temporary_of(&self, registry: &str) -> (String, Secret) {
        self.wait(Duration::from_secs(1));
        let answer = self
            .tencent("CreateInstanceToken", &json!({ "RegistryId": registry }))
            .send()
            .await
            .json();
        let text = |name: &str| {
            answer["Response"][name]
                .as_str()
                .unwrap_or_else(|| panic!("{answer}"))
                .to_owned()
        };
        (text("Username"), Secret::new(text("Token")))
    }

    pub(crate) fn make_credential(&self) -> Request<Body> {
        self.tencent(
            "CreateInstanceToken",
            &json!({ "RegistryId": self.instance.id.as_str(), "TokenType": "longterm" }),
        )
        .request()
    }

    pub(crate) async fn credentials(&self) -> Vec<Value> {
        let listed = self
            .tcr(
                "DescribeInstanceToken",
                json!({ "RegistryId": self.instance.id.as_str() }),
            )
            .await;
        listed["Tokens"].as_array().unwrap().clone()
    }

    /// Calls an action of Tencent's, and returns its output without the request's id.
    pub(crate) async fn tcr(&self, action: &str, body: Value) -> Value {
        // A signature of Tencent's goes with one action, so each call has a second of its own.
        self.wait(Duration::from_secs(1));
        let answer = self.tencent(action, &body).send().await.json();
        let mut output = answer["Response"].clone();
        assert!(output.get("Error").is_none(), "{action} {body}: {answer}");
        assert_eq!(
            output
                .as_object_mut()
                .unwrap()
                .remove("RequestId")
                .unwrap()
                .as_str()
                .map(str::len),
            Some(36)
        );
        output
    }

    /// Calls an action of Tencent's that is refused, and returns the code.
    pub(crate) async fn tcr_refused(&self, action: &str, body: Value) -> String {
        self.wait(Duration::from_secs(1));
        code(&self.tencent(action, &body).send().await)
    }

    /// Makes an instance at Tencent's door, and returns its two ids.
    pub(crate) async fn made(&self, name: &str) -> (String, String) {
        let output = self
            .tcr(
                "CreateInstance",
                json!({ "RegistryName": name, "RegistryType": "standard" }),
            )
            .await;
        let tcr = output["RegistryId"].as_str().unwrap().to_owned();
        let listed = self.cr("ListInstance", &[("InstanceName", name)]).await;
        (
            tcr,
            listed["Instances"][0]["InstanceId"]
                .as_str()
                .unwrap()
                .to_owned(),
        )
    }

    /// Calls an action about the instance at Tencent's door.
    pub(crate) async fn ask(&self, action: &str, parameters: &Value) -> Answer {
        let mut body = json!({ "RegistryId": self.instance.id.as_str() });
        body.as_object_mut()
            .unwrap()
            .extend(parameters.as_object().unwrap().clone());
        self.call(action, &body).await
    }

    /// Calls an action at Tencent's door in a second of its own: two actions of the same body and
    /// the same second have the same signature, and the second one is refused.
    pub(crate) async fn call(&self, action: &str, body: &Value) -> Answer {
        let mut call = self.tencent(action, body);
        call.signed_at = call
            .signed_at
            .minus(std::time::Duration::from_secs(self.nonce() % 250));
        call.send().await
    }

    /// Returns what an action about the instance says, without the request's id.
    pub(crate) async fn told(&self, action: &str, parameters: Value) -> Value {
        let answer = self.ask(action, &parameters).await;
        let mut said = answer.json()["Response"].take();
        assert!(said.get("Error").is_none(), "{action} {parameters}: {said}");
        assert!(
            said.as_object_mut()
                .unwrap()
                .remove("RequestId")
                .is_some_and(|id| id.is_string()),
            "{said}"
        );
        said
    }

    pub(crate) async fn refused(&self, action: &str, parameters: Value) -> String {
        code(&self.ask(action, &parameters).await)
    }

    /// Checks that an action about the instance is refused in each case, with the case's code.
    pub(crate) async fn refuses<'a>(
        &self,
        action: &str,
        cases: impl IntoIterator<Item = (Value, &'a str)>,
    ) {
        for (parameters, expected) in cases {
            assert_eq!(
                self.refused(action, parameters.clone()).await,
                expected,
                "{action} {parameters}"
            );
        }
    }

    /// Checks that an action is refused for an instance that is another account's, or none.
    pub(crate) async fn refuses_other_instances(&self, action: &str, mut body: Value) {
        for (id, expected) in [
            (
                json!(self.foreign_instance.id.as_str()),
                "ResourceNotFound.TcrResourceNotFound",
            ),
            (
                json!("tcr-00000000"),
                "ResourceNotFound.TcrResourceNotFound",
            ),
            (json!("nonsense"), "ResourceNotFound.TcrResourceNotFound"),
            (json!(null), "MissingParameter"),
        ] {
            body["RegistryId"] = id;
            assert_eq!(
                code(&self.call(action, &body).await),
                expected,
                "{action} {body}"
            );
        }
    }

    /// Calls an action on the service account `robot`.
    pub(crate) async fn of_robot(&self, key: &Key, action: &str, more: &Value) -> Answer {
        // A second later: two calls with one body would share a signature.
        self.wait(Duration::from_secs(1));
        let body = with(
            &json!({ "RegistryId": self.instance.id.as_str(), "Name": "robot" }),
            more,
        );
        self.tencent(action, &body).by(key).send().await
    }

    /// Makes `robot` anew with these permissions; returns its password.
    pub(crate) async fn robot_of(&self, key: &Key, permissions: &Value) -> String {
        let made = succeeded(
            &self
                .of_robot(
                    key,
                    "CreateServiceAccount",
                    &json!({ "Permissions": permissions }),
                )
                .await,
        );
        made["Password"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn long_term_of(&self, key: &Key) -> (String, String) {
        self.wait(Duration::from_secs(1));
        let body = json!({ "RegistryId": self.instance.id.as_str(), "TokenType": "longterm" });
        let made = succeeded(
            &self
                .tencent("CreateInstanceToken", &body)
                .by(key)
                .send()
                .await,
        );
        (
            made["TokenId"].as_str().unwrap().to_owned(),
            made["Token"].as_str().unwrap().to_owned(),
        )
    }

    pub(crate) async fn of_token(&self, key: &Key, action: &str, id: &str, more: &Value) -> Answer {
        self.wait(Duration::from_secs(1));
        let body = with(
            &json!({ "RegistryId": self.instance.id.as_str(), "TokenId": id }),
            more,
        );
        self.tencent(action, &body).by(key).send().await
    }

    /// Says which service account of the instance is meant, and more.
    pub(crate) fn robot(&self, more: &Value) -> Value {
        with(
            &json!({ "RegistryId": self.instance.id.as_str(), "Name": "robot" }),
            more,
        )
    }

    /// Makes the service account `robot`, which may pull from `team`; returns its password.
    pub(crate) async fn create_robot(&self, more: &Value) -> String {
        let created = done(
            self,
            "CreateServiceAccount",
            &with(&self.robot(&json!({ "Permissions": puller() })), more),
        )
        .await;
        created["Password"].as_str().unwrap().to_owned()
    }

    /// Returns the list of service accounts.
    pub(crate) async fn accounts(&self, more: &Value) -> Value {
        done(
            self,
            "DescribeServiceAccounts",
            &with(&self.registry_id(), more),
        )
        .await
    }

    /// Assumes a role at Tencent's door.
    pub(crate) async fn tencent_session(&self, key: &Key, role: &str, more: &Value) -> Session {
        Session::of_tencent(&self.assume_at_tencent(key, role, more).await)
    }

    pub(crate) async fn assume_at_tencent(&self, key: &Key, role: &str, more: &Value) -> Answer {
        let mut body = json!({
            "RoleArn": format!("qcs::cam::uin/{ACCOUNT}:roleName/{role}"),
            "RoleSessionName": "test",
        });
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        self.tencent_sts("AssumeRole", &body).by(key).send().await
    }

    /// Asks for a temporary credential at Tencent's door.
    pub(crate) async fn tencent_credential(&self, key: &Key) -> Answer {
        self.tencent(
            "CreateInstanceToken",
            &json!({ "RegistryId": self.instance.id.as_str() }),
        )
        .by(key)
        .send()
        .await
    }

    /// Calls `CreateInstanceToken` with v1 parameters.
    pub(crate) fn v1(
        &self,
        method: &Method,
        signature: sign::Method,
        change: impl FnOnce(&mut Parameters),
    ) -> Request<Body> {
        let mut parameters = Parameters::default();
        for (name, value) in [
            ("Action", "CreateInstanceToken"),
            ("Version", "2019-09-24"),
            ("Region", "ap-guangzhou"),
            ("Language", "en-US"),
            ("RequestClient", "SDK_PYTHON_3.1.195"),
            ("RegistryId", self.instance.id.as_str()),
        ] {
            parameters.set(name, value);
        }
        change(&mut parameters);
        let host = headers(&[("host", HOST.to_owned())]);
        let uri = http::Uri::from_static("/");
        let request = to_sign(method, &uri, &host, b"");
        let signed = sign::tencent_v1::sign(
            &request,
            parameters,
            signature,
            &self.signer(),
            self.now(),
            self.nonce(),
        )
        .unwrap()
        .encode();
        let request = Request::builder()
            .method(method.clone())
            .header(header::HOST, HOST)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if *method == Method::GET {
            request
                .uri(format!("/?{signed}"))
                .body(Body::empty())
                .unwrap()
        } else {
            request.uri("/").body(Body::from(signed)).unwrap()
        }
    }

    pub(crate) fn registry_id(&self) -> Value {
        json!({ "RegistryId": self.instance.id.as_str() })
    }

    /// Makes a long-term credential; returns its id and its secret.
    pub(crate) async fn long_term(&self, description: &str) -> (String, String) {
        let made = done(
            self,
            "CreateInstanceToken",
            &with(
                &self.registry_id(),
                &json!({ "TokenType": "longterm", "Desc": description }),
            ),
        )
        .await;
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        (text("TokenId"), text("Token"))
    }
}

/// An app with the namespace `team`, and in it the repository `app`.
pub(crate) async fn a_namespace_with_a_repository() -> App {
    let app = App::new().await;
    app.told(
        "CreateNamespace",
        json!({ "NamespaceName": "team", "IsPublic": false }),
    )
    .await;
    app.told(
        "CreateRepository",
        json!({ "NamespaceName": "team", "RepositoryName": "app" }),
    )
    .await;
    app
}
