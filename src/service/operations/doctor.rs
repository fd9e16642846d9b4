//! The examination of the service: each thing that may be wrong, whether it is, and what to do.

use std::time::Duration;

use crate::domain::Result;
use crate::domain::clock::Timestamp;
use crate::domain::operator::OperatorPermission;
use crate::service::adjustable::KeySchedule;
use crate::service::call::Call;
use crate::service::keys::{KeyInfo, KeyKind, KeyState, Warning};
use crate::service::ledger::queue::AuditMode;
use crate::service::operations::Operations;
use crate::service::operations::replicas::Replica;
use crate::service::operations::status::Status;

const DAY: Duration = Duration::from_hours(24);
/// The longest answer of a database that is near.
const SLOW: Duration = Duration::from_millis(100);
/// How far two clocks may differ without a word.
const CLOCKS_DIFFER: Duration = Duration::from_secs(2);
/// How far two clocks may differ before signatures and credentials are refused.
const CLOCKS_FAIL: Duration = Duration::from_secs(60);
/// The age of the last backup that is too old, as in the alerts.
const OLD_BACKUP: Duration = Duration::from_hours(48);

/// The outcome of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckState {
    /// Nothing is wrong.
    Fine,
    /// Something will be wrong, or may be.
    Doubtful,
    /// Something is wrong.
    Faulty,
}

impl CheckState {
    /// Returns its name: ok, warning or fault.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fine => "ok",
            Self::Doubtful => "warning",
            Self::Faulty => "fault",
        }
    }
}

/// A thing that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Its name.
    pub name: &'static str,
    /// The outcome.
    pub state: CheckState,
    /// The finding.
    pub finding: String,
    /// The next step, if there is one.
    pub advice: Option<String>,
}

impl Check {
    /// Makes a check that found nothing wrong.
    pub fn fine(name: &'static str, finding: impl Into<String>) -> Self {
        Self {
            name,
            state: CheckState::Fine,
            finding: finding.into(),
            advice: None,
        }
    }

    /// Makes a check that found a doubt, with what to do.
    pub fn doubtful(name: &'static str, finding: impl Into<String>, advice: &str) -> Self {
        Self {
            state: CheckState::Doubtful,
            advice: Some(advice.to_owned()),
            ..Self::fine(name, finding)
        }
    }

    /// Makes a check that found a fault, with what to do.
    pub fn faulty(name: &'static str, finding: impl Into<String>, advice: &str) -> Self {
        Self {
            state: CheckState::Faulty,
            ..Self::doubtful(name, finding, advice)
        }
    }
}

impl Operations {
    /// Examines the service, by its status, its keys and their warnings.
    ///
    /// # Errors
    ///
    /// `Unsupported` for callers other than the operator.
    pub fn examine(
        &self,
        call: &Call<'_>,
        status: &Status,
        keys: &[KeyInfo],
        warnings: &[Warning],
    ) -> Result<Vec<Check>> {
        call.caller.require(OperatorPermission::StatusRead, None)?;
        let now = self.base.now();
        let figures = self.ledger.queue.figures();
        let mut checks = vec![
            database(status),
            clocks(status.database.now, now, status.latency),
            replicas(&status.replicas),
            shared(status.replicas.len(), self.shared.is_some()),
            issuer(&status.issuer, &status.public_url),
            backup(status.last_backup_at, now),
            key_ages(keys, self.base.adjustable().keys, now),
            certificates(keys, now),
            audit(self.ledger.queue.mode(), figures.limit),
        ];
        checks.extend(warnings.iter().map(of_warning));
        Ok(checks)
    }
}

fn database(status: &Status) -> Check {
    let facts = &status.database;
    let size = match facts.bytes {
        Some(bytes) => format!("{} MiB", bytes.div_ceil(1 << 20)),
        None => "unknown size".to_owned(),
    };
    let finding = format!(
        "{} {}, schema {}, {size}, answered in {} ms",
        facts.kind,
        facts.version.as_deref().unwrap_or_default(),
        status.schema,
        status.latency.as_millis()
    );
    if status.latency > SLOW {
        let advice = "every change waits for the database: bring it nearer, or look at its load";
        Check::doubtful("database", finding, advice)
    } else {
        Check::fine("database", finding)
    }
}

fn clocks(database: Option<Timestamp>, now: Timestamp, latency: Duration) -> Check {
    let Some(database) = database else {
        return Check::fine(
            "clock",
            "the database is on this machine, and has its clock",
        );
    };
    // The answer was on its way for some of the latency.
    let apart = database.distance(now).saturating_sub(latency);
    let finding = format!(
        "this machine's clock and the database's are {} ms apart",
        apart.as_millis()
    );
    let advice = "synchronise the clocks of all machines (NTP): signatures are refused by the time \
                  that they name";
    if apart >= CLOCKS_FAIL {
        Check::faulty("clock", finding, advice)
    } else if apart >= CLOCKS_DIFFER {
        Check::doubtful("clock", finding, advice)
    } else {
        Check::fine("clock", finding)
    }
}

fn replicas(replicas: &[Replica]) -> Check {
    let Some(first) = replicas.first() else {
        let advice = "start it: `transire serve`; one that started this moment is listed soon";
        return Check::doubtful("replicas", "no service was seen in three minutes", advice);
    };
    let named: Vec<_> = replicas
        .iter()
        .map(|replica| format!("{} ({})", replica.id, replica.version))
        .collect();
    let finding = named.join(", ");
    if replicas
        .iter()
        .all(|replica| replica.version == first.version)
    {
        Check::fine("replicas", finding)
    } else {
        let advice = "finish the upgrade: give all replicas the newest of these versions";
        Check::doubtful("replicas", finding, advice)
    }
}

fn shared(replicas: usize, has_server: bool) -> Check {
    if replicas > 1 && !has_server {
        let advice = "set shared.url to a Redis or Valkey, or divide the limits by the number of \
                      replicas";
        return Check::doubtful(
            "limits",
            "each replica counts rates and nonces for itself",
            advice,
        );
    }
    let finding = if has_server {
        "all replicas count rates and nonces together"
    } else {
        "one service counts rates and nonces"
    };
    Check::fine("limits", finding)
}

fn issuer(issuer: &str, public_url: &str) -> Check {
    if issuer == public_url {
        return Check::fine(
            "issuer",
            format!("tokens name {issuer}, which is public_url"),
        );
    }
    let advice = "check that registries are configured with this issuer, as `transire \
                  registry-config` writes it, or prepare another by `transire instance update \
                  --issuer`";
    let finding = format!("tokens name {issuer}, and public_url is {public_url}");
    Check::doubtful("issuer", finding, advice)
}

fn backup(last: Option<Timestamp>, now: Timestamp) -> Check {
    let advice = "run `transire backup FILE` daily, and keep the file on another machine";
    match last {
        None => Check::doubtful("backup", "no backup was ever made", advice),
        Some(at) if at.until(now) > OLD_BACKUP => Check::doubtful(
            "backup",
            format!("the last backup is of {}", at.rfc3339()),
            advice,
        ),
        Some(at) => Check::fine("backup", format!("the last backup is of {}", at.rfc3339())),
    }
}

fn key_ages(keys: &[KeyInfo], schedule: KeySchedule, now: Timestamp) -> Check {
    let mut ages = Vec::new();
    let mut is_late = false;
    for key in keys.iter().filter(|key| key.state == KeyState::InUse) {
        let due_after = match key.kind {
            KeyKind::Audit => schedule.signing,
            KeyKind::Signing(_) if key.instance.is_none() => schedule.signing,
            KeyKind::Sealing => schedule.sealing,
            KeyKind::Signing(_) | KeyKind::Ca => None,
        };
        let age = key.created_at.until(now);
        // The service replaces a key within minutes, and the next is used half a minute later.
        is_late |= due_after.is_some_and(|due_after| age > due_after + DAY);
        let days = age.as_secs() / DAY.as_secs();
        ages.push(format!("{} {days} d", key.kind.name()));
    }
    let finding = format!("ages of the keys in use: {}", ages.join(", "));
    if is_late {
        let advice = "the service that rotates keys on schedule doesn't run, or can't: see its log";
        Check::doubtful("keys", finding, advice)
    } else {
        Check::fine("keys", finding)
    }
}

fn certificates(keys: &[KeyInfo], now: Timestamp) -> Check {
    let ends = |is_ca: bool| {
        keys.iter()
            .filter(move |key| (key.kind == KeyKind::Ca) == is_ca && key.state == KeyState::InUse)
            .filter_map(|key| key.certificate_expires_at)
            .min()
    };
    let named = |ends_at: Option<Timestamp>| ends_at.map_or("-".to_owned(), Timestamp::rfc3339);
    let (ca, leaf) = (ends(true), ends(false));
    let finding = format!(
        "the CA ends at {}, the first certificate of a signing key at {}",
        named(ca),
        named(leaf)
    );
    if ca.into_iter().chain(leaf).any(|ends_at| ends_at <= now) {
        let advice = "registries refuse every token: `transire keys list` shows what ended; start \
                      the service, or replace the CA";
        Check::faulty("certificates", finding, advice)
    } else {
        Check::fine("certificates", finding)
    }
}

fn audit(mode: AuditMode, limit: usize) -> Check {
    let finding = match mode {
        AuditMode::Required => {
            format!("{limit} events may wait; then requests are refused")
        }
        AuditMode::BestEffort => {
            format!("{limit} events may wait; then events are dropped and counted")
        }
    };
    Check::fine("audit", finding)
}

fn of_warning(warning: &Warning) -> Check {
    let advice = "see `transire keys list`";
    if warning.is_urgent() {
        Check::faulty(warning.kind.name(), warning.text.clone(), advice)
    } else {
        Check::doubtful(warning.kind.name(), warning.text.clone(), advice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_735_787_045);

    fn replica(id: &str, version: &str) -> Replica {
        Replica {
            id: id.to_owned(),
            version: version.to_owned(),
            seen_at: NOW,
        }
    }

    #[test]
    fn clocks_that_differ_are_doubted_and_then_a_fault() {
        let state = |seconds: u64, latency: u64| {
            let database = NOW.plus(Duration::from_secs(seconds));
            clocks(Some(database), NOW, Duration::from_secs(latency)).state
        };
        assert_eq!(state(1, 0), CheckState::Fine);
        assert_eq!(state(3, 0), CheckState::Doubtful);
        assert_eq!(state(3, 2), CheckState::Fine);
        assert_eq!(state(61, 0), CheckState::Faulty);
        assert_eq!(clocks(None, NOW, Duration::ZERO).state, CheckState::Fine);
    }

    #[test]
    fn replicas_of_two_versions_are_an_upgrade_that_isnt_done() {
        let state = |versions: &[&str]| {
            let seen: Vec<_> = versions.iter().map(|one| replica("a:1", one)).collect();
            replicas(&seen).state
        };
        assert_eq!(state(&["0.1.0", "0.1.0"]), CheckState::Fine);
        assert_eq!(state(&["0.1.0", "0.2.0"]), CheckState::Doubtful);
        assert_eq!(state(&[]), CheckState::Doubtful);
    }

    #[test]
    fn several_replicas_without_a_shared_memory_are_doubted() {
        assert_eq!(shared(1, false).state, CheckState::Fine);
        assert_eq!(shared(2, false).state, CheckState::Doubtful);
        assert_eq!(shared(2, true).state, CheckState::Fine);
    }

    #[test]
    fn an_old_backup_is_doubted_and_so_is_none() {
        let hours = |hours| backup(Some(NOW.minus(Duration::from_hours(hours))), NOW).state;
        assert_eq!(hours(47), CheckState::Fine);
        assert_eq!(hours(49), CheckState::Doubtful);
        assert_eq!(backup(None, NOW).state, CheckState::Doubtful);
    }

    #[test]
    fn an_issuer_other_than_the_public_url_is_doubted() {
        let url = "https://a.example.com";
        assert_eq!(issuer(url, url).state, CheckState::Fine);
        let other = issuer(url, "https://b.example.com");
        assert_eq!(other.state, CheckState::Doubtful);
    }
}
