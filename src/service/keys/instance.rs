//! Signing keys of one instance alone, for registries that trust a key and ask nothing further of a
//! token.
//!
//! Such a registry knows one key. So the key changes at the moment when the operator gives the
//! registry another.

use std::sync::Arc;

use crate::domain::clock::{Random, Timestamp};
use crate::domain::ids::InstanceId;
use crate::domain::instance::{Algorithm, Instance};
use crate::domain::operator::OperatorPermission;
use crate::domain::{Error, Noun, Result};
use crate::service::call::Call;
use crate::service::keys::{KeyInfo, KeyKind, KeyState, Keys, MasterKeys, PrivatePart};
use crate::service::ledger::actions::AuditAction;
use crate::service::memory::keyring::{self, INSTANCE_KEY};
use crate::service::rights::instances::InstanceChoice;
use crate::store::instance_key::{self, InstanceKeyRow, InstanceKeyState};
use crate::token::SigningKeyPair;

/// Makes a key for an instance.
///
/// # Errors
///
/// `Internal` when no key can be made.
pub(in crate::service) fn new_instance_key(
    instance: &InstanceId,
    algorithm: Algorithm,
    state: InstanceKeyState,
    master: &MasterKeys,
    now: Timestamp,
    random: &dyn Random,
) -> Result<InstanceKeyRow> {
    let pair = SigningKeyPair::generate(algorithm)?;
    let id = crate::service::keys::ca::new_id(random);
    let wrapped_private = master.wrap(INSTANCE_KEY, &id, &pair.private_pkcs8()?, random);
    Ok(InstanceKeyRow {
        id,
        instance: instance.clone(),
        algorithm,
        wrapped_private,
        state,
        created_at: now,
    })
}

/// Says that the operation is for instances with keys of their own.
fn has_no_own_key(instance: &Instance) -> Error {
    Error::precondition_failed(
        Noun::Instance,
        format!(
            "The instance {} is of the kind {}, which shares its signing keys; `transire keys \
             rotate signing` without --instance rotates those.",
            instance.id,
            instance.kind.name()
        ),
    )
}

fn state_of(row: &InstanceKeyRow) -> KeyState {
    match row.state {
        InstanceKeyState::Next => KeyState::Next,
        InstanceKeyState::InUse => KeyState::InUse,
    }
}

impl Keys {
    /// Lists the instances' own keys, the newest first.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub(super) async fn instance_keys(&self) -> Result<Vec<KeyInfo>> {
        let rows = instance_key::list(&self.base.store).await?;
        let info = |row: InstanceKeyRow| KeyInfo {
            kind: KeyKind::Signing(row.algorithm),
            state: state_of(&row),
            created_at: row.created_at,
            certificate_expires_at: None,
            instance: Some(row.instance),
            private: PrivatePart::Here,
            id: row.id,
        };
        Ok(rows.into_iter().rev().map(info).collect())
    }

    async fn keys_of(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        permission: OperatorPermission,
    ) -> Result<(Arc<Instance>, Vec<InstanceKeyRow>)> {
        let instance = self
            .rights
            .administered_instance(call, choice, permission)
            .await?;
        if !instance.kind.has_own_key() {
            return Err(has_no_own_key(&instance));
        }
        let mut rows = instance_key::list(&self.base.store).await?;
        rows.retain(|row| row.instance == instance.id);
        Ok((instance, rows))
    }

    /// Makes the key that is next for an instance with keys of its own; it signs nothing until it
    /// is activated. A second call returns the same one.
    ///
    /// # Errors
    ///
    /// `OperatorDenied`, or `Unsupported` for no operator, `InstanceNotFound`, `PreconditionFailed`
    /// for an instance that shares its keys, `Misconfigured` without the master key, and those of
    /// the store.
    pub async fn rotate_instance_key(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
    ) -> Result<String> {
        self.memory
            .wrapping(|| self.make_instance_key(call, choice))
            .await
    }

    async fn make_instance_key(&self, call: &Call<'_>, choice: &InstanceChoice) -> Result<String> {
        let (instance, rows) = self
            .keys_of(call, choice, OperatorPermission::KeyRotate)
            .await?;
        if let Some(next) = rows
            .into_iter()
            .find(|row| row.state == InstanceKeyState::Next)
        {
            return Ok(next.id);
        }
        let row = new_instance_key(
            &instance.id,
            instance.algorithm,
            InstanceKeyState::Next,
            &self.memory.keys.master,
            call.now,
            &*self.base.random,
        )?;
        let event = call
            .event(AuditAction::SigningKeyCreate)
            .instance(&instance)
            .detail(serde_json::json!({ "key": row.id }));
        self.ledger
            .record(
                self.base.write().then_wrapped(instance_key::insert(&row)),
                event,
            )
            .await?;
        Ok(row.id)
    }

    /// Lets the next key sign its instance's tokens, and deletes the one before. The registry must
    /// be restarted with the new key at the same moment. Returns the key's id.
    ///
    /// # Errors
    ///
    /// `OperatorDenied`, or `Unsupported` for no operator, `InstanceNotFound`, `PreconditionFailed`
    /// for an instance that shares its keys or has no next one, and those of the store.
    pub async fn activate_instance_key(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
    ) -> Result<String> {
        let (instance, rows) = self
            .keys_of(call, choice, OperatorPermission::KeyRotate)
            .await?;
        let next = rows
            .into_iter()
            .find(|row| row.state == InstanceKeyState::Next)
            .ok_or_else(|| no_next(&instance))?;
        let event = call
            .event(AuditAction::SigningKeyActivate)
            .instance(&instance)
            .detail(serde_json::json!({ "key": next.id }));
        self.ledger
            .change(instance_key::activate(&next.id, &instance.id), event)
            .await?;
        Ok(next.id)
    }

    /// Drops the next key, and returns its id.
    ///
    /// # Errors
    ///
    /// `OperatorDenied`, or `Unsupported` for no operator, `InstanceNotFound`, `PreconditionFailed`
    /// for an instance that shares its keys or has no next one, and those of the store.
    pub async fn cancel_instance_key(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
    ) -> Result<String> {
        let (instance, rows) = self
            .keys_of(call, choice, OperatorPermission::KeyRotate)
            .await?;
        let next = rows
            .into_iter()
            .find(|row| row.state == InstanceKeyState::Next)
            .ok_or_else(|| no_next(&instance))?;
        let event = call
            .event(AuditAction::SigningKeyCancel)
            .instance(&instance)
            .detail(serde_json::json!({ "key": next.id }));
        self.ledger
            .change(instance_key::delete_next(&instance.id), event)
            .await?;
        Ok(next.id)
    }

    /// Returns the public key (PEM) that an instance's registry is to trust: the one that signs, or
    /// the one that is next.
    ///
    /// # Errors
    ///
    /// `OperatorDenied`, or `Unsupported` for no operator, `InstanceNotFound`, `PreconditionFailed`
    /// for an instance that shares its keys or has no next one, and those of the store.
    pub async fn instance_public_key(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        state: KeyState,
    ) -> Result<String> {
        let (instance, rows) = self
            .keys_of(call, choice, OperatorPermission::InstanceRead)
            .await?;
        let row = rows
            .into_iter()
            .find(|row| state_of(row) == state)
            .ok_or_else(|| no_next(&instance))?;
        Ok(keyring::instance_signing_key(&row, &self.memory.keys.master)?.public_pem())
    }
}

fn no_next(instance: &Instance) -> Error {
    Error::precondition_failed(
        Noun::SigningKey,
        format!(
            "No key of instance {id} is next; `transire keys rotate signing --instance {id}` makes \
             one.",
            id = instance.id
        ),
    )
}
