//! Lists: printed part by part, cut to the terminal, and narrowed to columns.

use std::io::{self, BufWriter, Write};
use std::marker::PhantomData;

use comfy_table::{ColumnConstraint, Width};
use serde_json::Value;

use super::cut::cut;
use super::{Format, cell, document, for_reader, object, table};
use crate::domain::Result;
use crate::domain::printable::escape;
use crate::views::View;

/// The state of standard output after a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Stdout {
    /// Its reader may want more.
    Open,
    /// Its reader has enough (`head`).
    Closed,
}

/// The items of a table that are laid out together; its columns are as wide as the widest item so
/// far.
const ITEMS_LAID_OUT: usize = 1000;

/// A list that is printed part by part. A failure in the middle leaves an incomplete JSON document.
pub(in crate::cli) struct Listing<V> {
    format: Format,
    /// The places of the columns that are printed.
    chosen: Vec<usize>,
    /// The columns of the terminal to which lines are cut.
    width: Option<usize>,
    widths: Vec<u16>,
    has_begun: bool,
    items: PhantomData<fn(V)>,
}

impl<V: View> Listing<V> {
    pub(super) fn new(format: Format, chosen: Vec<usize>, width: Option<usize>) -> Self {
        Self {
            format,
            chosen,
            width,
            widths: Vec::new(),
            has_begun: false,
            items: PhantomData,
        }
    }

    /// Prints the next items; nothing is printed before the first call.
    ///
    /// # Errors
    /// Standard output can't be written.
    pub(in crate::cli) fn add(&mut self, items: impl IntoIterator<Item = V>) -> Result<Stdout> {
        for_reader(self.print(&mut BufWriter::new(io::stdout().lock()), items))
    }

    /// Ends the list.
    ///
    /// # Errors
    /// As [`Listing::add`].
    pub(in crate::cli) fn end(&mut self) -> Result<()> {
        for_reader(self.close(&mut io::stdout().lock())).map(drop)
    }

    pub(super) fn close(&mut self, out: &mut impl Write) -> io::Result<()> {
        // A list without items has a beginning, too.
        if !self.has_begun {
            self.print(out, [])?;
        }
        if self.format == Format::Json {
            writeln!(out, "]}}")?;
        }
        out.flush()
    }

    pub(super) fn print(
        &mut self,
        out: &mut impl Write,
        items: impl IntoIterator<Item = V>,
    ) -> io::Result<()> {
        match self.format {
            Format::Json => self.print_json(out, items)?,
            Format::Jsonl => {
                for item in items {
                    writeln!(out, "{}", document(&self.object(&item)))?;
                }
            }
            Format::Name => {
                for item in items {
                    writeln!(out, "{}", escape(&cell(&name_of(&item))))?;
                }
            }
            Format::Table => self.print_table(out, items)?,
        }
        self.has_begun = true;
        out.flush()
    }

    fn print_json(
        &mut self,
        out: &mut impl Write,
        items: impl IntoIterator<Item = V>,
    ) -> io::Result<()> {
        let mut begin = if self.has_begun { "," } else { r#"{"items":["# };
        for item in items {
            write!(out, "{begin}{}", document(&self.object(&item)))?;
            begin = ",";
            self.has_begun = true;
        }
        if self.has_begun {
            Ok(())
        } else {
            write!(out, "{begin}")
        }
    }

    fn print_table(
        &mut self,
        out: &mut impl Write,
        items: impl IntoIterator<Item = V>,
    ) -> io::Result<()> {
        let mut items = items.into_iter();
        loop {
            let mut table = table();
            if !self.has_begun {
                table.set_header(self.chosen(V::COLUMNS));
            }
            for item in items.by_ref().take(ITEMS_LAID_OUT) {
                let values = item.values();
                let cells = self.chosen(&values).map(|value| {
                    let text = escape(&cell(value)).into_owned();
                    // One long text must not push all that follows it off the line.
                    self.width
                        .map_or_else(|| text.clone(), |width| cut(&text, width / 2).into_owned())
                });
                table.add_row(cells);
            }
            if self.has_begun && table.row_count() == 0 {
                return Ok(());
            }
            self.align(&mut table);
            self.has_begun = true;
            for line in table.to_string().lines() {
                match self.width {
                    Some(width) => writeln!(out, "{}", cut(line.trim_end(), width))?,
                    None => writeln!(out, "{line}")?,
                }
            }
        }
    }

    /// Returns the parts of an item that are printed.
    fn chosen<'a, T>(&'a self, all: &'a [T]) -> impl Iterator<Item = &'a T> {
        self.chosen.iter().filter_map(|place| all.get(*place))
    }

    /// Returns an item as the object of a JSON document.
    fn object(&self, item: &V) -> Value {
        let values = item.values();
        let names = self.chosen(V::COLUMNS).copied();
        object(names.zip(self.chosen(&values).cloned()).collect()).into()
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

/// Returns the value by which commands take an item.
fn name_of<V: View>(item: &V) -> Value {
    let place = V::COLUMNS.iter().position(|name| *name == V::NAME_COLUMN);
    place
        .and_then(|place| item.values().into_iter().nth(place))
        .unwrap_or_default()
}
