//! Operators that have a token.

use std::time::Duration;

use serde_json::json;

use crate::domain::operator::{
    Operator, OperatorId, OperatorPermission, OperatorRole, OperatorState, check_operator_name,
    operator_token,
};
use crate::domain::rotation::older_end;
use crate::domain::secret::Secret;
use crate::domain::{Error, Noun, Result};
use crate::service::call::Call;
use crate::service::identity::Identity;
use crate::service::ledger::actions::AuditAction;
use crate::service::ledger::event::Event;
use crate::sign::sha256;
use crate::store;

/// The most operators: all of them are in every replica's memory.
const MAX_OPERATORS: u32 = 1000;

impl Identity {
    /// Makes an operator. Returns it with its token, which is shown once.
    ///
    /// # Errors
    /// `Unsupported` for a caller that is no operator; `OperatorDenied`; `InvalidParameter` for a
    /// name that isn't allowed; `AlreadyExists`; `NotFound` for an unknown account;
    /// `QuotaExceeded`; those of the store.
    pub async fn create_operator(
        &self,
        call: &Call<'_>,
        name: &str,
        role: OperatorRole,
    ) -> Result<(Operator, Secret)> {
        call.caller
            .require(OperatorPermission::OperatorCreate, None)?;
        check_operator_name(name)?;
        let id = OperatorId::random(&*self.base.random);
        let token = operator_token(&id, &*self.base.random);
        let operator = Operator {
            id,
            name: name.to_owned(),
            role,
            state: OperatorState::Active,
            token_hash: hash_of(&token),
            older_token: None,
            created_at: call.now,
        };
        let event = event_about(call, AuditAction::OperatorCreate, &operator);
        self.ledger
            .change(store::operator::insert(&operator, MAX_OPERATORS), event)
            .await?;
        Ok((operator, token))
    }

    /// Lists the operators that have a token, oldest first.
    ///
    /// # Errors
    /// `Unsupported` for a caller that is no operator; `OperatorDenied`; those of the store.
    pub async fn operators(&self, call: &Call<'_>) -> Result<Vec<Operator>> {
        call.caller
            .require(OperatorPermission::OperatorRead, None)?;
        store::operator::list(&self.base.store).await
    }

    /// Returns the operator of this name.
    ///
    /// # Errors
    /// `Unsupported` for a caller that is no operator; `OperatorDenied`; `NotFound`; those of the
    /// store.
    pub async fn operator(&self, call: &Call<'_>, name: &str) -> Result<Operator> {
        call.caller
            .require(OperatorPermission::OperatorRead, None)?;
        self.named_operator(name).await
    }

    /// Disables or enables an operator. Its tokens are refused meanwhile.
    ///
    /// # Errors
    /// `Unsupported` for a caller that is no operator; `OperatorDenied`; `NotFound`; those of the
    /// store.
    pub async fn set_operator_state(
        &self,
        call: &Call<'_>,
        name: &str,
        state: OperatorState,
    ) -> Result<()> {
        call.caller
            .require(OperatorPermission::OperatorUpdate, None)?;
        let operator = self.named_operator(name).await?;
        let action = match state {
            OperatorState::Active => AuditAction::OperatorEnable,
            OperatorState::Disabled => AuditAction::OperatorDisable,
        };
        let event = event_about(call, action, &operator);
        self.ledger
            .change(store::operator::set_state(&operator.id, state), event)
            .await
    }

    /// Deletes an operator: its tokens are refused for ever.
    ///
    /// # Errors
    /// `Unsupported` for a caller that is no operator; `OperatorDenied`; `NotFound`; those of the
    /// store.
    pub async fn delete_operator(&self, call: &Call<'_>, name: &str) -> Result<()> {
        call.caller
            .require(OperatorPermission::OperatorDelete, None)?;
        let operator = self.named_operator(name).await?;
        let event = event_about(call, AuditAction::OperatorDelete, &operator);
        self.ledger
            .change(store::operator::delete(&operator.id), event)
            .await
    }

    /// Gives an operator another token, which is returned and shown once. The one before is taken
    /// for `grace` more; one from before that is refused at once.
    ///
    /// # Errors
    /// `Unsupported` for a caller that is no operator; `OperatorDenied`; `InvalidParameter` for a
    /// grace above 30 days; `NotFound`; those of the store.
    pub async fn rotate_operator(
        &self,
        call: &Call<'_>,
        name: &str,
        grace: Duration,
    ) -> Result<(Operator, Secret)> {
        call.caller
            .require(OperatorPermission::OperatorRotate, None)?;
        let older_ends_at = older_end(grace, call.now)?;
        let operator = self.named_operator(name).await?;
        let token = operator_token(&operator.id, &*self.base.random);
        let event = call.event(AuditAction::OperatorRotate).detail(json!({
            "operator": operator.name,
            "operator_id": operator.id.as_str(),
            "older_token_ends_at": older_ends_at.unwrap_or(call.now),
        }));
        let rotate = store::operator::rotate(&operator.id, &hash_of(&token), older_ends_at);
        self.ledger.change(rotate, event).await?;
        Ok((operator, token))
    }

    async fn named_operator(&self, name: &str) -> Result<Operator> {
        store::operator::find_by_name(&self.base.store, name)
            .await?
            .ok_or_else(|| Error::not_found(Noun::Operator, name))
    }
}

fn hash_of(token: &Secret) -> [u8; 32] {
    sha256(token.expose().as_bytes())
}

fn event_about<'a>(call: &Call<'a>, action: AuditAction, operator: &Operator) -> Event<'a> {
    call.event(action).detail(json!({
        "operator": operator.name,
        "operator_id": operator.id.as_str(),
        "role": operator.role.name(),
        "account": operator.role.account().map(|account| account.to_string()),
    }))
}
