//! Tags of instances. These operations are the tag service's own form: repeated parameters, and an
//! answer without `Code` and `IsSuccess`.

use axum::response::Response;
use serde::Serialize;

use crate::domain::ids::CriId;
use crate::domain::tag::Tag;
use crate::domain::{Error, Result};
use crate::http::alibaba::parameters::boolean;
use crate::http::alibaba::{Authenticated, given};
use crate::service::{InstanceChoice, InstanceCriterion, TaggedInstance};
use crate::sign::Parameters;

/// The most instances of one call, as the vendor's tag service has it.
const MAX_RESOURCES: usize = 50;
/// The most tags of one call, as there.
const MAX_TAGS: usize = 20;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Done<'a> {
    request_id: &'a str,
}

/// Reads `NAME.1`, `NAME.2` and so on, in their order; one may be left out between others.
fn repeated(
    parameters: &Parameters,
    name: &'static str,
    suffix: &str,
    most: usize,
) -> Result<Vec<String>> {
    let mut numbered: Vec<(usize, String)> = Vec::new();
    for (full, value) in parameters.iter() {
        let Some(rest) = full
            .strip_prefix(name)
            .and_then(|rest| rest.strip_prefix('.'))
        else {
            continue;
        };
        let Some(number) = rest.strip_suffix(suffix) else {
            continue;
        };
        let number = number
            .parse()
            .ok()
            .filter(|number| (1..=most).contains(number));
        let number = number.ok_or_else(|| {
            Error::invalid_parameter(name, format!("Its numbers are from 1 to {most}."))
        })?;
        numbered.push((number, value.to_owned()));
    }
    numbered.sort_by_key(|(number, _)| *number);
    if numbered.windows(2).any(|pair| pair[0].0 == pair[1].0) {
        return Err(Error::invalid_parameter(name, "A number comes twice."));
    }
    Ok(numbered.into_iter().map(|(_, value)| value).collect())
}

fn check_type(parameters: &Parameters) -> Result<()> {
    match given(parameters, "ResourceType") {
        None => Err(Error::missing_parameter("ResourceType")),
        Some(kind) if kind.eq_ignore_ascii_case("instance") => Ok(()),
        Some(_) => Err(Error::invalid_parameter("ResourceType", "It is instance.")),
    }
}

/// Reads the instances that a call names.
fn choices(parameters: &Parameters) -> Result<Vec<InstanceChoice>> {
    let mut ids = Vec::new();
    for id in repeated(parameters, "ResourceId", "", MAX_RESOURCES)? {
        let id: CriId = id.parse()?;
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    Ok(ids.into_iter().map(InstanceChoice::Cri).collect())
}

fn required_choices(parameters: &Parameters) -> Result<Vec<InstanceChoice>> {
    let choices = choices(parameters)?;
    if choices.is_empty() {
        Err(Error::missing_parameter("ResourceId"))
    } else {
        Ok(choices)
    }
}

/// Reads `Tag.N.Key` and `Tag.N.Value`; a value may be missing, a key not.
fn tags(parameters: &Parameters) -> Result<Vec<(String, Option<String>)>> {
    let mut tags: Vec<(String, Option<String>)> = Vec::new();
    for (number, key) in numbered_keys(parameters)? {
        if tags.iter().any(|(known, _)| *known == key) {
            return Err(Error::invalid_parameter(
                "Tag",
                format!("The key {key} comes twice."),
            ));
        }
        tags.push((
            key,
            parameters
                .get(&format!("Tag.{number}.Value"))
                .map(str::to_owned),
        ));
    }
    Ok(tags)
}

fn numbered_keys(parameters: &Parameters) -> Result<Vec<(usize, String)>> {
    let mut keys = Vec::new();
    for (full, _) in parameters.iter() {
        let Some((number, part)) = full
            .strip_prefix("Tag.")
            .and_then(|rest| rest.split_once('.'))
        else {
            continue;
        };
        let number = number
            .parse()
            .ok()
            .filter(|number| (1..=MAX_TAGS).contains(number) && matches!(part, "Key" | "Value"));
        let number: usize = number.ok_or_else(|| {
            Error::invalid_parameter(
                "Tag",
                format!("Tags are given as Tag.N.Key and Tag.N.Value, N from 1 to {MAX_TAGS}."),
            )
        })?;
        let key = parameters
            .get(&format!("Tag.{number}.Key"))
            .filter(|key| !key.is_empty());
        let key = key.ok_or_else(|| Error::missing_parameter(format!("Tag.{number}.Key")))?;
        if part == "Key" {
            keys.push((number, key.to_owned()));
        }
    }
    keys.sort();
    Ok(keys)
}

pub(crate) async fn tag(
    Authenticated {
        service,
        call,
        parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    check_type(parameters)?;
    let choices = required_choices(parameters)?;
    let tags = tags(parameters)?.into_iter().map(|(key, value)| Tag {
        key,
        value: value.unwrap_or_default(),
    });
    let tags: Vec<Tag> = tags.collect();
    if tags.is_empty() {
        return Err(Error::missing_parameter("Tag"));
    }
    service
        .registry
        .tag_instances(call, &choices, &tags)
        .await?;
    reply.bare(&Done {
        request_id: reply.request_id,
    })
}

pub(crate) async fn untag(
    Authenticated {
        service,
        call,
        parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    check_type(parameters)?;
    let choices = required_choices(parameters)?;
    let keys = repeated(parameters, "TagKey", "", MAX_TAGS)?;
    let all = boolean(parameters, "All")?.unwrap_or(false);
    match (keys.is_empty(), all) {
        // As the vendor has it: `All` counts where no key is given.
        (true, true) => {
            service
                .registry
                .untag_instances(call, &choices, None)
                .await?
        }
        (true, false) => return Err(Error::missing_parameter("TagKey")),
        (false, _) => {
            service
                .registry
                .untag_instances(call, &choices, Some(&keys))
                .await?
        }
    }
    reply.bare(&Done {
        request_id: reply.request_id,
    })
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Listed<'a> {
    request_id: &'a str,
    /// Empty at the end, and a list is never cut here.
    next_token: &'static str,
    tag_resources: TagResources,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TagResources {
    tag_resource: Vec<TagResource>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TagResource {
    resource_id: String,
    resource_type: &'static str,
    tag_key: String,
    tag_value: String,
}

/// Lists the tags of the instances that are named, or of all, as far as they have every tag that is
/// asked for.
pub(crate) async fn list(
    Authenticated {
        service,
        call,
        parameters,
        reply,
        ..
    }: Authenticated<'_>,
) -> Result<Response> {
    check_type(parameters)?;
    let choices = choices(parameters)?;
    let wanted = tags(parameters)?;
    if choices.is_empty() && wanted.is_empty() {
        return Err(Error::missing_parameter("ResourceId"));
    }
    if given(parameters, "NextToken").is_some() {
        return Err(Error::invalid_parameter(
            "NextToken",
            "No list here has a next part.",
        ));
    }
    let criteria: Vec<_> = wanted
        .into_iter()
        .map(|(key, value)| match value {
            Some(value) => InstanceCriterion::Tag(key, vec![value]),
            None => InstanceCriterion::TagKey(key),
        })
        .collect();
    let tagged = service
        .registry
        .tagged_instances(call, &choices, &criteria)
        .await?;
    let rows = tagged
        .into_iter()
        .flat_map(|TaggedInstance { instance, tags }| {
            tags.into_iter().map(move |tag| TagResource {
                resource_id: instance.cri_id.to_string(),
                resource_type: "instance",
                tag_key: tag.key,
                tag_value: tag.value,
            })
        });
    let tag_resource = rows.collect();
    reply.bare(&Listed {
        request_id: reply.request_id,
        next_token: "",
        tag_resources: TagResources { tag_resource },
    })
}
