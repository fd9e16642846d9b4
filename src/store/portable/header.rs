//! The header of a backup: its schema, its time and its tables, a line each.

use std::io::{self, Read};

use super::Table;
use crate::domain::clock::Clock;

const FIRST_LINE: &str = "transire backup 1";
/// The most bytes of a header's line.
const MAX_LINE: usize = 1 << 16;

/// The text before a backup's frames.
pub(super) struct Header {
    pub(super) schema: usize,
    pub(super) made_at: String,
    pub(super) tables: Vec<Table>,
}

impl Header {
    pub(super) fn of(schema: usize, tables: &[Table], clock: &dyn Clock) -> Self {
        Self {
            schema,
            made_at: clock.now().rfc3339(),
            tables: tables.to_vec(),
        }
    }

    pub(super) fn to_text(&self) -> String {
        let mut text = format!(
            "{FIRST_LINE}\nschema {}\nmade-at {}\n",
            self.schema, self.made_at
        );
        for table in &self.tables {
            text.push_str(&table.to_line());
            text.push('\n');
        }
        text.push('\n');
        text
    }

    /// Reads a header; nothing when this is none.
    pub(super) fn read(input: &mut impl Read) -> io::Result<Option<Self>> {
        if read_line(input)?.as_deref() != Some(FIRST_LINE) {
            return Ok(None);
        }
        let schema = read_line(input)?.and_then(|line| line.strip_prefix("schema ")?.parse().ok());
        let made_at =
            read_line(input)?.and_then(|line| line.strip_prefix("made-at ").map(str::to_owned));
        let mut tables = Vec::new();
        loop {
            match read_line(input)? {
                Some(line) if line.is_empty() => break,
                Some(line) => match Table::parse(&line) {
                    Some(table) => tables.push(table),
                    None => return Ok(None),
                },
                None => return Ok(None),
            }
        }
        Ok(schema.zip(made_at).map(|(schema, made_at)| Self {
            schema,
            made_at,
            tables,
        }))
    }
}

/// Reads up to the end of a line; nothing when it is too long or no text.
fn read_line(input: &mut impl Read) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    loop {
        let mut byte = [0];
        input.read_exact(&mut byte)?;
        match byte {
            [b'\n'] => return Ok(String::from_utf8(line).ok()),
            _ if line.len() == MAX_LINE => return Ok(None),
            [byte] => line.push(byte),
        }
    }
}
