//! Parts of long lists, each with how long the whole is.

use crate::domain::Result;

use super::row::{Row, Value};

/// Which part of a list is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// How many come before it.
    pub offset: u32,
    /// The most that are in it; `None` for all that come.
    pub limit: Option<u32>,
}

impl Page {
    /// The whole list.
    pub const ALL: Self = Self {
        offset: 0,
        limit: None,
    };

    /// Returns the parameters that [`select_page`] begins with, and then `rest`.
    pub(super) fn parameters(self, rest: impl IntoIterator<Item = Value>) -> Vec<Value> {
        let limit = self.limit.map_or(i64::MAX, i64::from);
        [limit.into(), i64::from(self.offset).into()]
            .into_iter()
            .chain(rest)
            .collect()
    }
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed<T> {
    /// The items in the part.
    pub items: Vec<T>,
    /// How many are in the whole list.
    pub total: u64,
}

impl<T> Listed<T> {
    /// Makes another item of each.
    pub fn map<U>(self, make: impl FnMut(T) -> U) -> Listed<U> {
        Listed {
            items: self.items.into_iter().map(make).collect(),
            total: self.total,
        }
    }

    /// Takes a page of a list that is in memory.
    pub fn page_of(all: Vec<T>, page: Page) -> Self {
        let count = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
        let total = u64::try_from(all.len()).unwrap_or(u64::MAX);
        Self {
            items: all
                .into_iter()
                .skip(count(page.offset))
                .take(page.limit.map_or(usize::MAX, count))
                .collect(),
            total,
        }
    }
}

/// Writes a query of a page, `$1` its limit and `$2` its offset: rows of `$columns`, the first of
/// them named `id`, and `total`. It is one query, so that both say the same; an empty page is one
/// row whose id is null.
///
/// With `$more` and `$join`, a row of the page is there as often as it has something joined.
macro_rules! select_page {
    ($columns:expr, $from:expr, $order:literal) => {
        $crate::store::page::select_page!($columns, $from, $order, "", "", "")
    };
    (
        $columns:expr, $from:expr, $order:literal,
        $more:literal, $join:literal, $more_order:literal
    ) => {
        concat!(
            "SELECT page.*, counted.total AS total",
            $more,
            " FROM (SELECT COUNT(*) AS total FROM ",
            $from,
            ") AS counted LEFT JOIN (SELECT ",
            $columns,
            " FROM ",
            $from,
            " ORDER BY ",
            $order,
            " LIMIT $1 OFFSET $2) AS page ON 1 = 1 ",
            $join,
            " ORDER BY ",
            $order,
            $more_order
        )
    };
}
pub(super) use select_page;

/// Reads what [`select_page`] answers with; `read` gets the rows of the page.
pub(super) fn listed<T>(
    rows: &[Row],
    read: impl FnOnce(&[Row]) -> Result<Vec<T>>,
) -> Result<Listed<T>> {
    let Some(first) = rows.first() else {
        return Ok(Listed {
            items: Vec::new(),
            total: 0,
        });
    };
    let rows = if first.optional_text("id")?.is_some() {
        rows
    } else {
        &[]
    };
    Ok(Listed {
        items: read(rows)?,
        total: first.number("total")?,
    })
}

/// Reads a page whose rows are one item each.
pub(super) fn listed_rows<T>(rows: &[Row], read: impl Fn(&Row) -> Result<T>) -> Result<Listed<T>> {
    listed(rows, |rows| rows.iter().map(read).collect())
}
