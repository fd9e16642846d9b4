//! The next CA takes the place of the one in use, and certifies every signing key.

use crate::domain::clock::Timestamp;
use crate::domain::operator::OperatorPermission;
use crate::domain::{Error, ErrorKind, Noun, Result};
use crate::service::call::Call;
use crate::service::keys::ca::{
    BUNDLED_AFTER_USE, CaStep, NextStep, find, in_use, no_next, signer, step,
};
use crate::service::keys::{Keys, used_soon};
use crate::service::ledger::actions::AuditAction;
use crate::service::memory::keyring::KNOWN_BEFORE_USE;
use crate::store::key::{self, AuthorityRow, AuthorityState, SigningKeyRow};
use crate::store::{Part, Write};
use crate::token::{Authority, certificates};

/// How often an activation is tried when another replica renews a leaf certificate at the same
/// moment.
const MAX_ATTEMPTS: usize = 5;

/// Returns the outcome of the last activation, for a command that is given again.
fn step_of_last_activation(rows: &[AuthorityRow]) -> Result<CaStep> {
    let old = rows
        .iter()
        .filter(|row| row.state == AuthorityState::Old)
        .max_by_key(|row| row.changed_at)
        .ok_or_else(no_next)?;
    let current = find(rows, AuthorityState::InUse).ok_or_else(no_next)?;
    let retired_from = old.changed_at.plus(BUNDLED_AFTER_USE);
    step(current, NextStep::RetireFrom(retired_from))
}

/// Refuses a CA that some replica may not have in its bundle yet.
fn require_in_every_bundle(next: &AuthorityRow, now: Timestamp) -> Result<()> {
    let wait = now.until(next.created_at.plus(KNOWN_BEFORE_USE));
    if wait.is_zero() {
        return Ok(());
    }
    let why = format!(
        "The new certificate was made a moment ago, and not every replica has it in its bundle; \
         registries can be restarted, and it activated, in {} seconds.",
        wait.as_secs() + 1
    );
    Err(Error::precondition_failed(Noun::Authority, why))
}

/// Returns the change that gives a signing key this leaf certificate, if it is a valid one of the
/// CA.
fn replaced_by(
    der: &[u8],
    row: &SigningKeyRow,
    ca: &AuthorityRow,
    first: bool,
    now: Timestamp,
) -> Option<Part> {
    let expires_at = certificates::check_leaf(der, &ca.certificate_der, now).ok()?;
    let certified_at = first.then_some(now);
    let old_expires_at = row.leaf_expires_at;
    let replaced = key::replace_leaf(&row.id, old_expires_at, der, expires_at, certified_at);
    Some(replaced)
}

/// Returns the changes to the leaf certificates that the operator imported for these keys.
///
/// # Errors
///
/// `PreconditionFailed` when a key has no certificate of the CA.
fn imported_leaves(
    keys: &[&SigningKeyRow],
    ca: &AuthorityRow,
    now: Timestamp,
) -> Result<Vec<Part>> {
    let mut leaves = Vec::new();
    let mut missing = Vec::new();
    for row in keys {
        // The CA's own key may have got another certificate: then the leaf certificate in use is
        // valid under it, too.
        let mut known = row.next_leaf_der.iter().chain([&row.leaf_der]);
        match known.find_map(|der| replaced_by(der, row, ca, false, now)) {
            Some(replaced) => leaves.push(replaced),
            None => missing.push(row.id.as_str()),
        }
    }
    if missing.is_empty() {
        return Ok(leaves);
    }
    let why = format!(
        "The new certificate authority is kept elsewhere, and these signing keys have no \
         certificate of it yet: {}. `transire keys csr` writes what is to be signed, and `transire \
         keys import-leaf` takes each certificate.",
        missing.join(", ")
    );
    Err(Error::precondition_failed(Noun::Authority, why))
}

impl Keys {
    /// Replaces the CA in use by the next one, and with it the leaf certificate of every signing
    /// key.
    ///
    /// # Errors
    ///
    /// `OperatorDenied`, or `Unsupported` for no operator. `PreconditionFailed` when there is no
    /// next CA, when not every replica can have it in its bundle yet, or when it is kept elsewhere
    /// and a signing key has no certificate of it yet. `AlreadyExists` when the CAs changed
    /// meanwhile. `Misconfigured` without the master key, and those of the store.
    pub async fn activate_ca(&self, call: &Call<'_>) -> Result<CaStep> {
        call.caller.require(OperatorPermission::CaRotate, None)?;
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
        let rows = key::list_authorities(&self.base.store).await?;
        let Some(next) = find(&rows, AuthorityState::Next) else {
            return step_of_last_activation(&rows);
        };
        require_in_every_bundle(next, now)?;
        let signing = key::list_signing(&self.base.store).await?;
        let leaves = self.leaves_under(next, &signing, now)?;
        let current = in_use(&rows)?;
        let event = call
            .event(AuditAction::AuthorityActivate)
            .detail(serde_json::json!({
                "authority": next.id,
                "replaced": current.id,
                "leaves": leaves.len(),
            }));
        // This statement comes first. A replica that makes a key or a leaf certificate under the
        // old CA holds that one's row, and this write waits for it. So no signing key keeps a
        // certificate of the CA that was in use.
        let write = self
            .base
            .write()
            .then(key::activate_authority(&next.id, &current.id, now));
        let write = leaves.into_iter().fold(write, Write::then);
        self.ledger.record(write, event).await?;
        let activated = AuthorityRow {
            state: AuthorityState::InUse,
            ..next.clone()
        };
        step(
            &activated,
            NextStep::RetireFrom(now.plus(BUNDLED_AFTER_USE)),
        )
    }

    /// Returns the changes that give the signing keys their leaf certificates under the next CA.
    ///
    /// # Errors
    ///
    /// `PreconditionFailed` when that CA is kept elsewhere and a key that is used soon has no
    /// certificate of it; `Misconfigured` without the master key.
    fn leaves_under(
        &self,
        next: &AuthorityRow,
        signing: &[SigningKeyRow],
        now: Timestamp,
    ) -> Result<Vec<Part>> {
        let used = used_soon(signing, now);
        let mut leaves = match signer(next, &self.memory.keys.master)? {
            Some(signer) => self.issued_leaves(&used, &signer, now)?,
            None => imported_leaves(&used, next, now)?,
        };
        // A key that waits gets the certificate that was imported for it; without one, it goes on
        // waiting.
        let waiting = signing.iter().filter(|row| !row.is_certified());
        leaves.extend(waiting.filter_map(|row| {
            let imported = row.next_leaf_der.as_deref()?;
            replaced_by(imported, row, next, true, now)
        }));
        Ok(leaves)
    }

    fn issued_leaves(
        &self,
        keys: &[&SigningKeyRow],
        signer: &Authority,
        now: Timestamp,
    ) -> Result<Vec<Part>> {
        let issue = |row: &&SigningKeyRow| {
            let leaf = signer.issue_leaf(&self.pair_of(row)?, now)?;
            let old_expires_at = row.leaf_expires_at;
            let expires_at = leaf.expires_at;
            Ok(key::replace_leaf(
                &row.id,
                old_expires_at,
                &leaf.der,
                expires_at,
                None,
            ))
        };
        keys.iter().map(issue).collect()
    }
}
