//! Apache's `htpasswd` files, of which registries read the bcrypt lines.

use super::{OldUser, read_old_hash, refuse_doubles};

/// Reads the users of a file. Empty lines and comments are none.
pub fn read(text: &str) -> Vec<OldUser> {
    let mut users: Vec<OldUser> = text
        .lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line.trim()))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(line, text)| match text.split_once(':') {
            Some((name, hash)) => OldUser {
                line,
                name: name.to_owned(),
                hash: read_old_hash(hash),
            },
            None => OldUser {
                line,
                // The line may be a password.
                name: String::new(),
                hash: Err("the line has no colon".to_owned()),
            },
        })
        .collect();
    refuse_doubles(&mut users);
    users
}

#[cfg(test)]
mod tests {
    use super::*;

    const BCRYPT: &str = "$2y$05$WuwBasGDAgr.QCbGIjKJaep4dhxeai9gNZdmBnQXqpKly57oNutya";

    #[test]
    fn each_line_is_a_user_or_says_why_not() {
        let text = format!(
            "# users\r\n\nalice:{BCRYPT}\r\nBob:{{SHA}}x\nalice:{BCRYPT}\n secret \n:{BCRYPT}\n"
        );
        let users = read(&text);
        let seen: Vec<_> = users
            .iter()
            .map(|user| {
                let outcome = user.hash.as_ref().map(|hash| hash.as_str());
                (
                    user.line,
                    user.name.as_str(),
                    outcome.map_err(String::as_str),
                )
            })
            .collect();
        assert_eq!(
            seen,
            [
                (3, "alice", Err("it is also on line 5")),
                (
                    4,
                    "Bob",
                    Err(
                        "its hash is SHA-1 without a salt, and only bcrypt is taken: set a \
                         password by `htpasswd -B -C 10`, and import the file again"
                    )
                ),
                (5, "alice", Err("it is also on line 3")),
                (6, "", Err("the line has no colon")),
                (7, "", Ok(BCRYPT)),
            ]
        );
    }
}
