//! The state that a file describes, in TOML: accounts, and what is in them.
//!
//! `transire mock --seed` makes what the file describes and the store lacks. The form is that of a
//! declaration: it says what there is, never how it comes about.

mod apply;
mod source;

use std::path::Path;

use serde::Deserialize;
use toml::Spanned;

use self::source::Source;
use crate::domain::{Error, Result};

/// The state that a file describes.
pub struct State {
    content: Content,
    source: Source,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    #[serde(default)]
    accounts: Vec<Account>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Account {
    /// 1 to 18 digits, as text.
    id: Spanned<String>,
    /// Without it, the id is its name, too.
    name: Option<String>,
    #[serde(default)]
    policies: Vec<Policy>,
    #[serde(default)]
    users: Vec<User>,
    #[serde(default)]
    access_keys: Vec<AccessKey>,
    #[serde(default)]
    oidc_providers: Vec<OidcProvider>,
    #[serde(default)]
    roles: Vec<Role>,
    #[serde(default)]
    instances: Vec<Instance>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Policy {
    name: Spanned<String>,
    /// The JSON text, in CAM or RAM.
    document: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct User {
    name: Spanned<String>,
    /// The policies that are attached to it, the account's own or built-in ones.
    #[serde(default)]
    policies: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AccessKey {
    id: Spanned<String>,
    secret: String,
    /// The user whose key it is; without it, the account's root.
    user: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OidcProvider {
    name: Spanned<String>,
    issuer: String,
    audiences: Vec<String>,
    /// The JWK set, as JSON text; without it, the issuer is asked.
    jwks: Option<String>,
    #[serde(default)]
    algorithms: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Role {
    name: Spanned<String>,
    /// The JSON text.
    trust_policy: String,
    #[serde(default = "max_session_seconds")]
    max_session_seconds: u32,
    /// As [`User::policies`].
    #[serde(default)]
    policies: Vec<Spanned<String>>,
}

/// An hour, as at both clouds.
fn max_session_seconds() -> u32 {
    3600
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Instance {
    name: Spanned<String>,
    service: String,
    #[serde(default = "region")]
    region: String,
    /// Both ids are given, or none.
    tcr_id: Option<String>,
    cri_id: Option<String>,
    registry_url: Option<String>,
    #[serde(default)]
    default: bool,
    #[serde(default)]
    namespaces: Vec<Namespace>,
}

fn region() -> String {
    "ap-guangzhou".to_owned()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Namespace {
    name: Spanned<String>,
    #[serde(default)]
    public: bool,
}

impl State {
    /// Reads a file.
    ///
    /// # Errors
    /// `InvalidParameter` with the file and the line.
    pub fn read(file: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(file).map_err(|error| {
            let why = format!("{} can't be read: {error}", file.display());
            Error::invalid_parameter("seed", why)
        })?;
        Self::parse(file, text)
    }

    fn parse(file: &Path, text: String) -> Result<Self> {
        let source = Source::new(file, text);
        let content = toml::from_str(source.text()).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            source.fault(at, error.message())
        })?;
        Ok(Self { content, source })
    }
}
