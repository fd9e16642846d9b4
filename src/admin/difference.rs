//! The steps of an apply as lines, as commands and pages show them.

use serde_json::Value;

use super::state::AppliedState;
use crate::state::{Action, Change, Step};

impl AppliedState {
    /// Returns the steps as lines: each begins with `+`, `~` or `-`, and its changed fields follow.
    pub fn difference(&self) -> Vec<String> {
        difference(&self.steps)
    }

    /// Returns the line of the first step that was not made.
    pub fn next_step(&self) -> Option<String> {
        self.steps.get(self.made).map(headline)
    }
}

fn difference(steps: &[Step]) -> Vec<String> {
    let mut lines = Vec::new();
    for step in steps {
        lines.push(headline(step));
        for change in &step.changes {
            field(change, &mut lines);
        }
    }
    lines
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
        let text = difference(&[made, attached, changed, gone]).join("\n");
        let expected = "+ 100000000001 policy pull\n    document: {}\n\
                        + 100000000001 policy pull to user alice\n\
                        ~ 100000000001 policy pull\n    document:\n      - 2\n      + 3,\n\
                        \x20     + 4\n\
                        - 100000000001 policy pull\n    document: 2 -> none";
        assert_eq!(text, expected);
    }
}
