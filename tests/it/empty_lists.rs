//! Reads of what there is nothing of here: the answer is true, and asking for it is held to the
//! same rules as any other call.

use serde_json::{Value, json};

use crate::harness::App;
use crate::harness::documents::{allow, cam, ram, ram_allow};
use crate::harness::identity::app_of_user;

/// The actions of Tencent's that say of an instance that there is nothing.
const OF_TENCENT: [&str; 7] = [
    "DescribeInternalEndpoints",
    "DescribeInstanceCustomizedDomain",
    "DescribeImmutableTagRules",
    "DescribeTagRetentionRules",
    "DescribeReplicationInstances",
    "DescribeReplicationPolicies",
    "DescribeWebhookTrigger",
];

/// The same of Alibaba's.
const OF_ALIBABA: [&str; 6] = [
    "GetInstanceVpcEndpoint",
    "ListRepoSyncRule",
    "ListChartNamespace",
    "ListChain",
    "ListArtifactLifecycleRule",
    "ListScanRule",
];

/// An app whose instance has the namespaces `team` and `ours`, and the repository `team/app`.
async fn stocked() -> App {
    let app = App::new().await;
    let id = app.instance.id.as_str();
    for namespace in ["team", "ours"] {
        app.tcr(
            "CreateNamespace",
            json!({ "RegistryId": id, "NamespaceName": namespace, "IsPublic": false }),
        )
        .await;
    }
    app.tcr(
        "CreateRepository",
        json!({ "RegistryId": id, "NamespaceName": "team", "RepositoryName": "app" }),
    )
    .await;
    app
}

/// Returns the parameters of a call about the app's instance, and these.
fn with(app: &App, more: &Value) -> Value {
    let mut body = json!({ "RegistryId": app.instance.id.as_str() });
    body.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    body
}

fn vpc(instance: &str) -> Value {
    json!({
        "InstanceId": instance,
        "VpcId": "vpc-9iazgkcl",
        "EniLBIp": "192.0.2.69",
        "UsePublicDomain": true,
    })
}

#[tokio::test]
async fn tencents_lists_are_empty_and_have_the_documented_fields() {
    let app = stocked().await;
    for (action, answer) in [
        (
            "DescribeInternalEndpoints",
            json!({ "AccessVpcSet": [], "TotalCount": 0 }),
        ),
        (
            "DescribeInstanceCustomizedDomain",
            json!({ "DomainInfoList": [], "TotalCount": 0 }),
        ),
        (
            "DescribeImmutableTagRules",
            json!({ "Rules": [], "EmptyNs": ["ours", "team"], "Total": 0 }),
        ),
        (
            "DescribeTagRetentionRules",
            json!({ "RetentionPolicyList": [], "TotalCount": 0 }),
        ),
        (
            "DescribeReplicationInstances",
            json!({ "TotalCount": 0, "ReplicationRegistries": [] }),
        ),
        (
            "DescribeReplicationPolicies",
            json!({ "ReplicationPolicyInfoList": [], "TotalCount": 0 }),
        ),
        (
            "DescribeWebhookTrigger",
            json!({ "TotalCount": 0, "Triggers": [] }),
        ),
    ] {
        assert_eq!(
            app.tcr(action, with(&app, &json!({}))).await,
            answer,
            "{action}"
        );
    }
    for (action, parameters) in [
        (
            "DescribeInstanceCustomizedDomain",
            json!({ "Limit": 200, "Offset": 0 }),
        ),
        (
            "DescribeImmutableTagRules",
            json!({ "Page": 1, "PageSize": 100 }),
        ),
        (
            "DescribeTagRetentionRules",
            json!({ "NamespaceName": "team", "Limit": 10, "Offset": 1 }),
        ),
        ("DescribeTagRetentionRules", json!({ "NamespaceName": "" })),
        (
            "DescribeReplicationInstances",
            json!({ "Offset": 0, "Limit": 100 }),
        ),
        (
            "DescribeReplicationPolicies",
            json!({ "Page": 2, "PageSize": 20 }),
        ),
        (
            "DescribeWebhookTrigger",
            json!({ "Namespace": "team", "Limit": 10, "Offset": 1 }),
        ),
    ] {
        app.tcr(action, with(&app, &parameters)).await;
    }
}

#[tokio::test]
async fn no_private_network_resolves_an_instances_name() {
    let app = stocked().await;
    let id = app.instance.id.as_str();
    let mut elsewhere = vpc(id);
    elsewhere["RegionName"] = json!("ap-shanghai");
    let output = app
        .tcr(
            "DescribeInternalEndpointDnsStatus",
            json!({ "VpcSet": [vpc(id), elsewhere] }),
        )
        .await;
    let off =
        |region: &str| json!({ "Region": region, "VpcId": "vpc-9iazgkcl", "Status": "DISABLE" });
    assert_eq!(
        output,
        json!({ "VpcSet": [off("ap-guangzhou"), off("ap-shanghai")] })
    );
    let foreign = app.foreign_instance.id.as_str();
    let code = app
        .tcr_refused(
            "DescribeInternalEndpointDnsStatus",
            json!({ "VpcSet": [vpc(id), vpc(foreign)] }),
        )
        .await;
    assert_eq!(code, "ResourceNotFound.TcrResourceNotFound");
}

#[tokio::test]
async fn alibabas_lists_are_empty_and_have_the_documented_fields() {
    let app = stocked().await;
    let page = |list: &str, total: Value| {
        json!({
            "PageNo": 1,
            "PageSize": 30,
            "TotalCount": total,
            list: [],
        })
    };
    for (action, answer) in [
        (
            "GetInstanceVpcEndpoint",
            json!({ "Enable": false, "Domains": [], "LinkedVpcs": [], "ModuleName": "Registry" }),
        ),
        ("ListRepoSyncRule", page("SyncRules", json!(0))),
        ("ListChartNamespace", page("Namespaces", json!("0"))),
        ("ListChain", page("Chains", json!(0))),
        ("ListArtifactLifecycleRule", page("Rules", json!(0))),
        ("ListScanRule", page("ScanRules", json!(0))),
    ] {
        assert_eq!(
            app.cr(action, &[("InstanceId", app.instance.cri_id.as_str())])
                .await,
            answer,
            "{action}"
        );
    }
    let of = ("InstanceId", app.instance.cri_id.as_str());
    assert_eq!(
        app.cr("GetInstanceVpcEndpoint", &[of, ("ModuleName", "Chart")])
            .await["ModuleName"],
        "Chart"
    );
    let paged = app
        .cr(
            "ListScanRule",
            &[
                of,
                ("PageNo", "3"),
                ("PageSize", "50"),
                ("ScanType", "SBOM"),
            ],
        )
        .await;
    assert_eq!(
        (&paged["PageNo"], &paged["PageSize"]),
        (&json!(3), &json!(50))
    );
    app.cr(
        "ListRepoSyncRule",
        &[
            of,
            ("NamespaceName", "team"),
            ("RepoName", "app"),
            ("TargetRegionId", "cn-beijing"),
        ],
    )
    .await;
    app.cr(
        "ListChain",
        &[of, ("RepoNamespaceName", "team"), ("RepoName", "app")],
    )
    .await;
    app.cr(
        "ListChartNamespace",
        &[
            of,
            ("NamespaceName", "charts"),
            ("NamespaceStatus", "DELETING"),
        ],
    )
    .await;
    app.cr(
        "ListArtifactLifecycleRule",
        &[of, ("EnableDeleteTag", "true")],
    )
    .await;
}

#[tokio::test]
async fn an_instance_has_no_customized_domain_and_its_own_name_is_none() {
    let app = stocked().await;
    let of = ("InstanceId", app.instance.cri_id.as_str());
    for domain in ["hub.example.com", app.instance.service.as_str()] {
        let refusal = app
            .cr_refused(
                "GetInstanceCustomizedDomain",
                &[of, ("Domain", domain), ("ModuleName", "Registry")],
            )
            .await;
        assert_eq!(
            refusal,
            (404, "CUSTOMIZED_DOMAIN_NOT_EXIST".to_owned()),
            "{domain}"
        );
    }
}

#[tokio::test]
async fn the_parameters_of_tencents_empty_lists_are_checked() {
    let app = stocked().await;
    let id = app.instance.id.as_str();
    for action in OF_TENCENT {
        assert_eq!(
            app.tcr_refused(action, json!({})).await,
            "MissingParameter",
            "{action}"
        );
        assert_eq!(
            app.tcr_refused(action, json!({ "RegistryId": 1 })).await,
            "InvalidParameter",
            "{action}"
        );
        assert_eq!(
            app.tcr_refused(action, with(&app, &json!({ "Colour": "red" })))
                .await,
            "UnknownParameter",
            "{action}"
        );
        for unknown in ["tcr-zzzzzzzz", "nonsense", app.foreign_instance.id.as_str()] {
            let code = app
                .tcr_refused(action, json!({ "RegistryId": unknown }))
                .await;
            assert_eq!(
                code, "ResourceNotFound.TcrResourceNotFound",
                "{action} {unknown}"
            );
        }
    }
    for action in [
        "DescribeInstanceCustomizedDomain",
        "DescribeTagRetentionRules",
        "DescribeReplicationInstances",
        "DescribeWebhookTrigger",
    ] {
        for wrong in [
            json!({ "Limit": 0 }),
            json!({ "Limit": 1001 }),
            json!({ "Offset": -1 }),
        ] {
            assert_eq!(
                app.tcr_refused(action, with(&app, &wrong)).await,
                "InvalidParameterValue",
                "{action} {wrong}"
            );
        }
    }
    for action in ["DescribeImmutableTagRules", "DescribeReplicationPolicies"] {
        for wrong in [
            json!({ "Page": 0 }),
            json!({ "PageSize": 0 }),
            json!({ "PageSize": 101 }),
        ] {
            assert_eq!(
                app.tcr_refused(action, with(&app, &wrong)).await,
                "InvalidParameterValue",
                "{action} {wrong}"
            );
        }
    }
    for (action, namespace) in [
        ("DescribeTagRetentionRules", "NamespaceName"),
        ("DescribeWebhookTrigger", "Namespace"),
    ] {
        let code = app
            .tcr_refused(action, with(&app, &json!({ namespace: "nobody" })))
            .await;
        assert_eq!(code, "ResourceNotFound", "{action}");
    }
    let but = |name: &str, value: Value| {
        let mut changed = vpc(id);
        changed[name] = value;
        json!({ "VpcSet": [changed] })
    };
    for (body, code) in [
        (json!({}), "MissingParameter"),
        (json!({ "VpcSet": [] }), "MissingParameter"),
        (
            json!({ "VpcSet": vec![vpc(id); 101] }),
            "InvalidParameterValue",
        ),
        (but("InstanceId", Value::Null), "MissingParameter"),
        (but("VpcId", Value::Null), "MissingParameter"),
        (but("EniLBIp", json!("here")), "InvalidParameterValue"),
        (but("UsePublicDomain", json!("yes")), "InvalidParameter"),
        (but("RegionName", json!("Nowhere")), "InvalidParameterValue"),
        (but("Colour", json!("red")), "UnknownParameter"),
    ] {
        assert_eq!(
            app.tcr_refused("DescribeInternalEndpointDnsStatus", body.clone())
                .await,
            code,
            "{body}"
        );
    }
}

#[tokio::test]
async fn the_parameters_of_alibabas_empty_lists_are_checked() {
    let app = stocked().await;
    let of = ("InstanceId", app.instance.cri_id.as_str());
    for action in OF_ALIBABA {
        assert_eq!(
            app.cr_refused(action, &[]).await,
            (400, "MissingInstanceId".to_owned()),
            "{action}"
        );
        for unknown in [
            "cri-zzzzzzzzzzzzzzzz",
            "nonsense",
            app.foreign_instance.cri_id.as_str(),
        ] {
            let refusal = app.cr_refused(action, &[("InstanceId", unknown)]).await;
            assert_eq!(
                refusal,
                (404, "INSTANCE_NOT_EXIST".to_owned()),
                "{action} {unknown}"
            );
        }
    }
    for action in OF_ALIBABA
        .into_iter()
        .filter(|action| action.starts_with("List"))
    {
        assert_eq!(
            app.cr_refused(action, &[of, ("PageNo", "0")]).await,
            (400, "InvalidPageNo".to_owned()),
            "{action}"
        );
        assert_eq!(
            app.cr_refused(action, &[of, ("PageSize", "101")]).await,
            (400, "InvalidPageSize".to_owned()),
            "{action}"
        );
    }
    let domain = ("Domain", "hub.example.com");
    let module = ("ModuleName", "Registry");
    for (action, query, status, code) in [
        (
            "GetInstanceVpcEndpoint",
            &[of, ("ModuleName", "Images")][..],
            400,
            "InvalidModuleName",
        ),
        (
            "GetInstanceCustomizedDomain",
            &[domain, module],
            400,
            "MissingInstanceId",
        ),
        (
            "GetInstanceCustomizedDomain",
            &[of, module],
            400,
            "MissingDomain",
        ),
        (
            "GetInstanceCustomizedDomain",
            &[of, domain],
            400,
            "MissingModuleName",
        ),
        (
            "GetInstanceCustomizedDomain",
            &[of, domain, ("ModuleName", "Images")],
            400,
            "InvalidModuleName",
        ),
        (
            "GetInstanceCustomizedDomain",
            &[of, ("Domain", "https://hub"), module],
            400,
            "InvalidDomain",
        ),
        (
            "GetInstanceCustomizedDomain",
            &[("InstanceId", "cri-zzzzzzzzzzzzzzzz"), domain, module],
            404,
            "INSTANCE_NOT_EXIST",
        ),
        (
            "ListRepoSyncRule",
            &[of, ("NamespaceName", "nobody")],
            404,
            "NAMESPACE_NOT_EXIST",
        ),
        (
            "ListRepoSyncRule",
            &[of, ("NamespaceName", "ours"), ("RepoName", "app")],
            404,
            "REPO_NOT_EXIST",
        ),
        (
            "ListRepoSyncRule",
            &[of, ("RepoName", "app")],
            400,
            "MissingNamespaceName",
        ),
        (
            "ListChain",
            &[of, ("RepoNamespaceName", "nobody")],
            404,
            "NAMESPACE_NOT_EXIST",
        ),
        (
            "ListChain",
            &[of, ("RepoName", "app")],
            400,
            "MissingRepoNamespaceName",
        ),
        (
            "ListChartNamespace",
            &[of, ("NamespaceStatus", "GONE")],
            400,
            "InvalidNamespaceStatus",
        ),
        (
            "ListArtifactLifecycleRule",
            &[of, ("EnableDeleteTag", "maybe")],
            400,
            "InvalidEnableDeleteTag",
        ),
        (
            "ListScanRule",
            &[of, ("ScanType", "SPAM")],
            400,
            "InvalidScanType",
        ),
    ] {
        assert_eq!(
            app.cr_refused(action, query).await,
            (status, code.to_owned()),
            "{action} {query:?}"
        );
    }
}

#[tokio::test]
async fn each_empty_list_wants_its_own_permission() {
    let nothing = app_of_user(&[]).await;
    let of = ("InstanceId", nothing.instance.cri_id.as_str());
    for action in OF_TENCENT {
        assert_eq!(
            nothing
                .tcr_refused(action, with(&nothing, &json!({})))
                .await,
            "AuthFailure.UnauthorizedOperation",
            "{action}"
        );
    }
    let dns = json!({ "VpcSet": [vpc(nothing.instance.id.as_str())] });
    assert_eq!(
        nothing
            .tcr_refused("DescribeInternalEndpointDnsStatus", dns.clone())
            .await,
        "AuthFailure.UnauthorizedOperation"
    );
    for action in OF_ALIBABA {
        assert_eq!(
            nothing.cr_refused(action, &[of]).await,
            (403, "NoPrivilege".to_owned()),
            "{action}"
        );
    }
    let domain = [
        of,
        ("Domain", "hub.example.com"),
        ("ModuleName", "Registry"),
    ];
    assert_eq!(
        nothing
            .cr_refused("GetInstanceCustomizedDomain", &domain)
            .await,
        (403, "NoPrivilege".to_owned())
    );

    // The clouds' own names open them, on the instance and what it holds.
    let resource = [
        "qcs::tcr:::instance/INSTANCE-TCR",
        "qcs::tcr:::repository/INSTANCE-TCR/*",
    ];
    let names: Vec<String> = OF_TENCENT
        .iter()
        .map(|action| format!("tcr:{action}"))
        .collect();
    let by_cam = cam(&json!([allow(names, resource)]));
    let resource = [
        "acs:cr:*:*:instance/INSTANCE-CRI",
        "acs:cr:*:*:repository/INSTANCE-CRI/*",
    ];
    let names: Vec<String> = OF_ALIBABA
        .iter()
        .map(|action| format!("cr:{}", action.replace("Chart", "")))
        .collect();
    let by_ram = ram(&json!([ram_allow(names, resource)]));
    let reader = app_of_user(&[by_cam, by_ram]).await;
    for action in OF_TENCENT {
        reader.tcr(action, with(&reader, &json!({}))).await;
    }
    for action in OF_ALIBABA {
        reader
            .cr(action, &[("InstanceId", reader.instance.cri_id.as_str())])
            .await;
    }
}

#[tokio::test]
async fn who_may_look_into_one_namespace_hears_of_no_other() {
    let actions = [
        "tcr:DescribeTagRetentionRules",
        "tcr:DescribeWebhookTrigger",
        "tcr:DescribeImmutableTagRules",
    ];
    let one = cam(&json!([allow(
        actions,
        "qcs::tcr:::repository/INSTANCE-TCR/team/*"
    )]));
    let app = app_of_user(&[one]).await;
    for (action, namespace) in [
        ("DescribeTagRetentionRules", "NamespaceName"),
        ("DescribeWebhookTrigger", "Namespace"),
    ] {
        // There is none of either name; only of its own the user may know.
        assert_eq!(
            app.tcr_refused(action, with(&app, &json!({ namespace: "team" })))
                .await,
            "ResourceNotFound",
            "{action}"
        );
        for other in [json!({ namespace: "theirs" }), json!({})] {
            assert_eq!(
                app.tcr_refused(action, with(&app, &other)).await,
                "AuthFailure.UnauthorizedOperation",
                "{action}"
            );
        }
    }
    assert_eq!(
        app.tcr_refused("DescribeImmutableTagRules", with(&app, &json!({})))
            .await,
        "AuthFailure.UnauthorizedOperation"
    );
}
