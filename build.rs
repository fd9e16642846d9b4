//! Tells the program its version, and the commit that an optimised build was made from.
//!
//! `TRANSIRE_COMMIT` names the commit where there is no repository, as in a tarball of the sources.
//! A debug build doesn't ask git, so that a commit doesn't compile it again.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The files that decide what the program is.
const SOURCES: [&str; 5] = ["src", "migrations", "build.rs", "Cargo.toml", "Cargo.lock"];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=TRANSIRE_COMMIT");
    let given = env::var_os("TRANSIRE_COMMIT").and_then(|text| text.into_string().ok());
    let commit = match given {
        Some(commit) if !commit.is_empty() => Some(commit),
        _ if is_optimised() => commit_of_repository(),
        _ => None,
    };
    let version = env!("CARGO_PKG_VERSION");
    // No names that begin with `TRANSIRE_`: cargo hands them to the programs that it runs, where
    // such a variable is a setting.
    match commit {
        Some(commit) => {
            println!("cargo::rustc-env=BUILD_VERSION={version} ({commit})");
            println!("cargo::rustc-env=BUILD_COMMIT={commit}");
        }
        None => println!("cargo::rustc-env=BUILD_VERSION={version}"),
    }
}

/// Tells whether the profile is `release` or one that inherits it.
fn is_optimised() -> bool {
    env::var_os("PROFILE").is_some_and(|profile| profile == "release")
}

/// Returns the commit that is checked out, with `-modified` where the sources differ from it.
fn commit_of_repository() -> Option<String> {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR")?);
    // Sources that were unpacked inside of another repository have no commit of it.
    if Path::new(&git(&["rev-parse", "--show-toplevel"])?) != here {
        return None;
    }
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    rerun_on_another_commit();
    let is_modified = git(&[&["status", "--porcelain", "--"], &SOURCES[..]].concat())
        .is_none_or(|changes| !changes.is_empty());
    Some(if is_modified {
        format!("{commit}-modified")
    } else {
        commit
    })
}

/// Asks cargo to run this again when another commit is checked out, or the sources change.
fn rerun_on_another_commit() {
    let branch = git(&["symbolic-ref", "--quiet", "HEAD"]);
    let references = ["HEAD", "packed-refs"].into_iter().chain(branch.as_deref());
    let paths = references.filter_map(|name| git(&["rev-parse", "--git-path", name]));
    // A file that isn't there would run this at each build.
    for path in paths.filter(|path| Path::new(path).exists()) {
        println!("cargo::rerun-if-changed={path}");
    }
    for source in SOURCES {
        println!("cargo::rerun-if-changed={source}");
    }
}

/// Returns the output of a git command, or `None` where it fails or there is no git.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
