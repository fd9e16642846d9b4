//! Sealed credentials and sessions that were revoked one by one; generations revoke all of a
//! principal's.

use crate::domain::Result;
use crate::domain::clock::Timestamp;
use crate::domain::credential::CredentialId;

use super::Store;
use super::nouns::Entity;
use super::part::{Guarded, Part};
use super::row::statements;

statements! { "revocation";
    INSERT = "INSERT INTO revocation (credential_id, revoked_at) VALUES ($1, $2) ON CONFLICT \
              (credential_id) DO NOTHING";
    LIST = "SELECT credential_id FROM revocation";
    TRIM = "DELETE FROM revocation WHERE revoked_at < $1";
}

/// Revokes a sealed credential or session, and what came from it; nothing happens when it was
/// revoked before.
pub fn insert(id: &CredentialId, at: Timestamp) -> Part {
    Part::of([Guarded::unguarded(
        INSERT,
        vec![id.as_str().into(), at.into()],
    )])
    .changes(Entity::Revocation, id)
}

/// Lists what was revoked and may not have expired yet.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn list(store: &Store) -> Result<Vec<CredentialId>> {
    let rows = store.query(LIST, Vec::new()).await?;
    rows.iter()
        .map(|row| {
            row.text("credential_id")?
                .parse()
                .map_err(|error| row.unreadable("credential_id", error))
        })
        .collect()
}

/// Forgets what was revoked before `before`, all of which has expired.
pub fn trim(before: Timestamp) -> Part {
    Part::of([Guarded::unguarded(TRIM, vec![before.into()])])
}
