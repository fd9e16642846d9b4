//! The findings of a verification: what is wrong, and where.

use std::fmt;

use crate::domain::clock::Timestamp;
use crate::store::audit_chain::ChainPlace;

/// The most findings that are kept; further ones are counted.
const MAX_KEPT: usize = 1000;

/// A sort of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// A line isn't as it was written.
    Changed,
    /// Lines are missing.
    Missing,
    /// Two lines are at one place of a chain.
    Twice,
    /// A line is in no chain.
    Unchained,
    /// A line is in a chain, and the checkpoints since don't know it.
    Unnamed,
    /// Checkpoints are missing.
    CheckpointsMissing,
    /// A checkpoint isn't as it was signed.
    Unsigned,
    /// There are lines and no checkpoint.
    NoCheckpoint,
    /// A checkpoint that is kept elsewhere isn't among those here.
    Elsewhere,
}

impl Wrong {
    /// Returns its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Missing => "missing",
            Self::Twice => "twice",
            Self::Unchained => "unchained",
            Self::Unnamed => "unnamed",
            Self::CheckpointsMissing => "checkpoints-missing",
            Self::Unsigned => "unsigned",
            Self::NoCheckpoint => "no-checkpoint",
            Self::Elsewhere => "elsewhere",
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Changed => "it isn't as it was written",
            Self::Missing => "lines are missing",
            Self::Twice => "two lines are at this place of the chain",
            Self::Unchained => "it is in no chain",
            Self::Unnamed => "no checkpoint names it, though later ones were made",
            Self::CheckpointsMissing => "checkpoints are missing",
            Self::Unsigned => "it isn't as it was signed, or no key that is trusted signed it",
            Self::NoCheckpoint => "there are lines, and no checkpoint",
            Self::Elsewhere => "it is kept elsewhere, and isn't the one here",
        }
    }
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The fault.
    pub wrong: Wrong,
    /// The id of the row or the page.
    pub line: Option<String>,
    /// The number of the event within the page, from 1.
    pub line_in_page: Option<usize>,
    /// The writer of the chain.
    pub writer: Option<String>,
    /// The first and the last position, or number of a checkpoint, that it is about.
    pub positions: Option<(i64, i64)>,
    /// About when the line, or the one after it, was written.
    pub at: Option<Timestamp>,
    /// The number of the checkpoint.
    pub checkpoint: Option<i64>,
}

impl Finding {
    pub(super) fn new(wrong: Wrong) -> Self {
        Self {
            wrong,
            line: None,
            line_in_page: None,
            writer: None,
            positions: None,
            at: None,
            checkpoint: None,
        }
    }

    pub(super) fn of_checkpoint(wrong: Wrong, number: i64) -> Self {
        Self {
            checkpoint: Some(number),
            ..Self::new(wrong)
        }
    }

    pub(super) fn of_place(wrong: Wrong, place: &ChainPlace) -> Self {
        Self {
            writer: Some(place.writer.clone()),
            positions: Some((place.position, place.position)),
            ..Self::new(wrong)
        }
    }

    pub(super) fn of_line(wrong: Wrong, id: &str, place: &ChainPlace) -> Self {
        Self {
            line: Some(id.to_owned()),
            ..Self::of_place(wrong, place)
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.line, self.checkpoint) {
            (Some(line), _) => write!(f, "line {line}")?,
            (None, Some(number)) => write!(f, "checkpoint {number}")?,
            (None, None) => write!(f, "audit")?,
        }
        if let Some(number) = self.line_in_page {
            write!(f, ", event {number} of its page")?;
        }
        write!(f, ": {}", self.wrong.text())?;
        match (&self.writer, self.positions) {
            (Some(writer), Some((from, to))) if from == to => {
                write!(f, " (writer {writer}, position {from})")?;
            }
            (Some(writer), Some((from, to))) => {
                write!(f, " (writer {writer}, positions {from} to {to})")?;
            }
            (None, Some((from, to))) => write!(f, " (numbers {from} to {to})")?,
            (_, None) => {}
        }
        match self.at {
            Some(at) => write!(f, ", written about {}", at.rfc3339()),
            None => Ok(()),
        }
    }
}

/// All that is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// The first ones.
    pub kept: Vec<Finding>,
    /// How many there are.
    pub count: u64,
}

impl Findings {
    pub(super) fn add(&mut self, finding: Finding) {
        self.count += 1;
        if self.kept.len() < MAX_KEPT {
            self.kept.push(finding);
        }
    }
}
