//! The page that a monitoring system reads: [`requests`] counts, [`page`] writes both forms.
//!
//! Labels are put together when the page is asked for.

mod page;
mod requests;
mod totals;

use std::time::Duration;

use axum::response::Response;
use http::request::Parts;
use http::{Method, StatusCode, header};

use self::page::{Family, Form, Kind, Page, seconds};
pub(crate) use self::requests::{Answered, DoorLabels, Metrics, Outcome};
use crate::domain::clock::Timestamp;
use crate::domain::{Error, Result};
use crate::http::observe::reloads::Reloads;
use crate::http::request::respond::{TEXT, response};
use crate::service::{NoticeFigures, Service, ServiceMetrics, WarningKind};
use crate::version;

/// How long the page waits for the database's answer.
const DATABASE_TIMEOUT: Duration = Duration::from_secs(2);

/// Makes the constants of families.
macro_rules! families {
    ($($constant:ident: $kind:ident $name:literal, $help:literal;)+) => {
        $(const $constant: Family = Family {
            name: $name,
            kind: Kind::$kind,
            help: $help,
        };)+
    };
}

families! {
    BUILD: Info "transire_build", "The version of the program, and the commit that it was made of.";
    CONNECTIONS_OPEN: Gauge "transire_connections_open", "Connections that are open.";
    CONNECTIONS_LIMIT: Gauge "transire_connections_limit",
        "Connections that may be open at once.";
    CONNECTIONS_REFUSED: Counter "transire_connections_refused",
        "Connections that were closed unheard: their address had its share.";
    CONNECTIONS_CLOSED: Counter "transire_connections_closed_early",
        "Connections without an authenticated caller that were closed because places were short.";
    CONNECTIONS_WAITED: Counter "transire_connections_waited",
        "Connections that waited because all places were taken.";
    RELOADED: Gauge "transire_config_last_reload_successful",
        "Whether the settings could be used when they were read last.";
    RELOADED_AT: Gauge "transire_config_last_reload_success_timestamp_seconds",
        "When settings that could be used were read last, at the start or at a SIGHUP.";
    DATABASE_REACHABLE: Gauge "transire_database_reachable", "Whether the database answers.";
    FEED_AGE: Gauge "transire_change_feed_age_seconds",
        "Since when changes of other processes are not known here.";
    AUDIT_WAITING: Gauge "transire_audit_lines_waiting", "Audit lines that wait to be stored.";
    AUDIT_LIMIT: Gauge "transire_audit_lines_limit", "Audit lines that may wait to be stored.";
    AUDIT_DROPPED: Counter "transire_audit_lines_dropped",
        "Audit lines that found the queue full and are lost.";
    REPLAY_BYTES: Gauge "transire_replay_memory_bytes",
        "Memory that remembers used nonces and signatures.";
    REPLAY_LIMIT: Gauge "transire_replay_memory_limit_bytes",
        "Memory that may remember used nonces and signatures.";
    REPLAY_REFUSED: Counter "transire_replay_memory_refused",
        "Calls that were slowed because their access key had its share of that memory.";
    EXCHANGE_BYTES: Gauge "transire_exchange_memory_bytes",
        "Memory that remembers the exchanges of the last seconds.";
    GIVEN_AGAIN: Counter "transire_tokens_given_again",
        "Exchanges that got a token of the last seconds again.";
    CERTIFICATES: Gauge "transire_certificate_expiration_timestamp_seconds",
        "When a certificate ends: that of HTTPS (tls), of the CA (ca) or of a signing key (leaf).";
    CREDENTIALS_ENDING: Gauge "transire_credentials_ending",
        "Active credentials that end within seven days, counted once an hour.";
    NOTICES: Counter "transire_notices",
        "Notices that this replica made: a secret ends, or was replaced, stopped or refused often.";
    WEBHOOK_SENT: Counter "transire_webhook_messages",
        "Attempts to tell the webhook of a notice, by their outcome.";
    WEBHOOK_WAITING: Gauge "transire_webhook_messages_waiting",
        "Notices of all replicas that wait for the webhook.";
    WEBHOOK_DEAD: Gauge "transire_webhook_messages_dead",
        "Notices of all replicas that the webhook didn't take, and that aren't sent any more.";
    LAST_BACKUP: Gauge "transire_last_backup_timestamp_seconds",
        "When `transire backup` last succeeded.";
    CHECKPOINT: Gauge "transire_audit_checkpoint_timestamp_seconds",
        "When the newest checkpoint of the audit was made that a place has; 0 where it has none.";
    ALARM: Gauge "transire_alarm",
        "Warnings for the operator; the log and /readyz of this listener say more.";
    SPANS_SENT: Counter "transire_spans_sent", "Spans of traces that the receiver took.";
    SPANS_LOST: Counter "transire_spans_lost",
        "Spans of traces that found the queue full, or that the receiver didn't take.";
    CPU: Counter "process_cpu_seconds", "Processor time of the process.";
    RESIDENT: Gauge "process_resident_memory_bytes", "Resident memory.";
    VIRTUAL: Gauge "process_virtual_memory_bytes", "Virtual memory.";
    OPEN_FILES: Gauge "process_open_fds", "Open file descriptors.";
    MAX_FILES: Gauge "process_max_fds", "File descriptors that may be open.";
    STARTED: Gauge "process_start_time_seconds", "When the process began to serve.";
}

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

/// The system's account of this process; what it doesn't tell is absent.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcessUsage {
    /// Processor time.
    pub cpu: Option<Duration>,
    /// Bytes of resident memory.
    pub resident_bytes: Option<u64>,
    /// Bytes of virtual memory.
    pub virtual_bytes: Option<u64>,
    /// Open file descriptors.
    pub open_files: Option<u64>,
    /// File descriptors that may be open.
    pub max_files: Option<u64>,
    /// When the process began to serve.
    pub started_at: Option<Timestamp>,
}

/// The fate of the spans of traces since the start.
#[derive(Clone, Copy, Debug, Default)]
pub struct SpanCounts {
    /// Spans that the receiver took.
    pub sent: u64,
    /// Spans that nobody took.
    pub lost: u64,
}

/// The measures of listeners and process at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct ServerMetrics {
    /// The connections of the other listener.
    pub connections: ConnectionCounts,
    /// The process.
    pub process: ProcessUsage,
    /// When the certificate of HTTPS ends.
    pub tls_expires_at: Option<Timestamp>,
    /// Traces.
    pub spans: SpanCounts,
}

/// All that isn't the service's.
pub(crate) struct Measured<'a> {
    pub(crate) requests: &'a Metrics,
    pub(crate) reloads: &'a Reloads,
    pub(crate) server: &'a ServerMetrics,
}

/// Answers `/metrics` at the listener for monitoring.
///
/// # Errors
///
/// `MalformedRequest` for a method that doesn't read.
pub(crate) async fn answer(
    parts: &Parts,
    service: &Service,
    measured: &Measured<'_>,
) -> Result<Response> {
    if parts.uri.path() != "/metrics" {
        return Ok(not_here());
    }
    if parts.method != Method::GET && parts.method != Method::HEAD {
        return Err(Error::malformed_request("This page is only read."));
    }
    let reachable = tokio::time::timeout(DATABASE_TIMEOUT, service.operations.missing())
        .await
        .is_ok_and(|missing| missing.is_empty());
    let form = Form::preferred(parts.headers.get(header::ACCEPT));
    let mut page = Page::new(form);
    let server = measured.server;
    measured.requests.write(&mut page);
    write_connections(&mut page, &server.connections);
    let reloads = measured.reloads;
    page.one(&RELOADED, u8::from(reloads.has_succeeded()));
    page.one(&RELOADED_AT, reloads.succeeded_at().unix_seconds());
    page.one(&DATABASE_REACHABLE, u8::from(reachable));
    write_service(&mut page, &service.operations.metrics(), server);
    let exchanges = service.exchange.figures();
    page.one(&EXCHANGE_BYTES, exchanges.bytes);
    page.one(&GIVEN_AGAIN, exchanges.given_again);
    page.one(&SPANS_SENT, server.spans.sent);
    page.one(&SPANS_LOST, server.spans.lost);
    write_process(&mut page, &server.process);
    Ok(response(StatusCode::OK, form.content_type(), page.end()))
}

fn not_here() -> Response {
    response(
        StatusCode::NOT_FOUND,
        TEXT,
        "Here are /metrics, /healthz and /readyz.\n",
    )
}

fn write_connections(page: &mut Page, connections: &ConnectionCounts) {
    page.one(&CONNECTIONS_OPEN, connections.open);
    page.one(&CONNECTIONS_LIMIT, connections.limit);
    page.one(&CONNECTIONS_REFUSED, connections.refused);
    page.one(&CONNECTIONS_CLOSED, connections.closed_early);
    page.one(&CONNECTIONS_WAITED, connections.full);
}

fn write_service(page: &mut Page, service: &ServiceMetrics, server: &ServerMetrics) {
    page.one(&FEED_AGE, millis(service.change_feed_age));
    page.one(&AUDIT_WAITING, service.audit_waiting);
    page.one(&AUDIT_LIMIT, service.audit_limit);
    page.one(&AUDIT_DROPPED, service.audit_dropped);
    page.one(&REPLAY_BYTES, service.replays.bytes);
    page.one(&REPLAY_LIMIT, service.replays.max_bytes);
    page.one(&REPLAY_REFUSED, service.replays.refused);
    write_certificates(page, service, server);
    page.begin(&CREDENTIALS_ENDING);
    for (kind, count) in &service.credentials_ending {
        page.sample(
            &CREDENTIALS_ENDING,
            format_args!("{{kind=\"{kind}\"}}"),
            count,
        );
    }
    write_notices(page, &service.notices);
    let last_backup = service.last_backup_at.map(Timestamp::unix_seconds);
    page.optional(&LAST_BACKUP, last_backup);
    page.begin(&CHECKPOINT);
    for (place, made_at) in &service.newest_checkpoints {
        let made_at = made_at.map_or(0, Timestamp::unix_seconds);
        page.sample(&CHECKPOINT, format_args!("{{place=\"{place}\"}}"), made_at);
    }
    write_warnings(page, &service.warnings);
}

/// Writes how many notices were made, and how the webhook took them.
fn write_notices(page: &mut Page, notices: &NoticeFigures) {
    page.begin(&NOTICES);
    for (kind, count) in &notices.made {
        page.sample(&NOTICES, format_args!("{{kind=\"{kind}\"}}"), count);
    }
    page.begin(&WEBHOOK_SENT);
    for (outcome, count) in [("delivered", notices.delivered), ("failed", notices.failed)] {
        let labels = format_args!("{{outcome=\"{outcome}\"}}");
        page.sample(&WEBHOOK_SENT, labels, count);
    }
    page.one(&WEBHOOK_WAITING, notices.waiting);
    page.one(&WEBHOOK_DEAD, notices.dead);
}

/// Writes when the CA, the leaf certificates and the certificate of HTTPS end.
fn write_certificates(page: &mut Page, service: &ServiceMetrics, server: &ServerMetrics) {
    page.begin(&CERTIFICATES);
    for (certificate, ends_at) in [
        ("tls", server.tls_expires_at),
        ("ca", service.ca_expires_at),
    ] {
        if let Some(ends_at) = ends_at {
            let labels = format_args!("{{certificate=\"{certificate}\",algorithm=\"\",key=\"\"}}");
            page.sample(&CERTIFICATES, labels, ends_at.unix_seconds());
        }
    }
    for (algorithm, key, ends_at) in &service.leaves_expire_at {
        let labels =
            format_args!("{{certificate=\"leaf\",algorithm=\"{algorithm}\",key=\"{key}\"}}");
        page.sample(&CERTIFICATES, labels, ends_at.unix_seconds());
    }
}

/// Writes each kind of warning, and whether the operator is warned so now.
fn write_warnings(page: &mut Page, warnings: &[WarningKind]) {
    page.begin(&ALARM);
    for kind in WarningKind::ALL {
        let labels = format_args!("{{kind=\"{}\"}}", kind.name());
        page.sample(&ALARM, labels, u8::from(warnings.contains(&kind)));
    }
}

fn write_process(page: &mut Page, process: &ProcessUsage) {
    page.begin(&BUILD);
    let (version, commit) = (version::VERSION, version::COMMIT.unwrap_or_default());
    page.sample(
        &BUILD,
        format_args!("{{version=\"{version}\",commit=\"{commit}\"}}"),
        1,
    );
    page.optional(&CPU, process.cpu.map(micros));
    page.optional(&RESIDENT, process.resident_bytes);
    page.optional(&VIRTUAL, process.virtual_bytes);
    page.optional(&OPEN_FILES, process.open_files);
    page.optional(&MAX_FILES, process.max_files);
    page.optional(
        &STARTED,
        process
            .started_at
            .map(|at| at.unix_millis() as f64 / 1000.0),
    );
}

fn micros(duration: Duration) -> String {
    seconds(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
}

fn millis(duration: Duration) -> String {
    seconds(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX) / 1000 * 1000)
}
