//! `transire keys`.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};

use super::Context;
use crate::domain::instance::Algorithm;
use crate::domain::{Error, Result};
use crate::open;
use crate::service::{KeyInfo, KeyKind, KeyState, MasterKeyInfo, MasterKeyState, MasterKeyStep, Retired};

#[derive(Subcommand)]
pub(super) enum Command {
    /// List the keys that sign tokens and seal credentials, and the master keys.
    List,
    /// Make a new key; it is used half a minute later, when every replica knows it. What older keys signed or sealed stays good.
    ///
    /// The master key is another matter: everything that the old one wrapped is wrapped by the new one before the command
    /// ends. Interrupted, it is gone on with by the same command, or by the running service.
    Rotate {
        /// What the key is for.
        kind: Kind,
        /// Which signing key: of this algorithm.
        #[arg(long, default_value = "ES256")]
        algorithm: Algorithm,
        /// The new master key, alone in a file; without it, the one that was added where the keys are kept, or on one
        /// machine one that is made.
        #[arg(long, value_name = "FILE")]
        new_key_file: Option<PathBuf>,
        /// Retire the old master key, which nothing in the data needs any more.
        #[arg(long, conflicts_with = "new_key_file")]
        finish: bool,
    },
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Kind {
    /// It signs tokens.
    Signing,
    /// It seals credentials and session tokens.
    Sealing,
    /// It wraps all the secrets in the data.
    Master,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<()> {
    let (service, operator) = (&context.service, &context.operator);
    match command {
        Command::List => {
            let rows = service.keys(operator).await?.into_iter().map(|key| {
                let KeyInfo { id, kind, state, created_at, certificate_expires_at } = key;
                let (kind, algorithm) = match kind {
                    KeyKind::Signing(algorithm) => ("signing", Some(algorithm.name())),
                    KeyKind::Sealing => ("sealing", None),
                };
                let expires_at = certificate_expires_at.map(|at| at.rfc3339());
                vec![
                    id.into(),
                    kind.into(),
                    algorithm.into(),
                    state_name(state).into(),
                    created_at.rfc3339().into(),
                    expires_at.into(),
                    None::<u64>.into(),
                ]
            });
            let mut rows: Vec<_> = rows.collect();
            rows.extend(service.master_keys(operator).await?.into_iter().map(|key| {
                let MasterKeyInfo { id, state, since, rows } = key;
                let since = since.map(|at| at.rfc3339());
                vec![
                    id.into(),
                    "master".into(),
                    None::<&str>.into(),
                    master_state_name(state).into(),
                    since.into(),
                    None::<&str>.into(),
                    rows.into(),
                ]
            }));
            let columns = ["key_id", "kind", "algorithm", "state", "created_at", "certificate_expires_at", "to_be_rewrapped"];
            context.output.list(&columns, rows)
        }
        Command::Rotate { kind, algorithm, new_key_file, finish } => {
            let kind = match kind {
                Kind::Master if finish => return finish_master_key(context).await,
                Kind::Master => return rotate_master_key(context, new_key_file).await,
                Kind::Signing | Kind::Sealing if finish || new_key_file.is_some() => {
                    return Err(Error::invalid_parameter("kind", "--finish and --new-key-file are for the master key"));
                }
                Kind::Signing => KeyKind::Signing(algorithm),
                Kind::Sealing => KeyKind::Sealing,
            };
            let id = service.rotate_key(operator, kind, &context.request).await?;
            context.output.one(vec![("key_id", id.into()), ("state", state_name(KeyState::Next).into())])
        }
    }
}

fn state_name(state: KeyState) -> &'static str {
    match state {
        KeyState::Next => "next",
        KeyState::InUse => "in use",
        KeyState::Old => "old",
    }
}

async fn rotate_master_key(context: &Context, new_key_file: Option<PathBuf>) -> Result<()> {
    let given = new_key_file.as_deref().map(open::master_key).transpose()?;
    let mut rewrapped = 0;
    loop {
        match context.service.rotate_master_key(&context.operator, given.as_ref(), &context.request).await? {
            MasterKeyStep::Switched { .. } => {}
            MasterKeyStep::Rewrapped { count } => rewrapped += count,
            MasterKeyStep::Done { from, to } => {
                context.output.one(vec![
                    ("key_id", to.into()),
                    ("state", master_state_name(MasterKeyState::InUse).into()),
                    ("old_key_id", from.clone().into()),
                    ("rewrapped", rewrapped.into()),
                ])?;
                eprintln!(
                    "Nothing in the data needs the master key {from} any more. Take a backup, keep the old key with the backups that \
                     were taken before, and give `transire keys rotate master --finish`."
                );
                return Ok(());
            }
        }
    }
}

async fn finish_master_key(context: &Context) -> Result<()> {
    let Retired { ids, removed, place } = context.service.finish_master_key(&context.operator, &context.request).await?;
    let last = ids.last().cloned().unwrap_or_default();
    context.output.one(vec![
        ("key_id", last.into()),
        ("state", master_state_name(MasterKeyState::Retired).into()),
        ("removed", removed.into()),
    ])?;
    if !removed {
        eprintln!("Now take its line away from {place}, on every replica.");
    }
    Ok(())
}

fn master_state_name(state: MasterKeyState) -> &'static str {
    match state {
        MasterKeyState::Next => "next",
        MasterKeyState::InUse => "in use",
        MasterKeyState::Old => "old",
        MasterKeyState::Retired => "retired",
        MasterKeyState::Missing => "missing",
    }
}
