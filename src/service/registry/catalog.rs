//! Recording what a registry has already: repositories that docker pushed.
//!
//! Only what has a tag is recorded: Distribution's catalog goes on naming repositories whose images
//! are all deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::json;

use crate::domain::clock::Timestamp;
use crate::domain::ids::InstanceId;
use crate::domain::instance::Instance;
use crate::domain::name::{check_imported_repository, check_namespace};
use crate::domain::namespace::Namespace;
use crate::domain::repository::{Repository, RepositoryId};
use crate::domain::{Error, ErrorKind, Noun, Result};
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

/// How often an instance's catalog is read for those who list its repositories, and how long they
/// wait for that.
const INTERVAL: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(5);
/// The most repositories of a catalog.
const MOST: usize = 10_000;
/// The most that are recorded in one go; the next goes on.
const MOST_AT_ONCE: usize = 1000;

/// The instances whose catalog was asked for lately. The one unused for longest is forgotten first;
/// its catalog is then read again early.
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

    /// Forgets the instances whose catalog nobody asked for lately.
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

/// What came of reading a catalog.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// The repositories that are recorded now and weren't.
    pub repositories: Vec<Repository>,
    /// The namespaces that were made for them.
    pub namespaces: Vec<String>,
    /// What the catalog has and isn't recorded: without a namespace, or with a name that couldn't
    /// be shown.
    pub left_out: Vec<String>,
    /// Whether the catalog was read to its end, and all that is new in it recorded.
    pub complete: bool,
    paths: BTreeSet<String>,
}

/// What happens to repositories whose namespace isn't recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MissingNamespaces {
    /// It is made: the operator wants all that there is.
    Make,
    /// They are left out: whoever deletes a namespace wants it gone.
    LeaveOut,
}

impl Registry {
    /// Records what the registry of an instance has and isn't recorded, with its namespaces; the
    /// operator's.
    ///
    /// # Errors
    /// `Unsupported` for callers other than the operator; `NotFound` when what the call names isn't
    /// there, or is another account's; those of the registry's answer; those of the store.
    pub async fn import_repositories(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
    ) -> Result<Imported> {
        call.caller.require_operator()?;
        let instance = self.rights.own_instance(call, choice).await?;
        let mut imported = self
            .import(
                &instance,
                MissingNamespaces::Make,
                &call.event(AuditAction::RepositoryImport),
            )
            .await?;
        // As they are recorded: somebody else may have been quicker.
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

    /// Records what the registry of an instance has in namespaces that are recorded, for who is
    /// about to list it.
    ///
    /// The catalog is read once in ten seconds at most, and waited for five; whatever goes wrong is
    /// logged, and what is recorded is listed all the same.
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
            tracing::warn!(instance = %instance.id, cause = error.cause(), "the catalog of a registry can't be read: {error}");
        }
    }

    /// Records one repository that is asked for by its name, if its namespace is recorded and the
    /// registry has it; else `NotFound`.
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
        // First the name: of what is no name, nobody is asked.
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

    /// Returns those of some repositories that have a tag at the registry.
    async fn tagged_of(&self, instance: &Instance, paths: &[String]) -> Result<BTreeSet<String>> {
        let pull: Vec<Access> = paths
            .iter()
            .map(|path| repository_access(path, &["pull"]))
            .collect();
        // A token for each few: one for all would be larger than a request's headers may be.
        let mut questions = Vec::with_capacity(paths.len());
        for (paths, access) in paths.chunks(AT_ONCE).zip(pull.chunks(AT_ONCE)) {
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
        // Distribution asks for the first to list its catalog, zot for the second.
        let catalog = Access {
            resource_type: "registry".to_owned(),
            name: "catalog".to_owned(),
            actions: vec!["*"],
        };
        let registry =
            self.registry_with(instance, &[catalog, repository_access("", &["pull"])])?;
        let names =
            within_patience(async { registry.repositories(MOST).await.map_err(failed) }).await?;
        let recorded = store::repository::list(
            &self.base.store,
            &instance.id,
            RepositoryFilter::default(),
            Page::ALL,
        )
        .await?
        .items;
        let recorded: BTreeSet<String> = recorded.iter().map(Repository::path).collect();
        let namespaces = store::namespace::list(&self.base.store, &instance.id, None, Page::ALL)
            .await?
            .items;
        let mut namespaces: BTreeMap<String, Namespace> = namespaces
            .into_iter()
            .map(|one| (one.name.clone(), one))
            .collect();

        let mut imported = Imported {
            complete: names.complete,
            ..Imported::default()
        };
        let mut new = Vec::new();
        for path in names
            .names
            .into_iter()
            .filter(|path| !recorded.contains(path))
        {
            match path.split_once('/') {
                Some((namespace, name))
                    if check_imported_repository("repository", name).is_ok() =>
                {
                    let has_namespace = namespaces.contains_key(namespace)
                        || missing == MissingNamespaces::Make
                            && check_namespace("namespace", namespace).is_ok();
                    if has_namespace {
                        new.push(path)
                    } else {
                        imported.left_out.push(path)
                    }
                }
                _ => imported.left_out.push(path),
            }
        }
        imported.complete &= new.len() <= MOST_AT_ONCE;
        new.truncate(MOST_AT_ONCE);
        let found = self.tagged_of(instance, &new).await?;
        let mut by_namespace: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for path in &found {
            if let Some((namespace, name)) = path.split_once('/') {
                by_namespace.entry(namespace).or_default().push(name);
            }
        }
        for (namespace, names) in by_namespace {
            let mut write = self.base.write();
            if !namespaces.contains_key(namespace) {
                let made = NewNamespace::named(namespace).recorded(
                    instance,
                    self.base.now(),
                    &*self.base.random,
                );
                write = write.then(store::namespace::insert(&made, u32::MAX));
                imported.namespaces.push(namespace.to_owned());
                namespaces.insert(namespace.to_owned(), made);
            }
            let Some(of) = namespaces.get(namespace) else {
                continue;
            };
            let repositories: Vec<Repository> = names
                .iter()
                .map(|name| self.new_repository(of, name))
                .collect();
            let paths: Vec<String> = repositories.iter().map(Repository::path).collect();
            let event = event
                .clone()
                .instance(instance)
                .detail(json!({ "repositories": paths }));
            let write = event.onto(
                write.then(store::repository::import(of, &repositories)),
                &*self.base.random,
            );
            match self.ledger.apply(write).await {
                Ok(()) => imported.paths.extend(paths),
                // It was deleted, or made, meanwhile; the next time will tell.
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
        }
    }
}

/// How many repositories one token is for.
const AT_ONCE: usize = 8;
