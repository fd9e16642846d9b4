//! Rounds that keep one pull secret fresh.

use http::{Method, StatusCode};
use serde_json::Value;

use crate::client::credentials::Wanted;
use crate::client::environment::Environment;
use crate::client::job_token::JobToken;
use crate::client::kubernetes::api_server::{ApiServer, Sent};
pub use crate::client::kubernetes::documents::Life;
use crate::client::kubernetes::documents::{
    PullSecret, Subject, add_pull_secret, event, token_request,
};
use crate::client::log_in::LogIn;
use crate::domain::clock::Timestamp;
use crate::domain::secret::Secret;
use crate::domain::{Error, Result};

/// How often a write is tried that others' writes overtake.
const ATTEMPTS: usize = 3;

/// The pull secret, and the account whose log-in is in it.
#[derive(Clone, Debug)]
pub struct Target {
    /// The namespace of all objects here.
    pub namespace: String,
    /// The Secret's name.
    pub secret: String,
    /// The registry that it logs in to: host, and port where it has one.
    pub registry: String,
    /// The service account whose token logs in; without it, this process's own proof does.
    pub service_account: Option<String>,
    /// Whether the service account's pods get the Secret.
    pub account_use: AccountUse,
}

/// Whether a service account's `imagePullSecrets` are changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountUse {
    /// They are left as they are.
    Left,
    /// The Secret is added to them.
    Added,
}

/// The outcome of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Round {
    /// Whether the Secret was written.
    pub is_written: bool,
    /// The times of the log-in that is in it.
    pub life: Life,
}

/// Keeps one pull secret fresh.
pub struct Refresher<'a> {
    /// The cluster's API server.
    pub api: ApiServer,
    /// The Secret.
    pub target: Target,
    /// The way to its log-in.
    pub wanted: Wanted,
    /// The variables of this process.
    pub environment: &'a Environment,
}

impl Refresher<'_> {
    /// Looks at the Secret, and renews its log-in when half of the life is over, when it is
    /// missing, or when it isn't what this program wrote.
    ///
    /// # Errors
    /// `Misconfigured` with the reason when the API server or the service refuses; the Secret is as
    /// it was.
    pub async fn round(&self, now: Timestamp) -> Result<Round> {
        let account = self.account().await?;
        let settings = self.settings();
        let mut log_in = None;
        for _ in 0..ATTEMPTS {
            let found = self.find().await?;
            let life = found.as_ref().and_then(|found| found.life(&settings));
            if let Some(life) = life.filter(|life| now < life.renew_at) {
                self.give_to_account(account.as_ref()).await?;
                return Ok(Round {
                    is_written: false,
                    life,
                });
            }
            let log_in = match &mut log_in {
                Some(log_in) => log_in,
                none => none.insert(self.log_in().await?),
            };
            let life = life_of(log_in, now)?;
            if self.write(found, log_in, &settings, life).await? == Written::Yes {
                self.give_to_account(account.as_ref()).await?;
                return Ok(Round {
                    is_written: true,
                    life,
                });
            }
        }
        Err(Error::misconfigured(format!(
            "another process writes the Secret {} at the same time",
            self.target.secret
        )))
    }

    /// Writes an event on the service account, or on the Secret where there is none.
    ///
    /// # Errors
    /// `Misconfigured` when the API server refuses or doesn't answer.
    pub async fn record(
        &self,
        renewed: std::result::Result<&str, &str>,
        now: Timestamp,
    ) -> Result<()> {
        let (kind, name, path) = match &self.target.service_account {
            Some(name) => ("ServiceAccount", name, "serviceaccounts"),
            None => ("Secret", &self.target.secret, "secrets"),
        };
        let path = self.path(&format!("{path}/{name}"));
        let reply = self.api.call(Method::GET, &path, Sent::Nothing).await?;
        let object = reply.object_if_there("a look at an event's object")?;
        let subject = Subject::of(kind, name, object.as_ref());
        let event = event(&self.target.namespace, &subject, renewed, now);
        let path = self.path("events");
        let sent = Sent::Object(&event);
        let reply = self.api.call(Method::POST, &path, sent).await?;
        reply.object("an event").map(drop)
    }

    /// Returns a text that is another one whenever the Secret needs another log-in.
    fn settings(&self) -> String {
        let Target {
            registry,
            service_account,
            ..
        } = &self.target;
        format!("{registry:?} {service_account:?} {:?}", self.wanted)
    }

    fn path(&self, rest: &str) -> String {
        format!("{}/{rest}", self.target.namespace)
    }

    async fn account(&self) -> Result<Option<Value>> {
        let Some(name) = &self.target.service_account else {
            return Ok(None);
        };
        let path = self.path(&format!("serviceaccounts/{name}"));
        let reply = self.api.call(Method::GET, &path, Sent::Nothing).await?;
        reply.object("a look at the service account").map(Some)
    }

    async fn find(&self) -> Result<Option<PullSecret>> {
        let path = self.path(&format!("secrets/{}", self.target.secret));
        let reply = self.api.call(Method::GET, &path, Sent::Nothing).await?;
        reply
            .object_if_there("a look at the Secret")?
            .map(PullSecret::take)
            .transpose()
    }

    /// Gets a log-in: of the service account's own token, or by this process's proof.
    async fn log_in(&self) -> Result<LogIn> {
        let Some(name) = &self.target.service_account else {
            return self.wanted.log_in(self.environment).await;
        };
        let audience = self.wanted.sources.audience.as_deref().ok_or_else(|| {
            Error::invalid_parameter(
                "audience",
                "say for which --audience the service account's token is, which the provider has \
                 among its audiences",
            )
        })?;
        let path = self.path(&format!("serviceaccounts/{name}/token"));
        let request = token_request(audience);
        let sent = Sent::Object(&request);
        let reply = self.api.call(Method::POST, &path, sent).await?;
        let answer = reply.object("a token of the service account")?;
        let token = answer["status"]["token"]
            .as_str()
            .ok_or_else(|| Error::misconfigured("the API server's answer has no token"))?;
        let token = JobToken {
            token: Secret::new(token),
            source: format!("the service account {name}"),
        };
        self.wanted.log_in_with(token).await
    }

    async fn write(
        &self,
        found: Option<PullSecret>,
        log_in: &LogIn,
        settings: &str,
        life: Life,
    ) -> Result<Written> {
        let Target {
            namespace,
            secret: name,
            registry,
            ..
        } = &self.target;
        let (method, path) = match found {
            Some(_) => (Method::PUT, self.path(&format!("secrets/{name}"))),
            None => (Method::POST, self.path("secrets")),
        };
        let mut secret = found.unwrap_or_else(|| PullSecret::new(namespace, name));
        secret.put(registry, log_in, settings, life);
        // It names the version that it replaces: a change by another since then is a conflict.
        let sent = Sent::Object(secret.object());
        let reply = self.api.call(method, &path, sent).await?;
        if reply.status == StatusCode::CONFLICT {
            return Ok(Written::Overtaken);
        }
        reply.object("the Secret").map(|_| Written::Yes)
    }

    /// Adds the Secret to the service account's `imagePullSecrets`, if that is wanted and it isn't
    /// there.
    async fn give_to_account(&self, account: Option<&Value>) -> Result<()> {
        let Some(account) = account.filter(|_| self.target.account_use == AccountUse::Added) else {
            return Ok(());
        };
        let Some(patch) = add_pull_secret(account, &self.target.secret) else {
            return Ok(());
        };
        let name = account["metadata"]["name"].as_str().unwrap_or_default();
        let path = self.path(&format!("serviceaccounts/{name}"));
        let sent = Sent::Patch(&patch);
        let reply = self.api.call(Method::PATCH, &path, sent).await?;
        reply
            .object("a change of the service account's imagePullSecrets")
            .map(drop)
    }
}

#[derive(PartialEq, Eq)]
enum Written {
    Yes,
    /// Another process wrote it in the meantime.
    Overtaken,
}

/// Returns the times of a log-in that is written now.
fn life_of(log_in: &LogIn, now: Timestamp) -> Result<Life> {
    if log_in.expires_at.is_some_and(|end| end <= now) {
        return Err(Error::misconfigured(format!(
            "{} has ended already",
            log_in.source
        )));
    }
    Ok(Life {
        expires_at: log_in.expires_at,
        renew_at: now.plus(log_in.half_life(now)),
    })
}
