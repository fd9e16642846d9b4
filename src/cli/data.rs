//! `transire init`, `backup`, `restore` and `migrate-data`.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::output::Output;
use super::{Failure, arguments};
use crate::config::Settings;
use crate::domain::{Error, Result as Done};
use crate::open::{self, SetUp};
use crate::transfer::{self, BackupTarget, DataPlace, TableSum};
use crate::views::view;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Write all data into a file, while the service runs.
    Backup {
        /// The new file; - writes to standard output, and the table to standard error.
        file: PathBuf,
    },
    /// Fill an empty database from a backup.
    Restore {
        /// The file that `transire backup` wrote.
        file: PathBuf,
    },
    /// Copy all data into another, empty database.
    MigrateData(Migrate),
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

/// Sets up a store, and prints what it made or found.
pub(super) async fn init(settings: &Settings, output: &Output) -> Done<()> {
    let SetUp {
        service,
        is_new,
        location,
        master_key_file,
    } = open::set_up(settings).await?;
    service.operations.warn_of_issuer();
    output.one(vec![
        ("state", if is_new { "made" } else { "was there" }.into()),
        ("data", location.to_string().into()),
        ("issuer", service.base.issuer().into()),
        (
            "master_key_file",
            master_key_file
                .map(|path| path.display().to_string())
                .into(),
        ),
    ])?;
    if is_new {
        eprintln!(
            "Keep the master key safe, and apart from backups of the data: without it no secret in \
             the data can be read. Next: `transire account create --name NAME`, and `transire \
             serve`."
        );
    }
    service.ledger.close().await;
    Ok(())
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

/// Runs the command, and ends with a reminder of the master key.
pub(super) async fn run(
    settings: &Settings,
    command: Command,
    output: &Output,
) -> Result<(), Failure> {
    let is_stdout = matches!(&command, Command::Backup { file } if file == Path::new("-"));
    if is_stdout && std::io::stdout().is_terminal() {
        return Err(Failure::Usage(Error::invalid_parameter(
            "file",
            "a backup is no text for a terminal: send it to a file or a program",
        )));
    }
    let (sums, key) = match command {
        Command::Backup { file } => (
            transfer::backup(
                settings,
                if is_stdout {
                    BackupTarget::Stdout
                } else {
                    BackupTarget::File(&file)
                },
            )
            .await?,
            "The secrets in the backup are sealed by the master key, which is not in it: keep that \
             key too, in another place.",
        ),
        Command::Restore { file } if file == Path::new("-") => {
            let why = "a backup is read twice, before and during the restore: write it into a \
                       file, and name that file";
            return Err(Failure::Usage(Error::invalid_parameter("file", why)));
        }
        Command::Restore { file } => (
            transfer::restore(settings, &file).await?,
            "The master key is in no backup: give the service the one with which the data was \
             made.",
        ),
        Command::MigrateData(places) => (
            migrate(settings, &places).await?,
            "The master key was not moved: give it to the service at the new place, and don't \
             start the one at the old place again.",
        ),
    };
    let tables = sums.into_iter().map(|sum| Table {
        table: sum.table,
        rows: sum.rows,
        sha256: sum.digest,
    });
    if is_stdout {
        output.list_on_stderr(tables)?
    } else {
        output.list(tables)?
    };
    eprintln!("{key}");
    Ok(())
}
