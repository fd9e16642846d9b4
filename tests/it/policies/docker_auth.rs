//! The rights that docker_auth's ordered list gives, against the statements that are made of it:
//! random lists, and the examples of its documentation.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::{Value, json};
use transire::domain::ids::{CriId, InstanceId};
use transire::import::docker_auth::translate::{self, Rights};
use transire::import::docker_auth::{self, Entry};
use transire::policy::{
    Context, Document, InstanceRef, Limits, NamedDocument, Permission, Request, Resource, decide,
};

use super::{INSTANCES, REGION, owner};
use crate::harness::dice::Dice;

const SERVICE: &str = "registry.example.com";
/// Random lists in the usual run, and in the long one.
const LISTS: [u64; 2] = [20_000, 200_000];
/// How many requests a user makes of each list.
const REQUESTS: usize = 20;

const USERS: &[&str] = &["alice", "bob-x", "c.d"];
const ACCOUNTS: &[&str] = &[
    "alice",
    "bob*",
    "/.+/",
    "/.*/",
    "*",
    "?ob-x",
    "[ab]*",
    "",
    "${account}",
    "${name}",
    "/^a/",
    "/^(alice|bob-x)$/",
    "c\\.d",
];
const TYPES: &[&str] = &["repository", "registry", "re*", "/^repo/", "plugin"];
const NAMES: &[&str] = &[
    "a",
    "a/*",
    "*",
    "*/*",
    "${account}/*",
    "${account}",
    "a/b",
    "a/b*",
    "?/b",
    "a/*/*",
    "a/b/*",
    "[ab]/*",
    "/^a/",
    "/^a.b$/",
    "/.+/",
    "b/*",
    "*/b",
    "b",
    "${service}/x",
    "${type}/x",
    "${name}",
    "catalog",
    "cat*",
    "A/*",
    "a\\/b",
    "${labels:group}/*",
];
const ADDRESSES: &[&str] = &[
    "10.0.0.0/8",
    "10.1.2.3",
    "::1",
    "0.0.0.0/0",
    "::/0",
    "10.1.2.3/16",
];
const SERVICES: &[&str] = &[SERVICE, "registry.*", "other", "${service}", "[r]*"];
const ACTIONS: &[&[&str]] = &[
    &["*"],
    &["*"],
    &["pull"],
    &["push", "pull"],
    &[],
    &[],
    &["pull", "delete"],
    &["*", "pull"],
    &["push"],
];
const PATHS: &[&str] = &[
    "a",
    "b",
    "a/b",
    "a/c",
    "a/b/c",
    "a/bc",
    "b/a",
    "b/b",
    "b/b/b",
    "alice",
    "alice/x",
    "alice/x/y",
    "bob-x/app",
    "c.d/x",
    "x/b",
    "repository/x",
    "registry.example.com/x",
    "catalog",
    "cd/x",
];
const FROM: &[&str] = &["10.1.2.3", "10.9.9.9", "192.0.2.1", "::1", "2001:db8::1"];

/// A request as docker_auth sees it.
struct Asked<'a> {
    account: &'a str,
    resource_type: &'a str,
    name: &'a str,
    ip: IpAddr,
    /// Whether conditions on labels hold.
    labels: bool,
}

/// Go's `path.Match`, letter by letter: no part of the program is used.
fn go_match(pattern: &[char], text: &[char]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        (['*', rest @ ..], _) => {
            let end = text.iter().position(|letter| *letter == '/');
            (0..=end.unwrap_or(text.len())).any(|taken| go_match(rest, &text[taken..]))
        }
        (['?', rest @ ..], [letter, after @ ..]) => *letter != '/' && go_match(rest, after),
        (['[', rest @ ..], [letter, after @ ..]) => {
            let end = rest.iter().position(|one| *one == ']').unwrap();
            rest[..end].contains(letter) && go_match(&rest[end + 1..], after)
        }
        (['\\', escaped, rest @ ..], [letter, after @ ..]) => {
            escaped == letter && go_match(rest, after)
        }
        ([own, rest @ ..], [letter, after @ ..]) => own == letter && go_match(rest, after),
        _ => false,
    }
}

/// The regular expressions of the lists above, each by hand.
fn regex_match(pattern: &str, text: &str) -> bool {
    match pattern {
        "/.+/" => !text.is_empty(),
        "/.*/" => true,
        "/^a/" => text.starts_with('a'),
        "/^(alice|bob-x)$/" => text == "alice" || text == "bob-x",
        "/^repo/" => text.starts_with("repo"),
        "/^a.b$/" => text.len() == 3 && text.starts_with('a') && text.ends_with('b'),
        other => panic!("{other}"),
    }
}

/// Go's `regexp.QuoteMeta`.
fn quoted(text: &str) -> String {
    text.chars()
        .flat_map(|letter| {
            let special = r"\.+*?()|[]{}^$".contains(letter);
            special.then_some('\\').into_iter().chain([letter])
        })
        .collect()
}

impl Asked<'_> {
    fn matches(&self, pattern: &Value, text: &str) -> bool {
        let Some(pattern) = pattern.as_str() else {
            return true;
        };
        let filled = [
            ("${account}", self.account),
            ("${type}", self.resource_type),
            ("${name}", self.name),
            ("${service}", SERVICE),
        ]
        .iter()
        .fold(pattern.to_owned(), |filled, (name, value)| {
            filled.replace(name, &quoted(value))
        });
        // A label's value would fill it; whether one does is as chance has it.
        let filled = if self.labels {
            filled.replace("${labels:group}", "a")
        } else {
            filled
        };
        if filled.len() > 2 && filled.starts_with('/') && filled.ends_with('/') {
            return regex_match(pattern, text);
        }
        let letters = |text: &str| text.chars().collect::<Vec<_>>();
        go_match(&letters(&filled), &letters(text))
    }

    fn is_from(&self, network: &Value) -> bool {
        let Some(network) = network.as_str() else {
            return true;
        };
        let (address, bits) = network.split_once('/').unwrap_or((network, "128"));
        let bits: u32 = bits.parse().unwrap();
        match (address.parse().unwrap(), self.ip) {
            (IpAddr::V4(network), IpAddr::V4(ip)) => {
                let mask = u32::MAX.checked_shl(32 - bits.min(32)).unwrap_or(0);
                network.to_bits() & mask == ip.to_bits() & mask
            }
            (IpAddr::V6(network), IpAddr::V6(ip)) => {
                let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
                network.to_bits() & mask == ip.to_bits() & mask
            }
            _ => false,
        }
    }

    /// The first entry that matches decides.
    fn is_granted(&self, acl: &[Value], action: &str) -> bool {
        let first = acl.iter().find(|entry| {
            let of = &entry["match"];
            self.matches(&of["account"], self.account)
                && self.matches(&of["type"], self.resource_type)
                && self.matches(&of["name"], self.name)
                && self.matches(&of["service"], SERVICE)
                && self.is_from(&of["ip"])
                && (of.get("labels").is_none() || self.labels)
        });
        first.is_some_and(|entry| {
            let granted = entry["actions"].as_array().unwrap();
            granted[..] == [json!("*")] || granted.contains(&json!(action))
        })
    }
}

fn random_acl(dice: &mut Dice) -> Vec<Value> {
    (0..=dice.throw(6))
        .map(|_| {
            let mut conditions = serde_json::Map::new();
            for (key, texts, in_ten) in [
                ("account", ACCOUNTS, 6),
                ("type", TYPES, 1),
                ("name", NAMES, 7),
                ("ip", ADDRESSES, 2),
                ("service", SERVICES, 1),
            ] {
                if dice.in_ten(in_ten) {
                    conditions.insert(key.to_owned(), json!(dice.one(texts)));
                }
            }
            if dice.throw(30) == 0 {
                conditions.insert("labels".to_owned(), json!({ "group": "a" }));
            }
            json!({ "match": conditions, "actions": dice.one(ACTIONS) })
        })
        .collect()
}

/// The statements of a user, ready to be asked.
struct Weighed {
    rights: Rights,
    documents: Vec<Document>,
    ids: (InstanceId, CriId),
}

impl Weighed {
    fn of(acl: &[Entry], user: &str) -> Self {
        let ids: (InstanceId, CriId) = (
            INSTANCES[0].1.parse().unwrap(),
            INSTANCES[0].2.parse().unwrap(),
        );
        let rights = translate::rights(acl, user, SERVICE, &ids.1);
        let parse = |text: &String| {
            let checked = Document::parse(text, Limits::POLICY).unwrap();
            assert_eq!(checked.warnings, Vec::<String>::new(), "{text}");
            checked.document
        };
        Self {
            documents: rights.documents.iter().map(parse).collect(),
            rights,
            ids,
        }
    }

    fn allows(&self, permission: Permission, path: Option<&str>, ip: IpAddr) -> bool {
        let instance = InstanceRef {
            account: owner(),
            region: REGION,
            id: &self.ids.0,
            cri_id: &self.ids.1,
        };
        let request = Request {
            permission,
            resource: match path {
                Some(path) => Resource::Repository { instance, path },
                None => Resource::Instance(instance),
            },
            context: Context {
                source_ip: Some(ip),
                ..Context::default()
            },
        };
        let documents: Vec<NamedDocument<'_>> = self
            .documents
            .iter()
            .map(|document| NamedDocument {
                name: "docker-auth",
                owner: owner(),
                document,
            })
            .collect();
        decide(&documents, &request).is_allowed()
    }
}

fn read(acl: &[Value]) -> Vec<Entry> {
    let text = json!({ "acl": acl }).to_string();
    docker_auth::read(&text).unwrap().acl
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long the tests run is no setting of the service"
)]
fn lists() -> u64 {
    LISTS[usize::from(std::env::var("TRANSIRE_TEST_LONG").is_ok_and(|long| !long.is_empty()))]
}

#[test]
fn no_random_list_gives_more_than_it_gave_and_what_gives_less_is_said() {
    let (mut before, mut after) = (0_u64, 0_u64);
    for seed in 0..lists() {
        let mut dice = Dice(seed + 6_000_000_000);
        let list = random_acl(&mut dice);
        let acl = read(&list);
        let account = dice.one(USERS);
        let weighed = Weighed::of(&acl, account);
        for _ in 0..REQUESTS {
            let (action, permission) = *dice.one(&[
                ("pull", Permission::Pull),
                ("push", Permission::Push),
                ("delete", Permission::Delete),
                ("*", Permission::ListCatalog),
            ]);
            let is_list = permission == Permission::ListCatalog;
            let asked = Asked {
                account,
                resource_type: if is_list { "registry" } else { "repository" },
                name: if is_list {
                    "catalog"
                } else {
                    dice.one::<&str>(PATHS)
                },
                ip: dice.one(FROM).parse().unwrap(),
                labels: dice.in_ten(5),
            };
            let granted = asked.is_granted(&list, action);
            let path = (!is_list).then_some(asked.name);
            let allowed = weighed.allows(permission, path, asked.ip);
            (before, after) = (before + u64::from(granted), after + u64::from(allowed));
            let described = || {
                format!(
                    "seed {seed}: {account} {action} {} from {}\n{}\n{:#?}",
                    asked.name,
                    asked.ip,
                    json!(list),
                    weighed.rights
                )
            };
            assert!(granted || !allowed, "more: {}", described());
            let is_whole = weighed.rights.left_out.is_empty();
            assert!(allowed || !granted || !is_whole, "less: {}", described());
        }
    }
    assert!(
        after * 2 > before,
        "of {before} requests that were granted, {after} are"
    );
}

#[test]
fn the_list_of_its_documentation_gives_what_it_says() {
    let text = r#"
acl:
  - match: {ip: "127.0.0.0/8"}
    actions: ["*"]
  - match: {account: "admin"}
    actions: ["*"]
  - match: {account: "test", name: "test-*"}
    actions: ["*"]
  - match: {account: "test"}
    actions: []
  - match: {account: "/.+/", name: "${account}/*"}
    actions: ["*"]
  - match: {account: "/.+/", type: "registry", name: "catalog"}
    actions: ["*"]
  - match: {account: "/.+/"}
    actions: ["pull"]
  - match: {account: "", name: "hello-world"}
    actions: ["pull"]
"#;
    let acl = docker_auth::read(text).unwrap().acl;
    let elsewhere: IpAddr = "192.0.2.1".parse().unwrap();
    let cases: BTreeMap<&str, &[(Permission, &str, bool)]> = BTreeMap::from([
        (
            "admin",
            &[
                (Permission::Delete, "any/app", true),
                (Permission::Push, "a/b/c", true),
            ][..],
        ),
        (
            "test",
            &[
                (Permission::Push, "test-app", true),
                (Permission::Pull, "test-app/more", false),
                (Permission::Pull, "other/app", false),
            ],
        ),
        (
            "carol",
            &[
                (Permission::Push, "carol/app", true),
                (Permission::Push, "carol/app/more", false),
                (Permission::Pull, "carol/app/more", true),
                (Permission::Push, "other/app", false),
                (Permission::Pull, "other/app", true),
            ],
        ),
    ]);
    for (user, cases) in cases {
        let weighed = Weighed::of(&acl, user);
        for (permission, path, expected) in cases {
            let allowed = weighed.allows(*permission, Some(path), elsewhere);
            assert_eq!(allowed, *expected, "{user} {path}");
        }
        let reasons = &weighed.rights.left_out;
        let is_of_catalog = |why: &String| why.contains("the list of repositories");
        assert!(
            reasons.iter().all(|(_, why)| is_of_catalog(why)),
            "{user}: {reasons:#?}"
        );
    }
}

#[test]
fn each_entry_that_is_not_carried_says_what_it_depends_on() {
    for (entries, line, why) in [
        (
            r#"[{"match": {"name": "/^a/"}, "actions": ["pull"]}]"#,
            1,
            "pull: it depends on the regular expression /^a/",
        ),
        (
            r#"[{"match": {"name": "[ab]/*"}, "actions": ["pull"]}]"#,
            1,
            "pull: it depends on a class of letters ([…])",
        ),
        (
            r#"[{"match": {"labels": {"a": "b"}}, "actions": ["push"]}]"#,
            1,
            "push: it depends on labels",
        ),
        (
            r#"[{"match": {"name": "${labels:group}/*"}, "actions": ["push"]}]"#,
            1,
            "push: it depends on the variable ${labels:group}",
        ),
        (
            r#"[{"match": {"ip": "::ffff:10.0.0.1"}, "actions": ["pull"]}]"#,
            1,
            "pull: it depends on the address ::ffff:10.0.0.1",
        ),
        (
            "[{\"match\": {\"name\": \"a/b\"}, \"actions\": [\"pull\"]},\n\
             {\"match\": {\"name\": \"a/*\"}, \"actions\": []},\n\
             {\"match\": {\"name\": \"*/b\"}, \"actions\": [\"pull\"]}]",
            3,
            "pull: it depends on its order: it needs a deny for the entry on line 2, which an \
             earlier allow touches",
        ),
        (
            "[{\"match\": {\"name\": \"secret/*\"}, \"actions\": []},\n\
             {\"match\": {}, \"actions\": [\"pull\"]}]",
            2,
            "pull: it gives less than before, because the entry on line 1 is taken to match more \
             names",
        ),
    ] {
        let acl = docker_auth::read(&format!("{{acl: {entries}}}"))
            .unwrap()
            .acl;
        let rights = Weighed::of(&acl, "alice").rights;
        let expected = (line, why.to_owned());
        assert!(rights.left_out.contains(&expected), "{rights:#?}");
    }
}
