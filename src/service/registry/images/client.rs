//! Clients of the registries behind instances, and their failures.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::instance::Instance;
use crate::domain::url::HttpUrl;
use crate::domain::{Error, Result};
use crate::remote::registry::{RegistryClient, check_base};
use crate::remote::{Failure, Settings as Outgoing};
use crate::service::registry::Registry;
use crate::token::{Access, Claims};

/// How long a caller waits for a registry altogether.
pub(in crate::service) const PATIENCE: Duration = Duration::from_secs(20);
/// The life of a token for the registry: longer than any caller waits.
const TOKEN_TTL: Duration = Duration::from_secs(120);

/// Returns how registries are reached: only the operator sets their URLs, so they may be anywhere.
pub(in crate::service) fn registries(outgoing: &Outgoing) -> Outgoing {
    Outgoing {
        allow_http: true,
        allow_private_addresses: true,
        ..outgoing.clone()
    }
}

/// Returns the URL of an instance's registry.
///
/// # Errors
/// `Unsupported` when the operator set none.
pub(super) fn registry_url(instance: &Instance) -> Result<&str> {
    instance.registry_url.as_deref().ok_or_else(|| {
        Error::unsupported(format!(
            "The instance has no registry that could be asked: `transire instance update \
             --instance {} --registry-url URL` says where it is.",
            instance.id
        ))
    })
}

/// Returns what a token grants on a repository.
pub(in crate::service) fn repository_access(path: &str, actions: &[&'static str]) -> Access {
    Access {
        resource_type: "repository".to_owned(),
        name: path.to_owned(),
        actions: actions.to_vec(),
    }
}

/// Gives a registry [`PATIENCE`] to answer.
///
/// # Errors
/// `RegistryUnavailable` after that time; those of `work`.
pub(in crate::service) async fn within_patience<T>(
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    tokio::time::timeout(PATIENCE, work)
        .await
        .unwrap_or_else(|_| Err(silent()))
}

/// Says that the registry didn't answer in time.
pub(super) fn silent() -> Error {
    Error::registry_unavailable(
        "The registry behind the instance does not answer; try again later.",
    )
    .caused_by(format!("there was no answer within {PATIENCE:?}"))
}

/// Turns a failure into an error whose message is for any caller; its cause is for the log.
pub(in crate::service) fn failed(failure: Failure) -> Error {
    let message = match &failure {
        Failure::Refused { .. } => {
            "The registry behind the instance does not accept transire's tokens; `transire \
             registry-config` writes what it must trust."
        }
        Failure::Url { .. } => {
            "The registry behind the instance has an address that can't be used."
        }
        Failure::TooLarge(_) | Failure::Unexpected { .. } => {
            "The registry behind the instance answers with what can't be used."
        }
        Failure::Unresolved { .. }
        | Failure::NotPublic { .. }
        | Failure::Unreachable { .. }
        | Failure::Authorities(_)
        | Failure::Tls { .. }
        | Failure::Http(_)
        | Failure::TimedOut(_) => {
            "The registry behind the instance does not answer; try again later."
        }
    };
    Error::registry_unavailable(message).caused_by(failure)
}

impl Registry {
    /// Returns a client of an instance's registry that may do this to these repositories, and
    /// nothing else.
    ///
    /// # Errors
    /// Those of [`Self::registry_with`].
    pub(super) fn registry(
        &self,
        instance: &Instance,
        access: &[(&str, &[&'static str])],
    ) -> Result<Arc<RegistryClient>> {
        let access = access
            .iter()
            .map(|(path, actions)| repository_access(path, actions))
            .collect::<Vec<_>>();
        self.registry_with(instance, &access)
    }

    /// Returns a client of an instance's registry whose token grants `access`.
    ///
    /// # Errors
    /// `Unsupported` without a registry; `RegistryUnavailable` for a URL that can't be used;
    /// `Internal` without a key that signs its tokens.
    pub(in crate::service) fn registry_with(
        &self,
        instance: &Instance,
        access: &[Access],
    ) -> Result<Arc<RegistryClient>> {
        let url = registry_url(instance)?;
        let claims = Claims {
            issuer: self.base.issuer_of(instance),
            subject: instance.kind.subject("transire"),
            audience: &instance.service,
            now: self.base.now(),
            ttl: TOKEN_TTL,
            access,
        };
        let token = self
            .memory
            .keys
            .keyring
            .load()
            .signing_key_of(instance)?
            .sign(instance.kid_format, &claims, &*self.base.random)?;
        RegistryClient::new(&self.upstream.client, url, &token.text)
            .map(Arc::new)
            .map_err(failed)
    }

    /// Checks the URL that an operator sets for a registry.
    ///
    /// # Errors
    /// `InvalidParameter` for a URL that can't be used.
    pub(in crate::service) fn check_registry_url(&self, url: &str) -> Result<()> {
        let refuse = |why: String| Error::invalid_parameter("registry-url", why);
        HttpUrl::parse_place(url).map_err(|fault| {
            refuse(fault.explain("the registry's URL", "https://registry.example.com:5000"))
        })?;
        check_base(&self.upstream.client, url)
            .map(drop)
            .map_err(|failure| refuse(failure.to_string()))
    }
}
