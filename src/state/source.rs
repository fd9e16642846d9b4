//! The text of the file, for errors that name file and line.

use std::path::Path;

use crate::domain::{Error, ErrorKind};

/// A file and its text.
pub(super) struct Source {
    file: String,
    text: String,
}

impl Source {
    pub(super) fn new(file: &Path, text: String) -> Self {
        Self {
            file: file.display().to_string(),
            text,
        }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Makes the error of the line at an offset, in bytes.
    pub(super) fn fault(&self, offset: usize, why: &str) -> Error {
        let before = self.text.bytes().take(offset);
        let line = before.filter(|byte| *byte == b'\n').count() + 1;
        Error::invalid_parameter("seed", format!("{}:{line}: {why}", self.file))
    }

    /// Returns a mapping of errors to faults of the thing whose name is at an offset. Faults of
    /// this service stay as they are.
    pub(super) fn fault_of(&self, what: &str, offset: usize) -> impl Fn(Error) -> Error {
        move |error| match error.kind() {
            ErrorKind::Internal | ErrorKind::StoreUnavailable => error,
            ErrorKind::InvalidParameter { name } => {
                self.fault(offset, &format!("{what}: {name}: {}", error.message()))
            }
            _ => self.fault(offset, &format!("{what}: {}", error.message())),
        }
    }
}
