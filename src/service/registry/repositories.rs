//! Repositories as records, made by API or imported, which decide about pushes and public pulls.
//!
//! A record makes nothing in a registry. The registry itself is asked for its images.

use serde_json::{Value, json};

use crate::domain::clock::{Random, Timestamp};
use crate::domain::instance::Instance;
use crate::domain::namespace::{Namespace, Visibility};
use crate::domain::repository::{Repository, RepositoryChange, RepositoryId};
use crate::domain::switch::Switch;
use crate::domain::tag::Tag;
use crate::domain::{Error, Noun, Result, name};
use crate::policy::{Permission, Resource};
use crate::service::call::Call;
use crate::service::ledger::actions::AuditAction;
use crate::service::registry::Registry;
use crate::service::registry::tag_texts::{check_exclusions, check_tags, first_tags};
use crate::service::rights::instances::InstanceChoice;
use crate::store::page::{Listed, Page};
use crate::store::repository::{self as stored, RepositoryFilter};

/// A repository to be made.
#[derive(Clone, Debug)]
pub struct NewRepository {
    /// The name of its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Whether every client may pull from it without logging in; without it, its namespace's
    /// default.
    pub visibility: Option<Visibility>,
    /// A short description.
    pub summary: String,
    /// A long description.
    pub detail: String,
    /// Whether its tags are shown as immutable; without it, its namespace's default.
    pub tag_immutability: Option<Switch>,
    /// The tags that are excepted from that.
    pub tag_exclusions: Vec<String>,
    /// Whether it is said that images are scanned when they are pushed.
    pub scan_on_push: Switch,
    /// Its resource tags.
    pub tags: Vec<Tag>,
}

impl NewRepository {
    /// Makes a repository of which nothing else is said.
    pub fn named(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
            visibility: None,
            summary: String::new(),
            detail: String::new(),
            tag_immutability: None,
            tag_exclusions: Vec::new(),
            scan_on_push: Switch::Off,
            tags: Vec::new(),
        }
    }

    /// Returns the record of it in its namespace, and its tags.
    fn recorded(
        self,
        of: &Namespace,
        now: Timestamp,
        random: &dyn Random,
    ) -> (Repository, Vec<Tag>) {
        let repository = Repository {
            id: RepositoryId::random(random),
            instance: of.instance.clone(),
            namespace: of.id.clone(),
            namespace_name: of.name.clone(),
            name: self.name,
            visibility: self.visibility.unwrap_or(of.default_visibility),
            summary: self.summary,
            detail: self.detail,
            tag_immutability: self.tag_immutability.unwrap_or(of.default_tag_immutability),
            tag_exclusions: self.tag_exclusions,
            scan_on_push: self.scan_on_push,
            created_at: now,
            modified_at: now,
        };
        (repository, self.tags)
    }
}

/// The rule for the images of a repository that is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Images {
    /// There must be none.
    MustBeGone,
    /// They go too.
    GoToo,
    /// They stay in the registry; the record alone goes.
    Stay,
}

/// A repository of an instance, as a call names it.
#[derive(Clone, Debug)]
pub enum RepositoryChoice {
    /// The one of this name in this namespace. One that only the registry has is recorded when its
    /// images are asked for.
    Named {
        /// The namespace's name.
        namespace: String,
        /// Its own name.
        name: String,
    },
    /// The one with this id.
    WithId(RepositoryId),
}

impl RepositoryChoice {
    /// Returns its path, where the call names it.
    pub(super) fn path(&self) -> Option<String> {
        match self {
            Self::Named { namespace, name } => Some(format!("{namespace}/{name}")),
            Self::WithId(_) => None,
        }
    }
}

impl Registry {
    /// Records a repository in a namespace that is recorded.
    ///
    /// # Errors
    /// `NotFound` when what the call names isn't there, or is another account's; `AccessDenied`
    /// when policies don't allow it; `InvalidParameter` for a value that isn't allowed; those of
    /// the store.
    pub async fn create_repository(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        new: NewRepository,
    ) -> Result<Repository> {
        name::check_repository("name", &new.name)?;
        name::check_description("summary", &new.summary)?;
        name::check_detail("detail", &new.detail)?;
        check_exclusions(&new.tag_exclusions)?;
        check_tags(&new.tags)?;
        let instance = self.rights.own_instance(call, choice).await?;
        let path = format!("{}/{}", new.namespace, new.name);
        self.authorize_repository(call, &instance, Some(&path), Permission::CreateRepository)
            .await?;
        if !new.tags.is_empty() {
            self.authorize_tags(call, &instance, &path, &new.tags)
                .await?;
        }
        let namespace = self.stored_namespace(&instance, &new.namespace).await?;
        refuse_in_public(&namespace, new.visibility)?;
        let (repository, tags) = new.recorded(&namespace, call.now, &*self.base.random);
        let detail = json!({ "repository": path, "visibility": repository.visibility.name() });
        let event = call
            .event(AuditAction::RepositoryCreate)
            .instance(&instance)
            .made(repository.id.as_str())
            .detail(detail);
        let quota = self
            .base
            .adjustable()
            .quotas
            .repositories
            .of(instance.specification);
        let mut write = self
            .base
            .write()
            .then(stored::insert(&namespace, &repository, quota));
        if !tags.is_empty() {
            write = write.then(first_tags(&repository, &tags));
        }
        self.ledger
            .apply(event.onto(write, &*self.base.random))
            .await?;
        Ok(repository)
    }

    /// Lists the repositories of an instance that are recorded; each is as visible as its namespace
    /// makes it.
    ///
    /// # Errors
    /// `NotFound` when what the call names isn't there, or is another account's; `AccessDenied`
    /// when policies don't allow it; those of the store.
    pub async fn repositories(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        filter: RepositoryFilter<'_>,
        page: Page,
    ) -> Result<Listed<Repository>> {
        let instance = self.rights.own_instance(call, choice).await?;
        let path = filter
            .namespace
            .zip(filter.name)
            .map(|(namespace, name)| format!("{namespace}/{name}"));
        let resource = match (&path, filter.namespace) {
            (Some(path), _) => Resource::Repository {
                instance: (&*instance).into(),
                path,
            },
            (None, Some(name)) => Resource::Namespace {
                instance: (&*instance).into(),
                name,
            },
            (None, None) => Resource::Instance((&*instance).into()),
        };
        self.rights
            .authorize(call, Permission::ListRepositories, resource)
            .await?;
        // A push by docker leaves no record.
        Box::pin(self.import_catalog(&instance, call.request)).await;
        let mut listed = stored::list(&self.base.store, &instance.id, filter, page).await?;
        let namespaces = self
            .memory
            .cache
            .namespaces(&self.base.store, &instance.id)
            .await?;
        for repository in &mut listed.items {
            if namespaces.visibility(&repository.namespace_name) == Visibility::Public {
                repository.visibility = Visibility::Public;
            }
        }
        Ok(listed)
    }

    /// Returns a repository, as visible as its namespace makes it.
    ///
    /// # Errors
    /// `NotFound` when what the call names isn't there, or is another account's; `AccessDenied`
    /// when policies don't allow it; those of the store.
    pub async fn repository(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        which: &RepositoryChoice,
    ) -> Result<Repository> {
        let (instance, mut repository) = self
            .permitted_repository(call, choice, which, Permission::DescribeRepository)
            .await?;
        let namespaces = self
            .memory
            .cache
            .namespaces(&self.base.store, &instance.id)
            .await?;
        if namespaces.visibility(&repository.namespace_name) == Visibility::Public {
            repository.visibility = Visibility::Public;
        }
        Ok(repository)
    }

    /// Changes a repository; the permission is the one that the call needs.
    ///
    /// # Errors
    /// `NotFound` when what the call names isn't there, or is another account's; `AccessDenied`
    /// when policies don't allow it; `InvalidParameter` for a value that isn't allowed; those of
    /// the store.
    pub async fn modify_repository(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        which: &RepositoryChoice,
        (permission, change): (Permission, &RepositoryChange),
    ) -> Result<()> {
        name::check_description("summary", change.summary.as_deref().unwrap_or_default())?;
        name::check_detail("detail", change.detail.as_deref().unwrap_or_default())?;
        check_exclusions(change.tag_exclusions.as_deref().unwrap_or_default())?;
        let (instance, repository) = self
            .permitted_repository(call, choice, which, permission)
            .await?;
        if change.visibility.is_some() {
            refuse_in_public(
                &self
                    .stored_namespace(&instance, &repository.namespace_name)
                    .await?,
                change.visibility,
            )?;
        }
        let detail = detail_of(&repository, change);
        let event = call
            .event(AuditAction::RepositoryModify)
            .instance(&instance)
            .detail(detail);
        // A door that knows nothing of exceptions sets the rule for all tags.
        let mut change = change.clone();
        if change.tag_immutability.is_some() {
            change.tag_exclusions.get_or_insert_default();
        }
        self.ledger
            .change(stored::update(&repository, &change, call.now), event)
            .await
    }

    /// Deletes the record of a repository, and its images as `images` says.
    ///
    /// # Errors
    /// `NotFound` when what the call names isn't there, or is another account's; `AccessDenied`
    /// when policies don't allow it; `PreconditionFailed` while it has images that must be gone;
    /// `Unsupported` when that can't be told, or the registry deletes nothing; those of the
    /// registry's answer; those of the store.
    pub async fn delete_repository(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        which: &RepositoryChoice,
        images: Images,
    ) -> Result<()> {
        let (instance, repository) = self
            .permitted_repository(call, choice, which, Permission::DeleteRepository)
            .await?;
        match images {
            Images::Stay => {}
            Images::MustBeGone => self.refuse_unless_empty(&instance, &repository).await?,
            Images::GoToo => {
                Box::pin(self.delete_every_image(call, &instance, &repository)).await?
            }
        }
        let detail = json!({ "repository": repository.path() });
        let event = call
            .event(AuditAction::RepositoryDelete)
            .instance(&instance)
            .detail(detail);
        self.ledger.change(stored::delete(&repository), event).await
    }

    /// Refuses to delete the record of a repository that has images, or may have some.
    ///
    /// # Errors
    /// `PreconditionFailed` for images; `Unsupported` without a registry; those of the registry's
    /// answer.
    async fn refuse_unless_empty(
        &self,
        instance: &Instance,
        repository: &Repository,
    ) -> Result<()> {
        let path = repository.path();
        if instance.registry_url.is_none() {
            return Err(Error::unsupported(format!(
                "Whether {path} has images is not known here; to forget it whatever it has, delete \
                 it by force."
            )));
        }
        if Box::pin(self.has_tags(instance, &path)).await? {
            return Err(Error::precondition_failed(
                Noun::Repository,
                format!("The repository {path} has images; delete them first."),
            ));
        }
        Ok(())
    }

    /// Returns a repository and its instance, if the caller may do this to it.
    ///
    /// # Errors
    /// `InstanceNotFound`; `AccessDenied` when policies don't allow it; `NotFound`; those of the
    /// store.
    pub(super) async fn permitted_repository(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        which: &RepositoryChoice,
        permission: Permission,
    ) -> Result<(std::sync::Arc<Instance>, Repository)> {
        let instance = self.rights.own_instance(call, choice).await?;
        let found = match which {
            RepositoryChoice::Named { namespace, name } => {
                stored::find(&self.base.store, &instance.id, namespace, name).await?
            }
            RepositoryChoice::WithId(id) => {
                stored::find_by_id(&self.base.store, &instance.id, id).await?
            }
        };
        let path = which
            .path()
            .or_else(|| found.as_ref().map(Repository::path));
        self.authorize_repository(call, &instance, path.as_deref(), permission)
            .await?;
        match (found, which) {
            (Some(repository), _) => Ok((instance, repository)),
            (None, RepositoryChoice::Named { namespace, name }) => Err(Error::not_found(
                Noun::Repository,
                format!("{namespace}/{name}"),
            )),
            (None, RepositoryChoice::WithId(id)) => Err(Error::not_found(Noun::Repository, id)),
        }
    }

    /// Refuses a caller that may not do this to a repository.
    ///
    /// An unknown id has no path. Then the caller must be allowed it for every repository, so only
    /// such a caller learns that there is none of that id.
    ///
    /// # Errors
    /// `AccessDenied`, and those of the store.
    async fn authorize_repository(
        &self,
        call: &Call<'_>,
        instance: &Instance,
        path: Option<&str>,
        permission: Permission,
    ) -> Result<()> {
        let resource = match path {
            Some(path) => Resource::Repository {
                instance: instance.into(),
                path,
            },
            None => Resource::Instance(instance.into()),
        };
        self.rights.authorize(call, permission, resource).await
    }
}

/// Returns the audit's words about a change: the settings of ECR's clients where they are given.
fn detail_of(repository: &Repository, change: &RepositoryChange) -> Value {
    let mut detail = json!({
        "repository": repository.path(),
        "visibility": change.visibility.map(Visibility::name),
    });
    if let Some(patterns) = &change.tag_exclusions {
        detail["tag_immutability"] = change.tag_immutability.map(Switch::is_on).into();
        detail["tag_exclusions"] = json!(patterns);
    }
    if let Some(scans) = change.scan_on_push {
        detail["scan_on_push"] = scans.is_on().into();
    }
    detail
}

/// Refuses to call a repository private that anyone can pull from.
fn refuse_in_public(namespace: &Namespace, visibility: Option<Visibility>) -> Result<()> {
    if namespace.visibility == Visibility::Public && visibility == Some(Visibility::Private) {
        let why = format!(
            "The namespace {} is public, and so is all that is in it; make the namespace private \
             first.",
            namespace.name
        );
        return Err(Error::precondition_failed(Noun::Repository, why));
    }
    Ok(())
}
