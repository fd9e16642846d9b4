//! What the operator should do something about long before it hurts: in the log at most once a day, in `/readyz`, and
//! counted in the metrics.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::domain::clock::Timestamp;
use crate::domain::{ErrorKind, Result};
use crate::service::keys::Keys;

const DAY: Duration = Duration::from_hours(24);
/// When the end of the authority is first spoken of: every registry has to be touched to replace it.
const AUTHORITY_NOTICE: u32 = 365;
/// When it becomes an error.
const AUTHORITY_URGENT: u32 = 90;
/// A leaf is renewed with seven days left; with fewer than this, that doesn't succeed.
const LEAF_URGENT: u32 = 5;
/// When the end of a leaf is first spoken of that only the operator can renew, unless half of its life is less.
const LEAF_NOTICE: u32 = 30;
/// How often the same is said again in the log.
const SAID_AGAIN: Duration = DAY;
/// What the operator does about a certificate that this service can't renew.
const RENEW_BY_HAND: &str = "and its authority is kept elsewhere: renew it with `transire keys csr` and `transire keys import-leaf`, or no registry will believe a token";

/// What an alarm is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AlarmKind {
    /// The authority that registries trust ends.
    AuthorityEnds,
    /// The certificate of a signing key ends and isn't renewed.
    LeafEnds,
    /// A signing key waits for its certificate, which the operator's own authority has to sign.
    KeyWaits,
    /// A key could not be rotated as the schedule has it.
    RotationFailed,
    /// The master key is not as it should be.
    MasterKey,
}

impl AlarmKind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::AuthorityEnds, Self::LeafEnds, Self::KeyWaits, Self::RotationFailed, Self::MasterKey];

    /// Returns the name for logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::AuthorityEnds => "authority-ends",
            Self::LeafEnds => "leaf-ends",
            Self::KeyWaits => "key-waits",
            Self::RotationFailed => "rotation-failed",
            Self::MasterKey => "master-key",
        }
    }

    /// Says what it is about to whoever asks: no id, no path, no cause.
    pub fn notice(self) -> &'static str {
        match self {
            Self::AuthorityEnds => "the certificate authority ends: see the log or the metrics listener",
            Self::LeafEnds => "a signing certificate ends: see the log or the metrics listener",
            Self::KeyWaits => "a signing key waits for its certificate: see the log or the metrics listener",
            Self::RotationFailed => "a key can't be rotated: see the log or the metrics listener",
            Self::MasterKey => "the master key needs a look: see the log or the metrics listener",
        }
    }
}

/// How soon something must be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Urgency {
    Warning,
    Error,
}

/// Something that the operator should look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// What it is about.
    pub kind: AlarmKind,
    /// What is wrong, and what to do.
    pub text: String,
    /// Which of a kind, where there may be several: what its text has apart from times.
    subject: String,
    urgency: Urgency,
}

impl Alarm {
    fn is_of(&self, (kind, subject, urgency): &(AlarmKind, String, Urgency)) -> bool {
        (self.kind, &self.subject, self.urgency) == (*kind, subject, *urgency)
    }
}

/// The alarms of a process.
pub(in crate::service) struct Alarms {
    present: ArcSwap<Vec<Alarm>>,
    said_at: Mutex<HashMap<(AlarmKind, String, Urgency), Timestamp>>,
    /// Why the last rotation on schedule failed, if it did.
    rotation_failed: Mutex<Option<String>>,
}

impl Alarms {
    pub(in crate::service) fn new() -> Self {
        Self { present: ArcSwap::from_pointee(Vec::new()), said_at: Mutex::default(), rotation_failed: Mutex::default() }
    }

    /// Returns what the operator should look at, as of the last look.
    pub(in crate::service) fn current(&self) -> Arc<Vec<Alarm>> {
        self.present.load_full()
    }

    /// Notes how the last rotation on schedule ended. Where the database is away, nobody knows whether anything is due.
    pub(super) fn note_rotation(&self, outcome: &Result<usize>) {
        if outcome.as_ref().is_err_and(|error| error.kind() == &ErrorKind::StoreUnavailable) {
            return;
        }
        let failure = outcome.as_ref().err().map(ToString::to_string);
        *self.rotation_failed.lock().unwrap_or_else(PoisonError::into_inner) = failure;
    }

    /// Puts the alarms into the place of those that were, and says in the log what wasn't said lately; returns how much that was.
    fn raise(&self, alarms: Vec<Alarm>, now: Timestamp) -> usize {
        let mut said_at = self.said_at.lock().unwrap_or_else(PoisonError::into_inner);
        // What is over is news when it comes back.
        said_at.retain(|said, _| alarms.iter().any(|alarm| alarm.is_of(said)));
        let mut said = 0;
        for alarm in &alarms {
            let key = (alarm.kind, alarm.subject.clone(), alarm.urgency);
            if said_at.get(&key).is_some_and(|said_at| said_at.until(now) < SAID_AGAIN) {
                continue;
            }
            said_at.insert(key, now);
            said += 1;
            match alarm.urgency {
                Urgency::Warning => tracing::warn!(alarm = alarm.kind.name(), "{}", alarm.text),
                Urgency::Error => tracing::error!(alarm = alarm.kind.name(), "{}", alarm.text),
            }
        }
        drop(said_at);
        self.present.store(Arc::new(alarms));
        said
    }
}

impl Keys {
    /// Returns what the operator should look at, as of the last look.
    pub fn alarms(&self) -> Arc<Vec<Alarm>> {
        self.warnings.current()
    }

    /// Looks whether there is anything that the operator should know.
    pub async fn look_for_alarms(&self) -> Result<()> {
        let now = self.base.now();
        let mut alarms = Vec::new();
        let keyring = self.memory.keys.keyring.load_full();
        if let Some(ends_at) = keyring.authority_expires_at()
            && now.until(ends_at) < DAY * AUTHORITY_NOTICE
        {
            let urgency = if now.until(ends_at) < DAY * AUTHORITY_URGENT { Urgency::Error } else { Urgency::Warning };
            let text = format!(
                "the certificate authority ends at {}, and no token is accepted after that: replace it, and give the new one to every registry",
                ends_at.rfc3339()
            );
            alarms.push(Alarm { kind: AlarmKind::AuthorityEnds, text, subject: String::new(), urgency });
        }
        let elsewhere = self.authority_is_elsewhere().await;
        let by_operator = matches!(elsewhere, Ok(true));
        for key in keyring.signing_keys() {
            let left = now.until(key.leaf_expires_at());
            let noticed = if by_operator { (DAY * LEAF_NOTICE).min(key.leaf_life() / 2) } else { DAY * LEAF_URGENT };
            if left < noticed {
                let urgency = if left < DAY * LEAF_URGENT { Urgency::Error } else { Urgency::Warning };
                let what = if by_operator { RENEW_BY_HAND } else { "and isn't renewed" };
                let text = format!("the certificate of the signing key {} ends at {} {what}", key.id(), key.leaf_expires_at().rfc3339());
                alarms.push(Alarm { kind: AlarmKind::LeafEnds, text, subject: key.id().to_owned(), urgency });
            }
        }
        let waiting = self.waiting_keys().await;
        for id in waiting.as_ref().map_or(&[][..], Vec::as_slice) {
            let text = format!("the signing key {id} waits for its certificate: `transire keys csr` and `transire keys import-leaf`");
            alarms.push(Alarm { kind: AlarmKind::KeyWaits, text, subject: id.clone(), urgency: Urgency::Warning });
        }
        if let Some(why) = self.warnings.rotation_failed.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            let text = format!("a key that is due can't be rotated: {why}");
            alarms.push(Alarm { kind: AlarmKind::RotationFailed, text, subject: String::new(), urgency: Urgency::Error });
        }
        let master = self.master_key_warnings().await;
        for text in master.as_ref().map_or(&[][..], Vec::as_slice) {
            let (text, subject) = (text.clone(), text.clone());
            alarms.push(Alarm { kind: AlarmKind::MasterKey, text, subject, urgency: Urgency::Warning });
        }
        // What is known is said, though the database be away.
        self.warnings.raise(alarms, now);
        elsewhere.map(drop).and(waiting.map(drop)).and(master.map(drop))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Error;

    #[test]
    fn a_database_that_is_away_is_no_failed_rotation_and_the_end_of_none() {
        let alarms = Alarms::new();
        let is_failed = || alarms.rotation_failed.lock().unwrap().is_some();
        let away = Err(Error::store_unavailable("gone"));
        alarms.note_rotation(&away);
        assert!(!is_failed());
        alarms.note_rotation(&Err(Error::internal("no entropy")));
        assert!(is_failed());
        alarms.note_rotation(&away);
        assert!(is_failed());
        alarms.note_rotation(&Ok(0));
        assert!(!is_failed());
    }

    #[test]
    fn the_same_is_said_once_a_day_and_at_once_when_it_becomes_urgent_or_comes_back() {
        let alarms = Alarms::new();
        let now = Timestamp::from_unix_seconds(1_735_787_045);
        let alarm = |urgency| vec![Alarm { kind: AlarmKind::AuthorityEnds, text: "it ends".to_owned(), subject: String::new(), urgency }];
        let minute = Duration::from_secs(60);
        assert_eq!(alarms.raise(alarm(Urgency::Warning), now), 1);
        for minutes in 1..1440 {
            assert_eq!(alarms.raise(alarm(Urgency::Warning), now.plus(minute * minutes)), 0);
        }
        assert_eq!(alarms.raise(alarm(Urgency::Warning), now.plus(DAY)), 1);
        assert_eq!(alarms.raise(alarm(Urgency::Error), now.plus(DAY + minute)), 1);
        assert_eq!(alarms.raise(alarm(Urgency::Error), now.plus(DAY + minute * 2)), 0);
        assert_eq!(alarms.raise(Vec::new(), now.plus(DAY + minute * 3)), 0);
        assert!(alarms.present.load().is_empty());
        assert_eq!(alarms.raise(alarm(Urgency::Error), now.plus(DAY + minute * 4)), 1);
    }

    #[test]
    fn another_of_the_same_kind_is_said_though_the_first_was_a_moment_ago() {
        let alarms = Alarms::new();
        let now = Timestamp::from_unix_seconds(1_735_787_045);
        let of = |ids: &[&str], time: &str| {
            let alarm = |id: &&str| Alarm {
                kind: AlarmKind::LeafEnds,
                text: format!("{id} ends at {time}"),
                subject: (*id).to_owned(),
                urgency: Urgency::Warning,
            };
            ids.iter().map(alarm).collect::<Vec<_>>()
        };
        assert_eq!(alarms.raise(of(&["a"], "noon"), now), 1);
        assert_eq!(alarms.raise(of(&["a", "b"], "noon"), now), 1);
        assert_eq!(alarms.raise(of(&["b", "a"], "one"), now), 0, "only a time is another");
        assert_eq!(alarms.raise(of(&["b"], "one"), now), 0);
        assert_eq!(alarms.raise(of(&["a", "b"], "one"), now), 1, "it was over, and came back");
    }
}
