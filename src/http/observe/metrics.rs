//! The counters of requests, and the page that a monitoring system reads (Prometheus' text form,
//! 0.0.4).
//!
//! A request costs three additions to plain atomics, and no lock, allocation or hash of labels:
//! labels are put together when the page is asked for. Nothing that a client sends freely becomes a
//! label.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::response::Response;
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode};

use crate::domain::{Blame, Error, Result};
use crate::service::{ProcessMetrics, Service, WarningKind};

use crate::http::observe::reloads::Reloads;
use crate::http::request::OperationRow;
use crate::http::request::respond::{TEXT, response};

/// The upper ends of the buckets of durations, in microseconds.
const BUCKETS: [u64; 14] = [
    500, 1000, 2500, 5000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000, 10_000_000,
];
/// How long the page waits for the database's answer.
const DATABASE_TIMEOUT: Duration = Duration::from_secs(2);

/// The counts of connections; all but `open` and `limit` only grow.
#[derive(Clone, Copy, Debug, Default)]
pub struct ConnectionCounts {
    /// Connections that are open.
    pub open: usize,
    /// How many there may be at once.
    pub limit: usize,
    /// Connections that were closed unheard, because their address has too many.
    pub refused: u64,
    /// Connections without an authenticated caller that were closed because places were short.
    pub closed_early: u64,
    /// How often a connection had to wait for a place.
    pub full: u64,
}

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

#[derive(Default)]
struct Counts([AtomicU64; Outcome::NAMES.len()]);

#[derive(Default)]
struct Durations {
    /// The last is for all that took longer.
    buckets: [AtomicU64; BUCKETS.len() + 1],
    micros: AtomicU64,
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
struct DoorCounts {
    labels: DoorLabels,
    /// By the operation's index.
    named: Box<[Counts]>,
    unnamed: Counts,
    durations: Durations,
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
pub(crate) struct Metrics(Box<[DoorCounts]>);

impl Metrics {
    /// Counts requests at these doors.
    pub(crate) fn new(doors: &[DoorLabels]) -> Self {
        Self(doors.iter().copied().map(DoorCounts::new).collect())
    }

    /// Counts a request at the door with that place among the doors.
    pub(crate) fn count(
        &self,
        door: usize,
        operation: Option<&OperationRow>,
        outcome: Outcome,
        took: Duration,
    ) {
        let door = &self.0[door];
        let counts = operation.map_or(&door.unnamed, |operation| &door.named[operation.index]);
        counts.0[outcome as usize].fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        door.durations.buckets[BUCKETS.partition_point(|end| *end < micros)]
            .fetch_add(1, Ordering::Relaxed);
        door.durations.micros.fetch_add(micros, Ordering::Relaxed);
    }

    fn write(&self, page: &mut Text<'_>) {
        page.head(
            "transire_requests_total",
            "counter",
            "Requests, by door, action and outcome. An action that isn't served has no name.",
        );
        for counted in &self.0 {
            let door = counted.labels.door;
            for (action, counts) in counted.actions() {
                for (outcome, count) in Outcome::NAMES.iter().zip(&counts.0) {
                    let count = count.load(Ordering::Relaxed);
                    if count > 0 {
                        page.line(
                            "transire_requests_total",
                            format_args!(
                                "{{door=\"{door}\",action=\"{action}\",outcome=\"{outcome}\"}}"
                            ),
                            count,
                        );
                    }
                }
            }
        }
        page.head(
            "transire_request_duration_seconds",
            "histogram",
            "How long requests took, from their headers to their answer.",
        );
        for DoorCounts {
            labels: DoorLabels { door, .. },
            durations,
            ..
        } in &self.0
        {
            let mut all = 0;
            for (place, bucket) in durations.buckets.iter().enumerate() {
                all += bucket.load(Ordering::Relaxed);
                let end = BUCKETS
                    .get(place)
                    .map_or_else(|| "+Inf".to_owned(), |end| seconds(*end));
                page.line(
                    "transire_request_duration_seconds_bucket",
                    format_args!("{{door=\"{door}\",le=\"{end}\"}}"),
                    all,
                );
            }
            let sum = seconds(durations.micros.load(Ordering::Relaxed));
            page.line(
                "transire_request_duration_seconds_sum",
                format_args!("{{door=\"{door}\"}}"),
                sum,
            );
            page.line(
                "transire_request_duration_seconds_count",
                format_args!("{{door=\"{door}\"}}"),
                all,
            );
        }
    }
}

/// Writes microseconds as seconds, without a rounding.
fn seconds(micros: u64) -> String {
    let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The page while it is written.
struct Text<'a>(&'a mut String);

impl Text<'_> {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string never fails.
        writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}").unwrap_or_default();
    }

    fn line(&mut self, name: &str, labels: std::fmt::Arguments<'_>, value: impl std::fmt::Display) {
        writeln!(self.0, "{name}{labels} {value}").unwrap_or_default();
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: impl std::fmt::Display) {
        self.head(name, kind, help);
        self.line(name, format_args!(""), value);
    }
}

/// All that HTTP counted itself.
pub(crate) struct Page<'a> {
    pub(crate) requests: &'a Metrics,
    pub(crate) reloads: &'a Reloads,
    pub(crate) connections: &'a ConnectionCounts,
}

/// Answers `/metrics` at the listener for monitoring.
///
/// # Errors
///
/// `MalformedRequest` for a method that doesn't read.
pub(crate) async fn answer(parts: &Parts, service: &Service, page: &Page<'_>) -> Result<Response> {
    if parts.uri.path() != "/metrics" {
        return Ok(not_here());
    }
    if parts.method != Method::GET && parts.method != Method::HEAD {
        return Err(Error::malformed_request("This page is only read."));
    }
    let reachable = tokio::time::timeout(DATABASE_TIMEOUT, service.operations.missing())
        .await
        .is_ok_and(|missing| missing.is_empty());
    let text = text(page, &service.operations.metrics(), reachable);
    Ok(response(
        StatusCode::OK,
        HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"),
        text,
    ))
}

fn not_here() -> Response {
    response(
        StatusCode::NOT_FOUND,
        TEXT,
        "Here are /metrics, /healthz and /readyz.\n",
    )
}

fn text(counted: &Page<'_>, process: &ProcessMetrics, reachable: bool) -> String {
    let mut text = String::with_capacity(8192);
    let mut page = Text(&mut text);
    counted.requests.write(&mut page);
    write_connections(&mut page, counted.connections);
    write_reloads(&mut page, counted.reloads);
    page.one(
        "transire_database_reachable",
        "gauge",
        "Whether the database answers.",
        u8::from(reachable),
    );
    page.one(
        "transire_change_feed_age_seconds",
        "gauge",
        "Since when changes of other processes are not known here.",
        millis(process.change_feed_age),
    );
    page.one(
        "transire_audit_lines_waiting",
        "gauge",
        "Audit lines that wait to be stored.",
        process.audit_waiting,
    );
    page.one(
        "transire_audit_lines_dropped_total",
        "counter",
        "Audit lines that found the queue full and are lost.",
        process.audit_dropped,
    );
    write_certificates(&mut page, process);
    write_warnings(&mut page, &process.warnings);
    text
}

fn write_reloads(page: &mut Text<'_>, reloads: &Reloads) {
    page.one(
        "transire_config_last_reload_successful",
        "gauge",
        "Whether the settings could be used when they were read last.",
        u8::from(reloads.has_succeeded()),
    );
    page.one(
        "transire_config_last_reload_success_timestamp_seconds",
        "gauge",
        "When settings that could be used were read last, at the start or at a SIGHUP.",
        reloads.succeeded_at().unix_seconds(),
    );
}

fn write_connections(page: &mut Text<'_>, connections: &ConnectionCounts) {
    page.one(
        "transire_connections_open",
        "gauge",
        "Connections that are open.",
        connections.open,
    );
    page.one(
        "transire_connections_limit",
        "gauge",
        "Connections that may be open at once.",
        connections.limit,
    );
    page.one(
        "transire_connections_refused_total",
        "counter",
        "Connections that were closed unheard: their address had its share.",
        connections.refused,
    );
    page.one(
        "transire_connections_closed_early_total",
        "counter",
        "Connections without an authenticated caller that were closed because places were short.",
        connections.closed_early,
    );
    page.one(
        "transire_connections_waited_total",
        "counter",
        "Connections that waited because all places were taken.",
        connections.full,
    );
}

/// Writes how long the authority and the leaf certificates last.
fn write_certificates(page: &mut Text<'_>, process: &ProcessMetrics) {
    if let Some(left) = process.authority_ends_in_seconds {
        page.one(
            "transire_authority_ends_in_seconds",
            "gauge",
            "How long the authority lasts that registries trust.",
            left,
        );
    }
    page.head(
        "transire_leaf_ends_in_seconds",
        "gauge",
        "How long the certificate of a signing key lasts.",
    );
    for (algorithm, key, left) in &process.leaves_end_in_seconds {
        page.line(
            "transire_leaf_ends_in_seconds",
            format_args!("{{algorithm=\"{algorithm}\",key=\"{key}\"}}"),
            left,
        );
    }
}

/// Writes each kind of warning, and whether the operator is warned so now.
fn write_warnings(page: &mut Text<'_>, warnings: &[WarningKind]) {
    page.head(
        "transire_alarm",
        "gauge",
        "What the operator should look at; the log and /readyz of this listener say more.",
    );
    for kind in WarningKind::ALL {
        page.line(
            "transire_alarm",
            format_args!("{{kind=\"{}\"}}", kind.name()),
            u8::from(warnings.contains(&kind)),
        );
    }
}

fn millis(duration: Duration) -> String {
    seconds(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX) / 1000 * 1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ErrorKind;
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

    #[test]
    fn requests_fall_into_their_buckets_and_are_counted_by_action_and_outcome() {
        let metrics = Metrics::new(DOORS);
        for (operation, outcome, micros) in [
            (Some(&OPERATIONS[0]), Outcome::Ok, 1000),
            (Some(&OPERATIONS[1]), Outcome::Ok, 1001),
            (None, Outcome::Refused, 0),
            (Some(&OPERATIONS[1]), Outcome::Failed, 20_000_000),
        ] {
            metrics.count(0, None, outcome, Duration::from_micros(micros));
            metrics.count(1, operation, outcome, Duration::from_micros(micros));
        }
        let mut text = String::new();
        metrics.write(&mut Text(&mut text));
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
                        metrics.count(0, None, Outcome::Ok, Duration::ZERO);
                    }
                });
            }
        });
        let mut text = String::new();
        metrics.write(&mut Text(&mut text));
        assert!(
            text.contains("action=\"token\",outcome=\"ok\"} 4000\n"),
            "{text}"
        );
    }
}
