//! Commands that messages and documents name exist, and take the arguments that they are given.
//!
//! In a message a command stands in backticks; in a document in backticks, or at the beginning of a
//! line of a code block. It may leave required arguments out. A word in capitals, `…`, `{…}` and
//! `$…` stand for a value.

use std::fs;
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use clap::error::ErrorKind;
use transire::cli::Cli;

/// Words after `transire` where it is the subject of a sentence.
const VERBS: [&str; 5] = ["knows", "lists", "needs", "that", "was"];
/// Names in certificates, derivations and files, which are no commands.
const NAMES: [&str; 4] = ["token signer", "sealing key", "master key", "backup 1\""];

fn files(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path
                .extension()
                .is_some_and(|extension| extension == ending)
            {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Returns the code of a file without comments and tests, and with strings that go over several
/// lines in one.
fn messages(source: &str) -> String {
    let code = source
        .split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or_default();
    let lines = code
        .lines()
        .map(str::trim_start)
        .filter(|line| !line.starts_with("//"));
    let joined = lines.fold(String::new(), |text, line| {
        match text.strip_suffix("\\\n") {
            Some(begun) => format!("{begun}{line}\n"),
            None => format!("{text}{line}\n"),
        }
    });
    joined.replace("\\\"", "'")
}

/// Returns the commands in a source's messages: those in backticks, and those that stand free and
/// should not.
fn in_messages(source: &str) -> (Vec<String>, Vec<String>) {
    let text = messages(source);
    let (mut quoted, mut free) = (Vec::new(), Vec::new());
    for (place, _) in text.match_indices("transire ") {
        let rest = &text[place..];
        let before = text[..place].chars().next_back();
        if before == Some('`') {
            quoted.push(rest.split('`').next().unwrap_or_default().to_owned());
        } else if is_name(rest)
            || !rest["transire ".len()..].starts_with(|first: char| first.is_ascii_lowercase())
        {
            continue;
        } else if before == Some('"') {
            // The quickstart shows each command with what came of it.
            let whole = rest.split('"').next().unwrap_or_default();
            quoted.push(whole.split(": ").next().unwrap_or_default().to_owned());
        } else {
            let word = rest["transire ".len()..]
                .split(|letter: char| !letter.is_ascii_lowercase() && letter != '-')
                .next()
                .unwrap_or_default();
            if !VERBS.contains(&word) {
                free.push(
                    rest.lines()
                        .next()
                        .unwrap_or_default()
                        .chars()
                        .take(60)
                        .collect(),
                );
            }
        }
    }
    (quoted, free)
}

fn is_name(rest: &str) -> bool {
    NAMES
        .iter()
        .any(|known| rest["transire ".len()..].starts_with(known))
}

/// Returns the commands of a document.
fn in_document(text: &str) -> Vec<String> {
    let mut commands = Vec::new();
    let (mut is_code, mut begun) = (false, String::new());
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
            begun.clear();
        } else if is_code {
            begun.push_str(line.trim());
            if let Some(rest) = begun.strip_suffix('\\') {
                begun = format!("{} ", rest.trim_end());
                continue;
            }
            commands.extend(in_shell(&begun));
            begun.clear();
        } else {
            // Within a table a bar is escaped.
            let spans = line
                .split('`')
                .skip(1)
                .step_by(2)
                .map(|span| span.replace("\\|", "|"));
            commands.extend(spans.flat_map(|span| in_shell(&span)));
        }
    }
    commands
}

/// Returns the commands of a line of a shell: after a prompt or variables, each up to a pipe, a
/// redirection or a comment.
fn in_shell(line: &str) -> Vec<String> {
    let line = line.split(" #").next().unwrap_or_default();
    let steps = line.split("&&").flat_map(|step| step.split(" | "));
    let commands = steps.filter_map(|step| {
        let words: Vec<&str> = step
            .split_whitespace()
            .skip_while(|word| *word == "$" || word.contains('=') && !word.starts_with('-'))
            .collect();
        let command: Vec<&str> = words
            .into_iter()
            .take_while(|word| !matches!(*word, ">" | "<" | "&" | ";"))
            .collect();
        (command.first() == Some(&"transire") && command.len() > 1).then(|| command.join(" "))
    });
    // In the quickstart's output, a command's result stands behind it.
    commands
        .map(|command| command.split(": ").next().unwrap_or_default().to_owned())
        .collect()
}

/// Divides a command into words; quotes hold spaces.
fn words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for letter in command.chars() {
        match (letter, quote) {
            ('\'' | '"', None) => quote = Some(letter),
            ('(', None) if word.ends_with('$') => quote = Some(')'),
            (letter, Some(open)) if letter == open => quote = None,
            (' ', None) => words.push(std::mem::take(&mut word)),
            _ => word.push(letter),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

/// Returns a value that an option, or `""` for an argument without a name, takes in place of what
/// stands for one.
fn example(option: &str, command: &[String]) -> &'static str {
    match option {
        "--account" => "100000000001",
        "--instance" => "tcr-0example",
        "--principal" => "100000000001:root",
        "--id" if command.iter().any(|word| word == "access-key") => {
            "AKID0123456789abcdefghijABCDEFGHIJ00"
        }
        "--id" | "--credential" => "0123456789abcdefghij",
        "--kind" => "zot",
        "--resource" => "tcr-0example/team/app",
        _ => "example",
    }
}

fn stands_for_a_value(word: &str) -> bool {
    let is_capital = |letter: char| letter.is_ascii_uppercase() || letter == '_';
    let is_placeholder = |part: &str| !part.is_empty() && part.chars().all(is_capital);
    word.contains(['{', '…', '$']) || word.split([':', '/']).any(is_placeholder)
}

/// Says what is wrong with a command.
fn fault(command: &str) -> Option<String> {
    let given = words(command);
    // `list|rotate` is both.
    if let Some(place) = given.iter().position(|word| word.contains('|')) {
        return given[place].split('|').find_map(|one| {
            let mut given = given.clone();
            given[place] = one.to_owned();
            fault(&given.join(" "))
        });
    }
    let mut filled: Vec<String> = Vec::new();
    for word in &given {
        let option = filled
            .last()
            .filter(|last| last.starts_with("--"))
            .cloned()
            .unwrap_or_default();
        if option.is_empty() && word == "…" {
            // It stands for options that are left out.
            continue;
        }
        let is_option = word.starts_with("--");
        let value = if !is_option && stands_for_a_value(word) {
            example(&option, &filled).to_owned()
        } else {
            word.clone()
        };
        filled.push(value);
    }
    match Cli::command().try_get_matches_from(&filled) {
        Ok(_) => None,
        Err(error) => match error.kind() {
            // A mention names what matters.
            ErrorKind::MissingRequiredArgument
            | ErrorKind::MissingSubcommand
            | ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => None,
            // Nor does it say a value that the reader picks.
            ErrorKind::InvalidValue
                if filled
                    .last()
                    .is_some_and(|last| last.starts_with("--") || last == "unrecorded") =>
            {
                None
            }
            _ => Some(error.to_string()),
        },
    }
}

/// Adds what is wrong with the commands of a file; returns how many there are.
fn look_at(place: &Path, commands: &[String], faults: &mut Vec<String>) -> usize {
    let found = commands.iter().filter_map(|command| {
        Some(format!(
            "{} names `{command}`:\n{}",
            place.display(),
            fault(command)?
        ))
    });
    faults.extend(found);
    commands.len()
}

#[test]
fn messages_name_commands_that_exist() {
    // `repository import` of an instance without a registry's URL named `instance create`, which
    // makes another one.
    let (mut count, mut faults) = (0, Vec::new());
    for path in files("src", "rs")
        .into_iter()
        .filter(|path| !path.components().any(|part| part.as_os_str() == "tests"))
    {
        let (quoted, free) = in_messages(&fs::read_to_string(&path).unwrap());
        assert!(
            free.is_empty(),
            "{}: put the command into backticks: {free:?}",
            path.display()
        );
        count += look_at(&path, &quoted, &mut faults);
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(count > 30, "{count}");
}

#[test]
fn documents_name_commands_that_exist() {
    let (mut count, mut faults) = (0, Vec::new());
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let documents = files("docs", "md")
        .into_iter()
        .chain(["README.md", "CHANGELOG.md"].map(|name| root.join(name)));
    for path in documents {
        count += look_at(
            &path,
            &in_document(&fs::read_to_string(&path).unwrap()),
            &mut faults,
        );
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(count > 50, "{count}");
}

#[test]
fn the_reader_of_commands_sees_what_is_wrong() {
    for right in [
        "transire instance list",
        "transire keys list|rotate",
        "transire namespace",
        "transire instance update --registry-url",
        "transire credential disable --instance {id} --id ID",
        "transire serve --database 'postgres://transire@db.example.com/t?sslmode=verify-full'",
    ] {
        assert_eq!(fault(right), None, "{right}");
    }
    for wrong in [
        "transire instances list",
        "transire instance update --service x",
        "transire keys list|turn",
        "transire instance create --kind harbor",
        "transire credential disable --id short",
    ] {
        assert!(fault(wrong).is_some(), "{wrong}");
    }
    let source = "/// `transire a`\nfn f() { g(\"Give `transire keys \\\n            list`, or \
                  transire keys csr.\"); }\n";
    assert_eq!(
        in_messages(source),
        (
            vec!["transire keys list".to_owned()],
            vec!["transire keys csr.\"); }".to_owned()]
        )
    );
    let document = "Give `transire a` or\n```\n$ X=1 transire b \\\n  --c | tail # d\n```\n";
    assert_eq!(in_document(document), ["transire a", "transire b --c"]);
}
