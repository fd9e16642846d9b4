//! A backup: one file.
//!
//! Text first, a line each: `transire backup 1`, `schema N`, `made-at TIME`, the tables, and an
//! empty line. Then frames of a letter, a length (64 bits, big-endian) and so many bytes: `R` a
//! row, `T` the end of a table (the number of its rows, its digest), `E` the end, with SHA-256 over
//! everything before it. A sealed one has `S` after that: the master key's MAC of this digest.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::digest;

use crate::domain::clock::{Clock, Random, random_bytes};
use crate::domain::wrapped::Wrapped;
use crate::domain::{Error, Result};
use crate::store::Store;
use crate::store::migrate::MIGRATIONS;

use super::header::Header;
use super::{Hold, Piece, Progress, Reading, Sum, Table, TableSum, hexadecimal, identity, tables};

/// Seals a backup by its digest, as only the holder of a master key can.
pub type Seal = Box<dyn FnOnce(&str) -> Wrapped + Send>;

/// Writes everything of a store, as of one moment, into a file that must not be there yet; others
/// go on meanwhile. Without a seal, a restore has to be told to take it.
///
/// The file has its name only once it is whole and durable.
///
/// # Errors
///
/// `Misconfigured` when the store is empty, or the file is there already or can't be written; else
/// those of reads.
pub async fn backup(
    store: &Store,
    path: &Path,
    seal: Option<Seal>,
    progress: &Progress,
    clock: &dyn Clock,
    random: &dyn Random,
) -> Result<Vec<TableSum>> {
    identity(store).await?;
    let to = (path, seal, progress);
    backup_of(&tables(), MIGRATIONS.len(), store, to, clock, random).await
}

/// As [`backup`], of a store whose schema has so many steps and these tables.
pub(in crate::store) async fn backup_of(
    tables: &Arc<[Table]>,
    schema: usize,
    store: &Store,
    (path, seal, progress): (&Path, Option<Seal>, &Progress),
    clock: &dyn Clock,
    random: &dyn Random,
) -> Result<Vec<TableSum>> {
    let draft = draft(path, random);
    let reading = store.read_tables(tables, Hold::Nothing);
    let header = Header::of(schema, tables, clock);
    let (path, progress) = (path.to_owned(), progress.clone());
    let writing = tokio::task::spawn_blocking(move || {
        let written = write_file(&draft, &path, &header, seal, (reading, &progress));
        if written.is_err() {
            // Of a backup that failed nothing is of use.
            std::fs::remove_file(&draft).ok();
        }
        written
    });
    writing.await.map_err(Error::internal)?
}

/// As [`backup`], to `out`, which messages call `name`.
///
/// # Errors
/// `Misconfigured` when `out` can't be written; what it was given by then is no backup.
pub async fn backup_to(
    store: &Store,
    (out, name): (impl Write + Send + 'static, &'static str),
    seal: Option<Seal>,
    progress: &Progress,
    clock: &dyn Clock,
) -> Result<Vec<TableSum>> {
    identity(store).await?;
    let (tables, progress) = (tables(), progress.clone());
    let reading = store.read_tables(&tables, Hold::Nothing);
    let header = Header::of(MIGRATIONS.len(), &tables, clock);
    let writing = tokio::task::spawn_blocking(move || {
        let unwritable = |error| unwritable(name, &error);
        let (mut out, sums) = write(out, &header, seal, (reading, &progress), unwritable)?;
        out.flush().map_err(unwritable)?;
        Ok(sums)
    });
    writing.await.map_err(Error::internal)?
}

pub(super) fn draft(path: &Path, random: &dyn Random) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.part", hexadecimal(&random_bytes::<8>(random))));
    name.into()
}

pub(super) fn unwritable(name: impl std::fmt::Display, error: &io::Error) -> Error {
    Error::misconfigured(format!("the backup {name} can't be written: {error}"))
}

fn write_file(
    draft: &Path,
    path: &Path,
    header: &Header,
    seal: Option<Seal>,
    reading: (Reading, &Progress),
) -> Result<Vec<TableSum>> {
    let unwritable = |error| unwritable(path.display(), &error);
    refuse_existing(path)?;
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(draft)
        .map_err(unwritable)?;
    let (file, sums) = write(file, header, seal, reading, unwritable)?;
    make_durable(&file, draft, path).map_err(unwritable)?;
    Ok(sums)
}

/// Refuses a path that is taken.
pub(super) fn refuse_existing(path: &Path) -> Result<()> {
    let is_there = path.try_exists();
    if is_there.map_err(|error| unwritable(path.display(), &error))? {
        return Err(Error::misconfigured(format!(
            "the backup {} is there already, and is not overwritten",
            path.display()
        )));
    }
    Ok(())
}

/// Gives a whole file its name, and makes both durable.
pub(super) fn make_durable(file: &File, draft: &Path, path: &Path) -> io::Result<()> {
    file.sync_all()?;
    std::fs::rename(draft, path)?;
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    File::open(directory)?.sync_all()
}

/// Writes a whole backup, and returns where it was written to.
fn write<W: Write>(
    out: W,
    header: &Header,
    seal: Option<Seal>,
    (mut reading, progress): (Reading, &Progress),
    unwritable: impl Fn(io::Error) -> Error,
) -> Result<(W, Vec<TableSum>)> {
    let unwritable = &unwritable;
    let mut out = Summed::new(BufWriter::new(out));
    out.write_all(header.to_text().as_bytes())
        .map_err(unwritable)?;
    let mut sums = Vec::with_capacity(header.tables.len());
    for table in &header.tables {
        let mut sum = Sum::of(table);
        while let Piece::Rows(rows) = reading.blocking_next()? {
            for row in rows.iter() {
                drop(table.check(row.bytes())?);
                sum.add(row);
            }
            out.write_all(rows.frames()).map_err(unwritable)?;
            progress.add(rows.frames().len());
        }
        frame(&mut out, b'T', &end_of_table(&sum)).map_err(unwritable)?;
        sums.push(sum.summary(table));
    }
    let digest = out.digest();
    let mut out = out.inner;
    frame(&mut out, b'E', &digest).map_err(unwritable)?;
    if let Some(seal) = seal {
        let seal = seal(&hexadecimal(&digest));
        frame(&mut out, b'S', seal.as_bytes()).map_err(unwritable)?;
    }
    let out = out
        .into_inner()
        .map_err(|error| unwritable(error.into_error()))?;
    Ok((out, sums))
}

pub(super) fn end_of_table(sum: &Sum) -> Vec<u8> {
    [sum.rows.to_be_bytes().as_slice(), &sum.digest()].concat()
}

fn frame(out: &mut impl Write, letter: u8, bytes: &[u8]) -> io::Result<()> {
    out.write_all(&[letter])?;
    out.write_all(&(bytes.len() as u64).to_be_bytes())?;
    out.write_all(bytes)
}

/// Sums up what goes through.
pub(super) struct Summed<T> {
    pub(super) inner: T,
    context: digest::Context,
}

impl<T> Summed<T> {
    pub(super) fn new(inner: T) -> Self {
        Self {
            inner,
            context: digest::Context::new(&digest::SHA256),
        }
    }

    pub(super) fn digest(&self) -> Vec<u8> {
        self.context.clone().finish().as_ref().to_vec()
    }
}

impl<T: Write> Write for Summed<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = self.inner.write(bytes)?;
        self.context.update(&bytes[..length]);
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<T: Read> Read for Summed<T> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(bytes)?;
        self.context.update(&bytes[..length]);
        Ok(length)
    }
}
