//! The master key: its rotation, and the retirement of the old one.

use std::io::IsTerminal;
use std::path::Path;

use crate::cli::Context;
use crate::cli::output::Output;
use crate::domain::{Error, Result};
use crate::open;
use crate::service::{MasterKeyState, MasterKeyStep, Retired};

/// Makes a master key in a new file, or for the reader of standard output.
///
/// # Errors
/// `InvalidParameter` for a terminal, whose history would keep the key; `Misconfigured` for a file
/// that is there already or can't be written; those of the output.
pub(in crate::cli) fn generate(file: &Path, output: &Output) -> Result<()> {
    if file == Path::new("-") {
        if std::io::stdout().is_terminal() {
            return Err(Error::invalid_parameter(
                "file",
                "a master key is no text for a terminal, which may keep it: send it to a file or \
                 a program",
            ));
        }
        let key = open::new_master_key();
        return output.secret(key.to_text().expose(), vec![("key_id", key.id().into())]);
    }
    let id = open::generate_master_key(file)?;
    output.one(vec![
        ("key_id", id.into()),
        ("file", file.display().to_string().into()),
    ])?;
    eprintln!(
        "Keep a copy of it where backups of the data are not: without it no secret in the data \
         can be read."
    );
    Ok(())
}

/// Wraps everything anew by a file's key, or by the key that the service finds or makes.
pub(super) async fn rotate(context: &Context, new_key_file: Option<&Path>) -> Result<()> {
    let given = new_key_file.map(open::master_key).transpose()?;
    let mut rewrapped = 0;
    loop {
        match context
            .service
            .keys
            .rotate_master_key(&context.call(), given.as_ref())
            .await?
        {
            MasterKeyStep::Switched { .. } => {}
            MasterKeyStep::Rewrapped { count } => rewrapped += count,
            MasterKeyStep::Done { from, to } => {
                context.output.one(vec![
                    ("key_id", to.into()),
                    ("state", MasterKeyState::InUse.name().into()),
                    ("old_key_id", from.clone().into()),
                    ("rewrapped", rewrapped.into()),
                ])?;
                eprintln!(
                    "No secret in the data needs the master key {from} any more. Take a backup, \
                     keep the old key with the earlier backups, and run `transire keys rotate \
                     master --finish`."
                );
                return Ok(());
            }
        }
    }
}

/// Retires the old key.
pub(super) async fn finish(context: &Context) -> Result<()> {
    let Retired {
        ids,
        removed,
        place,
    } = context
        .service
        .keys
        .finish_master_key(&context.call())
        .await?;
    let last = ids.last().cloned().unwrap_or_default();
    context.output.one(vec![
        ("key_id", last.into()),
        ("state", MasterKeyState::Retired.name().into()),
        ("removed", removed.into()),
    ])?;
    if !removed {
        eprintln!("Now remove its line from {place}, on every replica.");
    }
    Ok(())
}
