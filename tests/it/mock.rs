//! `transire mock`, as the true program: what it refuses, what it says of itself, and that its
//! published set is refused elsewhere.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use transire::config::Settings;
use transire::domain::ErrorKind;
use transire::domain::access_key::NewAccessKey;
use transire::domain::clock::{SystemRandom, Timestamp};
use transire::domain::published;
use transire::open::{Open, open};
use transire::service::{self, MasterKeys, NewInstance};
use transire::store::{Location, Store};
use transire::token::{Authority, MasterKey};

use crate::harness::operator::{account, operator_call};
use crate::harness::sources::sources;
use crate::harness::{App, NOW};

/// A folder of a test, which is removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("transire-mock-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(path.join("tmp")).unwrap();
        Self(path)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_transire"));
        command
            .current_dir(&self.0)
            .env_clear()
            .env("TMPDIR", self.0.join("tmp"));
        command
    }

    /// Returns every file and folder in it, besides the empty one for temporary files.
    fn contents(&self) -> Vec<PathBuf> {
        let list = |path: &Path| fs::read_dir(path).unwrap().map(|one| one.unwrap().path());
        let tmp = self.0.join("tmp");
        let found = list(&self.0).filter(|path| *path != tmp);
        found.chain(list(&tmp)).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

/// A mock that listens.
struct Running {
    process: Child,
    address: String,
}

impl Running {
    fn start(folder: &Folder, options: &[&str]) -> Self {
        let mut process = folder
            .command()
            .arg("mock")
            .args(options)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = process.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let said: serde_json::Value = serde_json::from_str(&line).unwrap();
        let address = said["listening"].as_str().unwrap().to_owned();
        Self { process, address }
    }

    /// Sends a request as it is, and returns the whole answer.
    fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn get(&self, path: &str) -> String {
        self.ask(&format!(
            "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
        ))
    }

    /// Kills it; returns what it said on standard error.
    fn kill(mut self) -> String {
        self.process.kill().unwrap();
        let mut said = String::new();
        let mut stderr = self.process.stderr.take().unwrap();
        stderr.read_to_string(&mut said).unwrap();
        self.process.wait().unwrap();
        said
    }
}

fn refused(output: &Output) -> (Option<i32>, String) {
    assert!(output.stdout.is_empty(), "a failure leaves stdout empty");
    (
        output.status.code(),
        String::from_utf8(output.stderr.clone()).unwrap(),
    )
}

#[test]
fn every_answer_says_that_it_is_a_mocks_and_a_killed_one_leaves_nothing() {
    let folder = Folder::new("marked");
    let mock = Running::start(&folder, &[]);
    for path in [
        "/healthz",
        "/token",
        "/v2/",
        "/nothing",
        "/mock/clock",
        "/?Action=A",
    ] {
        let answer = mock.get(path);
        assert!(
            answer.contains("\r\nx-transire-mock: 1\r\n"),
            "{path}: {answer}"
        );
    }
    let signed = mock.ask(
        "POST / HTTP/1.1\r\nhost: localhost\r\nauthorization: TC3-HMAC-SHA256 x\r\n\
         content-length: 2\r\nconnection: close\r\n\r\n{}",
    );
    assert!(signed.contains("\r\nx-transire-mock: 1\r\n"), "{signed}");
    mock.kill();
    assert_eq!(folder.contents(), Vec::<PathBuf>::new());
}

#[test]
fn data_databases_and_master_keys_are_refused_however_they_are_named() {
    let folder = Folder::new("data");
    fs::write(folder.0.join("tmp/data.toml"), "data_dir = 'data'\n").unwrap();
    let key = "0".repeat(64);
    for (arguments, variable, about) in [
        (&["--data-dir", "data", "mock"][..], None, "--data-dir"),
        (
            &["mock", "--data-dir", "./transire-data"],
            None,
            "--data-dir",
        ),
        (&["--config", "tmp/data.toml", "mock"], None, "data_dir"),
        (
            &["--database", "postgres://u@db.example.com/t", "mock"],
            None,
            "--database",
        ),
        (
            &["mock"],
            Some(("TRANSIRE_DATA_DIR", "data")),
            "TRANSIRE_DATA_DIR",
        ),
        (
            &["mock"],
            Some(("TRANSIRE_DATABASE", "postgres://u@db.example.com/t")),
            "TRANSIRE_DATABASE",
        ),
        (
            &["mock"],
            Some(("TRANSIRE_MASTER_KEY", key.as_str())),
            "TRANSIRE_MASTER_KEY",
        ),
        (
            &["mock"],
            Some(("TRANSIRE_MASTER_KEY_FILE", "key")),
            "TRANSIRE_MASTER_KEY_FILE",
        ),
    ] {
        let mut command = folder.command();
        let output = command.args(arguments).envs(variable).output().unwrap();
        let (status, said) = refused(&output);
        assert_eq!(status, Some(1), "{arguments:?} {variable:?}: {said}");
        assert!(
            said.contains("a mock has no") && said.contains(about),
            "{said}"
        );
    }
}

#[test]
fn an_address_that_other_machines_reach_has_to_be_wanted_and_is_warned_of() {
    let folder = Folder::new("reachable");
    let output = folder
        .command()
        .args(["mock", "--listen", "0.0.0.0:0"])
        .output()
        .unwrap();
    let (status, said) = refused(&output);
    assert_eq!(status, Some(1));
    assert!(said.contains("--reachable"), "{said}");
    let mock = Running::start(&folder, &["--listen", "0.0.0.0:0", "--reachable"]);
    assert!(mock.kill().contains("everybody knows its keys"));
}

#[test]
fn the_ca_is_another_at_each_start_unless_the_published_one_is_wanted() {
    let folder = Folder::new("ca");
    let bundle = |options: &[&str]| {
        let mock = Running::start(&folder, options);
        let answer = mock.get("/bundle.pem");
        mock.kill();
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    };
    assert_ne!(bundle(&[]), bundle(&[]));
    assert_eq!(bundle(&["--fixed-ca"]), bundle(&["--fixed-ca"]));
}

#[test]
fn a_seed_that_cannot_be_taken_is_refused_with_its_file_and_line() {
    let folder = Folder::new("seed");
    let account = "[[accounts]]\nid = '100000000009'\n";
    for (text, line, about) in [
        ("[[accounts]\n", 1, "expected"),
        ("[[accounts]]\nname = 'a'\n", 1, "missing field `id`"),
        ("[[accounts]]\nid = 'a'\n", 2, "an account id is a number"),
        (&format!("{account}nmae = 'a'\n"), 3, "unknown field `nmae`"),
        (
            &format!("{account}\n[[accounts.users]]\nname = 'alice'\npolicies = ['none']\n"),
            6,
            "policy: ",
        ),
        (
            &format!("{account}[[accounts.access_keys]]\nid = 'STS.a'\nsecret = 'a'\n"),
            4,
            "access key: id: ",
        ),
        (
            &format!("{account}[[accounts.access_keys]]\nid = 'a'\nsecret = 'a'\nuser = 'b'\n"),
            4,
            "access key: ",
        ),
        (
            &format!("{account}[[accounts.policies]]\nname = 'p'\ndocument = '{{'\n"),
            4,
            "policy: ",
        ),
        (
            &format!("{account}[[accounts.roles]]\nname = 'r'\ntrust_policy = '{{}}'\n"),
            4,
            "role: ",
        ),
        (
            &format!(
                "{account}[[accounts.instances]]\nname = 'i'\nservice = 'i.example.com'\n\
                 tcr_id = 'tcr-1'\n"
            ),
            4,
            "cri_id",
        ),
        (
            "[[accounts]]\nid = '100000000001'\n[[accounts.instances]]\nname = 'example'\n\
             service = 'a.example.com'\n",
            4,
            "instance: ",
        ),
    ] {
        fs::write(folder.0.join("seed.toml"), text).unwrap();
        let output = folder
            .command()
            .args(["mock", "--seed", "seed.toml"])
            .output()
            .unwrap();
        let (status, said) = refused(&output);
        assert_eq!(status, Some(2), "{text}: {said}");
        let place = format!("--seed: seed.toml:{line}: ");
        assert!(
            said.contains(&place) && said.contains(about),
            "{text}: {said}"
        );
    }
}

#[tokio::test]
async fn a_service_that_is_no_mock_has_no_call_for_its_clock_and_no_mark() {
    let app = App::new().await;
    let request = http::Request::post("/mock/clock")
        .header("host", "localhost")
        .body(r#"{"advance_seconds": 3600}"#.into())
        .unwrap();
    let answer = app.send(request).await;
    assert_eq!(answer.status.as_u16(), 404);
    assert!(!answer.headers.contains_key("x-transire-mock"));
    assert_eq!(app.service.base.now(), NOW);
}

#[tokio::test]
async fn published_keys_and_instances_are_refused_where_real_ones_belong() {
    for known in published::KEYS {
        let app = App::new().await;
        let key = NewAccessKey::given(known.id, known.secret).unwrap();
        let call = operator_call(&app.service);
        let identity = &app.service.identity;
        identity
            .add_access_key(&call, account(), None, &key)
            .await
            .unwrap();
        let error = app.service.operations.refuse_published().await.unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Misconfigured);
        assert!(error.message().contains(known.id), "{error}");
        let deleted = service::AccessKeyState::Deleted;
        identity
            .set_access_key_state(&call, known.id, deleted)
            .await
            .unwrap();
        app.service.operations.refuse_published().await.unwrap();
    }
    let app = App::new().await;
    let ids = (
        published::INSTANCE.parse().unwrap(),
        published::INSTANCE_CRI.parse().unwrap(),
    );
    let new = NewInstance {
        ids: Some(ids),
        ..NewInstance::named(account(), "third", "ap-guangzhou", "third.example.com")
    };
    app.service
        .registry
        .create_instance(&operator_call(&app.service), new)
        .await
        .unwrap();
    let error = app.service.operations.refuse_published().await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Misconfigured);
    assert!(error.message().contains(published::INSTANCE), "{error}");
}

#[tokio::test]
async fn a_mocks_ca_is_refused_where_a_real_one_belongs() {
    let (clock, random) = (transire::domain::clock::SystemClock, SystemRandom);
    let store = Store::open(&Location::Memory, Open::Serve, &clock, &random)
        .await
        .unwrap();
    let master = MasterKeys::from(MasterKey::generate(&random));
    let now = Timestamp::from_unix_seconds(1_735_787_045);
    let ca = Authority::named(published::CA, now, &random).unwrap();
    service::set_up(&store, &master, "http://localhost", ca, now, &random)
        .await
        .unwrap();
    let settings = transire::open::service_settings(&Settings::default());
    let (clock, random) = (std::sync::Arc::new(clock), std::sync::Arc::new(random));
    let service = service::Service::open(store, master, settings, clock, random)
        .await
        .unwrap();
    let error = service.operations.refuse_published().await.unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Misconfigured);
    assert!(error.message().contains(published::CA), "{error}");
}

#[tokio::test]
async fn serve_quickstart_and_registry_config_refuse_data_that_holds_the_published_set() {
    let folder = Folder::new("serve");
    let settings = Settings {
        data_dir: folder.0.join("data"),
        ..Settings::default()
    };
    let service = open(&settings, Open::Serve).await.unwrap();
    let call = operator_call(&service);
    let identity = &service.identity;
    let account = identity
        .create_account(&call, None, "acme", None)
        .await
        .unwrap();
    let known = published::ALIBABA_KEY;
    let key = NewAccessKey::given(known.id, known.secret).unwrap();
    identity
        .add_access_key(&call, account.id, None, &key)
        .await
        .unwrap();
    for command in [
        &["serve", "--listen", "0"][..],
        &["quickstart", "--listen", "0", "--once"],
        &[
            "registry-config",
            "--instance",
            "tcr-00000000",
            "--kind",
            "distribution",
            "--out",
            "-",
        ],
    ] {
        let output = folder
            .command()
            .args(["--data-dir", "data"])
            .args(command)
            .output()
            .unwrap();
        let (status, said) = refused(&output);
        assert_eq!(status, Some(1), "{command:?}: {said}");
        assert!(said.contains(known.id), "{command:?}: {said}");
    }
}

#[test]
fn a_clock_that_moves_and_a_key_that_stands_in_for_all_are_made_for_a_mock_alone() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    sources(&root.join("src"), &mut files);
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        // Tests of a file come last.
        let code = text.split("#[cfg(test)]").next().unwrap();
        let is_mocks = file.starts_with(root.join("src/mock"));
        for made in [
            "MovableClock::default()",
            "stand_in = Some",
            "stand_in: Some",
        ] {
            assert!(
                is_mocks || !code.contains(made),
                "{}: {made} is for src/mock alone",
                file.display()
            );
        }
    }
}
