//! Traces, where the settings say that the service has them.

use crate::config::Settings;
use crate::domain::Result;
use crate::telemetry::{self, Exporter, Spans};
use crate::version;

/// Makes what gathers and sends traces.
///
/// # Errors
/// Those of [`telemetry::start`].
pub(super) fn start(settings: &Settings, is_service: bool) -> Result<Option<(Spans, Exporter)>> {
    let endpoint = settings.telemetry.traces_endpoint.clone();
    let Some(endpoint) = endpoint.filter(|_| is_service) else {
        return Ok(None);
    };
    let settings = telemetry::Settings {
        endpoint,
        ca_file: settings.outgoing.ca_file.clone(),
        per_thousand: settings.telemetry.traces_per_thousand,
        version: version::VERSION,
    };
    telemetry::start(&settings).map(Some)
}
