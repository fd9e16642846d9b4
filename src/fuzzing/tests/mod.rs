//! Each body, with seeds that are mutated by numbers that come again.
//!
//! `TRANSIRE_TEST_LONG=1` makes fifty times as many, and `TRANSIRE_TEST_SEED` begins with another
//! number.

mod mutation;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;

use self::mutation::{Dice, mutated};
use super::{Body, TARGETS, target};

/// How often a fast body is called.
const EXECUTIONS: usize = 20_000;

/// Calls a body with its seeds, and with what becomes of them.
#[track_caller]
fn hold(name: &str) {
    let target = target(name);
    let long = std::env::var_os("TRANSIRE_TEST_LONG").is_some_and(|value| value == "1");
    let executions = EXECUTIONS / target.cost * if long { 50 } else { 1 };
    let given = std::env::var_os("TRANSIRE_TEST_SEED");
    let seed = given.map_or(1, |number| number.to_str().unwrap().parse().unwrap());
    println!("{name}: {executions} executions, TRANSIRE_TEST_SEED={seed}");
    let (seeds, mut dice) = ((target.seeds)(), Dice(seed));
    let read = seeds.iter().filter(|input| run(target.body, input)).count();
    assert!(
        2 * read >= seeds.len(),
        "{read} of {} seeds are read",
        seeds.len()
    );
    let mut read = 0;
    for _ in 0..executions {
        let input = mutated(&seeds, target.words, &mut dice);
        read += usize::from(run(target.body, &input));
    }
    println!("{read} of them were read");
}

/// Calls a body, and tells whether it read the input; one that it panics at is printed.
fn run(body: Body, input: &[u8]) -> bool {
    match catch_unwind(AssertUnwindSafe(|| body(input))) {
        Ok(read) => read.is_some(),
        Err(panic) => {
            eprintln!("the input was b\"{}\"", input.escape_ascii());
            resume_unwind(panic);
        }
    }
}

#[test]
fn tc3() {
    hold("tc3");
}

#[test]
fn tencent_v1() {
    hold("tencent_v1");
}

#[test]
fn acs3() {
    hold("acs3");
}

#[test]
fn alibaba_rpc() {
    hold("alibaba_rpc");
}

#[test]
fn alibaba_roa() {
    hold("alibaba_roa");
}

#[test]
fn sigv4() {
    hold("sigv4");
}

#[test]
fn doors() {
    hold("doors");
}

#[test]
fn forwarded_for() {
    hold("forwarded_for");
}

#[test]
fn basic() {
    hold("basic");
}

#[test]
fn json_parameters() {
    hold("json_parameters");
}

#[test]
fn flat_parameters() {
    hold("flat_parameters");
}

#[test]
fn token_request() {
    hold("token_request");
}

#[test]
fn exchange() {
    hold("exchange");
}

#[test]
fn scopes() {
    hold("scopes");
}

#[test]
fn names() {
    hold("names");
}

#[test]
fn sealed() {
    hold("sealed");
}

#[test]
fn sealed_payload() {
    hold("sealed_payload");
}

#[test]
fn web_identity() {
    hold("web_identity");
}

#[test]
fn jwk_set() {
    hold("jwk_set");
}

#[test]
fn cam_policy() {
    hold("cam_policy");
}

#[test]
fn ram_policy() {
    hold("ram_policy");
}

#[test]
fn iam_policy() {
    hold("iam_policy");
}

#[test]
fn trust_policy() {
    hold("trust_policy");
}

#[test]
fn registry_answer() {
    hold("registry_answer");
}

#[test]
fn manifest() {
    hold("manifest");
}

#[test]
fn settings() {
    hold("settings");
}

#[test]
fn imports() {
    hold("imports");
}

#[test]
fn backup() {
    hold("backup");
}

#[test]
fn database_url() {
    hold("database_url");
}

#[test]
fn server_url() {
    hold("server_url");
}

#[test]
fn every_target_is_tried_here_and_by_libfuzzer() {
    let read = |path: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        std::fs::read_to_string(path).unwrap()
    };
    let (tests, manifest) = (read("src/fuzzing/tests/mod.rs"), read("fuzz/Cargo.toml"));
    for target in TARGETS {
        let name = target.name;
        assert!(
            tests.contains(&format!("    hold(\"{name}\");")),
            "{name} has no test"
        );
        let listed = format!("name = \"{name}\"\npath = \"fuzz_targets/{name}.rs\"\n");
        assert!(
            manifest.contains(&listed),
            "fuzz/Cargo.toml doesn't list {name}"
        );
        let file = read(&format!("fuzz/fuzz_targets/{name}.rs"));
        assert!(
            file.contains(&format!("transire_fuzz::target!(\"{name}\");")),
            "{name}.rs"
        );
        assert!(!(target.seeds)().is_empty(), "{name} has no seeds");
    }
    let files = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/fuzz_targets"));
    assert_eq!(
        files.unwrap().count(),
        TARGETS.len(),
        "a file is of no target"
    );
}
