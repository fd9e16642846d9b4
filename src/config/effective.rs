//! The settings in effect, each with the place that sets it.

use super::Loaded;
use super::declare::{Declared, Entry};

/// A setting in effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// Its path, parts divided by dots.
    pub path: String,
    /// Its value as a settings file has it, or words; a secret is not shown.
    pub value: String,
    /// The file and the line, the variable or the argument that sets it; or `default`.
    pub origin: String,
}

impl Loaded {
    /// Lists all settings.
    pub fn effective(&self) -> Vec<Effective> {
        let mut settings = Vec::new();
        self.settings.list(Entry::root(), &mut settings);
        let effective = settings.into_iter().map(|setting| {
            let origin = self.origins.get(&setting.path);
            let value = match (origin, &setting.written) {
                (Some(_), Some(_)) => setting.written.map(|value| value.to_string()),
                (Some(_), None) => Some(setting.masked),
                // In the documents it is marked as code.
                (None, _) => Some(setting.shown.replace('`', "")),
            };
            Effective {
                path: setting.path,
                value: value.unwrap_or_default(),
                origin: origin.map_or("default", String::as_str).to_owned(),
            }
        });
        effective.collect()
    }
}
