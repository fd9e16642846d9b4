//! `transire apply` and `transire export`: the state that a file declares.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::output::{Fields, warn};
use super::session::Session;
use super::{Ended, arguments};
use crate::admin::{AppliedState, ApplyState, ExportState};
use crate::domain::printable::escape;
use crate::domain::{Error, Result};
use crate::state::{Action, Change, Step};

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

/// Makes the service so as a file says.
pub(super) async fn apply(session: &Session, command: &Apply) -> Result<Ended> {
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
        let text = || steps(&shown.steps);
        output.report(text, fields(&shown))?;
        let changes = command.exit_code && !shown.steps.is_empty();
        return Ok(if changes { Ended::Denied } else { Ended::Done });
    }
    output.for_people(&steps(&shown.steps))?;
    (asked.dry_run, asked.fingerprint) = (false, Some(shown.fingerprint));
    let made = session.ask(asked).await?;
    for warning in &made.warnings {
        warn(warning);
    }
    let (done, all) = (made.made, made.steps.len());
    if let Some(failure) = made.failure.clone() {
        let error = failure.into_error();
        let why = format!(
            "{done} of {all} steps were made, and the next one failed; run the command again to go \
             on. {}",
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

/// Returns the steps as lines.
fn steps(steps: &[Step]) -> String {
    if steps.is_empty() {
        return "nothing to change".to_owned();
    }
    let mut lines = Vec::new();
    for step in steps {
        lines.push(headline(step));
        for change in &step.changes {
            field(change, &mut lines);
        }
    }
    let mut text = String::new();
    for line in lines {
        // A text never fails to take more.
        let _ = writeln!(text, "{}", escape(&line));
    }
    text
}

fn headline(step: &Step) -> String {
    let Step {
        action,
        noun,
        account,
        name,
        target,
        ..
    } = step;
    let sign = match action {
        Action::Create | Action::Attach => '+',
        Action::Update => '~',
        Action::Detach | Action::Delete => '-',
    };
    let target = target.as_deref().unwrap_or_default();
    let target = match action {
        Action::Attach => format!(" to {target}"),
        Action::Detach => format!(" from {target}"),
        Action::Create | Action::Update | Action::Delete => String::new(),
    };
    format!("{sign} {account} {noun} {name}{target}")
}

fn field(change: &Change, lines: &mut Vec<String>) {
    let Change { field, old, new } = change;
    let (before, after) = (shown(old), shown(new));
    if before.contains('\n') || after.contains('\n') {
        lines.push(format!("    {field}:"));
        return compare(&before, &after, lines);
    }
    lines.push(match (old, new) {
        (Value::Null, _) => format!("    {field}: {after}"),
        (_, Value::Null) => format!("    {field}: {before} -> none"),
        _ => format!("    {field}: {before} -> {after}"),
    });
}

/// Shows the lines that differ, between the first and the last that do.
fn compare(old: &str, new: &str, lines: &mut Vec<String>) {
    let (mut old, mut new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    while old.last().is_some() && old.last() == new.last() {
        old.pop();
        new.pop();
    }
    let same = old.iter().zip(&new).take_while(|(one, other)| one == other);
    let same = same.count();
    lines.extend(old.iter().skip(same).map(|line| format!("      - {line}")));
    lines.extend(new.iter().skip(same).map(|line| format!("      + {line}")));
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) if !text.is_empty() => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(action: Action, target: Option<&str>, changes: Vec<Change>) -> Step {
        Step {
            action,
            noun: "policy".to_owned(),
            account: "100000000001".to_owned(),
            name: "pull".to_owned(),
            target: target.map(str::to_owned),
            changes,
        }
    }

    fn change(old: Value, new: Value) -> Change {
        Change {
            field: "document".to_owned(),
            old,
            new,
        }
    }

    #[test]
    fn each_step_has_a_line_and_each_changed_field() {
        let made = step(Action::Create, None, vec![change(Value::Null, "{}".into())]);
        let attached = step(Action::Attach, Some("user alice"), Vec::new());
        let documents = change("{\n1,\n2\n}".into(), "{\n1,\n3,\n4\n}".into());
        let changed = step(Action::Update, None, vec![documents]);
        let gone = step(Action::Delete, None, vec![change(2.into(), Value::Null)]);
        let text = steps(&[made, attached, changed, gone]);
        let expected = "+ 100000000001 policy pull\n    document: {}\n\
                        + 100000000001 policy pull to user alice\n\
                        ~ 100000000001 policy pull\n    document:\n      - 2\n      + 3,\n\
                        \x20     + 4\n\
                        - 100000000001 policy pull\n    document: 2 -> none\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_name_does_not_act_on_a_terminal() {
        let named = Step {
            name: "\u{1b}[2J".to_owned(),
            ..step(Action::Create, None, Vec::new())
        };
        assert!(!steps(&[named]).contains('\u{1b}'));
    }

    #[test]
    fn no_step_is_said_to_be_none() {
        assert_eq!(steps(&[]), "nothing to change");
    }
}
