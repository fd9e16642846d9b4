//! The caches: each says which entities of the change feed invalidate its entries.

use std::hash::Hash;
use std::str::FromStr;
use std::sync::Arc;

use quick_cache::sync::Cache;

use super::{AccessKey, Holder, KnownRepository};
use crate::domain::allow_list::AllowList;
use crate::domain::credential::{CredentialId, FixedPassword, LongTermCredential};
use crate::domain::identity::{OidcProvider, Role, User};
use crate::domain::ids::{AccountId, CriId, InstanceId, RoleId, UserId};
use crate::domain::instance::Instance;
use crate::domain::principal::Principal;
use crate::domain::service_account::ServiceAccount;
use crate::domain::tag::Tag;
use crate::service::memory::attached_policies::AttachedPolicies;
use crate::service::memory::namespace_rules::Namespaces;
use crate::service::memory::operators::Operators;
use crate::service::memory::refused_subjects::RefusedSubjects;
use crate::service::memory::trusting_roles::TrustingRole;
use crate::store::Entity;
use crate::store::account::Account;
use crate::store::fixed_password::{self, OldNames};
use crate::token::PolicyDigest;

/// The most entries of a cache: some hundred bytes each.
const CAPACITY: usize = 100_000;
/// The most OpenID Connect providers: each may hold a JWK set.
const MAX_OIDC_PROVIDERS: usize = 1000;
/// The most accounts whose refused subjects are kept: of the usual quota, some 30 kB each.
const MAX_REFUSING_ACCOUNTS: usize = 1000;
/// The one entry that holds all operators.
const ONE: usize = 1;
/// The most stored session policies: at most 4096 bytes each, so 20 MB.
const MAX_SESSION_POLICIES: usize = 5000;

/// Declares the caches: key, value, capacity, and for each entity that invalidates entries, the
/// rule that finds them.
macro_rules! caches {
    ($(
        $(#[doc = $doc:literal])*
        $cache:ident: $key:ty => $value:ty, $capacity:expr,
        [$($entity:ident: $rule:expr),*];
    )+) => {
        /// One cache a noun and key.
        pub(super) struct Caches {
            $($(#[doc = $doc])* pub(super) $cache: Cache<$key, Arc<$value>>,)+
        }

        impl Caches {
            pub(super) fn new() -> Self {
                Self { $($cache: Cache::new($capacity)),+ }
            }

            /// Drops the entries that a change of an entity makes wrong; of an entity that only a
            /// newer version knows, all.
            pub(super) fn invalidate(&self, entity: Entity, id: &str) {
                $($(if entity == Entity::$entity {
                    let rule: fn(&Cache<$key, Arc<$value>>, &str) = $rule;
                    rule(&self.$cache, id);
                })*)+
                if entity == Entity::Unknown {
                    $(self.$cache.clear();)+
                }
            }
        }

        /// Each cache, and the entities that invalidate its entries.
        #[cfg(test)]
        const INVALIDATED_BY: &[(&str, &[Entity])] =
            &[$((stringify!($cache), &[$(Entity::$entity),*])),+];
    };
}

caches! {
    accounts: AccountId => Account, CAPACITY, [Account: by_id];
    /// With the principal's generation and state, which change with the account or the user.
    access_keys: String => AccessKey, CAPACITY, [AccessKey: by_id, Account: all, User: all];
    // An instance is known by four names, and a change may give an account another default.
    instances: InstanceId => Instance, CAPACITY, [Instance: all, Account: all];
    instances_by_cri_id: CriId => Instance, CAPACITY, [Instance: all, Account: all];
    instances_by_service: String => Instance, CAPACITY, [Instance: all, Account: all];
    default_instances: AccountId => Instance, CAPACITY, [Instance: all, Account: all];
    namespaces: InstanceId => Namespaces, CAPACITY, [Instance: by_id, Namespace: by_instance];
    /// By `INSTANCE/NAMESPACE/NAME`.
    repositories: String => KnownRepository, CAPACITY, [
        Instance: below,
        Namespace: below,
        Repositories: below
    ];
    allow_lists: InstanceId => AllowList, CAPACITY, [AllowList: by_id, Instance: by_id];
    /// Of instances alone.
    tags: InstanceId => Vec<Tag>, CAPACITY, [Instance: by_id];
    credentials: CredentialId => LongTermCredential, CAPACITY, [
        Credential: by_id,
        User: all,
        Instance: |cache, id| cache.retain(|_, credential| credential.instance.as_str() != id)
    ];
    users: UserId => User, CAPACITY, [User: by_id];
    /// By `ACCOUNT/NAME`.
    users_by_name: String => User, CAPACITY, [
        User: |cache, id| cache.retain(|_, user| id.parse().ok() != Some(user.id))
    ];
    roles: RoleId => Role, CAPACITY, [Role: by_id];
    // A change of policies is rare, and may concern every user of its account.
    policies: Holder => AttachedPolicies, CAPACITY, [Role: of_role, Policies: all];
    /// The texts of those that are stored: a digest has one text, so none is ever out of date.
    session_policies: (AccountId, PolicyDigest) => String, MAX_SESSION_POLICIES, [];
    /// By the id that the feed has.
    oidc_providers: String => OidcProvider, MAX_OIDC_PROVIDERS, [OidcProvider: by_id];
    /// All of an account.
    providers_of_accounts: AccountId => Vec<Arc<OidcProvider>>, MAX_OIDC_PROVIDERS, [
        OidcProvider: by_account
    ];
    /// All of an account.
    refused_subjects: AccountId => RefusedSubjects, MAX_REFUSING_ACCOUNTS, [
        RefusedSubjects: by_id
    ];
    /// By the id of the provider that they trust.
    trusting_roles: String => Vec<TrustingRole>, MAX_OIDC_PROVIDERS, [Role: all];
    /// By the id that the feed has: `INSTANCE/NAME`. A deleted namespace takes the permissions in
    /// it along.
    service_accounts: String => ServiceAccount, CAPACITY, [
        ServiceAccount: by_id,
        Instance: below,
        Namespace: below_instance
    ];
    /// By the id that the feed has: `INSTANCE/PRINCIPAL`.
    fixed_passwords: String => FixedPassword, CAPACITY, [
        FixedPassword: by_id,
        Instance: below,
        User: of_user
    ];
    /// By `INSTANCE/OLD-NAME`.
    fixed_passwords_by_old_name: String => FixedPassword, CAPACITY, [
        FixedPassword: |cache, id| cache.retain(|_, password| {
            fixed_password::thing_id(&password.instance, &password.principal) != id
        }),
        Instance: below,
        User: of_user
    ];
    /// All of them.
    operators: () => Operators, ONE, [Operator: all];
    old_names: InstanceId => OldNames, CAPACITY, [
        FixedPassword: by_instance,
        Instance: by_id,
        User: all
    ];
}

fn all<K: Hash + Eq, V>(cache: &Cache<K, Arc<V>>, _: &str) {
    cache.clear();
}

fn by_id<K: Hash + Eq + FromStr, V>(cache: &Cache<K, Arc<V>>, id: &str) {
    if let Ok(key) = id.parse::<K>() {
        cache.remove(&key);
    }
}

/// Drops the entry of the instance that an id begins with.
fn by_instance<V>(cache: &Cache<InstanceId, Arc<V>>, id: &str) {
    by_id(cache, instance_of(id));
}

/// Drops the entry of the account that an id begins with.
fn by_account<V>(cache: &Cache<AccountId, Arc<V>>, id: &str) {
    by_id(cache, id.split_once('/').map_or(id, |(account, _)| account));
}

/// Drops the entries below a place, such as the repositories of an instance or a namespace.
fn below<V>(cache: &Cache<String, Arc<V>>, place: &str) {
    cache.retain(|key, _| {
        key.strip_prefix(place)
            .is_none_or(|rest| !rest.starts_with('/'))
    });
}

/// Drops the entries below the instance that an id begins with.
fn below_instance<V>(cache: &Cache<String, Arc<V>>, id: &str) {
    below(cache, instance_of(id));
}

fn of_role(cache: &Cache<Holder, Arc<AttachedPolicies>>, id: &str) {
    if let Ok(id) = id.parse() {
        cache.remove(&Holder::Role(id));
    }
}

fn of_user(cache: &Cache<String, Arc<FixedPassword>>, id: &str) {
    let user = id.parse::<UserId>().ok();
    cache.retain(|_, password| match &password.principal {
        Principal::User(_, of) => user != Some(*of),
        _ => true,
    });
}

fn instance_of(id: &str) -> &str {
    id.split_once('/').map_or(id, |(instance, _)| instance)
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
                for (cache, by) in INVALIDATED_BY.iter().filter(|(_, by)| by.contains(taken)) {
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
        let never: Vec<_> = INVALIDATED_BY
            .iter()
            .filter(|(_, by)| by.is_empty())
            .map(|(cache, _)| *cache)
            .collect();
        assert_eq!(never, ["session_policies"]);
    }
}
