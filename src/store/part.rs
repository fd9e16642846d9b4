//! A noun's part of a write: statements, and the meaning of a refusal of each.

use crate::domain::wrapped::Wrapped;
use crate::domain::{Error, Result};

use super::nouns::Entity;
use super::row::{Statement, Value};

/// How many rows a statement must touch, or, when it only reads, find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rows {
    /// So many, no more and no fewer.
    Exactly(u64),
    /// However many there are.
    Any,
}

impl Rows {
    fn allows(self, count: u64) -> bool {
        match self {
            Self::Exactly(expected) => expected == count,
            Self::Any => true,
        }
    }
}

/// A statement, its parameters, how many rows it must touch, and what it means if it does not.
pub(crate) struct Guarded {
    pub(crate) statement: Statement,
    pub(crate) parameters: Vec<Value>,
    rows: Rows,
    // A constructor and not an error: errors don't clone, and a retry may need it again.
    otherwise: Box<dyn Fn() -> Error + Send + Sync>,
}

impl Guarded {
    /// Makes a guarded statement; `otherwise` is also the error when a unique value is taken.
    pub(crate) fn new(
        statement: Statement,
        parameters: Vec<Value>,
        rows: Rows,
        otherwise: impl Fn() -> Error + Send + Sync + 'static,
    ) -> Self {
        Self {
            statement,
            parameters,
            rows,
            otherwise: Box::new(otherwise),
        }
    }

    /// Makes a statement that nothing expected can refuse.
    pub(crate) fn unguarded(statement: Statement, parameters: Vec<Value>) -> Self {
        Self::new(statement, parameters, Rows::Any, move || {
            Error::internal(format!(
                "table {}: a value that must be new was there already",
                statement.table
            ))
        })
    }

    /// Judges how many rows were touched.
    pub(crate) fn check(&self, count: u64) -> Result<()> {
        if self.rows.allows(count) {
            Ok(())
        } else {
            Err(self.refusal())
        }
    }

    /// Makes the error that this statement's refusal means.
    pub(crate) fn refusal(&self) -> Error {
        (self.otherwise)()
    }
}

/// A noun's part of a write: its guarded statements, and the changes that they make.
#[must_use = "a part does nothing until it is in a write and that is applied"]
#[derive(Default)]
pub struct Part {
    pub(super) guarded: Vec<Guarded>,
    pub(super) changes: Vec<(Entity, String)>,
}

impl Part {
    pub(crate) fn of(guarded: impl IntoIterator<Item = Guarded>) -> Self {
        Self {
            guarded: guarded.into_iter().collect(),
            changes: Vec::new(),
        }
    }

    /// Adds what another noun's function made.
    pub fn and(mut self, other: Self) -> Self {
        self.guarded.extend(other.guarded);
        self.changes.extend(other.changes);
        self
    }

    pub(crate) fn changes(mut self, noun: Entity, id: &(impl ToString + ?Sized)) -> Self {
        self.changes.push((noun, id.to_string()));
        self
    }
}

/// A part that stores a secret which the master key wrapped.
///
/// Only [`Write::then_wrapped`](super::Write::then_wrapped) takes it, so that no write forgets the
/// check:
///
/// ```compile_fail,E0308
/// use transire::store::access_key::{self, AccessKey};
/// use transire::store::Write;
///
/// fn store(write: Write, key: &AccessKey) -> Write {
///     write.then(access_key::insert(key))
/// }
/// ```
#[must_use = "a part does nothing until it is in a write and that is applied"]
pub struct WrappedPart {
    pub(super) part: Part,
    /// The id of the master key that wrapped the secret; none where there is no secret.
    pub(super) master_key_id: Option<String>,
}

impl WrappedPart {
    /// Makes a part that stores `wrapped`, if that is there.
    pub(super) fn of(wrapped: Option<&Wrapped>, part: Part) -> Self {
        // An id that can't be read is no master key's, so that the write is refused.
        Self {
            part,
            master_key_id: wrapped.map(|wrapped| wrapped.master_key_id().unwrap_or_default()),
        }
    }

    /// Puts another part before this one.
    pub(super) fn after(self, before: Part) -> Self {
        Self {
            part: before.and(self.part),
            ..self
        }
    }

    /// Returns the part without the check, for stores without a master key.
    #[cfg(test)]
    pub(super) fn unchecked(self) -> Part {
        self.part
    }
}
