//! The arguments of every command, given wrong to the true program.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use clap::CommandFactory;
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
const FREE: [&str; 6] = ["action", "comment", "namespace", "out", "storage", "file"];

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
            let failed = if shown.starts_with("role test") { 2 } else { 1 };
            match output.status.code() {
                Some(0) if may_fit || is_free => {}
                Some(code) if code == failed && is_quiet && !said.is_empty() && !bad.is_empty() => {
                }
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
            with(&["namespace", "list"], &[], &["--instance", "demo"]),
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
            with(&["policy", "explain"], &explain, &["--ip", "here"]),
            &["--ip", "192.0.2.1"],
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
            with(&["user", "list"], &[], &["--account", "acme"]),
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
    for (command, part) in [
        (
            &[
                "credential",
                "delete",
                "--instance",
                &program.instance,
                "--id",
                "0123456789abcdefghij",
            ][..],
            "no credential 0123456789abcdefghij",
        ),
        (
            &["namespace", "list", "--instance", "tcr-00000000"],
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
            "no user nobody",
        ),
        (&["instance", "list", "--data-dir", "nowhere"], "nowhere"),
        (
            &["instance", "list", "--config", "nowhere.toml"],
            "nowhere.toml",
        ),
    ] {
        let said = program.refused(command, 1);
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
