//! SIGTERM and SIGINT, received from the first moment on, and SIGHUP.
//!
//! One that comes before there is a handler kills the process half-way, or, where it is process 1
//! of a container, is lost: the kernel gives that one no default.

use std::future::Future;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::domain::{Error, Result};

/// The signal by which the operator or the supervisor stops the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// SIGTERM.
    Terminate,
    /// SIGINT, as by Ctrl-C.
    Interrupt,
}

impl Told {
    /// Returns the exit code of a process that the signal stopped before it was done, as shells
    /// count it.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Terminate => 143,
            Self::Interrupt => 130,
        }
    }
}

/// The signals that end a process.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Receives signals from now on, and keeps each until [`Self::next`] returns it.
    ///
    /// # Errors
    /// `Misconfigured` when the system gives no handler.
    pub fn receive() -> Result<Self> {
        Ok(Self {
            terminate: receive(SignalKind::terminate())?,
            interrupt: receive(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next signal.
    pub async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.terminate.recv() => Told::Terminate,
            _ = self.interrupt.recv() => Told::Interrupt,
        }
    }

    /// Does some work, and drops it where it waits when a signal comes first.
    ///
    /// # Errors
    /// The signal that came first.
    pub async fn unless_told<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Told> {
        tokio::select! {
            // Work that is done counts, though a signal came in the same moment.
            biased;
            done = work => Ok(done),
            told = self.next() => Err(told),
        }
    }
}

/// SIGHUP, which has a service read its settings again. Other commands end by it, as when their
/// terminal is closed.
pub(super) struct Hangups(Signal);

impl Hangups {
    /// Receives it from now on. Several that come before [`Self::next`] are one.
    ///
    /// # Errors
    /// As [`Signals::receive`].
    pub(super) fn receive() -> Result<Self> {
        receive(SignalKind::hangup()).map(Self)
    }

    /// Waits for the next one.
    pub(super) async fn next(&mut self) {
        self.0.recv().await;
    }
}

fn receive(kind: SignalKind) -> Result<Signal> {
    signal(kind)
        .map_err(|error| Error::misconfigured(format!("signals can't be received: {error}")))
}
