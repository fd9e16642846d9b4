//! Alibaba's instances: parameters, filters, pages, regions and usage.

use serde_json::json;

use crate::harness::App;

#[tokio::test]
async fn a_page_is_one_of_the_documented() {
    let app = App::with_base_domain().await;
    let bad = |name: &str| (400, format!("Invalid{name}"));
    assert_eq!(
        app.cr_refused("ListInstance", &[("PageNo", "0")]).await,
        bad("PageNo")
    );
    assert_eq!(
        app.cr_refused("ListInstance", &[("PageSize", "+5")]).await,
        bad("PageSize")
    );
}

#[tokio::test]
async fn an_instance_is_one_of_the_account() {
    let app = App::with_base_domain().await;
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
async fn instances_are_listed_by_pages() {
    let app = App::with_many_instances().await;
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
}

#[tokio::test]
async fn instances_are_listed_by_status_and_group() {
    let app = App::with_many_instances().await;
    assert_eq!(
        app.cr("ListInstance", &[("InstanceStatus", "STOPPED")])
            .await["TotalCount"],
        0
    );
    assert_eq!(
        app.cr("ListInstance", &[("ResourceGroupId", "rg-1")]).await["TotalCount"],
        0
    );
}

#[tokio::test]
async fn the_regions_of_the_accounts_instances_are_listed() {
    let app = App::with_many_instances().await;
    assert_eq!(
        app.cr("ListInstanceRegion", &[]).await,
        json!({ "Regions": [
            { "RegionId": "ap-guangzhou", "LocalName": "ap-guangzhou" },
            { "RegionId": "ap-shanghai", "LocalName": "ap-shanghai" },
        ] })
    );
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
