//! The spans that are open.

use std::fmt::Debug;
use std::time::Instant;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::context::{Parent, read_traceparent};
use super::otlp::{Kind, Span, Value};
use super::queue::Queue;
use crate::domain::clock::{Clock, SystemClock, SystemRandom, random_bytes};

/// The most bytes of an attribute's text.
const MAX_TEXT_BYTES: usize = 256;
/// Nanoseconds of a millisecond.
const NANOS: u64 = 1_000_000;

// Fields of spans that are no attributes.
/// The span's name, where it is known after its beginning.
const NAME: &str = "span.name";
/// The side of a request: `server` or `client`.
const KIND: &str = "span.kind";
/// A `traceparent` of a sender that is trusted.
const PARENT: &str = "span.parent";
/// A `traceparent` of anybody else.
const LINK: &str = "span.link";
/// Whether the span failed.
const FAILED: &str = "span.failed";

/// Tells whether a span is this program's: libraries have spans of their own.
pub fn is_traced(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && metadata.target().starts_with("transire")
}

/// Keeps the spans that are open, and queues those that ended.
pub struct Spans {
    queue: Queue,
    per_thousand: u64,
}

impl Spans {
    pub(super) fn new(queue: Queue, per_thousand: u64) -> Self {
        Self {
            queue,
            per_thousand,
        }
    }

    /// Decides by the trace's id, so that whoever else decides so decides alike.
    fn samples(&self, trace: u128) -> bool {
        (trace as u64) % 1000 < self.per_thousand
    }

    /// Opens a trace for a request, or goes on with that of its sender.
    fn open_trace(&self, seen: Seen, metadata: &Metadata<'_>) -> Option<Open> {
        let trace = match seen.parent {
            Some(parent) => parent.trace,
            None => u128::from_be_bytes(random_bytes(&SystemRandom)),
        };
        let is_sampled = match seen.parent {
            Some(parent) => parent.is_sampled,
            None => self.samples(trace),
        };
        if !is_sampled {
            return None;
        }
        let anchor = Anchor {
            millis: SystemClock.now().unix_millis(),
            at: Instant::now(),
        };
        let parent = seen.parent.map(|parent| parent.span);
        Some(seen.open(trace, parent, anchor, metadata))
    }
}

/// A moment by both clocks: all times of a trace are counted from it.
#[derive(Clone, Copy)]
struct Anchor {
    millis: i64,
    at: Instant,
}

impl Anchor {
    /// Returns a moment in unix nanoseconds.
    fn nanos(self, now: Instant) -> u64 {
        let begin = u64::try_from(self.millis).unwrap_or_default() * NANOS;
        let passed = now.saturating_duration_since(self.at).as_nanos();
        begin.saturating_add(u64::try_from(passed).unwrap_or(u64::MAX))
    }
}

/// A span of a trace that is sampled.
struct Open {
    span: Span,
    anchor: Anchor,
}

/// The fields that a span was given.
#[derive(Default)]
struct Seen {
    name: Option<String>,
    kind: Kind,
    parent: Option<Parent>,
    link: Option<Parent>,
    has_failed: bool,
    attributes: Vec<(&'static str, Value)>,
}

impl Seen {
    fn of(attributes: &Attributes<'_>) -> Self {
        let mut seen = Self::default();
        attributes.record(&mut seen);
        seen
    }

    fn open(
        self,
        trace: u128,
        parent: Option<u64>,
        anchor: Anchor,
        metadata: &Metadata<'_>,
    ) -> Open {
        let span = Span {
            trace,
            id: u64::from_be_bytes(random_bytes(&SystemRandom)),
            parent,
            name: self.name.unwrap_or_else(|| metadata.name().to_owned()),
            kind: self.kind,
            began_at: anchor.nanos(Instant::now()),
            ended_at: 0,
            attributes: self.attributes,
            link: self.link,
            has_failed: self.has_failed,
        };
        Open { span, anchor }
    }

    fn add(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            (NAME, Value::Text(name)) => self.name = Some(name),
            (KIND, Value::Text(kind)) => {
                self.kind = if kind == "server" {
                    Kind::Server
                } else {
                    Kind::Client
                };
            }
            (PARENT, Value::Text(text)) => self.parent = read_traceparent(&text),
            (LINK, Value::Text(text)) => self.link = read_traceparent(&text),
            (FAILED, Value::Switch(has_failed)) => self.has_failed = has_failed,
            (name, value) => self.attributes.push((name, value)),
        }
    }
}

impl Visit for Seen {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, Value::Number(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add(
            field,
            Value::Number(i64::try_from(value).unwrap_or(i64::MAX)),
        );
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, Value::Switch(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let end = value.floor_char_boundary(MAX_TEXT_BYTES);
        self.add(field, Value::Text(value[..end].to_owned()));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

impl<S: Subscriber + for<'l> LookupSpan<'l>> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let seen = Seen::of(attributes);
        let metadata = attributes.metadata();
        let open = match span.parent() {
            Some(above) => {
                let extensions = above.extensions();
                extensions.get::<Open>().map(|above| {
                    let (trace, parent) = (above.span.trace, Some(above.span.id));
                    seen.open(trace, parent, above.anchor, metadata)
                })
            }
            None if seen.kind == Kind::Server => self.open_trace(seen, metadata),
            None => None,
        };
        if let Some(open) = open {
            span.extensions_mut().insert(open);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut extensions = span.extensions_mut();
        let Some(Open { span, .. }) = extensions.get_mut::<Open>() else {
            return;
        };
        let mut seen = Seen::default();
        values.record(&mut seen);
        span.name = seen.name.unwrap_or_else(|| std::mem::take(&mut span.name));
        span.has_failed |= seen.has_failed;
        span.attributes.append(&mut seen.attributes);
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else {
            return;
        };
        let open = span.extensions_mut().remove::<Open>();
        if let Some(Open { mut span, anchor }) = open {
            span.ended_at = anchor.nanos(Instant::now());
            self.queue.offer(span);
        }
    }
}
