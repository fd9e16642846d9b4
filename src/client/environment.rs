//! The variables and files that a client reads, of one user.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::domain::{Error, Result};

/// The most bytes of a file that a client reads: a token, or a profile.
const MAX_FILE: u64 = 256 << 10;

/// The variables of a process.
#[derive(Clone, Debug, Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// Returns this process's variables; those that aren't UTF-8 count as missing.
    pub fn of_process() -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self(std::env::vars_os().filter_map(text).collect())
    }

    /// Returns a variable; an empty one counts as missing.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.0
            .get(name)
            .map(String::as_str)
            .filter(|text| !text.is_empty())
    }

    /// Returns a file in the user's home; none where the home isn't known.
    pub fn in_home(&self, path: &str) -> Option<PathBuf> {
        self.variable("HOME").map(|home| Path::new(home).join(path))
    }

    /// Returns a file of the user's configuration (XDG Base Directory).
    pub fn in_configuration(&self, path: &str) -> Option<PathBuf> {
        match self.variable("XDG_CONFIG_HOME") {
            Some(folder) => Some(Path::new(folder).join(path)),
            None => self.in_home(".config").map(|folder| folder.join(path)),
        }
    }
}

#[cfg(test)]
impl Environment {
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.0.insert(name.to_owned(), value.to_owned());
        self
    }
}

impl<const N: usize> From<[(&str, &str); N]> for Environment {
    fn from(variables: [(&str, &str); N]) -> Self {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Self(variables.into_iter().map(owned).collect())
    }
}

/// Reads a file, or returns nothing when it isn't there.
///
/// # Errors
/// `Misconfigured` for a file that can't be read, is larger than 256 KiB, or isn't text.
pub(super) fn read_if_there(path: &Path) -> Result<Option<String>> {
    let refuse = |why: String| Error::misconfigured(format!("{} {why}", path.display()));
    let size = match std::fs::metadata(path) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(refuse(format!("can't be read: {error}"))),
    };
    if size > MAX_FILE {
        return Err(refuse(format!("is larger than {MAX_FILE} bytes")));
    }
    std::fs::read_to_string(path)
        .map(Some)
        .map_err(|error| refuse(format!("can't be read: {error}")))
}

/// Reads a file that has to be there.
///
/// # Errors
/// As [`read_if_there`], and `Misconfigured` when there is none.
pub(super) fn read(path: &Path) -> Result<String> {
    read_if_there(path)?
        .ok_or_else(|| Error::misconfigured(format!("{} isn't there", path.display())))
}
