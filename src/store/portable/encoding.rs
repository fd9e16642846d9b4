//! Rows as bytes, as they are in a backup: they are encoded where they are read, and mostly nobody
//! needs them otherwise.
//!
//! A row is a frame: `R`, a length (64 bits, big-endian) and so many bytes. Those are, of each
//! value, a letter that says what it is, then the number, or the length and the bytes.

use std::str;

use crate::store::row::Value;

/// The bytes before a row's own: the letter and the length.
const HEAD: usize = 9;
/// How many bytes of rows are handed on at a time.
const FULL: usize = 256 << 10;

/// A value that lies elsewhere.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lent<'a> {
    /// No value.
    Null,
    /// A number.
    Integer(i64),
    /// Text.
    Text(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
}

impl<'a> From<&'a Value> for Lent<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Integer(number) => Self::Integer(*number),
            Value::Text(text) => Self::Text(text),
            Value::Bytes(bytes) => Self::Bytes(bytes),
        }
    }
}

impl Lent<'_> {
    /// Returns a value of its own.
    pub(super) fn owned(self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Integer(number) => Value::Integer(number),
            Self::Text(text) => Value::Text(text.to_owned()),
            Self::Bytes(bytes) => Value::Bytes(bytes.to_vec()),
        }
    }

    fn encode(self, out: &mut Vec<u8>) {
        let (letter, bytes) = match self {
            Self::Null => return out.push(b'n'),
            Self::Integer(number) => {
                out.push(b'i');
                return out.extend(number.to_be_bytes());
            }
            Self::Text(text) => (b't', text.as_bytes()),
            Self::Bytes(bytes) => (b'b', bytes),
        };
        out.push(letter);
        out.extend((bytes.len() as u64).to_be_bytes());
        out.extend_from_slice(bytes);
    }
}

/// Rows of one table, in their order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rows {
    frames: Vec<u8>,
    count: u64,
}

impl Rows {
    /// Adds a row.
    ///
    /// # Errors
    /// That of the first value that there isn't; the row is left out.
    pub(crate) fn add<'a, E>(
        &mut self,
        values: impl IntoIterator<Item = Result<Lent<'a>, E>>,
    ) -> Result<(), E> {
        let begin = self.frames.len();
        self.frames.extend([b'R', 0, 0, 0, 0, 0, 0, 0, 0]);
        for value in values {
            match value {
                Ok(value) => value.encode(&mut self.frames),
                Err(error) => {
                    self.frames.truncate(begin);
                    return Err(error);
                }
            }
        }
        let length = (self.frames.len() - begin - HEAD) as u64;
        if let Some(place) = self.frames.get_mut(begin + 1..begin + HEAD) {
            place.copy_from_slice(&length.to_be_bytes());
        }
        self.count += 1;
        Ok(())
    }

    /// Adds a row that is encoded already.
    pub(super) fn add_encoded(&mut self, row: &[u8]) {
        self.frames.push(b'R');
        self.frames.extend((row.len() as u64).to_be_bytes());
        self.frames.extend_from_slice(row);
        self.count += 1;
    }

    /// Returns how many there are.
    pub(crate) fn len(&self) -> u64 {
        self.count
    }

    /// Tells whether it is time to hand them on.
    pub(crate) fn is_full(&self) -> bool {
        self.frames.len() >= FULL
    }

    /// Returns all frames.
    pub(super) fn frames(&self) -> &[u8] {
        &self.frames
    }

    /// Returns each row.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Encoded<'_>> {
        let mut rest = self.frames.as_slice();
        std::iter::from_fn(move || {
            let (head, _) = rest.split_first_chunk::<HEAD>()?;
            let [_, length @ ..] = *head;
            let length = usize::try_from(u64::from_be_bytes(length)).ok()?;
            let (row, after) = rest.split_at_checked(HEAD + length)?;
            rest = after;
            row.get(1..).map(Encoded)
        })
    }
}

/// One row: its length, and so many bytes.
#[derive(Clone, Copy)]
pub(crate) struct Encoded<'a>(&'a [u8]);

impl<'a> Encoded<'a> {
    /// Returns the length and the bytes, over which tables are summed up.
    pub(super) fn measured(self) -> &'a [u8] {
        self.0
    }

    /// Returns the bytes.
    pub(crate) fn bytes(self) -> &'a [u8] {
        self.0.get(HEAD - 1..).unwrap_or_default()
    }
}

/// Returns the values of an encoded row; the last is nothing where it is none.
pub(super) fn values(mut row: &[u8]) -> impl Iterator<Item = Option<Lent<'_>>> {
    std::iter::from_fn(move || {
        let (letter, rest) = row.split_first()?;
        let read = read_value(*letter, rest);
        row = read.map_or(&[], |(_, rest)| rest);
        Some(read.map(|(value, _)| value))
    })
}

fn read_value(letter: u8, rest: &[u8]) -> Option<(Lent<'_>, &[u8])> {
    Some(match letter {
        b'n' => (Lent::Null, rest),
        b'i' => {
            let (number, rest) = rest.split_first_chunk()?;
            (Lent::Integer(i64::from_be_bytes(*number)), rest)
        }
        b't' | b'b' => {
            let (length, rest) = rest.split_first_chunk()?;
            let length = usize::try_from(u64::from_be_bytes(*length)).ok()?;
            let (bytes, rest) = rest.split_at_checked(length)?;
            match letter {
                b't' => (Lent::Text(str::from_utf8(bytes).ok()?), rest),
                _ => (Lent::Bytes(bytes), rest),
            }
        }
        _ => return None,
    })
}

/// Reads an encoded row; nothing when it is none.
pub(crate) fn decode(row: &[u8]) -> Option<Vec<Value>> {
    values(row).map(|value| value.map(Lent::owned)).collect()
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[test]
    fn a_row_is_what_it_was_after_encoding() {
        let row = vec![
            Value::Null,
            Value::Integer(i64::MIN),
            Value::Text("中\u{0}文".to_owned()),
            Value::Bytes(vec![0, 255]),
            Value::Text(String::new()),
        ];
        let mut rows = Rows::default();
        let lent = || row.iter().map(|value| Ok::<_, Infallible>(value.into()));
        rows.add(lent()).unwrap();
        rows.add(lent().take(1)).unwrap();
        rows.add_encoded(b"i\0\0\0\0\0\0\0\x01");
        assert_eq!(rows.len(), 3);
        let read: Vec<_> = rows
            .iter()
            .map(|row| decode(row.bytes()).unwrap())
            .collect();
        assert_eq!(read, [row, vec![Value::Null], vec![1.into()]]);
        let encoded = rows.iter().next().unwrap().bytes();
        // Cut anywhere but between two values, it is none.
        let ends: Vec<usize> = (0..encoded.len())
            .filter(|end| decode(&encoded[..*end]).is_some())
            .collect();
        assert_eq!(ends, [0, 1, 10, 26, 37]);
        assert_eq!(decode(b"x"), None);
        assert_eq!(decode(b"t\xff\xff\xff\xff\xff\xff\xff\xffabc"), None);
        assert_eq!(decode(b"t\0\0\0\0\0\0\0\x01\xff"), None, "not UTF-8");
    }

    #[test]
    fn a_row_with_a_value_that_there_is_not_is_left_out() {
        let mut rows = Rows::default();
        rows.add([Ok(Lent::Null), Err("none")]).unwrap_err();
        assert_eq!((rows.len(), rows.frames()), (0, [].as_slice()));
    }
}
