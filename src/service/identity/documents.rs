//! Documents that are checked and not saved.

use crate::domain::Result;
use crate::policy::{Document, Language, Limits, TrustPolicy};

/// The use of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DocumentKind {
    /// A policy that is attached to users, groups and roles.
    Identity,
    /// The policy of one session.
    Session,
    /// The trust policy of a role.
    Trust,
}

/// A document that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckedDocument {
    /// Its language.
    pub language: Language,
    /// Parts that won't do what they seem to, each with its place.
    pub warnings: Vec<String>,
}

impl CheckedDocument {
    /// Reads a document as it is read when it is saved or used.
    ///
    /// # Errors
    /// `InvalidParameter` of `document`: the message names the place, such as
    /// `statement[1].condition.ip_equal`, and the reason.
    pub fn read(text: &str, kind: DocumentKind) -> Result<Self> {
        let limits = match kind {
            DocumentKind::Session => Limits::SESSION,
            DocumentKind::Identity | DocumentKind::Trust => Limits::POLICY,
        };
        Ok(match kind {
            DocumentKind::Trust => {
                let checked = TrustPolicy::parse(text, limits)?;
                Self {
                    language: checked.policy.language(),
                    warnings: checked.warnings,
                }
            }
            DocumentKind::Identity | DocumentKind::Session => {
                let checked = Document::parse(text, limits)?;
                Self {
                    language: checked.document.language(),
                    warnings: checked.warnings,
                }
            }
        })
    }
}
