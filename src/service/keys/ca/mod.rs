//! The CAs: one is in use, one may be next, and old ones stay in the bundle for a while.
//!
//! Registries read their bundle once, when they start. So a new CA is in every bundle before
//! anything is signed under it. It is made, the registries are restarted, and only then it is
//! activated, each by a command of the operator. Signing keys stay as they are and get other leaf
//! certificates, so nothing but the bundles of the registries changes.

mod activation;
mod rotation;

use std::time::Duration;

use crate::domain::clock::{Random, Timestamp, random_bytes};
use crate::domain::instance::Instance;
use crate::domain::{Error, Noun, Result};
use crate::service::keys::{KeyInfo, KeyKind, KeyState, Keys, MasterKeys, PrivatePart};
use crate::service::memory::keyring::AUTHORITY;
use crate::store::key::{self, AuthorityRow, AuthorityState};
use crate::store::{Part, Store};
use crate::token::{Authority, certificates};

/// How long a CA stays in the bundle after another took its place: the longest life of a token, and
/// as much again for the leeway of registries, for clocks that differ, and for replicas that are
/// late.
pub(super) const BUNDLED_AFTER_USE: Duration =
    Duration::from_secs(2 * Instance::MAX_TOKEN_TTL as u64);

/// A CA after a step of its rotation.
#[derive(Clone, Debug)]
pub struct CaStep {
    /// Its id.
    pub id: String,
    /// Its state; none when it is gone.
    pub state: Option<KeyState>,
    /// The end of its certificate.
    pub expires_at: Timestamp,
    /// The operator's next step.
    pub next: NextStep,
}

/// The operator's next step in the rotation of a CA.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextStep {
    /// Give every registry the bundle and restart it, then activate the CA.
    RestartRegistriesThenActivate,
    /// Have the signing keys' certificates signed and imported; give every registry the bundle;
    /// then activate.
    CertifyThenActivate,
    /// Retire the old one, from this time on.
    RetireFrom(Timestamp),
    /// Give the registries the smaller bundle at their next restart.
    Nothing,
}

/// The CA in use, and its private key if that is kept here.
pub(super) struct InUse {
    pub(super) row: AuthorityRow,
    pub(super) signer: Option<Authority>,
}

impl InUse {
    /// Reads the CA in use, and unwraps its private key.
    ///
    /// # Errors
    ///
    /// `Misconfigured` without the master key, `Internal` without a CA in use, and those of the
    /// store.
    pub(super) async fn load(store: &Store, master: &MasterKeys) -> Result<Self> {
        let row = in_use(&key::list_authorities(store).await?)?.clone();
        let signer = signer(&row, master)?;
        Ok(Self { row, signer })
    }

    /// Guards a write: it is refused when this CA isn't in use any more.
    pub(super) fn hold(&self) -> Part {
        key::hold_authority(&self.row.id, AuthorityState::InUse)
    }
}

/// Returns the CA with its private key, unless that is kept elsewhere.
///
/// # Errors
///
/// `Misconfigured` without the master key that wrapped it, `Internal` when it is damaged.
pub(super) fn signer(row: &AuthorityRow, master: &MasterKeys) -> Result<Option<Authority>> {
    let Some(private) = &row.wrapped_private else {
        return Ok(None);
    };
    Authority::from_parts(
        &master.unwrap(AUTHORITY, &row.id, private)?,
        &row.certificate_der,
    )
    .map(Some)
}

/// Returns the row of a CA whose private key is kept here.
pub(super) fn new_row(
    authority: &Authority,
    state: AuthorityState,
    master: &MasterKeys,
    now: Timestamp,
    random: &dyn Random,
) -> Result<AuthorityRow> {
    let id = new_id(random);
    Ok(AuthorityRow {
        wrapped_private: Some(master.wrap(AUTHORITY, &id, &authority.private_pkcs8()?, random)),
        certificate_der: authority.certificate_der().to_vec(),
        id,
        created_at: now,
        state,
        changed_at: now,
    })
}

pub(super) fn new_id(random: &dyn Random) -> String {
    hex::encode(random_bytes::<8>(random))
}

fn step(row: &AuthorityRow, next: NextStep) -> Result<CaStep> {
    let expires_at = certificates::expires_at(&row.certificate_der)?;
    Ok(CaStep {
        id: row.id.clone(),
        state: Some(state_of(row)),
        expires_at,
        next,
    })
}

fn state_of(row: &AuthorityRow) -> KeyState {
    match row.state {
        AuthorityState::Next => KeyState::Next,
        AuthorityState::InUse => KeyState::InUse,
        AuthorityState::Old => KeyState::Old,
    }
}

pub(super) fn find(rows: &[AuthorityRow], state: AuthorityState) -> Option<&AuthorityRow> {
    rows.iter().find(|row| row.state == state)
}

/// Returns the CA in use, which every store has from its beginning.
fn in_use(rows: &[AuthorityRow]) -> Result<&AuthorityRow> {
    find(rows, AuthorityState::InUse).ok_or_else(|| Error::internal("no authority is in use"))
}

fn no_next() -> Error {
    Error::precondition_failed(
        Noun::Authority,
        "No certificate authority is next; `transire keys rotate ca` makes one.",
    )
}

/// Returns a CA that was made or imported, with the operator's next step.
pub(super) fn first_step(row: &AuthorityRow) -> Result<CaStep> {
    let here = row.wrapped_private.is_some();
    step(
        row,
        if here {
            NextStep::RestartRegistriesThenActivate
        } else {
            NextStep::CertifyThenActivate
        },
    )
}

impl Keys {
    /// Lists the CAs, the newest first.
    ///
    /// # Errors
    ///
    /// `Internal` for a certificate that can't be read, and those of the store.
    pub(super) async fn authorities(&self) -> Result<Vec<KeyInfo>> {
        let rows = key::list_authorities(&self.base.store).await?;
        let info = |row: AuthorityRow| {
            Ok(KeyInfo {
                kind: KeyKind::Ca,
                state: state_of(&row),
                created_at: row.created_at,
                certificate_expires_at: Some(certificates::expires_at(&row.certificate_der)?),
                instance: None,
                private: if row.wrapped_private.is_none() {
                    PrivatePart::Elsewhere
                } else {
                    PrivatePart::Here
                },
                id: row.id,
            })
        };
        rows.into_iter().rev().map(info).collect()
    }
}
