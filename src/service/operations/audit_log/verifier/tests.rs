use super::*;
use crate::service::operations::audit_log::kept::KeptCheckpoints;
use crate::store::audit::{AuditRow, first_id};
use crate::token::{AuditKey, unverified_statement};

const START: i64 = 1_735_787_045_000;
const MINUTE: i64 = 60_000;

/// An audit as it would be stored: three writers, a line each ten seconds, a checkpoint a minute.
struct World {
    key: AuditKey,
    now: i64,
    heads: BTreeMap<String, Head>,
    lines: Vec<StoredLine>,
    checkpoints: Vec<(i64, String)>,
    kept_since: Option<Timestamp>,
}

impl World {
    fn empty() -> Self {
        Self {
            key: AuditKey::generate().unwrap(),
            now: START,
            heads: BTreeMap::new(),
            lines: Vec::new(),
            checkpoints: Vec::new(),
            kept_since: None,
        }
    }

    fn of_minutes(minutes: usize) -> Self {
        let mut world = Self::empty();
        for _ in 0..minutes {
            world.live_a_minute();
        }
        world
    }

    fn live_a_minute(&mut self) {
        for number in 0..6 {
            self.now += MINUTE / 6;
            self.write(["a", "b", "c"][number % 3]);
        }
        self.checkpoint(None);
    }

    fn row(&self, text: &str) -> AuditRow {
        let at = Timestamp::from_unix_millis(self.now);
        AuditRow {
            id: format!("{}{:012}", first_id(at), self.lines.len()),
            at,
            request_id: text.to_owned(),
            action: "account.create".to_owned(),
            principal: None,
            account: Some(1),
            credential_id: None,
            address: None,
            service: None,
            access_key: None,
            detail: "{}".to_owned(),
            outcome: "ok".to_owned(),
        }
    }

    fn write(&mut self, writer: &str) {
        self.write_as(writer, "r");
    }

    fn write_as(&mut self, writer: &str, text: &str) {
        let row = self.row(text);
        let before = self.heads.get(writer);
        let place = ChainPlace {
            writer: writer.to_owned(),
            position: before.map_or(0, |head| head.position) + 1,
            previous: before.map_or(NOTHING_BEFORE, |head| {
                hex::decode(&head.link).unwrap().try_into().unwrap()
            }),
        };
        let head = Head {
            writer: writer.to_owned(),
            position: place.position,
            link: hex::encode(place.link(&row.content())),
            moved_at: row.at,
        };
        self.heads.insert(writer.to_owned(), head);
        self.lines.push(StoredLine::from((row, Some(place))));
    }

    fn checkpoint(&mut self, next: Option<&AuditKey>) {
        let number = self.checkpoints.len() as i64 + 1;
        let statement = Checkpoint {
            issuer: "https://credentials.example.com".to_owned(),
            number,
            made_at: Timestamp::from_unix_millis(self.now),
            previous: self.checkpoints.last().map(|(_, signed)| hash_of(signed)),
            began_at: Timestamp::from_unix_millis(START),
            kept_since: self.kept_since,
            heads: self.heads.values().cloned().collect(),
            next_key: next.map(|next| next.public().jwk()),
        };
        let statement = serde_json::to_string(&statement).unwrap();
        self.checkpoints
            .push((number, self.key.sign(&statement).unwrap()));
    }

    fn findings_since(&self, since: Option<Timestamp>, kept: KeptCheckpoints) -> Vec<Finding> {
        self.findings_with(vec![self.key.public().clone()], since, kept)
    }

    fn findings_with(
        &self,
        keys: Vec<AuditPublicKey>,
        since: Option<Timestamp>,
        kept: KeptCheckpoints,
    ) -> Vec<Finding> {
        let newest = self.checkpoints.last().map(|(_, signed)| signed.as_str());
        let mut verifier = Verifier::new(keys, since, newest).against(kept);
        let from = since.unwrap_or_default();
        // A statement stands in the middle; another key's is at its place all the same.
        let time_of = |signed: &str| {
            let statement = Checkpoint::parse(&unverified_statement(signed)?)?;
            Some(statement.made_at)
        };
        let mut checkpoints = self.checkpoints.iter().peekable();
        let mut lines: Vec<_> = self.lines.iter().collect();
        lines.sort_by_key(|line| line.id().to_owned());
        for line in lines.into_iter().filter(|line| line.written_at() >= from) {
            while let Some((number, signed)) = checkpoints.next_if(|(_, signed)| {
                time_of(signed).is_none_or(|made_at| made_at < line.written_at())
            }) {
                if time_of(signed).is_none_or(|made_at| made_at >= from) {
                    verifier.add_checkpoint(*number, signed);
                }
            }
            verifier.add_line(line);
        }
        for (number, signed) in checkpoints {
            verifier.add_checkpoint(*number, signed);
        }
        verifier.end(self.heads.values().cloned().collect()).1.kept
    }

    fn findings(&self) -> Vec<Finding> {
        self.findings_since(None, KeptCheckpoints::default())
    }

    fn assert_found(&self, wrong: Wrong, what: &str) {
        let findings = self.findings();
        assert!(
            findings.iter().any(|finding| finding.wrong == wrong),
            "{what}: {findings:?}"
        );
    }
}

#[test]
fn an_audit_as_it_was_written_has_no_finding() {
    assert_eq!(World::empty().findings(), []);
    for minutes in [1, 2, 40] {
        assert_eq!(World::of_minutes(minutes).findings(), []);
    }
}

#[test]
fn each_line_that_is_missing_is_found() {
    let whole = World::of_minutes(15);
    for place in 0..whole.lines.len() {
        let mut world = copy(&whole);
        let removed = world.lines.remove(place).place.unwrap();
        let findings = world.findings();
        let is_named = findings.iter().any(|finding| {
            let position = removed.position;
            finding.wrong == Wrong::Missing
                && finding.writer.as_ref() == Some(&removed.writer)
                && finding.positions == Some((position, position))
        });
        assert!(is_named, "{removed:?}: {findings:?}");
    }
}

/// Returns the key of another world.
fn of(world: &World) -> AuditKey {
    AuditKey::from_pkcs8(&world.key.private_pkcs8().unwrap()).unwrap()
}

fn copy(world: &World) -> World {
    World {
        key: of(world),
        now: world.now,
        heads: world.heads.clone(),
        lines: world.lines.clone(),
        checkpoints: world.checkpoints.clone(),
        kept_since: world.kept_since,
    }
}

#[test]
fn each_line_that_was_changed_is_found_and_named() {
    let whole = World::of_minutes(15);
    for place in 0..whole.lines.len() {
        let mut world = copy(&whole);
        let line = &whole.lines[place];
        let mut changed = whole.row("another");
        changed.id = line.id().to_owned();
        world.lines[place] = StoredLine::from((changed, line.place.clone()));
        let findings = world.findings();
        let is_named = findings.iter().any(|finding| {
            let written = line.place.as_ref().unwrap();
            finding.wrong == Wrong::Changed
                && finding.writer.as_ref() == Some(&written.writer)
                && finding.positions == Some((written.position, written.position))
        });
        assert!(is_named, "{place}: {findings:?}");
    }
}

#[test]
fn chains_that_were_made_anew_are_found() {
    // All links can be made anew in the database, but no checkpoint.
    let whole = World::of_minutes(10);
    let mut world = World::empty();
    world.key = of(&whole);
    for number in 0..60 {
        world.now += MINUTE / 6;
        let text = if number == 7 { "forged" } else { "r" };
        world.write_as(["a", "b", "c"][number % 3], text);
    }
    world.checkpoints.clone_from(&whole.checkpoints);
    world.assert_found(Wrong::Changed, "a chain of his own");
}

#[test]
fn lines_that_were_exchanged_doubled_or_put_in_are_found() {
    let whole = World::of_minutes(15);
    let mut world = copy(&whole);
    let (one, other) = (world.lines[12].place.clone(), world.lines[15].place.clone());
    (world.lines[12].place, world.lines[15].place) = (other, one);
    world.assert_found(Wrong::Changed, "two of a writer");

    let mut world = copy(&whole);
    let mut doubled = whole.row("again");
    doubled.id = format!("{}x", whole.lines[20].id());
    world
        .lines
        .push(StoredLine::from((doubled, whole.lines[20].place.clone())));
    world.assert_found(Wrong::Twice, "a second line at a place");

    let mut world = copy(&whole);
    let mut unchained = whole.row("put in");
    unchained.id = format!("{}x", whole.lines[80].id());
    world.lines.push(StoredLine::from((unchained, None)));
    world.assert_found(Wrong::Unchained, "a line without a chain");

    let mut world = copy(&whole);
    let mut alone = whole.row("put in");
    alone.id = format!("{}x", whole.lines[6].id());
    let place = ChainPlace {
        writer: "z".to_owned(),
        position: 1,
        previous: NOTHING_BEFORE,
    };
    world.lines.push(StoredLine::from((alone, Some(place))));
    world.assert_found(Wrong::Unnamed, "a line of a writer of its own");
}

#[test]
fn checkpoints_that_are_missing_or_were_changed_are_found() {
    let whole = World::of_minutes(15);
    for place in 0..whole.checkpoints.len() - 1 {
        let mut world = copy(&whole);
        world.checkpoints.remove(place);
        world.assert_found(Wrong::CheckpointsMissing, "one is missing");
        let mut world = copy(&whole);
        let (_, signed) = &mut world.checkpoints[place];
        *signed = AuditKey::generate()
            .unwrap()
            .sign(r#"{"number":1}"#)
            .unwrap();
        world.assert_found(Wrong::Unsigned, "another key signed it");
    }
}

#[test]
fn the_end_can_be_cut_off_unless_a_checkpoint_is_kept_elsewhere() {
    let whole = World::of_minutes(15);
    let mut world = World::of_minutes(0);
    world.key = of(&whole);
    let minutes = 10;
    world.lines = whole.lines[..minutes * 6].to_vec();
    world.checkpoints = whole.checkpoints[..minutes].to_vec();
    // All that was written later is gone, from every table.
    let statement = world
        .key
        .public()
        .open(&world.checkpoints[minutes - 1].1)
        .unwrap();
    let heads = Checkpoint::parse(&statement).unwrap().heads;
    world.heads = heads
        .into_iter()
        .map(|head| (head.writer.clone(), head))
        .collect();
    assert_eq!(world.findings(), []);
    let kept = whole
        .checkpoints
        .iter()
        .map(|(_, signed)| Ok(format!("a log: {signed}")));
    let findings = world.findings_since(None, KeptCheckpoints::of(kept).unwrap());
    assert_eq!(findings.len(), 1);
    assert_eq!(
        (findings[0].wrong, findings[0].checkpoint),
        (Wrong::Elsewhere, Some(15))
    );
}

#[test]
fn what_the_database_says_of_its_newest_lines_is_believed_against_it() {
    let mut world = World::of_minutes(15);
    world.now += 1000;
    world.write("a");
    assert_eq!(world.findings(), []);
    let newest = world.lines.pop().unwrap();
    world.assert_found(Wrong::Missing, "the newest line");
    let place = newest.place;
    world
        .lines
        .push(StoredLine::from((world.row("another"), place)));
    world.assert_found(Wrong::Changed, "the newest line");
}

#[test]
fn lines_from_before_the_signed_start_may_be_gone_and_no_others() {
    let mut world = World::of_minutes(60);
    let start = Timestamp::from_unix_millis(START + 30 * MINUTE);
    world.kept_since = Some(start);
    world.now += 1000;
    world.write("a");
    world.checkpoint(None);
    let all = world.lines.clone();
    world.lines.retain(|line| line.written_at() >= start);
    world.checkpoints.drain(..29);
    assert_eq!(world.findings(), []);
    // More than was signed away.
    let later = Timestamp::from_unix_millis(START + 45 * MINUTE);
    world.lines = all;
    world.lines.retain(|line| line.written_at() >= later);
    world.assert_found(Wrong::Missing, "lines after the start");
}

#[test]
fn a_part_is_verified_from_a_time_on() {
    let world = World::of_minutes(60);
    let since = Timestamp::from_unix_millis(START + 30 * MINUTE + 500);
    assert_eq!(
        world.findings_since(Some(since), KeptCheckpoints::default()),
        []
    );
    let mut removed = copy(&world);
    removed.lines.remove(300);
    assert_ne!(
        removed.findings_since(Some(since), KeptCheckpoints::default()),
        []
    );
    let mut earlier = copy(&world);
    earlier.lines.remove(10);
    assert_eq!(
        earlier.findings_since(Some(since), KeptCheckpoints::default()),
        []
    );
}

#[test]
fn the_first_public_key_holds_the_keys_that_follow() {
    let mut world = World::of_minutes(5);
    let first = world.key.public().clone();
    let next = AuditKey::generate().unwrap();
    world.now += MINUTE;
    world.write("a");
    world.checkpoint(Some(&next));
    world.key = next;
    for _ in 0..5 {
        world.live_a_minute();
    }
    let keys = vec![first.clone()];
    assert_eq!(
        world.findings_with(keys, None, KeptCheckpoints::default()),
        []
    );
    // One that nobody announced.
    world.key = AuditKey::generate().unwrap();
    world.live_a_minute();
    let findings = world.findings_with(vec![first], None, KeptCheckpoints::default());
    assert!(
        findings
            .iter()
            .all(|finding| finding.wrong == Wrong::Unsigned)
            && !findings.is_empty()
    );
}

#[test]
fn a_clock_that_is_behind_puts_lines_out_of_order_and_nothing_is_wrong() {
    let mut world = World::of_minutes(20);
    for _ in 0..20 {
        // Five minutes behind, and not for the next line.
        world.now -= 5 * MINUTE;
        world.write("a");
        world.now += 5 * MINUTE + 5000;
        world.write("a");
    }
    world.checkpoint(None);
    assert_eq!(world.findings(), []);
}
