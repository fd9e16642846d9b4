//! A write: a list of guarded statements, applied whole or not at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::domain::clock::Timestamp;

use super::audit::{self, AuditRow};
use super::audit_chain::{Chain, ChainedInsert};
use super::audit_page::{self, AuditLine, AuditPage};
use super::change;
use super::meta;
use super::nouns::Entity;
use super::operation::{self, Operation};
use super::part::{Guarded, Part, WrappedPart};
use super::signed_change::{self, SignedChange};

/// The condition that nothing was changed since a position of the change feed. It holds for the
/// first write that is made under it: a call's later writes come after its own change.
#[derive(Clone, Debug)]
pub struct Unchanged {
    position: i64,
    is_met: Arc<AtomicBool>,
}

impl Unchanged {
    /// The condition that nothing was changed since `position`.
    pub fn since(position: i64) -> Self {
        Self {
            position,
            is_met: Arc::default(),
        }
    }

    /// Returns the position.
    pub fn position(&self) -> i64 {
        self.position
    }

    /// Tells whether a write was made under it.
    pub fn is_met(&self) -> bool {
        self.is_met.load(Ordering::Acquire)
    }

    /// Notes that a write was made under it.
    pub fn note_met(&self) {
        self.is_met.store(true, Ordering::Release);
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
    unchanged: Option<Unchanged>,
    part: Part,
    audits: Vec<Audited>,
}

impl Write {
    /// Begins an empty write.
    pub fn new(operation: Operation) -> Self {
        Self {
            operation,
            signed: None,
            unchanged: None,
            part: Part::default(),
            audits: Vec::new(),
        }
    }

    /// Adds what a noun's function made; its guards see what earlier parts did.
    pub fn then(mut self, part: Part) -> Self {
        self.part = self.part.and(part);
        self
    }

    /// Adds a part that stores a wrapped secret. The write is refused with `PreconditionFailed`
    /// when the store names another master key by then than the one that wrapped it: wrap again,
    /// with that one.
    pub fn then_wrapped(self, part: WrappedPart) -> Self {
        let checked = match &part.master_key_id {
            Some(id) => self.then(meta::require_current_key(id)),
            None => self,
        };
        checked.then(part.part)
    }

    /// Announces a change in the change feed, beyond those that the parts announce by themselves.
    pub fn changes(mut self, noun: Entity, id: &(impl ToString + ?Sized)) -> Self {
        self.part = self.part.changes(noun, id);
        self
    }

    /// Records the write, or anything else that happened, in the audit table.
    pub fn audit(self, row: &AuditRow) -> Self {
        self.audit_as(row, None)
    }

    /// As [`Self::audit`], for an event that may also be a line of a page with those of other
    /// writes.
    pub fn audit_as(mut self, row: &AuditRow, line: Option<AuditLine>) -> Self {
        let insert = audit::insert(row);
        self.audits.push(Audited { insert, line });
        self
    }

    /// Stores a page of events.
    pub fn audit_page(mut self, page: &AuditPage) -> Self {
        let (insert, line) = (audit_page::insert(page), None);
        self.audits.push(Audited { insert, line });
        self
    }

    /// Lets the signature that asked for the write make no other: the same call may make several.
    pub fn once(mut self, change: SignedChange) -> Self {
        self.signed = Some(change);
        self
    }

    /// Refuses the write with `PreconditionFailed` where a condition doesn't hold by then.
    pub fn only_if(mut self, unchanged: &Unchanged) -> Self {
        if !unchanged.is_met() {
            self.unchanged = Some(unchanged.clone());
        }
        self
    }

    /// Returns the condition under which the write is made.
    pub fn unchanged(&self) -> Option<&Unchanged> {
        self.unchanged.as_ref()
    }

    /// Returns when the write was made.
    pub fn made_at(&self) -> Timestamp {
        self.operation.at
    }

    /// Returns the signed call that asked for the write.
    pub fn signed(&self) -> Option<&SignedChange> {
        self.signed.as_ref()
    }

    /// Returns what is announced in the change feed.
    pub fn changed(&self) -> &[(Entity, String)] {
        &self.part.changes
    }

    /// Puts the statements into the order in which they are applied.
    pub(crate) fn into_steps(self) -> Steps {
        let operation = operation::insert(&self.operation);
        let announces = !self.part.changes.is_empty();
        // First: a repetition is told so, and not what its own success put into its way.
        let mut before = self
            .signed
            .as_ref()
            .map(|change| signed_change::claim(change).guarded)
            .unwrap_or_default();
        before.extend(self.part.guarded);
        let mut after: Vec<Guarded> = self
            .unchanged
            .iter()
            .map(|unchanged| change::hold(unchanged.position))
            .collect();
        // Last: the counter's row is locked from here to the commit, so that position order is
        // commit order.
        after.extend(
            self.part
                .changes
                .iter()
                .flat_map(|(noun, id)| change::append(*noun, id, self.operation.at)),
        );
        Steps {
            operation,
            before,
            audits: self.audits,
            after,
            announces,
            made_at: self.operation.at,
        }
    }
}

/// A write as a driver applies it.
pub(crate) struct Steps {
    /// Comes first. Touching no row means: this write was applied already, and all is well.
    pub(crate) operation: Guarded,
    /// The change itself.
    pub(crate) before: Vec<Guarded>,
    /// The events of the audit.
    pub(crate) audits: Vec<Audited>,
    /// The announcement of it in the change feed.
    pub(crate) after: Vec<Guarded>,
    /// Whether the change feed grows.
    pub(crate) announces: bool,
    /// When the write was made.
    pub(crate) made_at: Timestamp,
}

/// An event of the audit as a row, and the same as a line of a page; or a page.
pub(crate) struct Audited {
    pub(crate) insert: ChainedInsert,
    pub(crate) line: Option<AuditLine>,
}

impl Steps {
    /// Adds the events to a chain, and returns the statements that store them and note where it
    /// ends.
    pub(super) fn audited(&self, chain: &mut Chain) -> Vec<Guarded> {
        let added = self.audits.iter().map(|audited| chain.add(&audited.insert));
        let mut audited: Vec<Guarded> = added.collect();
        if !audited.is_empty() {
            audited.push(chain.moved(self.made_at));
        }
        audited
    }

    /// Returns all statements after the first, in order.
    pub(crate) fn rest<'s>(&'s self, audited: &'s [Guarded]) -> impl Iterator<Item = &'s Guarded> {
        self.before.iter().chain(audited).chain(&self.after)
    }
}
