//! Random documents and requests: the engine against the reference, and what must hold of every
//! decision.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use transire::domain::aws::Caller;
use transire::domain::clock::Timestamp;
use transire::domain::ids::{CriId, InstanceId};
use transire::policy::{
    Circumstances, Context, Document, InstanceRef, Limits, NamedDocument, Outcome, Request,
    Resource, decide, decide_in, decide_session, decide_unconditionally,
};

use super::reference::{self, PERMISSIONS, Plain, Tongue};
use super::{INSTANCES, OWNER, REGION, owner};
use crate::harness::dice::Dice;

/// How many requests each set of documents is asked.
pub(super) const REQUESTS: usize = 10;

const CAM_ACTIONS: &[&str] = &[
    "*",
    "tcr:*",
    "sts:*",
    "tcr:PullRepository",
    "name/tcr:PullRepository",
    "name/tcr:PushRepository",
    "tcr:PushRepository",
    "tcr:PullRepository*",
    "tcr:P*Repository",
    "tcr:*Repositor*",
    "tcr:DeleteImage",
    "tcr:DeleteRepositoryTags",
    "tcr:Delete*",
    "tcr:Describe*",
    "tcr:DescribeRepositories",
    "tcr:DescribeImages",
    "tcr:DescribeNamespaces",
    "tcr:DescribeInstances",
    "tcr:CreateInstanceToken",
    "tcr:Create*",
    "tcr:CreateNamespace",
    "tcr:*Instance*",
    "*:GetFederationToken",
    "sts:GetFederationToken",
    "t*:Pu*",
    "cos:GetObject",
    "cr:PullRepository",
];

const RAM_ACTIONS: &[&str] = &[
    "*",
    "cr:*",
    "CR:*",
    "sts:*",
    "cr:PullRepository",
    "cr:pullrepository",
    "cr:PushRepository",
    "cr:Pu??Repository",
    "cr:P*Repository",
    "cr:Get*",
    "cr:List*",
    "cr:ListRepository",
    "cr:ListNamespace",
    "cr:ListInstance",
    "cr:ListRepoTag",
    "cr:Delete*",
    "cr:DeleteRepoTag",
    "cr:GetAuthorizationToken",
    "cr:CreateInstanceToken",
    "cr:Create*",
    "cr:CreateNamespace",
    "cr:*Instance*",
    "*:GetFederationToken",
    "c?:*Rep*",
    "oss:GetObject",
    "tcr:PullRepository",
];

const IAM_ACTIONS: &[&str] = &[
    "*",
    "ecr:*",
    "ECR:*",
    "sts:*",
    "transire:*",
    "ecr:BatchGetImage",
    "ecr:batchgetimage",
    "ecr:GetDownloadUrlForLayer",
    "ecr:BatchGet*",
    "ecr:Get*",
    "ecr:*Image",
    "ecr:PutImage",
    "ecr:InitiateLayerUpload",
    "ecr:UploadLayerPart",
    "ecr:CompleteLayerUpload",
    "ecr:*Layer*",
    "ecr:BatchDeleteImage",
    "ecr:DescribeRepositories",
    "ecr:ListImages",
    "ecr:GetAuthorizationToken",
    "ecr:Batch???Image",
    "transire:Create*",
    "transire:List*",
    "*:GetFederationToken",
    "e?r:*",
    "s3:GetObject",
    "cr:PullRepository",
];

const IAM_PATHS: &[&str] = &[
    "*",
    "instance/*",
    "instance/ID",
    "repository/*",
    "repository/team",
    "repository/team/*",
    "repository/team*",
    "repository/team/app",
    "repository/*/app",
    "repository/team/*pp",
    "repository/t*m/a*",
    "repository/te?m/app",
    "rep?sitory/*a??",
    "repository/other/*",
    "namespace/team",
    "namespace/*",
    "repository/${oidc:team}",
    "repository/${oidc:team}/*",
    "repository/${aws:username}/*",
    "repository/${aws:PrincipalTag/team, 'team'}/*",
    "repository/*/${oidc:env}",
    "repository/t${oidc:none}*",
    "repository/team/${*}",
];

const PATHS: &[&str] = &[
    "*",
    "instance/*",
    "instance/ID",
    "instance/OTHER",
    "inst*",
    "instance/ID/*",
    "repository/*",
    "repository/ID",
    "repository/ID/*",
    "repository/OTHER/*",
    "repository/ID/team",
    "repository/ID/team/*",
    "repository/ID/team*",
    "repository/ID/team/app",
    "repository/ID/team/app/*",
    "repository/ID/*/app",
    "repository/ID/team/*pp",
    "repository/ID/t*m/a*",
    "repository/*/team/app",
    "repository/*/*/*",
    "*/team/*",
    "repository/ID/te?m/app",
    "repository/ID/te?m/*",
    "rep?sitory/ID/*a??",
    "repository/ID/other/*",
    "repository/ID/team/sub/*",
    "repository/ID/team/",
    "namespace/ID/team",
    "repository/ID/${oidc:team}",
    "repository/ID/${oidc:team}/*",
    "repository/ID/${oidc:team}/${oidc:env}",
    "repository/ID/*/${oidc:env}",
    "repository/ID/${oidc:env}*",
    "repository/*/team/${user}",
    "repository/ID/t${oidc:none}*",
];

fn resource(dice: &mut Dice, tongue: Tongue) -> String {
    if dice.in_ten(2) {
        return "*".to_owned();
    }
    let region = *dice.one(&[REGION, "*", "*", "ap-*", "ap-shanghai", ""]);
    let path = *dice.one(PATHS);
    let (_, tcr, cri) = *dice.one(&INSTANCES);
    let (_, other_tcr, other_cri) = INSTANCES[1];
    let owner = OWNER.to_string();
    match tongue {
        Tongue::Ram => {
            let service = *dice.one(&["cr", "cr", "cr", "*", "c*", "oss", "sts"]);
            let account = *dice.one(&[owner.as_str(), "*", "200000000002"]);
            format!(
                "acs:{service}:{region}:{account}:{}",
                path.replace("ID", cri).replace("OTHER", other_cri)
            )
        }
        Tongue::Cam => {
            let service = *dice.one(&["tcr", "tcr", "tcr", "", "*", "t*", "cos", "sts"]);
            let account = match dice.throw(6) {
                0 => format!("uin/{OWNER}"),
                1 => "uin/200000000002".to_owned(),
                2 => "*".to_owned(),
                3 => "uin/".to_owned(),
                4 => "uin/*".to_owned(),
                _ => String::new(),
            };
            format!(
                "qcs::{service}:{region}:{account}:{}",
                path.replace("ID", tcr).replace("OTHER", other_tcr)
            )
        }
        Tongue::Iam => {
            let partition = *dice.one(&["aws", "aws", "aws-cn", "*", "aws*"]);
            let service = *dice.one(&["ecr", "ecr", "ecr", "*", "transire", "s3", "sts"]);
            let account = *dice.one(&[
                owner.as_str(),
                "*",
                "200000000002",
                "1000000000??",
                "${aws:PrincipalAccount}",
            ]);
            let path = dice.one(IAM_PATHS).replace("ID", tcr);
            format!("arn:{partition}:{service}:{region}:{account}:{path}")
        }
    }
}

const TIMES: &[&str] = &[
    "2026-01-01T00:00:00Z",
    "2026-01-02T03:04:05Z",
    "2026-01-02T11:04:05+08:00",
    "2026-01-02T03:04:06Z",
    "2027-01-01T00:00:00Z",
];
const TEXTS: &[&str] = &[
    "",
    "self",
    "blue",
    "Blue",
    "red",
    "env&blue",
    "env&5",
    "Env&Blue",
    "5",
    "4.5",
    "-1",
    "true",
    "2026-01-02T03:04:05Z",
    "中文",
];
const GLOBS: &[&str] = &[
    "*", "b*", "B?ue", "*e", "env&*", "e?v&*", "*&b*u*", "5", "", "中?",
];
/// Values of claims: some fit a repository's path, some hold wildcards.
const CLAIMS: &[&str] = &[
    "team", "team/app", "other", "app", "blue", "5", "true", "te*", "*", "b?ue", "Team", "../team",
    "/team", "team/",
];
/// Values of conditions that the request fills in.
const FILLED: &[&str] = &[
    "${oidc:env}",
    "${oidc:team}",
    "${oidc:none}",
    "${oidc:list}",
    "${user}",
    "b${oidc:env}",
    "*${oidc:env}",
    "${oidc:env}*",
    "env&${user}",
    "${account}",
];
/// The same in IAM.
const IAM_FILLED: &[&str] = &[
    "${oidc:env}",
    "${oidc:none}",
    "${aws:username}",
    "b${oidc:env}",
    "${oidc:env}*",
    "${aws:PrincipalAccount}",
    "${aws:userid}",
    "${aws:PrincipalTag/colour, 'blue'}",
    "${aws:PrincipalTag/colour}",
    "${*}",
    "b${?}*",
];
const IAM_TIMES: &[&str] = &["2026-01-01", "2026-01-02T03:04:05Z", "1767323046"];
const SECONDS: &[&str] = &["1767225600", "1767323045", "0"];
const NUMBERS: &[&str] = &["5", "5.0", "4.5", "-1", "0", "100"];
const NETWORKS: &[&str] = &[
    "10.0.0.0/8",
    "10.1.2.3",
    "10.1.2.3/32",
    "10.1.0.0/15",
    "0.0.0.0/0",
    "192.168.1.0/24",
    "2001:db8::/32",
    "2001:db8::1",
    "::/0",
];
const ADDRESSES: &[&str] = &[
    "10.1.2.3",
    "10.0.0.1",
    "192.168.1.77",
    "172.16.0.1",
    "2001:db8::1",
    "2001:db9::1",
];
const ORDERS: &[(&str, &str)] = &[
    ("_equal", "Equals"),
    ("_not_equal", "NotEquals"),
    ("_less_than", "LessThan"),
    ("_less_than_equal", "LessThanEquals"),
    ("_greater_than", "GreaterThan"),
    ("_greater_than_equal", "GreaterThanEquals"),
];
const STRINGS: &[(&str, &str)] = &[
    ("string_equal", "StringEquals"),
    ("string_not_equal", "StringNotEquals"),
    ("string_equal_ignore_case", "StringEqualsIgnoreCase"),
    ("string_not_equal_ignore_case", "StringNotEqualsIgnoreCase"),
];

const CAM_TEXT_KEYS: &[&str] = &[
    "qcs:resource_tag",
    "qcs:tag",
    "qcs:request_tag",
    "tcr:owner",
    "oidc:env",
    "oidc:list",
    "oidc:none",
];
const RAM_TEXT_KEYS: &[&str] = &[
    "acs:ResourceTag/env",
    "acs:ResourceTag/none",
    "acs:SourceVpc",
    "acs:PrincipalARN",
    "cr:Owner",
    "oidc:env",
    "oidc:list",
    "oidc:none",
];
const IAM_TEXT_KEYS: &[&str] = &[
    "aws:ResourceTag/env",
    "ecr:resourcetag/ENV",
    "aws:RequestTag/zone",
    "aws:TagKeys",
    "aws:SourceVpc",
    "aws:PrincipalArn",
    "aws:principalaccount",
    "aws:PrincipalType",
    "aws:userid",
    "aws:username",
    "aws:RequestedRegion",
    "aws:ResourceAccount",
    "aws:UserAgent",
    "transire:Owner",
    "oidc:env",
    "oidc:list",
    "ci.example.com:env",
    "ci.example.com:none",
];
const ARNS: &[&str] = &[
    "*",
    "arn:aws:iam::100000000001:user/*",
    "arn:aws:iam::100000000001:user/blue",
    "arn:*:iam::*:role/b?ue",
    "arn:aws:iam::100000000001:user/${aws:username}",
    "arn:aws:iam::1000*:*",
];

/// Draws one operator with its key and values.
fn clause(dice: &mut Dice, tongue: Tongue) -> (String, &'static str, Vec<String>) {
    let in_tongue = |cam, ram, iam| match tongue {
        Tongue::Cam => cam,
        Tongue::Ram => ram,
        Tongue::Iam => iam,
    };
    let text_keys = match tongue {
        Tongue::Cam => CAM_TEXT_KEYS,
        Tongue::Ram => RAM_TEXT_KEYS,
        Tongue::Iam => IAM_TEXT_KEYS,
    };
    let pick = |(cam, later): (&str, &str)| {
        let name = if tongue == Tongue::Cam { cam } else { later };
        name.to_owned()
    };
    let order = |dice: &mut Dice, cam: &str, later: &str| {
        let (cam_order, later_order) = *dice.one(ORDERS);
        pick((
            &format!("{cam}{cam_order}"),
            &format!("{later}{later_order}"),
        ))
    };
    let text_key = *dice.one(text_keys);
    let sorts = match tongue {
        Tongue::Cam => 10,
        Tongue::Ram => 8,
        Tongue::Iam => 12,
    };
    let filled = if tongue == Tongue::Iam {
        IAM_FILLED
    } else {
        FILLED
    };
    let (operator, key, pool): (String, &str, &[&str]) = match dice.throw(sorts) {
        0 => (
            order(dice, "date", "Date"),
            in_tongue("qcs:current_time", "acs:CurrentTime", "aws:CurrentTime"),
            TIMES,
        ),
        1 => (
            pick(*dice.one(&[("ip_equal", "IpAddress"), ("ip_not_equal", "NotIpAddress")])),
            in_tongue("qcs:ip", "acs:SourceIp", "aws:SourceIp"),
            NETWORKS,
        ),
        2 | 3 => {
            let pool = *dice.one(&[TEXTS, TEXTS, filled]);
            (pick(*dice.one(STRINGS)), text_key, pool)
        }
        4 => (
            pick(*dice.one(&[
                ("string_like", "StringLike"),
                ("string_not_like", "StringNotLike"),
            ])),
            text_key,
            *dice.one(&[GLOBS, GLOBS, filled]),
        ),
        5 => (order(dice, "numeric", "Numeric"), text_key, NUMBERS),
        6 => {
            let keys: &[&str] = match tongue {
                Tongue::Cam => text_keys,
                Tongue::Ram => &[
                    "acs:SecureTransport",
                    "acs:MFAPresent",
                    "acs:RAMMFAPresent",
                    "acs:ResourceTag/env",
                ],
                Tongue::Iam => &[
                    "aws:SecureTransport",
                    "aws:MultiFactorAuthPresent",
                    "aws:ViaAWSService",
                    "aws:ResourceTag/env",
                ],
            };
            (
                pick(("bool_equal", "Bool")),
                *dice.one(keys),
                &["true", "false"],
            )
        }
        7 => (order(dice, "date", "Date"), text_key, TIMES),
        8 => (
            pick(("binary_equal", "BinaryEquals")),
            text_key,
            &["ZW52JmJsdWU=", "ZW52JjU=", "YmxhY2s="],
        ),
        9 => {
            let key = match tongue {
                Tongue::Iam => *dice.one(IAM_TEXT_KEYS),
                _ => *dice.one(&[
                    "qcs:ip",
                    "qcs:tag",
                    "qcs:request_tag",
                    "qcs:current_time",
                    "oidc:env",
                    "oidc:none",
                ]),
            };
            return (
                pick(("null_equal", "Null")),
                key,
                vec![dice.one(&["true", "false"]).to_string()],
            );
        }
        10 => {
            let operators = &["ArnEquals", "ArnLike", "ArnNotEquals", "ArnNotLike"];
            (dice.one(operators).to_string(), "aws:PrincipalArn", ARNS)
        }
        _ if dice.in_ten(5) => (order(dice, "", "Date"), "aws:EpochTime", IAM_TIMES),
        _ => (order(dice, "", "Numeric"), "aws:EpochTime", SECONDS),
    };
    let operator = qualified(dice, tongue, operator);
    let values = (0..=dice.throw(2))
        .map(|_| dice.one(pool).to_string())
        .collect();
    (operator, key, values)
}

/// Puts a prefix and a suffix to an operator, where the language has such.
fn qualified(dice: &mut Dice, tongue: Tongue, operator: String) -> String {
    let (any, all, if_exists) = match tongue {
        Tongue::Cam => ("for_any_value:", "for_all_value:", "_if_exist"),
        Tongue::Ram => return operator,
        Tongue::Iam => ("ForAnyValue:", "ForAllValues:", "IfExists"),
    };
    match dice.throw(5) {
        1 => format!("{any}{operator}"),
        2 => format!("{all}{operator}"),
        3 => format!("{operator}{if_exists}"),
        4 => format!("{}{operator}{if_exists}", dice.one(&[any, all])),
        _ => operator,
    }
}

fn one_or_list(dice: &mut Dice, mut texts: Vec<String>) -> Value {
    if texts.len() == 1 && dice.in_ten(5) {
        Value::String(texts.remove(0))
    } else {
        json!(texts)
    }
}

pub(super) fn statement(dice: &mut Dice, tongue: Tongue, effect: Option<bool>) -> Value {
    let mut fields = Map::new();
    let deny = effect.unwrap_or_else(|| dice.in_ten(3));
    let pool = match tongue {
        Tongue::Cam => CAM_ACTIONS,
        Tongue::Ram => RAM_ACTIONS,
        Tongue::Iam => IAM_ACTIONS,
    };
    let actions = (0..=dice.throw(3))
        .map(|_| dice.one(pool).to_string())
        .collect();
    let actions = one_or_list(dice, actions);
    let resources = (0..=dice.throw(3))
        .map(|_| resource(dice, tongue))
        .collect();
    let resources = one_or_list(dice, resources);
    let (action, resource, condition, [allows, denies]) = match tongue {
        Tongue::Cam => ("action", "resource", "condition", ["allow", "deny"]),
        Tongue::Ram | Tongue::Iam => {
            let action = if dice.in_ten(2) {
                "NotAction"
            } else {
                "Action"
            };
            let excludes = tongue == Tongue::Iam && dice.in_ten(2);
            let resource = if excludes { "NotResource" } else { "Resource" };
            (action, resource, "Condition", ["Allow", "Deny"])
        }
    };
    let effect = if tongue == Tongue::Cam {
        "effect"
    } else {
        "Effect"
    };
    fields.insert(effect.to_owned(), json!(if deny { denies } else { allows }));
    fields.insert(action.to_owned(), actions);
    fields.insert(resource.to_owned(), resources);
    if dice.in_ten(4) {
        let mut clauses = Map::new();
        for _ in 0..=dice.throw(2) {
            let (operator, key, values) = clause(dice, tongue);
            let keys = clauses.entry(operator).or_insert_with(|| json!({}));
            let values = one_or_list(dice, values);
            keys.as_object_mut().unwrap().insert(key.to_owned(), values);
        }
        fields.insert(condition.to_owned(), Value::Object(clauses));
    }
    Value::Object(fields)
}

pub(super) fn tongue(dice: &mut Dice) -> Tongue {
    *dice.one(&[Tongue::Cam, Tongue::Ram, Tongue::Iam])
}

pub(super) fn document(dice: &mut Dice, effect: Option<bool>) -> Value {
    let tongue = tongue(dice);
    let statements: Vec<Value> = (0..=dice.throw(3))
        .map(|_| statement(dice, tongue, effect))
        .collect();
    in_document(tongue, &statements)
}

/// Makes a document of statements.
fn in_document(tongue: Tongue, statements: &[Value]) -> Value {
    match tongue {
        Tongue::Cam => json!({"version": "2.0", "statement": statements}),
        Tongue::Ram => json!({"Version": "1", "Statement": statements}),
        Tongue::Iam => json!({"Version": "2012-10-17", "Statement": statements}),
    }
}

fn tags(dice: &mut Dice) -> Vec<(String, String)> {
    (0..dice.throw(3))
        .map(|_| {
            (
                dice.one(&["env", "Env", "zone"]).to_string(),
                dice.one(TEXTS).to_string(),
            )
        })
        .collect()
}

pub(super) fn request(dice: &mut Dice) -> Plain {
    let text = |dice: &mut Dice| dice.in_ten(6).then(|| dice.one(TEXTS).to_string());
    Plain {
        permission: dice.one(PERMISSIONS).0,
        instance: dice.throw(INSTANCES.len()),
        path: dice
            .one(&[
                "team/app",
                "team/app",
                "team/apple",
                "other/app",
                "team/sub/app",
                "teams/app",
            ])
            .to_string(),
        unix_seconds: Timestamp::parse_rfc3339(dice.one::<&str>(TIMES))
            .unwrap()
            .unix_seconds(),
        source_ip: dice.in_ten(8).then(|| dice.one(ADDRESSES).parse().unwrap()),
        secure_transport: dice.in_ten(5),
        mfa_present: dice.in_ten(5),
        source_vpc: text(dice),
        principal_arn: text(dice),
        principal_id: text(dice),
        owner: text(dice),
        resource_tags: tags(dice),
        repository_tags: dice.in_ten(7).then(|| tags(dice)),
        request_tags: tags(dice),
        user: text(dice),
        claims: claims(dice),
        aws: dice.in_ten(8).then(|| caller(dice)),
    }
}

fn caller(dice: &mut Dice) -> [String; 4] {
    let arn = *dice.one(&[
        "arn:aws:iam::100000000001:user/blue",
        "arn:aws:iam::100000000001:role/blue",
        "arn:aws:sts::100000000001:federated-user/blue",
    ]);
    let kind = *dice.one(&KINDS);
    let id = *dice.one(&["AIDAEXAMPLE", "blue"]);
    [
        OWNER.to_string(),
        arn.to_owned(),
        id.to_owned(),
        kind.to_owned(),
    ]
}

fn claims(dice: &mut Dice) -> BTreeMap<String, Value> {
    let mut claims = BTreeMap::new();
    for name in ["env", "team", "list"] {
        let value = match dice.throw(5) {
            0 => continue,
            1 => json!([dice.one(CLAIMS), dice.one(CLAIMS)]),
            2 => json!(dice.one(TEXTS)),
            _ => json!(dice.one(CLAIMS)),
        };
        claims.insert(name.to_owned(), value);
    }
    if dice.in_ten(7) {
        let issuer = *dice.one(&["https://ci.example.com", "https://other.example.com"]);
        claims.insert("iss".to_owned(), json!(issuer));
    }
    claims
}

pub(super) fn ask<T>(plain: &Plain, ask: impl FnOnce(&Request<'_>) -> T) -> T {
    fn borrow(tags: &[(String, String)]) -> Vec<(&str, &str)> {
        tags.iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect()
    }
    let (_, id, cri_id) = INSTANCES[plain.instance];
    let (id, cri_id): (InstanceId, CriId) = (id.parse().unwrap(), cri_id.parse().unwrap());
    let instance = InstanceRef {
        account: owner(),
        region: REGION,
        id: &id,
        cri_id: &cri_id,
    };
    let (resource_tags, request_tags) = (borrow(&plain.resource_tags), borrow(&plain.request_tags));
    let repository_tags = plain.repository_tags.as_deref().map(borrow);
    let (account, claims) = (OWNER.to_string(), super::claims(&plain.claims));
    let caller = plain
        .aws
        .clone()
        .map(|[account, arn, user_id, kind]| Caller {
            account,
            arn,
            user_id,
            kind: KINDS.iter().find(|known| **known == kind).unwrap(),
        });
    ask(&Request {
        permission: plain.permission.parse().unwrap(),
        resource: Resource::Repository {
            instance,
            path: &plain.path,
        },
        context: Context {
            now: Timestamp::from_unix_seconds(plain.unix_seconds),
            source_ip: plain.source_ip,
            secure_transport: plain.secure_transport,
            mfa_present: plain.mfa_present,
            source_vpc: plain.source_vpc.as_deref(),
            principal_arn: plain.principal_arn.as_deref(),
            principal_id: plain.principal_id.as_deref(),
            owner: plain.owner.as_deref(),
            resource_tags: &resource_tags,
            repository_tags: repository_tags.as_deref(),
            request_tags: &request_tags,
            user: plain.user.as_deref(),
            account: Some(&account),
            claims: Some(&claims),
            aws: caller.as_ref(),
            region: REGION,
            resource_account: Some(owner()),
        },
    })
}

const KINDS: [&str; 3] = ["User", "AssumedRole", "FederatedUser"];

pub(super) fn compile(document: &Value) -> Document {
    let text = document.to_string();
    Document::parse(
        &text,
        Limits {
            cam: usize::MAX - 1,
            ram: usize::MAX - 1,
            iam: 1 << 30,
            may_be_indented: false,
        },
    )
    .unwrap_or_else(|error| panic!("{error}: {text}"))
    .document
}

fn name(documents: &[Document]) -> Vec<NamedDocument<'_>> {
    documents
        .iter()
        .map(|document| NamedDocument {
            name: "random",
            owner: owner(),
            document,
        })
        .collect()
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long a test runs is no setting of the service"
)]
pub(super) fn cases() -> usize {
    std::env::var("TRANSIRE_TEST_POLICY_CASES").map_or(20_000, |cases| {
        cases
            .parse()
            .expect("TRANSIRE_TEST_POLICY_CASES is a number")
    })
}

#[test]
fn the_engine_decides_as_the_obvious_reference() {
    let mut outcomes = [0_usize; 3];
    for seed in 0..cases().div_ceil(REQUESTS) {
        let mut dice = Dice(seed as u64);
        let values: Vec<Value> = (0..=dice.throw(2))
            .map(|_| document(&mut dice, None))
            .collect();
        let compiled: Vec<Document> = values.iter().map(compile).collect();
        let named = name(&compiled);
        for _ in 0..REQUESTS {
            let plain = request(&mut dice);
            let outcome = ask(&plain, |request| decide(&named, request).outcome);
            let expected = match reference::decide(&values, &plain) {
                (_, true) => Outcome::DeniedExplicitly,
                (true, false) => Outcome::Allowed,
                (false, false) => Outcome::DeniedImplicitly,
            };
            assert_eq!(
                outcome,
                expected,
                "seed {seed}: {plain:#?}\n{}",
                serde_json::to_string_pretty(&values).unwrap()
            );
            outcomes[outcome as usize] += 1;
        }
    }
    // A comparison of nothing but denials would show little.
    assert!(
        outcomes
            .iter()
            .all(|count| count * 20 > outcomes.iter().sum()),
        "{outcomes:?}"
    );
}

#[test]
fn adding_a_deny_never_widens_and_adding_an_allow_never_narrows() {
    for seed in 0..2_000 {
        let mut dice = Dice(seed + 1_000_000_000);
        let mut documents: Vec<Document> = (0..=dice.throw(2))
            .map(|_| compile(&document(&mut dice, None)))
            .collect();
        let asked: Vec<Plain> = (0..REQUESTS).map(|_| request(&mut dice)).collect();
        let deny = dice.in_ten(5);
        let all = |documents: &[Document]| -> Vec<bool> {
            asked
                .iter()
                .map(|plain| {
                    ask(plain, |request| {
                        decide(&name(documents), request).is_allowed()
                    })
                })
                .collect()
        };
        let before = all(&documents);
        documents.push(compile(&document(&mut dice, Some(deny))));
        for (before, after) in before.into_iter().zip(all(&documents)) {
            assert!(
                if deny {
                    before || !after
                } else {
                    after || !before
                },
                "seed {seed}: {before} became {after}, deny: {deny}"
            );
        }
    }
}

#[test]
fn what_is_decided_in_every_circumstance_takes_no_allow_for_met_and_every_deny() {
    let mut allowed = 0;
    for seed in 0..2_000 {
        let mut dice = Dice(seed + 4_000_000_000);
        let values: Vec<Value> = (0..=dice.throw(2))
            .map(|_| document(&mut dice, None))
            .collect();
        let compiled: Vec<Document> = values.iter().map(compile).collect();
        let bare: Vec<Value> = values.iter().map(without_conditions).collect();
        for _ in 0..REQUESTS {
            let plain = request(&mut dice);
            let decide = |request: &Request<'_>| {
                decide_unconditionally(&name(&compiled), request).is_allowed()
            };
            let (allows, denies) = reference::decide(&bare, &plain);
            assert_eq!(
                ask(&plain, decide),
                allows && !denies,
                "seed {seed}: {plain:#?}\n{}",
                json!(values)
            );
            allowed += usize::from(allows && !denies);
        }
    }
    assert!(allowed > 500, "{allowed}");
}

fn without_variables(resources: &Value, denies: bool) -> Value {
    let texts: Vec<&str> = match resources {
        Value::Array(texts) => texts.iter().map(|text| text.as_str().unwrap()).collect(),
        text => vec![text.as_str().unwrap()],
    };
    // The account that a document belongs to is known.
    let own = |text: &str| text.replace(":${aws:PrincipalAccount}:", &format!(":{OWNER}:"));
    let kept = texts.into_iter().map(own);
    let kept = kept.filter(|text| denies || !text.contains("${"));
    json!(
        kept.map(|text| reference::widest(&text))
            .collect::<Vec<_>>()
    )
}

/// Takes the statements away that allow under a condition, and the conditions of those that deny;
/// the same for resources with variables, which deny whatever they could stand for.
fn without_conditions(document: &Value) -> Value {
    let mut document = document.clone();
    let name = if document.get("Version").is_some() {
        "Statement"
    } else {
        "statement"
    };
    let statements = document[name].as_array_mut().unwrap();
    statements.retain(|statement| {
        let denies = [statement.get("effect"), statement.get("Effect")]
            .contains(&Some(&json!("deny")))
            || statement.get("Effect") == Some(&json!("Deny"));
        denies || statement.get("condition").is_none() && statement.get("Condition").is_none()
    });
    for statement in statements {
        let fields = statement.as_object_mut().unwrap();
        let denies = fields
            .values()
            .any(|value| value == "deny" || value == "Deny");
        for (name, denies) in [
            ("resource", denies),
            ("Resource", denies),
            ("NotResource", !denies),
        ] {
            if let Some(resources) = fields.get_mut(name) {
                *resources = without_variables(resources, denies);
            }
        }
        fields.remove("condition");
        fields.remove("Condition");
    }
    document
}

#[test]
fn what_is_allowed_in_some_circumstance_is_allowed_in_the_best() {
    let (mut allowed, mut at_best) = (0, 0);
    for seed in 0..2_000 {
        let mut dice = Dice(seed + 6_000_000_000);
        let compiled: Vec<Document> = (0..=dice.throw(2))
            .map(|_| compile(&document(&mut dice, None)))
            .collect();
        for _ in 0..REQUESTS {
            let plain = request(&mut dice);
            let (now, best) = ask(&plain, |request| {
                let named = name(&compiled);
                let best = decide_in(Circumstances::Best, &named, request);
                (decide(&named, request).is_allowed(), best.is_allowed())
            });
            assert!(best || !now, "seed {seed}: {plain:#?}");
            allowed += usize::from(now);
            at_best += usize::from(best);
        }
    }
    // Conditions decide some of them.
    assert!(500 < allowed && allowed < at_best, "{allowed} {at_best}");
}

#[test]
fn what_is_allowed_in_every_circumstance_is_allowed_in_each() {
    let mut allowed = 0;
    for seed in 0..2_000 {
        let mut dice = Dice(seed + 5_000_000_000);
        let compiled: Vec<Document> = (0..=dice.throw(2))
            .map(|_| compile(&document(&mut dice, None)))
            .collect();
        for _ in 0..REQUESTS {
            let plain = request(&mut dice);
            if !ask(&plain, |request| {
                decide_unconditionally(&name(&compiled), request).is_allowed()
            }) {
                continue;
            }
            allowed += 1;
            for _ in 0..5 {
                let Plain {
                    permission,
                    instance,
                    path,
                    ..
                } = plain.clone();
                let elsewhere = Plain {
                    permission,
                    instance,
                    path,
                    ..request(&mut dice)
                };
                assert!(
                    ask(&elsewhere, |request| decide(&name(&compiled), request)
                        .is_allowed()),
                    "seed {seed}: {elsewhere:#?}"
                );
            }
        }
    }
    assert!(allowed > 500, "{allowed}");
}

#[test]
fn order_never_matters() {
    for seed in 0..2_000 {
        let mut dice = Dice(seed + 2_000_000_000);
        let values: Vec<Value> = (0..3).map(|_| document(&mut dice, None)).collect();
        let mut turned: Vec<Value> = values.clone();
        turned.reverse();
        for document in &mut turned {
            let name = if document.get("Version").is_some() {
                "Statement"
            } else {
                "statement"
            };
            document[name].as_array_mut().unwrap().reverse();
        }
        let (first, second): (Vec<Document>, Vec<Document>) = (
            values.iter().map(compile).collect(),
            turned.iter().map(compile).collect(),
        );
        for _ in 0..REQUESTS {
            let plain = request(&mut dice);
            let outcome = |documents: &[Document]| {
                ask(&plain, |request| decide(&name(documents), request).outcome)
            };
            assert_eq!(outcome(&first), outcome(&second), "seed {seed}");
        }
    }
}

#[test]
fn a_session_may_do_what_both_its_sides_allow() {
    for seed in 0..2_000 {
        let mut dice = Dice(seed + 3_000_000_000);
        let [role, session] = [
            compile(&document(&mut dice, None)),
            compile(&document(&mut dice, None)),
        ];
        let (role, session) = ([role], [session]);
        let (role, session) = (name(&role), name(&session));
        for _ in 0..REQUESTS {
            ask(&request(&mut dice), |request| {
                let [first, second] =
                    [&role, &session].map(|documents| decide(documents, request).is_allowed());
                assert_eq!(
                    decide_session(&role, Some(&session), request).is_allowed(),
                    first && second,
                    "seed {seed}"
                );
                assert_eq!(
                    decide_session(&role, None, request).is_allowed(),
                    first,
                    "seed {seed}"
                );
            });
        }
    }
}
