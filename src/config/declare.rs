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
    /// The value as an operator may see it.
    pub(super) masked: String,
    /// The value as a settings file has it; none where nothing is set.
    pub(super) written: Option<toml::Value>,
    /// The moment from which another value holds.
    pub(super) holds_from: HoldsFrom,
}

/// The moment from which a setting's other value holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HoldsFrom {
    /// The next reload of a running service (SIGHUP).
    Reload,
    /// The next start.
    Restart,
}

/// A setting that has another value in settings that were read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its path.
    pub setting: String,
    /// The value before, as a settings file has it; a secret is not shown.
    pub before: String,
    /// The value now.
    pub now: String,
    /// Whether the running service takes it; the others need a restart.
    pub is_taken: bool,
}

/// A type that a setting's value can have.
pub(super) trait Value: Clone {
    const KIND: Kind;

    /// Tells whether two values are one. Secrets have no `==`.
    fn is(&self, other: &Self) -> bool;

    /// Returns the value as the documents show it.
    fn show(&self) -> String;

    /// Returns the value without what is secret about it.
    fn masked(&self) -> String {
        self.show()
    }

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
    pub(super) holds_from: HoldsFrom,
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
            holds_from: HoldsFrom::Restart,
        }
    }

    /// Returns the entry of a field of the table that this entry is.
    pub(super) fn below(
        &self,
        field: &str,
        meaning: &'static str,
        words: Option<&'static str>,
        bounds: Option<Bounds>,
        holds_from: HoldsFrom,
    ) -> Self {
        let divider = if self.path.is_empty() { "" } else { "." };
        Self {
            path: format!("{}{divider}{field}", self.path),
            table: self.meaning,
            meaning,
            words,
            bounds,
            holds_from,
        }
    }
}

/// A setting's value, or a struct of settings, which is a table.
pub(super) trait Declared {
    /// Adds the settings that it is.
    fn list(&self, entry: Entry, settings: &mut Vec<Setting>);

    /// Takes from `new` what holds from a reload on, and adds all that differs to `changes`.
    fn reload(&mut self, entry: Entry, new: &Self, changes: &mut Vec<Change>);
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
            holds_from,
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
            masked: self.masked(),
            written: self.written(),
            holds_from,
        });
    }

    fn reload(&mut self, entry: Entry, new: &Self, changes: &mut Vec<Change>) {
        if self.is(new) {
            return;
        }
        let in_words = |value: &Self| match value.written() {
            Some(value) => value.to_string(),
            None => value.show(),
        };
        let is_taken = entry.holds_from == HoldsFrom::Reload;
        changes.push(Change {
            setting: entry.path,
            before: in_words(self),
            now: in_words(new),
            is_taken,
        });
        if is_taken {
            *self = new.clone();
        }
    }
}

/// Declares the settings of a table, one an entry:
///
/// ```text
/// /// The meaning, as operators read it.
/// NAME: TYPE = DEFAULT => "words for the default in the documents", BOUNDS;
/// ```
///
/// Words and bounds may be left out: without words the documents show the default itself.
/// `@reloads` stands before a setting that a running service takes at a reload. `for TYPE { … }`
/// declares the fields of a struct that another room has, with its types and its
/// [`Default`].
macro_rules! settings {
    ($(#[doc = $about:literal])+ $table:ident {
        $(
            $(#[doc = $meaning:literal])+
            $(@$reloads:ident)?
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
            for $table {
                $($(#[doc = $meaning])+ $(@$reloads)? $field $(=> $words)? $(, $bounds)?;)+
            }
        }
    };
    (for $table:ident {
        $(
            $(#[doc = $meaning:literal])+
            $(@$reloads:ident)? $field:ident $(=> $words:literal)? $(, $bounds:expr)?;
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
                        $crate::config::declare::settings!(@holds_from $($reloads)?),
                    ),
                    settings,
                );)+
            }

            fn reload(
                &mut self,
                table: $crate::config::declare::Entry,
                new: &Self,
                changes: &mut Vec<$crate::config::declare::Change>,
            ) {
                $(self.$field.reload(
                    table.below(
                        stringify!($field),
                        "",
                        None,
                        None,
                        $crate::config::declare::settings!(@holds_from $($reloads)?),
                    ),
                    &new.$field,
                    changes,
                );)+
            }
        }
    };
    (@optional) => { None };
    (@optional $value:expr) => { Some($value) };
    (@holds_from) => { $crate::config::declare::HoldsFrom::Restart };
    (@holds_from reloads) => { $crate::config::declare::HoldsFrom::Reload };
}
pub(super) use settings;
