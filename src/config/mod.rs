//! Settings: a file, then the environment over it, in one struct. The only place that reads the
//! environment.
//!
//! The file is TOML. A variable is `TRANSIRE_` and the setting's path in capitals, its parts
//! divided by two underscores: `TRANSIRE_LIMITS__REQUESTS_PER_SECOND=50`. Unknown settings are
//! refused, and each error says where the setting was set: [`sources`]. Each setting is declared
//! once, in [`settings`] or [`limits`]; [`declare`] makes of that its field, its default, its
//! bounds and its row in `docs/settings.md`.

mod check;
mod database_url;
mod declare;
mod document;
mod effective;
mod environment;
mod example;
mod kind;
mod known;
mod limits;
mod listen;
mod new_file;
mod settings;
mod sources;
#[cfg(test)]
mod tests;
mod values;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use zeroize::Zeroizing;

pub use self::database_url::DatabaseUrl;
pub use self::declare::Change;
use self::declare::{Declared, Entry};
pub use self::document::document;
pub use self::effective::Effective;
pub use self::environment::{
    SupervisorVariables, find_program, given_socket_names, refuses_colours,
};
pub use self::example::example;
pub use self::limits::Limits;
pub use self::listen::Listen;
pub use self::new_file::NewFile;
pub use self::settings::{
    Cors, Keys, Log, Notices, Outgoing, Postgres, ServiceAccounts, Settings, Shared, Shutdown,
    Signatures, Sso, Telemetry, Tls,
};
use self::sources::{CONFIG, PREFIX, Sources};
pub use self::values::{Isolation, LogFormat, MasterKeyText, SharedUrl};
use crate::domain::{Error, Result};
use crate::{http, secret_files};

/// Settings given as arguments, which go over the file and the environment.
#[derive(Clone, Debug, Default)]
pub struct Arguments {
    /// The settings file.
    pub config: Option<PathBuf>,
    /// As [`Settings::data_dir`].
    pub data_dir: Option<PathBuf>,
    /// As [`Settings::database`].
    pub database: Option<DatabaseUrl>,
    /// As [`Settings::listen`].
    pub listen: Option<Listen>,
}

/// Settings that were read, before there is a log.
pub struct Loaded {
    /// The settings; the database's password may still be in a file.
    pub settings: Settings,
    /// A warning for the log.
    warning: Option<String>,
    /// Of each setting that isn't at its default the place that sets it.
    origins: BTreeMap<String, String>,
}

impl Loaded {
    /// Returns the settings with the database's password, once there is a log: it is warned of a
    /// password that others can read, and of a password file that isn't used.
    #[must_use]
    pub fn complete(mut self) -> Self {
        if let Some(warning) = &self.warning {
            tracing::warn!("{warning}");
        }
        if let Some(path) = &self.settings.sso.client_secret_file
            && secret_files::is_public(path)
        {
            tracing::warn!(
                "sso.client_secret_file {} can be read by every user of this machine: chmod 640 it",
                path.display()
            );
        }
        let database = self.settings.database.take();
        self.settings.database = database.map(DatabaseUrl::with_known_password);
        self
    }
}

impl Settings {
    /// Reads the file, if one is named, the environment over it, and the arguments over both.
    ///
    /// # Errors
    /// `Misconfigured` names the file and the line, or the variable, and says which values are
    /// allowed.
    pub fn load(arguments: Arguments) -> Result<Loaded> {
        let file = settings_file(arguments.config.as_deref());
        let text = match &file {
            Some(path) => std::fs::read_to_string(path).map_err(|error| {
                Error::misconfigured(format!(
                    "the settings file {} can't be read: {error}",
                    path.display()
                ))
            })?,
            None => String::new(),
        };
        // It may hold the master key.
        let text = Zeroizing::new(text);
        // Others' variables may be anything.
        let ours =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
        let variables = ours
            .filter(|(name, _)| name.starts_with(PREFIX))
            .map(|(name, value)| match value.into_string() {
                Ok(value) => Ok((name, value)),
                Err(_) => Err(Error::misconfigured(format!(
                    "the variable {name} is not UTF-8"
                ))),
            });
        let (mut settings, mut origins) = Self::read(
            file.as_deref(),
            &text,
            variables.collect::<Result<Vec<_>>>()?,
        )?;
        let warning = match &file {
            Some(path) => check_secrets_in(path, &text)?,
            None => None,
        };
        if settings.master_key.is_none() && settings.master_key_file.is_none() {
            settings.master_key_file = environment::master_key_credential();
        }
        if let Some(data_dir) = arguments.data_dir {
            settings.data_dir = data_dir;
            origins.insert("data_dir".to_owned(), "--data-dir".to_owned());
        }
        if let Some(listen) = arguments.listen {
            settings.listen = listen;
            origins.insert("listen".to_owned(), "--listen".to_owned());
        }
        if arguments.database.is_some() {
            settings.database = arguments.database;
            origins.insert("database".to_owned(), "--database".to_owned());
        }
        Ok(Loaded {
            settings,
            warning,
            origins,
        })
    }

    /// Returns these settings with what `new` changes in them while a service runs, and all that
    /// differs in the two.
    #[must_use]
    pub fn reloaded(&self, new: &Self) -> (Self, Vec<Change>) {
        let (mut taken, mut changes) = (self.clone(), Vec::new());
        taken.reload(Entry::root(), new, &mut changes);
        (taken, changes)
    }

    /// Parses a file's text and the variables over it, and checks them.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn parse(
        text: &str,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self> {
        Self::read(None, text, variables).map(|(settings, _)| settings)
    }

    /// Reads the settings, and of each that is set the place that sets it.
    fn read(
        file: Option<&Path>,
        text: &str,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<(Self, BTreeMap<String, String>)> {
        let mut sources = Sources::new(file, text);
        let mut merged = sources.merge(variables)?;
        let origins = sources.origins(&merged);
        sources.complete(&mut merged);
        // Each is of its kind by now, and no table lacks one of those that it needs.
        let settings: Self = merged.try_into().map_err(|error: toml::de::Error| {
            Error::misconfigured(error.to_string().trim_end().replace('\n', " "))
        })?;
        check::check(&settings).map_err(|fault| sources.error(&fault))?;
        Ok((settings, origins))
    }

    /// Returns the settings of the HTTP server.
    pub fn http(&self) -> http::Settings {
        let limits = &self.limits;
        http::Settings {
            max_body_bytes: limits.body_bytes,
            max_tc3_body_bytes: limits.tc3_body_bytes,
            body_timeout: limits.body_seconds.duration(),
            body_budget_bytes: limits.bodies_in_flight_bytes,
            max_in_work: limits.requests_in_work,
            max_wait: Duration::from_millis(limits.wait_milliseconds),
            // Checked when the settings were read.
            trusted_proxies: self
                .trusted_proxies
                .iter()
                .filter_map(|network| network.parse().ok())
                .collect(),
            cors: http::Cors::new(
                self.cors
                    .origins
                    .iter()
                    .filter_map(|origin| origin.parse().ok())
                    .collect(),
            ),
            admin_public: self.admin_public,
            admin_hosts: self.admin_hosts.clone(),
            public_url: self.public_url.clone(),
            ..http::Settings::default()
        }
    }

    /// Returns the realm: the URL to which registries send their clients for a token.
    pub fn realm(&self) -> String {
        format!("{}/token", self.public_url)
    }
}

/// Returns the settings file: that of an argument, or of the variable.
pub fn settings_file(argument: Option<&Path>) -> Option<PathBuf> {
    argument
        .map(Path::to_owned)
        .or_else(|| std::env::var_os(CONFIG).map(PathBuf::from))
}

/// Refuses a settings file that holds the master key and that others may read; returns a warning of
/// one that holds a password.
fn check_secrets_in(path: &Path, text: &str) -> Result<Option<String>> {
    // It was read a moment ago.
    let Ok(table) = text.parse::<toml::Table>() else {
        return Ok(None);
    };
    if table.contains_key("master_key") {
        secret_files::check_key("the settings file, which holds the master key,", path)?;
    }
    let has_password = |url: Option<&toml::Value>| {
        url.and_then(toml::Value::as_str)
            .is_some_and(|url| url.contains('@'))
    };
    let shared = table.get("shared").and_then(|shared| shared.get("url"));
    let is_told = secret_files::is_public(path)
        && (has_password(shared) || has_password(table.get("database")));
    Ok(is_told.then(|| {
        format!(
            "the settings file {} may hold a password, and every user of this machine can read it: \
             chmod 640 it",
            path.display()
        )
    }))
}
