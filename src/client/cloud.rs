//! The clouds' APIs of a service, called with an access key.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::client::endpoint::Endpoint;
use crate::client::keys::{Api, FoundKey};
use crate::client::signed::{self, Operation, SignedRequest};
use crate::domain::clock::{Clock, SystemClock, SystemRandom, Timestamp, random_bytes};
use crate::domain::printable::escape;
use crate::domain::secret::Secret;
use crate::domain::{Error, Result};
use crate::remote;
use crate::sign::{Parameters, Signer, SigningSecret};

/// The most bytes of an answer.
const MAX_ANSWER: usize = 256 << 10;
/// The instances of a page.
const PAGE: usize = 100;

/// A credential that logs in to a registry.
#[derive(Debug)]
pub struct Credential {
    /// The username.
    pub username: String,
    /// The secret.
    pub secret: Secret,
    /// When it stops to log in.
    pub expires_at: Timestamp,
}

/// The life of a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It lives an hour.
    Temporary,
    /// It lives until it is deleted, and is listed under this description.
    LongTerm(&'static str),
}

/// The clouds' APIs of one service.
pub struct CloudApi<'a> {
    client: &'a remote::Client,
    endpoint: &'a Endpoint,
    key: &'a FoundKey,
    secret: SigningSecret,
}

impl<'a> CloudApi<'a> {
    /// Calls the service at `endpoint` with this key.
    pub fn new(client: &'a remote::Client, endpoint: &'a Endpoint, key: &'a FoundKey) -> Self {
        Self {
            client,
            endpoint,
            key,
            secret: SigningSecret::new(key.secret.clone()),
        }
    }

    /// Calls `CreateInstanceToken` of Tencent's API.
    ///
    /// # Errors
    /// `Misconfigured` with the service's own words when it refuses, or doesn't answer.
    pub async fn create_instance_token(&self, registry_id: &str, kind: Kind) -> Result<Credential> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Output {
            username: String,
            token: String,
            exp_time: i64,
        }
        let parameters = match kind {
            Kind::Temporary => json!({ "RegistryId": registry_id, "TokenType": "temp" }),
            Kind::LongTerm(description) => json!({
                "RegistryId": registry_id,
                "TokenType": "longterm",
                "Desc": description,
            }),
        };
        let output: Output = self
            .tencent(Operation::CREATE_INSTANCE_TOKEN, &parameters)
            .await?;
        Ok(Credential {
            username: output.username,
            secret: Secret::new(output.token),
            expires_at: Timestamp::from_unix_millis(output.exp_time),
        })
    }

    /// Calls `GetAuthorizationToken` of Alibaba's API.
    ///
    /// # Errors
    /// As [`Self::create_instance_token`].
    pub async fn get_authorization_token(&self, instance_id: &str) -> Result<Credential> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Output {
            temp_username: String,
            authorization_token: String,
            expire_time: i64,
        }
        let mut parameters = Parameters::default();
        parameters.set("InstanceId", instance_id);
        let output: Output = self
            .alibaba(Operation::GET_AUTHORIZATION_TOKEN, &parameters)
            .await?;
        Ok(Credential {
            username: output.temp_username,
            secret: Secret::new(output.authorization_token),
            expires_at: Timestamp::from_unix_millis(output.expire_time),
        })
    }

    /// Finds the id of the instance that has a service.
    ///
    /// # Errors
    /// As [`Self::create_instance_token`], and `InvalidParameter` when none of the caller's
    /// instances has it.
    pub async fn registry_id_of(&self, service: &str) -> Result<String> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Output {
            total_count: usize,
            registries: Vec<Registry>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Registry {
            registry_id: String,
            public_domain: String,
        }
        let mut seen = 0;
        loop {
            let parameters = json!({ "Offset": seen, "Limit": PAGE, "AllRegion": true });
            let output: Output = self
                .tencent(Operation::DESCRIBE_INSTANCES, &parameters)
                .await?;
            seen += output.registries.len();
            let is_last = output.registries.is_empty() || seen >= output.total_count;
            let found = output
                .registries
                .into_iter()
                .find(|registry| registry.public_domain == service);
            if let Some(registry) = found {
                return Ok(registry.registry_id);
            }
            if is_last {
                let shown = escape(service);
                return Err(Error::invalid_parameter(
                    "instance",
                    format!("none of the caller's instances has the service {shown}"),
                ));
            }
        }
    }

    /// Asks who the service takes the key for: the ARN of the caller.
    ///
    /// # Errors
    /// As [`Self::create_instance_token`].
    pub async fn caller_identity(&self) -> Result<String> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Output {
            arn: String,
        }
        let output: Output = match self.key.api {
            Api::Tencent => {
                self.tencent(Operation::TENCENT_CALLER_IDENTITY, &json!({}))
                    .await?
            }
            Api::Alibaba => {
                self.alibaba(Operation::ALIBABA_CALLER_IDENTITY, &Parameters::default())
                    .await?
            }
        };
        Ok(output.arn)
    }

    async fn tencent<T: for<'de> Deserialize<'de>>(
        &self,
        operation: Operation,
        parameters: &Value,
    ) -> Result<T> {
        let body = parameters.to_string().into_bytes();
        let now = SystemClock.now();
        let host = self.endpoint.authority();
        let request = signed::tencent(operation, host, body, &self.signer(), now)?;
        let answer: Value = self.post(request).await?;
        read(operation, &answer["Response"], &answer["Response"]["Error"])
    }

    async fn alibaba<T: for<'de> Deserialize<'de>>(
        &self,
        operation: Operation,
        parameters: &Parameters,
    ) -> Result<T> {
        let nonce = hex::encode(random_bytes::<16>(&SystemRandom));
        let when = (SystemClock.now(), nonce.as_str());
        let host = self.endpoint.authority();
        let request = signed::alibaba(operation, host, parameters, &self.signer(), when)?;
        let answer: Value = self.post(request).await?;
        read(operation, &answer, &answer)
    }

    fn signer(&self) -> Signer<'_> {
        Signer {
            access_key_id: &self.key.id,
            secret: &self.secret,
            session_token: self.key.session_token.as_ref().map(Secret::expose),
        }
    }

    async fn post(&self, request: SignedRequest) -> Result<Value> {
        let url = self.endpoint.at(&request.target)?;
        let answer = self
            .client
            .post(&url, request.headers, Bytes::from(request.body), MAX_ANSWER)
            .await
            .map_err(|failure| self.endpoint.silent().caused_by(failure))?;
        serde_json::from_slice(answer.body()).map_err(|_| {
            let status = answer.status();
            Error::misconfigured(format!(
                "{} answered {status} without JSON: it is no service of the clouds' APIs",
                self.endpoint
            ))
        })
    }
}

/// Reads the output of an operation, or the error in its place.
fn read<T: for<'de> Deserialize<'de>>(
    operation: Operation,
    output: &Value,
    error: &Value,
) -> Result<T> {
    T::deserialize(output).map_err(|_| {
        let word = |name: &str| escape(error[name].as_str().unwrap_or_default()).into_owned();
        Error::misconfigured(format!(
            "{} was refused: {} {}",
            operation.action,
            word("Code"),
            word("Message")
        ))
    })
}
