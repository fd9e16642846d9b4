//! The output of commands: a table for people, or one JSON document for programs.
//!
//! Strangers and users chose much of its text, so everything that could act on a terminal is
//! escaped.

use std::fmt::Display;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::marker::PhantomData;

use clap::ValueEnum;
use comfy_table::{ColumnConstraint, Width};
use serde_json::{Map, Value, json};

use crate::domain::printable::{escape, escape_lines};
use crate::domain::{Error, Result};
use crate::views::View;

/// The form of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// A table.
    Table,
    /// One JSON document; ids are strings, lists are `{"items":[…]}`.
    Json,
}

/// One object, as named fields in their order.
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
            Format::Table => lines
                .map(|line| escape(&line).into_owned())
                .collect::<Vec<_>>()
                .join("\n")
                .into(),
        }
    }

    /// Returns objects as one field: a list for programs, one below the other for people, with
    /// their values in the order of their fields.
    pub(super) fn objects<V: View>(&self, items: impl Iterator<Item = V>) -> Value {
        match self.format {
            Format::Json => items.map(|item| json!(item)).collect(),
            Format::Table => self.lines(items.map(|item| {
                let values: Vec<_> = item.values().iter().map(cell).collect();
                values.join(" ")
            })),
        }
    }

    /// Prints the result of a command.
    ///
    /// # Errors
    /// Standard output can't be written, or its reader went away, which may have missed a secret
    /// that is shown once.
    pub(super) fn one(&self, fields: Fields) -> Result<()> {
        print(&mut io::stdout().lock(), &self.fields(fields)).map_err(|error| unprintable(&error))
    }

    /// Prints a secret alone, or as the field `secret` of a JSON document among others.
    ///
    /// # Errors
    /// As [`Output::one`].
    pub(super) fn secret(&self, secret: &str, mut fields: Fields) -> Result<()> {
        match self.format {
            Format::Table => {
                print(&mut io::stdout().lock(), secret).map_err(|error| unprintable(&error))
            }
            Format::Json => {
                fields.push(("secret", secret.into()));
                self.one(fields)
            }
        }
    }

    /// Prints data that can be read again.
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

    /// Prints one object.
    ///
    /// # Errors
    /// As [`Output::one`].
    pub(super) fn view<V: View>(&self, view: &V) -> Result<()> {
        self.one(V::COLUMNS.iter().copied().zip(view.values()).collect())
    }

    /// Prints a list; the columns are the fields of its items.
    ///
    /// # Errors
    /// Standard output can't be written.
    pub(super) fn list<V: View>(&self, items: impl IntoIterator<Item = V>) -> Result<()> {
        let mut listing = self.listing();
        match listing.add(items)? {
            Stdout::Open => listing.end(),
            Stdout::Closed => Ok(()),
        }
    }

    /// Begins a list that may be too long for memory.
    pub(super) fn listing<V: View>(&self) -> Listing<V> {
        Listing {
            format: self.format,
            widths: Vec::new(),
            has_begun: false,
            items: PhantomData,
        }
    }

    /// Prints a list on standard error, because other data goes to standard output.
    ///
    /// # Errors
    /// Standard error can't be written.
    pub(super) fn list_on_stderr<V: View>(&self, items: impl IntoIterator<Item = V>) -> Result<()> {
        let (mut listing, mut out) = (self.listing(), io::stderr().lock());
        listing
            .print(&mut out, items)
            .and_then(|()| listing.close(&mut out))
            .map_err(|error| unprintable(&error))
    }

    fn fields(&self, fields: Fields) -> String {
        match self.format {
            Format::Json => document(&Value::Object(object(fields))),
            Format::Table => {
                let mut table = table();
                for (name, value) in fields {
                    // A second line is indented below the first, so it can't pass for another
                    // field.
                    table.add_row([name.to_owned(), escape_lines(&cell(&value)).into_owned()]);
                }
                table.to_string()
            }
        }
    }
}

/// The state of standard output after a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stdout {
    /// Its reader may want more.
    Open,
    /// Its reader has enough (`head`).
    Closed,
}

/// The items of a table that are laid out together; its columns are as wide as the widest item so
/// far.
const ITEMS_LAID_OUT: usize = 1000;

/// A list that is printed part by part. A failure in the middle leaves an incomplete JSON document.
pub(super) struct Listing<V> {
    format: Format,
    widths: Vec<u16>,
    has_begun: bool,
    items: PhantomData<fn(V)>,
}

impl<V: View> Listing<V> {
    /// Prints the next items; nothing is printed before the first call.
    ///
    /// # Errors
    /// Standard output can't be written.
    pub(super) fn add(&mut self, items: impl IntoIterator<Item = V>) -> Result<Stdout> {
        for_reader(self.print(&mut BufWriter::new(io::stdout().lock()), items))
    }

    /// Ends the list.
    ///
    /// # Errors
    /// As [`Listing::add`].
    pub(super) fn end(mut self) -> Result<()> {
        for_reader(self.close(&mut io::stdout().lock())).map(drop)
    }

    fn close(&mut self, out: &mut impl Write) -> io::Result<()> {
        // A list without items has a beginning, too.
        if !self.has_begun {
            self.print(out, [])?;
        }
        if self.format == Format::Json {
            writeln!(out, "]}}")?;
        }
        out.flush()
    }

    fn print(
        &mut self,
        out: &mut impl Write,
        items: impl IntoIterator<Item = V>,
    ) -> io::Result<()> {
        let mut items = items.into_iter();
        match self.format {
            Format::Json => {
                for item in items {
                    let before = if self.has_begun { "," } else { r#"{"items":["# };
                    self.has_begun = true;
                    let item = object(V::COLUMNS.iter().copied().zip(item.values()).collect());
                    write!(out, "{before}{}", document(&item.into()))?;
                }
                if !self.has_begun {
                    self.has_begun = true;
                    write!(out, r#"{{"items":["#)?;
                }
            }
            Format::Table => loop {
                let mut table = table();
                if !self.has_begun {
                    table.set_header(V::COLUMNS);
                }
                for item in items.by_ref().take(ITEMS_LAID_OUT) {
                    table.add_row(
                        item.values()
                            .iter()
                            .map(|value| escape(&cell(value)).into_owned()),
                    );
                }
                if self.has_begun && table.row_count() == 0 {
                    break;
                }
                self.align(&mut table);
                self.has_begun = true;
                writeln!(out, "{table}")?;
            },
        }
        out.flush()
    }

    /// Keeps columns as wide as in the parts before.
    fn align(&mut self, table: &mut comfy_table::Table) {
        let needed = table.column_max_content_widths();
        self.widths.resize(needed.len(), 0);
        for ((width, needed), column) in self
            .widths
            .iter_mut()
            .zip(needed)
            .zip(table.column_iter_mut())
        {
            *width = needed.max(*width);
            if self.has_begun {
                let padding = column.padding_width();
                column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(
                    width.saturating_add(padding),
                )));
            }
        }
    }
}

fn object(fields: Fields) -> Map<String, Value> {
    fields
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// Writes a JSON document. Its escapes are JSON's own, so the texts stay the same.
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

/// Prints a line of another program's protocol.
///
/// # Errors
/// Standard output can't be written.
pub(super) fn print_line(text: &str) -> Result<()> {
    print(&mut io::stdout().lock(), text).map_err(|error| unprintable(&error))
}

fn print_for_reader(text: &str) -> Result<()> {
    for_reader(print(&mut io::stdout().lock(), text)).map(drop)
}

fn for_reader(printed: io::Result<()>) -> Result<Stdout> {
    match printed {
        Ok(()) => Ok(Stdout::Open),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Stdout::Closed),
        Err(error) => Err(unprintable(&error)),
    }
}

/// Prints a warning on standard error.
pub(super) fn warn(text: impl Display) {
    eprintln!("transire: warning: {}", escape_lines(&text.to_string()));
}

fn unprintable(error: &io::Error) -> Error {
    Error::misconfigured(format!("the answer can't be printed: {error}"))
}
