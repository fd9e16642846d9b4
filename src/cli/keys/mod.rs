//! `transire keys`.

mod ca;
mod master;

pub(super) use self::master::generate as generate_master;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::Context;
use crate::domain::instance::{Algorithm, AnyInstanceId};
use crate::domain::{Error, Result};
use crate::service::{InstanceChoice, KeyKind, KeyState};
use crate::views;

#[derive(Subcommand)]
pub(super) enum Command {
    /// List the keys that sign tokens and seal credentials, the CAs, and the master keys.
    List,
    /// Make a new key. It is used half a minute later, when every replica knows it. Tokens and
    /// credentials of older keys stay good.
    ///
    /// A CA (ca), and the key of a zot instance (signing --instance ID), come in steps instead,
    /// because registries read them only when they start. Without further options the command makes
    /// the key; with --activate it is used.
    ///
    /// When the master key is rotated, everything that the old one wrapped is wrapped by the new
    /// one before the command ends. The same command, or the running service, resumes an
    /// interrupted rotation.
    Rotate(Rotate),
    /// Make a master key for a new store, or for a rotation, in a new file. It is for keys that are
    /// kept elsewhere: a secret manager, a systemd credential, a Kubernetes secret.
    GenerateMaster {
        /// The new file, which its owner alone can read; - writes the key to standard output.
        file: PathBuf,
    },
    /// Write a request (PKCS #10) for each signing key, for a CA that is kept elsewhere.
    Csr {
        /// The directory to write into: KEY_ID.csr each.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Import a signing key's leaf certificate, signed by a CA that is kept elsewhere.
    ImportLeaf {
        /// The certificate, PEM or DER.
        file: PathBuf,
    },
    /// Import the certificate of a CA that is kept elsewhere, as the next CA.
    ImportCa {
        /// The certificate, PEM or DER.
        file: PathBuf,
    },
    /// Write the CA's private key into a file, and delete it here.
    TakeCaOffline {
        /// The new file; its owner alone can read it.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

#[derive(Args)]
pub(super) struct Rotate {
    /// The purpose of the key.
    kind: Kind,
    /// The algorithm of the signing key.
    #[arg(long, default_value = "ES256")]
    algorithm: Algorithm,
    /// Rotate the signing key of this zot instance (its tcr- or cri- id), instead of the shared
    /// key.
    #[arg(long, conflicts_with = "algorithm")]
    instance: Option<AnyInstanceId>,
    /// Use the next CA or key. The registries must have been restarted with it.
    #[arg(long)]
    activate: bool,
    /// Remove the old CA from the bundle.
    #[arg(long, conflicts_with = "activate")]
    retire: bool,
    /// Drop the next CA or key.
    #[arg(long, conflicts_with_all = ["activate", "retire"])]
    cancel: bool,
    /// The new master key, alone in a file. Without it, the one that was added to the key file, or,
    /// on one machine, a new one.
    #[arg(long, value_name = "FILE")]
    new_key_file: Option<PathBuf>,
    /// Retire the old master key, when no secret in the data needs it any more.
    #[arg(long, conflicts_with = "new_key_file")]
    finish: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    /// Signs tokens.
    Signing,
    /// Seals credentials and session tokens.
    Sealing,
    /// Signs the leaf certificates of signing keys; registries trust it.
    Ca,
    /// Wraps all secrets in the data.
    Master,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<()> {
    match command {
        Command::List => list(context).await,
        Command::Rotate(rotate) => run_rotate(context, rotate).await,
        Command::GenerateMaster { file } => master::generate(&file, &context.output),
        Command::Csr { out } => ca::write_requests(context, &out).await,
        Command::ImportLeaf { file } => ca::import_leaf(context, &file).await,
        Command::ImportCa { file } => ca::import(context, &file).await,
        Command::TakeCaOffline { out } => ca::take_offline(context, &out).await,
    }
}

async fn list(context: &Context) -> Result<()> {
    let keys = context.service.keys.keys(&context.call()).await?;
    let master = context.service.keys.master_keys(&context.call()).await?;
    context.output.list(
        keys.into_iter()
            .map(views::Key::from)
            .chain(master.into_iter().map(views::Key::from)),
    )
}

async fn run_rotate(context: &Context, rotate: Rotate) -> Result<()> {
    let (service, call) = (&context.service, &context.call());
    if rotate.kind != Kind::Master && (rotate.finish || rotate.new_key_file.is_some()) {
        return Err(Error::invalid_parameter(
            "rotate",
            "--finish and --new-key-file are for the master key",
        ));
    }
    if rotate.kind == Kind::Ca && rotate.instance.is_none() {
        return ca::rotate(context, &rotate).await;
    }
    if rotate.retire || rotate.kind != Kind::Signing && rotate.instance.is_some() {
        return Err(Error::invalid_parameter(
            "rotate",
            "--retire is for the CA alone, and --instance for a signing key",
        ));
    }
    if let Some(instance) = rotate.instance {
        return rotate_of_instance(context, &instance.into(), rotate.activate, rotate.cancel).await;
    }
    if rotate.activate || rotate.cancel {
        return Err(Error::invalid_parameter(
            "rotate",
            "a shared key is used automatically, half a minute after it was made; --activate and \
             --cancel are for ca and for --instance",
        ));
    }
    let kind = match rotate.kind {
        Kind::Signing => KeyKind::Signing(rotate.algorithm),
        Kind::Sealing => KeyKind::Sealing,
        Kind::Ca => return ca::rotate(context, &rotate).await,
        Kind::Master if rotate.finish => return master::finish(context).await,
        Kind::Master => return master::rotate(context, rotate.new_key_file.as_deref()).await,
    };
    let id = service.keys.rotate_key(call, kind).await?;
    let waits = service
        .keys
        .keys(call)
        .await?
        .iter()
        .any(|key| key.id == id && key.state == KeyState::WaitingForCertificate);
    let state = if waits {
        KeyState::WaitingForCertificate
    } else {
        KeyState::Next
    };
    context
        .output
        .one(vec![("key_id", id.into()), ("state", state.name().into())])
}

async fn rotate_of_instance(
    context: &Context,
    choice: &InstanceChoice,
    activate: bool,
    cancel: bool,
) -> Result<()> {
    let (service, call) = (&context.service, &context.call());
    let (id, state, next) = if activate {
        let id = service.keys.activate_instance_key(call, choice).await?;
        (
            id,
            "in use",
            "if you haven't yet, give the registry the new key now, and restart zot with it: it \
             refuses every token until then",
        )
    } else if cancel {
        (
            service.keys.cancel_instance_key(call, choice).await?,
            "gone",
            "nothing",
        )
    } else {
        let next = "write the new key with `transire registry-config --key next --key-only \
                    --force`; then, at the same moment, restart the registry with it and run this \
                    command with --activate";
        (
            service.keys.rotate_instance_key(call, choice).await?,
            "next",
            next,
        )
    };
    context.output.one(vec![
        ("key_id", id.into()),
        ("state", state.into()),
        ("next", next.into()),
    ])
}
