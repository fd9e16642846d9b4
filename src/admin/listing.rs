//! Lists: filtered, sorted, and handed out in pages.

use std::cmp::Ordering;
use std::future::Future;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::domain::{Error, Result};
use crate::service::{Call, Service};
use crate::views::View;

/// The most items of a page over HTTP.
pub const MAX_ITEMS: usize = 1000;

/// An operation that lists a noun. Its fields say of what.
pub trait Listing: Serialize + DeserializeOwned + ToSchema + Send + Sync + 'static {
    /// The path of its `GET`, as [`super::Operation::PATH`].
    const PATH: &'static str;

    /// The columns by which it is filtered and sorted.
    const COLUMNS: &'static [&'static str] = <Self::Item as View>::COLUMNS;

    /// An item.
    type Item: View + DeserializeOwned + ToSchema + Send;

    /// Returns all items, in the order in which people read them.
    ///
    /// # Errors
    /// Those of its use case.
    fn all(
        self,
        service: &Service,
        call: &Call<'_>,
    ) -> impl Future<Output = Result<Vec<Self::Item>>> + Send;

    /// Returns a page. Lists that are too long for memory have a page of their own.
    ///
    /// # Errors
    /// Those of [`Self::all`]; `InvalidParameter` for a column that isn't there, or a cursor that
    /// no list gave.
    fn page(
        self,
        service: &Service,
        call: &Call<'_>,
        selection: &Selection,
    ) -> impl Future<Output = Result<Page<Self::Item>>> + Send
    where
        Self: Sized,
    {
        async move { selection.of(self.all(service, call).await?) }
    }
}

/// The items of a list that are asked for, and their order.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// The most items; without it, all.
    pub limit: Option<usize>,
    /// The cursor of the page before.
    pub after: Option<String>,
    /// The column by which they are sorted; `-` before it begins with the largest.
    pub sort: Option<String>,
    /// Columns and the values that they must have.
    pub filters: Vec<(String, String)>,
}

/// A page of a list.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Page<V> {
    /// The items.
    pub items: Vec<V>,
    /// The cursor of the next page, for `after`; null on the last page.
    pub next: Option<String>,
}

impl Selection {
    /// Selects from all items of a list.
    ///
    /// # Errors
    /// `InvalidParameter` for a column that isn't there, or a cursor that no list gave.
    pub fn of<V: View>(&self, all: Vec<V>) -> Result<Page<V>> {
        let mut items = self.filtered(all)?;
        self.sort(&mut items)?;
        let begin = match &self.after {
            Some(cursor) => Cursor::read(cursor)?.next_of(&items),
            None => 0,
        };
        let end = match self.limit {
            Some(limit) => begin.saturating_add(limit).min(items.len()),
            None => items.len(),
        };
        let next = items
            .get(..end)
            .filter(|_| end < items.len())
            .and_then(<[V]>::last)
            .map(|last| Cursor::at(end - 1, last).text());
        let items = items.drain(begin.min(end)..end).collect();
        Ok(Page { items, next })
    }

    fn filtered<V: View>(&self, mut items: Vec<V>) -> Result<Vec<V>> {
        for (column, wanted) in &self.filters {
            let place = column_of::<V>(column, column)?;
            items.retain(|item| {
                item.values()
                    .get(place)
                    .is_some_and(|value| fits(value, wanted))
            });
        }
        Ok(items)
    }

    fn sort<V: View>(&self, items: &mut [V]) -> Result<()> {
        let Some(sort) = &self.sort else {
            return Ok(());
        };
        let column = sort.strip_prefix('-').unwrap_or(sort);
        let place = column_of::<V>("sort", column)?;
        items.sort_by_cached_key(|item| Key(item.values().into_iter().nth(place)));
        if sort.starts_with('-') {
            items.reverse();
        }
        Ok(())
    }
}

/// Returns the place of a column; `parameter` named it.
fn column_of<V: View>(parameter: &str, column: &str) -> Result<usize> {
    let place = V::COLUMNS.iter().position(|one| *one == column);
    place.ok_or_else(|| {
        let why = format!(
            "this list has no column {column}; it has {}",
            V::COLUMNS.join(", ")
        );
        Error::invalid_parameter(parameter, why)
    })
}

/// Tells whether a value is the wanted text, or a list that has it.
fn fits(value: &Value, wanted: &str) -> bool {
    match value {
        Value::String(text) => text == wanted,
        Value::Array(values) => values.iter().any(|value| fits(value, wanted)),
        Value::Null => wanted.is_empty(),
        Value::Bool(flag) => wanted.parse() == Ok(*flag),
        Value::Number(number) => number.to_string() == wanted,
        Value::Object(_) => false,
    }
}

/// A value by which items are sorted: numbers by their size, all else as text.
#[derive(PartialEq, Eq)]
struct Key(Option<Value>);

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        match (&self.0, &other.0) {
            (Some(Value::String(one)), Some(Value::String(two))) => one.cmp(two),
            (Some(Value::Number(one)), Some(Value::Number(two))) => one
                .as_f64()
                .unwrap_or_default()
                .total_cmp(&two.as_f64().unwrap_or_default()),
            (one, two) => text(one).cmp(&text(two)),
        }
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn text(value: &Option<Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// The place of a page's last item. A list is read anew for each page: where that item is gone
/// meanwhile, the next one has its place.
pub(super) struct Cursor {
    pub(super) place: usize,
    key: String,
}

impl Cursor {
    pub(super) fn at<V: View>(place: usize, item: &V) -> Self {
        Self {
            place,
            key: key_of(item),
        }
    }

    /// Reads the cursor of a page.
    ///
    /// # Errors
    /// `InvalidParameter` for a text that no list gave.
    pub(super) fn read(text: &str) -> Result<Self> {
        let read = || {
            let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
            let text = String::from_utf8(bytes).ok()?;
            let (place, key) = text.split_once(' ')?;
            Some(Self {
                place: place.parse().ok()?,
                key: key.to_owned(),
            })
        };
        read().ok_or_else(|| {
            Error::invalid_parameter("after", "it is the `next` of a page of the same list")
        })
    }

    /// Returns the same item in a list without its first items.
    pub(super) fn moved_by(&self, left_out: usize) -> Self {
        Self {
            place: self.place.saturating_sub(left_out),
            key: self.key.clone(),
        }
    }

    pub(super) fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode(format!("{} {}", self.place, self.key))
    }

    /// Returns the place after this one.
    pub(super) fn next_of<V: View>(&self, items: &[V]) -> usize {
        let is_last = |item: &V| key_of(item) == self.key;
        if items.get(self.place).is_some_and(is_last) {
            return self.place + 1;
        }
        match items.iter().position(is_last) {
            Some(place) => place + 1,
            None => self.place.min(items.len()),
        }
    }
}

/// Returns what tells an item from the others of its list: its first two columns.
fn key_of<V: View>(item: &V) -> String {
    let values = item.values();
    let first: Vec<_> = values.iter().take(2).map(Value::to_string).collect();
    first.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ErrorKind;
    use crate::views::view;

    view! {
        /// A thing.
        struct Thing {
            /// Its name.
            name: String,
            /// Its size.
            size: u32,
            /// Its marks.
            marks: Vec<String>,
        }
    }

    fn things(count: u32) -> Vec<Thing> {
        (0..count)
            .map(|size| Thing {
                name: format!("thing-{size}"),
                size,
                marks: vec![if size % 2 == 0 { "even" } else { "odd" }.to_owned()],
            })
            .collect()
    }

    fn sizes(page: &Page<Thing>) -> Vec<u32> {
        page.items.iter().map(|thing| thing.size).collect()
    }

    #[test]
    fn pages_together_are_the_list() {
        let mut selection = Selection {
            limit: Some(3),
            ..Selection::default()
        };
        let mut seen = Vec::new();
        loop {
            let page = selection.of(things(7)).unwrap();
            seen.extend(sizes(&page));
            selection.after = page.next;
            if selection.after.is_none() {
                break;
            }
        }
        assert_eq!(seen, [0, 1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn a_page_goes_on_where_its_last_item_was_deleted() {
        let first = Selection {
            limit: Some(3),
            ..Selection::default()
        };
        let next = first.of(things(7)).unwrap().next;
        let mut left = things(7);
        left.remove(2);
        let second = Selection {
            after: next,
            ..first
        };
        assert_eq!(sizes(&second.of(left).unwrap()), [3, 4, 5]);
    }

    #[test]
    fn numbers_are_sorted_by_size_and_lists_are_filtered_by_what_they_have() {
        let selection = Selection {
            sort: Some("-size".to_owned()),
            filters: vec![("marks".to_owned(), "odd".to_owned())],
            ..Selection::default()
        };
        let page = selection.of(things(12)).unwrap();
        assert_eq!(sizes(&page), [11, 9, 7, 5, 3, 1]);
    }

    #[test]
    fn an_unknown_column_and_a_made_up_cursor_are_refused() {
        let selections = [
            (
                "sort",
                Selection {
                    sort: Some("colour".to_owned()),
                    ..Selection::default()
                },
            ),
            (
                "after",
                Selection {
                    after: Some("!".to_owned()),
                    ..Selection::default()
                },
            ),
            (
                "colour",
                Selection {
                    filters: vec![("colour".to_owned(), "red".to_owned())],
                    ..Selection::default()
                },
            ),
        ];
        for (name, selection) in selections {
            let refused = selection.of(things(3)).unwrap_err();
            let wanted = ErrorKind::InvalidParameter {
                name: name.to_owned(),
            };
            assert_eq!(refused.kind(), &wanted);
        }
    }
}
