//! Files of operators: the settings, a declared state, and what is imported.

use crate::config::{Settings, example};
use crate::import::{docker_auth, htpasswd};
use crate::state::State;

pub(super) const WORDS: &[&str] = &[
    "[limits]\n",
    "[keys]\n",
    "[postgres]\n",
    "[shared]\nurl = \"redis://:hunter2@h\"\n",
    "master_key = ",
    "database = \"postgres://u:hunter2@h/n\"\n",
    "listen = ",
    "public_url = ",
    "= true\n",
    "= -1\n",
    "= 9223372036854775807\n",
    "= [\"a\"]\n",
    "= 1e400\n",
    "\"\"\"",
    "'''",
    "#",
    "\n",
    "{",
    "}",
    ".",
];

/// Returns the example that every setting is in, and small files.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let bare = |line: &str| {
        line.strip_prefix("# ")
            .or(line.strip_prefix('#'))
            .map(str::to_owned)
    };
    let all: Vec<String> = example().lines().filter_map(bare).collect();
    let settings = all.iter().filter(|line| line.contains(" = ")).take(40);
    let settings: Vec<&str> = settings.map(String::as_str).collect();
    let mut seeds = super::texts(&[
        "listen = 8480\npublic_url = \"https://r.example.com\"\n[limits]\nbody_bytes = 1048576\n",
        "database = \"postgres://u:hunter2@h/n\"\nmaster_key = \"hunter2\"\n",
        "[shared]\nurl = \"redis://:hunter2@h\"\n",
        "[sso]\nissuer = \"https://i\"\nclient_id = \"c\"\n",
        "trusted_proxies = [\"10.0.0.0/8\"]\n[cors]\norigins = [\"https://ui.example.com\"]\n",
    ]);
    seeds.extend([example().into_bytes(), settings.join("\n").into_bytes()]);
    seeds
}

/// Reads settings: no error tells a secret, and what is read is taken by the parts that get it.
pub(super) fn check(input: &[u8]) -> Option<()> {
    let text = std::str::from_utf8(input).ok()?;
    match Settings::parse(text, []) {
        Ok(settings) => {
            settings.http();
            settings.realm();
            let again = Settings::parse(text, []).expect("it is read again");
            let changes = settings.reloaded(&again).1;
            assert!(changes.is_empty(), "it changes by itself");
            Some(())
        }
        Err(error) => {
            let secrets = secrets_of(text);
            let told = error.to_string();
            let is_told = secrets.iter().any(|secret| told.contains(secret.as_str()));
            assert!(!is_told, "an error tells a secret: {told}");
            None
        }
    }
}

/// Returns the values of a file that are secrets, if they are long enough to be known again.
fn secrets_of(text: &str) -> Vec<String> {
    let Ok(table) = text.parse::<toml::Table>() else {
        return Vec::new();
    };
    let shared = table.get("shared").and_then(|shared| shared.get("url"));
    let secrets = [table.get("master_key"), table.get("database"), shared];
    let texts = secrets
        .into_iter()
        .flatten()
        .filter_map(toml::Value::as_str);
    texts
        .filter(|text| text.len() > 12)
        .map(str::to_owned)
        .collect()
}

pub(super) const IMPORTS: &[&str] = &[
    "users:\n  admin:\n    password: $2y$05$LO.vzwpWC5LZGqThvEfznu8qhb5SGqvBSWY1J3yZ4AxtMRZ3kN5jC\n\
     acl:\n- match: {account: admin}\n  actions: [\"*\"]\n\
     - match: {account: /.+/, name: \"${account}/*\"}\n  actions: [pull]\n",
    "acl:\n  - match: {type: repository, name: \"/^team-[a-z]+\\\\/.*$/\"}\n\
     \x20   actions: ['pull', 'push']\n    comment: \"x\"\n",
    "bob:$2y$05$LO.vzwpWC5LZGqThvEfznu8qhb5SGqvBSWY1J3yZ4AxtMRZ3kN5jC\n# x\nann:{SHA}x\n",
    "[[accounts]]\nid = \"100000000001\"\n[[accounts.users]]\nname = \"dev\"\n",
    "a: &a [x]\nb: *a\nc: !!str 1\n? d\n: e\n",
];
pub(super) const IMPORT_WORDS: &[&str] = &[
    "users:\n",
    "acl:\n",
    "- match: ",
    "actions: ",
    "{",
    "}",
    "[",
    "]",
    "&a ",
    "*a",
    "!!",
    "|\n",
    ">\n",
    "? ",
    ": ",
    "\n  ",
    "\t",
    "${account}",
    "$2y$05$",
    "\"",
    "'",
    "[[accounts]]\n",
    "---\n",
    "...\n",
];

/// Reads the files of other registries' log-ins, and a declared state.
pub(super) fn check_import(input: &[u8]) -> Option<()> {
    let text = std::str::from_utf8(input).ok()?;
    let users = htpasswd::read(text);
    assert!(users.len() <= text.lines().count(), "{} users", users.len());
    if let Ok(config) = docker_auth::read(text) {
        let most = input.len() + 1;
        assert!(config.users.len() <= most && config.acl.len() <= most);
        let instance = "cri-abcdefgh12345678".parse().expect("an instance's id");
        let rights = docker_auth::translate::rights(&config.acl, "admin", "service", &instance);
        drop(docker_auth::translate::left_out([("admin", &rights)]));
    }
    drop(State::parse("file", "input", text.to_owned()));
    Some(())
}
