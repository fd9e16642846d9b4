//! Alibaba's tags of instances, which Tencent's API shows as well.

use serde_json::{Value, json};

use crate::harness::App;

fn listed(output: &Value) -> Vec<&str> {
    output["Registries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["RegistryName"].as_str().unwrap())
        .collect()
}

/// Sets or removes tags of both instances of the app.
async fn change(app: &App, action: &str, more: &[(&str, &str)]) {
    let both = [
        ("ResourceType", "INSTANCE"),
        ("ResourceId.1", app.instance.cri_id.as_str()),
        ("ResourceId.2", app.other_instance.cri_id.as_str()),
    ];
    assert_eq!(app.cr(action, &[&both[..], more].concat()).await, json!({}));
}

/// An app whose two instances have the tags `team=blue` and `stage=`.
async fn two_tagged_instances() -> App {
    let app = App::with_base_domain().await;
    let tags = [
        ("RegionId", "cn-hangzhou"),
        ("Tag.1.Key", "team"),
        ("Tag.1.Value", "blue"),
        ("Tag.2.Key", "stage"),
    ];
    change(&app, "TagResources", &tags).await;
    app
}

/// A tag as lists show it.
fn entry(id: &str, key: &str, value: &str) -> Value {
    json!({
        "ResourceId": id,
        "ResourceType": "instance",
        "TagKey": key,
        "TagValue": value,
    })
}

#[tokio::test]
async fn the_tags_of_an_instance_are_listed() {
    let app = two_tagged_instances().await;
    let one = app.instance.cri_id.as_str();
    let only = [("ResourceType", "instance"), ("ResourceId.1", one)];
    let expected = json!({
        "NextToken": "",
        "TagResources": { "TagResource": [entry(one, "stage", ""), entry(one, "team", "blue")] },
    });
    assert_eq!(app.cr("ListTagResources", &only).await, expected);
}

#[tokio::test]
async fn tencents_door_finds_instances_by_their_tags() {
    let app = two_tagged_instances().await;
    let shown = app
        .tcr(
            "DescribeInstances",
            json!({ "Filters": [{ "Name": "tag:team", "Values": ["blue"] }] }),
        )
        .await;
    assert_eq!((listed(&shown).len(), &shown["TotalCount"]), (2, &json!(2)));
}

#[tokio::test]
async fn a_tag_that_is_set_again_is_found_by_its_new_value() {
    let app = two_tagged_instances().await;
    let one = app.instance.cri_id.as_str();
    let only = [("ResourceType", "instance"), ("ResourceId.1", one)];
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
}

#[tokio::test]
async fn a_tag_that_is_removed_is_not_found() {
    let app = two_tagged_instances().await;
    change(
        &app,
        "UntagResources",
        &[("TagKey.1", "team"), ("TagKey.2", "nothing")],
    )
    .await;
    let by_tag = [
        ("ResourceType", "instance"),
        ("Tag.1.Key", "team"),
        ("Tag.1.Value", "blue"),
    ];
    assert_eq!(
        app.cr("ListTagResources", &by_tag).await["TagResources"]["TagResource"],
        json!([])
    );
}

#[tokio::test]
async fn all_tags_are_removed_at_once() {
    let app = two_tagged_instances().await;
    let one = app.instance.cri_id.as_str();
    change(&app, "UntagResources", &[("All", "true")]).await;
    assert_eq!(
        app.cr("GetInstance", &[("InstanceId", one)]).await["Tags"],
        json!([])
    );
}

/// Checks that an action is refused in each case, with the case's code.
async fn refuses(app: &App, action: &str, cases: &[(&[(&str, &str)], &str)]) {
    for (query, expected) in cases {
        let (_, code) = app.cr_refused(action, query).await;
        assert_eq!(code, *expected, "{action} {query:?}");
    }
}

#[tokio::test]
async fn the_parameters_of_tag_resources_are_checked() {
    let app = App::with_base_domain().await;
    let one = app.instance.cri_id.as_str();
    let only = [("ResourceType", "instance"), ("ResourceId.1", one)];
    refuses(
        &app,
        "TagResources",
        &[
            (
                &[("ResourceId.1", one), ("Tag.1.Key", "a")],
                "MissingResourceType",
            ),
            (
                &[("ResourceType", "namespace"), ("ResourceId.1", one)],
                "InvalidResourceType",
            ),
            (
                &[("ResourceType", "instance"), ("Tag.1.Key", "a")],
                "MissingResourceId",
            ),
            (&only, "MissingTag"),
            (
                &[only[0], only[1], ("Tag.1.Value", "a")],
                "MissingTag.1.Key",
            ),
            (&[only[0], only[1], ("Tag.0.Key", "a")], "InvalidTag"),
            (
                &[only[0], only[1], ("Tag.1.Key", "a"), ("Tag.2.Key", "a")],
                "InvalidTag",
            ),
            (&[only[0], only[1], ("Tag.1.Key", "aliyun")], "InvalidTag"),
            (
                &[only[0], only[1], ("ResourceId.51", one), ("Tag.1.Key", "a")],
                "InvalidResourceId",
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn the_parameters_of_untag_resources_are_checked() {
    let app = App::with_base_domain().await;
    let one = app.instance.cri_id.as_str();
    let only = [("ResourceType", "instance"), ("ResourceId.1", one)];
    refuses(
        &app,
        "UntagResources",
        &[
            (&only, "MissingTagKey"),
            (&[only[0], only[1], ("All", "yes")], "InvalidAll"),
        ],
    )
    .await;
}

#[tokio::test]
async fn the_parameters_of_list_tag_resources_are_checked() {
    let app = App::with_base_domain().await;
    let one = app.instance.cri_id.as_str();
    let only = [("ResourceType", "instance"), ("ResourceId.1", one)];
    refuses(
        &app,
        "ListTagResources",
        &[
            (&[("ResourceType", "instance")], "MissingResourceId"),
            (&[only[0], only[1], ("NextToken", "x")], "InvalidNextToken"),
        ],
    )
    .await;
}

#[tokio::test]
async fn another_accounts_instance_gets_no_tags() {
    let app = App::with_base_domain().await;
    let foreign = [
        ("ResourceType", "instance"),
        ("ResourceId.1", app.foreign_instance.cri_id.as_str()),
        ("Tag.1.Key", "a"),
    ];
    assert_eq!(
        app.cr_refused("TagResources", &foreign).await,
        (404, "INSTANCE_NOT_EXIST".to_owned())
    );
}

#[tokio::test]
async fn tags_are_set_for_all_instances_of_a_call_or_for_none() {
    let app = App::with_base_domain().await;
    let one = app.instance.cri_id.as_str();
    let only = [("ResourceType", "instance"), ("ResourceId.1", one)];
    let half = [
        ("ResourceType", "instance"),
        ("ResourceId.1", one),
        ("ResourceId.2", app.foreign_instance.cri_id.as_str()),
        ("Tag.1.Key", "a"),
    ];
    assert_eq!(
        app.cr_refused("TagResources", &half).await,
        (404, "INSTANCE_NOT_EXIST".to_owned())
    );
    assert_eq!(
        app.cr("ListTagResources", &only).await["TagResources"]["TagResource"],
        json!([]),
        "nothing was half done"
    );
}
