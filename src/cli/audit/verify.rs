//! `transire audit verify`, `export` and `public-key`.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use crate::admin::WhenText;
use crate::cli::output::Output;
use crate::cli::session::Session;
use crate::cli::{Context, Ended, arguments};
use crate::domain::clock::Timestamp;
use crate::domain::{Error, Result};
use crate::service::{
    AuditDocument, AuditFinding, AuditFindings, KeptCheckpoints, VerifiedAudit, audit_jwk_set,
    audit_keys_of, verify_audit_export,
};
use crate::views::view;

/// The longest line of a file: a page of the audit is a quarter of a megabyte.
const MAX_LINE: u64 = 4 << 20;

#[derive(Args)]
pub(in crate::cli) struct Verify {
    /// Only what was written from this time on, written as `transire audit list` takes it.
    #[arg(long, value_name = "TIME")]
    since: Option<WhenText>,
    /// A file of checkpoints that is kept elsewhere, one a line: each has to be among those here.
    #[arg(long, value_name = "FILE")]
    checkpoints: Option<PathBuf>,
    /// The file that `transire audit export` wrote, in place of the data.
    #[arg(
        long,
        value_name = "FILE",
        requires = "public_key",
        conflicts_with = "since"
    )]
    file: Option<PathBuf>,
    /// The public key that the file's checkpoints are verified with, as `transire audit public-key`
    /// prints it.
    #[arg(long, value_name = "FILE", requires = "file")]
    public_key: Option<PathBuf>,
}

#[derive(Args)]
pub(in crate::cli) struct Export {
    /// The new file; - writes to standard output.
    file: PathBuf,
    /// Only what was written from this time on, written as `transire audit list` takes it.
    #[arg(long, value_name = "TIME")]
    since: Option<WhenText>,
}

view! {
    /// Something that is wrong with the audit.
    struct Finding {
        /// The fault, in a word.
        finding: &'static str,
        /// The id of the line, as it is stored.
        line: Option<String>,
        /// The number of the event in its page, from 1.
        event: Option<u64>,
        /// The writer of the line.
        writer: Option<String>,
        /// The first position in the chain of the writer, or number of a checkpoint.
        from: Option<i64>,
        /// The last one.
        to: Option<i64>,
        /// The number of the checkpoint.
        checkpoint: Option<i64>,
        /// About when it was written.
        at: Option<String>,
    }
}

impl From<&AuditFinding> for Finding {
    fn from(finding: &AuditFinding) -> Self {
        Self {
            finding: finding.wrong.name(),
            line: finding.line.clone(),
            event: finding.line_in_page.map(|number| number as u64),
            writer: finding.writer.clone(),
            from: finding.positions.map(|(from, _)| from),
            to: finding.positions.map(|(_, to)| to),
            checkpoint: finding.checkpoint,
            at: finding.at.map(Timestamp::rfc3339),
        }
    }
}

impl Verify {
    /// Tells whether it reads a file, and no data.
    pub(in crate::cli) fn is_of_file(&self) -> bool {
        self.file.is_some()
    }

    fn kept(&self) -> Result<KeptCheckpoints> {
        match &self.checkpoints {
            Some(file) => KeptCheckpoints::of(lines("checkpoints", file)?),
            None => Ok(KeptCheckpoints::default()),
        }
    }

    /// Verifies an exported file.
    ///
    /// # Errors
    /// `InvalidParameter` for a file that can't be read, and those of the output.
    pub(in crate::cli) fn run_on_file(&self, output: &Output) -> Result<Ended> {
        let (Some(file), Some(public_key)) = (&self.file, &self.public_key) else {
            return Err(Error::missing_parameter("file"));
        };
        let keys = audit_keys_of(&arguments::read_file("public-key", public_key)?)?;
        let outcome = verify_audit_export(keys, self.kept()?, lines("file", file)?)?;
        tell(outcome, output)
    }

    /// Verifies the audit in the data.
    ///
    /// # Errors
    /// Those of the verification, and of the output.
    pub(in crate::cli) async fn run(&self, session: &Session) -> Result<Ended> {
        let Context {
            service, output, ..
        } = session.data()?;
        let call = session.data()?.call();
        let since = self.since.as_ref().map(|since| since.0.at(call.now));
        let verifying = service.operations.verify_audit(&call, since, self.kept()?);
        tell(verifying.await?, output)
    }
}

/// Prints what is wrong; the answer is "no" if anything is.
fn tell((verified, findings): (VerifiedAudit, AuditFindings), output: &Output) -> Result<Ended> {
    output.list(findings.kept.iter().map(Finding::from))?;
    for finding in &findings.kept {
        eprintln!("{finding}.");
    }
    let more = findings.count - findings.kept.len() as u64;
    if more > 0 {
        eprintln!("{more} more findings.");
    }
    let until = match verified.signed_until {
        Some(until) => format!("signed until {}", until.rfc3339()),
        None => "none of it signed".to_owned(),
    };
    let before = match verified.unchained {
        0 => String::new(),
        count => format!(" {count} lines of an earlier release have no chain."),
    };
    eprintln!(
        "{} lines and {} checkpoints were verified, {until}; {} findings.{before}",
        verified.lines, verified.checkpoints, findings.count
    );
    Ok(Ended::of(findings.count == 0))
}

/// Returns the lines of a file, each of a bounded length.
fn lines(name: &'static str, file: &Path) -> Result<impl Iterator<Item = Result<String>>> {
    let unreadable = {
        let file = file.display().to_string();
        move |error| Error::invalid_parameter(name, format!("{file} can't be read: {error}"))
    };
    let mut reader = BufReader::new(File::open(file).map_err(&unreadable)?);
    Ok(std::iter::from_fn(move || {
        let mut line = Vec::new();
        let read = std::io::Read::take(&mut reader, MAX_LINE).read_until(b'\n', &mut line);
        let line = read.and_then(|_| {
            String::from_utf8(line).map_err(|_| std::io::ErrorKind::InvalidData.into())
        });
        match line {
            Ok(line) if line.is_empty() => None,
            Ok(line) => Some(Ok(line.trim_end().to_owned())),
            Err(error) => Some(Err(unreadable(error))),
        }
    }))
}

impl Export {
    /// Writes the audit with its chains and checkpoints.
    ///
    /// # Errors
    /// `InvalidParameter` for a file that can't be made, and those of the store.
    pub(in crate::cli) async fn run(&self, session: &Session) -> Result<()> {
        let context = session.data()?;
        let call = context.call();
        let since = self.since.as_ref().map(|since| since.0.at(call.now));
        let failed = |error| {
            let file = self.file.display();
            Error::invalid_parameter("file", format!("{file} can't be written: {error}"))
        };
        let is_to_stdout = self.file == Path::new("-");
        let target: Box<dyn Write + Send> = if is_to_stdout {
            Box::new(std::io::stdout())
        } else {
            Box::new(File::create_new(&self.file).map_err(failed)?)
        };
        let mut target = BufWriter::new(target);
        let write = |document: &AuditDocument| {
            serde_json::to_writer(&mut target, document).map_err(Error::internal)?;
            target.write_all(b"\n").map_err(failed)
        };
        let operations = &context.service.operations;
        let documents = operations.export_audit(&call, since, write).await?;
        target.flush().map_err(failed)?;
        eprintln!("{documents} lines and checkpoints were written.");
        Ok(())
    }
}

/// Prints the public keys of checkpoints as a JWK set.
///
/// # Errors
/// Those of the store, and of the output.
pub(in crate::cli) async fn print_public_key(session: &Session) -> Result<()> {
    let context = session.data()?;
    let operations = &context.service.operations;
    let keys = audit_jwk_set(&operations.audit_keys(&context.call()).await?);
    if context.output.is_json() {
        return context.output.one(vec![("keys", keys["keys"].clone())]);
    }
    context.output.text(&format!("{keys:#}\n"))
}
