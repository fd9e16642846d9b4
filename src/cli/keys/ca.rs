//! The CA: the steps of its rotation, and the files that go to a CA kept elsewhere and come back.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::Rotate;
use crate::cli::Context;
use crate::domain::{Error, Result};
use crate::service::{CaStep, KeyState, NextStep};
use crate::views::view;

view! {
    /// A request that was written into a file.
    struct Request {
        /// The id of the signing key.
        key_id: String,
        /// Its algorithm.
        algorithm: String,
        /// The file's path.
        file: String,
    }
}

/// Does one step of the CA's rotation.
pub(super) async fn rotate(context: &Context, rotate: &Rotate) -> Result<()> {
    let (service, call) = (&context.service, &context.call());
    if rotate.retire {
        let retired = service.keys.retire_cas(call).await?;
        let ids: Vec<_> = retired.into_iter().map(|step| step.id).collect();
        let next = next_text(NextStep::Nothing);
        return context.output.one(vec![
            ("key_id", ids.join(",").into()),
            ("state", "gone".into()),
            ("next", next.into()),
        ]);
    }
    let step = if rotate.activate {
        service.keys.activate_ca(call).await?
    } else if rotate.cancel {
        service.keys.cancel_ca(call).await?
    } else {
        service.keys.rotate_ca(call).await?
    };
    print_step(context, step)
}

/// Imports the certificate of a CA that is kept elsewhere.
pub(super) async fn import(context: &Context, file: &Path) -> Result<()> {
    let step = context
        .service
        .keys
        .import_ca(&context.call(), &read(file)?)
        .await?;
    print_step(context, step)
}

/// Imports the certificate of a signing key.
pub(super) async fn import_leaf(context: &Context, file: &Path) -> Result<()> {
    let leaf = context
        .service
        .keys
        .import_leaf(&context.call(), &read(file)?)
        .await?;
    let next = match leaf.authority_state {
        KeyState::Next => {
            "it is used when its CA is activated: `transire keys rotate ca --activate`"
        }
        _ => "nothing: it is in use, or will be in half a minute if the key waited for it",
    };
    context.output.one(vec![
        ("key_id", leaf.key.into()),
        ("ca_id", leaf.authority.into()),
        ("ca_state", leaf.authority_state.name().into()),
        ("certificate_expires_at", leaf.expires_at.rfc3339().into()),
        ("next", next.into()),
    ])
}

fn print_step(context: &Context, step: CaStep) -> Result<()> {
    context.output.one(vec![
        ("key_id", step.id.into()),
        ("state", step.state.map_or("gone", KeyState::name).into()),
        ("certificate_expires_at", step.expires_at.rfc3339().into()),
        ("next", next_text(step.next).into()),
    ])
}

fn next_text(next: NextStep) -> String {
    match next {
        NextStep::RestartRegistriesThenActivate => {
            "give every registry the new bundle (/bundle.pem or `transire registry-config`, half a \
             minute from now) and restart it; then: `transire keys rotate ca --activate`"
                .to_owned()
        }
        NextStep::CertifyThenActivate => {
            "have the requests of `transire keys csr` signed, and import each certificate with \
             `transire keys import-leaf`; give every registry the new bundle and restart it; then: \
             `transire keys rotate ca --activate`"
                .to_owned()
        }
        NextStep::RetireFrom(at) => format!(
            "from {} on: `transire keys rotate ca --retire`",
            at.rfc3339()
        ),
        NextStep::Nothing => "nothing: registries get the present bundle at their next \
                              restart"
            .to_owned(),
    }
}

/// Writes the requests that a CA kept elsewhere has to sign.
pub(super) async fn write_requests(context: &Context, directory: &Path) -> Result<()> {
    let unwritable = |error: std::io::Error| {
        Error::misconfigured(format!("{} can't be written: {error}", directory.display()))
    };
    context.output.require_columns::<Request>()?;
    std::fs::create_dir_all(directory).map_err(unwritable)?;
    let mut written = Vec::new();
    for request in context
        .service
        .keys
        .signing_requests(&context.call())
        .await?
    {
        let file = directory.join(format!("{}.csr", request.key));
        std::fs::write(&file, request.pem).map_err(unwritable)?;
        written.push(Request {
            key_id: request.key,
            algorithm: request.algorithm.name().to_owned(),
            file: file.display().to_string(),
        });
    }
    context.output.list(written)
}

/// Writes the CA's private key into a file, and deletes it here.
pub(super) async fn take_offline(context: &Context, file: &Path) -> Result<()> {
    let (service, call) = (&context.service, &context.call());
    let unwritable = |error: std::io::Error| {
        Error::misconfigured(format!("{} can't be written: {error}", file.display()))
    };
    // Before the key is exported, because an existing file must not be replaced.
    let mut out = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
        .map_err(unwritable)?;
    let exported = match service.keys.export_ca(call).await {
        Ok(exported) => exported,
        Err(error) => {
            // Empty, and made a moment ago.
            std::fs::remove_file(file).ok();
            return Err(error);
        }
    };
    out.write_all(exported.pem.expose().as_bytes())
        .and_then(|()| out.sync_all())
        .map_err(unwritable)?;
    if let Some(parent) = std::path::absolute(file).map_err(unwritable)?.parent() {
        std::fs::File::open(parent)
            .and_then(|directory| directory.sync_all())
            .map_err(unwritable)?;
    }
    // Read back from the disk: the key is forgotten only if the file holds it.
    let written = read(file)?;
    service
        .keys
        .forget_ca_key(call, &exported.id, &written)
        .await?;
    context.output.one(vec![
        ("key_id", exported.id.into()),
        ("file", file.display().to_string().into()),
        (
            "next",
            "keep the file where no network reaches it; renew certificates with `transire keys \
             csr` and `transire keys import-leaf`"
                .into(),
        ),
    ])
}

fn read(file: &Path) -> Result<Vec<u8>> {
    std::fs::read(file).map_err(|error| {
        Error::invalid_parameter("file", format!("{} can't be read: {error}", file.display()))
    })
}
