//! An index of many statements, by the fixed letters of their resources.
//!
//! It rules statements out and never in: each that it leaves is asked as the plain loop asks it, by
//! the same functions, and the first in the loop's order counts. So it decides as the loop does
//! when all that it rules out doesn't apply:
//!
//! - A path that a pattern matches begins with the letters before the pattern's first wildcard, and
//!   ends with those after its last. Where the pattern is a directory, something above the path
//!   may end so.
//! - All that begins with a path is denied by whatever touches any of it: then one of the path and
//!   those first letters begins with the other.
//! - A condition that doesn't hold for one statement holds for none with an equal condition and the
//!   same effect.
//!
//! `docs/decisions/0042-an-index-of-statements.md` has the reasons.

mod beginnings;

use std::collections::{BTreeMap, HashMap};
use std::iter;

use self::beginnings::Beginnings;
use super::document::{Document, Statement};
use super::language::Language;
use super::resource::Asked;
use super::target::Extent;
use super::vocabulary::{Permission, Permissions};
use super::words::Effect;

/// The most resources that are found by the same first letters, where their last letters differ.
const MAX_OF_ONE_HEAD: usize = 8;

/// The place of a statement; places are in the order of the plain loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) document: u32,
    pub(super) statement: u32,
}

impl Place {
    /// Returns the statement that stands here.
    pub(super) fn of(self, documents: &[(String, Document)]) -> &Statement {
        let (_, document) = &documents[self.document as usize];
        &document.statements()[self.statement as usize]
    }
}

/// A resource of a statement, with all that can rule it out fast.
#[derive(Clone, Copy, Debug)]
struct Entry {
    permissions: Permissions,
    place: Place,
    /// Its place among the statement's resources.
    resource: u32,
    /// The number of the statement's condition; equal ones have the same.
    condition: u32,
}

/// The resources of all statements of one language and effect.
#[derive(Debug)]
pub(super) struct Index {
    pub(super) language: Language,
    pub(super) effect: Effect,
    by_head: Beginnings<Entry>,
    /// Those whose head too many others have: by their tails, which are written backwards.
    by_tail: Beginnings<Entry>,
    /// How many conditions differ.
    conditions: usize,
}

impl Index {
    /// Makes an index of each language and effect that have statements.
    pub(super) fn all_of(documents: &[(String, Document)]) -> Vec<Self> {
        let of_language = |language| {
            [Effect::Deny, Effect::Allow].map(|effect| Self::of(documents, language, effect))
        };
        let indexes = Language::ALL.into_iter().flat_map(of_language);
        indexes.flatten().collect()
    }

    /// Indexes the statements of a language and an effect, if there are any.
    fn of(documents: &[(String, Document)], language: Language, effect: Effect) -> Option<Self> {
        let mut conditions = HashMap::new();
        let mut heads: BTreeMap<Vec<u8>, Vec<(String, Entry)>> = BTreeMap::new();
        for (place, statement) in places(documents, language) {
            if statement.effect != effect || statement.permissions == Permissions::default() {
                continue;
            }
            let next = conditions.len() as u32;
            let condition = *conditions.entry(&statement.condition).or_insert(next);
            for (resource, pattern) in statement.resources.iter().enumerate() {
                let Some((head, tail)) = pattern.ends() else {
                    continue;
                };
                let entry = Entry {
                    permissions: statement.permissions,
                    place,
                    resource: resource as u32,
                    condition,
                };
                heads.entry(head.into()).or_default().push((tail, entry));
            }
        }
        let by_tail = Beginnings::new(take_tails(&mut heads));
        let entries = |of_head: Vec<_>| of_head.into_iter().map(|(_, entry)| entry).collect();
        let by_head = heads.into_iter().map(|(head, of)| (head, entries(of)));
        (!conditions.is_empty()).then(|| Self {
            language,
            effect,
            by_head: Beginnings::new(by_head.collect()),
            by_tail,
            conditions: conditions.len(),
        })
    }

    /// Returns the first of its statements that applies.
    pub(super) fn first(
        &self,
        documents: &[(String, Document)],
        permission: Permission,
        asked: &Asked<'_>,
    ) -> Option<Place> {
        let mut search = Search {
            documents,
            permission,
            asked,
            unmet: vec![false; self.conditions],
            first: None,
        };
        let target = asked.target;
        if (target.extent, self.effect) == (Extent::Below, Effect::Deny) {
            let beginning = target.path.as_bytes();
            let heads = self.by_head.beginning(beginning);
            heads
                .chain(self.by_head.going_on(beginning))
                .chain(self.by_tail.all())
                .for_each(|entries| search.look_at(entries));
            return search.first;
        }
        for text in iter::once(&target.path).chain(&target.alias) {
            self.by_head
                .beginning(text.as_bytes())
                .for_each(|entries| search.look_at(entries));
            if self.by_tail.is_empty() {
                continue;
            }
            let backwards: Vec<u8> = text.bytes().rev().collect();
            directories(&backwards)
                .flat_map(|directory| self.by_tail.beginning(directory))
                .for_each(|entries| search.look_at(entries));
        }
        search.first
    }
}

/// Returns the statements of a language, each with its place.
fn places(
    documents: &[(String, Document)],
    language: Language,
) -> impl Iterator<Item = (Place, &Statement)> {
    documents
        .iter()
        .enumerate()
        .filter(move |(_, (_, document))| document.language() == language)
        .flat_map(|(document, (_, of_document))| {
            let place = move |statement| Place {
                document: document as u32,
                statement: statement as u32,
            };
            let statements = of_document.statements().iter().enumerate();
            statements.map(move |(at, statement)| (place(at), statement))
        })
}

/// Takes those that have a tail from heads that too many have.
fn take_tails(
    heads: &mut BTreeMap<Vec<u8>, Vec<(String, Entry)>>,
) -> BTreeMap<Vec<u8>, Vec<Entry>> {
    let mut tails: BTreeMap<Vec<u8>, Vec<Entry>> = BTreeMap::new();
    for of_head in heads.values_mut().filter(|of| of.len() > MAX_OF_ONE_HEAD) {
        for (tail, entry) in of_head.extract_if(.., |(tail, _)| !tail.is_empty()) {
            let backwards = tail.bytes().rev().collect();
            tails.entry(backwards).or_default().push(entry);
        }
    }
    heads.retain(|_, of_head| !of_head.is_empty());
    // They came by their heads, several of which may have one tail.
    for of_tail in tails.values_mut() {
        of_tail.sort_by_key(|entry| entry.place);
    }
    tails
}

/// Returns a path that is written backwards, and each directory above it.
fn directories(backwards: &[u8]) -> impl Iterator<Item = &[u8]> {
    let slashes = backwards
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'/');
    let above = slashes.map(|(slash, _)| &backwards[slash + 1..]);
    iter::once(backwards).chain(above)
}

/// The search for the first statement that applies.
struct Search<'a> {
    documents: &'a [(String, Document)],
    permission: Permission,
    asked: &'a Asked<'a>,
    /// The conditions that were asked and don't hold.
    unmet: Vec<bool>,
    first: Option<Place>,
}

impl Search<'_> {
    /// Asks entries, in the order of their places, until one applies or can't be the first.
    fn look_at(&mut self, entries: &[Entry]) {
        for entry in entries {
            if self.first.is_some_and(|first| first <= entry.place) {
                return;
            }
            let condition = entry.condition as usize;
            if !entry.permissions.has(self.permission) || self.unmet[condition] {
                continue;
            }
            let statement = entry.place.of(self.documents);
            let resource = &statement.resources[entry.resource as usize];
            if resource.matches(self.asked, statement.effect) != Ok(true) {
                continue;
            }
            if statement.may_hold(self.asked.facts) {
                self.first = Some(entry.place);
                return;
            }
            self.unmet[condition] = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::policy::Limits;

    /// The one index of statements that allow pulling from paths, under conditions of CAM.
    fn index(paths: impl Iterator<Item = (String, Value)>) -> Index {
        let statement = |(path, condition): (String, Value)| {
            json!({
                "effect": "allow",
                "action": "tcr:PullRepository",
                "resource": format!("qcs::tcr:::repository/tcr-abcd1234/{path}"),
                "condition": condition,
            })
        };
        let statements: Vec<Value> = paths.map(statement).collect();
        let text = json!({"version": "2.0", "statement": statements}).to_string();
        let limits = Limits {
            cam: text.len(),
            ram: text.len(),
            iam: text.len(),
            may_be_indented: false,
        };
        let document = Document::parse(&text, limits).unwrap().document;
        let mut indexes = Index::all_of(&[("own".to_owned(), document)]);
        assert_eq!(indexes.len(), 1);
        indexes.remove(0)
    }

    fn lengths<'a>(entries: impl Iterator<Item = &'a [Entry]>) -> Vec<usize> {
        entries.map(<[_]>::len).collect()
    }

    #[test]
    fn resources_are_found_by_their_heads_or_by_their_tails_where_many_share_a_head() {
        let few = (0..MAX_OF_ONE_HEAD).map(|n| format!("team/a*-{n}"));
        let many = (0..50).map(|n| format!("t*m/a*-{}/*", n % 25));
        let wide = (0..50).map(|_| "t*".to_owned());
        let paths = few.chain(many).chain(wide);
        let index = index(paths.map(|path| (path, json!({}))));
        assert_eq!(lengths(index.by_head.all()), [50, MAX_OF_ONE_HEAD]);
        assert_eq!(lengths(index.by_tail.all()), [2; 25]);
        let found = index.by_tail.beginning(b"42-ppa");
        assert_eq!(lengths(found), [2]);
    }

    #[test]
    fn equal_conditions_have_one_number() {
        let condition = |n: usize| json!({"numeric_less_than": {"qcs:tag": n % 3}});
        let statements = (0..30).map(|n| (format!("team-{n}"), condition(n)));
        assert_eq!(index(statements).conditions, 3);
    }
}
