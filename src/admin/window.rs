//! Pages of lists that are too long for memory: the store reads a page, and a little around it.

use std::future::Future;

use super::listing::{Cursor, Listing, Page, Selection};
use crate::domain::Result;
use crate::service::{Call, Listed, Page as Part, Service};
use crate::views::View;

/// How far the last item of a page is looked for from its place. It moves where others are made or
/// deleted meanwhile.
const DRIFT: usize = 100;

/// A list that the store reads in parts.
pub(super) trait StoredListing: Listing {
    /// Returns a part of the list, in the order in which people read it.
    ///
    /// # Errors
    /// Those of its use case.
    fn part(
        &self,
        service: &Service,
        call: &Call<'_>,
        part: Part,
    ) -> impl Future<Output = Result<Listed<Self::Item>>> + Send;
}

/// Returns a page of a list that the store reads in parts. A filter or an order needs the whole.
///
/// # Errors
/// Those of the list; `InvalidParameter` for a column that isn't there, or a cursor that no list
/// gave.
pub(super) async fn page_of<L: StoredListing>(
    listing: &L,
    service: &Service,
    call: &Call<'_>,
    selection: &Selection,
) -> Result<Page<L::Item>> {
    if selection.sort.is_some() || !selection.filters.is_empty() {
        return selection.of(listing.part(service, call, Part::ALL).await?.items);
    }
    let window = Window::of(selection)?;
    Ok(window.page(listing.part(service, call, window.part()).await?))
}

/// A page, and what is around the last item of the page before.
struct Window {
    last: Option<Cursor>,
    limit: Option<usize>,
}

impl Window {
    fn of(selection: &Selection) -> Result<Self> {
        Ok(Self {
            last: selection.after.as_deref().map(Cursor::read).transpose()?,
            limit: selection.limit,
        })
    }

    fn offset(&self) -> usize {
        let place = self.last.as_ref().map_or(0, |last| last.place);
        place.saturating_sub(DRIFT)
    }

    /// Returns how many items from the offset on may be the last one of the page before.
    fn searched(&self) -> usize {
        let searched = |last: &Cursor| last.place.saturating_sub(self.offset()) + DRIFT + 1;
        self.last.as_ref().map_or(0, searched)
    }

    /// Returns the part of the list that is read.
    fn part(&self) -> Part {
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Part {
            offset: count(self.offset()),
            limit: self
                .limit
                .map(|limit| count(limit.saturating_add(self.searched()))),
        }
    }

    /// Cuts the page out of the part.
    fn page<V: View>(&self, mut read: Listed<V>) -> Page<V> {
        let (offset, items) = (self.offset(), &mut read.items);
        let begin = match &self.last {
            Some(last) => {
                let searched = &items[..self.searched().min(items.len())];
                last.moved_by(offset).next_of(searched)
            }
            None => 0,
        };
        let end = match self.limit {
            Some(limit) => begin.saturating_add(limit).min(items.len()),
            None => items.len(),
        };
        let total = usize::try_from(read.total).unwrap_or(usize::MAX);
        let next = items[..end]
            .last()
            .filter(|_| offset.saturating_add(end) < total)
            .map(|last| Cursor::at(offset + end - 1, last).text());
        Page {
            items: items.drain(begin.min(end)..end).collect(),
            next,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::view;

    view! {
        /// A thing.
        struct Thing {
            /// Its number.
            number: usize,
        }
    }

    fn things(numbers: impl IntoIterator<Item = usize>) -> Vec<Thing> {
        let thing = |number| Thing { number };
        numbers.into_iter().map(thing).collect()
    }

    fn page(all: Vec<Thing>, after: Option<String>) -> (Vec<usize>, Option<String>, usize) {
        let selection = Selection {
            limit: Some(100),
            after,
            ..Selection::default()
        };
        let window = Window::of(&selection).unwrap();
        let read = Listed::page_of(all, window.part());
        let count = read.items.len();
        let page = window.page(read);
        let numbers = page.items.iter().map(|thing| thing.number).collect();
        (numbers, page.next, count)
    }

    #[test]
    fn pages_together_are_the_list_and_each_reads_a_little_more_than_itself() {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let (numbers, next, read) = page(things(0..1050), after);
            assert!(read <= 100 + 2 * DRIFT + 1, "{read}");
            seen.extend(numbers);
            after = next;
            if after.is_none() {
                break;
            }
        }
        assert!(seen.into_iter().eq(0..1050));
    }

    #[test]
    fn a_page_goes_on_where_the_list_grew_or_shrank_in_front_of_it() {
        let (_, first, _) = page(things(100..1000), None);
        let (_, second, _) = page(things(100..1000), first);
        for begin in [90, 190] {
            let (numbers, ..) = page(things(begin..1000), second.clone());
            assert!(numbers.into_iter().eq(300..400), "{begin}");
        }
    }

    #[test]
    fn a_page_goes_on_where_its_last_item_was_deleted() {
        let (_, next, _) = page(things(0..1000), None);
        let left = (0..1000).filter(|number| *number != 99);
        let (numbers, ..) = page(things(left), next);
        assert!(numbers.into_iter().eq(100..200));
    }

    #[test]
    fn a_cursor_behind_the_end_has_an_empty_page() {
        let (_, next, _) = page(things(0..1000), None);
        let (numbers, next, _) = page(Vec::new(), next);
        assert_eq!((numbers, next), (Vec::new(), None));
        let far = Cursor::at(usize::MAX, &Thing { number: 1 }).text();
        let (numbers, next, _) = page(things(0..10), Some(far));
        assert_eq!((numbers, next), (Vec::new(), None));
    }
}
