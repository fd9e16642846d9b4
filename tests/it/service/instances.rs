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
async fn an_instance_is_known_by_its_id_to_its_account_alone() {
    let app = App::with_base_domain().await;
    let (id, _) = app.made("team-registry").await;
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
}

#[tokio::test]
async fn an_instance_is_changed_and_protected_from_deletion() {
    let app = App::with_base_domain().await;
    let (id, cri) = app.made("team-registry").await;
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
}

#[tokio::test]
async fn an_instance_that_is_not_empty_is_deleted_only_with_its_bucket() {
    let app = App::with_base_domain().await;
    let (id, _) = app.made("team-registry").await;
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
}

#[tokio::test]
async fn a_deleted_instance_is_gone_at_both_doors() {
    let app = App::with_base_domain().await;
    let (id, cri) = app.made("team-registry").await;
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

/// An app whose user may see one instance, and nothing else.
async fn a_user_of_one_instance() -> App {
    let mut app = App::with_base_domain().await;
    let foreign: AccountId = "100000000002".parse().unwrap();
    assert_ne!(app.foreign_instance.account, account());
    assert_eq!(app.foreign_instance.account, foreign);
    let one = cam(&json!([allow(
        ["tcr:DescribeInstances"],
        ["qcs::tcr:::instance/INSTANCE-TCR"]
    )]));
    app.sign_as_user(&[one]).await;
    app
}

#[tokio::test]
async fn lists_show_the_instances_that_a_policy_allows() {
    let app = a_user_of_one_instance().await;
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
}

#[tokio::test]
async fn tencents_door_denies_every_action_that_no_policy_allows() {
    let app = a_user_of_one_instance().await;
    let id = app.instance.id.as_str();
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
}

#[tokio::test]
async fn alibabas_door_denies_every_action_that_no_policy_allows() {
    let app = a_user_of_one_instance().await;
    let cri = app.instance.cri_id.as_str();
    let endpoint = [("InstanceId", cri), ("EndpointType", "internet")];
    for action in ["GetInstanceEndpoint", "ListInstanceEndpoint"] {
        assert_eq!(
            app.cr_refused(action, &endpoint).await,
            (403, "NoPrivilege".to_owned()),
            "{action}"
        );
    }
    let tag = [
        ("ResourceType", "instance"),
        ("ResourceId.1", cri),
        ("Tag.1.Key", "team"),
        ("Tag.1.Value", "x"),
    ];
    assert_eq!(
        app.cr_refused("TagResources", &tag).await,
        (403, "NoPrivilege".to_owned())
    );
}
