//! Text that strangers and users chose, made harmless for the terminals and logs that show it.
//!
//! An escape sequence clears a screen or writes another line over the one that tells of it, and a
//! bidirectional control shows a name as another one (Unicode Technical Report 36, 2.9).

use std::borrow::Cow;
use std::fmt::Write;

/// Tells whether a character does something to what shows it: a control character (C0, DEL, C1), a
/// bidirectional control, a line or paragraph separator, or the byte order mark.
pub fn is_unprintable(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{061c}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
                | '\u{feff}'
        )
}

/// Writes such characters as JSON does (`\n`, `\u001b`), so that a JSON document stays one and
/// means the same.
pub fn escape(text: &str) -> Cow<'_, str> {
    escape_where(text, is_unprintable)
}

/// As [`escape`], and leaves line feeds.
pub fn escape_lines(text: &str) -> Cow<'_, str> {
    escape_where(text, |character| {
        character != '\n' && is_unprintable(character)
    })
}

fn escape_where(text: &str, is_escaped: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            _ if !is_escaped(character) => escaped.push(character),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            // Each of them has four digits. Writing into text can't fail.
            _ => write!(escaped, "\\u{:04x}", u32::from(character)).unwrap_or_default(),
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every character that is escaped, by its number.
    fn unprintable() -> impl Iterator<Item = u32> {
        let controls = (0..0x20).chain(0x7f..0xa0);
        controls
            .chain([0x061c, 0x200e, 0x200f, 0x2028, 0x2029])
            .chain(0x202a..=0x202e)
            .chain(0x2066..=0x2069)
            .chain([0xfeff])
    }

    #[test]
    fn every_character_that_does_something_to_a_terminal_is_escaped_and_no_other() {
        let escaped: Vec<char> = ('\0'..=char::MAX)
            .filter(|character| is_unprintable(*character))
            .collect();
        assert_eq!(
            escaped,
            unprintable()
                .map(|number| char::from_u32(number).unwrap())
                .collect::<Vec<_>>()
        );
        for character in escaped {
            let shown = escape(&format!("a{character}é中")).into_owned();
            assert!(
                !shown.contains(is_unprintable)
                    && shown.starts_with("a\\")
                    && shown.ends_with("é中"),
                "{shown:?}"
            );
        }
    }

    #[test]
    fn escaped_json_means_the_same() {
        let text: String = unprintable()
            .filter_map(char::from_u32)
            .chain("\"\\ é".chars())
            .collect();
        let document = serde_json::json!({ "text": text }).to_string();
        let escaped = escape(&document);
        assert!(!escaped.contains(is_unprintable));
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&escaped).unwrap()["text"],
            text
        );
    }

    #[test]
    fn lines_stay_where_they_may() {
        assert_eq!(escape("a\r\n\tb\u{1b}[2J"), "a\\r\\n\\tb\\u001b[2J");
        assert_eq!(escape_lines("a\n\u{1b}b"), "a\n\\u001bb");
        assert!(matches!(escape("plain"), Cow::Borrowed("plain")));
    }
}
