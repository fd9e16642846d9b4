//! Calls at Alibaba's API, signed as its SDKs sign, and its answers.

use axum::body::Body;
use http::{Method, Request, StatusCode, header};
use serde_json::{Value, json};
use transire::domain::clock::Timestamp;
use transire::domain::credential::SecretKind;
use transire::sign::{self, Parameters};

use crate::harness::{ACCOUNT, Answer, App, HOST, Key, Session, headers, to_sign};

/// A call signed with ACS3 when it is sent.
pub(crate) struct AlibabaCall<'a> {
    app: &'a App,
    key: &'a Key,
    pub(crate) action: String,
    pub(crate) version: String,
    pub(crate) method: Method,
    pub(crate) uri: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
    pub(crate) signed_at: Timestamp,
    pub(crate) nonce: String,
}

impl<'a> AlibabaCall<'a> {
    /// Signs with another key.
    pub(crate) fn by(self, key: &'a Key) -> Self {
        Self { key, ..self }
    }

    /// Replaces a header.
    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value.to_owned()));
        self
    }

    /// Signs the call.
    pub(crate) fn request(&self) -> Request<Body> {
        let uri: http::Uri = self.uri.parse().unwrap();
        let mut all = headers(&self.headers);
        let signed = to_sign(&self.method, &uri, &all, self.body.as_bytes());
        let added = sign::acs3::sign(
            &signed,
            &self.action,
            &self.version,
            &self.key.signer(),
            self.signed_at,
            &self.nonce,
        )
        .unwrap();
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

#[derive(Clone, Copy)]
pub(crate) enum Place {
    Query,
    Form,
    Split,
}

/// Checks the envelope and returns status, code and message.
pub(crate) fn refused(answer: &Answer) -> (u16, String, String) {
    assert_eq!(
        answer.header("content-type"),
        Some("application/json;charset=utf-8")
    );
    let body = answer.json();
    let text = |name: &str| {
        body[name]
            .as_str()
            .unwrap_or_else(|| panic!("no {name}: {body}"))
            .to_owned()
    };
    let id = text("RequestId");
    assert_eq!(answer.header("x-acs-request-id"), Some(id.as_str()));
    assert_eq!(id, id.to_uppercase());
    assert_eq!(text("HostId"), HOST);
    assert_eq!(
        text("Recommend"),
        format!(
            "https://api.aliyun.com/troubleshoot?q={}&product=cr&requestId={id}",
            text("Code")
        )
    );
    (answer.status.as_u16(), text("Code"), text("Message"))
}

pub(crate) fn code(answer: &Answer) -> String {
    refused(answer).1
}

/// Checks the envelope and returns the output.
pub(crate) fn served(answer: &Answer) -> Value {
    let body = answer.json();
    assert_eq!(answer.status, StatusCode::OK, "{body}");
    assert_eq!(
        answer.header("content-type"),
        Some("application/json;charset=utf-8")
    );
    assert_eq!(
        body["RequestId"].as_str(),
        answer.header("x-acs-request-id")
    );
    let names: Vec<&String> = body.as_object().unwrap().keys().collect();
    assert_eq!(
        names,
        [
            "AuthorizationToken",
            "Code",
            "ExpireTime",
            "IsSuccess",
            "RequestId",
            "TempUsername"
        ]
    );
    assert_eq!(
        (
            body["Code"].as_str(),
            body["IsSuccess"].as_bool(),
            body["TempUsername"].as_str()
        ),
        (Some("success"), Some(true), Some("cr_temp_user"))
    );
    assert!(
        SecretKind::Temporary
            .read(body["AuthorizationToken"].as_str().unwrap())
            .is_some()
    );
    body
}

/// Returns status and code of a refusal of Alibaba's.
pub(crate) fn alibaba_code(answer: &Answer) -> (u16, String) {
    let body = answer.json();
    (
        answer.status.as_u16(),
        body["Code"]
            .as_str()
            .unwrap_or_else(|| panic!("{body}"))
            .to_owned(),
    )
}

/// The parameters of a refused call, and its status and code.
type Refused<'a> = (&'a [(&'a str, &'a str)], u16, &'a str);

impl App {
    /// Calls an action at the Alibaba door with ACS3, as the current SDKs do.
    pub(crate) fn alibaba(&self, action: &str, query: &[(&str, &str)]) -> AlibabaCall<'_> {
        let pairs = query
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let query = Parameters::from_pairs(pairs).unwrap().encode();
        AlibabaCall {
            app: self,
            key: &self.key,
            action: action.to_owned(),
            version: "2018-12-01".to_owned(),
            method: Method::POST,
            uri: if query.is_empty() {
                "/".to_owned()
            } else {
                format!("/?{query}")
            },
            headers: vec![
                ("host", HOST.to_owned()),
                ("accept", "application/json".to_owned()),
            ],
            body: String::new(),
            signed_at: self.now(),
            nonce: format!("nonce-{}", self.nonce()),
        }
    }

    /// Calls an action of Alibaba's STS.
    pub(crate) fn alibaba_sts(&self, action: &str, query: &[(&str, &str)]) -> AlibabaCall<'_> {
        AlibabaCall {
            version: "2015-04-01".to_owned(),
            ..self.alibaba(action, query)
        }
    }

    pub(crate) fn get_token(&self) -> AlibabaCall<'_> {
        self.alibaba(
            "GetAuthorizationToken",
            &[("InstanceId", self.instance.cri_id.as_str())],
        )
    }

    pub(crate) fn rpc_parameters(&self, pairs: &[(&str, &str)]) -> Parameters {
        let mut parameters = Parameters::default();
        for (name, value) in [
            ("Action", "GetAuthorizationToken"),
            ("Version", "2018-12-01"),
            ("InstanceId", self.instance.cri_id.as_str()),
        ]
        .iter()
        .chain(pairs)
        {
            parameters.set(name, *value);
        }
        parameters
    }

    /// Calls `GetAuthorizationToken` with RPC V1: by GET, by POST with a query, or by POST with a
    /// form.
    pub(crate) fn rpc(
        &self,
        method: Method,
        place: Place,
        pairs: &[(&str, &str)],
    ) -> Request<Body> {
        let nonce = format!("rpc-{}", self.nonce());
        let signed = sign::alibaba_rpc::sign(
            method.as_str(),
            self.rpc_parameters(pairs),
            &self.signer(),
            self.now(),
            &nonce,
        );
        let request = Request::builder()
            .method(method)
            .header(header::HOST, HOST)
            .header("x-acs-action", "GetAuthorizationToken");
        let form = "application/x-www-form-urlencoded";
        match place {
            Place::Query => request
                .uri(format!("/?{}", signed.encode()))
                .body(Body::empty()),
            Place::Form => request
                .uri("/")
                .header(header::CONTENT_TYPE, form)
                .body(Body::from(signed.encode())),
            Place::Split => {
                let (query, body): (Vec<_>, Vec<_>) = signed
                    .into_iter()
                    .partition(|(name, _)| name != "InstanceId");
                let encode = |pairs| Parameters::from_pairs(pairs).unwrap().encode();
                request
                    .uri(format!("/?{}", encode(query)))
                    .header(header::CONTENT_TYPE, form)
                    .body(Body::from(encode(body)))
            }
        }
        .unwrap()
    }

    /// Calls `GET /tokens` with ROA V1.
    pub(crate) fn roa(&self, path: &str, nonce: Option<&str>) -> Request<Body> {
        let mut headers = headers(&[
            ("host", HOST.to_owned()),
            ("accept", "application/json".to_owned()),
        ]);
        let uri: http::Uri = path.parse().unwrap();
        let request = to_sign(&Method::GET, &uri, &headers, b"");
        let added =
            sign::alibaba_roa::sign(&request, "2016-06-07", &self.signer(), self.now(), nonce)
                .unwrap();
        headers.extend(added);
        let mut request = Request::get(uri).body(Body::empty()).unwrap();
        *request.headers_mut() = headers;
        request
    }

    /// Calls an action of Alibaba's, and returns its output without what every output has.
    pub(crate) async fn cr(&self, action: &str, query: &[(&str, &str)]) -> Value {
        let answer = self.alibaba(action, query).send().await;
        let mut output = answer.json();
        assert_eq!(answer.status.as_u16(), 200, "{action} {query:?}: {output}");
        let fields = output.as_object_mut().unwrap();
        assert!(fields.remove("RequestId").is_some_and(|id| id.is_string()));
        if !action.ends_with("TagResources")
            && !action.ends_with("TagResource")
            && !action.starts_with("Untag")
        {
            assert_eq!(
                (fields.remove("Code"), fields.remove("IsSuccess")),
                (Some(json!("success")), Some(json!(true)))
            );
        }
        output
    }

    /// Calls an action of Alibaba's that is refused, and returns status and code.
    pub(crate) async fn cr_refused(&self, action: &str, query: &[(&str, &str)]) -> (u16, String) {
        let answer = self.alibaba(action, query).send().await;
        (
            answer.status.as_u16(),
            answer.json()["Code"].as_str().unwrap().to_owned(),
        )
    }

    /// Calls an action about the instance at Alibaba's door.
    pub(crate) async fn ask_cr(&self, action: &str, parameters: &[(&str, &str)]) -> Answer {
        let instance = ("InstanceId", self.instance.cri_id.as_str());
        self.alibaba(action, &[&[instance], parameters].concat())
            .send()
            .await
    }

    /// Returns what an action about the instance says, without what every answer has.
    pub(crate) async fn told_cr(&self, action: &str, parameters: &[(&str, &str)]) -> Value {
        let answer = self.ask_cr(action, parameters).await;
        assert_eq!(
            answer.status, 200,
            "{action} {parameters:?}: {}",
            answer.body
        );
        let mut said = answer.json();
        let fields = said.as_object_mut().unwrap();
        assert!(fields.remove("RequestId").is_some_and(|id| id.is_string()));
        assert_eq!(
            (fields.remove("Code"), fields.remove("IsSuccess")),
            (Some(json!("success")), Some(json!(true)))
        );
        said
    }

    pub(crate) async fn refused_cr(
        &self,
        action: &str,
        parameters: &[(&str, &str)],
    ) -> (u16, String) {
        let answer = self.ask_cr(action, parameters).await;
        (
            answer.status.as_u16(),
            answer.json()["Code"]
                .as_str()
                .unwrap_or_else(|| panic!("{}", answer.body))
                .to_owned(),
        )
    }

    /// Checks that an action about the instance is refused in each case, with the case's status and
    /// code.
    pub(crate) async fn refuses_cr(&self, action: &str, cases: &[Refused<'_>]) {
        for (parameters, status, expected) in cases {
            assert_eq!(
                self.refused_cr(action, parameters).await,
                (*status, (*expected).to_owned()),
                "{action} {parameters:?}"
            );
        }
    }

    pub(crate) async fn reset_login_password(&self, password: &str) -> Answer {
        self.alibaba(
            "ResetLoginPassword",
            &[
                ("InstanceId", self.instance.cri_id.as_str()),
                ("Password", password),
            ],
        )
        .send()
        .await
    }

    /// Assumes a role at Alibaba's door.
    pub(crate) async fn alibaba_session(
        &self,
        key: &Key,
        role: &str,
        more: &[(&str, &str)],
    ) -> Session {
        Session::of_alibaba(&self.assume_at_alibaba(key, role, more).await)
    }

    pub(crate) async fn assume_at_alibaba(
        &self,
        key: &Key,
        role: &str,
        more: &[(&str, &str)],
    ) -> Answer {
        let arn = format!("acs:ram::{ACCOUNT}:role/{role}");
        let usual = [("RoleArn", arn.as_str()), ("RoleSessionName", "test")].into_iter();
        let usual = usual.filter(|(name, _)| more.iter().all(|(other, _)| other != name));
        let query: Vec<_> = usual.chain(more.iter().copied()).collect();
        self.alibaba_sts("AssumeRole", &query).by(key).send().await
    }
}

impl App {
    /// Asserts that a list is of an instance of the caller's account, and names one.
    pub(crate) async fn lists_in_own_instances_alone(&self, action: &str) {
        for id in [
            self.foreign_instance.cri_id.as_str(),
            "cri-0000000000000000",
            "nonsense",
        ] {
            let answer = self.alibaba(action, &[("InstanceId", id)]).send().await;
            assert_eq!(
                (answer.status.as_u16(), answer.json()["Code"].clone()),
                (404, json!("INSTANCE_NOT_EXIST")),
                "{id}"
            );
        }
        assert_eq!(
            self.alibaba(action, &[]).send().await.json()["Code"],
            "MissingInstanceId"
        );
    }
}
