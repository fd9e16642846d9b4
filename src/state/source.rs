//! The text of the file, for errors that name file and line.

use crate::domain::nearest::nearest;
use crate::domain::{Error, ErrorKind, Noun};

/// The longest name for which a similar one is sought, in bytes.
const MAX_SOUGHT: usize = 256;

/// A file and its text.
pub(super) struct Source {
    /// The parameter that errors are about.
    parameter: &'static str,
    file: String,
    text: String,
}

impl Source {
    pub(super) fn new(parameter: &'static str, file: &str, text: String) -> Self {
        Self {
            parameter,
            file: file.to_owned(),
            text,
        }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Returns the file and the line of an offset, in bytes.
    fn at(&self, offset: usize) -> String {
        let before = self.text.bytes().take(offset);
        let line = before.filter(|byte| *byte == b'\n').count() + 1;
        format!("{}:{line}", self.file)
    }

    /// Makes the error of the line at an offset, in bytes.
    pub(super) fn fault(&self, offset: usize, why: &str) -> Error {
        Error::invalid_parameter(self.parameter, format!("{}: {why}", self.at(offset)))
    }

    /// Makes the error of a text that is no state.
    pub(super) fn unreadable(&self, error: &toml::de::Error) -> Error {
        let at = error.span().map_or(0, |span| span.start);
        let message = error.message();
        match similar_field(message) {
            Some(field) => self.fault(at, &format!("{message}; the nearest is `{field}`")),
            None => self.fault(at, message),
        }
    }

    /// Returns a mapping of errors to faults of the thing whose name is at an offset. Faults of
    /// this service stay as they are.
    pub(super) fn fault_of(&self, noun: Noun, offset: usize) -> impl Fn(Error) -> Error {
        move |error| match error.kind() {
            ErrorKind::Internal | ErrorKind::StoreUnavailable => error,
            _ => self.fault(offset, &about(noun, &error)),
        }
    }

    /// Adds the place to the message of an error, which stays of its kind.
    pub(super) fn placed(&self, noun: Noun, offset: Option<usize>, error: Error) -> Error {
        let text = about(noun, &error);
        match (error.kind(), offset) {
            (ErrorKind::Internal | ErrorKind::StoreUnavailable, _) => error,
            (ErrorKind::InvalidParameter { .. }, Some(offset)) => self.fault(offset, &text),
            (kind, Some(offset)) => {
                Error::new(kind.clone(), format!("{}: {text}", self.at(offset)))
            }
            (kind, None) => Error::new(kind.clone(), text),
        }
    }
}

fn about(noun: Noun, error: &Error) -> String {
    match error.kind() {
        ErrorKind::InvalidParameter { name } => format!("{noun}: {name}: {}", error.message()),
        _ => format!("{noun}: {}", error.message()),
    }
}

/// Returns the nearest of some names, as a hint to add to a message.
pub(super) fn hint<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> String {
    let sought = (name.len() <= MAX_SOUGHT).then(|| nearest(name, names));
    sought
        .flatten()
        .map_or_else(String::new, |near| format!("; the nearest is {near}"))
}

/// Returns the field that an unknown one was probably meant to be. The reader's message names the
/// unknown field first, and then those that there are.
fn similar_field(message: &str) -> Option<&str> {
    let rest = message.strip_prefix("unknown field ")?;
    let mut names = rest.split('`').skip(1).step_by(2);
    let unknown = names.next().filter(|name| name.len() <= MAX_SOUGHT)?;
    nearest(unknown, names)
}
