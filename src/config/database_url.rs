//! The database's address, and the password that a pgpass file holds for it.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::domain::{Error, Result};
use crate::secret_files;

/// A database's address, which may hold a password.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct DatabaseUrl(String);

impl DatabaseUrl {
    /// Takes an address given as an argument, which every user of the machine can read, so without
    /// a password.
    ///
    /// # Errors
    /// `Misconfigured` for an address with a password.
    pub fn from_argument(url: &str) -> Result<Self> {
        let address = Address::divide(url);
        let has_password = address.is_some_and(|address| address.has_password());
        // A text that isn't a URL may still have a password in it, and spaces about its sign.
        let is_space = |letter: char| letter.is_whitespace();
        if has_password || url.replace(is_space, "").contains("password=") {
            Err(password_in_argument())
        } else {
            Ok(Self(url.to_owned()))
        }
    }

    /// Takes an address from a place that nobody else reads.
    ///
    /// # Errors
    /// `Misconfigured` for a text that is no PostgreSQL URL; nothing of it is quoted.
    pub fn from_secret_text(text: &str) -> Result<Self> {
        let is_known = |scheme: &str| ["postgres", "postgresql"].contains(&scheme);
        if Address::divide(text).is_some_and(|address| is_known(address.scheme)) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Error::misconfigured(
                "a database's URL is written like postgres://USER:PASSWORD@HOST:5432/NAME",
            ))
        }
    }

    /// Returns the hosts and the database, without the user's password and without parameters.
    pub fn without_password(&self) -> String {
        // A text that isn't a URL may be anything, and what has two `@` the end of a password.
        let address = Address::divide(&self.0)
            .filter(|address| !address.hosts.contains('@') && !address.database.contains('@'));
        address.map_or_else(
            || "a secret".to_owned(),
            |address| {
                format!(
                    "{}://{}@{}/{}",
                    address.scheme, address.user, address.hosts, address.database
                )
            },
        )
    }

    /// Returns the address as it was given.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Returns the address with the password that the user's pgpass file holds for it, if it has
    /// none of its own.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the environment"
    )]
    pub fn with_known_password(self) -> Self {
        if Address::divide(&self.0).is_none_or(|address| address.has_password()) {
            return self;
        }
        let path = std::env::var("PGPASSFILE")
            .map(PathBuf::from)
            .or_else(|_| std::env::var("HOME").map(|home| Path::new(&home).join(".pgpass")));
        // No pgpass file, no password from it.
        let pgpass = path
            .ok()
            .and_then(|path| read_pgpass(&path))
            .unwrap_or_default();
        self.with_pgpass(&pgpass)
    }

    /// Returns the address with the password that a pgpass file holds for its first host, if it has
    /// none of its own.
    fn with_pgpass(self, pgpass: &str) -> Self {
        let Some(address) = Address::divide(&self.0).filter(|address| !address.has_password())
        else {
            return self;
        };
        let (host, port) = address.first_host();
        let wanted = [host, port, decoded(address.database), decoded(address.user)];
        let password = pgpass
            .lines()
            .filter(|line| !line.starts_with('#'))
            .find_map(|line| {
                let fields = pgpass_fields(line);
                let (password, rest) = fields.split_last()?;
                let fits = rest.len() == wanted.len()
                    && rest
                        .iter()
                        .zip(&wanted)
                        .all(|(given, wanted)| given == "*" || given == wanted);
                fits.then(|| password.clone())
            });
        match password {
            Some(password) => Self(address.with_password(&password)),
            None => self,
        }
    }
}

/// The parts of a database's address, which may name several hosts; as they are written.
struct Address<'a> {
    scheme: &'a str,
    user: &'a str,
    password: Option<&'a str>,
    hosts: &'a str,
    database: &'a str,
    query: Option<&'a str>,
}

impl<'a> Address<'a> {
    fn divide(url: &'a str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        // As the driver has it: a password may hold a `/` or a `?` that nobody escaped.
        let (credentials, rest) = rest.split_once('@').unwrap_or(("", rest));
        let (hosts, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (path, query) = rest
            .split_once('?')
            .map_or((rest, None), |(path, query)| (path, Some(query)));
        let (user, password) = credentials
            .split_once(':')
            .map_or((credentials, None), |(user, password)| {
                (user, Some(password))
            });
        Some(Self {
            scheme,
            user,
            password,
            hosts,
            database: path.trim_start_matches('/'),
            query,
        })
    }

    fn has_password(&self) -> bool {
        let mut parameters = url::form_urlencoded::parse(self.query.unwrap_or_default().as_bytes());
        self.password.is_some() || parameters.any(|(name, _)| name == "password")
    }

    fn first_host(&self) -> (String, String) {
        let first = self.hosts.split(',').next().unwrap_or_default();
        // An IPv6 address has colons of its own, and brackets.
        let (host, port) = match first
            .rsplit_once(':')
            .filter(|(_, port)| !port.contains(']'))
        {
            Some((host, port)) => (host, port),
            None => (first, "5432"),
        };
        let host = decoded(host.trim_matches(['[', ']']));
        (
            if host.is_empty() {
                "localhost".to_owned()
            } else {
                host
            },
            port.to_owned(),
        )
    }

    fn with_password(&self, password: &str) -> String {
        let password =
            percent_encoding::utf8_percent_encode(password, percent_encoding::NON_ALPHANUMERIC);
        let query = self
            .query
            .map(|query| format!("?{query}"))
            .unwrap_or_default();
        format!(
            "{}://{}:{password}@{}/{}{query}",
            self.scheme, self.user, self.hosts, self.database
        )
    }
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text)
        .decode_utf8_lossy()
        .into_owned()
}

/// Reads a pgpass file as libpq does: a file that others can read is warned of, and not used.
fn read_pgpass(path: &Path) -> Option<String> {
    if secret_files::is_shared(path) {
        tracing::warn!(
            "the password file {} is not used, because others can read it: chmod 600 it",
            path.display()
        );
        return None;
    }
    std::fs::read_to_string(path).ok()
}

/// Divides a line of a pgpass file at its colons; `\:` and `\\` stand for themselves.
fn pgpass_fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        let last = fields.len() - 1;
        match character {
            '\\' => fields[last].extend(characters.next()),
            ':' => fields.push(String::new()),
            other => fields[last].push(other),
        }
    }
    fields
}

fn password_in_argument() -> Error {
    Error::misconfigured(
        "a database password must not be an argument, where other users of this machine can read \
         it: put the URL into the settings file (database = \"…\"), into TRANSIRE_DATABASE, or the \
         password into ~/.pgpass",
    )
}

impl std::fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[database url]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_password_is_refused_as_an_argument() {
        assert!(DatabaseUrl::from_argument("postgres://u@db.example.com/t").is_ok());
        for bad in [
            "postgres://u:p@db.example.com/t",
            "postgres://u@db.example.com/t?password=p",
            "postgres://u@db.example.com/t?passwor%64=p",
            // An address that can't be parsed as a URL of one host went through.
            "postgres://u:p@a.example.com:5432,b.example.com:5432/t",
            "host=db.example.com password=p",
            // The driver takes all before the first `@`.
            "postgres://u:p/q@db.example.com/t",
            "postgres://u:p?q@db.example.com/t",
            "host=db.example.com password = p",
        ] {
            assert!(
                DatabaseUrl::from_argument(bad)
                    .unwrap_err()
                    .message()
                    .contains("pgpass")
            );
        }
    }

    /// A password with a `/` or a `?` that wasn't escaped, which the driver takes, was shown with
    /// the hosts.
    #[test]
    fn an_address_is_shown_without_whatever_the_driver_takes_for_a_password() {
        let shown = |text: &str| DatabaseUrl(text.to_owned()).without_password();
        for text in [
            "postgres://u:se/cret@db.example.com/t",
            "postgres://u:se?cret@db.example.com/t?sslmode=require",
            "postgres://u:secret@db.example.com/t",
        ] {
            assert_eq!(shown(text), "postgres://u@db.example.com/t", "{text}");
        }
        for text in [
            "postgres://u:hun@ter2@db.example.com/t",
            "postgres://db.example.com/t?user=u:hunter2@x/y@z",
            "host=db.example.com password=hunter2",
        ] {
            assert!(!shown(text).contains("ter2"), "{text}");
        }
    }

    #[test]
    fn a_pgpass_file_gives_the_password() {
        let url = || DatabaseUrl::from_argument("postgres://u@db.example.com:5433/t").unwrap();
        let several = DatabaseUrl::from_argument(
            "postgres://u@a.example.com:1,b.example.com:2/t?sslmode=require",
        )
        .unwrap();
        assert_eq!(
            several.with_pgpass("a.example.com:1:t:u:p@ss").expose(),
            "postgres://u:p%40ss@a.example.com:1,b.example.com:2/t?sslmode=require"
        );
        let local = DatabaseUrl::from_argument("postgres://u@[::1]/t").unwrap();
        assert_eq!(
            local.with_pgpass("\\:\\:1:5432:t:u:x").expose(),
            "postgres://u:x@[::1]/t"
        );
        let pgpass = "# comment\ndb.example.com:5432:t:u:wrong\n*:5433:t:u:se\\:cret\n*:*:*:*:late";
        assert_eq!(
            url().with_pgpass(pgpass).expose(),
            "postgres://u:se%3Acret@db.example.com:5433/t"
        );
        assert_eq!(
            url().with_pgpass("").expose(),
            "postgres://u@db.example.com:5433/t"
        );
    }
}
