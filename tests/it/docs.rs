//! The documents that name tests name tests that exist.
//!
//! In these documents, whatever stands in backticks with `::` in it is a test:
//! `it::tencent::requests::NAME` is in `tests/it/tencent/requests.rs`, `clients/test_x.py::NAME` in
//! `tests/clients/test_x.py`, and any other path, such as `sign::tc3::tests::NAME`, is of the
//! crate. A table whose last column is called `test` has one in every row, or says there "none" and
//! why.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use transire::domain::refusal::RefusalCause;
use transire::service::AuditAction;

use crate::harness::kinds::every_kind;

const DOCUMENTS: [&str; 2] = ["docs/compatibility.md", "docs/guarantees.md"];

fn read(path: impl AsRef<Path>) -> Option<String> {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).ok()
}

/// Returns the tests that a text names.
fn named(text: &str) -> impl Iterator<Item = &str> {
    text.split('`')
        .skip(1)
        .step_by(2)
        .filter(|quoted| quoted.contains("::"))
}

/// Tells whether the test of that name exists.
fn exists(name: &str) -> bool {
    let Some((place, test)) = name.rsplit_once("::") else {
        return false;
    };
    if let Some(file) = place.strip_prefix("it::") {
        let path = file.replace("::", "/");
        return [
            format!("tests/it/{path}.rs"),
            format!("tests/it/{path}/mod.rs"),
        ]
        .iter()
        .filter_map(read)
        .any(|source| is_rust_test(&source, test));
    }
    if place.starts_with("clients/") {
        return read(format!("tests/{place}")).is_some_and(|source| {
            test.starts_with("test_") && source.contains(&format!("\ndef {test}("))
        });
    }
    // The module is a file, or the end of one, or the file of its folder.
    let path = place.replace("::", "/");
    let inside = path.strip_suffix("/tests").unwrap_or(&path);
    [
        format!("src/{path}.rs"),
        format!("src/{path}/mod.rs"),
        format!("src/{inside}.rs"),
        format!("src/{inside}/mod.rs"),
    ]
    .iter()
    .filter_map(read)
    .any(|source| is_rust_test(&source, test))
}

/// Tells whether a function is a test: by its own attribute, or as a case that runs on both
/// databases.
fn is_rust_test(source: &str, test: &str) -> bool {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let call = format!("fn {test}(");
    let Some(place) = lines.iter().position(|line| {
        line.strip_prefix("async ")
            .unwrap_or(line)
            .starts_with(&call)
    }) else {
        return false;
    };
    let attributes = lines[..place]
        .iter()
        .rev()
        .take_while(|line| line.starts_with("#[") || line.starts_with("//"));
    let is_marked = attributes
        .into_iter()
        .any(|line| *line == "#[test]" || line.starts_with("#[tokio::test"));
    let mut cases = lines
        .iter()
        .skip_while(|line| **line != "on_both_databases! {")
        .take_while(|line| **line != "}");
    is_marked || cases.any(|line| *line == test)
}

#[test]
fn every_test_that_a_document_names_exists() {
    for document in DOCUMENTS {
        let text = read(document).unwrap();
        assert!(named(&text).count() > 10, "{document} names hardly a test");
        let missing: Vec<&str> = named(&text).filter(|name| !exists(name)).collect();
        assert!(
            missing.is_empty(),
            "{document} names tests that don't exist: {missing:#?}"
        );
    }
}

#[test]
fn every_row_that_should_name_a_test_does() {
    for document in DOCUMENTS {
        let text = read(document).unwrap();
        let mut wants_tests = false;
        let mut rows = 0;
        for (place, line) in text.lines().enumerate() {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let Some(last) = cells
                .len()
                .checked_sub(2)
                .map(|last| cells[last])
                .filter(|_| line.starts_with('|'))
            else {
                wants_tests = false;
                continue;
            };
            if last == "test" {
                wants_tests = true;
            } else if wants_tests && !last.starts_with("---") {
                rows += 1;
                assert!(
                    named(last).next().is_some() || last.starts_with("none:"),
                    "{document}, line {}: no test in {line}",
                    place + 1
                );
            }
        }
        assert!(rows > 10, "{document} has hardly a row with a test");
    }
}

/// Compares the part of a document that the program makes with the program; it begins after a line
/// that names `source`.
///
/// To write it anew: `TRANSIRE_TEST_WRITE_DOCS=1 ./test rust -E 'test(as_it_is_declared)'`.
fn compare(document: &str, source: &str, made: &str) {
    let text = read(document).unwrap();
    let (begin, end) = (
        format!("<!-- made by the program from {source}: begin -->\n\n"),
        "\n<!-- end -->\n",
    );
    let (before, rest) = text.split_once(&begin).unwrap();
    let (written, after) = rest.split_once(end).unwrap();
    if std::env::var_os("TRANSIRE_TEST_WRITE_DOCS").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(document);
        fs::write(path, format!("{before}{begin}{made}{end}{after}")).unwrap();
        return;
    }
    for (number, (written, made)) in written.lines().zip(made.lines()).enumerate() {
        assert_eq!(
            written,
            made,
            "line {} of the made part; write it anew with TRANSIRE_TEST_WRITE_DOCS=1",
            number + 1
        );
    }
    assert_eq!(
        written, made,
        "write it anew with TRANSIRE_TEST_WRITE_DOCS=1"
    );
}

#[test]
fn every_setting_is_documented_as_it_is_declared_and_nothing_else_is() {
    let made = transire::config::document();
    let rows = made.lines().filter(|line| line.starts_with("| `"));
    assert!(
        rows.count() > 60 && made.contains("| `postgres.connections` | at least 1 | 16 |"),
        "{made}"
    );
    compare("docs/settings.md", "src/config", &made);
}

#[test]
fn every_action_of_the_audit_is_documented_as_it_is_declared_and_nothing_else_is() {
    let made = AuditAction::document();
    let named: Vec<&str> = made
        .lines()
        .skip(2)
        .filter_map(|line| line.split('`').nth(1))
        .collect();
    assert_eq!(
        named,
        AuditAction::ALL
            .iter()
            .map(|action| action.name())
            .collect::<Vec<_>>()
    );
    compare("docs/audit.md", "src/service/ledger/actions.rs", &made);
}

/// Returns the anchors of a document's headings, as GitHub makes them.
fn anchors(text: &str) -> impl Iterator<Item = String> {
    let headings = text.lines().filter_map(|line| {
        line.trim_start_matches('#')
            .strip_prefix(' ')
            .filter(|_| line.starts_with('#'))
    });
    headings.map(|heading| {
        let kept = heading
            .trim()
            .chars()
            .filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
        kept.collect::<String>().to_lowercase().replace(' ', "-")
    })
}

/// Returns where the links of a document lead, but for those to other hosts.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')').map(|(target, _)| target));
    targets.filter(|target| !target.contains("://"))
}

/// Returns the sections that a text names as `docs/FILE.md, "HEADING"`, each with its file.
fn sections(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split("docs/").skip(1).filter_map(|rest| {
        let (file, rest) = rest.split_once(".md, \"")?;
        let is_name = file
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-/".contains(&byte));
        rest.split_once('"')
            .filter(|_| is_name)
            .map(|(heading, _)| (file, heading))
    })
}

/// Returns all documents of a folder and of the folders within it, but for what builds make.
fn documents(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy();
        if path.is_dir() && name != "target" && name != "node_modules" && !name.starts_with('.') {
            found.extend(documents(&path));
        } else if name.ends_with(".md") {
            found.push(path);
        }
    }
    found
}

/// A page that nothing links to is found by nobody.
#[test]
fn every_document_is_reached_from_the_readme() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut reached = BTreeSet::from([root.join("README.md")]);
    let mut to_read = vec![root.join("README.md")];
    while let Some(file) = to_read.pop() {
        let text = fs::read_to_string(&file).unwrap();
        let folder = file.parent().unwrap();
        let targets = links(&text).filter_map(|link| {
            let path = link.split('#').next().unwrap_or_default();
            folder.join(path).canonicalize().ok()
        });
        let documents =
            targets.filter(|path| path.extension().is_some_and(|ending| ending == "md"));
        to_read.extend(documents.filter(|path| reached.insert(path.clone())));
    }
    let pages = documents(&root.join("docs"));
    assert!(pages.len() > 20, "{pages:?}");
    // The records of decisions are listed by their folder.
    let missed: Vec<_> = pages
        .iter()
        .filter(|page| !page.starts_with(root.join("docs/decisions")) && !reached.contains(*page))
        .collect();
    assert!(missed.is_empty(), "no document links to {missed:#?}");
}

/// A heading was renamed, and a link to its section from another document led to the top of the
/// page.
#[test]
fn every_link_of_a_document_leads_to_a_file_and_a_heading() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut followed = 0;
    let mut wrong = Vec::new();
    for file in documents(root) {
        let text = fs::read_to_string(&file).unwrap();
        for link in links(&text) {
            let (path, anchor) = link
                .split_once('#')
                .map_or((link, None), |(path, anchor)| (path, Some(anchor)));
            let target = if path.is_empty() {
                file.clone()
            } else {
                file.parent().unwrap().join(path)
            };
            let is_there = match anchor {
                None => target.exists(),
                Some(anchor) => fs::read_to_string(&target)
                    .is_ok_and(|text| anchors(&text).any(|heading| heading == anchor)),
            };
            followed += 1;
            if !is_there {
                wrong.push(format!(
                    "{}: {link}",
                    file.strip_prefix(root).unwrap().display()
                ));
            }
        }
    }
    assert!(followed > 20, "{followed} links were found");
    assert!(wrong.is_empty(), "links that lead nowhere: {wrong:#?}");
}

/// The changelog named sections of other documents that had been renamed.
#[test]
fn every_section_that_the_changelog_names_exists() {
    let changelog = read("CHANGELOG.md").unwrap();
    assert!(
        sections(&changelog).count() > 3,
        "the changelog names hardly a section"
    );
    for (file, section) in sections(&changelog) {
        let text = read(format!("docs/{file}.md")).unwrap();
        let mut headings = text
            .lines()
            .filter(|line| line.starts_with('#'))
            .map(|line| line.trim_start_matches('#').trim());
        assert!(
            headings.any(|heading| heading.starts_with(section)),
            "docs/{file}.md has no section \"{section}\""
        );
    }
}

/// The map named a file that had become a folder.
#[test]
fn every_file_that_the_map_and_the_lists_for_contributors_name_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for document in ["CONTRIBUTING.md", "docs/architecture.md"] {
        let text = read(document).unwrap();
        let paths = text.split('`').skip(1).step_by(2).filter_map(|quoted| {
            let (folder, _) = quoted
                .split_once('/')
                .filter(|(folder, _)| !folder.is_empty())?;
            let base = [root.to_owned(), root.join("src")]
                .into_iter()
                .find(|base| base.join(folder).is_dir())?;
            // NAME stands for any name, and braces for one of several.
            let is_exact = !quoted
                .contains(|letter: char| letter.is_ascii_uppercase() || " {".contains(letter));
            is_exact.then(|| base.join(quoted))
        });
        let named: Vec<_> = paths.collect();
        assert!(
            named.len() > 15,
            "{document} names hardly a file: {named:?}"
        );
        let missing: Vec<_> = named.iter().filter(|path| !path.exists()).collect();
        assert!(
            missing.is_empty(),
            "{document} names files that don't exist: {missing:?}"
        );
    }
}

#[test]
fn the_reader_knows_a_test_from_what_is_none() {
    for known in [
        "it::docs::the_reader_knows_a_test_from_what_is_none",
        "clients/test_tccli.py::test_tccli_prints_the_refusal",
        "sign::tc3::tests::every_vector_verifies_in_three_stages",
        "domain::error::tests::a_message_never_holds_its_source",
        "store::tests::files::reading_can_not_write",
        "store::tests::settings::a_setting_is_first_put_once",
        "token::sealed::tests::opening_never_panics",
    ] {
        assert!(exists(known), "{known}");
    }
    for unknown in [
        "it::docs::exists",
        "it::docs::nothing",
        "clients/test_tccli.py::tccli",
        "sign::tc3::read",
        "nowhere::tests::nothing",
    ] {
        assert!(!exists(unknown), "{unknown}");
    }
}

#[test]
fn every_setting_has_one_row() {
    let text = read("docs/settings.md").unwrap();
    let mut seen = std::collections::HashSet::new();
    // A table is of one section: the same name in another is another thing.
    for line in text
        .lines()
        .filter(|line| line.starts_with("| `") || line.starts_with('#'))
    {
        if line.starts_with('#') {
            seen.clear();
        } else {
            assert!(seen.insert(line.split('|').nth(1)), "a second row: {line}");
        }
    }
}

#[test]
fn every_cause_of_a_refusal_is_explained() {
    let page = read("docs/operate/refusals.md").unwrap();
    let (before, log_ins) = page.split_once("## Causes of refused log-ins").unwrap();
    let (_, decided) = before.split_once("## The thing that decided").unwrap();
    let has = |table: &str, word: &str| {
        let mut rows = table.lines().filter_map(|line| line.strip_prefix("| "));
        rows.any(|row| {
            row.split(" | ")
                .next()
                .unwrap()
                .contains(&format!("`{word}`"))
        })
    };
    let kinds = every_kind();
    let kinds = kinds.iter().map(|error| error.kind().name());
    let unsaid: Vec<&str> = kinds
        .filter(|word| !has(decided, word) && !has(log_ins, word))
        .chain(
            RefusalCause::ALL
                .iter()
                .map(|cause| cause.name())
                .filter(|word| !has(log_ins, word)),
        )
        .collect();
    assert!(unsaid.is_empty(), "{unsaid:?}");
}

#[test]
fn the_admin_api_is_described_as_it_is_declared() {
    let made = transire::http::admin::document();
    let text = format!("{made:#}\n");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json");
    if std::env::var_os("TRANSIRE_TEST_WRITE_DOCS").is_some() {
        fs::write(path, text).unwrap();
        return;
    }
    let written = fs::read_to_string(path).unwrap();
    assert!(
        written == text,
        "docs/openapi.json is of other operations; write it anew with TRANSIRE_TEST_WRITE_DOCS=1"
    );
}
