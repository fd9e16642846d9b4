//! `transire apply` and `transire export`: the state that a file declares.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::output::{Fields, warn};
use super::session::Session;
use super::{Ended, arguments, confirm};
use crate::admin::{AppliedState, ApplyState, ExportState};
use crate::domain::printable::escape;
use crate::domain::{Error, Result};

#[derive(Args)]
pub(super) struct Apply {
    /// The file that says what there is, in TOML; - reads standard input.
    #[arg(short, long, value_name = "FILE")]
    file: PathBuf,
    /// Show the steps, and make none.
    #[arg(long)]
    dry_run: bool,
    /// Exit with 1 if there are steps, and with 2 for a failure.
    #[arg(long, requires = "dry_run")]
    exit_code: bool,
    /// Delete what the file doesn't name, in the accounts that it names. Instances stay.
    #[arg(long)]
    prune: bool,
    /// Delete instances that the file doesn't name, too, if they are empty.
    #[arg(long, requires = "prune")]
    prune_instances: bool,
}

impl Apply {
    /// Tells whether the command answers a question: it exits with 1 for "there are steps".
    pub(super) fn decides(&self) -> bool {
        self.exit_code
    }
}

#[derive(Args)]
pub(super) struct Export {
    #[command(flatten)]
    exported: ExportState,
    /// The file to write, in place of one that is there. Without it, standard output.
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
}

/// Makes the service so as a file says. At a terminal it asks before, unless the operator has said
/// yes.
pub(super) async fn apply(session: &Session, command: &Apply, is_yes: bool) -> Result<Ended> {
    let mut asked = ApplyState {
        text: arguments::read_file("file", &command.file)?,
        file: command.file.display().to_string(),
        dry_run: true,
        prune: command.prune,
        prune_instances: command.prune_instances,
        fingerprint: None,
    };
    let (shown, output) = (session.ask(asked.clone()).await?, session.output());
    for note in &shown.kept {
        warn(note);
    }
    if command.dry_run || shown.steps.is_empty() {
        let text = || steps(&shown);
        output.report(text, fields(&shown))?;
        let changes = command.exit_code && !shown.steps.is_empty();
        return Ok(if changes { Ended::Denied } else { Ended::Done });
    }
    output.for_people(&steps(&shown))?;
    let question = format!("Make these {} steps?", shown.steps.len());
    if !is_yes && !confirm::agrees(question).await? {
        return Ok(Ended::Declined);
    }
    (asked.dry_run, asked.fingerprint) = (false, Some(shown.fingerprint));
    let made = session.ask(asked).await?;
    for warning in &made.warnings {
        warn(warning);
    }
    let (done, all) = (made.made, made.steps.len());
    if let Some(failure) = made.failure.clone() {
        let error = failure.into_error();
        let why = format!(
            "{done} of {all} steps were made, and this one failed; run the command again to go on: \
             {}. {}",
            made.next_step().unwrap_or_default(),
            error.message()
        );
        return Err(Error::new(error.kind().clone(), why));
    }
    let text = || format!("{done} steps were made");
    output.report(text, fields(&made))?;
    Ok(Ended::Done)
}

/// Writes the state as a file.
pub(super) async fn export(session: &Session, command: &Export) -> Result<()> {
    let text = session.ask(command.exported.clone()).await?.text;
    let Some(file) = &command.file else {
        return session.output().text(&text);
    };
    std::fs::write(file, text).map_err(|error| {
        let why = format!("the file {} can't be written: {error}", file.display());
        Error::invalid_parameter("file", why)
    })?;
    let written = file.display().to_string();
    session.output().one(vec![("file", written.into())])
}

fn fields(report: &AppliedState) -> Fields {
    vec![
        ("steps", json!(report.steps)),
        ("made", report.made.into()),
        ("kept", json!(report.kept)),
        ("warnings", json!(report.warnings)),
        ("fingerprint", report.fingerprint.as_str().into()),
    ]
}

/// Returns the steps as text for a terminal.
fn steps(applied: &AppliedState) -> String {
    if applied.steps.is_empty() {
        return "nothing to change".to_owned();
    }
    let mut text = String::new();
    for line in applied.difference() {
        // A text never fails to take more.
        let _ = writeln!(text, "{}", escape(&line));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::{Action, Step};

    fn applied(steps: Vec<Step>) -> AppliedState {
        AppliedState {
            steps,
            made: 0,
            kept: Vec::new(),
            warnings: Vec::new(),
            fingerprint: String::new(),
            failure: None,
        }
    }

    #[test]
    fn a_name_does_not_act_on_a_terminal() {
        let named = Step {
            action: Action::Create,
            noun: "policy".to_owned(),
            account: "100000000001".to_owned(),
            name: "\u{1b}[2J".to_owned(),
            target: None,
            changes: Vec::new(),
        };
        assert!(!steps(&applied(vec![named])).contains('\u{1b}'));
    }

    #[test]
    fn no_step_is_said_to_be_none() {
        assert_eq!(steps(&applied(Vec::new())), "nothing to change");
    }
}
