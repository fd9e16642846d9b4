//! The CAs: one is in use, one may be next, and old ones stay in the bundle for a while.
//!
//! Registries read their bundle once, when they start. So a new CA is in every bundle before
//! anything is signed under it. It is made, the registries are restarted, and only then it is
//! activated, each by a command of the operator. Signing keys stay as they are and get other leaf
//! certificates, so nothing but the bundles of the registries changes.

use std::time::Duration;

use crate::domain::clock::{Random, Timestamp, random_bytes};
use crate::domain::instance::Instance;
use crate::domain::{Error, ErrorKind, Noun, Result};
use crate::service::call::Call;
use crate::service::keys::{KeyInfo, KeyKind, KeyState, Keys, MasterKeys, PrivatePart, used_soon};
use crate::service::ledger::actions::AuditAction;
use crate::service::memory::keyring::{AUTHORITY, KNOWN_BEFORE_USE};
use crate::store::key::{self, AuthorityRow, AuthorityState, SigningKeyRow};
use crate::store::{Part, Store};
use crate::token::{Authority, certificates};

/// How long a CA stays in the bundle after another took its place: the longest life of a token, and
/// as much again for the leeway of registries, for clocks that differ, and for replicas that are
/// late.
const BUNDLED_AFTER_USE: Duration = Duration::from_secs(2 * Instance::MAX_TOKEN_TTL as u64);
/// How often an activation is tried when another replica renews a leaf certificate at the same
/// moment.
const MAX_ATTEMPTS: usize = 5;

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
    pub(super) async fn load(store: &Store, master: &MasterKeys) -> Result<Self> {
        Self::of(key::list_authorities(store).await?, master)
    }

    fn of(rows: Vec<AuthorityRow>, master: &MasterKeys) -> Result<Self> {
        let row = rows
            .into_iter()
            .find(|row| row.state == AuthorityState::InUse)
            .ok_or_else(|| Error::internal("no authority is in use"))?;
        let signer = signer(&row, master)?;
        Ok(Self { row, signer })
    }

    /// Guards a write: it is refused when this CA isn't in use any more.
    pub(super) fn hold(&self) -> Part {
        key::hold_authority(&self.row.id, AuthorityState::InUse)
    }
}

/// Returns the CA with its private key, unless that is kept elsewhere.
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

pub(in crate::service) fn find(
    rows: &[AuthorityRow],
    state: AuthorityState,
) -> Option<&AuthorityRow> {
    rows.iter().find(|row| row.state == state)
}

fn no_next() -> Error {
    Error::precondition_failed(
        Noun::Authority,
        "No certificate authority is next; `transire keys rotate ca` makes one.",
    )
}

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
    /// `StoreUnavailable`; `Internal` for a certificate that can't be read.
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

    /// Makes the next CA, which goes into every registry's bundle before it is activated. Done
    /// again, it returns the one that is next already.
    ///
    /// # Errors
    ///
    /// `Unsupported` for a caller that isn't the operator, `AlreadyExists` when somebody else
    /// changed the CAs meanwhile, `Misconfigured` without the current master key.
    pub async fn rotate_ca(&self, call: &Call<'_>) -> Result<CaStep> {
        call.caller.require_operator()?;
        self.memory.wrapping(|| self.make_ca(call)).await
    }

    async fn make_ca(&self, call: &Call<'_>) -> Result<CaStep> {
        let rows = key::list_authorities(&self.base.store).await?;
        if let Some(next) = find(&rows, AuthorityState::Next) {
            return first_step(next);
        }
        let (now, random) = (call.now, &*self.base.random);
        // A name of its own: verifiers look for a CA by its name first.
        let name = format!(
            "{} {}",
            hex::encode(random_bytes::<4>(random)),
            self.base.issuer
        );
        let row = new_row(
            &Authority::generate(&name, now, random)?,
            AuthorityState::Next,
            &self.memory.keys.master,
            now,
            random,
        )?;
        self.add_next_ca(&row, &rows, AuditAction::AuthorityCreate, call)
            .await
    }

    /// Stores the next CA, with an event of this action.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` when somebody else changed the CAs meanwhile.
    pub(super) async fn add_next_ca(
        &self,
        row: &AuthorityRow,
        rows: &[AuthorityRow],
        action: AuditAction,
        call: &Call<'_>,
    ) -> Result<CaStep> {
        let in_use = find(rows, AuthorityState::InUse)
            .ok_or_else(|| Error::internal("no authority is in use"))?;
        let event = call
            .event(action)
            .detail(serde_json::json!({ "authority": row.id }));
        let write = self
            .base
            .write()
            .then_wrapped(key::insert_next_authority(row, &in_use.id));
        self.ledger.record(write, event).await?;
        first_step(row)
    }

    /// Replaces the CA in use by the next one, and with it the leaf certificate of every signing
    /// key.
    ///
    /// # Errors
    ///
    /// `Unsupported` for a caller that isn't the operator. `PreconditionFailed` when there is no
    /// next CA, when not every replica can have it in its bundle yet, or when it is kept elsewhere
    /// and a signing key has no certificate of it yet. `AlreadyExists` when somebody else changed
    /// the CAs meanwhile.
    pub async fn activate_ca(&self, call: &Call<'_>) -> Result<CaStep> {
        call.caller.require_operator()?;
        let mut attempts = 1;
        loop {
            match self.try_to_activate(call).await {
                // A replica renewed a leaf certificate or made a key meanwhile: the next attempt
                // reads them again.
                Err(error)
                    if matches!(error.kind(), ErrorKind::AlreadyExists { .. })
                        && attempts < MAX_ATTEMPTS =>
                {
                    attempts += 1
                }
                outcome => return outcome,
            }
        }
    }

    async fn try_to_activate(&self, call: &Call<'_>) -> Result<CaStep> {
        let now = call.now;
        let mut rows = key::list_authorities(&self.base.store).await?;
        let Some(next) = find(&rows, AuthorityState::Next).cloned() else {
            // Done again.
            let old = rows
                .iter()
                .filter(|row| row.state == AuthorityState::Old)
                .max_by_key(|row| row.changed_at)
                .ok_or_else(no_next)?;
            let current = find(&rows, AuthorityState::InUse).ok_or_else(no_next)?;
            return step(
                current,
                NextStep::RetireFrom(old.changed_at.plus(BUNDLED_AFTER_USE)),
            );
        };
        let wait = now.until(next.created_at.plus(KNOWN_BEFORE_USE));
        if !wait.is_zero() {
            let why = format!(
                "The new certificate was made a moment ago, and not every replica has it in its \
                 bundle; registries can be restarted, and it activated, in {} seconds.",
                wait.as_secs() + 1
            );
            return Err(Error::precondition_failed(Noun::Authority, why));
        }
        let signing = key::list_signing(&self.base.store).await?;
        let leaves = self.leaves_under(&next, &signing, now)?;
        rows.retain(|row| row.state == AuthorityState::InUse);
        let current = rows
            .pop()
            .ok_or_else(|| Error::internal("no authority is in use"))?;
        let event = call
            .event(AuditAction::AuthorityActivate)
            .detail(serde_json::json!({ "authority": next.id, "replaced": current.id, "leaves": leaves.len() }));
        // This statement comes first. A replica that makes a key or a leaf certificate under the
        // old CA holds that one's row, and this write waits for it. So no signing key keeps a
        // certificate of the CA that was in use.
        let write = self
            .base
            .write()
            .then(key::activate_authority(&next.id, &current.id, now));
        let write = leaves.into_iter().fold(write, crate::store::Write::then);
        self.ledger.record(write, event).await?;
        let next = AuthorityRow {
            state: AuthorityState::InUse,
            ..next
        };
        step(&next, NextStep::RetireFrom(now.plus(BUNDLED_AFTER_USE)))
    }

    /// Returns the changes that give the signing keys their leaf certificates under the next CA.
    ///
    /// # Errors
    ///
    /// `PreconditionFailed` when that CA is kept elsewhere and a key that is used soon has no
    /// certificate of it.
    fn leaves_under(
        &self,
        next: &AuthorityRow,
        signing: &[SigningKeyRow],
        now: Timestamp,
    ) -> Result<Vec<Part>> {
        let used = used_soon(signing, now);
        let signer = signer(next, &self.memory.keys.master)?;
        let good = |der| {
            certificates::check_leaf(der, &next.certificate_der, now)
                .ok()
                .map(|expires_at| (der, expires_at))
        };
        let mut leaves = Vec::new();
        let mut missing = Vec::new();
        for row in &used {
            if let Some(signer) = &signer {
                let leaf = signer.issue_leaf(&self.pair_of(row)?, now)?;
                leaves.push(key::replace_leaf(
                    &row.id,
                    row.leaf_expires_at,
                    &leaf.der,
                    leaf.expires_at,
                    None,
                ));
            } else {
                // The CA's own key may have got another certificate: then the leaf certificate in
                // use is valid under it, too.
                let known = [row.next_leaf_der.as_ref(), Some(&row.leaf_der)]
                    .into_iter()
                    .flatten();
                match known.map(Vec::as_slice).find_map(good) {
                    Some((der, expires_at)) => leaves.push(key::replace_leaf(
                        &row.id,
                        row.leaf_expires_at,
                        der,
                        expires_at,
                        None,
                    )),
                    None => missing.push(row.id.as_str()),
                }
            }
        }
        if !missing.is_empty() {
            let why = format!(
                "The new certificate authority is kept elsewhere, and these signing keys have no \
                 certificate of it yet: {}. `transire keys csr` writes what is to be signed, and \
                 `transire keys import-leaf` takes each certificate.",
                missing.join(", ")
            );
            return Err(Error::precondition_failed(Noun::Authority, why));
        }
        // A key that waits gets the certificate that was imported for it; without one, it goes on
        // waiting.
        for row in signing.iter().filter(|row| !row.is_certified()) {
            if let Some((der, expires_at)) = row.next_leaf_der.as_deref().and_then(good) {
                leaves.push(key::replace_leaf(
                    &row.id,
                    row.leaf_expires_at,
                    der,
                    expires_at,
                    Some(now),
                ));
            }
        }
        Ok(leaves)
    }

    /// Removes the old CAs from the bundle.
    ///
    /// # Errors
    ///
    /// `Unsupported` for a caller that isn't the operator. `PreconditionFailed` when there is no
    /// old CA, while a token that was signed under one may be valid, or while a signing key has its
    /// certificate from one.
    pub async fn retire_cas(&self, call: &Call<'_>) -> Result<Vec<CaStep>> {
        call.caller.require_operator()?;
        let now = call.now;
        let mut rows = key::list_authorities(&self.base.store).await?;
        let in_use = find(&rows, AuthorityState::InUse)
            .cloned()
            .ok_or_else(|| Error::internal("no authority is in use"))?;
        rows.retain(|row| row.state == AuthorityState::Old);
        if rows.is_empty() {
            return Err(Error::precondition_failed(
                Noun::Authority,
                "There is no old certificate authority to retire.",
            ));
        }
        let signing = key::list_signing(&self.base.store).await?;
        let mut write = self.base.write();
        for row in &rows {
            let from = row.changed_at.plus(BUNDLED_AFTER_USE);
            if now < from {
                let why = format!(
                    "Tokens may still be about that were signed under the old certificate \
                     authority {}; it can be retired from {} on.",
                    row.id,
                    from.rfc3339()
                );
                return Err(Error::precondition_failed(Noun::Authority, why));
            }
            // The CA in use may have the same key, with another certificate: then it issued the
            // leaf certificate, too.
            let is_of_old = |key: &&SigningKeyRow| {
                certificates::is_issued_by(&key.leaf_der, &row.certificate_der)
                    && !certificates::is_issued_by(&key.leaf_der, &in_use.certificate_der)
            };
            if let Some(key) = used_soon(&signing, now).into_iter().find(is_of_old) {
                let why = format!(
                    "The certificate of signing key {} is still one of the old certificate \
                     authority {}; the running service makes another within a minute, or, where \
                     the authority is kept elsewhere, `transire keys import-leaf` takes one.",
                    key.id, row.id
                );
                return Err(Error::precondition_failed(Noun::Authority, why));
            }
            write = write.then(key::delete_authority(&row.id, AuthorityState::Old));
        }
        let ids: Vec<_> = rows.iter().map(|row| row.id.as_str()).collect();
        let event = call
            .event(AuditAction::AuthorityRetire)
            .detail(serde_json::json!({ "authorities": ids }));
        self.ledger.record(write, event).await?;
        rows.iter()
            .map(|row| {
                Ok(CaStep {
                    state: None,
                    ..step(row, NextStep::Nothing)?
                })
            })
            .collect()
    }

    /// Drops the next CA, under which nothing was signed.
    ///
    /// # Errors
    ///
    /// `Unsupported` for a caller that isn't the operator, `PreconditionFailed` without a next CA.
    pub async fn cancel_ca(&self, call: &Call<'_>) -> Result<CaStep> {
        call.caller.require_operator()?;
        let rows = key::list_authorities(&self.base.store).await?;
        let next = find(&rows, AuthorityState::Next).ok_or_else(no_next)?;
        let event = call
            .event(AuditAction::AuthorityCancel)
            .detail(serde_json::json!({ "authority": next.id }));
        self.ledger
            .change(key::delete_authority(&next.id, AuthorityState::Next), event)
            .await?;
        Ok(CaStep {
            state: None,
            ..step(next, NextStep::Nothing)?
        })
    }
}
