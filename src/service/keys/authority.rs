//! The certificate authorities: one is in use, one may be next, and old ones stay in the bundle for a while.
//!
//! Registries read their bundle once, at their start. So a new authority is in every bundle before anything is signed
//! under it: it is made, the registries are restarted, and only then it is activated, each by the operator's word. Signing
//! keys stay as they are and get other leaves, so no verifier but the registries' bundles has to learn of anything.

use std::time::Duration;

use crate::domain::clock::{Random, Timestamp, random_bytes};
use crate::domain::instance::{Algorithm, Instance};
use crate::domain::{Error, ErrorKind, Noun, Result};
use crate::service::call::Call;
use crate::service::keys::{KeyInfo, KeyKind, KeyState, Keys, MasterKeys, PrivatePart, SIGNING_KEY, newest_first};
use crate::service::ledger::actions::AuditAction;
use crate::service::memory::keyring::{AUTHORITY, KNOWN_BEFORE_USE, in_use};
use crate::store::key::{self, AuthorityRow, AuthorityState, SigningKeyRow};
use crate::store::{Part, Store};
use crate::token::jwt::LEAF_RENEWAL_LEFT;
use crate::token::{Authority, SigningKeyPair, certificates};

/// How long an authority stays in the bundle after another took its place: the longest life of a token, and as much
/// again for the leeway of registries, clocks that differ, and replicas that heard of it late.
const BUNDLED_AFTER_USE: Duration = Duration::from_secs(2 * Instance::MAX_TOKEN_TTL as u64);
/// How often a change is tried again when another replica renewed a leaf at the same moment.
const ATTEMPTS: usize = 5;

/// An authority after a step of its rotation.
#[derive(Clone, Debug)]
pub struct AuthorityStep {
    /// Its id.
    pub id: String,
    /// Where it stands now; nothing when it is gone.
    pub state: Option<KeyState>,
    /// When its certificate stops.
    pub expires_at: Timestamp,
    /// What is to be done next.
    pub next: NextStep,
}

/// What the operator does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextStep {
    /// Give every registry the bundle and restart it, then activate the authority.
    RestartRegistriesThenActivate,
    /// Have the signing keys' certificates signed and imported; give every registry the bundle; then activate.
    CertifyThenActivate,
    /// Retire the old one, from this time on.
    RetireFrom(Timestamp),
    /// Give the registries the smaller bundle at their next restart.
    Nothing,
}

/// The authority in use, and its key if that is kept here.
pub(super) struct InUse {
    pub(super) row: AuthorityRow,
    pub(super) signer: Option<Authority>,
}

impl InUse {
    pub(super) async fn load(store: &Store, master: &MasterKeys) -> Result<Self> {
        Self::of(key::list_authorities(store).await?, master)
    }

    fn of(rows: Vec<AuthorityRow>, master: &MasterKeys) -> Result<Self> {
        let row =
            rows.into_iter().find(|row| row.state == AuthorityState::InUse).ok_or_else(|| Error::internal("no authority is in use"))?;
        let signer = signer(&row, master)?;
        Ok(Self { row, signer })
    }

    /// Lets a write be done only while this authority is in use.
    pub(super) fn hold(&self) -> Part {
        key::hold_authority(&self.row.id, AuthorityState::InUse)
    }
}

/// Returns the CA with its private key, unless that is kept elsewhere.
pub(super) fn signer(row: &AuthorityRow, master: &MasterKeys) -> Result<Option<Authority>> {
    let Some(private) = &row.wrapped_private else { return Ok(None) };
    Authority::from_parts(&master.unwrap(AUTHORITY, &row.id, private)?, &row.certificate_der).map(Some)
}

/// Returns the row of an authority whose key is kept here.
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

/// Returns the signing keys that sign, and those that will in a moment.
pub(super) fn used_soon(rows: &[SigningKeyRow], now: Timestamp) -> Vec<&SigningKeyRow> {
    let of = |algorithm| {
        let mut newest_first = newest_first(rows, algorithm);
        let times: Vec<_> = newest_first.iter().map(|row| row.ready_at()).collect();
        newest_first.truncate(in_use(&times, now) + 1);
        newest_first
    };
    Algorithm::ALL.into_iter().flat_map(of).collect()
}

fn step(row: &AuthorityRow, next: NextStep) -> Result<AuthorityStep> {
    let expires_at = certificates::expires_at(&row.certificate_der)?;
    Ok(AuthorityStep { id: row.id.clone(), state: Some(state_of(row)), expires_at, next })
}

fn state_of(row: &AuthorityRow) -> KeyState {
    match row.state {
        AuthorityState::Next => KeyState::Next,
        AuthorityState::InUse => KeyState::InUse,
        AuthorityState::Old => KeyState::Old,
    }
}

pub(in crate::service) fn find(rows: &[AuthorityRow], state: AuthorityState) -> Option<&AuthorityRow> {
    rows.iter().find(|row| row.state == state)
}

fn no_next() -> Error {
    Error::precondition_failed(Noun::Authority, "No certificate authority is next; `transire keys rotate ca` makes one.")
}

pub(super) fn first_step(row: &AuthorityRow) -> Result<AuthorityStep> {
    let here = row.wrapped_private.is_some();
    step(row, if here { NextStep::RestartRegistriesThenActivate } else { NextStep::CertifyThenActivate })
}

impl Keys {
    pub(super) async fn authorities(&self) -> Result<Vec<KeyInfo>> {
        let rows = key::list_authorities(&self.base.store).await?;
        let info = |row: AuthorityRow| {
            Ok(KeyInfo {
                kind: KeyKind::Authority,
                state: state_of(&row),
                created_at: row.created_at,
                certificate_expires_at: Some(certificates::expires_at(&row.certificate_der)?),
                instance: None,
                private: if row.wrapped_private.is_none() { PrivatePart::Elsewhere } else { PrivatePart::Here },
                id: row.id,
            })
        };
        rows.into_iter().rev().map(info).collect()
    }

    /// Makes the authority that is next, which every registry must hear of before it is activated. Done again, it names
    /// the one that is next already.
    pub async fn rotate_authority(&self, call: &Call<'_>) -> Result<AuthorityStep> {
        call.caller.require_operator()?;
        self.memory.wrapping(|| self.make_authority(call)).await
    }

    async fn make_authority(&self, call: &Call<'_>) -> Result<AuthorityStep> {
        let rows = key::list_authorities(&self.base.store).await?;
        if let Some(next) = find(&rows, AuthorityState::Next) {
            return first_step(next);
        }
        let (now, random) = (call.now, &*self.base.random);
        // A name of its own: verifiers look for an authority by its name first.
        let name = format!("{} {}", hex::encode(random_bytes::<4>(random)), self.base.issuer);
        let row = new_row(&Authority::generate(&name, now, random)?, AuthorityState::Next, &self.memory.keys.master, now, random)?;
        self.add_next_authority(&row, &rows, AuditAction::AuthorityCreate, call).await
    }

    pub(super) async fn add_next_authority(
        &self,
        row: &AuthorityRow,
        rows: &[AuthorityRow],
        action: AuditAction,
        call: &Call<'_>,
    ) -> Result<AuthorityStep> {
        let in_use = find(rows, AuthorityState::InUse).ok_or_else(|| Error::internal("no authority is in use"))?;
        let event = call.event(action).detail(serde_json::json!({ "authority": row.id }));
        let write = self.base.write().then_wrapped(key::insert_next_authority(row, &in_use.id));
        self.ledger.record(write, event).await?;
        first_step(row)
    }

    /// Puts the authority that is next in the place of the one in use, and with it every signing key's leaf.
    ///
    /// [`ErrorKind::PreconditionFailed`] when there is none, when not every replica can have it in its bundle yet, or when
    /// it is kept elsewhere and a signing key has no certificate of it yet.
    pub async fn activate_authority(&self, call: &Call<'_>) -> Result<AuthorityStep> {
        call.caller.require_operator()?;
        let mut attempts = 1;
        loop {
            match self.try_to_activate(call).await {
                // A replica renewed a leaf or made a key meanwhile.
                Err(error) if matches!(error.kind(), ErrorKind::AlreadyExists { .. }) && attempts < ATTEMPTS => attempts += 1,
                outcome => return outcome,
            }
        }
    }

    async fn try_to_activate(&self, call: &Call<'_>) -> Result<AuthorityStep> {
        let now = call.now;
        let mut rows = key::list_authorities(&self.base.store).await?;
        let Some(next) = find(&rows, AuthorityState::Next).cloned() else {
            // Done again.
            let old = rows.iter().filter(|row| row.state == AuthorityState::Old).max_by_key(|row| row.changed_at).ok_or_else(no_next)?;
            let current = find(&rows, AuthorityState::InUse).ok_or_else(no_next)?;
            return step(current, NextStep::RetireFrom(old.changed_at.plus(BUNDLED_AFTER_USE)));
        };
        let wait = now.until(next.created_at.plus(KNOWN_BEFORE_USE));
        if !wait.is_zero() {
            let why = format!(
                "The new certificate was made a moment ago, and not every replica has it in its bundle; registries can be restarted, \
                 and it activated, in {} seconds.",
                wait.as_secs() + 1
            );
            return Err(Error::precondition_failed(Noun::Authority, why));
        }
        let signing = key::list_signing(&self.base.store).await?;
        let used = used_soon(&signing, now);
        let signer = signer(&next, &self.memory.keys.master)?;
        let good = |der| certificates::check_leaf(der, &next.certificate_der, now).ok().map(|expires_at| (der, expires_at));
        let mut leaves = Vec::new();
        let mut missing = Vec::new();
        for row in &used {
            if let Some(signer) = &signer {
                let leaf = signer.issue_leaf(&self.pair_of(row)?, now)?;
                leaves.push(key::replace_leaf(&row.id, row.leaf_expires_at, &leaf.der, leaf.expires_at, None));
            } else {
                // The same key may have got another certificate: then the leaf that is in use is as good under that one.
                let known = [row.next_leaf_der.as_ref(), Some(&row.leaf_der)].into_iter().flatten();
                match known.map(Vec::as_slice).find_map(good) {
                    Some((der, expires_at)) => leaves.push(key::replace_leaf(&row.id, row.leaf_expires_at, der, expires_at, None)),
                    None => missing.push(row.id.as_str()),
                }
            }
        }
        if !missing.is_empty() {
            let why = format!(
                "The new certificate authority is kept elsewhere, and these signing keys have no certificate of it yet: {}. \
                 `transire keys csr` writes what is to be signed, and `transire keys import-leaf` takes each certificate.",
                missing.join(", ")
            );
            return Err(Error::precondition_failed(Noun::Authority, why));
        }
        // A key that waits is certified by the one that was imported for it; without one, it waits on.
        for row in signing.iter().filter(|row| !row.is_certified()) {
            if let Some((der, expires_at)) = row.next_leaf_der.as_deref().and_then(good) {
                leaves.push(key::replace_leaf(&row.id, row.leaf_expires_at, der, expires_at, Some(now)));
            }
        }
        rows.retain(|row| row.state == AuthorityState::InUse);
        let current = rows.pop().ok_or_else(|| Error::internal("no authority is in use"))?;
        let event = call
            .event(AuditAction::AuthorityActivate)
            .detail(serde_json::json!({ "authority": next.id, "replaced": current.id, "leaves": leaves.len() }));
        // First of all: whoever makes a key or a leaf under the old one holds that one's row, and is waited for.
        let write = self.base.write().then(key::activate_authority(&next.id, &current.id, now));
        let write = leaves.into_iter().fold(write, crate::store::Write::then);
        self.ledger.record(write, event).await?;
        let next = AuthorityRow { state: AuthorityState::InUse, ..next };
        step(&next, NextStep::RetireFrom(now.plus(BUNDLED_AFTER_USE)))
    }

    /// Takes the old authorities out of the bundle.
    ///
    /// [`ErrorKind::PreconditionFailed`] when there is none, or while a token may be about that was signed under one.
    pub async fn retire_authority(&self, call: &Call<'_>) -> Result<Vec<AuthorityStep>> {
        call.caller.require_operator()?;
        let now = call.now;
        let mut rows = key::list_authorities(&self.base.store).await?;
        let in_use = find(&rows, AuthorityState::InUse).cloned().ok_or_else(|| Error::internal("no authority is in use"))?;
        rows.retain(|row| row.state == AuthorityState::Old);
        if rows.is_empty() {
            return Err(Error::precondition_failed(Noun::Authority, "There is no old certificate authority to retire."));
        }
        let signing = key::list_signing(&self.base.store).await?;
        let mut write = self.base.write();
        for row in &rows {
            let from = row.changed_at.plus(BUNDLED_AFTER_USE);
            if now < from {
                let why = format!(
                    "Tokens may still be about that were signed under the old certificate authority {}; it can be retired from {} on.",
                    row.id,
                    from.rfc3339()
                );
                return Err(Error::precondition_failed(Noun::Authority, why));
            }
            // Unless the one in use has the same key, with another certificate.
            let by_it = |key: &&SigningKeyRow| {
                certificates::is_issued_by(&key.leaf_der, &row.certificate_der)
                    && !certificates::is_issued_by(&key.leaf_der, &in_use.certificate_der)
            };
            if let Some(key) = used_soon(&signing, now).into_iter().find(by_it) {
                let why = format!(
                    "The certificate of signing key {} is still one of the old certificate authority {}; the running service makes \
                     another within a minute, or, where the authority is kept elsewhere, `transire keys import-leaf` takes one.",
                    key.id, row.id
                );
                return Err(Error::precondition_failed(Noun::Authority, why));
            }
            write = write.then(key::delete_authority(&row.id, AuthorityState::Old));
        }
        let ids: Vec<_> = rows.iter().map(|row| row.id.as_str()).collect();
        let event = call.event(AuditAction::AuthorityRetire).detail(serde_json::json!({ "authorities": ids }));
        self.ledger.record(write, event).await?;
        rows.iter().map(|row| Ok(AuthorityStep { state: None, ..step(row, NextStep::Nothing)? })).collect()
    }

    /// Forgets the authority that is next, which nothing was signed under; [`ErrorKind::PreconditionFailed`] without one.
    pub async fn cancel_authority(&self, call: &Call<'_>) -> Result<AuthorityStep> {
        call.caller.require_operator()?;
        let rows = key::list_authorities(&self.base.store).await?;
        let next = find(&rows, AuthorityState::Next).ok_or_else(no_next)?;
        let event = call.event(AuditAction::AuthorityCancel).detail(serde_json::json!({ "authority": next.id }));
        self.ledger.change(key::delete_authority(&next.id, AuthorityState::Next), event).await?;
        Ok(AuthorityStep { state: None, ..step(next, NextStep::Nothing)? })
    }

    pub(super) fn pair_of(&self, row: &SigningKeyRow) -> Result<SigningKeyPair> {
        SigningKeyPair::from_pkcs8(row.algorithm, &self.memory.keys.master.unwrap(SIGNING_KEY, &row.id, &row.wrapped_private)?)
    }

    /// Renews the certificates of the signing keys before they are half used up, and gives those another that are not of
    /// the authority in use, or have none. Where that one is kept elsewhere, it can only warn.
    pub async fn renew_leaves(&self) -> Result<()> {
        let now = self.base.now();
        let read = async {
            Ok::<_, Error>((key::list_signing(&self.base.store).await?, InUse::load(&self.base.store, &self.memory.keys.master).await?))
        };
        let (signing, authority) = match read.await {
            // There is time until the database is back, as far as is known here.
            Err(error) if error.kind() == &ErrorKind::StoreUnavailable && !self.is_any_leaf_due(now) => return Ok(()),
            outcome => outcome?,
        };
        // Kept elsewhere: the operator renews them, and the alarms say when.
        let Some(signer) = &authority.signer else { return Ok(()) };
        let is_due = |row: &&SigningKeyRow| {
            now.until(row.leaf_expires_at) < LEAF_RENEWAL_LEFT || !certificates::is_issued_by(&row.leaf_der, signer.certificate_der())
        };
        let waiting = signing.iter().filter(|row| !row.is_certified());
        for row in used_soon(&signing, now).into_iter().filter(is_due).chain(waiting) {
            let leaf = signer.issue_leaf(&self.pair_of(row)?, now)?;
            let first = (!row.is_certified()).then_some(now);
            let replaced = key::replace_leaf(&row.id, row.leaf_expires_at, &leaf.der, leaf.expires_at, first);
            match self.ledger.apply(self.base.write().then(authority.hold()).then(replaced)).await {
                // Another replica was quicker, or another authority is in use by now; the change feed tells.
                Err(error) if matches!(error.kind(), ErrorKind::AlreadyExists { .. }) => self.memory.catch_up().await?,
                outcome => {
                    outcome?;
                    tracing::info!(key = row.id, until = leaf.expires_at.rfc3339(), "renewed a signing certificate");
                }
            }
        }
        Ok(())
    }

    fn is_any_leaf_due(&self, now: Timestamp) -> bool {
        self.memory.keys.keyring.load().signing_keys().iter().any(|key| key.leaf_renewal_is_due(now))
    }

    /// Tells whether the key of the authority in use is kept elsewhere.
    pub(super) async fn authority_is_elsewhere(&self) -> Result<bool> {
        let rows = key::list_authorities(&self.base.store).await?;
        Ok(find(&rows, AuthorityState::InUse).is_some_and(|row| row.wrapped_private.is_none()))
    }

    /// Lists the signing keys that wait for their certificate.
    pub(super) async fn waiting_keys(&self) -> Result<Vec<String>> {
        let rows = key::list_signing(&self.base.store).await?;
        Ok(rows.into_iter().filter(|row| !row.is_certified()).map(|row| row.id).collect())
    }
}
