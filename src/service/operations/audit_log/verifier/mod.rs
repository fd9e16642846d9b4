//! Verifies the audit: whether all lines are there, as they were written, that checkpoints name.
//!
//! Lines come in the order of their ids, which is that of writing but for some minutes, and
//! checkpoints in the order of their numbers. Nothing is known of the database here: a file that
//! was exported is verified by the same code.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use crate::domain::clock::Timestamp;
use crate::service::ledger::checkpoints::{Checkpoint, Head, hash_of};
use crate::service::operations::audit_log::findings::{Finding, Findings, Wrong};
use crate::service::operations::audit_log::kept::KeptCheckpoints;
use crate::service::operations::audit_log::stored::StoredLine;
use crate::store::audit_chain::{ChainPlace, Link, NOTHING_BEFORE};
use crate::token::AuditPublicKey;

/// How far ids are from the order of writing: clocks of replicas may differ by five minutes, and a
/// write takes less than half a minute.
const SLACK: Duration = Duration::from_secs(10 * 60);

/// A line as the chain needs it.
struct Seen {
    place: ChainPlace,
    link: Link,
    id: String,
    /// The number of the line in its page that isn't what the page's digests say.
    changed_line: Option<usize>,
    written_at: Timestamp,
}

/// The chain of one writer.
#[derive(Default)]
struct Writer {
    /// The last line of which all before it are verified.
    last: Option<Seen>,
    /// Lines behind one that hasn't come yet, by position.
    waiting: BTreeMap<i64, Seen>,
    /// The links of the last minutes' lines, for checkpoints that come after them.
    recent: BTreeMap<i64, (Link, Timestamp)>,
    /// The links that checkpoints name of lines that haven't come yet.
    named: BTreeMap<i64, Head>,
    /// The last position that a checkpoint names.
    named_to: i64,
}

/// The extent of a verification.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// How many rows and pages there are.
    pub lines: u64,
    /// How many of them are from before the chains began, and can't be verified.
    pub unchained: u64,
    /// How many checkpoints there are.
    pub checkpoints: u64,
    /// When the newest checkpoint was made: what was written later isn't signed yet.
    pub signed_until: Option<Timestamp>,
}

/// The verification of one audit.
pub(super) struct Verifier {
    keys: Vec<AuditPublicKey>,
    since: Option<Timestamp>,
    kept_since: Option<Timestamp>,
    began_at: Option<Timestamp>,
    writers: HashMap<String, Writer>,
    last_checkpoint: Option<(i64, String)>,
    kept: KeptCheckpoints,
    now: Timestamp,
    verified: Verified,
    findings: Findings,
}

impl Verifier {
    /// Begins: with the public keys that are trusted, the time from which lines are given, and the
    /// newest checkpoint, which says where the audit starts.
    pub(super) fn new(
        keys: Vec<AuditPublicKey>,
        since: Option<Timestamp>,
        newest: Option<&str>,
    ) -> Self {
        let newest = newest.and_then(|signed| opened(&keys, signed));
        Self {
            keys,
            since,
            kept_since: newest.as_ref().and_then(|newest| newest.kept_since),
            began_at: newest.map(|newest| newest.began_at),
            writers: HashMap::new(),
            last_checkpoint: None,
            kept: KeptCheckpoints::default(),
            now: Timestamp::from_unix_millis(i64::MIN),
            verified: Verified::default(),
            findings: Findings::default(),
        }
    }

    /// Compares the checkpoints with those that are kept elsewhere, too.
    #[must_use]
    pub(super) fn against(self, kept: KeptCheckpoints) -> Self {
        Self { kept, ..self }
    }

    /// Takes the next line.
    pub(super) fn add_line(&mut self, line: &StoredLine) {
        self.verified.lines += 1;
        let written_at = line.written_at();
        self.now = self.now.max(written_at);
        let Some(place) = line.place.clone() else {
            self.add_unchained(line, written_at);
            return;
        };
        let seen = Seen {
            link: place.link(&line.content()),
            id: line.id().to_owned(),
            changed_line: line.changed_line(),
            written_at,
            place,
        };
        let bounds = self.bounds();
        let writer = self.writers.entry(seen.place.writer.clone()).or_default();
        let position = seen.place.position;
        let is_behind = |last: &Seen| position <= last.place.position;
        if writer.waiting.contains_key(&position) || writer.last.as_ref().is_some_and(is_behind) {
            self.findings
                .add(Finding::of_line(Wrong::Twice, &seen.id, &seen.place));
            return;
        }
        writer.waiting.insert(position, seen);
        writer.settle(&bounds, &mut self.findings);
    }

    fn add_unchained(&mut self, line: &StoredLine, written_at: Timestamp) {
        self.verified.unchained += 1;
        if self
            .began_at
            .is_some_and(|began_at| written_at > began_at.plus(SLACK))
        {
            self.findings.add(Finding {
                line: Some(line.id().to_owned()),
                ..Finding::new(Wrong::Unchained)
            });
        }
    }

    fn bounds(&self) -> Bounds {
        Bounds {
            since: self.since,
            kept_since: self.kept_since,
            settled: self.now.minus(SLACK),
        }
    }

    /// Takes the next checkpoint.
    pub(super) fn add_checkpoint(&mut self, number: i64, signed: &str) {
        self.verified.checkpoints += 1;
        if self.kept.is_another(number, signed) {
            self.findings
                .add(Finding::of_checkpoint(Wrong::Elsewhere, number));
        }
        let statement = opened(&self.keys, signed).filter(|statement| statement.number == number);
        let Some(statement) = statement else {
            self.findings
                .add(Finding::of_checkpoint(Wrong::Unsigned, number));
            self.last_checkpoint = Some((number, hash_of(signed)));
            return;
        };
        match &self.last_checkpoint {
            Some((last, _)) if *last + 1 != number => {
                let missing = Finding {
                    positions: Some((last + 1, number - 1)),
                    ..Finding::of_checkpoint(Wrong::CheckpointsMissing, number)
                };
                self.findings.add(missing);
            }
            Some((_, hash)) if statement.previous.as_ref() != Some(hash) => {
                self.findings
                    .add(Finding::of_checkpoint(Wrong::Unsigned, number - 1));
            }
            None if number > 1 && !self.bounds().may_lack(statement.made_at) => {
                let missing = Finding {
                    positions: Some((1, number - 1)),
                    ..Finding::of_checkpoint(Wrong::CheckpointsMissing, number)
                };
                self.findings.add(missing);
            }
            Some(_) | None => {}
        }
        self.last_checkpoint = Some((number, hash_of(signed)));
        self.verified.signed_until = Some(statement.made_at);
        self.now = self.now.max(statement.made_at);
        if let Some(next) = statement.next_key.as_ref().and_then(AuditPublicKey::of_jwk) {
            self.keys.push(next);
        }
        let settled = self.now.minus(SLACK);
        for head in statement.heads {
            let writer = self.writers.entry(head.writer.clone()).or_default();
            writer.name(head, number, &mut self.findings);
            writer.forget(settled);
        }
    }

    /// Ends: `heads` are the last lines that the database says there are, of writers that wrote
    /// lately.
    pub(super) fn end(mut self, heads: Vec<Head>) -> (Verified, Findings) {
        let bounds = Bounds {
            settled: Timestamp::from_unix_millis(i64::MAX),
            ..self.bounds()
        };
        for head in heads {
            let writer = self.writers.entry(head.writer.clone()).or_default();
            let named_to = writer.named_to;
            writer.name(head, 0, &mut self.findings);
            writer.named_to = named_to;
        }
        let signed_until = self.verified.signed_until;
        let mut writers: Vec<_> = self.writers.into_iter().collect();
        writers.sort_by(|(one, _), (other, _)| one.cmp(other));
        for (name, mut writer) in writers {
            writer.settle(&bounds, &mut self.findings);
            writer.end(&name, &bounds, signed_until, &mut self.findings);
        }
        let newest = self
            .last_checkpoint
            .as_ref()
            .map_or(0, |(number, _)| *number);
        if let Some(kept) = self.kept.beyond(newest) {
            self.findings
                .add(Finding::of_checkpoint(Wrong::Elsewhere, kept));
        }
        if self.verified.checkpoints == 0 && self.verified.lines > self.verified.unchained {
            self.findings.add(Finding::new(Wrong::NoCheckpoint));
        }
        (self.verified, self.findings)
    }
}

/// Opens a checkpoint that one of the keys signed.
fn opened(keys: &[AuditPublicKey], signed: &str) -> Option<Checkpoint> {
    let statement = keys.iter().find_map(|key| key.open(signed))?;
    Checkpoint::parse(&statement)
}

/// The times from which lines have to be there.
struct Bounds {
    since: Option<Timestamp>,
    kept_since: Option<Timestamp>,
    /// All lines that were written before have come.
    settled: Timestamp,
}

impl Bounds {
    /// Tells whether a line before one that was written at a time may be missing.
    fn may_lack(&self, written_at: Timestamp) -> bool {
        let is_near = |start: Timestamp| written_at < start.plus(SLACK);
        self.kept_since.is_some_and(is_near) || self.since.is_some()
    }

    /// Tells whether a line that was written at a time may be missing itself.
    fn may_lack_itself(&self, written_at: Timestamp) -> bool {
        let is_near = |start: Timestamp| written_at < start.plus(SLACK);
        self.kept_since.is_some_and(is_near) || self.since.is_some_and(is_near)
    }
}

impl Writer {
    /// Verifies the lines that wait and have their turn.
    fn settle(&mut self, bounds: &Bounds, findings: &mut Findings) {
        while let Some((position, seen)) = self.waiting.pop_first() {
            let next = self.last.as_ref().map_or(1, |last| last.place.position + 1);
            if position != next && seen.written_at > bounds.settled {
                self.waiting.insert(position, seen);
                return;
            }
            self.follow(seen, bounds, findings);
        }
    }

    /// Verifies a line against the one before it, and against what checkpoints said of it.
    fn follow(&mut self, seen: Seen, bounds: &Bounds, findings: &mut Findings) {
        let (position, previous) = (seen.place.position, seen.place.previous);
        match &self.last {
            Some(last) if last.place.position + 1 == position => {
                if last.link != previous {
                    findings.add(last.changed());
                }
            }
            Some(last) => {
                let is_kept = |since: Timestamp| seen.written_at >= since.plus(SLACK);
                if bounds.kept_since.is_none_or(is_kept) {
                    findings.add(seen.lacks(last.place.position + 1));
                }
            }
            None if position == 1 => {
                if previous != NOTHING_BEFORE {
                    findings.add(seen.changed());
                }
            }
            None => {
                if !bounds.may_lack(seen.written_at) {
                    findings.add(seen.lacks(1));
                }
            }
        }
        if let Some(head) = self.named.remove(&position)
            && head.link != hex::encode(seen.link)
        {
            findings.add(seen.changed());
        }
        self.recent.insert(position, (seen.link, seen.written_at));
        self.last = Some(seen);
    }

    /// Takes what a checkpoint says of this writer, or the database itself.
    fn name(&mut self, head: Head, number: i64, findings: &mut Findings) {
        self.named_to = self.named_to.max(head.position);
        let last = self.last.as_ref().map_or(0, |last| last.place.position);
        if head.position > last {
            self.named.insert(head.position, head);
            return;
        }
        let position = head.position;
        let named = |(link, _): &(Link, Timestamp)| head.link == hex::encode(link);
        if self.recent.get(&position).is_none_or(named) {
            return;
        }
        // Each later checkpoint would say it again.
        self.recent.remove(&position);
        let finding = match self.last.as_ref().filter(|_| position == last) {
            Some(last) => last.changed(),
            None => Finding::of_place(
                Wrong::Changed,
                &ChainPlace {
                    writer: head.writer,
                    position,
                    previous: NOTHING_BEFORE,
                },
            ),
        };
        findings.add(Finding {
            checkpoint: Some(number).filter(|number| *number > 0),
            ..finding
        });
    }

    /// Forgets the links of lines that checkpoints have named.
    fn forget(&mut self, settled: Timestamp) {
        let last = self.last.as_ref().map_or(0, |last| last.place.position);
        self.recent
            .retain(|position, (_, written_at)| *position == last || *written_at > settled);
    }

    /// Verifies that nothing is missing at the end, and nothing there that no checkpoint names.
    fn end(
        &self,
        name: &str,
        bounds: &Bounds,
        signed_until: Option<Timestamp>,
        findings: &mut Findings,
    ) {
        let last = self.last.as_ref().map_or(0, |last| last.place.position);
        if let Some((position, head)) = self.named.last_key_value()
            && !bounds.may_lack_itself(head.moved_at)
        {
            findings.add(Finding {
                writer: Some(name.to_owned()),
                positions: Some((last + 1, *position)),
                at: Some(head.moved_at),
                ..Finding::new(Wrong::Missing)
            });
        }
        if let (Some(last), Some(signed_until)) = (&self.last, signed_until)
            && last.place.position > self.named_to
            && last.written_at < signed_until.minus(SLACK)
        {
            findings.add(Finding::of_line(Wrong::Unnamed, &last.id, &last.place));
        }
    }
}

impl Seen {
    fn changed(&self) -> Finding {
        Finding {
            line_in_page: self.changed_line,
            at: Some(self.written_at),
            ..Finding::of_line(Wrong::Changed, &self.id, &self.place)
        }
    }

    /// Returns the finding that the lines from a position to the one before this are missing.
    fn lacks(&self, from: i64) -> Finding {
        Finding {
            positions: Some((from, self.place.position - 1)),
            at: Some(self.written_at),
            ..Finding::of_line(Wrong::Missing, &self.id, &self.place)
        }
    }
}

#[cfg(test)]
mod tests;
