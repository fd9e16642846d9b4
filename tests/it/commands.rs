//! The arguments of every command, given wrong to the true program.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use clap::{CommandFactory, Parser};
use serde_json::json;
use transire::cli::Cli;
use transire::domain::printable::escape;

use crate::harness::documents::{allow, cam, trusting};

/// Messages of the standard library's parsers: they name neither the argument nor the right form.
const RUST_TALK: [&str; 7] = [
    "invalid digit",
    "number too large",
    "invalid socket",
    "invalid IP",
    "invalid port",
    "panicked",
    "Utf8Error",
];
/// Arguments that take any text, or any path that can be written, and filters that then find
/// nothing.
const FREE: [&str; 7] = [
    "action",
    "comment",
    "description",
    "namespace",
    "out",
    "storage",
    "file",
];

/// A program with data of its own, which is removed at the end.
struct Program {
    folder: PathBuf,
    instance: String,
}

impl Drop for Program {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.folder).ok();
    }
}

impl Program {
    fn new(name: &str) -> Self {
        let folder =
            std::env::temp_dir().join(format!("transire-commands-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let mut program = Self {
            folder,
            instance: String::new(),
        };
        program.done(&["init"]);
        program.done(&[
            "account",
            "create",
            "--name",
            "acme",
            "--id",
            "100000000001",
        ]);
        let instance = [
            "instance",
            "create",
            "--account",
            "100000000001",
            "--name",
            "demo",
            "--service",
            "registry.example.com",
        ];
        let made: serde_json::Value = serde_json::from_str(&program.done(&instance)).unwrap();
        made["tcr_id"]
            .as_str()
            .unwrap()
            .clone_into(&mut program.instance);
        let document = cam(&json!([allow("tcr:*", "*")])).to_string();
        fs::write(program.folder.join("document.json"), document).unwrap();
        let trust = trusting("qcs::cam::uin/100000000001:root").to_string();
        fs::write(program.folder.join("trust.json"), trust).unwrap();
        fs::write(program.folder.join("users"), "").unwrap();
        program
    }

    fn run(&self, arguments: &[impl AsRef<OsStr>]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_transire"));
        command
            .current_dir(&self.folder)
            .env_clear()
            .args(["--output", "json"])
            .args(arguments)
            .output()
            .unwrap()
    }

    fn done(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// Returns what a command says that is refused with this status.
    fn refused(&self, arguments: &[&str], status: i32) -> String {
        let output = self.run(arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {said}");
        assert!(
            output.stdout.is_empty(),
            "{arguments:?}: a failure leaves standard output empty"
        );
        said
    }

    /// Returns a value that an argument takes.
    fn good(&self, command: &str, argument: &str) -> String {
        let value = match argument {
            "account" => "100000000001",
            "instance" => &self.instance,
            "id" if command == "access-key" => "AKID0123456789abcdefghijABCDEFGHIJ00",
            "id" if command == "account" => "100000000002",
            "id" | "credential" => "0123456789abcdefghij",
            "principal" => "100000000001:root",
            "service" => "other.example.com",
            "role" if command == "operator" => "auditor",
            "service_account_grant" => "vendor",
            "cidr" => "192.0.2.0/24",
            "action" => "pull",
            "resource" => return format!("{}/team/app", self.instance),
            "trust_policy" => "trust.json",
            "document" | "token" | "jwks" => "document.json",
            "file" => "users",
            "issuer" => "https://issuer.example.com",
            "since" => "1h",
            "kind" if command == "keys" => "sealing",
            "kind" => "distribution",
            "state" => "open",
            "permission" => "team:pull",
            "out" => "written",
            _ => "missing",
        };
        value.to_owned()
    }
}

/// One argument of one command.
struct Argument {
    /// The words of the command.
    command: Vec<String>,
    /// The words of everything else that it needs.
    rest: Vec<String>,
    /// Its long name, or none where it goes by its place.
    long: Option<String>,
    /// How errors name it.
    shown: String,
}

/// Collects the arguments with values of all commands below one.
fn collect(program: &Program, command: &clap::Command, path: &[String], found: &mut Vec<Argument>) {
    for below in command
        .get_subcommands()
        .filter(|below| below.get_name() != "help")
    {
        let path = [path, &[below.get_name().to_owned()]].concat();
        collect(program, below, &path, found);
    }
    if command.has_subcommands() {
        return;
    }
    let takes_value =
        |argument: &&clap::Arg| argument.get_action().takes_values() && !argument.is_global_set();
    let arguments: Vec<_> = command.get_arguments().filter(takes_value).collect();
    let words = |argument: &clap::Arg| {
        let value = program.good(&path[0], argument.get_id().as_str());
        argument
            .get_long()
            .map(|long| format!("--{long}"))
            .into_iter()
            .chain([value])
            .collect::<Vec<_>>()
    };
    for argument in &arguments {
        let others = arguments
            .iter()
            .filter(|other| other.is_required_set() && other.get_id() != argument.get_id());
        found.push(Argument {
            command: path.to_vec(),
            rest: others.flat_map(|other| words(other)).collect(),
            long: argument.get_long().map(str::to_owned),
            shown: match argument.get_long() {
                Some(long) => format!("--{long}"),
                None => format!("<{}>", argument.get_id().as_str().to_uppercase()),
            },
        });
    }
}

#[test]
fn every_argument_of_every_command_refuses_what_it_can_not_take_and_says_so() {
    // "invalid digit found in string" named neither the argument nor what would be right.
    let program = Program::new("all");
    let mut root = Cli::command();
    root.build();
    let mut arguments = Vec::new();
    collect(&program, &root, &[], &mut arguments);
    assert!(arguments.len() > 100, "{}", arguments.len());
    let long = "x".repeat(5000);
    let mut faults = Vec::new();
    // These would run on with what they take.
    arguments.retain(|argument| !matches!(argument.command[0].as_str(), "serve" | "quickstart"));
    for argument in &arguments {
        for bad in [
            "",
            "\u{1b}[31m \u{e9}\u{1f40b}",
            &long,
            "99999999999999999999999",
        ] {
            // The last is a name, too.
            let may_fit = bad.is_ascii() && bad.len() < 100 && !bad.is_empty();
            let given = match &argument.long {
                Some(long) => vec![format!("--{long}={bad}")],
                None => vec!["--".to_owned(), bad.to_owned()],
            };
            let words = [&argument.command[..], &argument.rest, &given].concat();
            let output = program.run(&words);
            if words.starts_with(&["keys".to_owned(), "generate-master".to_owned()]) {
                // Other commands would find the file that it made.
                fs::remove_file(program.folder.join(bad)).ok();
            }
            let said = String::from_utf8(output.stderr).unwrap();
            let shown: String = words.join(" ").chars().take(200).collect();
            let is_free = argument
                .long
                .as_deref()
                .is_none_or(|long| FREE.contains(&long));
            // A file is named by its path, escaped.
            let is_named = said.contains(&argument.shown)
                || argument.long.is_none() && !bad.is_empty() && said.contains(&*escape(bad));
            // Docker reads the errors of its helper from standard output.
            let is_quiet = output.stdout.is_empty() || shown.starts_with("docker-credential get");
            // 1 is its answer: no.
            let failures: &[i32] = if ["role test", "import", "instance update"]
                .iter()
                .any(|command| shown.starts_with(command))
            {
                &[2]
            } else {
                &[1, 3, 4, 5]
            };
            let is_failure = is_quiet && !said.is_empty() && !bad.is_empty();
            match output.status.code() {
                Some(0) if may_fit || is_free => {}
                Some(code) if failures.contains(&code) && is_failure => {}
                Some(2) if output.stdout.is_empty() && is_named => {}
                status => faults.push(format!(
                    "{shown}\n  exited with {status:?} and says: {said}"
                )),
            }
            if let Some(talk) = RUST_TALK.iter().find(|talk| said.contains(**talk)) {
                faults.push(format!("{shown}\n  says {talk:?}: {said}"));
            }
        }
    }
    assert!(
        faults.is_empty(),
        "{} faults:\n{}",
        faults.len(),
        faults.join("\n")
    );
}

#[test]
fn an_argument_of_the_wrong_form_is_answered_with_the_right_one() {
    // `credential delete --id x` said that there is no such credential, as if it had looked.
    let program = Program::new("forms");
    let instance = ["--instance", program.instance.as_str()];
    let account = ["--account", "100000000001"];
    let with = |command: &[&'static str], rest: &[&str], bad: &[&'static str]| -> Vec<String> {
        [command, rest, bad]
            .concat()
            .into_iter()
            .map(str::to_owned)
            .collect()
    };
    let named = [
        &account[..],
        &["--name", "demo2", "--service", "b.example.com"],
    ]
    .concat();
    let explain = [
        "--principal",
        "100000000001:root",
        "--action",
        "pull",
        "--resource",
        "tcr-00000000",
    ];
    for (command, parts) in [
        (
            with(&["credential", "delete"], &instance, &["--id", "x"]),
            &["--id", "20", "transire credential list"][..],
        ),
        (
            with(
                &["credential", "delete"],
                &instance,
                &["--id", "tcr-00000000"],
            ),
            &["--id", "0123456789abcdefghij"],
        ),
        (
            with(
                &["revoke"],
                &["--principal", "100000000001:root"],
                &["--credential", "AKID"],
            ),
            &["--credential", "20"],
        ),
        (
            with(&["access-key", "disable"], &[], &["--id", "x"]),
            &["--id", "AKID", "transire access-key list"],
        ),
        (
            with(
                &["access-key", "disable"],
                &[],
                &["--id", "STS.0123456789abcdefghijABCDEFGHIJ00"],
            ),
            &["--id", "transire revoke"],
        ),
        (
            with(&["namespace", "list"], &[], &["--instance", "Demo!"]),
            &["--instance", "tcr-", "cri-", "transire instance list"],
        ),
        (
            with(&["instance", "list"], &[], &["--output", "yaml"]),
            &["--output", "table", "json"],
        ),
        (
            with(
                &["instance", "create"],
                &named,
                &["--token-ttl", "5 minutes"],
            ),
            &["--token-ttl", "seconds", "1h30m"],
        ),
        (
            with(&["instance", "create"], &named, &["--token-ttl", "59"]),
            &["--token-ttl", "60", "3600"],
        ),
        (
            with(&["instance", "create"], &named, &["--alg", "HS256"]),
            &["--alg", "ES256", "RS256"],
        ),
        (
            with(
                &["role", "create"],
                &account,
                &[
                    "--name",
                    "a",
                    "--trust-policy",
                    "trust.json",
                    "--max-session",
                    "59m",
                ],
            ),
            &["--max-session", "3600"],
        ),
        (
            with(
                &["role", "create"],
                &account,
                &["--name", "a", "--trust-policy", "nowhere"],
            ),
            &["--trust-policy", "nowhere", "can't be read"],
        ),
        (
            with(
                &["policy", "create"],
                &account,
                &["--name", "a", "--document", "."],
            ),
            &["--document", "can't be read"],
        ),
        (
            with(&["policy", "explain"], &explain, &["--address", "here"]),
            &["--address", "192.0.2.1"],
        ),
        (
            with(&["account", "create"], &[], &["--name", "Acme"]),
            &["--name", "lower-case"],
        ),
        (
            with(&["account", "create"], &[], &["--name", "a", "--id", "1e9"]),
            &["--id", "100000000001"],
        ),
        (
            with(&["user", "list"], &[], &["--account", "Acme!"]),
            &["--account", "100000000001"],
        ),
        (
            with(
                &["allow-list", "add"],
                &instance,
                &["--cidr", "192.0.2.0/33"],
            ),
            &["--cidr", "192.0.2.0/24"],
        ),
        (
            with(&["keys", "import-leaf"], &[], &["nowhere"]),
            &["nowhere", "can't be read"],
        ),
        (
            with(
                &["registry-config"],
                &instance,
                &["--kind", "zot", "--out", "o", "--listen", "5000"],
            ),
            &["--listen", "127.0.0.1:5000"],
        ),
        (
            with(&["migrate-data"], &[], &["--to", "here"]),
            &["--to: ", "sqlite:DIRECTORY"],
        ),
        (
            with(&["namespace", "create"], &instance, &["--name", "A"]),
            &["--name: ", "lower-case"],
        ),
        (
            with(&["user", "delete"], &account, &["--name", ""]),
            &["--name"],
        ),
        (
            with(&["audit", "list"], &[], &["--since", "soon"]),
            &["--since", "2025-01-02", "12h"],
        ),
    ] {
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        let said = program.refused(&command, 2);
        for part in parts {
            assert!(
                said.contains(part),
                "{command:?} doesn't say {part:?}: {said}"
            );
        }
        assert!(!said.contains("There is no"), "{command:?}: {said}");
    }
}

#[test]
fn what_is_well_formed_and_missing_is_no_wrong_command() {
    let program = Program::new("missing");
    for (command, status, part) in [
        (
            &[
                "credential",
                "delete",
                "--instance",
                &program.instance,
                "--id",
                "0123456789abcdefghij",
            ][..],
            3,
            "no credential 0123456789abcdefghij",
        ),
        (
            &["namespace", "list", "--instance", "tcr-00000000"],
            3,
            "does not exist",
        ),
        (
            &[
                "user",
                "delete",
                "--account",
                "100000000001",
                "--name",
                "nobody",
            ],
            3,
            "no user nobody",
        ),
        (&["instance", "list", "--data-dir", "nowhere"], 1, "nowhere"),
        (
            &["instance", "list", "--config", "nowhere.toml"],
            1,
            "nowhere.toml",
        ),
    ] {
        let said = program.refused(command, status);
        assert!(said.contains(part), "{command:?}: {said}");
    }
    assert!(!Path::new("nowhere").exists());
}

#[test]
fn every_command_has_a_manual_page_and_completions() {
    let program = Program::new("manual");
    program.done(&["man", "--out", "pages"]);
    let page = |name: &str| {
        let page = fs::read_to_string(program.folder.join("pages").join(name));
        page.unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    assert!(page("transire.1").contains(r"transire\-oidc\-provider(1)"));
    let of_command = page("transire-oidc-provider-create.1");
    assert!(of_command.contains(r"\-\-preset"), "{of_command}");
    for shell in ["bash", "zsh", "fish"] {
        let completions = program.done(&["completions", shell]);
        assert!(completions.contains("get-login-password"), "{shell}");
    }
}

/// Collects the commands below one that have none below themselves, each with its words.
fn leaves<'a>(
    command: &'a clap::Command,
    path: &str,
    found: &mut Vec<(String, &'a clap::Command)>,
) {
    for below in command.get_subcommands() {
        let path = format!("{path} {}", below.get_name());
        if below.has_subcommands() {
            leaves(below, &path, found);
        } else if below.get_name() != "help" {
            found.push((path, below));
        }
    }
}

#[test]
fn every_command_has_two_examples_that_it_takes() {
    let root = transire::cli::command();
    let mut found = Vec::new();
    leaves(&root, "transire", &mut found);
    assert!(found.len() > 60, "{}", found.len());
    let mut faults = Vec::new();
    for (path, command) in found {
        let help = command.get_after_help().map(ToString::to_string);
        let help = help.unwrap_or_default();
        let of_command = |line: &&str| line.trim_start().starts_with(&path);
        let examples: Vec<&str> = help.lines().filter(of_command).map(str::trim).collect();
        if examples.len() < 2 {
            faults.push(format!("{path}: it has {} examples", examples.len()));
        }
        for example in examples {
            let words = example.split_whitespace().take_while(|word| *word != "|");
            if let Err(error) = Cli::try_parse_from(words.take_while(|word| *word != ">")) {
                faults.push(format!("{example}\n  {error}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn own_options_stand_before_global_ones_in_the_help() {
    let program = Program::new("help");
    let help = program.done(&["instance", "create", "--help"]);
    let place = |text: &str| help.find(text).unwrap_or_else(|| panic!("{text}: {help}"));
    assert!(place("--token-log-in") < place("Global options:"));
    assert!(place("Global options:") < place("--data-dir"));
    assert!(place("--data-dir") < place("Examples:"));
}

#[test]
fn an_error_is_one_json_document_where_json_is_asked_for() {
    let program = Program::new("errors");
    let made = ["account", "create", "--name", "acme"];
    for (command, status, kind, argument) in [
        (&made[..], 4, "already-exists", None),
        (
            &[
                "user",
                "delete",
                "--account",
                "100000000001",
                "--name",
                "nobody",
            ],
            3,
            "not-found",
            None,
        ),
        (
            &["account", "list", "--data-dir", "nowhere"],
            1,
            "misconfigured",
            None,
        ),
        (
            &["policy", "check", "--document", "nowhere"],
            2,
            "invalid-parameter",
            Some("document"),
        ),
        (&["account", "create"], 2, "missing-parameter", Some("name")),
        (
            &["account", "list", "--bad"],
            2,
            "unknown-parameter",
            Some("bad"),
        ),
        (
            &["account", "list", "--columns", "name,age"],
            2,
            "invalid-parameter",
            Some("columns"),
        ),
    ] {
        let said = program.refused(command, status);
        let error: serde_json::Value = serde_json::from_str(&said).unwrap();
        assert_eq!(error["error"]["kind"], kind, "{said}");
        assert_eq!(error["error"]["argument"], json!(argument), "{said}");
        assert!(error["error"]["message"].is_string(), "{said}");
        assert!(error["error"].get("cause").is_some(), "{said}");
    }
}

#[test]
fn a_database_that_can_not_be_reached_is_unavailable() {
    let program = Program::new("unavailable");
    fs::write(
        program.folder.join("settings.toml"),
        "[postgres]\nstart_seconds = 1\n",
    )
    .unwrap();
    // Port 1 of loopback has no listener.
    let database = "postgres://nobody@127.0.0.1:1/none?sslmode=disable";
    let said = program.refused(
        &[
            "account",
            "list",
            "--config",
            "settings.toml",
            "--database",
            database,
        ],
        5,
    );
    assert!(said.contains(r#""kind":"store-unavailable""#), "{said}");
}

#[test]
fn a_list_has_the_form_and_the_columns_that_are_asked_for() {
    let program = Program::new("forms-of-lists");
    program.done(&[
        "account",
        "create",
        "--name",
        "other",
        "--id",
        "100000000002",
    ]);
    let list = |options: &[&str]| program.done(&[&["account", "list"], options].concat());
    let run = |options: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_transire"))
            .current_dir(&program.folder)
            .env_clear()
            .args(["account", "list"])
            .args(options)
            .output()
            .unwrap();
        assert!(output.status.success(), "{options:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let items = json!({"items": [{"name": "acme"}, {"name": "other"}]});
    let given: serde_json::Value = serde_json::from_str(&list(&["--columns", "name"])).unwrap();
    assert_eq!(given, items);
    assert_eq!(run(&["-o", "name"]), "100000000001\n100000000002\n");
    let lines = run(&["-o", "jsonl", "--columns", "name,account_id"]);
    assert_eq!(
        lines,
        "{\"account_id\":\"100000000001\",\"name\":\"acme\"}\n\
         {\"account_id\":\"100000000002\",\"name\":\"other\"}\n"
    );
    let table = run(&["--columns", "name,account_id"]);
    let rows: Vec<Vec<&str>> = table
        .lines()
        .map(|row| row.split_whitespace().collect())
        .collect();
    assert_eq!(
        rows,
        [
            ["name", "account_id"],
            ["acme", "100000000001"],
            ["other", "100000000002"]
        ]
    );
}

#[test]
fn a_name_is_printed_of_one_object_but_never_in_place_of_a_secret() {
    let program = Program::new("names");
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_transire"))
            .current_dir(&program.folder)
            .env_clear()
            .args(arguments)
            .args(["-o", "name"])
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let account = [
        "account",
        "create",
        "--name",
        "other",
        "--id",
        "100000000002",
    ];
    assert_eq!(run(&account), "100000000002\n");
    let key = run(&["access-key", "create", "--account", "100000000002"]);
    assert!(key.contains("access_key_secret"), "{key}");
}
