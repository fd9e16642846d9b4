//! Everything that the master key wrapped, for the rotation that wraps it anew under another one.

use crate::domain::wrapped::Wrapped;
use crate::domain::{Error, Result};

use super::Store;
use super::part::{Guarded, Part, WrappedPart};
use super::row::{Statement, statements};

// The first nine bytes of what is wrapped say which master key did it. Nothing is in the place of a
// deleted key, or of a private key that is kept elsewhere.
statements! {
    "sealing_key" {
        COUNT_SEALING = "SELECT COUNT(*) AS wrapped_rows FROM sealing_key WHERE length(wrapped) > \
                         0 AND substr(wrapped, 1, 9) <> $1";
        LIST_SEALING = "SELECT id, wrapped FROM sealing_key \
                        WHERE length(wrapped) > 0 AND substr(wrapped, 1, 9) <> $1 AND id > $2 \
                        ORDER BY id LIMIT $3";
        REWRAP_SEALING = "UPDATE sealing_key SET wrapped = $3 WHERE id = $1 AND wrapped = $2";
    }
    "signing_key" {
        COUNT_SIGNING = "SELECT COUNT(*) AS wrapped_rows FROM signing_key \
                         WHERE length(wrapped_private) > 0 AND substr(wrapped_private, 1, 9) <> $1";
        LIST_SIGNING = "SELECT id, wrapped_private AS wrapped FROM signing_key \
                        WHERE length(wrapped_private) > 0 AND substr(wrapped_private, 1, 9) <> $1 \
                        AND id > $2 ORDER BY id LIMIT $3";
        REWRAP_SIGNING = "UPDATE signing_key SET wrapped_private = $3 WHERE id = $1 AND \
                          wrapped_private = $2";
    }
    "authority" {
        COUNT_AUTHORITY = "SELECT COUNT(*) AS wrapped_rows FROM authority \
                           WHERE length(wrapped_private) > 0 AND substr(wrapped_private, 1, 9) <> \
                           $1";
        LIST_AUTHORITY = "SELECT id, wrapped_private AS wrapped FROM authority \
                          WHERE length(wrapped_private) > 0 AND substr(wrapped_private, 1, 9) <> \
                          $1 AND id > $2 ORDER BY id LIMIT $3";
        REWRAP_AUTHORITY = "UPDATE authority SET wrapped_private = $3 WHERE id = $1 AND \
                            wrapped_private = $2";
    }
    "instance_key" {
        COUNT_INSTANCE_KEYS = "SELECT COUNT(*) AS wrapped_rows FROM instance_key \
                               WHERE length(wrapped_private) > 0 AND substr(wrapped_private, 1, 9) \
                               <> $1";
        LIST_INSTANCE_KEYS = "SELECT id, wrapped_private AS wrapped FROM instance_key \
                              WHERE length(wrapped_private) > 0 AND substr(wrapped_private, 1, 9) \
                              <> $1 AND id > $2 ORDER BY id LIMIT $3";
        REWRAP_INSTANCE_KEY = "UPDATE instance_key SET wrapped_private = $3 WHERE id = $1 AND \
                               wrapped_private = $2";
    }
    "audit_key" {
        COUNT_AUDIT_KEYS = "SELECT COUNT(*) AS wrapped_rows FROM audit_key \
                            WHERE length(wrapped_private) > 0 AND substr(wrapped_private, 1, 9) <> \
                            $1";
        LIST_AUDIT_KEYS = "SELECT id, wrapped_private AS wrapped FROM audit_key \
                           WHERE length(wrapped_private) > 0 AND substr(wrapped_private, 1, 9) <> \
                           $1 AND id > $2 ORDER BY id LIMIT $3";
        REWRAP_AUDIT_KEY = "UPDATE audit_key SET wrapped_private = $3 WHERE id = $1 AND \
                            wrapped_private = $2";
    }
    "access_key" {
        COUNT_ACCESS_KEYS = "SELECT COUNT(*) AS wrapped_rows FROM access_key \
                             WHERE length(sealed_secret) > 0 AND substr(sealed_secret, 1, 9) <> $1";
        LIST_ACCESS_KEYS = "SELECT id, sealed_secret AS wrapped FROM access_key \
                            WHERE length(sealed_secret) > 0 AND substr(sealed_secret, 1, 9) <> $1 \
                            AND id > $2 ORDER BY id LIMIT $3";
        REWRAP_ACCESS_KEY = "UPDATE access_key SET sealed_secret = $3 WHERE id = $1 AND \
                             sealed_secret = $2";
    }
}

/// A sort of row that holds something wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// A key that seals credentials.
    SealingKey,
    /// A key that signs tokens.
    SigningKey,
    /// An authority.
    Authority,
    /// A key that signs the tokens of one instance alone.
    InstanceKey,
    /// A key that signs the audit's checkpoints.
    AuditKey,
    /// An access key.
    AccessKey,
}

/// A wrapped secret and the row that holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrappedRow {
    /// The id of its holder.
    pub id: String,
    /// The secret.
    pub wrapped: Wrapped,
}

impl Holder {
    /// All of them, in the order in which they are wrapped anew.
    pub const ALL: [Self; 6] = [
        Self::SealingKey,
        Self::SigningKey,
        Self::Authority,
        Self::InstanceKey,
        Self::AuditKey,
        Self::AccessKey,
    ];

    /// Returns the table of these rows, and the column of the secret.
    pub(super) fn column(self) -> (&'static str, &'static str) {
        match self {
            Self::SealingKey => ("sealing_key", "wrapped"),
            Self::SigningKey => ("signing_key", "wrapped_private"),
            Self::Authority => ("authority", "wrapped_private"),
            Self::InstanceKey => ("instance_key", "wrapped_private"),
            Self::AuditKey => ("audit_key", "wrapped_private"),
            Self::AccessKey => ("access_key", "sealed_secret"),
        }
    }

    fn statements(self) -> (Statement, Statement, Statement) {
        match self {
            Self::SealingKey => (COUNT_SEALING, LIST_SEALING, REWRAP_SEALING),
            Self::SigningKey => (COUNT_SIGNING, LIST_SIGNING, REWRAP_SIGNING),
            Self::Authority => (COUNT_AUTHORITY, LIST_AUTHORITY, REWRAP_AUTHORITY),
            Self::InstanceKey => (COUNT_INSTANCE_KEYS, LIST_INSTANCE_KEYS, REWRAP_INSTANCE_KEY),
            Self::AuditKey => (COUNT_AUDIT_KEYS, LIST_AUDIT_KEYS, REWRAP_AUDIT_KEY),
            Self::AccessKey => (COUNT_ACCESS_KEYS, LIST_ACCESS_KEYS, REWRAP_ACCESS_KEY),
        }
    }
}

/// Counts what begins otherwise than with `head`: another master key wrapped it.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn count_others(store: &Store, head: &[u8]) -> Result<u64> {
    let mut all = 0;
    for holder in Holder::ALL {
        let (count, ..) = holder.statements();
        let found = store
            .one(count, vec![head.into()])
            .await?
            .integer("wrapped_rows")?;
        all += u64::try_from(found).map_err(Error::internal)?;
    }
    Ok(all)
}

/// Lists at most `limit` of what begins otherwise than with `head`, after the holder's id `after`,
/// in the order of ids.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn list_others(
    store: &Store,
    holder: Holder,
    head: &[u8],
    after: &str,
    limit: u32,
) -> Result<Vec<WrappedRow>> {
    let (_, list, _) = holder.statements();
    let rows = store
        .query(
            list,
            vec![head.into(), after.into(), i64::from(limit).into()],
        )
        .await?;
    rows.iter()
        .map(|row| {
            Ok(WrappedRow {
                id: row.text("id")?,
                wrapped: row.wrapped("wrapped")?,
            })
        })
        .collect()
}

/// Replaces each row's secret by the same one, wrapped anew, all by one key; a row that was changed
/// or is gone stays as it is.
///
/// Nothing is announced, because the secrets stay the same.
pub fn rewrap(holder: Holder, rows: &[(WrappedRow, Wrapped)]) -> WrappedPart {
    let (.., rewrap) = holder.statements();
    let part = Part::of(rows.iter().map(|(old, new)| {
        Guarded::unguarded(
            rewrap,
            vec![
                old.id.as_str().into(),
                old.wrapped.as_bytes().into(),
                new.as_bytes().into(),
            ],
        )
    }));
    WrappedPart::of(rows.first().map(|(_, new)| new), part)
}
