//! The log: which lines are written to standard error, and in which form.

mod json;
mod text;

use std::io::{IsTerminal, stderr};

use tracing_subscriber::filter::{EnvFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt, registry};

use crate::config::{Log, LogFormat, refuses_colours};
use crate::telemetry::{Spans, is_traced};

/// Begins the log, and the traces where there are any; `default_level` holds where neither the
/// setting nor `RUST_LOG` says otherwise.
pub(super) fn start(log: &Log, default_level: &str, traces: Option<Spans>) {
    let filter = match &log.level {
        // It was checked when the settings were read.
        Some(level) => EnvFilter::new(level),
        None => EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default_level)),
    };
    let lines = lines(log.format);
    // An error means that a subscriber is set, as in tests.
    match traces {
        None => registry().with(lines).with(filter).try_init().ok(),
        Some(spans) => registry()
            .with(lines.with_filter(filter))
            .with(spans.with_filter(filter_fn(is_traced)))
            .try_init()
            .ok(),
    };
}

/// Returns the writer of lines.
fn lines(format: LogFormat) -> Box<dyn Layer<Registry> + Send + Sync> {
    match format {
        LogFormat::Text => fmt::layer()
            .with_writer(stderr)
            .fmt_fields(text::escaped_fields())
            .with_ansi(stderr().is_terminal() && !refuses_colours())
            .boxed(),
        LogFormat::Json => {
            std::panic::set_hook(Box::new(json::log_panic));
            fmt::layer()
                .with_writer(stderr)
                .event_format(json::Lines)
                .boxed()
        }
    }
}
