//! Lists of instances: those of the caller's account that it may see.

use crate::domain::Result;
use crate::domain::instance::{Instance, Specification};
use crate::domain::tag::Tag;
use crate::policy::{Permission, Request, Resource};
use crate::service::call::Call;
use crate::service::registry::Registry;
use crate::service::registry::instances::account_of;
use crate::service::rights::denied;
use crate::store;
use crate::store::page::{Listed, Page};

/// An instance and its tags.
#[derive(Clone, Debug)]
pub struct TaggedInstance {
    /// The instance.
    pub instance: Instance,
    /// Its tags, by key.
    pub tags: Vec<Tag>,
}

/// A condition on the instances that are listed; where it has values, one of them must fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InstanceCriterion {
    /// Every instance.
    Any,
    /// By id.
    Id(Vec<String>),
    /// By name.
    Name(Vec<String>),
    /// By size.
    Specification(Vec<Specification>),
    /// By region.
    Region(Vec<String>),
    /// By a tag with this key.
    TagKey(String),
    /// By the value of the tag with this key.
    Tag(String, Vec<String>),
}

impl InstanceCriterion {
    pub(in crate::service) fn is_met_by(
        &self,
        TaggedInstance { instance, tags }: &TaggedInstance,
    ) -> bool {
        match self {
            Self::Any => true,
            Self::Id(ids) => ids.iter().any(|id| id == instance.id.as_str()),
            Self::Name(names) => names.contains(&instance.name),
            Self::Specification(specifications) => specifications.contains(&instance.specification),
            Self::Region(regions) => regions.contains(&instance.region),
            Self::TagKey(key) => tags.iter().any(|tag| tag.key == *key),
            Self::Tag(key, values) => tags
                .iter()
                .any(|tag| tag.key == *key && values.contains(&tag.value)),
        }
    }
}

impl Registry {
    /// Lists a page of [`Self::own_instances`] that meet all `criteria`.
    ///
    /// # Errors
    /// `AccessDenied` when the caller may see none, and those of the store.
    pub async fn instance_page(
        &self,
        call: &Call<'_>,
        region: &str,
        criteria: &[InstanceCriterion],
        page: Page,
    ) -> Result<Listed<TaggedInstance>> {
        let own = self
            .own_instances(call, Permission::ListInstances, region)
            .await?;
        let is_meant =
            |one: &TaggedInstance| criteria.iter().all(|criterion| criterion.is_met_by(one));
        Ok(Listed::page_of(
            own.into_iter().filter(is_meant).collect(),
            page,
        ))
    }

    /// Lists the instances of the caller's account, the oldest first: all, or those that its
    /// policies let it see.
    ///
    /// # Errors
    /// `AccessDenied` when it may see none, and those of the store.
    pub async fn own_instances(
        &self,
        call: &Call<'_>,
        permission: Permission,
        region: &str,
    ) -> Result<Vec<TaggedInstance>> {
        let account = account_of(call.caller)?;
        let request = Request {
            permission,
            resource: Resource::Everything { account, region },
            context: call.policy_context(),
        };
        let ruling = self.rights.decide(call.caller.rights(), &request).await?;
        let mut visible = store::instance::list(&self.base.store, Some(account)).await?;
        if !ruling.is_allowed() {
            visible = self.describable(call, visible).await?;
            if visible.is_empty() {
                let denial = denied(call.caller, &request, ruling);
                return Err(Box::pin(self.rights.explained(call, &request, denial)).await);
            }
        }
        let mut tags = store::tag::list_of_instances(&self.base.store, account).await?;
        let with_tags = |instance: Instance| {
            let own = tags.extract_if(.., |(id, _)| *id == instance.id);
            let tags = own.map(|(_, tag)| tag).collect();
            TaggedInstance { instance, tags }
        };
        Ok(visible.into_iter().map(with_tags).collect())
    }

    /// Keeps the instances that the caller may describe one by one.
    async fn describable(
        &self,
        call: &Call<'_>,
        instances: Vec<Instance>,
    ) -> Result<Vec<Instance>> {
        let mut allowed = Vec::new();
        for instance in instances {
            let request = Request {
                permission: Permission::DescribeInstance,
                resource: Resource::Instance((&instance).into()),
                context: call.policy_context(),
            };
            let ruling = self.rights.decide(call.caller.rights(), &request).await?;
            if ruling.is_allowed() {
                allowed.push(instance);
            }
        }
        Ok(allowed)
    }
}
