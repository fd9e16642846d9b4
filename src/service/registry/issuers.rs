//! An instance's own issuer: prepared, then activated once its registry accepts it.

use std::sync::Arc;

use crate::domain::instance::Instance;
use crate::domain::operator::OperatorPermission;
use crate::domain::{Error, Noun, Result, name};
use crate::service::call::Call;
use crate::service::ledger::actions::AuditAction;
use crate::service::registry::Registry;
use crate::service::rights::instances::InstanceChoice;
use crate::store;

impl Registry {
    /// Prepares another issuer for an instance, in place of the one that was prepared before. No
    /// token names it yet.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; `InvalidParameter` for an issuer that
    /// isn't allowed; `InstanceNotFound`; `PreconditionFailed` for the issuer that tokens name
    /// already; those of the store.
    pub async fn prepare_issuer(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        issuer: &str,
    ) -> Result<()> {
        call.caller
            .require(OperatorPermission::InstanceConfigure, None)?;
        name::check_issuer("issuer", issuer)?;
        let instance = self.rights.own_instance(call, choice).await?;
        if self.base.issuer_of(&instance) == issuer {
            return Err(Error::precondition_failed(
                Noun::Issuer,
                format!(
                    "The tokens of instance {} name {issuer} already.",
                    instance.id
                ),
            ));
        }
        let detail = serde_json::json!({ "issuer": issuer });
        let event = call
            .event(AuditAction::InstancePrepareIssuer)
            .instance(&instance)
            .detail(detail);
        self.ledger
            .change(
                store::instance::set_next_issuer(&instance.id, issuer, call.now),
                event,
            )
            .await
    }

    /// Lets an instance's tokens name the prepared issuer, from the next exchange on.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; `InstanceNotFound`; `PreconditionFailed`
    /// when none is prepared; those of the store.
    pub async fn activate_issuer(&self, call: &Call<'_>, choice: &InstanceChoice) -> Result<()> {
        let (instance, next) = self.prepared_issuer(call, choice).await?;
        let detail = serde_json::json!({ "issuer": next });
        let event = call
            .event(AuditAction::InstanceActivateIssuer)
            .instance(&instance)
            .detail(detail);
        self.ledger
            .change(
                store::instance::activate_issuer(&instance.id, &next, call.now),
                event,
            )
            .await
    }

    /// Drops the prepared issuer.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; `InstanceNotFound`; `PreconditionFailed`
    /// when none is prepared; those of the store.
    pub async fn cancel_issuer(&self, call: &Call<'_>, choice: &InstanceChoice) -> Result<()> {
        let (instance, next) = self.prepared_issuer(call, choice).await?;
        let detail = serde_json::json!({ "issuer": next });
        let event = call
            .event(AuditAction::InstanceCancelIssuer)
            .instance(&instance)
            .detail(detail);
        self.ledger
            .change(
                store::instance::cancel_issuer(&instance.id, &next, call.now),
                event,
            )
            .await
    }

    async fn prepared_issuer(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
    ) -> Result<(Arc<Instance>, String)> {
        call.caller
            .require(OperatorPermission::InstanceConfigure, None)?;
        let instance = self.rights.own_instance(call, choice).await?;
        let next = instance.next_issuer.clone().ok_or_else(|| {
            Error::precondition_failed(
                Noun::Issuer,
                format!(
                    "No issuer of instance {id} is prepared; `transire instance update --instance \
                     {id} --issuer URL` prepares one.",
                    id = instance.id
                ),
            )
        })?;
        Ok((instance, next))
    }
}
