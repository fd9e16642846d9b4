//! The test's knowledge: what was acknowledged, and what was under way at a kill.

use std::collections::{HashMap, HashSet};
use std::fmt;

use super::*;

type State = Option<CredentialState>;

/// Counts, and what was found.
#[derive(Default)]
pub(super) struct Totals {
    pub(super) kills: usize,
    /// Those of them that came while it started, or recovered.
    pub(super) early: usize,
    pub(super) acknowledged: usize,
    /// Changes that were under way at a kill, and were made.
    made: usize,
    not_made: usize,
    pub(super) lost: Vec<String>,
    pub(super) revived: Vec<String>,
    /// Where the audit has something else than the data.
    pub(super) audit: Vec<String>,
    /// Lines that the process should not say.
    faults: Vec<String>,
}

impl Totals {
    pub(super) fn found(&self) -> Vec<&String> {
        let all = [&self.lost, &self.revived, &self.audit, &self.faults];
        all.into_iter().flatten().collect()
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} kills ({} in start-up), {} changes acknowledged and {} not ({} of them made); {} \
             lost, {} revived, {} unlike the audit, {} faults",
            self.kills,
            self.early,
            self.acknowledged,
            self.made + self.not_made,
            self.made,
            self.lost.len(),
            self.revived.len(),
            self.audit.len(),
            self.faults.len()
        )
    }
}

/// A credential, as its writer was told.
#[derive(Default)]
struct Held {
    state: State,
    /// The change under way.
    pending: Option<Change>,
    /// The changes that were made since the last look.
    events: Vec<&'static str>,
}

#[derive(Default)]
pub(super) struct Known {
    pub(super) totals: Totals,
    /// When the last look began: its events are older, and all later ones are not seen yet.
    pub(super) since: Timestamp,
    held: HashMap<String, Held>,
    deleted: HashSet<String>,
}

/// All that a process found.
#[derive(Default)]
struct Look {
    at: Timestamp,
    states: HashMap<String, State>,
    events: HashMap<String, Vec<&'static str>>,
}

impl Known {
    /// Takes all that a process said until it was killed.
    pub(super) fn hear(&mut self, lines: &[String]) {
        let mut look = Look::default();
        for line in lines {
            if self.hear_line(line, &mut look).is_none() {
                self.totals.faults.push(line.clone());
            }
        }
    }

    /// Returns nothing for a line that can't be read.
    fn hear_line(&mut self, line: &str, look: &mut Look) -> Option<()> {
        let words: Vec<&str> = line.split(' ').collect();
        match *words.as_slice() {
            ["at", millis] => look.at = Timestamp::from_unix_millis(millis.parse().ok()?),
            ["is", id, state] => drop(look.states.insert(id.to_owned(), state.parse().ok())),
            ["event", action, id] => {
                let events = look.events.entry(id.to_owned()).or_default();
                events.push(change(action)?.action());
            }
            ["ready"] => self.compare(std::mem::take(look)),
            ["begins", action, id] => {
                self.held.entry(id.to_owned()).or_default().pending = Some(change(action)?);
            }
            ["made", action, id] => {
                let held = self.held.get_mut(id)?;
                let change = held
                    .pending
                    .take()
                    .filter(|change| change.action() == action)?;
                held.state = change.after();
                held.events.push(change.action());
                self.totals.acknowledged += 1;
            }
            _ => return None,
        }
        Some(())
    }

    /// Compares what is there with what was acknowledged, and both with the audit. All that was
    /// found stands from then on.
    fn compare(&mut self, mut look: Look) {
        let totals = &mut self.totals;
        for (id, held) in &mut self.held {
            let found = look.states.remove(id).flatten();
            settle(id, held, found, totals);
            let mut made = std::mem::take(&mut held.events);
            let mut recorded = look.events.remove(id).unwrap_or_default();
            made.sort_unstable();
            recorded.sort_unstable();
            if made != recorded {
                let found = format!("{id} was made {made:?}, recorded {recorded:?}");
                totals.audit.push(found);
            }
        }
        for (id, found) in look.states {
            if self.deleted.contains(&id) {
                totals
                    .revived
                    .push(format!("{id} was deleted, and is {found:?}"));
            } else {
                totals
                    .faults
                    .push(format!("{id} never was, and is {found:?}"));
            }
        }
        let recorded = look.events.into_iter();
        let unknown = recorded.map(|(id, actions)| format!("{id} never was, recorded {actions:?}"));
        totals.audit.extend(unknown);
        let gone = self.held.extract_if(|_, held| held.state.is_none());
        self.deleted.extend(gone.map(|(id, _)| id));
        self.since = look.at;
    }
}

/// Decides whether the change that was under way was made.
fn settle(id: &str, held: &mut Held, found: State, totals: &mut Totals) {
    let pending = held.pending.take();
    match pending {
        Some(change) if change.after() == found => {
            held.events.push(change.action());
            totals.made += 1;
        }
        Some(_) => totals.not_made += 1,
        None => {}
    }
    if found != held.state && pending.is_none_or(|change| change.after() != found) {
        let text = format!(
            "{id} was {:?}, {pending:?} was under way, and is {found:?}",
            held.state
        );
        if found == Some(CredentialState::Active) || held.state.is_none() {
            totals.revived.push(text);
        } else {
            totals.lost.push(text);
        }
    }
    held.state = found;
}

fn change(action: &str) -> Option<Change> {
    Change::ALL
        .into_iter()
        .find(|change| change.action() == action)
}
