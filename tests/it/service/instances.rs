//! Instances and their tags, at both doors: one model.

use std::time::Duration;

use serde_json::{Value, json};
use transire::domain::ids::AccountId;

use crate::harness::documents::{allow, cam, ram, ram_allow};
use crate::harness::operator::account;
use crate::harness::{ACCOUNT, App, Key, NOW};

fn names(output: &Value) -> Vec<&str> {
    output
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

fn listed(output: &Value) -> Vec<&str> {
    output["Registries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["RegistryName"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn what_tencents_door_makes_alibabas_lists_under_its_own_id() {
    let app = App::with_base_domain().await;
    let made = app
        .tcr(
            "CreateInstance",
            json!({
                "RegistryName": "team-registry",
                "RegistryType": "basic",
                "RegistryChargeType": 0,
                "DeletionProtection": true,
                "RegistryChargePrepaid": { "Period": 1, "RenewFlag": 0 },
                "SyncTag": false,
                "EnableCosMAZ": false,
                "TagSpecification": {
                    "ResourceType": "instance",
                    "Tags": [{ "Key": "team", "Value": "blue" }],
                },
            }),
        )
        .await;
    assert_eq!(names(&made), ["RegistryId"]);
    let id = made["RegistryId"].as_str().unwrap();
    let shown = app
        .tcr("DescribeInstances", json!({ "Registryids": [id] }))
        .await;
    assert_eq!(
        shown,
        json!({
            "TotalCount": 1,
            "Registries": [{
                "RegistryId": id,
                "RegistryName": "team-registry",
                "RegistryType": "basic",
                "Status": "Running",
                "PublicDomain": "team-registry.registry.example.com",
                "CreatedAt": "2025-01-03T12:04:18+08:00",
                "RegionName": "ap-guangzhou",
                "RegionId": 1,
                "EnableAnonymous": true,
                "TokenValidTime": 87600,
                "InternalEndpoint": "",
                "TagSpecification": {
                    "ResourceType": "instance",
                    "Tags": [{ "Key": "team", "Value": "blue" }],
                },
                "ExpiredAt": "",
                "PayMod": 0,
                "RenewFlag": 0,
                "DeletionProtection": true,
                "AIFeature": false,
                "EnableCosMAZ": false,
                "EnableCosVersioning": false,
            }],
        })
    );
    let at = NOW.plus(Duration::from_secs(1)).unix_millis();
    let listed = app
        .cr("ListInstance", &[("InstanceName", "team-registry")])
        .await;
    let cri = listed["Instances"][0]["InstanceId"].as_str().unwrap();
    let tags = json!([{ "TagKey": "team", "TagValue": "blue" }]);
    assert_eq!(
        listed,
        json!({
            "PageNo": 1,
            "PageSize": 30,
            "TotalCount": 1,
            "Instances": [{
                "InstanceId": cri,
                "InstanceName": "team-registry",
                "InstanceSpecification": "Enterprise_Basic",
                "InstanceStatus": "RUNNING",
                "InstanceIssue": "",
                "RegionId": "ap-guangzhou",
                "ResourceGroupId": "",
                "CreateTime": at.to_string(),
                "ModifiedTime": at.to_string(),
                "Tags": tags,
            }],
        })
    );
    assert_eq!(
        app.cr("GetInstance", &[("InstanceId", cri)]).await,
        json!({
            "InstanceId": cri,
            "InstanceName": "team-registry",
            "InstanceSpecification": "Enterprise_Basic",
            "InstanceStatus": "RUNNING",
            "InstanceIssue": "",
            "ResourceGroupId": "",
            "CreateTime": at,
            "ModifiedTime": at,
            "Tags": tags,
        })
    );
    assert_eq!(app.cr("GetInstanceCount", &[]).await, json!({ "Count": 3 }));
}

#[tokio::test]
async fn an_instance_is_changed_checked_and_deleted() {
    let app = App::with_base_domain().await;
    let (id, cri) = app.made("team-registry").await;
    let status = app
        .tcr(
            "DescribeInstanceStatus",
            json!({ "RegistryIds": [id, "tcr-zzzzzzzz", "nonsense"] }),
        )
        .await;
    assert_eq!(
        status,
        json!({
            "RegistryStatusSet": [{ "RegistryId": id, "Status": "Running", "Conditions": [] }],
        })
    );
    assert_eq!(
        app.tcr("CheckInstance", json!({ "RegistryId": id })).await,
        json!({ "IsValidated": true, "RegionId": 1 })
    );
    for other in ["tcr-zzzzzzzz", "nonsense", app.foreign_instance.id.as_str()] {
        assert_eq!(
            app.tcr("CheckInstance", json!({ "RegistryId": other }))
                .await,
            json!({ "IsValidated": false, "RegionId": 0 })
        );
    }

    let change = json!({ "RegistryId": id, "RegistryType": "premium", "DeletionProtection": true });
    assert_eq!(app.tcr("ModifyInstance", change).await, json!({}));
    assert_eq!(
        app.cr("GetInstance", &[("InstanceId", &cri)]).await["InstanceSpecification"],
        "Enterprise_Advanced"
    );
    assert_eq!(
        app.tcr_refused("DeleteInstance", json!({ "RegistryId": id }))
            .await,
        "OperationDenied"
    );
    assert_eq!(
        app.tcr_refused(
            "DeleteInstance",
            json!({ "RegistryId": id, "DryRun": true })
        )
        .await,
        "OperationDenied"
    );
    app.tcr(
        "ModifyInstance",
        json!({ "RegistryId": id, "DeletionProtection": false }),
    )
    .await;

    app.tcr(
        "CreateInstanceToken",
        json!({ "RegistryId": id, "TokenType": "longterm" }),
    )
    .await;
    for dry in [true, false] {
        let whole = json!({ "RegistryId": id, "DryRun": dry });
        assert_eq!(
            app.tcr_refused("DeleteInstance", whole).await,
            "OperationDenied",
            "it isn't empty"
        );
    }
    assert_eq!(
        app.tcr(
            "DeleteInstance",
            json!({ "RegistryId": id, "DeleteBucket": true, "DryRun": true })
        )
        .await,
        json!({})
    );
    assert_eq!(
        app.tcr("DescribeInstances", json!({ "Registryids": [id] }))
            .await["TotalCount"],
        1,
        "a dry run deletes nothing"
    );
    assert_eq!(
        app.tcr(
            "DeleteInstance",
            json!({ "RegistryId": id, "DeleteBucket": true })
        )
        .await,
        json!({})
    );
    assert_eq!(
        app.tcr("DescribeInstances", json!({ "Registryids": [id] }))
            .await,
        json!({ "TotalCount": 0, "Registries": [] })
    );
    assert_eq!(
        app.cr_refused("GetInstance", &[("InstanceId", &cri)]).await,
        (404, "INSTANCE_NOT_EXIST".to_owned())
    );
    for action in ["DeleteInstance", "ModifyInstance", "CreateInstanceToken"] {
        let gone = app.tcr_refused(action, json!({ "RegistryId": id })).await;
        assert_eq!(gone, "ResourceNotFound.TcrResourceNotFound", "{action}");
    }
}

#[tokio::test]
async fn a_name_is_checked_against_the_rules_and_all_that_were() {
    let app = App::with_base_domain().await;
    let checked = async |name: &str| {
        let output = app
            .tcr("CheckInstanceName", json!({ "RegistryName": name }))
            .await;
        (
            output["IsValidated"].as_bool().unwrap(),
            output["DetailCode"].as_i64().unwrap(),
        )
    };
    assert_eq!(checked("team-registry").await, (true, 0));
    for illegal in ["demo", "-demo1", "Team-Registry", &"a".repeat(51), ""] {
        assert_eq!(checked(illegal).await, (false, 1), "{illegal}");
        let wanted = json!({ "RegistryName": illegal, "RegistryType": "basic" });
        assert_eq!(
            app.tcr_refused("CreateInstance", wanted).await,
            "InvalidParameter.ErrorRegistryName"
        );
    }
    let (id, _) = app.made("team-registry").await;
    assert_eq!(checked("team-registry").await, (false, 3));
    assert_eq!(
        checked("other").await,
        (false, 3),
        "the operator's instances have names, too"
    );
    let again = json!({ "RegistryName": "team-registry", "RegistryType": "basic" });
    assert_eq!(
        app.tcr_refused("CreateInstance", again.clone()).await,
        "InvalidParameter.ErrorNameExists"
    );
    app.tcr("DeleteInstance", json!({ "RegistryId": id })).await;
    assert_eq!(
        checked("team-registry").await,
        (false, 2),
        "its tokens must not open another registry"
    );
    assert_eq!(
        app.tcr_refused("CreateInstance", again).await,
        "InvalidParameter.ErrorNameExists"
    );
}

#[tokio::test]
async fn without_a_base_domain_no_api_makes_an_instance() {
    let app = App::new().await;
    let wanted = json!({ "RegistryName": "team-registry", "RegistryType": "basic" });
    let (code, message) =
        crate::harness::tencent::refused(&app.tencent("CreateInstance", &wanted).send().await);
    assert_eq!(code, "UnsupportedOperation");
    assert!(message.contains("`base_domain`"), "{message}");
}

#[tokio::test]
async fn an_account_has_a_quota_of_instances() {
    let app = App::with(|options| {
        options.service.base_domain = Some("registry.example.com".to_owned());
        options.service.quotas.instances = 3;
    })
    .await;
    app.made("third").await;
    let fourth = json!({ "RegistryName": "fourth", "RegistryType": "basic" });
    assert_eq!(
        app.tcr_refused("CreateInstance", fourth).await,
        "OperationDenied.QuotaOverLimit"
    );
    assert_eq!(app.cr("GetInstanceCount", &[]).await, json!({ "Count": 3 }));
}

#[tokio::test]
async fn parameters_are_checked_with_their_types() {
    let app = App::with_base_domain().await;
    let id = app.instance.id.as_str();
    let new = |more: Value| {
        let mut body = json!({ "RegistryName": "team-registry", "RegistryType": "basic" });
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        body
    };
    let twenty: Vec<Value> = (0..21)
        .map(|number| json!({ "Key": format!("k{number}"), "Value": "" }))
        .collect();
    let cases = [
        (
            "CreateInstance",
            json!({ "RegistryType": "basic" }),
            "MissingParameter",
        ),
        (
            "CreateInstance",
            json!({ "RegistryName": "team-registry" }),
            "MissingParameter",
        ),
        (
            "CreateInstance",
            new(json!({ "Wings": 2 })),
            "UnknownParameter",
        ),
        (
            "CreateInstance",
            new(json!({ "RegistryType": 1 })),
            "InvalidParameter",
        ),
        (
            "CreateInstance",
            new(json!({ "RegistryType": "Enterprise_Basic" })),
            "InvalidParameterValue",
        ),
        (
            "CreateInstance",
            new(json!({ "DeletionProtection": "true" })),
            "InvalidParameter",
        ),
        (
            "CreateInstance",
            new(json!({ "RegistryChargeType": 1 })),
            "UnsupportedOperation",
        ),
        (
            "CreateInstance",
            new(json!({ "RegistryChargeType": -1 })),
            "InvalidParameterValue",
        ),
        (
            "CreateInstance",
            new(json!({ "RegistryChargePrepaid": { "Period": "1" } })),
            "InvalidParameter",
        ),
        (
            "CreateInstance",
            new(json!({ "RegistryChargePrepaid": [] })),
            "InvalidParameter",
        ),
        (
            "CreateInstance",
            new(json!({ "EnableCosMAZ": true })),
            "UnsupportedOperation",
        ),
        (
            "CreateInstance",
            new(json!({ "EnableCosVersioning": true })),
            "UnsupportedOperation",
        ),
        (
            "CreateInstance",
            new(json!({ "TagSpecification": { "ResourceType": "namespace" } })),
            "InvalidParameterValue",
        ),
        (
            "CreateInstance",
            new(json!({ "TagSpecification": { "Tags": [{ "Value": "x" }] } })),
            "MissingParameter",
        ),
        (
            "CreateInstance",
            new(json!({ "TagSpecification": { "Tags": [{ "Key": "acs:x", "Value": "x" }] } })),
            "InvalidParameterValue",
        ),
        (
            "CreateInstance",
            new(json!({ "TagSpecification": { "Tags": [{ "Key": "a" }, { "Key": "a" }] } })),
            "InvalidParameterValue",
        ),
        (
            "CreateInstance",
            new(json!({ "TagSpecification": { "Tags": twenty } })),
            "InvalidParameter.ErrorTagOverLimit",
        ),
        (
            "DescribeInstances",
            json!({ "Registryids": "tcr-12345678" }),
            "InvalidParameter",
        ),
        (
            "DescribeInstances",
            json!({ "Limit": "20" }),
            "InvalidParameter",
        ),
        (
            "DescribeInstances",
            json!({ "Limit": 0 }),
            "InvalidParameterValue",
        ),
        (
            "DescribeInstances",
            json!({ "Limit": 1001 }),
            "InvalidParameterValue",
        ),
        (
            "DescribeInstances",
            json!({ "Offset": -1 }),
            "InvalidParameterValue",
        ),
        (
            "DescribeInstances",
            json!({ "Filters": [{ "Name": "Colour", "Values": ["red"] }] }),
            "InvalidParameterValue",
        ),
        (
            "DescribeInstances",
            json!({ "Filters": [{ "Values": ["red"] }] }),
            "MissingParameter",
        ),
        (
            "DescribeInstances",
            json!({ "RegistryIds": [] }),
            "UnknownParameter",
        ),
        ("DescribeInstanceStatus", json!({}), "MissingParameter"),
        (
            "DescribeInstanceStatus",
            json!({ "RegistryIds": [1] }),
            "InvalidParameter",
        ),
        (
            "ModifyInstance",
            json!({ "RegistryId": id, "RegistryType": "huge" }),
            "InvalidParameterValue",
        ),
        (
            "ModifyInstance",
            json!({ "RegistryId": id, "EnableCosVersioning": true }),
            "UnsupportedOperation",
        ),
        (
            "ModifyInstance",
            json!({ "RegistryType": "basic" }),
            "MissingParameter",
        ),
        (
            "DeleteInstance",
            json!({ "RegistryId": id, "Force": true }),
            "UnknownParameter",
        ),
        ("CheckInstance", json!({}), "MissingParameter"),
        ("CheckInstanceName", json!({}), "MissingParameter"),
        (
            "DescribeRegions",
            json!({ "Region": "x" }),
            "UnknownParameter",
        ),
    ];
    for (action, body, code) in cases {
        assert_eq!(
            app.tcr_refused(action, body.clone()).await,
            code,
            "{action} {body}"
        );
    }
    assert_eq!(
        app.cr("GetInstanceCount", &[]).await,
        json!({ "Count": 2 }),
        "nothing was half done"
    );
    let bad = |name: &str| (400, format!("Invalid{name}"));
    assert_eq!(
        app.cr_refused("ListInstance", &[("PageNo", "0")]).await,
        bad("PageNo")
    );
    assert_eq!(
        app.cr_refused("ListInstance", &[("PageSize", "+5")]).await,
        bad("PageSize")
    );
    assert_eq!(
        app.cr_refused("GetInstance", &[]).await,
        (400, "MissingInstanceId".to_owned())
    );
    for id in [
        "cri-zzzzzzzzzzzzzzzz",
        "nonsense",
        app.foreign_instance.cri_id.as_str(),
        app.instance.id.as_str(),
    ] {
        for action in ["GetInstance", "GetInstanceUsage"] {
            assert_eq!(
                app.cr_refused(action, &[("InstanceId", id)]).await,
                (404, "INSTANCE_NOT_EXIST".to_owned())
            );
        }
    }
}

#[tokio::test]
async fn instances_are_filtered_and_paged_by_items() {
    let app = App::with_base_domain().await;
    for number in 0..22 {
        // More than an API may make: the operator may.
        let new = transire::service::NewInstance {
            account: account(),
            name: format!("bulk-{number:02}"),
            region: "ap-shanghai".to_owned(),
            service: format!("bulk-{number}.example.com"),
            kind: transire::domain::instance::RegistryKind::Distribution,
            issuer: None,
            algorithm: transire::domain::instance::Algorithm::Es256,
            kid_format: transire::domain::instance::KidFormat::Thumbprint,
            token_ttl_seconds: None,
            registry_url: None,
            specification: transire::domain::instance::Specification::Basic,
            default: transire::domain::instance::DefaultMark::Unmarked,
            refresh_tokens: transire::domain::switch::Switch::Off,
        };
        app.wait(Duration::from_millis(1));
        app.service
            .registry
            .create_instance(&app.operator(), new)
            .await
            .unwrap();
    }
    let describe = async |body: Value| app.tcr("DescribeInstances", body).await;
    let here = describe(json!({})).await;
    // Two that were made in the same moment stand in any order.
    let mut both = listed(&here);
    both.sort_unstable();
    assert_eq!(
        (both, &here["TotalCount"]),
        (vec!["demo", "other"], &json!(2)),
        "one region, unless all are asked for"
    );
    let first = describe(json!({ "AllRegion": true })).await;
    assert_eq!(
        (listed(&first).len(), &first["TotalCount"]),
        (20, &json!(24))
    );
    let next = describe(json!({ "AllRegion": true, "Offset": 20, "Limit": 20 })).await;
    assert_eq!(
        (listed(&next), &next["TotalCount"]),
        (vec!["bulk-18", "bulk-19", "bulk-20", "bulk-21"], &json!(24))
    );
    assert_eq!(
        listed(&describe(json!({ "AllRegion": true, "Limit": 200 })).await).len(),
        24,
        "Terraform asks for 200"
    );
    assert_eq!(
        listed(&describe(json!({ "AllRegion": true, "Offset": 24 })).await),
        Vec::<&str>::new()
    );

    // Harbor's way to find its instance.
    let harbor = json!({
        "AllRegion": true,
        "Filters": [{ "Name": "RegistryName", "Values": ["bulk-07"] }],
    });
    let found = describe(harbor).await;
    assert_eq!(
        (listed(&found), &found["Registries"][0]["RegionId"]),
        (vec!["bulk-07"], &json!(4))
    );
    // Terraform's: by id, in whatever region it runs.
    assert_eq!(
        listed(&describe(json!({ "Registryids": [found["Registries"][0]["RegistryId"]] })).await),
        ["bulk-07"]
    );
    let filtered = async |filters: Value| {
        let output = describe(json!({ "AllRegion": true, "Filters": filters })).await;
        listed(&output)
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let names = json!({ "Name": "RegistryName", "Values": ["bulk-01", "demo", "nobody"] });
    assert_eq!(
        filtered(json!([names])).await,
        ["demo", "bulk-01"],
        "the values of a filter are alternatives"
    );
    let basic = json!({ "Name": "RegistryType", "Values": ["basic"] });
    assert_eq!(
        filtered(json!([names, basic])).await,
        ["bulk-01"],
        "filters must all hold"
    );
    assert_eq!(
        filtered(json!([{ "Name": "RegistryId", "Values": [app.instance.id.as_str()] }])).await,
        ["demo"]
    );
    assert_eq!(
        filtered(json!([{ "Name": "Status", "Values": ["Isolate"] }])).await,
        Vec::<String>::new()
    );

    let page = app
        .cr("ListInstance", &[("PageNo", "3"), ("PageSize", "10")])
        .await;
    assert_eq!(
        (
            page["Instances"].as_array().unwrap().len(),
            &page["TotalCount"]
        ),
        (4, &json!(24))
    );
    assert_eq!(
        app.cr("ListInstance", &[("InstanceStatus", "STOPPED")])
            .await["TotalCount"],
        0
    );
    assert_eq!(
        app.cr("ListInstance", &[("ResourceGroupId", "rg-1")]).await["TotalCount"],
        0
    );
    assert_eq!(
        app.cr("ListInstanceRegion", &[]).await,
        json!({ "Regions": [
            { "RegionId": "ap-guangzhou", "LocalName": "ap-guangzhou" },
            { "RegionId": "ap-shanghai", "LocalName": "ap-shanghai" },
        ] })
    );
    let regions = app.tcr("DescribeRegions", json!({})).await;
    assert_eq!(regions["TotalCount"], 2);
    assert_eq!(
        regions["Regions"][0],
        json!({
            "Alias": "ap-guangzhou",
            "RegionId": 1,
            "RegionName": "ap-guangzhou",
            "Status": "alluser",
            "Remark": "",
            "CreatedAt": "2025-01-03T12:04:17+08:00",
            "UpdatedAt": "2025-01-03T12:04:17+08:00",
            "Id": 1,
        })
    );
}

#[tokio::test]
async fn the_older_signatures_flatten_what_they_send() {
    let app = App::with_base_domain().await;
    let request = app.v1(
        &http::Method::GET,
        transire::sign::Method::TencentHmacSha256,
        |parameters| {
            parameters.take("RegistryId");
            for (name, value) in [
                ("Action", "DescribeInstances"),
                ("Filters.0.Name", "RegistryName"),
                ("Filters.0.Values.0", "other"),
                ("Limit", "5"),
                ("AllRegion", "True"),
            ] {
                parameters.set(name, value);
            }
        },
    );
    let answer = app.send(request).await.json();
    assert_eq!(listed(&answer["Response"]), ["other"], "{answer}");
}

#[tokio::test]
async fn usage_is_text_beside_its_quotas() {
    let app = App::with_base_domain().await;
    let usage = app
        .cr(
            "GetInstanceUsage",
            &[("InstanceId", app.instance.cri_id.as_str())],
        )
        .await;
    assert_eq!(
        usage,
        json!({
            "NamespaceQuota": "500",
            "NamespaceUsage": "0",
            "RepoQuota": "5000",
            "RepoUsage": "0",
            "ChartNamespaceQuota": "0",
            "ChartNamespaceUsage": "0",
            "ChartRepoQuota": "0",
            "ChartRepoUsage": "0",
            "VpcQuota": "0",
            "VpcUsage": "0",
            "PerformanceUnits": 0,
        })
    );
}

#[tokio::test]
async fn what_no_policy_allows_is_denied_and_lists_show_what_may_be_seen() {
    let mut app = App::with_base_domain().await;
    let foreign: AccountId = "100000000002".parse().unwrap();
    assert_ne!(app.foreign_instance.account, account());
    assert_eq!(app.foreign_instance.account, foreign);
    let id = app.instance.id.as_str().to_owned();
    let cri = app.instance.cri_id.as_str().to_owned();
    let one = cam(&json!([allow(
        ["tcr:DescribeInstances"],
        ["qcs::tcr:::instance/INSTANCE-TCR"]
    )]));
    app.sign_as_user(&[one]).await;
    let output = app
        .tcr("DescribeInstances", json!({ "AllRegion": true }))
        .await;
    assert_eq!(
        (listed(&output), &output["TotalCount"]),
        (vec!["demo"], &json!(1)),
        "the other is not for it to see"
    );
    assert_eq!(
        app.cr("ListInstance", &[]).await["TotalCount"],
        1,
        "a CAM policy holds at Alibaba's door"
    );
    let denied = "AuthFailure.UnauthorizedOperation";
    for (action, body) in [
        (
            "CreateInstance",
            json!({ "RegistryName": "team-registry", "RegistryType": "basic" }),
        ),
        (
            "ModifyInstance",
            json!({ "RegistryId": id, "RegistryType": "basic" }),
        ),
        ("DeleteInstance", json!({ "RegistryId": id })),
        ("DescribeInstanceStatus", json!({ "RegistryIds": [id] })),
        ("CheckInstance", json!({ "RegistryId": id })),
        (
            "CheckInstanceName",
            json!({ "RegistryName": "team-registry" }),
        ),
        (
            "ManageExternalEndpoint",
            json!({ "RegistryId": id, "Operation": "Delete" }),
        ),
        (
            "DescribeExternalEndpointStatus",
            json!({ "RegistryId": id }),
        ),
        ("DescribeSecurityPolicies", json!({ "RegistryId": id })),
        (
            "CreateSecurityPolicy",
            json!({ "RegistryId": id, "CidrBlock": "192.0.2.1", "Description": "" }),
        ),
        (
            "DeleteSecurityPolicy",
            json!({ "RegistryId": id, "CidrBlock": "192.0.2.1" }),
        ),
    ] {
        assert_eq!(app.tcr_refused(action, body).await, denied, "{action}");
    }
    let endpoint = [("InstanceId", cri.as_str()), ("EndpointType", "internet")];
    for action in ["GetInstanceEndpoint", "ListInstanceEndpoint"] {
        assert_eq!(
            app.cr_refused(action, &endpoint).await,
            (403, "NoPrivilege".to_owned()),
            "{action}"
        );
    }
    let tag = [
        ("ResourceType", "instance"),
        ("ResourceId.1", cri.as_str()),
        ("Tag.1.Key", "team"),
        ("Tag.1.Value", "x"),
    ];
    assert_eq!(
        app.cr_refused("TagResources", &tag).await,
        (403, "NoPrivilege".to_owned())
    );
}

#[tokio::test]
async fn who_may_see_nothing_is_told_so() {
    let mut app = App::with_base_domain().await;
    app.sign_as_user(&[]).await;
    assert_eq!(
        app.tcr_refused("DescribeInstances", json!({})).await,
        "AuthFailure.UnauthorizedOperation"
    );
    assert_eq!(
        app.cr_refused("ListInstance", &[]).await,
        (403, "NoPrivilege".to_owned())
    );
}

#[tokio::test]
async fn tags_are_set_removed_and_listed_at_one_door_and_shown_at_the_other() {
    let app = App::with_base_domain().await;
    let (one, other) = (
        app.instance.cri_id.as_str(),
        app.other_instance.cri_id.as_str(),
    );
    let both = [
        ("ResourceType", "INSTANCE"),
        ("ResourceId.1", one),
        ("ResourceId.2", other),
    ];
    let with = |more: &[(&'static str, &'static str)]| [&both[..], more].concat();
    let set = with(&[
        ("RegionId", "cn-hangzhou"),
        ("Tag.1.Key", "team"),
        ("Tag.1.Value", "blue"),
        ("Tag.2.Key", "stage"),
    ]);
    assert_eq!(app.cr("TagResources", &set).await, json!({}));
    let entry = |id: &str, key: &str, value: &str| {
        json!({
            "ResourceId": id,
            "ResourceType": "instance",
            "TagKey": key,
            "TagValue": value,
        })
    };
    let only = [("ResourceType", "instance"), ("ResourceId.1", one)];
    let expected = json!({
        "NextToken": "",
        "TagResources": { "TagResource": [entry(one, "stage", ""), entry(one, "team", "blue")] },
    });
    assert_eq!(app.cr("ListTagResources", &only).await, expected);
    let shown = app
        .tcr(
            "DescribeInstances",
            json!({ "Filters": [{ "Name": "tag:team", "Values": ["blue"] }] }),
        )
        .await;
    assert_eq!((listed(&shown).len(), &shown["TotalCount"]), (2, &json!(2)));

    assert_eq!(
        app.cr(
            "TagResources",
            &[&only[..], &[("Tag.1.Key", "team"), ("Tag.1.Value", "red")]].concat()
        )
        .await,
        json!({})
    );
    let by_tag = [
        ("ResourceType", "instance"),
        ("Tag.1.Key", "team"),
        ("Tag.1.Value", "red"),
    ];
    let found = app.cr("ListTagResources", &by_tag).await;
    assert_eq!(
        found["TagResources"]["TagResource"],
        json!([entry(one, "stage", ""), entry(one, "team", "red")])
    );
    assert_eq!(
        app.cr(
            "UntagResources",
            &with(&[("TagKey.1", "team"), ("TagKey.2", "nothing")])
        )
        .await,
        json!({})
    );
    assert_eq!(
        app.cr("ListTagResources", &by_tag).await["TagResources"]["TagResource"],
        json!([])
    );
    assert_eq!(
        app.cr("UntagResources", &with(&[("All", "true")])).await,
        json!({})
    );
    assert_eq!(
        app.cr("GetInstance", &[("InstanceId", one)]).await["Tags"],
        json!([])
    );
}

#[tokio::test]
async fn each_fault_of_tag_calls_has_its_code_and_nothing_is_half_done() {
    let app = App::with_base_domain().await;
    let one = app.instance.cri_id.as_str();
    let only = [("ResourceType", "instance"), ("ResourceId.1", one)];
    let refused =
        async |action: &str, query: Vec<(&'static str, &str)>| app.cr_refused(action, &query).await;
    assert_eq!(
        refused(
            "TagResources",
            vec![("ResourceId.1", one), ("Tag.1.Key", "a")]
        )
        .await
        .1,
        "MissingResourceType"
    );
    assert_eq!(
        refused(
            "TagResources",
            vec![("ResourceType", "namespace"), ("ResourceId.1", one)]
        )
        .await
        .1,
        "InvalidResourceType"
    );
    assert_eq!(
        refused(
            "TagResources",
            vec![("ResourceType", "instance"), ("Tag.1.Key", "a")]
        )
        .await
        .1,
        "MissingResourceId"
    );
    assert_eq!(refused("TagResources", only.to_vec()).await.1, "MissingTag");
    assert_eq!(
        refused(
            "TagResources",
            [&only[..], &[("Tag.1.Value", "a")]].concat()
        )
        .await
        .1,
        "MissingTag.1.Key"
    );
    assert_eq!(
        refused("TagResources", [&only[..], &[("Tag.0.Key", "a")]].concat())
            .await
            .1,
        "InvalidTag"
    );
    assert_eq!(
        refused(
            "TagResources",
            [&only[..], &[("Tag.1.Key", "a"), ("Tag.2.Key", "a")]].concat()
        )
        .await
        .1,
        "InvalidTag"
    );
    assert_eq!(
        refused(
            "TagResources",
            [&only[..], &[("Tag.1.Key", "aliyun")]].concat()
        )
        .await
        .1,
        "InvalidTag"
    );
    assert_eq!(
        refused("UntagResources", only.to_vec()).await.1,
        "MissingTagKey"
    );
    assert_eq!(
        refused("UntagResources", [&only[..], &[("All", "yes")]].concat())
            .await
            .1,
        "InvalidAll"
    );
    assert_eq!(
        refused("ListTagResources", vec![("ResourceType", "instance")])
            .await
            .1,
        "MissingResourceId"
    );
    assert_eq!(
        refused(
            "ListTagResources",
            [&only[..], &[("NextToken", "x")]].concat()
        )
        .await
        .1,
        "InvalidNextToken"
    );
    assert_eq!(
        refused(
            "TagResources",
            [&only[..], &[("ResourceId.51", one), ("Tag.1.Key", "a")]].concat()
        )
        .await
        .1,
        "InvalidResourceId"
    );
    let foreign = vec![
        ("ResourceType", "instance"),
        ("ResourceId.1", app.foreign_instance.cri_id.as_str()),
        ("Tag.1.Key", "a"),
    ];
    assert_eq!(
        refused("TagResources", foreign).await,
        (404, "INSTANCE_NOT_EXIST".to_owned())
    );
    let half = vec![
        ("ResourceType", "instance"),
        ("ResourceId.1", one),
        ("ResourceId.2", app.foreign_instance.cri_id.as_str()),
        ("Tag.1.Key", "a"),
    ];
    assert_eq!(
        refused("TagResources", half).await,
        (404, "INSTANCE_NOT_EXIST".to_owned())
    );
    assert_eq!(
        app.cr("ListTagResources", &only).await["TagResources"]["TagResource"],
        json!([]),
        "nothing was half done"
    );
}

#[tokio::test]
async fn policies_ask_for_the_tags_of_the_instance_in_both_languages() {
    let issue = ram(&json!([ram_allow("cr:GetAuthorizationToken", "*")]));
    let blue = ram(&json!([{
        "Effect": "Allow",
        "Action": "cr:GetInstance",
        "Resource": "*",
        "Condition": { "StringEquals": { "acs:ResourceTag/team": "blue" } },
    }]));
    let pull = cam(&json!([{
        "effect": "allow",
        "action": "tcr:PullRepository",
        "resource": "*",
        "condition": { "for_any_value:string_equal": { "qcs:resource_tag": "team&blue" } },
    }]));
    let mut app = App::with_base_domain().await;
    let second = Key::permanent(
        app.service
            .identity
            .create_access_key(&app.operator(), account(), None)
            .await
            .unwrap(),
    );
    let root = std::mem::replace(&mut app.key, second);
    app.sign_as_user(&[issue, blue, pull]).await;
    let cri = app.instance.cri_id.as_str().to_owned();
    let token = app.get_token().send().await.json();
    let secret =
        transire::domain::secret::Secret::new(token["AuthorizationToken"].as_str().unwrap());
    let pulls = async |app: &App| {
        crate::harness::registry::granted(app, "cr_temp_user", &secret, "repository:team/app:pull")
            .await
    };
    let sees = async |app: &App| {
        app.alibaba("GetInstance", &[("InstanceId", &cri)])
            .send()
            .await
            .status
            .as_u16()
    };
    assert_eq!((sees(&app).await, pulls(&app).await.as_str()), (403, ""));
    let tag = async |value: &str| {
        let query = [
            ("ResourceType", "instance"),
            ("ResourceId.1", cri.as_str()),
            ("Tag.1.Key", "team"),
            ("Tag.1.Value", value),
        ];
        assert_eq!(
            app.alibaba("TagResources", &query)
                .by(&root)
                .send()
                .await
                .status
                .as_u16(),
            200
        );
    };
    tag("blue").await;
    assert_eq!(
        (sees(&app).await, pulls(&app).await.as_str()),
        (200, "repository:team/app:pull")
    );
    tag("red").await;
    assert_eq!(
        (sees(&app).await, pulls(&app).await.as_str()),
        (403, ""),
        "a changed tag is obeyed at once"
    );
}

#[tokio::test]
async fn policies_ask_for_the_tags_that_a_new_instance_gets() {
    let mut app = App::with_base_domain().await;
    let blue = cam(&json!([{
        "effect": "allow", "action": "tcr:CreateInstance", "resource": "*",
        "condition": { "for_any_value:string_equal": { "qcs:request_tag": "team&blue" } },
    }]));
    app.sign_as_user(&[blue]).await;
    let wanted = |value: &str| {
        json!({
            "RegistryName": "team-registry",
            "RegistryType": "basic",
            "TagSpecification": { "Tags": [{ "Key": "team", "Value": value }] },
        })
    };
    assert_eq!(
        app.tcr_refused("CreateInstance", wanted("red")).await,
        "AuthFailure.UnauthorizedOperation"
    );
    app.tcr("CreateInstance", wanted("blue")).await;
    assert_eq!(ACCOUNT, account().to_string());
}
