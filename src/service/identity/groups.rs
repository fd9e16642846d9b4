//! Groups of users.

use std::collections::HashMap;

use serde_json::json;

use crate::domain::identity::Group;
use crate::domain::ids::AccountId;
use crate::domain::operator::OperatorPermission;
use crate::domain::{Error, Noun, Result, name};
use crate::service::call::Call;
use crate::service::identity::Identity;
use crate::service::ledger::actions::AuditAction;
use crate::store;

/// Whether a user is to be in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Membership {
    /// It is.
    In,
    /// It isn't.
    Out,
}

impl Identity {
    /// Makes a group.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; `InvalidParameter` for a value that
    /// isn't allowed; those of the store.
    pub async fn create_group(
        &self,
        call: &Call<'_>,
        account: AccountId,
        name: &str,
    ) -> Result<Group> {
        call.caller
            .require(OperatorPermission::GroupCreate, Some(account))?;
        name::check_name("name", name)?;
        let group = Group {
            account,
            name: name.to_owned(),
            created_at: call.now,
        };
        let event = call
            .event_in(account, AuditAction::GroupCreate)
            .detail(json!({ "account": account.to_string(), "group": name }));
        self.ledger
            .change(store::group::insert(&group), event)
            .await?;
        Ok(group)
    }

    /// Lists the groups of an account, each with the names of its members.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; those of the store.
    pub async fn groups(
        &self,
        call: &Call<'_>,
        account: AccountId,
    ) -> Result<Vec<(Group, Vec<String>)>> {
        call.caller
            .require(OperatorPermission::GroupRead, Some(account))?;
        let groups = store::group::list(&self.base.store, account).await?;
        let mut members: HashMap<String, Vec<String>> = HashMap::new();
        for (group, user) in store::group::members(&self.base.store, account).await? {
            members.entry(group).or_default().push(user);
        }
        let with_members = |group: Group| {
            let members = members.remove(&group.name).unwrap_or_default();
            (group, members)
        };
        Ok(groups.into_iter().map(with_members).collect())
    }

    /// Returns a group of an account, and the names of its members.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; `NotFound`; those of the store.
    pub async fn group(
        &self,
        call: &Call<'_>,
        account: AccountId,
        name: &str,
    ) -> Result<(Group, Vec<String>)> {
        let groups = self.groups(call, account).await?;
        let found = groups.into_iter().find(|(group, _)| group.name == name);
        found.ok_or_else(|| Error::not_found(Noun::Group, name))
    }

    /// Deletes a group; its members stay.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; `NotFound` for an unknown group; those
    /// of the store.
    pub async fn delete_group(
        &self,
        call: &Call<'_>,
        account: AccountId,
        name: &str,
    ) -> Result<()> {
        call.caller
            .require(OperatorPermission::GroupDelete, Some(account))?;
        let event = call
            .event_in(account, AuditAction::GroupDelete)
            .detail(json!({ "account": account.to_string(), "group": name }));
        self.ledger
            .change(store::cascade::delete_group(account, name), event)
            .await
    }

    /// Adds a user to a group, or removes it.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; `NotFound` for an unknown group or user;
    /// those of the store.
    pub async fn set_member(
        &self,
        call: &Call<'_>,
        account: AccountId,
        group: &str,
        user: &str,
        membership: Membership,
    ) -> Result<()> {
        call.caller
            .require(OperatorPermission::GroupUpdate, Some(account))?;
        let (action, part) = match membership {
            Membership::In => (
                AuditAction::GroupAdd,
                store::group::add_member(account, group, user),
            ),
            Membership::Out => (
                AuditAction::GroupRemove,
                store::group::remove_member(account, group, user),
            ),
        };
        let event = call
            .event_in(account, action)
            .detail(json!({ "account": account.to_string(), "group": group, "user": user }));
        self.ledger.change(part, event).await
    }
}
