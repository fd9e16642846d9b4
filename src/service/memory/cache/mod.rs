//! The nouns that hot paths know without asking the database: accounts, access keys, instances,
//! credentials.
//!
//! Entries are filled when they are first asked for, and [`tables`] says which changes make them
//! wrong. A fill that a change overtook is used once: it may have read what was before the change.

mod ahead;
mod ids;
mod known;
mod nouns;
mod oidc;
mod operators;
mod table;
mod tables;

use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use quick_cache::Equivalent;

use self::table::Table;
use self::tables::Tables;
use crate::domain::Result;
use crate::domain::ids::{AccountId, RoleId, UserId};
use crate::domain::principal::Principal;
use crate::service::memory::known_ids::KnownIds;
use crate::service::memory::marks::Marks;
use crate::service::memory::reads;
use crate::sign::SigningSecret;
use crate::store::access_key::AccessKeyState;
use crate::store::change::{self, Changes};
use crate::store::fixed_password::OldNames;
use crate::store::repository_policy::Known;
use crate::store::{Entity, Store};

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

/// A repository as the exchange sees it; what isn't recorded is remembered as such, because only
/// names in namespaces that are recorded are looked for.
pub(in crate::service) struct KnownRepository(pub(in crate::service) Option<Known>);

/// The old names of an instance, and the account that it is of.
struct KnownOldNames {
    account: AccountId,
    names: OldNames,
}

/// The principal that policies are attached to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Holder {
    User(UserId),
    Role(RoleId),
}

/// The ids that exist, so that made-up ones ask the database nothing.
struct KnownIdSets {
    access_keys: KnownIds,
    /// The change feed doesn't tell of new ones: those that others made are among them once they
    /// logged in here.
    credentials: KnownIds,
    /// By the id that the feed has.
    service_accounts: KnownIds,
}

/// The caches of all nouns, and the position in the change feed up to which they are true.
pub(in crate::service) struct NounCache {
    tables: Tables,
    /// When each noun last changed.
    pub(in crate::service) marks: Marks,
    ids: KnownIdSets,
    /// The position in the change feed up to which changes were noted.
    position: AtomicI64,
    /// How often the keys that sign and seal changed, as far as the feed was read.
    key_changes: AtomicU64,
    /// How often a credential was revoked by itself, as far as the feed was read.
    revocations: AtomicU64,
    /// Held while the feed is read, so that positions are applied in order.
    reading: tokio::sync::Mutex<()>,
}

impl NounCache {
    /// Makes empty caches that follow the feed from `position` on.
    pub(in crate::service) fn new(position: i64) -> Self {
        Self {
            tables: Tables::new(),
            marks: Marks::new(),
            ids: KnownIdSets {
                access_keys: KnownIds::new(),
                credentials: KnownIds::new(),
                service_accounts: KnownIds::new(),
            },
            position: AtomicI64::new(position),
            key_changes: AtomicU64::new(0),
            revocations: AtomicU64::new(0),
            reading: tokio::sync::Mutex::new(()),
        }
    }

    /// Returns the entry of `key`, or reads it. A noun that isn't there leaves no entry: a stranger
    /// who asks for made-up names would fill the memory.
    async fn entry<K, V, Q>(
        &self,
        table: &Table<K, V>,
        key: &Q,
        fill: impl AsyncFnOnce() -> Result<Option<V>>,
    ) -> Result<Option<Arc<V>>>
    where
        K: Hash + Eq,
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        if let Some(known) = table.get(&self.marks, key) {
            return Ok(Some(known));
        }
        let read_at = self.marks.count();
        let Some(read) = fill().await?.map(Arc::new) else {
            // No mark tells when there is one.
            reads::note_unmarked();
            return Ok(None);
        };
        table.insert(&self.marks, key.to_owned(), &read, read_at);
        Ok(Some(read))
    }

    /// Returns how often the keys changed: keys that were read at another count are read again.
    pub(in crate::service) fn key_changes(&self) -> u64 {
        self.key_changes.load(Ordering::Acquire)
    }

    /// Returns how often a credential was revoked by itself: a list that was read at another count
    /// is read again.
    pub(in crate::service) fn revocations(&self) -> u64 {
        self.revocations.load(Ordering::Acquire)
    }

    /// Returns the position in the change feed up to which changes were noted.
    pub(in crate::service) fn position(&self) -> i64 {
        self.position.load(Ordering::Acquire)
    }

    /// Invalidates what a write of this process changed, without the feed.
    pub(in crate::service) fn invalidate(&self, changes: &[(Entity, String)]) {
        for (noun, id) in changes {
            self.invalidate_entry(*noun, id);
        }
    }

    /// Reads the feed to its end, and invalidates the entries that it names.
    pub(in crate::service) async fn catch_up(&self, store: &Store) -> Result<()> {
        let _reading = self.reading.lock().await;
        loop {
            let position = self.position.load(Ordering::Acquire);
            let (changes, position): (Vec<_>, _) =
                match change::read(store, position, BATCH).await? {
                    Changes::Next(changes) => match changes.last() {
                        Some(last) => (
                            changes
                                .iter()
                                .map(|change| (change.noun, change.id.clone()))
                                .collect(),
                            last.position,
                        ),
                        None => return Ok(()),
                    },
                    // The missed changes may have been anything.
                    Changes::FellBehind { position } => {
                        (vec![(Entity::Unknown, String::new())], position)
                    }
                };
            self.invalidate(&changes);
            self.position.store(position, Ordering::Release);
        }
    }

    /// Drops the entries that changes have made wrong, so that no secret stays in memory for long
    /// after its end.
    pub(in crate::service) fn sweep(&self) {
        self.tables.sweep(&self.marks);
    }

    fn invalidate_entry(&self, entity: Entity, id: &str) {
        self.marks.note(entity, id);
        match entity {
            // They may be new.
            Entity::AccessKey => self.ids.access_keys.add(id),
            Entity::ServiceAccount => self.ids.service_accounts.add(id),
            Entity::Revocation => self.revoked(),
            Entity::SealingKey | Entity::SigningKey | Entity::Authority | Entity::MasterKey => {
                self.keys_changed()
            }
            Entity::Unknown => {
                for ids in [
                    &self.ids.access_keys,
                    &self.ids.credentials,
                    &self.ids.service_accounts,
                ] {
                    ids.want();
                }
                self.keys_changed();
                self.revoked();
            }
            Entity::Account
            | Entity::AllowList
            | Entity::Instance
            | Entity::Credential
            | Entity::User
            | Entity::Role
            | Entity::Policies
            | Entity::Namespace
            | Entity::Repositories
            | Entity::FixedPassword
            | Entity::OidcProvider
            | Entity::RefusedSubjects
            | Entity::Operator => {}
        }
    }

    fn revoked(&self) {
        self.revocations.fetch_add(1, Ordering::Release);
    }

    fn keys_changed(&self) {
        self.key_changes.fetch_add(1, Ordering::Release);
    }
}
