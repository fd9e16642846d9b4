//! Folders are layers: each room uses only what its place allows. The tests read the sources.
//!
//! `rules` has the tables, `check` holds a file to them, `graph` finds circles, `paths` reads the
//! paths that a source names, and `cases` shows that the checker sees every way to reach over.

mod cases;
mod check;
mod graph;
mod paths;
mod rules;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use self::check::check;
use self::graph::circles;
use crate::harness::sources::{blank_out, sources};

#[test]
fn every_room_uses_only_what_its_place_allows() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let crates = dependencies(&fs::read_to_string(root.join("Cargo.toml")).unwrap());
    let mut complaints = String::new();
    let mut files = Vec::new();
    sources(&root.join("src"), &mut files);
    assert!(files.len() > 10, "the sources weren't found");
    for file in files {
        let relative = file.strip_prefix(root).unwrap();
        let text = fs::read_to_string(&file).unwrap();
        for (line, rule) in check(relative, &text, &crates) {
            writeln!(complaints, "{}:{line}: {rule}", relative.display()).unwrap();
        }
    }
    assert!(complaints.is_empty(), "\n{complaints}");
}

#[test]
fn a_test_file_shares_by_the_harness_alone() {
    // Fourteen files added methods to `App`, and twenty imported each other.
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut files = Vec::new();
    sources(&root.join("it"), &mut files);
    files.retain(|file| !file.starts_with(root.join("it/harness")));
    assert!(files.len() > 30, "the tests weren't found");
    for file in files {
        let text = blank_out(&fs::read_to_string(&file).unwrap());
        assert!(
            !text.contains("\nimpl App {"),
            "{}: methods of App are in tests/it/harness",
            file.display()
        );
        let others = text
            .match_indices("crate::")
            .filter(|(place, _)| !text[*place..].starts_with("crate::harness"));
        let others: Vec<_> = others
            .map(|(place, _)| text[place..].split(';').next().unwrap())
            .collect();
        assert!(
            others.is_empty(),
            "{}: what test files share is in tests/it/harness: {others:?}",
            file.display()
        );
    }
}

#[test]
fn a_test_file_of_the_clients_shares_by_modules_of_their_own() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
    for file in fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
    {
        let Some(name) = file
            .file_name()
            .and_then(|name| name.to_str())
            .filter(|name| name.ends_with(".py"))
        else {
            continue;
        };
        let text = fs::read_to_string(&file).unwrap();
        let imports = text
            .lines()
            .filter(|line| line.starts_with("from test_") || line.starts_with("import test_"));
        assert_eq!(
            imports.count(),
            0,
            "{name}: what test files share is in a module of its own"
        );
    }
}

#[test]
fn no_modules_of_a_folder_import_each_other_in_a_circle() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // A bench of several files is a crate of its own.
    for (above, folder) in [(root.to_owned(), "src"), (root.join("benches"), "macro")] {
        let mut files = Vec::new();
        sources(&above.join(folder), &mut files);
        assert!(files.len() > 1, "the sources weren't found");
        let texts = files.iter().map(|file| {
            (
                file.strip_prefix(&above).unwrap().to_owned(),
                fs::read_to_string(file).unwrap(),
            )
        });
        let found = circles(&texts.collect::<Vec<_>>());
        assert!(found.is_empty(), "{folder}: {found:?}");
    }
}

/// Returns the crates of the manifest's dependencies, as paths name them.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let mut section = "";
    let mut crates = BTreeSet::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line;
        } else if section == "[dependencies]"
            && let Some((name, value)) = line.split_once('=')
        {
            crates.insert(name.trim().replace('-', "_"));
            // A crate's own name, where the manifest calls it another.
            if let Some((_, package)) = value.split_once("package = \"") {
                crates.insert(package.split('"').next().unwrap().replace('-', "_"));
            }
        }
    }
    crates
}
