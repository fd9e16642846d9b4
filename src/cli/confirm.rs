//! The question before a command does what can't be undone.
//!
//! It is asked from the arguments as they are given, by one table for all commands. Where the
//! service can tell the consequences, they stand before it. Without a terminal nothing is asked, so
//! scripts go on as they are.

use std::io::{self, BufRead, IsTerminal, Write};

use clap::ArgMatches;
use serde_json::{Map, Value};

use super::failure::Failure;
use super::session::Session;
use crate::admin::PreviewOperation;
use crate::domain::Error;
use crate::domain::printable::escape;

/// The arguments that say which object is meant, the most telling first.
const NAMES: [&str; 5] = ["name", "id", "cidr", "principal", "instance"];

/// The arguments that are fields of the operations whose consequences are told.
const FIELDS: [&str; 9] = [
    "account",
    "name",
    "instance",
    "id",
    "namespace",
    "principal",
    "credential",
    "with_contents",
    "force",
];

/// The question that a command asks first, if it asks one.
#[derive(Clone, Debug, Default)]
pub(super) struct Question {
    text: Option<String>,
    /// The operation of the command, whose consequences are told before the question.
    operation: Option<PreviewOperation>,
}

impl Question {
    /// Finds the question of the command that the arguments name.
    pub(super) fn of(matches: &ArgMatches) -> Self {
        let (mut path, mut leaf) = (Vec::new(), matches);
        while let Some((name, below)) = leaf.subcommand() {
            path.push(name);
            leaf = below;
        }
        let text = question(&path, leaf);
        let operation = text.as_ref().and_then(|_| operation(&path, leaf));
        Self { text, operation }
    }

    /// Leaves the question out where the operator has said yes.
    pub(super) fn unless(self, is_yes: bool) -> Self {
        if is_yes { Self::default() } else { self }
    }

    /// Asks before anything is opened, unless there are consequences to tell first.
    ///
    /// # Errors
    /// `Declined` for each answer but yes, and where the terminal goes away.
    pub(super) async fn ask_early(self) -> Result<(), Failure> {
        if self.operation.is_some() {
            return Ok(());
        }
        self.ask().await
    }

    /// Tells the consequences, and asks. Where they can't be told, such as for an object that isn't
    /// there, the question stands alone.
    ///
    /// # Errors
    /// As [`Self::ask_early`].
    pub(super) async fn ask_late(self, session: &Session) -> Result<(), Failure> {
        let Some(operation) = self.operation.clone() else {
            return Ok(());
        };
        if is_terminal() {
            let told = session.ask(operation).await;
            for one in told.into_iter().flat_map(|preview| preview.consequences) {
                eprintln!("- {}", escape(&one.text));
            }
        }
        self.ask().await
    }

    /// Asks on a thread that may wait for an answer.
    async fn ask(self) -> Result<(), Failure> {
        let asked = tokio::task::spawn_blocking(move || self.confirm());
        asked.await.map_err(Error::internal)?
    }

    /// Asks, where there is a question, and a terminal to ask at.
    ///
    /// # Errors
    /// `Declined` for each answer but yes, and where the terminal goes away.
    fn confirm(&self) -> Result<(), Failure> {
        match &self.text {
            Some(question) if is_terminal() => {
                ask(question, &mut io::stdin().lock(), &mut io::stderr().lock())
            }
            _ => Ok(()),
        }
    }
}

/// Asks a question that follows from what the command has shown; yes where nobody can be asked.
///
/// # Errors
/// `Misconfigured` where the terminal goes away.
pub(super) async fn agrees(text: String) -> Result<bool, Error> {
    let question = Question {
        text: Some(text),
        operation: None,
    };
    match question.ask().await {
        Ok(()) => Ok(true),
        Err(Failure::Usage(error) | Failure::Failed(error)) => Err(error),
        Err(_) => Ok(false),
    }
}

fn is_terminal() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Returns the operation of a command: its words are the operation's, its options the fields.
fn operation(path: &[&str], leaf: &ArgMatches) -> Option<PreviewOperation> {
    let operation = match path {
        ["revoke"] => "Revoke".to_owned(),
        ["repository", "apply-lifecycle"] => "ApplyLifecycle".to_owned(),
        ["keys", "rotate"] => return None,
        [noun, verb] => {
            let words = verb.split('-').chain(noun.split('-'));
            words.map(capitalized).collect()
        }
        _ => return None,
    };
    let mut fields = Map::new();
    for id in leaf.ids() {
        let id = id.as_str();
        let value = match leaf.try_get_one::<bool>(id) {
            Ok(flag) => flag.copied().map(Value::Bool),
            Err(_) => raw(leaf, id).map(Value::String),
        };
        fields.extend(value.map(|value| (id.to_owned(), value)));
    }
    // The options of every command, and groups, are no fields of it.
    fields.retain(|name, _| FIELDS.contains(&name.as_str()));
    Some(PreviewOperation { operation, fields })
}

fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

fn raw(leaf: &ArgMatches, name: &str) -> Option<String> {
    let mut values = leaf.try_get_raw(name).ok().flatten()?;
    let value = values.next()?;
    Some(value.to_string_lossy().into_owned())
}

fn ask(
    question: &str,
    answers: &mut impl BufRead,
    terminal: &mut impl Write,
) -> Result<(), Failure> {
    let gone = |error: io::Error| Error::misconfigured(format!("the terminal is gone: {error}"));
    write!(terminal, "{} [y/N] ", escape(question)).map_err(gone)?;
    terminal.flush().map_err(gone)?;
    let mut line = String::new();
    answers.read_line(&mut line).map_err(gone)?;
    if matches!(line.trim().to_lowercase().as_str(), "y" | "yes") {
        Ok(())
    } else {
        Err(Failure::Declined)
    }
}

fn question(path: &[&str], leaf: &ArgMatches) -> Option<String> {
    let given = |name: &str| raw(leaf, name);
    let has = |flag: &str| matches!(leaf.try_get_one::<bool>(flag), Ok(Some(true)));
    let text = match path {
        ["revoke"] => match (given("principal")?, given("credential")) {
            (principal, Some(id)) => format!("Stop the credential {id} of {principal}"),
            (principal, None) => format!(
                "Stop every temporary credential, session and refresh token of {principal}, and \
                 the service accounts that it made,"
            ),
        },
        ["keys", "rotate"] if has("retire") => "Remove the old CA from the bundle".to_owned(),
        ["keys", "rotate"] if has("finish") => "Retire the old master key".to_owned(),
        ["instance", "update"] if has("refuse_old") => format!(
            "Refuse all refresh tokens of {} that were issued before,",
            given("instance")?
        ),
        ["repository", "apply-lifecycle"] if !has("dry_run") => format!(
            "Delete the images that the lifecycle policy of {}/{} expires",
            given("namespace")?,
            given("name")?
        ),
        [.., "delete-password"] => {
            format!("Delete the fixed password of {}", given("principal")?)
        }
        [.., noun, "delete"] => {
            let name = NAMES.iter().find_map(|name| given(name))?;
            let name = match given("namespace") {
                Some(namespace) => format!("{namespace}/{name}"),
                None => name,
            };
            let rest = match *noun {
                "instance" if has("with_contents") => {
                    " with its namespaces, repositories, long-term credentials and service accounts"
                }
                "user" => ", its access keys and its credentials",
                _ => "",
            };
            format!("Delete the {} {name}{rest}", noun.replace('-', " "))
        }
        _ => return None,
    };
    Some(format!("{text} for ever?"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use serde_json::json;

    use super::*;
    use crate::cli::Cli;

    fn asked(words: &str) -> Option<String> {
        let words = words.split(' ');
        let matches = Cli::command().try_get_matches_from(words).unwrap();
        Question::of(&matches).text
    }

    #[test]
    fn the_consequences_of_a_command_are_those_of_its_operation() {
        for (words, operation, fields) in [
            (
                "transire user delete --account 100000000001 --name alice -o json",
                "DeleteUser",
                json!({ "account": "100000000001", "name": "alice" }),
            ),
            (
                "transire service-account delete --instance tcr-01234567 --name ci",
                "DeleteServiceAccount",
                json!({ "instance": "tcr-01234567", "name": "ci" }),
            ),
            (
                "transire instance delete --instance tcr-01234567 --with-contents",
                "DeleteInstance",
                json!({ "instance": "tcr-01234567", "with_contents": true }),
            ),
            (
                "transire revoke --principal 100000000001:root",
                "Revoke",
                json!({ "principal": "100000000001:root" }),
            ),
        ] {
            let matches = Cli::command().get_matches_from(words.split(' '));
            let asked = Question::of(&matches).operation.unwrap();
            assert_eq!(
                (asked.operation.as_str(), json!(asked.fields)),
                (operation, fields)
            );
        }
    }

    #[test]
    fn each_deed_that_can_not_be_undone_has_its_question() {
        for (words, expected) in [
            (
                "transire user delete --account 100000000001 --name alice",
                "Delete the user alice, its access keys and its credentials for ever?",
            ),
            (
                "transire instance delete --instance tcr-01234567",
                "Delete the instance tcr-01234567 for ever?",
            ),
            (
                "transire instance delete --instance tcr-01234567 --with-contents",
                "Delete the instance tcr-01234567 with its namespaces, repositories, long-term \
                 credentials and service accounts for ever?",
            ),
            (
                "transire credential delete --instance tcr-01234567 --id 0123456789abcdefghij",
                "Delete the credential 0123456789abcdefghij for ever?",
            ),
            (
                "transire repository delete --instance tcr-01234567 --namespace team --name app",
                "Delete the repository team/app for ever?",
            ),
            (
                "transire keys rotate ca --retire",
                "Remove the old CA from the bundle for ever?",
            ),
            (
                "transire keys rotate master --finish",
                "Retire the old master key for ever?",
            ),
            (
                "transire revoke --principal 100000000001:root --credential 0123456789abcdefghij",
                "Stop the credential 0123456789abcdefghij of 100000000001:root for ever?",
            ),
        ] {
            assert_eq!(asked(words).as_deref(), Some(expected), "{words}");
        }
    }

    #[test]
    fn a_deed_that_can_be_undone_has_no_question() {
        for words in [
            "transire user disable --account 100000000001 --name alice",
            "transire keys rotate ca",
            "transire keys rotate ca --activate",
            "transire revoke --subject a --account 100000000001 --issuer https://i.example.com",
            "transire account list",
        ] {
            assert_eq!(asked(words), None, "{words}");
        }
    }

    #[test]
    fn every_command_that_deletes_has_a_question() {
        fn deleting(command: &clap::Command, path: &str, found: &mut Vec<String>) {
            for below in command.get_subcommands() {
                let path = format!("{path} {}", below.get_name());
                if below.get_name().starts_with("delete") {
                    let needed = below.get_arguments().filter(|one| one.is_required_set());
                    let words = needed.map(|one| {
                        let value = match one.get_id().as_str() {
                            "account" => "100000000001",
                            "instance" => "tcr-01234567",
                            "principal" => "100000000001:root",
                            "cidr" => "192.0.2.0/24",
                            "id" if path.contains("access-key") => {
                                "AKID0123456789abcdefghijABCDEFGHIJ00"
                            }
                            "id" => "0123456789abcdefghij",
                            _ => "example",
                        };
                        format!(" --{} {value}", one.get_long().unwrap())
                    });
                    found.push(words.fold(path.clone(), |all, word| all + &word));
                }
                deleting(below, &path, found);
            }
        }
        let mut found = Vec::new();
        deleting(&Cli::command(), "transire", &mut found);
        assert!(found.len() > 5, "{found:?}");
        for words in found {
            assert!(asked(&words).is_some(), "{words}");
        }
    }

    #[test]
    fn only_yes_is_yes() {
        let answer = |text: &str| ask("Delete it?", &mut text.as_bytes(), &mut Vec::new());
        for text in ["y\n", "Yes\n", " YES \n"] {
            assert!(answer(text).is_ok(), "{text}");
        }
        for text in ["", "\n", "n\n", "yy\n", "maybe\n"] {
            assert!(matches!(answer(text), Err(Failure::Declined)), "{text}");
        }
    }
}
