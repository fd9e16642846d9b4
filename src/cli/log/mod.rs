//! The log: which lines are written to standard error, and in which form.

mod json;
mod text;

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat, refuses_colours};

/// Begins the log; `default_level` holds where neither the setting nor `RUST_LOG` says otherwise.
pub(super) fn start(log: &Log, default_level: &str) {
    let filter = match &log.level {
        // It was checked when the settings were read.
        Some(level) => EnvFilter::new(level),
        None => EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default_level)),
    };
    let log_to_stderr = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(stderr);
    // An error means that a subscriber is set, as in tests.
    match log.format {
        LogFormat::Text => log_to_stderr
            .fmt_fields(text::escaped_fields())
            .with_ansi(stderr().is_terminal() && !refuses_colours())
            .try_init()
            .ok(),
        LogFormat::Json => {
            std::panic::set_hook(Box::new(json::log_panic));
            log_to_stderr.event_format(json::Lines).try_init().ok()
        }
    };
}
