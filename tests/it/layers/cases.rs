//! Cases that the checker must see, and those that it must let pass.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::check::check;
use super::graph::circles;

/// Checks that each file has that many complaints.
#[track_caller]
fn expect(cases: &[(&str, &str, usize)]) {
    let crates = BTreeSet::from(["axum", "rusqlite", "serde", "tokio"].map(str::to_owned));
    for (file, text, complaints) in cases {
        assert_eq!(
            check(Path::new(file), text, &crates).len(),
            *complaints,
            "{file}: {text}"
        );
    }
}

#[test]
fn a_part_of_http_uses_only_what_its_row_says() {
    expect(&[
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
    ]);
}

#[test]
fn a_part_of_the_service_uses_only_what_its_row_says() {
    expect(&[
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
    ]);
}

#[test]
fn a_room_and_a_part_without_a_row_are_told_of() {
    expect(&[
        ("src/http/unknown/mod.rs", "", 1),
        ("src/service/unknown.rs", "", 1),
        ("src/lib.rs", "pub mod domain;", 0),
        ("src/unknown.rs", "use std::fmt;", 1),
        ("src/unknown/a.rs", "", 1),
    ]);
}

#[test]
fn a_room_uses_only_the_rooms_and_crates_of_its_row() {
    expect(&[
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
        ("src/domain/a.rs", "use serde::Serialize;", 0),
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
    ]);
}

#[test]
fn comments_texts_and_tests_are_not_read_and_code_behind_them_is() {
    expect(&[
        (
            "src/domain/a.rs",
            "// use tokio::time;\n/* use tokio::time; */ let x = \"tokio::time\";",
            0,
        ),
        (
            "src/domain/a.rs",
            "#[cfg(test)]\nmod tests {\n    use tokio::time;\n}",
            0,
        ),
        (
            "src/domain/a.rs",
            "#[cfg(test)]\nmod tests {\n    fn a() { \"}\" }\n}\nuse tokio::time;",
            1,
        ),
    ]);
}

#[test]
fn items_of_another_room_are_handed_on_only_where_the_table_says() {
    expect(&[
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
    ]);
}

fn found(files: &[(&str, &str)]) -> Vec<String> {
    let files: Vec<_> = files
        .iter()
        .map(|(path, text)| (PathBuf::from(path), (*text).to_owned()))
        .collect();
    circles(&files)
        .into_iter()
        .map(|(folder, members)| format!("{folder}: {}", members.join(" ")))
        .collect()
}

#[test]
fn files_that_use_each_other_are_a_circle() {
    assert_eq!(
        found(&[
            ("src/a/b.rs", "use super::c::X;"),
            ("src/a/c.rs", "fn f() { crate::a::b::y(); }"),
            ("src/a/mod.rs", "")
        ]),
        ["a: b c"]
    );
}

#[test]
fn a_folders_parts_count_as_the_folder_and_code_behind_a_test_module_is_read() {
    assert_eq!(
        found(&[
            ("src/a/b/mod.rs", "mod d;"),
            (
                "src/a/b/d.rs",
                "#[cfg(test)]\nmod tests {\n    fn x() {}\n}\nuse crate::a::c::X;"
            ),
            ("src/a/c.rs", "use super::e::Y;"),
            ("src/a/e.rs", "use super::b::d::Z;"),
        ]),
        ["a: b c e"]
    );
}

#[test]
fn a_folder_and_its_parts_are_one_and_tests_are_free() {
    assert_eq!(
        found(&[
            ("src/a/mod.rs", "mod b;\npub use self::b::X;"),
            ("src/a/b.rs", "use super::Y;"),
            (
                "src/a/c.rs",
                "#[cfg(test)]\nmod tests {\n    use crate::a::d::X;\n}"
            ),
            ("src/a/d.rs", "use super::c::Z; // use super::b::X;"),
        ]),
        Vec::<String>::new()
    );
}
