//! Sealing keys, signing keys and the authority that registries trust. The master key wraps their
//! private parts before they come here.

use std::str::FromStr;

use crate::domain::clock::Timestamp;
use crate::domain::instance::Algorithm;
use crate::domain::wrapped::Wrapped;
use crate::domain::{Error, Noun, Result};

use super::Store;
use super::nouns::Entity;
use super::part::{Guarded, Part, Rows, WrappedPart};
use super::row::{Row, Value, statements};

statements! {
    "sealing_key" {
        INSERT_SEALING = "INSERT INTO sealing_key (id, wrapped, created_at) VALUES ($1, $2, $3)";
        LIST_SEALING = "SELECT id, wrapped, created_at FROM sealing_key ORDER BY created_at, id";
    }
    "signing_key" {
        INSERT_SIGNING = "INSERT INTO signing_key (id, algorithm, wrapped_private, leaf_der, \
                          leaf_expires_at, created_at, next_leaf_der, \
                          certified_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
        LIST_SIGNING = "SELECT id, algorithm, wrapped_private, leaf_der, leaf_expires_at, \
                        created_at, next_leaf_der, certified_at \
                        FROM signing_key ORDER BY created_at, id";
        DELETE_SIGNING = "DELETE FROM signing_key WHERE id = $1";
        REPLACE_LEAF = "UPDATE signing_key SET leaf_der = $3, leaf_expires_at = $4, next_leaf_der \
                        = NULL, \
                        certified_at = COALESCE(certified_at, $5) WHERE id = $1 AND \
                        leaf_expires_at = $2";
        SET_NEXT_LEAF = "UPDATE signing_key SET next_leaf_der = $2 WHERE id = $1";
        FORGET_NEXT_LEAVES = "UPDATE signing_key SET next_leaf_der = NULL WHERE next_leaf_der IS \
                              NOT NULL";
    }
    "authority" {
        INSERT_AUTHORITY = "INSERT INTO authority (id, wrapped_private, certificate_der, \
                            created_at, state, changed_at) \
                            VALUES ($1, $2, $3, $4, $5, $6)";
        LIST_AUTHORITY = "SELECT id, wrapped_private, certificate_der, created_at, state, \
                          changed_at FROM authority ORDER BY created_at, id";
        // Reads and locks: what rests on this authority and what puts another in its place come one
        // after the other.
        HOLD_AUTHORITY = "UPDATE authority SET state = state WHERE id = $1 AND state = $2";
        HAS_NEXT = "SELECT id FROM authority WHERE state = 'next'";
        REPLACE_AUTHORITY = "UPDATE authority SET state = 'old', changed_at = $2 WHERE id = $1 AND \
                             state = 'in-use'";
        ACTIVATE_AUTHORITY = "UPDATE authority SET state = 'in-use', changed_at = $2 WHERE id = $1 \
                              AND state = 'next'";
        FORGET_PRIVATE = "UPDATE authority SET wrapped_private = $2 WHERE id = $1";
        DELETE_AUTHORITY = "DELETE FROM authority WHERE id = $1 AND state = $2";
    }
}

/// A key that seals credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealingKeyRow {
    /// Its id, which sealed things name.
    pub id: String,
    /// The key, wrapped.
    pub wrapped: Wrapped,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A key that signs tokens, and the certificate that vouches for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningKeyRow {
    /// Its id.
    pub id: String,
    /// The algorithm that it signs with.
    pub algorithm: Algorithm,
    /// The private key, wrapped.
    pub wrapped_private: Wrapped,
    /// The leaf certificate in DER; empty while the key waits for its first one.
    pub leaf_der: Vec<u8>,
    /// When the leaf certificate stops.
    pub leaf_expires_at: Timestamp,
    /// When the key was made.
    pub created_at: Timestamp,
    /// The leaf certificate under the authority that is next, which takes the other's place with
    /// it.
    pub next_leaf_der: Option<Vec<u8>>,
    /// When the key had its first certificate; nothing when it was made with one.
    pub certified_at: Option<Timestamp>,
}

impl SigningKeyRow {
    /// Tells whether the key has a certificate, without which no registry believes it.
    pub fn is_certified(&self) -> bool {
        !self.leaf_der.is_empty()
    }

    /// Returns since when every replica can know the key and its certificate.
    pub fn ready_at(&self) -> Timestamp {
        self.certified_at.unwrap_or(self.created_at)
    }
}

/// The state of an authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthorityState {
    /// Registries are to hear of it; nothing is signed under it yet.
    Next,
    /// It vouches for the signing keys.
    InUse,
    /// Another took its place.
    Old,
}

impl AuthorityState {
    /// Returns the name that the store uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::InUse => "in-use",
            Self::Old => "old",
        }
    }
}

impl FromStr for AuthorityState {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        [Self::Next, Self::InUse, Self::Old]
            .into_iter()
            .find(|state| state.name() == text)
            .ok_or_else(|| Error::invalid_parameter("state", "an authority is next, in-use or old"))
    }
}

/// The authority that signs leaf certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorityRow {
    /// Its id.
    pub id: String,
    /// The private key, wrapped; none when it is kept elsewhere.
    pub wrapped_private: Option<Wrapped>,
    /// Its certificate in DER.
    pub certificate_der: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Its state.
    pub state: AuthorityState,
    /// When it came into that state.
    pub changed_at: Timestamp,
}

fn taken(noun: Noun, id: &str) -> impl Fn() -> Error + Send + Sync + 'static {
    let id = id.to_owned();
    move || Error::already_exists(noun, format!("There is a {noun} {id} already."))
}

/// Adds a sealing key; `AlreadyExists` when its id is taken.
pub fn insert_sealing(key: &SealingKeyRow) -> WrappedPart {
    let parameters = vec![
        key.id.as_str().into(),
        key.wrapped.as_bytes().into(),
        key.created_at.into(),
    ];
    let insert = Guarded::new(
        INSERT_SEALING,
        parameters,
        Rows::Exactly(1),
        taken(Noun::SealingKey, &key.id),
    );
    WrappedPart::of(
        Some(&key.wrapped),
        Part::of([insert]).changes(Entity::SealingKey, &key.id),
    )
}

/// Lists the sealing keys, oldest first.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn list_sealing(store: &Store) -> Result<Vec<SealingKeyRow>> {
    let rows = store.query(LIST_SEALING, Vec::new()).await?;
    rows.iter()
        .map(|row| {
            Ok(SealingKeyRow {
                id: row.text("id")?,
                wrapped: row.wrapped("wrapped")?,
                created_at: row.time("created_at")?,
            })
        })
        .collect()
}

/// Adds a signing key; `AlreadyExists` when its id is taken.
pub fn insert_signing(key: &SigningKeyRow) -> WrappedPart {
    let parameters = vec![
        key.id.as_str().into(),
        key.algorithm.name().into(),
        key.wrapped_private.as_bytes().into(),
        key.leaf_der.as_slice().into(),
        key.leaf_expires_at.into(),
        key.created_at.into(),
        key.next_leaf_der.as_deref().into(),
        key.certified_at.into(),
    ];
    let insert = Guarded::new(
        INSERT_SIGNING,
        parameters,
        Rows::Exactly(1),
        taken(Noun::SigningKey, &key.id),
    );
    WrappedPart::of(
        Some(&key.wrapped_private),
        Part::of([insert]).changes(Entity::SigningKey, &key.id),
    )
}

/// Lists the signing keys, oldest first.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn list_signing(store: &Store) -> Result<Vec<SigningKeyRow>> {
    store
        .query(LIST_SIGNING, Vec::new())
        .await?
        .iter()
        .map(signing_key)
        .collect()
}

/// Forgets a signing key; nothing happens when another replica was quicker.
pub fn delete_signing(id: &str) -> Part {
    Part::of([Guarded::unguarded(DELETE_SIGNING, vec![id.into()])]).changes(Entity::SigningKey, id)
}

/// Gives a signing key another leaf certificate in place of the one that stops at `old_expires_at`,
/// or its first one.
///
/// `AlreadyExists` when that one was replaced meanwhile, by another replica: read the keys again.
pub fn replace_leaf(
    id: &str,
    old_expires_at: Timestamp,
    leaf_der: &[u8],
    expires_at: Timestamp,
    certified_at: Option<Timestamp>,
) -> Part {
    let parameters = vec![
        id.into(),
        old_expires_at.into(),
        leaf_der.into(),
        expires_at.into(),
        certified_at.into(),
    ];
    let replace = Guarded::new(REPLACE_LEAF, parameters, Rows::Exactly(1), || {
        Error::already_exists(
            Noun::LeafCertificate,
            "Another leaf certificate took this one's place already.",
        )
    });
    Part::of([replace]).changes(Entity::SigningKey, id)
}

/// Keeps a signing key's leaf certificate under the authority that is next; `NotFound`.
pub fn set_next_leaf(id: &str, leaf_der: &[u8]) -> Part {
    let owned = id.to_owned();
    let set = Guarded::new(
        SET_NEXT_LEAF,
        vec![id.into(), leaf_der.into()],
        Rows::Exactly(1),
        move || Error::not_found(Noun::SigningKey, &owned),
    );
    Part::of([set]).changes(Entity::SigningKey, id)
}

fn changed_meanwhile() -> Error {
    Error::already_exists(
        Noun::Authority,
        "Somebody changed the certificate authorities at the same moment; look at `transire keys \
         list`.",
    )
}

/// Refuses a write with `AlreadyExists` when this authority isn't in that state any more, and keeps
/// it there meanwhile.
pub fn hold_authority(id: &str, state: AuthorityState) -> Part {
    Part::of([Guarded::new(
        HOLD_AUTHORITY,
        vec![id.into(), state.name().into()],
        Rows::Exactly(1),
        changed_meanwhile,
    )])
}

/// Adds the authority that is next after the one in use; `AlreadyExists` when that one isn't in use
/// any more, or there is one that is next.
pub fn insert_next_authority(authority: &AuthorityRow, in_use: &str) -> WrappedPart {
    let has_next = Guarded::new(HAS_NEXT, Vec::new(), Rows::Exactly(0), changed_meanwhile);
    insert_authority(authority)
        .after(hold_authority(in_use, AuthorityState::InUse).and(Part::of([has_next])))
}

/// Puts the authority that is next in the place of the one in use; `AlreadyExists` when it was done
/// meanwhile.
pub fn activate_authority(id: &str, in_use: &str, at: Timestamp) -> Part {
    let replace = Guarded::new(
        REPLACE_AUTHORITY,
        vec![in_use.into(), at.into()],
        Rows::Exactly(1),
        changed_meanwhile,
    );
    let activate = Guarded::new(
        ACTIVATE_AUTHORITY,
        vec![id.into(), at.into()],
        Rows::Exactly(1),
        changed_meanwhile,
    );
    Part::of([replace, activate])
        .changes(Entity::Authority, id)
        .changes(Entity::Authority, in_use)
}

/// Forgets an authority's private key, which somebody else keeps.
pub fn forget_private(id: &str) -> Part {
    Part::of([Guarded::new(
        FORGET_PRIVATE,
        vec![id.into(), Value::from(&[][..])],
        Rows::Exactly(1),
        changed_meanwhile,
    )])
    .changes(Entity::Authority, id)
}

/// Forgets an authority in that state, and with one that is next the certificates under it;
/// `AlreadyExists` when it isn't in that state any more.
pub fn delete_authority(id: &str, state: AuthorityState) -> Part {
    let mut guarded = vec![Guarded::new(
        DELETE_AUTHORITY,
        vec![id.into(), state.name().into()],
        Rows::Exactly(1),
        changed_meanwhile,
    )];
    if state == AuthorityState::Next {
        guarded.push(Guarded::unguarded(FORGET_NEXT_LEAVES, Vec::new()));
    }
    Part::of(guarded).changes(Entity::Authority, id)
}

/// Adds an authority; `AlreadyExists` when its id is taken.
pub fn insert_authority(authority: &AuthorityRow) -> WrappedPart {
    let parameters = vec![
        authority.id.as_str().into(),
        authority
            .wrapped_private
            .as_ref()
            .map_or(&[][..], Wrapped::as_bytes)
            .into(),
        authority.certificate_der.as_slice().into(),
        authority.created_at.into(),
        authority.state.name().into(),
        authority.changed_at.into(),
    ];
    let insert = Guarded::new(
        INSERT_AUTHORITY,
        parameters,
        Rows::Exactly(1),
        taken(Noun::Authority, &authority.id),
    );
    WrappedPart::of(
        authority.wrapped_private.as_ref(),
        Part::of([insert]).changes(Entity::Authority, &authority.id),
    )
}

/// Lists the authorities, oldest first.
///
/// # Errors
///
/// `StoreUnavailable` when the database doesn't answer, `Internal` for a row that can't be read.
pub async fn list_authorities(store: &Store) -> Result<Vec<AuthorityRow>> {
    store
        .query(LIST_AUTHORITY, Vec::new())
        .await?
        .iter()
        .map(authority)
        .collect()
}

fn signing_key(row: &Row) -> Result<SigningKeyRow> {
    Ok(SigningKeyRow {
        id: row.text("id")?,
        algorithm: row.parsed("algorithm")?,
        wrapped_private: row.wrapped("wrapped_private")?,
        leaf_der: row.bytes("leaf_der")?,
        leaf_expires_at: row.time("leaf_expires_at")?,
        created_at: row.time("created_at")?,
        next_leaf_der: row.optional_bytes("next_leaf_der")?,
        certified_at: row
            .optional_integer("certified_at")?
            .map(Timestamp::from_unix_millis),
    })
}

fn authority(row: &Row) -> Result<AuthorityRow> {
    Ok(AuthorityRow {
        id: row.text("id")?,
        wrapped_private: Some(row.wrapped("wrapped_private")?)
            .filter(|wrapped| !wrapped.as_bytes().is_empty()),
        certificate_der: row.bytes("certificate_der")?,
        created_at: row.time("created_at")?,
        state: row.parsed("state")?,
        changed_at: row.time("changed_at")?,
    })
}
