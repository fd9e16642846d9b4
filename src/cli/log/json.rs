//! The log as JSON: an object a line, with `time`, `level`, `target` and `message`, then the fields
//! of the event itself.

use std::any::Any;
use std::fmt::{self, Debug, Write as _};
use std::panic::PanicHookInfo;

use serde::Serialize;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::domain::printable::escape;

/// The members that every line has. A library's field of such a name gets an underscore behind it,
/// since a name that comes twice is read as either.
const OWN: [&str; 3] = ["time", "level", "target"];

/// Writes an event as a line.
pub(super) struct Lines;

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        writeln!(writer, "{}", line(&time, event))
    }
}

/// Returns the object of an event.
fn line(time: &str, event: &Event<'_>) -> String {
    let metadata = event.metadata();
    let mut members = Members(String::with_capacity(256));
    members.add("time", &time);
    members.add("level", &metadata.level().as_str());
    members.add("target", &metadata.target());
    event.record(&mut members);
    // JSON escapes C0 alone. The others do something to a terminal that shows the line, too.
    format!("{{{}}}", escape(&members.0))
}

/// The members of an object, as text.
struct Members(String);

impl Members {
    fn add(&mut self, name: &str, value: &impl Serialize) {
        let divider = if self.0.is_empty() { "" } else { "," };
        // Numbers, switches and texts always have a form in JSON, and a text takes more.
        let value = serde_json::to_string(value).unwrap_or_default();
        write!(self.0, "{divider}\"{name}\":{value}").unwrap_or_default();
    }

    fn add_field(&mut self, field: &Field, value: &impl Serialize) {
        let name = field.name();
        if OWN.contains(&name) {
            self.add(&format!("{name}_"), value);
        } else {
            self.add(name, value);
        }
    }
}

impl Visit for Members {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add_field(field, &value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add_field(field, &value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.add_field(field, &value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add_field(field, &value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.add_field(field, &value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.add_field(field, &format!("{value:?}"));
    }
}

/// Logs a panic, whose own text has several lines.
pub(super) fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(tracing::field::display);
    tracing::error!(place, "panicked: {}", payload(panic.payload()));
}

fn payload(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or("without a message")
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};

    use super::*;

    /// Returns the lines that are logged meanwhile.
    fn logged(log: impl FnOnce()) -> String {
        #[derive(Clone, Default)]
        struct Lined(Arc<Mutex<Vec<u8>>>);
        impl std::io::Write for Lined {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                self.0.lock().unwrap().write(bytes)
            }

            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let lined = Lined::default();
        let writer = lined.clone();
        let subscriber = tracing_subscriber::fmt()
            .event_format(Lines)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, log);
        let bytes = lined.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    fn without_time(line: &str) -> Value {
        let mut line: Value = serde_json::from_str(line).unwrap();
        let time = line.as_object_mut().unwrap().remove("time").unwrap();
        let time = time.as_str().unwrap();
        assert!(time.starts_with("20") && time.ends_with('Z'), "{time}");
        line
    }

    #[test]
    fn a_line_is_an_object_with_the_fields_in_their_own_types() {
        let absent: Option<&str> = None;
        let lines = logged(|| {
            tracing::info!(
                target: "transire::x",
                request_id = "id-1",
                requests = 3,
                tls = true,
                address = %"192.0.2.1",
                absent,
                "refused: {}",
                "why"
            );
        });
        assert_eq!(lines.lines().count(), 1);
        assert_eq!(
            without_time(&lines),
            json!({
                "level": "INFO", "target": "transire::x", "message": "refused: why",
                "request_id": "id-1", "requests": 3, "tls": true, "address": "192.0.2.1",
            })
        );
    }

    #[test]
    fn text_of_strangers_makes_no_other_line_and_nothing_that_a_terminal_obeys() {
        let name = "a\"\n{}\u{1b}[2J\u{9b}2J\u{202e}\\";
        let lines = logged(|| tracing::info!(claimed = name, "refused"));
        assert_eq!(lines.lines().count(), 1);
        assert_eq!(without_time(&lines)["claimed"], json!(name));
        assert_eq!(escape(lines.trim_end()), lines.trim_end());
    }

    #[test]
    fn a_field_that_is_named_like_a_member_of_every_line_stands_beside_it() {
        let lines = logged(|| tracing::warn!(level = 9, target = "theirs", "m"));
        let line = without_time(&lines);
        assert_eq!(
            (&line["level"], &line["level_"]),
            (&json!("WARN"), &json!(9))
        );
        assert_eq!(line["target_"], json!("theirs"));
    }
}
