//! The terms of a page's lines as a Bloom filter: a search reads only the pages that may have what
//! is asked.
//!
//! The first byte is the number of bits of a term, and the others are the bits. An empty filter
//! says nothing, so that its page may have anything. `docs/decisions/0035-audit-search.md` has the
//! reasons.

/// How many bits there are for a term, while there is room: one page in three hundred is then read
/// in vain.
const BITS_PER_TERM: usize = 12;
/// The most bytes of a filter. An index has it together with the page's words, and an entry of an
/// index of PostgreSQL has at most 2,704 bytes.
const MAX_FILTER_BYTES: usize = 1792;
/// The most bits of a term.
const MAX_BITS_OF_TERM: u8 = 8;

/// The subject of a term. The numbers are stored, so they never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum TermKind {
    /// A request's id.
    Request = 1,
    /// The proved principal.
    Principal = 2,
    /// The beginning of a session's principal, up to the first slash and with it.
    Sessions = 3,
    /// A credential's id.
    Credential = 4,
    /// An access key's id.
    AccessKey = 5,
    /// A registry's service.
    Service = 6,
    /// A client's address.
    Address = 7,
}

/// A hash of a kind and a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Term(u64);

impl Term {
    /// Makes the term of a text.
    ///
    /// It is FNV-1a (64 bits) with a last mixing. Two texts with one hash make a search read a page
    /// in vain.
    pub fn new(kind: TermKind, text: &str) -> Self {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for byte in std::iter::once(kind as u8).chain(text.bytes()) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        // The finaliser of MurmurHash3: FNV's high bits hardly depend on the last letters.
        hash = (hash ^ hash >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
        hash = (hash ^ hash >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        Self(hash ^ hash >> 33)
    }

    /// Returns the places of its bits among `bits`.
    fn places(self, bits: u64, count: u8) -> impl Iterator<Item = u64> {
        let (first, step) = (self.0 & 0xffff_ffff, self.0 >> 32 | 1);
        (0..u64::from(count)).map(move |number| (first + number * step) % bits)
    }
}

/// The terms of a page while it is made.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    terms: Vec<Term>,
    is_unknown: bool,
}

impl Terms {
    /// Adds a term.
    pub fn add(&mut self, kind: TermKind, text: &str) {
        self.terms.push(Term::new(kind, text));
    }

    /// Says that the page has a line that can't be read: it may have anything.
    pub fn add_unknown(&mut self) {
        self.is_unknown = true;
    }

    /// Returns the filter.
    pub fn filter(mut self) -> Vec<u8> {
        self.terms.sort_unstable();
        self.terms.dedup();
        if self.is_unknown || self.terms.is_empty() {
            return Vec::new();
        }
        let bytes = (self.terms.len() * BITS_PER_TERM / 8).clamp(7, MAX_FILTER_BYTES - 1);
        // As many as make a wrong answer least likely: ln 2 of the bits that there are for a term.
        let count = (bytes * 8 * 7 / 10 / self.terms.len()).clamp(1, MAX_BITS_OF_TERM.into());
        let count = u8::try_from(count).unwrap_or(MAX_BITS_OF_TERM);
        let mut filter = vec![0; bytes + 1];
        if let Some((head, bits)) = filter.split_first_mut() {
            *head = count;
            for place in self
                .terms
                .iter()
                .flat_map(|term| term.places(bytes as u64 * 8, count))
            {
                if let Some(byte) = bits.get_mut(place as usize / 8) {
                    *byte |= 1 << (place % 8);
                }
            }
        }
        filter
    }
}

/// Tells whether a page with this filter may have a line with all of these terms.
pub fn may_have(filter: &[u8], terms: &[Term]) -> bool {
    let Some((&count @ 1..=MAX_BITS_OF_TERM, bits)) = filter.split_first() else {
        return true;
    };
    let has = |place: u64| {
        let byte = bits.get(place as usize / 8).copied().unwrap_or(u8::MAX);
        byte >> (place % 8) & 1 == 1
    };
    bits.is_empty()
        || terms
            .iter()
            .all(|term| term.places(bits.len() as u64 * 8, count).all(has))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filter_of(texts: &[String]) -> Vec<u8> {
        let mut terms = Terms::default();
        texts
            .iter()
            .for_each(|text| terms.add(TermKind::Request, text));
        terms.filter()
    }

    proptest! {
        #[test]
        fn a_filter_never_leaves_out_what_was_added(
            texts in prop::collection::vec("[a-z0-9:/-]{0,40}", 1..3000),
        ) {
            let filter = filter_of(&texts);
            prop_assert!(filter.len() <= MAX_FILTER_BYTES);
            for text in &texts {
                prop_assert!(may_have(&filter, &[Term::new(TermKind::Request, text)]));
            }
        }

        #[test]
        fn no_stored_bytes_make_a_panic(
            filter in prop::collection::vec(any::<u8>(), 0..64), text in ".{0,20}",
        ) {
            may_have(&filter, &[Term::new(TermKind::Address, &text)]);
        }
    }

    #[test]
    fn a_filter_rarely_has_what_was_not_added() {
        for (added, most) in [(1, 10), (100, 10), (1000, 10), (3000, 100)] {
            let texts: Vec<String> = (0..added)
                .map(|number| format!("request-{number}"))
                .collect();
            let filter = filter_of(&texts);
            let wrong = (0..1000)
                .filter(|number| {
                    let other = Term::new(TermKind::Request, &format!("other-{number}"));
                    may_have(&filter, &[other])
                })
                .count();
            assert!(wrong <= most, "{wrong} of 1000, with {added} terms");
        }
    }

    #[test]
    fn one_text_of_two_kinds_is_two_terms() {
        let filter = filter_of(&["192.0.2.1".to_owned()]);
        assert!(!may_have(
            &filter,
            &[Term::new(TermKind::Address, "192.0.2.1")]
        ));
    }

    #[test]
    fn a_page_without_a_filter_may_have_anything() {
        let mut unknown = Terms::default();
        unknown.add(TermKind::Request, "a");
        unknown.add_unknown();
        let term = [Term::new(TermKind::Request, "b")];
        for filter in [
            unknown.filter(),
            Terms::default().filter(),
            vec![0],
            vec![200, 0, 0],
        ] {
            assert!(may_have(&filter, &term), "{filter:?}");
        }
    }

    #[test]
    fn hashes_stay_as_they_are() {
        // They are stored: another hash would hide lines from searches.
        let term = Term::new(TermKind::Request, "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(term, Term(0x9c83_9719_2c8f_2003));
    }
}
