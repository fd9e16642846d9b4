//! The replicas of the service: the memory that they share, where the settings name a server for
//! it, and which of them run.
//!
//! Each replica writes into the store, once a minute, that it runs. Nothing depends on it but
//! reports.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::clock::{Timestamp, random_bytes};
use crate::domain::{Error, ErrorKind, Result};
use crate::service::operations::Operations;
use crate::shared::{self, Shared};
use crate::store::meta;
use crate::version;

/// The beginning of the names of the replicas' lines.
const LINE: &str = "replica:";
/// How long after its last line a replica is taken to run: it writes one a minute.
const RUNS_FOR: Duration = Duration::from_secs(180);
/// How long the line of a replica is kept that ended.
const KEPT_FOR: Duration = Duration::from_hours(24);

/// A replica that runs, or ran a moment ago.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replica {
    /// Its machine and its process: `HOST:PID`.
    pub id: String,
    /// The version of its program.
    pub version: String,
    /// The time at which it last said that it runs.
    pub seen_at: Timestamp,
}

/// The line of a replica, as it is stored.
#[derive(Serialize, Deserialize)]
struct Line {
    version: String,
    /// In unix milliseconds.
    seen_at: i64,
}

/// Checks the URL and the CA file of the server that replicas share, without connecting to it.
///
/// # Errors
/// `Misconfigured` when they can't be read.
pub fn check_shared(settings: &shared::Settings) -> Result<()> {
    Shared::new(settings, &[]).map(drop)
}

impl Operations {
    /// Connects to the server that the settings name, for as long as the service lives. A server
    /// that doesn't answer is no error: the connection is tried again.
    ///
    /// # Errors
    ///
    /// `Misconfigured` when the server's URL or CA file can't be read; `StoreUnavailable`.
    pub async fn connect_shared(&self) -> Result<()> {
        let Some(settings) = &self.shared else {
            return Ok(());
        };
        let shared = Arc::new(Shared::new(settings, &self.deployment().await?)?);
        shared.connect().await;
        // Once, when the service begins to serve.
        self.limits
            .shared
            .set(shared)
            .map_err(|_| Error::internal("the shared memory was connected twice"))
    }

    /// Writes down that this replica runs, and forgets those that ended long ago.
    ///
    /// # Errors
    ///
    /// `StoreUnavailable`.
    pub(in crate::service) async fn announce_replica(&self) -> Result<()> {
        let now = self.base.now();
        let line = Line {
            version: version::VERSION.to_owned(),
            seen_at: now.unix_millis(),
        };
        let text = serde_json::to_vec(&line).map_err(Error::internal)?;
        let mut write = self.base.write().then(meta::put(&own_line(), &text));
        for replica in self.replicas_since(Timestamp::from_unix_millis(0)).await? {
            if replica.seen_at.distance(now) > KEPT_FOR {
                write = write.then(meta::delete(&format!("{LINE}{}", replica.id)));
            }
        }
        self.base.store.apply(write).await
    }

    /// Returns the replicas that run, as far as they said so in the last minutes.
    ///
    /// # Errors
    ///
    /// `StoreUnavailable`.
    pub(super) async fn replicas(&self) -> Result<Vec<Replica>> {
        self.replicas_since(self.base.now().minus(RUNS_FOR)).await
    }

    async fn replicas_since(&self, since: Timestamp) -> Result<Vec<Replica>> {
        let lines = meta::list(&self.base.store, LINE).await?;
        let replicas = lines.into_iter().filter_map(|(name, text)| {
            // A line that can't be read is another release's.
            let line: Line = serde_json::from_slice(&text).ok()?;
            Some(Replica {
                id: name.strip_prefix(LINE)?.to_owned(),
                version: line.version,
                seen_at: Timestamp::from_unix_millis(line.seen_at),
            })
        });
        Ok(replicas
            .filter(|replica| replica.seen_at >= since)
            .collect())
    }

    /// Returns the random id that all replicas of this store share, and nobody else knows. It is
    /// created by the first call.
    ///
    /// # Errors
    ///
    /// `StoreUnavailable`.
    async fn deployment(&self) -> Result<Vec<u8>> {
        if let Some(id) = meta::find(&self.base.store, meta::DEPLOYMENT).await? {
            return Ok(id);
        }
        let id: [u8; 16] = random_bytes(&*self.base.random);
        match self
            .base
            .store
            .apply(
                self.base
                    .write()
                    .then(meta::put_if_absent(meta::DEPLOYMENT, &id)),
            )
            .await
        {
            // Another replica created it first.
            Err(error) if matches!(error.kind(), ErrorKind::AlreadyExists { .. }) => {}
            outcome => outcome?,
        }
        meta::find(&self.base.store, meta::DEPLOYMENT)
            .await?
            .ok_or_else(|| Error::internal("what was just stored is not there"))
    }
}

/// Returns the name of this process's line.
fn own_line() -> String {
    // In a container each process has the same number, and the host is the container's name.
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{LINE}{}:{}", host.trim(), std::process::id())
}
