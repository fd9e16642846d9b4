//! The pages for operators quote what the log says: by such a text a reader looks for the cause.
//!
//! A text is in backticks, and has three words or more. `…` stands for what differs, and so does a
//! number.

use std::fs;
use std::path::{Path, PathBuf};

use crate::harness::sources::sources;

/// Texts of other programs.
const OF_OTHERS: [&str; 4] = [
    // Distribution.
    "failed to verify token",
    // SQLite.
    "database is locked",
    "database or disk is full",
    // podman.
    "auth file contains an Identity token",
];

/// The farthest that the pieces of a text are from each other in the sources, in bytes.
const WINDOW: usize = 400;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Returns the pages for operators.
fn pages() -> Vec<PathBuf> {
    let folder = fs::read_dir(root().join("docs/operate")).unwrap();
    let pages = folder.map(|entry| entry.unwrap().path());
    let pages = pages.filter(|path| path.extension().is_some_and(|ending| ending == "md"));
    let others = ["docs/observability.md", "docs/registries.md"];
    pages.chain(others.map(|page| root().join(page))).collect()
}

/// Returns the texts of the log that a page quotes, and those of errors.
fn quoted(page: &str) -> impl Iterator<Item = &str> {
    let in_lines = page
        .lines()
        .flat_map(|line| line.split('`').skip(1).step_by(2));
    in_lines.filter(|text| is_prose(text) && !OF_OTHERS.contains(text))
}

/// Tells whether it is a sentence, or a part of one, and no command, setting or header.
fn is_prose(text: &str) -> bool {
    let word = |word: &str| {
        let word = word.trim_end_matches([',', ':', ';', '.']);
        word == "…"
            || word.parse::<u64>().is_ok()
            || (!word.is_empty()
                && word
                    .chars()
                    .all(|letter| letter.is_ascii_alphabetic() || "'_/".contains(letter)))
    };
    let words: Vec<&str> = text.split(' ').collect();
    let is_command = ["chmod", "fuser", "kill", "systemctl", "transire"].contains(&words[0]);
    let names = words
        .iter()
        .filter(|word| word.contains(['_', '/']))
        .count();
    words.len() >= 3 && !is_command && names < 2 && words.iter().all(|each| word(each))
}

/// Returns the fixed pieces of a text.
fn pieces(text: &str) -> Vec<String> {
    let marked: String = text
        .split(' ')
        .map(|word| match word.parse::<u64>() {
            Ok(_) => "…",
            Err(_) => word,
        })
        .collect::<Vec<_>>()
        .join(" ");
    let pieces = marked.split('…').map(str::trim);
    pieces
        .filter(|piece| !piece.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Returns a source in which no text goes over more than one line.
fn joined(source: &str) -> String {
    let mut lines = source.split("\\\n");
    let first = lines.next().unwrap_or_default().to_owned();
    lines.fold(first, |joined, line| joined + line.trim_start())
}

/// Tells whether a source has all pieces in their order, close to each other.
fn has(source: &str, pieces: &[String]) -> bool {
    source.match_indices(&pieces[0]).any(|(start, first)| {
        let mut from = start + first.len();
        pieces[1..].iter().all(|piece| {
            let end = source.floor_char_boundary(from + WINDOW);
            let found = source[from..end.max(from)].find(piece.as_str());
            from += found.map_or(0, |place| place + piece.len());
            found.is_some()
        })
    })
}

#[test]
fn every_text_of_the_log_that_a_page_quotes_is_in_the_sources() {
    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    let sources: Vec<String> = files
        .iter()
        .map(|file| joined(&fs::read_to_string(file).unwrap()))
        .collect();
    let mut checked = 0;
    let mut wrong = Vec::new();
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for quoted in quoted(&text) {
            checked += 1;
            let pieces = pieces(quoted);
            if !sources.iter().any(|source| has(source, &pieces)) {
                wrong.push(format!("{}: {quoted}", page.display()));
            }
        }
    }
    assert!(checked > 25, "{checked} texts were found");
    assert!(wrong.is_empty(), "nothing says so: {wrong:#?}");
}

#[test]
fn a_text_is_told_from_a_command() {
    for text in [
        "waiting for the database: 5 s of 60 s",
        "the key … does not belong to the certificate …",
        "public_url names …, which each client takes for its own machine",
    ] {
        assert!(is_prose(text), "{text}");
    }
    for text in [
        "chmod o-w",
        "docker login",
        "defaultMode: 0440",
        "option forwardfor x-y",
    ] {
        assert!(!is_prose(text), "{text}");
    }
    assert_eq!(
        pieces("waiting for the database: 5 s of 60 s"),
        ["waiting for the database:", "s of", "s"]
    );
}
