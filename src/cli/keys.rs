//! `transire keys`.

use clap::{Subcommand, ValueEnum};

use super::Context;
use crate::domain::Result;
use crate::domain::instance::Algorithm;
use crate::service::{KeyInfo, KeyKind, KeyState};

#[derive(Subcommand)]
pub(super) enum Command {
    /// List the keys that sign tokens and seal credentials.
    List,
    /// Make a new key; it is used half a minute later, when every replica knows it. What older keys signed or sealed stays good.
    Rotate {
        /// What the key is for.
        kind: Kind,
        /// Which signing key: of this algorithm.
        #[arg(long, default_value = "ES256")]
        algorithm: Algorithm,
    },
}

#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Kind {
    /// It signs tokens.
    Signing,
    /// It seals credentials and session tokens.
    Sealing,
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
                vec![id.into(), kind.into(), algorithm.into(), state_name(state).into(), created_at.rfc3339().into(), expires_at.into()]
            });
            let columns = ["key_id", "kind", "algorithm", "state", "created_at", "certificate_expires_at"];
            context.output.list(&columns, rows.collect())
        }
        Command::Rotate { kind, algorithm } => {
            let kind = match kind {
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
