//! The documents of a decision: a few that are listed, or all that a holder has.

use super::document::{Document, Statement};
use super::index::{Index, Place};
use super::language::Language;
use super::resource::{Asked, Facts};
use super::target::Target;
use super::vocabulary::Permission;
use super::words::Effect;
use crate::domain::ids::AccountId;

/// The fewest statements that are indexed: fewer are faster asked one by one.
const MIN_INDEXED: usize = 16;

/// A document under the name by which a decision speaks of it.
#[derive(Clone, Copy, Debug)]
pub struct NamedDocument<'a> {
    /// The policy's name.
    pub name: &'a str,
    /// The account that the policy belongs to; for a built-in one, the account of whom it is
    /// attached to. A CAM resource without an account means this one.
    pub owner: AccountId,
    /// The document.
    pub document: &'a Document,
}

/// The documents of one holder, with an index where they have many statements.
#[derive(Debug)]
pub struct PolicySet {
    owner: AccountId,
    documents: Vec<(String, Document)>,
    /// Each of another language or effect; none for few statements.
    indexes: Vec<Index>,
    asks_for_time: bool,
    has_iam: bool,
}

impl PolicySet {
    /// Takes documents with their names. The account is that of the holder.
    pub fn new(owner: AccountId, documents: Vec<(String, Document)>) -> Self {
        let statements = documents.iter().map(|(_, one)| one.statements().len());
        let indexes = if statements.sum::<usize>() < MIN_INDEXED {
            Vec::new()
        } else {
            Index::all_of(&documents)
        };
        Self {
            owner,
            asks_for_time: documents.iter().any(|(_, one)| one.asks_for_time()),
            has_iam: documents
                .iter()
                .any(|(_, one)| one.language() == Language::Iam),
            documents,
            indexes,
        }
    }

    /// Returns the account of the holder.
    pub fn owner(&self) -> AccountId {
        self.owner
    }

    /// Tells whether a decision by them may be another one at another time.
    pub fn asks_for_time(&self) -> bool {
        self.asks_for_time
    }

    /// Tells whether one of them is in IAM's language.
    pub fn has_iam(&self) -> bool {
        self.has_iam
    }

    /// Tells whether decisions use the index.
    pub(super) fn is_indexed(&self) -> bool {
        !self.indexes.is_empty()
    }

    /// Returns the indexes of that effect.
    pub(super) fn indexes(&self, effect: Effect) -> impl Iterator<Item = &Index> {
        let is_of_effect = move |index: &&Index| index.effect == effect;
        self.indexes.iter().filter(is_of_effect)
    }

    /// Returns the first statement of an index that applies to a target.
    pub(super) fn first(
        &self,
        index: &Index,
        permission: Permission,
        (target, facts): (&Target<'_>, Facts<'_>),
    ) -> Option<Place> {
        let asked = Asked {
            target,
            owner: self.owner,
            facts,
        };
        index.first(&self.documents, permission, &asked)
    }

    /// Returns the statement at a place, with its document and its place there.
    pub(super) fn at(&self, place: Place) -> (NamedDocument<'_>, usize, &Statement) {
        let document = self.named(&self.documents[place.document as usize]);
        (
            document,
            place.statement as usize,
            place.of(&self.documents),
        )
    }

    fn named<'a>(&self, (name, document): &'a (String, Document)) -> NamedDocument<'a> {
        NamedDocument {
            name,
            owner: self.owner,
            document,
        }
    }
}

/// The documents of a decision, in their order.
#[derive(Clone, Copy, Debug)]
pub enum Documents<'a> {
    /// These.
    Listed(&'a [NamedDocument<'a>]),
    /// Those of a holder.
    Held(&'a PolicySet),
}

impl<'a> Documents<'a> {
    /// Returns each.
    pub fn iter(self) -> impl Iterator<Item = NamedDocument<'a>> {
        let (listed, held) = match self {
            Self::Listed(listed) => (listed, None),
            Self::Held(set) => (&[][..], Some(set)),
        };
        let held = held.into_iter().flat_map(|set| {
            let named = |document| set.named(document);
            set.documents.iter().map(named)
        });
        listed.iter().copied().chain(held)
    }
}

impl<'a, T: AsRef<[NamedDocument<'a>]> + ?Sized> From<&'a T> for Documents<'a> {
    fn from(listed: &'a T) -> Self {
        Self::Listed(listed.as_ref())
    }
}

impl<'a> From<&'a PolicySet> for Documents<'a> {
    fn from(set: &'a PolicySet) -> Self {
        Self::Held(set)
    }
}
