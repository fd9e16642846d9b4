//! The program as a child process, with the kernel's counts.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Result;

/// A running service; dropping it ends it and waits for its end.
pub(crate) struct Server {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// How long it took to its first answer.
    pub(crate) started_in: Duration,
}

impl Server {
    /// Starts the program on a data directory.
    pub(crate) fn start(program: &Path, folder: &Path) -> Result<Self> {
        let begin = Instant::now();
        let mut child = Command::new(program)
            .arg("--data-dir")
            .arg(folder)
            .args(["serve", "--listen", "127.0.0.1:0"])
            // One address and one access key ask for everything, as fast as they can.
            .env("TRANSIRE_LIMITS__REQUESTS_PER_SECOND", "1000000")
            // Other work of the machine is no reason to refuse a client.
            .env("TRANSIRE_LIMITS__WAIT_MILLISECONDS", "10000")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut stdout = BufReader::new(child.stdout.take().ok_or("no output of the program")?);
        let mut line = String::new();
        stdout.read_line(&mut line)?;
        let said: serde_json::Value =
            serde_json::from_str(&line).map_err(|_| "the program ended before it listened")?;
        let address = said["listening"].as_str().ok_or("no address")?.parse()?;
        std::thread::spawn(move || stdout.read_to_end(&mut Vec::new()));
        Ok(Self {
            child,
            address,
            started_in: begin.elapsed(),
        })
    }

    /// Returns how much of its memory is in use, in megabytes.
    pub(crate) fn resident_megabytes(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .ok_or("/proc/PID/status can't be read")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? >> 10)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().unwrap_or_default();
        self.child.wait().map(drop).unwrap_or_default();
    }
}
