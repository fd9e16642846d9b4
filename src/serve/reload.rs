//! Reads settings and certificates again, at a SIGHUP.
//!
//! All that was read is checked before any of it is taken: what can't be used changes nothing. What
//! a start alone can change is named in the log.

use std::net::SocketAddr;
use std::sync::Arc;

use super::running::Running;
use super::signals::Hangups;
use super::supervisor::Supervisor;
use super::tls::Tls;
use super::transport::check_transport;
use crate::config::{Arguments, Change, Listen, Settings};
use crate::domain::{Error, Result};

/// Reads again what the service was started with.
pub(super) struct Reloader {
    /// The arguments of the start, which go over the settings again.
    pub(super) arguments: Arguments,
    pub(super) given: GivenAddresses,
    pub(super) running: Arc<Running>,
}

/// The addresses of the sockets that a supervisor gave.
#[derive(Clone, Copy)]
pub(super) struct GivenAddresses {
    /// In place of `listen`.
    pub(super) clients: Option<SocketAddr>,
    /// In place of `admin_listen`.
    pub(super) operators: Option<SocketAddr>,
}

impl Reloader {
    /// Reloads at each SIGHUP, until it is dropped.
    pub(super) async fn follow(&self, hangups: &mut Hangups, supervisor: Option<&Supervisor>) {
        loop {
            hangups.next().await;
            if let Some(supervisor) = supervisor {
                supervisor.reloading();
            }
            let outcome = self.reload().await;
            self.running.server.note_reload(outcome.is_ok());
            report(&outcome);
            if let Some(supervisor) = supervisor {
                supervisor.reloaded(&outcome);
            }
        }
    }

    /// Reads all again, and takes what a running service can take; returns what differs.
    async fn reload(&self) -> Result<Vec<Change>> {
        let (arguments, given) = (self.arguments.clone(), self.given);
        let running = Arc::clone(&self.running);
        // The file system may be a remote one.
        tokio::task::spawn_blocking(move || reload(&running, arguments, given))
            .await
            .map_err(Error::internal)?
    }
}

fn reload(running: &Running, arguments: Arguments, given: GivenAddresses) -> Result<Vec<Change>> {
    let new = Settings::load(arguments)?.complete().settings;
    let clients = given.clients.unwrap_or_else(|| new.listen.address());
    check_transport(&new, clients)?;
    let operators = new.admin_listen.map(Listen::address);
    if let Some(operators) = given.operators.or(operators) {
        check_transport(&new, operators)?;
    }
    let present = running.settings();
    match &running.tls {
        Some(tls) if tls.is_of(&new.tls) => tls.look(true)?,
        // They are taken at a restart, which would fail if they can't be used.
        _ => drop(Tls::load(&new.tls)?),
    }
    let (settings, changes) = present.reloaded(&new);
    running.adjust(settings);
    Ok(changes)
}

/// Writes the outcome to the log, a line for each setting that differs.
fn report(outcome: &Result<Vec<Change>>) {
    let changes = match outcome {
        Ok(changes) => changes,
        Err(error) => {
            return tracing::error!(
                cause = error.cause(),
                "the settings can't be read again, and stay as they are: {error}"
            );
        }
    };
    for Change {
        setting,
        before,
        now,
        is_taken,
    } in changes
    {
        if *is_taken {
            tracing::info!(setting, before, now, "a setting was changed");
        } else {
            tracing::warn!(setting, before, now, "this setting needs a restart");
        }
    }
    let taken = changes.iter().filter(|change| change.is_taken).count();
    tracing::info!(
        taken,
        need_restart = changes.len() - taken,
        "the settings were read again"
    );
}
