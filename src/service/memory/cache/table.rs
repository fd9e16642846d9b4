//! A table of the cache: entries, each with the marks whose change makes it wrong.

use std::hash::Hash;
use std::sync::Arc;

use quick_cache::Equivalent;
use quick_cache::sync::Cache;

use crate::service::memory::marks::{EntryMarks, Mark, Marks};
use crate::service::memory::reads;

/// The entries of one noun by one key.
pub(super) struct Table<K, V> {
    entries: Cache<K, Entry<V>>,
    marks_of: fn(&Marks, &K, &V) -> EntryMarks,
}

/// A value as it was read, and the marks that it is right by.
struct Entry<V> {
    value: Arc<V>,
    /// The number of the last change before it was read.
    read_at: u64,
    marks: EntryMarks,
}

impl<V> Clone for Entry<V> {
    fn clone(&self) -> Self {
        Self {
            value: Arc::clone(&self.value),
            ..*self
        }
    }
}

impl<V> Entry<V> {
    fn is_right(&self, marks: &Marks) -> bool {
        marks.are_unchanged(&self.marks, self.read_at)
    }
}

impl<K: Hash + Eq, V> Table<K, V> {
    /// Makes an empty table of so many entries at most.
    pub(super) fn new(capacity: usize, marks_of: fn(&Marks, &K, &V) -> EntryMarks) -> Self {
        Self {
            entries: Cache::new(capacity),
            marks_of,
        }
    }

    /// Returns the entry of a key, unless something changed that makes it wrong.
    pub(super) fn get<Q>(&self, marks: &Marks, key: &Q) -> Option<Arc<V>>
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let entry = self.entries.get(key)?;
        if entry.is_right(marks) {
            reads::note(&entry.marks);
            Some(entry.value)
        } else {
            self.entries.remove(key);
            None
        }
    }

    /// Keeps what was read after the change of that number. A change that came while it was read
    /// makes the entry wrong at once: it may be of before the change.
    pub(super) fn insert(&self, marks: &Marks, key: K, value: &Arc<V>, read_at: u64) {
        let entry = Entry {
            value: Arc::clone(value),
            read_at,
            marks: (self.marks_of)(marks, &key, value),
        };
        reads::note(&entry.marks);
        self.entries.insert(key, entry);
    }

    /// Drops the entries that something has made wrong.
    pub(super) fn sweep(&self, marks: &Marks) {
        self.entries.retain(|_, entry| entry.is_right(marks));
    }
}

/// Puts the marks of an entry into their places; a table declares four at most.
pub(super) fn each_mark(declared: &[Mark]) -> EntryMarks {
    std::array::from_fn(|place| declared.get(place).copied().unwrap_or(Mark::NEVER))
}
