//! The configuration of cesanta/docker_auth: its static users and its static list of access rules.
//!
//! Its list is ordered, and the first entry that matches a request decides: it grants those of the
//! requested actions that it names. Here a deny wins over any allow, whatever the order. So
//! [`translate`] carries an entry only where the statements surely allow no more than the list did,
//! and says of each other one what it depends on. Tests compare both by random lists.
//!
//! Nothing is read that other programs know: LDAP, GitHub, Google, MongoDB, plugins.

mod glob;
pub mod translate;
mod yaml;

use self::yaml::{Fault, Node, Value};
use super::{OldUser, read_old_hash};
use crate::domain::{Error, Result};

/// Settings of the program itself, which are of no user and no right.
const OWN_SETTINGS: [&str; 2] = ["server", "token"];

/// A part of a file that isn't carried.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeftOut {
    /// Its line, counted from 1.
    pub line: usize,
    /// Its sort: `setting`, `user`, `labels` or `acl`.
    pub kind: &'static str,
    /// Its name, or the users that an entry of the list is left out for.
    pub name: String,
    /// Why it isn't carried, and what to do about it.
    pub why: String,
}

/// A configuration.
#[derive(Debug)]
pub struct Config {
    /// Its static users.
    pub users: Vec<OldUser>,
    /// Its list of access rules, in their order.
    pub acl: Vec<Entry>,
    /// All else that says who may do something.
    pub left_out: Vec<LeftOut>,
}

/// An entry of the list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    line: usize,
    account: Option<String>,
    resource_type: Option<String>,
    name: Option<String>,
    ip: Option<String>,
    service: Option<String>,
    /// Conditions that can't be read here.
    others: Vec<String>,
    actions: Vec<String>,
}

/// Reads a configuration.
///
/// # Errors
/// `InvalidParameter` of `FILE` with the line and the reason, for what docker_auth itself doesn't
/// take, or what can be read in two ways.
pub fn read(text: &str) -> Result<Config> {
    let config = yaml::read(text).and_then(|node| config(&node));
    config.map_err(|(line, why)| Error::invalid_parameter("FILE", format!("line {line}: {why}")))
}

fn config(node: &Node) -> Result<Config, Fault> {
    let mut config = Config {
        users: Vec::new(),
        acl: Vec::new(),
        left_out: Vec::new(),
    };
    for (key, node) in node.map()? {
        match key.as_str() {
            "users" => users(node, &mut config)?,
            "acl" => {
                config.acl = node
                    .list()?
                    .iter()
                    .map(entry)
                    .collect::<Result<_, Fault>>()?;
            }
            known if OWN_SETTINGS.contains(&known) => {}
            other => config.left_out.push(LeftOut {
                line: node.line,
                kind: "setting",
                name: other.to_owned(),
                why: "users and rights that another program keeps are not read: make these users \
                      here, or let them log in by OpenID Connect"
                    .to_owned(),
            }),
        }
    }
    Ok(config)
}

fn users(node: &Node, config: &mut Config) -> Result<(), Fault> {
    for (name, node) in node.map()? {
        let mut password = None;
        for (key, value) in node.map()? {
            match key.as_str() {
                "password" => password = value.text()?,
                "labels" if !value.map()?.is_empty() => config.left_out.push(LeftOut {
                    line: value.line,
                    kind: "labels",
                    name: name.clone(),
                    why: "labels give nothing here: make a group, and attach a policy to it"
                        .to_owned(),
                }),
                _ => {}
            }
        }
        if name.is_empty() {
            config.left_out.push(LeftOut {
                line: node.line,
                kind: "user",
                name: "\"\"".to_owned(),
                why: "it lets in callers without a name: record namespaces that everybody may \
                      pull from by `transire namespace create --public`"
                    .to_owned(),
            });
            continue;
        }
        config.users.push(OldUser {
            line: node.line,
            name: name.clone(),
            hash: read_old_hash(password.unwrap_or_default()),
        });
    }
    Ok(())
}

fn entry(node: &Node) -> Result<Entry, Fault> {
    let mut entry = Entry {
        line: node.line,
        ..Entry::default()
    };
    let (mut matches, mut actions) = (None, None);
    for (key, value) in node.map()? {
        match key.as_str() {
            "match" if value.value != Value::Null => matches = Some(value),
            "actions" if value.value != Value::Null => actions = Some(value),
            _ => {}
        }
    }
    let missing = |what: &str| (node.line, format!("the entry of the list has no {what}"));
    for action in actions.ok_or_else(|| missing("actions"))?.list()? {
        let text = action.text()?.ok_or_else(|| missing("action here"))?;
        entry.actions.push(text.to_owned());
    }
    for (key, value) in matches.ok_or_else(|| missing("match"))?.map()? {
        let place = match key.as_str() {
            "account" => &mut entry.account,
            "type" => &mut entry.resource_type,
            "name" => &mut entry.name,
            "ip" => &mut entry.ip,
            "service" => &mut entry.service,
            "labels" => {
                if !value.map()?.is_empty() {
                    entry.others.push("labels".to_owned());
                }
                continue;
            }
            other => {
                entry.others.push(format!("the condition {other}"));
                continue;
            }
        };
        *place = value.text()?.map(ToOwned::to_owned);
    }
    Ok(entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = r#"
server: { addr: ":5001" }
token: { issuer: "Acme" }
users:
  "admin":
    password: "$2y$05$LO.vzwpWC5LZGqThvEfznu8qhb5SGqvBSWY1J3yZ4AxtMRZ3kN5jC"
  test: { password: "Passw0rdEXAMPLE", labels: { group: ["a"] } }
  nobody:
  open: {}
  "": {}
ldap_auth: { addr: "ldap.example.com:636" }
acl:
  - match: {account: "admin", ip: "10.0.0.0/8"}
    actions: ["*"]
    comment: "Admins may do all."
  - match: {labels: {group: "a"}, email: "x", name: ~}
    actions: []
"#;

    #[test]
    fn users_and_entries_are_read_with_their_lines() {
        let config = read(CONFIG).unwrap();
        let users: Vec<_> = config
            .users
            .iter()
            .map(|user| (user.line, user.name.as_str(), user.hash.is_ok()))
            .collect();
        assert_eq!(
            users,
            [
                (5, "admin", true),
                (7, "test", false),
                (8, "nobody", false),
                (9, "open", false)
            ]
        );
        let why = config.users[3].hash.as_ref().unwrap_err();
        assert!(why.starts_with("it has no password"), "{why}");
        let left_out: Vec<_> = config
            .left_out
            .iter()
            .map(|one| (one.line, one.kind, one.name.as_str()))
            .collect();
        assert_eq!(
            left_out,
            [
                (7, "labels", "test"),
                (10, "user", "\"\""),
                (11, "setting", "ldap_auth")
            ]
        );
        let others = vec!["labels".to_owned(), "the condition email".to_owned()];
        assert_eq!(
            config.acl,
            [
                Entry {
                    line: 13,
                    account: Some("admin".to_owned()),
                    ip: Some("10.0.0.0/8".to_owned()),
                    actions: vec!["*".to_owned()],
                    ..Entry::default()
                },
                Entry {
                    line: 16,
                    others,
                    ..Entry::default()
                }
            ]
        );
    }

    #[test]
    fn what_docker_auth_does_not_take_is_refused_with_its_line() {
        for (bad, line) in [
            ("users: [a]", 1),
            ("acl:\n- {match: {}}", 2),
            ("acl:\n- {actions: []}", 2),
            ("acl:\n- match:\n  actions: []", 2),
            ("acl:\n- match: {name: [a]}\n  actions: []", 2),
            ("a: b: c", 1),
        ] {
            let error = read(bad).unwrap_err();
            let expected = format!("line {line}: ");
            assert!(error.message().starts_with(&expected), "{bad}: {error}");
        }
    }
}
