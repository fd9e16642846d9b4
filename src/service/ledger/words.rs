//! The contents of a page in a few words, and as a filter of terms: a listing reads only the pages
//! that may have the wanted events.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde::Deserialize;

use crate::store::audit::{TermKind, Terms, Wanted};

/// The most bytes of all actions of a page, and of its outcomes, as words. An index has them beside
/// the filter.
const MAX_KIND_BYTES: usize = 320;

/// The actions, outcomes and terms of a page's events.
#[derive(Default)]
pub(in crate::service) struct Words {
    actions: Kind,
    outcomes: Kind,
    terms: Terms,
}

/// The words of one kind, and whether there are others that don't fit.
#[derive(Default)]
struct Kind {
    words: BTreeSet<String>,
    bytes: usize,
    has_others: bool,
}

impl Kind {
    fn add(&mut self, kind: &'static str, text: &str) {
        if self.has_others || self.words.contains(text) {
            return;
        }
        self.bytes += word(kind, Wanted::Exactly(text)).len();
        if self.bytes > MAX_KIND_BYTES {
            self.has_others = true;
        } else {
            self.words.insert(text.to_owned());
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

/// A text of an event, which is borrowed unless it has escapes.
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// The fields of an event that a listing can filter by.
#[derive(Deserialize)]
struct Filterable<'a> {
    #[serde(borrow)]
    request_id: Text<'a>,
    #[serde(borrow)]
    action: Text<'a>,
    #[serde(borrow)]
    outcome: Text<'a>,
    #[serde(borrow)]
    principal: Option<Text<'a>>,
    #[serde(borrow)]
    credential_id: Option<Text<'a>>,
    #[serde(borrow)]
    access_key: Option<Text<'a>>,
    #[serde(borrow)]
    address: Option<Text<'a>>,
    #[serde(borrow)]
    service: Option<Text<'a>>,
    #[serde(borrow)]
    detail: Option<KeysOfDetail<'a>>,
}

/// The fields of a detail that name an access key.
#[derive(Deserialize)]
struct KeysOfDetail<'a> {
    #[serde(borrow)]
    access_key_id: Option<Text<'a>>,
    #[serde(borrow)]
    claimed: Option<Text<'a>>,
}

impl Filterable<'_> {
    /// Adds the terms by which a search finds the event.
    fn add_terms(&self, terms: &mut Terms) {
        let keys = self.detail.as_ref();
        let texts = [
            (TermKind::Principal, self.principal.as_ref()),
            (TermKind::Credential, self.credential_id.as_ref()),
            (TermKind::AccessKey, self.access_key.as_ref()),
            (
                TermKind::AccessKey,
                keys.and_then(|keys| keys.access_key_id.as_ref()),
            ),
            (
                TermKind::AccessKey,
                keys.and_then(|keys| keys.claimed.as_ref()),
            ),
            (TermKind::Address, self.address.as_ref()),
            (TermKind::Service, self.service.as_ref()),
        ];
        terms.add(TermKind::Request, &self.request_id.0);
        for (kind, text) in texts {
            if let Some(text) = text {
                terms.add(kind, &text.0);
            }
        }
        let sessions = self
            .principal
            .as_ref()
            .and_then(|text| sessions_of(&text.0));
        if let Some(sessions) = sessions {
            terms.add(TermKind::Sessions, sessions);
        }
    }
}

/// Returns the beginning that all sessions of a principal's role share: up to the first slash, and
/// with it. All operators share theirs.
pub(in crate::service) fn sessions_of(principal: &str) -> Option<&str> {
    if principal.starts_with("operator") {
        return Some("operator");
    }
    principal
        .find('/')
        .and_then(|slash| principal.get(..=slash))
}

impl Words {
    /// Adds those of an event, given as JSON.
    pub(in crate::service) fn add(&mut self, event: &[u8]) {
        let Ok(event_words) = serde_json::from_slice::<Filterable<'_>>(event) else {
            // An event that can't be read may be any: the page is never left out of a listing.
            self.actions.has_others = true;
            self.outcomes.has_others = true;
            self.terms.add_unknown();
            return;
        };
        self.actions.add("action", &event_words.action.0);
        self.outcomes.add("outcome", &event_words.outcome.0);
        event_words.add_terms(&mut self.terms);
    }

    /// Returns the words as the store keeps them, and the filter.
    pub(in crate::service) fn stored(self) -> (String, Vec<u8>) {
        let mut contents = String::new();
        self.actions.write("action", &mut contents);
        self.outcomes.write("outcome", &mut contents);
        // The filter has the principals. An earlier release, which knows none, reads the page.
        contents.push_str(&overflow_mark("principal"));
        (contents, self.terms.filter())
    }
}

/// Returns the word that is in a page's contents when a wanted event is in the page. Every word
/// begins with a line feed.
pub(in crate::service) fn word(kind: &'static str, wanted: Wanted<'_>) -> String {
    match wanted {
        Wanted::Any => "\n".to_owned(),
        Wanted::Exactly(text) => format!("\n{kind}={text}\n"),
        Wanted::Beginning(text) => format!("\n{kind}={text}"),
    }
}

/// Returns the mark of a kind that had more words than fit: then any of them may be in the page.
pub(in crate::service) fn overflow_mark(kind: &'static str) -> String {
    format!("\n{kind}+\n")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::store::audit::{Term, may_have};

    fn stored(lines: &[Value]) -> (String, Vec<u8>) {
        let mut words = Words::default();
        for line in lines {
            let mut event = json!({ "at": 1, "request_id": "r", "action": "a", "outcome": "ok" });
            for (name, value) in line.as_object().unwrap() {
                event[name] = value.clone();
            }
            words.add(event.to_string().as_bytes());
        }
        words.stored()
    }

    #[test]
    fn a_page_says_its_actions_and_outcomes_and_nothing_else() {
        let (contents, _) = stored(&[
            json!({ "action": "tcr:A" }),
            json!({ "action": "tcr:A" }),
            json!({ "action": "sts:B" }),
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
        ] {
            assert!(!has("action", wanted), "{wanted:?} of {contents:?}");
        }
        assert!(
            has("outcome", Wanted::Exactly("ok")) && !has("outcome", Wanted::Exactly("refused"))
        );
    }

    #[test]
    fn each_field_of_an_event_is_a_term_of_its_page() {
        let (_, filter) = stored(&[
            json!({
                "request_id": "q1", "principal": "1:role#5/a", "credential_id": "c1",
                "access_key": "k1", "address": "192.0.2.1", "service": "registry.example.com",
            }),
            json!({ "detail": { "access_key_id": "k2", "expires_at": 1 } }),
            json!({ "detail": { "cause": "wrong-secret", "claimed": "k\"3" } }),
        ]);
        for (kind, text) in [
            (TermKind::Request, "q1"),
            (TermKind::Principal, "1:role#5/a"),
            (TermKind::Sessions, "1:role#5/"),
            (TermKind::Credential, "c1"),
            (TermKind::AccessKey, "k1"),
            (TermKind::AccessKey, "k2"),
            (TermKind::AccessKey, "k\"3"),
            (TermKind::Address, "192.0.2.1"),
            (TermKind::Service, "registry.example.com"),
        ] {
            assert!(
                may_have(&filter, &[Term::new(kind, text)]),
                "{kind:?} {text}"
            );
        }
        assert!(!may_have(&filter, &[Term::new(TermKind::Request, "q2")]));
    }

    #[test]
    fn a_page_with_an_event_that_can_not_be_read_may_have_any() {
        let (contents, filter) = stored(&[json!({}), json!({ "detail": "a text" })]);
        for kind in ["action", "outcome", "principal"] {
            assert!(contents.contains(&overflow_mark(kind)), "{contents:?}");
        }
        assert!(filter.is_empty());
    }

    #[test]
    fn an_entry_of_a_page_of_very_many_fits_into_an_index_of_postgresql() {
        let lines: Vec<Value> = (0..2000)
            .map(|number| {
                json!({
                    "request_id": format!("request-{number}"),
                    "action": format!("tcr:Action{number}"),
                    "principal": format!("100000000001:user#{number}"),
                })
            })
            .collect();
        let (contents, filter) = stored(&lines);
        assert!(contents.contains(&overflow_mark("action")), "{contents}");
        // The others: two times, a number, an id of 22 letters, their headers.
        let bytes = contents.len() + filter.len() + 100;
        assert!(bytes < 2704, "{bytes}");
    }
}
