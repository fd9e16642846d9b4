//! Commands of the first hour, through the true program: `init` for production, `config check`,
//! `keys generate-master` and `backup verify`.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

const URL: &str = "https://credentials.example.com";

/// A folder of its own, gone with the test.
struct Place(PathBuf);

impl Drop for Place {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

/// The end of a command: its status, and both outputs.
struct Ended {
    status: i32,
    stdout: String,
    stderr: String,
}

impl Place {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("transire-setting-up-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    fn run_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
        let output = Command::new(env!("CARGO_BIN_EXE_transire"))
            .current_dir(&self.0)
            .env_clear()
            .envs(variables.iter().copied())
            .args(["--output", "json"])
            .args(arguments)
            .output()
            .unwrap();
        Ended {
            status: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        self.run_with(arguments, &[])
    }

    fn done(&self, arguments: &[&str]) -> Value {
        let ended = self.run(arguments);
        assert_eq!(ended.status, 0, "{arguments:?}: {}", ended.stderr);
        serde_json::from_str(&ended.stdout).unwrap()
    }

    /// Returns why a command failed.
    fn failed(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments);
        assert_eq!(ended.status, 1, "{arguments:?}: {}", ended.stderr);
        assert_eq!(ended.stdout, "", "{arguments:?}");
        ended.stderr
    }

    fn mode(&self, name: &str) -> u32 {
        let metadata = self.0.join(name).metadata().unwrap();
        metadata.permissions().mode() & 0o777
    }

    /// Returns the arguments that set up a service for production here.
    fn production(&self) -> Vec<String> {
        let arguments = [
            "--config",
            &self.path("etc/transire.toml"),
            "--data-dir",
            &self.path("data"),
            "init",
            "--public-url",
            URL,
            "--metrics-listen",
            "9480",
        ];
        arguments.map(str::to_owned).into()
    }
}

fn words(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

#[test]
fn init_for_production_writes_the_settings_and_sets_up_the_store() {
    let place = Place::new();
    let made = place.done(&words(&place.production()));
    assert_eq!(
        (&made["state"], &made["settings_state"]),
        (&"made".into(), &"written".into())
    );
    let modes =
        ["etc", "etc/transire.toml", "data", "data/master.key"].map(|name| place.mode(name));
    assert_eq!(modes, [0o755, 0o640, 0o700, 0o600]);
    let text = fs::read_to_string(place.0.join("etc/transire.toml")).unwrap();
    assert!(
        text.contains(&format!("\npublic_url = \"{URL}\"\n")),
        "{text}"
    );
    assert!(!text.contains("\nlisten"), "a default is written: {text}");
    let file = place.path("etc/transire.toml");
    let next: Vec<&str> = made["next"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line.as_str().unwrap())
        .collect();
    let starts = ["account create", "instance create", "serve"]
        .map(|command| format!("transire --config {file} {command}"));
    for (line, start) in next.iter().zip(&starts) {
        assert!(line.starts_with(start.as_str()), "{line}");
    }
    let accounts = place.done(&["--config", &file, "account", "list"]);
    assert_eq!(accounts["items"], serde_json::json!([]));
}

#[test]
fn init_for_production_may_be_given_again_and_overwrites_nothing() {
    let place = Place::new();
    let arguments = place.production();
    place.done(&words(&arguments));
    let (file, key) = (
        place.0.join("etc/transire.toml"),
        place.0.join("data/master.key"),
    );
    let before = (fs::read(&file).unwrap(), fs::read(&key).unwrap());
    let again = place.done(&words(&arguments));
    assert_eq!(
        (&again["state"], &again["settings_state"]),
        (&"was there".into(), &"was there".into())
    );
    let other = place.failed(&[&words(&arguments)[..], &["--listen", "9000"]].concat());
    assert!(
        other.contains("is not overwritten") && other.contains("listen"),
        "{other}"
    );
    assert_eq!((fs::read(&file).unwrap(), fs::read(&key).unwrap()), before);
}

#[test]
fn init_for_production_makes_nothing_for_settings_that_serve_would_refuse() {
    let place = Place::new();
    let config = place.path("etc/transire.toml");
    let (data, url) = (place.path("data"), place.path("url"));
    fs::write(
        &url,
        "postgres://transire:hunter2EXAMPLE@db.example.com/transire\n",
    )
    .unwrap();
    let base = ["--config", &config, "--data-dir", &data, "init"];
    for (rest, part) in [
        (&[][..], "--public-url"),
        (
            &["--public-url", URL, "--listen", "0.0.0.0:8480"],
            "allow_plain_http",
        ),
        (
            &["--public-url", URL, "--database-file", &url],
            "transire keys generate-master",
        ),
    ] {
        let said = place.failed(&[&base[..], rest].concat());
        assert!(said.contains(part) && !said.contains("hunter2"), "{said}");
    }
    let said = place.failed(&["init", "--public-url", URL]);
    assert!(said.contains("--config"), "{said}");
    let left: Vec<_> = fs::read_dir(&place.0)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["url"]);
}

#[test]
fn an_owner_gets_the_data_and_reads_the_settings() {
    let place = Place::new();
    // Only root gives files away.
    if place.0.metadata().unwrap().uid() != 0 {
        return;
    }
    fs::set_permissions(&place.0, fs::Permissions::from_mode(0o755)).unwrap();
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    let nobody = passwd
        .lines()
        .find(|line| line.starts_with("nobody:"))
        .unwrap();
    let ids: Vec<u32> = nobody
        .split(':')
        .skip(2)
        .take(2)
        .map(|id| id.parse().unwrap())
        .collect();
    let mut arguments = place.production();
    arguments.extend(["--owner", "nobody"].map(str::to_owned));
    let program = Path::new(env!("CARGO_BIN_EXE_transire"));
    let reaches = Command::new("runuser")
        .args(["-u", "nobody", "--"])
        .arg(program)
        .arg("--version")
        .output();
    if !reaches.is_ok_and(|output| output.status.success()) {
        // The build's folder is closed to others here.
        return;
    }
    let made = place.done(&words(&arguments));
    assert!(
        made["next"][0]
            .as_str()
            .unwrap()
            .starts_with("runuser -u nobody -- transire"),
        "{made}"
    );
    for name in ["data", "data/transire.db", "data/master.key"] {
        let found = place.0.join(name).metadata().unwrap();
        assert_eq!((found.uid(), found.gid()), (ids[0], ids[1]), "{name}");
    }
    let settings = place.0.join("etc/transire.toml").metadata().unwrap();
    assert_eq!((settings.uid(), settings.gid()), (0, ids[1]));
}

#[test]
fn generate_master_makes_a_key_once() {
    let place = Place::new();
    let made = place.done(&["keys", "generate-master", "new.key"]);
    assert_eq!(place.mode("new.key"), 0o600);
    let key = fs::read_to_string(place.0.join("new.key")).unwrap();
    assert_eq!(key.trim().len(), 64);
    assert!(!made.to_string().contains(key.trim()), "the key is printed");
    let said = place.failed(&["keys", "generate-master", "new.key"]);
    assert!(said.contains("is not overwritten"), "{said}");
    assert_eq!(fs::read_to_string(place.0.join("new.key")).unwrap(), key);
    let printed = place.done(&["keys", "generate-master", "-"]);
    let given = place.run_with(
        &["init"],
        &[("TRANSIRE_MASTER_KEY", printed["secret"].as_str().unwrap())],
    );
    assert_eq!(given.status, 0, "{}", given.stderr);
}

#[test]
fn a_backup_is_verified_without_a_restore() {
    let place = Place::new();
    place.done(&["init"]);
    place.done(&["account", "create", "--name", "acme"]);
    place.done(&["backup", "whole"]);
    let verified = place.done(&["backup", "verify", "whole"]);
    let rows = |table: &str| {
        let tables = verified["tables"].as_array().unwrap();
        let found = tables.iter().find(|found| found["table"] == table).unwrap();
        found["rows"].as_u64().unwrap()
    };
    assert_eq!(rows("account"), 1);
    // Of the sealing key, the signing key and the CA.
    assert_eq!(verified["secrets"], 3, "{verified}");
    assert!(verified["opened_by"].is_string(), "{verified}");
    place.done(&["keys", "generate-master", "other.key"]);
    assert_eq!(verified["sealed_by"], verified["opened_by"], "{verified}");
    let with_other = [
        "backup",
        "verify",
        "whole",
        "--master-key-file",
        "other.key",
    ];
    let said = place.failed(&with_other);
    assert!(said.contains("was sealed by the master key"), "{said}");
    let said = place.failed(&[&with_other[..], &["--unsealed"]].concat());
    assert!(said.contains("aren't opened by the master key"), "{said}");
    let mut bytes = fs::read(place.0.join("whole")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(place.0.join("changed"), &bytes).unwrap();
    bytes.truncate(middle);
    fs::write(place.0.join("cut"), &bytes).unwrap();
    for bad in ["changed", "cut", "other.key", "nowhere"] {
        let said = place.failed(&["backup", "verify", bad]);
        assert!(
            said.contains(&format!("the backup {bad} can't be used")),
            "{said}"
        );
    }
}

#[test]
fn config_check_finds_what_serve_would_refuse() {
    let place = Place::new();
    fs::write(place.0.join("open.key"), "12".repeat(32)).unwrap();
    fs::set_permissions(place.0.join("open.key"), fs::Permissions::from_mode(0o644)).unwrap();
    for (settings, parts) in [
        ("listen = '0.0.0.0:80'", &["allow_plain_http"][..]),
        (
            "tls = { certificate_file = 'no.crt', key_file = 'no.key' }",
            &["no.crt"],
        ),
        ("master_key_file = 'open.key'", &["chmod 600"]),
        (
            "database = 'postgres://u@db.example.com/t?sslmode=perhaps'",
            &["sslmode"],
        ),
        ("shared.url = 'http://cache.example.com'", &["shared.url"]),
        (
            "listen = '0.0.0.0:80'\nmaster_key_file = 'open.key'",
            &["allow_plain_http", "chmod 600"],
        ),
    ] {
        fs::write(place.0.join("transire.toml"), settings).unwrap();
        let said = place.failed(&["--config", "transire.toml", "config", "check"]);
        for part in parts {
            assert!(said.contains(part), "{settings}: {said}");
        }
    }
    let said = place.failed(&["--config", "nowhere.toml", "config", "check"]);
    assert!(said.contains("nowhere.toml can't be read"), "{said}");
    let left = fs::read_dir(&place.0).unwrap().count();
    assert_eq!(left, 2, "config check made something");
}

#[test]
fn config_check_prints_each_setting_with_the_place_that_sets_it() {
    let place = Place::new();
    fs::write(
        place.0.join("transire.toml"),
        "\nlimits.idle_seconds = '90m'\n",
    )
    .unwrap();
    let variables = [
        (
            "TRANSIRE_DATABASE",
            "postgres://u:hunter2EXAMPLE@db.example.com/t",
        ),
        ("TRANSIRE_MASTER_KEY", &"12".repeat(32)),
    ];
    let arguments = [
        "--config",
        "transire.toml",
        "--data-dir",
        "here",
        "config",
        "check",
        "--print",
    ];
    let ended = place.run_with(&arguments, &variables);
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    assert!(!ended.stdout.contains("hunter2") && !ended.stdout.contains("1212"));
    let printed: Value = serde_json::from_str(&ended.stdout).unwrap();
    for (setting, value, from) in [
        ("limits.idle_seconds", "\"1h30m\"", "transire.toml:2"),
        (
            "database",
            "postgres://u@db.example.com/t",
            "TRANSIRE_DATABASE",
        ),
        ("master_key", "a secret", "TRANSIRE_MASTER_KEY"),
        ("data_dir", "\"here\"", "--data-dir"),
        ("audit_days", "90", "default"),
    ] {
        let items = printed["items"].as_array().unwrap();
        let found = items
            .iter()
            .find(|item| item["setting"] == setting)
            .unwrap();
        assert_eq!(
            (&found["value"], &found["from"]),
            (&value.into(), &from.into()),
            "{setting}"
        );
    }
}
