//! The questions at a terminal, for settings that no option gives.

use std::io::{self, BufRead, Write};
use std::path::PathBuf;

use super::{DATA_DIR, public_url};
use crate::config::{DatabaseUrl, Listen, NewFile};
use crate::domain::{Error, Result};

/// Asks for the settings that are missing.
///
/// # Errors
/// `Misconfigured` when the terminal goes away.
pub(super) fn ask(new: NewFile) -> Result<NewFile> {
    ask_through(new, &mut io::stdin().lock(), &mut io::stderr().lock())
}

fn ask_through(
    mut new: NewFile,
    answers: &mut impl BufRead,
    terminal: &mut impl Write,
) -> Result<NewFile> {
    let mut ask =
        |question: &str, usual: &str| question_and_answer(question, usual, answers, terminal);
    while new.public_url.is_none() {
        let given = ask("The URL at which clients reach the service", "")?;
        new.public_url = understood(public_url(&given));
    }
    while new.listen.is_none() {
        let given = ask("The address to listen at, or a port on loopback", "8480")?;
        new.listen = understood(given.parse::<Listen>());
    }
    while new.database.is_none() && new.data_dir.is_none() {
        let question = "The folder of the data, or postgres://USER@HOST/NAME without a password";
        let given = ask(question, DATA_DIR)?;
        if given.starts_with("postgres") {
            new.database = understood(DatabaseUrl::from_argument(&given));
        } else {
            new.data_dir = understood(whole(&given));
        }
    }
    while new.master_key_file.is_none() {
        let usual = new
            .data_dir
            .as_ref()
            .map(|folder| folder.join("master.key"));
        let shown = usual.as_ref().map(|path| path.display().to_string());
        let given = ask("The file of the master key", shown.as_deref().unwrap_or(""))?;
        let given = understood(whole(&given));
        if given.is_some() && given == usual {
            // It is the default.
            break;
        }
        new.master_key_file = given;
    }
    Ok(new)
}

fn whole(text: &str) -> Result<PathBuf> {
    std::path::absolute(text)
        .map_err(|_| Error::invalid_parameter("path", "a path is written like /var/lib/transire"))
}

/// Returns an answer that can be used; says what is wrong with another one.
fn understood<T>(answer: Result<T>) -> Option<T> {
    answer.map_err(|error| super::warn(error.message())).ok()
}

/// Asks one question; an empty answer is the usual one.
fn question_and_answer(
    question: &str,
    usual: &str,
    answers: &mut impl BufRead,
    terminal: &mut impl Write,
) -> Result<String> {
    let gone = |error: io::Error| Error::misconfigured(format!("the terminal is gone: {error}"));
    let shown = if usual.is_empty() {
        String::new()
    } else {
        format!(" [{usual}]")
    };
    write!(terminal, "{question}{shown}: ").map_err(gone)?;
    terminal.flush().map_err(gone)?;
    let mut line = String::new();
    if answers.read_line(&mut line).map_err(gone)? == 0 {
        return Err(Error::misconfigured(
            "the terminal is gone: give the settings as options",
        ));
    }
    let answer = line.trim();
    Ok(if answer.is_empty() { usual } else { answer }.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ErrorKind;

    fn answered(new: NewFile, answers: &str) -> Result<(NewFile, String)> {
        let mut terminal = Vec::new();
        let new = ask_through(new, &mut answers.as_bytes(), &mut terminal)?;
        Ok((new, String::from_utf8(terminal).unwrap()))
    }

    #[test]
    fn missing_settings_are_asked_for_until_they_can_be_used() {
        let answers = "credentials\nhttps://credentials.example.com\n\n\n\n";
        let (new, asked) = answered(NewFile::default(), answers).unwrap();
        assert_eq!(
            new.public_url.as_deref(),
            Some("https://credentials.example.com")
        );
        assert_eq!(new.listen, Some(Listen::Port(8480)));
        assert_eq!(new.data_dir, Some(PathBuf::from(DATA_DIR)));
        assert_eq!(new.master_key_file, None);
        assert_eq!(asked.matches("The URL at which").count(), 2, "{asked}");
        assert!(asked.contains("[/var/lib/transire/master.key]"), "{asked}");
    }

    #[test]
    fn given_settings_are_not_asked_for() {
        let given = NewFile {
            public_url: Some("https://credentials.example.com".to_owned()),
            listen: Some(Listen::Port(80)),
            ..NewFile::default()
        };
        let (new, asked) = answered(
            given,
            "postgres://u@db.example.com/t\n/etc/transire/master.key\n",
        )
        .unwrap();
        assert!(
            !asked.contains("URL at which") && !asked.contains("listen"),
            "{asked}"
        );
        assert!(new.database.is_some() && new.data_dir.is_none());
        assert_eq!(
            new.master_key_file,
            Some(PathBuf::from("/etc/transire/master.key"))
        );
    }

    #[test]
    fn a_terminal_that_goes_away_ends_the_questions() {
        let error = answered(NewFile::default(), "").unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Misconfigured);
    }
}
