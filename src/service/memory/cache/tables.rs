//! The tables of the cache: each says which changes make its entries wrong.

use std::sync::Arc;

use super::table::{Table, each_mark};
use super::{AccessKey, Holder, KnownOldNames, KnownRepository};
use crate::domain::allow_list::AllowList;
use crate::domain::credential::{CredentialId, FixedPassword, LongTermCredential};
use crate::domain::identity::{OidcProvider, Role, User};
use crate::domain::ids::{AccountId, CriId, InstanceId, RoleId, UserId};
use crate::domain::instance::Instance;
use crate::domain::principal::Principal;
use crate::domain::service_account::ServiceAccount;
use crate::domain::tag::Tag;
use crate::policy::{PolicySet, RepositoryPolicy};
use crate::service::memory::marks::{Mark, Marks};
use crate::service::memory::namespace_rules::Namespaces;
use crate::service::memory::operators::Operators;
use crate::service::memory::refused_subjects::RefusedSubjects;
use crate::service::memory::trusting_roles::TrustingRole;
use crate::store::Entity;
use crate::store::account::Account;
use crate::store::fixed_password;
use crate::token::PolicyDigest;

/// The most entries of a table: some hundred bytes each.
const CAPACITY: usize = 100_000;
/// The most OpenID Connect providers: each may hold a JWK set.
const MAX_OIDC_PROVIDERS: usize = 1000;
/// The most accounts whose refused subjects are kept: of the usual quota, some 30 kB each.
const MAX_REFUSING_ACCOUNTS: usize = 1000;
/// The one entry that holds all operators.
const ONE: usize = 1;
/// The most stored session policies: at most 4096 bytes each, so 20 MB.
const MAX_SESSION_POLICIES: usize = 5000;
/// The most compiled policies of repositories: the longest take some ten times their text, 100 kB.
const MAX_REPOSITORY_POLICIES: usize = 2000;
/// The most repositories whose tags are known: at most 50 of 384 characters each, so 80 MB.
const MAX_TAGGED_REPOSITORIES: usize = 2000;

/// Declares the tables: key, value, capacity, and for each entity whose change makes an entry
/// wrong, the rule that finds its mark.
macro_rules! tables {
    ($(
        $(#[doc = $doc:literal])*
        $table:ident: $key:ty => $value:ty, $capacity:expr,
        [$($entity:ident: $rule:expr),*];
    )+) => {
        /// One table a noun and key.
        pub(super) struct Tables {
            $($(#[doc = $doc])* pub(super) $table: Table<$key, $value>,)+
        }

        impl Tables {
            pub(super) fn new() -> Self {
                Self {
                    $($table: Table::new($capacity, |_marks, _key, _value| {
                        each_mark(&[$({
                            let rule: fn(&Marks, Entity, &$key, &$value) -> Mark = $rule;
                            rule(_marks, Entity::$entity, _key, _value)
                        }),*])
                    }),)+
                }
            }

            /// Drops the entries that something has made wrong.
            pub(super) fn sweep(&self, marks: &Marks) {
                $(self.$table.sweep(marks);)+
            }
        }

        /// Each table, and the entities whose changes make its entries wrong.
        #[cfg(test)]
        const CHANGED_BY: &[(&str, &[Entity])] =
            &[$((stringify!($table), &[$(Entity::$entity),*])),+];
    };
}

tables! {
    accounts: AccountId => Account, CAPACITY, [Account: own];
    /// With the principal's generation and state, which change with the account or the user.
    access_keys: String => AccessKey, CAPACITY, [
        AccessKey: own,
        Account: |marks, entity, _, key| marks.of(entity, &key.principal.account().to_string()),
        User: |marks, entity, _, key| of_user(marks, entity, &key.principal)
    ];
    // A change of which instance is an account's default is one of the account.
    instances: InstanceId => Instance, CAPACITY, [Instance: of_instance, Account: of_owner];
    instances_by_cri_id: CriId => Instance, CAPACITY, [Instance: of_instance, Account: of_owner];
    instances_by_service: String => Instance, CAPACITY, [Instance: of_instance, Account: of_owner];
    default_instances: AccountId => Instance, CAPACITY, [Instance: of_instance, Account: of_owner];
    namespaces: InstanceId => Namespaces, CAPACITY, [Instance: own, Namespace: below_key];
    /// By `INSTANCE/NAMESPACE/NAME`.
    repositories: String => KnownRepository, CAPACITY, [
        Instance: |marks, entity, key, _| marks.of(entity, instance_of(key)),
        Namespace: |marks, entity, key, _| marks.of(entity, namespace_of(key)),
        Repositories: |marks, entity, key, _| marks.of(entity, namespace_of(key))
    ];
    /// By `INSTANCE/NAMESPACE/NAME`: of those that have one.
    repository_policies: String => RepositoryPolicy, MAX_REPOSITORY_POLICIES, [
        Instance: |marks, entity, key, _| marks.of(entity, instance_of(key)),
        Namespace: |marks, entity, key, _| marks.of(entity, namespace_of(key)),
        Repositories: |marks, entity, key, _| marks.of(entity, namespace_of(key))
    ];
    /// By `INSTANCE/NAMESPACE/NAME`: of those that have some.
    repository_tags: String => Vec<Tag>, MAX_TAGGED_REPOSITORIES, [
        Instance: |marks, entity, key, _| marks.of(entity, instance_of(key)),
        Namespace: |marks, entity, key, _| marks.of(entity, namespace_of(key)),
        Repositories: |marks, entity, key, _| marks.of(entity, namespace_of(key))
    ];
    allow_lists: InstanceId => AllowList, CAPACITY, [AllowList: own, Instance: own];
    /// Of instances alone.
    tags: InstanceId => Vec<Tag>, CAPACITY, [Instance: own];
    credentials: CredentialId => LongTermCredential, CAPACITY, [
        Credential: own,
        User: |marks, entity, _, credential| of_user(marks, entity, &credential.principal),
        Instance: |marks, entity, _, credential| marks.of(entity, credential.instance.as_str())
    ];
    users: UserId => User, CAPACITY, [User: own];
    /// By `ACCOUNT/NAME`.
    users_by_name: String => User, CAPACITY, [
        User: |marks, entity, _, user| marks.of(entity, &user.id.to_string())
    ];
    roles: RoleId => Role, CAPACITY, [Role: own];
    policies: Holder => PolicySet, CAPACITY, [
        Role: |marks, entity, holder, _| match holder {
            Holder::Role(id) => marks.of(entity, &id.to_string()),
            Holder::User(_) => Mark::NEVER,
        },
        Policies: |marks, entity, _, policies| marks.of(entity, &policies.owner().to_string())
    ];
    /// The texts of those that are stored: a digest has one text, so none is ever out of date.
    session_policies: (AccountId, PolicyDigest) => String, MAX_SESSION_POLICIES, [];
    /// By the id that the feed has.
    oidc_providers: String => OidcProvider, MAX_OIDC_PROVIDERS, [OidcProvider: own];
    /// All of an account.
    providers_of_accounts: AccountId => Vec<Arc<OidcProvider>>, MAX_OIDC_PROVIDERS, [
        OidcProvider: below_key
    ];
    /// All of an account.
    refused_subjects: AccountId => RefusedSubjects, MAX_REFUSING_ACCOUNTS, [
        RefusedSubjects: own
    ];
    /// By the id of the provider that they trust.
    trusting_roles: String => Vec<TrustingRole>, MAX_OIDC_PROVIDERS, [Role: any];
    /// By the id that the feed has: `INSTANCE/NAME`. A deleted namespace takes the permissions in
    /// it along.
    service_accounts: String => ServiceAccount, CAPACITY, [
        ServiceAccount: own,
        Instance: |marks, entity, key, _| marks.of(entity, instance_of(key)),
        Namespace: |marks, entity, key, _| marks.below(entity, instance_of(key))
    ];
    /// By the id that the feed has: `INSTANCE/PRINCIPAL`.
    fixed_passwords: String => FixedPassword, CAPACITY, [
        FixedPassword: own,
        Instance: of_instance_of_password,
        User: of_user_of_password
    ];
    /// By `INSTANCE/OLD-NAME`.
    fixed_passwords_by_old_name: String => FixedPassword, CAPACITY, [
        FixedPassword: |marks, entity, _, password| marks.of(
            entity,
            &fixed_password::thing_id(&password.instance, &password.principal),
        ),
        Instance: of_instance_of_password,
        User: of_user_of_password
    ];
    /// All of them.
    operators: () => Operators, ONE, [Operator: any];
    old_names: InstanceId => KnownOldNames, CAPACITY, [
        FixedPassword: below_key,
        Instance: own,
        // Only a delete of a user takes old names along, and it changes its account's policies,
        // too; a new user changes no instance's count.
        User: |marks, _, _, known| marks.of(Entity::Policies, &known.account.to_string())
    ];
}

/// A change of the noun that the key is the id of.
fn own<K: ToString, V>(marks: &Marks, entity: Entity, key: &K, _: &V) -> Mark {
    marks.of(entity, &key.to_string())
}

/// A change of any of them.
fn any<K, V>(_: &Marks, entity: Entity, _: &K, _: &V) -> Mark {
    Mark::any(entity)
}

/// A change of one of those whose ids begin with the key.
fn below_key<K: ToString, V>(marks: &Marks, entity: Entity, key: &K, _: &V) -> Mark {
    marks.below(entity, &key.to_string())
}

fn of_instance<K>(marks: &Marks, entity: Entity, _: &K, instance: &Instance) -> Mark {
    marks.of(entity, instance.id.as_str())
}

fn of_owner<K>(marks: &Marks, entity: Entity, _: &K, instance: &Instance) -> Mark {
    marks.of(entity, &instance.account.to_string())
}

fn of_instance_of_password(
    marks: &Marks,
    entity: Entity,
    _: &String,
    password: &FixedPassword,
) -> Mark {
    marks.of(entity, password.instance.as_str())
}

fn of_user_of_password(
    marks: &Marks,
    entity: Entity,
    _: &String,
    password: &FixedPassword,
) -> Mark {
    of_user(marks, entity, &password.principal)
}

fn of_user(marks: &Marks, entity: Entity, principal: &Principal) -> Mark {
    match principal {
        Principal::User(_, id) | Principal::FederatedSession(_, Some(id), _) => {
            marks.of(entity, &id.to_string())
        }
        _ => Mark::NEVER,
    }
}

fn instance_of(id: &str) -> &str {
    id.split_once('/').map_or(id, |(instance, _)| instance)
}

/// Returns the namespace of a repository as the feed names it: `INSTANCE/NAMESPACE`.
fn namespace_of(id: &str) -> &str {
    let end = id.match_indices('/').nth(1);
    end.map_or(id, |(end, _)| &id[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cache_is_invalidated_by_each_delete_that_takes_its_entries_along() {
        // Credentials of a deleted instance stayed in memory; they were refused for want of the
        // instance alone.
        for entity in Entity::KNOWN {
            for taken in entity.takes_along() {
                for (cache, by) in CHANGED_BY.iter().filter(|(_, by)| by.contains(taken)) {
                    assert!(
                        by.contains(entity),
                        "{cache} is invalidated by {taken:?}, which a delete of {entity:?} takes \
                         along"
                    );
                }
            }
        }
    }

    #[test]
    fn only_texts_under_their_digest_are_never_invalidated() {
        let never: Vec<_> = CHANGED_BY
            .iter()
            .filter(|(_, by)| by.is_empty())
            .map(|(cache, _)| *cache)
            .collect();
        assert_eq!(never, ["session_policies"]);
    }
}
