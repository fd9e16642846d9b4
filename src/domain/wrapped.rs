//! Secrets as the master key wrapped them.

use std::fmt::Write as _;

/// The bytes of a wrapped secret that are the id of its master key; the byte before them is the
/// version.
const MASTER_KEY_ID: std::ops::Range<usize> = 1..9;

/// A secret at rest: bytes that a master key wrapped, with the id of that key among them.
///
/// It is made by wrapping, or read from the store, and nowhere else: `tests/it/layers/rules.rs`
/// holds the sources to that. The store's functions that insert one return a `WrappedPart`, which
/// only `Write::then_wrapped` takes. So every write that stores one is refused when the store names
/// another master key by then. Without that check a secret would be lost at the next rotation, with
/// the master key that wrapped it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrapped(Vec<u8>);

impl Wrapped {
    /// Takes the bytes that a master key made.
    pub(crate) fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// Returns the bytes as they are stored; none of a secret that was deleted.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the id of the master key, 16 hexadecimal characters; none where the bytes are too
    /// short for one.
    pub fn master_key_id(&self) -> Option<String> {
        let id = self.0.get(MASTER_KEY_ID)?;
        Some(id.iter().fold(String::new(), |mut text, byte| {
            // Writing into memory can't fail.
            write!(text, "{byte:02x}").unwrap_or_default();
            text
        }))
    }
}
