//! Calls at AWS's APIs, signed as its SDKs sign, and their answers.

use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Method, Request, StatusCode};
use serde_json::Value;
use transire::domain::clock::Timestamp;
use transire::domain::secret::Secret;
use transire::sign::{Parameters, sigv4};

use crate::harness::{Answer, App, HOST, Key, Session, headers, to_sign};

/// A call that is signed when it is sent.
pub(crate) struct AwsCall<'a> {
    app: &'a App,
    key: &'a Key,
    pub(crate) service: &'static str,
    pub(crate) method: Method,
    pub(crate) uri: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
    pub(crate) signed_at: Timestamp,
}

impl<'a> AwsCall<'a> {
    /// Signs with another key.
    pub(crate) fn by(self, key: &'a Key) -> Self {
        Self { key, ..self }
    }

    /// Signs the call.
    pub(crate) fn request(&self) -> Request<Body> {
        let uri: http::Uri = self.uri.parse().unwrap();
        let mut all = headers(&self.headers);
        let signed = to_sign(&self.method, &uri, &all, self.body.as_bytes());
        let scope = ("us-east-1", self.service);
        let added = sigv4::sign(&signed, scope, &self.key.signer(), self.signed_at).unwrap();
        all.extend(added);
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

/// Checks the envelope of a refusal of ECR's, and returns status, code and message.
pub(crate) fn refused_by_ecr(answer: &Answer) -> (u16, String, String) {
    assert_eq!(
        answer.header("content-type"),
        Some("application/x-amz-json-1.1")
    );
    let body = answer.json();
    let text = |name: &str| {
        body[name]
            .as_str()
            .unwrap_or_else(|| panic!("no {name}: {body}"))
            .to_owned()
    };
    assert_eq!(
        answer.header("x-amzn-errortype"),
        Some(text("__type").as_str())
    );
    assert!(answer.header("x-amzn-requestid").is_some());
    (answer.status.as_u16(), text("__type"), text("message"))
}

/// Returns the text of an element that stands once.
pub(crate) fn element(answer: &Answer, name: &str) -> String {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let found = answer.body.split_once(&open).and_then(|(_, rest)| {
        let (text, _) = rest.split_once(&close)?;
        Some(text.to_owned())
    });
    found.unwrap_or_else(|| panic!("no {name}: {}", answer.body))
}

/// Checks the envelope of a refusal of STS, and returns status, code and message.
pub(crate) fn refused_by_sts(answer: &Answer) -> (u16, String, String) {
    assert_eq!(answer.header("content-type"), Some("text/xml"));
    assert_eq!(
        Some(element(answer, "RequestId").as_str()),
        answer.header("x-amzn-requestid")
    );
    (
        answer.status.as_u16(),
        element(answer, "Code"),
        element(answer, "Message"),
    )
}

/// Returns the session of an answer of STS.
pub(crate) fn session_of(answer: &Answer) -> Session {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    Session {
        id: element(answer, "AccessKeyId"),
        secret: element(answer, "SecretAccessKey"),
        token: element(answer, "SessionToken"),
    }
}

/// Returns the log-in of an answer of `GetAuthorizationToken`.
pub(crate) fn log_in_of(answer: &Answer) -> (String, Secret) {
    let body = answer.json();
    assert_eq!(answer.status, StatusCode::OK, "{body}");
    let token = body["authorizationData"][0]["authorizationToken"]
        .as_str()
        .unwrap();
    let decoded = String::from_utf8(STANDARD.decode(token).unwrap()).unwrap();
    let parts: Vec<&str> = decoded.split(':').collect();
    assert_eq!(parts.len(), 2, "clients cut at every colon");
    (parts[0].to_owned(), Secret::new(parts[1]))
}

impl App {
    /// Calls an operation of ECR.
    pub(crate) fn ecr(&self, operation: &str, input: &Value) -> AwsCall<'_> {
        let target = format!("AmazonEC2ContainerRegistry_V20150921.{operation}");
        AwsCall {
            app: self,
            key: &self.key,
            service: "ecr",
            method: Method::POST,
            uri: "/".to_owned(),
            headers: vec![
                ("host", HOST.to_owned()),
                ("content-type", "application/x-amz-json-1.1".to_owned()),
                ("x-amz-target", target),
            ],
            body: input.to_string(),
            signed_at: self.now(),
        }
    }

    /// Calls an operation of STS with a form.
    pub(crate) fn aws_sts(&self, operation: &str, parameters: &[(&str, &str)]) -> AwsCall<'_> {
        let pairs = [("Action", operation), ("Version", "2011-06-15")]
            .iter()
            .chain(parameters)
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        AwsCall {
            service: "sts",
            headers: vec![
                ("host", HOST.to_owned()),
                (
                    "content-type",
                    "application/x-www-form-urlencoded; charset=utf-8".to_owned(),
                ),
            ],
            body: Parameters::from_pairs(pairs).unwrap().encode(),
            ..self.ecr("", &Value::Null)
        }
    }
}
