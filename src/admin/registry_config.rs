//! The operation that answers a registry's files.

use std::path::Path;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::method::Method;
use super::operation::{Effect, Operation};
use super::text::{InstanceText, KindText};
use crate::domain::instance::{Instance, RegistryKind};
use crate::domain::url::HttpUrl;
use crate::domain::{Error, Noun, Result};
use crate::registry_config::{RegistryConfig, RegistryFile, files_in};
use crate::service::{Call, InstanceChoice, KeyState, Service};
use crate::views;

/// Which key of an instance is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TrustedKey {
    /// The key that signs.
    InUse,
    /// The key that signs when it is activated.
    Next,
}

/// Show the files with which a registry trusts an instance's tokens. Nothing is written.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShowRegistryConfig {
    /// The instance's tcr- or cri- id, or its name.
    pub instance: InstanceText,
    /// The kind of registry, which has to be the instance's own: distribution, zot or pulp.
    pub kind: KindText,
    /// The key of a zot or Pulp instance: in-use, unless it says otherwise.
    #[serde(default = "in_use")]
    pub key: TrustedKey,
    /// The absolute path of the files' folder, on the registry's machine.
    #[schema(example = "/etc/registry")]
    pub directory: String,
    /// The URL to which the registry sends its clients for a token; without it, public_url and
    /// /token.
    pub realm: Option<String>,
    /// The address at which the registry listens; without it, 127.0.0.1:5000.
    #[serde(default = "usual_listen")]
    #[schema(example = "127.0.0.1:5000")]
    pub listen: String,
    /// The absolute path of the folder of the registry's images; without it, `storage` beside the
    /// configuration.
    pub storage: Option<String>,
}

/// The address at which a registry listens.
pub const USUAL_LISTEN: &str = "127.0.0.1:5000";

fn usual_listen() -> String {
    USUAL_LISTEN.to_owned()
}

fn in_use() -> TrustedKey {
    TrustedKey::InUse
}

/// Reads the URL of a token endpoint.
///
/// # Errors
/// `InvalidParameter` of `realm`.
pub fn realm(text: &str) -> Result<String> {
    HttpUrl::parse_place(text).map_err(|fault| {
        Error::invalid_parameter(
            "realm",
            fault.explain("the realm", "https://credentials.example.com/token"),
        )
    })?;
    Ok(text.to_owned())
}

impl Operation for ShowRegistryConfig {
    const METHOD: Method = Method::Get;
    const PATH: &'static str = "/instances/{instance}/registry-config";
    const EFFECT: Effect = Effect::Reads;

    type Answer = views::RegistryFiles;

    async fn run(self, service: &Service, call: &Call<'_>) -> Result<views::RegistryFiles> {
        service.operations.refuse_published().await?;
        let choice = self.instance.0.clone().into();
        let instance = service.registry.shown_instance(call, &choice).await?;
        self.check(&instance)?;
        let issuer = match &instance.next_issuer {
            Some(next) => next,
            None => service.base.issuer_of(&instance),
        };
        let realm = match &self.realm {
            Some(given) => realm(given)?,
            None if instance.kind == RegistryKind::Pulp => issuer.to_owned(),
            None => service.base.realm(),
        };
        let trusted = self.trusted(service, call, &choice).await?;
        let config = RegistryConfig {
            kind: instance.kind,
            realm: &realm,
            service: &instance.service,
            issuer,
            trusted_pem: &trusted,
            listen: &self.listen,
            algorithm: instance.algorithm,
            storage: self.storage.as_deref().map(Path::new).into(),
        };
        let files = files_in(&config, Path::new(&self.directory))?;
        Ok(views::RegistryFiles {
            config: shown(files.config),
            trusted: shown(files.trusted),
            service: instance.service.clone(),
            issuer: issuer.to_owned(),
            warnings: warnings(service, &instance),
            realm,
        })
    }
}

impl ShowRegistryConfig {
    /// Refuses a kind that the instance isn't of, and paths that mean nothing elsewhere.
    fn check(&self, instance: &Instance) -> Result<()> {
        if instance.kind != self.kind.0 {
            let (is, asked) = (instance.kind.name(), self.kind.name());
            return Err(Error::precondition_failed(
                Noun::Instance,
                format!(
                    "The instance {} is of the kind {is}: give --kind {is}. A {asked} registry \
                     needs an instance of its own kind, because what registries trust differs: \
                     `transire instance create --kind {asked}`.",
                    instance.id
                ),
            ));
        }
        let paths = [
            ("directory", Some(&self.directory)),
            ("storage", self.storage.as_ref()),
        ];
        for (name, path) in paths {
            if path.is_some_and(|path| !Path::new(path).is_absolute()) {
                return Err(Error::invalid_parameter(name, "it is an absolute path"));
            }
        }
        Ok(())
    }

    /// Returns the certificates, or the key, that a registry of this kind trusts.
    async fn trusted(
        &self,
        service: &Service,
        call: &Call<'_>,
        choice: &InstanceChoice,
    ) -> Result<String> {
        if self.kind.0 == RegistryKind::Distribution {
            return Ok(service.exchange.bundle_pem());
        }
        let state = match self.key {
            TrustedKey::InUse => KeyState::InUse,
            TrustedKey::Next => KeyState::Next,
        };
        service.keys.instance_public_key(call, choice, state).await
    }
}

fn shown(file: RegistryFile) -> views::RegistryFile {
    views::RegistryFile {
        path: file.path.display().to_string(),
        text: file.text,
    }
}

/// Says where the operator has more to do for the issuer.
fn warnings(service: &Service, instance: &Instance) -> Vec<String> {
    let warning = match (&instance.next_issuer, &instance.issuer) {
        (Some(next), _) => Some(format!(
            "this is with the issuer that is prepared, {next}: restart the registry with it, and \
             at once `transire instance update --instance {} --activate`",
            instance.id
        )),
        (None, None) => service.operations.doubt_of_issuer(),
        (None, Some(_)) => None,
    };
    warning.into_iter().collect()
}
