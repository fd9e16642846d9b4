//! A hash table of hashes that end: 8 bytes for each, and the bytes of what it is bound to.
//!
//! Open addressing, over chunks of one size: a table grows by some chunks, and leaves no gaps in
//! the allocator. An entry holds the hash and the time of its end. It is dropped when the entries
//! are spread anew: once fifteen sixteenths of the slots are full, or when many have ended.

use crate::domain::clock::Timestamp;

/// The bits of an entry that say when it ends; the others are the hash.
const TICK_BITS: u32 = 10;
/// The bits of a hash that a table distinguishes. The other bits choose the table.
pub(super) const HASH_BITS: u32 = u64::BITS - TICK_BITS;
/// The unit of ends, in seconds: an entry is kept for so much longer than it need be, at most.
const TICK_SECONDS: i64 = 30;
/// The slots of a chunk.
const CHUNK: usize = 64;

/// A time in units of 30 seconds, modulo 1024 of them. Times are compared as if they were less than
/// four hours apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tick(u64);

impl Tick {
    const ALL: u64 = 1 << TICK_BITS;

    pub(super) fn of(at: Timestamp) -> Self {
        let ticks = at.unix_seconds().div_euclid(TICK_SECONDS);
        Self(ticks.rem_euclid(1 << TICK_BITS).unsigned_abs())
    }

    fn is_before(self, other: Self) -> bool {
        self.0.wrapping_sub(other.0) % Self::ALL >= Self::ALL / 2
    }

    fn previous(self) -> Self {
        Self(self.0.wrapping_sub(1) % Self::ALL)
    }
}

/// A hash and its end; 0 is an empty slot, and no hash is 0.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Entry(u64);

impl Entry {
    const EMPTY: Self = Self(0);

    fn new(hash: u64, ends: Tick) -> Self {
        Self(hash << TICK_BITS | ends.0)
    }

    fn hash(self) -> u64 {
        self.0 >> TICK_BITS
    }

    fn is_live(self, now: Tick) -> bool {
        self != Self::EMPTY && !Tick(self.0 % Tick::ALL).is_before(now)
    }
}

/// Slots that follow each other, with the bytes that each is bound to.
#[derive(Clone, Copy)]
struct Chunk<const BOUND: usize> {
    entries: [Entry; CHUNK],
    bounds: [[u8; BOUND]; CHUNK],
}

impl<const BOUND: usize> Chunk<BOUND> {
    const EMPTY: Self = Self {
        entries: [Entry::EMPTY; CHUNK],
        bounds: [[0; BOUND]; CHUNK],
    };
}

/// Hashes of [`HASH_BITS`] bits that aren't 0, each with its end and `BOUND` bytes.
#[derive(Default)]
pub(super) struct Table<const BOUND: usize> {
    chunks: Vec<Box<Chunk<BOUND>>>,
    /// Slots that aren't empty.
    used: usize,
}

impl<const BOUND: usize> Table<BOUND> {
    /// Returns the bytes that the table takes.
    pub(super) fn bytes(&self) -> usize {
        self.chunks.len() * size_of::<Chunk<BOUND>>()
            + self.chunks.capacity() * size_of::<Box<Chunk<BOUND>>>()
    }

    /// Returns the bytes that a hash is bound to, if it is here and hasn't ended.
    pub(super) fn find(&self, hash: u64, now: Tick) -> Option<[u8; BOUND]> {
        let (chunk, slot) = self.place_of(hash)?;
        let chunk = &self.chunks[chunk];
        chunk.entries[slot]
            .is_live(now)
            .then_some(chunk.bounds[slot])
    }

    /// Adds a hash that [`Self::find`] didn't find.
    pub(super) fn insert(&mut self, hash: u64, bound: [u8; BOUND], ends: Tick, now: Tick) {
        let slots = self.chunks.len() * CHUNK;
        if self.used >= slots - slots / 16 {
            self.spread_anew(now);
        }
        self.put(Entry::new(hash, ends), bound);
    }

    /// Ends a hash now.
    pub(super) fn end(&mut self, hash: u64, now: Tick) {
        if let Some((chunk, slot)) = self.place_of(hash) {
            let entry = &mut self.chunks[chunk].entries[slot];
            if *entry != Entry::EMPTY {
                *entry = Entry::new(hash, now.previous());
            }
        }
    }

    /// Gives the memory of entries that have ended back, when it is worth the work.
    pub(super) fn forget(&mut self, now: Tick) {
        match self.live(now).count() {
            0 => *self = Self::default(),
            live if live < self.used - self.used / 4 => self.spread_anew(now),
            _ => {}
        }
    }

    fn live(&self, now: Tick) -> impl Iterator<Item = (Entry, [u8; BOUND])> {
        let all = self.chunks.iter().flat_map(|chunk| {
            let bounds = chunk.bounds.iter().copied();
            chunk.entries.iter().copied().zip(bounds)
        });
        all.filter(move |(entry, _)| entry.is_live(now))
    }

    /// Spreads what hasn't ended over as many chunks as suit it: five sixths of their slots are
    /// full then, or less.
    fn spread_anew(&mut self, now: Tick) {
        let live: Vec<_> = self.live(now).collect();
        let chunks = live.len() * 6 / 5 / CHUNK + 1;
        self.chunks.truncate(chunks);
        for chunk in &mut self.chunks {
            **chunk = Chunk::EMPTY;
        }
        let more = chunks - self.chunks.len();
        self.chunks.reserve_exact(more);
        self.chunks
            .extend((0..more).map(|_| Box::new(Chunk::EMPTY)));
        self.used = 0;
        for (entry, bound) in live {
            self.put(entry, bound);
        }
    }

    /// Writes an entry to its slot; there is an empty one.
    fn put(&mut self, entry: Entry, bound: [u8; BOUND]) {
        if let Some((chunk, slot)) = self.place_of(entry.hash()) {
            let chunk = &mut self.chunks[chunk];
            self.used += usize::from(chunk.entries[slot] == Entry::EMPTY);
            chunk.entries[slot] = entry;
            chunk.bounds[slot] = bound;
        }
    }

    /// Returns the chunk and the slot in it with this hash, or the empty one where it would be;
    /// none in a table without chunks.
    fn place_of(&self, hash: u64) -> Option<(usize, usize)> {
        let slots = self.chunks.len() * CHUNK;
        // The same order as the hashes have, so entries are spread from the first to the last.
        let first = (u128::from(hash) * slots as u128) >> HASH_BITS;
        let first = usize::try_from(first).ok()?;
        let (mut chunk, mut from) = (first / CHUNK, first % CHUNK);
        loop {
            let entries = &self.chunks.get(chunk)?.entries[from..];
            let slot = entries
                .iter()
                .position(|entry| *entry == Entry::EMPTY || entry.hash() == hash);
            if let Some(slot) = slot {
                return Some((chunk, from + slot));
            }
            (chunk, from) = ((chunk + 1) % self.chunks.len(), 0);
        }
    }
}
