//! The counters of requests.
//!
//! A request costs three additions to plain atomics and a look at the bucket's latest exemplar, and
//! no lock, allocation or hash of labels. Nothing that a client sends freely becomes a label.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use axum::response::Response;

use super::page::{Exemplar, Family, Kind, Page};
use crate::domain::activity::DURATIONS as BUCKETS;
use crate::domain::clock::Timestamp;
use crate::domain::{Blame, Result};
use crate::http::request::OperationRow;

/// How long a bucket keeps its exemplar, in milliseconds.
const EXEMPLAR_KEPT: u64 = 1000;
/// The most kinds of errors that are counted at a door; there are fewer.
const MAX_KINDS: usize = 64;

const REQUESTS: Family = Family {
    name: "transire_requests",
    kind: Kind::Counter,
    help: "Requests, by door, action and outcome. An action that isn't served has no name.",
};
const ERRORS: Family = Family {
    name: "transire_request_errors",
    kind: Kind::Counter,
    help: "Requests that were refused or failed, by door and by the kind of error in the log.",
};
const DURATIONS: Family = Family {
    name: "transire_request_duration_seconds",
    kind: Kind::Histogram,
    help: "How long requests took, from their headers to their answer.",
};

/// The outcome of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Served.
    Ok,
    /// The client has to change something.
    Refused,
    /// The operator has to mend something.
    Failed,
}

impl Outcome {
    const NAMES: [&str; 3] = ["ok", "refused", "failed"];

    /// Returns the word in metrics and traces.
    pub(crate) fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    pub(crate) fn of(answer: &Result<Response>) -> Self {
        match answer {
            Ok(response) if response.status().is_server_error() => Self::Failed,
            Ok(response) if response.status().is_client_error() => Self::Refused,
            Ok(_) => Self::Ok,
            Err(error) if error.kind().blame() == Blame::Client => Self::Refused,
            Err(_) => Self::Failed,
        }
    }
}

/// A request that was answered.
pub(crate) struct Answered<'a> {
    /// Its operation, if it has a name.
    pub(crate) operation: Option<&'a OperationRow>,
    pub(crate) outcome: Outcome,
    /// The kind of its error.
    pub(crate) error: Option<&'static str>,
    pub(crate) took: Duration,
    pub(crate) request_id: &'a str,
    /// Whether it issued a long-term credential.
    pub(crate) is_lasting: bool,
}

#[derive(Default)]
pub(super) struct Counts(pub(super) [AtomicU64; Outcome::NAMES.len()]);

/// Counts by kind of error. Kinds take the places in the order in which they come, so there is no
/// second list of them, and a place is found after a few comparisons.
pub(super) struct KindCounts([(OnceLock<&'static str>, AtomicU64); MAX_KINDS]);

impl KindCounts {
    fn new() -> Self {
        Self(std::array::from_fn(|_| Default::default()))
    }

    fn add(&self, kind: &'static str) {
        let place = self
            .0
            .iter()
            .find(|(name, _)| *name.get_or_init(|| kind) == kind);
        if let Some((_, count)) = place {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns the kinds that came, by name.
    pub(super) fn kinds(&self) -> Vec<(&'static str, u64)> {
        let mut kinds: Vec<_> = self
            .0
            .iter()
            .map_while(|(name, count)| Some((*name.get()?, count.load(Ordering::Relaxed))))
            .collect();
        kinds.sort_unstable();
        kinds
    }
}

#[derive(Default)]
struct Bucket {
    count: AtomicU64,
    /// When the exemplar was replaced, in milliseconds since the start; 0 before the first.
    replaced_at: AtomicU64,
    exemplar: Mutex<Option<Exemplar>>,
}

impl Bucket {
    /// Replaces the exemplar, unless it is fresh or another request replaces or reads it now.
    fn offer(&self, since_start: u64, exemplar: impl FnOnce() -> Exemplar) {
        let replaced_at = self.replaced_at.load(Ordering::Relaxed);
        if replaced_at != 0 && since_start < replaced_at + EXEMPLAR_KEPT {
            return;
        }
        if let Ok(mut latest) = self.exemplar.try_lock() {
            self.replaced_at
                .store(since_start.max(1), Ordering::Relaxed);
            *latest = Some(exemplar());
        }
    }

    fn exemplar(&self) -> Option<Exemplar> {
        self.exemplar.lock().ok()?.clone()
    }
}

#[derive(Default)]
pub(super) struct Durations {
    /// The last is for all that took longer.
    buckets: [Bucket; BUCKETS.len() + 1],
    micros: AtomicU64,
}

impl Durations {
    /// Returns the count of each bucket.
    pub(super) fn counts(&self) -> impl Iterator<Item = u64> {
        let buckets = self.buckets.iter();
        buckets.map(|bucket| bucket.count.load(Ordering::Relaxed))
    }
}

/// A door's labels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DoorLabels {
    /// The door's name.
    pub(crate) door: &'static str,
    /// The action of a request that names none that is served.
    pub(crate) unnamed_action: &'static str,
    /// The operations that have a name.
    pub(crate) operations: &'static [OperationRow],
}

/// The counters of one door.
pub(super) struct DoorCounts {
    pub(super) labels: DoorLabels,
    /// By the operation's index.
    pub(super) named: Box<[Counts]>,
    pub(super) unnamed: Counts,
    /// Those that issued a long-term credential.
    pub(super) lasting: AtomicU64,
    pub(super) errors: KindCounts,
    pub(super) durations: Durations,
}

impl DoorCounts {
    fn new(labels: DoorLabels) -> Self {
        let named = labels
            .operations
            .iter()
            .map(|_| Counts::default())
            .collect();
        Self {
            labels,
            named,
            unnamed: Counts::default(),
            lasting: AtomicU64::new(0),
            errors: KindCounts::new(),
            durations: Durations::default(),
        }
    }

    /// Returns every action with its counters, by name.
    fn actions(&self) -> Vec<(&'static str, &Counts)> {
        let named = self
            .labels
            .operations
            .iter()
            .zip(&self.named)
            .map(|(operation, counts)| (operation.name, counts));
        let mut actions: Vec<_> = named
            .chain([(self.labels.unnamed_action, &self.unnamed)])
            .collect();
        actions.sort_unstable_by_key(|(name, _)| *name);
        actions
    }
}

/// The counters of requests.
pub(crate) struct Metrics {
    pub(super) doors: Box<[DoorCounts]>,
    start: Instant,
}

impl Metrics {
    /// Counts requests at these doors.
    pub(crate) fn new(doors: &[DoorLabels]) -> Self {
        Self {
            doors: doors.iter().copied().map(DoorCounts::new).collect(),
            start: Instant::now(),
        }
    }

    /// Counts a request at the door with that place among the doors; `now` is asked for a new
    /// exemplar alone.
    pub(crate) fn count(
        &self,
        door: usize,
        request: &Answered<'_>,
        now: impl FnOnce() -> Timestamp,
    ) {
        let door = &self.doors[door];
        let counts = request
            .operation
            .map_or(&door.unnamed, |operation| &door.named[operation.index]);
        counts.0[request.outcome as usize].fetch_add(1, Ordering::Relaxed);
        if request.is_lasting {
            door.lasting.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(kind) = request.error {
            door.errors.add(kind);
        }
        let micros = u64::try_from(request.took.as_micros()).unwrap_or(u64::MAX);
        let bucket = &door.durations.buckets[BUCKETS.partition_point(|end| *end < micros)];
        bucket.count.fetch_add(1, Ordering::Relaxed);
        door.durations.micros.fetch_add(micros, Ordering::Relaxed);
        let since_start = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        bucket.offer(since_start, || Exemplar {
            request_id: request.request_id.to_owned(),
            micros,
            at: now().unix_millis(),
        });
    }

    pub(super) fn write(&self, page: &mut Page) {
        page.begin(&REQUESTS);
        for counted in &self.doors {
            let door = counted.labels.door;
            for (action, counts) in counted.actions() {
                for (outcome, count) in Outcome::NAMES.iter().zip(&counts.0) {
                    let count = count.load(Ordering::Relaxed);
                    let labels = format_args!(
                        "{{door=\"{door}\",action=\"{action}\",outcome=\"{outcome}\"}}"
                    );
                    if count > 0 {
                        page.sample(&REQUESTS, labels, count);
                    }
                }
            }
        }
        page.begin(&ERRORS);
        for counted in &self.doors {
            let door = counted.labels.door;
            for (kind, count) in counted.errors.kinds() {
                let labels = format_args!("{{door=\"{door}\",kind=\"{kind}\"}}");
                page.sample(&ERRORS, labels, count);
            }
        }
        page.begin(&DURATIONS);
        for DoorCounts {
            labels: DoorLabels { door, .. },
            durations,
            ..
        } in &self.doors
        {
            let mut all = 0;
            let buckets = durations.buckets.iter().enumerate().map(|(place, bucket)| {
                all += bucket.count.load(Ordering::Relaxed);
                (BUCKETS.get(place).copied(), all, bucket.exemplar())
            });
            let micros = durations.micros.load(Ordering::Relaxed);
            page.histogram(&DURATIONS, format_args!("door=\"{door}\""), buckets, micros);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Error, ErrorKind};
    use crate::http::observe::metrics::page::Form;
    use crate::service::Purpose;

    const OPERATIONS: &[OperationRow] = &[row(0, "x"), row(1, "y")];
    const DOORS: &[DoorLabels] = &[
        DoorLabels {
            door: "registry",
            unnamed_action: "token",
            operations: &[],
        },
        DoorLabels {
            door: "cloud",
            unnamed_action: "",
            operations: OPERATIONS,
        },
    ];

    const fn row(index: usize, name: &'static str) -> OperationRow {
        OperationRow {
            index,
            action: Some(name),
            product: "p",
            name,
            counted_as: name,
            purpose: Purpose::Read,
        }
    }

    fn answered(outcome: Outcome, micros: u64) -> Answered<'static> {
        Answered {
            operation: None,
            outcome,
            error: None,
            took: Duration::from_micros(micros),
            request_id: "id-1",
            is_lasting: false,
        }
    }

    fn at() -> Timestamp {
        Timestamp::from_unix_millis(1_767_225_600_250)
    }

    fn page(metrics: &Metrics, form: Form) -> String {
        let mut page = Page::new(form);
        metrics.write(&mut page);
        page.end()
    }

    #[test]
    fn requests_fall_into_their_buckets_and_are_counted_by_action_and_outcome() {
        let metrics = Metrics::new(DOORS);
        for (operation, outcome, micros) in [
            (Some(&OPERATIONS[0]), Outcome::Ok, 1000),
            (Some(&OPERATIONS[1]), Outcome::Ok, 1001),
            (None, Outcome::Refused, 0),
            (Some(&OPERATIONS[1]), Outcome::Failed, 20_000_000),
        ] {
            metrics.count(0, &answered(outcome, micros), at);
            let request = Answered {
                operation,
                ..answered(outcome, micros)
            };
            metrics.count(1, &request, at);
        }
        let text = page(&metrics, Form::Text);
        for line in [
            "transire_requests_total{door=\"registry\",action=\"token\",outcome=\"ok\"} 2",
            "transire_requests_total{door=\"registry\",action=\"token\",outcome=\"refused\"} 1",
            "transire_requests_total{door=\"cloud\",action=\"y\",outcome=\"failed\"} 1",
            "transire_requests_total{door=\"cloud\",action=\"\",outcome=\"refused\"} 1",
            "transire_request_duration_seconds_bucket{door=\"registry\",le=\"0.0005\"} 1",
            "transire_request_duration_seconds_bucket{door=\"registry\",le=\"0.001\"} 2",
            "transire_request_duration_seconds_bucket{door=\"registry\",le=\"0.0025\"} 3",
            "transire_request_duration_seconds_bucket{door=\"registry\",le=\"10\"} 3",
            "transire_request_duration_seconds_bucket{door=\"registry\",le=\"+Inf\"} 4",
            "transire_request_duration_seconds_sum{door=\"registry\"} 20.002001",
            "transire_request_duration_seconds_count{door=\"registry\"} 4",
            "transire_request_duration_seconds_count{door=\"cloud\"} 4",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }

    #[test]
    fn a_bucket_shows_a_request_that_it_counted_to_those_that_read_open_metrics() {
        let metrics = Metrics::new(DOORS);
        metrics.count(0, &answered(Outcome::Ok, 2_000_001), at);
        // The bucket's exemplar is fresh.
        let second = Answered {
            request_id: "id-2",
            ..answered(Outcome::Ok, 2_000_002)
        };
        metrics.count(0, &second, at);
        let bucket = "transire_request_duration_seconds_bucket{door=\"registry\",le=\"2.5\"} 2";
        let shown = format!("\n{bucket} # {{request_id=\"id-1\"}} 2.000001 1767225600.250\n");
        let text = page(&metrics, Form::OpenMetrics);
        assert!(text.contains(&shown), "{text}");
        assert!(
            text.contains("le=\"1.0\"}") && text.ends_with("\n# EOF\n"),
            "{text}"
        );
        assert!(page(&metrics, Form::Text).contains(&format!("\n{bucket}\n")));
    }

    #[test]
    fn errors_are_counted_by_kind() {
        let metrics = Metrics::new(DOORS);
        for kind in ["b", "a", "b"] {
            let request = Answered {
                error: Some(kind),
                ..answered(Outcome::Refused, 1)
            };
            metrics.count(1, &request, at);
        }
        let text = page(&metrics, Form::Text);
        assert!(
            text.contains(
                "counter\ntransire_request_errors_total{door=\"cloud\",kind=\"a\"} 1\n\
                 transire_request_errors_total{door=\"cloud\",kind=\"b\"} 2\n#"
            ),
            "{text}"
        );
    }

    #[test]
    fn what_is_not_the_clients_fault_failed() {
        let of = |kind| Outcome::of(&Err(Error::new(kind, "")));
        assert_eq!(
            [ErrorKind::Overloaded, ErrorKind::StoreUnavailable].map(of),
            [Outcome::Failed; 2]
        );
        assert_eq!(of(ErrorKind::BadCredentials), Outcome::Refused);
    }

    #[test]
    fn many_threads_lose_no_count() {
        let metrics = Metrics::new(DOORS);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1000 {
                        let request = Answered {
                            error: Some("overloaded"),
                            ..answered(Outcome::Ok, 0)
                        };
                        metrics.count(0, &request, at);
                    }
                });
            }
        });
        let text = page(&metrics, Form::Text);
        for line in [
            "action=\"token\",outcome=\"ok\"} 4000\n",
            "kind=\"overloaded\"} 4000\n",
            "_count{door=\"registry\"} 4000\n",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }
}
