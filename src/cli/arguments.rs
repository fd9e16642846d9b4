//! Parsers of arguments whose types' own parsers don't say which form is right.

use std::io::{Read, stdin};
use std::path::Path;

use crate::admin;
use crate::admin::SecretText;
use crate::domain::credential::CredentialId;
use crate::domain::seconds::Seconds;
use crate::domain::secret::Secret;
use crate::domain::{Error, ErrorKind, Result};

/// Reads a text that isn't empty. Nothing has an empty name, so an empty argument is a mistake,
/// such as an unset variable.
pub(super) fn some_text(text: &str) -> Result<String> {
    if text.is_empty() {
        Err(Error::invalid_parameter("text", "it is empty"))
    } else {
        Ok(text.to_owned())
    }
}

/// Returns a mapping of errors to one of this argument. A rule knows a value, but not the argument
/// that it came from.
pub(super) fn of_argument(name: &'static str) -> impl Fn(Error) -> Error {
    move |error| match error.kind() {
        ErrorKind::InvalidParameter { .. } | ErrorKind::Misconfigured => {
            Error::invalid_parameter(name, error.message())
        }
        _ => error,
    }
}

/// Reads a life, which isn't nothing.
pub(super) fn life(text: &str) -> Result<Seconds> {
    let life: Seconds = text.parse()?;
    if life == Seconds::new(0) {
        return Err(Error::invalid_parameter("time", "it is more than 0"));
    }
    Ok(life)
}

/// Reads an address to listen at, as Go's programs do: without a host it is every address of the
/// machine.
pub(super) fn listen_address(text: &str) -> Result<String> {
    let is_address = text.rsplit_once(':').is_some_and(|(host, port)| {
        let is_strange = |letter: char| letter.is_whitespace() || letter.is_control();
        !host.contains(is_strange)
            && port.bytes().all(|byte| byte.is_ascii_digit())
            && port.parse::<u16>().is_ok()
    });
    if is_address {
        Ok(text.to_owned())
    } else {
        Err(Error::invalid_parameter(
            "listen",
            "an address is written like 127.0.0.1:5000",
        ))
    }
}

/// Reads the id of a long-term credential, or of a session.
pub(super) fn credential_id(text: &str) -> Result<CredentialId> {
    admin::credential_id(text).map(|id| id.0)
}

/// Reads the file of an argument; - is standard input.
pub(super) fn read_file(parameter: &'static str, file: &Path) -> Result<String> {
    let text = if file == Path::new("-") {
        let mut text = String::new();
        stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(file)
    };
    text.map_err(|error| {
        Error::invalid_parameter(
            parameter,
            format!("the file {} can't be read: {error}", file.display()),
        )
    })
}

/// Reads the file with an OpenID Connect token; - is standard input.
pub(super) fn read_token(file: &Path) -> Result<SecretText> {
    let text = read_file("token", file)?;
    Ok(SecretText(Secret::new(text.trim())))
}
