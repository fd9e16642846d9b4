//! Tencent's instances: parameters, filters and pages.

use serde_json::{Value, json};

use crate::harness::App;
use crate::harness::tencent::with;

fn listed(output: &Value) -> Vec<&str> {
    output["Registries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["RegistryName"].as_str().unwrap())
        .collect()
}

/// The parameters of a new instance, with some more.
fn new(more: &Value) -> Value {
    with(
        &json!({ "RegistryName": "team-registry", "RegistryType": "basic" }),
        more,
    )
}

/// Checks that an action is refused in each case, with the case's code.
async fn refuses<'a>(app: &App, action: &str, cases: impl IntoIterator<Item = (Value, &'a str)>) {
    for (body, code) in cases {
        assert_eq!(
            app.tcr_refused(action, body.clone()).await,
            code,
            "{action} {body}"
        );
    }
}

#[tokio::test]
async fn the_parameters_of_create_instance_are_checked() {
    let app = App::with_base_domain().await;
    let cases = [
        (json!({ "RegistryType": "basic" }), "MissingParameter"),
        (
            json!({ "RegistryName": "team-registry" }),
            "MissingParameter",
        ),
        (new(&json!({ "Wings": 2 })), "UnknownParameter"),
        (new(&json!({ "RegistryType": 1 })), "InvalidParameter"),
        (
            new(&json!({ "RegistryType": "Enterprise_Basic" })),
            "InvalidParameterValue",
        ),
        (
            new(&json!({ "DeletionProtection": "true" })),
            "InvalidParameter",
        ),
        (
            new(&json!({ "RegistryChargeType": 1 })),
            "UnsupportedOperation",
        ),
        (
            new(&json!({ "RegistryChargeType": -1 })),
            "InvalidParameterValue",
        ),
        (
            new(&json!({ "RegistryChargePrepaid": { "Period": "1" } })),
            "InvalidParameter",
        ),
        (
            new(&json!({ "RegistryChargePrepaid": [] })),
            "InvalidParameter",
        ),
        (
            new(&json!({ "EnableCosMAZ": true })),
            "UnsupportedOperation",
        ),
        (
            new(&json!({ "EnableCosVersioning": true })),
            "UnsupportedOperation",
        ),
    ];
    refuses(&app, "CreateInstance", cases).await;
    assert_eq!(
        app.cr("GetInstanceCount", &[]).await,
        json!({ "Count": 2 }),
        "nothing was half done"
    );
}

#[tokio::test]
async fn the_tags_of_a_new_instance_are_checked() {
    let app = App::with_base_domain().await;
    let twenty: Vec<Value> = (0..21)
        .map(|number| json!({ "Key": format!("k{number}"), "Value": "" }))
        .collect();
    let cases = [
        (
            new(&json!({ "TagSpecification": { "ResourceType": "namespace" } })),
            "InvalidParameterValue",
        ),
        (
            new(&json!({ "TagSpecification": { "Tags": [{ "Value": "x" }] } })),
            "MissingParameter",
        ),
        (
            new(&json!({ "TagSpecification": { "Tags": [{ "Key": "acs:x", "Value": "x" }] } })),
            "InvalidParameterValue",
        ),
        (
            new(&json!({ "TagSpecification": { "Tags": [{ "Key": "a" }, { "Key": "a" }] } })),
            "InvalidParameterValue",
        ),
        (
            new(&json!({ "TagSpecification": { "Tags": twenty } })),
            "InvalidParameter.ErrorTagOverLimit",
        ),
    ];
    refuses(&app, "CreateInstance", cases).await;
    assert_eq!(
        app.cr("GetInstanceCount", &[]).await,
        json!({ "Count": 2 }),
        "nothing was half done"
    );
}

#[tokio::test]
async fn the_parameters_of_describe_instances_are_checked() {
    let app = App::with_base_domain().await;
    let cases = [
        (json!({ "Registryids": "tcr-12345678" }), "InvalidParameter"),
        (json!({ "Limit": "20" }), "InvalidParameter"),
        (json!({ "Limit": 0 }), "InvalidParameterValue"),
        (json!({ "Limit": 1001 }), "InvalidParameterValue"),
        (json!({ "Offset": -1 }), "InvalidParameterValue"),
        (
            json!({ "Filters": [{ "Name": "Colour", "Values": ["red"] }] }),
            "InvalidParameterValue",
        ),
        (
            json!({ "Filters": [{ "Values": ["red"] }] }),
            "MissingParameter",
        ),
        (json!({ "RegistryIds": [] }), "UnknownParameter"),
    ];
    refuses(&app, "DescribeInstances", cases).await;
}

#[tokio::test]
async fn the_parameters_of_describe_instance_status_are_checked() {
    let app = App::with_base_domain().await;
    let cases = [
        (json!({}), "MissingParameter"),
        (json!({ "RegistryIds": [1] }), "InvalidParameter"),
    ];
    refuses(&app, "DescribeInstanceStatus", cases).await;
}

#[tokio::test]
async fn the_parameters_of_modify_instance_are_checked() {
    let app = App::with_base_domain().await;
    let id = app.instance.id.as_str();
    let cases = [
        (
            json!({ "RegistryId": id, "RegistryType": "huge" }),
            "InvalidParameterValue",
        ),
        (
            json!({ "RegistryId": id, "EnableCosVersioning": true }),
            "UnsupportedOperation",
        ),
        (json!({ "RegistryType": "basic" }), "MissingParameter"),
    ];
    refuses(&app, "ModifyInstance", cases).await;
}

#[tokio::test]
async fn the_parameters_of_delete_instance_are_checked() {
    let app = App::with_base_domain().await;
    let id = app.instance.id.as_str();
    let cases = [(
        json!({ "RegistryId": id, "Force": true }),
        "UnknownParameter",
    )];
    refuses(&app, "DeleteInstance", cases).await;
}

#[tokio::test]
async fn the_parameters_of_check_instance_are_checked() {
    let app = App::with_base_domain().await;
    let cases = [(json!({}), "MissingParameter")];
    refuses(&app, "CheckInstance", cases).await;
}

#[tokio::test]
async fn the_parameters_of_check_instance_name_are_checked() {
    let app = App::with_base_domain().await;
    let cases = [(json!({}), "MissingParameter")];
    refuses(&app, "CheckInstanceName", cases).await;
}

#[tokio::test]
async fn the_parameters_of_describe_regions_are_checked() {
    let app = App::with_base_domain().await;
    let cases = [(json!({ "Region": "x" }), "UnknownParameter")];
    refuses(&app, "DescribeRegions", cases).await;
}

async fn describe(app: &App, body: Value) -> Value {
    app.tcr("DescribeInstances", body).await
}

#[tokio::test]
async fn instances_of_one_region_are_listed_unless_all_are_asked_for() {
    let app = App::with_many_instances().await;
    let here = describe(&app, json!({})).await;
    // Two that were made in the same moment stand in any order.
    let mut both = listed(&here);
    both.sort_unstable();
    assert_eq!(
        (both, &here["TotalCount"]),
        (vec!["demo", "other"], &json!(2)),
        "one region, unless all are asked for"
    );
}

#[tokio::test]
async fn instances_are_listed_by_items() {
    let app = App::with_many_instances().await;
    let first = describe(&app, json!({ "AllRegion": true })).await;
    assert_eq!(
        (listed(&first).len(), &first["TotalCount"]),
        (20, &json!(24))
    );
    let next = describe(
        &app,
        json!({ "AllRegion": true, "Offset": 20, "Limit": 20 }),
    )
    .await;
    assert_eq!(
        (listed(&next), &next["TotalCount"]),
        (vec!["bulk-18", "bulk-19", "bulk-20", "bulk-21"], &json!(24))
    );
    assert_eq!(
        listed(&describe(&app, json!({ "AllRegion": true, "Limit": 200 })).await).len(),
        24,
        "Terraform asks for 200"
    );
    assert_eq!(
        listed(&describe(&app, json!({ "AllRegion": true, "Offset": 24 })).await),
        Vec::<&str>::new()
    );
}

#[tokio::test]
async fn an_instance_is_found_by_name_as_harbor_does_and_by_id_as_terraform_does() {
    let app = App::with_many_instances().await;
    // Harbor's way to find its instance.
    let harbor = json!({
        "AllRegion": true,
        "Filters": [{ "Name": "RegistryName", "Values": ["bulk-07"] }],
    });
    let found = describe(&app, harbor).await;
    assert_eq!(
        (listed(&found), &found["Registries"][0]["RegionId"]),
        (vec!["bulk-07"], &json!(4))
    );
    // Terraform's: by id, in whatever region it runs.
    assert_eq!(
        listed(
            &describe(
                &app,
                json!({ "Registryids": [found["Registries"][0]["RegistryId"]] })
            )
            .await
        ),
        ["bulk-07"]
    );
}

#[tokio::test]
async fn filters_must_all_hold_and_their_values_are_alternatives() {
    let app = App::with_many_instances().await;
    let filtered = async |filters: Value| {
        let output = describe(&app, json!({ "AllRegion": true, "Filters": filters })).await;
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
}

#[tokio::test]
async fn regions_have_the_documented_fields() {
    let app = App::with_many_instances().await;
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
