//! A cloud API client: it signs as the clouds' own SDKs do.

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderValue, Request, Response};
use serde_json::{Value, json};

use super::wire::Http;
use crate::domain::clock::{Clock, SystemClock, SystemRandom, random_bytes};
use crate::domain::secret::Secret;
use crate::domain::{Error, Result};
use crate::service::NewAccessKey;
use crate::sign::{self, Signer, SigningSecret, acs3, tc3};

/// A credential as a cloud API gave it.
pub(super) struct Credential {
    /// The call that gave it.
    pub(super) operation: String,
    pub(super) username: String,
    pub(super) secret: Secret,
}

pub(super) struct Cloud<'a> {
    http: Http,
    endpoint: &'a str,
    access_key_id: &'a str,
    secret: SigningSecret,
}

impl<'a> Cloud<'a> {
    pub(super) fn new(endpoint: &'a str, key: &'a NewAccessKey) -> Self {
        Self {
            http: Http::new(),
            endpoint,
            access_key_id: &key.id,
            secret: SigningSecret::new(key.secret.clone()),
        }
    }

    fn signer(&self) -> Signer<'_> {
        Signer {
            access_key_id: self.access_key_id,
            secret: &self.secret,
            session_token: None,
        }
    }

    /// Calls Tencent Cloud's CreateInstanceToken, signed with TC3-HMAC-SHA256.
    pub(super) async fn create_instance_token(
        &self,
        registry_id: &str,
        token_type: &str,
    ) -> Result<Credential> {
        let body = json!({ "RegistryId": registry_id, "TokenType": token_type, "Desc": "made by the quickstart" }).to_string();
        let now = SystemClock.now();
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(
            "x-tc-action",
            HeaderValue::from_static("CreateInstanceToken"),
        );
        headers.insert("x-tc-version", HeaderValue::from_static("2019-09-24"));
        headers.insert("x-tc-region", HeaderValue::from_static(super::REGION));
        headers.insert("x-tc-timestamp", HeaderValue::from(now.unix_seconds()));
        let request = sign::Request {
            method: "POST",
            path: "/",
            query: "",
            host: self.endpoint,
            headers: &headers,
            body: body.as_bytes(),
        };
        let authorization =
            tc3::authorization(&request, "content-type;host", "tcr", &self.signer(), now)?;
        headers.insert(
            AUTHORIZATION,
            HeaderValue::from_str(&authorization).map_err(Error::internal)?,
        );
        let answer = self.post("/", headers, body.into_bytes()).await?;
        let answer: Value = serde_json::from_slice(answer.body()).map_err(Error::internal)?;
        let text = |name: &str| answer["Response"][name].as_str().map(str::to_owned);
        credential(
            format!("CreateInstanceToken (TokenType {token_type})"),
            text("Username"),
            text("Token"),
            &answer["Response"]["Error"],
        )
    }

    /// Calls Alibaba Cloud's GetAuthorizationToken, signed with ACS3-HMAC-SHA256.
    pub(super) async fn get_authorization_token(&self, instance_id: &str) -> Result<Credential> {
        let query = format!("InstanceId={instance_id}");
        let nonce = hex::encode(random_bytes::<16>(&SystemRandom));
        let headers = HeaderMap::new();
        let request = sign::Request {
            method: "POST",
            path: "/",
            query: &query,
            host: self.endpoint,
            headers: &headers,
            body: b"",
        };
        let headers = acs3::sign(
            &request,
            "GetAuthorizationToken",
            "2018-12-01",
            &self.signer(),
            SystemClock.now(),
            &nonce,
        )?;
        let answer = self
            .post(&format!("/?{query}"), headers, Vec::new())
            .await?;
        let answer: Value = serde_json::from_slice(answer.body()).map_err(Error::internal)?;
        let text = |name: &str| answer[name].as_str().map(str::to_owned);
        credential(
            "GetAuthorizationToken".to_owned(),
            text("TempUsername"),
            text("AuthorizationToken"),
            &answer,
        )
    }

    async fn post(
        &self,
        target: &str,
        headers: HeaderMap,
        body: Vec<u8>,
    ) -> Result<Response<Bytes>> {
        let mut request = Request::post(format!("http://{}{target}", self.endpoint))
            .body(body)
            .map_err(Error::internal)?;
        *request.headers_mut() = headers;
        request.headers_mut().insert(
            HOST,
            HeaderValue::from_str(self.endpoint).map_err(Error::internal)?,
        );
        self.http.send(request).await
    }
}

fn credential(
    operation: String,
    username: Option<String>,
    secret: Option<String>,
    error: &Value,
) -> Result<Credential> {
    match (username, secret) {
        (Some(username), Some(secret)) => Ok(Credential {
            operation,
            username,
            secret: Secret::new(secret),
        }),
        _ => Err(Error::misconfigured(format!(
            "{operation} was refused: {} {}",
            error["Code"], error["Message"]
        ))),
    }
}
