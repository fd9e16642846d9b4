//! Policy decisions: the cases of `tests/policies/`, and random ones against a slow, obvious
//! evaluator.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use transire::domain::aws::{Caller, account};
use transire::domain::claims::{Claim, Claims};
use transire::domain::clock::Timestamp;
use transire::domain::ids::{AccountId, CriId, InstanceId};
use transire::policy::trust::decide_trust;
use transire::policy::{
    Assumer, Context, Document, InstanceRef, Language, Limits, Missed, NamedDocument, Outcome,
    Permission, RepositoryPolicy, Request, Resource, TrustPolicy, explain_session,
};

mod docker_auth;
mod examples;
mod indexed;
mod random;
mod reference;

pub(crate) const OWNER: i64 = 100_000_000_001;
pub(crate) const REGION: &str = "ap-guangzhou";
/// The instances that cases speak of: name, `tcr-` id, `cri-` id.
pub(crate) const INSTANCES: [(&str, &str, &str); 2] = [
    ("demo", "tcr-abcd1234", "cri-abcdefgh12345678"),
    ("other", "tcr-zyxw9876", "cri-zyxwvuts87654321"),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File<'a> {
    /// The file's subject, for its readers.
    #[serde(rename = "about")]
    _about: String,
    #[serde(borrow)]
    documents: Vec<Named<'a>>,
    #[serde(borrow)]
    session: Option<Vec<Named<'a>>>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Named<'a> {
    name: String,
    #[serde(borrow)]
    document: &'a RawValue,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    request: Asked,
    decision: String,
    /// The deciding statement, or nothing when none decided.
    statement: Option<String>,
    /// The closest statement when none decided, and why it didn't apply.
    closest: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    permission: String,
    #[serde(default = "demo")]
    instance: String,
    repository: Option<String>,
    namespace: Option<String>,
    role: Option<String>,
    #[serde(default)]
    everything: bool,
    at: Option<String>,
    source_ip: Option<IpAddr>,
    #[serde(default)]
    secure_transport: bool,
    #[serde(default)]
    mfa_present: bool,
    source_vpc: Option<String>,
    principal_arn: Option<String>,
    principal_id: Option<String>,
    owner: Option<String>,
    #[serde(default)]
    resource_tags: Vec<(String, String)>,
    repository_tags: Option<Vec<(String, String)>>,
    #[serde(default)]
    request_tags: Vec<(String, String)>,
    user: Option<String>,
    account: Option<String>,
    claims: Option<BTreeMap<String, Value>>,
}

/// Takes claims by their names: a text, or a list of texts.
pub(crate) fn claims(of: &BTreeMap<String, Value>) -> Claims {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let claim = |value: &Value| match value {
        Value::Array(values) => Claim::Many(values.iter().map(text).collect()),
        value => Claim::One(text(value)),
    };
    Claims::new(
        of.iter()
            .map(|(name, value)| (name.clone(), claim(value)))
            .collect(),
    )
}

fn demo() -> String {
    "demo".to_owned()
}

pub(crate) fn owner() -> AccountId {
    AccountId::new(OWNER).unwrap()
}

fn files(folder: &str) -> Vec<(String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/policies")
        .join(folder);
    let mut files: Vec<(String, String)> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .map(|path| {
            (
                path.file_name().unwrap().to_string_lossy().into_owned(),
                fs::read_to_string(&path).unwrap(),
            )
        })
        .collect();
    files.sort();
    assert!(!files.is_empty(), "there are no cases");
    files
}

#[test]
fn the_cases_are_decided_as_they_say() {
    for (file, text) in files("decisions") {
        let cases: File<'_> =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
        let parse = |named: &Named<'_>, limits| {
            Document::parse(named.document.get(), limits)
                .unwrap_or_else(|error| panic!("{file}: {}: {error}", named.name))
                .document
        };
        let documents: Vec<Document> = cases
            .documents
            .iter()
            .map(|named| parse(named, Limits::POLICY))
            .collect();
        let session_documents: Option<Vec<Document>> = cases.session.as_ref().map(|session| {
            session
                .iter()
                .map(|named| parse(named, Limits::SESSION))
                .collect()
        });
        let named: Vec<NamedDocument<'_>> = name(&cases.documents, &documents);
        let session: Option<Vec<NamedDocument<'_>>> = cases
            .session
            .as_ref()
            .zip(session_documents.as_ref())
            .map(|(names, documents)| name(names, documents));
        for (place, case) in cases.cases.iter().enumerate() {
            let explanation = case.request.with(|request| {
                let found = explain_session(&named, session.as_deref(), request);
                (found.deciding().decision, found.deciding().closest)
            });
            let (decision, closest) = explanation;
            let outcome = match decision.outcome {
                Outcome::Allowed => "allowed",
                Outcome::DeniedExplicitly => "denied",
                Outcome::DeniedImplicitly => "not allowed",
            };
            let closest = closest.map(|(statement, missed)| match missed {
                Missed::Action => format!("{statement}: action"),
                Missed::Part(action) => format!("{statement}: part {action}"),
                Missed::Resource => format!("{statement}: resource"),
                Missed::Variable(name) => format!("{statement}: variable {name}"),
                Missed::Condition(place) => format!("{statement}: condition {place}"),
            });
            let found = (
                outcome.to_owned(),
                decision.statement.map(|statement| statement.to_string()),
                closest,
            );
            let expected = (
                case.decision.clone(),
                case.statement.clone(),
                case.closest.clone(),
            );
            // A case need not say what came closest.
            let found = if expected.2.is_none() {
                (found.0, found.1, None)
            } else {
                found
            };
            assert_eq!(found, expected, "{file}: case {place}");
        }
    }
}

fn name<'a>(names: &'a [Named<'_>], documents: &'a [Document]) -> Vec<NamedDocument<'a>> {
    names
        .iter()
        .zip(documents)
        .map(|(named, document)| NamedDocument {
            name: &named.name,
            owner: owner(),
            document,
        })
        .collect()
}

impl Asked {
    fn with<T>(&self, ask: impl FnOnce(&Request<'_>) -> T) -> T {
        let (_, id, cri_id) = INSTANCES
            .into_iter()
            .find(|(name, ..)| *name == self.instance)
            .expect("an instance of that name");
        let (id, cri_id): (InstanceId, CriId) = (id.parse().unwrap(), cri_id.parse().unwrap());
        let instance = InstanceRef {
            account: owner(),
            region: REGION,
            id: &id,
            cri_id: &cri_id,
        };
        let resource = match (&self.repository, &self.namespace, &self.role) {
            (Some(path), None, None) => Resource::Repository { instance, path },
            (None, Some(name), None) => Resource::Namespace { instance, name },
            (None, None, Some(name)) => Resource::Role {
                account: owner(),
                id: "4611686018427397919",
                name,
            },
            (None, None, None) if self.everything => Resource::Everything {
                account: owner(),
                region: REGION,
            },
            (None, None, None) => Resource::Instance(instance),
            _ => panic!("a request has one resource"),
        };
        fn tags(tags: &[(String, String)]) -> Vec<(&str, &str)> {
            tags.iter()
                .map(|(key, value)| (key.as_str(), value.as_str()))
                .collect()
        }
        let (resource_tags, request_tags) = (tags(&self.resource_tags), tags(&self.request_tags));
        let repository_tags = self.repository_tags.as_deref().map(tags);
        let claims = self.claims.as_ref().map(claims);
        let caller = self.user.as_ref().map(|name| Caller {
            account: self.account.clone().unwrap_or_default(),
            arn: format!("arn:aws:iam::{}:user/{name}", account(owner())),
            user_id: "AIDAEXAMPLE".to_owned(),
            kind: "User",
        });
        let at = self.at.as_deref().unwrap_or("2026-01-02T03:04:05Z");
        ask(&Request {
            permission: self.permission.parse().unwrap(),
            resource,
            context: Context {
                now: Timestamp::parse_rfc3339(at).expect("a time"),
                source_ip: self.source_ip,
                secure_transport: self.secure_transport,
                mfa_present: self.mfa_present,
                source_vpc: self.source_vpc.as_deref(),
                principal_arn: self.principal_arn.as_deref(),
                principal_id: self.principal_id.as_deref(),
                owner: self.owner.as_deref(),
                resource_tags: &resource_tags,
                repository_tags: repository_tags.as_deref(),
                request_tags: &request_tags,
                user: self.user.as_deref(),
                account: self.account.as_deref(),
                claims: claims.as_ref(),
                aws: caller.as_ref(),
                region: resource.region(),
                resource_account: Some(resource.account()),
            },
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedFile<'a> {
    #[serde(rename = "about")]
    _about: String,
    #[serde(borrow)]
    cases: Vec<Saved<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved<'a> {
    #[serde(borrow)]
    document: &'a RawValue,
    /// How the refusal begins, or nothing when it saves.
    refused: Option<String>,
    /// How each warning begins.
    #[serde(default)]
    warnings: Vec<String>,
}

#[test]
fn documents_are_refused_and_warned_of_as_the_cases_say() {
    for (file, text) in files("saved") {
        let cases: SavedFile<'_> =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
        for case in cases.cases {
            let document = case.document.get();
            let read = if file.starts_with("trust") {
                TrustPolicy::parse(document, Limits::POLICY).map(|checked| checked.warnings)
            } else {
                Document::parse(document, Limits::POLICY).map(|checked| checked.warnings)
            };
            match (read, case.refused) {
                (Err(error), Some(refused)) => assert!(
                    error.message().starts_with(&refused),
                    "{file}: {document}: {error}"
                ),
                (Err(error), None) => panic!("{file}: {document}: {error}"),
                (Ok(_), Some(refused)) => {
                    panic!("{file}: {document} was taken; it should say {refused}")
                }
                (Ok(warnings), None) => {
                    assert_eq!(
                        warnings.len(),
                        case.warnings.len(),
                        "{file}: {document}: {warnings:#?}"
                    );
                    for (warning, expected) in warnings.iter().zip(&case.warnings) {
                        assert!(
                            warning.starts_with(expected.as_str()),
                            "{file}: {document}: {warning}"
                        );
                    }
                }
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TrustFile<'a> {
    #[serde(rename = "about")]
    _about: String,
    #[serde(borrow)]
    policy: &'a RawValue,
    cases: Vec<TrustCase>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TrustCase {
    assumer: TrustAssumer,
    decision: String,
    statement: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
enum TrustAssumer {
    Root(i64),
    User(i64, String, String),
    Role(i64, String, String),
    Federated {
        account: i64,
        provider: String,
        issuer: String,
        subject: String,
        audiences: Vec<String>,
        #[serde(default)]
        claims: BTreeMap<String, Value>,
    },
}

impl TrustAssumer {
    /// Returns the claims of the token; none of who has none.
    fn claims(&self) -> Claims {
        match self {
            Self::Federated {
                issuer,
                subject,
                audiences,
                claims: others,
                ..
            } => {
                let mut all = others.clone();
                all.insert("iss".to_owned(), issuer.as_str().into());
                all.insert("sub".to_owned(), subject.as_str().into());
                all.insert("aud".to_owned(), audiences.clone().into());
                claims(&all)
            }
            _ => Claims::default(),
        }
    }
}

#[test]
fn roles_trust_whom_their_cases_say() {
    for (file, text) in files("trust") {
        let cases: TrustFile<'_> =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
        let checked = TrustPolicy::parse(cases.policy.get(), Limits::POLICY)
            .unwrap_or_else(|error| panic!("{file}: {error}"));
        for (place, case) in cases.cases.iter().enumerate() {
            let account = |number: &i64| AccountId::new(*number).unwrap();
            let claims = case.assumer.claims();
            let assumer = match &case.assumer {
                TrustAssumer::Root(number) => Assumer::Root(account(number)),
                TrustAssumer::User(number, id, name) => Assumer::User {
                    account: account(number),
                    id,
                    name,
                },
                TrustAssumer::Role(number, id, name) => Assumer::Role {
                    account: account(number),
                    id,
                    name,
                },
                TrustAssumer::Federated {
                    account: number,
                    provider,
                    ..
                } => Assumer::Federated {
                    account: account(number),
                    provider,
                    claims: &claims,
                },
            };
            let decision = decide_trust("trust", &checked.policy, &assumer, &Context::default());
            let outcome = match decision.outcome {
                Outcome::Allowed => "allowed",
                Outcome::DeniedExplicitly => "denied",
                Outcome::DeniedImplicitly => "not allowed",
            };
            let found = (
                outcome,
                decision.statement.map(|statement| statement.to_string()),
            );
            assert_eq!(
                found,
                (case.decision.as_str(), case.statement.clone()),
                "{file}: case {place}"
            );
        }
    }
}

/// Returns the JSON examples of a page.
fn examples(page: &str) -> Vec<&str> {
    page.split("```json\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect()
}

/// Returns the part of a page under a heading.
fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let (_, rest) = page.split_once(&format!("\n## {heading}\n")).unwrap();
    rest.split("\n## ").next().unwrap()
}

/// Tells whether a trust policy lets the bearer of a token of a provider in.
fn trusts_token(policy: &str, provider: &str, token: &Value) -> bool {
    let policy = TrustPolicy::parse(policy, Limits::POLICY)
        .unwrap_or_else(|error| panic!("{policy}: {error}"))
        .policy;
    let token: BTreeMap<String, Value> = serde_json::from_value(token.clone()).unwrap();
    let claims = claims(&token);
    let assumer = Assumer::Federated {
        account: AccountId::new(100_000_000_001).unwrap(),
        provider,
        claims: &claims,
    };
    decide_trust("trust", &policy, &assumer, &Context::default()).outcome == Outcome::Allowed
}

#[test]
fn the_documented_trust_policies_ask_for_every_claim_that_they_name() {
    let page = fs::read_to_string(
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/openid-connect.md"),
    )
    .unwrap();
    let policies = examples(section(&page, "Ask for more than the subject"));
    let [github, gitlab, cluster] = policies[..] else {
        panic!("there are three examples, not {}", policies.len());
    };
    let aud = "sts.example.com";
    let tokens = [
        (
            github,
            "actions",
            json!({
                "aud": aud,
                "sub": "repo:example-org@123456/app@456789:environment:production",
                "repository_id": "456789",
                "environment": "production",
                "job_workflow_ref": "example-org/ci/.github/workflows/build.yml@refs/heads/main",
            }),
        ),
        (
            gitlab,
            "gitlab",
            json!({
                "aud": aud,
                "sub": "project_path:team/app:ref_type:branch:ref:main",
                "project_path": "team/app",
                "ref_protected": "true",
            }),
        ),
        (
            cluster,
            "cluster",
            json!({
                "aud": aud,
                "sub": "system:serviceaccount:team:builder",
                "kubernetes.io.namespace": "team",
                "kubernetes.io.serviceaccount.name": "builder",
            }),
        ),
    ];
    for (policy, provider, token) in tokens {
        assert!(trusts_token(policy, provider, &token), "{token}");
        for name in token.as_object().unwrap().keys() {
            let mut other = token.clone();
            other[name] = json!("other");
            assert!(!trusts_token(policy, provider, &other), "{other}");
            other.as_object_mut().unwrap().remove(name);
            assert!(!trusts_token(policy, provider, &other), "{other}");
        }
    }
}

/// Tells whether a trust policy lets a job of GitHub Actions in.
fn trusts_job(policy: &str, subject: &str) -> bool {
    let token = json!({ "aud": ["sts.example.com"], "sub": subject });
    trusts_token(policy, "actions", &token)
}

#[test]
fn the_documented_trust_policies_take_both_of_githubs_subjects() {
    // Subjects with the numbers of owner and repository were refused (as in
    // aws-actions/configure-aws-credentials#1888).
    let page = fs::read_to_string(
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/openid-connect.md"),
    )
    .unwrap();
    let policies = examples(section(&page, "Choose the jobs that a role trusts"));
    assert_eq!(policies.len(), 2);
    for policy in policies {
        for subject in [
            "repo:example-org/app:ref:refs/heads/main",
            "repo:example-org@123456/app@456789:ref:refs/heads/main",
            "repo:example-org@123456/app@456789:environment:production",
        ] {
            assert!(trusts_job(policy, subject), "{subject}");
        }
        for subject in [
            "repo:example-org@123456/app:ref:refs/heads/main",
            "repo:example-org/app@456789:ref:refs/heads/main",
            "repo:example-org@123456/app@4567890:ref:refs/heads/main",
            "repo:example-org@123456/app@456789",
            "repo:Example-Org@123456/app@456789:ref:refs/heads/main",
        ] {
            assert!(!trusts_job(policy, subject), "{subject}");
        }
    }
}

#[test]
fn what_the_page_warns_of_gets_past_loose_patterns_and_not_past_the_documented_policies() {
    let page = fs::read_to_string(
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/openid-connect.md"),
    )
    .unwrap();
    let (_, table) = page.split_once("| lets in as well |").unwrap();
    let rows: Vec<[&str; 2]> = table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with("| `"))
        .map(|line| {
            line.split('`')
                .skip(1)
                .step_by(2)
                .collect::<Vec<_>>()
                .try_into()
                .unwrap()
        })
        .collect();
    assert_eq!(rows.len(), 5);
    for [pattern, subject] in rows {
        let loose = json!({
            "Version": "1",
            "Statement": [{
                "Effect": "Allow",
                "Action": "sts:AssumeRole",
                "Principal": { "Federated": "acs:ram::100000000001:oidc-provider/actions" },
                "Condition": {
                    "StringEquals": { "oidc:aud": "sts.example.com" },
                    "StringLike": { "oidc:sub": pattern },
                },
            }],
        });
        assert!(
            trusts_job(&loose.to_string(), subject),
            "{pattern} does not let {subject} in"
        );
        for policy in examples(section(&page, "Choose the jobs that a role trusts")) {
            assert!(!trusts_job(policy, subject), "{subject}");
        }
    }
}

#[test]
fn the_page_on_policies_lists_the_vocabulary_and_nothing_else() {
    let page =
        fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/policies.md"))
            .unwrap();
    let (_, table) = page.split_once("## The vocabulary").unwrap();
    let rows: Vec<String> = table
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| {
            let cells: Vec<&str> = line.split(" | ").collect();
            [
                cells[0].trim_start_matches("| "),
                cells[1],
                cells[3],
                cells[5],
            ]
            .join(" ")
        })
        .collect();
    let quoted = |names: &[&str]| {
        names
            .iter()
            .map(|name| format!("`{name}`"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let expected: Vec<String> = Permission::all()
        .map(|permission| {
            let [cam, ram, iam] = Language::ALL.map(|language| {
                let parts = permission.parts(language).iter();
                let names = parts.flat_map(|part| part.names(language).iter().copied());
                quoted(&names.collect::<Vec<_>>())
            });
            format!("`{permission}` {cam} {ram} {iam}")
        })
        .collect();
    assert_eq!(rows, expected);
}

#[test]
fn the_examples_on_the_page_save_without_a_warning() {
    let page =
        fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/policies.md"))
            .unwrap();
    let examples = examples(&page);
    assert_eq!(examples.len(), 11);
    let of_repositories = self::examples(section(&page, "Policies of repositories"));
    assert_eq!(of_repositories.len(), 2);
    for example in &of_repositories {
        RepositoryPolicy::parse(example, Limits::REPOSITORY).unwrap();
    }
    for example in examples
        .into_iter()
        .filter(|one| !of_repositories.contains(one))
    {
        let warnings = if example.to_lowercase().contains("\"principal\"") {
            TrustPolicy::parse(example, Limits::POLICY)
                .unwrap()
                .warnings
        } else {
            Document::parse(example, Limits::POLICY).unwrap().warnings
        };
        assert_eq!(warnings, Vec::<String>::new(), "{example}");
    }
}
