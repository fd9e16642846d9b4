//! The one place of each setting: `settings!` makes its field, its default, its bounds and its row
//! in the documents.

use super::kind::{Bounds, Kind};

/// A setting as it is declared, with a value.
#[derive(Debug)]
pub(super) struct Setting {
    /// The path, parts divided by dots.
    pub(super) path: String,
    /// The subject of its table; empty for a setting in none.
    pub(super) table: &'static str,
    /// The meaning, for operators.
    pub(super) meaning: &'static str,
    pub(super) kind: Kind,
    pub(super) bounds: Option<Bounds>,
    /// The value where that is a number.
    pub(super) number: Option<u64>,
    /// The value, or words for its absence; a secret is not shown.
    pub(super) shown: String,
    /// The value as a settings file has it; none where nothing is set.
    pub(super) written: Option<toml::Value>,
}

/// A type that a setting's value can have.
pub(super) trait Value {
    const KIND: Kind;

    /// Returns the value as the documents show it.
    fn show(&self) -> String;

    /// Returns the value as a settings file has it; none for what isn't set, and for a secret.
    fn written(&self) -> Option<toml::Value>;

    /// Returns the value if it is a number.
    fn number(&self) -> Option<u64> {
        None
    }
}

/// A field's declaration, before its value is known.
pub(super) struct Entry {
    pub(super) path: String,
    pub(super) table: &'static str,
    pub(super) meaning: &'static str,
    pub(super) words: Option<&'static str>,
    pub(super) bounds: Option<Bounds>,
}

impl Entry {
    /// Returns the entry above all.
    pub(super) fn root() -> Self {
        Self {
            path: String::new(),
            table: "",
            meaning: "",
            words: None,
            bounds: None,
        }
    }

    /// Returns the entry of a field of the table that this entry is.
    pub(super) fn below(
        &self,
        field: &str,
        meaning: &'static str,
        words: Option<&'static str>,
        bounds: Option<Bounds>,
    ) -> Self {
        let divider = if self.path.is_empty() { "" } else { "." };
        Self {
            path: format!("{}{divider}{field}", self.path),
            table: self.meaning,
            meaning,
            words,
            bounds,
        }
    }
}

/// A setting's value, or a struct of settings, which is a table.
pub(super) trait Declared {
    /// Adds the settings that it is.
    fn list(&self, entry: Entry, settings: &mut Vec<Setting>);
}

impl<T: Value> Declared for T {
    fn list(
        &self,
        Entry {
            path,
            table,
            meaning,
            words,
            bounds,
        }: Entry,
        settings: &mut Vec<Setting>,
    ) {
        let shown = words.map_or_else(|| self.show(), str::to_owned);
        settings.push(Setting {
            path,
            table,
            meaning,
            kind: T::KIND,
            bounds,
            number: self.number(),
            shown,
            written: self.written(),
        });
    }
}

/// Declares the settings of a table, one an entry:
///
/// ```text
/// /// The meaning, as operators read it.
/// NAME: TYPE = DEFAULT => "words for the default in the documents", BOUNDS;
/// ```
///
/// Words and bounds may be left out: without words the documents show the default itself. `for TYPE
/// { … }` declares the fields of a struct that another room has, with its types and its
/// [`Default`].
macro_rules! settings {
    ($(#[doc = $about:literal])+ $table:ident {
        $(
            $(#[doc = $meaning:literal])+
            $field:ident: $type:ty = $default:expr $(=> $words:literal)? $(, $bounds:expr)?;
        )+
    }) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $table {
            $($(#[doc = $meaning])+ pub $field: $type,)+
        }

        impl Default for $table {
            fn default() -> Self {
                Self { $($field: $default,)+ }
            }
        }

        $crate::config::declare::settings! {
            for $table { $($(#[doc = $meaning])+ $field $(=> $words)? $(, $bounds)?;)+ }
        }
    };
    (for $table:ident {
        $(
            $(#[doc = $meaning:literal])+
            $field:ident $(=> $words:literal)? $(, $bounds:expr)?;
        )+
    }) => {
        impl $crate::config::declare::Declared for $table {
            fn list(
                &self,
                table: $crate::config::declare::Entry,
                settings: &mut Vec<$crate::config::declare::Setting>,
            ) {
                // A field without an entry doesn't compile.
                let Self { $($field),+ } = self;
                $($field.list(
                    table.below(
                        stringify!($field),
                        concat!($($meaning),+),
                        $crate::config::declare::settings!(@optional $($words)?),
                        $crate::config::declare::settings!(@optional $($bounds.into())?),
                    ),
                    settings,
                );)+
            }
        }
    };
    (@optional) => { None };
    (@optional $value:expr) => { Some($value) };
}
pub(super) use settings;
