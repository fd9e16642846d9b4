//! Tags of instances.

use serde_json::json;

use crate::domain::tag::Tag;
use crate::domain::{Result, name};
use crate::policy::{Context, Permission, Resource};
use crate::service::call::Call;
use crate::service::ledger::actions::AuditAction;
use crate::service::registry::Registry;
use crate::service::registry::instances::{InstanceCriterion, TaggedInstance};
use crate::service::rights::instances::InstanceChoice;
use crate::service::rights::pairs;
use crate::store::tag::{self, Tagged};

impl Registry {
    /// Sets tags on instances, on all of them or none; tags of the same keys get new values.
    ///
    /// # Errors
    /// `NotFound` when what the call names isn't there, or is another account's; `AccessDenied`
    /// when policies don't allow it; `InvalidParameter` for a value that isn't allowed; those of
    /// the store.
    pub async fn tag_instances(
        &self,
        call: &Call<'_>,
        choices: &[InstanceChoice],
        tags: &[Tag],
    ) -> Result<()> {
        for tag in tags {
            name::check_tag("Tag", &tag.key, &tag.value)?;
        }
        let request_tags = pairs(tags);
        let policy_context = Context {
            request_tags: &request_tags,
            ..call.policy_context()
        };
        let mut write = self.base.write();
        for choice in choices {
            let instance = self.rights.own_instance(call, choice).await?;
            let resource = Resource::Instance((&*instance).into());
            self.rights
                .authorize_with(
                    call,
                    Permission::TagInstance,
                    resource,
                    policy_context.clone(),
                )
                .await?;
            let keys: Vec<&str> = tags.iter().map(|tag| tag.key.as_str()).collect();
            let event = call
                .event(AuditAction::InstanceTag)
                .instance(&instance)
                .detail(json!({ "keys": keys }));
            write = event.onto(
                write.then(tag::set(Tagged::Instance(&instance.id), tags)),
                &*self.base.random,
            );
        }
        self.ledger.apply(write).await
    }

    /// Removes the tags of these keys, or all tags, from instances.
    ///
    /// # Errors
    /// `NotFound` when what the call names isn't there, or is another account's; `AccessDenied`
    /// when policies don't allow it; those of the store.
    pub async fn untag_instances(
        &self,
        call: &Call<'_>,
        choices: &[InstanceChoice],
        keys: Option<&[String]>,
    ) -> Result<()> {
        let mut write = self.base.write();
        for choice in choices {
            let instance = self
                .rights
                .permitted_instance(call, choice, Permission::UntagInstance)
                .await?;
            let thing = Tagged::Instance(&instance.id);
            let part = match keys {
                Some(keys) => tag::remove(thing, keys.iter().map(String::as_str)),
                None => tag::replace(thing, &[]),
            };
            let event = call
                .event(AuditAction::InstanceUntag)
                .instance(&instance)
                .detail(json!({ "keys": keys }));
            write = event.onto(write.then(part), &*self.base.random);
        }
        self.ledger.apply(write).await
    }

    /// Returns instances of the caller's account that meet all `criteria`, with their tags: those
    /// of `choices`, or all that it may see when there are none.
    ///
    /// # Errors
    /// `InstanceNotFound`; `AccessDenied` when policies don't allow it; those of the store.
    pub async fn tagged_instances(
        &self,
        call: &Call<'_>,
        choices: &[InstanceChoice],
        criteria: &[InstanceCriterion],
    ) -> Result<Vec<TaggedInstance>> {
        let permission = Permission::ListInstanceTags;
        let mut tagged = Vec::with_capacity(choices.len());
        for choice in choices {
            tagged.push(self.described_instance(call, choice, permission).await?);
        }
        if choices.is_empty() {
            tagged = self.own_instances(call, permission, "").await?;
        }
        tagged.retain(|one| criteria.iter().all(|criterion| criterion.is_met_by(one)));
        Ok(tagged)
    }
}
