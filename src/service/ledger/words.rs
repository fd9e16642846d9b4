//! The contents of a batch in a few words: a listing reads only the batches that may have the
//! wanted events.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde::Deserialize;

use crate::store::audit::Wanted;

/// The most bytes of all actions of a batch, and of all its principals. An index has them.
const MAX_KIND_BYTES: usize = 768;

/// The actions, outcomes and principals of a batch's events.
#[derive(Default)]
pub(super) struct Words {
    actions: Kind,
    outcomes: Kind,
    principals: Kind,
}

/// The words of one kind, and whether there are others that don't fit.
#[derive(Default)]
struct Kind {
    words: BTreeSet<String>,
    bytes: usize,
    has_others: bool,
}

impl Kind {
    fn add(&mut self, word: &str) {
        if self.has_others || self.words.contains(word) {
            return;
        }
        self.bytes += word.len();
        if self.bytes > MAX_KIND_BYTES {
            self.has_others = true;
        } else {
            self.words.insert(word.to_owned());
        }
    }

    fn write(&self, kind: &'static str, contents: &mut String) {
        for text in &self.words {
            contents.push_str(&word(kind, Wanted::Exactly(text)));
        }
        if self.has_others {
            contents.push_str(&overflow_mark(kind));
        }
    }
}

/// The fields of an event that a listing can filter by.
#[derive(Deserialize)]
struct Filterable<'a> {
    #[serde(borrow)]
    action: Cow<'a, str>,
    #[serde(borrow)]
    outcome: Cow<'a, str>,
    #[serde(borrow)]
    principal: Option<Cow<'a, str>>,
}

impl Words {
    /// Adds those of an event, given as JSON.
    pub(super) fn add(&mut self, event: &[u8]) {
        let Ok(event_words) = serde_json::from_slice::<Filterable<'_>>(event) else {
            // An event that can't be read may be any: the batch is never left out of a listing.
            self.actions.has_others = true;
            self.outcomes.has_others = true;
            self.principals.has_others = true;
            return;
        };
        self.actions.add(&event_words.action);
        self.outcomes.add(&event_words.outcome);
        if let Some(principal) = &event_words.principal {
            self.principals.add(principal);
        }
    }

    /// Returns them as the store keeps them.
    pub(super) fn contents(&self) -> String {
        let mut contents = String::new();
        self.actions.write("action", &mut contents);
        self.outcomes.write("outcome", &mut contents);
        self.principals.write("principal", &mut contents);
        contents
    }
}

/// Returns the word that is in a batch's contents when a wanted event is in the batch. Every word
/// begins with a line feed.
pub(in crate::service) fn word(kind: &'static str, wanted: Wanted<'_>) -> String {
    match wanted {
        Wanted::Any => "\n".to_owned(),
        Wanted::Exactly(text) => format!("\n{kind}={text}\n"),
        Wanted::Beginning(text) => format!("\n{kind}={text}"),
    }
}

/// Returns the mark of a kind that had more words than fit: then any of them may be in the batch.
pub(in crate::service) fn overflow_mark(kind: &'static str) -> String {
    format!("\n{kind}+\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(lines: &[(&str, Option<&str>)]) -> String {
        let mut words = Words::default();
        for (action, principal) in lines {
            let event = serde_json::json!({
                "action": action,
                "outcome": "ok",
                "principal": principal,
                "at": 1,
            });
            words.add(event.to_string().as_bytes());
        }
        words.contents()
    }

    #[test]
    fn a_page_says_what_is_in_it_and_nothing_else() {
        let contents = contents(&[
            ("tcr:A", Some("1:root")),
            ("tcr:A", Some("1:role#5/x")),
            ("sts:B", None),
        ]);
        let has = |kind, wanted| contents.contains(&word(kind, wanted));
        for wanted in [
            Wanted::Any,
            Wanted::Exactly("tcr:A"),
            Wanted::Exactly("sts:B"),
            Wanted::Beginning("tcr:"),
            Wanted::Beginning(""),
        ] {
            assert!(has("action", wanted), "{wanted:?} of {contents:?}");
        }
        for wanted in [
            Wanted::Exactly("tcr:"),
            Wanted::Exactly("A"),
            Wanted::Beginning("cr:"),
            Wanted::Exactly("1:root"),
        ] {
            assert!(!has("action", wanted), "{wanted:?} of {contents:?}");
        }
        assert!(
            has("principal", Wanted::Beginning("1:role#5/"))
                && !has("principal", Wanted::Exactly("1:role#5/"))
        );
        assert!(
            has("outcome", Wanted::Exactly("ok")) && !has("outcome", Wanted::Exactly("refused"))
        );
    }

    #[test]
    fn a_page_of_many_principals_says_so_and_stays_short() {
        let names: Vec<String> = (0..1000)
            .map(|number| format!("100000000001:user#{number}"))
            .collect();
        let lines: Vec<(&str, Option<&str>)> = names
            .iter()
            .map(|name| ("token.exchange", Some(name.as_str())))
            .collect();
        let contents = contents(&lines);
        assert!(
            contents.contains(&overflow_mark("principal"))
                && !contents.contains(&overflow_mark("action"))
        );
        assert!(contents.len() < 1500, "{}", contents.len());
    }
}
