//! The part of a policy's page that says to what it is attached, with the forms to change that.

use serde_json::Value;

use super::Visit;
use crate::domain::Result;
use crate::http::console::tree;
use crate::http::operators::operations::named;

/// The kinds of targets: the field that names one, its list, and its page.
const KINDS: [(&str, &str, &str); 3] = [
    ("user", "ListUsers", "ShowUser"),
    ("group", "ListGroups", "ShowGroup"),
    ("role", "ListRoles", "ShowRole"),
];

/// The attachments of a policy.
pub(super) struct Attachments {
    pub(super) account: String,
    pub(super) policy: String,
    /// The paths to which the forms go.
    pub(super) attach: String,
    pub(super) detach: String,
    pub(super) targets: Vec<Target>,
    pub(super) choices: Vec<Choice>,
}

/// An object that has the policy.
pub(super) struct Target {
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) path: String,
}

/// The objects of a kind to which it can be attached.
pub(super) struct Choice {
    pub(super) kind: &'static str,
    pub(super) label: String,
    pub(super) names: Vec<String>,
}

/// Returns the attachments of the policy whose page is shown; nothing on other pages.
///
/// # Errors
/// Those of the lists.
pub(super) async fn of(
    visit: &Visit<'_>,
    page: &str,
    values: &[&str],
) -> Result<Option<Attachments>> {
    let ("ShowPolicy", [account, policy]) = (page, values) else {
        return Ok(None);
    };
    let own = items(visit, "ListPolicies", account, Some(("name", policy))).await?;
    let attached = own
        .first()
        .and_then(|one| one.get("attached_to")?.as_array());
    let targets = attached.into_iter().flatten().filter_map(Value::as_str);
    let targets = targets.filter_map(|target| {
        let (kind, name) = target.split_once('/')?;
        let (_, _, shows) = KINDS.iter().find(|(given, ..)| *given == kind)?;
        Some(Target {
            path: tree::filled(named(shows)?.0.path, [*account, name]),
            kind: kind.to_owned(),
            name: name.to_owned(),
        })
    });
    let mut choices = Vec::new();
    for (kind, list, _) in KINDS {
        let found = items(visit, list, account, None).await?;
        let names = found.iter().filter_map(|one| one.get("name")?.as_str());
        choices.push(Choice {
            kind,
            label: visit.language.label(kind),
            names: names.map(str::to_owned).collect(),
        });
    }
    choices.retain(|choice| !choice.names.is_empty());
    let form = |operation| {
        let found = named(operation);
        found.map_or_else(String::new, |(route, _)| {
            tree::form(route, [*account, *policy])
        })
    };
    Ok(Some(Attachments {
        attach: form("AttachPolicy"),
        detach: form("DetachPolicy"),
        targets: targets.collect(),
        choices,
        account: (*account).to_owned(),
        policy: (*policy).to_owned(),
    }))
}

async fn items(
    visit: &Visit<'_>,
    list: &str,
    account: &str,
    filter: Option<(&str, &str)>,
) -> Result<Vec<Value>> {
    let Some((route, _)) = named(list) else {
        return Ok(Vec::new());
    };
    let pairs = [("account", account), ("limit", "1000")];
    let pairs = pairs.into_iter().chain(filter);
    let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let answer = visit.read(route, pairs.collect()).await?;
    let items = answer.get("items").and_then(Value::as_array).cloned();
    Ok(items.unwrap_or_default())
}
