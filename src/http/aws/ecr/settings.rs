//! Settings of repositories: whether tags may move, and whether images are scanned.
//!
//! Divergence: they are kept and shown. A registry asks for a token before it knows the tag, so the
//! registry alone could keep a tag from moving; and nothing is scanned here.

use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::place::{Registry, Target};
use crate::domain::repository::{Repository, RepositoryChange};
use crate::domain::switch::Switch;
use crate::domain::{Error, ErrorKind, Result};
use crate::http::aws::Authenticated;
use crate::http::aws::parameters::input;
use crate::service::{Permission, Within};

/// The most repositories of a call about scanning.
const MAX_NAMES: usize = 25;
/// The parameters' names, by the use case's.
const NAMES: [(&str, &str); 1] = [("exclusions", "imageTagMutabilityExclusionFilters")];

/// A pattern of tags.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Filter {
    filter_type: Option<String>,
    filter: Option<String>,
}

/// Whether tags may move, as a call says it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AskedMutability {
    image_tag_mutability: Option<String>,
    image_tag_mutability_exclusion_filters: Option<Vec<Filter>>,
}

impl AskedMutability {
    /// Reads whether tags are immutable, and the patterns of those that are excepted; nothing where
    /// the call says nothing.
    ///
    /// # Errors
    ///
    /// `InvalidParameter`.
    pub(super) fn read(self) -> Result<Option<(Switch, Vec<String>)>> {
        let filters = self.image_tag_mutability_exclusion_filters;
        let (switch, has_filters) = match self.image_tag_mutability.as_deref() {
            None if filters.is_none() => return Ok(None),
            Some("MUTABLE") => (Switch::Off, false),
            Some("IMMUTABLE") => (Switch::On, false),
            Some("MUTABLE_WITH_EXCLUSION") => (Switch::Off, true),
            Some("IMMUTABLE_WITH_EXCLUSION") => (Switch::On, true),
            _ => {
                return Err(Error::invalid_parameter(
                    "imageTagMutability",
                    "imageTagMutability is MUTABLE, IMMUTABLE, MUTABLE_WITH_EXCLUSION or \
                     IMMUTABLE_WITH_EXCLUSION.",
                ));
            }
        };
        let filters = filters.unwrap_or_default();
        if has_filters == filters.is_empty() {
            return Err(wrong_filters(
                "imageTagMutabilityExclusionFilters has 1 to 5 filters where imageTagMutability \
                 says WITH_EXCLUSION, and is left out otherwise.",
            ));
        }
        let patterns = filters.into_iter().map(Filter::pattern);
        Ok(Some((switch, patterns.collect::<Result<_>>()?)))
    }
}

impl Filter {
    fn pattern(self) -> Result<String> {
        match (self.filter_type.as_deref(), self.filter) {
            (Some("WILDCARD"), Some(pattern)) => Ok(pattern),
            _ => Err(wrong_filters(
                "A filter has the filterType WILDCARD, and a filter.",
            )),
        }
    }
}

fn wrong_filters(why: &str) -> Error {
    Error::invalid_parameter("imageTagMutabilityExclusionFilters", why)
}

/// Whether tags may move, as it is shown.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Mutability {
    image_tag_mutability: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    image_tag_mutability_exclusion_filters: Vec<Filter>,
}

impl Mutability {
    pub(super) fn of(repository: &Repository) -> Self {
        Self::new(repository.tag_immutability, &repository.tag_exclusions)
    }

    fn new(immutability: Switch, exclusions: &[String]) -> Self {
        let filter = |pattern: &String| Filter {
            filter_type: Some("WILDCARD".to_owned()),
            filter: Some(pattern.clone()),
        };
        Self {
            image_tag_mutability: match (immutability, exclusions.is_empty()) {
                (Switch::On, true) => "IMMUTABLE",
                (Switch::On, false) => "IMMUTABLE_WITH_EXCLUSION",
                (Switch::Off, true) => "MUTABLE",
                (Switch::Off, false) => "MUTABLE_WITH_EXCLUSION",
            },
            image_tag_mutability_exclusion_filters: exclusions.iter().map(filter).collect(),
        }
    }
}

/// Whether images are scanned when they are pushed, as it is shown.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Scanning {
    scan_on_push: bool,
}

impl Scanning {
    pub(super) fn of(scans: Switch) -> Self {
        Self {
            scan_on_push: scans.is_on(),
        }
    }
}

/// Whether images are to be scanned when they are pushed.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AskedScanning {
    scan_on_push: Option<bool>,
}

impl AskedScanning {
    pub(super) fn read(asked: Option<&Self>) -> Switch {
        let scans = asked.and_then(|asked| asked.scan_on_push);
        scans.unwrap_or(false).into()
    }
}

/// Changes a repository's settings.
async fn modify(
    call: &Authenticated<'_>,
    target: &Target<'_>,
    change: (Permission, &RepositoryChange),
) -> Result<()> {
    call.service
        .registry
        .modify_repository(call.call, &target.registry.instance, &target.choice, change)
        .await
        .map_err(|error| target.worded(error).naming(&NAMES))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PutMutability {
    registry_id: Option<String>,
    repository_name: Option<String>,
    #[serde(flatten)]
    mutability: AskedMutability,
}

/// A setting as it is from now on.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Became<T> {
    registry_id: String,
    repository_name: String,
    #[serde(flatten)]
    setting: T,
}

pub(in crate::http::aws) async fn put_mutability(call: Authenticated<'_>) -> Result<Response> {
    let input: PutMutability = input(call.body)?;
    let (registry, path) = (input.registry_id.as_deref(), &input.repository_name);
    let target = Target::of(&call, registry, path.as_deref())?;
    let asked = input.mutability.read()?;
    let (switch, exclusions) =
        asked.ok_or_else(|| Error::missing_parameter("imageTagMutability"))?;
    let setting = Mutability::new(switch, &exclusions);
    let change = RepositoryChange {
        tag_immutability: Some(switch),
        tag_exclusions: Some(exclusions),
        ..RepositoryChange::default()
    };
    modify(&call, &target, (Permission::SetTagMutability, &change)).await?;
    call.reply.with(&Became {
        repository_name: target.path.to_owned(),
        registry_id: target.registry.id,
        setting,
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PutScanning {
    registry_id: Option<String>,
    repository_name: Option<String>,
    image_scanning_configuration: Option<AskedScanning>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ScanningSetting {
    image_scanning_configuration: Scanning,
}

pub(in crate::http::aws) async fn put_scanning(call: Authenticated<'_>) -> Result<Response> {
    let input: PutScanning = input(call.body)?;
    let (registry, path) = (input.registry_id.as_deref(), &input.repository_name);
    let target = Target::of(&call, registry, path.as_deref())?;
    let asked = input
        .image_scanning_configuration
        .ok_or_else(|| Error::missing_parameter("imageScanningConfiguration"))?;
    let scans = AskedScanning::read(Some(&asked));
    let change = RepositoryChange {
        scan_on_push: Some(scans),
        ..RepositoryChange::default()
    };
    modify(&call, &target, (Permission::SetScanning, &change)).await?;
    call.reply.with(&Became {
        repository_name: target.path.to_owned(),
        registry_id: target.registry.id,
        setting: ScanningSetting {
            image_scanning_configuration: Scanning::of(scans),
        },
    })
}

#[derive(Deserialize)]
struct Nothing {}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RegistryScanning {
    registry_id: String,
    scanning_configuration: BasicScanning,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BasicScanning {
    scan_type: &'static str,
    rules: [(); 0],
}

pub(in crate::http::aws) async fn registry_scanning(call: Authenticated<'_>) -> Result<Response> {
    let Nothing {} = input(call.body)?;
    let own = Registry::own(call.call);
    own.instance_with(&call, Within::Instance, Permission::ListScanRules)
        .await?;
    call.reply.with(&RegistryScanning {
        registry_id: own.id,
        scanning_configuration: BasicScanning {
            scan_type: "BASIC",
            rules: [],
        },
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfNames {
    repository_names: Option<Vec<String>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OfRepositories {
    scanning_configurations: Vec<RepositoryScanning>,
    failures: Vec<Failure>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RepositoryScanning {
    repository_arn: String,
    repository_name: String,
    scan_on_push: bool,
    scan_frequency: &'static str,
    applied_scan_filters: [(); 0],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Failure {
    repository_name: String,
    failure_code: &'static str,
    failure_reason: String,
}

pub(in crate::http::aws) async fn batch_get_scanning(call: Authenticated<'_>) -> Result<Response> {
    let input: OfNames = input(call.body)?;
    let names = input
        .repository_names
        .ok_or_else(|| Error::missing_parameter("repositoryNames"))?;
    if !(1..=MAX_NAMES).contains(&names.len()) {
        return Err(Error::invalid_parameter(
            "repositoryNames",
            format!("repositoryNames has 1 to {MAX_NAMES} names."),
        ));
    }
    let mut output = OfRepositories {
        scanning_configurations: Vec::new(),
        failures: Vec::new(),
    };
    for repository_name in names {
        let target = Target::in_registry(Registry::own(call.call), Some(&repository_name))?;
        let registry = &call.service.registry;
        let found = registry.repository(call.call, &target.registry.instance, &target.choice);
        match found.await {
            Ok(repository) => {
                let scans = repository.scan_on_push.is_on();
                let repository_arn = target.registry.arn(&call, target.path);
                output.scanning_configurations.push(RepositoryScanning {
                    repository_arn,
                    repository_name,
                    scan_on_push: scans,
                    scan_frequency: if scans { "SCAN_ON_PUSH" } else { "MANUAL" },
                    applied_scan_filters: [],
                });
            }
            Err(error) if matches!(error.kind(), ErrorKind::NotFound { .. }) => {
                let error = target.worded(error);
                output.failures.push(Failure {
                    repository_name,
                    failure_code: "REPOSITORY_NOT_FOUND",
                    failure_reason: error.message().to_owned(),
                });
            }
            Err(error) => return Err(error),
        }
    }
    call.reply.with(&output)
}
