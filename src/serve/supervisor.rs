//! Tells systemd (sd_notify(3)) that the service is ready, that it lives, that it reads its
//! settings again, and that it stops.
//!
//! A unit with `Type=notify` counts as started once the service listens: units that are ordered
//! after it find it there. With `WatchdogSec=` a process whose runtime hangs is started anew.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::config::{Change, SupervisorVariables};
use crate::domain::Result;

/// The process that started this one, and wants to hear of it.
pub(super) struct Supervisor {
    socket: UnixDatagram,
    /// How often it wants to hear that the process lives.
    heartbeat: Option<Duration>,
}

impl Supervisor {
    /// Connects to the supervisor, if there is one. One that can't be reached is reported in the
    /// log: a container may have inherited the variable without the socket.
    pub(super) fn find(variables: &SupervisorVariables) -> Option<Self> {
        let path = variables.notify_socket.as_deref()?;
        match connect(path) {
            Ok(socket) => Some(Self {
                socket,
                heartbeat: variables.watchdog.map(|time| time / 2),
            }),
            Err(error) => {
                tracing::warn!(path, %error, "the supervisor's socket can't be reached");
                None
            }
        }
    }

    /// Says that the service listens.
    pub(super) fn ready(&self) {
        self.tell("READY=1\nSTATUS=Listening.\n");
    }

    /// Says that the service begins to read its settings again, and when by the clock of the kernel
    /// that systemd compares with its own.
    pub(super) fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let microseconds = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1000;
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={microseconds}\n"));
    }

    /// Says that it has read them, and what the operator should know of it: systemd has no word for
    /// a reload that failed.
    pub(super) fn reloaded(&self, outcome: &Result<Vec<Change>>) {
        let status = match outcome {
            Ok(changes) => {
                let waiting = changes.iter().filter(|change| !change.is_taken);
                let waiting: Vec<&str> = waiting.map(|change| &*change.setting).collect();
                if waiting.is_empty() {
                    "Listening.".to_owned()
                } else {
                    format!("Listening. A restart is needed for {}.", waiting.join(", "))
                }
            }
            // A status is one line.
            Err(error) => format!("Listening, by the old settings: {error}").replace('\n', " "),
        };
        self.tell(&format!("READY=1\nSTATUS={status}\n"));
    }

    /// Says that the service stops.
    pub(super) fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=Letting requests finish.\n");
    }

    /// Says again and again that the process lives, as long as its runtime does.
    pub(super) async fn beat(&self) {
        let Some(pause) = self.heartbeat else {
            return std::future::pending().await;
        };
        let mut beats = tokio::time::interval(pause);
        loop {
            beats.tick().await;
            self.tell("WATCHDOG=1\n");
        }
    }

    fn tell(&self, what: &str) {
        if let Err(error) = self.socket.send(what.as_bytes()) {
            tracing::warn!(%error, "the supervisor can't be told {}", what.trim_end());
        }
    }
}

fn connect(path: &str) -> std::io::Result<UnixDatagram> {
    let address = match path.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(path)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    // The supervisor may be slow, and nothing here may wait for it.
    socket.set_nonblocking(true)?;
    Ok(socket)
}
