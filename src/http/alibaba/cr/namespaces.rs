//! Namespaces.

use axum::response::Response;
use serde::{Deserialize, Serialize};

use crate::domain::namespace::{Namespace, NamespaceChange, Visibility};
use crate::domain::switch::Switch;
use crate::domain::{Error, Result};
use crate::service::{Contents, NamespaceChoice, NamespaceFilter, NewNamespace};
use crate::sign::Parameters;

use super::place::{NO_RESOURCE_GROUP, instance, instance_id};
use crate::http::alibaba::pager::Paging;
use crate::http::alibaba::parameters::boolean;
use crate::http::alibaba::{Authenticated, Nothing, given, required};

/// Reads `PUBLIC` or `PRIVATE`.
pub(super) fn visibility(parameters: &Parameters, name: &str) -> Result<Option<Visibility>> {
    given(parameters, name)
        .map(|text| visibility_named(name, text))
        .transpose()
}

fn visibility_named(parameter: &str, text: &str) -> Result<Visibility> {
    match text {
        "PUBLIC" => Ok(Visibility::Public),
        "PRIVATE" => Ok(Visibility::Private),
        _ => Err(Error::invalid_parameter(
            parameter,
            "It is PUBLIC or PRIVATE.",
        )),
    }
}

/// Returns the word for a visibility.
pub(super) fn type_name(visibility: Visibility) -> &'static str {
    match visibility {
        Visibility::Public => "PUBLIC",
        Visibility::Private => "PRIVATE",
    }
}

/// Tells whether `NamespaceStatus` asks for namespaces that are as usual, and not for those being
/// deleted.
pub(super) fn is_normal(parameters: &Parameters) -> Result<bool> {
    match given(parameters, "NamespaceStatus") {
        None | Some("NORMAL") => Ok(true),
        Some("DELETING") => Ok(false),
        Some(_) => Err(Error::invalid_parameter(
            "NamespaceStatus",
            "It is NORMAL or DELETING.",
        )),
    }
}

/// The properties of a repository that a push makes.
#[derive(Clone, Copy, Debug, Default)]
struct Defaults {
    visibility: Option<Visibility>,
    tag_immutability: Option<Switch>,
}

/// `DefaultRepoConfiguration`, JSON in a text.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct RepoConfiguration {
    repo_type: Option<String>,
    tag_immutability: Option<bool>,
    artifact_build_rule_parameters: Option<ArtifactBuildRuleParameters>,
}

#[derive(Clone, Copy, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
struct ArtifactBuildRuleParameters {
    image_index_only: bool,
}

impl Defaults {
    fn read(parameters: &Parameters) -> Result<Self> {
        const CONFIGURATION: &str = "DefaultRepoConfiguration";
        let by_type = visibility(parameters, "DefaultRepoType")?;
        let Some(text) = given(parameters, CONFIGURATION) else {
            return Ok(Self {
                visibility: by_type,
                tag_immutability: None,
            });
        };
        let configuration: RepoConfiguration = serde_json::from_str(text).map_err(|error| {
            Error::invalid_parameter(
                CONFIGURATION,
                "It is a JSON object of RepoType, TagImmutability and ArtifactBuildRuleParameters.",
            )
            .caused_by(error.to_string())
        })?;
        if configuration
            .artifact_build_rule_parameters
            .is_some_and(|parameters| parameters.image_index_only)
        {
            return Err(Error::unsupported(
                "Images are not built here: ImageIndexOnly can't be true.",
            ));
        }
        let by_configuration = configuration
            .repo_type
            .as_deref()
            .map(|text| visibility_named(CONFIGURATION, text))
            .transpose()?;
        match (by_type, by_configuration) {
            (Some(one), Some(other)) if one != other => Err(Error::invalid_parameter(
                CONFIGURATION,
                "Its RepoType is another one than DefaultRepoType.",
            )),
            _ => Ok(Self {
                visibility: by_type.or(by_configuration),
                tag_immutability: configuration.tag_immutability.map(Into::into),
            }),
        }
    }
}

pub(crate) async fn create(
    Authenticated {
        service,
        call,
        parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let instance_id = instance_id(parameters)?;
    let named = NewNamespace::named(required(parameters, "NamespaceName")?);
    let defaults = Defaults::read(parameters)?;
    let new = NewNamespace {
        auto_create_repository: boolean(parameters, "AutoCreateRepo")?
            .map_or(named.auto_create_repository, Into::into),
        default_visibility: defaults.visibility.unwrap_or(named.default_visibility),
        default_tag_immutability: defaults
            .tag_immutability
            .unwrap_or(named.default_tag_immutability),
        ..named
    };
    let made = service
        .registry
        .create_namespace(call, &instance(instance_id)?, new)
        .await;
    made.map_err(|error| error.naming(&[("name", "NamespaceName")]))?;
    reply.success(Nothing {})
}

pub(crate) async fn update(
    Authenticated {
        service,
        call,
        parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let instance_id = instance_id(parameters)?;
    let name = required(parameters, "NamespaceName")?;
    let defaults = Defaults::read(parameters)?;
    let change = NamespaceChange {
        // A namespace that the other door made public is not left so under a default that says
        // private.
        visibility: defaults
            .visibility
            .filter(|visibility| *visibility == Visibility::Private),
        auto_create_repository: boolean(parameters, "AutoCreateRepo")?.map(Into::into),
        default_visibility: defaults.visibility,
        default_tag_immutability: defaults.tag_immutability,
        ..NamespaceChange::default()
    };
    service
        .registry
        .modify_namespace(call, &instance(instance_id)?, name, &change, None)
        .await?;
    reply.success(Nothing {})
}

pub(crate) async fn delete(
    Authenticated {
        service,
        call,
        parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let instance_id = instance_id(parameters)?;
    let name = required(parameters, "NamespaceName")?;
    service
        .registry
        .delete_namespace(call, &instance(instance_id)?, name, Contents::MustBeGone)
        .await?;
    reply.success(Nothing {})
}

pub(crate) async fn get(
    Authenticated {
        service,
        call,
        parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let instance_id = instance_id(parameters)?;
    let (id, name) = (
        given(parameters, "NamespaceId"),
        given(parameters, "NamespaceName"),
    );
    let choice = match (id, name) {
        // A malformed id can't name a namespace; it is answered as one that isn't there.
        (Some(id), _) => NamespaceChoice::WithId(id.parse()?),
        (None, Some(name)) => NamespaceChoice::Named(name.to_owned()),
        (None, None) => return Err(Error::missing_parameter("NamespaceName")),
    };
    let namespace = service
        .registry
        .namespace(call, &instance(instance_id)?, &choice)
        .await?;
    if name.is_some_and(|name| name != namespace.name) {
        return Err(Error::invalid_parameter(
            "NamespaceName",
            "It is not the name of the namespace with that NamespaceId.",
        ));
    }
    reply.success(NamespaceInfo::of(&namespace, instance_id))
}

pub(crate) async fn list(
    Authenticated {
        service,
        call,
        parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let instance_id = instance_id(parameters)?;
    let filter = NamespaceFilter {
        name: given(parameters, "NamespaceName").map(ToOwned::to_owned),
        tags: Vec::new(),
    };
    let paging = Paging::read(parameters)?;
    let none_is_so = !is_normal(parameters)?;
    // Asked for all the same: a caller who may not list hears that, and not that there are none.
    let listed = service
        .registry
        .namespaces(call, &instance(instance_id)?, &filter, paging.page())
        .await?;
    let (namespaces, total) = if none_is_so {
        (Vec::new(), 0)
    } else {
        (listed.items, listed.total)
    };
    let output = Namespaces {
        page_no: paging.number,
        page_size: paging.size,
        total_count: total.to_string(),
        namespaces: namespaces
            .iter()
            .map(|one| NamespaceInfo::of(&one.namespace, instance_id))
            .collect(),
    };
    reply.success(output)
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Namespaces<'a> {
    page_no: u32,
    page_size: u32,
    /// A text, unlike that of instances.
    total_count: String,
    namespaces: Vec<NamespaceInfo<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct NamespaceInfo<'a> {
    instance_id: &'a str,
    namespace_id: &'a str,
    namespace_name: &'a str,
    namespace_status: &'static str,
    auto_create_repo: bool,
    default_repo_type: &'static str,
    default_repo_configuration: RepoConfigurationInfo,
    resource_group_id: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct RepoConfigurationInfo {
    repo_type: &'static str,
    tag_immutability: bool,
    artifact_build_rule_parameters: ArtifactBuildRuleParameters,
}

impl<'a> NamespaceInfo<'a> {
    fn of(namespace: &'a Namespace, instance_id: &'a str) -> Self {
        let repo_type = type_name(namespace.default_visibility);
        Self {
            instance_id,
            namespace_id: namespace.id.as_str(),
            namespace_name: &namespace.name,
            namespace_status: "NORMAL",
            auto_create_repo: namespace.auto_create_repository.is_on(),
            default_repo_type: repo_type,
            default_repo_configuration: RepoConfigurationInfo {
                repo_type,
                tag_immutability: namespace.default_tag_immutability.is_on(),
                artifact_build_rule_parameters: ArtifactBuildRuleParameters {
                    image_index_only: false,
                },
            },
            resource_group_id: NO_RESOURCE_GROUP,
        }
    }
}
