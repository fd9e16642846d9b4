//! The rights of a document's statements, for whoever lists them.

use super::{Document, Statement};
use crate::policy::elements::Words;
use crate::policy::language::Language;
use crate::policy::resource::ResourcePattern;
use crate::policy::vocabulary::Permission;
use crate::policy::words::Effect;

/// A statement of a document, without regard to others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementRights<'a> {
    /// The document's language.
    pub language: Language,
    /// Its place in the document, from 0.
    pub index: usize,
    /// Its label, if it has one.
    pub sid: Option<&'a str>,
    /// Whether it allows or denies.
    pub effect: Effect,
    /// The permissions that it speaks of.
    pub permissions: Vec<Permission>,
    /// Whether it is about every resource.
    pub is_everywhere: bool,
    /// Whether it has a condition.
    pub is_conditional: bool,
}

impl StatementRights<'_> {
    /// Returns the place, as the document spells it, and the label: `statement[1] (label)`.
    pub fn place(&self) -> String {
        let name = Words::of(self.language).statement;
        let label = self.sid.map(|sid| format!(" ({sid})")).unwrap_or_default();
        format!("{name}[{}]{label}", self.index)
    }
}

impl Document {
    /// Tells whether a decision by the document may be another one at another time.
    pub fn asks_for_time(&self) -> bool {
        self.statements
            .iter()
            .any(|statement| statement.condition.asks_for_time())
    }

    /// Returns the permissions that a statement names, as finely as the language does.
    fn named_by<'a>(&self, statement: &'a Statement) -> impl Iterator<Item = Permission> + 'a {
        let is_fine = self.language == Language::Iam;
        let named = statement.permissions.iter();
        named.filter(move |permission| is_fine || !permission.is_finer())
    }

    /// Returns what each statement gives or takes.
    pub fn rights(&self) -> impl Iterator<Item = StatementRights<'_>> {
        self.statements
            .iter()
            .enumerate()
            .map(|(index, statement)| StatementRights {
                language: self.language,
                index,
                sid: statement.sid.as_deref(),
                effect: statement.effect,
                permissions: self.named_by(statement).collect(),
                is_everywhere: statement.resources.contains(&ResourcePattern::Everything),
                is_conditional: !statement.condition.is_empty(),
            })
    }
}
