//! A backup that is made while its reader reads it.

use std::io::{self, Write};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::timeout;

use crate::domain::operator::OperatorPermission;
use crate::domain::{Error, ErrorKind, Result};
use crate::service::call::Call;
use crate::service::keys::seal_backup;
use crate::service::ledger::actions::AuditAction;
use crate::service::ledger::event::Event;
use crate::service::operations::Operations;
use crate::store::meta;
use crate::store::portable::{self, Progress, Seal};

/// The pieces that wait for the reader.
const PIECES: usize = 4;
/// How long the reader may take for one of them. Meanwhile a transaction of the database is open.
const MAX_STALL: Duration = Duration::from_mins(1);

/// The bytes of a backup, as they are made.
pub struct BackupBytes {
    pieces: mpsc::Receiver<Result<Vec<u8>>>,
    /// The piece that was taken to see whether there is a backup at all.
    first: Option<Vec<u8>>,
}

impl BackupBytes {
    /// Returns the next piece, once it is there; nothing after the last one. An error says why the
    /// backup ends before its end.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Vec<u8>>>> {
        match self.first.take() {
            Some(first) => Poll::Ready(Some(Ok(first))),
            None => self.pieces.poll_recv(context),
        }
    }
}

impl Operations {
    /// Begins a backup of all data, of which one is made at a time. Its end is recorded: `ok` once
    /// all of it was handed over, and `failed` otherwise.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; `Overloaded` while another one is made;
    /// those of [`portable::backup_to`].
    pub async fn backup(&self, call: &Call<'_>) -> Result<BackupBytes> {
        call.caller
            .require(OperatorPermission::BackupCreate, None)?;
        let turn = Arc::clone(&self.backups).try_acquire_owned();
        let turn = turn.map_err(|_| {
            let why = "Another backup is being made; try again when it is done.";
            Error::new(ErrorKind::Overloaded, why)
        })?;
        let (sender, mut pieces) = mpsc::channel(PIECES);
        self.make_backup(call, sender, turn);
        // A backup that can't begin is refused as any request.
        let first = pieces.recv().await.transpose()?;
        Ok(BackupBytes { pieces, first })
    }

    /// Returns what seals a backup with the master key that wraps by then.
    fn backup_seal(&self) -> Seal {
        let (memory, random) = (Arc::clone(&self.memory), Arc::clone(&self.base.random));
        Box::new(move |digest| seal_backup(&memory.keys.master.current(), digest, &*random))
    }

    /// Makes a backup apart from the request, whose head is answered before the data is read.
    fn make_backup(
        &self,
        call: &Call<'_>,
        sender: mpsc::Sender<Result<Vec<u8>>>,
        turn: OwnedSemaphorePermit,
    ) {
        let (base, ledger) = (Arc::clone(&self.base), Arc::clone(&self.ledger));
        let seal = self.backup_seal();
        let (actor, request) = (call.caller.actor(), call.request.clone());
        let (name, account) = (actor.name, actor.account);
        tokio::spawn(async move {
            let reader = Reader {
                pieces: sender.clone(),
                runtime: Handle::current(),
            };
            let (to, progress) = ((reader, "for its reader"), Progress::default());
            let made = portable::backup_to(&base.store, to, Some(seal), &progress, &*base.clock);
            let made = made.await;
            let now = base.now();
            let event = Event::new(AuditAction::StoreBackup, now, &request).proved(name, account);
            let (write, event) = match &made {
                Ok(_) => (base.write().then(meta::note_backup(now)), event),
                Err(_) => (base.write(), event.outcome("failed")),
            };
            // The backup counts though the database takes no writes, as a full disk or a standby.
            if let Err(error) = ledger.record(write, event).await {
                tracing::warn!(
                    "the backup could not be noted, nor written into the audit: {error}"
                );
            }
            if let Err(error) = made {
                tracing::warn!(
                    cause = error.cause(),
                    "a backup was not handed over: {error}"
                );
                // A reader that is gone needs no answer.
                sender.send(Err(error)).await.ok();
            }
            drop(turn);
        });
    }
}

/// The reader of a backup, as the thread that makes it writes to it.
struct Reader {
    pieces: mpsc::Sender<Result<Vec<u8>>>,
    runtime: Handle,
}

impl Write for Reader {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = timeout(MAX_STALL, self.pieces.send(Ok(bytes.to_vec())));
        match self.runtime.block_on(sent) {
            Ok(Ok(())) => Ok(bytes.len()),
            Ok(Err(_)) => Err(io::ErrorKind::BrokenPipe.into()),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
