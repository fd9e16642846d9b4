//! The files in which docker and podman keep log-ins: `config.json` and `auth.json`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::client::environment::{Environment, read_if_there};
use crate::client::files::replace;
use crate::domain::secret::Secret;
use crate::domain::{Error, Result};

/// One file of log-ins.
#[derive(Debug)]
pub struct AuthFile {
    path: PathBuf,
    contents: Map<String, Value>,
}

/// Where a registry's log-in goes.
#[derive(Debug, PartialEq, Eq)]
pub enum Destination {
    /// Into the file itself.
    File,
    /// To the credential helper `docker-credential-NAME`.
    Helper(String),
}

impl AuthFile {
    /// Opens the file that docker reads: of `REGISTRY_AUTH_FILE` (podman's, for who sets it), of
    /// `DOCKER_CONFIG`, or `~/.docker/config.json`.
    ///
    /// # Errors
    /// `Misconfigured` when the file isn't JSON, or the user's home isn't known.
    pub fn of_user(environment: &Environment) -> Result<Self> {
        let path = match (
            environment.variable("REGISTRY_AUTH_FILE"),
            environment.variable("DOCKER_CONFIG"),
        ) {
            (Some(file), _) => Some(PathBuf::from(file)),
            (None, Some(folder)) => Some(Path::new(folder).join("config.json")),
            (None, None) => environment.in_home(".docker/config.json"),
        };
        let path = path.ok_or_else(|| {
            Error::misconfigured("the user has no home: set DOCKER_CONFIG or REGISTRY_AUTH_FILE")
        })?;
        Self::open(path)
    }

    fn open(path: PathBuf) -> Result<Self> {
        let text = read_if_there(&path)?.unwrap_or_default();
        if text.trim().is_empty() {
            return Ok(Self {
                path,
                contents: Map::new(),
            });
        }
        match serde_json::from_str(&text) {
            Ok(Value::Object(contents)) => Ok(Self { path, contents }),
            // The parser's own words could quote a secret.
            _ => Err(Error::misconfigured(format!(
                "{} is no JSON object: mend or remove it",
                path.display()
            ))),
        }
    }

    /// Returns the file's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns where docker keeps the log-in of a registry.
    pub fn destination(&self, registry: &str) -> Destination {
        let helper = self
            .contents
            .get("credHelpers")
            .and_then(|helpers| helpers.get(registry))
            .or_else(|| self.contents.get("credsStore"))
            .and_then(Value::as_str)
            .filter(|name| !name.is_empty());
        helper.map_or(Destination::File, |name| {
            Destination::Helper(name.to_owned())
        })
    }

    /// Puts a log-in into the file.
    ///
    /// # Errors
    /// `Misconfigured` when the file's `auths` isn't an object, or the file can't be written.
    pub fn put(&mut self, registry: &str, username: &str, secret: &Secret) -> Result<()> {
        let auth = STANDARD.encode(format!("{username}:{}", secret.expose()));
        self.auths()?
            .insert(registry.to_owned(), json!({ "auth": auth }));
        self.write()
    }

    /// Removes a registry's log-in; tells whether there was one.
    ///
    /// # Errors
    /// As [`Self::put`].
    pub fn remove(&mut self, registry: &str) -> Result<bool> {
        let had = self.auths()?.remove(registry).is_some();
        if had {
            self.write()?;
        }
        Ok(had)
    }

    fn auths(&mut self) -> Result<&mut Map<String, Value>> {
        let place = self.path.display().to_string();
        self.contents
            .entry("auths")
            .or_insert_with(|| json!({}))
            .as_object_mut()
            .ok_or_else(|| Error::misconfigured(format!("{place}: auths is no JSON object")))
    }

    /// Replaces the file as a whole: a reader sees the old one or the new one. A link stays one.
    fn write(&self) -> Result<()> {
        let refuse = |error| {
            Error::misconfigured(format!("{} can't be written", self.path.display()))
                .caused_by(error)
        };
        let path = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(refuse)?;
        let mode = fs::metadata(&path).map_or(0o600, |of| of.permissions().mode() & 0o777);
        let text = format!("{:#}\n", Value::Object(self.contents.clone()));
        replace(&path, mode, &text).map_err(refuse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::testing::Home;
    use crate::domain::ErrorKind;

    const REGISTRY: &str = "registry.example.com:5000";

    fn contents(file: &AuthFile) -> Value {
        serde_json::from_str(&fs::read_to_string(file.path()).unwrap()).unwrap()
    }

    #[test]
    fn a_log_in_goes_beside_what_was_there() {
        let home = Home::new();
        home.write(
            ".docker/config.json",
            r#"{ "auths": { "other.example.com": {} }, "psFormat": "x" }"#,
        );
        let mut file = AuthFile::of_user(&home.environment([])).unwrap();
        file.put(REGISTRY, "100000000001", &Secret::new("secretEXAMPLE"))
            .unwrap();
        let auth = STANDARD.encode("100000000001:secretEXAMPLE");
        assert_eq!(
            contents(&file),
            json!({
                "auths": { "other.example.com": {}, REGISTRY: { "auth": auth } },
                "psFormat": "x",
            })
        );
        assert!(file.remove(REGISTRY).unwrap());
        assert!(!file.remove(REGISTRY).unwrap());
        assert_eq!(contents(&file)["auths"], json!({ "other.example.com": {} }));
    }

    #[test]
    fn a_new_file_is_for_its_owner_alone() {
        let home = Home::new();
        let mut file = AuthFile::of_user(&home.environment([])).unwrap();
        file.put(REGISTRY, "name", &Secret::new("secretEXAMPLE"))
            .unwrap();
        let mode = fs::metadata(file.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_helper_takes_the_log_ins_that_the_file_gives_it() {
        let home = Home::new();
        home.write(
            ".docker/config.json",
            r#"{ "credsStore": "store", "credHelpers": { "registry.example.com:5000": "one" } }"#,
        );
        let file = AuthFile::of_user(&home.environment([])).unwrap();
        assert_eq!(
            file.destination(REGISTRY),
            Destination::Helper("one".to_owned())
        );
        assert_eq!(
            file.destination("other.example.com"),
            Destination::Helper("store".to_owned())
        );
    }

    #[test]
    fn a_file_that_is_no_json_is_left_as_it_is() {
        let home = Home::new();
        home.write(".docker/config.json", "secretEXAMPLE");
        let error = AuthFile::of_user(&home.environment([])).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Misconfigured);
        assert!(!error.message().contains("secretEXAMPLE"));
    }
}
