//! The program says its version, and `build.rs` finds the commit of optimised builds alone.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A folder of sources with `build.rs` compiled beside it.
struct Sources {
    folder: PathBuf,
}

impl Sources {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("transire-{name}-{}", std::process::id()));
        let sources = Self { folder };
        for part in ["src", "migrations"] {
            std::fs::create_dir_all(sources.root().join(part)).unwrap();
            std::fs::write(sources.root().join(part).join("a"), "").unwrap();
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("build.rs");
        let compiled = Command::new("rustc")
            .args(["--edition=2024", "-o"])
            .arg(sources.script())
            .arg(script)
            .env("CARGO_PKG_VERSION", "1.2.3")
            .status();
        assert!(compiled.unwrap().success());
        sources
    }

    fn root(&self) -> PathBuf {
        self.folder.join("outer/sources")
    }

    fn script(&self) -> PathBuf {
        self.folder.join("build")
    }

    /// Returns what `build.rs` says to cargo, as lines.
    fn told(&self, profile: &str, commit: Option<&str>) -> Vec<String> {
        let mut command = Command::new(self.script());
        command
            .current_dir(self.root())
            .env("PROFILE", profile)
            .env("CARGO_MANIFEST_DIR", self.root());
        match commit {
            Some(commit) => command.env("TRANSIRE_COMMIT", commit),
            None => command.env_remove("TRANSIRE_COMMIT"),
        };
        let text = String::from_utf8(checked(command.output().unwrap()).stdout).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    fn version(&self, profile: &str, commit: Option<&str>) -> String {
        let told = self.told(profile, commit);
        let mut lines = told.iter();
        let version = lines.find_map(|line| line.strip_prefix("cargo::rustc-env=BUILD_VERSION="));
        version.unwrap().to_owned()
    }
}

impl Drop for Sources {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

fn checked(output: Output) -> Output {
    assert!(output.status.success(), "{output:?}");
    output
}

/// Makes a repository with one commit of all that is there, and returns the commit.
fn commit_all(folder: &Path) -> String {
    git(folder, &["init", "--quiet", "--initial-branch=main"]);
    git(folder, &["add", "."]);
    git(folder, &["commit", "--quiet", "--message=all"]);
    git(folder, &["rev-parse", "--short=12", "HEAD"])
}

fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=example"])
        .args(["-c", "user.email=someone@example.com"])
        .args(arguments)
        .current_dir(folder)
        .stderr(Stdio::inherit())
        .output();
    let text = String::from_utf8(checked(output.unwrap()).stdout).unwrap();
    text.trim().to_owned()
}

#[test]
fn an_optimised_build_names_its_commit_and_whether_the_sources_differ() {
    let sources = Sources::new("version-commit");
    let commit = commit_all(&sources.root());
    assert_eq!(
        sources.version("release", None),
        format!("1.2.3 ({commit})")
    );
    std::fs::write(sources.root().join("src/a"), "changed").unwrap();
    assert_eq!(
        sources.version("release", None),
        format!("1.2.3 ({commit}-modified)")
    );
}

#[test]
fn an_optimised_build_is_made_again_when_the_branch_moves() {
    let sources = Sources::new("version-moves");
    commit_all(&sources.root());
    let told = sources.told("release", None);
    for file in [".git/HEAD", ".git/refs/heads/main", "src"] {
        let line = format!("cargo::rerun-if-changed={file}");
        assert!(told.contains(&line), "{line}: {told:?}");
        assert!(sources.root().join(file).exists());
    }
}

#[test]
fn a_debug_build_asks_for_no_commit_and_a_new_one_does_not_make_it_again() {
    let sources = Sources::new("version-debug");
    commit_all(&sources.root());
    assert_eq!(
        sources.told("debug", None),
        [
            "cargo::rerun-if-changed=build.rs",
            "cargo::rerun-if-env-changed=TRANSIRE_COMMIT",
            "cargo::rustc-env=BUILD_VERSION=1.2.3",
        ]
    );
}

#[test]
fn sources_inside_of_another_repository_have_none_of_its_commits() {
    let sources = Sources::new("version-tarball");
    assert_eq!(sources.version("release", None), "1.2.3");
    commit_all(&sources.folder.join("outer"));
    assert_eq!(sources.version("release", None), "1.2.3");
}

#[test]
fn the_environment_names_the_commit_of_sources_without_a_repository() {
    let sources = Sources::new("version-named");
    for profile in ["debug", "release"] {
        assert_eq!(
            sources.version(profile, Some("0a1b2c3d4e5f")),
            "1.2.3 (0a1b2c3d4e5f)"
        );
    }
    assert_eq!(sources.version("release", Some("")), "1.2.3");
}

#[test]
fn the_program_prints_its_version_and_logs_it_first() {
    let program = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_transire"));
        command.env_clear().args(arguments);
        command.output().unwrap()
    };
    let printed = String::from_utf8(checked(program(&["--version"])).stdout).unwrap();
    assert_eq!(printed, format!("transire {}\n", transire::version::BUILD));
    // It doesn't listen: without TLS, others would hear.
    let refused = program(&[
        "--data-dir",
        "/nonexistent",
        "serve",
        "--listen",
        "0.0.0.0:0",
    ]);
    let log = String::from_utf8(refused.stderr).unwrap();
    let first = log.lines().next().unwrap();
    let version = format!("version=\"{}\"", transire::version::VERSION);
    assert!(
        first.contains("starting") && first.contains(&version),
        "{first}"
    );
}
