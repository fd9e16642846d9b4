//! Users of other registries' log-ins: what their files say, as users, passwords and rights here.
//!
//! Pure: a file's text goes in, and what can be carried and what can't come out, each with its
//! line. Which of it is there already, and making it, is for `service`.
//!
//! Start with [`htpasswd`], then [`docker_auth`].

pub mod docker_auth;
pub mod htpasswd;
pub mod rights;

use std::collections::BTreeMap;

use crate::domain::credential::PasswordHash;
use crate::domain::old_password::read_hash;

/// A user of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OldUser {
    /// Its line, counted from 1.
    pub line: usize,
    /// The name that it logs in with.
    pub name: String,
    /// Its bcrypt, or why there is none that is taken.
    pub hash: Result<PasswordHash, String>,
}

/// Takes a hash, or says why not and what to do next.
fn read_old_hash(text: &str) -> Result<PasswordHash, String> {
    read_hash(text).map_err(|why| {
        format!("{why}: set a password by `htpasswd -B -C 10`, and import the file again")
    })
}

/// Refuses users that stand in the file twice: which of them logs in is the reader's choice.
fn refuse_doubles(users: &mut [OldUser]) {
    let mut lines: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for user in users.iter().filter(|user| !user.name.is_empty()) {
        lines.entry(user.name.clone()).or_default().push(user.line);
    }
    for user in users {
        let all = lines.get(&user.name).into_iter().flatten();
        let others = all.filter(|line| **line != user.line);
        let others: Vec<String> = others.map(ToString::to_string).collect();
        if !others.is_empty() && user.hash.is_ok() {
            user.hash = Err(format!("it is also on line {}", others.join(", ")));
        }
    }
}
