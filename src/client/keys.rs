//! Access keys of the clouds' APIs, from where the clouds' own tools keep them.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::client::environment::{Environment, read_if_there};
use crate::domain::secret::Secret;
use crate::domain::{Error, Result};

/// The clouds' APIs that this client calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    /// That of Tencent Cloud TCR.
    Tencent,
    /// That of Alibaba Cloud ACR.
    Alibaba,
}

impl Api {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Tencent, Self::Alibaba];
}

/// An access key that signs calls of one cloud's API.
#[derive(Debug)]
pub struct FoundKey {
    /// The API that it signs for.
    pub api: Api,
    /// The key's id.
    pub id: String,
    /// The key's secret.
    pub secret: Secret,
    /// The token of the session that the key belongs to.
    pub session_token: Option<Secret>,
    /// The place where it was found, for people.
    pub source: String,
}

impl FoundKey {
    /// Returns the key for an API: of its cloud's variables, or else of its cloud's profile file.
    ///
    /// # Errors
    /// `Misconfigured` for half a key, and for a file that can't be read.
    pub fn find(environment: &Environment, api: Api) -> Result<Option<Self>> {
        let names = Names::of(api);
        if let Some(key) = names.in_variables(environment)? {
            return Ok(Some(key));
        }
        match api {
            Api::Tencent => in_tccli(environment),
            Api::Alibaba => in_alibaba_profile(environment),
        }
    }
}

impl fmt::Display for FoundKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the access key {} of {}", self.id, self.source)
    }
}

/// The variables of a cloud.
struct Names {
    api: Api,
    id: &'static str,
    secret: &'static str,
    session_token: &'static str,
}

impl Names {
    fn of(api: Api) -> Self {
        let [id, secret, session_token] = match api {
            Api::Tencent => [
                "TENCENTCLOUD_SECRET_ID",
                "TENCENTCLOUD_SECRET_KEY",
                "TENCENTCLOUD_TOKEN",
            ],
            Api::Alibaba => [
                "ALIBABA_CLOUD_ACCESS_KEY_ID",
                "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
                "ALIBABA_CLOUD_SECURITY_TOKEN",
            ],
        };
        Self {
            api,
            id,
            secret,
            session_token,
        }
    }

    fn in_variables(&self, environment: &Environment) -> Result<Option<FoundKey>> {
        let (id, secret) = (
            environment.variable(self.id),
            environment.variable(self.secret),
        );
        match (id, secret) {
            (None, None) => Ok(None),
            (Some(id), Some(secret)) => Ok(Some(FoundKey {
                api: self.api,
                id: id.to_owned(),
                secret: Secret::new(secret),
                session_token: environment.variable(self.session_token).map(Secret::new),
                source: format!("the variable {}", self.id),
            })),
            (Some(_), None) => Err(half(self.id, self.secret)),
            (None, Some(_)) => Err(half(self.secret, self.id)),
        }
    }
}

fn half(set: &str, unset: &str) -> Error {
    Error::misconfigured(format!("{set} is set and {unset} isn't: set both, or none"))
}

/// A profile of Tencent's command line: `~/.tccli/NAME.credential`.
#[derive(Deserialize)]
struct TccliProfile {
    #[serde(rename = "secretId")]
    id: Option<String>,
    #[serde(rename = "secretKey")]
    secret: Option<String>,
    token: Option<String>,
}

fn in_tccli(environment: &Environment) -> Result<Option<FoundKey>> {
    let name = environment.variable("TCCLI_PROFILE").unwrap_or("default");
    let Some(path) = environment.in_home(&format!(".tccli/{name}.credential")) else {
        return Ok(None);
    };
    let Some(text) = read_if_there(&path)? else {
        return Ok(None);
    };
    // The parser's own words could quote a secret.
    let profile: TccliProfile = serde_json::from_str(&text).map_err(|error| {
        Error::misconfigured(format!(
            "{} is no profile of tccli: line {}",
            path.display(),
            error.line()
        ))
    })?;
    Ok(key_in_file(
        Api::Tencent,
        &path,
        profile.id,
        profile.secret.map(Secret::new),
        profile.token.map(Secret::new),
    ))
}

/// Reads Alibaba's profile file: sections of `name = value` lines.
fn in_alibaba_profile(environment: &Environment) -> Result<Option<FoundKey>> {
    let path = match environment.variable("ALIBABA_CLOUD_CREDENTIALS_FILE") {
        Some(path) => Some(PathBuf::from(path)),
        None => environment.in_home(".alibabacloud/credentials"),
    };
    let Some(path) = path else { return Ok(None) };
    let Some(text) = read_if_there(&path)? else {
        return Ok(None);
    };
    let section = environment
        .variable("ALIBABA_CLOUD_PROFILE")
        .unwrap_or("default");
    let value = |name: &str| value_in(&text, section, name);
    match value("type") {
        None | Some("access_key" | "sts") => {}
        Some(other) => {
            return Err(Error::misconfigured(format!(
                "{}: the profile {section} has the type {other}; access_key and sts are read here",
                path.display()
            )));
        }
    }
    Ok(key_in_file(
        Api::Alibaba,
        &path,
        value("access_key_id").map(str::to_owned),
        value("access_key_secret").map(Secret::new),
        value("security_token").map(Secret::new),
    ))
}

/// Returns a value of a section: `name = value`, perhaps with a comment behind ` #`.
fn value_in<'t>(text: &'t str, section: &str, name: &str) -> Option<&'t str> {
    let header = format!("[{section}]");
    let mut lines = text.lines().map(str::trim);
    lines.find(|line| *line == header)?;
    lines
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split_once('='))
        .find(|(key, _)| key.trim() == name)
        .map(|(_, value)| value.split(" #").next().unwrap_or_default().trim())
        .filter(|value| !value.is_empty())
}

fn key_in_file(
    api: Api,
    path: &Path,
    id: Option<String>,
    secret: Option<Secret>,
    session_token: Option<Secret>,
) -> Option<FoundKey> {
    Some(FoundKey {
        api,
        id: id.filter(|id| !id.is_empty())?,
        secret: secret.filter(|secret| !secret.expose().is_empty())?,
        session_token: session_token.filter(|token| !token.expose().is_empty()),
        source: format!("the file {}", path.display()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::testing::Home;
    use crate::domain::ErrorKind;

    #[test]
    fn the_variables_of_a_cloud_name_its_key() {
        let environment = Environment::from([
            ("TENCENTCLOUD_SECRET_ID", "AKIDEXAMPLE"),
            ("TENCENTCLOUD_SECRET_KEY", "secretEXAMPLE"),
            ("TENCENTCLOUD_TOKEN", ""),
        ]);
        let key = FoundKey::find(&environment, Api::Tencent).unwrap().unwrap();
        assert_eq!(
            (key.id.as_str(), key.secret.expose()),
            ("AKIDEXAMPLE", "secretEXAMPLE")
        );
        assert!(key.session_token.is_none());
        assert!(
            FoundKey::find(&environment, Api::Alibaba)
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn half_a_key_is_refused_with_the_missing_variable() {
        let environment = Environment::from([("ALIBABA_CLOUD_ACCESS_KEY_ID", "EXAMPLE")]);
        let error = FoundKey::find(&environment, Api::Alibaba).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Misconfigured);
        assert!(error.message().contains("ALIBABA_CLOUD_ACCESS_KEY_SECRET"));
    }

    #[test]
    fn a_profile_of_tccli_is_read_by_its_name() {
        let home = Home::new();
        home.write(
            ".tccli/ci.credential",
            r#"{ "secretId": "AKIDEXAMPLE", "secretKey": "secretEXAMPLE", "token": null }"#,
        );
        let environment = home.environment([("TCCLI_PROFILE", "ci")]);
        let key = FoundKey::find(&environment, Api::Tencent).unwrap().unwrap();
        assert_eq!(key.id, "AKIDEXAMPLE");
        let other = home.environment([]);
        assert!(FoundKey::find(&other, Api::Tencent).unwrap().is_none());
    }

    #[test]
    fn a_profile_of_alibaba_is_read_by_its_section() {
        let home = Home::new();
        home.write(
            ".alibabacloud/credentials",
            "[default] \ntype = access_key # the usual one\naccess_key_id = first\n\
             access_key_secret = firstEXAMPLE\n[session]\ntype=sts\naccess_key_id=second\n\
             access_key_secret=secondEXAMPLE\nsecurity_token=tokenEXAMPLE\n[oidc]\n\
             type=oidc_role_arn\n",
        );
        let of = |profile| {
            FoundKey::find(
                &home.environment([("ALIBABA_CLOUD_PROFILE", profile)]),
                Api::Alibaba,
            )
        };
        let first = of("default").unwrap().unwrap();
        assert_eq!(
            (first.id.as_str(), first.session_token.is_some()),
            ("first", false)
        );
        let second = of("session").unwrap().unwrap();
        assert_eq!(
            (second.id.as_str(), second.session_token.is_some()),
            ("second", true)
        );
        assert!(of("missing").unwrap().is_none());
        assert_eq!(of("oidc").unwrap_err().kind(), &ErrorKind::Misconfigured);
    }

    #[test]
    fn a_profile_that_can_not_be_read_is_named_without_its_contents() {
        let home = Home::new();
        home.write(
            ".tccli/default.credential",
            r#"{ "secretKey": secretEXAMPLE"#,
        );
        let error = FoundKey::find(&home.environment([]), Api::Tencent).unwrap_err();
        assert!(error.message().contains(".tccli/default.credential"));
        assert!(!error.message().contains("secretEXAMPLE"));
    }
}
