//! The queue of spans that ended, and the counts of those that were sent and lost. No request waits
//! for it: a span that finds it full is lost.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;

use super::otlp::Span;

/// The most spans that wait to be sent. A span has ten attributes of 256 bytes at most: they take
/// six megabytes.
const MAX_WAITING: usize = 2048;

// Of the process, as its log is.
static SENT: AtomicU64 = AtomicU64::new(0);
static LOST: AtomicU64 = AtomicU64::new(0);

/// How many spans were sent and lost since the start.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Spans that the receiver took.
    pub sent: u64,
    /// Spans that found the queue full, or that the receiver didn't take.
    pub lost: u64,
}

/// Returns the counts of this process.
pub fn counts() -> Counts {
    Counts {
        sent: SENT.load(Ordering::Relaxed),
        lost: LOST.load(Ordering::Relaxed),
    }
}

/// Counts spans that the receiver took.
pub(super) fn count_sent(spans: u64) {
    SENT.fetch_add(spans, Ordering::Relaxed);
}

/// Counts spans that nobody took.
pub(super) fn count_lost(spans: u64) {
    LOST.fetch_add(spans, Ordering::Relaxed);
}

/// Makes a queue; returns its entrance and its end.
pub(super) fn queue() -> (Queue, mpsc::Receiver<Span>) {
    let (entrance, end) = mpsc::channel(MAX_WAITING);
    (Queue(entrance), end)
}

/// The entrance of the queue.
pub(super) struct Queue(mpsc::Sender<Span>);

impl Queue {
    /// Queues a span, or counts it as lost.
    pub(super) fn offer(&self, span: Span) {
        if self.0.try_send(span).is_err() {
            count_lost(1);
        }
    }
}
