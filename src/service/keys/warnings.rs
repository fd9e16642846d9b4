//! Warnings that the operator should act on long before anything fails: in the log at most once a
//! day, in `/readyz`, and in the metrics.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;

use crate::domain::clock::Timestamp;
use crate::domain::operator::OperatorPermission;
use crate::domain::{ErrorKind, Result};
use crate::service::call::Call;
use crate::service::keys::Keys;
use crate::token::SigningKey;

const DAY: Duration = Duration::from_hours(24);
/// The days before the CA's end at which the warning begins: every registry has to be touched to
/// replace it.
const CA_NOTICE: u32 = 365;
/// The days before the CA's end at which the warning becomes an error.
const CA_URGENT: u32 = 90;
/// The days before a leaf certificate's end at which its warning is an error. It is renewed with
/// seven days left, so with fewer than these its renewal fails.
const LEAF_URGENT: u32 = 5;
/// The days before the end of a leaf certificate that only the operator can renew at which the
/// warning begins, unless half of its life is less.
const LEAF_NOTICE: u32 = 30;
/// How often the same warning is logged.
const LOGGED_EVERY: Duration = DAY;
/// The operator's way to renew a certificate that this service can't renew.
const RENEW_BY_HAND: &str = "and its authority is kept elsewhere: renew it with `transire keys \
                             csr` and `transire keys import-leaf`, or no registry will believe a \
                             token";

/// The subject of a warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WarningKind {
    /// The CA that registries trust ends.
    CaEnds,
    /// The leaf certificate of a signing key ends and isn't renewed.
    LeafCertificateEnds,
    /// A signing key waits for its leaf certificate, which a CA that is kept elsewhere has to sign.
    KeyWaits,
    /// A key could not be rotated as the schedule has it.
    RotationFailed,
    /// The master key is not as it should be.
    MasterKey,
}

impl WarningKind {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::CaEnds,
        Self::LeafCertificateEnds,
        Self::KeyWaits,
        Self::RotationFailed,
        Self::MasterKey,
    ];

    /// Returns the name for logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::CaEnds => "authority-ends",
            Self::LeafCertificateEnds => "leaf-ends",
            Self::KeyWaits => "key-waits",
            Self::RotationFailed => "rotation-failed",
            Self::MasterKey => "master-key",
        }
    }

    /// Returns the public text: no id, no path, no cause.
    pub fn notice(self) -> &'static str {
        match self {
            Self::CaEnds => "the certificate authority ends: see the log or the metrics listener",
            Self::LeafCertificateEnds => {
                "a signing certificate ends: see the log or the metrics listener"
            }
            Self::KeyWaits => {
                "a signing key waits for its certificate: see the log or the metrics listener"
            }
            Self::RotationFailed => "a key can't be rotated: see the log or the metrics listener",
            Self::MasterKey => "the master key needs a look: see the log or the metrics listener",
        }
    }
}

/// The level at which a warning is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Urgency {
    Warn,
    Error,
}

/// A warning to the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Its subject.
    pub kind: WarningKind,
    /// The fault, and the way to repair it.
    pub text: String,
    /// The thing that it is about, where a kind may have several: a text without times.
    subject: String,
    urgency: Urgency,
}

impl Warning {
    /// Tells whether something fails soon, or fails already.
    pub fn is_urgent(&self) -> bool {
        self.urgency == Urgency::Error
    }

    fn is_of(&self, (kind, subject, urgency): &(WarningKind, String, Urgency)) -> bool {
        (self.kind, &self.subject, self.urgency) == (*kind, subject, *urgency)
    }
}

/// The party that renews leaf certificates.
#[derive(Clone, Copy)]
enum RenewedBy {
    Service,
    Operator,
}

fn urgent_if(is_urgent: bool) -> Urgency {
    if is_urgent {
        Urgency::Error
    } else {
        Urgency::Warn
    }
}

fn ca_ends(ends_at: Timestamp, now: Timestamp) -> Option<Warning> {
    let left = now.until(ends_at);
    (left < DAY * CA_NOTICE).then(|| Warning {
        kind: WarningKind::CaEnds,
        text: format!(
            "the certificate authority ends at {}, and no token is accepted after that: replace \
             it, and give the new one to every registry",
            ends_at.rfc3339()
        ),
        subject: String::new(),
        urgency: urgent_if(left < DAY * CA_URGENT),
    })
}

fn leaf_ends(key: &SigningKey, renewed_by: RenewedBy, now: Timestamp) -> Option<Warning> {
    let (notice, advice) = match renewed_by {
        RenewedBy::Operator => ((DAY * LEAF_NOTICE).min(key.leaf_life() / 2), RENEW_BY_HAND),
        RenewedBy::Service => (DAY * LEAF_URGENT, "and isn't renewed"),
    };
    let left = now.until(key.leaf_expires_at());
    (left < notice).then(|| Warning {
        kind: WarningKind::LeafCertificateEnds,
        text: format!(
            "the certificate of the signing key {} ends at {} {advice}",
            key.id(),
            key.leaf_expires_at().rfc3339()
        ),
        subject: key.id().to_owned(),
        urgency: urgent_if(left < DAY * LEAF_URGENT),
    })
}

fn key_waits(id: &str) -> Warning {
    Warning {
        kind: WarningKind::KeyWaits,
        text: format!(
            "the signing key {id} waits for its certificate: `transire keys csr` and `transire \
             keys import-leaf`"
        ),
        subject: id.to_owned(),
        urgency: Urgency::Warn,
    }
}

fn rotation_failed(why: &str) -> Warning {
    Warning {
        kind: WarningKind::RotationFailed,
        text: format!("a key that is due can't be rotated: {why}"),
        subject: String::new(),
        urgency: Urgency::Error,
    }
}

fn master_key(text: &str) -> Warning {
    Warning {
        kind: WarningKind::MasterKey,
        text: text.to_owned(),
        subject: text.to_owned(),
        urgency: Urgency::Warn,
    }
}

/// The warnings that this process has.
pub(in crate::service) struct Warnings {
    present: ArcSwap<Vec<Warning>>,
    logged_at: Mutex<HashMap<(WarningKind, String, Urgency), Timestamp>>,
    /// Why the last rotation on schedule failed, if it did.
    rotation_failed: Mutex<Option<String>>,
}

impl Warnings {
    pub(in crate::service) fn new() -> Self {
        Self {
            present: ArcSwap::from_pointee(Vec::new()),
            logged_at: Mutex::default(),
            rotation_failed: Mutex::default(),
        }
    }

    /// Returns the warnings of the last refresh.
    pub(in crate::service) fn current(&self) -> Arc<Vec<Warning>> {
        self.present.load_full()
    }

    /// Returns why the last rotation on schedule failed, if it did.
    fn rotation_failure(&self) -> Option<String> {
        self.rotation_failed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Notes the outcome of the last rotation on schedule. An unavailable database
    /// is no such failure: whether a key is due is unknown then.
    pub(super) fn note_rotation(&self, outcome: &Result<usize>) {
        if outcome
            .as_ref()
            .is_err_and(|error| error.kind() == &ErrorKind::StoreUnavailable)
        {
            return;
        }
        let failure = outcome.as_ref().err().map(ToString::to_string);
        *self
            .rotation_failed
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = failure;
    }

    /// Replaces the warnings, and logs those that weren't logged lately; returns how many these
    /// are.
    fn replace(&self, warnings: Vec<Warning>, now: Timestamp) -> usize {
        let mut logged_at = self
            .logged_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        // A warning that is over is logged again when it comes back.
        logged_at.retain(|logged, _| warnings.iter().any(|warning| warning.is_of(logged)));
        let mut logged = 0;
        for warning in &warnings {
            let key = (warning.kind, warning.subject.clone(), warning.urgency);
            if logged_at
                .get(&key)
                .is_some_and(|logged_at| logged_at.until(now) < LOGGED_EVERY)
            {
                continue;
            }
            logged_at.insert(key, now);
            logged += 1;
            match warning.urgency {
                Urgency::Warn => tracing::warn!(alarm = warning.kind.name(), "{}", warning.text),
                Urgency::Error => tracing::error!(alarm = warning.kind.name(), "{}", warning.text),
            }
        }
        drop(logged_at);
        self.present.store(Arc::new(warnings));
        logged
    }
}

impl Keys {
    /// Returns the warnings of the last refresh.
    pub fn warnings(&self) -> Arc<Vec<Warning>> {
        self.warnings.current()
    }

    /// Finds the present warnings, and logs the new ones.
    ///
    /// # Errors
    ///
    /// `Internal` for a progress of the master key that can't be read, and those of the store. The
    /// warnings that can be found are replaced all the same.
    pub async fn refresh_warnings(&self) -> Result<()> {
        let (warnings, found) = self.look_for_warnings().await;
        // Known warnings are logged even without the database.
        self.warnings.replace(warnings, self.base.now_elsewhere());
        found
    }

    /// Finds the present warnings for the operator, who sees them at once: nothing is logged.
    ///
    /// # Errors
    ///
    /// `Unsupported` for callers other than the operator; those of [`Self::refresh_warnings`].
    pub async fn find_warnings(&self, call: &Call<'_>) -> Result<Vec<Warning>> {
        call.caller.require(OperatorPermission::StatusRead, None)?;
        let (warnings, found) = self.look_for_warnings().await;
        found.map(|()| warnings)
    }

    /// Finds the present warnings, and whether all could be looked for.
    async fn look_for_warnings(&self) -> (Vec<Warning>, Result<()>) {
        let now = self.base.now_elsewhere();
        let keyring = self.memory.keys.keyring.load_full();
        let elsewhere = self.is_ca_elsewhere().await;
        let waiting = self.waiting_keys().await;
        let master = self.master_key_warnings().await;
        let mut warnings = Vec::new();
        warnings.extend(
            keyring
                .authority_expires_at()
                .and_then(|at| ca_ends(at, now)),
        );
        let renews = if matches!(elsewhere, Ok(true)) {
            RenewedBy::Operator
        } else {
            RenewedBy::Service
        };
        let keys = keyring.signing_keys();
        warnings.extend(keys.iter().filter_map(|key| leaf_ends(key, renews, now)));
        warnings.extend(waiting.iter().flatten().map(|id| key_waits(id)));
        warnings.extend(
            self.warnings
                .rotation_failure()
                .map(|why| rotation_failed(&why)),
        );
        warnings.extend(master.iter().flatten().map(|text| master_key(text)));
        let found = elsewhere
            .map(drop)
            .and(waiting.map(drop))
            .and(master.map(drop));
        (warnings, found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Error;

    #[test]
    fn a_database_that_is_away_is_no_failed_rotation_and_the_end_of_none() {
        let warnings = Warnings::new();
        let is_failed = || warnings.rotation_failed.lock().unwrap().is_some();
        let away = Err(Error::store_unavailable("gone"));
        warnings.note_rotation(&away);
        assert!(!is_failed());
        warnings.note_rotation(&Err(Error::internal("no entropy")));
        assert!(is_failed());
        warnings.note_rotation(&away);
        assert!(is_failed());
        warnings.note_rotation(&Ok(0));
        assert!(!is_failed());
    }

    #[test]
    fn the_same_is_said_once_a_day_and_at_once_when_it_becomes_urgent_or_comes_back() {
        let warnings = Warnings::new();
        let now = Timestamp::from_unix_seconds(1_735_787_045);
        let warning = |urgency| {
            vec![Warning {
                kind: WarningKind::CaEnds,
                text: "it ends".to_owned(),
                subject: String::new(),
                urgency,
            }]
        };
        let minute = Duration::from_secs(60);
        assert_eq!(warnings.replace(warning(Urgency::Warn), now), 1);
        for minutes in 1..1440 {
            assert_eq!(
                warnings.replace(warning(Urgency::Warn), now.plus(minute * minutes)),
                0
            );
        }
        assert_eq!(warnings.replace(warning(Urgency::Warn), now.plus(DAY)), 1);
        assert_eq!(
            warnings.replace(warning(Urgency::Error), now.plus(DAY + minute)),
            1
        );
        assert_eq!(
            warnings.replace(warning(Urgency::Error), now.plus(DAY + minute * 2)),
            0
        );
        assert_eq!(warnings.replace(Vec::new(), now.plus(DAY + minute * 3)), 0);
        assert!(warnings.present.load().is_empty());
        assert_eq!(
            warnings.replace(warning(Urgency::Error), now.plus(DAY + minute * 4)),
            1
        );
    }

    #[test]
    fn another_of_the_same_kind_is_said_though_the_first_was_a_moment_ago() {
        let warnings = Warnings::new();
        let now = Timestamp::from_unix_seconds(1_735_787_045);
        let of = |ids: &[&str], time: &str| {
            let warning = |id: &&str| Warning {
                kind: WarningKind::LeafCertificateEnds,
                text: format!("{id} ends at {time}"),
                subject: (*id).to_owned(),
                urgency: Urgency::Warn,
            };
            ids.iter().map(warning).collect::<Vec<_>>()
        };
        assert_eq!(warnings.replace(of(&["a"], "noon"), now), 1);
        assert_eq!(warnings.replace(of(&["a", "b"], "noon"), now), 1);
        assert_eq!(
            warnings.replace(of(&["b", "a"], "one"), now),
            0,
            "only a time is another"
        );
        assert_eq!(warnings.replace(of(&["b"], "one"), now), 0);
        assert_eq!(
            warnings.replace(of(&["a", "b"], "one"), now),
            1,
            "it was over, and came back"
        );
    }
}
