//! What a command prints: a table for people, or one JSON document for programs.
//!
//! Strangers and users chose much of it: all that could do something to a terminal is escaped.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};

use clap::ValueEnum;
use serde_json::{Map, Value, json};

use crate::domain::printable::{escape, escape_lines};
use crate::domain::{Error, Result};

/// How to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// A table.
    Table,
    /// One JSON document; ids are strings, lists are `{"items":[…]}`.
    Json,
}

/// One thing, as named fields in their order.
pub(super) type Fields = Vec<(&'static str, Value)>;

pub(super) struct Output {
    format: Format,
}

impl Output {
    pub(super) fn new(format: Format) -> Self {
        Self { format }
    }

    /// Returns lines as one field: a list for programs, one below the other for people.
    pub(super) fn lines(&self, lines: impl Iterator<Item = String>) -> Value {
        match self.format {
            Format::Json => lines.collect(),
            Format::Table => lines.map(|line| escape(&line).into_owned()).collect::<Vec<_>>().join("\n").into(),
        }
    }

    /// Prints what a command did.
    ///
    /// # Errors
    /// Standard output can't be written, or its reader went away: what it missed may be a secret that is shown once.
    pub(super) fn one(&self, fields: Fields) -> Result<()> {
        print(&mut io::stdout().lock(), &self.fields(fields)).map_err(|error| unprintable(&error))
    }

    /// Prints something that is there to be read, and can be read again.
    ///
    /// # Errors
    /// Standard output can't be written. A reader that has enough (`head`) is no error.
    pub(super) fn show(&self, fields: Fields) -> Result<()> {
        print_for_reader(&self.fields(fields))
    }

    /// Prints a text as it is, or as the field `text` of a JSON document.
    ///
    /// # Errors
    /// As [`Output::show`].
    pub(super) fn text(&self, text: &str) -> Result<()> {
        match self.format {
            Format::Json => print_for_reader(&document(&json!({ "text": text }))),
            Format::Table => print_for_reader(text.strip_suffix('\n').unwrap_or(text)),
        }
    }

    /// Prints a list; the columns are the fields of its items.
    ///
    /// # Errors
    /// As [`Output::show`].
    pub(super) fn list(&self, columns: &[&'static str], items: Vec<Vec<Value>>) -> Result<()> {
        print_for_reader(&self.items(columns, items))
    }

    /// Prints a list where something else goes to standard output.
    ///
    /// # Errors
    /// Standard error can't be written.
    pub(super) fn list_on_stderr(&self, columns: &[&'static str], items: Vec<Vec<Value>>) -> Result<()> {
        print(&mut io::stderr().lock(), &self.items(columns, items)).map_err(|error| unprintable(&error))
    }

    fn fields(&self, fields: Fields) -> String {
        match self.format {
            Format::Json => document(&Value::Object(object(fields))),
            Format::Table => {
                let mut table = table();
                for (name, value) in fields {
                    // A second line stands below the first, and not where a field's name does.
                    table.add_row([name.to_owned(), escape_lines(&cell(&value)).into_owned()]);
                }
                table.to_string()
            }
        }
    }

    fn items(&self, columns: &[&'static str], items: Vec<Vec<Value>>) -> String {
        match self.format {
            Format::Json => {
                let items: Vec<Value> = items.into_iter().map(|item| object(columns.iter().copied().zip(item).collect()).into()).collect();
                document(&json!({ "items": items }))
            }
            Format::Table => {
                let mut table = table();
                table.set_header(columns);
                for item in items {
                    table.add_row(item.iter().map(|value| escape(&cell(value)).into_owned()));
                }
                table.to_string()
            }
        }
    }
}

fn object(fields: Fields) -> Map<String, Value> {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Writes a JSON document; what is escaped in it stays the same text.
fn document(value: &Value) -> String {
    escape(&value.to_string()).into_owned()
}

fn table() -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn print(out: &mut impl Write, text: &str) -> io::Result<()> {
    writeln!(out, "{text}")?;
    out.flush()
}

fn print_for_reader(text: &str) -> Result<()> {
    match print(&mut io::stdout().lock(), text) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(unprintable(&error)),
        _ => Ok(()),
    }
}

/// Says something on standard error that is no failure.
pub(super) fn warn(text: impl Display) {
    eprintln!("transire: warning: {}", escape_lines(&text.to_string()));
}

fn unprintable(error: &io::Error) -> Error {
    Error::misconfigured(format!("the answer can't be printed: {error}"))
}
