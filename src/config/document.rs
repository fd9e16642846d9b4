//! The settings as `docs/settings.md` has them: a table for each table of the file.

use std::fmt::Write as _;

use super::declare::{HoldsFrom, Setting};
use super::known;
use super::sources::variable;

const HEAD: &str = "| setting | takes | default | changes by | meaning |\n|---|---|---|---|---|\n";

/// Returns the part of `docs/settings.md` that the program makes.
pub fn document() -> String {
    let mut text = String::new();
    let mut last = None;
    for setting in known::declared() {
        let table = setting
            .path
            .rsplit_once('.')
            .map(|(table, _)| table.to_owned());
        if last.as_ref() != Some(&table) {
            text += &heading(table.as_deref(), setting.table);
            text += HEAD;
            last = Some(table);
        }
        text += &row(&setting);
    }
    text
}

/// Returns the heading of a table; those settings that are in none stand first, and have none.
fn heading(table: Option<&str>, about: &str) -> String {
    let Some(table) = table else {
        return String::new();
    };
    format!(
        "\n### `{table}`\n\n{} Variables begin with `{}__`.\n\n",
        about.trim(),
        variable(table)
    )
}

fn row(
    Setting {
        path,
        meaning,
        kind,
        bounds,
        shown,
        holds_from,
        ..
    }: &Setting,
) -> String {
    let takes = bounds.map_or_else(|| kind.in_brief(), |bounds| bounds.in_brief(*kind));
    let by = match holds_from {
        HoldsFrom::Reload => "reload",
        HoldsFrom::Restart => "restart",
    };
    let mut row = String::new();
    // A text never fails to take more.
    let _ = writeln!(
        row,
        "| `{path}` | {takes} | {shown} | {by} | {} |",
        meaning.trim()
    );
    row
}
