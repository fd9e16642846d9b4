//! Documents that are checked and not saved.

use crate::domain::operator::OperatorPermission;
use crate::domain::{ErrorKind, Result};
use crate::policy::{Document, Language, Limits, TrustPolicy, position, span_of};
use crate::service::call::Call;
use crate::service::identity::Identity;

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

/// The findings in a document that is not saved.
#[derive(Clone, Debug, PartialEq)]
pub struct DocumentFindings {
    /// Its language; none where it can't be read.
    pub language: Option<Language>,
    /// The first fault, for which it would be refused.
    pub fault: Option<PlacedFinding>,
    /// Parts that won't do what they seem to.
    pub warnings: Vec<PlacedFinding>,
}

/// A finding about a part of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacedFinding {
    /// The part, such as `statement[1].effect`; empty for the document as a whole.
    pub place: String,
    /// The line on which the part begins, from 1.
    pub line: usize,
    /// The character of that line at which it begins, from 1.
    pub column: usize,
    /// The finding.
    pub reason: String,
}

impl PlacedFinding {
    /// Finds the place that a finding begins with in a document's text.
    fn of(finding: &str, text: &str) -> Self {
        let (place, reason) = match finding.split_once(": ") {
            Some((place, reason)) if span_of(text, place).is_some() => (place, reason),
            _ => ("", finding),
        };
        let span = span_of(text, place);
        let begin = span.map(|span| position(text, span.start));
        let (line, column) = begin.or_else(|| named_position(finding)).unwrap_or((1, 1));
        Self {
            place: place.to_owned(),
            line,
            column,
            reason: reason.to_owned(),
        }
    }
}

/// Returns the position that the reader of JSON names at the end of its message.
fn named_position(message: &str) -> Option<(usize, usize)> {
    let (_, position) = message.rsplit_once(" at line ")?;
    let (line, column) = position.split_once(" column ")?;
    Some((line.parse().ok()?, column.parse().ok()?))
}

impl Identity {
    /// Reads a document as it is read when it is saved, and tells what is found in it.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator.
    pub fn check_document(
        &self,
        call: &Call<'_>,
        text: &str,
        kind: DocumentKind,
    ) -> Result<DocumentFindings> {
        let account = call.caller.own_account();
        call.caller
            .require(OperatorPermission::PolicyRead, account)?;
        match CheckedDocument::read(text, kind) {
            Ok(checked) => Ok(DocumentFindings {
                language: Some(checked.language),
                fault: None,
                warnings: checked
                    .warnings
                    .iter()
                    .map(|warning| PlacedFinding::of(warning, text))
                    .collect(),
            }),
            Err(error) if matches!(error.kind(), ErrorKind::InvalidParameter { .. }) => {
                Ok(DocumentFindings {
                    language: None,
                    fault: Some(PlacedFinding::of(error.message(), text)),
                    warnings: Vec::new(),
                })
            }
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_has_the_line_and_the_column_of_its_part() {
        let text = "{\n \"statement\": [\n  {\"effect\": \"maybe\"}]}";
        let found = PlacedFinding::of("statement[0].effect: an effect is allow", text);
        assert_eq!((found.line, found.column), (3, 14));
        assert_eq!(found.reason, "an effect is allow");
    }

    #[test]
    fn a_text_that_is_no_json_has_the_position_that_its_reader_names() {
        let error = CheckedDocument::read("{\n \"version\" 2}", DocumentKind::Identity);
        let found = PlacedFinding::of(error.unwrap_err().message(), "{\n \"version\" 2}");
        assert_eq!((found.line, found.column), (2, 12));
        assert_eq!(found.place, "");
    }
}
