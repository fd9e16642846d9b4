//! How long a person or a job waits for the client, and a test for the mock: whole processes, from
//! their start to their end.
//!
//! The true program serves on loopback, with and without TLS, with one account and one instance.
//! Each round runs every command once, in turn, so that other work on the machine falls on all of
//! them. The first is the program that only starts and ends: the others are compared with it.
//! `docs/performance.md` says how to run it and what it showed.

use std::error::Error;
use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use clap::Parser;
use serde_json::Value;
use transire::domain::clock::{SystemRandom, random_bytes};

type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

/// A registry that the profile names; nobody asks it anything.
const REGISTRY: &str = "registry.example.com";

/// The file of the certificate that a service proves itself with, in its folder.
const CERTIFICATE: &str = "tls.crt";

/// How a service is spoken to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Transport {
    Plain,
    Tls,
}

/// Measures how long the client's commands take.
#[derive(Parser)]
struct Options {
    /// How often each command runs.
    #[arg(long, default_value_t = 200)]
    rounds: usize,
    /// Another build of transire to measure.
    #[arg(long, default_value = env!("CARGO_BIN_EXE_transire"))]
    program: PathBuf,
    /// An argument that cargo passes to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let plain = Service::start(&options.program, Transport::Plain)?;
    let secure = Service::start(&options.program, Transport::Tls)?;
    let contenders = contenders(&plain, &secure);
    let mut times = vec![Vec::with_capacity(options.rounds); contenders.len()];
    for _ in 0..options.rounds {
        for (contender, times) in contenders.iter().zip(&mut times) {
            times.push(contender.run(&options.program)?);
        }
    }
    report(&contenders, times);
    Ok(())
}

/// One command of the client, with the variables of its user.
struct Contender {
    name: &'static str,
    arguments: Vec<String>,
    variables: Vec<(&'static str, String)>,
    stdin: &'static str,
    /// The beginning of what it prints.
    expected: &'static str,
}

fn contenders(service: &Service, secure: &Service) -> Vec<Contender> {
    let home = service.folder.display().to_string();
    let key = service.key();
    let runtime = service.folder.join("run").display().to_string();
    let keeping = [key.clone(), vec![("XDG_RUNTIME_DIR", runtime)]].concat();
    vec![
        Contender {
            name: "start and end alone (`--version`)",
            arguments: words("--version"),
            variables: Vec::new(),
            stdin: "",
            expected: "transire",
        },
        Contender {
            name: "`get-login-password` with a key",
            arguments: service.get_login_password(),
            variables: key.clone(),
            stdin: "",
            expected: "trst_",
        },
        Contender {
            name: "the same by HTTPS",
            arguments: secure.get_login_password(),
            variables: secure.key(),
            stdin: "",
            expected: "trst_",
        },
        Contender {
            name: "`get-login-password` with a token",
            arguments: words("get-login-password"),
            variables: vec![
                ("HOME", home),
                ("TRANSIRE_ID_TOKEN", "eyJ.EXAMPLE.token".to_owned()),
            ],
            stdin: "",
            expected: "eyJ",
        },
        Contender {
            name: "`docker-credential get`, nothing kept",
            arguments: words("docker-credential get"),
            variables: key,
            stdin: REGISTRY,
            expected: "{\"Secret\":\"trst_",
        },
        Contender {
            name: "`docker-credential get`, kept",
            arguments: words("docker-credential get"),
            variables: keeping,
            stdin: REGISTRY,
            expected: "{\"Secret\":\"trst_",
        },
        Contender {
            name: "`mock`, until it has listened and ended",
            arguments: words("mock --end-with-stdin"),
            variables: Vec::new(),
            stdin: "",
            expected: "{\"account_id\":",
        },
    ]
}

impl Contender {
    fn run(&self, program: &Path) -> Result<Duration> {
        let started = Instant::now();
        let mut child = Command::new(program)
            .args(&self.arguments)
            .env_clear()
            .envs(self.variables.iter().cloned())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        // A command that reads nothing may have ended already.
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(self.stdin.as_bytes()).ok();
        }
        let done = child.wait_with_output()?;
        let took = started.elapsed();
        let printed = String::from_utf8_lossy(&done.stdout);
        if !done.status.success() || !printed.starts_with(self.expected) {
            return Err(format!("{} ended with {}", self.name, done.status).into());
        }
        Ok(took)
    }
}

fn report(contenders: &[Contender], times: Vec<Vec<Duration>>) {
    println!("| command | p50 ms | p99 ms | max ms | p50 : start |\n|---|--:|--:|--:|--:|");
    let mut start = None;
    for (contender, mut times) in contenders.iter().zip(times) {
        times.sort_unstable();
        let at = |part: f64| {
            let index = (times.len().saturating_sub(1) as f64 * part).round() as usize;
            times[index].as_secs_f64() * 1000.0
        };
        let ratio = at(0.5) / *start.get_or_insert(at(0.5));
        println!(
            "| {} | {:.1} | {:.1} | {:.1} | {ratio:.2} |",
            contender.name,
            at(0.5),
            at(0.99),
            at(1.0)
        );
    }
}

/// The program that serves, its data and its user's home; they go away with it.
struct Service {
    program: PathBuf,
    transport: Transport,
    folder: PathBuf,
    child: Option<Child>,
    endpoint: String,
    key_id: String,
    key_secret: String,
    instance: String,
}

impl Service {
    fn start(program: &Path, transport: Transport) -> Result<Self> {
        let name = hex::encode(random_bytes::<8>(&SystemRandom));
        let mut service = Self {
            program: program.to_owned(),
            transport,
            folder: std::env::temp_dir().join(format!("transire-bench-{name}")),
            child: None,
            endpoint: String::new(),
            key_id: String::new(),
            key_secret: String::new(),
            instance: String::new(),
        };
        let run = service.folder.join("run");
        fs::create_dir_all(&run)?;
        fs::set_permissions(&run, Permissions::from_mode(0o700))?;
        service.command(&["init"])?;
        let account = text(
            &service.command(&["account", "create", "--name", "bench"])?,
            "account_id",
        )?;
        let key = service.command(&["access-key", "create", "--account", &account])?;
        service.key_id = text(&key, "access_key_id")?;
        service.key_secret = text(&key, "access_key_secret")?;
        let made = service.command(&[
            "instance",
            "create",
            "--account",
            &account,
            "--name",
            "bench",
            "--region",
            "ap-guangzhou",
            "--service",
            REGISTRY,
        ])?;
        service.instance = text(&made, "tcr_id")?;
        service.serve()?;
        service.write_profile()?;
        Ok(service)
    }

    /// Runs a command of the operator's, and returns what it prints.
    fn command(&self, arguments: &[&str]) -> Result<Value> {
        let done = self
            .with_data(["--output", "json"].iter().chain(arguments))
            .output()?;
        if !done.status.success() {
            return Err(String::from_utf8_lossy(&done.stderr).into_owned().into());
        }
        Ok(serde_json::from_slice(&done.stdout)?)
    }

    fn with_data(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .env("TRANSIRE_DATA_DIR", self.folder.join("data"))
            .stdin(Stdio::null());
        command
    }

    /// Returns the command that gets a credential here.
    fn get_login_password(&self) -> Vec<String> {
        let (endpoint, instance) = (&self.endpoint, &self.instance);
        let mut arguments = words(&format!(
            "get-login-password --endpoint {endpoint} --instance {instance}"
        ));
        if self.transport == Transport::Tls {
            let authority = self.folder.join(CERTIFICATE);
            arguments.push(format!("--ca-file={}", authority.display()));
        }
        arguments
    }

    /// Returns the variables of the user who has the key.
    fn key(&self) -> Vec<(&'static str, String)> {
        vec![
            ("HOME", self.folder.display().to_string()),
            ("TENCENTCLOUD_SECRET_ID", self.key_id.clone()),
            ("TENCENTCLOUD_SECRET_KEY", self.key_secret.clone()),
        ]
    }

    fn serve(&mut self) -> Result<()> {
        let mut command = self.with_data(["serve", "--listen", "127.0.0.1:0"]);
        if self.transport == Transport::Tls {
            let (certificate, key) = self.write_certificate()?;
            command
                .env("TRANSIRE_TLS__CERTIFICATE_FILE", certificate)
                .env("TRANSIRE_TLS__KEY_FILE", key);
        }
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let stdout = child.stdout.take().ok_or("no output of the program")?;
        self.child = Some(child);
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let said: Value = serde_json::from_str(&line)?;
        let scheme = match self.transport {
            Transport::Plain => "http",
            Transport::Tls => "https",
        };
        self.endpoint = format!("{scheme}://{}", text(&said, "listening")?);
        Ok(())
    }

    fn write_certificate(&self) -> Result<(PathBuf, PathBuf)> {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
        let (certificate, key) = (self.folder.join(CERTIFICATE), self.folder.join("tls.key"));
        fs::write(&certificate, made.cert.pem())?;
        fs::write(&key, made.signing_key.serialize_pem())?;
        fs::set_permissions(&key, Permissions::from_mode(0o600))?;
        Ok((certificate, key))
    }

    fn write_profile(&self) -> Result<()> {
        let folder = self.folder.join(".config/transire");
        fs::create_dir_all(&folder)?;
        let (endpoint, instance) = (&self.endpoint, &self.instance);
        let profile = format!(
            "[registry.\"{REGISTRY}\"]\nendpoint = \"{endpoint}\"\ninstance = \"{instance}\"\n"
        );
        Ok(fs::write(folder.join("client.toml"), profile)?)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It may have ended by itself.
            child.kill().ok();
            child.wait().ok();
        }
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            eprintln!("{} can't be removed: {error}", self.folder.display());
        }
    }
}

fn text(document: &Value, name: &str) -> Result<String> {
    let text = document[name].as_str();
    Ok(text
        .ok_or_else(|| format!("no {name} in {document}"))?
        .to_owned())
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}
