//! The output of commands: a table for people, or JSON for programs.
//!
//! Strangers and users chose much of its text, so everything that could act on a terminal is
//! escaped.

mod cut;
mod listing;

pub(super) use self::listing::{Listing, Stdout};
use std::fmt::Display;
use std::io::{self, ErrorKind, Write};

use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};

use super::arguments;
use crate::domain::printable::{escape, escape_lines};
use crate::domain::{Error, Result};
use crate::views::{View, is_secret};

/// The form of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// A table.
    Table,
    /// One JSON document; ids are strings, lists are `{"items":[…]}`.
    Json,
    /// JSON documents, one a line: each item of a list is one.
    Jsonl,
    /// The name or the id by which commands take each item, one a line.
    Name,
}

impl Format {
    /// Tells whether programs read it.
    pub(super) fn is_json(self) -> bool {
        matches!(self, Self::Json | Self::Jsonl)
    }
}

/// The options of the output, which every command has.
#[derive(Args, Clone, Debug)]
pub(super) struct Options {
    /// The form of the output.
    #[arg(
        short,
        long,
        global = true,
        value_enum,
        default_value_t = Format::Table,
        value_name = "FORM"
    )]
    output: Format,
    /// The columns of a list, in their order: name,created_at.
    #[arg(
        long,
        global = true,
        value_delimiter = ',',
        value_name = "NAMES",
        value_parser = arguments::some_text
    )]
    columns: Option<Vec<String>>,
    /// Print the lines of a list whole, though they are longer than the terminal is wide.
    #[arg(long, global = true)]
    wide: bool,
}

impl Options {
    /// Returns the form.
    pub(super) fn format(&self) -> Format {
        self.output
    }
}

/// One object, as named fields in their order.
pub(super) type Fields = Vec<(&'static str, Value)>;

pub(super) struct Output {
    format: Format,
    columns: Option<Vec<String>>,
    /// The columns of the terminal to which lists are cut.
    width: Option<usize>,
}

impl Output {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            format: options.output,
            columns: options.columns.clone(),
            width: cut::width_of_stdout().filter(|_| !options.wide),
        }
    }

    /// Tells whether programs read it.
    pub(super) fn is_json(&self) -> bool {
        self.format.is_json()
    }

    /// Returns lines as one field: a list for programs, one below the other for people.
    pub(super) fn lines(&self, lines: impl Iterator<Item = String>) -> Value {
        if self.format.is_json() {
            return lines.collect();
        }
        lines
            .map(|line| escape(&line).into_owned())
            .collect::<Vec<_>>()
            .join("\n")
            .into()
    }

    /// Returns objects as one field: a list for programs, one below the other for people, with
    /// their values in the order of their fields.
    pub(super) fn objects<V: View>(&self, items: impl Iterator<Item = V>) -> Value {
        self.objects_as(items, |item| {
            let values: Vec<_> = item.values().iter().map(cell).collect();
            values.join(" ")
        })
    }

    /// As [`Output::objects`], with a line of each for people.
    pub(super) fn objects_as<V: View>(
        &self,
        items: impl Iterator<Item = V>,
        line: impl Fn(&V) -> String,
    ) -> Value {
        if self.format.is_json() {
            return items.map(|item| json!(item)).collect();
        }
        self.lines(items.map(|item| line(&item)))
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
        if self.format.is_json() {
            fields.push(("secret", secret.into()));
            return self.one(fields);
        }
        print(&mut io::stdout().lock(), secret).map_err(|error| unprintable(&error))
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
        if self.format.is_json() {
            return print_for_reader(&document(&json!({ "text": text })));
        }
        print_for_reader(text.strip_suffix('\n').unwrap_or(text))
    }

    /// Prints a text for people, or fields as a JSON document.
    ///
    /// # Errors
    /// As [`Output::show`].
    pub(super) fn report(&self, text: impl FnOnce() -> String, fields: Fields) -> Result<()> {
        if self.format.is_json() {
            self.show(fields)
        } else {
            self.text(&text())
        }
    }

    /// Prints a text for people, of which programs learn later.
    ///
    /// # Errors
    /// As [`Output::show`].
    pub(super) fn for_people(&self, text: &str) -> Result<()> {
        if self.format.is_json() {
            Ok(())
        } else {
            self.text(text)
        }
    }

    /// Prints one object.
    ///
    /// # Errors
    /// As [`Output::one`].
    pub(super) fn view<V: View>(&self, view: &V) -> Result<()> {
        let mut fields: Fields = V::COLUMNS.iter().copied().zip(view.values()).collect();
        if self.format == Format::Name {
            // The first field names the object.
            fields.sort_by_key(|(name, _)| *name != V::NAME_COLUMN);
        }
        self.one(fields)
    }

    /// Prints one object that can be read again; for people its lists stand one below the other.
    ///
    /// # Errors
    /// As [`Output::show`].
    pub(super) fn show_view<V: View>(&self, view: &V) -> Result<()> {
        let values = view.values().into_iter().map(|value| match value {
            Value::Array(items) if !self.format.is_json() => self.lines(items.iter().map(cell)),
            value => value,
        });
        self.show(V::COLUMNS.iter().copied().zip(values).collect())
    }

    /// Prints a list; the columns are the fields of its items.
    ///
    /// # Errors
    /// As [`Output::listing`]; standard output can't be written.
    pub(super) fn list<V: View>(&self, items: impl IntoIterator<Item = V>) -> Result<()> {
        let mut listing = self.listing()?;
        match listing.add(items)? {
            Stdout::Open => listing.end(),
            Stdout::Closed => Ok(()),
        }
    }

    /// Begins a list that may be too long for memory.
    ///
    /// # Errors
    /// As [`Output::require_columns`].
    pub(super) fn listing<V: View>(&self) -> Result<Listing<V>> {
        let chosen = self.chosen::<V>()?;
        Ok(Listing::new(self.format, chosen, self.width))
    }

    /// Begins a list without an end: in JSON, each item is a document in a line of its own.
    ///
    /// # Errors
    /// As [`Output::require_columns`].
    pub(super) fn endless_listing<V: View>(&self) -> Result<Listing<V>> {
        let format = match self.format {
            Format::Json => Format::Jsonl,
            other => other,
        };
        Ok(Listing::new(format, self.chosen::<V>()?, self.width))
    }

    /// Checks that a list has the chosen columns, for a command that changes something first.
    ///
    /// # Errors
    /// `InvalidParameter` for a column that the list doesn't have.
    pub(super) fn require_columns<V: View>(&self) -> Result<()> {
        self.chosen::<V>().map(drop)
    }

    /// Returns the places of the chosen columns.
    fn chosen<V: View>(&self) -> Result<Vec<usize>> {
        let Some(columns) = &self.columns else {
            return Ok((0..V::COLUMNS.len()).collect());
        };
        let place = |column: &String| {
            let place = V::COLUMNS.iter().position(|name| name == column);
            place.ok_or_else(|| {
                let why = format!(
                    "the list has no column {column}: it has {}",
                    V::COLUMNS.join(", ")
                );
                Error::invalid_parameter("columns", why)
            })
        };
        columns.iter().map(place).collect()
    }

    /// Prints a list on standard error, because other data goes to standard output.
    ///
    /// # Errors
    /// As [`Output::listing`]; standard error can't be written.
    pub(super) fn list_on_stderr<V: View>(&self, items: impl IntoIterator<Item = V>) -> Result<()> {
        let (mut listing, mut out) = (self.listing()?, io::stderr().lock());
        listing
            .print(&mut out, items)
            .and_then(|()| listing.close(&mut out))
            .map_err(|error| unprintable(&error))
    }

    fn fields(&self, fields: Fields) -> String {
        if self.format.is_json() {
            return document(&Value::Object(object(fields)));
        }
        // A secret that isn't printed now is lost.
        let has_secret = fields.iter().any(|(name, _)| is_secret(name));
        if self.format == Format::Name
            && !has_secret
            && let Some((_, name)) = fields.first()
        {
            return escape(&cell(name)).into_owned();
        }
        let mut table = table();
        for (name, value) in fields {
            // A second line is indented below the first, so it can't pass for another field.
            table.add_row([name.to_owned(), escape_lines(&field(&value)).into_owned()]);
        }
        table.to_string()
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

/// Returns a field's value: a list of texts has one below the other.
fn field(value: &Value) -> String {
    let texts: Option<Vec<_>> = value
        .as_array()
        .filter(|values| !values.is_empty())
        .map(|values| values.iter().map(Value::as_str).collect())
        .unwrap_or_default();
    texts.map_or_else(|| cell(value), |lines| lines.join("\n"))
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

/// Prints the JSON document of an error on standard error.
pub(super) fn print_error(error: &Value) {
    eprintln!("{}", document(&json!({ "error": error })));
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
