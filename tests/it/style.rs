//! The house's style, held over all Rust sources: lines, comments, names, modules and sizes.
//!
//! Each rule is a function of a path and a text, or of all paths, and has cases that it must find.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::harness::sources::{code_of, sources};

/// The longest line, in characters.
const MAX_LINE: usize = 100;
/// A line without a space after this column is one word, which can't be broken.
const ONE_WORD: usize = 60;
/// The longest function of the program, in lines.
const MAX_FUNCTION: usize = 60;
/// The longest file of the program, in lines before its tests.
const MAX_FILE: usize = 450;

/// Functions that are one flat table, with the reason why each is read as a whole.
const TABLES: &[(&str, &str, &str)] = &[
    ("src/http/alibaba/error.rs", "answer", "a row an error kind"),
    ("src/http/aws/error.rs", "codes_of", "a row an error kind"),
    (
        "src/http/registry/error.rs",
        "answer",
        "a row an error kind",
    ),
    ("src/http/tencent/error.rs", "answer", "a row an error kind"),
];

/// A broken rule: the line, and what is wrong there.
type Complaint = (usize, String);

/// Finds lines that are too long and can be broken.
fn long_lines(_: &Path, text: &str) -> Vec<Complaint> {
    let lines = text.lines().enumerate().filter(|(_, line)| {
        line.chars().count() > MAX_LINE && line.chars().skip(ONE_WORD).any(|at| at == ' ')
    });
    lines
        .map(|(at, _)| (at + 1, format!("over {MAX_LINE} columns")))
        .collect()
}

/// Finds sentences of comments that don't begin with their subject.
fn headless_sentences(_: &Path, text: &str) -> Vec<Complaint> {
    let mut found = Vec::new();
    let mut ended = true;
    for (at, line) in text.lines().enumerate() {
        let line = line.trim_start();
        let Some(comment) = line.strip_prefix("//") else {
            ended = true;
            continue;
        };
        let comment = comment.trim_start_matches(['/', '!']).trim();
        let sentences = comment.split_inclusive(". ").enumerate();
        for (place, sentence) in sentences {
            let first = sentence.trim_start_matches("- ");
            let begins = [
                "What ",
                "Who ",
                "Whoever ",
                "That which ",
                "What's ",
                "Who's ",
            ];
            if (ended || place > 0) && begins.iter().any(|word| first.starts_with(word)) {
                found.push((
                    at + 1,
                    format!("begin with the subject: {}", sentence.trim()),
                ));
            }
        }
        ended = comment.is_empty() || comment.ends_with(['.', ':', '!', '?']);
    }
    found
}

/// Finds paths that climb twice.
fn double_climbs(_: &Path, text: &str) -> Vec<Complaint> {
    let code = code_of(text);
    let lines = code.lines().enumerate();
    lines
        .filter(|(_, line)| line.contains("super::super::"))
        .map(|(at, _)| (at + 1, "name it by `crate::`".to_owned()))
        .collect()
}

/// Finds constants whose limit isn't called `MAX_…`.
fn limits_by_other_names(_: &Path, text: &str) -> Vec<Complaint> {
    let code = code_of(text);
    let mut found = Vec::new();
    for (at, line) in code.lines().enumerate() {
        let Some((_, declared)) = line.split_once("const ") else {
            continue;
        };
        let name = declared.split(':').next().unwrap_or_default();
        if name.starts_with("MOST_") || name.ends_with("_MOST") || name.ends_with("_LONGEST") {
            found.push((at + 1, format!("`{name}` is called `MAX_…`")));
        }
    }
    found
}

/// Tells whether a file holds tests alone, which have no limits of size.
fn is_of_tests(file: &Path) -> bool {
    let parts = file.iter().map(|part| part.to_string_lossy());
    let mut stems = parts.map(|part| part.trim_end_matches(".rs").to_owned());
    stems.any(|stem| stem == "tests" || stem == "testing")
}

/// Returns the lines of a file before its test module.
fn before_tests(text: &str) -> impl Iterator<Item = &str> {
    text.lines().take_while(|line| *line != "#[cfg(test)]")
}

/// Finds functions that are too long, and a file that is.
fn large_parts(file: &Path, text: &str) -> Vec<Complaint> {
    if is_of_tests(file) {
        return Vec::new();
    }
    let lines: Vec<&str> = before_tests(text).collect();
    let mut found = Vec::new();
    if lines.len() > MAX_FILE {
        found.push((1, format!("{} lines before its tests", lines.len())));
    }
    for (at, line) in lines.iter().enumerate() {
        let Some(name) = function(line) else {
            continue;
        };
        let indent = &line[..line.len() - line.trim_start().len()];
        let end = format!("{indent}}}");
        let length = lines[at..].iter().position(|line| *line == end);
        let length = length.map_or(1, |last| last + 1);
        let is_table = TABLES
            .iter()
            .any(|(path, table, _)| file == Path::new(path) && *table == name);
        if length > MAX_FUNCTION && !is_table {
            found.push((at + 1, format!("`{name}` has {length} lines")));
        }
    }
    found
}

/// Returns the name of the function that a line begins.
fn function(line: &str) -> Option<&str> {
    let mut words = line.trim_start();
    if let Some(rest) = words.strip_prefix("pub") {
        // After `pub`, `pub(crate)` or `pub(in crate::service)`.
        words = match rest.strip_prefix('(') {
            Some(rest) => rest.split_once(')')?.1.trim_start(),
            None => rest.trim_start(),
        };
    }
    for word in ["const ", "async ", "unsafe "] {
        words = words.strip_prefix(word).unwrap_or(words);
    }
    let name = words.strip_prefix("fn ")?;
    name.split(['(', '<']).next()
}

/// Finds modules that don't stand in the `mod.rs` of their folder.
fn modules_beside_folders(files: &[PathBuf]) -> Vec<String> {
    let folders: BTreeSet<&Path> = files.iter().filter_map(|file| file.parent()).collect();
    let mut found = Vec::new();
    for file in files {
        if folders.contains(file.with_extension("").as_path()) {
            found.push(format!(
                "{}: move it to mod.rs of its folder",
                file.display()
            ));
        }
    }
    for folder in folders {
        // The root of the crate has lib.rs.
        let is_root = folder == Path::new("src");
        let is_of_src = folder.starts_with("src");
        if is_of_src && !is_root && !files.contains(&folder.join("mod.rs")) {
            found.push(format!("{}: it has no mod.rs", folder.display()));
        }
    }
    found
}

/// Returns the sources below some folders, each with its path from the root.
fn below(folders: &[&str]) -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in folders {
        sources(&root.join(folder), &mut files);
    }
    assert!(files.len() > 10, "the sources weren't found");
    let read = |file: PathBuf| {
        let text = fs::read_to_string(&file).unwrap();
        (file.strip_prefix(root).unwrap().to_owned(), text)
    };
    files.into_iter().map(read).collect()
}

/// Checks that no source below the folders breaks a rule, but for those that don't keep it yet.
#[track_caller]
fn holds(rule: fn(&Path, &str) -> Vec<Complaint>, folders: &[&str]) {
    let mut complaints = Vec::new();
    for (file, text) in below(folders) {
        let found = rule(&file, &text).into_iter();
        complaints.extend(found.map(|(line, what)| format!("{}:{line}: {what}", file.display())));
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

/// Checks on which lines of a text a rule finds something.
#[track_caller]
fn finds(rule: fn(&Path, &str) -> Vec<Complaint>, text: &str, lines: &[usize]) {
    let found = rule(Path::new("src/a.rs"), text);
    let found: Vec<usize> = found.into_iter().map(|(line, _)| line).collect();
    assert_eq!(found, lines, "{text}");
}

#[test]
fn no_line_has_more_than_a_hundred_columns() {
    holds(long_lines, &["src", "benches", "tests"]);
}

#[test]
fn a_long_line_is_found_unless_one_word_makes_it_long() {
    finds(long_lines, &"word ".repeat(20), &[]);
    finds(long_lines, &format!("fits\n{}", "word ".repeat(21)), &[2]);
    finds(long_lines, &format!("    \"{}\",", "x".repeat(100)), &[]);
}

#[test]
fn every_sentence_of_a_comment_begins_with_its_subject() {
    holds(headless_sentences, &["src", "benches", "tests"]);
}

#[test]
fn a_sentence_without_its_subject_is_found_wherever_it_begins() {
    let cases = [
        ("/// What it does.", &[1][..]),
        ("//! Who may.", &[1]),
        ("// It is so. Whoever asks, waits.", &[1]),
        ("// It is so.\n// That which was, is.", &[2]),
        ("/// - What it does.", &[1]),
        ("// It says\n// What it means.", &[]),
        ("let text = \"What it does.\";", &[]),
        ("// Whatever it does, it says what.", &[]),
    ];
    for (text, lines) in cases {
        finds(headless_sentences, text, lines);
    }
}

#[test]
fn no_path_climbs_twice() {
    holds(double_climbs, &["src", "benches", "tests"]);
}

#[test]
fn a_path_that_climbs_twice_is_found_in_code_alone() {
    finds(double_climbs, "use super::super::a;", &[1]);
    finds(double_climbs, "use super::a; // super::super::a", &[]);
    finds(double_climbs, "let text = \"super::super::a\";", &[]);
}

#[test]
fn every_limit_is_called_max() {
    holds(limits_by_other_names, &["src", "benches", "tests"]);
}

#[test]
fn a_limit_by_another_name_is_found() {
    finds(limits_by_other_names, "const NAMES_MOST: u8 = 1;", &[1]);
    finds(limits_by_other_names, "pub const MOST_NAMES: u8 = 1;", &[1]);
    finds(limits_by_other_names, "const LINE_LONGEST: u8 = 1;", &[1]);
    finds(limits_by_other_names, "const MAX_NAMES: u8 = 1;", &[]);
    finds(limits_by_other_names, "// const NAMES_MOST: u8 = 1;", &[]);
}

#[test]
fn every_module_with_parts_is_the_mod_rs_of_its_folder() {
    let files = below(&["src", "benches", "tests"]).into_iter();
    let found = modules_beside_folders(&files.map(|(file, _)| file).collect::<Vec<_>>());
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn a_module_beside_its_folder_is_found_and_a_folder_without_one() {
    let found = |files: &[&str]| {
        modules_beside_folders(&files.iter().map(PathBuf::from).collect::<Vec<_>>()).len()
    };
    assert_eq!(found(&["src/lib.rs", "src/a/mod.rs", "src/a/b.rs"]), 0);
    assert_eq!(found(&["src/lib.rs", "src/a.rs", "src/a/mod.rs"]), 1);
    assert_eq!(found(&["src/lib.rs", "src/a/b.rs"]), 1);
    // A file beside the tests' crate says which files its folders have.
    assert_eq!(found(&["tests/it/main.rs", "tests/it/a/b.rs"]), 0);
}

#[test]
fn functions_and_files_are_short() {
    holds(large_parts, &["src", "benches"]);
}

#[test]
fn a_long_function_and_a_long_file_are_found_but_for_tests_and_tables() {
    let long = |head: &str| format!("{head} {{\n{}}}\n", "    step();\n".repeat(59));
    finds(large_parts, &long("fn a()"), &[1]);
    finds(large_parts, &long("pub(crate) async fn a()"), &[1]);
    finds(large_parts, &long("pub(in crate::service) fn a()"), &[1]);
    finds(
        large_parts,
        &long("fn a()").replacen("    step();\n", "", 1),
        &[],
    );
    finds(large_parts, &"let a;\n".repeat(451), &[1]);
    let tests = "#[test]\n".repeat(500);
    finds(
        large_parts,
        &format!("let a;\n#[cfg(test)]\nmod tests {{\n{tests}}}"),
        &[],
    );
    let at = |path: &str| large_parts(Path::new(path), &long("fn answer()")).len();
    assert_eq!(at("src/http/tencent/error.rs"), 0);
    assert_eq!(at("src/http/tencent/door.rs"), 1);
    assert_eq!(at("src/store/tests/files.rs"), 0);
}

#[test]
fn every_table_is_still_a_long_function() {
    for (file, name, reason) in TABLES {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let text = fs::read_to_string(root.join(file)).unwrap();
        let mut found = large_parts(Path::new("src/other.rs"), &text).into_iter();
        let said = format!("`{name}` has");
        assert!(
            found.any(|(_, what)| what.starts_with(&said)),
            "{file}: {name}: {reason}"
        );
    }
}
