//! `transire keys`.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};

use super::Context;
use crate::domain::instance::{Algorithm, AnyInstanceId};
use crate::domain::{Error, Result};
use crate::service::{AuthorityStep, InstanceChoice, KeyInfo, KeyKind, KeyState, NextStep, PrivatePart};

#[derive(Subcommand)]
pub(super) enum Command {
    /// List the keys that sign tokens and seal credentials, and the certificate authorities.
    List,
    /// Make a new key; it is used half a minute later, when every replica knows it. What older keys signed or sealed stays good.
    ///
    /// A certificate authority (ca), and the key of a zot instance (signing --instance ID), come in steps instead, because
    /// registries read what they trust once, at their start: without more it is made, with --activate it is used.
    Rotate(Rotate),
    /// Write what a certificate authority that is kept elsewhere has to sign: a request (PKCS #10) for each signing key.
    Csr {
        /// The directory to write into: KEY_ID.csr each.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Take a signing key's certificate that an authority kept elsewhere signed.
    ImportLeaf {
        /// The certificate, PEM or DER.
        file: PathBuf,
    },
    /// Take the certificate of an authority that is kept elsewhere, as the one that is next.
    ImportCa {
        /// The certificate, PEM or DER.
        file: PathBuf,
    },
    /// Write the authority's private key into a file, and forget it here.
    TakeCaOffline {
        /// The file, which must not be there yet; it is readable by its owner alone.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

#[derive(Args)]
pub(super) struct Rotate {
    /// What the key is for.
    kind: Kind,
    /// Which signing key: of this algorithm.
    #[arg(long, default_value = "ES256")]
    algorithm: Algorithm,
    /// The signing key of this zot instance, by its tcr- or cri- id, and not the shared one.
    #[arg(long, conflicts_with = "algorithm")]
    instance: Option<AnyInstanceId>,
    /// Use the one that is next, now that the registries were restarted with it.
    #[arg(long)]
    activate: bool,
    /// Take the old certificate authority out of the bundle.
    #[arg(long, conflicts_with = "activate")]
    retire: bool,
    /// Give up the one that is next.
    #[arg(long, conflicts_with_all = ["activate", "retire"])]
    cancel: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    /// It signs tokens.
    Signing,
    /// It seals credentials and session tokens.
    Sealing,
    /// It signs the certificates of signing keys, and registries trust it.
    Ca,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<()> {
    match command {
        Command::List => {
            let rows = context.service.keys(&context.operator).await?.into_iter().map(|key| {
                let KeyInfo { id, kind, state, created_at, certificate_expires_at, instance, private } = key;
                let (kind, algorithm) = match kind {
                    KeyKind::Signing(algorithm) => ("signing", Some(algorithm.name())),
                    KeyKind::Sealing => ("sealing", None),
                    KeyKind::Authority => ("ca", None),
                };
                let expires_at = certificate_expires_at.map(|at| at.rfc3339());
                vec![
                    id.into(),
                    kind.into(),
                    algorithm.into(),
                    state_name(state).into(),
                    created_at.rfc3339().into(),
                    expires_at.into(),
                    instance.map(|id| id.to_string()).into(),
                    private_name(private).into(),
                ]
            });
            let columns = ["key_id", "kind", "algorithm", "state", "created_at", "certificate_expires_at", "instance", "private_key"];
            context.output.list(&columns, rows.collect())
        }
        Command::Rotate(rotate) => run_rotate(context, rotate).await,
        Command::Csr { out } => write_requests(context, &out).await,
        Command::ImportLeaf { file } => {
            let leaf = context.service.import_leaf(&context.operator, &read(&file)?, &context.request).await?;
            let next = match leaf.authority_state {
                KeyState::Next => "it is used when its certificate authority is activated: transire keys rotate ca --activate",
                _ => "nothing: it is in use, or, if the key waited for it, will be in half a minute",
            };
            context.output.one(vec![
                ("key_id", leaf.key.into()),
                ("ca_id", leaf.authority.into()),
                ("ca_state", state_name(leaf.authority_state).into()),
                ("certificate_expires_at", leaf.expires_at.rfc3339().into()),
                ("next", next.into()),
            ])
        }
        Command::ImportCa { file } => {
            let step = context.service.import_authority(&context.operator, &read(&file)?, &context.request).await?;
            print_step(context, step)
        }
        Command::TakeCaOffline { out } => take_offline(context, &out).await,
    }
}

async fn run_rotate(context: &Context, rotate: Rotate) -> Result<()> {
    let (service, operator, request) = (&context.service, &context.operator, &context.request);
    if rotate.kind == Kind::Ca && rotate.instance.is_none() {
        if rotate.retire {
            let retired = service.retire_authority(operator, request).await?;
            let ids: Vec<_> = retired.into_iter().map(|step| step.id).collect();
            let next = next_text(NextStep::Nothing);
            return context.output.one(vec![("key_id", ids.join(",").into()), ("state", "gone".into()), ("next", next.into())]);
        }
        let step = if rotate.activate {
            service.activate_authority(operator, request).await?
        } else if rotate.cancel {
            service.cancel_authority(operator, request).await?
        } else {
            service.rotate_authority(operator, request).await?
        };
        return print_step(context, step);
    }
    if rotate.retire || rotate.kind != Kind::Signing && rotate.instance.is_some() {
        return Err(Error::invalid_parameter(
            "rotate",
            "--retire is for the certificate authority alone, and --instance for a signing key",
        ));
    }
    if let Some(instance) = rotate.instance {
        return rotate_of_instance(context, &instance.into(), rotate.activate, rotate.cancel).await;
    }
    if rotate.activate || rotate.cancel {
        return Err(Error::invalid_parameter(
            "rotate",
            "a shared key is used by itself, half a minute after it was made; --activate and --cancel are for ca and for --instance",
        ));
    }
    let kind = match rotate.kind {
        Kind::Signing => KeyKind::Signing(rotate.algorithm),
        Kind::Sealing => KeyKind::Sealing,
        Kind::Ca => KeyKind::Authority,
    };
    let id = service.rotate_key(operator, kind, request).await?;
    let waits = service.keys(operator).await?.iter().any(|key| key.id == id && key.state == KeyState::WaitingForCertificate);
    let state = if waits { KeyState::WaitingForCertificate } else { KeyState::Next };
    context.output.one(vec![("key_id", id.into()), ("state", state_name(state).into())])
}

async fn rotate_of_instance(context: &Context, choice: &InstanceChoice, activate: bool, cancel: bool) -> Result<()> {
    let (service, operator, request) = (&context.service, &context.operator, &context.request);
    let (id, state, next) = if activate {
        let id = service.activate_instance_key(operator, choice, request).await?;
        (id, "in use", "restart zot with the new key now, if it wasn't yet: it refuses every token until then")
    } else if cancel {
        (service.cancel_instance_key(operator, choice, request).await?, "gone", "nothing")
    } else {
        let next = "write the new key with transire registry-config --kind zot --key next, and at one moment restart zot with it and \
                    give this command with --activate";
        (service.rotate_instance_key(operator, choice, request).await?, "next", next)
    };
    context.output.one(vec![("key_id", id.into()), ("state", state.into()), ("next", next.into())])
}

fn print_step(context: &Context, step: AuthorityStep) -> Result<()> {
    context.output.one(vec![
        ("key_id", step.id.into()),
        ("state", step.state.map_or("gone", state_name).into()),
        ("certificate_expires_at", step.expires_at.rfc3339().into()),
        ("next", next_text(step.next).into()),
    ])
}

fn next_text(next: NextStep) -> String {
    match next {
        NextStep::RestartRegistriesThenActivate => {
            "give every registry the new bundle (/bundle.pem or transire registry-config, half a minute \
                                                    from now) and restart it; then: transire keys rotate ca --activate"
                .to_owned()
        }
        NextStep::CertifyThenActivate => {
            "have what transire keys csr writes signed, and give each certificate to transire keys import-leaf; \
                                          give every registry the new bundle and restart it; then: transire keys rotate ca --activate"
                .to_owned()
        }
        NextStep::RetireFrom(at) => format!("from {} on: transire keys rotate ca --retire", at.rfc3339()),
        NextStep::Nothing => "nothing: registries get the present bundle when they are next restarted".to_owned(),
    }
}

async fn write_requests(context: &Context, directory: &Path) -> Result<()> {
    let unwritable = |error: std::io::Error| Error::misconfigured(format!("{} can't be written: {error}", directory.display()));
    std::fs::create_dir_all(directory).map_err(unwritable)?;
    let mut rows = Vec::new();
    for request in context.service.signing_requests(&context.operator).await? {
        let file = directory.join(format!("{}.csr", request.key));
        std::fs::write(&file, request.pem).map_err(unwritable)?;
        rows.push(vec![request.key.into(), request.algorithm.name().into(), file.display().to_string().into()]);
    }
    context.output.list(&["key_id", "algorithm", "file"], rows)
}

async fn take_offline(context: &Context, file: &Path) -> Result<()> {
    let (service, operator, request) = (&context.service, &context.operator, &context.request);
    let unwritable = |error: std::io::Error| Error::misconfigured(format!("{} can't be written: {error}", file.display()));
    // Before anything is given out: a file that is there is somebody's.
    let mut out = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).map_err(unwritable)?;
    let exported = match service.export_authority(operator, request).await {
        Ok(exported) => exported,
        Err(error) => {
            // Empty, and made a moment ago.
            std::fs::remove_file(file).ok();
            return Err(error);
        }
    };
    out.write_all(exported.pem.expose().as_bytes()).and_then(|()| out.sync_all()).map_err(unwritable)?;
    if let Some(parent) = std::path::absolute(file).map_err(unwritable)?.parent() {
        std::fs::File::open(parent).and_then(|directory| directory.sync_all()).map_err(unwritable)?;
    }
    // What is on the disk, and not what was to be there.
    let written = read(file)?;
    service.forget_authority_key(operator, &exported.id, &written, request).await?;
    context.output.one(vec![
        ("key_id", exported.id.into()),
        ("file", file.display().to_string().into()),
        ("next", "keep the file where no network reaches it; renew certificates with transire keys csr and import-leaf".into()),
    ])
}

fn read(file: &Path) -> Result<Vec<u8>> {
    std::fs::read(file).map_err(|error| Error::invalid_parameter("file", format!("{} can't be read: {error}", file.display())))
}

fn state_name(state: KeyState) -> &'static str {
    match state {
        KeyState::WaitingForCertificate => "waiting for its certificate",
        KeyState::Next => "next",
        KeyState::InUse => "in use",
        KeyState::Old => "old",
    }
}

fn private_name(private: PrivatePart) -> &'static str {
    match private {
        PrivatePart::Here => "here",
        PrivatePart::Elsewhere => "elsewhere",
    }
}
