//! What a command prints: a table for people, or one JSON document for programs.

use std::io::Write;

use clap::ValueEnum;
use serde_json::{Map, Value, json};

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

    /// Prints one thing.
    pub(super) fn one(&self, fields: Fields) -> Result<()> {
        match self.format {
            Format::Json => print(&Value::Object(object(fields)).to_string()),
            Format::Table => {
                let mut table = table();
                for (name, value) in fields {
                    table.add_row([name.to_owned(), cell(&value)]);
                }
                print(&table.to_string())
            }
        }
    }

    /// Prints a text as it is, or as the field `text` of a JSON document.
    pub(super) fn text(&self, text: &str) -> Result<()> {
        match self.format {
            Format::Json => print(&json!({ "text": text }).to_string()),
            Format::Table => print(text.strip_suffix('\n').unwrap_or(text)),
        }
    }

    /// Prints a list; the columns are the fields of its items.
    pub(super) fn list(&self, columns: &[&'static str], items: Vec<Vec<Value>>) -> Result<()> {
        match self.format {
            Format::Json => {
                let items: Vec<Value> = items.into_iter().map(|item| object(columns.iter().copied().zip(item).collect()).into()).collect();
                print(&json!({ "items": items }).to_string())
            }
            Format::Table => {
                let mut table = table();
                table.set_header(columns);
                for item in items {
                    table.add_row(item.iter().map(cell));
                }
                print(&table.to_string())
            }
        }
    }
}

fn object(fields: Fields) -> Map<String, Value> {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
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

/// Prints a line; a reader that went away is a failure, because what it missed may have been a secret.
fn print(text: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{text}")
        .and_then(|()| stdout.flush())
        .map_err(|error| Error::misconfigured(format!("the answer can't be printed: {error}")))
}
