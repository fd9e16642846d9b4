//! A backup: one file.
//!
//! Text first, a line each: `transire backup 1`, `schema N`, `made-at TIME`, the tables, and an
//! empty line. Then frames of a letter, a length (64 bits, big-endian) and so many bytes: `R` a
//! row, `T` the end of a table (the number of its rows, its digest), `E` the end, with SHA-256 over
//! everything before it.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::digest;
use tokio::sync::mpsc;

use crate::domain::clock::{Clock, Random, random_bytes};
use crate::domain::{Error, Result};
use crate::store::migrate::{MIGRATIONS, Purpose};
use crate::store::{Location, Open, Store};

use super::header::Header;
use super::{
    Hold, Piece, Progress, QUEUE, Reading, Rows, Sum, Table, TableSum, fill, hexadecimal, identity,
    tables,
};

/// Writes everything of a store, as of one moment, into a file that must not be there yet; others
/// go on meanwhile.
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
    progress: &Progress,
    clock: &dyn Clock,
    random: &dyn Random,
) -> Result<Vec<TableSum>> {
    identity(store).await?;
    let to = (path, progress);
    backup_of(&tables(), MIGRATIONS.len(), store, to, clock, random).await
}

/// As [`backup`], of a store whose schema has so many steps and these tables.
pub(in crate::store) async fn backup_of(
    tables: &Arc<[Table]>,
    schema: usize,
    store: &Store,
    (path, progress): (&Path, &Progress),
    clock: &dyn Clock,
    random: &dyn Random,
) -> Result<Vec<TableSum>> {
    let draft = draft(path, random);
    let reading = store.read_tables(tables, Hold::Nothing);
    let header = Header::of(schema, tables, clock);
    let (path, progress) = (path.to_owned(), progress.clone());
    let writing = tokio::task::spawn_blocking(move || {
        let written = write_file(&draft, &path, &header, (reading, &progress));
        if written.is_err() {
            // Of a backup that failed nothing is of use.
            std::fs::remove_file(&draft).ok();
        }
        written
    });
    writing.await.map_err(Error::internal)?
}

/// Writes everything of a store, as of one moment, to `out`, which messages call `name`; others go
/// on meanwhile.
///
/// # Errors
/// `Misconfigured` when `out` can't be written; what it was given by then is no backup.
pub async fn backup_to(
    store: &Store,
    out: impl Write + Send + 'static,
    name: &'static str,
    progress: &Progress,
    clock: &dyn Clock,
) -> Result<Vec<TableSum>> {
    identity(store).await?;
    let (tables, progress) = (tables(), progress.clone());
    let reading = store.read_tables(&tables, Hold::Nothing);
    let header = Header::of(MIGRATIONS.len(), &tables, clock);
    let writing = tokio::task::spawn_blocking(move || {
        let unwritable = |error| unwritable(name, &error);
        let (mut out, sums) = write(out, &header, (reading, &progress), unwritable)?;
        out.flush().map_err(unwritable)?;
        Ok(sums)
    });
    writing.await.map_err(Error::internal)?
}

/// Fills an empty store from a backup, and brings an older schema up to date.
///
/// The whole file is checked before anything is written. A restore that was interrupted is
/// continued.
///
/// # Errors
///
/// `Misconfigured` when the file is not what was once written, or the store has anything else in
/// it; `StoreUnavailable` when the database doesn't answer.
pub async fn restore(
    path: &Path,
    target: &Location,
    clock: &dyn Clock,
    random: &dyn Random,
) -> Result<Vec<TableSum>> {
    refuse_other_than_file(path)?;
    let checked = path.to_owned();
    let checking = tokio::task::spawn_blocking(move || read(&checked, |_| true));
    let backup = checking.await.map_err(Error::internal)??;
    let store = Store::open_for(target, Purpose::Fill(backup.schema), clock, random).await?;
    let sums = fill(
        stream(path.to_owned(), &backup),
        &store,
        &backup.digest,
        clock.now(),
    )
    .await?;
    if backup.schema < MIGRATIONS.len() {
        drop(store);
        Store::open(target, Open::Serve, clock, random).await?;
    }
    Ok(sums)
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
    let (file, sums) = write(file, header, reading, unwritable)?;
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
    let out = out
        .into_inner()
        .map_err(|error| unwritable(error.into_error()))?;
    Ok((out, sums))
}

fn end_of_table(sum: &Sum) -> Vec<u8> {
    [sum.rows.to_be_bytes().as_slice(), &sum.digest()].concat()
}

fn frame(out: &mut impl Write, letter: u8, bytes: &[u8]) -> io::Result<()> {
    out.write_all(&[letter])?;
    out.write_all(&(bytes.len() as u64).to_be_bytes())?;
    out.write_all(bytes)
}

/// A file that was checked.
pub(super) struct Checked {
    pub(super) schema: usize,
    pub(super) made_at: String,
    pub(super) tables: Arc<[Table]>,
    pub(super) sums: Vec<TableSum>,
    pub(super) digest: String,
}

/// Reads a file that was checked, and checks it again while it does.
fn stream(path: PathBuf, backup: &Checked) -> Reading {
    let (sender, pieces) = mpsc::channel(QUEUE);
    let digest = backup.digest.clone();
    tokio::task::spawn_blocking(move || {
        let end = match read(&path, |piece| sender.blocking_send(piece).is_ok()) {
            Ok(now) if now.digest == digest => return,
            Ok(_) => changed_meanwhile(&path),
            Err(error) => error,
        };
        // A receiver that is gone needs no answer.
        sender.blocking_send(Piece::Failed(end)).ok();
    });
    Reading {
        tables: Arc::clone(&backup.tables),
        pieces,
    }
}

pub(super) fn changed_meanwhile(path: &Path) -> Error {
    refused(path, "it was changed while it was read")
}

/// Refuses a pipe: a backup is read twice.
pub(super) fn refuse_other_than_file(path: &Path) -> Result<()> {
    if std::fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        let why = "it is no file, and it has to be read twice: write it into one first";
        return Err(refused(path, why));
    }
    Ok(())
}

fn refused(path: &Path, why: impl std::fmt::Display) -> Error {
    Error::misconfigured(format!(
        "the backup {} can't be used: {why}",
        path.display()
    ))
}

/// Reads a whole file and fails unless all of it is as it was written; hands on each piece until
/// nobody wants more.
pub(super) fn read(path: &Path, hand_on: impl FnMut(Piece) -> bool) -> Result<Checked> {
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    read_from(path, file, hand_on)
}

/// As [`read`], from what messages call `path`.
pub(super) fn read_from(
    path: &Path,
    input: impl Read,
    mut hand_on: impl FnMut(Piece) -> bool,
) -> Result<Checked> {
    let unreadable = |error| unreadable(path, &error);
    let mut input = Summed::new(BufReader::new(input));
    let header = Header::read(&mut input)
        .map_err(unreadable)?
        .ok_or_else(|| refused(path, "it is no backup of transire's"))?;
    check_header(path, &header)?;
    let mut sums = Vec::with_capacity(header.tables.len());
    for table in &header.tables {
        sums.push(read_table(path, &mut input, table, &mut hand_on)?);
    }
    let digest = input.digest();
    let mut rest = input.inner;
    let (letter, bytes) = read_frame(&mut rest).map_err(unreadable)?;
    let nothing_more = rest.read(&mut [0]).map_err(unreadable)? == 0;
    if letter != b'E' || bytes != digest || !nothing_more {
        return Err(changed(path));
    }
    Ok(Checked {
        schema: header.schema,
        made_at: header.made_at,
        tables: header.tables.into(),
        sums,
        digest: hexadecimal(&digest),
    })
}

/// Reads a table's rows, and checks them by their sum.
fn read_table(
    path: &Path,
    input: &mut impl Read,
    table: &Table,
    hand_on: &mut impl FnMut(Piece) -> bool,
) -> Result<TableSum> {
    let unwanted = || Error::internal("nobody wants the rest of the backup");
    let mut sum = Sum::of(table);
    let mut rows = Rows::default();
    loop {
        let (letter, bytes) = read_frame(input).map_err(|error| unreadable(path, &error))?;
        match letter {
            b'R' => {
                if table.check(&bytes).is_err() {
                    return Err(changed(path));
                }
                rows.add_encoded(&bytes);
                if rows.is_full() && !summed(&mut rows, &mut sum, hand_on) {
                    return Err(unwanted());
                }
            }
            _ => {
                let is_wanted = summed(&mut rows, &mut sum, hand_on);
                if letter != b'T' || bytes != end_of_table(&sum) {
                    return Err(changed(path));
                }
                if !is_wanted {
                    return Err(unwanted());
                }
                break;
            }
        }
    }
    if hand_on(Piece::EndOfTable) {
        Ok(sum.summary(table))
    } else {
        Err(unwanted())
    }
}

/// Sums rows up and hands them on; tells whether they were wanted.
fn summed(rows: &mut Rows, sum: &mut Sum, hand_on: &mut impl FnMut(Piece) -> bool) -> bool {
    rows.iter().for_each(|row| sum.add(row));
    hand_on(Piece::Rows(std::mem::take(rows)))
}

fn unreadable(path: &Path, error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => refused(path, "it was cut off"),
        _ => refused(path, error),
    }
}

fn changed(path: &Path) -> Error {
    refused(path, "it is not what was once written")
}

/// Refuses a backup of a newer schema, or of this one with other tables.
fn check_header(path: &Path, header: &Header) -> Result<()> {
    let known = MIGRATIONS.len();
    if header.schema > known {
        let why = format!(
            "it has schema {} and this transire knows no more than {known}; use the newer \
             transire that made it",
            header.schema
        );
        return Err(refused(path, why));
    }
    if header.schema == known && !are_the_same(&header.tables, &tables()) {
        return Err(refused(path, "it was made by another build"));
    }
    Ok(())
}

/// Compares tables, which earlier builds of one schema put into another order.
fn are_the_same(one: &[Table], other: &[Table]) -> bool {
    let all_in = |one: &[Table], other: &[Table]| one.iter().all(|table| other.contains(table));
    one.len() == other.len() && all_in(one, other) && all_in(other, one)
}

fn read_frame(input: &mut impl Read) -> io::Result<(u8, Vec<u8>)> {
    let mut head = [0; 9];
    input.read_exact(&mut head)?;
    let [letter, length @ ..] = head;
    let length = u64::from_be_bytes(length);
    let mut bytes = Vec::new();
    // Not all at once: a length that is wrong must not take the memory for it.
    if input.take(length).read_to_end(&mut bytes)? as u64 != length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok((letter, bytes))
}

/// Sums up what goes through.
struct Summed<T> {
    inner: T,
    context: digest::Context,
}

impl<T> Summed<T> {
    fn new(inner: T) -> Self {
        Self {
            inner,
            context: digest::Context::new(&digest::SHA256),
        }
    }

    fn digest(&self) -> Vec<u8> {
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
