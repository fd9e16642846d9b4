//! The master key: its rotation, and the retirement of the old one.

use std::path::Path;

use crate::cli::Context;
use crate::domain::Result;
use crate::open;
use crate::service::{MasterKeyState, MasterKeyStep, Retired};

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
