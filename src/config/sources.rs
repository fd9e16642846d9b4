//! Where each setting comes from, a line of the file or a variable, so that an error can name the
//! place.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::declare::Setting;
use super::kind::Kind;
use super::known;
use crate::domain::nearest::nearest;
use crate::domain::{Error, Result};

pub(super) const PREFIX: &str = "TRANSIRE_";
/// The variable that names the settings file; the file itself can't.
pub(super) const CONFIG: &str = "TRANSIRE_CONFIG";
/// Variables of the tests, which pass them on to the programs that they start.
const TEST_PREFIX: &str = "TRANSIRE_TEST_";

/// A setting that can't be taken, and why.
#[derive(Debug)]
pub(super) struct Fault {
    /// Its path.
    setting: String,
    /// The rule that it breaks, with the setting's name.
    text: String,
}

impl Fault {
    /// Makes a fault with the rule, in words that follow the setting's path.
    pub(super) fn new(setting: &str, allowed: impl fmt::Display) -> Self {
        Self::said(setting, format!("{setting} {allowed}"))
    }

    /// Makes a fault with words that name the setting.
    pub(super) fn said(setting: &str, text: String) -> Self {
        Self {
            setting: setting.to_owned(),
            text,
        }
    }
}

/// The file, and the variables that go over it.
pub(super) struct Sources<'s> {
    file: String,
    text: &'s str,
    known: Vec<Setting>,
    /// Of each setting the variable that sets it.
    variables: BTreeMap<String, String>,
}

impl<'s> Sources<'s> {
    /// Names a file, for messages, and its text.
    pub(super) fn new(file: Option<&Path>, text: &'s str) -> Self {
        let file = file.map_or_else(
            || "the settings file".to_owned(),
            |path| path.display().to_string(),
        );
        Self {
            file,
            text,
            known: known::declared(),
            variables: BTreeMap::new(),
        }
    }

    /// Puts the variables over the file, each value read as its setting's kind.
    ///
    /// # Errors
    /// `Misconfigured` names a line or a variable that is no setting, or whose value isn't allowed.
    /// It never quotes the value, which may be a secret.
    pub(super) fn merge(
        &mut self,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<toml::Table> {
        let mut table: toml::Table = toml::from_str(self.text).map_err(|error| {
            let place = error
                .span()
                .map_or_else(|| self.file.clone(), |span| self.at(span.start));
            Error::misconfigured(format!("{place}: {}", error.message()))
        })?;
        for (name, value) in &table {
            self.check(name, value)?;
        }
        drop_headings(&mut table);
        let mut variables: Vec<_> = variables
            .into_iter()
            .filter(|(name, _)| name.starts_with(PREFIX))
            .collect();
        variables.sort();
        for (name, value) in variables {
            let path = path(&name);
            if name == CONFIG || name.starts_with(TEST_PREFIX) {
                continue;
            }
            let value = match self.known.iter().find(|known| known.path == path) {
                Some(known) => known.kind.read(&value),
                None if self.is_table(&path) => Kind::Figures.read(&value),
                None if known::is_of_kubernetes(&name[PREFIX.len() - 1..], &value) => continue,
                None => return Err(self.unknown_variable(&name)),
            };
            self.variables.insert(path.clone(), name);
            self.check(&path, &value)?;
            put(&mut table, &path, value);
        }
        Ok(table)
    }

    /// Returns, of each setting that the file and the variables set, the place that does.
    pub(super) fn origins(&self, merged: &toml::Table) -> BTreeMap<String, String> {
        let set = self
            .known
            .iter()
            .filter(|known| is_set(merged, &known.path));
        set.filter_map(|known| Some((known.path.clone(), self.place_of(&known.path)?)))
            .collect()
    }

    /// Gives each table that is set the settings that it lacks, with their defaults.
    pub(super) fn complete(&self, merged: &mut toml::Table) {
        for known in &self.known {
            let Some((table, _)) = known.path.rsplit_once('.') else {
                continue;
            };
            if let Some(value) = known.written.clone()
                && is_set(merged, table)
                && !is_set(merged, &known.path)
            {
                put(merged, &known.path, value);
            }
        }
    }

    /// Makes the error for a setting, with where it was set.
    pub(super) fn error(&self, fault: &Fault) -> Error {
        let Fault { setting, text } = fault;
        let place = self
            .place_of(setting)
            .map(|place| format!("{place}: "))
            .unwrap_or_default();
        Error::misconfigured(format!("{place}{text}"))
    }

    /// Refuses a value that isn't of its setting's kind, and a table with something in it that is
    /// no setting.
    fn check(&self, path: &str, value: &toml::Value) -> Result<()> {
        if let Some(known) = self.known.iter().find(|known| known.path == path) {
            return if known.kind.takes(value) {
                Ok(())
            } else {
                Err(self.error(&Fault::new(path, known.kind.allowed())))
            };
        }
        if !self.is_table(path) {
            let place = self.place_of(path).unwrap_or_else(|| self.file.clone());
            let nearest = nearest(path, self.known.iter().map(|known| known.path.as_str()));
            return Err(unknown(
                &format!("{place}: there is no setting {path}"),
                nearest,
            ));
        }
        let table = value
            .as_table()
            .ok_or_else(|| self.error(&Fault::new(path, "is a table")))?;
        table
            .iter()
            .try_for_each(|(name, value)| self.check(&format!("{path}.{name}"), value))
    }

    /// Tells whether there are settings below a path.
    fn is_table(&self, path: &str) -> bool {
        self.known.iter().any(|known| {
            known
                .path
                .strip_prefix(path)
                .is_some_and(|below| below.starts_with('.'))
        })
    }

    fn unknown_variable(&self, name: &str) -> Error {
        let names: Vec<String> = self
            .known
            .iter()
            .map(|known| variable(&known.path))
            .chain([CONFIG.to_owned()])
            .collect();
        let nearest = nearest(&name.to_ascii_uppercase(), names.iter().map(String::as_str));
        unknown(&format!("the variable {name} names no setting"), nearest)
    }

    /// Returns the variable that sets a setting, or the file and the line; `None` when neither
    /// does.
    fn place_of(&self, path: &str) -> Option<String> {
        let above = path.match_indices('.').map(|(end, _)| &path[..end]);
        let variable = above
            .chain([path])
            .filter_map(|path| self.variables.get(path))
            .next_back();
        variable.cloned().or_else(|| self.line_of(path))
    }

    /// Returns the file and the line of a setting, or of the table that it would be in.
    fn line_of(&self, path: &str) -> Option<String> {
        // It was parsed before, so this doesn't fail.
        let document = DeTable::parse(self.text).ok()?;
        let mut table = document.get_ref();
        let mut place = None;
        for part in path.split('.') {
            let Some((key, value)) = table.iter().find(|(key, _)| key.get_ref() == part) else {
                break;
            };
            place = Some(self.at(key.span().start));
            match value.get_ref() {
                DeValue::Table(inner) => table = inner,
                _ => break,
            }
        }
        place
    }

    fn at(&self, offset: usize) -> String {
        let line = self
            .text
            .bytes()
            .take(offset)
            .filter(|byte| *byte == b'\n')
            .count()
            + 1;
        format!("{}:{line}", self.file)
    }
}

fn unknown(what: &str, nearest: Option<&str>) -> Error {
    let hint = nearest.map_or_else(
        || "docs/settings.md lists them".to_owned(),
        |nearest| format!("the nearest is {nearest}"),
    );
    Error::misconfigured(format!("{what}; {hint}"))
}

/// Returns the path of the setting that a variable names.
fn path(variable: &str) -> String {
    variable[PREFIX.len()..]
        .to_ascii_lowercase()
        .replace("__", ".")
}

/// Returns the variable of a setting.
pub(super) fn variable(path: &str) -> String {
    format!("{PREFIX}{}", path.replace('.', "__").to_ascii_uppercase())
}

/// Tells whether there is a value where `path` leads.
fn is_set(table: &toml::Table, path: &str) -> bool {
    match path.split_once('.') {
        None => table.contains_key(path),
        Some((first, rest)) => table
            .get(first)
            .and_then(toml::Value::as_table)
            .is_some_and(|inner| is_set(inner, rest)),
    }
}

/// Puts a value where `path` leads, through tables that are there or are made.
fn put(table: &mut toml::Table, path: &str, value: toml::Value) {
    match path.split_once('.') {
        None => drop(table.insert(path.to_owned(), value)),
        Some((first, rest)) => {
            let inner = table
                .entry(first)
                .or_insert_with(|| toml::Table::new().into());
            // The file was checked: a value there is a table.
            if let Some(inner) = inner.as_table_mut() {
                put(inner, rest, value);
            }
        }
    }
}

/// Removes empty tables: a heading alone sets nothing, even one whose settings are set together.
fn drop_headings(table: &mut toml::Table) {
    table.retain(|_, value| match value {
        toml::Value::Table(inner) => {
            drop_headings(inner);
            !inner.is_empty()
        }
        _ => true,
    });
}
