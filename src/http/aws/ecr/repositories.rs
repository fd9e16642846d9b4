//! Repositories that are recorded, of the account's default instance.

use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::place::{Registry, Target};
use super::settings::{AskedMutability, AskedScanning, Mutability, Scanning};
use super::tags::{self, ResourceTag};
use crate::domain::instance::Instance;
use crate::domain::repository::Repository;
use crate::domain::{Error, ErrorKind, Result};
use crate::http::aws::Authenticated;
use crate::http::aws::parameters::{input, page_size};
use crate::service::{
    Images, NewRepository, Page, Permission, RepositoryFilter, RepositoryOrder, Within,
};

/// The most names of a call.
const MAX_NAMES: usize = 100;
/// The parameters' names, by the use case's.
const NAMES: [(&str, &str); 2] = [
    ("name", "repositoryName"),
    ("exclusions", "imageTagMutabilityExclusionFilters"),
];

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    repository_arn: String,
    registry_id: String,
    repository_name: String,
    repository_uri: String,
    /// Unix seconds, a number.
    created_at: i64,
    #[serde(flatten)]
    mutability: Mutability,
    image_scanning_configuration: Scanning,
    encryption_configuration: Encryption,
}

/// ECR's default: the registry alone knows how it keeps images.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Encryption {
    encryption_type: &'static str,
}

/// The encryption that a call asks for.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AskedEncryption {
    encryption_type: Option<String>,
    kms_key: Option<String>,
}

impl AskedEncryption {
    /// Checks that it promises no more than is known.
    fn check(&self) -> Result<()> {
        match self.encryption_type.as_deref() {
            None => Err(Error::missing_parameter("encryptionType")),
            Some("AES256") if self.kms_key.is_some() => Err(Error::invalid_parameter(
                "kmsKey",
                "AES256 has no kmsKey; leave it out.",
            )),
            Some("AES256") => Ok(()),
            Some("KMS" | "KMS_DSSE") => Err(Error::unsupported(
                "The registry alone knows how it keeps images; leave encryptionConfiguration out, \
                 or ask for AES256.",
            )),
            Some(_) => Err(Error::invalid_parameter(
                "encryptionType",
                "encryptionType is AES256 here.",
            )),
        }
    }
}

impl Shown {
    fn of(
        call: &Authenticated<'_>,
        (registry, instance): (&Registry, &Instance),
        repository: &Repository,
    ) -> Self {
        let name = repository.path();
        Self {
            repository_arn: registry.arn(call, &name),
            registry_id: registry.id.clone(),
            repository_uri: format!("{}/{name}", instance.host_for_ecr()),
            repository_name: name,
            created_at: repository.created_at.unix_seconds(),
            mutability: Mutability::of(repository),
            image_scanning_configuration: Scanning::of(repository.scan_on_push),
            encryption_configuration: Encryption {
                encryption_type: "AES256",
            },
        }
    }
}

#[derive(Serialize)]
struct One {
    repository: Shown,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Create {
    registry_id: Option<String>,
    repository_name: Option<String>,
    #[serde(flatten)]
    mutability: AskedMutability,
    image_scanning_configuration: Option<AskedScanning>,
    encryption_configuration: Option<AskedEncryption>,
    tags: Option<Vec<ResourceTag>>,
}

pub(in crate::http::aws) async fn create(call: Authenticated<'_>) -> Result<Response> {
    let input: Create = input(call.body)?;
    let (registry, path) = (input.registry_id.as_deref(), &input.repository_name);
    let target = Target::of(&call, registry, path.as_deref())?;
    let (namespace, name) = target.parts();
    let (immutability, exclusions) = input.mutability.read()?.unzip();
    if let Some(encryption) = &input.encryption_configuration {
        encryption.check()?;
    }
    let new = NewRepository {
        tag_immutability: immutability,
        tag_exclusions: exclusions.unwrap_or_default(),
        scan_on_push: AskedScanning::read(input.image_scanning_configuration.as_ref()),
        tags: tags::read(input.tags.unwrap_or_default())?,
        ..NewRepository::named(namespace, name)
    };
    let made = call
        .service
        .registry
        .create_repository(call.call, &target.registry.instance, new)
        .await
        .map_err(|error| match error.kind() {
            // Its namespace isn't there, which AWS has none of.
            ErrorKind::NotFound { .. } => error,
            _ => target.worded(error).naming(&NAMES),
        })?;
    let instance = target.instance_with(&call, Permission::CreateRepository);
    call.reply.with(&One {
        repository: Shown::of(&call, (&target.registry, &*instance.await?), &made),
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Delete {
    registry_id: Option<String>,
    repository_name: Option<String>,
    force: Option<bool>,
}

pub(in crate::http::aws) async fn delete(call: Authenticated<'_>) -> Result<Response> {
    let input: Delete = input(call.body)?;
    let (registry, path) = (input.registry_id.as_deref(), &input.repository_name);
    let target = Target::of(&call, registry, path.as_deref())?;
    let images = if input.force == Some(true) {
        Images::GoToo
    } else {
        Images::MustBeGone
    };
    let worded = |error| target.worded(error);
    let instance = target.instance_with(&call, Permission::DeleteRepository);
    let instance = instance.await.map_err(worded)?;
    let (registry, choice) = (&call.service.registry, &target.registry.instance);
    let found = registry.repository(call.call, choice, &target.choice);
    let repository = found.await?;
    registry
        .delete_repository(call.call, choice, &target.choice, images)
        .await
        .map_err(worded)?;
    call.reply.with(&One {
        repository: Shown::of(&call, (&target.registry, &*instance), &repository),
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Describe {
    registry_id: Option<String>,
    repository_names: Option<Vec<String>>,
    next_token: Option<String>,
    max_results: Option<i64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Described {
    repositories: Vec<Shown>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

pub(in crate::http::aws) async fn describe(call: Authenticated<'_>) -> Result<Response> {
    let input: Describe = input(call.body)?;
    let registry = Registry::named(call.call, input.registry_id.as_deref())?;
    if let Some(names) = &input.repository_names {
        if input.next_token.is_some() || input.max_results.is_some() {
            return Err(Error::invalid_parameter(
                "repositoryNames",
                "nextToken and maxResults are for lists; leave them out where repositoryNames are \
                 given.",
            ));
        }
        let repositories = named(&call, &registry, names).await?;
        return call.reply.with(&Described {
            repositories,
            next_token: None,
        });
    }
    let (offset, size) = page(&input)?;
    let filter = RepositoryFilter {
        namespace: None,
        name: None,
        order: RepositoryOrder::OldestFirst,
    };
    let page = Page {
        offset,
        limit: Some(size),
    };
    let listed = call
        .service
        .registry
        .repositories(call.call, &registry.instance, filter, page)
        .await?;
    let instance = registry
        .instance_with(&call, Within::Instance, Permission::ListRepositories)
        .await?;
    let next = offset.saturating_add(size);
    call.reply.with(&Described {
        repositories: listed
            .items
            .iter()
            .map(|repository| Shown::of(&call, (&registry, &*instance), repository))
            .collect(),
        next_token: (u64::from(next) < listed.total).then(|| next.to_string()),
    })
}

/// Returns the repositories of these names, in their order.
async fn named(
    call: &Authenticated<'_>,
    registry: &Registry,
    names: &[String],
) -> Result<Vec<Shown>> {
    if !(1..=MAX_NAMES).contains(&names.len()) {
        return Err(Error::invalid_parameter(
            "repositoryNames",
            format!("repositoryNames has 1 to {MAX_NAMES} names."),
        ));
    }
    let mut shown = Vec::with_capacity(names.len());
    for path in names {
        let target = Target::in_registry(registry.clone(), Some(path))?;
        let repositories = &call.service.registry;
        let found = repositories.repository(call.call, &registry.instance, &target.choice);
        let found = found.await.map_err(|error| target.worded(error))?;
        let instance = target.instance_with(call, Permission::DescribeRepository);
        shown.push(Shown::of(call, (registry, &*instance.await?), &found));
    }
    Ok(shown)
}

/// Returns how many repositories come before the page, and how many are in it at most.
fn page(input: &Describe) -> Result<(u32, u32)> {
    let size = page_size(input.max_results)?;
    let offset = match input.next_token.as_deref() {
        None => 0,
        Some(token) => Some(token)
            .filter(|token| token.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|token| token.parse().ok())
            .ok_or_else(|| {
                Error::invalid_parameter(
                    "nextToken",
                    "nextToken is one of an answer to DescribeRepositories.",
                )
            })?,
    };
    Ok((offset, size))
}
