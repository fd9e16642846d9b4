//! Records the repositories that a registry has already, because docker pushed them.
//!
//! Only repositories with a tag are recorded: Distribution's catalog goes on naming those whose
//! images are all deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::json;

use crate::domain::clock::Timestamp;
use crate::domain::ids::InstanceId;
use crate::domain::instance::Instance;
use crate::domain::name::{check_imported_repository, check_namespace};
use crate::domain::namespace::Namespace;
use crate::domain::operator::OperatorPermission;
use crate::domain::repository::{Repository, RepositoryId};
use crate::domain::switch::Switch;
use crate::domain::{Error, ErrorKind, Noun, Result};
use crate::remote::registry::Names;
use crate::service::call::Call;
use crate::service::ledger::actions::AuditAction;
use crate::service::ledger::event::Event;
use crate::service::memory::single_flight::{Recent, RecentMap, SingleFlight, Turn};
use crate::service::registry::Registry;
use crate::service::registry::images::client::{failed, repository_access, within_patience};
use crate::service::registry::images::listing::each;
use crate::service::registry::namespaces::NewNamespace;
use crate::service::request::RequestContext;
use crate::service::rights::instances::InstanceChoice;
use crate::store;
use crate::store::page::Page;
use crate::store::repository::RepositoryFilter;
use crate::token::Access;

/// How often an instance's catalog is read for callers that list its repositories.
const INTERVAL: Duration = Duration::from_secs(10);
/// How long such a caller waits for the catalog.
const PATIENCE: Duration = Duration::from_secs(5);
/// The names of a catalog that are read.
const MAX_NAMES: usize = 10_000;
/// The repositories that one import records; the next import goes on.
const MAX_AT_ONCE: usize = 1000;
/// The repositories that one token is for.
const MAX_PER_TOKEN: usize = 8;

/// The instances whose last read is remembered. The one unused for longest is forgotten first; its
/// catalog is then read again early.
const CAPACITY: usize = 10_000;

/// When each instance's catalog was last read.
pub(in crate::service) struct Imports(RecentMap<InstanceId, Import>);

/// The last read of one catalog.
#[derive(Default)]
struct Import {
    flight: SingleFlight,
    read_at: Mutex<Option<Timestamp>>,
}

impl Default for Imports {
    fn default() -> Self {
        Self(RecentMap::new(CAPACITY, |_, _| true))
    }
}

impl Imports {
    fn of(&self, id: &InstanceId, now: Timestamp) -> Result<Arc<Recent<Import>>> {
        let full = || Error::new(ErrorKind::Overloaded, "Too many catalogs are being read.");
        self.0
            .get_or_make(id, now, |_| true, || Ok(Import::default()))?
            .ok_or_else(full)
    }

    /// Forgets the instances whose catalog wasn't asked for lately.
    pub(in crate::service) fn forget(&self, now: Timestamp) {
        self.0.forget_unused(INTERVAL, now);
    }
}

impl Import {
    fn read_at(&self) -> MutexGuard<'_, Option<Timestamp>> {
        self.read_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_recent(&self, now: Timestamp) -> bool {
        self.read_at().is_some_and(|at| at.distance(now) < INTERVAL)
    }
}

/// The outcome of an import.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// The repositories that were recorded by it.
    pub repositories: Vec<Repository>,
    /// The namespaces that were made for them.
    pub namespaces: Vec<String>,
    /// The paths in the catalog that are not recorded: without a namespace, or with a name that
    /// couldn't be shown.
    pub left_out: Vec<String>,
    /// Whether the catalog was read to its end, and everything new in it recorded.
    pub complete: bool,
    paths: BTreeSet<String>,
}

/// The rule for repositories whose namespace isn't recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MissingNamespaces {
    /// It is made, since the operator wants everything recorded.
    Make,
    /// They are left out, since a deleted namespace should stay deleted.
    LeaveOut,
}

/// The repositories and namespaces of an instance that are recorded.
struct Recorded {
    paths: BTreeSet<String>,
    namespaces: BTreeMap<String, Namespace>,
}

impl Recorded {
    /// Divides the paths of a catalog that aren't recorded into those to record and those that are
    /// left out.
    fn sort_out(
        &self,
        catalog: Vec<String>,
        missing: MissingNamespaces,
    ) -> (Vec<String>, Vec<String>) {
        let is_unrecorded = |path: &String| !self.paths.contains(path);
        let may_record = |path: &String| {
            path.split_once('/').is_some_and(|(namespace, name)| {
                check_imported_repository("repository", name).is_ok()
                    && (self.namespaces.contains_key(namespace)
                        || missing == MissingNamespaces::Make
                            && check_namespace("namespace", namespace).is_ok())
            })
        };
        catalog
            .into_iter()
            .filter(is_unrecorded)
            .partition(may_record)
    }
}

/// Groups the names of repositories by their namespace.
fn by_namespace(paths: &BTreeSet<String>) -> BTreeMap<&str, Vec<&str>> {
    let mut grouped: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (namespace, name) in paths.iter().filter_map(|path| path.split_once('/')) {
        grouped.entry(namespace).or_default().push(name);
    }
    grouped
}

impl Registry {
    /// Records the repositories of an instance's registry that aren't recorded, and their
    /// namespaces, for the operator.
    ///
    /// # Errors
    /// `OperatorDenied`, or `Unsupported` for no operator; `NotFound` when what the call names
    /// isn't there, or is another account's; `Unsupported` without a registry; those of the
    /// registry's answer; those of the store.
    pub async fn import_repositories(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
    ) -> Result<Imported> {
        let instance = self
            .rights
            .administered_instance(call, choice, OperatorPermission::RepositoryImport)
            .await?;
        let mut imported = self
            .import(
                &instance,
                MissingNamespaces::Make,
                &call.event(AuditAction::RepositoryImport),
            )
            .await?;
        // Read as they are recorded: another import may have been quicker.
        let recorded = store::repository::list(
            &self.base.store,
            &instance.id,
            RepositoryFilter::default(),
            Page::ALL,
        )
        .await?
        .items;
        imported.repositories = recorded
            .into_iter()
            .filter(|one| imported.paths.contains(&one.path()))
            .collect();
        Ok(imported)
    }

    /// Records the repositories of an instance's registry in the namespaces that are recorded, for
    /// a caller that lists them next.
    ///
    /// The catalog is read at most once in ten seconds, and waited for five. A failure is logged,
    /// and the caller lists the repositories that are recorded.
    pub async fn import_catalog(&self, instance: &Instance, context: &RequestContext) {
        if instance.registry_url.is_none() {
            return;
        }
        let reading = async {
            let last = self.upstream.imports.of(&instance.id, self.base.now())?;
            let is_recent = || last.is_recent(self.base.now()).then_some(());
            let Turn::Leads(_leader) = last.flight.join(is_recent).await else {
                return Ok(Imported::default());
            };
            // A failure counts too: a registry that is away would hold up every list.
            *last.read_at() = Some(self.base.now());
            let event = Event::new(AuditAction::RepositoryImport, self.base.now(), context);
            let imported = self
                .import(instance, MissingNamespaces::LeaveOut, &event)
                .await;
            *last.read_at() = Some(self.base.now());
            imported
        };
        let silent = || {
            Err(Error::registry_unavailable(
                "The registry behind the instance does not answer.",
            ))
        };
        if let Err(error) = tokio::time::timeout(PATIENCE, reading)
            .await
            .unwrap_or_else(|_| silent())
        {
            tracing::warn!(
                instance = %instance.id,
                cause = error.cause(),
                "the catalog of a registry can't be read: {error}"
            );
        }
    }

    /// Records one repository that is asked for by its name.
    ///
    /// # Errors
    /// `NotFound` unless its namespace is recorded and the registry has tags in it; those of the
    /// registry's answer; those of the store.
    pub(in crate::service) async fn import_repository(
        &self,
        instance: &Instance,
        namespace: &str,
        name: &str,
        context: &RequestContext,
    ) -> Result<Repository> {
        let of = store::namespace::find(&self.base.store, &instance.id, namespace).await?;
        let shown = |text: &str| text[..text.floor_char_boundary(128)].to_owned();
        let of = of.ok_or_else(|| Error::not_found(Noun::Namespace, shown(namespace)))?;
        let path = format!("{namespace}/{name}");
        let missing = || Error::not_found(Noun::Repository, shown(&path));
        // The name comes first: the registry isn't asked about a name that can't be.
        if check_imported_repository("RepositoryName", name).is_err()
            || !self.has_tags(instance, &path).await?
        {
            return Err(missing());
        }
        let event = Event::new(AuditAction::RepositoryImport, self.base.now(), context)
            .instance(instance)
            .detail(json!({ "repositories": [path] }));
        self.ledger
            .change(
                store::repository::import(&of, [&self.new_repository(&of, name)]),
                event,
            )
            .await?;
        store::repository::find(&self.base.store, &instance.id, namespace, name)
            .await?
            .ok_or_else(missing)
    }

    /// Returns the paths that have a tag at the registry.
    async fn tagged_of(&self, instance: &Instance, paths: &[String]) -> Result<BTreeSet<String>> {
        let pull: Vec<Access> = paths
            .iter()
            .map(|path| repository_access(path, &["pull"]))
            .collect();
        // A token for each few: one for all would be larger than a request's headers may be.
        let mut questions = Vec::with_capacity(paths.len());
        for (paths, access) in paths.chunks(MAX_PER_TOKEN).zip(pull.chunks(MAX_PER_TOKEN)) {
            let registry = self.registry_with(instance, access)?;
            questions.extend(
                paths
                    .iter()
                    .map(|path| (Arc::clone(&registry), path.clone())),
            );
        }
        let has_tags = each(questions, |(registry, path)| async move {
            let tags = registry.tags(&path, 1).await.map_err(failed)?;
            Ok((path, tags.is_some_and(|tags| !tags.names.is_empty())))
        });
        let found = within_patience(has_tags).await?;
        Ok(found
            .into_iter()
            .filter_map(|(path, has_tags)| has_tags.then_some(path))
            .collect())
    }

    async fn import(
        &self,
        instance: &Instance,
        missing: MissingNamespaces,
        event: &Event<'_>,
    ) -> Result<Imported> {
        let catalog = self.catalog(instance).await?;
        let mut recorded = self.recorded(instance).await?;
        let mut imported = Imported {
            complete: catalog.complete,
            ..Imported::default()
        };
        let (mut new, left_out) = recorded.sort_out(catalog.names, missing);
        imported.left_out = left_out;
        imported.complete &= new.len() <= MAX_AT_ONCE;
        new.truncate(MAX_AT_ONCE);
        let tagged = self.tagged_of(instance, &new).await?;
        for (namespace, names) in by_namespace(&tagged) {
            let event = event.clone().instance(instance);
            let known = recorded.namespaces.remove(namespace);
            let (of, is_new) = match known {
                Some(known) => (known, false),
                None => (self.new_namespace(instance, namespace), true),
            };
            if is_new {
                imported.namespaces.push(namespace.to_owned());
            }
            match self.record_repositories(&of, is_new, &names, event).await {
                Ok(paths) => imported.paths.extend(paths),
                // It was deleted, or made, meanwhile; the next import records it.
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::NotFound { .. } | ErrorKind::AlreadyExists { .. }
                    ) =>
                {
                    imported.complete = false
                }
                Err(error) => return Err(error),
            }
        }
        Ok(imported)
    }

    /// Asks the registry for the names of its repositories.
    async fn catalog(&self, instance: &Instance) -> Result<Names> {
        // Distribution asks for the first to list its catalog, zot for the second.
        let catalog = Access {
            resource_type: "registry".to_owned(),
            name: "catalog".to_owned(),
            actions: vec!["*"],
        };
        let pull = repository_access("", &["pull"]);
        let registry = self.registry_with(instance, &[catalog, pull])?;
        let names = async { registry.repositories(MAX_NAMES).await.map_err(failed) };
        within_patience(names).await
    }

    async fn recorded(&self, instance: &Instance) -> Result<Recorded> {
        let store = &self.base.store;
        let every = RepositoryFilter::default();
        let repositories = store::repository::list(store, &instance.id, every, Page::ALL).await?;
        let namespaces = store::namespace::list(store, &instance.id, None, Page::ALL).await?;
        let by_name = |one: Namespace| (one.name.clone(), one);
        Ok(Recorded {
            paths: repositories.items.iter().map(Repository::path).collect(),
            namespaces: namespaces.items.into_iter().map(by_name).collect(),
        })
    }

    /// Records repositories of one namespace, and the namespace if it is new; returns their paths.
    async fn record_repositories(
        &self,
        of: &Namespace,
        is_new: bool,
        names: &[&str],
        event: Event<'_>,
    ) -> Result<Vec<String>> {
        let new_repository = |name: &&str| self.new_repository(of, name);
        let repositories: Vec<Repository> = names.iter().map(new_repository).collect();
        let paths: Vec<String> = repositories.iter().map(Repository::path).collect();
        let mut write = self.base.write();
        if is_new {
            write = write.then(store::namespace::insert(of, u32::MAX));
        }
        let write = write.then(store::repository::import(of, &repositories));
        let event = event.detail(json!({ "repositories": paths }));
        self.ledger
            .apply(event.onto(write, &*self.base.random))
            .await?;
        Ok(paths)
    }

    fn new_namespace(&self, instance: &Instance, name: &str) -> Namespace {
        NewNamespace::named(name).recorded(instance, self.base.now(), &*self.base.random)
    }

    fn new_repository(&self, of: &Namespace, name: &str) -> Repository {
        let now = self.base.now();
        Repository {
            id: RepositoryId::random(&*self.base.random),
            instance: of.instance.clone(),
            namespace: of.id.clone(),
            namespace_name: of.name.clone(),
            name: name.to_owned(),
            visibility: of.default_visibility,
            summary: String::new(),
            detail: String::new(),
            tag_immutability: of.default_tag_immutability,
            created_at: now,
            modified_at: now,
            tag_exclusions: Vec::new(),
            scan_on_push: Switch::Off,
        }
    }
}
