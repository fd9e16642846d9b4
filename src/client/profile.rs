//! The client's own profile: which service gives the credentials of which registry.
//!
//! ```toml
//! [registry."registry.example.com:5000"]
//! endpoint = "https://transire.example.com"
//! instance = "tcr-abcd1234"
//! role = "100000000001/role/ci"
//! oidc_token_file = "/var/run/secrets/transire/token"
//! ```

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use crate::client::environment::{Environment, read_if_there};
use crate::domain::{Error, Result};

/// The registries of a user's profile.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// By host and port, as images name them.
    #[serde(default)]
    registry: BTreeMap<String, RegistryProfile>,
}

/// The way to credentials of one registry; what is missing, the command or the variables say.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default, deny_unknown_fields)]
pub struct RegistryProfile {
    /// The service's URL.
    pub endpoint: Option<String>,
    /// The instance's id, or its service.
    pub instance: Option<String>,
    /// The role that an OpenID Connect token logs in as.
    pub role: Option<String>,
    /// The file of an OpenID Connect token.
    pub oidc_token_file: Option<PathBuf>,
    /// The variable of an OpenID Connect token.
    pub oidc_token_env: Option<String>,
    /// The audience of a token that is asked for.
    pub audience: Option<String>,
    /// Certificates of authorities that are trusted besides the system's, PEM.
    pub ca_file: Option<PathBuf>,
}

impl Profile {
    /// Reads the user's profile: the file of `TRANSIRE_CLIENT_CONFIG`, or
    /// `~/.config/transire/client.toml`; an empty one where there is none.
    ///
    /// # Errors
    /// `Misconfigured` for a file that can't be read.
    pub fn of_user(environment: &Environment) -> Result<Self> {
        let path = match environment.variable("TRANSIRE_CLIENT_CONFIG") {
            Some(path) => Some(PathBuf::from(path)),
            None => environment.in_configuration("transire/client.toml"),
        };
        let Some(path) = path else {
            return Ok(Self::default());
        };
        let Some(text) = read_if_there(&path)? else {
            return Ok(Self::default());
        };
        toml::from_str(&text).map_err(|error| {
            Error::misconfigured(format!("{} can't be read", path.display())).caused_by(error)
        })
    }

    /// Returns the profile of a registry, by its host and port in any case.
    pub fn of_registry(&self, registry: &str) -> Option<&RegistryProfile> {
        self.registry
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(registry))
            .map(|(_, profile)| profile)
    }

    /// Returns the registries that have a profile.
    pub fn registries(&self) -> impl Iterator<Item = &str> {
        self.registry.keys().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::testing::Home;
    use crate::domain::ErrorKind;

    #[test]
    fn a_registry_is_found_by_host_and_port() {
        let home = Home::new();
        home.write(
            ".config/transire/client.toml",
            "[registry.\"registry.example.com:5000\"]\n\
             endpoint = \"https://transire.example.com\"\ninstance = \"tcr-abcd1234\"\n",
        );
        let profile = Profile::of_user(&home.environment([])).unwrap();
        let found = profile.of_registry("Registry.example.com:5000").unwrap();
        assert_eq!(
            found.endpoint.as_deref(),
            Some("https://transire.example.com")
        );
        assert_eq!(profile.of_registry("registry.example.com"), None);
        assert_eq!(
            profile.registries().collect::<Vec<_>>(),
            ["registry.example.com:5000"]
        );
    }

    #[test]
    fn a_user_without_a_profile_has_an_empty_one() {
        let profile = Profile::of_user(&Home::new().environment([])).unwrap();
        assert_eq!(profile.registries().count(), 0);
    }

    #[test]
    fn a_misspelt_key_is_refused_with_its_name() {
        let home = Home::new();
        home.write(
            ".config/transire/client.toml",
            "[registry.\"registry.example.com\"]\nendpiont = \"https://transire.example.com\"\n",
        );
        let error = Profile::of_user(&home.environment([])).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Misconfigured);
        assert!(
            error
                .cause()
                .is_some_and(|cause| cause.contains("endpiont"))
        );
    }
}
