//! The CA: the steps of its rotation, and the files that go to a CA kept elsewhere and come back.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::Rotate;
use crate::admin::{
    ActivateCa, CancelCa, ImportCa, ImportLeaf, ListSigningRequests, RetireCa, RotateCa,
};
use crate::cli::Context;
use crate::cli::session::Session;
use crate::domain::{Error, Result};
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
pub(super) async fn rotate(session: &Session, rotate: &Rotate) -> Result<()> {
    if rotate.retire {
        session.print(RetireCa {}).await
    } else if rotate.activate {
        session.print(ActivateCa {}).await
    } else if rotate.cancel {
        session.print(CancelCa {}).await
    } else {
        session.print(RotateCa {}).await
    }
}

/// Imports the certificate of a CA that is kept elsewhere.
pub(super) async fn import(session: &Session, file: &Path) -> Result<()> {
    session.print(ImportCa::of_file(read(file)?)).await
}

/// Imports the certificate of a signing key.
pub(super) async fn import_leaf(session: &Session, file: &Path) -> Result<()> {
    session.print(ImportLeaf::of_file(read(file)?)).await
}

/// Writes the requests that a CA kept elsewhere has to sign.
pub(super) async fn write_requests(session: &Session, directory: &Path) -> Result<()> {
    let unwritable = |error: std::io::Error| {
        Error::misconfigured(format!("{} can't be written: {error}", directory.display()))
    };
    session.output().require_columns::<Request>()?;
    std::fs::create_dir_all(directory).map_err(unwritable)?;
    let mut written = Vec::new();
    for request in session.all(ListSigningRequests {}).await? {
        let file = directory.join(format!("{}.csr", file_name(&request.key_id)?));
        std::fs::write(&file, request.pem).map_err(unwritable)?;
        written.push(Request {
            key_id: request.key_id,
            algorithm: request.algorithm,
            file: file.display().to_string(),
        });
    }
    session.output().list(written)
}

/// Returns the id of a key as the name of a file. A service elsewhere may say anything.
fn file_name(id: &str) -> Result<&str> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if !id.is_empty() && id.bytes().all(is_name) {
        return Ok(id);
    }
    Err(Error::unsupported(format!(
        "the service names a key {id}, which is no name for a file"
    )))
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
