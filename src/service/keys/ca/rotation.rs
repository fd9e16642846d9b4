//! The steps before and after an activation: the next CA is made or cancelled, and old ones are
//! retired.

use crate::domain::clock::{Timestamp, random_bytes};
use crate::domain::operator::OperatorPermission;
use crate::domain::{Error, Noun, Result};
use crate::service::call::Call;
use crate::service::keys::ca::{
    BUNDLED_AFTER_USE, CaStep, NextStep, find, first_step, in_use, new_row, no_next, step,
};
use crate::service::keys::{Keys, used_soon};
use crate::service::ledger::actions::AuditAction;
use crate::store::key::{self, AuthorityRow, AuthorityState, SigningKeyRow};
use crate::token::{Authority, certificates};

/// Returns a CA that was removed.
fn gone(row: &AuthorityRow) -> Result<CaStep> {
    Ok(CaStep {
        state: None,
        ..step(row, NextStep::Nothing)?
    })
}

/// Refuses to retire a CA while a token may be valid that was signed under it.
fn require_no_token(old: &AuthorityRow, now: Timestamp) -> Result<()> {
    let from = old.changed_at.plus(BUNDLED_AFTER_USE);
    if now >= from {
        return Ok(());
    }
    let why = format!(
        "Tokens may still be about that were signed under the old certificate authority {}; it can \
         be retired from {} on.",
        old.id,
        from.rfc3339()
    );
    Err(Error::precondition_failed(Noun::Authority, why))
}

/// Refuses to retire a CA while a signing key has its leaf certificate from it.
fn require_no_leaf(
    old: &AuthorityRow,
    current: &AuthorityRow,
    used: &[&SigningKeyRow],
) -> Result<()> {
    // The CA in use may have the same key, with another certificate: then it issued the leaf
    // certificate, too.
    let is_of_old = |key: &&&SigningKeyRow| {
        certificates::is_issued_by(&key.leaf_der, &old.certificate_der)
            && !certificates::is_issued_by(&key.leaf_der, &current.certificate_der)
    };
    let Some(key) = used.iter().find(is_of_old) else {
        return Ok(());
    };
    let why = format!(
        "The certificate of signing key {} is still one of the old certificate authority {}; the \
         running service makes another within a minute, or, where the authority is kept elsewhere, \
         `transire keys import-leaf` takes one.",
        key.id, old.id
    );
    Err(Error::precondition_failed(Noun::Authority, why))
}

impl Keys {
    /// Makes the next CA, which goes into every registry's bundle before it is activated. A second
    /// call returns the same one.
    ///
    /// # Errors
    ///
    /// `OperatorDenied`, or `Unsupported` for no operator, `AlreadyExists` when the CAs changed
    /// meanwhile, `Misconfigured` without the current master key, and those of the store.
    pub async fn rotate_ca(&self, call: &Call<'_>) -> Result<CaStep> {
        call.caller.require(OperatorPermission::CaRotate, None)?;
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
    /// `AlreadyExists` when the CAs changed meanwhile, and those of the store.
    pub(in crate::service::keys) async fn add_next_ca(
        &self,
        row: &AuthorityRow,
        rows: &[AuthorityRow],
        action: AuditAction,
        call: &Call<'_>,
    ) -> Result<CaStep> {
        let current = in_use(rows)?;
        let event = call
            .event(action)
            .detail(serde_json::json!({ "authority": row.id }));
        let write = self
            .base
            .write()
            .then_wrapped(key::insert_next_authority(row, &current.id));
        self.ledger.record(write, event).await?;
        first_step(row)
    }

    /// Removes the old CAs from the bundle.
    ///
    /// # Errors
    ///
    /// `OperatorDenied`, or `Unsupported` for no operator. `PreconditionFailed` when there is no
    /// old CA, while a token that was signed under one may be valid, or while a signing key has its
    /// certificate from one. Those of the store.
    pub async fn retire_cas(&self, call: &Call<'_>) -> Result<Vec<CaStep>> {
        call.caller.require(OperatorPermission::CaRotate, None)?;
        let now = call.now;
        let rows = key::list_authorities(&self.base.store).await?;
        let current = in_use(&rows)?;
        let old: Vec<_> = rows
            .iter()
            .filter(|row| row.state == AuthorityState::Old)
            .collect();
        if old.is_empty() {
            return Err(Error::precondition_failed(
                Noun::Authority,
                "There is no old certificate authority to retire.",
            ));
        }
        let signing = key::list_signing(&self.base.store).await?;
        let used = used_soon(&signing, now);
        let mut write = self.base.write();
        for row in &old {
            require_no_token(row, now)?;
            require_no_leaf(row, current, &used)?;
            write = write.then(key::delete_authority(&row.id, AuthorityState::Old));
        }
        let ids: Vec<_> = old.iter().map(|row| row.id.as_str()).collect();
        let event = call
            .event(AuditAction::AuthorityRetire)
            .detail(serde_json::json!({ "authorities": ids }));
        self.ledger.record(write, event).await?;
        old.into_iter().map(gone).collect()
    }

    /// Drops the next CA, under which nothing was signed.
    ///
    /// # Errors
    ///
    /// `OperatorDenied`, or `Unsupported` for no operator, `PreconditionFailed` without a next CA,
    /// and those of the store.
    pub async fn cancel_ca(&self, call: &Call<'_>) -> Result<CaStep> {
        call.caller.require(OperatorPermission::CaRotate, None)?;
        let rows = key::list_authorities(&self.base.store).await?;
        let next = find(&rows, AuthorityState::Next).ok_or_else(no_next)?;
        let event = call
            .event(AuditAction::AuthorityCancel)
            .detail(serde_json::json!({ "authority": next.id }));
        self.ledger
            .change(key::delete_authority(&next.id, AuthorityState::Next), event)
            .await?;
        gone(next)
    }
}
