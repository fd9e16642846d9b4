//! `transire keys`.

mod ca;
mod master;

pub(super) use self::master::generate as generate_master;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::session::{List, Session};
use crate::admin::{
    ActivateInstanceKey, CancelInstanceKey, InstanceText, ListKeys, RotateAuditKey,
    RotateInstanceKey, RotateSealingKey, RotateSigningKey, ShowKey, Text,
};
use crate::domain::instance::Algorithm;
use crate::domain::{Error, Result};

#[derive(Subcommand)]
pub(super) enum Command {
    /// List the keys that sign tokens and seal credentials, the CAs, and the master keys.
    List(List<ListKeys>),
    /// Show a key, a CA or a master key.
    Show(ShowKey),
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
    /// Rotate the signing key of this zot instance (its tcr- or cri- id, or its name), instead of
    /// the shared key.
    #[arg(long, conflicts_with = "algorithm")]
    instance: Option<InstanceText>,
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
    /// Signs the audit's checkpoints.
    Audit,
    /// Signs the leaf certificates of signing keys; registries trust it.
    Ca,
    /// Wraps all secrets in the data.
    Master,
}

/// Says why a command works on the service's machine alone, if it does.
pub(super) fn why_here(command: &Command) -> Option<&'static str> {
    match command {
        Command::GenerateMaster { .. } => Some("a master key must not travel"),
        Command::TakeCaOffline { .. } => Some("the CA's private key must not travel"),
        Command::Rotate(Rotate {
            kind: Kind::Master, ..
        }) => Some("the master keys are in files of that machine, which no API reads or writes"),
        _ => None,
    }
}

pub(super) async fn run(session: &Session, command: Command) -> Result<()> {
    match command {
        Command::List(list) => session.list(list).await,
        Command::Show(one) => session.print(one).await,
        Command::Rotate(rotate) => run_rotate(session, rotate).await,
        Command::GenerateMaster { file } => master::generate(&file, session.output()),
        Command::Csr { out } => ca::write_requests(session, &out).await,
        Command::ImportLeaf { file } => ca::import_leaf(session, &file).await,
        Command::ImportCa { file } => ca::import(session, &file).await,
        Command::TakeCaOffline { out } => ca::take_offline(session.data()?, &out).await,
    }
}

async fn run_rotate(session: &Session, rotate: Rotate) -> Result<()> {
    if rotate.kind != Kind::Master && (rotate.finish || rotate.new_key_file.is_some()) {
        return Err(Error::invalid_parameter(
            "rotate",
            "--finish and --new-key-file are for the master key",
        ));
    }
    if rotate.kind == Kind::Ca && rotate.instance.is_none() {
        return ca::rotate(session, &rotate).await;
    }
    if rotate.retire || rotate.kind != Kind::Signing && rotate.instance.is_some() {
        return Err(Error::invalid_parameter(
            "rotate",
            "--retire is for the CA alone, and --instance for a signing key",
        ));
    }
    if let Some(instance) = rotate.instance {
        return if rotate.activate {
            session.print(ActivateInstanceKey { instance }).await
        } else if rotate.cancel {
            session.print(CancelInstanceKey { instance }).await
        } else {
            session.print(RotateInstanceKey { instance }).await
        };
    }
    if rotate.activate || rotate.cancel {
        return Err(Error::invalid_parameter(
            "rotate",
            "a shared key is used automatically, half a minute after it was made; --activate and \
             --cancel are for ca and for --instance",
        ));
    }
    match rotate.kind {
        Kind::Signing => {
            let algorithm = Text(rotate.algorithm);
            session.print(RotateSigningKey { algorithm }).await
        }
        Kind::Sealing => session.print(RotateSealingKey {}).await,
        Kind::Audit => session.print(RotateAuditKey {}).await,
        Kind::Ca => ca::rotate(session, &rotate).await,
        Kind::Master if rotate.finish => master::finish(session.data()?).await,
        Kind::Master => {
            let file = rotate.new_key_file.as_deref();
            master::rotate(session.data()?, file).await
        }
    }
}
