//! Servers as child processes, with the kernel's counts of time and memory.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::Result;
use crate::limit::Role;
use crate::requests::{REGISTRY_HASH, REGISTRY_USER};

/// A running server; dropping it ends it and waits for its end.
pub(crate) struct Server {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts transire on the data, as an operator would.
    pub(crate) fn transire(program: &Path, data: &Path) -> Result<Self> {
        Self::transire_with(program, data, &[])
    }

    /// As [`Self::transire`], with more variables of its environment.
    pub(crate) fn transire_with(
        program: &Path,
        data: &Path,
        variables: &[(&str, &str)],
    ) -> Result<Self> {
        let mut command = Command::new(program);
        command.envs(variables.iter().copied());
        Self::serving(command, data)
    }

    /// Starts transire by a command that names the program.
    pub(crate) fn serving(mut command: Command, data: &Path) -> Result<Self> {
        // A few credentials ask for all tokens, as fast as they can.
        command
            .arg("--data-dir")
            .arg(data)
            .args(["serve", "--listen", "127.0.0.1:0"])
            .env("TRANSIRE_LIMITS__TOKEN_REQUESTS_PER_SECOND", "1000000")
            .env("TRANSIRE_LIMITS__TOKEN_REQUESTS_BURST", "1000000");
        Self::start(command)
    }

    /// Starts this program again, as one of the servers that transire is compared with.
    pub(crate) fn role(role: Role, answer_bytes: usize) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        let role = clap::ValueEnum::to_possible_value(&role).ok_or("a role without a name")?;
        command.args([
            "--role",
            role.get_name(),
            "--answer-bytes",
            &answer_bytes.to_string(),
        ]);
        Self::start(command)
    }

    /// Starts docker-registry with a password file, when the program can be found.
    pub(crate) fn docker_registry(directory: &Path) -> Result<Option<Self>> {
        let Some(program) = registry_program() else {
            return Ok(None);
        };
        let (config, passwords) = (directory.join("registry.yml"), directory.join("htpasswd"));
        fs::write(&passwords, format!("{}:{}\n", REGISTRY_USER, REGISTRY_HASH))?;
        let storage = directory.join("registry");
        fs::write(
            &config,
            format!(
                "version: 0.1\nlog: {{level: info, formatter: json, accesslog: {{disabled: \
                 true}}}}\n\
                 storage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: '127.0.0.1:0'}}\n\
                 auth: {{htpasswd: {{realm: bench, path: {}}}}}\n",
                storage.display(),
                passwords.display()
            ),
        )?;
        let mut command = Command::new(program);
        command.arg("serve").arg(config);
        // It writes its log to stderr, and the address that it got into it.
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let log = child.stderr.take().ok_or("no log of the registry")?;
        let mut log = BufReader::new(log);
        let address = loop {
            let mut line = String::new();
            if log.read_line(&mut line)? == 0 {
                return Err("docker-registry ended before it listened".into());
            }
            if let Some((_, rest)) = line.split_once("listening on ") {
                break rest
                    .chars()
                    .take_while(|letter| matches!(letter, '0'..='9' | '.' | ':'))
                    .collect::<String>()
                    .parse()?;
            }
        };
        drain(log);
        Ok(Some(Self { child, address }))
    }

    fn start(mut command: Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut stdout = BufReader::new(child.stdout.take().ok_or("no output of the server")?);
        let mut line = String::new();
        stdout.read_line(&mut line)?;
        let said: serde_json::Value = serde_json::from_str(&line)
            .map_err(|_| "the server ended before it listened; its log says why")?;
        let address = said["listening"]
            .as_str()
            .ok_or("the server did not say where it listens")?
            .parse()?;
        drain(stdout);
        Ok(Self { child, address })
    }

    /// Returns the processor time used so far, by the program and by the kernel for it, to the
    /// nanosecond: of the threads that there are.
    pub(crate) fn processor_time(&self) -> Result<Duration> {
        let mut nanoseconds = 0;
        for thread in self.threads()? {
            let text = fs::read_to_string(thread.join("schedstat"))?;
            let spent = text.split_ascii_whitespace().next();
            nanoseconds += spent.ok_or("schedstat can't be read")?.parse::<u64>()?;
        }
        Ok(Duration::from_nanos(nanoseconds))
    }

    /// Returns how often a thread of the server gave a processor up, or had to.
    pub(crate) fn context_switches(&self) -> Result<u64> {
        let mut switches = 0;
        for thread in self.threads()? {
            let status = fs::read_to_string(thread.join("status"))?;
            let counted = status
                .lines()
                .filter_map(|line| line.split_once("ctxt_switches:"))
                .map(|(_, count)| count.trim().parse::<u64>());
            for count in counted {
                switches += count?;
            }
        }
        Ok(switches)
    }

    fn threads(&self) -> Result<Vec<PathBuf>> {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id()))?;
        Ok(tasks
            .map(|task| task.map(|task| task.path()))
            .collect::<std::io::Result<_>>()?)
    }

    /// Waits until the server has nothing left to do, and returns its processor time.
    ///
    /// Work that a request leaves for later, such as its audit line, is counted, too.
    pub(crate) async fn settled_processor_time(&self) -> Result<Duration> {
        let mut before = self.processor_time()?;
        for _ in 0..100 {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let now = self.processor_time()?;
            if now - before <= Duration::from_millis(10) {
                return Ok(now);
            }
            before = now;
        }
        Err("the server does not come to rest".into())
    }

    /// Returns how much of its memory is in use, in kilobytes.
    pub(crate) fn resident_kilobytes(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .ok_or("/proc/PID/status can't be read")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Transire stores what waits in its audit before it ends.
        let asked = Command::new("kill")
            .arg(self.child.id().to_string())
            .status();
        if !asked.is_ok_and(|status| status.success()) {
            self.child.kill().unwrap_or_default();
        }
        self.child.wait().map(drop).unwrap_or_default();
    }
}

/// Reads what a server still writes, so that it never waits for somebody to read it.
fn drain(mut from: impl Read + Send + 'static) {
    std::thread::spawn(move || std::io::copy(&mut from, &mut std::io::sink()));
}

#[expect(
    clippy::disallowed_methods,
    reason = "the benchmark has no settings file"
)]
fn registry_program() -> Option<PathBuf> {
    let named = std::env::var("TRANSIRE_TEST_REGISTRY")
        .ok()
        .map(PathBuf::from);
    let fetched = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("target/tools/docker-registry/usr/bin/docker-registry");
    named.or(Some(fetched)).filter(|program| program.is_file())
}
