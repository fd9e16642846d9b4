//! A backup that comes from elsewhere: checked while it is written down.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::TableSum;
use super::file::{draft, make_durable, refuse_existing, unwritable};
use super::read::read_from;
use crate::domain::clock::Random;
use crate::domain::{Error, Result};

/// The destination of a backup that comes from elsewhere.
pub struct Receiving {
    /// The name in messages: the file's path, or another.
    name: PathBuf,
    to: Box<dyn Write + Send>,
    file: Option<Draft>,
}

/// A file that has another name until it is whole. Where it doesn't get so far, it is removed.
struct Draft {
    file: File,
    path: PathBuf,
    is_whole: bool,
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.is_whole {
            // Of a backup that failed nothing is of use.
            std::fs::remove_file(&self.path).ok();
        }
    }
}

impl Receiving {
    /// Begins a file that must not be there yet.
    ///
    /// # Errors
    /// `Misconfigured` when it is there, or can't be written.
    pub fn into_file(path: &Path, random: &dyn Random) -> Result<Self> {
        let unwritable = |error| unwritable(path.display(), &error);
        refuse_existing(path)?;
        let draft = draft(path, random);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&draft)
            .map_err(unwritable)?;
        let file = Draft {
            file,
            path: draft,
            is_whole: false,
        };
        Ok(Self {
            name: path.to_owned(),
            to: Box::new(file.file.try_clone().map_err(unwritable)?),
            file: Some(file),
        })
    }

    /// Begins to hand a backup on, to what messages call `name`.
    pub fn onto(to: impl Write + Send + 'static, name: &str) -> Self {
        Self {
            name: name.into(),
            to: Box::new(to),
            file: None,
        }
    }

    /// Reads a backup to its end, and checks that it is what was once written. A file has its name
    /// only once it is whole and durable.
    ///
    /// # Errors
    /// `Misconfigured` when it isn't whole, or can't be written.
    pub async fn receive(self, from: impl Read + Send + 'static) -> Result<Vec<TableSum>> {
        let receiving = tokio::task::spawn_blocking(move || self.receive_now(from));
        receiving.await.map_err(Error::internal)?
    }

    fn receive_now(self, from: impl Read) -> Result<Vec<TableSum>> {
        let Self { name, to, file } = self;
        let failed = |error| unwritable(name.display(), &error);
        let mut copied = Copied {
            from,
            to,
            failure: None,
        };
        let read = read_from(&name, &mut copied, |_| true);
        if let Some(failure) = copied.failure {
            return Err(failed(failure));
        }
        let backup = read?;
        copied.to.flush().map_err(failed)?;
        if let Some(mut file) = file {
            make_durable(&file.file, &file.path, &name).map_err(failed)?;
            file.is_whole = true;
        }
        Ok(backup.sums)
    }
}

/// Writes down all that is read.
struct Copied<R> {
    from: R,
    to: Box<dyn Write + Send>,
    /// The failure to write, which a reader would take for one to read.
    failure: Option<io::Error>,
}

impl<R: Read> Read for Copied<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let length = self.from.read(bytes)?;
        if let Err(error) = self.to.write_all(&bytes[..length]) {
            self.failure = Some(error);
            return Err(io::ErrorKind::Other.into());
        }
        Ok(length)
    }
}
