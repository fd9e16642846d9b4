//! `transire init`, `backup`, `restore` and `migrate-data`.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::Value;
use tokio::time::interval;

use super::output::{Fields, Output};
use super::remote::Remote;
use super::{Failure, arguments, received};
use crate::config::Settings;
use crate::domain::{Error, Result as Done};
use crate::open::{self, SetUp};
use crate::transfer::{self, BackupTarget, DataPlace, Progress, TableSum, Verified};
use crate::views::view;

/// How often a terminal is told how much was written.
const LOOK: Duration = Duration::from_millis(500);

#[derive(Subcommand)]
pub(super) enum Command {
    /// Write all data into a file, while the service runs.
    #[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
    Backup(Backup),
    /// Fill an empty database from a backup.
    Restore(Sealed),
    /// Copy all data into another, empty database.
    MigrateData(Migrate),
}

#[derive(Args)]
pub(super) struct Backup {
    /// The new file; - writes to standard output, and the table to standard error.
    #[arg(required = true)]
    file: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<BackupCommand>,
}

#[derive(Subcommand)]
enum BackupCommand {
    /// Check a backup without restoring it: that it is what was once written, that the master key
    /// sealed it, and that this key opens its secrets.
    Verify(Sealed),
}

/// A backup, and the key of its seal.
#[derive(Args)]
pub(super) struct Sealed {
    /// The file that `transire backup` wrote.
    file: PathBuf,
    /// The file of the master key that sealed it. Without it, the one that the settings name is
    /// tried, if there is one.
    #[arg(long, value_name = "FILE")]
    master_key_file: Option<PathBuf>,
    /// Take it though no master key vouches that nobody changed it.
    #[arg(long)]
    unsealed: bool,
}

/// The source and the destination, at least one of them.
#[derive(Args)]
#[group(required = true, multiple = true)]
pub(super) struct Migrate {
    /// The place of the data: sqlite:DIR or postgres://USER@HOST/NAME; without it, the settings'
    /// place.
    #[arg(long, value_name = "PLACE")]
    from: Option<String>,
    /// The destination, an empty database; without it, the settings' place.
    #[arg(long, value_name = "PLACE")]
    to: Option<String>,
}

view! {
    /// A table of the data, with its sum, by which two copies are compared.
    struct Table {
        /// Its name.
        table: String,
        /// The number of its rows.
        rows: u64,
        /// The SHA-256 of its rows.
        sha256: String,
    }
}

/// The advice about a new master key.
pub(super) const KEEP_KEY: &str = "Keep the master key safe, and apart from backups of the data: \
                                   without it no secret in the data can be read.";
/// The names of the fields of [`set_up`].
pub(super) const SET_UP_FIELDS: [&str; 4] = ["state", "data", "issuer", "master_key_file"];

/// Sets up a store, and prints what it made or found.
pub(super) async fn init(settings: &Settings, output: &Output) -> Done<()> {
    let (fields, is_new) = set_up(settings).await?;
    output.one(fields)?;
    if is_new {
        eprintln!("{KEEP_KEY} Next: `transire account create --name NAME`, and `transire serve`.");
    }
    Ok(())
}

/// Sets up a store; returns what it made or found, and whether the store is new.
pub(super) async fn set_up(settings: &Settings) -> Done<(Fields, bool)> {
    let SetUp {
        service,
        is_new,
        location,
        master_key_file,
    } = open::set_up(settings).await?;
    service.operations.warn_of_issuer();
    let master_key_file = master_key_file.map(|path| path.display().to_string());
    let values: [Value; 4] = [
        if is_new { "made" } else { "was there" }.into(),
        location.to_string().into(),
        service.base.issuer().into(),
        master_key_file.into(),
    ];
    service.ledger.close().await;
    Ok((SET_UP_FIELDS.into_iter().zip(values).collect(), is_new))
}

async fn migrate(settings: &Settings, places: &Migrate) -> Result<Vec<TableSum>, Failure> {
    let place = |name, text: Option<&str>| {
        text.map(DataPlace::from_argument)
            .transpose()
            .map_err(arguments::of_argument(name))
            .map_err(Failure::Usage)
    };
    let from = place("from", places.from.as_deref())?;
    let to = place("to", places.to.as_deref())?;
    Ok(transfer::migrate(settings, from.as_ref(), to.as_ref()).await?)
}

impl Backup {
    fn is_to_stdout(&self) -> bool {
        self.file.as_deref() == Some(Path::new("-"))
    }

    fn target(&self) -> BackupTarget<'_> {
        match &self.file {
            Some(file) if !self.is_to_stdout() => BackupTarget::File(file),
            _ => BackupTarget::Stdout,
        }
    }
}

/// Says why a command works on the service's machine alone, if it does.
pub(super) fn why_here(command: &Command) -> Option<&'static str> {
    match command {
        Command::Restore(_) => Some("it fills an empty database, on which no service can run yet"),
        Command::MigrateData(_) => {
            Some("it copies one database to another, while no service may write")
        }
        Command::Backup(Backup {
            command: Some(_), ..
        }) => Some("it reads a file of that machine, and its master key"),
        Command::Backup(_) => None,
    }
}

/// Prints the tables of a backup that is whole, and whether its secrets can be read.
async fn verify(
    settings: &Settings,
    Sealed {
        file,
        master_key_file,
        unsealed,
    }: &Sealed,
    output: &Output,
) -> Result<(), Failure> {
    let Verified {
        backup,
        secrets,
        opened_by,
        sealed_by,
    } = transfer::verify(settings, file, master_key_file.as_deref(), *unsealed).await?;
    let rows: u64 = backup.tables.iter().map(|table| table.rows).sum();
    let tables = backup.tables.into_iter().map(Table::from);
    output.show(vec![
        ("file", file.display().to_string().into()),
        ("made_at", backup.made_at.into()),
        ("schema", backup.schema.into()),
        ("rows", rows.into()),
        ("secrets", secrets.into()),
        (
            "opened_by",
            opened_by.clone().map(|ids| ids.join(",")).into(),
        ),
        ("sealed_by", sealed_by.into()),
        ("tables", output.objects(tables)),
    ])?;
    if opened_by.is_none() {
        eprintln!(
            "No master key was tried: --master-key-file names one, and then the seal is checked \
             and the secrets are opened, too."
        );
    }
    Ok(())
}

impl From<TableSum> for Table {
    fn from(sum: TableSum) -> Self {
        Self {
            table: sum.table,
            rows: sum.rows,
            sha256: sum.digest,
        }
    }
}

/// Shows how much was written, while the work goes on, where standard error is a terminal.
async fn showing<T>(progress: &Progress, work: impl Future<Output = T>) -> T {
    if !std::io::stderr().is_terminal() {
        return work.await;
    }
    let (mut work, mut looks) = (pin!(work), interval(LOOK));
    loop {
        tokio::select! {
            done = &mut work => {
                // The line is cleared.
                eprint!("\r\x1b[K");
                return done;
            }
            _ = looks.tick() => eprint!("\r{} MB written", progress.bytes() / 1_000_000),
        }
    }
}

async fn back_up(settings: &Settings, backup: &Backup) -> Result<Vec<TableSum>, Failure> {
    let progress = Progress::default();
    let backing_up = transfer::backup(settings, backup.target(), &progress);
    Ok(showing(&progress, backing_up).await?)
}

/// Runs the command, and ends with a reminder of the master key.
pub(super) async fn run(
    settings: &Settings,
    command: Command,
    remote: Option<&Remote>,
    output: &Output,
) -> Result<(), Failure> {
    if let Command::Backup(Backup {
        command: Some(BackupCommand::Verify(sealed)),
        ..
    }) = &command
    {
        return verify(settings, sealed, output).await;
    }
    let is_stdout = matches!(&command, Command::Backup(backup) if backup.is_to_stdout());
    if is_stdout && std::io::stdout().is_terminal() {
        return Err(Failure::Usage(Error::invalid_parameter(
            "file",
            "a backup is no text for a terminal: send it to a file or a program",
        )));
    }
    output.require_columns::<Table>()?;
    let (sums, key) = match command {
        Command::Backup(backup) => (
            match remote {
                Some(remote) => received::backup(remote, backup.target()).await?,
                None => back_up(settings, &backup).await?,
            },
            "The secrets in the backup are sealed by the master key, which is not in it: keep that \
             key too, in another place.",
        ),
        Command::Restore(Sealed { file, .. }) if file == Path::new("-") => {
            let why = "a backup is read twice, before and during the restore: write it into a \
                       file, and name that file";
            return Err(Failure::Usage(Error::invalid_parameter("file", why)));
        }
        Command::Restore(Sealed {
            file,
            master_key_file,
            unsealed,
        }) => (
            transfer::restore(settings, &file, master_key_file.as_deref(), unsealed).await?,
            "The master key is in no backup: give the service the one with which the data was \
             made.",
        ),
        Command::MigrateData(places) => (
            migrate(settings, &places).await?,
            "The master key was not moved: give it to the service at the new place, and don't \
             start the one at the old place again.",
        ),
    };
    let tables = sums.into_iter().map(Table::from);
    if is_stdout {
        output.list_on_stderr(tables)?
    } else {
        output.list(tables)?
    };
    eprintln!("{key}");
    Ok(())
}
