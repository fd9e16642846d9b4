//! The audit as tests read it.

use std::time::Duration;

use transire::domain::clock::Timestamp;
use transire::service::{AuditFilter, AuditRow, Service};

use crate::harness::App;
use crate::harness::operator::operator_call;

/// Returns all lines of the audit that a filter lets through.
pub(crate) async fn listed(service: &Service, filter: &AuditFilter) -> Vec<AuditRow> {
    let (mut lines, mut after) = (Vec::new(), None);
    loop {
        let batch = service
            .operations
            .audit_lines(&operator_call(service), filter, after.as_ref())
            .await
            .unwrap();
        lines.extend(batch.rows);
        match batch.next {
            Some(next) => after = Some(next),
            None => return lines,
        }
    }
}

/// Returns every line once `expected` of them are stored: the queue's writer is asynchronous.
pub(crate) async fn lines(app: &App, expected: usize) -> Vec<AuditRow> {
    let everything = AuditFilter::between(
        Timestamp::from_unix_millis(0),
        Timestamp::from_unix_millis(i64::MAX),
    );
    let mut lines = Vec::new();
    for _ in 0..1000 {
        lines = listed(&app.service, &everything).await;
        if lines.len() >= expected {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    lines
}

/// Returns what `find` finds among all lines, once the queue's writer has written it.
pub(crate) async fn found<T>(app: &App, find: impl Fn(Vec<AuditRow>) -> Option<T>) -> T {
    for _ in 0..1000 {
        if let Some(found) = find(lines(app, 0).await) {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it isn't in the audit");
}

impl App {
    /// Lists what the audit has of master keys.
    pub(crate) async fn audited(&self) -> Vec<String> {
        let (since, until) = (
            self.now().minus(Duration::from_hours(1)),
            self.now().plus(Duration::from_hours(1)),
        );
        let lines = listed(&self.service, &AuditFilter::between(since, until)).await;
        lines
            .into_iter()
            .map(|line| line.action)
            .filter(|action| action.starts_with("master-key."))
            .collect()
    }

    /// Returns the audit's line about the opening of a session, once the queue's writer has written
    /// it.
    pub(crate) async fn line_about(&self, text: &str) -> AuditRow {
        for expected in 0..1000 {
            let found = lines(self, expected)
                .await
                .into_iter()
                .find(|line| line.action.starts_with("session.") && line.detail.contains(text));
            if let Some(line) = found {
                return line;
            }
        }
        panic!("nothing about {text} is in the audit");
    }
}
