//! A backup that is read: checked to its last byte before anything is made of it.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::domain::clock::{Clock, Random};
use crate::domain::wrapped::Wrapped;
use crate::domain::{Error, Result};
use crate::store::migrate::{MIGRATIONS, Purpose};
use crate::store::{Location, Open, Store};

use super::file::{Summed, end_of_table};
use super::header::Header;
use super::{Piece, QUEUE, Reading, Rows, Sum, Table, TableSum, fill, hexadecimal, tables};

/// Fills an empty store from a backup, and brings an older schema up to date.
///
/// The whole file is checked before anything is written, and `admit` is asked whether its digest
/// and its seal will do. A restore that was interrupted is continued.
///
/// # Errors
///
/// `Misconfigured` when the file is not what was once written, or the store has anything else in
/// it; that of `admit`; `StoreUnavailable` when the database doesn't answer.
pub async fn restore(
    path: &Path,
    admit: impl FnOnce(&str, Option<&Wrapped>) -> Result<()>,
    target: &Location,
    clock: &dyn Clock,
    random: &dyn Random,
) -> Result<Vec<TableSum>> {
    refuse_other_than_file(path)?;
    let checked = path.to_owned();
    let checking = tokio::task::spawn_blocking(move || read(&checked, |_| true));
    let backup = checking.await.map_err(Error::internal)??;
    admit(&backup.digest, backup.seal.as_ref())?;
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

/// A file that was checked.
pub(super) struct Checked {
    pub(super) schema: usize,
    pub(super) made_at: String,
    pub(super) tables: Arc<[Table]>,
    pub(super) sums: Vec<TableSum>,
    pub(super) digest: String,
    pub(super) seal: Option<Wrapped>,
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
    if letter != b'E' || bytes != digest {
        return Err(changed(path));
    }
    let seal = read_seal(path, &mut rest)?;
    Ok(Checked {
        schema: header.schema,
        made_at: header.made_at,
        tables: header.tables.into(),
        sums,
        digest: hexadecimal(&digest),
        seal,
    })
}

/// Reads what follows the end: a seal or nothing.
fn read_seal(path: &Path, rest: &mut impl BufRead) -> Result<Option<Wrapped>> {
    let unreadable = |error| unreadable(path, &error);
    if rest.fill_buf().map_err(unreadable)?.is_empty() {
        return Ok(None);
    }
    let (letter, bytes) = read_frame(rest).map_err(unreadable)?;
    if letter != b'S' || !rest.fill_buf().map_err(unreadable)?.is_empty() {
        return Err(changed(path));
    }
    Ok(Some(Wrapped::from_bytes(bytes)))
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
