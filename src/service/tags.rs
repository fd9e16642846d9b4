//! Tags of instances.

use serde_json::json;

use super::rights::pairs;
use super::{Caller, InstanceChoice, RequestContext, Service};
use crate::domain::instance::Instance;
use crate::domain::tag::Tag;
use crate::domain::{Result, name};
use crate::policy::{Context, Permission, Resource};
use crate::store::tag::{self, Tagged};

impl Service {
    /// Sets tags on instances, on all of them or none: those of the same keys to new values.
    pub async fn tag_instances(&self, caller: &Caller, choices: &[InstanceChoice], tags: &[Tag], context: &RequestContext) -> Result<()> {
        for tag in tags {
            name::check_tag("Tag", &tag.key, &tag.value)?;
        }
        let request_tags = pairs(tags);
        let policy_context = Context { request_tags: &request_tags, ..self.policy_context(context) };
        let mut write = self.write();
        for choice in choices {
            let instance = self.own_instance(caller, choice).await?;
            let resource = Resource::Instance((&*instance).into());
            self.authorize_with(caller, Permission::TagInstance, resource, policy_context.clone()).await?;
            let keys: Vec<&str> = tags.iter().map(|tag| tag.key.as_str()).collect();
            let line = self.line("instance.tag", caller, context).instance(&instance).detail(json!({ "keys": keys }));
            write = line.onto(write.then(tag::set(Tagged::Instance(&instance.id), tags)), &*self.random);
        }
        self.apply(write).await
    }

    /// Removes tags of these keys, or all, from instances, as far as they are there.
    pub async fn untag_instances(
        &self,
        caller: &Caller,
        choices: &[InstanceChoice],
        keys: Option<&[String]>,
        context: &RequestContext,
    ) -> Result<()> {
        let mut write = self.write();
        for choice in choices {
            let instance = self.permitted_instance(caller, choice, Permission::UntagInstance, context).await?;
            let thing = Tagged::Instance(&instance.id);
            let part = match keys {
                Some(keys) => tag::remove(thing, keys.iter().map(String::as_str)),
                None => tag::replace(thing, &[]),
            };
            let line = self.line("instance.untag", caller, context).instance(&instance).detail(json!({ "keys": keys }));
            write = line.onto(write.then(part), &*self.random);
        }
        self.apply(write).await
    }

    /// Returns instances of the caller's account with their tags.
    pub async fn instance_tags(
        &self,
        caller: &Caller,
        choices: &[InstanceChoice],
        context: &RequestContext,
    ) -> Result<Vec<(Instance, Vec<Tag>)>> {
        let mut tagged = Vec::with_capacity(choices.len());
        for choice in choices {
            let one = self.described_instance(caller, choice, Permission::ListInstanceTags, context).await?;
            tagged.push((one.instance, one.tags));
        }
        Ok(tagged)
    }
}
