//! Deletions that go through several nouns: the only file in which one noun's deletion touches
//! another's rows.

use crate::domain::clock::Timestamp;
use crate::domain::ids::{AccountId, InstanceId, RoleId, UserId};
use crate::domain::namespace::Namespace;
use crate::domain::principal::Principal;

use super::nouns::Entity;
use super::part::Part;
use super::{
    access_key, account, allow_list, credential, fixed_password, group, instance, instance_key,
    namespace, policy, repository, role, service_account, tag, user,
};

/// Whether a delete takes the contents along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contents {
    /// There must be nothing.
    MustBeGone,
    /// It goes too.
    GoToo,
}

/// Deletes an instance for ever, with its own signing keys, fixed passwords, allow list and tags.
///
/// `InstanceNotFound` when the account has no such instance; `PreconditionFailed` when it is
/// protected from that, or has namespaces, long-term credentials or service accounts that are not
/// to go too. Its name is free again, its ids and its service stay taken.
pub fn delete_instance(
    account: AccountId,
    id: &InstanceId,
    contents: Contents,
    at: Timestamp,
) -> Part {
    let mut guarded = vec![account::hold(account)];
    // First the instance's own row: a write that adds to it holds that row, and is waited for.
    guarded.extend(instance::delete_row(account, id, at));
    match contents {
        Contents::MustBeGone => guarded.extend([
            namespace::none_in(id),
            credential::none_in(id),
            service_account::none_in(id),
        ]),
        Contents::GoToo => {
            guarded.extend([
                repository::delete_of_instance(id),
                namespace::delete_of_instance(id),
                credential::delete_of_instance(id),
            ]);
            guarded.extend(service_account::delete_of_instance(id));
        }
    }
    guarded.push(instance_key::delete_of_instance(id));
    guarded.extend([
        fixed_password::delete_of_instance(id),
        allow_list::delete_of_instance(id),
        tag::delete_of_instance(id),
    ]);
    // A key of its own is to leave every memory, too.
    Part::of(guarded)
        .changes(Entity::Instance, id)
        .changes(Entity::Account, &account)
        .changes(Entity::SigningKey, id)
}

/// Deletes a namespace, its tags, and what service accounts may do in it.
///
/// `InstanceNotFound`, `NotFound` when it is gone, `PreconditionFailed` when it has repositories
/// that are not to go too.
pub fn delete_namespace(namespace: &Namespace, contents: Contents) -> Part {
    // Held first: a write that adds a repository to it holds the instance.
    let mut guarded = vec![
        instance::hold(&namespace.instance),
        namespace::exists(namespace),
    ];
    guarded.push(match contents {
        Contents::MustBeGone => repository::none_in(namespace),
        Contents::GoToo => repository::delete_of_namespace(namespace),
    });
    guarded.extend([
        tag::delete_of(namespace.id.as_str()),
        // Or a namespace that is given the same name later would be open to them.
        service_account::forget_namespace(namespace),
        namespace::delete_row(namespace),
    ]);
    Part::of(guarded).changes(Entity::Namespace, &namespace::thing_id(namespace))
}

/// Deletes a user for ever, with its access keys, long-term credentials, fixed passwords,
/// memberships and attachments; `NotFound` when the account has no such user.
///
/// Its name is free again, its id and those of its access keys stay taken.
pub fn delete_user(account: AccountId, id: UserId) -> Part {
    let principal = Principal::User(account, id);
    // First the user's own row: a write that adds to it holds that row, and is waited for.
    let guarded = [
        account::hold(account),
        user::delete_row(account, id),
        access_key::delete_of(&principal),
        credential::delete_of(&principal),
        fixed_password::delete_of(&principal),
        group::leave_all(id),
        policy::detach_all_of_user(id),
    ];
    Part::of(guarded)
        .changes(Entity::User, &id)
        .changes(Entity::Policies, &account)
}

/// Deletes a role for ever, with what is attached to it; `NotFound` when the account has no such
/// role.
///
/// Its name is free again, its id stays taken.
pub fn delete_role(account: AccountId, id: RoleId) -> Part {
    let guarded = [
        account::hold(account),
        role::delete_row(account, id),
        policy::detach_all_of_role(id),
    ];
    Part::of(guarded)
        .changes(Entity::Role, &id)
        .changes(Entity::Policies, &account)
}

/// Deletes a group, with its memberships and what is attached to it; `NotFound` when the account
/// has no such group.
pub fn delete_group(account: AccountId, name: &str) -> Part {
    let guarded = [
        account::hold(account),
        group::empty(account, name),
        policy::detach_all_of_group(account, name),
        group::delete_row(account, name),
    ];
    Part::of(guarded).changes(Entity::Policies, &account)
}
