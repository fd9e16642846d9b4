//! Permissions by policy: documents in three clouds' languages, and decisions that can say why.
//!
//! Pure: no clock, no input or output. A document is read once ([`Document::parse`]: strictly, so
//! that what saves evaluates) and then asked often ([`decide`]): an explicit deny wins, then an
//! allow, else no. Every document is asked in its own language's names ([`vocabulary`]), whichever
//! door the call came through. That an account's root may do all is not known here; neither is who
//! has which documents. To give a right on is another question than to use it:
//! [`decide_unconditionally`].
//!
//! Start with [`decide`], then [`document`]; docs/policies.md teaches the languages. Where a holder
//! has many statements, `index` leaves few to ask.

mod actions;
mod arn;
pub mod builtin;
mod condition;
mod context;
pub mod document;
mod elements;
mod explanation;
mod index;
mod json;
mod key;
mod language;
mod operator;
mod parts;
mod path;
pub mod pattern;
pub mod repository_policy;
mod resource;
mod set;
mod span;
mod target;
pub mod trust;
mod values;
mod variables;
pub mod vocabulary;
mod weigh;
mod words;

use std::fmt;

pub use context::Context;
pub use document::{Checked, Document, StatementRights};
pub use explanation::{Explanation, Missed, SessionExplanation, explain, explain_session};
pub use language::Language;
pub use parts::Limits;
pub use repository_policy::{Asker, RepositoryPolicy, decide_repository_policy};
pub use set::{Documents, NamedDocument, PolicySet};
pub use span::{position, span_of};
pub use target::{InstanceRef, Resource};
pub use trust::{Assumer, TrustPolicy, TrustedProvider};
pub use vocabulary::{Permission, is_action};
pub use weigh::{ResourceSide, weigh};

use document::Statement;
use elements::Words;
use index::Index;
use resource::{Asked, Facts};
use target::Target;
use vocabulary::Permissions;
pub use words::{Circumstances, Effect};

/// A question to policies.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The permission.
    pub permission: Permission,
    /// The resource that it is asked on.
    pub resource: Resource<'a>,
    /// The other facts.
    pub context: Context<'a>,
}

impl Request<'_> {
    /// Returns the resource as a document of that language names it, such as
    /// `qcs::tcr:ap-guangzhou:uin/100000000001:repository/tcr-abcd1234/team/app`; for refusals and
    /// explanations.
    pub fn resource_name(&self, language: Language) -> String {
        Target::new(language, self.permission, &self.resource).render(language)
    }
}

/// How it was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// A statement allows it and none denies it.
    Allowed,
    /// A statement denies it.
    DeniedExplicitly,
    /// No statement allows it.
    DeniedImplicitly,
}

/// A statement, by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StatementRef<'a> {
    /// The document's name.
    pub document: &'a str,
    /// The document's language.
    pub language: Language,
    /// The statement's place in it, from 0.
    pub index: usize,
    /// The statement's own label, if it has one.
    pub sid: Option<&'a str>,
}

impl fmt::Display for StatementRef<'_> {
    /// Writes `NAME statement[1]`, as the document spells it, and the label.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {}[{}]",
            self.document,
            Words::of(self.language).statement,
            self.index
        )?;
        self.sid.map_or(Ok(()), |sid| write!(f, " ({sid})"))
    }
}

/// A decision, and the first of the statements that decided it so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision<'a> {
    /// How it was decided.
    pub outcome: Outcome,
    /// The statement that denies, or else allows; none when none did.
    pub statement: Option<StatementRef<'a>>,
}

impl<'a> Decision<'a> {
    /// Takes the first statement that denies, and the first that allows.
    fn of(denied: Option<StatementRef<'a>>, allowed: Option<StatementRef<'a>>) -> Self {
        let outcome = match (denied, allowed) {
            (Some(_), _) => Outcome::DeniedExplicitly,
            (None, Some(_)) => Outcome::Allowed,
            (None, None) => Outcome::DeniedImplicitly,
        };
        Self {
            outcome,
            statement: denied.or(allowed),
        }
    }

    /// Returns the decision of an account's root, which no statement makes.
    pub fn of_root() -> Self {
        Self {
            outcome: Outcome::Allowed,
            statement: None,
        }
    }

    /// Returns the decision of no policy at all.
    pub fn of_none() -> Self {
        Self::of(None, None)
    }

    /// Tells whether it is allowed.
    pub fn is_allowed(&self) -> bool {
        self.outcome == Outcome::Allowed
    }
}

/// Weighs all documents of a principal together: an explicit deny wins, then an allow, else no.
pub fn decide<'a>(documents: impl Into<Documents<'a>>, request: &Request<'_>) -> Decision<'a> {
    decide_in(Circumstances::Present, documents, request)
}

/// Decides whether documents allow something in every circumstance, of which the request's context
/// is only one: so it is asked before a right is given on, to be used from elsewhere and later.
///
/// Of a condition it is not known whether it will hold, nor of a policy variable which value it
/// will have. So a statement that has one never allows, and always denies. [`decide`] allows in
/// every context what this allows.
pub fn decide_unconditionally<'a>(
    documents: impl Into<Documents<'a>>,
    request: &Request<'_>,
) -> Decision<'a> {
    decide_in(Circumstances::Every, documents, request)
}

/// Decides as [`decide`] does, in these circumstances.
pub fn decide_in<'a>(
    circumstances: Circumstances,
    documents: impl Into<Documents<'a>>,
    request: &Request<'_>,
) -> Decision<'a> {
    let facts = Facts::of(circumstances, &request.context);
    match documents.into() {
        Documents::Held(set) if set.is_indexed() => decide_by_index(set, facts, request),
        documents => decide_one_by_one(documents, facts, request),
    }
}

/// Decides by the first statement that denies, or else by the first that allows.
fn decide_by_index<'a>(
    set: &'a PolicySet,
    facts: Facts<'_>,
    request: &Request<'_>,
) -> Decision<'a> {
    let mut targets = Targets::default();
    let mut first = |effect| {
        let first_of = |index: &Index| {
            let target = targets.of(index.language, request);
            let parts = request.permission.parts(index.language).iter();
            let mut firsts = parts.map(|part| set.first(index, *part, (target, facts)));
            match effect {
                // A denial of one part is one of the whole.
                Effect::Deny => firsts.flatten().min(),
                Effect::Allow => firsts
                    .try_fold(None, |last, first| Some(last.max(Some(first?))))
                    .flatten(),
            }
        };
        let place = set.indexes(effect).filter_map(first_of).min()?;
        let (named, index, statement) = set.at(place);
        Some(refer(&named, index, statement))
    };
    let denied = first(Effect::Deny);
    let allowed = denied.map_or_else(|| first(Effect::Allow), |_| None);
    Decision::of(denied, allowed)
}

/// Decides as [`decide_by_index`] does, by asking each statement.
fn decide_one_by_one<'a>(
    documents: Documents<'a>,
    facts: Facts<'_>,
    request: &Request<'_>,
) -> Decision<'a> {
    let mut targets = Targets::default();
    let mut missing = Missing::of(request.permission);
    let mut allowed = None;
    for named in documents.iter() {
        let language = named.document.language();
        let target = targets.of(language, request);
        for (index, statement) in named.document.statements().iter().enumerate() {
            // One allow is enough; the deny is still looked for.
            if statement.effect == Effect::Allow && allowed.is_some() {
                continue;
            }
            let asked = Asked {
                target,
                owner: named.owner,
                facts,
            };
            if !statement.speaks_of(request.permission.parts(language))
                || statement.match_resource(&asked).is_err()
                || !statement.may_hold(facts)
            {
                continue;
            }
            let statement_ref = || refer(&named, index, statement);
            match statement.effect {
                Effect::Deny => return Decision::of(Some(statement_ref()), None),
                Effect::Allow => {
                    if missing.take(language, statement.permissions) {
                        allowed = Some(statement_ref());
                    }
                }
            }
        }
    }
    Decision::of(None, allowed)
}

/// The parts of a permission that no statement has allowed yet, by language.
struct Missing([Permissions; Language::ALL.len()]);

impl Missing {
    fn of(permission: Permission) -> Self {
        Self(Language::ALL.map(|language| Permissions::of(permission.parts(language))))
    }

    /// Takes away what a statement allows; tells whether nothing is missing any more.
    fn take(&mut self, language: Language, allowed: Permissions) -> bool {
        let missing = &mut self.0[language as usize];
        *missing = missing.without(allowed);
        *missing == Permissions::default()
    }
}

/// Decides for a session: what its role (or the user that it acts for) may do and, when it has
/// session policies, they allow too.
pub fn decide_session<'a>(
    identity: impl Into<Documents<'a>>,
    session: Option<&'a [NamedDocument<'a>]>,
    request: &Request<'_>,
) -> Decision<'a> {
    decide_session_in(Circumstances::Present, identity, session, request)
}

/// Decides as [`decide_session`] does, in these circumstances.
pub fn decide_session_in<'a>(
    circumstances: Circumstances,
    identity: impl Into<Documents<'a>>,
    session: Option<&'a [NamedDocument<'a>]>,
    request: &Request<'_>,
) -> Decision<'a> {
    let identity = decide_in(circumstances, identity, request);
    let session = session.map(|session| decide_in(circumstances, session, request));
    weigh(identity, ResourceSide::Unasked, session).0
}

fn refer<'a>(
    named: &NamedDocument<'a>,
    index: usize,
    statement: &'a Statement,
) -> StatementRef<'a> {
    StatementRef {
        document: named.name,
        language: named.document.language(),
        index,
        sid: statement.sid.as_deref(),
    }
}

/// The resource as each language writes it, written when the first document of that language comes.
#[derive(Default)]
struct Targets<'r>([Option<Target<'r>>; Language::ALL.len()]);

impl<'r> Targets<'r> {
    fn of(&mut self, language: Language, request: &Request<'r>) -> &Target<'r> {
        self.0[language as usize]
            .get_or_insert_with(|| Target::new(language, request.permission, &request.resource))
    }
}
