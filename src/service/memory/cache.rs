//! What the hot paths know without asking the database: accounts, access keys, instances, credentials.
//!
//! Entries are filled when they are first asked for and dropped when the change feed names them. A fill
//! that a change overtook is used once and not kept: it may have read what was before the change.

use std::hash::Hash;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use quick_cache::Equivalent;
use quick_cache::sync::Cache;

use crate::domain::allow_list::AllowList;
use crate::domain::credential::{CredentialId, FixedPassword, LongTermCredential};
use crate::domain::identity::{OidcProvider, Role, User, UserState};
use crate::domain::ids::{AccountId, CriId, InstanceId, RoleId, UserId};
use crate::domain::instance::Instance;
use crate::domain::namespace::Visibility;
use crate::domain::principal::Principal;
use crate::domain::secret::Secret;
use crate::domain::service_account::ServiceAccount;
use crate::domain::tag::Tag;
use crate::domain::{Error, Result};
use crate::service::memory::attached_policies::{self, AttachedPolicies};
use crate::service::memory::keyring::ACCESS_KEY;
use crate::service::memory::known_ids::{self, KnownIds};
use crate::service::memory::master_keys::MasterKeys;
use crate::service::memory::namespace_rules::{self, Namespaces};
use crate::sign::SigningSecret;
use crate::store::access_key::{self, AccessKeyState};
use crate::store::account::{self, Account};
use crate::store::change::{self, Changes};
use crate::store::{
    Entity, Store, allow_list, credential, fixed_password, instance, oidc_provider, repository, role, service_account, session_policy, tag,
    user,
};
use crate::token::PolicyDigest;

/// The most entries of a kind: some hundred bytes each.
const CAPACITY: usize = 100_000;
/// The most OpenID Connect providers: each may hold a JWK set.
const OIDC_CAPACITY: usize = 1000;
/// The most stored session policies: at most 4096 bytes each, so 20 MB.
const SESSION_POLICY_CAPACITY: usize = 5000;
/// The most changes that one look at the feed reads.
const BATCH: u32 = 1000;

/// An access key, ready to verify with.
pub(in crate::service) struct AccessKey {
    pub(in crate::service) id: String,
    pub(in crate::service) principal: Principal,
    /// The principal's generation when the key was read; a change of it drops the entry.
    pub(in crate::service) principal_generation: i64,
    pub(in crate::service) generation: i64,
    pub(in crate::service) state: AccessKeyState,
    pub(in crate::service) signing_secret: SigningSecret,
}

/// A repository as the exchange sees it; what isn't recorded is remembered as such, because only names in namespaces
/// that are recorded are looked for.
pub(in crate::service) struct KnownRepository(pub(in crate::service) Option<Visibility>);

/// Instances by each of their four names.
struct Instances {
    by_id: Cache<InstanceId, Arc<Instance>>,
    by_cri_id: Cache<CriId, Arc<Instance>>,
    by_service: Cache<String, Arc<Instance>>,
    default_of: Cache<AccountId, Arc<Instance>>,
}

impl Instances {
    fn clear(&self) {
        self.by_id.clear();
        self.by_cri_id.clear();
        self.by_service.clear();
        self.default_of.clear();
    }
}

/// Whose policies they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Holder {
    User(UserId),
    Role(RoleId),
}

pub(in crate::service) struct Directory {
    accounts: Cache<AccountId, Arc<Account>>,
    access_keys: Cache<String, Arc<AccessKey>>,
    instances: Instances,
    namespaces: Cache<InstanceId, Arc<Namespaces>>,
    /// By `INSTANCE/NAMESPACE/NAME`.
    repositories: Cache<String, Arc<KnownRepository>>,
    allow_lists: Cache<InstanceId, Arc<AllowList>>,
    /// Of instances alone.
    tags: Cache<InstanceId, Arc<Vec<Tag>>>,
    credentials: Cache<CredentialId, Arc<LongTermCredential>>,
    users: Cache<UserId, Arc<User>>,
    /// By `ACCOUNT/NAME`.
    users_by_name: Cache<String, Arc<User>>,
    roles: Cache<RoleId, Arc<Role>>,
    rights: Cache<Holder, Arc<AttachedPolicies>>,
    /// The texts of those that are stored. None is ever dropped for being out of date: a digest has one text.
    session_policies: Cache<(AccountId, PolicyDigest), Arc<String>>,
    /// By what the feed calls them.
    oidc_providers: Cache<String, Arc<OidcProvider>>,
    /// By what the feed calls them: their instance's id comes first.
    service_accounts: Cache<String, Arc<ServiceAccount>>,
    /// By what the feed calls them: their instance's id comes first.
    fixed_passwords: Cache<String, Arc<FixedPassword>>,
    access_key_ids: KnownIds,
    /// The change feed doesn't tell of new ones: those that others made are among them once they logged in here.
    credential_ids: KnownIds,
    /// By what the feed calls them.
    service_account_ids: KnownIds,
    /// How often something was dropped; a fill is kept only while it is what it was before the fill.
    drops: Mutex<u64>,
    /// The position in the change feed up to which this process obeys.
    position: AtomicI64,
    /// How often the keys that sign and seal changed, as far as the feed was read.
    key_changes: AtomicU64,
    /// How often something was revoked by itself, as far as the feed was read.
    revocations: AtomicU64,
    /// Held while the feed is read, so that positions are applied in order.
    reading: tokio::sync::Mutex<()>,
}

impl Directory {
    /// Makes an empty directory that obeys the feed from `position` on.
    pub(in crate::service) fn new(position: i64) -> Self {
        Self {
            accounts: Cache::new(CAPACITY),
            access_keys: Cache::new(CAPACITY),
            instances: Instances {
                by_id: Cache::new(CAPACITY),
                by_cri_id: Cache::new(CAPACITY),
                by_service: Cache::new(CAPACITY),
                default_of: Cache::new(CAPACITY),
            },
            namespaces: Cache::new(CAPACITY),
            repositories: Cache::new(CAPACITY),
            allow_lists: Cache::new(CAPACITY),
            tags: Cache::new(CAPACITY),
            credentials: Cache::new(CAPACITY),
            users: Cache::new(CAPACITY),
            users_by_name: Cache::new(CAPACITY),
            roles: Cache::new(CAPACITY),
            rights: Cache::new(CAPACITY),
            session_policies: Cache::new(SESSION_POLICY_CAPACITY),
            oidc_providers: Cache::new(OIDC_CAPACITY),
            service_accounts: Cache::new(CAPACITY),
            fixed_passwords: Cache::new(CAPACITY),
            access_key_ids: KnownIds::new(),
            credential_ids: KnownIds::new(),
            service_account_ids: KnownIds::new(),
            drops: Mutex::new(0),
            position: AtomicI64::new(position),
            key_changes: AtomicU64::new(0),
            revocations: AtomicU64::new(0),
            reading: tokio::sync::Mutex::new(()),
        }
    }

    pub(in crate::service) async fn account(&self, store: &Store, id: AccountId) -> Result<Option<Arc<Account>>> {
        self.entry(&self.accounts, &id, async || account::find(store, id).await).await
    }

    pub(in crate::service) async fn access_key(&self, store: &Store, master: &MasterKeys, id: &str) -> Result<Option<Arc<AccessKey>>> {
        let fill = async || {
            let Some(row) = access_key::find(store, id).await? else { return Ok(None) };
            // Whoever it signs for is gone: the key went with it, or is about to.
            let Some((principal_generation, principal_state)) = standing_of(store, &row.principal).await? else { return Ok(None) };
            let secret = match row.state {
                AccessKeyState::Deleted => Secret::new(""),
                AccessKeyState::Active | AccessKeyState::Disabled => {
                    let plain = master.unwrap(ACCESS_KEY, &row.id, &row.sealed_secret)?;
                    Secret::new(std::str::from_utf8(&plain).map_err(Error::internal)?)
                }
            };
            Ok(Some(AccessKey {
                id: row.id,
                principal: row.principal,
                principal_generation,
                generation: row.generation,
                state: match (row.state, principal_state) {
                    (AccessKeyState::Active, UserState::Disabled) => AccessKeyState::Disabled,
                    (state, _) => state,
                },
                signing_secret: SigningSecret::new(secret),
            }))
        };
        self.entry(&self.access_keys, id, fill).await
    }

    pub(in crate::service) async fn instance(&self, store: &Store, id: &InstanceId) -> Result<Option<Arc<Instance>>> {
        self.entry(&self.instances.by_id, id, async || instance::find(store, id).await).await
    }

    pub(in crate::service) async fn instance_by_cri_id(&self, store: &Store, id: &CriId) -> Result<Option<Arc<Instance>>> {
        self.entry(&self.instances.by_cri_id, id, async || instance::find_by_cri_id(store, id).await).await
    }

    pub(in crate::service) async fn instance_by_service(&self, store: &Store, service: &str) -> Result<Option<Arc<Instance>>> {
        self.entry(&self.instances.by_service, service, async || instance::find_by_service(store, service).await).await
    }

    /// Returns the account's default instance: the marked one, or else its only one.
    pub(in crate::service) async fn default_instance(&self, store: &Store, account: AccountId) -> Result<Option<Arc<Instance>>> {
        let fill = async || {
            let mut instances = instance::list(store, Some(account)).await?;
            let marked = instances.iter().position(|instance| instance.default == crate::domain::instance::DefaultMark::Marked);
            let place = marked.or_else(|| (instances.len() == 1).then_some(0));
            Ok(place.map(|place| instances.swap_remove(place)))
        };
        self.entry(&self.instances.default_of, &account, fill).await
    }

    /// Returns all namespaces that are recorded of an instance.
    pub(in crate::service) async fn namespaces(&self, store: &Store, id: &InstanceId) -> Result<Arc<Namespaces>> {
        let found = self.entry(&self.namespaces, id, async || namespace_rules::rules(store, id).await.map(Some)).await?;
        found.ok_or_else(|| Error::internal("namespaces that were just read"))
    }

    /// Returns what is recorded of a repository in a namespace that is; `name` is one that a repository can have.
    pub(in crate::service) async fn repository(
        &self,
        store: &Store,
        id: &InstanceId,
        namespace: &str,
        name: &str,
    ) -> Result<Arc<KnownRepository>> {
        let fill = async || {
            let found = repository::find(store, id, namespace, name).await?;
            Ok(Some(KnownRepository(found.map(|repository| repository.visibility))))
        };
        let found = self.entry(&self.repositories, format!("{id}/{namespace}/{name}").as_str(), fill).await?;
        found.ok_or_else(|| Error::internal("a repository that was just looked for"))
    }

    /// Returns the allow list of an instance, whether it is obeyed or not.
    pub(in crate::service) async fn allow_list(&self, store: &Store, instance: &InstanceId) -> Result<Option<Arc<AllowList>>> {
        self.entry(&self.allow_lists, instance, async || allow_list::find(store, instance).await).await
    }

    /// Returns the tags of an instance.
    pub(in crate::service) async fn tags(&self, store: &Store, instance: &InstanceId) -> Result<Arc<Vec<Tag>>> {
        let fill = async || tag::list(store, tag::Tagged::Instance(instance)).await.map(Some);
        Ok(self.entry(&self.tags, instance, fill).await?.unwrap_or_default())
    }

    pub(in crate::service) async fn user(&self, store: &Store, id: UserId) -> Result<Option<Arc<User>>> {
        self.entry(&self.users, &id, async || user::find(store, id).await).await
    }

    pub(in crate::service) async fn user_by_name(&self, store: &Store, account: AccountId, name: &str) -> Result<Option<Arc<User>>> {
        let key = format!("{account}/{name}");
        self.entry(&self.users_by_name, key.as_str(), async || user::find_by_name(store, account, name).await).await
    }

    /// Returns a service account by its name, without the prefix.
    pub(in crate::service) async fn service_account(
        &self,
        store: &Store,
        instance: &InstanceId,
        name: &str,
    ) -> Result<Option<Arc<ServiceAccount>>> {
        let id = format!("{instance}/{name}");
        self.entry(&self.service_accounts, id.as_str(), async || service_account::find(store, instance, name).await).await
    }

    pub(in crate::service) async fn fixed_password(
        &self,
        store: &Store,
        instance: &InstanceId,
        principal: &Principal,
    ) -> Result<Option<Arc<FixedPassword>>> {
        let id = format!("{instance}/{principal}");
        self.entry(&self.fixed_passwords, id.as_str(), async || fixed_password::find(store, instance, principal).await).await
    }

    pub(in crate::service) async fn role(&self, store: &Store, id: RoleId) -> Result<Option<Arc<Role>>> {
        self.entry(&self.roles, &id, async || role::find(store, id).await).await
    }

    /// Returns the text of a session policy that is stored; `None` when it isn't there.
    ///
    /// # Errors
    /// [`Error::internal`] when the text that is stored has another digest.
    pub(in crate::service) async fn session_policy(
        &self,
        store: &Store,
        account: AccountId,
        digest: PolicyDigest,
    ) -> Result<Option<Arc<String>>> {
        let fill = async || match session_policy::find(store, account, &digest.to_string()).await? {
            Some(document) if PolicyDigest::of(&document) != digest => {
                Err(Error::internal(format!("table session_policy, account {account}, digest {digest}: the text has another digest")))
            }
            found => Ok(found),
        };
        self.entry(&self.session_policies, &(account, digest), fill).await
    }

    /// Returns the policies of a user; those of a user that isn't there allow nothing.
    pub(in crate::service) async fn rights_of_user(&self, store: &Store, account: AccountId, id: UserId) -> Result<Arc<AttachedPolicies>> {
        self.rights(Holder::User(id), async || attached_policies::rights_of_user(store, account, id).await).await
    }

    /// Returns the policies of a role; those of a role that isn't there allow nothing.
    pub(in crate::service) async fn rights_of_role(&self, store: &Store, account: AccountId, id: RoleId) -> Result<Arc<AttachedPolicies>> {
        self.rights(Holder::Role(id), async || attached_policies::rights_of_role(store, account, id).await).await
    }

    async fn rights(&self, holder: Holder, fill: impl AsyncFnOnce() -> Result<AttachedPolicies>) -> Result<Arc<AttachedPolicies>> {
        let found = self.entry(&self.rights, &holder, async || fill().await.map(Some)).await?;
        found.ok_or_else(|| Error::internal("policies that were just read"))
    }

    pub(in crate::service) async fn credential(&self, store: &Store, id: &CredentialId) -> Result<Option<Arc<LongTermCredential>>> {
        let fill = async || {
            let found = credential::find(store, id).await?;
            if found.is_some() {
                self.credential_ids.add(id.as_str());
            }
            Ok(found)
        };
        self.entry(&self.credentials, id, fill).await
    }

    /// Tells whether there is an access key of that id, as far as changes were heard of. Whoever makes ids up asks the
    /// database nothing by it.
    pub(in crate::service) async fn has_access_key(&self, store: &Store, id: &str) -> Result<bool> {
        if !self.access_key_ids.has(id) {
            self.learn_access_key_ids(store).await?;
        }
        Ok(self.access_key_ids.has(id))
    }

    /// Tells whether there surely is a long-term credential of that id; one that another process made may be unknown.
    pub(in crate::service) async fn has_credential(&self, store: &Store, id: &CredentialId) -> Result<bool> {
        if !self.credential_ids.has(id.as_str()) {
            self.learn_credential_ids(store).await?;
        }
        Ok(self.credential_ids.has(id.as_str()))
    }

    /// Tells whether there surely is a service account of that name; one that was just made may be unknown.
    pub(in crate::service) async fn has_service_account(&self, store: &Store, instance: &InstanceId, name: &str) -> Result<bool> {
        let id = format!("{instance}/{name}");
        if !self.service_account_ids.has(&id) {
            self.learn_service_account_ids(store).await?;
        }
        Ok(self.service_account_ids.has(&id))
    }

    /// Learns which ids there are, so that no request waits for that.
    pub(in crate::service) async fn learn_ids(&self, store: &Store) -> Result<()> {
        self.learn_access_key_ids(store).await?;
        self.learn_credential_ids(store).await?;
        self.learn_service_account_ids(store).await
    }

    async fn learn_access_key_ids(&self, store: &Store) -> Result<()> {
        self.access_key_ids.read_all(|after| async move { access_key::ids_after(store, &after, known_ids::PAGE).await.map(in_place) }).await
    }

    async fn learn_credential_ids(&self, store: &Store) -> Result<()> {
        self.credential_ids.read_all(|after| async move { credential::ids_after(store, &after, known_ids::PAGE).await.map(in_place) }).await
    }

    async fn learn_service_account_ids(&self, store: &Store) -> Result<()> {
        self.service_account_ids.read_all(|after| async move { service_account::ids_after(store, &after, known_ids::PAGE).await }).await
    }

    /// Notes that there is a long-term credential of that id.
    pub(in crate::service) fn add_credential_id(&self, id: &CredentialId) {
        self.credential_ids.add(id.as_str());
    }

    pub(in crate::service) fn known_access_key(&self, id: &str) -> Option<Arc<AccessKey>> {
        self.access_keys.get(id)
    }

    /// Returns an instance if memory has it, as the next do: for those who may not make the database work.
    pub(in crate::service) fn known_instance_by_service(&self, service: &str) -> Option<Arc<Instance>> {
        self.instances.by_service.get(service)
    }

    pub(in crate::service) fn known_credential(&self, id: &CredentialId) -> Option<Arc<LongTermCredential>> {
        self.credentials.get(id)
    }

    pub(in crate::service) fn known_service_account(&self, instance: &InstanceId, name: &str) -> Option<Arc<ServiceAccount>> {
        self.service_accounts.get(format!("{instance}/{name}").as_str())
    }

    pub(in crate::service) fn known_account(&self, id: AccountId) -> Option<Arc<Account>> {
        self.accounts.get(&id)
    }

    pub(in crate::service) fn known_user_by_name(&self, account: AccountId, name: &str) -> Option<Arc<User>> {
        self.users_by_name.get(format!("{account}/{name}").as_str())
    }

    pub(in crate::service) fn known_fixed_password(&self, instance: &InstanceId, principal: &Principal) -> Option<Arc<FixedPassword>> {
        self.fixed_passwords.get(format!("{instance}/{principal}").as_str())
    }

    pub(in crate::service) fn known_oidc_provider(&self, account: AccountId, name: &str) -> Option<Arc<OidcProvider>> {
        self.oidc_providers.get(oidc_provider::thing_id(account, name).as_str())
    }

    pub(in crate::service) async fn oidc_provider(
        &self,
        store: &Store,
        account: AccountId,
        name: &str,
    ) -> Result<Option<Arc<OidcProvider>>> {
        let id = oidc_provider::thing_id(account, name);
        self.entry(&self.oidc_providers, id.as_str(), async || oidc_provider::find(store, account, name).await).await
    }

    /// Returns what is known under `key`, or reads it. What isn't there is not remembered: a stranger who
    /// asks for made-up names would fill the memory.
    async fn entry<K, V, Q>(
        &self,
        cache: &Cache<K, Arc<V>>,
        key: &Q,
        fill: impl AsyncFnOnce() -> Result<Option<V>>,
    ) -> Result<Option<Arc<V>>>
    where
        K: Hash + Eq,
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        if let Some(known) = cache.get(key) {
            return Ok(Some(known));
        }
        let before = *self.drops.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(read) = fill().await?.map(Arc::new) else { return Ok(None) };
        let drops = self.drops.lock().unwrap_or_else(PoisonError::into_inner);
        if *drops == before {
            cache.insert(key.to_owned(), Arc::clone(&read));
        }
        Ok(Some(read))
    }

    /// Returns how often the keys changed: who holds keys that were read at another count reads them again.
    pub(in crate::service) fn key_changes(&self) -> u64 {
        self.key_changes.load(Ordering::Acquire)
    }

    /// Returns how often something was revoked by itself: who holds the list of another count reads it again.
    pub(in crate::service) fn revocations(&self) -> u64 {
        self.revocations.load(Ordering::Acquire)
    }

    /// Returns the position in the change feed up to which this process obeys.
    pub(in crate::service) fn position(&self) -> i64 {
        self.position.load(Ordering::Acquire)
    }

    /// Drops what a write of this process changed, without the feed.
    pub(in crate::service) fn obey(&self, changes: &[(Entity, String)]) {
        let mut drops = self.drops.lock().unwrap_or_else(PoisonError::into_inner);
        *drops += 1;
        for (noun, id) in changes {
            self.drop_entry(*noun, id);
        }
    }

    /// Reads what changed and drops it.
    pub(in crate::service) async fn catch_up(&self, store: &Store) -> Result<()> {
        let _reading = self.reading.lock().await;
        loop {
            let position = self.position.load(Ordering::Acquire);
            let (changes, position): (Vec<_>, _) = match change::read(store, position, BATCH).await? {
                Changes::Next(changes) => match changes.last() {
                    Some(last) => (changes.iter().map(|change| (change.noun, change.id.clone())).collect(), last.position),
                    None => return Ok(()),
                },
                // What was missed may have been anything.
                Changes::FellBehind { position } => (vec![(Entity::Unknown, String::new())], position),
            };
            self.obey(&changes);
            self.position.store(position, Ordering::Release);
        }
    }

    fn drop_entry(&self, noun: Entity, id: &str) {
        match noun {
            Entity::Account => {
                // Its access keys hold its generation, and its default may be another one now.
                if let Ok(id) = id.parse::<AccountId>() {
                    self.accounts.remove(&id);
                }
                self.access_keys.clear();
                self.instances.clear();
            }
            Entity::AllowList => {
                if let Ok(id) = id.parse::<InstanceId>() {
                    self.allow_lists.remove(&id);
                }
            }
            Entity::AccessKey => {
                // It may be new.
                self.access_key_ids.add(id);
                self.access_keys.remove(id);
            }
            Entity::Instance => {
                // An instance is known by four names.
                self.instances.clear();
                if let Ok(id) = id.parse::<InstanceId>() {
                    self.allow_lists.remove(&id);
                    self.tags.remove(&id);
                }
                self.drop_namespaces_of(id);
                self.drop_repositories(id);
                self.drop_service_accounts_of(id);
                self.fixed_passwords.retain(|_, password| password.instance.as_str() != id);
            }
            Entity::Credential => {
                if let Ok(id) = id.parse::<CredentialId>() {
                    self.credentials.remove(&id);
                }
            }
            Entity::User => {
                if let Ok(id) = id.parse::<UserId>() {
                    self.users.remove(&id);
                    self.users_by_name.retain(|_, user| user.id != id);
                    self.fixed_passwords.retain(|_, password| !matches!(&password.principal, Principal::User(_, user) if *user == id));
                }
                // Its access keys and credentials changed with it.
                self.access_keys.clear();
                self.credentials.clear();
            }
            Entity::Role => {
                if let Ok(id) = id.parse::<RoleId>() {
                    self.roles.remove(&id);
                    self.rights.remove(&Holder::Role(id));
                }
            }
            // A change of policies is rare, and may concern every user of its account.
            Entity::Policies => self.rights.clear(),
            Entity::Revocation => self.revoked(),
            Entity::Namespace => {
                let instance = id.split_once('/').map_or(id, |(instance, _)| instance);
                self.drop_namespaces_of(instance);
                self.drop_repositories(id);
                // A deleted one took the permissions in it along.
                self.drop_service_accounts_of(instance);
            }
            Entity::Repositories => self.drop_repositories(id),
            Entity::ServiceAccount => {
                self.service_account_ids.add(id);
                self.service_accounts.remove(id);
            }
            Entity::FixedPassword => drop(self.fixed_passwords.remove(id)),
            Entity::OidcProvider => {
                self.oidc_providers.remove(id);
            }
            Entity::SealingKey | Entity::SigningKey | Entity::Authority | Entity::MasterKey => self.keys_changed(),
            Entity::Unknown => {
                self.accounts.clear();
                self.access_keys.clear();
                self.instances.clear();
                self.namespaces.clear();
                self.repositories.clear();
                self.allow_lists.clear();
                self.tags.clear();
                self.credentials.clear();
                self.users.clear();
                self.users_by_name.clear();
                self.service_accounts.clear();
                self.fixed_passwords.clear();
                self.roles.clear();
                self.rights.clear();
                self.oidc_providers.clear();
                for ids in [&self.access_key_ids, &self.credential_ids, &self.service_account_ids] {
                    ids.want();
                }
                self.keys_changed();
                self.revoked();
            }
        }
    }

    /// Drops what is known of an instance's namespaces.
    fn drop_namespaces_of(&self, instance: &str) {
        if let Ok(id) = instance.parse::<InstanceId>() {
            self.namespaces.remove(&id);
        }
    }

    /// Drops what is known of the repositories below an instance or a namespace.
    fn drop_repositories(&self, place: &str) {
        self.repositories.retain(|key, _| key.strip_prefix(place).is_none_or(|rest| !rest.starts_with('/')));
    }

    fn drop_service_accounts_of(&self, instance: &str) {
        self.service_accounts.retain(|_, account| account.instance.as_str() != instance);
    }

    fn revoked(&self) {
        self.revocations.fetch_add(1, Ordering::Release);
    }

    fn keys_changed(&self) {
        self.key_changes.fetch_add(1, Ordering::Release);
    }
}

/// Pairs ids with their places in the order in which they are read: themselves.
fn in_place(ids: Vec<String>) -> Vec<(String, String)> {
    ids.into_iter().map(|id| (id.clone(), id)).collect()
}

/// Returns the generation and the state of whom an access key signs for; `None` when there is no such one.
async fn standing_of(store: &Store, principal: &Principal) -> Result<Option<(i64, UserState)>> {
    Ok(match principal {
        Principal::Root(account) | Principal::FederatedSession(account, None, _) => {
            account::find(store, *account).await?.map(|account| (account.generation, UserState::Active))
        }
        Principal::User(_, id) | Principal::FederatedSession(_, Some(id), _) => {
            user::find(store, *id).await?.map(|user| (user.generation, user.state))
        }
        Principal::RoleSession(_, id, _) => role::find(store, *id).await?.map(|role| (role.generation, UserState::Active)),
    })
}
