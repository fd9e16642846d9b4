//! The parts of a page of a principal: what belongs to it, out of other lists.

use serde_json::Value;

use super::Visit;
use super::list::{Cell, columns_of, rows_of, with_query};
use crate::http::console::tree::{self, Link};
use crate::http::operators::operations::named;

/// The items of a section; the list itself has the others.
const ITEMS: &str = "20";

/// The part of another list that belongs to a thing.
pub(super) struct Section {
    pub(super) title: String,
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Vec<Cell>>,
    /// The way to the list.
    pub(super) path: String,
    pub(super) actions: Vec<Link>,
}

/// A principal whose page is shown.
struct Holder<'a> {
    account: &'a str,
    /// `user` or `role`, and its name; nothing for the account's root.
    named: Option<(&'static str, &'a str)>,
    /// Its form in lists of keys and credentials; nothing where only its sessions are in them.
    listed_as: Option<String>,
    /// Its form as commands take it.
    principal: String,
}

/// Returns the sections of a page; none for what is no principal.
pub(super) async fn of(
    visit: &Visit<'_>,
    name: &str,
    values: &[&str],
    answer: &Value,
) -> Vec<Section> {
    let Some(holder) = holder(name, values, answer) else {
        return Vec::new();
    };
    let mut sections = Vec::new();
    if let Some(principal) = &holder.listed_as {
        let pairs = [("account", holder.account), ("principal", principal)];
        let mut keys = section(visit, "ListAccessKeys", &pairs).await;
        if let Some(keys) = &mut keys {
            let user = holder.named.map(|(_, name)| ("user", name));
            let given = std::iter::once(("account", holder.account)).chain(user);
            keys.actions.extend(form(visit, "CreateAccessKey", given));
        }
        sections.extend(keys);
    }
    if let Some((kind, name)) = holder.named {
        let target = format!("{kind}/{name}");
        let pairs = [("account", holder.account), ("attached_to", &*target)];
        let mut policies = section(visit, "ListPolicies", &pairs).await;
        if let Some(policies) = &mut policies {
            let given = [("account", holder.account), (kind, name)];
            policies.actions.extend(form(visit, "AttachPolicy", given));
        }
        sections.extend(policies);
        if kind == "user" {
            let pairs = [("account", holder.account), ("members", name)];
            sections.extend(section(visit, "ListGroups", &pairs).await);
        }
    }
    sections.extend(credentials(visit, &holder).await);
    let pairs = [("made_by", &*holder.principal)];
    sections.extend(section(visit, "ListServiceAccountsOfMaker", &pairs).await);
    sections
}

/// Returns the ways to more about a principal; none for what is no principal.
pub(super) fn links(visit: &Visit<'_>, name: &str, values: &[&str], answer: &Value) -> Vec<Link> {
    let Some(holder) = holder(name, values, answer) else {
        return Vec::new();
    };
    let words = visit.language.words();
    let pair = || std::iter::once(("principal".to_owned(), holder.principal.clone()));
    let link = |text: &str, path: &str| Link {
        text: text.to_owned(),
        path: with_query(path, pair()),
        is_here: false,
    };
    let mut links = vec![
        link(words.explain, tree::EXPLAIN),
        link(words.audit_of, &format!("{}/audit", tree::BASE)),
    ];
    if let Some((revoke, _)) = named("Revoke") {
        let path = tree::form(revoke, []);
        links.push(link(&visit.language.label(revoke.name()), &path));
    }
    links
}

fn holder<'a>(page: &str, values: &[&'a str], answer: &Value) -> Option<Holder<'a>> {
    let id = |field: &str| answer.get(field).and_then(Value::as_str);
    match (page, values) {
        ("ShowAccount", [account]) => Some(Holder {
            account,
            named: None,
            listed_as: Some(format!("{account}:root")),
            principal: format!("{account}:root"),
        }),
        ("ShowUser", [account, name]) => Some(Holder {
            account,
            named: Some(("user", name)),
            listed_as: id("user_id").map(|id| format!("{account}:user#{id}")),
            principal: format!("{account}:user/{name}"),
        }),
        ("ShowRole", [account, name]) => Some(Holder {
            account,
            named: Some(("role", name)),
            listed_as: None,
            principal: format!("{account}:role/{name}"),
        }),
        _ => None,
    }
}

/// Returns the long-term credentials at each instance of the account.
async fn credentials(visit: &Visit<'_>, holder: &Holder<'_>) -> Vec<Section> {
    let Some(principal) = &holder.listed_as else {
        return Vec::new();
    };
    let mut sections = Vec::new();
    for instance in instances(visit, holder.account).await {
        let pairs = [("instance", &*instance), ("principal", principal)];
        let found = section(visit, "ListCredentials", &pairs).await;
        sections.extend(
            found
                .filter(|found| !found.rows.is_empty())
                .map(|found| Section {
                    title: format!("{}: {instance}", found.title),
                    ..found
                }),
        );
    }
    sections
}

async fn instances(visit: &Visit<'_>, account: &str) -> Vec<String> {
    let pairs = [("account_id", account), ("limit", ITEMS)];
    let Some((route, _)) = named("ListInstances") else {
        return Vec::new();
    };
    let Ok(answer) = visit.read(route, owned(&pairs)).await else {
        return Vec::new();
    };
    let items = answer.get("items").and_then(Value::as_array);
    let ids = items.into_iter().flatten();
    ids.filter_map(|one| one.get("tcr_id")?.as_str().map(str::to_owned))
        .collect()
}

/// Returns the part of a list that the pairs leave. A list that the operator may not read is left
/// out.
async fn section(visit: &Visit<'_>, list: &str, pairs: &[(&str, &str)]) -> Option<Section> {
    let (route, _) = named(list)?;
    let mut given = owned(pairs);
    given.push(("limit".to_owned(), ITEMS.to_owned()));
    let answer = visit.read(route, given).await.ok()?;
    let described = (route.describe)();
    let in_path = |name: &str| tree::fields_of(route.path).any(|field| field == name);
    let (path, query): (Vec<_>, Vec<_>) = pairs.iter().partition(|(name, _)| in_path(name));
    let values: Vec<&str> = path.iter().map(|(_, value)| *value).collect();
    Some(Section {
        title: visit.language.label(&tree::list_name(route.path)),
        columns: columns_of(visit, &described),
        rows: rows_of(visit, route, &values, &answer),
        path: with_query(
            &tree::filled(route.path, values.iter().copied()),
            owned(&query).into_iter(),
        ),
        actions: Vec::new(),
    })
}

/// Returns the way to an operation's form, with fields that need not be in its path.
fn form<'a>(
    visit: &Visit<'_>,
    operation: &str,
    given: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Option<Link> {
    let (route, _) = named(operation)?;
    let pairs: Vec<_> = given.into_iter().collect();
    Some(Link {
        text: visit.language.label(operation),
        path: with_query(
            &format!("{}/do/{}", tree::BASE, route.name()),
            owned(&pairs).into_iter(),
        ),
        is_here: false,
    })
}

fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let pairs = pairs.iter();
    pairs
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}
