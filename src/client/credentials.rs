//! The way to a log-in of a registry: a job's token as it is, or a credential that a key gets.

use std::path::PathBuf;

use crate::client::cloud::{CloudApi, Kind};
use crate::client::endpoint::{Endpoint, outgoing};
use crate::client::environment::Environment;
use crate::client::exchange::{Subject, Terms, exchange};
use crate::client::job_token::{JobToken, Sources, expiry};
use crate::client::keys::{Api, FoundKey};
use crate::client::log_in::LogIn;
use crate::client::profile::RegistryProfile;
use crate::domain::instance::AnyInstanceId;
use crate::domain::{Error, Result};
use crate::remote;

/// The username of a token whose role the trust policies find.
const ANY_ROLE: &str = "jwt";
/// The way to a registry's credentials, as a command, the variables and the profile say it.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// The service's URL.
    pub endpoint: Option<String>,
    /// The instance's id, or its service.
    pub instance: Option<String>,
    /// The role that a token logs in as.
    pub role: Option<String>,
    /// The places of a job's token.
    pub sources: Sources,
    /// Certificates of authorities that are trusted besides the system's, PEM.
    pub ca_file: Option<PathBuf>,
    /// The terms that make a log-in less than its proof.
    pub terms: Terms,
}

/// The proof that a client found.
#[derive(Debug)]
pub enum Proof {
    /// An access key of a cloud's API.
    Key(FoundKey),
    /// A job's token.
    Token(JobToken),
}

impl Wanted {
    /// Adds what the variables say, and then the profile, where the command says nothing.
    #[must_use]
    pub fn or_of(self, environment: &Environment, profile: Option<&RegistryProfile>) -> Self {
        let variable = |name: &str| environment.variable(name).map(str::to_owned);
        let of = |field: fn(&RegistryProfile) -> &Option<String>| {
            profile.and_then(|profile| field(profile).clone())
        };
        Self {
            endpoint: self
                .endpoint
                .or_else(|| variable("TRANSIRE_ENDPOINT"))
                .or_else(|| of(|profile| &profile.endpoint)),
            instance: self
                .instance
                .or_else(|| variable("TRANSIRE_INSTANCE"))
                .or_else(|| of(|profile| &profile.instance)),
            role: self
                .role
                .or_else(|| variable("TRANSIRE_ROLE"))
                .or_else(|| of(|profile| &profile.role)),
            sources: self.sources.or_of(profile),
            ca_file: self
                .ca_file
                .or_else(|| profile.and_then(|profile| profile.ca_file.clone())),
            terms: self.terms,
        }
    }

    /// Returns the service's endpoint.
    ///
    /// # Errors
    /// `MissingParameter` when nobody named one, `InvalidParameter` for one that isn't taken.
    pub fn endpoint(&self) -> Result<Endpoint> {
        let text = self.endpoint.as_deref().ok_or_else(|| {
            Error::invalid_parameter(
                "endpoint",
                "name the service: --endpoint, TRANSIRE_ENDPOINT, or the client's profile",
            )
        })?;
        Endpoint::parse(text)
    }

    /// Returns a client that trusts what the user trusts.
    pub fn client(&self) -> remote::Client {
        outgoing(self.ca_file.clone())
    }

    /// Finds what proves this client: the token that the user names, or else a key, or else the
    /// token of the job.
    ///
    /// # Errors
    /// `Misconfigured` when there is neither, or it can't be read.
    pub async fn proof(&self, environment: &Environment) -> Result<Proof> {
        let names_token =
            self.role.is_some() || self.sources.file.is_some() || self.sources.variable.is_some();
        if !names_token && let Some(key) = self.key(environment)? {
            return Ok(Proof::Key(key));
        }
        if let Some(token) = self.sources.find(environment, &self.client()).await? {
            return Ok(Proof::Token(token));
        }
        Err(Error::misconfigured(
            "there is neither an access key nor an OpenID Connect token: set \
             TENCENTCLOUD_SECRET_ID and TENCENTCLOUD_SECRET_KEY, or ALIBABA_CLOUD_ACCESS_KEY_ID \
             and ALIBABA_CLOUD_ACCESS_KEY_SECRET, or TRANSIRE_ID_TOKEN",
        ))
    }

    /// Returns the key for the instance's own API, or the other cloud's: a permanent key signs for
    /// both, and a session's for its own alone.
    fn key(&self, environment: &Environment) -> Result<Option<FoundKey>> {
        let own = match self.instance_id() {
            Some(AnyInstanceId::Cri(_)) => Api::Alibaba,
            _ => Api::Tencent,
        };
        if let Some(key) = FoundKey::find(environment, own)? {
            return Ok(Some(key));
        }
        for api in Api::ALL {
            if let Some(key) = FoundKey::find(environment, api)?
                && key.session_token.is_none()
            {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }

    fn instance_id(&self) -> Option<AnyInstanceId> {
        self.instance.as_deref()?.parse().ok()
    }

    /// Gets a log-in.
    ///
    /// # Errors
    /// `Misconfigured` when there is no proof, or the service refuses it; `InvalidParameter` for
    /// an endpoint or an instance that isn't taken.
    pub async fn log_in(&self, environment: &Environment) -> Result<LogIn> {
        match self.proof(environment).await? {
            Proof::Token(token) => self.log_in_with(token).await,
            Proof::Key(key) => self.issue(&key).await,
        }
    }

    /// Gets a log-in by this key from the service.
    ///
    /// # Errors
    /// As [`Self::log_in`].
    pub async fn issue(&self, key: &FoundKey) -> Result<LogIn> {
        let (endpoint, client) = (self.endpoint()?, self.client());
        let api = CloudApi::new(&client, &endpoint, key);
        let name = self.instance_name()?;
        let credential = match self.instance_id() {
            Some(AnyInstanceId::Cri(id)) => api.get_authorization_token(id.as_str()).await?,
            Some(AnyInstanceId::Tcr(id)) => {
                api.create_instance_token(id.as_str(), Kind::Temporary)
                    .await?
            }
            None => {
                let id = api.registry_id_of(name).await?;
                api.create_instance_token(&id, Kind::Temporary).await?
            }
        };
        let log_in = LogIn {
            username: credential.username,
            secret: credential.secret,
            expires_at: Some(credential.expires_at),
            source: key.to_string(),
        };
        if !self.terms.are_set() {
            return Ok(log_in);
        }
        let narrower = self.exchange(&Subject::Credential(&log_in)).await?;
        Ok(LogIn {
            source: log_in.source,
            ..narrower
        })
    }

    /// Gets a log-in by a token: on its terms, or else the token as it is.
    ///
    /// # Errors
    /// As [`Self::log_in`].
    pub async fn log_in_with(&self, found: JobToken) -> Result<LogIn> {
        if !self.terms.are_set() {
            return Ok(self.log_in_by(found));
        }
        let subject = Subject::Token(&found.token, self.role.as_deref());
        Ok(LogIn {
            source: found.source.clone(),
            ..self.exchange(&subject).await?
        })
    }

    async fn exchange(&self, subject: &Subject<'_>) -> Result<LogIn> {
        let (endpoint, client) = (self.endpoint()?, self.client());
        exchange(
            &client,
            &endpoint,
            self.instance_name()?,
            subject,
            &self.terms,
        )
        .await
    }

    fn instance_name(&self) -> Result<&str> {
        self.instance.as_deref().ok_or_else(|| {
            Error::invalid_parameter(
                "instance",
                "name the instance: --instance, TRANSIRE_INSTANCE, or the client's profile",
            )
        })
    }

    /// Returns the service of the instance, where the user named it by that: registries are named
    /// so.
    pub fn service(&self) -> Option<&str> {
        let name = self.instance.as_deref()?;
        self.instance_id().is_none().then_some(name)
    }

    /// Makes a log-in of a token: it is the password as it is.
    pub fn log_in_by(&self, JobToken { token, source }: JobToken) -> LogIn {
        LogIn {
            username: self.role.clone().unwrap_or_else(|| ANY_ROLE.to_owned()),
            expires_at: expiry(&token),
            secret: token,
            source,
        }
    }
}
