//! The same decision by the slowest and most obvious means: the JSON as it stands, names as they
//! stand, and patterns by trying everything. It shares nothing with the engine but the facts.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::Value;

use super::{INSTANCES, OWNER, REGION};

/// A random request in plain values.
#[derive(Clone, Debug)]
pub(crate) struct Plain {
    pub(crate) permission: &'static str,
    /// Which of the instances.
    pub(crate) instance: usize,
    /// `namespace/name`
    pub(crate) path: String,
    pub(crate) unix_seconds: i64,
    pub(crate) source_ip: Option<IpAddr>,
    pub(crate) secure_transport: bool,
    pub(crate) mfa_present: bool,
    pub(crate) source_vpc: Option<String>,
    pub(crate) principal_arn: Option<String>,
    pub(crate) principal_id: Option<String>,
    pub(crate) owner: Option<String>,
    pub(crate) resource_tags: Vec<(String, String)>,
    pub(crate) request_tags: Vec<(String, String)>,
    pub(crate) user: Option<String>,
    /// The claims of the caller's token: texts and lists of texts.
    pub(crate) claims: BTreeMap<String, Value>,
}

/// The permissions that are asked, with their names in CAM and RAM and the last segment of their
/// resource there: `*` ends what reaches further, and alone it is no resource at all.
pub(crate) const PERMISSIONS: &[(&str, &[&str], &str, &str, &str)] = &[
    (
        "pull",
        &["tcr:PullRepository"],
        "repository/ID/PATH",
        "cr:PullRepository",
        "repository/ID/PATH",
    ),
    (
        "push",
        &["tcr:PushRepository"],
        "repository/ID/PATH",
        "cr:PushRepository",
        "repository/ID/PATH",
    ),
    (
        "delete",
        &["tcr:DeleteImage", "tcr:DeleteRepositoryTags"],
        "repository/ID/PATH",
        "cr:DeleteRepoTag",
        "repository/ID/PATH",
    ),
    (
        "list-catalog",
        &["tcr:DescribeRepositories"],
        "repository/ID/*",
        "cr:ListRepository",
        "repository/ID/*",
    ),
    (
        "issue-temporary",
        &["tcr:CreateInstanceToken"],
        "instance/ID",
        "cr:GetAuthorizationToken",
        "*",
    ),
    (
        "issue-long-term",
        &["tcr:CreateInstanceToken"],
        "instance/ID",
        "cr:CreateInstanceToken",
        "instance/ID",
    ),
    (
        "list-tags",
        &["tcr:DescribeImages"],
        "repository/ID/PATH/*",
        "cr:ListRepoTag",
        "repository/ID/PATH",
    ),
    (
        "create-namespace",
        &["tcr:CreateNamespace"],
        "repository/ID/NAMESPACE",
        "cr:CreateNamespace",
        "repository/ID",
    ),
    (
        "list-namespaces",
        &["tcr:DescribeNamespaces"],
        "repository/ID/NAMESPACE",
        "cr:ListNamespace",
        "repository/ID/*",
    ),
    (
        "list-repositories",
        &["tcr:DescribeRepositories"],
        "repository/ID/PATH",
        "cr:ListRepository",
        "repository/ID/NAMESPACE/*",
    ),
    (
        "list-instances",
        &["tcr:DescribeInstances"],
        "instance/ID",
        "cr:ListInstance",
        "*",
    ),
    (
        "get-federation-token",
        &["sts:GetFederationToken"],
        "*",
        "sts:GetFederationToken",
        "*",
    ),
];

/// Decides: `true` for each of (some statement allows, some statement denies).
pub(crate) fn decide(documents: &[Value], request: &Plain) -> (bool, bool) {
    let (mut allows, mut denies) = (false, false);
    for document in documents {
        let ram = document.get("Version").is_some();
        for statement in document[if ram { "Statement" } else { "statement" }]
            .as_array()
            .unwrap()
        {
            if applies(statement, ram, request) {
                match statement[if ram { "Effect" } else { "effect" }]
                    .as_str()
                    .unwrap()
                {
                    "allow" | "Allow" => allows = true,
                    _ => denies = true,
                }
            }
        }
    }
    (allows, denies)
}

fn strings(value: &Value) -> Vec<String> {
    match value {
        Value::Array(list) => list
            .iter()
            .map(|value| value.as_str().unwrap().to_owned())
            .collect(),
        value => vec![value.as_str().unwrap().to_owned()],
    }
}

fn applies(statement: &Value, ram: bool, request: &Plain) -> bool {
    let (_, cam_names, cam_path, ram_name, ram_path) = PERMISSIONS
        .iter()
        .find(|row| row.0 == request.permission)
        .unwrap();
    let names: Vec<&str> = if ram {
        vec![ram_name]
    } else {
        cam_names.to_vec()
    };
    let named = |patterns: &Value| {
        names.iter().any(|name| {
            strings(patterns).iter().any(|pattern| {
                if ram {
                    glob(&pattern.to_lowercase(), &name.to_lowercase(), true)
                } else {
                    glob(
                        pattern.strip_prefix("name/").unwrap_or(pattern),
                        name,
                        false,
                    )
                }
            })
        })
    };
    let action = match statement.get("NotAction") {
        Some(patterns) => !named(patterns),
        None => named(&statement[if ram { "Action" } else { "action" }]),
    };
    let deny = statement[if ram { "Effect" } else { "effect" }]
        .as_str()
        .unwrap()
        .eq_ignore_ascii_case("deny");
    let (_, tcr, cri) = INSTANCES[request.instance];
    let namespace = request.path.rsplit_once('/').unwrap().0;
    let wanted = if ram { ram_path } else { cam_path };
    let wanted = wanted
        .replace("ID", if ram { cri } else { tcr })
        .replace("PATH", &request.path)
        .replace("NAMESPACE", namespace);
    let service = if request.permission == "get-federation-token" {
        "sts"
    } else if ram {
        "cr"
    } else {
        "tcr"
    };
    let resource = strings(&statement[if ram { "Resource" } else { "resource" }])
        .iter()
        .any(|pattern| {
            let is_word = |word: &str| {
                !word.is_empty()
                    && word
                        .chars()
                        .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit())
            };
            // No value here has two separators in a row.
            let is_path = |value: &str| value.split(['/', '.', '-', '_']).all(is_word);
            let filled = fill(pattern, request, is_path);
            let pattern = match filled {
                Some(pattern) => pattern,
                None if deny => widest(pattern),
                None => return false,
            };
            if ram {
                ram_resource(&pattern, service, &wanted, deny)
            } else {
                cam_resource(&pattern, service, &wanted, deny)
            }
        });
    action
        && resource
        && conditions(
            statement.get(if ram { "Condition" } else { "condition" }),
            ram,
            deny,
            request,
        )
}

/// The value of `${NAME}`.
fn variable(name: &str, request: &Plain) -> Option<String> {
    match name {
        "user" => request.user.clone(),
        "account" => Some(OWNER.to_string()),
        name => match request.claims.get(name.strip_prefix("oidc:").unwrap())? {
            Value::String(text) if !text.is_empty() => Some(text.clone()),
            _ => None,
        },
    }
}

/// Fills the variables of a text in, or none when a value is missing or doesn't fit. A wildcard in
/// a value becomes a letter that [`hidden`] has too.
fn fill(text: &str, request: &Plain, fits: impl Fn(&str) -> bool) -> Option<String> {
    let mut pieces = text.split("${");
    let mut filled = pieces.next().unwrap().to_owned();
    for piece in pieces {
        let (name, rest) = piece.split_once('}').unwrap();
        let value = variable(name, request).filter(|value| fits(value))?;
        filled.push_str(&hidden(&value));
        filled.push_str(rest);
    }
    Some(filled)
}

/// Replaces wildcards by letters that nothing else holds.
fn hidden(text: &str) -> String {
    text.replace('*', "\u{e000}").replace('?', "\u{e001}")
}

/// Puts a star in the place of each variable: two, so that none ends a directory.
pub(crate) fn widest(text: &str) -> String {
    let mut pieces = text.split("${");
    let first = pieces.next().unwrap().to_owned();
    pieces.fold(first, |text, piece| {
        format!("{text}**{}", piece.split_once('}').unwrap().1)
    })
}

fn cam_resource(pattern: &str, service: &str, wanted: &str, deny: bool) -> bool {
    if pattern == "*" {
        return true;
    }
    let parts: Vec<&str> = pattern.splitn(6, ':').collect();
    let account =
        matches!(parts[4], "" | "uin/" | "*" | "uin/*") || parts[4] == format!("uin/{OWNER}");
    let service = parts[2].is_empty() || glob(parts[2], service, false);
    let region = parts[3].is_empty() || glob(parts[3], REGION, false);
    // A directory and what is below it, each written out; `a`, `a/` and `a/*` name the same one.
    let directory = parts[5]
        .strip_suffix("/*")
        .unwrap_or(parts[5])
        .trim_end_matches('/');
    let paths = if parts[5] == "*" {
        vec!["*".to_owned()]
    } else {
        vec![directory.to_owned(), format!("{directory}/*")]
    };
    account && service && region && paths.iter().any(|path| segment(path, wanted, deny, false))
}

fn ram_resource(pattern: &str, service: &str, wanted: &str, deny: bool) -> bool {
    if pattern == "*" {
        return true;
    }
    let parts: Vec<&str> = pattern.splitn(5, ':').collect();
    let account = parts[3] == "*" || parts[3] == OWNER.to_string();
    account
        && glob(parts[1], service, true)
        && glob(parts[2], REGION, true)
        && segment(parts[4], wanted, deny, true)
}

fn segment(pattern: &str, wanted: &str, deny: bool, questions: bool) -> bool {
    match wanted.strip_suffix('*') {
        None => glob(pattern, wanted, questions),
        Some("") => pattern == "*",
        Some(beginning) if deny => touches(&letters(pattern), &letters(beginning), questions),
        Some(beginning) => pattern.ends_with('*') && glob(pattern, beginning, questions),
    }
}

fn letters(text: &str) -> Vec<char> {
    text.chars().collect()
}

fn glob(pattern: &str, text: &str, questions: bool) -> bool {
    backtrack(&letters(pattern), &letters(text), questions)
}

fn backtrack(pattern: &[char], text: &[char], questions: bool) -> bool {
    match pattern.first() {
        None => text.is_empty(),
        Some('*') => {
            (0..=text.len()).any(|skipped| backtrack(&pattern[1..], &text[skipped..], questions))
        }
        Some('?') if questions => {
            !text.is_empty() && backtrack(&pattern[1..], &text[1..], questions)
        }
        Some(letter) => {
            text.first() == Some(letter) && backtrack(&pattern[1..], &text[1..], questions)
        }
    }
}

/// Whether the pattern matches something that begins so.
fn touches(pattern: &[char], beginning: &[char], questions: bool) -> bool {
    match (pattern.first(), beginning.first()) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some('*'), _) => (0..=beginning.len())
            .any(|skipped| touches(&pattern[1..], &beginning[skipped..], questions)),
        (Some('?'), _) if questions => touches(&pattern[1..], &beginning[1..], questions),
        (Some(own), Some(letter)) => {
            own == letter && touches(&pattern[1..], &beginning[1..], questions)
        }
    }
}

fn conditions(condition: Option<&Value>, ram: bool, deny: bool, request: &Plain) -> bool {
    let Some(condition) = condition else {
        return true;
    };
    condition
        .as_object()
        .unwrap()
        .iter()
        .all(|(operator, keys)| {
            keys.as_object().unwrap().iter().all(|(key, values)| {
                let values: Vec<String> = match values {
                    Value::Array(list) => list.iter().map(plain).collect(),
                    value => vec![plain(value)],
                };
                let actual = actual(key, request);
                let asks_if_missing = operator == "null_equal"
                    || operator.ends_with("_if_exist") && actual.is_empty();
                if key.starts_with("oidc:") && actual.is_empty() && !asks_if_missing {
                    return deny;
                }
                let filled: Option<Vec<String>> = values
                    .iter()
                    .map(|value| fill(value, request, |_| true))
                    .collect();
                match filled {
                    _ if asks_if_missing => holds(operator, &actual, &values, ram),
                    Some(values) => holds(operator, &actual, &values, ram),
                    None => deny,
                }
            })
        })
}

fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), ToOwned::to_owned)
}

/// The values that the request has for a key.
fn actual(key: &str, request: &Plain) -> Vec<String> {
    let pairs = |tags: &[(String, String)]| {
        tags.iter()
            .map(|(key, value)| format!("{key}&{value}"))
            .collect()
    };
    match key {
        "qcs:current_time" | "acs:CurrentTime" => {
            let time = time::OffsetDateTime::from_unix_timestamp(request.unix_seconds).unwrap();
            vec![
                time.format(&time::format_description::well_known::Rfc3339)
                    .unwrap(),
            ]
        }
        "qcs:ip" | "acs:SourceIp" => request.source_ip.iter().map(ToString::to_string).collect(),
        "acs:SecureTransport" => vec![request.secure_transport.to_string()],
        "acs:MFAPresent" | "acs:RAMMFAPresent" => vec![request.mfa_present.to_string()],
        "acs:SourceVpc" => request.source_vpc.iter().cloned().collect(),
        "acs:PrincipalARN" => request.principal_arn.iter().cloned().collect(),
        "tcr:owner" | "cr:Owner" => {
            let own = request.owner.is_some() && request.owner == request.principal_id;
            request
                .owner
                .iter()
                .cloned()
                .chain(own.then(|| "self".to_owned()))
                .collect()
        }
        "qcs:resource_tag" | "qcs:tag" => pairs(&request.resource_tags),
        "qcs:request_tag" => pairs(&request.request_tags),
        key if key.starts_with("oidc:") => match request.claims.get(&key["oidc:".len()..]) {
            Some(Value::Array(values)) => values.iter().map(plain).collect(),
            Some(value) => vec![plain(value)],
            None => Vec::new(),
        },
        key => {
            let wanted = key.strip_prefix("acs:ResourceTag/").unwrap();
            request
                .resource_tags
                .iter()
                .filter(|(key, _)| key == wanted)
                .map(|(_, value)| value.clone())
                .collect()
        }
    }
}

fn holds(operator: &str, actual: &[String], values: &[String], ram: bool) -> bool {
    let (qualifier, operator) = match operator.split_once(':') {
        Some((qualifier, rest)) => (qualifier, rest),
        None => ("", operator),
    };
    if operator == "null_equal" {
        return actual.is_empty() == (values[0] == "true");
    }
    let (operator, if_exist) = match operator.strip_suffix("_if_exist") {
        Some(rest) => (rest, true),
        None => (operator, false),
    };
    if if_exist && actual.is_empty() {
        return true;
    }
    // `string_not_equal` and `StringNotEquals` are one.
    let name: String = operator
        .to_lowercase()
        .replace('_', "")
        .replace("equals", "equal");
    let (name, negated) = match name.as_str() {
        "notipaddress" | "ipnotequal" => ("ipequal".to_owned(), true),
        "ipaddress" => ("ipequal".to_owned(), false),
        "bool" => ("boolequal".to_owned(), false),
        name if name.contains("not") => (name.replacen("not", "", 1), true),
        name => (name.to_owned(), false),
    };
    let among = |actual: &String| {
        values
            .iter()
            .any(|value| compare(&name, actual, value, ram))
    };
    match (qualifier, negated) {
        ("", false) => actual.iter().any(among),
        ("", true) => !actual.iter().any(among),
        ("for_any_value", false) => actual.iter().any(among),
        ("for_any_value", true) => actual.iter().any(|actual| !among(actual)),
        ("for_all_value", false) => actual.iter().all(among),
        ("for_all_value", true) => actual.iter().all(|actual| !among(actual)),
        other => panic!("{other:?}"),
    }
}

fn compare(name: &str, actual: &str, value: &str, ram: bool) -> bool {
    if let Some(order) = name.strip_prefix("numeric") {
        return actual
            .parse::<f64>()
            .is_ok_and(|actual| ordered(order, actual, value.parse().unwrap()));
    }
    if let Some(order) = name.strip_prefix("date") {
        let parse = |text: &str| {
            time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339)
                .map(time::OffsetDateTime::unix_timestamp)
        };
        return parse(actual).is_ok_and(|actual| ordered(order, actual, parse(value).unwrap()));
    }
    match name {
        "stringequal" => hidden(actual) == hidden(value),
        "stringequalignorecase" => hidden(actual).to_lowercase() == hidden(value).to_lowercase(),
        "stringlike" => glob(value, &hidden(actual), ram),
        "boolequal" => actual == value,
        "binaryequal" => {
            use base64::Engine;
            base64::engine::general_purpose::STANDARD.encode(actual) == value
        }
        "ipequal" => {
            let (network, length) = value.split_once('/').unwrap_or((value, "999"));
            let bits = |text: &str| -> String {
                match text.parse::<IpAddr>().unwrap() {
                    IpAddr::V4(address) => address
                        .octets()
                        .iter()
                        .map(|octet| format!("{octet:08b}"))
                        .collect(),
                    IpAddr::V6(address) => address
                        .octets()
                        .iter()
                        .map(|octet| format!("{octet:08b}"))
                        .collect(),
                }
            };
            let (actual, network, length) = (
                bits(actual),
                bits(network),
                length.parse::<usize>().unwrap(),
            );
            actual.len() == network.len()
                && actual.chars().take(length).eq(network.chars().take(length))
        }
        name => panic!("no such operator {name}"),
    }
}

fn ordered<T: PartialOrd + Copy>(order: &str, actual: T, value: T) -> bool {
    match order {
        "equal" => actual == value,
        "lessthan" => actual < value,
        "lessthanequal" => actual <= value,
        "greaterthan" => actual > value,
        "greaterthanequal" => actual >= value,
        other => panic!("no such order {other}"),
    }
}
