//! Images: what the registry behind an instance has. Nothing of it is stored here.
//!
//! The registry is asked with a token that is made here, of the least scope: a registry that trusts
//! this service takes it without anybody's log-in. Whether the caller may know is decided before,
//! as for everything else.

mod contents;
pub(in crate::service) mod listing;
pub(in crate::service) mod tag_listings;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use self::listing::{Key, MAX_TAGS, Reader, heads};
use self::tag_listings::PATIENCE;
use crate::domain::image::{Image, ImageDocuments, is_tag};
use crate::domain::instance::Instance;
use crate::domain::repository::Repository;
use crate::domain::url::HttpUrl;
use crate::domain::{Error, Noun, Result};
use crate::policy::{Permission, Resource};
use crate::remote::registry::{Deletion, Head, RegistryClient, check_base};
use crate::remote::{Failure, Settings as Outgoing};
use crate::service::call::Call;
use crate::service::ledger::actions::AuditAction;
use crate::service::ledger::event::Event;
use crate::service::registry::Registry;
use crate::service::registry::repositories::RepositoryChoice;
use crate::service::rights::instances::InstanceChoice;
use crate::store;
use crate::store::page::{Listed, Page};
use crate::token::{Access, Claims};

/// How long a token for the registry lives: longer than any caller waits.
const TOKEN_TTL: Duration = Duration::from_secs(120);

/// Which tags are listed.
#[derive(Clone, Debug, Default)]
pub enum TagFilter {
    /// All.
    #[default]
    Any,
    /// This one.
    Exactly(String),
    /// Those with this in them.
    Containing(String),
}

/// Which images are listed.
#[derive(Clone, Debug, Default)]
pub struct ImageFilter {
    /// Those with such tags.
    pub tag: TagFilter,
    /// Those with this digest, or all.
    pub digest: Option<String>,
}

/// Returns how registries are asked: only the operator says where they are, so they may be
/// anywhere.
pub(in crate::service) fn registries(outgoing: &Outgoing) -> Outgoing {
    Outgoing {
        allow_http: true,
        allow_private_addresses: true,
        ..outgoing.clone()
    }
}

impl Registry {
    /// Lists a page of a repository's images, by tag.
    ///
    /// # Errors
    /// `NotFound` when what the call names isn't there, or is another account's; `AccessDenied`
    /// when policies don't allow it; those of the registry's answer; those of the store.
    pub async fn images(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        repository: &RepositoryChoice,
        filter: ImageFilter,
        page: Page,
    ) -> Result<Listed<Image>> {
        let (instance, repository) = self
            .repository_or_import(call, choice, repository, Permission::ListTags)
            .await?;
        let registry = self.registry(&instance, &[(&repository.path(), &["pull"])])?;
        let key = (instance.id.clone(), repository.path());
        let page_of = async move |mut reader: Reader| {
            let listed = reader.page(&filter, page).await;
            (reader, listed)
        };
        self.upstream
            .listings
            .read(registry, &key, &self.base.clock, page_of)
            .await
    }

    /// Returns the image of a tag.
    ///
    /// # Errors
    /// `NotFound` when what the call names isn't there, or is another account's; `AccessDenied`
    /// when policies don't allow it; those of the registry's answer; those of the store.
    pub async fn image(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        repository: &RepositoryChoice,
        tag: &str,
    ) -> Result<Image> {
        let (instance, repository) = self
            .repository_or_import(call, choice, repository, Permission::DescribeTag)
            .await?;
        self.tagged(&instance, &repository.path(), tag).await
    }

    /// Returns the manifest and the configuration of a tag's image.
    ///
    /// # Errors
    /// `NotFound` when what the call names isn't there, or is another account's; `AccessDenied`
    /// when policies don't allow it; those of the registry's answer; those of the store.
    pub async fn image_documents(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        repository: &RepositoryChoice,
        tag: &str,
    ) -> Result<ImageDocuments> {
        let (instance, repository) = self
            .repository_or_import(call, choice, repository, Permission::DescribeTag)
            .await?;
        let path = repository.path();
        let image = self.tagged(&instance, &path, tag).await?;
        let registry = self.registry(&instance, &[(&path, &["pull"])])?;
        let documents = within_patience(contents::documents(
            &registry,
            &path,
            &image.digest,
            &image.contents,
        ))
        .await?;
        documents.ok_or_else(|| missing(tag))
    }

    async fn tagged(&self, instance: &Instance, path: &str, tag: &str) -> Result<Image> {
        if !is_tag(tag) {
            return Err(missing(tag));
        }
        let registry = self.registry(instance, &[(path, &["pull"])])?;
        let wanted = tag.to_owned();
        let image_of = async move |mut reader: Reader| {
            let image = reader.image(&wanted).await;
            (reader, image)
        };
        let image = self
            .upstream
            .listings
            .read(
                registry,
                &(instance.id.clone(), path.to_owned()),
                &self.base.clock,
                image_of,
            )
            .await?;
        image.ok_or_else(|| missing(tag))
    }

    /// Deletes tags of a repository, all or, when that can't be, none.
    ///
    /// A registry that deletes no tags (Distribution 2) deletes a manifest with all its tags.
    /// `Unsupported` when that would take more than was asked for: other tags, or an index's image.
    ///
    /// # Errors
    /// `NotFound` when what the call names isn't there, or is another account's; `AccessDenied`
    /// when policies don't allow it; those of the registry's answer; those of the store.
    pub async fn delete_images(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        repository: &RepositoryChoice,
        tags: &BTreeSet<String>,
    ) -> Result<()> {
        let (instance, repository) = self
            .repository_or_import(call, choice, repository, Permission::Delete)
            .await?;
        if let Some(bad) = tags.iter().find(|tag| !is_tag(tag)) {
            return Err(missing(bad));
        }
        let path = repository.path();
        let registry = self.registry(&instance, &[(&path, &["pull", "delete"])])?;
        let key: Key = (instance.id.clone(), path);
        let exclusive = self.upstream.listings.lock(&key, call.now).await?;
        exclusive.forget();
        within_patience(async {
            let digests = digests_of(&registry, &key.1, tags).await?;
            self.delete_tags(
                &registry,
                &key.1,
                &digests,
                call.event(AuditAction::ImageDelete).instance(&instance),
            )
            .await
        })
        .await
    }

    /// Deletes every image of a repository that is about to be forgotten; or the next look at the
    /// catalog would record it again. Nothing is done where there is no registry.
    ///
    /// # Errors
    /// `AccessDenied` when policies don't allow it; those of the registry's answer; those of the
    /// store.
    pub async fn delete_every_image(
        &self,
        call: &Call<'_>,
        instance: &Instance,
        repository: &Repository,
    ) -> Result<()> {
        let path = repository.path();
        let resource = Resource::Repository {
            instance: instance.into(),
            path: &path,
        };
        self.rights
            .authorize(call, Permission::DeleteRepository, resource)
            .await?;
        if instance.registry_url.is_none() {
            return Ok(());
        }
        let registry = self.registry(instance, &[(&path, &["pull", "delete"])])?;
        let key: Key = (instance.id.clone(), path);
        let exclusive = self.upstream.listings.lock(&key, call.now).await?;
        exclusive.forget();
        within_patience(async {
            let names = registry
                .tags(&key.1, MAX_TAGS)
                .await
                .map_err(failed)?
                .unwrap_or_default();
            if names.names.len() >= MAX_TAGS {
                return Err(Error::unsupported(format!(
                    "The repository has {MAX_TAGS} tags or more; delete some of them first."
                )));
            }
            let tags = names.names.into_iter().filter(|tag| is_tag(tag)).collect();
            // A tag that stands for nothing has nothing to delete.
            let heads = heads(&registry, &key.1, tags).await?;
            let digests: BTreeMap<_, _> = heads
                .into_iter()
                .filter_map(|(tag, head)| Some((tag, head?.digest?)))
                .collect();
            if digests.is_empty() {
                return Ok(());
            }
            self.delete_tags(
                &registry,
                &key.1,
                &digests,
                call.event(AuditAction::ImageDelete).instance(instance),
            )
            .await
        })
        .await
    }

    async fn delete_tags(
        &self,
        registry: &Arc<RegistryClient>,
        path: &str,
        digests: &BTreeMap<String, String>,
        event: Event<'_>,
    ) -> Result<()> {
        let event = event.detail(json!({ "repository": path, "images": digests }));
        // First of all: what can't be written down isn't done.
        self.ledger
            .commit(event.clone().onto(self.base.write(), &*self.base.random))
            .await?;
        let done = delete(registry, path, digests).await;
        if done.is_err() {
            self.ledger
                .commit(
                    event
                        .outcome("refused")
                        .onto(self.base.write(), &*self.base.random),
                )
                .await?;
        }
        done
    }

    /// Finds a repository of the caller's own instance, if it may do this there. One that isn't
    /// recorded is, if its namespace is and the registry has something of that name.
    async fn repository_or_import(
        &self,
        call: &Call<'_>,
        choice: &InstanceChoice,
        repository: &RepositoryChoice,
        permission: Permission,
    ) -> Result<(Arc<Instance>, Repository)> {
        let instance = self.rights.own_instance(call, choice).await?;
        let found = match repository {
            RepositoryChoice::WithId(id) => {
                store::repository::find_by_id(&self.base.store, &instance.id, id).await?
            }
            RepositoryChoice::Named { namespace, name } => {
                store::repository::find(&self.base.store, &instance.id, namespace, name).await?
            }
        };
        let path = match (&found, repository) {
            (Some(found), _) => Some(found.path()),
            (None, RepositoryChoice::Named { namespace, name }) => {
                Some(format!("{namespace}/{name}"))
            }
            (None, RepositoryChoice::WithId(_)) => None,
        };
        let resource = match &path {
            Some(path) => Resource::Repository {
                instance: (&*instance).into(),
                path,
            },
            // Only who may do it everywhere hears that there is no such repository.
            None => Resource::Instance((&*instance).into()),
        };
        self.rights.authorize(call, permission, resource).await?;
        registry_url(&instance)?;
        let found = match (found, repository) {
            (Some(found), _) => found,
            (None, RepositoryChoice::Named { namespace, name }) => {
                self.import_repository(&instance, namespace, name, call.request)
                    .await?
            }
            (None, RepositoryChoice::WithId(id)) => {
                return Err(Error::not_found(Noun::Repository, id));
            }
        };
        Ok((instance, found))
    }

    /// Returns a client of an instance's registry that may do this to these repositories, and
    /// nothing else.
    fn registry(
        &self,
        instance: &Instance,
        access: &[(&str, &[&'static str])],
    ) -> Result<Arc<RegistryClient>> {
        let access = access
            .iter()
            .map(|(path, actions)| repository_access(path, actions))
            .collect::<Vec<_>>();
        self.registry_with(instance, &access)
    }

    pub(in crate::service) fn registry_with(
        &self,
        instance: &Instance,
        access: &[Access],
    ) -> Result<Arc<RegistryClient>> {
        let url = registry_url(instance)?;
        let claims = Claims {
            issuer: self.base.issuer_of(instance),
            subject: instance.kind.subject("transire"),
            audience: &instance.service,
            now: self.base.now(),
            ttl: TOKEN_TTL,
            access,
        };
        let token = self
            .memory
            .keys
            .keyring
            .load()
            .signing_key_of(instance)?
            .sign(instance.kid_format, &claims, &*self.base.random)?;
        RegistryClient::new(&self.upstream.client, url, &token.text)
            .map(Arc::new)
            .map_err(failed)
    }

    /// Checks what an operator says where a registry is.
    pub(in crate::service) fn check_registry_url(&self, url: &str) -> Result<()> {
        let refuse = |why: String| Error::invalid_parameter("registry-url", why);
        HttpUrl::parse_place(url).map_err(|fault| {
            refuse(fault.explain("the registry's URL", "https://registry.example.com:5000"))
        })?;
        check_base(&self.upstream.client, url)
            .map(drop)
            .map_err(|failure| refuse(failure.to_string()))
    }

    /// Tells whether the registry has tags in a repository.
    pub(in crate::service) async fn has_tags(
        &self,
        instance: &Instance,
        path: &str,
    ) -> Result<bool> {
        let registry = self.registry(instance, &[(path, &["pull"])])?;
        let key = (instance.id.clone(), path.to_owned());
        self.upstream
            .listings
            .read(registry, &key, &self.base.clock, async |reader: Reader| {
                let has_tags = reader.has_tags();
                (reader, Ok(has_tags))
            })
            .await
    }
}

fn registry_url(instance: &Instance) -> Result<&str> {
    instance.registry_url.as_deref().ok_or_else(|| {
        Error::unsupported(format!(
            "The instance has no registry that could be asked: `transire instance update \
             --instance {} --registry-url URL` says where it is.",
            instance.id
        ))
    })
}

/// Returns what a token grants on a repository.
pub(in crate::service) fn repository_access(path: &str, actions: &[&'static str]) -> Access {
    Access {
        resource_type: "repository".to_owned(),
        name: path.to_owned(),
        actions: actions.to_vec(),
    }
}

/// Waits no longer for a registry than anybody should.
pub(in crate::service) async fn within_patience<T>(
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    tokio::time::timeout(PATIENCE, work)
        .await
        .unwrap_or_else(|_| Err(tag_listings::silent()))
}

fn missing(tag: &str) -> Error {
    let end = tag.floor_char_boundary(128);
    Error::not_found(Noun::Image, &tag[..end])
}

/// Returns what tags stand for now; `NotFound` unless all of them are there.
async fn digests_of(
    registry: &Arc<RegistryClient>,
    path: &str,
    tags: &BTreeSet<String>,
) -> Result<BTreeMap<String, String>> {
    let heads = heads(registry, path, tags.iter().cloned().collect()).await?;
    heads
        .into_iter()
        .map(|(tag, head)| match head.and_then(|head| head.digest) {
            Some(digest) => Ok((tag, digest)),
            None => Err(missing(&tag)),
        })
        .collect()
}

/// Deletes tags, one by one where the registry can, and else with their manifests.
async fn delete(
    registry: &Arc<RegistryClient>,
    path: &str,
    digests: &BTreeMap<String, String>,
) -> Result<()> {
    let mut tags = digests.keys();
    if let Some(first) = tags.next()
        && registry.delete(path, first).await.map_err(failed)? != Deletion::Done
    {
        return delete_manifests(registry, path, digests).await;
    }
    for tag in tags {
        if registry.delete(path, tag).await.map_err(failed)? == Deletion::Unsupported {
            return Err(Error::registry_unavailable(
                "The registry behind the instance deleted some of the tags, and then no more.",
            ));
        }
    }
    Ok(())
}

/// Deletes the manifests of tags, unless something else needs them.
async fn delete_manifests(
    registry: &Arc<RegistryClient>,
    path: &str,
    digests: &BTreeMap<String, String>,
) -> Result<()> {
    let names = registry
        .tags(path, MAX_TAGS)
        .await
        .map_err(failed)?
        .unwrap_or_default();
    if !names.complete {
        return Err(Error::unsupported(format!(
            "The repository has more than {MAX_TAGS} tags; whether others need the image can't be \
             told."
        )));
    }
    let others = names
        .names
        .into_iter()
        .filter(|tag| is_tag(tag) && !digests.contains_key(tag))
        .collect();
    let doomed: BTreeSet<&str> = digests.values().map(String::as_str).collect();
    let mut bereft = BTreeSet::new();
    for (tag, head) in heads(registry, path, others).await? {
        let Some(head) = head else { continue };
        if needs(registry, path, &head, &doomed).await? {
            bereft.insert(tag);
        }
    }
    if !bereft.is_empty() {
        let shown: Vec<&str> = bereft.iter().map(String::as_str).take(10).collect();
        let more = if bereft.len() > shown.len() {
            format!(" and {} more", bereft.len() - shown.len())
        } else {
            String::new()
        };
        return Err(Error::unsupported(format!(
            "The registry behind the instance deletes images with all their tags, and this one is \
             needed by other tags: {}{more}. Delete those too in the same call \
             (DeleteRepositoryTags), or give them another image first.",
            shown.join(", ")
        )));
    }
    for digest in doomed {
        // An index goes first or last as it comes: no other tag needs its images.
        if registry.delete(path, digest).await.map_err(failed)? == Deletion::Unsupported {
            return Err(Error::unsupported(
                "The registry behind the instance deletes nothing; its operator can let it, in \
                 Distribution by storage.delete.enabled.",
            ));
        }
    }
    Ok(())
}

/// Tells whether a tag would lose its image, or one of its index's.
async fn needs(
    registry: &RegistryClient,
    path: &str,
    head: &Head,
    doomed: &BTreeSet<&str>,
) -> Result<bool> {
    let digest = head.digest.as_deref().unwrap_or_default();
    let is_index = head.media_type.contains("index") || head.media_type.contains("list");
    if doomed.contains(digest) || !is_index {
        return Ok(doomed.contains(digest));
    }
    Ok(contents::named_by(registry, path, digest)
        .await?
        .iter()
        .any(|inner| doomed.contains(inner.as_str())))
}

/// Says of a failed question what may be said to anyone; its cause is for the log.
pub(in crate::service) fn failed(failure: Failure) -> Error {
    let message = match &failure {
        Failure::Refused { .. } => {
            "The registry behind the instance does not accept transire's tokens; `transire \
             registry-config` writes what it must trust."
        }
        Failure::Url { .. } => {
            "The registry behind the instance has an address that can't be used."
        }
        Failure::TooLarge(_) | Failure::Unexpected { .. } => {
            "The registry behind the instance answers with what can't be used."
        }
        Failure::Unresolved { .. }
        | Failure::NotPublic { .. }
        | Failure::Unreachable { .. }
        | Failure::Authorities(_)
        | Failure::Tls { .. }
        | Failure::Http(_)
        | Failure::TimedOut(_) => {
            "The registry behind the instance does not answer; try again later."
        }
    };
    Error::registry_unavailable(message).caused_by(failure)
}
