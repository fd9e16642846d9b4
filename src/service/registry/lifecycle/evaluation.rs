//! Which rule of a lifecycle policy expires which image. Pure.
//!
//! All rules see all images. An image is for the first rule, by priority, whose tags it has: no
//! later rule expires it, but each counts it all the same.

use std::time::Duration;

use crate::domain::clock::Timestamp;
use crate::policy::pattern::Pattern;

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    /// Its priority: the lowest is asked first.
    pub(super) priority: u32,
    /// The images that it is about.
    pub(super) selection: Selection,
    /// Which of them it expires.
    pub(super) count: Count,
}

/// The images that a rule is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Selection {
    /// All.
    Any,
    /// Those without a tag.
    Untagged,
    /// Those that have, for each prefix, a tag that begins with it.
    Prefixes(Vec<String>),
    /// Those that have, for each pattern, a tag that it matches.
    Patterns(Vec<(String, Pattern)>),
}

/// Which of its images a rule expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Count {
    /// All but this many, the youngest.
    MoreThan(u32),
    /// Those that are older than this many days.
    OlderThanDays(u32),
}

/// An image, as rules see it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidate<'a> {
    /// Its digest, which orders images of one moment.
    pub(super) digest: &'a str,
    /// Its tags.
    pub(super) tags: &'a [String],
    /// When it was made.
    pub(super) made_at: Timestamp,
}

impl Selection {
    fn takes(&self, tags: &[String]) -> bool {
        match self {
            Self::Any => true,
            Self::Untagged => tags.is_empty(),
            Self::Prefixes(prefixes) => prefixes
                .iter()
                .all(|prefix| tags.iter().any(|tag| tag.starts_with(prefix))),
            Self::Patterns(patterns) => patterns
                .iter()
                .all(|(_, pattern)| tags.iter().any(|tag| pattern.matches(tag))),
        }
    }
}

impl Count {
    /// Tells whether an image goes that has so many younger ones beside it.
    fn expires(self, younger: usize, made_at: Timestamp, now: Timestamp) -> bool {
        match self {
            Self::MoreThan(kept) => younger >= kept as usize,
            Self::OlderThanDays(days) => {
                made_at.until(now) > Duration::from_secs(u64::from(days) * 86_400)
            }
        }
    }
}

/// Returns for each image the priority of the rule that expires it. The rules come in the order of
/// their priorities.
pub(super) fn evaluate(
    rules: &[Rule],
    images: &[Candidate<'_>],
    now: Timestamp,
) -> Vec<Option<u32>> {
    let mut youngest_first: Vec<usize> = (0..images.len()).collect();
    youngest_first.sort_by_key(|place| {
        let image = &images[*place];
        (std::cmp::Reverse(image.made_at), image.digest)
    });
    let mut claimed = vec![false; images.len()];
    let mut expired = vec![None; images.len()];
    for rule in rules {
        let is_selected = |place: &&usize| rule.selection.takes(images[**place].tags);
        let selected = youngest_first.iter().filter(is_selected);
        for (younger, place) in selected.enumerate() {
            let is_claimed = std::mem::replace(&mut claimed[*place], true);
            if !is_claimed && rule.count.expires(younger, images[*place].made_at, now) {
                expired[*place] = Some(rule.priority);
            }
        }
    }
    expired
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::pattern::Wildcards;

    const NOW: i64 = 1_800_000_000_000;
    const DAY: i64 = 86_400_000;

    fn at(days_ago: i64) -> Timestamp {
        Timestamp::from_unix_millis(NOW - days_ago * DAY)
    }

    fn now() -> Timestamp {
        at(0)
    }

    fn prefixes(priority: u32, prefixes: &[&str], count: Count) -> Rule {
        let all = prefixes.iter().map(|prefix| (*prefix).to_owned());
        Rule {
            priority,
            selection: Selection::Prefixes(all.collect()),
            count,
        }
    }

    fn patterns(priority: u32, patterns: &[&str], count: Count) -> Rule {
        let pattern = |text: &&str| ((*text).to_owned(), Pattern::new(text, Wildcards::Star));
        Rule {
            priority,
            selection: Selection::Patterns(patterns.iter().map(pattern).collect()),
            count,
        }
    }

    fn every(priority: u32, selection: Selection, count: Count) -> Rule {
        Rule {
            priority,
            selection,
            count,
        }
    }

    /// Evaluates rules about images, each with its tags and its age in days.
    fn expired(rules: &[Rule], images: &[(&[&str], i64)]) -> Vec<Option<u32>> {
        let tags: Vec<Vec<String>> = images
            .iter()
            .map(|(tags, _)| tags.iter().map(|tag| (*tag).to_owned()).collect())
            .collect();
        let digests: Vec<String> = (0..images.len())
            .map(|place| format!("{place:03}"))
            .collect();
        let candidates: Vec<Candidate<'_>> = images
            .iter()
            .zip(&tags)
            .zip(&digests)
            .map(|(((_, age), tags), digest)| Candidate {
                digest,
                tags,
                made_at: at(*age),
            })
            .collect();
        evaluate(rules, &candidates, now())
    }

    #[test]
    fn aws_own_examples_come_out_as_they_are_documented() {
        let one = Count::MoreThan(1);
        // Two rules, and images that both are about.
        let images: [(&[&str], i64); 3] = [
            (&["beta-1", "prod-1"], 10),
            (&["beta-2", "prod-2"], 9),
            (&["beta-3"], 8),
        ];
        let rules = [prefixes(1, &["prod"], one), prefixes(2, &["beta"], one)];
        assert_eq!(expired(&rules, &images), [Some(1), None, None]);
        let rules = [prefixes(1, &["beta"], one), prefixes(2, &["prod"], one)];
        assert_eq!(expired(&rules, &images), [Some(1), Some(1), None]);
        // Several tags in one rule: an image needs a tag for each.
        let images: [(&[&str], i64); 5] = [
            (&["alpha-1"], 12),
            (&["beta-1"], 11),
            (&["alpha-2", "beta-2"], 10),
            (&["alpha-3"], 4),
            (&["alpha-4", "beta-4"], 3),
        ];
        let five = Count::OlderThanDays(5);
        let rules = [prefixes(1, &["alpha", "beta"], five)];
        let only_third = [None, None, Some(1), None, None];
        assert_eq!(expired(&rules, &images), only_third);
        let rules = [patterns(1, &["alpha*", "beta*"], five)];
        assert_eq!(expired(&rules, &images), only_third);
        // The last rule is for whatever no rule before it was about.
        let rules = [
            prefixes(1, &["alpha"], one),
            every(2, Selection::Any, Count::OlderThanDays(1)),
        ];
        assert_eq!(
            expired(&rules, &images),
            [Some(1), Some(2), Some(1), Some(1), None]
        );
    }

    #[test]
    fn an_image_that_a_rule_keeps_is_kept_from_later_rules() {
        let rules = [
            patterns(1, &["latest"], Count::MoreThan(1)),
            every(2, Selection::Any, Count::OlderThanDays(30)),
        ];
        let images: [(&[&str], i64); 4] = [
            (&["latest", "v9"], 400),
            (&["v8"], 401),
            (&["v10"], 30),
            (&[], 31),
        ];
        assert_eq!(expired(&rules, &images), [None, Some(2), None, Some(2)]);
        let rules = [every(5, Selection::Untagged, Count::MoreThan(1))];
        let images: [(&[&str], i64); 3] = [(&[], 1), (&[], 2), (&["a"], 3)];
        assert_eq!(expired(&rules, &images), [None, Some(5), None]);
        assert_eq!(expired(&rules, &[]), []);
    }

    #[test]
    fn images_of_one_moment_go_by_their_digests() {
        let rules = [every(1, Selection::Any, Count::MoreThan(2))];
        let images: [(&[&str], i64); 3] = [(&["a"], 1), (&["b"], 1), (&["c"], 1)];
        assert_eq!(expired(&rules, &images), [None, None, Some(1)]);
        // An image of the future is the youngest.
        let images: [(&[&str], i64); 3] = [(&["a"], 1), (&["b"], -9), (&["c"], 0)];
        assert_eq!(expired(&rules, &images), [Some(1), None, None]);
    }

    /// Says of one image what becomes of it, as the rules are documented, one after another.
    fn slowly(rules: &[Rule], images: &[Candidate<'_>], one: &Candidate<'_>) -> Option<u32> {
        let has = |image: &Candidate<'_>, rule: &Rule| match &rule.selection {
            Selection::Any => true,
            Selection::Untagged => image.tags.is_empty(),
            Selection::Prefixes(all) => {
                let mut missing = all.clone();
                missing.retain(|prefix| !image.tags.iter().any(|tag| tag.starts_with(prefix)));
                missing.is_empty()
            }
            Selection::Patterns(all) => {
                let mut missing = all.clone();
                missing.retain(|(text, _)| {
                    !image
                        .tags
                        .iter()
                        .any(|tag| is_like(text.as_bytes(), tag.as_bytes()))
                });
                missing.is_empty()
            }
        };
        let first = rules.iter().find(|rule| has(one, rule))?;
        let goes = match first.count {
            Count::MoreThan(kept) => {
                let is_before = |other: &&Candidate<'_>| {
                    other.made_at > one.made_at
                        || (other.made_at == one.made_at && other.digest < one.digest)
                };
                let younger = images.iter().filter(|other| has(other, first));
                younger.filter(is_before).count() >= kept as usize
            }
            Count::OlderThanDays(days) => one.made_at.unix_millis() < NOW - i64::from(days) * DAY,
        };
        goes.then_some(first.priority)
    }

    /// Matches a pattern with `*`, by trying everything.
    fn is_like(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (Some((b'*', rest)), None) => is_like(rest, text),
            (Some((b'*', rest)), Some((_, shorter))) => {
                is_like(rest, text) || is_like(pattern, shorter)
            }
            (Some((one, rest)), Some((other, shorter))) => one == other && is_like(rest, shorter),
            _ => false,
        }
    }

    fn any_rule() -> impl Strategy<Value = (Selection, Count)> {
        let texts = |of: &'static str| prop::collection::vec(of, 1..3);
        let compiled = |all: Vec<String>| {
            let pattern = |text: String| {
                let pattern = Pattern::new(&text, Wildcards::Star);
                (text, pattern)
            };
            Selection::Patterns(all.into_iter().map(pattern).collect())
        };
        let selection = prop_oneof![
            Just(Selection::Any),
            Just(Selection::Untagged),
            texts("[ab]{1,2}").prop_map(Selection::Prefixes),
            texts("[ab*]{1,3}").prop_map(compiled),
        ];
        let count = prop_oneof![
            (1_u32..4).prop_map(Count::MoreThan),
            (1_u32..6).prop_map(Count::OlderThanDays),
        ];
        (selection, count)
    }

    proptest! {
        #[test]
        fn rules_do_what_is_said_of_them_one_by_one(
            rules in prop::collection::vec(any_rule(), 0..5),
            images in prop::collection::vec(
                (prop::collection::vec("[ab]{1,3}", 0..3), 0_i64..8),
                0..12,
            ),
        ) {
            let rules: Vec<Rule> = (1_u32..)
                .zip(rules)
                .map(|(priority, (selection, count))| Rule { priority, selection, count })
                .collect();
            let digests: Vec<String> =
                (0..images.len()).map(|place| format!("{place:03}")).collect();
            let candidates: Vec<Candidate<'_>> = images
                .iter()
                .zip(&digests)
                .map(|((tags, age), digest)| Candidate { digest, tags, made_at: at(*age) })
                .collect();
            let expected: Vec<Option<u32>> = candidates
                .iter()
                .map(|one| slowly(&rules, &candidates, one))
                .collect();
            prop_assert_eq!(evaluate(&rules, &candidates, now()), expected);
        }
    }
}
