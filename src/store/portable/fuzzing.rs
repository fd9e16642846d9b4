//! Fuzzing of backup files.

use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};

use super::encoding::{Rows, decode};
use super::header::Header;
use super::read::read_from;
use super::tables::Table;
use super::{Piece, Sum};
use crate::store::migrate::MIGRATIONS;
use crate::store::row::Value;

pub(crate) const WORDS: &[&str] = &[
    "transire backup 1\n",
    "schema 1\n",
    "made-at ",
    " key=",
    " columns=",
    ":integer",
    ":text?",
    " seeded",
    "R\0\0\0\0\0\0\0\x05",
    "T\0\0\0\0\0\0\0\x28",
    "E\0\0\0\0\0\0\0\x20",
    "S\0\0\0\0\0\0\0\x25",
    "n",
    "i",
    "t",
    "b",
    "\x7f\u{ff}",
];

/// Returns a small backup of an old schema, the same sealed, its header alone, that of the present
/// schema, and rows.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let line = "accounts key=id columns=id:integer,name:text,extra:bytes?";
    let Some(table) = Table::parse(line) else {
        return Vec::new();
    };
    let first = WORDS[0];
    let header = format!("{first}schema 1\nmade-at 2026-01-01T00:00:00Z\n{line}\n\n");
    let mut rows = Rows::default();
    let mut row = vec![b'i'];
    row.extend(7_i64.to_be_bytes());
    row.extend(b"t\0\0\0\0\0\0\0\x04rootn");
    rows.add_encoded(&row);
    let mut sum = Sum::of(&table);
    rows.iter().for_each(|row| sum.add(row));
    let end = [sum.rows.to_be_bytes().as_slice(), &sum.digest()].concat();
    let mut file = [header.as_bytes(), rows.frames(), b"T"].concat();
    file.extend((end.len() as u64).to_be_bytes());
    file.extend(&end);
    let whole = digest(&SHA256, &file);
    file.push(b'E');
    file.extend((whole.as_ref().len() as u64).to_be_bytes());
    file.extend(whole.as_ref());
    let sealed = [file.as_slice(), b"S\0\0\0\0\0\0\0\x04seal"].concat();
    let present = Header {
        schema: MIGRATIONS.len(),
        made_at: "2026-01-01T00:00:00Z".to_owned(),
        tables: super::tables().to_vec(),
    };
    vec![
        file,
        sealed,
        header.into_bytes(),
        present.to_text().into_bytes(),
        row,
    ]
}

/// Reads a backup, and the same bytes as a row.
pub(crate) fn check(input: &[u8]) -> Option<()> {
    let mut handed_on = 0;
    let read = read_from(Path::new("input"), input, |piece| {
        if let Piece::Rows(rows) = piece {
            handed_on += rows.frames().len();
        }
        true
    });
    assert!(handed_on <= input.len(), "{handed_on} bytes of rows");
    if let Ok(read) = read {
        assert!(read.schema <= MIGRATIONS.len(), "schema {}", read.schema);
        // A whole file is one: no byte before its seal may be another one, nor be missing.
        let seal = read.seal.map_or(0, |seal| 9 + seal.as_bytes().len());
        let mut other = input.to_vec();
        let place = usize::from(input[input.len() - 1]) * 7919 % (input.len() - seal);
        other[place] ^= 1;
        for other in [&other[..], &input[..place]] {
            assert!(
                read_from(Path::new("other"), other, |_| true).is_err(),
                "byte {place}"
            );
        }
    }
    if let Ok(Some(header)) = Header::read(&mut &input[..]) {
        let text = header.to_text();
        let again = Header::read(&mut text.as_bytes())
            .ok()
            .flatten()
            .expect("it is read again");
        assert!(
            again.tables == header.tables && again.schema == header.schema,
            "{text}"
        );
        for table in &header.tables {
            let is_safe =
                |letter: char| letter.is_ascii_alphanumeric() || "_ ,()$.".contains(letter);
            let statement = table.insert();
            assert!(statement.chars().all(is_safe), "{statement}");
        }
    }
    if let Some(values) = decode(input) {
        let length = |value: &Value| match value {
            Value::Null | Value::Integer(_) => 0,
            Value::Text(text) => text.len(),
            Value::Bytes(bytes) => bytes.len(),
        };
        assert!(values.iter().map(length).sum::<usize>() <= input.len());
    }
    Some(())
}
