//! The view of policies.

use std::collections::BTreeSet;

use crate::domain::identity::{Policy as Stored, Target};
use crate::service::{Attachment, DocumentFindings, PlacedFinding, PolicyKind};

view! {
    /// A policy, without its document.
    pub struct Policy {
        /// Its name.
        name: String,
        /// The users, groups and roles that have it.
        attached_to: Vec<String>,
        /// The time at which it was made or last changed, as in RFC 3339; a built-in policy has
        /// none.
        changed_at: Option<String>,
    }
}

impl Policy {
    /// Shows an account's own policies, then the built-in ones in use: every account has all of
    /// these.
    pub fn list(own: Vec<Stored>, attachments: &[Attachment]) -> Vec<Self> {
        let attached_to = |name: &str| {
            attachments
                .iter()
                .filter(|one| one.policy == name)
                .map(|one| target_name(&one.target))
                .collect()
        };
        let built_in: BTreeSet<&str> = attachments
            .iter()
            .filter(|one| one.kind == PolicyKind::BuiltIn)
            .map(|one| one.policy.as_str())
            .collect();
        let own = own
            .into_iter()
            .map(|policy| (policy.name, Some(policy.changed_at.rfc3339())));
        let built_in = built_in.into_iter().map(|name| (name.to_owned(), None));
        own.chain(built_in)
            .map(|(name, changed_at)| Self {
                attached_to: attached_to(&name),
                name,
                changed_at,
            })
            .collect()
    }
}

view! {
    /// A policy, with its document.
    pub struct PolicyDocument {
        /// Its name.
        name: String,
        /// The document, as it was written.
        document: String,
    }
}

view! {
    /// A document that was checked and not saved.
    pub struct CheckedPolicy {
        /// Whether it would be saved.
        valid: bool,
        /// Its language; none where it can't be read.
        language: Option<String>,
        /// The first fault, for which it would be refused; empty where there is none.
        faults: Vec<PolicyFinding>,
        /// Parts that won't do what they seem to.
        warnings: Vec<PolicyFinding>,
    }
}

view! {
    /// A finding about a part of a document.
    pub struct PolicyFinding {
        /// The part, such as `statement[1].effect`; empty for the document as a whole.
        place: String,
        /// The line on which the part begins, from 1.
        line: usize,
        /// The character of that line at which it begins, from 1.
        column: usize,
        /// The finding.
        reason: String,
    }
}

impl From<DocumentFindings> for CheckedPolicy {
    fn from(found: DocumentFindings) -> Self {
        Self {
            valid: found.fault.is_none(),
            language: found.language.map(|language| language.name().to_owned()),
            faults: found.fault.into_iter().map(PolicyFinding::from).collect(),
            warnings: found
                .warnings
                .into_iter()
                .map(PolicyFinding::from)
                .collect(),
        }
    }
}

impl From<PlacedFinding> for PolicyFinding {
    fn from(finding: PlacedFinding) -> Self {
        Self {
            place: finding.place,
            line: finding.line,
            column: finding.column,
            reason: finding.reason,
        }
    }
}

view! {
    /// A policy, and whether an object has it now.
    pub struct PolicyAttachment {
        /// The policy's name.
        name: String,
        /// The user, the group or the role.
        target: String,
        /// Whether it has the policy.
        attached: bool,
    }
}

/// Writes a target as its kind, a slash and its name.
pub fn target_name(target: &Target) -> String {
    match target {
        Target::User(name) => format!("user/{name}"),
        Target::Group(name) => format!("group/{name}"),
        Target::Role(name) => format!("role/{name}"),
    }
}
