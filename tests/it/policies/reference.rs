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
    /// Those of a repository.
    pub(crate) repository_tags: Option<Vec<(String, String)>>,
    pub(crate) request_tags: Vec<(String, String)>,
    pub(crate) user: Option<String>,
    /// The claims of the caller's token: texts and lists of texts.
    pub(crate) claims: BTreeMap<String, Value>,
    /// The caller's account, ARN, unique id and sort, as AWS has them.
    pub(crate) aws: Option<[String; 4]>,
}

/// The language of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tongue {
    Cam,
    Ram,
    Iam,
}

impl Tongue {
    pub(crate) fn of(document: &Value) -> Self {
        match document.get("Version") {
            Some(version) if version == "1" => Self::Ram,
            None if document.get("version").is_some() => Self::Cam,
            _ => Self::Iam,
        }
    }

    /// Returns an element's name, which is given as CAM writes it.
    fn element(self, name: &str) -> String {
        match self {
            Self::Cam => name.to_owned(),
            Self::Ram | Self::Iam => name[..1].to_uppercase() + &name[1..],
        }
    }

    /// Tells whether `?` is a wildcard, and actions have no case.
    fn is_later(self) -> bool {
        self != Self::Cam
    }
}

/// The permissions that are asked, each with its names and the last segment of its resource in CAM,
/// RAM and IAM: `*` ends what reaches further, and alone it is no resource at all. One of CAM's
/// names suffices, and all of IAM's are needed.
pub(crate) const PERMISSIONS: &[Row] = &[
    Row(
        "pull",
        &["tcr:PullRepository"],
        "repository/ID/PATH",
        "cr:PullRepository",
        "repository/ID/PATH",
        &["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
        "repository/PATH",
    ),
    Row(
        "push",
        &["tcr:PushRepository"],
        "repository/ID/PATH",
        "cr:PushRepository",
        "repository/ID/PATH",
        &[
            "ecr:PutImage",
            "ecr:InitiateLayerUpload",
            "ecr:UploadLayerPart",
            "ecr:CompleteLayerUpload",
        ],
        "repository/PATH",
    ),
    Row(
        "delete",
        &["tcr:DeleteImage", "tcr:DeleteRepositoryTags"],
        "repository/ID/PATH",
        "cr:DeleteRepoTag",
        "repository/ID/PATH",
        &["ecr:BatchDeleteImage"],
        "repository/PATH",
    ),
    Row(
        "list-catalog",
        &["tcr:DescribeRepositories"],
        "repository/ID/*",
        "cr:ListRepository",
        "repository/ID/*",
        &["ecr:DescribeRepositories"],
        "repository/*",
    ),
    Row(
        "issue-temporary",
        &["tcr:CreateInstanceToken"],
        "instance/ID",
        "cr:GetAuthorizationToken",
        "*",
        &["ecr:GetAuthorizationToken"],
        "*",
    ),
    Row(
        "issue-long-term",
        &["tcr:CreateInstanceToken"],
        "instance/ID",
        "cr:CreateInstanceToken",
        "instance/ID",
        &["transire:CreateInstanceToken"],
        "instance/ID",
    ),
    Row(
        "list-tags",
        &["tcr:DescribeImages"],
        "repository/ID/PATH/*",
        "cr:ListRepoTag",
        "repository/ID/PATH",
        &["ecr:ListImages"],
        "repository/PATH",
    ),
    Row(
        "create-namespace",
        &["tcr:CreateNamespace"],
        "repository/ID/NAMESPACE",
        "cr:CreateNamespace",
        "repository/ID",
        &["transire:CreateNamespace"],
        "namespace/NAMESPACE",
    ),
    Row(
        "list-namespaces",
        &["tcr:DescribeNamespaces"],
        "repository/ID/NAMESPACE",
        "cr:ListNamespace",
        "repository/ID/*",
        &["transire:ListNamespace"],
        "namespace/NAMESPACE",
    ),
    Row(
        "list-repositories",
        &["tcr:DescribeRepositories"],
        "repository/ID/PATH",
        "cr:ListRepository",
        "repository/ID/NAMESPACE/*",
        &["ecr:DescribeRepositories"],
        "repository/NAMESPACE/*",
    ),
    Row(
        "list-instances",
        &["tcr:DescribeInstances"],
        "instance/ID",
        "cr:ListInstance",
        "*",
        &["transire:ListInstance"],
        "*",
    ),
    Row(
        "get-federation-token",
        &["sts:GetFederationToken"],
        "*",
        "sts:GetFederationToken",
        "*",
        &["sts:GetFederationToken"],
        "*",
    ),
];

/// A permission: see [`PERMISSIONS`].
pub(crate) struct Row(
    pub(crate) &'static str,
    &'static [&'static str],
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
    &'static str,
);

impl Row {
    /// Returns the names: one of each group is needed.
    fn groups(&self, tongue: Tongue) -> Vec<Vec<&'static str>> {
        match tongue {
            Tongue::Cam => vec![self.1.to_vec()],
            Tongue::Ram => vec![vec![self.3]],
            Tongue::Iam => self.5.iter().map(|name| vec![*name]).collect(),
        }
    }

    fn path(&self, tongue: Tongue) -> &'static str {
        match tongue {
            Tongue::Cam => self.2,
            Tongue::Ram => self.4,
            Tongue::Iam => self.6,
        }
    }
}

/// Decides: `true` for each of (some statement allows, some statement denies).
pub(crate) fn decide(documents: &[Value], request: &Plain) -> (bool, bool) {
    let row = PERMISSIONS
        .iter()
        .find(|row| row.0 == request.permission)
        .unwrap();
    let (mut allows, mut denies) = (false, false);
    for tongue in [Tongue::Cam, Tongue::Ram, Tongue::Iam] {
        let groups = row.groups(tongue);
        let mut allowed = vec![false; groups.len()];
        for document in documents.iter().filter(|one| Tongue::of(one) == tongue) {
            let statements = match &document[tongue.element("statement")] {
                Value::Array(statements) => statements.clone(),
                one => vec![one.clone()],
            };
            for statement in &statements {
                for (group, allowed) in groups.iter().zip(&mut allowed) {
                    if applies(statement, tongue, request, group, row.path(tongue)) {
                        if is_denial(statement, tongue) {
                            denies = true;
                        } else {
                            *allowed = true;
                        }
                    }
                }
            }
        }
        allows |= allowed.iter().all(|allowed| *allowed);
    }
    (allows, denies)
}

fn is_denial(statement: &Value, tongue: Tongue) -> bool {
    statement[tongue.element("effect")]
        .as_str()
        .unwrap()
        .eq_ignore_ascii_case("deny")
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

fn applies(statement: &Value, tongue: Tongue, request: &Plain, names: &[&str], path: &str) -> bool {
    let named = |patterns: &Value| {
        names.iter().any(|name| {
            strings(patterns).iter().any(|pattern| match tongue {
                Tongue::Cam => glob(
                    pattern.strip_prefix("name/").unwrap_or(pattern),
                    name,
                    false,
                ),
                _ => glob(&pattern.to_lowercase(), &name.to_lowercase(), true),
            })
        })
    };
    let action = match statement.get("NotAction") {
        Some(patterns) => !named(patterns),
        None => named(&statement[tongue.element("action")]),
    };
    if !action {
        // It may be of another service, whose resources and conditions have any form.
        return false;
    }
    let deny = is_denial(statement, tongue);
    let (_, tcr, cri) = INSTANCES[request.instance];
    let namespace = request.path.rsplit_once('/').unwrap().0;
    let wanted = path
        .replace("ID", if tongue == Tongue::Ram { cri } else { tcr })
        .replace("PATH", &request.path)
        .replace("NAMESPACE", namespace);
    let service = names[0].split_once(':').unwrap().0;
    let is_there =
        |pattern: &String, deny: bool| resource(pattern, tongue, request, (service, &wanted), deny);
    let is_about = match statement.get("NotResource") {
        // An allowing one excludes what is any of it; a denying one, what is all of it.
        Some(patterns) => !strings(patterns)
            .iter()
            .any(|pattern| is_there(pattern, !deny)),
        None => strings(&statement[tongue.element("resource")])
            .iter()
            .any(|pattern| is_there(pattern, deny)),
    };
    let condition = statement.get(tongue.element("condition"));
    is_about && conditions(condition, tongue, deny, request)
}

fn resource(
    pattern: &str,
    tongue: Tongue,
    request: &Plain,
    (service, wanted): (&str, &str),
    deny: bool,
) -> bool {
    let is_word = |word: &str| {
        !word.is_empty()
            && word
                .chars()
                .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit())
    };
    // No value here has two separators in a row.
    let is_path = |value: &str| value.split(['/', '.', '-', '_']).all(is_word);
    // As an account, it is that of the document.
    let own = format!(":{OWNER}:");
    let pattern = &pattern.replace(":${aws:PrincipalAccount}:", &own);
    let pattern = match fill(pattern, request, is_path) {
        Some(pattern) => pattern,
        None if deny => widest(pattern),
        None => return false,
    };
    match tongue {
        Tongue::Cam => cam_resource(&pattern, service, wanted, deny),
        Tongue::Ram => ram_resource(&pattern, service, wanted, deny),
        Tongue::Iam => iam_resource(&pattern, service, wanted, deny),
    }
}

/// The value of `${NAME}`.
fn variable(name: &str, request: &Plain) -> Option<String> {
    match name {
        "user" | "aws:username" => request.user.clone(),
        "account" => Some(OWNER.to_string()),
        "aws:PrincipalAccount" => request.aws.as_ref().map(|aws| aws[0].clone()),
        "aws:PrincipalArn" => request.aws.as_ref().map(|aws| aws[1].clone()),
        "aws:userid" => request.aws.as_ref().map(|aws| aws[2].clone()),
        name if name.starts_with("aws:PrincipalTag/") => None,
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
        let (name, default) = match name.split_once(", ") {
            Some((name, default)) => (name, Some(default.trim_matches('\'').to_owned())),
            None => (name, None),
        };
        let value = match name {
            "*" | "?" | "$" => Some(name.to_owned()),
            name => variable(name, request)
                .or(default)
                .filter(|value| fits(value)),
        };
        filled.push_str(&hidden(&value?));
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
    pieces.fold(first, |text, piece| match piece.split_once('}').unwrap() {
        (name @ ("*" | "?" | "$"), rest) => format!("{text}{}{rest}", hidden(name)),
        (_, rest) => format!("{text}**{rest}"),
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

fn iam_resource(pattern: &str, service: &str, wanted: &str, deny: bool) -> bool {
    if pattern == "*" {
        return true;
    }
    let parts: Vec<&str> = pattern.splitn(6, ':').collect();
    glob(parts[4], &OWNER.to_string(), true)
        && glob(parts[2], service, true)
        && glob(parts[3], REGION, true)
        && segment(parts[5], wanted, deny, true)
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

fn conditions(condition: Option<&Value>, tongue: Tongue, deny: bool, request: &Plain) -> bool {
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
                let asks_if_missing = matches!(operator.as_str(), "null_equal" | "Null")
                    || (operator.ends_with("_if_exist") || operator.ends_with("IfExists"))
                        && actual.is_empty();
                let is_claim = key.starts_with("oidc:") || key.starts_with(ISSUER);
                if is_claim && actual.is_empty() && !asks_if_missing {
                    return deny;
                }
                let filled: Option<Vec<String>> = values
                    .iter()
                    .map(|value| fill(value, request, |_| true))
                    .collect();
                match filled {
                    _ if asks_if_missing => holds(operator, &actual, &values, tongue),
                    Some(values) => holds(operator, &actual, &values, tongue),
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

/// The issuer whose claims have keys of their own in IAM.
const ISSUER: &str = "ci.example.com:";

/// The values that the request has for a key of IAM's.
fn iam_actual(key: &str, request: &Plain) -> Vec<String> {
    let of_caller = |place: usize| request.aws.iter().map(|aws| aws[place].clone()).collect();
    let tagged = |tags: &[(String, String)], wanted: &str| {
        tags.iter()
            .filter(|(key, _)| key.eq_ignore_ascii_case(wanted))
            .map(|(_, value)| value.clone())
            .collect()
    };
    let text = |text: &Option<String>| text.iter().cloned().collect();
    match key.to_lowercase().as_str() {
        "aws:currenttime" => actual("acs:CurrentTime", request),
        // Both a number and a time.
        "aws:epochtime" => vec![format!("{EPOCH}{}", request.unix_seconds)],
        "aws:sourceip" => actual("acs:SourceIp", request),
        "aws:securetransport" => vec![request.secure_transport.to_string()],
        "aws:multifactorauthpresent" => vec![request.mfa_present.to_string()],
        "aws:viaawsservice" => vec!["false".to_owned()],
        "aws:sourcevpc" => text(&request.source_vpc),
        "aws:username" => text(&request.user),
        "aws:principalaccount" => of_caller(0),
        "aws:principalarn" => of_caller(1),
        "aws:userid" => of_caller(2),
        "aws:principaltype" => of_caller(3),
        "aws:requestedregion" => vec![REGION.to_owned()],
        "aws:resourceaccount" => vec![OWNER.to_string()],
        "aws:tagkeys" => request
            .request_tags
            .iter()
            .map(|(key, _)| key.clone())
            .collect(),
        "aws:useragent" => Vec::new(),
        "transire:owner" => actual("cr:Owner", request),
        key => match key.split_once('/') {
            Some(("aws:resourcetag" | "ecr:resourcetag", key)) => {
                let own = request.repository_tags.as_ref();
                tagged(own.unwrap_or(&request.resource_tags), key)
            }
            Some(("aws:requesttag", key)) => tagged(&request.request_tags, key),
            _ => panic!("no such key {key}"),
        },
    }
}

/// The mark of a number of seconds.
const EPOCH: &str = "epoch:";

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
        key if key.starts_with(ISSUER) => {
            let issuer = request.claims.get("iss");
            if issuer == Some(&Value::from("https://ci.example.com")) {
                actual(&key.replace(ISSUER, "oidc:"), request)
            } else {
                Vec::new()
            }
        }
        key if !key.starts_with("acs:") => iam_actual(key, request),
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

fn holds(operator: &str, actual: &[String], values: &[String], tongue: Tongue) -> bool {
    let (qualifier, operator) = match operator.split_once(':') {
        Some(("ForAnyValue", rest)) => ("for_any_value", rest),
        Some(("ForAllValues", rest)) => ("for_all_value", rest),
        Some((qualifier, rest)) => (qualifier, rest),
        None => ("", operator),
    };
    if matches!(operator, "null_equal" | "Null") {
        return actual.is_empty() == (values[0] == "true");
    }
    let suffix = |suffix| operator.strip_suffix(suffix);
    let (operator, if_exist) = match suffix("_if_exist").or(suffix("IfExists")) {
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
            .any(|value| compare(&name, actual, value, tongue))
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

fn compare(name: &str, actual: &str, value: &str, tongue: Tongue) -> bool {
    let seconds = actual.strip_prefix(EPOCH);
    let actual = seconds.unwrap_or(actual);
    if let Some(order) = name.strip_prefix("numeric") {
        return actual
            .parse::<f64>()
            .is_ok_and(|actual| ordered(order, actual, value.parse().unwrap()));
    }
    if let Some(order) = name.strip_prefix("date") {
        let parse = |text: &str| {
            time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339)
                .map(time::OffsetDateTime::unix_timestamp)
                .ok()
        };
        let actual = match seconds {
            Some(seconds) => seconds.parse().ok(),
            None => parse(actual),
        };
        let value = parse(value)
            .or_else(|| parse(&format!("{value}T00:00:00Z")))
            .or_else(|| value.parse().ok())
            .unwrap();
        return actual.is_some_and(|actual| ordered(order, actual, value));
    }
    match name {
        "stringequal" => hidden(actual) == hidden(value),
        "stringequalignorecase" => hidden(actual).to_lowercase() == hidden(value).to_lowercase(),
        "stringlike" => glob(value, &hidden(actual), tongue.is_later()),
        "arnequal" | "arnlike" => arn_like(value, &hidden(actual)),
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

/// Compares ARNs part by part.
fn arn_like(pattern: &str, actual: &str) -> bool {
    let parts = |text: &str| text.splitn(6, ':').map(str::to_owned).collect::<Vec<_>>();
    let (own, actual) = (parts(pattern), parts(actual));
    pattern == "*"
        || own.len() == 6
            && actual.len() == 6
            && own
                .iter()
                .zip(&actual)
                .all(|(own, actual)| glob(own, actual, true))
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
