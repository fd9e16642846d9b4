//! The files and folders of a new service. Nothing that is there is changed.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use super::owner::Owner;
use crate::config::{Arguments, DatabaseUrl, NewFile, Settings};
use crate::domain::{Error, Result};

/// Whether the settings file is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    Now,
    WasThere,
}

/// Reads the URL of a database, which may hold a password, from its file.
pub(super) fn read_database_url(file: &Path) -> Result<DatabaseUrl> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        let why = format!("{} can't be read: {error}", file.display());
        Error::invalid_parameter("database-file", why)
    })?;
    DatabaseUrl::from_secret_text(text.trim()).map_err(|error| {
        let why = format!("{}: {}", file.display(), error.message());
        Error::invalid_parameter("database-file", why)
    })
}

/// Returns the settings of a file that is there, or that is to be written.
///
/// # Errors
/// `Misconfigured` when the settings can't be used, or the file that is there differs from them.
pub(super) fn check(file: &Path, new: &NewFile) -> Result<Settings> {
    if !file.exists() {
        return Settings::parse(&new.text(), []);
    }
    let settings = load(file)?;
    let existing = std::fs::read_to_string(file).map_err(|error| unwritable(file, &error))?;
    let differences = new.differences(&existing)?;
    if differences.is_empty() {
        return Ok(settings);
    }
    Err(Error::misconfigured(format!(
        "the settings file {} is there, and is not overwritten; it differs in {}: change it by \
         hand, or leave these options out",
        file.display(),
        differences.join(", ")
    )))
}

/// Reads the settings of a file, with the environment over them.
pub(super) fn load(file: &Path) -> Result<Settings> {
    let loaded = Settings::load(Arguments {
        config: Some(file.to_owned()),
        ..Arguments::default()
    })?;
    Ok(loaded.complete().settings)
}

/// Makes a folder for its owner, and those above it for everybody to enter.
pub(super) fn make_folder(folder: &Path, mode: u32, owner: Option<&Owner>) -> Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let unmade = |error: io::Error| {
        Error::misconfigured(format!(
            "the folder {} can't be made: {error}",
            folder.display()
        ))
    };
    if let Some(above) = folder.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(above)
            .map_err(unmade)?;
    }
    match DirBuilder::new().mode(mode).create(folder) {
        Ok(()) => owner.map_or(Ok(()), |owner| owner.take(folder).map_err(unmade)),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(unmade(error)),
    }
}

/// Writes the settings file unless it is there. Its owner writes it, and the service's group reads
/// it: it may hold the database's password.
pub(super) fn write(file: &Path, new: &NewFile, owner: Option<&Owner>) -> Result<Written> {
    if file.exists() {
        return Ok(Written::WasThere);
    }
    if let Some(folder) = file.parent() {
        make_folder(folder, 0o755, None)?;
    }
    write_new(file, &new.text(), owner).map_err(|error| unwritable(file, &error))?;
    Ok(Written::Now)
}

fn write_new(file: &Path, text: &str, owner: Option<&Owner>) -> io::Result<()> {
    let mut out = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o640)
        .open(file)?;
    let written = (|| {
        owner.map_or(Ok(()), |owner| owner.share(file))?;
        out.write_all(text.as_bytes())?;
        out.sync_all()?;
        file.parent()
            .map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    })();
    if written.is_err() {
        // Half a file would be taken for the settings by the next run.
        std::fs::remove_file(file).ok();
    }
    written
}

fn unwritable(file: &Path, error: &io::Error) -> Error {
    Error::misconfigured(format!(
        "the settings file {} can't be written: {error}",
        file.display()
    ))
}
