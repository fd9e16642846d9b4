//! The places that the settings name for checkpoints of the audit: a file, and the system's log.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::sync::Arc;

use crate::config::Settings;
use crate::domain::{Error, Result};
use crate::service::{CheckpointSink, MadeCheckpoint};

/// The facility `authpriv` and the severity `notice` of a message to syslog (RFC 3164).
const PRIORITY: u8 = 10 * 8 + 5;

/// Returns the places that the settings name.
pub(super) fn sinks(settings: &Settings) -> Vec<Arc<dyn CheckpointSink>> {
    let checkpoints = &settings.checkpoints;
    let file = checkpoints.file.clone().map(File);
    let syslog = checkpoints.syslog.clone().map(Syslog);
    let file = file.map(|file| Arc::new(file) as Arc<dyn CheckpointSink>);
    let syslog = syslog.map(|syslog| Arc::new(syslog) as Arc<dyn CheckpointSink>);
    file.into_iter().chain(syslog).collect()
}

/// A file, to which each checkpoint is added as a line.
#[derive(Debug)]
struct File(PathBuf);

impl CheckpointSink for File {
    fn kind(&self) -> &'static str {
        "file"
    }

    fn name(&self) -> String {
        format!("the file {}", self.0.display())
    }

    fn take(&self, made: &MadeCheckpoint) -> Result<()> {
        let add = || {
            // Checkpoints are no secret, but nobody else has to know how busy the service is.
            let mut options = OpenOptions::new();
            let mut file = options
                .append(true)
                .create(true)
                .mode(0o640)
                .open(&self.0)?;
            // In one write: the file may be another replica's, too.
            file.write_all(format!("{}\n", made.signed).as_bytes())?;
            file.sync_data()
        };
        add().map_err(|error| {
            Error::misconfigured(format!(
                "checkpoints.file: {} can't be written: {error}",
                self.0.display()
            ))
        })
    }
}

/// The socket of the system's log, which is told a checkpoint's number and its hash.
#[derive(Debug)]
struct Syslog(PathBuf);

impl CheckpointSink for Syslog {
    fn kind(&self) -> &'static str {
        "syslog"
    }

    fn name(&self) -> String {
        format!("the system's log at {}", self.0.display())
    }

    fn take(&self, made: &MadeCheckpoint) -> Result<()> {
        let MadeCheckpoint { number, hash, .. } = made;
        let text = format!("<{PRIORITY}>transire: audit checkpoint number={number} sha256={hash}");
        let sent = UnixDatagram::unbound().and_then(|socket| {
            socket.connect(&self.0)?;
            socket.send(text.as_bytes())
        });
        sent.map(drop).map_err(|error| {
            Error::misconfigured(format!(
                "checkpoints.syslog: {} takes no message: {error}",
                self.0.display()
            ))
        })
    }
}
