//! A settings file to begin with: every setting, its meaning and its default, commented out.

use std::fmt::Write as _;

use super::known;

/// The columns of a comment.
const WIDTH: usize = 98;

/// Returns a settings file that sets nothing. A line that begins with `#` and no space behind it
/// is a setting with its default, or without a value where it has none.
pub fn example() -> String {
    let mut text = comment("The settings, each with its default: docs/settings.md says more.");
    let mut last = None;
    for setting in known::declared() {
        let (table, name) = match setting.path.rsplit_once('.') {
            Some((table, name)) => (Some(table.to_owned()), name),
            None => (None, &*setting.path),
        };
        if last.as_ref() != Some(&table) {
            if let Some(table) = &table {
                text += &format!("\n[{table}]\n");
            }
            last = Some(table);
        }
        text += "\n";
        text += &comment(&without_links(setting.meaning.trim()));
        // A text never fails to take more.
        let _ = match setting.written {
            Some(value) => writeln!(text, "#{name} = {value}"),
            None => writeln!(text, "#{name} ="),
        };
    }
    text
}

/// Writes a comment in lines.
pub(super) fn comment(text: &str) -> String {
    let mut lines = vec!["#".to_owned()];
    for word in text.split_whitespace() {
        let line = lines
            .last_mut()
            .filter(|line| line.len() + word.len() < WIDTH);
        match line {
            Some(line) => *line += &format!(" {word}"),
            None => lines.push(format!("# {word}")),
        }
    }
    lines.join("\n") + "\n"
}

/// Leaves the targets of links out.
pub(super) fn without_links(text: &str) -> String {
    let mut pieces = text.split("](");
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        if let Some(begin) = plain.rfind('[') {
            plain.remove(begin);
        }
        plain += piece.split_once(')').map_or(piece, |(_, rest)| rest);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

    #[test]
    fn links_are_left_out() {
        let text = "[its URL](#the-databases-url), and [more](x.md).";
        assert_eq!(without_links(text), "its URL, and more.");
    }

    #[test]
    fn the_example_is_taken_as_it_is_and_sets_nothing() {
        // The heading of settings that are set together was refused while they were commented out.
        let settings = Settings::parse(&example(), []).unwrap();
        assert_eq!(
            format!("{settings:?}"),
            format!("{:?}", Settings::default())
        );
    }

    #[test]
    fn each_line_of_the_example_is_a_setting_with_its_default() {
        let uncommented: String = example()
            .lines()
            .filter(|line| !line.starts_with("# ") && !line.ends_with('='))
            .map(|line| format!("{}\n", line.trim_start_matches('#')))
            .collect();
        let settings: Settings = toml::from_str(&uncommented).unwrap();
        assert_eq!(
            format!("{settings:?}"),
            format!("{:?}", Settings::default())
        );
        assert!(uncommented.contains("max_staleness_seconds = \"5m\""));
    }
}
