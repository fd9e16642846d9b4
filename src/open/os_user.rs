//! The operating system's user who runs the process.

use std::fs::read_to_string;

/// The file that names the users of this machine.
const USERS: &str = "/etc/passwd";

/// Returns the name of the user whose rights the process has, as the audit has it; `uid-NUMBER` for
/// one that the machine's own list doesn't name.
pub fn os_user() -> String {
    let uid = rustix::process::geteuid().as_raw();
    let listed = read_to_string(USERS).unwrap_or_default();
    name_of(uid, &listed).unwrap_or_else(|| format!("uid-{uid}"))
}

/// Finds the name of a user in the text of the list. A name that no audit line could show as it is
/// counts as none.
fn name_of(uid: u32, listed: &str) -> Option<String> {
    let is_plain = |name: &str| {
        let letters = |byte: u8| byte.is_ascii_alphanumeric() || b"._-@$".contains(&byte);
        !name.is_empty() && name.len() <= 64 && name.bytes().all(letters)
    };
    listed.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| is_plain(name))?;
        let number = fields.nth(1)?;
        (number.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTED: &str = "root:x:0:0:root:/root:/bin/sh\n\nbroken\na/b:x:7:7::/:/bin/sh\n\
                          carol:x:1000:1000::/home/carol:/bin/sh\n";

    #[test]
    fn a_user_is_named_by_its_number() {
        for (uid, name) in [
            (0, Some("root")),
            (1000, Some("carol")),
            (7, None),
            (5, None),
        ] {
            assert_eq!(name_of(uid, LISTED).as_deref(), name, "{uid}");
        }
    }

    #[test]
    fn somebody_runs_this_test() {
        assert!(!os_user().is_empty());
    }
}
