//! The sources as the tests of them read them.

use std::fs;
use std::path::{Path, PathBuf};

/// Collects the Rust files below a folder, in order.
pub(crate) fn sources(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
}

/// Blanks comments, texts and test modules out, and leaves every line where it was.
pub(crate) fn blank_out(text: &str) -> String {
    without_tests(code_of(text))
}

/// Blanks comments and texts out, and leaves every line where it was.
pub(crate) fn code_of(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(raw) = rest.strip_prefix("r#\"") {
            raw.find("\"#").map_or(rest.len(), |end| end + 5)
        } else if rest.starts_with("'\"'") {
            3
        } else if letter == '"' {
            end_of_text(rest)
        } else {
            code.push(letter);
            rest = &rest[letter.len_utf8()..];
            continue;
        };
        code.extend(
            rest[..skipped]
                .chars()
                .map(|letter| if letter == '\n' { '\n' } else { ' ' }),
        );
        rest = &rest[skipped..];
    }
    code
}

/// Blanks every `#[cfg(test)]` module out, to the brace that closes it.
fn without_tests(mut code: String) -> String {
    const MARK: &str = "#[cfg(test)]\nmod ";
    let mut from = 0;
    while let Some(found) = code[from..].find(MARK) {
        let start = from + found;
        let head = &code[start + MARK.len()..];
        let Some(open) = head
            .find(['{', ';'])
            .filter(|open| head[*open..].starts_with('{'))
        else {
            from = start + MARK.len();
            continue;
        };
        let mut depth = 0_usize;
        let length = head[open..].find(|letter: char| {
            depth = depth + usize::from(letter == '{') - usize::from(letter == '}');
            depth == 0
        });
        let end = length.map_or(code.len(), |length| start + MARK.len() + open + length + 1);
        let blank: String = code[start..end]
            .chars()
            .map(|letter| if letter == '\n' { '\n' } else { ' ' })
            .collect();
        code.replace_range(start..end, &blank);
        from = start + blank.len();
    }
    code
}

fn end_of_text(text: &str) -> usize {
    let mut escaped = false;
    for (place, letter) in text.char_indices().skip(1) {
        match letter {
            '"' if !escaped => return place + 1,
            _ => escaped = letter == '\\' && !escaped,
        }
    }
    text.len()
}
