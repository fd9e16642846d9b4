//! Folders are layers: each room uses only what its place allows. The test reads the sources.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms and crates that a room may use; tests inside of it are free.
struct Room {
    name: &'static str,
    /// Rooms of ours, besides itself.
    ours: &'static [&'static str],
    /// Crates of others, besides the standard library.
    others: &'static [&'static str],
    purity: Purity,
}

#[derive(PartialEq, Eq)]
enum Purity {
    /// No files, sockets, threads, environment or async.
    Pure,
    /// Anything that the crates above give.
    Free,
}

const ROOMS: &[Room] = &[
    Room {
        name: "domain",
        ours: &[],
        others: &[
            "crc32fast",
            "getrandom",
            "rustix",
            "serde",
            "subtle",
            "thiserror",
            "time",
            "zeroize",
        ],
        purity: Purity::Pure,
    },
    Room {
        name: "policy",
        ours: &["domain"],
        others: &["serde", "serde_json"],
        purity: Purity::Pure,
    },
    Room {
        name: "sign",
        ours: &["domain"],
        others: &[
            "aws_lc_rs",
            "base64",
            "form_urlencoded",
            "hex",
            "http",
            "httpdate",
            "md5",
            "percent_encoding",
            "serde",
            "serde_json",
            "subtle",
            "zeroize",
        ],
        purity: Purity::Pure,
    },
    Room {
        name: "token",
        ours: &["domain"],
        others: &[
            "argon2",
            "aws_lc_rs",
            "base64",
            "hex",
            "miniz_oxide",
            "rcgen",
            "serde",
            "serde_json",
            "subtle",
            "time",
            "zeroize",
        ],
        purity: Purity::Pure,
    },
    Room {
        name: "store",
        ours: &["domain"],
        others: &[
            "aws_lc_rs",
            "bytes",
            "deadpool",
            "deadpool_postgres",
            "rusqlite",
            "rustls",
            "thiserror",
            "tokio",
            "tokio_postgres",
            "tokio_rustls",
            "tracing",
            "url",
        ],
        purity: Purity::Free,
    },
    Room {
        name: "remote",
        ours: &[],
        others: &[
            "bytes",
            "http",
            "http_body_util",
            "hyper",
            "hyper_util",
            "rustls",
            "rustls_native_certs",
            "serde",
            "serde_json",
            "thiserror",
            "tokio",
            "tokio_rustls",
            "url",
        ],
        purity: Purity::Free,
    },
    Room {
        name: "shared",
        ours: &["domain"],
        others: &[
            "arc_swap",
            "aws_lc_rs",
            "hex",
            "redis",
            "rustls",
            "tokio",
            "tracing",
        ],
        purity: Purity::Free,
    },
    Room {
        name: "service",
        ours: &[
            "domain", "policy", "remote", "shared", "sign", "store", "token",
        ],
        others: &[
            "arc_swap",
            "aws_lc_rs",
            "hex",
            "quick_cache",
            "serde",
            "serde_json",
            "subtle",
            "tokio",
            "tracing",
            "zeroize",
        ],
        purity: Purity::Free,
    },
    Room {
        name: "http",
        ours: &["domain", "service", "sign"],
        others: &[
            "axum",
            "base64",
            "bytes",
            "form_urlencoded",
            "http",
            "http_body_util",
            "serde",
            "serde_json",
            "tokio",
            "tracing",
        ],
        purity: Purity::Free,
    },
    Room {
        name: "views",
        ours: &["domain", "service"],
        others: &["serde", "serde_json"],
        purity: Purity::Pure,
    },
    Room {
        name: "config",
        ours: &["domain", "http", "secret_files", "service", "sign"],
        others: &[
            "http",
            "percent_encoding",
            "serde",
            "toml",
            "tracing",
            "url",
            "zeroize",
        ],
        purity: Purity::Free,
    },
    Room {
        name: "open",
        ours: &[
            "config",
            "domain",
            "secret_files",
            "service",
            "sign",
            "store",
            "token",
        ],
        others: &["hex", "rustix", "tracing", "zeroize"],
        purity: Purity::Free,
    },
    Room {
        name: "serve",
        ours: &[
            "config",
            "domain",
            "http",
            "open",
            "secret_files",
            "service",
            "token",
        ],
        others: &[
            "arc_swap",
            "aws_lc_rs",
            "axum",
            "bytes",
            "http",
            "hyper",
            "hyper_util",
            "rustix",
            "rustls",
            "serde_json",
            "tokio",
            "tokio_rustls",
            "tracing",
        ],
        purity: Purity::Free,
    },
    Room {
        name: "quickstart",
        ours: &[
            "config",
            "domain",
            "open",
            "registry_config",
            "serve",
            "service",
            "sign",
        ],
        others: &[
            "aws_lc_rs",
            "base64",
            "bytes",
            "clap",
            "hex",
            "http",
            "http_body_util",
            "hyper_util",
            "serde",
            "serde_json",
            "tokio",
            "url",
        ],
        purity: Purity::Free,
    },
    Room {
        name: "registry_config",
        ours: &["domain"],
        others: &["serde_json"],
        purity: Purity::Free,
    },
    Room {
        name: "transfer",
        ours: &["config", "domain", "open", "service", "store"],
        others: &["hex", "serde", "tracing"],
        purity: Purity::Free,
    },
    Room {
        name: "main",
        ours: &["cli"],
        others: &["clap", "mimalloc"],
        purity: Purity::Free,
    },
    Room {
        name: "secret_files",
        ours: &["domain"],
        others: &[],
        purity: Purity::Free,
    },
    Room {
        name: "cli",
        ours: &[
            "config",
            "domain",
            "open",
            "quickstart",
            "registry_config",
            "serve",
            "service",
            "transfer",
            "views",
        ],
        others: &[
            "clap",
            "comfy_table",
            "serde",
            "serde_json",
            "tokio",
            "tracing",
            "tracing_subscriber",
        ],
        purity: Purity::Free,
    },
];

/// The parts of its room that a part may use; the room's own file is free.
struct Part {
    room: &'static str,
    name: &'static str,
    /// Parts of the room, besides itself.
    ours: &'static [&'static str],
}

/// The parts of rooms that have rules inside: each part of such a room has a row. No door has
/// another one in its row.
const PARTS: &[Part] = &[
    Part {
        room: "http",
        name: "front",
        ours: &["door", "doors", "observe", "request"],
    },
    Part {
        room: "http",
        name: "doors",
        ours: &[
            "alibaba", "door", "observe", "plain", "registry", "request", "tencent",
        ],
    },
    Part {
        room: "http",
        name: "door",
        ours: &["request"],
    },
    Part {
        room: "http",
        name: "request",
        ours: &[],
    },
    Part {
        room: "http",
        name: "observe",
        ours: &["request"],
    },
    Part {
        room: "http",
        name: "tencent",
        ours: &["door", "request"],
    },
    Part {
        room: "http",
        name: "alibaba",
        ours: &["door", "request"],
    },
    Part {
        room: "http",
        name: "registry",
        ours: &["door", "request"],
    },
    Part {
        room: "http",
        name: "plain",
        ours: &["door", "request"],
    },
    Part {
        room: "service",
        name: "request",
        ours: &[],
    },
    Part {
        room: "service",
        name: "quotas",
        ours: &[],
    },
    Part {
        room: "service",
        name: "sharded",
        ours: &[],
    },
    Part {
        room: "service",
        name: "base",
        ours: &[],
    },
    Part {
        room: "service",
        name: "limits",
        ours: &["base", "request", "sharded"],
    },
    Part {
        room: "service",
        name: "memory",
        ours: &["base", "sharded"],
    },
    Part {
        room: "service",
        name: "ledger",
        ours: &["base", "limits", "memory", "request"],
    },
    Part {
        room: "service",
        name: "access",
        ours: &["base", "ledger", "limits", "memory", "request"],
    },
    Part {
        room: "service",
        name: "call",
        ours: &["access", "ledger", "request"],
    },
    Part {
        room: "service",
        name: "rights",
        ours: &["access", "base", "call", "memory", "request"],
    },
    Part {
        room: "service",
        name: "credentials",
        ours: USE_CASES_USE,
    },
    Part {
        room: "service",
        name: "exchange",
        ours: USE_CASES_USE,
    },
    Part {
        room: "service",
        name: "sts",
        ours: USE_CASES_USE,
    },
    Part {
        room: "service",
        name: "identity",
        ours: USE_CASES_USE,
    },
    Part {
        room: "service",
        name: "keys",
        ours: USE_CASES_USE,
    },
    // An instance with a registry of its own kind gets a key; operators read the warnings about
    // keys.
    Part {
        room: "service",
        name: "registry",
        ours: &[
            "access", "base", "call", "keys", "ledger", "limits", "memory", "quotas", "request",
            "rights",
        ],
    },
    Part {
        room: "service",
        name: "operations",
        ours: &[
            "access", "base", "call", "keys", "ledger", "limits", "memory", "quotas", "request",
            "rights",
        ],
    },
    // These serve all parts; the face is the struct `Service` itself.
    Part {
        room: "service",
        name: "settings",
        ours: &["access", "keys", "ledger", "quotas"],
    },
    Part {
        room: "service",
        name: "background",
        ours: &["face", "keys", "ledger", "memory", "registry", "sts"],
    },
    Part {
        room: "service",
        name: "open",
        ours: &[
            "access",
            "base",
            "credentials",
            "exchange",
            "face",
            "identity",
            "keys",
            "ledger",
            "limits",
            "memory",
            "operations",
            "quotas",
            "registry",
            "rights",
            "settings",
            "sts",
        ],
    },
];

/// The parts of the service that its use cases may use: no use case uses another.
const USE_CASES_USE: &[&str] = &[
    "access", "base", "call", "ledger", "limits", "memory", "quotas", "request", "rights",
];

/// Items of other rooms that a room hands on under its own name, by who does it.
const HANDED_ON: &[(&str, &str)] = &[
    ("open", "store"),
    ("service", "domain"),
    ("service", "policy"),
    ("service", "remote"),
    ("service", "shared"),
    ("service", "store"),
    ("service", "token"),
    ("transfer", "store"),
];

/// Parts of the standard library that a pure room has no use for.
const IMPURE: &[&str] = &[
    "std::env",
    "std::fs",
    "std::io",
    "std::process",
    "std::thread",
    "std::net::Tcp",
    "std::net::Udp",
    "async fn",
    "async move",
    ".await",
];

/// The signature room's functions that make signatures: a server only checks them.
const SIGNERS: &[&str] = &[
    "tc3::authorization",
    "acs3::sign",
    "alibaba_rpc::sign",
    "alibaba_roa::sign",
    "tencent_v1::sign",
];

#[test]
fn every_room_uses_only_what_its_place_allows() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let crates = dependencies(&fs::read_to_string(root.join("Cargo.toml")).unwrap());
    let mut complaints = String::new();
    let mut files = Vec::new();
    sources(&root.join("src"), &mut files);
    assert!(files.len() > 10, "the sources weren't found");
    for file in files {
        let relative = file.strip_prefix(root).unwrap();
        let text = fs::read_to_string(&file).unwrap();
        for (line, rule) in check(relative, &text, &crates) {
            writeln!(complaints, "{}:{line}: {rule}", relative.display()).unwrap();
        }
    }
    assert!(complaints.is_empty(), "\n{complaints}");
}

#[test]
fn a_test_file_shares_by_the_harness_alone() {
    // Fourteen files added methods to `App`, and twenty imported each other.
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut files = Vec::new();
    sources(&root.join("it"), &mut files);
    files.retain(|file| {
        !file.starts_with(root.join("it/harness")) && !file.ends_with("it/layers.rs")
    });
    assert!(files.len() > 30, "the tests weren't found");
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        assert!(
            !text.contains("\nimpl App {"),
            "{}: methods of App are in tests/it/harness",
            file.display()
        );
        let others = text
            .match_indices("crate::")
            .filter(|(place, _)| !text[*place..].starts_with("crate::harness"));
        let others: Vec<_> = others
            .map(|(place, _)| text[place..].split(';').next().unwrap())
            .collect();
        assert!(
            others.is_empty(),
            "{}: what test files share is in tests/it/harness: {others:?}",
            file.display()
        );
    }
    for file in fs::read_dir(root.join("clients"))
        .unwrap()
        .map(|file| file.unwrap().path())
    {
        let Some(name) = file
            .file_name()
            .and_then(|name| name.to_str())
            .filter(|name| name.ends_with(".py"))
        else {
            continue;
        };
        let text = fs::read_to_string(&file).unwrap();
        let imports = text
            .lines()
            .filter(|line| line.starts_with("from test_") || line.starts_with("import test_"));
        assert_eq!(
            imports.count(),
            0,
            "{name}: what test files share is in a module of its own"
        );
    }
}

#[test]
fn no_modules_of_a_folder_import_each_other_in_a_circle() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // A bench of several files is a crate of its own.
    for (above, folder) in [(root.to_owned(), "src"), (root.join("benches"), "macro")] {
        let mut files = Vec::new();
        sources(&above.join(folder), &mut files);
        assert!(files.len() > 1, "the sources weren't found");
        let texts = files.iter().map(|file| {
            (
                file.strip_prefix(&above).unwrap().to_owned(),
                fs::read_to_string(file).unwrap(),
            )
        });
        let found = circles(&texts.collect::<Vec<_>>());
        assert!(found.is_empty(), "{folder}: {found:?}");
    }
}

#[test]
fn the_checker_sees_circles_of_files_and_of_folders_and_nothing_else() {
    let found = |files: &[(&str, &str)]| {
        let files: Vec<_> = files
            .iter()
            .map(|(path, text)| (PathBuf::from(path), (*text).to_owned()))
            .collect();
        circles(&files)
            .into_iter()
            .map(|(folder, members)| format!("{folder}: {}", members.join(" ")))
            .collect::<Vec<_>>()
    };
    let file = |name: &'static str, text: &'static str| (name, text);
    assert_eq!(
        found(&[
            file("src/a/b.rs", "use super::c::X;"),
            file("src/a/c.rs", "fn f() { crate::a::b::y(); }"),
            file("src/a/mod.rs", "")
        ]),
        ["a: b c"]
    );
    // A folder's parts count as the folder, and what stands behind a test module is read.
    assert_eq!(
        found(&[
            file("src/a/b/mod.rs", "mod d;"),
            file(
                "src/a/b/d.rs",
                "#[cfg(test)]\nmod tests {\n    fn x() {}\n}\nuse crate::a::c::X;"
            ),
            file("src/a/c.rs", "use super::e::Y;"),
            file("src/a/e.rs", "use super::b::d::Z;"),
        ]),
        ["a: b c e"]
    );
    // A folder and what is in it are one; tests are free.
    assert_eq!(
        found(&[
            file("src/a/mod.rs", "mod b;\npub use self::b::X;"),
            file("src/a/b.rs", "use super::Y;"),
            file(
                "src/a/c.rs",
                "#[cfg(test)]\nmod tests {\n    use crate::a::d::X;\n}"
            ),
            file("src/a/d.rs", "use super::c::Z; // use super::b::X;"),
        ]),
        Vec::<String>::new()
    );
}

#[test]
fn the_checker_sees_every_way_to_reach_over() {
    let crates = BTreeSet::from(["axum", "rusqlite", "serde", "tokio"].map(str::to_owned));
    let cases = [
        ("src/domain/a.rs", "use crate::store::Store;", 1),
        (
            "src/domain/a.rs",
            "fn a() -> crate::service::Service { todo!() }",
            1,
        ),
        (
            "src/domain/a.rs",
            "use crate::{\n    store::X,\n    domain::Y,\n};",
            1,
        ),
        ("src/domain/a.rs", "use super::super::sign;", 1),
        ("src/domain/mod.rs", "use super::sign;", 1),
        ("src/domain/a.rs", "use super::error;", 0),
        ("src/domain/a.rs", "use tokio::time;", 1),
        ("src/domain/a.rs", "use tokio;", 1),
        ("src/remote/a.rs", "use crate::store::Store;", 1),
        ("src/http/front.rs", "use crate::remote::Client;", 1),
        ("src/http/front.rs", "use crate::shared::Shared;", 1),
        ("src/shared/a.rs", "use crate::sign::Replay;", 1),
        ("src/domain/a.rs", "let x = ::tokio::spawn(1);", 1),
        ("src/domain/a.rs", "async fn x() {}", 1),
        (
            "src/domain/a.rs",
            "// use tokio::time;\n/* use tokio::time; */ let x = \"tokio::time\";",
            0,
        ),
        ("src/domain/a.rs", "use serde::Serialize;", 0),
        (
            "src/domain/a.rs",
            "#[cfg(test)]\nmod tests {\n    use tokio::time;\n}",
            0,
        ),
        (
            "src/http/tencent/mod.rs",
            "use super::alibaba::Envelope;",
            1,
        ),
        (
            "src/http/tencent/tcr.rs",
            "use super::super::alibaba::Envelope;",
            1,
        ),
        ("src/http/tencent/mod.rs", "use crate::http::alibaba;", 1),
        (
            "src/http/alibaba/cr.rs",
            "use crate::http::{door, tencent};",
            1,
        ),
        ("src/http/registry/tokens.rs", "use crate::http::plain;", 1),
        ("src/http/doors.rs", "use super::{alibaba, tencent};", 0),
        ("src/http/front.rs", "use super::{doors, tencent};", 1),
        (
            "src/http/door/mod.rs",
            "use crate::http::tencent::Envelope;",
            1,
        ),
        ("src/http/request/mod.rs", "use crate::http::door::Door;", 1),
        (
            "src/http/mod.rs",
            "pub use self::front::Front;\nuse self::tencent::X;",
            0,
        ),
        ("src/http/unknown/mod.rs", "", 1),
        (
            "src/service/credentials/mod.rs",
            "use crate::service::sts::Sts;",
            1,
        ),
        (
            "src/service/memory/cache.rs",
            "use crate::service::ledger::Ledger;",
            1,
        ),
        ("src/service/base.rs", "use crate::service::call::Call;", 1),
        (
            "src/service/registry/instances.rs",
            "use crate::service::keys::Keys;",
            0,
        ),
        (
            "src/service/exchange/mod.rs",
            "use crate::service::Service;",
            1,
        ),
        (
            "src/service/exchange/mod.rs",
            "fn f(caller: &super::Caller) {}",
            1,
        ),
        (
            "src/service/background/mod.rs",
            "use crate::service::Service;",
            0,
        ),
        ("src/service/unknown.rs", "", 1),
        (
            "src/http/tencent/mod.rs",
            "let x = sign::tc3::authorization();",
            1,
        ),
        ("src/http/front.rs", "let x = rusqlite::open();", 1),
        (
            "src/serve.rs",
            "use crate::store::Store; use rusqlite::X;",
            2,
        ),
        ("src/lib.rs", "pub mod domain;", 0),
        ("src/unknown.rs", "use std::fmt;", 1),
        ("src/unknown/a.rs", "", 1),
        (
            "src/domain/a.rs",
            "#[cfg(test)]\nmod tests {\n    fn a() { \"}\" }\n}\nuse tokio::time;",
            1,
        ),
        ("src/cli/a.rs", "pub use crate::service::Service;", 1),
        (
            "src/cli/a.rs",
            "pub(crate) use crate::service::{Service, X};",
            2,
        ),
        (
            "src/cli/a.rs",
            "use crate::service::Service;\npub use super::output::Y;",
            0,
        ),
        (
            "src/service/mod.rs",
            "pub use crate::store::audit::AuditRow;",
            0,
        ),
    ];
    for (file, text, complaints) in cases {
        assert_eq!(
            check(Path::new(file), text, &crates).len(),
            complaints,
            "{file}: {text}"
        );
    }
}

fn sources(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
}

/// Returns the crates of the manifest's dependencies, as paths name them.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let mut section = "";
    let mut crates = BTreeSet::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line;
        } else if section == "[dependencies]"
            && let Some((name, value)) = line.split_once('=')
        {
            crates.insert(name.trim().replace('-', "_"));
            // A crate's own name, where the manifest calls it another.
            if let Some((_, package)) = value.split_once("package = \"") {
                crates.insert(package.split('"').next().unwrap().replace('-', "_"));
            }
        }
    }
    crates
}

/// Returns the lines of a file that break a rule, and which.
fn check(file: &Path, text: &str, crates: &BTreeSet<String>) -> Vec<(usize, String)> {
    let module = module(file);
    let Some(name) = module.first() else {
        return Vec::new();
    };
    let Some(room) = ROOMS.iter().find(|room| room.name == name) else {
        return vec![(
            1,
            format!("`{name}` is no room that the test knows: give it a row"),
        )];
    };
    if module
        .iter()
        .any(|part| part == "tests" || part == "testing")
    {
        return Vec::new();
    }
    let code = blank_out(text);
    let mut complaints = Vec::new();
    let part = module
        .get(1)
        .filter(|_| PARTS.iter().any(|part| part.room == room.name));
    let allowed = part.and_then(|name| parts_of(room.name).find(|part| part.name == name));
    if let (Some(name), None) = (part, allowed) {
        complaints.push((
            1,
            format!(
                "`{name}` is no part of `{}` that the test knows: give it a row",
                room.name
            ),
        ));
    }
    for path in paths(&code) {
        let line = code[..path.at].matches('\n').count() + 1;
        let first = path.segments[0].as_str();
        if let Some(absolute) = resolve(&module, &path.segments) {
            let other = absolute
                .first()
                .map(String::as_str)
                .filter(|other| ROOMS.iter().any(|room| room.name == *other));
            match other {
                Some(other) if other != room.name && !room.ours.contains(&other) => {
                    complaints.push((line, format!("`{}` may not use `{other}`", room.name)));
                }
                Some(other)
                    if other != room.name
                        && path.is_handed_on
                        && !HANDED_ON.contains(&(room.name, other)) =>
                {
                    complaints.push((
                        line,
                        format!("`{}` may not hand on items of `{other}`", room.name),
                    ));
                }
                Some(other) if other == room.name => {
                    let used = absolute
                        .get(1)
                        .and_then(|used| parts_of(room.name).find(|part| part.name == used));
                    if let (Some(part), Some(used)) = (allowed, used)
                        && part.name != used.name
                        && !part.ours.contains(&used.name)
                    {
                        complaints.push((
                            line,
                            format!(
                                "in `{}`, `{}` may not use `{}`",
                                room.name, part.name, used.name
                            ),
                        ));
                    }
                    if let (Some(part), None, Some(item)) = (allowed, used, absolute.get(1))
                        && room.name == "service"
                        && !part.ours.contains(&"face")
                    {
                        complaints.push((
                            line,
                            format!(
                                "in `service`, `{}` may not use `{item}` of the face",
                                part.name
                            ),
                        ));
                    }
                }
                _ => {}
            }
        } else if crates.contains(first) && !room.others.contains(&first) {
            complaints.push((
                line,
                format!("`{}` may not use the crate `{first}`", room.name),
            ));
        }
    }
    for (number, line) in code.lines().enumerate() {
        if room.purity == Purity::Pure {
            let found = IMPURE.iter().filter(|impure| line.contains(*impure));
            complaints.extend(found.map(|impure| {
                (
                    number + 1,
                    format!("`{}` is pure and may not use `{impure}`", room.name),
                )
            }));
        }
        if !["store", "token"].contains(&room.name) && line.contains("Wrapped::from_bytes") {
            complaints.push((
                number + 1,
                format!(
                    "`{}` wraps no secrets and reads none: `Wrapped::from_bytes`",
                    room.name
                ),
            ));
        }
        if room.name == "http" {
            let found = SIGNERS.iter().filter(|signer| line.contains(*signer));
            complaints.extend(found.map(|signer| {
                (
                    number + 1,
                    format!("`http` checks signatures and doesn't make them: `{signer}`"),
                )
            }));
        }
    }
    complaints
}

fn parts_of(room: &str) -> impl Iterator<Item = &'static Part> {
    PARTS.iter().filter(move |part| part.room == room)
}

/// Returns the module path of a file: `src/http/tencent/mod.rs` is `http::tencent`.
fn module(file: &Path) -> Vec<String> {
    let mut module: Vec<String> = file
        .with_extension("")
        .components()
        .skip(1)
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
        .collect();
    if module.len() > 1 && module.last().is_some_and(|last| last == "mod") || module == ["lib"] {
        module.pop();
    }
    module
}

/// Returns where a path of ours leads, from the crate's root; `None` when it isn't one of ours for
/// sure.
fn resolve(module: &[String], segments: &[String]) -> Option<Vec<String>> {
    let climbs = segments
        .iter()
        .take_while(|segment| *segment == "super")
        .count();
    match segments[0].as_str() {
        "crate" => Some(segments[1..].to_vec()),
        "super" => {
            let base = &module[..module.len().saturating_sub(climbs)];
            Some(base.iter().chain(&segments[climbs..]).cloned().collect())
        }
        _ => None,
    }
}

struct UsedPath {
    at: usize,
    segments: Vec<String>,
    /// Whether a `pub use` names it.
    is_handed_on: bool,
}

/// Finds every path with at least two segments, and what `use` names alone; groups are unfolded.
fn paths(code: &str) -> Vec<UsedPath> {
    let bytes = code.as_bytes();
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let starts = is_word(bytes[at]) && (at == 0 || !is_word(bytes[at - 1]));
        if !starts {
            at += 1;
            continue;
        }
        let before = code[..at].trim_end();
        let continues = before.ends_with("::")
            && before[..before.len() - 2]
                .ends_with(|letter: char| letter.is_alphanumeric() || "_>}".contains(letter));
        let (paths, end) = tree(code, at);
        let after_use = before.ends_with("use") || before.ends_with("use ::");
        if !continues {
            let is_handed_on = after_use && is_public_use(before);
            let used = paths.into_iter().filter(|path| path.len() > 1 || after_use);
            found.extend(used.map(|segments| UsedPath {
                at,
                segments,
                is_handed_on,
            }));
        }
        at = end.max(at + 1);
    }
    found
}

/// Tells whether code ends with `pub use`, with `pub(crate) use` or the like.
fn is_public_use(before: &str) -> bool {
    let visibility = before
        .trim_end_matches("::")
        .trim_end()
        .strip_suffix("use")
        .unwrap_or_default()
        .trim_end();
    visibility.ends_with("pub")
        || visibility.ends_with(')')
            && visibility
                .rsplit_once('(')
                .is_some_and(|(word, _)| word.ends_with("pub"))
}

/// Returns the circles of imports among the direct parts of each folder, parts of parts counted as
/// their own: each by the folder's path and the names of its members, sorted.
fn circles(files: &[(PathBuf, String)]) -> Vec<(String, Vec<String>)> {
    let modules: Vec<Vec<String>> = files.iter().map(|(file, _)| module(file)).collect();
    let known: BTreeSet<&[String]> = modules.iter().map(Vec::as_slice).collect();
    // From a folder's path to which of its parts uses which other.
    let mut uses: BTreeMap<Vec<String>, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    for ((_, text), user) in files.iter().zip(&modules) {
        if user.iter().any(|part| part == "tests" || part == "testing") {
            continue;
        }
        for path in paths(&blank_out(text)) {
            let Some(used) = resolve(user, &path.segments) else {
                continue;
            };
            let Some(used) = (1..=used.len())
                .rev()
                .map(|length| &used[..length])
                .find(|module| known.contains(module))
            else {
                continue;
            };
            let common = user
                .iter()
                .zip(used)
                .take_while(|(one, other)| one == other)
                .count();
            if let (Some(from), Some(to)) = (user.get(common), used.get(common)) {
                uses.entry(user[..common].to_vec())
                    .or_default()
                    .entry(from.clone())
                    .or_default()
                    .insert(to.clone());
            }
        }
    }
    let mut found = Vec::new();
    for (folder, uses) in &uses {
        let reached = |from: &String| {
            let (mut reached, mut next) = (BTreeSet::new(), vec![from]);
            while let Some(part) = next.pop() {
                next.extend(
                    uses.get(part)
                        .into_iter()
                        .flatten()
                        .filter(|part| reached.insert((*part).clone())),
                );
            }
            reached
        };
        let reach: BTreeMap<&String, BTreeSet<String>> =
            uses.keys().map(|part| (part, reached(part))).collect();
        let mut done = BTreeSet::new();
        for (part, reached) in &reach {
            if !reached.contains(*part) || !done.insert((*part).clone()) {
                continue;
            }
            let mates = reached
                .iter()
                .filter(|mate| reach.get(mate).is_some_and(|back| back.contains(*part)));
            let members: Vec<String> = mates.cloned().collect();
            done.extend(members.iter().cloned());
            found.push((folder.join("::"), members));
        }
    }
    found
}

/// Reads the path that begins at `at`, with the group that may end it; returns the paths and where
/// they end.
fn tree(code: &str, at: usize) -> (Vec<Vec<String>>, usize) {
    let word_end = at
        + code[at..]
            .find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
            .unwrap_or(code.len() - at);
    let word = code[at..word_end].to_owned();
    let Some(rest) = code[word_end..].strip_prefix("::") else {
        return (vec![vec![word]], word_end);
    };
    let next = code.len() - rest.len();
    let prefixed = |paths: Vec<Vec<String>>| {
        paths
            .into_iter()
            .map(|path| [vec![word.clone()], path].concat())
            .collect()
    };
    if rest.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_') {
        let (paths, end) = tree(code, next);
        return (prefixed(paths), end);
    }
    if !rest.starts_with('{') {
        return (vec![vec![word, String::new()]], next);
    }
    let mut paths = Vec::new();
    let mut place = next + 1;
    while let Some(skip) =
        code[place..].find(|letter: char| letter.is_ascii_alphanumeric() || "_}".contains(letter))
    {
        place += skip;
        if code[place..].starts_with('}') {
            return (prefixed(paths), place + 1);
        }
        let (inner, end) = tree(code, place);
        paths.extend(inner);
        // `as` and a new name belong to the path before.
        let rest = code[end..].trim_start();
        place = if rest.starts_with("as ") {
            end + code[end..].find([',', '}']).unwrap_or(0)
        } else {
            end
        };
    }
    (prefixed(paths), code.len())
}

/// Blanks comments, texts and test modules out, and leaves every line where it was.
fn blank_out(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(raw) = rest.strip_prefix("r#\"") {
            raw.find("\"#").map_or(rest.len(), |end| end + 5)
        } else if rest.starts_with("'\"'") {
            3
        } else if letter == '"' {
            end_of_text(rest)
        } else {
            code.push(letter);
            rest = &rest[letter.len_utf8()..];
            continue;
        };
        code.extend(
            rest[..skipped]
                .chars()
                .map(|letter| if letter == '\n' { '\n' } else { ' ' }),
        );
        rest = &rest[skipped..];
    }
    without_tests(code)
}

/// Blanks every `#[cfg(test)]` module out, to the brace that closes it.
fn without_tests(mut code: String) -> String {
    const MARK: &str = "#[cfg(test)]\nmod ";
    let mut from = 0;
    while let Some(found) = code[from..].find(MARK) {
        let start = from + found;
        let head = &code[start + MARK.len()..];
        let Some(open) = head
            .find(['{', ';'])
            .filter(|open| head[*open..].starts_with('{'))
        else {
            from = start + MARK.len();
            continue;
        };
        let mut depth = 0_usize;
        let length = head[open..].find(|letter: char| {
            depth = depth + usize::from(letter == '{') - usize::from(letter == '}');
            depth == 0
        });
        let end = length.map_or(code.len(), |length| start + MARK.len() + open + length + 1);
        let blank: String = code[start..end]
            .chars()
            .map(|letter| if letter == '\n' { '\n' } else { ' ' })
            .collect();
        code.replace_range(start..end, &blank);
        from = start + blank.len();
    }
    code
}

fn end_of_text(text: &str) -> usize {
    let mut escaped = false;
    for (place, letter) in text.char_indices().skip(1) {
        match letter {
            '"' if !escaped => return place + 1,
            _ => escaped = letter == '\\' && !escaped,
        }
    }
    text.len()
}
