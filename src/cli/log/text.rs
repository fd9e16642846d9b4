//! The form of a line of the log.

use tracing_subscriber::field::MakeExt;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::debug_fn;

use crate::domain::printable::escape;

const ITALIC: &str = "\u{1b}[3m";
const DIM: &str = "\u{1b}[2m";
const PLAIN: &str = "\u{1b}[0m";

/// Writes fields as `name=value`, and escapes all that could act on a terminal or look like another
/// line.
pub(super) fn escaped_fields() -> impl for<'w> FormatFields<'w> + Send + Sync + 'static {
    debug_fn(|writer, field, value| {
        let text = format!("{value:?}");
        let (name, text) = (field.name(), escape(&text));
        if name == "message" {
            write!(writer, "{text}")
        } else if writer.has_ansi_escapes() {
            write!(writer, "{ITALIC}{name}{PLAIN}{DIM}={PLAIN}{text}")
        } else {
            write!(writer, "{name}={text}")
        }
    })
    .delimited(" ")
}
