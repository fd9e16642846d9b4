//! Sealing keys, signing keys and the authority that registries trust. What is private in them is
//! wrapped by the master key before it comes here.

use crate::domain::clock::Timestamp;
use crate::domain::instance::Algorithm;
use crate::domain::{Error, Result};

use super::Store;
use super::change::Noun;
use super::row::{Row, statements};
use super::write::{Guarded, Part, Rows};

statements! {
    "sealing_key" {
        INSERT_SEALING = "INSERT INTO sealing_key (id, wrapped, created_at) VALUES ($1, $2, $3)";
        LIST_SEALING = "SELECT id, wrapped, created_at FROM sealing_key ORDER BY created_at, id";
    }
    "signing_key" {
        INSERT_SIGNING = "INSERT INTO signing_key (id, algorithm, wrapped_private, leaf_der, leaf_expires_at, created_at) \
                          VALUES ($1, $2, $3, $4, $5, $6)";
        LIST_SIGNING = "SELECT id, algorithm, wrapped_private, leaf_der, leaf_expires_at, created_at FROM signing_key \
                        ORDER BY created_at, id";
        DELETE_SIGNING = "DELETE FROM signing_key WHERE id = $1";
        REPLACE_LEAF = "UPDATE signing_key SET leaf_der = $3, leaf_expires_at = $4 WHERE id = $1 AND leaf_expires_at = $2";
    }
    "authority" {
        INSERT_AUTHORITY = "INSERT INTO authority (id, wrapped_private, certificate_der, created_at) VALUES ($1, $2, $3, $4)";
        LIST_AUTHORITY = "SELECT id, wrapped_private, certificate_der, created_at FROM authority ORDER BY created_at, id";
    }
}

/// A key that seals credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealingKeyRow {
    /// Its id, which sealed things name.
    pub id: String,
    /// The key, wrapped.
    pub wrapped: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A key that signs tokens, and the certificate that vouches for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningKeyRow {
    /// Its id.
    pub id: String,
    /// What it signs with.
    pub algorithm: Algorithm,
    /// The private key, wrapped.
    pub wrapped_private: Vec<u8>,
    /// The leaf certificate in DER.
    pub leaf_der: Vec<u8>,
    /// When the leaf certificate stops.
    pub leaf_expires_at: Timestamp,
    /// When the key was made.
    pub created_at: Timestamp,
}

/// The authority that signs leaf certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorityRow {
    /// Its id.
    pub id: String,
    /// The private key, wrapped; empty when it is kept elsewhere.
    pub wrapped_private: Vec<u8>,
    /// Its certificate in DER.
    pub certificate_der: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
}

fn taken(noun: &'static str, id: &str) -> impl Fn() -> Error + Send + Sync + 'static {
    let id = id.to_owned();
    move || Error::already_exists(noun, format!("There is a {noun} {id} already."))
}

/// Adds a sealing key; `AlreadyExists` when its id is taken.
pub fn insert_sealing(key: &SealingKeyRow) -> Part {
    let parameters = vec![key.id.as_str().into(), key.wrapped.as_slice().into(), key.created_at.into()];
    let insert = Guarded::new(INSERT_SEALING, parameters, Rows::Exactly(1), taken("sealing key", &key.id));
    Part::of([insert]).changes(Noun::SealingKey, &key.id)
}

/// Lists the sealing keys, oldest first.
pub async fn list_sealing(store: &Store) -> Result<Vec<SealingKeyRow>> {
    let rows = store.query(LIST_SEALING, Vec::new()).await?;
    rows.iter()
        .map(|row| Ok(SealingKeyRow { id: row.text("id")?, wrapped: row.bytes("wrapped")?, created_at: row.time("created_at")? }))
        .collect()
}

/// Adds a signing key; `AlreadyExists` when its id is taken.
pub fn insert_signing(key: &SigningKeyRow) -> Part {
    let parameters = vec![
        key.id.as_str().into(),
        key.algorithm.name().into(),
        key.wrapped_private.as_slice().into(),
        key.leaf_der.as_slice().into(),
        key.leaf_expires_at.into(),
        key.created_at.into(),
    ];
    let insert = Guarded::new(INSERT_SIGNING, parameters, Rows::Exactly(1), taken("signing key", &key.id));
    Part::of([insert]).changes(Noun::SigningKey, &key.id)
}

/// Lists the signing keys, oldest first.
pub async fn list_signing(store: &Store) -> Result<Vec<SigningKeyRow>> {
    store.query(LIST_SIGNING, Vec::new()).await?.iter().map(signing_key).collect()
}

/// Forgets a signing key; nothing happens when another replica was quicker.
pub fn delete_signing(id: &str) -> Part {
    Part::of([Guarded::unguarded(DELETE_SIGNING, vec![id.into()])]).changes(Noun::SigningKey, id)
}

/// Gives a signing key another leaf certificate in place of the one that stops at `old_expires_at`.
///
/// `AlreadyExists` when that one was replaced meanwhile, by another replica: read the keys again.
pub fn replace_leaf(id: &str, old_expires_at: Timestamp, leaf_der: &[u8], expires_at: Timestamp) -> Part {
    let parameters = vec![id.into(), old_expires_at.into(), leaf_der.into(), expires_at.into()];
    let replace = Guarded::new(REPLACE_LEAF, parameters, Rows::Exactly(1), || {
        Error::already_exists("leaf certificate", "Another leaf certificate took this one's place already.")
    });
    Part::of([replace]).changes(Noun::SigningKey, id)
}

/// Adds an authority; `AlreadyExists` when its id is taken.
pub fn insert_authority(authority: &AuthorityRow) -> Part {
    let parameters = vec![
        authority.id.as_str().into(),
        authority.wrapped_private.as_slice().into(),
        authority.certificate_der.as_slice().into(),
        authority.created_at.into(),
    ];
    let insert = Guarded::new(INSERT_AUTHORITY, parameters, Rows::Exactly(1), taken("authority", &authority.id));
    Part::of([insert]).changes(Noun::Authority, &authority.id)
}

/// Lists the authorities, oldest first.
pub async fn list_authorities(store: &Store) -> Result<Vec<AuthorityRow>> {
    store.query(LIST_AUTHORITY, Vec::new()).await?.iter().map(authority).collect()
}

fn signing_key(row: &Row) -> Result<SigningKeyRow> {
    Ok(SigningKeyRow {
        id: row.text("id")?,
        algorithm: row.parsed("algorithm")?,
        wrapped_private: row.bytes("wrapped_private")?,
        leaf_der: row.bytes("leaf_der")?,
        leaf_expires_at: row.time("leaf_expires_at")?,
        created_at: row.time("created_at")?,
    })
}

fn authority(row: &Row) -> Result<AuthorityRow> {
    Ok(AuthorityRow {
        id: row.text("id")?,
        wrapped_private: row.bytes("wrapped_private")?,
        certificate_der: row.bytes("certificate_der")?,
        created_at: row.time("created_at")?,
    })
}
