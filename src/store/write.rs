//! A write: a list of guarded statements, applied whole or not at all.

use crate::domain::clock::{Random, Timestamp, random_bytes};
use crate::domain::{Error, Result};

use super::audit::{self, AuditRow};
use super::change::{self, Noun};
use super::operation;
use super::row::{Statement, Value};
use super::signed_change::{self, SignedChange};

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
        Self { statement, parameters, rows, otherwise: Box::new(otherwise) }
    }

    /// Makes a statement that nothing expected can refuse.
    pub(crate) fn unguarded(statement: Statement, parameters: Vec<Value>) -> Self {
        Self::new(statement, parameters, Rows::Any, move || {
            Error::internal(format!("table {}: a value that must be new was there already", statement.table))
        })
    }

    /// Judges how many rows were touched.
    pub(crate) fn check(&self, count: u64) -> Result<()> {
        if self.rows.allows(count) { Ok(()) } else { Err(self.refusal()) }
    }

    /// Makes the error that this statement's refusal means.
    pub(crate) fn refusal(&self) -> Error {
        (self.otherwise)()
    }
}

/// What one noun adds to a write: its guarded statements, and what they change.
#[must_use = "a part does nothing until it is in a write and that is applied"]
#[derive(Default)]
pub struct Part {
    guarded: Vec<Guarded>,
    changes: Vec<(Noun, String)>,
}

impl Part {
    pub(crate) fn of(guarded: impl IntoIterator<Item = Guarded>) -> Self {
        Self { guarded: guarded.into_iter().collect(), changes: Vec::new() }
    }

    /// Adds what another noun's function made.
    pub fn and(mut self, other: Self) -> Self {
        self.guarded.extend(other.guarded);
        self.changes.extend(other.changes);
        self
    }

    pub(crate) fn changes(mut self, noun: Noun, id: &(impl ToString + ?Sized)) -> Self {
        self.changes.push((noun, id.to_string()));
        self
    }
}

/// Names one write for ever, so that a retry never trips over its own success.
#[derive(Clone, Debug)]
pub struct Operation {
    pub(crate) id: String,
    pub(crate) at: Timestamp,
}

impl Operation {
    /// Names a new write, made at `now`.
    pub fn new(random: &dyn Random, now: Timestamp) -> Self {
        Self { id: format!("{:032x}", u128::from_be_bytes(random_bytes(random))), at: now }
    }

    /// Names a write that whoever comes to it names the same: the first is applied, and to the others it seems so.
    pub fn named(name: String, now: Timestamp) -> Self {
        Self { id: name, at: now }
    }
}

/// A list of guarded statements, applied whole or not at all.
///
/// Give it to [`Store::apply`](super::Store::apply).
#[must_use = "a write does nothing until it is applied"]
pub struct Write {
    operation: Operation,
    /// The signed call that asked for it.
    signed: Option<SignedChange>,
    part: Part,
    audits: Vec<Guarded>,
}

impl Write {
    /// Begins an empty write.
    pub fn new(operation: Operation) -> Self {
        Self { operation, signed: None, part: Part::default(), audits: Vec::new() }
    }

    /// Adds what a noun's function made; its guards see what earlier parts did.
    pub fn then(mut self, part: Part) -> Self {
        self.part = self.part.and(part);
        self
    }

    /// Announces a change in the change feed, beyond those that the parts announce by themselves.
    pub fn changes(mut self, noun: Noun, id: &(impl ToString + ?Sized)) -> Self {
        self.part = self.part.changes(noun, id);
        self
    }

    /// Records the write, or anything else that happened, in the audit table.
    pub fn audit(mut self, row: &AuditRow) -> Self {
        self.audits.push(audit::insert(row));
        self
    }

    /// Lets the signature that asked for the write make no other: the same call may make several.
    pub fn once(mut self, change: SignedChange) -> Self {
        self.signed = Some(change);
        self
    }

    /// Returns the signed call that asked for the write.
    pub fn signed(&self) -> Option<&SignedChange> {
        self.signed.as_ref()
    }

    /// Returns what is announced in the change feed.
    pub fn changed(&self) -> &[(Noun, String)] {
        &self.part.changes
    }

    /// Puts the statements into the order in which they are applied.
    pub(crate) fn into_steps(self) -> Steps {
        let operation = operation::insert(&self.operation);
        let announces = !self.part.changes.is_empty();
        // First: a repetition is told so, and not what its own success put into its way.
        let mut rest = self.signed.as_ref().map(|change| signed_change::claim(change).guarded).unwrap_or_default();
        rest.extend(self.part.guarded);
        rest.extend(self.audits);
        // Last: the counter's row is locked from here to the commit, so that position order is commit order.
        rest.extend(self.part.changes.iter().flat_map(|(noun, id)| change::append(*noun, id, self.operation.at)));
        Steps { operation, rest, announces }
    }
}

/// A write as a driver applies it.
pub(crate) struct Steps {
    /// Comes first. Touching no row means: this write was applied already, and all is well.
    pub(crate) operation: Guarded,
    /// All else, in order.
    pub(crate) rest: Vec<Guarded>,
    /// Whether the change feed grows.
    pub(crate) announces: bool,
}
