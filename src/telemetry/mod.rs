//! Traces for OpenTelemetry: spans of requests are gathered and sent to a receiver of OTLP by HTTP
//! (opentelemetry.io/docs/specs/otlp).
//!
//! The code says where a span begins with `tracing`'s own spans, of the level `TRACE`. Without the
//! setting nobody listens to them, and such a span costs an atomic load. Otherwise [`layer`] keeps
//! the spans that are open, [`queue`] has those that ended, [`export`] sends them, [`otlp`] writes
//! them, and [`context`] reads the traces of others.
//!
//! A request opens a trace, and nothing else does: so the background's work is not traced, and
//! neither is the sending of traces.

mod context;
mod export;
mod layer;
mod otlp;
mod queue;

use std::path::PathBuf;

pub use self::export::Exporter;
pub use self::layer::{Spans, is_traced};
pub use self::queue::{Counts, counts};
use crate::domain::Result;

/// Where traces go, and how many there are.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The receiver's URL, such as `http://127.0.0.1:4318/v1/traces`.
    pub endpoint: String,
    /// Certificates of authorities that are trusted besides the system's, PEM.
    pub ca_file: Option<PathBuf>,
    /// How many of a thousand requests are traced.
    pub per_thousand: u64,
    /// The program's version.
    pub version: &'static str,
}

/// Makes the layer that gathers spans and the task that sends them.
///
/// # Errors
///
/// `Misconfigured` when the endpoint is no URL of HTTP.
pub fn start(settings: &Settings) -> Result<(Spans, Exporter)> {
    let (queue, spans) = queue::queue();
    let exporter = Exporter::new(settings, spans)?;
    Ok((Spans::new(queue, settings.per_thousand), exporter))
}
