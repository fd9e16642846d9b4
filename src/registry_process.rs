//! A CNCF Distribution registry that this process starts, and that ends with it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

use crate::config;
use crate::domain::{Error, Result};

/// How long the registry may take to start.
const START: Duration = Duration::from_secs(20);
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// How long the registry may take to end.
const END: Duration = Duration::from_secs(5);

/// Ends the registry once standard input ends, which it does with this process however that ends.
/// It exits as the registry does.
const KEEPER: &str = r#"exec 3<&0
"$@" </dev/null 3<&- &
registry=$!
{ cat <&3 >/dev/null; kill "$registry"; } 2>/dev/null &
exec 3<&-
wait "$registry""#;

/// The registry's process.
pub struct RegistryProcess {
    /// The shell that keeps it; the registry ends when this value goes.
    keeper: Child,
    address: SocketAddr,
}

/// Returns the registry's program: the named one, or the first on the path.
pub fn find_program(named: Option<PathBuf>) -> Option<PathBuf> {
    named
        .or_else(|| config::find_program(&["docker-registry", "registry"]))
        .filter(|program| program.is_file())
}

/// Returns the address itself, or with a free port in place of 0.
///
/// # Errors
/// `Misconfigured` when somebody listens there.
pub async fn free_address(address: SocketAddr) -> Result<SocketAddr> {
    let taken = |error: std::io::Error| {
        Error::misconfigured(format!(
            "the registry can't listen at {address}: {error}; choose another --registry-listen \
             address"
        ))
    };
    TcpListener::bind(address)
        .await
        .and_then(|listener| listener.local_addr())
        .map_err(taken)
}

impl RegistryProcess {
    /// Starts the registry with a configuration in which it listens at `address`, and waits until
    /// it answers. Its output goes to `output`.
    ///
    /// # Errors
    /// `Misconfigured` when it can't be started, ends at once or doesn't answer.
    pub async fn start(
        program: &Path,
        config: &Path,
        address: SocketAddr,
        output: (Stdio, Stdio),
    ) -> Result<Self> {
        let unusable = |error: &std::io::Error| {
            Error::misconfigured(format!(
                "the registry {} can't be started: {error}",
                program.display()
            ))
        };
        // A shell would say that it isn't there, but nobody would read that.
        std::fs::metadata(program).map_err(|error| unusable(&error))?;
        let keeper = Command::new("/bin/sh")
            .args(["-c", KEEPER, "sh"])
            .arg(program)
            .arg("serve")
            .arg(config)
            // Variables such as REGISTRY_HTTP_ADDR would override the configuration.
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .stdin(Stdio::piped())
            .stdout(output.0)
            .stderr(output.1)
            .spawn()
            .map_err(|error| unusable(&error))?;
        let mut started = Self { keeper, address };
        match tokio::time::timeout(START, started.until_up()).await {
            Ok(Ok(None)) => Ok(started),
            Ok(Ok(Some(status))) => Err(Error::misconfigured(format!(
                "the registry ended at once ({status})"
            ))),
            Ok(Err(error)) => Err(unusable(&error)),
            Err(_) => Err(Error::misconfigured(format!(
                "the registry does not answer at {address}"
            ))),
        }
    }

    /// Waits until it answers; returns its status when it ended before.
    async fn until_up(&mut self) -> std::io::Result<Option<ExitStatus>> {
        while !asks_for_a_token(self.address).await {
            if let Some(status) = self.keeper.try_wait()? {
                return Ok(Some(status));
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        Ok(None)
    }

    /// Ends it, and waits until it has ended.
    pub async fn stop(mut self) {
        drop(self.keeper.stdin.take());
        // A registry that doesn't end in time is left to the keeper, which has told it to.
        tokio::time::timeout(END, self.keeper.wait())
            .await
            .map(drop)
            .unwrap_or_default();
    }
}

/// Tells whether a registry answers that wants a token.
async fn asks_for_a_token(address: SocketAddr) -> bool {
    let ask = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(b"GET /v2/ HTTP/1.0\r\n\r\n").await?;
        let mut answer = Vec::new();
        stream.take(4096).read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    matches!(tokio::time::timeout(START, ask).await, Ok(Ok(answer))
        if answer.starts_with(b"HTTP/1.0 401 ") || answer.starts_with(b"HTTP/1.1 401 "))
}
