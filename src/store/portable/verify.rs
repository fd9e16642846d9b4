//! A backup that is checked and not restored.

use std::path::Path;

use super::read::{Checked, changed_meanwhile, read, refuse_other_than_file};
use super::{Piece, Rows, Table, TableSum, decode};
use crate::domain::wrapped::Wrapped;
use crate::domain::{Error, Result};
use crate::store::row::Value;
use crate::store::wrapped::Holder;

/// A backup that is as it was once written.
#[derive(Clone, Debug)]
pub struct VerifiedBackup {
    /// The number of its schema's last step.
    pub schema: usize,
    /// When it was made, as in RFC 3339.
    pub made_at: String,
    /// Its tables.
    pub tables: Vec<TableSum>,
    /// SHA-256 over all of it, in hexadecimal.
    pub digest: String,
    /// A master key's seal of that, if it has one.
    pub seal: Option<Wrapped>,
}

/// Checks a whole backup, and hands on every secret that a master key wrapped, with its row's id.
///
/// # Errors
/// `Misconfigured` when the file can't be read, is not what was once written, or has a newer
/// schema.
pub async fn verify(
    path: &Path,
    on_secret: impl FnMut(Holder, &str, &Wrapped) + Send + 'static,
) -> Result<VerifiedBackup> {
    let path = path.to_owned();
    let verifying = tokio::task::spawn_blocking(move || verify_now(&path, on_secret));
    verifying.await.map_err(Error::internal)?
}

fn verify_now(
    path: &Path,
    mut on_secret: impl FnMut(Holder, &str, &Wrapped),
) -> Result<VerifiedBackup> {
    refuse_other_than_file(path)?;
    // Nothing is handed on of a file that isn't whole.
    let backup = read(path, |_| true)?;
    let mut tables = backup.tables.iter();
    let mut table = tables.next();
    let again = read(path, |piece| {
        match (piece, table) {
            (Piece::Rows(rows), Some(table)) => hand_on_secrets(table, &rows, &mut on_secret),
            (Piece::EndOfTable, _) => table = tables.next(),
            _ => {}
        }
        true
    })?;
    if again.digest != backup.digest {
        return Err(changed_meanwhile(path));
    }
    let Checked {
        schema,
        made_at,
        sums,
        digest,
        seal,
        ..
    } = again;
    Ok(VerifiedBackup {
        schema,
        made_at,
        tables: sums,
        digest,
        seal,
    })
}

fn hand_on_secrets(table: &Table, rows: &Rows, on_secret: &mut impl FnMut(Holder, &str, &Wrapped)) {
    let Some(holder) = Holder::ALL
        .into_iter()
        .find(|holder| holder.column().0 == table.name)
    else {
        return;
    };
    let place = |name: &str| table.columns.iter().position(|column| column.name == name);
    let (Some(id), Some(wrapped)) = (place("id"), place(holder.column().1)) else {
        return;
    };
    for row in rows.iter().filter_map(|row| decode(row.bytes())) {
        if let (Some(Value::Text(id)), Some(Value::Bytes(bytes))) = (row.get(id), row.get(wrapped))
            && !bytes.is_empty()
        {
            on_secret(holder, id, &Wrapped::from_bytes(bytes.clone()));
        }
    }
}
