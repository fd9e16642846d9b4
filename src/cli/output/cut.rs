//! Lines that are cut to the width of a terminal.

use std::borrow::Cow;
use std::io::{IsTerminal, stdout};

use unicode_width::UnicodeWidthChar;

/// The mark at the end of a text that was cut.
const MARK: char = '…';

/// Returns how many columns the terminal at standard output has; none where that is no terminal,
/// or one that doesn't tell.
pub(super) fn width_of_stdout() -> Option<usize> {
    let stdout = stdout();
    if !stdout.is_terminal() {
        return None;
    }
    let size = rustix::termios::tcgetwinsize(&stdout).ok()?;
    Some(usize::from(size.ws_col)).filter(|width| *width > 0)
}

/// Cuts a text that takes more than so many columns, and marks its end.
pub(super) fn cut(text: &str, width: usize) -> Cow<'_, str> {
    let columns = |character: char| character.width().unwrap_or(0);
    if text.chars().map(columns).sum::<usize>() <= width {
        return Cow::Borrowed(text);
    }
    let mut left = width.saturating_sub(1);
    let fits = |character: &char| match left.checked_sub(columns(*character)) {
        Some(rest) => {
            left = rest;
            true
        }
        None => false,
    };
    let mut kept: String = text.chars().take_while(fits).collect();
    kept.push(MARK);
    Cow::Owned(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_to_the_columns_that_it_takes_and_marked() {
        for (text, width, expected) in [
            ("", 0, ""),
            ("abc", 3, "abc"),
            ("abcd", 3, "ab…"),
            ("abcd", 1, "…"),
            // Each of these takes two columns.
            ("漢字", 4, "漢字"),
            ("漢字字", 4, "漢…"),
            // A combining mark takes none.
            ("e\u{301}e", 2, "e\u{301}e"),
        ] {
            assert_eq!(cut(text, width), expected, "{text} {width}");
        }
    }
}
