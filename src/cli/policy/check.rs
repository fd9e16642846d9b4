//! `transire policy check`: documents are read as they are when they are saved, and nothing is
//! saved.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::admin::DocumentUse;
use crate::cli::output::Output;
use crate::cli::{Ended, arguments};
use crate::domain::Result;
use crate::service::{CheckedDocument, Language};
use crate::views::view;

#[derive(Args)]
pub(in crate::cli) struct Check {
    /// The file of a document; - reads it from standard input. May be repeated.
    #[arg(long, value_name = "FILE", required = true)]
    document: Vec<PathBuf>,
    /// The language that the documents must be written in; without it, any.
    #[arg(long, value_enum)]
    language: Option<Wanted>,
    /// The use of the documents.
    #[arg(long, value_enum, default_value = "policy")]
    kind: DocumentUse,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Wanted {
    /// Tencent Cloud's.
    Cam,
    /// Alibaba Cloud's.
    Ram,
    /// AWS's.
    Iam,
}

impl From<Wanted> for Language {
    fn from(wanted: Wanted) -> Self {
        match wanted {
            Wanted::Cam => Self::Cam,
            Wanted::Ram => Self::Ram,
            Wanted::Iam => Self::Iam,
        }
    }
}

view! {
    /// A document that was checked.
    struct Checked {
        /// Its file.
        document: String,
        /// Whether it would be saved.
        valid: bool,
        /// Its language; none where it can't be read.
        language: Option<String>,
        /// The place of its first fault, and the reason.
        error: Option<String>,
        /// Parts that won't do what they seem to, each with its place.
        warnings: Vec<String>,
    }
}

/// Checks the documents; the answer is "no" when one of them would be refused.
///
/// # Errors
/// `InvalidParameter` for a file that can't be read, and those of the output.
pub(in crate::cli) fn run(check: &Check, output: &Output) -> Result<Ended> {
    let mut documents = Vec::new();
    for file in &check.document {
        let text = arguments::read_file("document", file)?;
        documents.push(checked(check, file.display().to_string(), &text));
    }
    let ended = if documents.iter().all(|document| document.valid) {
        Ended::Done
    } else {
        Ended::Denied
    };
    output.list(documents)?;
    Ok(ended)
}

fn checked(check: &Check, document: String, text: &str) -> Checked {
    let wanted = check.language.map(Language::from);
    let read = CheckedDocument::read(text, check.kind.into());
    let language = read.as_ref().ok().map(|read| read.language);
    let error = match (&read, language, wanted) {
        (Err(error), ..) => Some(error.message().to_owned()),
        (_, Some(written), Some(wanted)) if written != wanted => Some(format!(
            "it is written in {}, and --language asks for {}",
            written.name(),
            wanted.name()
        )),
        _ => None,
    };
    Checked {
        document,
        valid: error.is_none(),
        language: language.map(|language| language.name().to_owned()),
        error,
        warnings: read.map(|read| read.warnings).unwrap_or_default(),
    }
}
