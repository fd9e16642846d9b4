//! Namespaces.

use axum::response::Response;
use serde::Serialize;

use crate::domain::namespace::{NamespaceChange, Severity, Visibility};
use crate::domain::tag::Tag;
use crate::domain::{Error, Result};
use crate::service::{Contents, NamespaceFilter, NewNamespace, Page, TaggedNamespace};

use super::place::{instance, registry_id};
use crate::http::tencent::pager::Pager;
use crate::http::tencent::parameters::Parameters;
use crate::http::tencent::{Authenticated, Nothing};

/// The parameters' names, by the use case's.
const NAMES: [(&str, &str); 3] = [
    ("name", "NamespaceName"),
    ("tags", "TagSpecification.Tags"),
    ("allowed-cves", "CVEWhitelistItems"),
];

/// The parameters that `CreateNamespace` and `ModifyNamespace` share.
struct Said {
    is_public: Option<bool>,
    is_auto_scan: Option<bool>,
    is_prevent_vul: Option<bool>,
    severity: Option<Severity>,
    cves: Option<Vec<String>>,
    tags: Option<Vec<Tag>>,
}

impl Said {
    fn take(parameters: &mut Parameters) -> Result<Self> {
        let severity = parameters.text("Severity")?.map(|text| {
            text.parse().map_err(|_| {
                Error::invalid_parameter(
                    "Severity",
                    "The parameter `Severity` is `low`, `medium` or `high`, or empty.",
                )
            })
        });
        Ok(Self {
            is_public: parameters.boolean("IsPublic")?,
            is_auto_scan: parameters.boolean("IsAutoScan")?,
            is_prevent_vul: parameters.boolean("IsPreventVUL")?,
            severity: severity.transpose()?,
            cves: cves(parameters)?,
            tags: tags(parameters)?,
        })
    }
}

fn cves(parameters: &mut Parameters) -> Result<Option<Vec<String>>> {
    let Some(items) = parameters.given_structures("CVEWhitelistItems")? else {
        return Ok(None);
    };
    let read = |mut item: Parameters| {
        let id = item.required_text("CVEID")?;
        item.finish().map(|()| id)
    };
    items.into_iter().map(read).collect::<Result<_>>().map(Some)
}

fn tags(parameters: &mut Parameters) -> Result<Option<Vec<Tag>>> {
    let Some(mut specification) = parameters.structure("TagSpecification")? else {
        return Ok(None);
    };
    // The model calls `instance` the default; these tags are the namespace's, whatever is said.
    if specification
        .text("ResourceType")?
        .is_some_and(|sort| !matches!(sort.as_str(), "namespace" | "instance"))
    {
        return Err(Error::invalid_parameter(
            "TagSpecification.ResourceType",
            "A namespace's tags have the ResourceType `namespace`.",
        ));
    }
    let read = |mut tag: Parameters| {
        let (key, value) = (
            tag.required_text("Key")?,
            tag.text("Value")?.unwrap_or_default(),
        );
        tag.finish().map(|()| Tag { key, value })
    };
    let tags = specification
        .structures("Tags")?
        .into_iter()
        .map(read)
        .collect::<Result<_>>()?;
    specification.finish()?;
    Ok(Some(tags))
}

pub(crate) async fn create(
    Authenticated {
        service,
        call,
        mut parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let registry_id = registry_id(&mut parameters)?;
    let name = parameters.required_text("NamespaceName")?;
    let said = Said::take(&mut parameters)?;
    let is_public = said
        .is_public
        .ok_or_else(|| Error::missing_parameter("IsPublic"))?;
    parameters.finish()?;
    let new = NewNamespace {
        visibility: Visibility::of(is_public),
        default_visibility: Visibility::of(is_public),
        auto_scan: said.is_auto_scan.unwrap_or_default().into(),
        prevent_vulnerable: said.is_prevent_vul.unwrap_or_default().into(),
        severity: said.severity.unwrap_or(Severity::Unset),
        allowed_cves: said.cves.unwrap_or_default(),
        tags: said.tags.unwrap_or_default(),
        ..NewNamespace::named(name)
    };
    let made = service
        .registry
        .create_namespace(call, &instance(&registry_id)?, new)
        .await;
    made.map_err(|error| error.naming(&NAMES))?;
    reply.with(&Nothing {})
}

pub(crate) async fn modify(
    Authenticated {
        service,
        call,
        mut parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let registry_id = registry_id(&mut parameters)?;
    let name = parameters.required_text("NamespaceName")?;
    let said = Said::take(&mut parameters)?;
    parameters.finish()?;
    let change = NamespaceChange {
        visibility: said.is_public.map(Visibility::of),
        // Repositories that a push makes in a private namespace are private, too.
        default_visibility: said.is_public.map(Visibility::of),
        auto_scan: said.is_auto_scan.map(Into::into),
        prevent_vulnerable: said.is_prevent_vul.map(Into::into),
        severity: said.severity,
        allowed_cves: said.cves,
        ..NamespaceChange::default()
    };
    let instance = instance(&registry_id)?;
    let modified = service
        .registry
        .modify_namespace(call, &instance, &name, &change, said.tags.as_deref())
        .await;
    modified.map_err(|error| error.naming(&NAMES))?;
    reply.with(&Nothing {})
}

pub(crate) async fn delete(
    Authenticated {
        service,
        call,
        mut parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let registry_id = registry_id(&mut parameters)?;
    let name = parameters.required_text("NamespaceName")?;
    parameters.finish()?;
    service
        .registry
        .delete_namespace(call, &instance(&registry_id)?, &name, Contents::MustBeGone)
        .await?;
    reply.with(&Nothing {})
}

pub(crate) async fn describe(
    Authenticated {
        service,
        call,
        mut parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    let registry_id = registry_id(&mut parameters)?;
    let name = parameters
        .text("NamespaceName")?
        .filter(|name| !name.is_empty());
    let page = Pager::PAGES_FROM_0.take(&mut parameters)?;
    let page = if parameters.boolean("All")?.unwrap_or_default() {
        Page::ALL
    } else {
        page
    };
    let filters = parameters.structures("Filters")?;
    let tags = filters.into_iter().map(tag_filter).collect::<Result<_>>()?;
    let with_kms = parameters.boolean("KmsSignPolicy")?.unwrap_or_default();
    parameters.finish()?;
    let filter = NamespaceFilter { name, tags };
    // Asked for all the same: a caller who may not list hears that, and not that there are none.
    let listed = service
        .registry
        .namespaces(call, &instance(&registry_id)?, &filter, page)
        .await?;
    let output = match with_kms {
        // Nothing is signed by a key management service here.
        true => Namespaces {
            namespace_list: Vec::new(),
            total_count: 0,
        },
        false => Namespaces {
            namespace_list: listed.items.iter().map(NamespaceInfo::of).collect(),
            total_count: listed.total,
        },
    };
    reply.with(&output)
}

/// Reads a filter: `Tags`, whose values are written `KEY:VALUE`.
fn tag_filter(mut filter: Parameters) -> Result<Vec<Tag>> {
    let name = filter.required_text("Name")?;
    let values = filter.texts("Values")?;
    filter.finish()?;
    if name != "Tags" {
        return Err(Error::invalid_parameter(
            "Filters.Name",
            "The only filter is `Tags`.",
        ));
    }
    let read = |value: String| {
        let (key, value) = value.split_once(':').ok_or_else(|| {
            Error::invalid_parameter("Filters.Values", "A tag is written `tagKey:tagVal`.")
        })?;
        Ok(Tag {
            key: key.to_owned(),
            value: value.to_owned(),
        })
    };
    values.into_iter().map(read).collect()
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Namespaces<'a> {
    namespace_list: Vec<NamespaceInfo<'a>>,
    total_count: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct NamespaceInfo<'a> {
    name: &'a str,
    /// `2024-12-10T14:04:56Z`
    creation_time: String,
    public: bool,
    namespace_id: i64,
    tag_specification: TagSpecification<'a>,
    metadata: [KeyValue; 2],
    #[serde(rename = "CVEWhitelistItems")]
    cve_whitelist_items: Vec<CveItem<'a>>,
    auto_scan: bool,
    #[serde(rename = "PreventVUL")]
    prevent_vul: bool,
    severity: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TagSpecification<'a> {
    resource_type: &'static str,
    tags: Vec<TagInfo<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TagInfo<'a> {
    key: &'a str,
    value: &'a str,
}

/// Both are texts.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct KeyValue {
    key: &'static str,
    value: &'static str,
}

#[derive(Serialize)]
struct CveItem<'a> {
    #[serde(rename = "CVEID")]
    id: &'a str,
}

impl<'a> NamespaceInfo<'a> {
    fn of(one: &'a TaggedNamespace) -> Self {
        let TaggedNamespace { namespace, tags } = one;
        let text = |on: bool| if on { "true" } else { "false" };
        let (auto_scan, prevent_vul) = (
            namespace.auto_scan.is_on(),
            namespace.prevent_vulnerable.is_on(),
        );
        Self {
            name: &namespace.name,
            creation_time: namespace.created_at.rfc3339(),
            public: namespace.visibility == Visibility::Public,
            namespace_id: namespace.number,
            tag_specification: TagSpecification {
                resource_type: "namespace",
                tags: tags
                    .iter()
                    .map(|tag| TagInfo {
                        key: &tag.key,
                        value: &tag.value,
                    })
                    .collect(),
            },
            metadata: [
                KeyValue {
                    key: "auto_scan",
                    value: text(auto_scan),
                },
                KeyValue {
                    key: "prevent_vul",
                    value: text(prevent_vul),
                },
            ],
            cve_whitelist_items: namespace
                .allowed_cves
                .iter()
                .map(|id| CveItem { id })
                .collect(),
            auto_scan,
            prevent_vul,
            severity: namespace.severity.name(),
        }
    }
}
