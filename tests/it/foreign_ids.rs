//! Every action of both clouds with another account's ids: the answer is what ids that nobody has
//! get, and nothing happens.
//!
//! The actions are those that the doors define: a new one fails here until it is said what it is
//! called with.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use transire::domain::identity::Target;
use transire::service::{Attached, Save};

use crate::harness::documents::{allow, cam, everything, ram, ram_allow, trusting};
use crate::harness::operator::account;
use crate::harness::{Answer, App, Key};

/// The other account.
const OWNER: &str = "100000000002";
/// A word that only its owner may see.
const UNSEEN: &str = "unseen-by-others";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Product {
    Tcr,
    Cr,
    TencentSts,
    AlibabaSts,
}

/// The names of things, each of which exists or doesn't.
#[derive(Clone)]
struct Ids {
    tcr: String,
    cri: String,
    namespace: String,
    namespace_id: String,
    repository: String,
    repository_id: String,
    token: String,
    robot: String,
    entry: String,
    role: String,
    provider: String,
}

impl Ids {
    /// Returns ids of the right form that nobody has.
    fn of_nothing() -> Self {
        Self {
            tcr: "tcr-00000000".to_owned(),
            cri: "cri-0000000000000000".to_owned(),
            namespace: "nowhere".to_owned(),
            namespace_id: "crn-0000000000000000".to_owned(),
            repository: "nothing".to_owned(),
            repository_id: "crr-0000000000000000".to_owned(),
            token: "00000000000000000000".to_owned(),
            robot: "nobody".to_owned(),
            entry: "198.51.100.0/24".to_owned(),
            role: "no-role".to_owned(),
            provider: "no-provider".to_owned(),
        }
    }

    /// Returns these ids at another instance.
    fn at(&self, tcr: &str, cri: &str) -> Self {
        Self {
            tcr: tcr.to_owned(),
            cri: cri.to_owned(),
            ..self.clone()
        }
    }

    fn all(&self) -> [&str; 11] {
        [
            &self.tcr,
            &self.cri,
            &self.namespace_id,
            &self.repository_id,
            &self.token,
            &self.entry,
            &self.provider,
            &self.role,
            &self.robot,
            &self.repository,
            &self.namespace,
        ]
    }
}

/// Returns every action that is served, as the clouds' tables of operations list them.
fn actions() -> Vec<(Product, String)> {
    let mut found = Vec::new();
    for cloud in ["tencent", "alibaba"] {
        let source = fs::read_to_string(
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("src/http")
                .join(cloud)
                .join("operations.rs"),
        )
        .unwrap();
        let table = source
            .split_once("operations! {")
            .unwrap()
            .1
            .split_once("\n}")
            .unwrap()
            .0;
        let mut product = "";
        for line in table.lines().map(str::trim) {
            if let Some(header) = line.strip_suffix(" {") {
                product = header;
                continue;
            }
            let Some((name, _)) = line.split_once(" => ") else {
                continue;
            };
            let (product, name) = name.split_once(": ").unwrap_or((product, name));
            let product = match (cloud, product) {
                ("tencent", r#""tcr""#) => Product::Tcr,
                ("tencent", r#""sts""#) => Product::TencentSts,
                ("alibaba", r#""cr""#) => Product::Cr,
                ("alibaba", r#""sts""#) => Product::AlibabaSts,
                // It takes no parameter, so nobody's id either.
                ("alibaba", "GetTokens") => continue,
                other => panic!("a product that this sweep doesn't know: {other:?}"),
            };
            found.push((product, name.to_owned()));
        }
    }
    found
}

/// Returns what an action is called with.
fn parameters(product: Product, action: &str, ids: &Ids) -> Value {
    match product {
        Product::Tcr => of_tcr(action, ids),
        Product::Cr => of_cr(action, ids),
        Product::TencentSts | Product::AlibabaSts => of_sts(product, action, ids),
    }
}

fn with(mut body: Value, more: &Value) -> Value {
    body.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    body
}

fn of_tcr(action: &str, ids: &Ids) -> Value {
    let of = |more: Value| with(json!({ "RegistryId": ids.tcr }), &more);
    let namespace = |more: Value| with(of(json!({ "NamespaceName": ids.namespace })), &more);
    let repository = |more: Value| {
        with(
            namespace(json!({ "RepositoryName": ids.repository })),
            &more,
        )
    };
    let robot = |more: Value| with(of(json!({ "Name": ids.robot })), &more);
    let token = |more: Value| with(of(json!({ "TokenId": ids.token })), &more);
    let entry = json!({ "CidrBlock": ids.entry, "Description": "x" });
    let set = json!({ "SecurityGroupPolicySet": [entry] });
    match action {
        "CreateInstance" => json!({ "RegistryName": "demo-two", "RegistryType": "basic" }),
        "CheckInstanceName" => json!({ "RegistryName": "demo-two" }),
        "DescribeRegions" => json!({}),
        "DescribeInstances" => json!({ "Registryids": [ids.tcr] }),
        "DescribeInstanceStatus" => json!({ "RegistryIds": [ids.tcr] }),
        "ModifyInstance" => of(json!({ "RegistryType": "standard" })),
        "DeleteInstance" => of(json!({ "DeleteBucket": true })),
        "CreateInstanceToken"
        | "DescribeInstanceToken"
        | "CheckInstance"
        | "DescribeExternalEndpointStatus"
        | "DescribeSecurityPolicies"
        | "DescribeInternalEndpoints"
        | "DescribeInstanceCustomizedDomain"
        | "DescribeReplicationInstances"
        | "DescribeReplicationPolicies"
        | "DescribeImmutableTagRules" => of(json!({})),
        "ModifyInstanceToken" => token(json!({ "Enable": false })),
        "DeleteInstanceToken" => token(json!({})),
        "CreateNamespace" => namespace(json!({ "IsPublic": false })),
        "ModifyNamespace" => namespace(json!({ "IsPublic": true })),
        "DescribeNamespaces" | "DeleteNamespace" | "DescribeTagRetentionRules" => {
            namespace(json!({}))
        }
        "DescribeWebhookTrigger" => of(json!({ "Namespace": ids.namespace })),
        "CreateRepository" | "DescribeRepositories" | "DeleteRepository" | "DescribeImages" => {
            repository(json!({}))
        }
        "ModifyRepository" => repository(json!({ "BriefDescription": "x", "Description": "x" })),
        "DeleteImage" | "DescribeImageManifests" => repository(json!({ "ImageVersion": "v1" })),
        "DeleteRepositoryTags" => repository(json!({ "Tags": ["v1"] })),
        "ManageExternalEndpoint" => of(json!({ "Operation": "Delete" })),
        "CreateSecurityPolicy" => of(entry),
        "ModifySecurityPolicy" => with(of(entry), &json!({ "PolicyIndex": 0 })),
        "DeleteSecurityPolicy" => of(json!({ "CidrBlock": ids.entry })),
        "CreateMultipleSecurityPolicy" | "DeleteMultipleSecurityPolicy" => of(set),
        "CreateServiceAccount" => robot(json!({
            "Permissions": [{ "Resource": ids.namespace, "Actions": ["tcr:PullRepository"] }],
        })),
        "DescribeServiceAccounts" => of(json!({ "EmbedPermission": true })),
        "ModifyServiceAccount" => robot(json!({ "Description": "x" })),
        "ModifyServiceAccountPassword" => robot(json!({ "Random": true })),
        "DeleteServiceAccount" => robot(json!({})),
        "DescribeInternalEndpointDnsStatus" => {
            json!({
                "VpcSet": [{
                    "InstanceId": ids.tcr,
                    "VpcId": "vpc-9iazgkcl",
                    "EniLBIp": "192.0.2.69",
                    "UsePublicDomain": true,
                }],
            })
        }
        _ => panic!("say what {action} is called with"),
    }
}

fn of_cr(action: &str, ids: &Ids) -> Value {
    let of = |more: Value| with(json!({ "InstanceId": ids.cri }), &more);
    let namespace = |more: Value| with(of(json!({ "NamespaceName": ids.namespace })), &more);
    let repository = |more: Value| with(of(json!({ "RepoId": ids.repository_id })), &more);
    let endpoint = |more: Value| with(of(json!({ "EndpointType": "internet" })), &more);
    let tags = |more: Value| {
        with(
            json!({ "ResourceType": "instance", "ResourceId.1": ids.cri }),
            &more,
        )
    };
    match action {
        "ListInstance" | "GetInstanceCount" | "ListInstanceRegion" => json!({}),
        "GetInstance"
        | "GetInstanceUsage"
        | "GetAuthorizationToken"
        | "ListInstanceEndpoint"
        | "GetInstanceVpcEndpoint"
        | "ListRepoSyncRule"
        | "ListArtifactLifecycleRule"
        | "ListScanRule"
        | "ListChain" => of(json!({})),
        "ListChartNamespace" => namespace(json!({})),
        "ResetLoginPassword" => of(json!({ "Password": "Passw0rd-EXAMPLE" })),
        "GetNamespace" => of(json!({ "NamespaceId": ids.namespace_id })),
        "CreateNamespace" | "ListNamespace" | "DeleteNamespace" => namespace(json!({})),
        "UpdateNamespace" => namespace(json!({ "AutoCreateRepo": "true" })),
        "CreateRepository" => of(json!({
            "RepoNamespaceName": ids.namespace,
            "RepoName": ids.repository,
            "RepoType": "PRIVATE",
            "Summary": "x",
        })),
        "ListRepository" => {
            of(json!({ "RepoNamespaceName": ids.namespace, "RepoName": ids.repository }))
        }
        "UpdateRepository" => repository(json!({ "RepoType": "PUBLIC", "Summary": "x" })),
        "GetRepository" | "DeleteRepository" | "ListRepoTag" => repository(json!({})),
        "GetRepoTag" | "DeleteRepoTag" => repository(json!({ "Tag": "v1" })),
        "GetInstanceEndpoint" => endpoint(json!({})),
        "UpdateInstanceEndpointStatus" => endpoint(json!({ "Enable": "false" })),
        "CreateInstanceEndpointAclPolicy" | "DeleteInstanceEndpointAclPolicy" => {
            endpoint(json!({ "Entry": ids.entry }))
        }
        "GetInstanceCustomizedDomain" => {
            of(json!({ "Domain": "hub.example.com", "ModuleName": "Registry" }))
        }
        "TagResources" => tags(json!({ "Tag.1.Key": "team", "Tag.1.Value": "red" })),
        "UntagResources" => tags(json!({ "All": "true" })),
        "ListTagResources" => tags(json!({})),
        _ => panic!("say what {action} is called with"),
    }
}

fn of_sts(product: Product, action: &str, ids: &Ids) -> Value {
    let (qcs, acs) = (
        format!("qcs::cam::uin/{OWNER}:roleName/{}", ids.role),
        format!("acs:ram::{OWNER}:role/{}", ids.role),
    );
    match (product, action) {
        (Product::TencentSts, "AssumeRole") => json!({ "RoleArn": qcs, "RoleSessionName": "test" }),
        (Product::TencentSts, "AssumeRoleWithWebIdentity") => {
            json!({
                "ProviderId": ids.provider,
                "WebIdentityToken": "a.b.c",
                "RoleArn": qcs,
                "RoleSessionName": "test",
            })
        }
        (Product::TencentSts, "GetFederationToken") => {
            json!({ "Name": "test", "Policy": everything().to_string() })
        }
        (_, "GetCallerIdentity") => json!({}),
        (Product::AlibabaSts, "AssumeRole") => json!({ "RoleArn": acs, "RoleSessionName": "test" }),
        (Product::AlibabaSts, "AssumeRoleWithOIDC") => {
            let provider = format!("acs:ram::{OWNER}:oidc-provider/{}", ids.provider);
            json!({
                "RoleArn": acs,
                "OIDCProviderArn": provider,
                "OIDCToken": "a.b.c",
                "RoleSessionName": "test",
            })
        }
        _ => panic!("say what {action} is called with"),
    }
}

async fn ask(app: &App, key: &Key, product: Product, action: &str, parameters: &Value) -> Answer {
    // Tencent's signature covers no action: each call has a second of its own.
    app.wait(Duration::from_secs(1));
    let pairs: Vec<(&str, &str)>;
    match product {
        Product::Tcr => app.tencent(action, parameters).by(key).send().await,
        Product::TencentSts => app.tencent_sts(action, parameters).by(key).send().await,
        Product::Cr | Product::AlibabaSts => {
            pairs = parameters
                .as_object()
                .unwrap()
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str().unwrap()))
                .collect();
            let call = if product == Product::Cr {
                app.alibaba(action, &pairs)
            } else {
                app.alibaba_sts(action, &pairs)
            };
            call.by(key).send().await
        }
    }
}

async fn told(app: &App, key: &Key, product: Product, action: &str, parameters: &Value) -> Value {
    let answer = ask(app, key, product, action, parameters).await;
    assert!(!is_refused(&answer), "{action}: {}", answer.body);
    without_request_id(answer.json())
}

fn without_request_id(mut answer: Value) -> Value {
    let fields = answer
        .get_mut("Response")
        .filter(|response| response.is_object());
    match fields {
        Some(response) => response.as_object_mut().unwrap().remove("RequestId"),
        None => answer.as_object_mut().unwrap().remove("RequestId"),
    };
    answer
}

fn is_refused(answer: &Answer) -> bool {
    answer.status != 200 || answer.json()["Response"].get("Error").is_some()
}

/// Returns an answer as it would be for any ids.
fn whatever_the_ids(answer: &Answer, ids: &Ids) -> String {
    let answer_json = answer.json();
    let id = answer_json["RequestId"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let mut text = format!("{} {}", answer.status, without_request_id(answer_json));
    if !id.is_empty() {
        text = text.replace(&id, "REQUEST");
    }
    for (place, id) in ids.all().into_iter().enumerate() {
        text = text.replace(id, &format!("ID-{place}"));
    }
    text
}

/// Another account with one of everything.
struct Other {
    key: Key,
    ids: Ids,
}

impl Other {
    async fn of(app: &App) -> Self {
        let owner = OWNER.parse().unwrap();
        let key = Key::permanent(
            app.service
                .identity
                .create_access_key(&app.operator(), owner, None)
                .await
                .unwrap(),
        );
        let trust = trusting(&format!("qcs::cam::uin/{OWNER}:root"));
        app.service
            .identity
            .create_role(
                &app.operator(),
                owner,
                "their-role",
                &trust.to_string(),
                7200,
            )
            .await
            .unwrap();
        let (tcr, cri) = (
            app.foreign_instance.id.as_str(),
            app.foreign_instance.cri_id.as_str(),
        );
        let of = |more: Value| with(json!({ "RegistryId": tcr }), &more);
        told(
            app,
            &key,
            Product::Tcr,
            "CreateNamespace",
            &of(json!({ "NamespaceName": "theirs", "IsPublic": false })),
        )
        .await;
        let repository = of(
            json!({ "NamespaceName": "theirs", "RepositoryName": "hidden", "Description": UNSEEN }),
        );
        told(app, &key, Product::Tcr, "CreateRepository", &repository).await;
        let token = of(json!({ "TokenType": "longterm", "Desc": UNSEEN }));
        let token = told(app, &key, Product::Tcr, "CreateInstanceToken", &token).await;
        let robot = json!({
            "Name": "theirs-robot",
            "Description": UNSEEN,
            "Permissions": [{ "Resource": "theirs", "Actions": ["tcr:PullRepository"] }],
        });
        told(app, &key, Product::Tcr, "CreateServiceAccount", &of(robot)).await;
        told(
            app,
            &key,
            Product::Tcr,
            "ManageExternalEndpoint",
            &of(json!({ "Operation": "Create" })),
        )
        .await;
        let entry = json!({ "CidrBlock": "203.0.113.0/24", "Description": UNSEEN });
        told(app, &key, Product::Tcr, "CreateSecurityPolicy", &of(entry)).await;
        let tags = json!({
            "ResourceType": "instance",
            "ResourceId.1": cri,
            "Tag.1.Key": "team",
            "Tag.1.Value": UNSEEN,
        });
        told(app, &key, Product::Cr, "TagResources", &tags).await;
        let named =
            json!({ "InstanceId": cri, "RepoNamespaceName": "theirs", "RepoName": "hidden" });
        let repository_id = told(app, &key, Product::Cr, "GetRepository", &named).await["RepoId"]
            .as_str()
            .unwrap()
            .to_owned();
        let namespace = told(
            app,
            &key,
            Product::Cr,
            "GetNamespace",
            &json!({ "InstanceId": cri, "NamespaceName": "theirs" }),
        )
        .await;
        let ids = Ids {
            tcr: tcr.to_owned(),
            cri: cri.to_owned(),
            namespace: "theirs".to_owned(),
            namespace_id: namespace["NamespaceId"].as_str().unwrap().to_owned(),
            repository: "hidden".to_owned(),
            repository_id,
            token: token["Response"]["TokenId"].as_str().unwrap().to_owned(),
            robot: "theirs-robot".to_owned(),
            entry: "203.0.113.0/24".to_owned(),
            role: "their-role".to_owned(),
            provider: "their-provider".to_owned(),
        };
        Self { key, ids }
    }

    /// Returns all that the account sees of its own.
    async fn everything(&self, app: &App) -> Value {
        let of = json!({ "RegistryId": self.ids.tcr });
        let mut seen = Vec::new();
        for action in [
            "DescribeNamespaces",
            "DescribeRepositories",
            "DescribeInstanceToken",
            "DescribeSecurityPolicies",
            "CheckInstance",
        ] {
            seen.push(told(app, &self.key, Product::Tcr, action, &of).await);
        }
        let robots = with(of, &json!({ "EmbedPermission": true }));
        seen.push(
            told(
                app,
                &self.key,
                Product::Tcr,
                "DescribeServiceAccounts",
                &robots,
            )
            .await,
        );
        seen.push(
            told(
                app,
                &self.key,
                Product::Tcr,
                "DescribeInstances",
                &json!({}),
            )
            .await,
        );
        let tags = json!({ "ResourceType": "instance", "ResourceId.1": self.ids.cri });
        seen.push(told(app, &self.key, Product::Cr, "ListTagResources", &tags).await);
        seen.into()
    }
}

/// Returns a user of the account who may do everything, and whose policies name the other account's
/// instance.
async fn all_powerful_user(app: &App, other: &Other) -> Key {
    let user = app.user("mighty", &everything()).await;
    let named = [
        cam(&json!([allow(
            "tcr:*",
            json!([
                format!("qcs::tcr:::instance/{}", other.ids.tcr),
                format!("qcs::tcr::uin/{OWNER}:repository/{}/*", other.ids.tcr)
            ]),
        )])),
        ram(&json!([ram_allow(
            ["cr:*", "sts:*"],
            json!([
                "*",
                format!("acs:cr:*:{OWNER}:*"),
                format!("acs:ram::{OWNER}:role/*")
            ]),
        )])),
    ];
    for (number, document) in named.iter().enumerate() {
        let name = format!("mighty-{number}");
        app.service
            .identity
            .save_policy(
                &app.operator(),
                account(),
                &name,
                &document.to_string(),
                Save::Create,
            )
            .await
            .unwrap();
        let target = Target::User("mighty".to_owned());
        app.service
            .identity
            .set_attached(&app.operator(), account(), &name, &target, Attached::Yes)
            .await
            .unwrap();
    }
    user
}

#[tokio::test]
async fn anothers_ids_are_answered_as_ids_that_nobody_has() {
    let app = App::new().await;
    let other = Other::of(&app).await;
    let before = other.everything(&app).await;
    assert!(before.to_string().contains(UNSEEN));
    let user = all_powerful_user(&app, &other).await;
    let nothing = Ids::of_nothing();
    let (tcr, cri) = (app.instance.id.as_str(), app.instance.cri_id.as_str());
    let mut asked = 0;
    for (product, action) in actions() {
        // Everything at the other's instance, and at one's own all else that is the other's.
        let places = [
            (other.ids.clone(), nothing.clone()),
            (other.ids.at(tcr, cri), nothing.at(tcr, cri)),
        ];
        for (place, (theirs, nobodys)) in places.iter().enumerate() {
            let (foreign, unknown) = (
                parameters(product, &action, theirs),
                parameters(product, &action, nobodys),
            );
            // At one's own instance any name is free to be made.
            if foreign == unknown || place == 1 && action.starts_with("Create") {
                continue;
            }
            for key in [&app.key, &user] {
                let foreign = ask(&app, key, product, &action, &foreign).await;
                let unknown = ask(&app, key, product, &action, &unknown).await;
                let told = foreign.body.clone();
                assert!(
                    !told.contains(UNSEEN)
                        && foreign.status.as_u16() < 500
                        && !told.contains("InternalError"),
                    "{action}: {told}"
                );
                assert_eq!(
                    whatever_the_ids(&foreign, theirs),
                    whatever_the_ids(&unknown, nobodys),
                    "{action} {foreign}",
                    foreign = foreign.body
                );
                asked += 1;
            }
        }
    }
    assert!(asked > 150, "only {asked} were asked");
    assert_eq!(
        other.everything(&app).await,
        before,
        "something of the other account changed"
    );
}
