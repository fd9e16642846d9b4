//! A backup that a service elsewhere makes.

use std::io::{self, Read};

use bytes::{Buf, Bytes};
use tokio::sync::mpsc;

use super::remote::Remote;
use crate::admin::MakeBackup;
use crate::domain::Result;
use crate::transfer::{self, BackupTarget, TableSum};

/// The pieces that wait for the disk.
const PIECES: usize = 16;

/// Takes a backup from a service, and checks that it is whole.
///
/// # Errors
/// Those of the service; `Misconfigured` for a backup that isn't whole, or a file that is there
/// already or can't be written.
pub(super) async fn backup(remote: &Remote, place: BackupTarget<'_>) -> Result<Vec<TableSum>> {
    // Before the service begins.
    let receiving = transfer::receiving(place)?;
    let mut coming = remote.download(MakeBackup::PATH).await?;
    let (sender, pieces) = mpsc::channel(PIECES);
    let feeding = async move {
        loop {
            let piece = match coming.next().await {
                Ok(Some(piece)) => Ok(piece),
                Ok(None) => return,
                Err(failure) => Err(io::Error::other(failure)),
            };
            let is_last = piece.is_err();
            if sender.send(piece).await.is_err() || is_last {
                return;
            }
        }
    };
    let pieces = Pieces {
        pieces,
        piece: Bytes::new(),
    };
    let ((), received) = tokio::join!(feeding, receiving.receive(pieces));
    received
}

/// The pieces as a thread reads them.
struct Pieces {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    piece: Bytes,
}

impl Read for Pieces {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.piece = piece?,
                None => return Ok(0),
            }
        }
        let length = out.len().min(self.piece.len());
        self.piece
            .split_to(length)
            .copy_to_slice(&mut out[..length]);
        Ok(length)
    }
}
