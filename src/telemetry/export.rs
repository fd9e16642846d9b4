//! The task that sends spans that ended.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use tokio::sync::{mpsc, oneshot};
use url::Url;

use super::Settings;
use super::otlp::{Span, request};
use super::queue::{count_lost, count_sent};
use crate::domain::{Error, Result};
use crate::remote;

/// The most spans of one message.
const MAX_BATCH: usize = 512;
/// How long a span waits for others.
const DELAY: Duration = Duration::from_secs(1);
/// How long the receiver may take to answer, also at the end of the service.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The most bytes of an answer.
const MAX_ANSWER_BYTES: usize = 64 << 10;
/// How often a receiver that doesn't take spans is logged.
const LOGGED_EVERY: Duration = Duration::from_secs(60);

/// Sends the spans of the queue.
pub struct Exporter {
    spans: mpsc::Receiver<Span>,
    client: remote::Client,
    url: Url,
    version: &'static str,
    logged_at: Option<Instant>,
}

impl Exporter {
    /// Makes the task that sends spans, as the settings say where.
    ///
    /// # Errors
    ///
    /// `Misconfigured` when the endpoint is no URL of HTTP.
    pub(super) fn new(settings: &Settings, spans: mpsc::Receiver<Span>) -> Result<Self> {
        let client = remote::Client::new(remote::Settings {
            // The operator alone says where traces go.
            allow_http: true,
            allow_private_addresses: true,
            ca_file: settings.ca_file.clone(),
            timeout: TIMEOUT,
            ..remote::Settings::default()
        });
        let url = client.read_url(&settings.endpoint).map_err(|failure| {
            Error::misconfigured(format!("telemetry.traces_endpoint: {failure}"))
        })?;
        Ok(Self {
            spans,
            client,
            url,
            version: settings.version,
            logged_at: None,
        })
    }

    /// Sends spans until `stop` comes, and then those that wait, once.
    pub async fn run(mut self, mut stop: oneshot::Receiver<()>) {
        let mut batch = Vec::with_capacity(MAX_BATCH);
        loop {
            tokio::select! {
                _ = &mut stop => break,
                () = self.gather(&mut batch) => self.send(&mut batch).await,
            }
        }
        self.spans.close();
        while let Ok(span) = self.spans.try_recv() {
            batch.push(span);
        }
        self.send(&mut batch).await;
    }

    /// Waits for a span, and then for others that end within the delay. The batch keeps those
    /// that were gathered when this is dropped.
    async fn gather(&mut self, batch: &mut Vec<Span>) {
        if batch.is_empty() && self.spans.recv_many(batch, 1).await == 0 {
            // Nobody traces any more.
            std::future::pending::<()>().await;
        }
        let until = tokio::time::Instant::now() + DELAY;
        while batch.len() < MAX_BATCH {
            let free = MAX_BATCH - batch.len();
            let more = self.spans.recv_many(batch, free);
            if !matches!(tokio::time::timeout_at(until, more).await, Ok(1..)) {
                break;
            }
        }
    }

    /// Sends the batch, and empties it. Spans that the receiver doesn't take are lost:
    /// none waits, so that its failure costs no memory.
    async fn send(&mut self, batch: &mut Vec<Span>) {
        if batch.is_empty() {
            return;
        }
        let count = batch.len() as u64;
        let body = Bytes::from(request(self.version, batch));
        batch.clear();
        let mut headers = HeaderMap::new();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/x-protobuf"),
        );
        let answer = self
            .client
            .post(&self.url, headers, body, MAX_ANSWER_BYTES)
            .await;
        match answer {
            Ok(answer) if answer.status().is_success() => {
                count_sent(count);
            }
            Ok(answer) => self.lose(count, &format!("it answers {}", answer.status())),
            Err(failure) => self.lose(count, &failure.to_string()),
        }
    }

    fn lose(&mut self, count: u64, cause: &str) {
        count_lost(count);
        let is_logged = |at: Instant| at.elapsed() < LOGGED_EVERY;
        if !self.logged_at.is_some_and(is_logged) {
            self.logged_at = Some(Instant::now());
            let endpoint = self.url.as_str();
            tracing::warn!(endpoint, cause, "the receiver of traces doesn't take them");
        }
    }
}
