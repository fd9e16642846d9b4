//! The process that is killed, as the test sees it: what it says, line by line.

use std::env;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use super::writer::{NAME, SINCE, STORE};
use super::*;

/// How long a line may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) struct Process {
    child: Child,
    lines: Receiver<String>,
    said: Vec<String>,
}

impl Process {
    /// Starts this test's own program as the process.
    pub(super) fn start(place: &Place, since: Timestamp) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command
            .args([NAME, "--exact", "--ignored", "--nocapture"])
            .env(SINCE, since.unix_millis().to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        match place.location() {
            Location::Directory(directory) => command.env(STORE, directory),
            Location::Postgres { url, .. } => command.env(STORE, url.expose()),
            Location::Memory => unreachable!(),
        };
        let mut child = command.spawn().unwrap();
        let said = BufReader::new(child.stderr.take().unwrap());
        let (send, lines) = channel();
        thread::spawn(move || {
            for line in said.lines() {
                send.send(line.unwrap()).unwrap();
            }
        });
        Self {
            child,
            lines,
            said: Vec::new(),
        }
    }

    /// Waits for a line that begins so.
    pub(super) fn says(&mut self, beginning: &str) {
        loop {
            let line = self.lines.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("it says no more: {:?}", self.said));
            let is_it = line.starts_with(beginning);
            self.said.push(line);
            if is_it {
                return;
            }
        }
    }

    /// Ends it at once, and returns all that it said.
    pub(super) fn kill(mut self) -> Vec<String> {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.said.extend(self.lines.iter());
        self.said
    }
}
