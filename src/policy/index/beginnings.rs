//! Texts, each with values, found by a longer text that begins with them.
//!
//! They are sorted, and each knows the longest other one that it begins with. A beginning of the
//! longer text stands before it in that order, and all that stands between has that beginning, too.
//! So the chain of ever shorter texts, from the one right before the longer text, passes each.

use std::collections::BTreeMap;
use std::iter;

/// Texts with their values.
#[derive(Debug)]
pub(super) struct Beginnings<T> {
    /// In their order.
    texts: Box<[Text]>,
    /// Those of the first text, then those of the second, and so on.
    values: Box<[T]>,
}

#[derive(Debug)]
struct Text {
    text: Box<[u8]>,
    /// The longest other text that it begins with.
    shorter: Option<u32>,
    /// The place after the last of its values.
    end: u32,
}

impl<T> Beginnings<T> {
    /// Sorts texts with their values. Their number is one that memory holds: four bytes count them.
    pub(super) fn new(values_of: BTreeMap<Vec<u8>, Vec<T>>) -> Self {
        let mut texts: Vec<Text> = Vec::with_capacity(values_of.len());
        let mut values = Vec::new();
        // The text before, the one that it begins with, and so on.
        let mut chain: Vec<u32> = Vec::new();
        for (text, of_text) in values_of {
            while let Some(last) = chain.last()
                && !text.starts_with(&texts[*last as usize].text)
            {
                chain.pop();
            }
            let shorter = chain.last().copied();
            chain.push(texts.len() as u32);
            values.extend(of_text);
            texts.push(Text {
                text: text.into(),
                shorter,
                end: values.len() as u32,
            });
        }
        Self {
            texts: texts.into(),
            values: values.into(),
        }
    }

    /// Tells whether it has no text.
    pub(super) fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// Returns the values of each text that a longer one begins with; a text begins with itself.
    pub(super) fn beginning(&self, longer: &[u8]) -> impl Iterator<Item = &[T]> {
        let after = self.texts.partition_point(|own| *own.text <= *longer);
        let nearest = after.checked_sub(1).map(|place| place as u32);
        iter::successors(nearest, |place| self.texts[*place as usize].shorter)
            .map(|place| place as usize)
            .filter(|place| longer.starts_with(&self.texts[*place].text))
            .map(|place| self.values_at(place))
    }

    /// Returns the values of each text that begins with a shorter one; a text begins with itself.
    pub(super) fn going_on(&self, shorter: &[u8]) -> impl Iterator<Item = &[T]> {
        let first = self.texts.partition_point(|own| *own.text < *shorter);
        let goes_on = move |place: &usize| self.texts[*place].text.starts_with(shorter);
        (first..self.texts.len())
            .take_while(goes_on)
            .map(|place| self.values_at(place))
    }

    /// Returns all values, text by text.
    pub(super) fn all(&self) -> impl Iterator<Item = &[T]> {
        (0..self.texts.len()).map(|place| self.values_at(place))
    }

    fn values_at(&self, place: usize) -> &[T] {
        let begin = match place.checked_sub(1) {
            Some(before) => self.texts[before].end as usize,
            None => 0,
        };
        &self.values[begin..self.texts[place].end as usize]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Each text is its own value.
    fn beginnings(texts: &[String]) -> Beginnings<String> {
        let value = |text: &String| (text.clone().into_bytes(), vec![text.clone()]);
        Beginnings::new(texts.iter().map(value).collect())
    }

    fn sorted<'a>(found: impl Iterator<Item = &'a [String]>) -> Vec<String> {
        let mut found = found.flatten().cloned().collect::<Vec<_>>();
        found.sort();
        found
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn texts_are_found_as_by_looking_at_each(
            mut texts in proptest::collection::vec("[ab]{0,5}", 0..12),
            asked in "[abc]{0,6}",
        ) {
            texts.sort();
            texts.dedup();
            let found = beginnings(&texts);
            let each = |fits: &dyn Fn(&str) -> bool| -> Vec<String> {
                texts.iter().filter(|text| fits(text)).cloned().collect()
            };
            prop_assert_eq!(
                sorted(found.beginning(asked.as_bytes())),
                each(&|text| asked.starts_with(text))
            );
            prop_assert_eq!(
                sorted(found.going_on(asked.as_bytes())),
                each(&|text| text.starts_with(&asked))
            );
            prop_assert_eq!(sorted(found.all()), texts.clone());
            prop_assert_eq!(found.is_empty(), texts.is_empty());
        }
    }

    #[test]
    fn a_text_has_all_its_values_in_their_order() {
        let values = [(b"a".to_vec(), vec![3, 1]), (b"ab".to_vec(), vec![2])];
        let found = Beginnings::new(values.into());
        let slices: Vec<&[i32]> = found.beginning(b"abc").collect();
        assert_eq!(slices, [&[2][..], &[3, 1]]);
        assert_eq!(found.beginning(b"b").count(), 0);
    }
}
