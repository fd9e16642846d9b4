//! A settings file that a command writes for a new service.

use std::path::PathBuf;

use super::database_url::DatabaseUrl;
use super::example::{comment, without_links};
use super::known;
use super::listen::Listen;
use crate::domain::{Error, Result};

/// The settings of a new service that its operator chose; the others keep their defaults.
#[derive(Clone, Debug, Default)]
pub struct NewFile {
    /// As in [`Settings`](super::Settings), and so are the others.
    pub public_url: Option<String>,
    /// The address of the service.
    pub listen: Option<Listen>,
    /// The address for monitoring.
    pub metrics_listen: Option<Listen>,
    /// The folder of the data.
    pub data_dir: Option<PathBuf>,
    /// The PostgreSQL database.
    pub database: Option<DatabaseUrl>,
    /// The file of the master key.
    pub master_key_file: Option<PathBuf>,
    /// Whether plain HTTP is for others than this machine, too.
    pub allow_plain_http: bool,
    /// The certificate.
    pub tls_certificate_file: Option<PathBuf>,
    /// The certificate's private key.
    pub tls_key_file: Option<PathBuf>,
}

impl NewFile {
    /// Returns the values by their paths, none of them a default.
    fn values(&self) -> Vec<(&'static str, toml::Value)> {
        let path = |path: &Option<PathBuf>| Some(path.as_ref()?.display().to_string().into());
        let listen = |listen: Option<Listen>| {
            Some(match listen? {
                Listen::Port(port) => i64::from(port).into(),
                Listen::Address(address) => address.to_string().into(),
            })
        };
        let values: [(&'static str, Option<toml::Value>); 9] = [
            ("data_dir", path(&self.data_dir)),
            ("listen", listen(self.listen)),
            ("public_url", self.public_url.clone().map(Into::into)),
            (
                "database",
                self.database.as_ref().map(|url| url.expose().into()),
            ),
            ("master_key_file", path(&self.master_key_file)),
            ("metrics_listen", listen(self.metrics_listen)),
            ("allow_plain_http", Some(self.allow_plain_http.into())),
            ("tls.certificate_file", path(&self.tls_certificate_file)),
            ("tls.key_file", path(&self.tls_key_file)),
        ];
        let known = known::declared();
        let is_default = |path: &str, value: &toml::Value| {
            let known = known.iter().find(|known| known.path == path);
            known.is_some_and(|known| known.written.as_ref() == Some(value))
        };
        values
            .into_iter()
            .filter_map(|(path, value)| Some((path, value?)))
            .filter(|(path, value)| !is_default(path, value))
            .collect()
    }

    /// Writes the file: each setting below the first sentence of its meaning.
    pub fn text(&self) -> String {
        let known = known::declared();
        let mut text = comment(
            "The settings that differ from their defaults. `transire config example` prints them \
             all, and docs/settings.md says more.",
        );
        let mut table = None;
        for (path, value) in self.values() {
            let (own_table, name) = match path.rsplit_once('.') {
                Some((table, name)) => (Some(table), name),
                None => (None, path),
            };
            text += "\n";
            if table != own_table {
                text += &format!("[{}]\n", own_table.unwrap_or_default());
                table = own_table;
            }
            let meaning = known.iter().find(|known| known.path == path);
            let meaning = meaning.map_or("", |known| known.meaning.trim());
            text += &comment(&first_sentence(&without_links(meaning)));
            text += &format!("{name} = {value}\n");
        }
        text
    }

    /// Returns the settings of which a file says something else.
    ///
    /// # Errors
    /// `Misconfigured` for a file that isn't TOML.
    pub fn differences(&self, existing: &str) -> Result<Vec<&'static str>> {
        // The parser's error may quote a secret.
        let existing: toml::Table = existing
            .parse()
            .map_err(|_| Error::misconfigured("the settings file is no TOML"))?;
        let find = |path: &str| {
            let mut parts = path.split('.');
            let first = existing.get(parts.next()?)?;
            parts.try_fold(first, |table, part| table.get(part))
        };
        let values = self.values().into_iter();
        let different = values.filter(|(path, value)| find(path) != Some(value));
        Ok(different.map(|(path, _)| path).collect())
    }
}

fn first_sentence(text: &str) -> String {
    text.split_once(". ")
        .map_or_else(|| text.to_owned(), |(first, _)| format!("{first}."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

    #[test]
    fn a_new_file_has_what_differs_from_the_defaults_and_is_read_again() {
        let new = NewFile {
            public_url: Some("https://credentials.example.com".to_owned()),
            listen: Some(Listen::Port(8480)),
            metrics_listen: Some("0.0.0.0:9480".parse().unwrap()),
            data_dir: Some("/var/lib/transire".into()),
            tls_certificate_file: Some("/etc/transire/tls.crt".into()),
            tls_key_file: Some("/etc/transire/tls.key".into()),
            ..NewFile::default()
        };
        let text = new.text();
        assert!(
            !text.contains("\nlisten") && !text.contains("allow_plain_http"),
            "{text}"
        );
        assert!(
            text.contains("\n# The URL at which clients reach the service;"),
            "{text}"
        );
        assert!(
            text.contains("\n[tls]\n# The service's certificate"),
            "{text}"
        );
        let settings = Settings::parse(&text, []).unwrap();
        assert_eq!(settings.public_url, "https://credentials.example.com");
        assert_eq!(
            settings.tls.key_file.as_deref(),
            new.tls_key_file.as_deref()
        );
        assert_eq!(new.differences(&text).unwrap(), Vec::<&str>::new());
        let other = text.replace("credentials.example.com", "other.example.com");
        assert_eq!(new.differences(&other).unwrap(), ["public_url"]);
        assert_eq!(new.differences("").unwrap().len(), 5);
    }
}
