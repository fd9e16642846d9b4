//! Instances, as the operator and the cloud APIs manage them.

mod creation;
mod listing;

use std::sync::Arc;

use crate::domain::ids::AccountId;
use crate::domain::instance::{Instance, InstanceChange, OldRefreshTokens, Specification};
use crate::domain::operator::OperatorPermission;
use crate::domain::switch::Switch;
use crate::domain::{Error, Result, name};
use crate::policy::Permission;
use crate::service::access::caller::Caller;
use crate::service::call::Call;
use crate::service::ledger::actions::AuditAction;
use crate::service::registry::Registry;
use crate::service::rights::instances::InstanceChoice;
use crate::store;
use crate::store::cascade::Contents;
use crate::store::quota::{self, Usage};

pub use self::creation::{NameCheck, NewInstance, RequestedInstance};
pub use self::listing::{InstanceCriterion, TaggedInstance};

impl Registry {
    /// Lists the instances.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; those of the store.
    pub async fn instances(&self, call: &Call<'_>) -> Result<Vec<Instance>> {
        call.caller
            .require_in_own_account(OperatorPermission::InstanceRead)?;
        store::instance::list(&self.base.store, call.caller.own_account()).await
    }

    /// Returns the instance that is named.
    ///
    /// # Errors
    /// `NotFound` when what the call names isn't there, or is another account's.
    pub async fn instance(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
    ) -> Result<Arc<Instance>> {
        self.rights.own_instance(call, choice).await
    }

    /// Returns the instance that an operator is shown.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; `InstanceNotFound`; those of the store.
    pub async fn shown_instance(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
    ) -> Result<Arc<Instance>> {
        self.rights
            .administered_instance(call, choice, OperatorPermission::InstanceRead)
            .await
    }

    /// Returns an instance of the caller's account with its tags, if the caller has a permission
    /// that reads.
    ///
    /// # Errors
    /// `NotFound` when what the call names isn't there, or is another account's; `AccessDenied`
    /// when policies don't allow it; those of the store.
    pub async fn described_instance(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        permission: Permission,
    ) -> Result<TaggedInstance> {
        let instance = self
            .rights
            .permitted_instance(call, choice, permission)
            .await?;
        let tags = self
            .memory
            .cache
            .tags(&self.base.store, &instance.id)
            .await?;
        Ok(TaggedInstance {
            instance: (*instance).clone(),
            tags: tags.to_vec(),
        })
    }

    /// Counts what an instance has of each noun with a quota.
    ///
    /// # Errors
    /// `NotFound` when what the call names isn't there, or is another account's; `AccessDenied`
    /// when policies don't allow it; those of the store.
    pub async fn instance_usage(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
    ) -> Result<(Arc<Instance>, Usage)> {
        let instance = self
            .rights
            .permitted_instance(call, choice, Permission::DescribeUsage)
            .await?;
        let usage = quota::usage(&self.base.store, &instance.id)
            .await?
            .ok_or_else(Error::instance_not_found)?;
        Ok((instance, usage))
    }

    /// Returns how many namespaces, and how many repositories in all of them, an instance may have.
    pub fn quotas_of(&self, instance: &Instance) -> (u32, u32) {
        let quotas = self.base.adjustable().quotas;
        (
            quotas.namespaces.of(instance.specification),
            quotas.repositories.of(instance.specification),
        )
    }

    /// Changes the fields of an instance that an API may change.
    ///
    /// # Errors
    /// `NotFound` when what the call names isn't there, or is another account's; `AccessDenied`
    /// when policies don't allow it; those of the store.
    pub async fn modify_instance(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        change: InstanceChange,
    ) -> Result<()> {
        let instance = self
            .rights
            .permitted_instance(call, choice, Permission::ModifyInstance)
            .await?;
        let event = call
            .event(AuditAction::InstanceModify)
            .instance(&instance)
            .detail(serde_json::json!({
                "specification": change.specification.map(Specification::name),
                "deletion_protection": change.deletion_protection.map(Switch::is_on),
                "token_log_in": change.token_log_in.map(Switch::is_on),
            }));
        self.ledger
            .change(
                store::instance::update(&instance.id, change, call.now),
                event,
            )
            .await
    }

    /// Sets the URL at which an instance's registry answers, or that there is none.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; `NotFound` when what the call names
    /// isn't there, or is another account's; `InvalidParameter` for a value that isn't allowed;
    /// those of the store.
    pub async fn set_registry_url(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        url: Option<&str>,
    ) -> Result<()> {
        call.caller
            .require(OperatorPermission::InstanceConfigure, None)?;
        url.map_or(Ok(()), |url| self.check_registry_url(url))?;
        let instance = self.rights.own_instance(call, choice).await?;
        let event = call
            .event(AuditAction::InstanceSetRegistryUrl)
            .instance(&instance);
        self.ledger
            .change(
                store::instance::set_registry_url(&instance.id, url, call.now),
                event,
            )
            .await
    }

    /// Sets the host that an instance answers to as an ECR registry, or that it is its service.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; `NotFound` when what the call names
    /// isn't there; `InvalidParameter` for a value that isn't allowed; those of the store.
    pub async fn set_ecr_host(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        host: Option<&str>,
    ) -> Result<()> {
        host.map_or(Ok(()), |host| name::check_ecr_host("ecr-host", host))?;
        let instance = self
            .rights
            .administered_instance(call, choice, OperatorPermission::InstanceUpdate)
            .await?;
        let event = call
            .event(AuditAction::InstanceSetEcrHost)
            .instance(&instance)
            .detail(serde_json::json!({ "ecr_host": host }));
        self.ledger
            .change(
                store::instance::set_ecr_host(&instance.id, host, call.now),
                event,
            )
            .await
    }

    /// Sets whether an instance's clients get refresh tokens, and whether earlier ones are refused.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; `InstanceNotFound`; those of the store.
    pub async fn set_refresh_tokens(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        switch: Switch,
        old: OldRefreshTokens,
    ) -> Result<()> {
        let instance = self
            .rights
            .administered_instance(call, choice, OperatorPermission::InstanceUpdate)
            .await?;
        let detail = serde_json::json!({
            "on": switch.is_on(),
            "refuse_old": old == OldRefreshTokens::Refuse,
        });
        let event = call
            .event(AuditAction::InstanceSetRefreshTokens)
            .instance(&instance)
            .detail(detail);
        self.ledger
            .change(
                store::instance::set_refresh_tokens(&instance.id, switch, old, call.now),
                event,
            )
            .await
    }

    /// Deletes an instance for ever, and its contents as `contents` says.
    ///
    /// # Errors
    /// `NotFound` when what the call names isn't there, or is another account's; `AccessDenied`
    /// when policies don't allow it; those of the store.
    pub async fn delete_instance(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        contents: Contents,
    ) -> Result<()> {
        let instance = self
            .rights
            .permitted_instance(call, choice, Permission::DeleteInstance)
            .await?;
        let event = call
            .event(AuditAction::InstanceDelete)
            .instance(&instance)
            .detail(serde_json::json!({
                "instance": instance.id.as_str(),
                "with_contents": contents == Contents::GoToo,
            }));
        let deletion =
            store::cascade::delete_instance(instance.account, &instance.id, contents, call.now);
        self.ledger.change(deletion, event).await
    }

    /// Tells whether [`Self::delete_instance`] would succeed, and deletes nothing.
    ///
    /// # Errors
    /// `NotFound` when what the call names isn't there, or is another account's; `AccessDenied`
    /// when policies don't allow it; those of the store.
    pub async fn check_instance_deletion(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        contents: Contents,
    ) -> Result<()> {
        let instance = self
            .rights
            .permitted_instance(call, choice, Permission::DeleteInstance)
            .await?;
        let deletion =
            store::cascade::delete_instance(instance.account, &instance.id, contents, call.now);
        self.base
            .store
            .dry_run(self.base.write().then(deletion))
            .await
    }
}

/// Returns the account that a signed call acts in.
pub(in crate::service) fn account_of(caller: &Caller) -> Result<AccountId> {
    Ok(caller.signer()?.principal.account())
}
